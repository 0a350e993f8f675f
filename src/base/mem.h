/* mem.h - heap memory that is zeroed, checked for overflow, and never NULL.
 *
 * A size that comes from outside is checked against its own limit before it gets here; behind that
 * check a process that is out of memory ends with a message, because no caller could go on.
 *
 * Memory:  the caller owns the result and frees it with mem_free, which accepts NULL.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that holds `member`, from a pointer to the member. */
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* A broken invariant is our bug: say where and stop. Kept in release builds. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
_Noreturn void check_failed(const char *cond, const char *file, int line);

void *mem_new(size_t size);                         /* zeroed */
void *mem_array(size_t n, size_t size);             /* zeroed; ends the process on overflow */
void *mem_resize(void *old, size_t n, size_t size); /* as realloc; the new part is not zeroed */
void *mem_copy(const void *src, size_t size);
char *mem_text(const char *text); /* strdup */
void mem_free(void *ptr);

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}
