#include "math/logit.h"
#include "base/mem.h"

#include <math.h>

enum { ROUNDS = 100, HALVINGS = 20 };
#define STILL 1e-6 /* of a weight, for the end */

static double log1pexp(double x)
{
    return x > 30 ? x : log1p(exp(x));
}

static double counts(const struct logit *p, size_t i)
{
    return p->count ? p->count[i] : 1;
}

static double center_of(const struct logit *p, size_t k)
{
    return p->center ? p->center[k] : 0;
}

/* The loss when weight k moves by `step` from w[k]. */
static double loss(const struct logit *p, const double *margin, const double *w, size_t k,
                   double step)
{
    double off = w[k] + step - center_of(p, k), sum = p->ridge / 2 * off * off;
    for (size_t i = 0; i < p->n; i++)
        sum += counts(p, i) * log1pexp(-(margin[i] + step * p->x[i * p->d + k]));
    return sum;
}

/* Moves one weight; returns by how much. */
static double move(const struct logit *p, double *margin, double *w, size_t k)
{
    double slope = p->ridge * (w[k] - center_of(p, k)), bend = p->ridge;
    for (size_t i = 0; i < p->n; i++) {
        double x = p->x[i * p->d + k];
        if (x == 0)
            continue;
        double miss = 1 / (1 + exp(margin[i])); /* how far from certain */
        slope -= counts(p, i) * miss * x;
        bend += counts(p, i) * miss * (1 - miss) * x * x;
    }
    double step = -slope / bend;
    if (p->least && w[k] + step < p->least[k])
        step = p->least[k] - w[k];
    if (fabs(step) < STILL)
        return 0;
    double now = loss(p, margin, w, k, 0);
    for (int h = 0; h < HALVINGS && loss(p, margin, w, k, step) > now; h++)
        step /= 2;
    w[k] += step;
    for (size_t i = 0; i < p->n; i++)
        margin[i] += step * p->x[i * p->d + k];
    return fabs(step);
}

void logit_fit(const struct logit *p, double *w)
{
    double *margin = mem_array(p->n + 1, sizeof(*margin));
    for (size_t k = 0; k < p->d; k++)
        if (p->least && w[k] < p->least[k])
            w[k] = p->least[k];
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->d; k++)
            margin[i] += w[k] * p->x[i * p->d + k];
    double most = 1;
    for (int round = 0; round < ROUNDS && most > 100 * STILL; round++) {
        most = 0;
        for (size_t k = 0; k < p->d; k++)
            most = fmax(most, move(p, margin, w, k));
    }
    mem_free(margin);
}
