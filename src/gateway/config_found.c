/* Servers of this machine that were found (gateway/discover.h), as further providers of a snapshot.
 */
#include "gateway/config_part.h"

static bool is_here(struct str host)
{
    return str_eq(host, STR("127.0.0.1")) || str_eq(host, STR("localhost")) ||
           str_eq(host, STR("::1"));
}

static bool is_at(struct config *c, const struct http_origin *here, struct str url)
{
    struct http_origin o;
    return http_origin_parse(&o, c->arena, url, NULL) && o.port == here->port && is_here(o.host);
}

static bool is_configured(struct config *c, const struct http_origin *here)
{
    for (size_t i = 0; i < c->n_providers; i++) {
        const struct config_provider *p = &c->provider[i];
        const struct vendor *v = vendor_find(p->type);
        if (!p->n_urls && v && v->url && is_at(c, here, str_from(v->url)))
            return true;
        for (size_t k = 0; k < p->n_urls; k++)
            if (is_at(c, here, p->url[k]))
                return true;
    }
    return false;
}

static bool is_taken(const struct config *c, struct str name)
{
    for (size_t i = 0; i < c->n_providers; i++)
        if (str_eq(c->provider[i].name, name))
            return true;
    return false;
}

/* Its provider is "vllm", or "vllm-8001" when there is one of that name. */
static bool add_found(struct config *c, const struct config_found *f, struct err *e)
{
    struct config_provider *p = &c->provider[c->n_providers];
    struct str name = str_from(f->vendor->name);
    struct http_origin at;
    if (!http_origin_parse(&at, c->arena, f->url, e))
        return false;
    if (is_taken(c, name))
        name = arena_printf(c->arena, "%s-%d", f->vendor->name, (int)at.port);
    if (is_taken(c, name) || is_configured(c, &at))
        return true;
    if (!fields_fill(&config_provider_fields, p, NULL, c->arena, "defaults", e))
        return false;
    p->name = name;
    p->type = str_from(f->vendor->name);
    p->url = arena_struct(c->arena, struct str);
    p->url[p->n_urls++] = arena_copy(c->arena, f->url);
    p->found = true;
    c->n_providers++;
    for (size_t i = 0; i < f->n_models; i++) {
        struct config_model *m = &c->model[c->n_models];
        if (config_model_find(c, f->model[i]) || str_eq(f->model[i], STR("extractive")))
            continue;
        if (!fields_fill(&config_model_fields, m, NULL, c->arena, "defaults", e))
            return false;
        m->name = arena_copy(c->arena, f->model[i]);
        m->provider = p->name;
        c->n_models++;
    }
    return true;
}

bool config_found_add(struct config *c, const struct config_found *found, size_t n, struct err *e)
{
    size_t models = c->n_models;
    for (size_t i = 0; i < n; i++)
        models += found[i].n_models;
    struct config_provider *p = arena_array(c->arena, struct config_provider, c->n_providers + n);
    struct config_model *m = arena_array(c->arena, struct config_model, models);
    if (c->n_providers > 0)
        memcpy(p, c->provider, c->n_providers * sizeof(*p));
    if (c->n_models > 0)
        memcpy(m, c->model, c->n_models * sizeof(*m));
    c->provider = p;
    c->model = m;
    for (size_t i = 0; i < n; i++)
        if (!add_found(c, &found[i], e))
            return false;
    return true;
}
