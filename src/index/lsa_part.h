/* lsa_part.h - what a learned embedder is made of; for lsa.c and lsa_learn.c alone. */
#pragma once

#include "index/lsa.h"
#include "index/words.h"
#include "text/terms.h"

/* The image: the head, then term[n_terms], rising; scale[n_terms]; bucket_scale[n_buckets];
 * bucket_weight[n_buckets]; row[n_terms][dimension]; bucket[n_buckets][dimension]. A number is its
 * byte times its row's scale. n_buckets is a power of two. */
struct lsa_head {
    char magic[8];
    uint64_t version; /* hash of the image with this field zero */
    uint64_t passages;
    uint32_t dimension, n_terms, n_buckets, n_langs;
    uint32_t lang[WORDS_LANGS];
    float mean_length;
    float unknown_idf;
    float unknown; /* share of the sample's words that are not among the terms */
};

#define LSA_MAGIC "pslsa001"

struct lsa {
    _Atomic uint32_t refs;
    char *image;
    size_t size;
    const struct lsa_head *head;
    const uint64_t *term;
    const float *scale, *bucket_scale, *bucket_weight;
    const int8_t *row, *bucket;
    uint32_t *slot; /* where a term may be: index + 1, 0: free */
    uint32_t slot_mask;
};

/* Takes over an image that is known to be good. */
struct lsa *lsa_of_image(char *image, size_t size);
size_t lsa_image_size(const struct lsa_head *h);

/* The share of a passage's term: what BM25 gives it without the idf. */
static inline float lsa_tf(float count, float length, float mean)
{
    static const struct bm25_params p = {1.2f, .75f}; /* BM25_DEFAULT */
    return bm25_tf(&p, count, length, mean);
}

/* How much the runs of a word count beside the word itself. */
#define LSA_RUNS_WEIGHT .55f

/* The hashes of the runs of characters that make up a word: of 3 to 5 for words that are put
 * between spaces, the first as if something stood before it; single characters for others. */
enum { LSA_MAX_RUNS = 256 };
size_t lsa_runs(uint64_t run[LSA_MAX_RUNS], struct str word, bool dense);
