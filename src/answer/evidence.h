/* evidence.h - do the passages support a sentence?
 *
 * Numbers, dates, names and quotations must stand in the passages (answer/fact.h says what counts
 * as the same); one that does not is a reason by itself. All else is judged by a score from what
 * tells supported sentences from others: how many of its words no passage has, how many of its
 * pairs of neighbouring words stand side by side in a passage, whether it denies what no passage
 * denies, and whether it speaks of itself or asks. Words are compared by their stems.
 *
 *     score = 1 / (1 + exp(-z)),  z as in evidence.c; supported from EVIDENCE_SUPPORTED on
 *
 * When the sentence is in another language than the passages its words cannot be found, and only
 * numbers and dates are checked.
 *
 * Limits:  what is computed from the passages (a sum, a difference) is not found in them. A
 * sentence that is made of their words in another order can say something else: measured figures
 *          are in doc/answers.md.
 * Memory:  an evidence lives in its arena and points into the passages.
 * Threads: immutable once made, but evidence_check uses the scratch arena of its thread. Building
 *          costs about 0.3 ms per 1000 tokens of passages, so a loop asks a worker.
 * Source:  weights fitted by logistic regression to BEGIN and HaluEval, rounded.
 */
#pragma once

#include "model/chat.h"

struct evidence;

/* Documents' names and sections count as part of their passages. */
struct evidence *evidence_new(const struct passage *p, size_t n, struct arena *a);

#define EVIDENCE_REASONS(X)                                                                        \
    X(NONE, "")                                                                                    \
    X(NUMBER, "number")                                                                            \
    X(DATE, "date")                                                                                \
    X(NAME, "name")                                                                                \
    X(QUOTATION, "quotation")                                                                      \
    X(SUPPORT, "support")
#define X(name, text) EVIDENCE_##name,
enum evidence_reason { EVIDENCE_REASONS(X) EVIDENCE_REASON_COUNT };
#undef X
const char *evidence_reason_name(enum evidence_reason reason);

static const float EVIDENCE_SUPPORTED = 0.5f;

struct verdict {
    enum evidence_reason reason; /* EVIDENCE_NONE: it is supported */
    float score;                 /* 0..1 */
    size_t start, end;           /* of the first fact that is not found, in the sentence */
};
struct verdict evidence_check(const struct evidence *v, struct str sentence);

/* What the score is made of, for measuring. */
struct evidence_features {
    float missing;                /* words in no passage */
    float facts;                  /* exact things in no passage */
    float pairs;                  /* share of the pairs of neighbours that stand so in a passage */
    float denies, personal, asks; /* 0 or 1 */
    float words;
};
struct evidence_features evidence_features(const struct evidence *v, struct str sentence);
