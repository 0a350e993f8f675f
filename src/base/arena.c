#include "base/arena.h"
#include "base/asan.h"

#include <pthread.h>
#include <stdio.h>

enum {
    ALIGN = 16,
    BLOCK_MAX = 1 << 20, /* blocks double up to here */
    SPILL = 512,         /* from the heap, of a borrowed arena that proves a little too small */
    SPARE_MAX = 1 << 15, /* a block up to this size is kept by arena_reset */
    RED_ZONE = ASAN_ON ? ALIGN : 0,
};

struct block {
    struct block *prev;
    size_t used, size; /* of data */
    _Alignas(ALIGN) char data[];
};

struct defer {
    struct defer *prev;
    void (*fn)(void *);
    void *arg;
};

struct arena {
    struct block *last;
    struct block *spare; /* kept from before a reset; counts as held */
    struct defer *defers;
    size_t held;
    bool borrowed; /* it and its first block lie in the caller's memory */
};

static struct block *block_new(struct arena *a, size_t size)
{
    struct block *b = a->spare;
    if (b && b->size >= size) {
        a->spare = NULL;
    } else {
        b = mem_resize(NULL, 1, sizeof(*b) + size); /* zeroed when handed out */
        b->size = size;
        a->held += sizeof(*b) + size;
        ASAN_POISON(b->data, size);
    }
    b->prev = a->last;
    b->used = 0;
    a->last = b;
    return b;
}

struct arena *arena_new(void)
{
    struct arena *a = mem_new(sizeof(*a));
    block_new(a, ARENA_FIRST - sizeof(struct block));
    return a;
}

struct arena *arena_on(void *space, size_t size)
{
    const size_t head = (sizeof(struct arena) + ALIGN - 1) / ALIGN * ALIGN;
    struct arena *a = space;
    struct block *first = (struct block *)((char *)space + head);
    CHECK((uintptr_t)space % ALIGN == 0 && size >= head + sizeof(*first));
    *a = (struct arena){.last = first, .held = size, .borrowed = true};
    first->prev = NULL;
    first->used = 0;
    first->size = size - head - sizeof(*first);
    ASAN_POISON(first->data, first->size);
    return a;
}

static void block_free(struct arena *a, struct block *b)
{
    a->held -= sizeof(*b) + b->size;
    ASAN_UNPOISON(b->data, b->size);
    mem_free(b);
}

static void block_pop(struct arena *a)
{
    struct block *b = a->last;
    a->last = b->prev;
    block_free(a, b);
}

static void run_defers(struct arena *a, const struct defer *until)
{
    while (a->defers != until) {
        struct defer *d = a->defers;
        a->defers = d->prev;
        d->fn(d->arg);
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    run_defers(a, NULL);
    if (a->spare)
        block_free(a, a->spare);
    while (a->last->prev)
        block_pop(a);
    if (a->borrowed) {
        ASAN_UNPOISON(a->last->data, a->last->size);
        return;
    }
    block_pop(a);
    mem_free(a);
}

/* The block behind the first one stays too when it is small: a body of 8 KB needs one each time. */
static void keep_or_free(struct arena *a)
{
    struct block *b = a->last;
    if (b->prev->prev || a->spare || b->size > SPARE_MAX) {
        block_pop(a);
        return;
    }
    a->last = b->prev;
    a->spare = b;
    ASAN_POISON(b->data, b->size);
}

void arena_reset(struct arena *a)
{
    run_defers(a, NULL);
    while (a->last->prev)
        keep_or_free(a);
    a->last->used = 0;
    ASAN_POISON(a->last->data, a->last->size);
}

static size_t next_size(const struct arena *a)
{
    if (a->borrowed && !a->last->prev)
        return SPILL - sizeof(struct block);
    return size_min(a->last->size * 2, BLOCK_MAX);
}

/* `need` bytes of a block that has them. */
static inline char *take(struct block *b, size_t need, size_t n)
{
    char *p = b->data + b->used;
    b->used += need;
    ASAN_UNPOISON(p, n);
    return p;
}

__attribute__((noinline, cold)) static char *take_new(struct arena *a, size_t need, size_t n)
{
    return take(block_new(a, size_max(need, next_size(a))), need, n);
}

static inline char *bytes(struct arena *a, size_t n)
{
    CHECK(n < SIZE_MAX / 2);
    size_t need = ((n + ALIGN - 1) & ~(size_t)(ALIGN - 1)) + RED_ZONE;
    struct block *b = a->last;
    return b->size - b->used < need ? take_new(a, need, n) : take(b, need, n);
}

char *arena_bytes(struct arena *a, size_t n)
{
    return bytes(a, n);
}

void *arena_alloc(struct arena *a, size_t size)
{
    return memset(bytes(a, size), 0, size);
}

void *arena_alloc_array(struct arena *a, size_t n, size_t size)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(n, size, &total));
    return memset(bytes(a, total), 0, total);
}

void *arena_room(struct arena *a, void *array, size_t n, size_t size)
{
    enum { FIRST = 8 };
    if (n < FIRST ? n > 0 : (n & (n - 1)) != 0)
        return array;
    void *more = arena_alloc_array(a, n < FIRST ? FIRST : 2 * n, size);
    if (n)
        memcpy(more, array, n * size);
    return more;
}

struct str arena_copy(struct arena *a, struct str s)
{
    char *p = bytes(a, s.len + 1);
    if (s.len)
        memcpy(p, s.p, s.len);
    p[s.len] = 0;
    return (struct str){p, s.len};
}

char *arena_text(struct arena *a, struct str s)
{
    return (char *)arena_copy(a, s).p;
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str s = arena_vprintf(a, fmt, args);
    va_end(args);
    return s;
}

struct str arena_vprintf(struct arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    CHECK(n >= 0);
    char *p = arena_bytes(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (struct str){p, (size_t)n};
}

void arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
    struct defer *d = (struct defer *)bytes(a, sizeof(*d));
    *d = (struct defer){a->defers, fn, arg};
    a->defers = d;
}

static _Thread_local struct arena *scratch;
static pthread_key_t scratch_key; /* frees it when its thread ends */

static void free_scratch(void *a)
{
    arena_free(a);
}

static void make_scratch_key(void)
{
    CHECK(pthread_key_create(&scratch_key, free_scratch) == 0);
}

struct arena *arena_scratch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!scratch) {
        pthread_once(&once, make_scratch_key);
        scratch = arena_new();
        CHECK(pthread_setspecific(scratch_key, scratch) == 0);
    }
    return scratch;
}

struct arena_mark arena_mark(struct arena *a)
{
    return (struct arena_mark){a->last, a->last->used, a->defers};
}

void arena_rewind(struct arena *a, struct arena_mark mark)
{
    run_defers(a, mark.defers);
    while (a->last != mark.block)
        block_pop(a);
    ASAN_POISON(a->last->data + mark.used, a->last->size - mark.used);
    a->last->used = mark.used;
}

size_t arena_used(const struct arena *a)
{
    return a->held;
}
