#include "gateway/discover.h"
#include "base/clock.h"
#include "run/fiber.h"

enum { ANSWER_MOST = 4 << 20 };

/* One address that is asked. */
struct look {
    struct http_client *http;
    struct arena *a; /* of its own, as all ask at once */
    struct str url;
    const struct vendor *vendor; /* whose port it is */
    struct config_found found;   /* no vendor: nothing was */
};

/* What servers call the owner of their models, or themselves. */
static const struct {
    const char *mark, *vendor;
} marks[] = {
    {"vllm", "vllm"},      {"llamacpp", "llama.cpp"},          {"llama.cpp", "llama.cpp"},
    {"library", "ollama"}, {"organization_owner", "lmstudio"}, {"organization-owner", "lmstudio"},
};

static const struct vendor *marked(struct str text)
{
    for (size_t i = 0; i < COUNT(marks); i++)
        if (str_istarts(text, str_from(marks[i].mark)))
            return vendor_find(str_from(marks[i].vendor));
    return NULL;
}

static bool take_models(struct look *l, struct str body)
{
    struct json doc;
    if (!json_parse(&doc, l->a, body, 0, NULL))
        return false;
    struct json_value list = json_get(json_root(&doc), "data");
    if (!json_is(list, JSON_ARRAY))
        return false;
    l->found.model = arena_array(l->a, struct str, DISCOVER_MODELS);
    json_each(it, list)
    {
        struct str id = json_text(json_get(it.value, "id"), l->a);
        const struct vendor *v = marked(json_text(json_get(it.value, "owned_by"), l->a));
        if (!id.len)
            return false;
        if (v)
            l->vendor = v;
        if (l->found.n_models < DISCOVER_MODELS)
            l->found.model[l->found.n_models++] = id;
    }
    return true;
}

static void ask(struct look *l, const struct http_origin *o)
{
    const struct http_deadlines d = {.total_ms = DISCOVER_MS};
    struct http_exchange *x;
    struct err e;
    struct str body, server = STR_NONE;
    if (!http_exchange_start(&x, l->http, l->a, l->a, o, STR("GET"), str_from(l->vendor->models),
                             STR_NONE, NULL, 0, &d, &e))
        return;
    http_header_get(&x->head.headers, STR("Server"), &server);
    const struct vendor *v = marked(server);
    if (v)
        l->vendor = v;
    if (x->head.status == 200 && http_exchange_body(x, &body, ANSWER_MOST, &e) &&
        take_models(l, body)) {
        l->found.vendor = l->vendor;
        l->found.url = l->url;
    }
    http_exchange_end(x);
}

static void look(void *arg)
{
    struct look *l = arg;
    struct http_origin o;
    l->a = arena_new();
    if (http_origin_parse(&o, l->a, l->url, NULL))
        ask(l, &o);
}

static bool is_own(struct str url, const uint16_t *own, size_t n_own, struct arena *a)
{
    struct http_origin o;
    bool good = http_origin_parse(&o, a, url, NULL);
    for (size_t i = 0; good && i < n_own; i++)
        if (o.port == own[i])
            return true;
    return false;
}

/* "http://127.0.0.1:9000" is taken for "http://127.0.0.1:9000/v1". */
static struct str with_path(struct str url, struct arena *a)
{
    struct http_origin o;
    while (str_ends(url, STR("/")))
        url.len--;
    bool bare = http_origin_parse(&o, a, url, NULL) && o.base_path.len == 0;
    return bare ? arena_printf(a, "%.*s/v1", STR_FMT(url)) : arena_copy(a, url);
}

static size_t addresses(const struct config *c, struct look *l, struct arena *a)
{
    size_t n = 0, n_vendors;
    const struct vendor *v = vendor_list(&n_vendors);
    if (str_eq(c->discover[0], STR("false")))
        return 0;
    if (!str_eq(c->discover[0], STR("true"))) {
        for (; n < c->n_discover && n < DISCOVER_MOST; n++)
            l[n] = (struct look){.url = with_path(c->discover[n], a),
                                 .vendor = vendor_find(STR("openai-compatible"))};
        return n;
    }
    for (size_t i = 0; i < n_vendors && n < DISCOVER_MOST; i++)
        if (v[i].port)
            l[n++] = (struct look){.url = str_from(v[i].url), .vendor = &v[i]};
    return n;
}

static void keep(struct config_found *to, const struct config_found *from, struct arena *a)
{
    *to = *from;
    to->url = arena_copy(a, from->url);
    to->model = arena_array(a, struct str, from->n_models);
    for (size_t i = 0; i < from->n_models; i++)
        to->model[i] = arena_copy(a, from->model[i]);
}

size_t discover(const struct config *c, struct http_client *http, const uint16_t *own, size_t n_own,
                struct arena *a, struct config_found *found)
{
    struct look *l = arena_array(a, struct look, DISCOVER_MOST);
    size_t n = addresses(c, l, a), n_found = 0;
    struct fiber_group g;
    fiber_group_init(&g, clock_after(clock_now(), DISCOVER_MS));
    for (size_t i = 0; i < n; i++) {
        l[i].http = http;
        if (!is_own(l[i].url, own, n_own, a))
            fiber_group_go(&g, look, &l[i], "discover");
    }
    fiber_group_wait(&g);
    fiber_group_fini(&g);
    for (size_t i = 0; i < n; i++) {
        if (l[i].found.vendor)
            keep(&found[n_found++], &l[i].found, a);
        arena_free(l[i].a);
    }
    return n_found;
}

bool discover_same(const struct config_found *a, size_t n_a, const struct config_found *b,
                   size_t n_b)
{
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++) {
        same = a[i].vendor == b[i].vendor && str_eq(a[i].url, b[i].url) &&
               a[i].n_models == b[i].n_models;
        for (size_t k = 0; same && k < a[i].n_models; k++)
            same = str_eq(a[i].model[k], b[i].model[k]);
    }
    return same;
}
