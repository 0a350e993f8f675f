#include "model/account.h"

void account_init(struct account *a, struct str model)
{
    struct metric_family *tokens =
        metric_family("penstock_tokens_total", METRIC_COUNTER, "model,direction",
                      "Tokens of answered requests; cached is a part of input.");
    struct metric_family *first =
        metric_histogram("penstock_first_token_seconds", 1e-9, "model",
                         "From the start of the attempt to the first piece of a streamed answer.");
    *a = (struct account){
        .input = metric_with(tokens, (struct str[]){model, STR("input")}),
        .cached = metric_with(tokens, (struct str[]){model, STR("cached")}),
        .output = metric_with(tokens, (struct str[]){model, STR("output")}),
        .first_token = metric_with(first, &model),
    };
}

int64_t account_cost(const struct account *a, const struct chat_usage *u)
{
    int64_t nusd = (u->input - u->cached - u->cache_write) * a->input_nusd +
                   u->cached * a->cached_nusd + u->cache_write * a->cache_write_nusd +
                   u->output * a->output_nusd;
    return (nusd + 500) / 1000;
}

void account_count(const struct account *a, const struct chat_usage *u, int64_t first_token_ns)
{
    metric_add(a->input, u->input);
    metric_add(a->cached, u->cached);
    metric_add(a->output, u->output);
    if (first_token_ns > 0)
        metric_observe(a->first_token, first_token_ns);
}
