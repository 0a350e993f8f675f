#include "index/vector_part.h"

#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

void vector_view_shape(struct shape *s)
{
    s->padded = (s->walked + 63) / 64 * 64;
    s->stride = s->padded + (uint32_t)sizeof(struct tail);
}

/* ---- Blocks ---- */

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

/* On large pages where it fills them: rows are read in no order, and each page that the processor
 * does not know costs a walk through the page table. */
static void *map_huge(size_t size)
{
    char *p = map(size + HUGE_PAGE);
    size_t before = (size_t)(-(uintptr_t)p % HUGE_PAGE);
    if (before)
        munmap(p, before);
    munmap(p + before + size, HUGE_PAGE - before);
    madvise(p + before, size, MADV_HUGEPAGE);
    return p + before;
}

struct block *vector_view_block(size_t size)
{
    struct block *b = mem_new(sizeof(*b));
    b->refs = 1;
    b->size = (size + 4095) / 4096 * 4096;
    b->p = b->size % HUGE_PAGE == 0 ? map_huge(b->size) : map(b->size);
    return b;
}

void vector_view_hold(struct block *b)
{
    if (b)
        atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
}

void vector_view_drop(struct block *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    munmap(b->p, b->size);
    mem_free(b);
}

/* ---- Tables ---- */

/* Rows of several slabs share a block when together they fill large pages. */
void vector_view_give_nodes(struct view *v, struct slab *s)
{
    CHECK(s);
    size_t size = (size_t)SLAB * v->shape.stride;
    size_t run = size < HUGE_PAGE && HUGE_PAGE % size == 0 ? HUGE_PAGE / size : 1;
    size_t at = v->n_slabs % run;
    const struct slab *before = v->n_slabs ? &v->slab[v->n_slabs - 1] : NULL;
    if (at && before && !before->node_block->mapped && before->node_block->size == run * size) {
        s->node_block = before->node_block;
        vector_view_hold(s->node_block);
    } else {
        s->node_block = vector_view_block(at || v->n_slabs == 0 ? size : run * size);
        at = 0;
    }
    s->node = (uint8_t *)s->node_block->p + at * size;
}

void vector_view_add_slab(struct view *v)
{
    uint32_t n = v->n_slabs;
    v->slab = mem_resize(v->slab, n + 1, sizeof(*v->slab));
    v->node = mem_resize(v->node, n + 1, sizeof(*v->node));
    v->marks = mem_resize(v->marks, n + 1, sizeof(*v->marks));
    struct slab *s = &v->slab[n];
    vector_view_give_nodes(v, s);
    s->exact_block = vector_view_block((size_t)SLAB * v->shape.dimension * sizeof(float));
    s->exact = s->exact_block->p;
    s->ids_block = vector_view_block(sizeof(struct ids));
    s->ids = s->ids_block->p;
    v->node[n] = s->node;
    v->marks[n] = (struct marks){{0}, {0}};
    v->n_slabs++;
}

void vector_view_add_chunk(struct view *v)
{
    uint32_t n = v->n_chunks;
    v->upper = mem_resize(v->upper, n + 1, sizeof(*v->upper));
    v->upper_block = mem_resize(v->upper_block, n + 1, sizeof(*v->upper_block));
    v->upper_block[n] = vector_view_block(SLAB * sizeof(struct upper));
    v->upper[n] = v->upper_block[n]->p;
    v->n_chunks++;
}

uint32_t *vector_view_firsts(struct view *v, uint32_t document)
{
    uint32_t at = document / SLAB;
    if (at >= v->n_firsts) {
        v->first = mem_resize(v->first, at + 1, sizeof(*v->first));
        v->first_block = mem_resize(v->first_block, at + 1, sizeof(*v->first_block));
        for (uint32_t i = v->n_firsts; i <= at; i++) {
            v->first[i] = NULL;
            v->first_block[i] = NULL;
        }
        v->n_firsts = at + 1;
    }
    struct block *old = v->first_block[at];
    if (!old || old->mapped || atomic_load_explicit(&old->refs, memory_order_acquire) > 1) {
        struct block *fresh = vector_view_block(SLAB * sizeof(uint32_t));
        if (old)
            memcpy(fresh->p, v->first[at], SLAB * sizeof(uint32_t));
        else
            memset(fresh->p, 0xff, SLAB * sizeof(uint32_t)); /* NO_SLOT */
        vector_view_drop(old);
        v->first_block[at] = fresh;
        v->first[at] = fresh->p;
    }
    return v->first[at];
}

struct view *vector_view_copy(const struct view *v)
{
    struct view *c = mem_new(sizeof(*c));
    memcpy(&c->number, &v->number, sizeof(*v) - offsetof(struct view, number));
    c->refs = 1;
    c->slab = mem_copy(v->slab, v->n_slabs * sizeof(*v->slab));
    c->node = mem_copy(v->node, v->n_slabs * sizeof(*v->node));
    c->marks = mem_copy(v->marks, v->n_slabs * sizeof(*v->marks));
    c->upper = mem_copy(v->upper, v->n_chunks * sizeof(*v->upper));
    c->upper_block = mem_copy(v->upper_block, v->n_chunks * sizeof(*v->upper_block));
    c->first = mem_copy(v->first, v->n_firsts * sizeof(*v->first));
    c->first_block = mem_copy(v->first_block, v->n_firsts * sizeof(*v->first_block));
    for (uint32_t i = 0; i < v->n_slabs; i++) {
        vector_view_hold(v->slab[i].node_block);
        vector_view_hold(v->slab[i].exact_block);
        vector_view_hold(v->slab[i].ids_block);
    }
    for (uint32_t i = 0; i < v->n_chunks; i++)
        vector_view_hold(v->upper_block[i]);
    for (uint32_t i = 0; i < v->n_firsts; i++)
        vector_view_hold(v->first_block[i]);
    return c;
}

void vector_view_fini(struct view *v)
{
    for (uint32_t i = 0; i < v->n_slabs; i++) {
        vector_view_drop(v->slab[i].node_block);
        vector_view_drop(v->slab[i].exact_block);
        vector_view_drop(v->slab[i].ids_block);
    }
    for (uint32_t i = 0; i < v->n_chunks; i++)
        vector_view_drop(v->upper_block[i]);
    for (uint32_t i = 0; i < v->n_firsts; i++)
        vector_view_drop(v->first_block[i]);
    mem_free(v->slab);
    mem_free(v->node);
    mem_free(v->marks);
    mem_free(v->upper);
    mem_free(v->upper_block);
    mem_free(v->first);
    mem_free(v->first_block);
}

static size_t once(const struct block *b, const struct block *before)
{
    return b && b != before && !b->mapped ? b->size : 0;
}

size_t vector_view_memory(const struct view *v)
{
    size_t n = v->n_slabs * (sizeof(*v->slab) + sizeof(*v->node) + sizeof(*v->marks));
    const struct slab none = {0};
    for (uint32_t i = 0; i < v->n_slabs; i++) {
        const struct slab *s = &v->slab[i], *before = i ? s - 1 : &none;
        n += once(s->node_block, before->node_block) + once(s->exact_block, before->exact_block) +
             once(s->ids_block, before->ids_block);
    }
    for (uint32_t i = 0; i < v->n_chunks; i++)
        n += once(v->upper_block[i], NULL);
    for (uint32_t i = 0; i < v->n_firsts; i++)
        n += once(v->first_block[i], NULL);
    return n;
}
