/* What a configuration promises: what is wrong is told with file, line, key and what would be
 * right; and what is right is there, with defaults, fallbacks and servers that were found. */
#include "gateway/config.h"

#include "tap.h"
#include "tempdir.h"

static char dir[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 32];
static struct config *c;
static struct err e;

static bool load(const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    config_unref(c);
    c = NULL;
    return config_load(&c, path, &e);
}

/* `message` stands behind the file's name. */
static const struct {
    const char *text, *message;
} bad[] = {
    {"\n\nlog:\n  file: x\n  level: loud\n",
     ":5: log: 'level' is 'loud'; it must be debug, info, warn or error"},
    {"tls:\n  certificate: a.pem\n", ":2: tls: 'certificate' and 'key' belong together; one is "
                                     "missing"},
    {"tls: {key: a.pem}\n", ":1: tls: 'certificate' and 'key' belong together; one is missing"},
    {"retrieval:\n  chunk_tokens: 100\n  chunk_overlap: 80\n",
     ":3: retrieval: 'chunk_overlap' is more than half of 'chunk_tokens'; it can be 50 at most"},
    {"loops: 1\ndiscover: nowhere\n",
     ":2: 'discover' must be true, false, or addresses such as http://127.0.0.1:8000"},
    {"discover: [\"https://127.0.0.1:1\"]\n", ":1: 'discover' must be true, false, or addresses "},
    {"log:\n  colour: red\n", ":2: unknown key 'colour' in "},
    {"provider: []\n",
     ":1: unknown key 'provider' in the configuration; did you mean 'providers'?"},
    {"models: 7\n", ":1: 'models' must be a list of maps"},
    {"listen: [a\n", ":2: did not find expected ',' or ']'"},
    {"models:\n  - {name: m, context: 1}\n",
     ":2: 'context' is 1; it must lie between 512 and 100000000"},

    /* Providers. */
    {"providers:\n  - {url: \"http://x/v1\"}\n", ":2: a provider needs 'name'"},
    {"providers:\n  - name: p\n    type: opnai\n",
     ":3: provider 'p': 'type' is 'opnai', which is unknown; did you mean 'openai'?"},
    {"providers:\n  - {name: p, type: teapot}\n",
     ":2: provider 'p': 'type' is 'teapot', which is unknown"},
    {"providers:\n  - {name: p}\n", ":2: provider 'p': 'url' is missing: a provider of type "
                                    "'openai-compatible' has no address of its own"},
    {"providers:\n  - name: p\n    url: nowhere\n",
     ":3: provider 'p': 'url': 'nowhere' is no address of a server: it begins with http://"},
    {"providers:\n  - {name: p, url: \"http://x\"}\n  - name: p\n    url: \"http://y\"\n",
     ":3: provider 'p': 'name' is that of another one, too; give it one of its own"},
    {"providers:\n  - {name: extractive, url: \"http://x\"}\n",
     ":2: provider 'extractive': this name is the built-in provider's; choose another"},
    {"providers:\n  - name: s\n    type: static\n",
     ":2: provider 's': 'text' and 'rules' are for providers of type 'static', which need one"},
    {"providers:\n  - name: s\n    url: \"http://x\"\n    text: hello\n",
     ":4: provider 's': 'text' and 'rules' are for providers of type 'static'"},
    {"providers:\n  - {name: s, type: static, rules: [{match: \"?\", text: a}]}\n",
     ":2: provider 's': there is no word in 'match: ?'"},
    {"providers:\n  - {name: a, type: azure, url: \"http://x\"}\n",
     ":2: provider 'a': 'api_version' is for providers of type 'azure', which need it"},
    {"providers:\n  - name: p\n    url: \"http://x\"\n    health_check: {path: \"a b\"}\n",
     ":2: provider 'p': the path of 'health_check' must begin with a slash"},
    {"providers:\n  - {name: p, url: \"http://x\", key: \"a b\"}\n",
     ":2: provider 'p': a key of provider 'p' has a space or a character that is not ASCII"},

    /* Models. */
    {"models:\n  - {name: m, provider: nope}\n",
     ":2: model 'm': the provider 'nope' is not configured"},
    {"providers:\n  - {name: open, url: \"http://x\"}\nmodels:\n  - {name: m, provider: opne}\n",
     ":4: model 'm': the provider 'opne' is not configured; did you mean 'open'?"},
    {"models:\n  - {name: m}\n  - {name: m}\n",
     ":3: model 'm': 'name' is that of another one, too; give it one of its own"},
    {"models:\n  - name: first\n    fallback: secnd\n  - name: second\n",
     ":3: model 'first': 'fallback' names 'secnd', which is not another model; did you mean "
     "'second'?"},
    {"models:\n  - {name: m, fallback: m}\n",
     ":2: model 'm': 'fallback' names 'm', which is not another model"},
    {"models:\n  - name: m\n    balance: fair\n",
     ":3: model 'm': 'balance' must be weighted, least, latency or hash"},
    {"models:\n  - name: m\n    prefill: maybe\n", ":3: model 'm': 'prefill' must be auto, true "},
    {"models:\n  - name: m\n    file_search: maybe\n",
     ":3: model 'm': 'file_search' must be auto, first, more or called"},
    {"models:\n  - name: m\n    unsupported: maybe\n",
     ":3: model 'm': 'unsupported' must be flag, drop or refuse"},
    {"models:\n  - name: m\n    vocabulary: /nope/x\n",
     ":3: model 'm': 'vocabulary': cannot open '/nope/x'"},
    {"models:\n  - name: m\n    upstream: u\n    targets: [{provider: extractive}]\n",
     ":3: model 'm': 'upstream' stands beside 'targets'; write it in each of them"},

    /* What finds passages. */
    {"retrieval:\n  level: 2\n  reranker: nope\n",
     ":3: retrieval: 'reranker' names 'nope', which is no model that can do that"},
    {"retrieval: {ranker: best}\n",
     ":1: retrieval: 'ranker' must be auto, built-in, model, judge "},
    {"retrieval:\n  ranker: judge\n",
     ":2: retrieval: 'ranker' is judge, which needs 'assistant' to be set"},
    {"retrieval:\n  embedder: e\n",
     ":2: retrieval: 'embedder' names 'e', which is none of 'embedders'"},
    {"collections:\n  - name: x\n    ranker: best\n", ":3: collection 'x': 'ranker' must be auto"},
};

static void test_bad(size_t i)
{
    bool good = load(bad[i].text);
    const char *told = e.msg + strlen(path);
    ok(!good && strncmp(e.msg, path, strlen(path)) == 0 &&
           strncmp(told, bad[i].message, strlen(bad[i].message)) == 0,
       "%s", good ? bad[i].text : told);
}

static void test_defaults(void)
{
    struct config *d;
    ok(config_load(&d, NULL, &e) && d->n_listen == 1 && d->n_models == 0, "without a file");
    ok(str_eq(d->extractive_model.name, STR("extractive")) &&
           d->extractive_model.model.n_targets == 1,
       "the engine inside is there");
    config_unref(d);
    ok(load("") && c->n_providers == 0, "an empty file");
    ok(!config_load(&d, "/nope/penstock.yaml", &e) && strstr(e.msg, "/nope/penstock.yaml"),
       "a file that is not there: %s", e.msg);
}

static void test_models(void)
{
    ok(load("providers:\n"
            "  - {name: a, type: anthropic, key: [k1, k2]}\n"
            "  - {name: b, url: [\"http://x/v1\", \"http://y\"], key: k}\n"
            "models:\n"
            "  - name: m\n"
            "    targets: [{provider: a, upstream: claude-3-5-haiku}, {provider: b, weight: 3}]\n"
            "    fallback: [n, extractive]\n"
            "    price_input: 2\n"
            "  - {name: n, provider: b, upstream: u, file_search: called}\n"
            "  - {name: text-moderation, provider: b}\n"),
       "providers and models: %s", e.msg);
    const struct config_model *m = config_model_find(c, STR("m")),
                              *n = config_model_find(c, STR("n"));
    const struct model *x = &m->model;
    ok(x->n_targets == 2 && x->n_places == 3, "a place for each address of each target");
    ok(x->target[0].prefill && !x->target[1].prefill && x->target[1].weight == 3 &&
           str_eq(x->target[1].upstream, STR("m")),
       "targets with what is known of them");
    ok(x->n_fallback == 2 && x->fallback[0] == &n->model &&
           x->fallback[1] == &c->extractive_model.model,
       "fallbacks");
    ok(x->account.input_nusd == 2000 && x->account.cached_nusd == 2000, "prices");
    ok(m->searching == CONFIG_SEARCH_AUTO && n->searching == CONFIG_SEARCH_CALLED, "file_search");
    ok(c->provider[0].provider.n_keys == 2 && c->provider[1].provider.n_endpoints == 2,
       "keys and addresses");
    ok(c->moderation == config_model_find(c, STR("text-moderation")), "who is asked to moderate");
    ok(c->n_checks == 3, "each address can be checked");
    ok(!config_model_find(c, STR("nobody")), "no model of that name");
}

/* Servers that were found take no name and no address that is configured. */
static void test_found(void)
{
    struct config *more;
    struct str models[] = {STR("llama"), STR("m"), STR("extractive"), STR("qwen")};
    const struct config_found found[] = {
        {vendor_find(STR("ollama")), STR("http://127.0.0.1:11434/v1"), models, 4},
        {vendor_find(STR("vllm")), STR("http://127.0.0.1:8000/v1"), models, 1},
        {vendor_find(STR("vllm")), STR("http://127.0.0.1:8001/v1"), models, 1},
        {vendor_find(STR("lmstudio")), STR("http://127.0.0.1:1234/v1"), models + 3, 1},
    };
    ok(load("providers:\n  - {name: mine, url: \"http://localhost:1234/v1\"}\n"
            "  - {name: vllm, url: \"http://elsewhere:8000/v1\"}\n"
            "models:\n  - {name: m, provider: mine}\n"),
       "two that are configured");
    ok(config_load_found(&more, c, found, COUNT(found), &e), "with what was found: %s", e.msg);
    ok(more->n_providers == 5 && str_eq(more->provider[2].name, STR("ollama")) &&
           str_eq(more->provider[3].name, STR("vllm-8000")) &&
           str_eq(more->provider[4].name, STR("vllm-8001")),
       "names are free ones, and what is configured is not found");
    ok(more->n_models == 3 && config_model_find(more, STR("llama")) &&
           config_model_find(more, STR("qwen")),
       "models whose names are free");
    ok(str_eq(config_model_find(more, STR("m"))->provider, STR("mine")), "configured ones stay");
    ok(more->provider[2].found && !more->provider[0].found, "who was found");
    config_unref(more);
    ok(c->n_providers == 2, "the snapshot before is as it was");
}

int main(void)
{
    tempdir_make(dir);
    snprintf(path, sizeof(path), "%s/p.yaml", dir);
    for (size_t i = 0; i < COUNT(bad); i++)
        test_bad(i);
    test_defaults();
    test_models();
    test_found();
    config_unref(c);
    tempdir_remove(dir);
    return tap_done();
}
