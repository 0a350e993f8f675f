/* What looking for model servers promises: who answers with a list of models is found, told apart
 * by what it says of itself, and nobody who says something else is taken for one. */
#include "gateway/discover.h"

#include "tap.h"
#include "on_loop.h"
#include "peer.h"

#define LIST(owner) "{\"object\":\"list\",\"data\":[{\"id\":\"m1\",\"owned_by\":\"" owner "\"}]}"

static const struct {
    const char *name, *head, *body; /* body NULL: it never answers */
    const char *vendor;             /* NULL: not found */
    size_t models;
} servers[] = {
    {"vLLM", "200 OK", LIST("vllm"), "vllm", 1},
    {"Ollama", "200 OK", LIST("library"), "ollama", 1},
    {"LM Studio", "200 OK", LIST("organization_owner"), "lmstudio", 1},
    {"llama.cpp, by its header", "200 OK\r\nServer: llama.cpp", LIST("me"), "llama.cpp", 1},
    {"llama.cpp, by its models", "200 OK", LIST("llamacpp"), "llama.cpp", 1},
    {"another of the protocol", "200 OK\r\nServer: nginx", LIST("openai"), "openai-compatible", 1},
    {"several models", "200 OK", "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"}]}",
     "openai-compatible", 3},
    {"no models yet", "200 OK", "{\"data\":[]}", "openai-compatible", 0},
    {"a model without a name", "200 OK", "{\"data\":[{\"id\":\"a\"},{\"name\":\"b\"}]}", NULL, 0},
    {"another list", "200 OK", "{\"items\":[]}", NULL, 0},
    {"no JSON", "200 OK", "<html>hello</html>", NULL, 0},
    {"an error", "500 Oh", LIST("vllm"), NULL, 0},
    {"a key is asked for", "401 No", "{\"error\":{}}", NULL, 0},
    {"silence", "", NULL, NULL, 0},
};

static struct config config_of(struct str *address, size_t n)
{
    return (struct config){.discover = address, .n_discover = n};
}

static size_t look(struct str *address, size_t n, const uint16_t *own, size_t n_own,
                   struct arena *a, struct config_found *found)
{
    const struct config c = config_of(address, n);
    struct http_client *http = http_client_new(NULL);
    size_t got = discover(&c, http, own, n_own, a, found);
    http_client_free(http);
    return got;
}

/* All at once, as they are asked. */
static void test_servers(void)
{
    struct arena *a = arena_new();
    struct act acts[COUNT(servers)][5];
    struct peer peer[COUNT(servers)];
    struct str address[COUNT(servers)];
    struct config_found found[DISCOVER_MOST];
    size_t k = 0;
    for (size_t i = 0; i < COUNT(servers); i++) {
        const char *body = servers[i].body;
        struct str text = body ? arena_printf(a, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
                                              servers[i].head, strlen(body), body)
                               : STR_NONE;
        const struct act list[5] = {{ACT_ACCEPT},
                                    {ACT_READ},
                                    {body ? ACT_SEND : ACT_AWAIT_EOF, text.p, 0},
                                    {body ? ACT_AWAIT_EOF : ACT_END},
                                    {ACT_END}};
        memcpy(acts[i], list, sizeof(list));
        peer_start(&peer[i], acts[i]);
        address[i] = arena_printf(a, "http://127.0.0.1:%u%s", peer[i].port, i % 2 ? "/v1/" : "");
    }
    size_t n = look(address, COUNT(servers), NULL, 0, a, found);
    for (size_t i = 0; i < COUNT(servers); i++) {
        struct str url = arena_printf(a, "http://127.0.0.1:%u/v1", peer[i].port);
        bool is_next = k < n && str_eq(found[k].url, url);
        ok(is_next == (servers[i].vendor != NULL), "%s: %s", servers[i].name,
           is_next ? "found" : "not found");
        if (is_next && servers[i].vendor)
            ok(strcmp(found[k].vendor->name, servers[i].vendor) == 0 &&
                   found[k].n_models == servers[i].models,
               "%s: who it is: %s", servers[i].name, found[k].vendor->name);
        k += is_next;
        ok(!servers[i].body || strstr(peer[i].request, "GET /v1/models HTTP/1.1\r\n"),
           "%s: asked for its models", servers[i].name);
    }
    ok(k == n, "and nothing else");
    for (size_t i = 0; i < COUNT(servers); i++)
        ok(peer_stop(&peer[i]), "%s: asked once", servers[i].name);
    arena_free(a);
}

static void test_left_out(void)
{
    struct arena *a = arena_new();
    struct config_found found[DISCOVER_MOST];
    uint16_t port = 0;
    int closed = peer_listen("127.0.0.1", &port, 1);
    struct str address = arena_printf(a, "http://127.0.0.1:%u", port);
    ok(look(&address, 1, &port, 1, a, found) == 0, "a port of our own is not asked");
    struct pollfd asked = {closed, POLLIN, 0};
    ok(poll(&asked, 1, 0) == 0, "nobody came");
    close(closed);
    ok(look(&address, 1, NULL, 0, a, found) == 0, "nobody is there");
    ok(look(&STR("false"), 1, NULL, 0, a, found) == 0, "nobody is to be asked");
    arena_free(a);
}

static void test_many_models(void)
{
    struct arena *a = arena_new();
    struct config_found found[DISCOVER_MOST];
    struct peer peer;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add(&b, STR("{\"data\":["));
    for (int i = 0; i < DISCOVER_MODELS + 50; i++)
        buf_printf(&b, "%s{\"id\":\"m%d\"}", i ? "," : "", i);
    buf_add(&b, STR("]}"));
    struct str text = arena_printf(a, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s", b.len,
                                   STR_FMT(buf_str(&b)));
    const struct act acts[] = {{ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, text.p, 0}, {ACT_END}};
    peer_start(&peer, acts);
    struct str address = arena_printf(a, "http://127.0.0.1:%u/v1", peer.port);
    ok(look(&address, 1, NULL, 0, a, found) == 1 && found[0].n_models == DISCOVER_MODELS &&
           str_eq(found[0].model[DISCOVER_MODELS - 1], STR("m199")),
       "so many models and no more");
    peer_stop(&peer);
    buf_fini(&b);
    arena_free(a);
}

static void test_same(void)
{
    struct str one[] = {STR("a"), STR("b")}, other[] = {STR("a"), STR("c")};
    const struct vendor *v = vendor_find(STR("vllm")), *o = vendor_find(STR("ollama"));
    const struct config_found base = {v, STR("u"), one, 2};
    const struct config_found more[] = {
        {v, STR("u"), one, 2}, {v, STR("u"), other, 2}, {v, STR("u"), one, 1},
        {v, STR("w"), one, 2}, {o, STR("u"), one, 2},
    };
    for (size_t i = 0; i < COUNT(more); i++)
        ok(discover_same(&base, 1, &more[i], 1) == (i == 0), "the same: %zu", i);
    ok(!discover_same(&base, 1, NULL, 0) && discover_same(NULL, 0, NULL, 0), "none");
}

static void on_fiber(void *arg)
{
    (void)arg;
    test_servers();
    test_left_out();
    test_many_models();
}

int main(void)
{
    test_same();
    on_loop(on_fiber, NULL);
    return tap_done();
}
