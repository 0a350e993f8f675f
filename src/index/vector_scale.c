/* One scale for all rows of an index, so that products of bytes compare without further factors. It
 * is chosen so that the squared error is least: a scale for the very largest number would give most
 * of the 255 steps to few, one that is too small cuts those off. */
#include "index/vector_part.h"

enum { BINS = 2048, SAMPLE = 4096 };

bool vector_scale_factor(enum vector_metric metric, const float *v, size_t n, float *factor,
                         struct err *e)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (double)v[i] * v[i];
    if (!isfinite(square))
        return err_set(e, ERR_INVALID, "a vector has a number that is not finite");
    *factor = 1;
    if (metric != VECTOR_COSINE)
        return true;
    *factor = (float)(1 / sqrt(square));
    if (!isfinite(*factor) || *factor == 0)
        return err_set(e, ERR_INVALID, "a vector is zero, so it has no direction");
    return true;
}

/* Of the walked beginning: cosine compares directions, and a beginning is shorter than 1. */
static float row_scale(const struct view *v, const float *x)
{
    const struct shape *s = &v->shape;
    if (s->metric != VECTOR_COSINE || s->walked == s->dimension)
        return v->scale;
    float square = 0;
    for (uint32_t i = 0; i < s->walked; i++)
        square += x[i] * x[i];
    return square > 0 ? v->scale / sqrtf(square) : v->scale;
}

static int32_t to_byte(float x)
{
    x = x > -127 ? x < 127 ? x : 127 : -127; /* what is no number, too */
    return (int32_t)lrintf(x);
}

uint32_t vector_scale_row(const struct view *v, uint32_t slot)
{
    const struct shape *s = &v->shape;
    const float *x = exact_of(v, slot);
    struct tail *t = tail_of(v, slot);
    uint8_t *row = (uint8_t *)t - s->padded;
    float scale = row_scale(v, x);
    int32_t square = 0;
    uint32_t cut = 0;
    for (uint32_t i = 0; i < s->walked; i++) {
        float scaled = x[i] * scale;
        int32_t b = to_byte(scaled);
        cut += fabsf(scaled) > 127.5f;
        square += b * b;
        row[i] = (uint8_t)(b + 128);
    }
    memset(row + s->walked, 128, s->padded - s->walked);
    t->extra = s->metric == VECTOR_DOT ? 0 : square;
    return cut;
}

void vector_scale_query(const struct view *v, const float *q, size_t n, int8_t *out,
                        struct probe *p)
{
    float largest = 0;
    n = size_min(n, v->shape.walked);
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(q[i]));
    float scale = largest > 0 ? fminf(127 / largest, 1e30f) : 1;
    if (v->shape.metric == VECTOR_L2) /* the rows' lengths are added in: no finer than theirs */
        scale = fminf(scale, v->scale);
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = (int8_t)to_byte(q[i] * scale);
        sum += out[i];
    }
    memset(out + n, 0, v->shape.padded - n);
    *p = (struct probe){out, sum, 0, v->shape.metric == VECTOR_L2 ? scale / v->scale : 0};
}

void vector_scale_probe(const struct view *v, uint32_t slot, int8_t *out, struct probe *p)
{
    const uint8_t *row = row_of(v, slot);
    int32_t sum = 0;
    for (uint32_t i = 0; i < v->shape.padded; i++) {
        out[i] = (int8_t)(row[i] ^ 128);
        sum += out[i];
    }
    *p = (struct probe){out, sum, extra_of(&v->shape, row), v->shape.metric != VECTOR_DOT};
}

/* ---- Fitting ---- */

/* The live slots, or each n-th of many. */
static uint32_t step_of(const struct view *v)
{
    return v->n_slots / SAMPLE + 1;
}

static float walked_factor(const struct view *v, const float *x)
{
    return row_scale(v, x) / v->scale;
}

/* Squared error when everything above `clip` is cut off: steps of clip / 127 are off by a third of
 * a half step on average. */
static double error_at(const uint32_t *bin, double width, double clip, double total)
{
    double step = clip / 127, error = total * step * step / 12;
    for (size_t i = (size_t)(clip / width); i < BINS; i++) {
        double beyond = ((double)i + 0.5) * width - clip;
        error += beyond > 0 ? bin[i] * beyond * beyond : 0;
    }
    return error;
}

static float best_clip(const uint32_t *bin, float largest)
{
    double width = (double)largest / BINS, total = 0, best = (double)largest, least = INFINITY;
    for (size_t i = 0; i < BINS; i++)
        total += bin[i];
    for (int part = 64; part > 0; part--) {
        double clip = (double)largest * part / 64, error = error_at(bin, width, clip, total);
        if (error < least) {
            least = error;
            best = clip;
        }
    }
    return (float)best;
}

bool vector_scale_fit(const struct view *v, float *scale)
{
    const struct shape *s = &v->shape;
    float largest = 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < v->n_slots; i += step_of(v)) {
        if (!is_live(v, i))
            continue;
        const float *x = exact_of(v, i);
        float factor = walked_factor(v, x);
        for (uint32_t j = 0; j < s->walked; j++)
            largest = fmaxf(largest, fabsf(x[j] * factor));
        found++;
    }
    if (!found || !isfinite(largest))
        return false;
    *scale = 1;
    if (largest <= 0)
        return true;
    uint32_t *bin = mem_array(BINS, sizeof(*bin));
    for (uint32_t i = 0; i < v->n_slots; i += step_of(v)) {
        const float *x = exact_of(v, i);
        float factor = walked_factor(v, x) * (float)BINS / largest;
        for (uint32_t j = 0; j < s->walked && is_live(v, i); j++)
            bin[size_min(BINS - 1, (size_t)fabsf(x[j] * factor))]++;
    }
    *scale = fminf(127 / best_clip(bin, largest), 1e30f);
    mem_free(bin);
    return true;
}
