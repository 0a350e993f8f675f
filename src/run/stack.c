#include "run/stack.h"
#include "base/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if ASAN_ON
#include <sanitizer/lsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13; newer than the C library's headers */
#endif

enum { LEAST_PAGE = 4096, SLAB_SIZE = STACK_PER_SLAB * STACK_STRIDE };

struct slab {
    struct slab *next;
    char *base;
    unsigned valgrind_id[STACK_PER_SLAB];
};

struct stack_pool {
    enum stack_guard guard;
    size_t page;
    struct slab *slabs;
    char *hot[STACK_HOT]; /* LIFO; their pages are kept */
    size_t n_hot, least_hot;
    char **cold; /* LIFO; without pages */
    size_t n_cold, total;
    size_t high;
};

/* Mappings that all pools of the process have used for guards. Atomic. */
static atomic_long guard_mappings;

static long max_mappings(void)
{
    long max = 65530; /* the kernel's default */
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    if (f) {
        char line[32];
        if (fgets(line, sizeof(line), f))
            max = strtol(line, NULL, 10);
        fclose(f);
    }
    return max;
}

static bool can_install_guards(void)
{
    char *guard =
        mmap(NULL, STACK_GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guard == MAP_FAILED)
        return false;
    bool can = madvise(guard, STACK_GUARD, MADV_GUARD_INSTALL) == 0;
    munmap(guard, STACK_GUARD);
    return can;
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

struct stack_pool *stack_pool_new(enum stack_guard guard)
{
    struct stack_pool *p = mem_new(sizeof(*p));
    if (guard == STACK_GUARD_BEST)
        guard = can_install_guards() ? STACK_GUARD_INSTALL : STACK_GUARD_PROTECT;
    p->guard = guard;
    p->page = page_size();
    CHECK(STACK_GUARD % p->page == 0);
    return p;
}

/* Sanitizers and valgrind are told about each stack once; the guards are left out, because they
 * read what they are told about. */
static void announce(struct slab *s, unsigned i, char *lo)
{
#if ASAN_ON
    __lsan_register_root_region(lo, STACK_SIZE);
#endif
#ifdef VALGRIND_STACK_REGISTER
    s->valgrind_id[i] = (unsigned)VALGRIND_STACK_REGISTER(lo, lo + STACK_SIZE - 1);
#endif
    (void)s, (void)i, (void)lo;
}

static void renounce(struct slab *s, unsigned i, char *lo)
{
    ASAN_UNPOISON(lo, STACK_SIZE);
#if ASAN_ON
    __lsan_unregister_root_region(lo, STACK_SIZE);
#endif
#ifdef VALGRIND_STACK_REGISTER
    VALGRIND_STACK_DEREGISTER(s->valgrind_id[i]);
#endif
    (void)s, (void)i, (void)lo;
}

void stack_pool_free(struct stack_pool *p)
{
    if (!p)
        return;
    CHECK(p->n_hot + p->n_cold == p->total);
    while (p->slabs) {
        struct slab *s = p->slabs;
        p->slabs = s->next;
        for (unsigned i = 0; i < STACK_PER_SLAB; i++)
            renounce(s, i, s->base + (size_t)i * STACK_STRIDE + STACK_GUARD);
        munmap(s->base, SLAB_SIZE);
        if (p->guard == STACK_GUARD_PROTECT)
            atomic_fetch_sub(&guard_mappings, 2 * STACK_PER_SLAB);
        mem_free(s);
    }
    mem_free(p->cold);
    mem_free(p);
}

/* A pool that has come to the limit of mappings stays with one guard per slab. */
static bool guard_stacks(struct stack_pool *p, char *base)
{
    if (p->guard == STACK_GUARD_PROTECT &&
        atomic_fetch_add(&guard_mappings, 2 * STACK_PER_SLAB) > max_mappings() / 4) {
        atomic_fetch_sub(&guard_mappings, 2 * STACK_PER_SLAB);
        p->guard = STACK_GUARD_SLAB;
    }
    size_t n = p->guard == STACK_GUARD_SLAB ? 1 : STACK_PER_SLAB;
    for (size_t i = 0; i < n; i++) {
        char *guard = base + i * STACK_STRIDE;
        int rc = p->guard == STACK_GUARD_INSTALL ? madvise(guard, STACK_GUARD, MADV_GUARD_INSTALL)
                                                 : mprotect(guard, STACK_GUARD, PROT_NONE);
        if (rc != 0)
            return false;
    }
    return true;
}

static void no_memory(void)
{
    fprintf(stderr, "penstock: cannot map stacks for %d fibers: %s\n", STACK_PER_SLAB,
            strerror(errno));
    abort();
}

static void grow(struct stack_pool *p)
{
    char *base = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED || !guard_stacks(p, base))
        no_memory();
    /* A huge page would make each stack cost all of its 64 KB. Kernels without huge pages refuse
     * the advice, and do not need it. */
    madvise(base, SLAB_SIZE, MADV_NOHUGEPAGE);

    struct slab *s = mem_new(sizeof(*s));
    s->base = base;
    s->next = p->slabs;
    p->slabs = s;
    p->total += STACK_PER_SLAB;
    p->cold = mem_resize(p->cold, p->total, sizeof(*p->cold));
    for (unsigned i = STACK_PER_SLAB; i-- > 0;) {
        char *lo = base + (size_t)i * STACK_STRIDE + STACK_GUARD;
        announce(s, i, lo);
        p->cold[p->n_cold++] = lo;
    }
}

char *stack_get(struct stack_pool *p)
{
    if (p->n_hot > 0) {
        char *lo = p->hot[--p->n_hot];
        if (p->n_hot < p->least_hot)
            p->least_hot = p->n_hot;
        return lo;
    }
    if (p->n_cold == 0)
        grow(p);
    return p->cold[--p->n_cold];
}

/* Gives back the pages of [lo, end), after a look at how deep the stack has been. */
static void drop_pages(struct stack_pool *p, char *lo, size_t len)
{
    size_t depth = stack_depth(lo);
    p->high = size_max(p->high, depth);
    if (len > STACK_SIZE - depth)
        madvise(lo, len, MADV_DONTNEED);
}

/* Were pages of the gap below a stack without a guard of its own touched? */
static bool gap_touched(const char *lo)
{
    unsigned char present[STACK_GUARD / LEAST_PAGE] = {0};
    if (mincore((void *)(lo - STACK_GUARD), STACK_GUARD, present) != 0)
        return false; /* the guard of the slab: not mapped for us, so not touched */
    for (size_t i = 0; i < COUNT(present); i++)
        if (present[i] & 1)
            return true;
    return false;
}

bool stack_put(struct stack_pool *p, char *lo)
{
    ASAN_UNPOISON(lo, STACK_SIZE);
    bool good = p->guard != STACK_GUARD_SLAB || !gap_touched(lo);
    if (p->n_hot < STACK_HOT) {
        p->hot[p->n_hot++] = lo;
    } else {
        drop_pages(p, lo, STACK_SIZE);
        p->cold[p->n_cold++] = lo;
    }
    return good;
}

char *stack_top(char *lo)
{
    enum { COLOURS = 2, LINE = 64 };
    size_t n = (uintptr_t)lo / STACK_STRIDE;
    return lo + STACK_SIZE - n % COLOURS * LINE;
}

void stack_trim(struct stack_pool *p, char *lo, const void *sp)
{
    drop_pages(p, lo, (size_t)((const char *)sp - lo) & ~(p->page - 1));
}

/* The lowest n of a LIFO that has never been shorter than n are the ones that nobody needed. */
bool stack_tick(struct stack_pool *p)
{
    size_t n = p->least_hot;
    for (size_t i = 0; i < n; i++) {
        drop_pages(p, p->hot[i], STACK_SIZE);
        p->cold[p->n_cold++] = p->hot[i];
    }
    p->n_hot -= n;
    memmove(p->hot, p->hot + n, p->n_hot * sizeof(p->hot[0]));
    p->least_hot = p->n_hot;
    return p->n_hot == 0;
}

bool stack_in_guard(const char *lo, const void *addr)
{
    const char *at = addr;
    return at < lo && at >= lo - STACK_GUARD;
}

size_t stack_depth(char *lo)
{
    unsigned char present[STACK_SIZE / LEAST_PAGE];
    size_t page = page_size(), i = 0, n = STACK_SIZE / page;
    if (mincore(lo, STACK_SIZE, present) != 0)
        return 0;
    while (i < n && !(present[i] & 1))
        i++;
    return STACK_SIZE - i * page;
}

size_t stack_high(const struct stack_pool *p)
{
    return p->high;
}
