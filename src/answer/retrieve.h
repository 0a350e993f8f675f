/* retrieve.h - from a question to the passages that answer it best: what answers, searches and
 * tools call.
 *
 *     level 1   vectors alone
 *     level 2   vectors and keywords, fused
 *     level 3   the same for `candidates` passages, which are then ranked again by a closer look
 *     level 4   as 3, with several searches for one question: split into its parts, asked in other
 *               words, and once more with words that the best passages share
 *
 *     questions --> search each --> join --> load --> rank again --> near-duplicates collapsed,
 *     mildly diverse --> threshold --> the best k
 *
 * Everything works without a model. One that is configured is asked through `struct
 * retrieve_models`; when it fails or is late the built-in way is taken, which a note, a counter
 * and the log tell.
 *
 * Scores:  from 0 to 1, larger is better, comparable within one result. What each stage said of a
 *          passage stands beside it. The same question over the same data gives the same result.
 * Memory:  results live in the arena given; the query is borrowed.
 * Threads: a fiber (which sleeps while workers search), or a thread that is not a loop; models
 *          only on a fiber.
 */
#pragma once

#include "index/search.h"
#include "model/rerank_weights.h"
#include "store/doc.h"
#include "store/space.h"

enum retrieve_level {
    RETRIEVE_DEFAULT, /* RETRIEVE_RERANKED */
    RETRIEVE_VECTOR,
    RETRIEVE_HYBRID,
    RETRIEVE_RERANKED,
    RETRIEVE_EXPANDED
};

/* Who ranks again. RANKER_AUTO: a model when one is configured, else what is built in. */
#define RETRIEVE_RANKERS(X)                                                                        \
    X(AUTO, "auto") X(NONE, "none") X(BUILT_IN, "built-in") X(MODEL, "model") X(JUDGE, "judge")
#define X(name, text) RANKER_##name,
enum retrieve_ranker { RETRIEVE_RANKERS(X) RANKER_COUNT };
#undef X
const char *retrieve_ranker_name(enum retrieve_ranker r);

/* What models do for a question; each may be NULL. All wait, with deadlines of their own, and
 * return what they say in `a`. */
struct retrieve_models {
    void *ctx;
    /* score[i]: how well text[i] answers, larger is better; any scale. */
    bool (*rerank)(void *ctx, struct str query, const struct str *text, size_t n, double *score,
                   struct arena *a, struct err *e);
    /* A chat model's answer to one message. */
    bool (*ask)(void *ctx, struct str instructions, struct str message, struct arena *a,
                struct str *answer, struct err *e);
    /* A vector of a space's dimension for each text, into v[n][dimension]. */
    bool (*embed)(void *ctx, const struct space *space, const struct str *text, size_t n, float *v,
                  struct arena *a, struct err *e);
    bool judge;          /* RANKER_AUTO is the chat model, as no re-ranker is configured */
    struct str identity; /* which models these are: another one gives other results */
};

struct retriever { /* what all questions share; made once at start */
    struct db *db;
    struct search_set *search;
    struct retrieve_cache *cache; /* answer/retrieve_cache.h; NULL: nothing is kept */
};

struct retrieve_query {
    /* Where to look, for whom, with which filter and weights, as index/search.h has it. Its `text`
     * and `k` are not looked at: the ones below hold. */
    struct search_query search;
    const struct str *text; /* the question; several are ways to ask for the same */
    size_t n_texts;
    size_t k;                  /* passages wanted */
    size_t candidates;         /* that are ranked again; 0 = 50 */
    enum retrieve_level level; /* at most */
    enum retrieve_ranker ranker;
    const struct rerank_weights *weights; /* of what is built in; NULL: its own */
    double threshold;                     /* passages with a lower score are left out */
    bool keep_duplicates; /* else what says the same is collapsed, and what differs preferred */
    const struct retrieve_models *models; /* NULL: none */
    struct str filter_text;   /* search.filter as it was written; with a filter but without this
                                 nothing is kept for the next time */
    bool no_cache;            /* found anew, and not kept */
    struct retrieval *report; /* NULL, or gets a copy of the result, for callers further away */
};

enum { RETRIEVE_CANDIDATES = 50, RETRIEVE_MOST = 1000 /* passages of one result */ };

/* What a stage said: its rank from 1, 0 = it did not have the passage. */
struct retrieved_stage {
    uint32_t rank;
    double score; /* as the stage counts */
};

struct retrieved {
    struct doc_passage passage;
    double score;
    uint32_t collection;           /* index into search.collection */
    struct retrieved_stage search; /* both engines, all searches of the question */
    struct retrieved_stage keyword, vector;
    struct retrieved_stage rerank;
    const float *feature; /* [RERANK_FEATURE_COUNT] (model/rerank_features.h) of the built-in
ranker, when there is a report; else NULL */
    uint64_t asked;       /* a bit for each of retrieval.question that found it */
    double redundancy; /* likeness to a better one, from 0 to 1, for which it stands further down */
    const int64_t *copy; /* chunks that say the same and were left out */
    size_t n_copies;
};

/* One search that was made. */
struct retrieve_question {
    struct str text;
    const char *kind; /* "asked", "part", "reworded", "expanded" */
    double weight;
};
enum { RETRIEVE_QUESTIONS = 8 };

struct retrieval {
    struct retrieved *hit; /* best first */
    size_t n;
    enum retrieve_level level;
    const char *ranker; /* who ranked again, "none" */
    const char *cache;  /* "hit", "miss", "off" */
    struct retrieve_question question[RETRIEVE_QUESTIONS];
    size_t n_questions;
    const struct search_explain *engine; /* [n_engines], of each collection, by the first search;
                     NULL: there was no report, or it is kept */
    size_t n_engines;
    size_t n_found;     /* passages that were looked at */
    struct str note[8]; /* what went otherwise than configured */
    size_t n_notes;
    struct str space; /* of the embedder outside that was asked, "" = none */
    int64_t embed_us, search_us, load_us, rerank_us, total_us;
};

/* "Found nothing" is no failure. */
bool retrieve(const struct retriever *r, const struct retrieve_query *q, struct arena *a,
              struct retrieval *out, struct err *e);
