/* retrieve_part.h - what the files behind retrieve.h share.
 *
 * Threads: as retrieve.h.
 */
#pragma once

#include "answer/near.h"
#include "answer/retrieve.h"

/* A passage on its way through the stages. */
struct candidate {
    struct retrieved r;
    struct near near;
    double joined; /* of all searches, 0 to 1 */
    double order;  /* by which they are put in order, any scale: of one search its fused score */
    bool loaded;
};

struct candidates {
    struct candidate *c; /* best first */
    size_t n, room;
};

/* Adds a note, and counts and logs it: what a model should have done was done without. */
void retrieve_note(struct retrieval *out, struct arena *a, const char *stage,
                   const struct err *why);

/* Ranks again: sets r.rerank and r.score of all, best first. */
void retrieve_rank(const struct retrieve_query *q, struct candidates *all, struct arena *a,
                   struct retrieval *out);
/* The questions in the spaces outside that the collections use, for search_query.vector:
 * vector[question][*n_spaces]. NULL when there is no such space, or no embedder. */
struct search_vector *retrieve_embed(const struct retriever *r, const struct retrieve_query *q,
                                     struct arena *a, struct retrieval *out, size_t *n_spaces);
/* Level 4, before the first search: the parts and other wordings. */
void retrieve_plan(const struct retrieve_query *q, struct arena *a, struct retrieval *out);
/* What a stage may read of a passage: title, section and text. */
struct str retrieve_text(const struct doc_passage *p, struct arena *a);
