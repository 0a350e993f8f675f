/* The best passages with all words of the phrases are asked for, a few more than are wanted; if too
 * few of them have the phrases, eight times as many, and so on. So the texts that are read are
 * those that score at least as high as the worst hit, and little else.
 *
 * Few words of a text are met for the first time, so what each is good for is kept by its spelling:
 * phrases of common words that never meet take a quarter less (bench_bm25). */
#include "index/phrase.h"
#include "base/hash.h"
#include "index/words.h"
#include "text/stem.h"

#include <stdlib.h>

struct known {
    uint64_t spelling; /* hash of it, and of how it was stemmed; 0: none */
    uint32_t term;     /* index + 1; 0: of no phrase */
};

struct verdict {
    int64_t key;
    bool known;
    uint64_t holds; /* the phrases that are there, or are not, as they should; none: no text */
};

enum { KNOWN_BITS = 14, VERDICTS = 1024 };

struct phrase_check {
    struct arena *a;
    const struct bm25_view *const *view;
    size_t n_views;
    const struct bm25_clause *clause;
    uint64_t phrases; /* the clauses that are */
    const struct phrase_texts *texts;
    uint64_t *term; /* of phrases, sorted */
    size_t n_terms;
    struct known *known; /* [1 << KNOWN_BITS] by spelling: the last one seen; NULL: no text yet */
    struct verdict *verdict; /* [room] by key: open addressing, half full at most */
    size_t n_verdicts, room;
    struct phrase_word *word; /* of the text at hand, those that are of phrases */
    size_t n_words, room_words;
};

/* ---- In one text ---- */

static size_t spots_at(const struct bm25_clause *c, size_t i)
{
    size_t end = i;
    while (end < c->n && c->spot[end].at == c->spot[i].at)
        end++;
    return end;
}

/* The first word from `from` on that stands at this place and fits the spots [i, end); n when none
 * does. */
static size_t word_at(const struct phrase_word *word, size_t n, size_t from, uint32_t place,
                      const struct bm25_clause *c, size_t i, size_t end)
{
    for (; from < n && word[from].place <= place; from++)
        for (size_t k = i; k < end && word[from].place == place; k++)
            if (word[from].term == c->spot[k].term)
                return from;
    return n;
}

bool phrase_begins(const struct phrase_word *word, size_t n, size_t first,
                   const struct bm25_clause *c, size_t *last)
{
    *last = first;
    for (size_t i = 0, end; i < c->n; i = end) {
        end = spots_at(c, i);
        uint32_t place = word[first].place + (c->spot[i].at - c->spot[0].at);
        size_t at = word_at(word, n, i ? *last : first, place, c, i, end);
        if (at == n || (i == 0 && at != first))
            return false;
        *last = at;
    }
    return c->n > 0;
}

uint64_t phrase_fits(uint64_t term, const struct bm25_clause *c)
{
    uint64_t fits = 0;
    for (size_t i = 0, end, w = 0; i < c->n && w < NEARNESS_WORDS; i = end, w++)
        for (end = i; end < c->n && c->spot[end].at == c->spot[i].at; end++)
            fits |= (uint64_t)(c->spot[end].term == term) << w;
    return fits;
}

void phrase_near_begin(struct phrase_near *s, const struct bm25_clause *c)
{
    size_t words = 0;
    for (size_t i = 0; i < c->n; i = spots_at(c, i))
        words++;
    uint64_t reach = c->n ? (uint64_t)c->spot[c->n - 1].at - c->spot[0].at + c->further : 0;
    nearness_begin(&s->seats, size_min(words, NEARNESS_WORDS), reach);
    s->at = 0;
}

bool phrase_near_next(struct phrase_near *s, const struct phrase_word *word, size_t n,
                      const struct bm25_clause *c, size_t *from, size_t *to)
{
    while (s->at < n) {
        uint32_t place = word[s->at].place, first;
        uint64_t fits = 0;
        for (; s->at < n && word[s->at].place == place; s->at++)
            fits |= phrase_fits(word[s->at].term, c);
        if (!nearness_add(&s->seats, place, fits, &first))
            continue;
        *from = *to = s->at;
        while (*from > 0 && word[*from - 1].place >= first)
            --*from;
        return true;
    }
    return false;
}

static bool holds(const struct phrase_check *p, const struct bm25_clause *c)
{
    size_t from, to;
    struct phrase_near near;
    bool there = false;
    if (c->further) {
        phrase_near_begin(&near, c);
        there = phrase_near_next(&near, p->word, p->n_words, c, &from, &to);
    }
    for (size_t i = 0; !c->further && i < p->n_words && !there; i++)
        there = phrase_begins(p->word, p->n_words, i, c, &to);
    return there == (c->demand == BM25_MUST);
}

/* ---- The words of a text that are of phrases ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The number of the term that a folded word becomes; 0: of no phrase. */
static uint32_t look_up(const struct phrase_check *p, enum lang lang, const struct term *term)
{
    if (!term->dense && terms_is_stop(lang, term->text))
        return 0;
    uint64_t hash = hash_stable(words_cut(term->dense ? term->text : stem_word(lang, term->text)));
    const uint64_t *at = bsearch(&hash, p->term, p->n_terms, sizeof(hash), by_value);
    return at ? (uint32_t)(at - p->term) + 1 : 0;
}

static uint32_t term_of(const struct phrase_check *p, enum lang lang, const struct term *term)
{
    uint64_t way = term->dense ? LANG_COUNT : (uint64_t)lang;
    uint64_t spelling = (hash64(term->text) + way * UINT64_C(0x9e3779b97f4a7c15)) | 1;
    struct known *known = &p->known[spelling >> (64 - KNOWN_BITS)];
    if (known->spelling != spelling)
        *known = (struct known){spelling, look_up(p, lang, term)};
    return known->term;
}

static void find_words(struct phrase_check *p, enum lang lang, struct str title, struct str section,
                       struct str text)
{
    struct words_walk walk;
    struct term term;
    p->n_words = 0;
    words_walk_begin(&walk, LANG_OTHER, title, section, text);
    while (words_walk_next(&walk, &term)) {
        uint32_t found = term_of(p, lang, &term);
        if (!found)
            continue;
        if (p->n_words == p->room_words) {
            size_t room = p->room_words * 2 + 256;
            struct phrase_word *more = arena_array(p->a, struct phrase_word, room);
            if (p->n_words)
                memcpy(more, p->word, p->n_words * sizeof(*more));
            p->word = more;
            p->room_words = room;
        }
        p->word[p->n_words++] = (struct phrase_word){p->term[found - 1], term.place};
    }
}

/* ---- Verdicts ---- */

static struct verdict *slot_of(const struct phrase_check *p, int64_t key)
{
    size_t i = (size_t)((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15) >> 20);
    for (;; i++) {
        struct verdict *v = &p->verdict[i & (p->room - 1)];
        if (!v->known || v->key == key)
            return v;
    }
}

static void widen(struct phrase_check *p)
{
    struct phrase_check old = *p;
    p->room = old.room ? old.room * 4 : VERDICTS;
    p->verdict = arena_array(p->a, struct verdict, p->room);
    for (size_t i = 0; i < old.room; i++)
        if (old.verdict[i].known)
            *slot_of(p, old.verdict[i].key) = old.verdict[i];
}

/* The verdict on a key, which is as for a passage that is not there when there was none. */
static struct verdict *verdict_on(struct phrase_check *p, int64_t key, bool *fresh)
{
    if (p->n_verdicts >= p->room / 2)
        widen(p);
    struct verdict *v = slot_of(p, key);
    *fresh = !v->known;
    p->n_verdicts += *fresh;
    if (*fresh)
        *v = (struct verdict){.key = key, .known = true};
    return v;
}

struct reading { /* hits without verdict, by key */
    struct phrase_check *p;
    struct hit *hit;
    int64_t *key;
    size_t n;
};

static void judge(void *to, size_t i, struct str title, struct str section, struct str text)
{
    struct reading *r = to;
    struct phrase_check *p = r->p;
    const struct hit *hit = &r->hit[i];
    enum lang lang = bm25_lang(p->view[hit->view], (uint32_t)hit->document);
    find_words(p, lang, title, section, text);
    struct verdict *v = slot_of(p, hit->key);
    for (uint64_t left = p->phrases; left; left &= left - 1) {
        unsigned c = (unsigned)__builtin_ctzll(left);
        v->holds |= (uint64_t)holds(p, &p->clause[c]) << c;
    }
}

static int by_key(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* Reads what has no verdict yet, in the order in which the store has it. */
static bool judge_all(struct phrase_check *p, const struct hit *hit, size_t n, struct arena *tmp,
                      struct err *e)
{
    struct reading r = {p, arena_array(tmp, struct hit, n), arena_array(tmp, int64_t, n), 0};
    if (!p->known)
        p->known = arena_array(p->a, struct known, (size_t)1 << KNOWN_BITS);
    for (size_t i = 0; i < n; i++) {
        bool fresh;
        verdict_on(p, hit[i].key, &fresh);
        if (fresh)
            r.hit[r.n++] = hit[i];
    }
    if (r.n == 0)
        return true;
    qsort(r.hit, r.n, sizeof(*r.hit), by_key);
    for (size_t i = 0; i < r.n; i++)
        r.key[i] = r.hit[i].key;
    return p->texts->read(p->texts->arg, r.key, r.n, judge, &r, e);
}

/* ---- Searching ---- */

static uint64_t *sorted_terms(const struct phrase_check *p, size_t n_clauses, size_t *n)
{
    size_t room = 0;
    for (size_t i = 0; i < n_clauses; i++)
        room += p->clause[i].n;
    uint64_t *term = arena_array(p->a, uint64_t, room);
    *n = 0;
    for (size_t i = 0; i < n_clauses; i++)
        for (size_t k = 0; p->phrases >> i & 1 && k < p->clause[i].n; k++)
            term[(*n)++] = p->clause[i].spot[k].term;
    if (*n)
        qsort(term, *n, sizeof(*term), by_value);
    return term;
}

struct phrase_check *phrase_check_new(struct arena *a, const struct bm25_view *const *view,
                                      size_t n_views, const struct bm25_clause *clause,
                                      size_t n_clauses, const struct phrase_texts *texts)
{
    struct phrase_check *p = arena_struct(a, struct phrase_check);
    CHECK(n_clauses <= PHRASE_CLAUSES);
    *p = (struct phrase_check){
        .a = a, .view = view, .n_views = n_views, .clause = clause, .texts = texts};
    for (size_t i = 0; i < n_clauses; i++)
        p->phrases |= (uint64_t)bm25_clause_is_phrase(&clause[i]) << i;
    CHECK(p->phrases == 0 || texts);
    p->term = sorted_terms(p, n_clauses, &p->n_terms);
    return p;
}

static uint64_t first_phrases(const struct phrase_check *p, size_t n_clauses)
{
    return n_clauses < 64 ? p->phrases & ((UINT64_C(1) << n_clauses) - 1) : p->phrases;
}

/* Moves those of hit[0, n) that fit to kept[*n_kept, k); they may be the same array. */
static void keep_fitting(const struct phrase_check *p, uint64_t phrases, const struct hit *hit,
                         size_t n, struct hit *kept, size_t *n_kept, size_t k)
{
    for (size_t i = 0; i < n && *n_kept < k; i++)
        if ((slot_of(p, hit[i].key)->holds & phrases) == phrases)
            kept[(*n_kept)++] = hit[i];
}

enum { FIRST = 64, MORE = 8, BATCH_LEAST = 32, BATCH_MOST = 1024 }; /* by trial */

/* One round: of the best `want` by words. *all: there are no others. */
static bool search_among(struct phrase_check *p, const struct bm25_query *q, uint64_t phrases,
                         size_t want, struct hit *hit, size_t k, size_t *n, bool *all,
                         struct err *e)
{
    struct arena *tmp = arena_new();
    struct hit *found = arena_alloc_array(tmp, want, sizeof(*found));
    size_t m = bm25_search(p->view, p->n_views, q, found, want), batch = size_max(k, BATCH_LEAST);
    bool good = true;
    *all = m < want;
    *n = 0;
    for (size_t at = 0; at < m && *n < k && good; at += batch) {
        batch = at ? size_min(batch * 2, BATCH_MOST) : batch;
        size_t some = size_min(batch, m - at);
        good = judge_all(p, found + at, some, tmp, e);
        if (good)
            keep_fitting(p, phrases, found + at, some, hit, n, k);
    }
    arena_free(tmp);
    return good;
}

bool phrase_search(struct phrase_check *p, const struct bm25_query *q, struct hit *hit, size_t k,
                   size_t *n, struct err *e)
{
    uint64_t phrases = first_phrases(p, q->n_clauses);
    CHECK(q->n_clauses == 0 || q->clause == p->clause);
    if (!phrases) {
        *n = bm25_search(p->view, p->n_views, q, hit, k);
        return true;
    }
    bool all = k == 0;
    *n = 0;
    for (size_t want = size_max(2 * k, FIRST); *n < k && !all; want *= MORE)
        if (!search_among(p, q, phrases, want, hit, k, n, &all, e))
            return false;
    return true;
}

bool phrase_fitting(struct phrase_check *p, size_t n_clauses, struct hit *hit, size_t *n,
                    struct err *e)
{
    uint64_t phrases = first_phrases(p, n_clauses);
    *n = bm25_fitting(p->view, p->n_views, p->clause, n_clauses, hit, *n);
    if (!phrases || *n == 0)
        return true;
    struct arena *tmp = arena_new();
    size_t kept = 0;
    bool good = judge_all(p, hit, *n, tmp, e);
    if (good)
        keep_fitting(p, phrases, hit, *n, hit, &kept, *n);
    *n = kept;
    arena_free(tmp);
    return good;
}
