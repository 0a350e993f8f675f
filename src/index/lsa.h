/* lsa.h - the built-in embedder: vectors for passages and questions, learned from the collection
 * itself, without a model and without a download.
 *
 * Method: latent semantic analysis (Deerwester et al., "Indexing by Latent Semantic Analysis",
 * 1990). The passages' term weights, those of BM25, in rows of length one, are a sparse matrix; its
 * strongest singular vectors (math/svd.h) span the space. A term's vector is its row there times
 * its idf, a text's the weighted sum of its terms', in length one. A word that was not seen gets
 * the mean vector of the words that it shares runs of three to five characters with (Bojanowski et
 * al., "Enriching Word Vectors with Subword Information", 2017), so misspellings, compounds and new
 * inflections find their kin.
 *
 * What is learned never changes; as a collection grows a new one is learned beside it (lsa_outgrown
 * says when), all passages are embedded anew, and both are exchanged at once. Vectors of different
 * versions do not compare.
 *
 * Learning looks at no more than a sample of the passages and no more than LSA_MAX_TERMS terms, so
 * it is bounded in time and memory. The same passages in the same order give the same result.
 *
 * Memory:  about 300 bytes per term. While it is learned, up to 600 MB for the largest sample.
 * Threads: a learner belongs to one at a time; what is learned: any number, counted atomically.
 * Cost:    learning a few seconds of one core for the largest sample; a text's vector about 300 ns
 * a word.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "text/lang.h"

#include <stdatomic.h>

enum {
    LSA_DIMENSION = 256, /* unless the collection has fewer passages or terms */
    LSA_SAMPLE = 32768,
    LSA_MAX_TERMS = 65536,
};

struct lsa;
struct lsa_learner;

/* ---- Learning ---- */

struct lsa_options {
    uint32_t dimension; /* at most, 0: LSA_DIMENSION */
    uint32_t sample;    /* passages that are looked at, 0: LSA_SAMPLE */
    uint64_t seed;
    /* Set by any thread to give up; looked at several times a second. NULL: never. */
    const atomic_bool *stop;
};

struct lsa_learner *lsa_learner_new(const struct lsa_options *o);
void lsa_learner_free(struct lsa_learner *l);
/* Title and section may be "". Costs next to nothing when the passage is not drawn. */
void lsa_learner_add(struct lsa_learner *l, enum lang lang, struct str title, struct str section,
                     struct str text);
/* NULL when there was nothing to learn from, or it was stopped. The learner can only be freed then.
 */
struct lsa *lsa_learner_finish(struct lsa_learner *l);

/* ---- What was learned ---- */

struct lsa *lsa_ref(struct lsa *m);
void lsa_unref(struct lsa *m);
uint32_t lsa_dimension(const struct lsa *m); /* from 1 */
uint64_t lsa_version(const struct lsa *m);   /* a hash of all of it */

/* Words of passages that came since; the caller counts them. */
struct lsa_seen {
    uint64_t passages, words, unknown;
};

/* The vector of a passage, in length one. False, and zeros, when none of its words say anything:
 * such a passage has no place in a cosine index. `seen`, when not NULL, is added to. */
bool lsa_passage(const struct lsa *m, enum lang lang, struct str title, struct str section,
                 struct str text, float *out /* [dimension] */, struct lsa_seen *seen);
/* The same of a question, whose words are read in each of the collection's languages; of the text
 * the first WORDS_QUERY_BYTES count. */
bool lsa_query(const struct lsa *m, struct str text, float *out);

/* Whether to learn anew: `passages` is the collection's size now. While all of them are looked at
 * it is time when a fiftieth is new; over LSA_SAMPLE when there are twice as many, or when those
 * that came since are many and speak of other things. */
bool lsa_outgrown(const struct lsa *m, uint64_t passages, const struct lsa_seen *since);

/* ---- On disk ---- */

/* False: over the buffer's limit. */
bool lsa_save(const struct lsa *m, struct buf *out);
/* ERR_CORRUPT for bytes that lsa_save did not write. They are copied. */
struct lsa *lsa_load(struct str saved, struct err *e);
