#include "text/terms.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/stem.h"
#include "text/unicode.h"

#include <stdlib.h>

/* Words that nearly every text has: articles, prepositions, pronouns, forms of "to be". Folded and
 * sorted by byte. The English list is the one that Lucene made common. */
static const char *const stop_en[] = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
static const char *const stop_de[] = {
    "aber",   "als",    "am",   "an",    "auch", "auf",  "aus",   "bei",   "bis",
    "das",    "dass",   "dem",  "den",   "der",  "des",  "die",   "dies",  "diese",
    "dieser", "dieses", "doch", "durch", "ein",  "eine", "einem", "einen", "einer",
    "eines",  "er",     "es",   "für",   "hat",  "im",   "in",    "ist",   "ja",
    "kann",   "mit",    "nach", "nicht", "noch", "nur",  "ob",    "oder",  "sich",
    "sie",    "sind",   "so",   "um",    "und",  "vom",  "von",   "vor",   "war",
    "wenn",   "werden", "wie",  "wird",  "zu",   "zum",  "zur",   "über"};
static const char *const stop_fr[] = {
    "a",     "au",  "aux",  "avec", "ce",  "ces", "cette", "dans", "de", "des",  "du",  "elle",
    "elles", "en",  "est",  "et",   "eux", "il",  "ils",   "je",   "la", "le",   "les", "leur",
    "leurs", "lui", "mais", "me",   "mes", "moi", "mon",   "même", "ne", "nous", "on",  "ou",
    "où",    "par", "pas",  "pour", "qu",  "que", "qui",   "sa",   "se", "ses",  "son", "sont",
    "sur",   "ta",  "te",   "tu",   "un",  "une", "vous",  "y"};
static const char *const stop_es[] = {
    "a",   "al",  "como",  "con",  "de",   "del",  "el",   "ella", "ellos", "en", "entre",
    "era", "es",  "esta",  "este", "esto", "ha",   "hay",  "la",   "las",   "le", "les",
    "lo",  "los", "más",   "no",   "o",    "para", "pero", "por",  "que",   "se", "ser",
    "si",  "sin", "sobre", "son",  "su",   "sus",  "un",   "una",  "uno",   "y",  "ya"};
static const char *const stop_it[] = {
    "a",   "ad",  "al",    "alla", "alle",   "anche",  "che",    "chi",    "ci", "come", "con",
    "da",  "dal", "dalla", "dei",  "del",    "della",  "delle",  "di",     "e",  "ed",   "gli",
    "ha",  "i",   "il",    "in",   "io",     "la",     "le",     "lo",     "ma", "nel",  "nella",
    "non", "o",   "per",   "più",  "quella", "quello", "questa", "questo", "se", "si",   "sono",
    "su",  "sul", "sulla", "tra",  "un",     "una",    "uno",    "è"};
static const char *const stop_pt[] = {
    "a",   "ao",   "aos",  "as",   "com",   "como", "da",   "das",  "de",   "do",   "dos",
    "e",   "ela",  "ele",  "em",   "entre", "era",  "essa", "esse", "esta", "este", "foi",
    "há",  "isso", "já",   "mais", "mas",   "na",   "nas",  "no",   "nos",  "não",  "o",
    "os",  "ou",   "para", "pela", "pelo",  "por",  "que",  "se",   "sem",  "ser",  "seu",
    "sua", "são",  "um",   "uma",  "à",     "às",   "é"};
static const char *const stop_nl[] = {
    "aan",  "al",   "als",   "bij",  "dan",  "dat",  "de",   "der",  "deze", "die", "dit",
    "door", "een",  "en",    "er",   "haar", "het",  "hij",  "hoe",  "hun",  "ik",  "in",
    "is",   "je",   "kan",   "maar", "met",  "mijn", "naar", "niet", "nog",  "of",  "om",
    "ook",  "op",   "over",  "te",   "tot",  "uit",  "van",  "voor", "was",  "wat", "we",
    "wel",  "werd", "wordt", "ze",   "zich", "zij",  "zijn", "zo"};

static const struct {
    const char *const *word;
    size_t n;
} stops[LANG_COUNT] = {
    [LANG_EN] = {stop_en, COUNT(stop_en)}, [LANG_DE] = {stop_de, COUNT(stop_de)},
    [LANG_FR] = {stop_fr, COUNT(stop_fr)}, [LANG_ES] = {stop_es, COUNT(stop_es)},
    [LANG_IT] = {stop_it, COUNT(stop_it)}, [LANG_PT] = {stop_pt, COUNT(stop_pt)},
    [LANG_NL] = {stop_nl, COUNT(stop_nl)},
};

static int by_text(const void *key, const void *entry)
{
    return str_cmp(*(const struct str *)key, str_from(*(const char *const *)entry));
}

bool terms_is_stop(enum lang l, struct str word)
{
    return stops[l].n && bsearch(&word, stops[l].word, stops[l].n, sizeof(char *), by_text);
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
    t->lang = lang;
    t->use = use;
    t->in_run = t->single_done = false;
}

static struct str fold(struct terms *t, size_t start, size_t end)
{
    struct str raw = str_span(t->text.p + start, t->text.p + end);
    return (struct str){t->word, unicode_fold(raw, t->word, sizeof(t->word))};
}

/* The word that starts at t->at, which is moved behind it. False when it is a stop word. */
static bool take_word(struct terms *t, struct term *out)
{
    struct str s = t->text;
    size_t start = t->at, end = start, next;
    bool ascii = true;
    while (end < s.len) {
        enum unicode_kind kind = look(s, end, &next);
        if (kind != UNICODE_WORD && kind != UNICODE_MARK)
            break;
        ascii = ascii && next == end + 1;
        end = next;
    }
    t->at = end;
    size_t cut = start + utf8_cut(str_span(s.p + start, s.p + end), TERMS_WORD_MAX);
    struct str word = {t->word, cut - start};
    if (ascii)
        for (size_t i = 0; i < word.len; i++) {
            char c = s.p[start + i];
            t->word[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        }
    else
        word = fold(t, start, cut);
    if (word.len == 0 || terms_is_stop(t->lang, word))
        return false;
    *out = (struct term){stem_word(t->lang, word), start, end, false, false};
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
        *out = (struct term){fold(t, start, end), start, end, !lonely, true};
        return out->text.len > 0;
    }
    t->single_done = false;
    t->in_run = pair;
    t->at = end;
    if (!pair)
        return false;
    *out = (struct term){fold(t, start, pair_end), start, pair_end, false, true};
    return out->text.len > 0;
}

bool terms_next(struct terms *t, struct term *out)
{
    while (t->at < t->text.len) {
        size_t end;
        switch (look(t->text, t->at, &end)) {
        case UNICODE_WORD:
            if (take_word(t, out))
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
