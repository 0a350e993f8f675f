/* What account promises: costs in integers, rounded once; tokens counted by direction. */
#include "model/account.h"
#include "base/mem.h"

#include "tap.h"

static const struct {
    const char *name;
    int64_t in, cached_price, out;
    struct chat_usage use;
    int64_t cost;
} cases[] = {
    {"nothing", 2500, 2500, 10000, {0}, 0},
    {"a million tokens in", 2500, 2500, 10000, {.input = 1000000}, 2500000},
    {"cached ones are a part of the input", 2500, 1250, 0, {.input = 100, .cached = 40}, 200},
    {"rounded to the nearest", 150, 150, 600, {.input = 3, .output = 1}, 1},
    {"and not up", 150, 150, 600, {.input = 3}, 0},
    {"free", 0, 0, 0, {.input = INT64_C(1) << 40, .output = INT64_C(1) << 40}, 0},
};

int main(void)
{
    struct account a, b;
    for (size_t i = 0; i < COUNT(cases); i++) {
        account_init(&a, STR("priced"));
        a.input_nusd = cases[i].in;
        a.cached_nusd = cases[i].cached_price;
        a.output_nusd = cases[i].out;
        ok(account_cost(&a, &cases[i].use) == cases[i].cost, "%s", cases[i].name);
    }
    account_init(&a, STR("m"));
    account_init(&b, STR("m"));
    account_count(&a, &(struct chat_usage){.input = 7, .output = 3, .cached = 2}, 0);
    account_count(&b, &(struct chat_usage){.input = 1, .output = 1}, 5000000);
    ok(metric_value(a.input) == 8 && metric_value(a.cached) == 2 && metric_value(a.output) == 4,
       "a model has one set of counters, whoever asks for them");
    ok(metric_count(a.first_token) == 1, "only streams have a first token");
    return tap_done();
}
