/* bm25.h - rank passages by the words they share with a query.
 *
 * Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009,
 * with idf = log(1 + (N - n + .5) / (n + .5)), so that a word found in nearly every passage adds
 * little instead of subtracting:
 *
 *     score = sum over words: weight * idf * tf (k1 + 1) / (tf + k1 (1 - b + b length / mean))
 *
 * tf and length are sums over title, section and body, each times the field's weight, before the
 * formula is applied (Robertson, Zaragoza and Taylor, "Simple BM25 Extension to Multiple Weighted
 * Fields", 2004). N, n and the mean are those of the living passages, so a score does not depend on
 * what was once added and removed. Several indexes can be searched as one: the statistics are then
 * of all, k1, b and the weights each one's own.
 *
 * An index is a list of immutable segments (index/segment.h), the newest small, merged as they
 * multiply (a log-structured merge). A commit makes a segment of what is new and joins it with
 * neighbours only while they are tiny; larger merges are bm25_merge's, beside writing and
 * searching. Searches work on a view: a list of segments with what is deleted from them, never
 * changed once published; they wait for nothing.
 *
 * A search goes through windows of 4,096 passages. From the block maxima it knows the most that a
 * window can give; those that cannot reach the best hits so far are passed over, as are words
 * within a window (MaxScore: Turtle and Flood, "Query Evaluation: Strategies and Optimizations",
 * 1995). The result is exactly that of scoring everything.
 *
 * Block maxima hold for the k1, b, weights and mean length at the time the segment was made. For
 * another k1, b or mean a share of a score grows at most by the larger of the ratios of
 * k1 (1 - b) and of k1 b / mean, old to new, by which a search scales the maxima; for other weights
 * they say nothing and the search is as exact but slower, until merges have gone over all segments.
 *
 * What is observable: n and N count passages that a caller with `allowed` may not see, so scores of
 * what he may see move, slightly, with what he may not. With `own_statistics` they are of the
 * allowed passages alone, and nothing depends on others; it costs a pass over the words' postings.
 *
 * Units:   lengths count words; scores have no unit, larger is better.
 * Memory:  a view belongs to whoever took it, and holds what it needs after the index has gone.
 * Threads: bm25_add, _remove, _commit, _configure, _load and _free: one at a time; bm25_merge:
 *          beside them, but not beside or after _free; bm25_view and everything on views: any, at
 *          any time.
 */
#pragma once

#include "base/buf.h"
#include "index/docset.h"
#include "index/segment.h"
#include "index/top.h"

struct bm25;
struct bm25_view;

/* The values most used in the literature; on six test collections at least as good as .9 and .4,
 * and 2 points of nDCG@10 better on four of them (bench_ir). Fields count alike. */
#define BM25_DEFAULT ((struct bm25_params){.k1 = 1.2f, .b = 0.75f, .weight = {1, 1, 1}})

struct bm25 *bm25_new(struct bm25_params params);
void bm25_free(struct bm25 *ix);

/* ---- Writing: staged until bm25_commit publishes it all at once. ---- */

/* Adds a passage under the caller's `key`: its words, repeats as often as they come. The passages
 * of one document are in one language and added one after another, after bm25_remove when it was
 * there before. */
void bm25_add(struct bm25 *ix, uint32_t document, enum lang lang, int64_t key,
              const struct bm25_passage *p);
/* Drops all passages of a document, staged ones too. False when there is none. */
bool bm25_remove(struct bm25 *ix, uint32_t document);
void bm25_clear(struct bm25 *ix); /* drops everything */
void bm25_commit(struct bm25 *ix);
/* Other parameters from the next search on; published at once, with what is staged. */
void bm25_configure(struct bm25 *ix, struct bm25_params params);

/* Joins some segments, when that is due, and publishes the result, which answers as before. Takes
 * as long as it takes (about a second per 10 million postings) and holds nobody up. `all`: until
 * one segment is left, which is smallest and fastest: when no more changes are expected. True: it
 * did, and more may be due; false: nothing to do, or another thread is at it. */
bool bm25_merge(struct bm25 *ix, bool all);

/* ---- Reading ---- */

struct bm25_view *bm25_view(struct bm25 *ix); /* what was committed last */
void bm25_view_free(struct bm25_view *v);

struct bm25_stats {
    uint64_t passages, segments;
    uint64_t bytes; /* of images */
    double length;
    uint64_t by_lang[LANG_COUNT]; /* passages in each language */
};
/* Cheap: all of it is known. */
struct bm25_stats bm25_stats(const struct bm25_view *v);

struct bm25_word {
    uint64_t term; /* hash_stable of its text */
    float weight;  /* how often it stands in the query */
    /* Forms of one word, as several languages stem it, have the same number and stand together:
     * they share one idf, as if they were one term. */
    uint32_t group;
};

/* What a passage must have, or must not. */
enum bm25_demand { BM25_MUST, BM25_MUST_NOT };
struct bm25_clause {
    enum bm25_demand demand;
    /* One after another: a phrase, in one field. At each place any of the terms with that `at`,
     * which counts from 0 and rises; where it leaps there may be anything. Whether words stand so
     * only texts tell (index/phrase.h). What is in this header goes by words: of what must be there
     * each place needs one of its terms, anywhere; a phrase that must not be there is passed over.
     */
    const struct bm25_spot *spot;
    size_t n;
    /* 0: as said. Else in any order and each at a place of its own, within the phrase's length and
     * so many places more; the title, the section and the text lie 8 apart. The first 64 words. */
    uint32_t further;
};

struct bm25_spot {
    uint64_t term;
    uint32_t at;
};

static inline bool bm25_clause_is_phrase(const struct bm25_clause *c)
{
    return c->n && c->spot[c->n - 1].at != c->spot[0].at;
}

struct bm25_query {
    const struct bm25_word *word; /* each term once */
    size_t n;
    const struct bm25_clause *clause;
    size_t n_clauses;
    /* For each view the numbers of the documents whose passages may be found; NULL there, or no
     * array: all. */
    const struct docset *const *allowed;
    bool own_statistics; /* see above */
};

enum { BM25_MAX_WORDS = 256 }; /* what is over is not looked at */

/* Fills hit[] with at most `k` hits, best first, equal scores by lower key, then view. Returns how
 * many. Clauses alone find nothing: what is to be found shares a word with the query. */
size_t bm25_search(const struct bm25_view *const *view, size_t n_views, const struct bm25_query *q,
                   struct hit *hit, size_t k);

/* Keeps of hits that something else has found (another engine, with their key, document and view)
 * those that fit the clauses, in their order. Returns how many. */
size_t bm25_fitting(const struct bm25_view *const *view, size_t n_views,
                    const struct bm25_clause *clause, size_t n_clauses, struct hit *hit, size_t n);

/* The language of a document that is in the view, as it was added; else LANG_OTHER. */
enum lang bm25_lang(const struct bm25_view *v, uint32_t document);

/* Words of the views that begin like `word` (distance 0), or are at most `distance` (1 or 2) edits
 * away: at most `most`, near ones first, then those in more passages. With `allowed`, as bm25_query
 * has it, only words of these documents, and only these count: then nothing depends on others. */
struct bm25_like {
    uint64_t term;
    uint32_t distance;
    uint64_t df;
};
size_t bm25_alike(const struct bm25_view *const *view, size_t n_views,
                  const struct docset *const *allowed, struct str word, unsigned distance,
                  struct bm25_like *out, size_t most);

/* ---- On disk ---- */

/* Appends the view's segments to `out`, and what is deleted from them. False: over its limit. */
bool bm25_save(const struct bm25_view *v, struct buf *out);
/* Replaces all that is in the index by what bm25_save wrote, and publishes it. ERR_CORRUPT leaves
 * the index as it was. Bytes that start at a multiple of 8 in an arena are not copied when it is
 * given: they are read where they lie (a mapped file, say), and the index frees the arena when it
 * needs it no more, failed or not. NULL: they are copied. */
bool bm25_load(struct bm25 *ix, struct str saved, struct arena *holder, struct err *e);
