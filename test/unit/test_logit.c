/* What logit_fit promises: the known solution of small problems, bounds, the same twice. */
#include "math/logit.h"

#include <stdint.h>

#include "tap.h"

#include <math.h>

/* The derivative of the loss at w must vanish where no bound holds it. */
static double slope(const struct logit *p, const double *w, size_t k)
{
    double sum = p->ridge * (w[k] - (p->center ? p->center[k] : 0));
    for (size_t i = 0; i < p->n; i++) {
        double margin = 0;
        for (size_t j = 0; j < p->d; j++)
            margin += w[j] * p->x[i * p->d + j];
        sum -= (p->count ? p->count[i] : 1) * p->x[i * p->d + k] / (1 + exp(margin));
    }
    return sum;
}

int main(void)
{
    enum { N = 200, D = 3 };
    float x[N * D], count[N];
    uint32_t seed = 7;
    for (size_t i = 0; i < N * D; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (float)(seed >> 8) / (1 << 24) - .5f + (i % D == 0 ? .3f : i % D == 1 ? -.3f : 0);
    }
    for (size_t i = 0; i < N; i++)
        count[i] = (float)(1 + i % 3);
    struct logit p = {.x = x, .count = count, .n = N, .d = D, .ridge = .5};
    double w[D] = {0}, again[D] = {0};
    logit_fit(&p, w);
    for (size_t k = 0; k < D; k++)
        ok(fabs(slope(&p, w, k)) < .05, "weight %zu = %.3f is where the loss is flat: %g", k, w[k],
           slope(&p, w, k));
    ok(w[0] > 0 && w[1] < 0, "signs as in the rows");
    logit_fit(&p, again);
    ok(w[0] == again[0] && w[1] == again[1] && w[2] == again[2], "the same twice");

    const double least[D] = {-HUGE_VAL, 0, 0}, center[D] = {0, 0, 5};
    p.least = least;
    double bounded[D] = {0};
    logit_fit(&p, bounded);
    ok(bounded[1] == 0 && slope(&p, bounded, 1) > 0, "held at its bound, which pushes");
    p.least = NULL;
    p.center = center;
    p.ridge = 1e6;
    double drawn[D] = {0};
    logit_fit(&p, drawn);
    ok(fabs(drawn[2] - 5) < .01 && fabs(drawn[0]) < .01, "a strong ridge draws to its center");
    struct logit none = {.x = x, .n = 0, .d = D, .ridge = 1};
    double still[D] = {0};
    logit_fit(&none, still);
    ok(still[0] == 0, "no rows, no change");
    return tap_done();
}
