#include "model/failure.h"
#include "base/metric.h"

static struct metric *refused(struct str provider)
{
    return metric_with(metric_family("penstock_provider_auth_failures_total", METRIC_COUNTER,
                                     "provider",
                                     "Attempts at which a provider refused our key (401, 403)."),
                       &provider);
}

void failure_init(struct str provider)
{
    metric_add(refused(provider), 0);
}

void failure_count(struct str provider, enum err_code code)
{
    if (code == ERR_CANCELLED)
        return;
    const struct str label[] = {provider, str_from(err_name(code))};
    metric_add(
        metric_with(metric_family("penstock_provider_errors_total", METRIC_COUNTER, "provider,kind",
                                  "Failed attempts at providers by kind of failure."),
                    label),
        1);
    if (code == ERR_UPSTREAM_AUTH)
        metric_add(refused(provider), 1);
}
