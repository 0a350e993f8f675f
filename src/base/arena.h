/* arena.h - memory that goes in one stroke: one arena per request, one scratch arena per thread.
 *
 * Blocks grow from ARENA_FIRST bytes; a request that stays small touches one block. The address
 * sanitizer sees each piece with a red zone behind it, and everything freed by a rewind poisoned.
 *
 * Memory:  results live until the arena is rewound past them or freed. Nothing is freed alone.
 * Threads: an arena belongs to one thread at a time.
 */
#pragma once

#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>

enum { ARENA_FIRST = 8192 - 64 };

struct arena;
struct arena_mark {
    void *block;
    size_t used;
    void *defers;
};

struct arena *arena_new(void);
/* An arena that lies in the caller's memory together with its first block; `space` is aligned for
 * any type. It takes blocks from the heap only when it grows; arena_free gives those back. */
struct arena *arena_on(void *space, size_t size);
void arena_free(struct arena *a); /* runs what was deferred, last first */
void arena_reset(
    struct arena *a); /* the same, and keeps the first block or two for what comes next */

void *arena_alloc(struct arena *a, size_t size);                 /* zeroed, aligned for any type */
void *arena_alloc_array(struct arena *a, size_t n, size_t size); /* checked for overflow */
/* As arena_alloc_array, but with bytes as they were: for text that is written at once. */
char *arena_bytes(struct arena *a, size_t n);
/* `array` of n elements with room for one more: the same, or a copy of twice the size. For arrays
 * that only grow, from NULL, by one element a time. */
void *arena_room(struct arena *a, void *array, size_t n, size_t size);
#define arena_struct(a, type) ((type *)arena_alloc(a, sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc_array(a, n, sizeof(type)))

struct str arena_copy(struct arena *a, struct str s); /* a NUL stands behind it, not counted */
char *arena_text(struct arena *a, struct str s);      /* the same as a C string */
struct str arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *a, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Calls fn(arg) when the arena is rewound past this point, reset or freed. */
void arena_defer(struct arena *a, void (*fn)(void *), void *arg);

/* This thread's arena for what is needed only inside a function. A caller that also builds into an
 * arena of its own must know the two differ: the scratch arena is never passed on to keep results.
 * Mark, use, rewind; nothing may wait (switch fibers) between. */
struct arena *arena_scratch(void);
struct arena_mark arena_mark(struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark mark);

size_t arena_used(const struct arena *a); /* bytes held in blocks, for limits and metrics */
