/* What stack promises: guards of each kind, pooling, giving back memory, colours. */
#include "run/stack.h"
#include "base/mem.h"

#include "tap.h"

#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 300 };

/* Does writing there end a process? */
static bool deadly(char *at)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(STDERR_FILENO);
        *(volatile char *)at = 1;
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static const struct {
    const char *name;
    enum stack_guard guard;
    bool each; /* has a guard per stack */
} cases[] = {
    {"best", STACK_GUARD_BEST, true},
    {"mprotect", STACK_GUARD_PROTECT, true},
    {"per slab", STACK_GUARD_SLAB, false},
};

static void test_guards(size_t c)
{
    struct stack_pool *p = stack_pool_new(cases[c].guard);
    char *first = stack_get(p), *second = stack_get(p);
    memset(first, 1, STACK_SIZE);
    memset(second, 1, STACK_SIZE);
    ok(deadly(first - 1) && deadly(first - STACK_GUARD), "%s: the first has a guard",
       cases[c].name);
    ok(deadly(second - 1) == cases[c].each, "%s: the second as well, or not", cases[c].name);
    ok(stack_in_guard(first, first - 1) && stack_in_guard(first, first - STACK_GUARD) &&
           !stack_in_guard(first, first) && !stack_in_guard(first, first - STACK_GUARD - 1),
       "%s: where a guard is", cases[c].name);
    if (!cases[c].each) {
        second[-5000] = 1;
        ok(!stack_put(p, second), "%s: what went below a stack is noticed", cases[c].name);
    } else {
        ok(stack_put(p, second), "%s: put back", cases[c].name);
    }
    ok(stack_put(p, first), "%s: put back in good order", cases[c].name);
    stack_pool_free(p);
}

static void test_pool(void)
{
    struct stack_pool *p = stack_pool_new(STACK_GUARD_BEST);
    static char *lo[MANY];
    unsigned colours = 0;
    for (int i = 0; i < MANY; i++) {
        lo[i] = stack_get(p);
        char *top = stack_top(lo[i]);
        CHECK((uintptr_t)top % 64 == 0 && top > lo[i] && top <= lo[i] + STACK_SIZE);
        colours |= 1u << ((size_t)(lo[i] + STACK_SIZE - top) / 64);
        top[-1] = 1;
    }
    ok(colours == 0x3, "both colours are used");
    ok(stack_depth(lo[0]) == 4096, "a stack costs the page that was touched");
    lo[1][STACK_SIZE / 2] = 1;
    ok(stack_depth(lo[1]) == STACK_SIZE / 2, "the depth is that of the lowest page");
    ok(stack_high(p) == 0, "nobody has looked yet");
    stack_trim(p, lo[1], lo[1] + STACK_SIZE - 100);
    ok(stack_depth(lo[1]) == 4096 && stack_top(lo[1])[-1] == 1, "trimming keeps what is in use");
    ok(stack_high(p) == STACK_SIZE / 2, "and remembers how deep it was");

    for (int i = 0; i < MANY; i++)
        stack_put(p, lo[i]);
    int pages = 0;
    for (int i = 0; i < MANY; i++)
        pages += stack_depth(lo[i]) > 0;
    ok(pages == STACK_HOT, "at most 256 free stacks keep their pages");
    ok(stack_get(p) == lo[STACK_HOT - 1], "the last hot one comes first");
    stack_put(p, lo[STACK_HOT - 1]);
    ok(!stack_tick(p), "the first tick only begins to watch");
    for (int i = 0; i < 10; i++)
        CHECK(stack_get(p) == lo[STACK_HOT - 1 - i]);
    for (int i = 10; i-- > 0;)
        stack_put(p, lo[STACK_HOT - 1 - i]);
    ok(!stack_tick(p), "ten were needed since");
    pages = 0;
    for (int i = 0; i < MANY; i++)
        pages += stack_depth(lo[i]) > 0;
    ok(pages == 10, "the others have lost their pages");
    ok(stack_tick(p) && stack_depth(lo[STACK_HOT - 1]) == 0, "and a tick later these too");
    stack_pool_free(p);
    stack_pool_free(NULL);
}

static long max_mappings(void)
{
    long max = 0;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    if (f) {
        if (fscanf(f, "%ld", &max) != 1)
            max = 0;
        fclose(f);
    }
    return max;
}

/* Guards by mprotect stop at a quarter of the mappings that a process may have. */
static void test_limit(void)
{
    enum { SLABS = 160, LOTS = SLABS * STACK_PER_SLAB };
    if (max_mappings() / 4 > 2 * LOTS) {
        skip("this kernel allows more mappings than the test makes");
        return;
    }
    struct stack_pool *p = stack_pool_new(STACK_GUARD_PROTECT);
    static char *lo[LOTS];
    for (int i = 0; i < LOTS; i++)
        lo[i] = stack_get(p);
    ok(deadly(lo[0] - 1), "the first stacks have guards of their own");
    ok(!deadly(lo[LOTS - 1] - 1), "the last of 10,240 do not");
    char *last = lo[LOTS - 1];
    last[-1] = 1;
    ok(!stack_put(p, last), "but what went below one is noticed");
    for (int i = 0; i < LOTS - 1; i++)
        stack_put(p, lo[i]);
    stack_pool_free(p);
    p = stack_pool_new(STACK_GUARD_PROTECT);
    char *again = stack_get(p);
    ok(deadly(again - 1), "a new pool has guards again");
    stack_put(p, again);
    stack_pool_free(p);
}

int main(void)
{
    for (size_t c = 0; c < COUNT(cases); c++)
        test_guards(c);
    test_pool();
    test_limit();
    return tap_done();
}
