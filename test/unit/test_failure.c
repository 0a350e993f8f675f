/* What failure promises: each failure under its provider and kind, refused keys once more. */
#include "model/failure.h"
#include "base/metric.h"

#include "tap.h"

static bool shows(const char *line)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    metric_render(&b);
    bool found = str_find(buf_str(&b), str_from(line)) != STR_NPOS;
    buf_fini(&b);
    return found;
}

int main(void)
{
    failure_init(STR("p"));
    ok(shows("penstock_provider_auth_failures_total{provider=\"p\"} 0\n"),
       "refused keys are there from the start");
    failure_count(STR("p"), ERR_CANCELLED);
    ok(!shows("cancelled"), "a client that left is no failure");
    ok(shows("penstock_provider_errors_total{provider=\"p\",kind=\"timeout\"} 0\n"),
       "the usual kinds too");
    failure_count(STR("p"), ERR_TIMEOUT);
    failure_count(STR("p"), ERR_UPSTREAM_AUTH);
    failure_count(STR("p"), ERR_UPSTREAM_AUTH);
    ok(shows("penstock_provider_errors_total{provider=\"p\",kind=\"timeout\"} 1\n") &&
           shows("penstock_provider_errors_total{provider=\"p\",kind=\"upstream_auth\"} 2\n"),
       "by kind");
    ok(shows("penstock_provider_auth_failures_total{provider=\"p\"} 2\n"), "refused keys");
    return tap_done();
}
