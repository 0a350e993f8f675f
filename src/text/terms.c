#include "text/terms.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/stem.h"
#include "text/unicode.h"

#include <stdlib.h>

/* Words that nearly every text has: articles, prepositions, pronouns, forms of "to be". Folded and
 * sorted by byte. The English list is the one that Lucene made common. */
enum { STOP_MAX = 8 }; /* bytes; shorter ones are filled up with NUL */
static const char stop_en[][STOP_MAX] = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
static const char stop_de[][STOP_MAX] = {
    "aber",   "als",    "am",   "an",    "auch", "auf",  "aus",   "bei",   "bis",
    "das",    "dass",   "dem",  "den",   "der",  "des",  "die",   "dies",  "diese",
    "dieser", "dieses", "doch", "durch", "ein",  "eine", "einem", "einen", "einer",
    "eines",  "er",     "es",   "für",   "hat",  "im",   "in",    "ist",   "ja",
    "kann",   "mit",    "nach", "nicht", "noch", "nur",  "ob",    "oder",  "sich",
    "sie",    "sind",   "so",   "um",    "und",  "vom",  "von",   "vor",   "war",
    "wenn",   "werden", "wie",  "wird",  "zu",   "zum",  "zur",   "über"};
static const char stop_fr[][STOP_MAX] = {
    "a",     "au",  "aux",  "avec", "ce",  "ces", "cette", "dans", "de", "des",  "du",  "elle",
    "elles", "en",  "est",  "et",   "eux", "il",  "ils",   "je",   "la", "le",   "les", "leur",
    "leurs", "lui", "mais", "me",   "mes", "moi", "mon",   "même", "ne", "nous", "on",  "ou",
    "où",    "par", "pas",  "pour", "qu",  "que", "qui",   "sa",   "se", "ses",  "son", "sont",
    "sur",   "ta",  "te",   "tu",   "un",  "une", "vous",  "y"};
static const char stop_es[][STOP_MAX] = {
    "a",   "al",  "como",  "con",  "de",   "del",  "el",   "ella", "ellos", "en", "entre",
    "era", "es",  "esta",  "este", "esto", "ha",   "hay",  "la",   "las",   "le", "les",
    "lo",  "los", "más",   "no",   "o",    "para", "pero", "por",  "que",   "se", "ser",
    "si",  "sin", "sobre", "son",  "su",   "sus",  "un",   "una",  "uno",   "y",  "ya"};
static const char stop_it[][STOP_MAX] = {
    "a",   "ad",  "al",    "alla", "alle",   "anche",  "che",    "chi",    "ci", "come", "con",
    "da",  "dal", "dalla", "dei",  "del",    "della",  "delle",  "di",     "e",  "ed",   "gli",
    "ha",  "i",   "il",    "in",   "io",     "la",     "le",     "lo",     "ma", "nel",  "nella",
    "non", "o",   "per",   "più",  "quella", "quello", "questa", "questo", "se", "si",   "sono",
    "su",  "sul", "sulla", "tra",  "un",     "una",    "uno",    "è"};
static const char stop_pt[][STOP_MAX] = {
    "a",   "ao",   "aos",  "as",   "com",   "como", "da",   "das",  "de",   "do",   "dos",
    "e",   "ela",  "ele",  "em",   "entre", "era",  "essa", "esse", "esta", "este", "foi",
    "há",  "isso", "já",   "mais", "mas",   "na",   "nas",  "no",   "nos",  "não",  "o",
    "os",  "ou",   "para", "pela", "pelo",  "por",  "que",  "se",   "sem",  "ser",  "seu",
    "sua", "são",  "um",   "uma",  "à",     "às",   "é"};
static const char stop_nl[][STOP_MAX] = {
    "aan",  "al",   "als",   "bij",  "dan",  "dat",  "de",   "der",  "deze", "die", "dit",
    "door", "een",  "en",    "er",   "haar", "het",  "hij",  "hoe",  "hun",  "ik",  "in",
    "is",   "je",   "kan",   "maar", "met",  "mijn", "naar", "niet", "nog",  "of",  "om",
    "ook",  "op",   "over",  "te",   "tot",  "uit",  "van",  "voor", "was",  "wat", "we",
    "wel",  "werd", "wordt", "ze",   "zich", "zij",  "zijn", "zo"};

static const struct {
    const char (*word)[STOP_MAX];
    size_t n;
} stops[LANG_COUNT] = {
    [LANG_EN] = {stop_en, COUNT(stop_en)}, [LANG_DE] = {stop_de, COUNT(stop_de)},
    [LANG_FR] = {stop_fr, COUNT(stop_fr)}, [LANG_ES] = {stop_es, COUNT(stop_es)},
    [LANG_IT] = {stop_it, COUNT(stop_it)}, [LANG_PT] = {stop_pt, COUNT(stop_pt)},
    [LANG_NL] = {stop_nl, COUNT(stop_nl)},
};

/* As memcmp has it. */
static int by_bytes(const void *key, const void *entry)
{
    uint64_t a, b;
    memcpy(&a, key, STOP_MAX);
    memcpy(&b, entry, STOP_MAX);
    a = __builtin_bswap64(a);
    b = __builtin_bswap64(b);
    return (a > b) - (a < b);
}

bool terms_is_stop(enum lang l, struct str word)
{
    char key[STOP_MAX] = {0};
    if (word.len > STOP_MAX || stops[l].n == 0)
        return false;
    for (size_t i = 0; i < word.len; i++)
        key[i] = word.p[i];
    return bsearch(key, stops[l].word, stops[l].n, STOP_MAX, by_bytes);
}

static bool is_ascii_word(unsigned char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10;
}

/* The kind of the character at `at`, and where it ends. */
static enum unicode_kind look(struct str s, size_t at, size_t *end)
{
    unsigned char c = (unsigned char)s.p[at];
    if (c < 0x80) {
        *end = at + 1;
        return is_ascii_word(c) ? UNICODE_WORD : UNICODE_OTHER;
    }
    *end = at;
    return unicode_kind(utf8_next(s, end));
}

void terms_begin(struct terms *t, struct str text, enum lang lang, enum terms_for use)
{
    t->text = text;
    t->at = 0;
    t->place = 0;
    t->lang = lang;
    t->use = use;
    t->in_run = t->single_done = false;
    t->identifiers = false;
    t->whole_end = t->part_at = t->part_end = 0;
}

static struct str fold(struct terms *t, size_t start, size_t end)
{
    struct str raw = str_span(t->text.p + start, t->text.p + end);
    return (struct str){t->word, unicode_fold(raw, t->word, sizeof(t->word))};
}

/* Copies the run of ASCII letters and digits at `at` to t->word, in small letters, as far as there
 * is room. Returns its end. */
static size_t take_ascii(struct terms *t, size_t at)
{
    size_t start = at, stop = size_min(t->text.len, at + TERMS_WORD_MAX);
    for (; at < stop; at++) {
        unsigned char c = (unsigned char)t->text.p[at];
        if (!is_ascii_word(c))
            break;
        t->word[at - start] = (char)(c | (c >= 'A' ? 0x20 : 0));
    }
    return at;
}

/* The end of the word that starts at `at`: letters, numbers, and marks behind them. */
static size_t word_end(struct str s, size_t at)
{
    size_t next;
    while (at < s.len) {
        if (is_ascii_word((unsigned char)s.p[at])) { /* mostly */
            at++;
            continue;
        }
        enum unicode_kind kind = look(s, at, &next);
        if (kind != UNICODE_WORD && kind != UNICODE_MARK)
            break;
        at = next;
    }
    return at;
}

/* The word that starts at t->at, which is moved behind it. False when it is a stop word. */
static bool take_word(struct terms *t, struct term *out)
{
    struct str s = t->text;
    size_t start = t->at, ascii = take_ascii(t, start), end = word_end(s, ascii);
    t->at = end;
    uint32_t place = t->place++;
    struct str word = {t->word, ascii - start};
    if (end > ascii && ascii - start < TERMS_WORD_MAX)
        word = fold(t, start, start + utf8_cut(str_span(s.p + start, s.p + end), TERMS_WORD_MAX));
    if (word.len == 0 || terms_is_stop(t->lang, word))
        return false;
    *out = (struct term){stem_word(t->lang, word), start, end, place, false, false};
    return true;
}

/* The character of a dense script at t->at: alone, if it is to be; at the next call with the one
 * behind it. False when that call gives nothing. */
static bool take_dense(struct terms *t, size_t end, struct term *out)
{
    size_t start = t->at, pair_end = end;
    bool pair = end < t->text.len && look(t->text, end, &pair_end) == UNICODE_DENSE;
    bool lonely = !t->in_run && !pair;
    if (!t->single_done && (lonely || t->use == TERMS_DOCUMENT)) {
        t->single_done = true;
        *out = (struct term){fold(t, start, end), start, end, t->place, !lonely, true};
        return out->text.len > 0;
    }
    t->single_done = false;
    t->in_run = pair;
    t->at = end;
    uint32_t place = t->place++;
    if (!pair)
        return false;
    *out = (struct term){fold(t, start, pair_end), start, pair_end, place, false, true};
    return out->text.len > 0;
}

/* ---- Names of source code ---- */

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* Where the part of a name that begins at `at` ends: get|User|Name, HTTP|Server. */
static size_t part_stop(struct str s, size_t at, size_t end)
{
    for (size_t i = at + 1; i < end; i++)
        if (is_upper(s.p[i]) &&
            (is_lower(s.p[i - 1]) || (i + 1 < end && is_upper(s.p[i - 1]) && is_lower(s.p[i + 1]))))
            return i;
    return end;
}

enum { PART_LEAST = 2 }; /* letters */

static bool take_part(struct terms *t, struct term *out)
{
    while (t->part_at < t->part_end) {
        size_t start = t->part_at, end = part_stop(t->text, start, t->part_end);
        t->part_at = end;
        if (end - start < PART_LEAST)
            continue;
        struct str word = fold(t, start, end);
        if (word.len == 0 || terms_is_stop(t->lang, word))
            continue;
        *out = (struct term){stem_word(t->lang, word), start, end, t->place - 1, true, false};
        return true;
    }
    return false;
}

static void note_parts(struct terms *t, size_t start)
{
    size_t end = size_min(t->at, start + TERMS_WORD_MAX);
    if (t->identifiers && part_stop(t->text, start, end) < end) {
        t->part_at = start;
        t->part_end = end;
    }
}

/* The name of several words joined by dots and underscores that begins at t->at. Single letters
 * are an abbreviation (e.g., U.S.) and none. */
static bool take_whole(struct terms *t, struct term *out)
{
    struct str s = t->text;
    size_t start = t->at, end = word_end(s, start), next, longest = end - start, words = 1;
    while (end + 1 < s.len && (s.p[end] == '_' || s.p[end] == '.') &&
           look(s, end + 1, &next) == UNICODE_WORD) {
        size_t from = end + 1;
        end = word_end(s, from);
        longest = size_max(longest, end - from);
        words++;
    }
    t->whole_end = end;
    if (words == 1 || longest == 1 || end - start > TERMS_WORD_MAX)
        return false;
    *out = (struct term){fold(t, start, end), start, end, t->place, true, true};
    return out->text.len > 0;
}

bool terms_next(struct terms *t, struct term *out)
{
    if (t->part_at < t->part_end && take_part(t, out))
        return true;
    while (t->at < t->text.len) {
        size_t end, start = t->at;
        switch (look(t->text, t->at, &end)) {
        case UNICODE_WORD:
            if (t->identifiers && start >= t->whole_end && take_whole(t, out))
                return true;
            bool given = take_word(t, out);
            note_parts(t, start);
            if (given || take_part(t, out))
                return true;
            break;
        case UNICODE_DENSE:
            if (take_dense(t, end, out))
                return true;
            break;
        default: t->at = end; break;
        }
    }
    return false;
}
