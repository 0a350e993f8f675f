/* The block of vectors is kept with a row of `width` floats per row (or column) of the matrix, so
 * that a stored value costs one pass over two short stretches of memory. It is made orthogonal by
 * way of its Gram matrix, whose eigenvectors also tell which directions have vanished, so a matrix
 * of low rank is not a special case. In single precision that holds while the squares of the
 * singular values differ by less than some 10^7. Making it so on one side alone, once per round,
 * saves half of the work and was dropped: there the fourth powers count.
 *
 * LAPACK was weighed: its products are some three times faster, but bring a library whose threads
 * know nothing of ours, for a computation that runs once per doubling of a collection. */
#include "math/svd.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 8, TALL = 4, CHUNK = 128 };

struct block {
    float *at; /* [rows][width] */
    size_t rows, width;
};

/* ---- Small dense problems ---- */

/* Householder's reduction: a becomes the product of the reflections (as columns), d and e the
 * diagonal and what lies beside it (e[0] unused). */
static void tridiagonal(double *a, double *d, double *e, size_t n)
{
#define A(i, j) a[(i)*n + (j)]
    for (size_t i = n - 1; i > 0; i--) {
        double h = 0, scale = 0;
        for (size_t k = 0; k < i; k++)
            scale += fabs(A(i, k));
        if (i == 1 || scale == 0) {
            e[i] = A(i, i - 1);
            d[i] = 0;
            continue;
        }
        for (size_t k = 0; k < i; k++) {
            A(i, k) /= scale;
            h += A(i, k) * A(i, k);
        }
        double f = A(i, i - 1), g = f > 0 ? -sqrt(h) : sqrt(h);
        e[i] = scale * g;
        h -= f * g;
        A(i, i - 1) = f - g;
        double sum = 0;
        for (size_t j = 0; j < i; j++) {
            A(j, i) = A(i, j) / h;
            double p = 0;
            for (size_t k = 0; k <= j; k++)
                p += A(j, k) * A(i, k);
            for (size_t k = j + 1; k < i; k++)
                p += A(k, j) * A(i, k);
            e[j] = p / h;
            sum += e[j] * A(i, j);
        }
        double half = sum / (h + h);
        for (size_t j = 0; j < i; j++) {
            double u = A(i, j), w = e[j] = e[j] - half * u;
            for (size_t k = 0; k <= j; k++)
                A(j, k) -= u * e[k] + w * A(i, k);
        }
        d[i] = h;
    }
    d[0] = e[0] = 0;
    for (size_t i = 0; i < n; i++) { /* gather the reflections */
        if (d[i] != 0)
            for (size_t j = 0; j < i; j++) {
                double g = 0;
                for (size_t k = 0; k < i; k++)
                    g += A(i, k) * A(k, j);
                for (size_t k = 0; k < i; k++)
                    A(k, j) -= g * A(k, i);
            }
        d[i] = A(i, i);
        A(i, i) = 1;
        for (size_t j = 0; j < i; j++)
            A(i, j) = A(j, i) = 0;
    }
#undef A
}

/* Turns rows i and i + 1 of the vectors. */
static void turn(double *x, double *y, double c, double s, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double f = y[k];
        y[k] = s * x[k] + c * f;
        x[k] = c * x[k] - s * f;
    }
}

/* QL with implicit shifts; z holds a vector per row. */
static void ql(double *d, double *e, double *z, size_t n)
{
    enum { STEPS = 60 }; /* three is usual */
    for (size_t i = 1; i < n; i++)
        e[i - 1] = e[i];
    e[n - 1] = 0;
    for (size_t l = 0; l < n; l++)
        for (int step = 0; step < STEPS; step++) {
            size_t m = l;
            while (m + 1 < n && fabs(e[m]) > 1e-15 * (fabs(d[m]) + fabs(d[m + 1])))
                m++;
            if (m == l)
                break;
            double g = (d[l + 1] - d[l]) / (2 * e[l]), r = hypot(g, 1);
            g = d[m] - d[l] + e[l] / (g + copysign(r, g));
            double s = 1, c = 1, p = 0;
            size_t i = m;
            while (i-- > l) {
                double f = s * e[i], b = c * e[i];
                r = hypot(f, g);
                e[i + 1] = r;
                if (r == 0) {
                    d[i + 1] -= p;
                    e[m] = 0;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                turn(z + i * n, z + (i + 1) * n, c, s, n);
            }
            if (r == 0 && i + 1 > l) /* it broke off: once more */
                continue;
            d[l] -= p;
            e[l] = g;
            e[m] = 0;
        }
}

static void transpose(double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            double t = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = t;
        }
}

struct pair {
    double value;
    size_t at;
};

static int falling(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return (x->at > y->at) - (x->at < y->at);
}

void svd_symmetric(double *a, double *value, size_t n)
{
    if (n == 0)
        return;
    double *e = mem_array(n, sizeof(*e)), *z = mem_array(n * n, sizeof(*z));
    struct pair *order = mem_array(n, sizeof(*order));
    tridiagonal(a, value, e, n);
    transpose(a, n);
    ql(value, e, a, n);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct pair){value[i], i};
    qsort(order, n, sizeof(*order), falling);
    for (size_t i = 0; i < n; i++) {
        value[i] = order[i].value;
        memcpy(z + i * n, a + order[i].at * n, n * sizeof(*z));
    }
    memcpy(a, z, n * n * sizeof(*z));
    mem_free(order);
    mem_free(z);
    mem_free(e);
}

/* ---- Blocks ---- */

/* c[i][0..PANEL) += sum over t of a[i * ai + t * at] b[t][0..PANEL), for `tall` rows. */
static void panel(float *c, size_t cs, const float *a, size_t ai, size_t at, const float *b,
                  size_t bs, size_t tall, size_t n)
{
    float sum[TALL][PANEL] = {{0}};
    for (size_t t = 0; t < n; t++, b += bs)
        for (size_t i = 0; i < TALL; i++) {
            float f = a[(i < tall ? i : 0) * ai + t * at];
            for (size_t j = 0; j < PANEL; j++)
                sum[i][j] += f * b[j];
        }
    for (size_t i = 0; i < tall; i++)
        for (size_t j = 0; j < PANEL; j++)
            c[i * cs + j] += sum[i][j];
}

/* g[width][width] = the block's transpose times itself. Chunks are summed in double precision. */
static void gram(const struct block *x, double *g)
{
    size_t w = x->width;
    float *part = mem_array(w * w, sizeof(*part));
    memset(g, 0, w * w * sizeof(*g));
    for (size_t r = 0; r < x->rows; r += CHUNK) {
        const float *at = x->at + r * w;
        size_t n = size_min(CHUNK, x->rows - r);
        memset(part, 0, w * w * sizeof(*part));
        for (size_t i = 0; i < w; i += TALL)
            for (size_t j = i / PANEL * PANEL; j < w; j += PANEL)
                panel(part + i * w + j, w, at + i, 1, w, at + j, w, TALL, n);
        for (size_t i = 0; i < w; i++)
            for (size_t j = i; j < w; j++)
                g[i * w + j] += (double)part[i * w + j];
    }
    for (size_t i = 0; i < w; i++)
        for (size_t j = 0; j < i; j++)
            g[i * w + j] = g[j * w + i];
    mem_free(part);
}

/* x becomes x times m, [width][width]. */
static void multiply(struct block *x, const float *m)
{
    size_t w = x->width;
    float *out = mem_array(TALL * w, sizeof(*out));
    for (size_t r = 0; r < x->rows; r += TALL) {
        float *at = x->at + r * w;
        size_t tall = size_min(TALL, x->rows - r);
        memset(out, 0, TALL * w * sizeof(*out));
        for (size_t j = 0; j < w; j += PANEL)
            panel(out + j, w, at, w, 1, m + j, w, tall, w);
        memcpy(at, out, tall * w * sizeof(*out));
    }
    mem_free(out);
}

/* Turns the block to orthogonal columns of length one, strongest first; those that have vanished
 * become zero. length[width] gets their lengths before that. Returns how many are left. */
static size_t orthogonal(struct block *x, float *length)
{
    size_t w = x->width, left = 0;
    double *g = mem_array(w * w, sizeof(*g)), *value = mem_array(w, sizeof(*value));
    float *m = mem_array(w * w, sizeof(*m));
    gram(x, g);
    svd_symmetric(g, value, w);
    while (left < w && value[left] > 1e-9 && value[left] > 1e-7 * value[0])
        left++;
    for (size_t j = 0; j < left; j++) {
        double scale = 1 / sqrt(value[j]);
        for (size_t i = 0; i < w; i++)
            m[i * w + j] = (float)(g[j * w + i] * scale);
    }
    for (size_t j = 0; j < w; j++)
        length[j] = j < left ? (float)sqrt(value[j]) : 0;
    multiply(x, m);
    mem_free(m);
    mem_free(value);
    mem_free(g);
    return left;
}

static void add_times(float *restrict to, const float *restrict from, float f, size_t n)
{
    size_t i = 0;
    for (; i + PANEL <= n; i += PANEL)
        for (size_t k = 0; k < PANEL; k++)
            to[i + k] += f * from[i + k];
    for (; i < n; i++)
        to[i] += f * from[i];
}

void svd_times(const struct svd_matrix *a, const float *x, float *y, size_t width)
{
    memset(y, 0, a->rows * width * sizeof(*y));
    for (size_t r = 0; r < a->rows; r++)
        for (uint64_t p = a->start[r]; p < a->start[r + 1]; p++)
            add_times(y + r * width, x + a->col[p] * width, a->value[p], width);
}

/* x = the transpose of a, times y */
static void back_times(const struct svd_matrix *a, const float *y, float *x, size_t width)
{
    memset(x, 0, a->cols * width * sizeof(*x));
    for (size_t r = 0; r < a->rows; r++)
        for (uint64_t p = a->start[r]; p < a->start[r + 1]; p++)
            add_times(x + a->col[p] * width, y + r * width, a->value[p], width);
}

/* ---- The method ---- */

/* splitmix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Signs at random do as well as normal numbers. */
static void fill(struct block *x, uint64_t seed)
{
    for (size_t i = 0; i < x->rows * x->width; i++)
        x->at[i] = next_random(&seed) >> 63 ? 1 : -1;
}

static bool stopped(const struct svd_options *o)
{
    return o->stop && atomic_load_explicit(o->stop, memory_order_relaxed);
}

/* The matrix, and what is carried from step to step. */
struct problem {
    const struct svd_matrix *a, *b;
    struct block x, y;
    float *between; /* [a->cols][width], when there is a b */
    float *length;  /* [width] */
};

/* y = a b x */
static void forth(struct problem *p)
{
    const float *x = p->x.at;
    if (p->b) {
        svd_times(p->b, x, p->between, p->x.width);
        x = p->between;
    }
    svd_times(p->a, x, p->y.at, p->y.width);
}

static void back(struct problem *p)
{
    back_times(p->a, p->y.at, p->b ? p->between : p->x.at, p->x.width);
    if (p->b)
        back_times(p->b, p->between, p->x.at, p->x.width);
}

/* Leaves the right singular vectors in x. Returns how many, 0 when it was stopped. */
static size_t turn_to_strongest(struct problem *p, const struct svd_options *o)
{
    size_t left = 0;
    fill(&p->x, o->seed);
    for (uint32_t round = 0; round < o->rounds; round++) {
        if (stopped(o))
            return 0;
        forth(p);
        orthogonal(&p->y, p->length);
        if (stopped(o))
            return 0;
        back(p);
        left = orthogonal(&p->x, p->length);
    }
    return left;
}

uint32_t svd_sparse(const struct svd_matrix *a, const struct svd_matrix *b,
                    const struct svd_options *o, float *v, float *s)
{
    size_t cols = b ? b->cols : a->cols, rank = o->rank, most = size_min(a->rows, cols);
    size_t width = (size_min(rank + o->extra, most) + PANEL - 1) / PANEL * PANEL;
    memset(v, 0, cols * rank * sizeof(*v));
    memset(s, 0, rank * sizeof(*s));
    if (most == 0)
        return 0;
    struct problem p = {
        .a = a,
        .b = b,
        .x = {mem_array(cols * width, sizeof(float)), cols, width},
        .y = {mem_array(a->rows * width, sizeof(float)), a->rows, width},
        .between = b ? mem_array(a->cols * width, sizeof(float)) : NULL,
        .length = mem_array(width, sizeof(float)),
    };
    size_t n = size_min(turn_to_strongest(&p, o), size_min(rank, most));
    for (size_t c = 0; c < cols; c++)
        memcpy(v + c * rank, p.x.at + c * width, n * sizeof(*v));
    memcpy(s, p.length, n * sizeof(*s));
    mem_free(p.length);
    mem_free(p.between);
    mem_free(p.y.at);
    mem_free(p.x.at);
    return (uint32_t)n;
}
