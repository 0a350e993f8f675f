/* fuse.h - one ranking out of what the keywords found and what the vectors found.
 *
 * The scores of each list are brought to one scale: less their mean, by their standard deviation,
 * over the list's first FUSE_DEPTH (standard scores; Renda and Straccia, "Web Metasearch: Rank vs.
 * Score Based Rank Aggregation Methods", 2003). A list in which the first hits stand out, which is
 * when an engine is sure, thereby says more than one that falls evenly; ranks alone lose that. The
 * fused score is the sum by weight. A passage that is missing in a list counts as that list's last.
 *
 * When one list is empty the other decides alone, and so it does with a weight of zero.
 *
 * Units:   fused scores have no unit; they compare within one result.
 * Memory:  the caller's.
 * Threads: any; nothing is kept.
 * Cost:    about 15 us for two lists of 100.
 */
#pragma once

#include "index/top.h"

enum {
    FUSE_DEPTH = 100, /* how many hits each list should have at least, when there are as many */
    FUSE_MAX = 10000, /* of a list; what is over is not looked at */
};

struct fuse_list {
    const struct hit *hit; /* best first; a key in a view once */
    size_t n;
    float weight; /* from 0 */
    /* What a passage scores that is not in a list shorter than FUSE_DEPTH: 0 for keywords, where
     * it has none of the words; NAN: no more than the last that is in it. */
    float missing;
};

/* What the engines weigh when nobody says otherwise. Between 1 and 2 for the vectors no test
 * collection gains or loses more than .004 of nDCG@10. */
#define FUSE_TEXT 1.f
#define FUSE_EMBEDDING 1.5f

/* How far the keywords bear out the vectors, from 0 to 1: the root of the share of the ten nearest
 * that are among the FUSE_DEPTH best by keywords, less where more than two of the ten best by
 * keywords are not among the FUSE_DEPTH nearest; 1 when either found nothing. By this, and without
 * a judgement, a space is known that was learned from too little or spans too much: the vectors'
 * weight times this keeps a weak one from doing harm (fuse.c has figures). Only for what is learned
 * from the words themselves: a model's vectors are right just where words fail. */
float fuse_support(const struct fuse_list list[2]);

struct fuse_hit {
    int64_t key, document;
    float score;
    uint32_t view;
    uint32_t rank[2]; /* in each list, from 1; 0: not in it */
};

/* Fills out[] with at most k hits, best first, equal scores by lower key, then view. Returns how
 * many. Where both lists have a hit its document is the first's. */
size_t fuse_lists(const struct fuse_list list[2], struct fuse_hit *out, size_t k);

/* Feedback (Rocchio, "Relevance Feedback in Information Retrieval", 1971) without a judge: moves a
 * question's vector halfway to the middle of the best passages', best first, each weighted by the
 * exponential of half its fused score: a passage that stands out speaks alone. The caller searches
 * once more with it and fuses again: passages of the subject then come before those that share but
 * its words. FUSE_FEEDBACK passages do best; from ten on it harms. */
enum { FUSE_FEEDBACK = 3 };
void fuse_feedback(float *question /* [dimension], in length one */, uint32_t dimension,
                   const float *const *passage, const float *score, size_t n);
