#include "gateway/ability.h"

static bool has(const struct provider *p, enum vendor_trait trait)
{
    const struct vendor *v = p->vendor;
    if (trait == VENDOR_PDF && v->kind == &provider_anthropic)
        return true; /* it is a part of the protocol */
    for (size_t i = 0; v->url && i < p->n_endpoints; i++)
        if (!str_eq(p->endpoint[i].url, str_from(v->url)))
            return false;
    return v->traits & trait;
}

/* Counts those outside, and those of them that have it. */
static void count(const struct model *m, enum vendor_trait trait, size_t *remote, size_t *able)
{
    *remote = *able = 0;
    for (size_t stage = 0; stage <= m->n_fallback; stage++) {
        const struct model *s = stage == 0 ? m : m->fallback[stage - 1];
        for (size_t i = 0; i < s->n_targets; i++) {
            const struct provider *p = s->target[i].provider;
            *remote += !provider_is_local(p);
            *able += !provider_is_local(p) && has(p, trait);
        }
    }
}

bool ability_remote(const struct model *m)
{
    size_t remote, able;
    count(m, VENDOR_TOOLS, &remote, &able);
    return remote > 0;
}

bool ability_known(const struct model *m, enum vendor_trait trait)
{
    size_t remote, able;
    count(m, trait, &remote, &able);
    return remote > 0 && able == remote;
}
