/* stack.h - the stacks of fibers: mapped in slabs, guarded, coloured, pooled, trimmed.
 *
 * A slab holds 64 stacks, each above a guard of 16 KB (a single guard page can be jumped over by a
 * big frame of a library that was built without stack probes). The guards are made by
 * MADV_GUARD_INSTALL where the kernel has it (Linux 6.13); otherwise by mprotect, which costs two
 * mappings per stack, until these add up to a quarter of vm.max_map_count; from there on a slab has
 * one guard below its first stack, and what a fiber may have written into the gap below its stack
 * is looked for when the stack is put back.
 *
 * What is used is pages: a stack costs those that its fiber has touched. Free stacks lie in a LIFO;
 * at most 256 of them keep their pages, and those that were not needed for a whole tick lose
 * theirs. Tops are shifted by up to four lines ("coloured"), as otherwise the hot lines of all
 * fibers would fall into the same few sets of the first-level cache; by no more, so that what a
 * request keeps fits into the page.
 *
 * Memory:  a pool owns its slabs; freeing it unmaps them.
 * Threads: a pool belongs to one thread.
 */
#pragma once

#include "base/asan.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    STACK_SIZE = ASAN_ON || TSAN_ON ? 256 * 1024 : 64 * 1024,
    STACK_GUARD = 16 * 1024,
    STACK_STRIDE = STACK_SIZE + STACK_GUARD,
    STACK_PER_SLAB = 64,
    STACK_HOT = 256,
};

/* STACK_GUARD_BEST takes the first of the others that works. */
enum stack_guard {
    STACK_GUARD_BEST,
    STACK_GUARD_INSTALL,
    STACK_GUARD_PROTECT,
    STACK_GUARD_SLAB,
};

struct stack_pool;

struct stack_pool *stack_pool_new(enum stack_guard guard);
void stack_pool_free(struct stack_pool *p); /* all stacks have been put back; accepts NULL */

/* The lowest usable address of a stack of STACK_SIZE bytes; ends the process when there is no
 * memory for one. */
char *stack_get(struct stack_pool *p);
/* Returns false when something was written below the stack, which only slabs without guards per
 * stack can show: other memory may be damaged too. */
bool stack_put(struct stack_pool *p, char *lo);
/* The end of the stack whose lowest address is `lo`, shifted by its colour, aligned to 64. */
char *stack_top(char *lo);

/* Gives back the pages that lie wholly below `sp`. */
void stack_trim(struct stack_pool *p, char *lo, const void *sp);
/* To be called a few times per second: takes the pages of free stacks that nobody needed since.
 * Returns whether no free stack has pages. */
bool stack_tick(struct stack_pool *p);

/* Is `addr` in the guard of the stack at `lo`? Safe in a signal handler. */
bool stack_in_guard(const char *lo, const void *addr);

/* Bytes of this stack whose pages are in memory, from its top down to the lowest: what it used at
 * most since it was last trimmed, in whole pages. */
size_t stack_depth(char *lo);
/* The largest depth seen by trimming and putting back. */
size_t stack_high(const struct stack_pool *p);
