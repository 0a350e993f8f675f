/* bm25.h - rank passages by the words they share with a query.
 *
 * Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009,
 * with idf = log(1 + (N - n + .5) / (n + .5)), so that a word found in nearly every passage adds
 * little instead of subtracting:
 *
 *     score = sum over query terms: weight * idf * tf (k1 + 1) / (tf + k1 (1 - b + b length /
 * mean))
 *
 * N, n and the mean are those of the living passages, so a score does not depend on what was once
 * added and removed. Several indexes can be searched as one: the statistics are then of all.
 *
 * An index is a list of immutable segments (index/segment.h), the newest small, merged as they
 * multiply (a log-structured merge). Searches work on a view: a list of segments with what is
 * deleted from them, never changed once published; they wait for nothing.
 *
 * A search goes through windows of 4,096 passages. From the block maxima it knows the most that a
 * window can give; those that cannot reach the best hits so far are passed over, as are terms
 * within a window (MaxScore: Turtle and Flood, "Query Evaluation: Strategies and Optimizations",
 * 1995). The result is exactly that of scoring everything.
 *
 * Units:   lengths count terms; scores have no unit, larger is better.
 * Memory:  a view belongs to whoever took it, and holds what it needs after the index has gone.
 * Threads: bm25_add, _remove, _commit, _load and _free: one at a time; bm25_view and everything on
 *          views: any, at any time.
 */
#pragma once

#include "base/buf.h"
#include "index/docset.h"
#include "index/segment.h"
#include "index/top.h"

struct bm25;
struct bm25_view;

/* The values most used in the literature; on six test collections at least as good as .9 and .4,
 * and 2 points of nDCG@10 better on four of them (bench_ir). */
#define BM25_DEFAULT ((struct bm25_params){.k1 = 1.2f, .b = 0.75f})

struct bm25 *bm25_new(struct bm25_params params);
void bm25_free(struct bm25 *ix);

/* ---- Writing: staged until bm25_commit publishes it all at once. ---- */

/* Adds a passage under the caller's `key`. Terms are hashes of their text, in any order, repeats
 * count; the array comes back sorted. `length` is what counts as its length. The passages of one
 * document are in one language and added one after another, after bm25_remove when it was there
 * before. */
void bm25_add(struct bm25 *ix, int64_t document, enum lang lang, int64_t key, uint64_t *term,
              size_t n, uint32_t length);
/* Drops all passages of a document, staged ones too. False when there is none. The next commit
 * goes once over the segments concerned: remove many, then commit. */
bool bm25_remove(struct bm25 *ix, int64_t document);
void bm25_clear(struct bm25 *ix); /* drops everything */
void bm25_commit(struct bm25 *ix);

/* ---- Reading ---- */

struct bm25_view *bm25_view(struct bm25 *ix); /* what was committed last */
void bm25_view_free(struct bm25_view *v);

struct bm25_stats {
    uint64_t passages, length, bytes, segments;
    uint64_t by_lang[LANG_COUNT]; /* passages in each language */
};
/* Cheap: all of it is known. */
struct bm25_stats bm25_stats(const struct bm25_view *v);

struct bm25_word {
    uint64_t term;
    float weight; /* how often it stands in the query */
    /* Forms of one word, as several languages stem it, have the same number and stand together:
     * they share one idf, as if they were one term. */
    uint32_t group;
};

struct bm25_query {
    const struct bm25_word *word; /* each term once */
    size_t n;
    /* For each view the numbers of the documents whose passages may be found; NULL there, or no
     * array: all. */
    const struct docset *const *allowed;
};

enum { BM25_MAX_WORDS = 256, BM25_MAX_HITS = 10000 }; /* what is over is not looked at */

/* Fills hit[] with at most `k` hits, best first, equal scores by lower key, then view. Returns how
 * many. */
size_t bm25_search(const struct bm25_view *const *view, size_t n_views, const struct bm25_query *q,
                   struct hit *hit, size_t k);

/* ---- On disk ---- */

/* Appends the view's segments to `out`, and what is deleted from them. False: over its limit. */
bool bm25_save(const struct bm25_view *v, struct buf *out);
/* Replaces all that is in the index by what bm25_save wrote, and publishes it. ERR_CORRUPT leaves
 * the index as it was; so does an image written with other parameters. Bytes that start at a
 * multiple of 8 in an arena need no copy when it is given: the index then frees it, failed or not.
 * NULL: what is needed is copied. */
bool bm25_load(struct bm25 *ix, struct str saved, struct arena *holder, struct err *e);
