#include "model/rerank_match.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "model/question.h"
#include "text/stem.h"
#include "text/terms.h"

enum { READINGS = 4, MEMORY = 2048, PREFIX = 3, NONE = UINT8_MAX, UNKNOWN = UINT8_MAX - 1 };

/* A question as one language has it. */
struct reading {
    enum lang lang;
    bool used, filter;
    uint64_t term[RERANK_WORDS]; /* hash of the stem; 0 = a stop word here */
    uint64_t prefix[1 << 9];     /* a bit for each beginning of three letters, of 5 bits each */
    struct {
        uint64_t word; /* hash of an ASCII word in small letters */
        uint8_t is;    /* which of the question's, or NONE */
    } memory[MEMORY];
};

struct raw_word {
    struct str text; /* folded */
    bool dense, named;
};

struct rerank_match {
    struct arena *a;
    struct raw_word word[RERANK_WORDS];
    size_t n;
    struct reading *reading[READINGS];
    size_t n_readings;
};

/* ---- The question ---- */

static bool has_word(const struct rerank_match *m, struct str text)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->word[i].text, text))
            return true;
    return false;
}

static bool has_capital(struct str text, const struct term *t)
{
    return text.p[t->start] >= 'A' && text.p[t->start] <= 'Z';
}

static bool has_digit(struct str text, const struct term *t)
{
    for (size_t i = t->start; i < t->end; i++)
        if (text.p[i] >= '0' && text.p[i] <= '9')
            return true;
    return false;
}

/* Capitals tell names only where few words have them: not in headlines, and hardly in German. */
static bool capitals_tell(struct str text)
{
    struct terms t;
    struct term term;
    size_t words = 0, capitals = 0;
    terms_begin(&t, text, LANG_OTHER, TERMS_QUERY);
    while (terms_next(&t, &term)) {
        words++;
        capitals += has_capital(text, &term);
    }
    return capitals * 3 <= words;
}

static void read_words(struct rerank_match *m, struct str query, bool all)
{
    struct terms t;
    struct term term;
    bool first = true, capitals = capitals_tell(query);
    terms_begin(&t, query, LANG_OTHER, TERMS_QUERY);
    while (m->n < RERANK_WORDS && terms_next(&t, &term)) {
        bool named = has_digit(query, &term) || (capitals && !first && has_capital(query, &term));
        first = false;
        if (has_word(m, term.text) ||
            (!all && question_only_asks(str_span(query.p + term.start, query.p + term.end))))
            continue;
        m->word[m->n++] = (struct raw_word){arena_copy(m->a, term.text), term.dense, named};
    }
}

struct rerank_match *rerank_match_new(struct str query, struct arena *a)
{
    struct rerank_match *m = arena_struct(a, struct rerank_match);
    m->a = a;
    query = str_head(query, utf8_cut(query, RERANK_QUERY_BYTES));
    read_words(m, query, false);
    if (m->n == 0)
        read_words(m, query, true);
    return m;
}

size_t rerank_match_words(const struct rerank_match *m)
{
    return m->n;
}

bool rerank_match_named(const struct rerank_match *m, size_t i)
{
    return m->word[i].named;
}

/* ---- Readings ---- */

/* Stemmers turn a final y into i, so the two are one letter here. */
static unsigned letter(unsigned char c)
{
    if ((c | 0x20) == 'y')
        c = 'i';
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 1;
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A') + 1;
    return c >= '0' && c <= '9' ? 27 + (unsigned)(c - '0') % 5 : 0;
}

static unsigned prefix_of(struct str word)
{
    unsigned key = 0;
    for (size_t i = 0; i < PREFIX; i++)
        key = key << 5 | (i < word.len ? letter((unsigned char)word.p[i]) : 0);
    return key;
}

/* A short word may get an ending: then its first two letters have to do. */
static void allow(struct reading *r, struct str word)
{
    unsigned key = prefix_of(word);
    if (word.len <= PREFIX)
        for (unsigned last = 0; last < 32; last++)
            r->prefix[(key >> 5 << 5 | last) / 64] |= UINT64_C(1) << (last | (key & 32));
    else
        r->prefix[key / 64] |= UINT64_C(1) << (key % 64);
}

static bool allowed(const struct reading *r, struct str word)
{
    unsigned key = prefix_of(word);
    return r->prefix[key / 64] >> (key % 64) & 1;
}

static struct reading *reading_of(struct rerank_match *m, enum lang lang)
{
    for (size_t i = 0; i < m->n_readings; i++)
        if (m->reading[i]->lang == lang)
            return m->reading[i];
    if (m->n_readings == READINGS)
        return m->reading[0];
    struct reading *r = arena_struct(m->a, struct reading);
    m->reading[m->n_readings++] = r;
    r->lang = lang;
    r->filter = lang != LANG_ID && lang != LANG_GA;
    bool any = false;
    for (size_t i = 0; i < m->n; i++) {
        const struct raw_word *w = &m->word[i];
        allow(r, w->text);
        if (terms_is_stop(lang, w->text))
            continue;
        struct str stem = w->dense ? w->text : stem_word(lang, w->text);
        r->term[i] = hash_stable(stem);
        allow(r, stem); /* "Häuser" is found in "Haus" */
        any = true;
    }
    for (size_t i = 0; !any && i < m->n; i++) /* nothing but stop words: then they count */
        r->term[i] = hash_stable(m->word[i].text);
    return r;
}

static uint8_t which(const struct rerank_match *m, const struct reading *r, uint64_t term)
{
    for (size_t i = 0; i < m->n; i++)
        if (r->term[i] == term)
            return (uint8_t)i;
    return NONE;
}

static uint8_t which_ascii(const struct rerank_match *m, struct reading *r, struct str word)
{
    char small[TERMS_WORD_MAX];
    word = str_head(word, TERMS_WORD_MAX);
    for (size_t i = 0; i < word.len; i++)
        small[i] = (char)(word.p[i] | (word.p[i] >= 'A' ? 0x20 : 0));
    word.p = small;
    uint64_t h = hash_stable(word);
    size_t slot = h % MEMORY;
    if (r->memory[slot].word != h) {
        r->memory[slot].word = h;
        r->memory[slot].is = which(m, r, hash_stable(stem_word(r->lang, word)));
    }
    return r->memory[slot].is;
}

/* ---- Texts ---- */

enum kind { KIND_OTHER, KIND_ASCII, KIND_HIGH };

static enum kind kind_of(unsigned char c)
{
    return c >= 0x80 ? KIND_HIGH : letter(c) ? KIND_ASCII : KIND_OTHER;
}

struct finding {
    struct rerank_match *m;
    struct reading *r;
    struct rerank_place *place;
    size_t n, room;
    uint32_t at;
};

static void found(struct finding *f, uint8_t word)
{
    if (word != NONE && f->n < f->room)
        f->place[f->n++] = (struct rerank_place){f->at, word};
}

/* A run with letters beyond ASCII; it may be many words. */
static void find_in_run(struct finding *f, struct str run)
{
    struct terms t;
    struct term term;
    terms_begin(&t, run, f->r->lang, TERMS_DOCUMENT);
    while (terms_next(&t, &term)) {
        found(f, which(f->m, f->r, hash_stable(term.text)));
        f->at += !term.extra;
    }
}

size_t rerank_match_find(struct rerank_match *m, enum lang lang, struct str text,
                         struct rerank_place *place, size_t room, uint32_t *length)
{
    struct finding f = {m, reading_of(m, lang), place, 0, room, 0};
    text = str_head(text, utf8_cut(text, RERANK_TEXT_BYTES));
    for (size_t i = 0; i < text.len;) {
        size_t start = i;
        bool high = false;
        enum kind kind;
        while (i < text.len && (kind = kind_of((unsigned char)text.p[i])) != KIND_OTHER) {
            high = high || kind == KIND_HIGH;
            i++;
        }
        struct str run = str_span(text.p + start, text.p + i);
        if (high) {
            find_in_run(&f, run);
        } else if (run.len) {
            if (!f.r->filter || allowed(f.r, run))
                found(&f, which_ascii(m, f.r, run));
            f.at++;
        }
        i += run.len == 0;
    }
    *length = f.at;
    return f.n;
}
