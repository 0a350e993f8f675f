/* What arena promises: aligned memory of zeros, marks that give back, and deferred calls in order.
 */
#include "base/arena.h"

#include "tap.h"

static void test_pieces(struct arena *a)
{
    int wrong = 0;
    char *last = NULL;
    for (size_t n = 1; n < 3000; n += 7) {
        char *p = arena_alloc(a, n);
        wrong += ((uintptr_t)p & 15) != 0 || p == last;
        for (size_t i = 0; i < n; i++)
            wrong += p[i] != 0;
        memset(p, 0xAA, n); /* what a reused block must not show */
        last = p;
    }
    ok(wrong == 0, "pieces of 1 to 3000 bytes are aligned, zeroed and apart");
    size_t grown = arena_used(a);
    arena_reset(a);
    ok(arena_used(a) < grown && arena_used(a) >= ARENA_FIRST, "a reset keeps the first block");
    char *p = arena_alloc(a, 3000);
    for (size_t i = 0; i < 3000; i++)
        wrong += p[i] != 0;
    ok(wrong == 0, "used memory comes back as zeros");
    char *large = arena_bytes(a, 5 << 20);
    large[0] = large[(5 << 20) - 1] = 1;
    ok(arena_used(a) >= 5 << 20, "a piece larger than any block");
}

static char order[8];
static size_t ordered;

static void note(void *arg)
{
    order[ordered++] = *(const char *)arg;
}

static void test_marks(struct arena *a)
{
    struct str kept = arena_copy(a, STR("kept"));
    arena_defer(a, note, (char *)"a");
    struct arena_mark mark = arena_mark(a);
    for (int i = 0; i < 100; i++)
        arena_bytes(a, 1000);
    arena_defer(a, note, (char *)"b");
    arena_defer(a, note, (char *)"c");
    arena_rewind(a, mark);
    ok(ordered == 2 && memcmp(order, "cb", 2) == 0, "a rewind runs what came later, last first");
    ok(str_eq(kept, STR("kept")) && kept.p[4] == 0, "and keeps what was before");
    char *x = arena_bytes(a, 10);
    arena_rewind(a, mark);
    ok(arena_bytes(a, 10) == x, "the place is used again");
    arena_reset(a);
    ok(ordered == 3 && order[2] == 'a', "a reset runs the rest");
}

static void test_borrowed(void)
{
    _Alignas(16) char space[512];
    struct arena *a = arena_on(space, sizeof(space));
    char *first = arena_alloc(a, 100);
    ok(first >= space && first + 100 <= space + sizeof(space), "a first block of the caller's");
    ok(arena_used(a) == sizeof(space), "counted as all others");
    struct arena_mark mark = arena_mark(a);
    char *more = arena_alloc(a, 1000);
    ok(more < space || more >= space + sizeof(space), "what does not fit goes to the heap");
    arena_rewind(a, mark);
    ok(arena_used(a) == sizeof(space), "and is given back");
    arena_bytes(a, 1000);
    size_t before = ordered;
    arena_defer(a, note, (char *)"y");
    arena_free(a);
    ok(ordered == before + 1 && order[before] == 'y', "freeing runs what was deferred");
    memset(space, 1, sizeof(space)); /* the sanitizer must not mind any more */
}

int main(void)
{
    struct arena *a = arena_new();
    test_pieces(a);
    test_marks(a);
    ok(str_eq(arena_printf(a, "%d-%s", 7, "x"), STR("7-x")), "printf");
    ok(strcmp(arena_text(a, STR_NONE), "") == 0, "nothing as a C string");
    arena_defer(a, note, (char *)"z");
    arena_free(a);
    ok(ordered == 4 && order[3] == 'z', "freeing runs what was deferred");
    arena_free(NULL);
    test_borrowed();
    ok(arena_scratch() == arena_scratch(), "one scratch arena for a thread");
    return tap_done();
}
