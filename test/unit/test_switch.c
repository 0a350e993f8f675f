/* What switch promises: arguments, alignment, and every callee-saved register survive. It needs
 * nothing but the C library, so that test/cross_switch.sh can run it for other processors too. */
#include "run/switch.h"

#include "tap.h"

#include <stdlib.h>

enum { STACKS = 200, STACK_BYTES = 16 * 1024, ROUNDS = 50 };

static void *main_sp;

struct strand {
    _Alignas(16) char stack[STACK_BYTES];
    void *sp;
    long seed;
    int rounds;
    bool aligned, good;
};

static struct strand strands[STACKS];

static void leave(struct strand *s)
{
    switch_back(&s->sp, main_sp);
}

/* More live values than there are callee-saved registers, whole and floating, so that all of them
 * are in use while other stacks run the same code with other values. */
static bool survive(struct strand *s)
{
    long a = s->seed, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, g = a * 17,
         h = a * 19, i = a * 23, j = a * 29, k = a * 31, l = a * 37;
    double p = (double)a * .5, q = p * 3, r = p * 5, t = p * 7, u = p * 11, v = p * 13, w = p * 17,
           x = p * 19;
    for (int n = 0; n < ROUNDS; n++) {
        leave(s);
        a++, b += 2, c += 3, d += 4, e += 5, f += 6, g += 7, h += 8, i += 9, j += 10, k += 11;
        l += 12, p += 1, q += 2, r += 3, t += 4, u += 5, v += 6, w += 7, x += 8;
        s->rounds++;
    }
    long z = s->seed, m = ROUNDS;
    double y = (double)z * .5, o = ROUNDS;
    return a == z + m && b == z * 3 + 2 * m && c == z * 5 + 3 * m && d == z * 7 + 4 * m &&
           e == z * 11 + 5 * m && f == z * 13 + 6 * m && g == z * 17 + 7 * m &&
           h == z * 19 + 8 * m && i == z * 23 + 9 * m && j == z * 29 + 10 * m &&
           k == z * 31 + 11 * m && l == z * 37 + 12 * m && p == y + o && q == y * 3 + 2 * o &&
           r == y * 5 + 3 * o && t == y * 7 + 4 * o && u == y * 11 + 5 * o && v == y * 13 + 6 * o &&
           w == y * 17 + 7 * o && x == y * 19 + 8 * o;
}

static void strand_main(void *arg)
{
    struct strand *s = arg;
    /* the ABIs of both processors promise that frames are aligned to 16 */
    s->aligned = (uintptr_t)__builtin_frame_address(0) % 16 == 0;
    s->good = survive(s);
    for (;;)
        leave(s);
}

int main(void)
{
    for (int i = 0; i < STACKS; i++) {
        struct strand *s = &strands[i];
        s->seed = 1000 + 77 * i;
        s->sp = switch_prepare(s->stack + STACK_BYTES, strand_main, s);
    }
    for (int n = 0; n <= ROUNDS; n++)
        for (int i = 0; i < STACKS; i++)
            switch_to(&main_sp, strands[(i * 7 + n) % STACKS].sp);
    int rounds = 0, aligned = 0, good = 0;
    for (int i = 0; i < STACKS; i++) {
        rounds += strands[i].rounds;
        aligned += strands[i].aligned;
        good += strands[i].good;
    }
    ok(rounds == STACKS * ROUNDS, "each stack went on where it had stopped");
    ok(aligned == STACKS, "stacks begin aligned");
    ok(good == STACKS, "what was in registers survived");
    return tap_done();
}
