#include "gateway/config_part.h"
#include "answer/answer.h"
#include "base/file.h"
#include "base/log.h"
#include "gateway/fields.h"

#include <stdlib.h>

/* clang-format off */
#define AT(type, member) offsetof(struct type, member)

static const struct field tls_field[] = {
    {"certificate", FIELD_TEXT, AT(config_tls, certificate), .doc = "PEM file with the certificate chain. SIGHUP reads it again."},
    {"key", FIELD_TEXT, AT(config_tls, key), .doc = "PEM file with its private key."},
};
static const struct fields tls_fields = {"tls", sizeof(struct config_tls), tls_field, COUNT(tls_field)};

static const struct field log_field[] = {
    {"level", FIELD_TEXT, AT(config_log, level), "info", "`debug`, `info`, `warn` or `error`."},
    {"file", FIELD_TEXT, AT(config_log, file), .doc = "Where JSON lines go; standard error when not given."},
};
static const struct fields log_fields = {"log", sizeof(struct config_log), log_field, COUNT(log_field)};

static const struct field tracing_field[] = {
    {"endpoint", FIELD_TEXT, AT(config_tracing, endpoint), .doc = "Base URL of a collector that speaks OTLP over HTTP, such as `http://127.0.0.1:4318`; spans go to `/v1/traces` below it. When not given, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` (the whole URL) or `OTEL_EXPORTER_OTLP_ENDPOINT` from the environment; without any of them nothing is traced."},
    {"headers", FIELD_TEXTS, AT(config_tracing, headers), .doc = "Header lines for the collector, such as `Authorization: Bearer ${TOKEN}`."},
    {"ca", FIELD_TEXT, AT(config_tracing, ca), .doc = "PEM file of authorities to trust instead of the system's."},
    {"service_name", FIELD_TEXT, AT(config_tracing, service_name), .doc = "`service.name` of the spans; when not given, `OTEL_SERVICE_NAME` from the environment, else `penstock`."},
    {"sample", FIELD_REAL, AT(config_tracing, sample), "1", "Share of the traces that begin here, from 0 to 1. A request that brings a `traceparent` is recorded when that says so.", .least = 0, .most = 1},
    {"content", FIELD_BOOL, AT(config_tracing, content), "false", "Export prompts and answers too."},
};
static const struct fields tracing_fields = {"tracing", sizeof(struct config_tracing), tracing_field, COUNT(tracing_field)};

static const struct field limits_field[] = {
    {"body", FIELD_BYTES, AT(config_limits, body_bytes), "64 MB", "Largest body of a request; over it 413.", .least = 1024, .most = INT64_C(1) << 30},
    {"headers", FIELD_BYTES, AT(config_limits, header_bytes), "64 KB", "Largest head of a request; over it 431.", .least = 1024, .most = 1 << 20},
    {"request_timeout", FIELD_DURATION, AT(config_limits, request_timeout_ms), "10m", "Longest time for one request, streams included.", .least = 1, .most = 24 * 3600 * 1000},
    {"idle_timeout", FIELD_DURATION, AT(config_limits, idle_timeout_ms), "75s", "How long a connection may stay idle between requests.", .least = 1, .most = 3600 * 1000},
    {"connections", FIELD_COUNT, AT(config_limits, connections), "20000", "Open connections for each loop thread, and streams of HTTP/2.", .least = 1, .most = 1000000},
    {"requests_per_minute", FIELD_COUNT, AT(config_limits, requests_per_minute), "0", "For each API key; 0 is no limit. Over it 429 with `Retry-After`.", .least = 0, .most = 1000000000},
    {"concurrent_requests", FIELD_COUNT, AT(config_limits, concurrent_requests), "0", "For each API key; 0 is no limit. Over it 429.", .least = 0, .most = 1000000},
};
static const struct fields limits_fields = {"limits", sizeof(struct config_limits), limits_field, COUNT(limits_field)};

static const struct field ingest_field[] = {
    {"parallel", FIELD_COUNT, AT(config_ingest, parallel), "0", "Documents that are read at once; 0 is one for each core.", .least = 0, .most = 256},
    {"file_size", FIELD_BYTES, AT(config_ingest, file_bytes), "512 MB", "Largest document.", .least = 1024, .most = INT64_C(8) << 30},
    {"reader_memory", FIELD_BYTES, AT(config_ingest, memory_bytes), "1 GB", "Memory that reading one document may take.", .least = 64 << 20, .most = INT64_C(64) << 30},
    {"reader_timeout", FIELD_DURATION, AT(config_ingest, timeout_ms), "60s", "Time that reading one document may take.", .least = 100, .most = 3600 * 1000},
    {"reader", FIELD_TEXT, AT(config_ingest, reader), .doc = "Path of `penstock-reader`; found beside the program when not given."},
};
static const struct fields ingest_fields = {"ingest", sizeof(struct config_ingest), ingest_field, COUNT(ingest_field)};

static const struct field retention_field[] = {
    {"responses", FIELD_DURATION, AT(config_retention, responses_ms), "720h", "How long answers to `/v1/responses` are kept after the last one of their conversation; 0 is until they are deleted.", .least = 0, .most = INT64_C(1) << 40},
};
static const struct fields retention_fields = {"retention", sizeof(struct config_retention), retention_field, COUNT(retention_field)};

static const struct field check_field[] = {
    {"path", FIELD_TEXT, AT(config_check, path), .doc = "What is asked for at each address, such as `/health` or `/v1/models`, from the root of the server; without it nothing is."},
    {"interval", FIELD_DURATION, AT(config_check, interval_ms), "10s", "How often.", .least = 100, .most = 3600000},
    {"timeout", FIELD_DURATION, AT(config_check, timeout_ms), "2s", "How long an answer may take.", .least = 1, .most = 600000},
};
static const struct fields check_fields = {"health_check", sizeof(struct config_check), check_field, COUNT(check_field)};

static const struct field rule_field[] = {
    {"match", FIELD_TEXTS, AT(config_rule, match), .doc = "Words or a phrase, or a list of them: one of these stands in the last message of the user, whatever its case.", .required = true},
    {"text", FIELD_TEXT, AT(config_rule, text), .doc = "The answer.", .required = true},
};
static const struct fields rule_fields = {"a rule", sizeof(struct config_rule), rule_field, COUNT(rule_field)};

static const struct field provider_field[] = {
    {"name", FIELD_TEXT, AT(config_provider, name), .doc = "What models refer to.", .required = true},
    {"type", FIELD_TEXT, AT(config_provider, type), "openai-compatible", "Who made the server: `openai`, `anthropic`, `azure`; `ollama`, `vllm`, `sglang`, `llama.cpp`, `lmstudio`, `tgi`, `tei` (embeddings and rankings); `mistral`, `groq`, `openrouter`, `deepseek`, `xai`, `gemini`, `together`, `fireworks`, `deepinfra`, `cerebras`, `nvidia`, `moonshot`, `huggingface`, `perplexity`, `cohere`, `jina`; `openai-compatible`: any other that speaks OpenAI's protocol; `static`: answers with `text` or by `rules`."},
    {"url", FIELD_TEXTS, AT(config_provider, url), .doc = "Base URL with its path, such as `https://api.openai.com/v1`, or a list of those that serve the same; of `anthropic` with or without `/v1`; each type that is a service or a local server has its own for when it is not given."},
    {"key", FIELD_SECRETS, AT(config_provider, key), .doc = "API key, best as `${NAME}` or `file:PATH`, or a list of keys that are used in turn."},
    {"api_version", FIELD_TEXT, AT(config_provider, api_version), .doc = "Azure's `api-version`."},
    {"text", FIELD_TEXT, AT(config_provider, text), .doc = "What a `static` provider answers when none of its `rules` matches. Without it the next model of the chain is asked then."},
    {"rules", FIELD_STRUCTS, AT(config_provider, rule), .doc = "What a `static` provider answers: the first rule that matches.", .inner = &rule_fields},
    {"ca", FIELD_TEXT, AT(config_provider, ca), .doc = "PEM file of authorities to trust instead of the system's."},
    {"insecure", FIELD_BOOL, AT(config_provider, insecure), "false", "Accept any certificate. Only for tests."},
    {"connect_timeout", FIELD_DURATION, AT(config_provider, connect_timeout_ms), "5s", "To connect, TLS included.", .least = 1, .most = 600000},
    {"first_byte_timeout", FIELD_DURATION, AT(config_provider, first_byte_timeout_ms), "60s", "From the request sent to the first byte of the answer.", .least = 1, .most = 3600000},
    {"idle_timeout", FIELD_DURATION, AT(config_provider, idle_timeout_ms), "60s", "Between pieces of the answer.", .least = 1, .most = 3600000},
    {"concurrency", FIELD_COUNT, AT(config_provider, concurrency), "0", "Calls at the same time at most; 0 is only the limit that is found when the provider is overloaded.", .least = 0, .most = 1000000},
    {"queue", FIELD_COUNT, AT(config_provider, queue), "1000", "Calls that may wait for their turn; over it 429.", .least = 1, .most = 1000000},
    {"queue_timeout", FIELD_DURATION, AT(config_provider, queue_timeout_ms), "10s", "How long a call may wait for its turn.", .least = 1, .most = 600000},
    {"health_check", FIELD_STRUCT, AT(config_provider, health_check), .doc = "Asks each address by itself whether it answers. Two failures in a row, and calls go elsewhere until it does.", .inner = &check_fields},
};
const struct fields config_provider_fields = {"a provider", sizeof(struct config_provider), provider_field, COUNT(provider_field)};

static const struct field target_field[] = {
    {"provider", FIELD_TEXT, AT(config_target, provider), .doc = "Name of a provider.", .required = true},
    {"upstream", FIELD_TEXT, AT(config_target, upstream), .doc = "The provider's name for the model, when it differs."},
    {"weight", FIELD_COUNT, AT(config_target, weight), "1", "Its share.", .least = 1, .most = 1000000},
};
static const struct fields target_fields = {"a target", sizeof(struct config_target), target_field, COUNT(target_field)};

static const struct field model_field[] = {
    {"name", FIELD_TEXT, AT(config_model, name), .doc = "What clients ask for.", .required = true},
    {"provider", FIELD_TEXT, AT(config_model, provider), "extractive", "Name of a provider, or `extractive`: the built-in engine that quotes the best sentences."},
    {"upstream", FIELD_TEXT, AT(config_model, upstream), .doc = "The provider's name for it, when it differs."},
    {"targets", FIELD_STRUCTS, AT(config_model, target), .doc = "Several providers that serve the same model, in place of `provider` and `upstream`.", .inner = &target_fields},
    {"balance", FIELD_TEXT, AT(config_model, balance), "weighted", "How calls are shared among targets and addresses: `weighted`, `least` (outstanding calls), `latency`, or `hash` (a conversation stays where its beginning is cached)."},
    {"fallback", FIELD_TEXTS, AT(config_model, fallback), .doc = "Models that are asked in this order when this one fails."},
    {"knowledge", FIELD_TEXTS, AT(config_model, knowledge), .doc = "Collections whose passages ground every answer of this model."},
    {"unsupported", FIELD_TEXT, AT(config_model, unsupported), "flag", "What becomes of a sentence of an answer from `knowledge` that the passages do not support: `flag`: it is sent and marked; `drop`: it is left out; `refuse`: the answer ends there, and one that is not streamed is withheld."},
    {"retrieval_level", FIELD_COUNT, AT(config_model, retrieval_level), "0", "How its passages are found, as `level` in `retrieval`; 0 is what the collection has.", .least = 0, .most = 4},
    {"context", FIELD_COUNT, AT(config_model, context_tokens), "8192", "The model's window in tokens.", .least = 512, .most = 100000000},
    {"vocabulary", FIELD_TEXT, AT(config_model, vocabulary), .doc = "File with the model's tokens: tiktoken's ranks (`o200k_base.tiktoken`) or a Hugging Face `tokenizer.json` of byte-level BPE. Prompts, passages and the context budget are then counted exactly; without it tokens are estimated."},
    {"attempts", FIELD_COUNT, AT(config_model, attempts), "4", "How often providers are asked for one answer at most.", .least = 1, .most = 6},
    {"retry_budget", FIELD_DURATION, AT(config_model, retry_budget_ms), "3s", "How long the pauses before further attempts may take in all.", .least = 0, .most = 600000},
    {"first_token_timeout", FIELD_DURATION, AT(config_model, first_token_timeout_ms), "0s", "A stream that has not said a word by then is given up for the next target; 0 is the provider's own times alone.", .least = 0, .most = 3600000},
    {"hold_back", FIELD_DURATION, AT(config_model, hold_back_ms), "0s", "The first words of a stream are held so long, so that an answer that breaks off early can begin anew.", .least = 0, .most = 60000},
    {"hedge", FIELD_DURATION, AT(config_model, hedge_ms), "0s", "When the first attempt has been silent for so long a second one starts beside it, at the next target if there is one; whoever speaks first answers, and the other costs nothing. 0 is never.", .least = 0, .most = 600000},
    {"coalesce", FIELD_BOOL, AT(config_model, coalesce), "false", "Requests of a tenant with the same body that are in flight at the same time share one call and its answer."},
    {"prefill", FIELD_TEXT, AT(config_model, prefill), "auto", "Can the model continue an answer that the request has begun? Such a one takes up streams that break off. `auto`: where it is known."},
    {"file_search", FIELD_TEXT, AT(config_model, file_search), "auto", "When the tool `file_search` looks for passages. `first`: before the model is asked, always. `more`: so, and the model may call it to find more. `called`: only when the model calls it; it may answer without. `auto`: `more` where the models behind are known to call functions or the request has some of its own, else `first`."},
    {"price_input", FIELD_REAL, AT(config_model, price_input), "0", "Dollars for a million tokens in.", .least = 0, .most = 1000000},
    {"price_cached", FIELD_REAL, AT(config_model, price_cached), "-1", "Dollars for a million tokens in that the provider had cached; -1 is the same as `price_input`.", .least = -1, .most = 1000000},
    {"price_cache_write", FIELD_REAL, AT(config_model, price_cache_write), "-1", "Dollars for a million tokens in that the provider put into its cache; -1 is the same as `price_input`.", .least = -1, .most = 1000000},
    {"price_output", FIELD_REAL, AT(config_model, price_output), "0", "Dollars for a million tokens out.", .least = 0, .most = 1000000},
};
const struct fields config_model_fields = {"a model", sizeof(struct config_model), model_field, COUNT(model_field)};

static const struct field breaker_field[] = {
    {"failures", FIELD_COUNT, AT(config_breaker, failures), "10", "So many failures in a row keep calls away from an address; half of at least twenty calls within 30 seconds do so too.", .least = 1, .most = 1000000},
    {"cooldown", FIELD_DURATION, AT(config_breaker, cooldown_ms), "2s", "How long, before a single call tries again. It doubles up to 15 seconds while that fails.", .least = 1, .most = 15000},
};
static const struct fields breaker_fields = {"breaker", sizeof(struct config_breaker), breaker_field, COUNT(breaker_field)};

static const struct field root_field[] = {
    {"listen", FIELD_TEXTS, AT(config, listen), "127.0.0.1:8080", "Addresses: `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`."},
    {"loops", FIELD_COUNT, AT(config, loops), "0", "Loop threads; 0 is one for each core.", .least = 0, .most = 256},
    {"workers", FIELD_COUNT, AT(config, workers), "0", "Worker threads; 0 is one for each core, at least 2.", .least = 0, .most = 1024},
    {"tls", FIELD_STRUCT, AT(config, tls), .doc = "TLS in front; plain HTTP when not given.", .inner = &tls_fields},
    {"log", FIELD_STRUCT, AT(config, log), .doc = "The log.", .inner = &log_fields},
    {"tracing", FIELD_STRUCT, AT(config, tracing), .doc = "Where traces go.", .inner = &tracing_fields},
    {"limits", FIELD_STRUCT, AT(config, limits), .doc = "What one client may ask for.", .inner = &limits_fields},
    {"retrieval", FIELD_STRUCT, AT(config, retrieval), .doc = "How documents are cut and searched.", .inner = &config_retrieval_fields},
    {"ingest", FIELD_STRUCT, AT(config, ingest), .doc = "How documents are read.", .inner = &ingest_fields},
    {"retention", FIELD_STRUCT, AT(config, retention), .doc = "When what was kept is deleted.", .inner = &retention_fields},
    {"discover", FIELD_TEXTS, AT(config, discover), "true", "Servers on this machine that answer on the usual port of their kind (Ollama, vLLM, llama.cpp, LM Studio, TGI) are providers of that name, and their models can be used; looked for at start and every 30 s. `false`: not looked for; a list of addresses: looked for there instead."},
    {"breaker", FIELD_STRUCT, AT(config, breaker), .doc = "When providers that fail are left alone.", .inner = &breaker_fields},
    {"providers", FIELD_STRUCTS, AT(config, provider), .doc = "Servers that answer.", .inner = &config_provider_fields},
    {"models", FIELD_STRUCTS, AT(config, model), .doc = "Names that clients ask for. Each collection is also a model of its own name, answered by `extractive`.", .inner = &config_model_fields},
    {"embedders", FIELD_STRUCTS, AT(config, embedder), .doc = "Models that turn texts into vectors.", .inner = &config_embedder_fields},
    {"collections", FIELD_STRUCTS, AT(config, collection), .doc = "What holds for collections of these names in place of what `retrieval` says.", .inner = &config_collection_fields},
};
static const struct fields root_fields = {"the configuration", sizeof(struct config), root_field, COUNT(root_field)};
/* clang-format on */

/* Some vendors' paths begin with the version; their addresses are written with it or without. */
static void trim_version(struct http_origin *o, const struct vendor *v)
{
    static const struct str version = STR_INIT("/v1");
    if (v->models && str_starts(str_from(v->models), version) && str_ends(o->base_path, version))
        o->base_path.len -= version.len;
}

static bool add_endpoint(struct config *c, struct config_provider *p, struct str url, struct err *e)
{
    struct provider_endpoint *to = &p->provider.endpoint[p->provider.n_endpoints++];
    to->url = url;
    if (!http_origin_parse(&to->origin, c->arena, url, e))
        return err_prefix(e, "'url': ");
    trim_version(&to->origin, p->provider.vendor);
    if (!to->origin.https)
        return true;
    const char *ca = p->ca.len ? arena_text(c->arena, p->ca) : NULL;
    if (!p->tls && !tls_client_new(&p->tls, ca, p->insecure, e))
        return false;
    to->origin.tls = p->tls;
    return true;
}

/* A path goes into the first line of a request as it is. */
static bool is_path(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 127)
            return false;
    return s.p[0] == '/';
}

/* What the vendor needs, and no more. */
static bool check_provider(const struct config_provider *p, const struct vendor *v, struct err *e)
{
    bool local = v->kind->dialect == CHAT_NO_DIALECT;
    if (str_eq(p->name, STR("extractive")))
        return err_set(e, ERR_INVALID, "this name is the built-in provider's; choose another");
    if (!local && !p->n_urls && !v->url)
        return err_set(e, ERR_INVALID,
                       "'url' is missing: a provider of type '%s' has no address of its own",
                       v->name);
    if (local && p->n_urls)
        return err_set(e, ERR_INVALID, "a provider of type '%s' has no 'url'", v->name);
    if ((v->kind == &provider_static) != (p->text.len > 0 || p->n_rules > 0))
        return err_set(e, ERR_INVALID,
                       "'text' and 'rules' are for providers of type 'static', which need one");
    if ((v->query != NULL) != (p->api_version.len > 0))
        return err_set(e, ERR_INVALID,
                       "'api_version' is for providers of type 'azure', which need it");
    if (p->health_check.path.len && !is_path(p->health_check.path))
        return err_set(e, ERR_INVALID,
                       "the path of 'health_check' must begin with a slash and have "
                       "no spaces");
    return true;
}

static bool make_rules(struct config *c, const struct config_provider *p, struct provider *to,
                       struct err *e)
{
    to->n_rules = p->n_rules;
    to->rule = arena_array(c->arena, struct static_rule, p->n_rules);
    for (size_t i = 0; i < p->n_rules; i++) {
        const struct config_rule *from = &p->rule[i];
        struct static_rule *rule = &to->rule[i];
        *rule = (struct static_rule){.n = from->n_match, .text = from->text};
        rule->phrase = arena_array(c->arena, struct str, from->n_match);
        for (size_t k = 0; k < from->n_match; k++) {
            rule->phrase[k] = static_text_words(from->match[k], c->arena);
            if (!rule->phrase[k].len)
                return err_set(e, ERR_INVALID, "there is no word in 'match: %.*s'",
                               STR_FMT(from->match[k]));
        }
        if (!rule->n || !rule->text.len)
            return err_set(e, ERR_INVALID, "a rule needs 'match' and 'text'");
    }
    return true;
}

static struct str vendor_name(const void *ctx, size_t i)
{
    size_t n;
    const struct vendor *v = vendor_list(&n);
    (void)ctx;
    return i < n ? str_from(v[i].name) : STR_NONE;
}

static struct str provider_name(const void *ctx, size_t i)
{
    const struct config *c = ctx;
    return i < c->n_providers ? c->provider[i].name : STR_NONE;
}

static struct str model_name(const void *ctx, size_t i)
{
    const struct config *c = ctx;
    return i < c->n_models ? c->model[i].name : STR_NONE;
}

static bool make_provider(struct config *c, struct config_provider *p, struct err *e)
{
    struct provider *to = &p->provider;
    const struct vendor *v = vendor_find(p->type);
    if (!v)
        return err_set(e, ERR_INVALID, "'type' is '%.*s', which is unknown%.*s", STR_FMT(p->type),
                       STR_FMT(config_nearest(c, p->type, vendor_name, NULL)));
    if (!check_provider(p, v, e) || !provider_init(to, c->arena, p->name, v, p->key, p->n_keys, e))
        return false;
    size_t n = p->n_urls ? p->n_urls : v->url ? 1 : 0;
    to->endpoint = arena_array(c->arena, struct provider_endpoint, n);
    for (size_t i = 0; i < n; i++)
        if (!add_endpoint(c, p, p->n_urls ? p->url[i] : str_from(v->url), e))
            return false;
    to->deadlines = (struct http_deadlines){.connect_ms = p->connect_timeout_ms,
                                            .first_byte_ms = p->first_byte_timeout_ms,
                                            .idle_ms = p->idle_timeout_ms};
    to->api_version = p->api_version;
    to->text = p->text;
    return make_rules(c, p, to, e);
}

/* The name of the engine inside is nobody else's, whatever the file says. */
static const struct provider *provider_find(const struct config *c, struct str name)
{
    if (str_eq(name, STR("extractive")))
        return &c->extractive.provider;
    for (size_t i = 0; i < c->n_providers; i++)
        if (str_eq(c->provider[i].name, name))
            return &c->provider[i].provider;
    return NULL;
}

const struct config_model *config_model_find(const struct config *c, struct str name)
{
    for (size_t i = 0; i < c->n_models; i++)
        if (str_eq(c->model[i].name, name))
            return &c->model[i];
    return NULL;
}

/* Dollars for a million tokens to nano-dollars for one; below zero: as for other input. */
static int64_t nusd(double dollars, int64_t otherwise)
{
    return dollars < 0 ? otherwise : (int64_t)(dollars * 1000 + 0.5);
}

static void make_account(const struct config_model *m, struct account *a)
{
    account_init(a, m->name);
    a->input_nusd = nusd(m->price_input, 0);
    a->cached_nusd = nusd(m->price_cached, a->input_nusd);
    a->cache_write_nusd = nusd(m->price_cache_write, a->input_nusd);
    a->output_nusd = nusd(m->price_output, 0);
}

static bool make_target(const struct config *c, const struct config_model *m,
                        const struct config_target *from, struct target *to, struct err *e)
{
    *to = (struct target){
        .provider = provider_find(c, from->provider),
        .upstream = from->upstream.len ? from->upstream : m->name,
        .weight = (uint32_t)from->weight,
        .context_tokens = m->context_tokens,
        .account = &m->model.account,
    };
    if (!to->provider)
        return err_set(e, ERR_INVALID, "the provider '%.*s' is not configured%.*s",
                       STR_FMT(from->provider),
                       STR_FMT(config_nearest(c, from->provider, provider_name, c)));
    to->logged = log_made(
        c->arena,
        (struct log_field[]){kv("provider", to->provider->name), kv("upstream", to->upstream)}, 2);
    to->prefill = str_eq(m->prefill, STR("auto"))
                      ? vendor_prefills(to->provider->vendor, to->upstream)
                      : str_eq(m->prefill, STR("true"));
    return true;
}

/* OpenTelemetry's own variables stand in for what the file does not say. */
static void build_tracing(struct config *c)
{
    struct config_tracing *t = &c->tracing;
    struct str whole = str_from(getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"));
    if (!t->endpoint.len && !whole.len)
        t->endpoint = str_from(getenv("OTEL_EXPORTER_OTLP_ENDPOINT"));
    while (str_ends(t->endpoint, STR("/")))
        t->endpoint.len--;
    if (t->endpoint.len)
        t->url = arena_printf(c->arena, "%.*s/v1/traces", STR_FMT(t->endpoint));
    else
        t->url = arena_copy(c->arena, whole);
    if (!t->service_name.len)
        t->service_name = arena_copy(c->arena, str_from(getenv("OTEL_SERVICE_NAME")));
    if (!t->service_name.len)
        t->service_name = STR("penstock");
}

static bool read_searching(struct config_model *m, struct err *e)
{
    static const char *const names[] = {
#define X(name, text) text,
        CONFIG_SEARCHINGS(X)
#undef X
    };
    while (m->searching < CONFIG_SEARCHING_COUNT &&
           !str_eq(m->file_search, str_from(names[m->searching])))
        m->searching++;
    return m->searching < CONFIG_SEARCHING_COUNT ||
           err_set(e, ERR_INVALID, "'file_search' must be auto, first, more or called");
}

/* A file is loaded once, however many models name it. */
static bool load_vocabulary(const struct config *c, struct config_model *m, struct err *e)
{
    for (const struct config_model *o = c->model; m->vocabulary.len && o < m; o++)
        if (str_eq(o->vocabulary, m->vocabulary)) {
            m->model.vocabulary = o->model.vocabulary;
            return true;
        }
    if (m->vocabulary.len && !vocab_load(&m->loaded, arena_text(c->arena, m->vocabulary), e))
        return err_prefix(e, "'vocabulary': ");
    m->model.vocabulary = m->loaded;
    return true;
}

static bool make_model(struct config *c, struct config_model *m, struct err *e)
{
    struct model *to = &m->model;
    const struct config_target alone = {m->provider, m->upstream, 1};
    const struct config_target *from = m->n_targets ? m->target : &alone;
    *to = (struct model){
        .name = m->name,
        .n_targets = m->n_targets ? m->n_targets : 1,
        .context_tokens = m->context_tokens,
        .max_attempts = (int)m->attempts,
        .retry_budget_ms = m->retry_budget_ms,
        .first_token_ms = m->first_token_timeout_ms,
        .hold_back_ms = m->hold_back_ms,
        .hedge_ms = m->hedge_ms,
        .coalesce = m->coalesce,
    };
    make_account(m, &to->account);
    to->unsupported = answer_policy_from(m->unsupported);
    if (to->unsupported == ANSWER_POLICY_COUNT)
        return err_set(e, ERR_INVALID, "'unsupported' must be flag, drop or refuse");
    if (m->n_targets && m->upstream.len)
        return err_set(e, ERR_INVALID,
                       "'upstream' stands beside 'targets'; write it in each of them");
    if (!str_eq(m->prefill, STR("auto")) && !str_eq(m->prefill, STR("true")) &&
        !str_eq(m->prefill, STR("false")))
        return err_set(e, ERR_INVALID, "'prefill' must be auto, true or false");
    while (to->balance < BALANCE_COUNT && !str_eq(m->balance, str_from(balance_name(to->balance))))
        to->balance++;
    if (to->balance == BALANCE_COUNT)
        return err_set(e, ERR_INVALID, "'balance' must be weighted, least, latency or hash");
    to->target = arena_array(c->arena, struct target, to->n_targets);
    for (size_t i = 0; i < to->n_targets; i++)
        if (!make_target(c, m, &from[i], &to->target[i], e))
            return false;
    return read_searching(m, e) && load_vocabulary(c, m, e) && model_places(to, c->arena, e);
}

/* A model's own fallbacks are not asked on behalf of another. */
static bool link_fallbacks(struct config *c, struct config_model *m, struct err *e)
{
    m->model.fallback = arena_array(c->arena, const struct model *, m->n_fallback);
    for (size_t i = 0; i < m->n_fallback; i++) {
        const struct config_model *f = config_model_find(c, m->fallback[i]);
        if (!f && str_eq(m->fallback[i], c->extractive_model.name))
            f = &c->extractive_model;
        if (!f || f == m)
            return err_set(
                e, ERR_INVALID, "'fallback' names '%.*s', which is not another model%.*s",
                STR_FMT(m->fallback[i]), STR_FMT(config_nearest(c, m->fallback[i], model_name, c)));
        m->model.fallback[m->model.n_fallback++] = &f->model;
    }
    return true;
}

static bool build_providers(struct config *c, const struct yaml *root, const char *file,
                            struct err *e)
{
    for (size_t i = 0; i < c->n_providers; i++) {
        struct config_provider *p = &c->provider[i];
        if (!make_provider(c, p, e))
            return config_entry_failed(root, file, "providers", i, "provider", p->name, e);
        if (provider_find(c, p->name) != &p->provider) {
            err_set(e, ERR_INVALID, "'name' is that of another one, too; give it one of its own");
            return config_entry_failed(root, file, "providers", i, "provider", p->name, e);
        }
    }
    return true;
}

static void add_checks(struct config *c, const struct config_provider *p)
{
    const struct config_check *h = &p->health_check;
    for (size_t i = 0; i < p->provider.n_endpoints; i++) {
        const struct provider_endpoint *at = &p->provider.endpoint[i];
        struct check_target *to = &c->check[c->n_checks++];
        *to = (struct check_target){
            .provider = p->name,
            .endpoint = at->url,
            .origin = at->origin,
            .path = h->path,
            .lines = p->provider.key[0].lines,
            .interval_ms = h->interval_ms,
            .timeout_ms = h->timeout_ms,
        };
        to->origin.base_path = STR_NONE;
    }
}

static void build_checks(struct config *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_providers; i++)
        n += c->provider[i].provider.n_endpoints;
    c->check = arena_array(c->arena, struct check_target, n);
    for (size_t i = 0; i < c->n_providers; i++)
        add_checks(c, &c->provider[i]);
}

static bool build_models(struct config *c, const struct yaml *root, const char *file, struct err *e)
{
    bool good = true;
    for (size_t i = 0; good && i < c->n_models; i++) {
        struct config_model *m = &c->model[i];
        good = config_model_find(c, m->name) == m
                   ? make_model(c, m, e)
                   : err_set(e, ERR_INVALID,
                             "'name' is that of another one, too; give it one of its own");
        if (!good)
            config_entry_failed(root, file, "models", i, "model", m->name, e);
    }
    for (size_t i = 0; good && i < c->n_models; i++) {
        good = link_fallbacks(c, &c->model[i], e);
        if (!good)
            config_entry_failed(root, file, "models", i, "model", c->model[i].name, e);
    }
    return good;
}

/* The engine inside, with the settings that a model has when none are given. */
static bool build_extractive(struct config *c, struct err *e)
{
    const struct str name = STR("extractive");
    return provider_init(&c->extractive.provider, c->arena, name, vendor_find(name), NULL, 0, e) &&
           fields_fill(&config_model_fields, &c->extractive_model, NULL, c->arena, "defaults", e) &&
           (c->extractive_model.name = name, make_model(c, &c->extractive_model, e));
}

/* The first model that is named after it, else what the first provider that has moderations takes
 * when no model is named. */
static bool build_moderation(struct config *c, struct err *e)
{
    static const struct str what = STR_INIT("moderation");
    struct config_model *m = &c->moderation_model;
    for (size_t i = 0; !c->moderation && i < c->n_models; i++)
        if (str_find(c->model[i].name, what) != STR_NPOS ||
            str_find(c->model[i].upstream, what) != STR_NPOS)
            c->moderation = &c->model[i];
    for (size_t i = 0; !c->moderation && i < c->n_providers; i++) {
        if (!provider_can(&c->provider[i].provider, OP_MODERATION))
            continue;
        if (!fields_fill(&config_model_fields, m, NULL, c->arena, "defaults", e))
            return false;
        m->name = what;
        m->provider = c->provider[i].name;
        if (!make_model(c, m, e))
            return false;
        m->model.target[0].upstream = STR_NONE;
        c->moderation = m;
    }
    return true;
}

/* ---- For config_retrieval.c ---- */

bool config_model_make(struct config *c, struct config_model *m, struct str name,
                       struct str provider, struct str upstream, struct err *e)
{
    if (!fields_fill(&config_model_fields, m, NULL, c->arena, "defaults", e))
        return false;
    m->name = name;
    m->provider = provider;
    m->upstream = upstream;
    return make_model(c, m, e);
}

/* ---- The whole ---- */

static bool check_discover(const struct config *c, const struct yaml *root, const char *file,
                           struct err *e)
{
    struct http_origin o;
    if (c->n_discover == 1 &&
        (str_eq(c->discover[0], STR("true")) || str_eq(c->discover[0], STR("false"))))
        return true;
    for (size_t i = 0; i < c->n_discover; i++)
        if (!http_origin_parse(&o, c->arena, c->discover[i], e) || o.https)
            return config_wrong(
                root, file, NULL, e,
                "'discover' must be true, false, or addresses such as http://127.0.0.1:8000");
    return true;
}

static bool build(struct config *c, const struct yaml *root, const char *file, struct err *e)
{
    enum log_level level;
    if (!log_level_parse(c->log.level, &level))
        return config_wrong(root, file, "log", e,
                            "'level' is '%.*s'; it must be debug, info, warn or "
                            "error",
                            STR_FMT(c->log.level));
    if (!c->tls.certificate.len != !c->tls.key.len)
        return config_wrong(root, file, "tls", e,
                            "'certificate' and 'key' belong together; one is missing");
    if (c->retrieval.chunk_overlap > c->retrieval.chunk_tokens / 2)
        return config_wrong(
            root, file, "retrieval", e,
            "'chunk_overlap' is more than half of 'chunk_tokens'; it can be %d at most",
            (int)(c->retrieval.chunk_tokens / 2));
    build_tracing(c);
    if (!build_extractive(c, e) || !build_providers(c, root, file, e) ||
        !build_models(c, root, file, e) || !build_moderation(c, e) ||
        !config_retrieval_build(c, root, file, e))
        return false;
    build_checks(c);
    return true;
}

static bool load(struct config *c, const struct config_found *found, size_t n_found, struct err *e)
{
    const char *name = c->file ? c->file : "defaults";
    struct yaml *root = NULL;
    if (c->file && !yaml_parse(&root, c->arena, c->file, c->text, e))
        return false;
    /* Filling writes field by field, so what is set before stays. */
    return fields_fill(&root_fields, c, root, c->arena, name, e) &&
           check_discover(c, root, name, e) &&
           (!n_found || config_found_add(c, found, n_found, e)) && build(c, root, name, e);
}

static struct config *new_config(const char *file)
{
    struct arena *a = arena_new();
    struct config *c = arena_struct(a, struct config);
    c->arena = a;
    c->file = file ? arena_text(a, str_from(file)) : NULL;
    atomic_init(&c->refs, 1);
    return c;
}

bool config_load(struct config **out, const char *file, struct err *e)
{
    struct config *c = new_config(file);
    if ((!file || file_read(&c->text, c->arena, file, 1 << 20, e)) && load(c, NULL, 0, e)) {
        *out = c;
        return true;
    }
    config_unref(c);
    return false;
}

bool config_load_found(struct config **out, const struct config *c,
                       const struct config_found *found, size_t n, struct err *e)
{
    struct config *next = new_config(c->file);
    next->text = arena_copy(next->arena, c->text);
    if (load(next, found, n, e)) {
        *out = next;
        return true;
    }
    config_unref(next);
    return false;
}

struct config *config_ref(struct config *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void config_unref(struct config *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < c->n_providers; i++)
        tls_client_free(c->provider[i].tls);
    for (size_t i = 0; i < c->n_models; i++)
        vocab_unref(c->model[i].loaded);
    arena_free(c->arena);
}

void config_apply(const struct config *c)
{
    health_configure(&(struct health_options){.failures = (int)c->breaker.failures,
                                              .cooldown_ms = c->breaker.cooldown_ms});
    for (size_t i = 0; i < c->n_providers; i++) {
        const struct config_provider *p = &c->provider[i];
        if (p->provider.gate)
            gate_configure(p->provider.gate,
                           &(struct gate_options){.most = p->concurrency,
                                                  .queue_length = p->queue,
                                                  .queue_timeout_ms = p->queue_timeout_ms});
    }
}

void config_reference(struct buf *out)
{
    buf_add(out, STR("# Configuration reference\n\n"
                     "`penstock serve --config FILE` reads one YAML file. Everything in it is "
                     "optional. `${NAME}` in a value is replaced from the environment. An unknown "
                     "key, a wrong type or a value out of range is an error that names the line. "
                     "SIGHUP reads the file again; a file with an error changes nothing.\n\n"
                     "This page is printed by `penstock config reference`.\n\n"));
    fields_reference(&root_fields, "Top level", out);
}
