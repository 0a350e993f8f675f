/* What fiber promises: waits, deadlines, cancellation, groups, many fibers, a message on overflow.
 */
#include "run/fiber.h"
#include "base/asan.h"
#include "base/clock.h"
#include "run/sched.h"

#include "tap.h"
#include "on_loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Whose turn it is ---- */

static char trail[8];
static int talk[2]; /* a pipe */

static void note(char c)
{
    trail[strlen(trail)] = c;
}

static void listener(void *arg)
{
    struct io io;
    char c;
    (void)arg;
    CHECK(io_open(&io, talk[0], NULL, NULL) && io_read(&io, &c, 1, CLOCK_NEVER, NULL) == 1);
    note(c);
    io_close(&io);
}

static void polite(void *arg)
{
    (void)arg;
    note('a');
    fiber_last();
    note('c');
    CHECK(write(talk[1], "d", 1) == 1);
    fiber_yield();
    note('e');
}

static void other(void *arg)
{
    (void)arg;
    note('b');
}

static void order_test(void *arg)
{
    (void)arg;
    CHECK(pipe2(talk, O_NONBLOCK | O_CLOEXEC) == 0);
    fiber_go(listener, NULL, "listener");
    fiber_yield(); /* it now waits */
    fiber_go(polite, NULL, "polite");
    fiber_go(other, NULL, "other");
    while (strlen(trail) < 5)
        fiber_sleep(NS_PER_MS / 4, NULL);
    ok(strcmp(trail, "abcde") == 0, "who is ready goes first, and what has come: %s", trail);
    close(talk[1]);
}

/* ---- Waiting ---- */

struct sleeper {
    struct fiber *f;
    int64_t deadline_ns; /* of the wait */
    int64_t limit_ns;    /* of the fiber; 0: none */
    bool shield, ended, cancelled;
    enum fiber_wake how;
    int order;
};

static int ended_count;

static void sleeper_main(void *arg)
{
    struct sleeper *s = arg;
    if (s->limit_ns)
        fiber_deadline(s->limit_ns);
    if (s->shield)
        fiber_shield(true);
    s->how = fiber_wait(s->deadline_ns);
    if (s->shield)
        fiber_shield(false);
    s->cancelled = fiber_cancelled();
    s->order = ended_count++;
    s->ended = true;
}

static void start_sleeper(struct sleeper *s)
{
    s->f = fiber_go(sleeper_main, s, "sleeper");
    fiber_yield(); /* it now waits */
}

static void until_ended(struct sleeper *s)
{
    while (!s->ended)
        fiber_sleep(NS_PER_MS / 4, NULL);
}

static void wake_test(void *arg)
{
    (void)arg;
    struct sleeper a = {.deadline_ns = CLOCK_NEVER};
    start_sleeper(&a);
    ok(!a.ended && fiber_count() == 2, "a fiber waits");
    ok(strcmp(fiber_name(a.f), "sleeper") == 0, "it has its name");
    fiber_wake(a.f);
    fiber_cancel(a.f);
    until_ended(&a);
    ok(a.how == FIBER_WOKEN && a.cancelled, "a wake-up before a cancellation counts");

    struct sleeper b = {.deadline_ns = CLOCK_NEVER};
    start_sleeper(&b);
    fiber_cancel(b.f);
    fiber_cancel(b.f);
    fiber_wake(b.f);
    until_ended(&b);
    ok(b.how == FIBER_CANCELLED, "cancelling ends a wait");

    struct sleeper c = {.deadline_ns = CLOCK_NEVER, .shield = true};
    start_sleeper(&c);
    fiber_cancel(c.f);
    fiber_yield();
    ok(!c.ended, "a shielded fiber waits on");
    fiber_wake(c.f);
    until_ended(&c);
    ok(c.how == FIBER_WOKEN && c.cancelled, "and learns of it afterwards");

    struct sleeper d = {.deadline_ns = loop_now() + NS_PER_MS};
    start_sleeper(&d);
    until_ended(&d);
    ok(d.how == FIBER_TIMEOUT, "the deadline of the wait");
    struct sleeper f = {.deadline_ns = CLOCK_NEVER, .limit_ns = loop_now() + NS_PER_MS};
    start_sleeper(&f);
    until_ended(&f);
    ok(f.how == FIBER_TIMEOUT, "the deadline of the fiber");
    struct sleeper g = {.deadline_ns = CLOCK_NEVER, .limit_ns = 1, .shield = true};
    start_sleeper(&g);
    ok(!g.ended, "a shield holds off the fiber's deadline");
    fiber_wake(g.f);
    until_ended(&g);
    struct sleeper h = {.deadline_ns = loop_now() + NS_PER_MS, .shield = true};
    start_sleeper(&h);
    until_ended(&h);
    ok(h.how == FIBER_TIMEOUT, "but not the wait's own");
}

static void cancelled_main(void *arg)
{
    struct err e;
    int *failed = arg;
    fiber_cancel(fiber_self());
    *failed += fiber_wait(CLOCK_NEVER) == FIBER_CANCELLED;
    *failed += !fiber_sleep(NS_PER_MS, &e) && e.code == ERR_CANCELLED;
    *failed += !fiber_pause(&e) && e.code == ERR_CANCELLED;
    fiber_shield(true);
    fiber_shield(true);
    fiber_shield(false);
    *failed += fiber_sleep(NS_PER_US, &e) && fiber_pause(&e);
    fiber_shield(false);
    fiber_deadline(1);
    *failed += fiber_wait(CLOCK_NEVER) == FIBER_CANCELLED;
}

static void deadline_passed_main(void *arg)
{
    struct err e;
    int *failed = arg;
    fiber_deadline(loop_now());
    *failed += fiber_wait(CLOCK_NEVER) == FIBER_TIMEOUT;
    *failed += !fiber_sleep(NS_PER_MS, &e) && e.code == ERR_TIMEOUT;
    *failed += !fiber_pause(&e) && e.code == ERR_TIMEOUT;
    fiber_deadline(CLOCK_NEVER);
    *failed += fiber_sleep(NS_PER_US, &e) && fiber_pause(&e);
}

static void sticky_test(void *arg)
{
    int failed = 0;
    (void)arg;
    fiber_go(cancelled_main, &failed, "cancelled");
    while (fiber_count() > 1)
        fiber_yield();
    ok(failed == 5, "every wait of a cancelled fiber fails, shielded ones do not");
    failed = 0;
    fiber_go(deadline_passed_main, &failed, "late");
    while (fiber_count() > 1)
        fiber_yield();
    ok(failed == 4, "every wait after the fiber's deadline fails, until it is moved");
}

/* ---- The lazy timer: many waits of one fiber, deadlines in random order ---- */

struct many {
    unsigned seed;
    int waits, wrong;
};

/* Waits that are woken leave their timer entry behind; it must not end a later wait early, and a
 * later wait with an earlier deadline must not be kept waiting for it. */
static void random_waits(void *arg)
{
    struct many *m = arg;
    for (int i = 0; i < m->waits; i++) {
        int64_t until = clock_now() + rand_r(&m->seed) % 3000 * NS_PER_US;
        if (i % 3 == 0)
            until += NS_PER_S; /* a deadline that the next wait undercuts */
        if (i % 3 == 0) {
            fiber_yield();
            enum fiber_wake w = fiber_wait(i % 2 ? loop_now() + NS_PER_US : loop_now() - 1);
            m->wrong += w != FIBER_TIMEOUT;
        } else {
            enum fiber_wake w = fiber_wait(until);
            m->wrong += w != FIBER_TIMEOUT || loop_now() < until;
        }
    }
}

static void wake_it(void *arg)
{
    fiber_wake(arg);
}

static void undercut_test(void *arg)
{
    (void)arg;
    struct loop_timer t = {0};
    loop_timer_start(&t, loop_now(), wake_it, fiber_self());
    int64_t far = loop_now() + 3600 * NS_PER_S;
    ok(fiber_wait(far) == FIBER_WOKEN, "woken long before the deadline");
    int64_t near = clock_now() + NS_PER_MS;
    ok(fiber_wait(near) == FIBER_TIMEOUT && loop_now() >= near, "a later wait with a nearer one");
    loop_timer_start(&t, loop_now(), wake_it, fiber_self());
    ok(fiber_wait(clock_now() + 2 * NS_PER_MS) == FIBER_WOKEN, "woken before a near deadline");
    near = clock_now() + 6 * NS_PER_MS;
    ok(fiber_wait(near) == FIBER_TIMEOUT && loop_now() >= near,
       "its entry in the heap does not end the next wait");

    struct many m[40];
    for (unsigned i = 0; i < COUNT(m); i++) {
        m[i] = (struct many){.seed = i + 1, .waits = 30};
        fiber_go(random_waits, &m[i], "waits");
    }
    while (fiber_count() > 1)
        fiber_sleep(NS_PER_MS, NULL);
    int wrong = 0;
    for (unsigned i = 0; i < COUNT(m); i++)
        wrong += m[i].wrong;
    ok(wrong == 0, "1,200 waits of 40 fibers ended at their own deadlines");
}

/* ---- Groups ---- */

struct leg {
    int64_t ns;
    bool good;
    enum err_code code;
    struct fiber_group *inner;
};

static void leg_main(void *arg)
{
    struct leg *leg = arg;
    struct err e = {0};
    leg->good = fiber_sleep(leg->ns, &e);
    leg->code = e.code;
}

static const int64_t far_ns = 3600 * NS_PER_S;

static void hedge_test(void *arg)
{
    (void)arg;
    struct leg leg[2] = {{.ns = NS_PER_MS}, {.ns = far_ns}};
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, leg_main, &leg[0], "leg");
    fiber_group_go(&g, leg_main, &leg[1], "leg");
    ok(fiber_group_wait_any(&g) && leg[0].good && g.running == 1, "the fast leg of a hedge");
    fiber_group_cancel(&g);
    ok(fiber_group_wait_any(&g), "the end of the other one counts as well");
    ok(!leg[1].good && leg[1].code == ERR_CANCELLED, "it was cancelled");
    ok(!fiber_group_wait_any(&g), "then none runs");
    leg[1].good = true;
    fiber_group_go(&g, leg_main, &leg[1], "leg");
    fiber_group_wait(&g);
    ok(!leg[1].good && leg[1].code == ERR_CANCELLED, "who joins a cancelled group is cancelled");
    fiber_group_fini(&g);

    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, leg_main, &leg[1], "leg");
    fiber_group_fini(&g);
    ok(leg[1].code == ERR_CANCELLED && fiber_count() == 1, "leaving the scope joins");

    fiber_group_init(&g, loop_now() + NS_PER_MS);
    fiber_group_go(&g, leg_main, &leg[0], "leg");
    leg[0].ns = far_ns;
    fiber_group_wait(&g);
    ok(!leg[0].good && leg[0].code == ERR_TIMEOUT, "children inherit the group's deadline");
    ok(!fiber_cancelled(), "which is not the parent's");
    fiber_group_fini(&g);
}

/* A child whose clean-up takes its time: the parent must not go on before. */
static void slow_to_leave(void *arg)
{
    struct leg *leg = arg;
    leg->code = fiber_sleep(far_ns, NULL) ? ERR_NONE : ERR_CANCELLED;
    fiber_shield(true);
    fiber_sleep(NS_PER_MS, NULL);
    fiber_shield(false);
    leg->good = true;
}

static void parent_main(void *arg)
{
    struct leg *leg = arg, mine = {0};
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, slow_to_leave, &mine, "child");
    fiber_group_wait(&g);
    fiber_group_fini(&g);
    leg->good = mine.good && mine.code == ERR_CANCELLED && fiber_cancelled();
}

static void parent_test(void *arg)
{
    (void)arg;
    struct leg leg = {0};
    struct fiber *f = fiber_go(parent_main, &leg, "parent");
    fiber_yield();
    fiber_yield();
    fiber_cancel(f);
    while (fiber_count() > 1)
        fiber_sleep(NS_PER_MS / 4, NULL);
    ok(leg.good, "cancelling the parent cancels the child, and waits for its clean-up");
}

static void family(void *arg)
{
    int depth = (int)(intptr_t)arg;
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    for (int i = 0; depth > 0 && i < 3; i++)
        fiber_group_go(&g, family, (void *)(intptr_t)(depth - 1), "child");
    if (depth == 0)
        ended_count++;
    fiber_group_wait(&g);
    fiber_group_fini(&g);
}

static void family_test(void *arg)
{
    (void)arg;
    ended_count = 0;
    family((void *)(intptr_t)6);
    ok(ended_count == 729, "groups in groups, six deep");
    ended_count = 0;
}

/* ---- Ten thousand at once ---- */

/* The thread sanitizer knows 8,128 fibers at most, and takes a millisecond to make one. */
enum { CROWD = TSAN_ON ? 2000 : 10000, CHURN = TSAN_ON ? 2000 : 100000 };

static struct crowd {
    struct fiber *f;
    bool woken;
} crowd[CROWD];

static void crowd_main(void *arg)
{
    struct crowd *c = arg;
    char text[64];
    snprintf(text, sizeof(text), "fiber %d", (int)(c - crowd));
    c->woken = fiber_wait(CLOCK_NEVER) == FIBER_WOKEN && atoi(text + 6) == (int)(c - crowd);
}

static void count_names(void *ctx, const struct fiber_info *info)
{
    *(int *)ctx += strcmp(info->name, "crowd") == 0 && info->stack_high > 0 && info->age_ns >= 0;
}

static void crowd_test(void *arg)
{
    (void)arg;
    for (int i = 0; i < CROWD; i++)
        crowd[i].f = fiber_go(crowd_main, &crowd[i], "crowd");
    fiber_sleep(NS_PER_US, NULL);
    ok(fiber_count() == CROWD + 1, "%d fibers wait", CROWD);
    int named = 0;
    fiber_list(count_names, &named);
    ok(named == CROWD, "and can be listed");
    for (int i = CROWD; i-- > 0;)
        fiber_wake(crowd[i].f);
    while (fiber_count() > 1)
        fiber_yield();
    int woken = 0;
    for (int i = 0; i < CROWD; i++)
        woken += crowd[i].woken;
    ok(woken == CROWD, "each was woken and still knew its number");
    ok(fiber_stack_high() < 48 * 1024, "none used more than 48 KB of stack");
}

/* ---- Memory of those that wait ---- */

enum { DEEP = 24 * 1024, PARKED = 1500 };

static int __attribute__((noinline)) use_stack(int seed)
{
    volatile char deep[DEEP];
    for (int i = 0; i < DEEP; i++)
        deep[i] = (char)seed;
    return deep[DEEP / 2];
}

static void parked_main(void *arg)
{
    struct crowd *c = arg;
    volatile long keep = c - crowd;
    c->woken = use_stack((int)keep) == (char)keep;
    c->woken &= fiber_wait(CLOCK_NEVER) == FIBER_WOKEN && keep == c - crowd;
    c->woken &= use_stack((int)keep) == (char)keep; /* what was given back can be used again */
    c->woken &= fiber_wait(CLOCK_NEVER) == FIBER_WOKEN && keep == c - crowd;
}

static void add_depth(void *ctx, const struct fiber_info *info)
{
    if (strcmp(info->name, "parked") == 0)
        *(size_t *)ctx += info->stack_high;
}

static size_t parked_bytes(void)
{
    size_t sum = 0;
    fiber_list(add_depth, &sum);
    return sum / PARKED;
}

/* From here on seconds pass when the test says so. */
static void stop_time(void)
{
    struct loop_timer *t = &loop_self()->tick_timer;
    loop_timer_start(t, CLOCK_NEVER, t->fn, t->arg);
}

static void pass_second(void)
{
    struct loop *l = loop_self();
    do {
        loop_timer_stop(&l->tick_timer);
        l->tick_timer.fn(l->tick_timer.arg);
    } while (l->walk);
    stop_time();
}

static void wake_parked(void)
{
    for (int i = 0; i < PARKED; i++)
        fiber_wake(crowd[i].f);
    fiber_sleep(1, NULL);
    while (!list_empty(&loop_self()->ready))
        fiber_yield();
}

static void reclaim_test(void *arg)
{
    (void)arg;
    stop_time();
    for (int i = 0; i < PARKED; i++)
        crowd[i].f = fiber_go(parked_main, &crowd[i], "parked");
    wake_parked(); /* not waiting yet: only lets them begin */
    ok(parked_bytes() > DEEP, "fibers that have been deep");
    pass_second();
    ok(parked_bytes() > DEEP, "keep their pages for a second");
    pass_second();
    ok(parked_bytes() <= 8192, "and then give back what they do not use");
    wake_parked();
    ok(parked_bytes() > DEEP, "they can go deep again");
    pass_second();
    pass_second();
    ok(parked_bytes() <= 8192, "and give back again");
    wake_parked();
    int woken = 0;
    for (int i = 0; i < PARKED; i++)
        woken += crowd[i].woken;
    ok(woken == PARKED && fiber_count() == 1, "what they had on their stacks survived it");
    ok(fiber_stack_high() > DEEP, "how deep they were is remembered");
}

static void nothing(void *arg)
{
    ++*(int *)arg;
}

static void churn_test(void *arg)
{
    int n = 0;
    (void)arg;
    for (int i = 0; i < CHURN; i++) {
        fiber_go(nothing, &n, "nothing");
        if (i % 100 == 99)
            fiber_yield();
    }
    while (fiber_count() > 1)
        fiber_yield();
    ok(n == CHURN, "%d fibers came and went", CHURN);
}

/* ---- Overflow, in a child process ---- */

static int __attribute__((noinline)) dig(volatile char *above, int depth)
{
    volatile char here[512];
    here[0] = above ? above[0] : 1;
    return depth == 0 ? here[0] : dig(here, depth - 1) + here[0];
}

static volatile int dug;

static void overflow_main(void *arg)
{
    dug = dig(NULL, *(int *)arg);
}

static void overflow_test(void)
{
    int out[2], depth = 4096; /* 2 MB */
    CHECK(pipe(out) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDERR_FILENO);
        on_loop(overflow_main, &depth);
        _exit(0);
    }
    close(out[1]);
    char text[8192] = "";
    size_t n = 0;
    ssize_t got;
    while ((got = read(out[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)got;
    close(out[0]);
    int status;
    waitpid(pid, &status, 0);
    ok(!WIFEXITED(status) || WEXITSTATUS(status) != 0, "a stack overflow ends the process");
    ok(strstr(text, "stack overflow in fiber 'test'") != NULL, "and says whose stack it was");
}

int main(void)
{
    on_loop(order_test, NULL);
    on_loop(wake_test, NULL);
    on_loop(sticky_test, NULL);
    on_loop(undercut_test, NULL);
    on_loop(hedge_test, NULL);
    on_loop(parent_test, NULL);
    on_loop(family_test, NULL);
    on_loop(crowd_test, NULL);
    on_loop(reclaim_test, NULL);
    on_loop(churn_test, NULL);
    overflow_test();
    return tap_done();
}
