#include "index/words.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/stem.h"
#include "text/terms.h"

#include <stdlib.h>

enum { FIELD_GAP = 8 }; /* places between fields, so that nothing stands beside another's words */

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

/* Returns the place behind its last word. */
static uint32_t add_text(struct words *w, enum lang lang, struct str text, enum bm25_field field,
                         uint32_t place)
{
    struct terms t;
    struct term term;
    terms_begin(&t, text, lang, TERMS_DOCUMENT);
    t.identifiers = true;
    while (terms_next(&t, &term)) {
        struct str word = words_cut(term.text);
        if (word.len == 0)
            continue;
        make_room(w, word.len);
        uint64_t hash = hash_stable(word);
        w->term[w->n] = hash;
        w->token[w->n++] =
            (struct bm25_token){.term = hash,
                                .at = (uint32_t)w->n_text,
                                .len = (uint8_t)word.len,
                                .field = (uint8_t)field,
                                .place = (uint16_t)size_min(place + term.place, UINT16_MAX)};
        memcpy(w->text + w->n_text, word.p, word.len);
        w->n_text += word.len;
        w->field_length[field] += !term.extra;
        w->length += !term.extra;
    }
    return place + t.place + (t.place ? FIELD_GAP : 0);
}

void words_of_passage(struct words *w, enum lang lang, struct str title, struct str section,
                      struct str text)
{
    w->n = w->n_text = 0;
    w->length = 0;
    memset(w->field_length, 0, sizeof(w->field_length));
    uint32_t place = add_text(w, lang, title, BM25_TITLE, 0);
    place = add_text(w, lang, section, BM25_SECTION, place);
    add_text(w, lang, text, BM25_BODY, place);
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
