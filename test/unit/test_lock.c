/* What lock promises: one at a time, conditions that wake and time out, and counting what is held.
 */
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"

#include "tap.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct lock lock = LOCK_INIT;
static struct cond cond;
static int sum, turn;

static void *add(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&lock);
        sum++;
        lock_drop(&lock);
    }
    return NULL;
}

/* Waits for the turn to be *arg, and passes it on. */
static void *take_turn(void *arg)
{
    int mine = *(int *)arg;
    lock_take(&lock);
    while (turn != mine)
        cond_wait(&cond, &lock, CLOCK_NEVER);
    turn++;
    cond_wake_all(&cond);
    lock_drop(&lock);
    return NULL;
}

static void run(void *(*fn)(void *))
{
    pthread_t thread[THREADS];
    int id[THREADS];
    for (int i = 0; i < THREADS; i++) {
        id[i] = THREADS - i; /* the last is first */
        CHECK(pthread_create(&thread[i], NULL, fn, &id[i]) == 0);
    }
    lock_take(&lock);
    turn++;
    cond_wake_all(&cond);
    lock_drop(&lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

int main(void)
{
    cond_init(&cond);
    run(add);
    ok(sum == THREADS * ROUNDS, "nothing is lost");
    turn = 0;
    run(take_turn);
    ok(turn == THREADS + 1, "each waits for its turn");

    struct lock inner;
    lock_init(&inner);
    lock_take(&lock);
    lock_take(&inner);
    ok(lock_held() == 2, "two are held");
    lock_drop(&inner);
    ok(!cond_wait(&cond, &lock, clock_now() - 1), "a deadline that has passed");
    ok(!cond_wait(&cond, &lock, clock_after(clock_now(), 1)), "and one that comes");
    ok(lock_held() == 1, "a wait that ends gives the lock back");
    lock_drop(&lock);
    ok(lock_held() == 0, "none is held");
    lock_fini(&inner);
    cond_fini(&cond);
    return tap_done();
}
