#include "index/words.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/stem.h"

#include <stdlib.h>

void words_fini(struct words *w)
{
    mem_free(w->term);
    mem_free(w->token);
    mem_free(w->text);
    *w = (struct words){0};
}

static void make_room(struct words *w, size_t len)
{
    if (w->n == w->room) {
        w->room = w->room * 2 + 256;
        w->term = mem_resize(w->term, w->room, sizeof(*w->term));
        w->token = mem_resize(w->token, w->room, sizeof(*w->token));
    }
    if (w->n_text + len > w->text_room) {
        w->text_room = w->text_room * 2 + 4096;
        w->text = mem_resize(w->text, w->text_room, 1);
    }
}

struct str words_cut(struct str term)
{
    return str_head(term, utf8_cut(term, DICT_WORD_MAX));
}

static void begin_field(struct words_walk *w, enum bm25_field field)
{
    w->field = field;
    terms_begin(&w->terms, w->text[field], w->lang, TERMS_DOCUMENT);
    w->terms.identifiers = true;
}

void words_walk_begin(struct words_walk *w, enum lang lang, struct str title, struct str section,
                      struct str text)
{
    w->text[BM25_TITLE] = title;
    w->text[BM25_SECTION] = section;
    w->text[BM25_BODY] = text;
    w->lang = lang;
    w->before = 0;
    begin_field(w, BM25_TITLE);
}

bool words_walk_next(struct words_walk *w, struct term *term)
{
    while (!terms_next(&w->terms, term)) {
        if (w->field == BM25_BODY)
            return false;
        w->before += w->terms.place + (w->terms.place ? WORDS_FIELD_GAP : 0);
        begin_field(w, w->field + 1);
    }
    term->place += w->before;
    return true;
}

void words_of_passage(struct words *w, enum lang lang, struct str title, struct str section,
                      struct str text)
{
    struct words_walk walk;
    struct term term;
    w->n = w->n_text = 0;
    w->length = 0;
    memset(w->field_length, 0, sizeof(w->field_length));
    words_walk_begin(&walk, lang, title, section, text);
    while (words_walk_next(&walk, &term)) {
        struct str word = words_cut(term.text);
        if (word.len == 0)
            continue;
        make_room(w, word.len);
        uint64_t hash = hash_stable(word);
        w->term[w->n] = hash;
        w->token[w->n++] = (struct bm25_token){.term = hash,
                                               .at = (uint32_t)w->n_text,
                                               .len = (uint8_t)word.len,
                                               .field = (uint8_t)walk.field};
        memcpy(w->text + w->n_text, word.p, word.len);
        w->n_text += word.len;
        w->field_length[walk.field] += !term.extra;
        w->length += !term.extra;
    }
}

struct bm25_passage words_passage(const struct words *w)
{
    struct bm25_passage p = {.token = w->token, .n = w->n, .text = w->text};
    memcpy(p.length, w->field_length, sizeof(p.length));
    return p;
}

static bool is_stop(struct str word, const enum lang *lang, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (terms_is_stop(lang[i], word))
            return true;
    return false;
}

static size_t find(const struct bm25_word *word, size_t n, uint64_t term)
{
    size_t i = 0;
    while (i < n && word[i].term != term)
        i++;
    return i;
}

/* The forms of one word, each once. */
static size_t forms_of(uint64_t form[WORDS_LANGS], const struct term *term, const enum lang *lang,
                       size_t n_langs)
{
    size_t n = 0;
    for (size_t l = 0; l < n_langs; l++) {
        uint64_t h =
            hash_stable(words_cut(term->dense ? term->text : stem_word(lang[l], term->text)));
        size_t i = 0;
        while (i < n && form[i] != h)
            i++;
        form[i] = h;
        n += i == n;
    }
    return n;
}

static int by_group(const void *a, const void *b)
{
    const struct bm25_word *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->term > y->term) - (x->term < y->term);
}

/* Words are cut and folded as for a language without stemmer, then stemmed here, once for each
 * language. A word that shares a form with an earlier one joins its group. */
size_t words_of_query(struct bm25_word *word, struct str text, const enum lang *lang,
                      size_t n_langs)
{
    struct terms t;
    struct term term;
    size_t n = 0;
    uint32_t groups = 0;
    n_langs = size_min(n_langs, WORDS_LANGS);
    terms_begin(&t, str_head(text, utf8_cut(text, WORDS_QUERY_BYTES)), LANG_OTHER, TERMS_QUERY);
    t.identifiers = true;
    while (terms_next(&t, &term)) {
        uint64_t form[WORDS_LANGS];
        if (is_stop(term.text, lang, n_langs))
            continue;
        size_t n_forms = forms_of(form, &term, lang, n_langs);
        uint32_t group = groups;
        for (size_t f = 0; f < n_forms; f++) {
            size_t i = find(word, n, form[f]);
            group = i < n ? word[i].group : group;
        }
        for (size_t f = 0; f < n_forms; f++) {
            size_t i = find(word, n, form[f]);
            if (i < n)
                word[i].weight++;
            else if (n < BM25_MAX_WORDS)
                word[n++] = (struct bm25_word){form[f], 1, group};
        }
        groups += group == groups;
    }
    if (n)
        qsort(word, n, sizeof(*word), by_group);
    return n;
}

size_t words_spots(struct bm25_spot *spot, size_t room, struct str text, const enum lang *lang,
                   size_t n_langs)
{
    struct terms t;
    struct term term;
    size_t n = 0;
    n_langs = size_min(n_langs, WORDS_LANGS);
    terms_begin(&t, str_head(text, utf8_cut(text, WORDS_QUERY_BYTES)), LANG_OTHER, TERMS_QUERY);
    while (terms_next(&t, &term)) {
        uint64_t form[WORDS_LANGS];
        if (is_stop(term.text, lang, n_langs))
            continue;
        size_t n_forms = forms_of(form, &term, lang, n_langs);
        for (size_t f = 0; f < n_forms && n < room; f++)
            spot[n++] = (struct bm25_spot){form[f], term.place};
    }
    return n;
}

size_t words_langs(enum lang lang[WORDS_LANGS], const struct bm25_view *const *view, size_t n_views)
{
    enum { ONE_IN = 50 };
    uint64_t count[LANG_COUNT] = {0}, total = 0;
    for (size_t v = 0; v < n_views; v++) {
        struct bm25_stats st = bm25_stats(view[v]);
        for (int l = 0; l < LANG_COUNT; l++) {
            count[l] += st.by_lang[l];
            total += st.by_lang[l];
        }
    }
    size_t n = 0;
    while (n < WORDS_LANGS) {
        int best = LANG_OTHER;
        for (int l = 0; l < LANG_COUNT; l++)
            best = count[l] > count[best] ? l : best;
        if (count[best] == 0 || count[best] * ONE_IN < total)
            break;
        lang[n++] = (enum lang)best;
        count[best] = 0;
    }
    if (n == 0)
        lang[n++] = LANG_EN;
    return n;
}
