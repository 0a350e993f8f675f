#include "index/top.h"

#include <stdlib.h>

static bool worse(const struct hit *a, const struct hit *b)
{
    if (a->score != b->score)
        return a->score < b->score;
    return a->key != b->key ? a->key > b->key : a->view > b->view;
}

static void replace_worst(struct top *t, struct hit hit)
{
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < t->n; i = child) {
        if (child + 1 < t->n && worse(&t->hit[child + 1], &t->hit[child]))
            child++;
        if (!worse(&t->hit[child], &hit))
            break;
        t->hit[i] = t->hit[child];
    }
    t->hit[i] = hit;
}

void top_offer(struct top *t, struct hit hit)
{
    if (t->n == t->k) {
        if (worse(&t->hit[0], &hit))
            replace_worst(t, hit);
        return;
    }
    size_t i = t->n++;
    for (; i && worse(&hit, &t->hit[(i - 1) / 2]); i = (i - 1) / 2)
        t->hit[i] = t->hit[(i - 1) / 2];
    t->hit[i] = hit;
}

static int best_first(const void *a, const void *b)
{
    return worse(a, b) ? 1 : worse(b, a) ? -1 : 0;
}

void top_sort(struct top *t)
{
    if (t->n)
        qsort(t->hit, t->n, sizeof(*t->hit), best_first);
}
