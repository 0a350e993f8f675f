/* testset.h - judged collections for the programs of this folder: documents, questions, and which
 * document answers which.
 *
 * A folder has corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and qrels.tsv (query,
 * document, grade; one line of headings): the layout of BEIR. Questions that no document answers
 * are left out.
 *
 * Errors:  what cannot be read ends the program with 2 and a message.
 * Memory:  all of it is the set's.
 */
#pragma once

#include "base/arena.h"
#include "text/lang.h"

struct testset_document {
    struct str title, text;
    enum lang lang; /* detected */
};

struct testset_judgement {
    size_t document;
    int grade; /* from 1 */
    const struct testset_judgement *next;
};

struct testset_question {
    struct str text;
    const struct testset_judgement *judged;
};

struct testset {
    struct arena *a; /* NULL: nothing was read yet */
    struct testset_document *document;
    size_t n, room;
    struct testset_question *question;
    size_t n_questions, questions_room;
};

/* Adds the folder dir/name: several may become one set. */
void testset_read(struct testset *t, const char *dir, const char *name);
void testset_free(struct testset *t);

/* Sums over questions: nDCG@10 with linear gain and log2 discount, recall of the n documents that
 * are given, reciprocal rank of the first right one in ten. As trec_eval computes them. */
struct testset_sums {
    double ndcg, recall, mrr;
    size_t questions;
};
void testset_judge(struct testset_sums *to, const struct testset_question *q,
                   const size_t *document, size_t n);
