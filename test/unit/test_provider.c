/* What a provider promises before it is asked: header lines, paths, what it can. */
#include "model/provider.h"

#include "tap.h"

static const struct {
    const char *vendor, *model, *version;
    enum chat_op op;
    const char *path; /* NULL: it cannot */
} cases[] = {
    {"openai", "gpt", "", OP_CHAT, "/chat/completions"},
    {"openai", "gpt", "", OP_EMBEDDING, "/embeddings"},
    {"openai", "gpt", "", OP_RERANK, NULL},
    {"mistral", "codestral", "", OP_COMPLETION, "/chat/completions"},
    {"groq", "llama", "", OP_EMBEDDING, NULL},
    {"cohere", "command", "", OP_CHAT, "/compatibility/v1/chat/completions"},
    {"cohere", "rerank-v3.5", "", OP_RERANK, "/v2/rerank"},
    {"jina", "jina-reranker", "", OP_RERANK, "/rerank"},
    {"jina", "jina-reranker", "", OP_CHAT, NULL},
    {"extractive", "x", "", OP_EMBEDDING, NULL},
    {"azure", "my gpt/4", "2024-10-21", OP_CHAT,
     "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21"},
    {"azure", "embed", "2024-10-21", OP_EMBEDDING,
     "/openai/deployments/embed/embeddings?api-version=2024-10-21"},
    {"azure", "old", "2023-05-15", OP_COMPLETION,
     "/openai/deployments/old/completions?api-version=2023-05-15"},
    {"azure", "gpt", "2024-10-21", OP_MODERATION, NULL},
};

static void test_paths(struct arena *a)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct provider p;
        struct err e;
        provider_init(&p, a, STR("q"), vendor_find(str_from(cases[i].vendor)), NULL, 0, &e);
        p.api_version = str_from(cases[i].version);
        ok(provider_can(&p, cases[i].op) == (cases[i].path != NULL), "%s: can it %s",
           cases[i].vendor, chat_op_name(cases[i].op));
        if (!cases[i].path)
            continue;
        struct call c = {.early = a, .req = {.op = cases[i].op}};
        struct target t = {.provider = &p, .upstream = str_from(cases[i].model)};
        struct attempt at = {.call = &c, .target = &t};
        ok(str_eq(provider_path(&at), str_from(cases[i].path)), "%s: %.*s", cases[i].vendor,
           STR_FMT(provider_path(&at)));
    }
}

int main(void)
{
    struct arena *a = arena_new();
    struct provider p;
    struct err e = {0};
    const struct vendor *v = vendor_find(STR("openai"));
    const struct str keys[] = {STR("sk-1"), STR("sk-2")}, bad = STR("a\r\nX: y");
    ok(provider_init(&p, a, STR("q"), v, keys, 2, &e) && p.n_keys == 2 &&
           str_eq(p.key[1].lines,
                  STR("Content-Type: application/json\r\nAuthorization: Bearer sk-2\r\n")),
       "header lines are made once");
    ok(provider_init(&p, a, STR("q"), v, NULL, 0, &e) && p.n_keys == 1 &&
           str_eq(p.key[0].lines, STR("Content-Type: application/json\r\n")),
       "no key, no header");
    ok(provider_init(&p, a, STR("q"), vendor_find(STR("azure")), keys, 1, &e) &&
           str_eq(p.key[0].lines, STR("Content-Type: application/json\r\napi-key: sk-1\r\n")),
       "Azure has a header of its own");
    ok(!provider_init(&p, a, STR("q"), v, &bad, 1, &e) && e.code == ERR_INVALID &&
           !strstr(e.msg, "X: y"),
       "a key cannot bring headers along, and is not told");
    ok(!vendor_find(STR("open")), "vendors are found by their whole names");
    test_paths(a);
    arena_free(a);
    return tap_done();
}
