#include "model/failure.h"
#include "base/mem.h"
#include "base/metric.h"

static struct metric *failed(struct str provider, enum err_code kind)
{
    const struct str label[] = {provider, str_from(err_name(kind))};
    return metric_with(metric_family("penstock_provider_errors_total", METRIC_COUNTER,
                                     "provider,kind",
                                     "Failed attempts at providers by kind of failure."),
                       label);
}

static struct metric *refused(struct str provider)
{
    return metric_with(metric_family("penstock_provider_auth_failures_total", METRIC_COUNTER,
                                     "provider",
                                     "Attempts at which a provider refused our key (401, 403)."),
                       &provider);
}

void failure_init(struct str provider)
{
    static const enum err_code usual[] = {ERR_UPSTREAM, ERR_UPSTREAM_AUTH, ERR_TIMEOUT, ERR_RATE};
    for (size_t i = 0; i < COUNT(usual); i++)
        metric_add(failed(provider, usual[i]), 0);
    metric_add(refused(provider), 0);
}

void failure_count(struct str provider, enum err_code code)
{
    if (code == ERR_CANCELLED)
        return;
    metric_add(failed(provider, code), 1);
    if (code == ERR_UPSTREAM_AUTH)
        metric_add(refused(provider), 1);
}
