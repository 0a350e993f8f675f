/* on_loop.h - runs a test as a fiber on a loop of this thread, until it and its fibers have ended.
 */
#pragma once

#include "run/fiber.h"

struct on_loop {
    struct loop *loop;
    fiber_fn *fn;
    void *arg;
};

static void on_loop_main(void *arg)
{
    struct on_loop *t = arg;
    t->fn(t->arg);
    loop_stop(t->loop);
}

static void on_loop_start(void *arg)
{
    fiber_go(on_loop_main, arg, "test");
}

__attribute__((unused)) static void on_loop(fiber_fn *fn, void *arg)
{
    struct err e;
    struct on_loop t = {.loop = loop_new(&e), .fn = fn, .arg = arg};
    CHECK(t.loop);
    loop_post(t.loop, on_loop_start, &t);
    loop_run(t.loop);
    loop_free(t.loop);
}
