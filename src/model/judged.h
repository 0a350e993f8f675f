/* judged.h - questions with passages and what people said of them: what weights are learned from.
 *
 * Three sources:
 *
 *     a folder     corpus.jsonl {"_id", "title", "text"}, queries.jsonl {"_id", "text"}, qrels.tsv
 *                  (query, document, grade; a line of headings): the layout of BEIR. A search over
 *                  the corpus (judged_search.h) finds each query's candidates; those without a
 * grade count as 0. judgments    one JSON object a line: {"query", "text" (or "document"), "grade",
 * "title"?}. Lines with one query are its candidates; a search among them orders them. clicks one
 * JSON object a line: {"query", "shown": [{"text", "title"?}, ...] as they were ordered, "clicked":
 * [1, 3] places from 1}. People look at the second place less than at the first whatever stands
 * there, so a click at place p counts p times (at most 10): that they look at it falls as 1/p. What
 * stands behind the last click and the next place was perhaps not seen, and is left out.
 *
 * Memory:  all of it in the arena given, corpora included.
 * Threads: any that is not a loop.
 * Source:  clicks: Joachims, Swaminathan, Schnabel, "Unbiased Learning-to-Rank with Biased
 *          Feedback", 2017.
 */
#pragma once

#include "model/rerank_features.h"
#include "base/err.h"

enum { JUDGED_DEPTH = 50 /* candidates that a search gives */ };

struct judged_query {
    struct str text;
    struct rerank_candidate *c; /* as the search or the page ordered them */
    float *grade;               /* [n] */
    size_t n;
    double ideal; /* DCG@10 of the best order of all that is judged */
    float weight; /* how much its judgments count; 1, more for clicks far down */
};

struct judged {
    struct judged_query *q; /* those with a passage of a grade above 0 among their candidates, or
                               judged but not found */
    size_t n, room;
};

/* Each adds to *out. ERR_INVALID names file and line. */
bool judged_folder(struct judged *out, const char *dir, struct arena *a, struct err *e);
bool judged_lines(struct judged *out, const char *path, struct arena *a, struct err *e);
bool judged_clicks(struct judged *out, const char *path, struct arena *a, struct err *e);

/* nDCG@10 (linear gain) when candidate order[0] comes first, ...; order NULL: as they are. */
double judged_ndcg(const struct judged_query *q, const uint32_t *order);
