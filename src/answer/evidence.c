#include "answer/evidence.h"
#include "answer/fact.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/stem.h"
#include "text/terms.h"
#include "text/unicode.h"

#include <math.h>

/* Fitted to 1,455 sentences with equal weight for the two labels of each of five sets. A word that
 * no passage has counts by the logarithm of how many there are, so that a long sentence may have
 * one in other words. */
static const float BASE = 1.1f;
static const float PAIRS = 2.55f;
static const float MISSING = -1.8f;
static const float FACTS = -3.35f;
static const float DENIES = -0.9f;
static const float PERSONAL = -0.9f;
static const float ASKS = -1.4f;

enum {
    WORD_MOST = 64,
    PREFIX_LEAST = 4,
    PREFIX_CUT = 3,           /* German and Germany, but no longer endings */
    OTHER_LANGUAGE_BYTES = 40 /* fewer tell no language */
};

struct hash_set {
    uint64_t *slot; /* 0 = free */
    size_t mask;
};

struct evidence {
    enum lang lang;
    struct hash_set words;    /* stems, folded words */
    struct hash_set prefixes; /* folded words with up to PREFIX_CUT characters less */
    struct hash_set pairs;    /* of stems */
    struct fact *number, *date;
    size_t n_numbers, n_dates;
    struct str plain; /* all texts as plain() makes them */
    bool denies;
};

const char *evidence_reason_name(enum evidence_reason reason)
{
    static const char *const names[] = {
#define X(name, text) text,
        EVIDENCE_REASONS(X)
#undef X
    };
    return names[reason];
}

/* ---- Sets ---- */

static void set_init(struct hash_set *s, size_t most, struct arena *a)
{
    size_t slots = 64;
    while (slots < most * 2)
        slots *= 2;
    s->slot = arena_array(a, uint64_t, slots);
    s->mask = slots - 1;
}

static uint64_t *set_find(const struct hash_set *s, uint64_t hash)
{
    hash |= 1; /* 0 is free */
    size_t i = (hash >> 8) & s->mask;
    while (s->slot[i] && s->slot[i] != hash)
        i = (i + 1) & s->mask;
    return &s->slot[i];
}

static void set_add(struct hash_set *s, uint64_t hash)
{
    *set_find(s, hash) = hash | 1;
}

static bool set_has(const struct hash_set *s, uint64_t hash)
{
    return *set_find(s, hash) != 0;
}

static uint64_t pair_of(uint64_t a, uint64_t b)
{
    return (a * UINT64_C(0x9e3779b97f4a7c15)) ^ (b + UINT64_C(0x7f4a7c159e3779b9));
}

/* ---- Words ---- */

/* Runs of letters and digits; of scripts without spaces each character. */
struct word {
    char folded[WORD_MOST * UNICODE_FOLD_GROWTH];
    size_t len;
    size_t start, end;
    uint64_t stem; /* hash */
};

static bool next_word(struct str s, size_t *at, enum lang lang, struct word *w)
{
    size_t end = *at, next = *at;
    enum unicode_kind kind = UNICODE_OTHER;
    while (next < s.len && kind != UNICODE_WORD && kind != UNICODE_DENSE) {
        end = next;
        kind = unicode_kind(utf8_next(s, &next));
    }
    if (kind != UNICODE_WORD && kind != UNICODE_DENSE)
        return false;
    w->start = end;
    end = next;
    while (kind == UNICODE_WORD && next < s.len) {
        enum unicode_kind then = unicode_kind(utf8_next(s, &next));
        if (then != UNICODE_WORD && then != UNICODE_MARK)
            break;
        end = next;
    }
    w->end = *at = end;
    struct str text = str_span(s.p + w->start, s.p + end);
    w->len = unicode_fold(str_head(text, utf8_cut(text, WORD_MOST)), w->folded, sizeof(w->folded));
    w->stem = hash64(stem_word(lang, (struct str){w->folded, w->len}));
    return true;
}

static bool is_any(const struct word *w, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq((struct str){w->folded, w->len}, list[i]))
            return true;
    return false;
}

static bool is_denial(const struct word *w)
{
    static const struct str list[] = {
        STR_INIT("not"),     STR_INIT("no"),    STR_INIT("never"),   STR_INIT("cannot"),
        STR_INIT("nor"),     STR_INIT("none"),  STR_INIT("without"), STR_INIT("nicht"),
        STR_INIT("kein"),    STR_INIT("keine"), STR_INIT("keinen"),  STR_INIT("nie"),
        STR_INIT("niemals"), STR_INIT("ohne"),  STR_INIT("isn"),     STR_INIT("doesn"),
        STR_INIT("don"),     STR_INIT("didn"),  STR_INIT("wasn"),    STR_INIT("aren"),
        STR_INIT("won"),     STR_INIT("can't"), STR_INIT("couldn"),  STR_INIT("hasn"),
    };
    return is_any(w, list, COUNT(list));
}

static bool is_personal(const struct word *w)
{
    static const struct str list[] = {STR_INIT("i"),    STR_INIT("my"),  STR_INIT("me"),
                                      STR_INIT("we"),   STR_INIT("our"), STR_INIT("ich"),
                                      STR_INIT("mein"), STR_INIT("you"), STR_INIT("your")};
    return is_any(w, list, COUNT(list));
}

/* ---- Building ---- */

static void add_words(struct evidence *v, struct str text)
{
    struct word w;
    uint64_t before = 0;
    for (size_t at = 0; next_word(text, &at, v->lang, &w); before = w.stem) {
        struct str folded = {w.folded, w.len};
        set_add(&v->words, w.stem);
        set_add(&v->words, hash64(folded));
        for (size_t cut = 1; cut <= PREFIX_CUT && folded.len >= PREFIX_LEAST + cut; cut++)
            set_add(&v->prefixes, hash64(str_head(folded, folded.len - cut)));
        if (before)
            set_add(&v->pairs, pair_of(before, w.stem));
        v->denies = v->denies || is_denial(&w);
    }
}

static void add_number(struct evidence *v, const struct fact *f)
{
    if (v->number)
        v->number[v->n_numbers] = *f;
    v->n_numbers++;
}

/* A date's parts are numbers too: "in 2021", "on the 3rd". Counts only until there is room. */
static void add_facts(struct evidence *v, struct str text)
{
    struct fact_iter it = fact_begin(text, v->lang);
    for (struct fact f; fact_next(&it, &f);) {
        if (f.kind == FACT_NUMBER)
            add_number(v, &f);
        if (f.kind != FACT_DATE)
            continue;
        const int part[] = {f.year, f.month, f.day};
        for (size_t i = 0; i < COUNT(part); i++)
            add_number(v, &(struct fact){.value = part[i], .other = part[i], .worth = 1});
        if (v->date)
            v->date[v->n_dates] = f;
        v->n_dates++;
    }
}

/* Lower case, white space as one blank, quotation marks and dashes straight: what must be the same
 * in a quotation is what is left. */
static void plain(struct buf *b, struct str s)
{
    static const struct {
        struct str from;
        char to;
    } same[] = {
        {STR_INIT("“"), '"'},        {STR_INIT("”"), '"'}, {STR_INIT("„"), '"'},
        {STR_INIT("«"), '"'},        {STR_INIT("»"), '"'}, {STR_INIT("’"), '\''},
        {STR_INIT("‘"), '\''},       {STR_INIT("–"), '-'}, {STR_INIT("—"), '-'},
        {STR_INIT("\xc2\xa0"), ' '},
    };
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        for (size_t k = 0; (unsigned char)c >= 0x80 && k < COUNT(same); k++)
            if (str_starts(str_from_at(s, i), same[k].from)) {
                i += same[k].from.len - 1;
                c = same[k].to;
            }
        if (c == '\n' || c == '\t' || c == '\r')
            c = ' ';
        if (c == ' ' && (b->len == 0 || b->p[b->len - 1] == ' '))
            continue;
        buf_char(b, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
    }
}

/* At most so many words: every run of letters, and every character outside ASCII. */
static size_t count_words(struct str s)
{
    size_t n = 0;
    bool inside = false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool letter = (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10;
        n += c >= 0xc0 || (letter && !inside);
        inside = letter;
    }
    return n;
}

enum { TEXTS = 3 };

static void texts_of(const struct passage *p, struct str out[TEXTS])
{
    out[0] = p->name;
    out[1] = p->section;
    out[2] = p->text;
}

static void read_facts(struct evidence *v, const struct passage *p, size_t n)
{
    struct str text[TEXTS];
    v->n_numbers = v->n_dates = 0;
    for (size_t i = 0; i < n; i++) {
        texts_of(&p[i], text);
        for (size_t k = 0; k < TEXTS; k++)
            add_facts(v, text[k]);
    }
}

struct evidence *evidence_new(const struct passage *p, size_t n, struct arena *a)
{
    struct evidence *v = arena_struct(a, struct evidence);
    size_t bytes = 0, words = 0;
    struct str text[TEXTS];
    for (size_t i = 0; i < n; i++) {
        texts_of(&p[i], text);
        for (size_t k = 0; k < TEXTS; k++) {
            bytes += text[k].len;
            words += count_words(text[k]);
        }
    }
    v->lang = n ? lang_unless(p[0].lang, p[0].text) : LANG_OTHER;
    set_init(&v->words, 2 * words, a);
    set_init(&v->prefixes, PREFIX_CUT * words, a);
    set_init(&v->pairs, words, a);
    read_facts(v, p, n);
    v->number = arena_array(a, struct fact, v->n_numbers + 1);
    v->date = arena_array(a, struct fact, v->n_dates + 1);
    read_facts(v, p, n);
    struct buf b;
    buf_init(&b, 2 * bytes + 64);
    for (size_t i = 0; i < n; i++) {
        texts_of(&p[i], text);
        for (size_t k = 0; k < TEXTS; k++) {
            add_words(v, text[k]);
            plain(&b, text[k]);
            buf_char(&b, '\n');
        }
    }
    v->plain = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return v;
}

/* ---- Checking ---- */

/* Each word of a name: as it is, in another form, or with another ending. */
static bool has_name(const struct evidence *v, struct str name)
{
    struct word w;
    for (size_t at = 0; next_word(name, &at, v->lang, &w);) {
        struct str folded = {w.folded, w.len};
        bool found = set_has(&v->words, w.stem) || set_has(&v->words, hash64(folded)) ||
                     set_has(&v->prefixes, hash64(folded));
        for (size_t cut = 1; !found && cut <= PREFIX_CUT && folded.len >= PREFIX_LEAST + cut; cut++)
            found = set_has(&v->words, hash64(str_head(folded, folded.len - cut)));
        if (!found)
            return false;
    }
    return true;
}

/* What stands around dots that leave something out is looked for piece by piece; a full stop at the
 * end belongs to the sentence. */
static bool has_quote(const struct evidence *v, struct str quote)
{
    struct buf b;
    bool found = true;
    buf_init(&b, 2 * quote.len + 64);
    plain(&b, quote);
    struct str rest = buf_str(&b);
    while (found && rest.len > 0) {
        size_t gap = str_find(rest, STR("...")), other = str_find(rest, STR("…"));
        gap = size_min(gap, other); /* both marks take three bytes */
        struct str part = str_trim(str_head(rest, gap));
        while (part.len > 0 && str_find_char(STR(".,;:!?"), part.p[part.len - 1]) != STR_NPOS)
            part.len--;
        found = str_find(v->plain, part) != STR_NPOS;
        rest = gap == STR_NPOS ? STR_NONE : str_from_at(rest, gap + 3);
    }
    buf_fini(&b);
    return found;
}

static bool has_number(const struct evidence *v, const struct fact *f)
{
    for (size_t i = 0; i < v->n_numbers; i++)
        if (fact_same_number(f, &v->number[i]))
            return true;
    return false;
}

static bool has_date(const struct evidence *v, const struct fact *f)
{
    for (size_t i = 0; i < v->n_dates; i++)
        if (fact_same_date(f, &v->date[i]))
            return true;
    return false;
}

static bool has_fact(const struct evidence *v, struct str sentence, const struct fact *f)
{
    struct str text = str_span(sentence.p + f->start, sentence.p + f->end);
    switch (f->kind) {
    case FACT_NUMBER: return has_number(v, f);
    case FACT_DATE: return has_date(v, f);
    case FACT_NAME: return has_name(v, text);
    case FACT_QUOTE: return has_quote(v, text);
    }
    return false;
}

static enum evidence_reason reason_of(enum fact_kind kind)
{
    static const enum evidence_reason reasons[] = {EVIDENCE_NUMBER, EVIDENCE_DATE, EVIDENCE_NAME,
                                                   EVIDENCE_QUOTATION};
    return reasons[kind];
}

/* What is looked at in a sentence: the facts that its passages have, whose words need not be found
 * one by one, and the first of those that they do not have. */
enum { FACTS_MOST = 64 };
struct checked {
    struct fact found[FACTS_MOST];
    size_t n_found, n_missing;
    struct verdict first; /* of those that are missing */
};

static void check_facts(const struct evidence *v, struct str sentence, enum lang lang,
                        struct checked *c)
{
    bool translated = lang != v->lang;
    struct fact_iter it = fact_begin(sentence, lang);
    *c = (struct checked){.first = {.reason = EVIDENCE_NONE}};
    for (struct fact f; fact_next(&it, &f);) {
        if (translated && f.kind != FACT_NUMBER && f.kind != FACT_DATE)
            continue;
        if (has_fact(v, sentence, &f)) {
            if (c->n_found < FACTS_MOST)
                c->found[c->n_found++] = f;
        } else if (c->n_missing++ == 0) {
            c->first = (struct verdict){reason_of(f.kind), 0, f.start, f.end};
        }
    }
}

static bool is_in_fact(const struct checked *c, const struct word *w)
{
    for (size_t i = 0; i < c->n_found; i++)
        if (w->start >= c->found[i].start && w->end <= c->found[i].end)
            return true;
    return false;
}

static struct evidence_features features_of(const struct evidence *v, struct str sentence,
                                            const struct checked *c)
{
    struct evidence_features f = {0};
    struct word w;
    uint64_t before = 0;
    bool denies = false;
    float pairs = 0, there = 0;
    for (size_t at = 0; next_word(sentence, &at, v->lang, &w); before = w.stem) {
        f.words++;
        f.missing += !set_has(&v->words, w.stem) && !is_in_fact(c, &w);
        denies = denies || is_denial(&w);
        if (is_personal(&w))
            f.personal = 1;
        pairs += before != 0;
        there += before && set_has(&v->pairs, pair_of(before, w.stem));
    }
    f.pairs = pairs > 0 ? there / pairs : f.missing == 0;
    f.denies = denies && !v->denies;
    f.asks = str_find_char(sentence, '?') != STR_NPOS;
    f.facts = (float)c->n_missing;
    return f;
}

struct evidence_features evidence_features(const struct evidence *v, struct str sentence)
{
    struct checked c;
    check_facts(v, sentence, v->lang, &c);
    return features_of(v, sentence, &c);
}

static float score_of(const struct evidence_features *f)
{
    float z = BASE + PAIRS * f->pairs + MISSING * logf(1 + f->missing) +
              FACTS * logf(1 + f->facts) + DENIES * f->denies + PERSONAL * f->personal +
              ASKS * f->asks;
    return 1 / (1 + expf(-z));
}

struct verdict evidence_check(const struct evidence *v, struct str sentence)
{
    struct checked c;
    check_facts(v, sentence, v->lang, &c);
    struct evidence_features f = features_of(v, sentence, &c);
    struct verdict verdict = c.first;
    verdict.score = score_of(&f);
    if (f.words == 0 || (verdict.reason == EVIDENCE_NONE && verdict.score >= EVIDENCE_SUPPORTED))
        return verdict;
    bool foreign = sentence.len >= OTHER_LANGUAGE_BYTES && f.missing * 2 > f.words;
    enum lang lang = foreign ? lang_detect(sentence) : v->lang;
    if (lang != v->lang) {
        check_facts(v, sentence, lang, &c);
        c.first.score = c.n_missing ? verdict.score : EVIDENCE_SUPPORTED;
        return c.first;
    }
    if (verdict.reason == EVIDENCE_NONE)
        verdict.reason = EVIDENCE_SUPPORT;
    return verdict;
}
