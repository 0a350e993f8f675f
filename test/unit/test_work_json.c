/* What work_json promises: what json_parse does, while the loop goes on. */
#include "run/work_json.h"
#include "run/fiber.h"
#include "run/work.h"

#include "tap.h"
#include "on_loop.h"

static bool ticked;

static void tick(void *arg)
{
    (void)arg;
    ticked = true;
}

static void run_cases(void *arg)
{
    struct arena *a = arg;
    struct json doc;
    struct err e;
    ok(work_json_parse(&doc, a, STR("{\"a\":1}"), 0, &e) &&
           json_exists(json_get(json_root(&doc), "a")),
       "a short text");
    struct buf b;
    buf_init(&b, 8 << 20);
    buf_char(&b, '[');
    while (b.len < 4 << 20)
        buf_add(&b, STR("1,"));
    buf_add(&b, STR("1]"));
    loop_post(loop_self(), tick, NULL);
    ok(work_json_parse(&doc, a, buf_str(&b), 0, &e) && json_count(json_root(&doc)) == b.len / 2,
       "a long text");
    ok(ticked, "the loop went on meanwhile");
    b.p[b.len - 1] = '}';
    ok(!work_json_parse(&doc, a, buf_str(&b), 0, &e) && e.code == ERR_SYNTAX, "and its errors");
    buf_fini(&b);
}

int main(void)
{
    struct arena *a = arena_new();
    struct err e;
    CHECK(work_start(1, &e));
    on_loop(run_cases, a);
    work_stop();
    arena_free(a);
    return tap_done();
}
