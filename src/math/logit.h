/* logit.h - logistic regression on few numbers per row, with bounds on the weights.
 *
 * Finds w that minimizes  sum c_i log(1 + exp(-w . x_i))  +  ridge / 2 |w - center|^2,  with
 * w_k >= least_k. Rows are what should come out positive: for pairs, the better one's numbers minus
 * the worse one's; for labels, a row times its label of +1 or -1.
 *
 * Source:  cyclic coordinate descent with one-dimensional Newton steps, as Genkin, Lewis, Madigan,
 *          "Large-Scale Bayesian Logistic Regression for Text Categorization", 2007, without the
 *          bound on the step: the problem is convex and steps are halved while they do not descend.
 * Cost:    rows x columns x some 20 ns per round, some 20 rounds.
 * Memory:  8 bytes per row meanwhile.
 * Threads: any. The result depends on nothing but the arguments.
 */
#pragma once

#include <stddef.h>

struct logit {
    const float *x;     /* [n][d] row-major */
    const float *count; /* [n], how much a row counts; NULL: each 1 */
    size_t n, d;
    double ridge;         /* > 0 */
    const double *center; /* [d]; NULL: 0 */
    const double *least;  /* [d]; NULL: no bound */
};

/* w[d] is where to start, and the result. */
void logit_fit(const struct logit *p, double *w);
