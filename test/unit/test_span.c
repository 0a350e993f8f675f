/* What span promises: nesting, and a bound. */
#include "base/span.h"

#include "tap.h"

int main(void)
{
    struct arena *a = arena_new();
    struct spans s;
    span_init(&s, a);
    int root = span_open(&s, "request", 1000);
    int route = span_open(&s, "route", 2000);
    span_close(&s, route, 22000);
    int invoke = span_open(&s, "invoke", 30000);
    int connect = span_open(&s, "connect", 30000);
    span_close(&s, invoke, 30000 + 12314999);
    ok(s.span[connect].parent == invoke && s.span[connect].end_ns == s.span[invoke].end_ns,
       "closing ends what is inside");
    ok(s.open == root, "the root is open again");
    span_close(&s, connect, 1);
    ok(s.span[connect].end_ns != 1 && s.open == root, "closing twice changes nothing");
    span_open(&s, "late", 99);

    while (s.n < SPAN_MAX)
        span_open(&s, "more", 100);
    ok(span_open(&s, "too many", 100) == -1 && s.lost == 1, "what does not fit is counted");
    span_close(&s, -1, 101);
    span_close(&s, root, 102);
    ok(s.open == -1 && s.span[SPAN_MAX - 1].end_ns == 102, "the root ends everything");
    arena_free(a);
    return tap_done();
}
