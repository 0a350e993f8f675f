#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "penstock: internal error: %s is false at %s:%d\n", cond, file, line);
    abort();
}

static void *must(void *ptr, size_t size)
{
    if (!ptr) {
        fprintf(stderr, "penstock: out of memory (%zu bytes asked for)\n", size);
        abort();
    }
    return ptr;
}

void *mem_new(size_t size)
{
    return must(calloc(1, size ? size : 1), size);
}

void *mem_array(size_t n, size_t size)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(n, size, &total));
    return mem_new(total);
}

void *mem_resize(void *old, size_t n, size_t size)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(n, size, &total));
    return must(realloc(old, total ? total : 1), total);
}

void *mem_copy(const void *src, size_t size)
{
    void *copy = must(malloc(size ? size : 1), size);
    if (size)
        memcpy(copy, src, size);
    return copy;
}

char *mem_text(const char *text)
{
    return mem_copy(text, strlen(text) + 1);
}

void mem_free(void *ptr)
{
    free(ptr);
}
