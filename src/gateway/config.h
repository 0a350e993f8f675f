/* config.h - the configuration: one YAML file, all of it optional, read into an immutable snapshot.
 *
 * A snapshot is built, checked whole and then published; requests hold a reference to the one they
 * started with. A file with any error builds nothing, and the message names file, line and the
 * nearest right name. The fields, their defaults and their documentation are one table in
 * config.c, from which doc/configuration.md is made.
 *
 * Memory:  a snapshot owns everything in it; config_ref / config_unref.
 * Threads: immutable after config_load; the count is atomic.
 */
#pragma once

#include "answer/retrieve.h"
#include "model/check.h"
#include "model/dispatch.h"

#include <stdatomic.h>

struct config_tls {
    struct str certificate, key; /* PEM files; both or none */
};

struct config_log {
    struct str level, file;
};

struct config_tracing {
    struct str endpoint;
    struct str *headers; /* "name: value" */
    size_t n_headers;
    struct str ca, service_name;
    double sample;
    bool content;
    struct str url; /* of the traces; "" = nobody collects */
};

struct config_limits {
    int64_t body_bytes, header_bytes;
    int64_t request_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t connections;         /* per loop */
    int64_t requests_per_minute; /* per key; 0 = no limit */
    int64_t concurrent_requests; /* per key; 0 = no limit */
};

struct config_check {
    struct str path;
    int64_t interval_ms, timeout_ms;
};

struct config_rule {
    struct str *match;
    size_t n_match;
    struct str text;
};

struct config_provider {
    struct str name, type, ca, api_version, text;
    struct str *url;
    size_t n_urls;
    struct str *key;
    size_t n_keys;
    struct config_rule *rule;
    size_t n_rules;
    bool insecure;
    bool found; /* a local server, not of the file */
    int64_t connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms;
    int64_t concurrency, queue, queue_timeout_ms;
    struct config_check health_check;
    struct tls_client *tls; /* NULL unless a url is https */
    struct provider provider;
};

struct config_target {
    struct str provider, upstream;
    int64_t weight;
};

/* When the tool file_search looks for passages. */
#define CONFIG_SEARCHINGS(X) X(AUTO, "auto") X(FIRST, "first") X(MORE, "more") X(CALLED, "called")
#define X(name, text) CONFIG_SEARCH_##name,
enum config_searching { CONFIG_SEARCHINGS(X) CONFIG_SEARCHING_COUNT };
#undef X

struct config_model {
    struct str name, provider, upstream;
    struct config_target *target; /* in place of provider and upstream */
    size_t n_targets;
    struct str balance;
    struct str *fallback; /* names of models */
    size_t n_fallback;
    struct str *knowledge; /* names of collections that ground its answers */
    size_t n_knowledge;
    struct str vocabulary;  /* a file */
    struct str unsupported; /* name of an answer_policy */
    struct str prefill;     /* "auto", "true", "false" */
    struct str file_search; /* name of a config_searching */
    enum config_searching searching;
    int64_t retrieval_level; /* 0: as the collection has it */
    int64_t context_tokens, attempts, retry_budget_ms, first_token_timeout_ms, hold_back_ms,
        hedge_ms;
    bool coalesce;
    double price_input, price_cached, price_cache_write, price_output; /* dollars per million */
    struct vocab *loaded; /* of `vocabulary`; NULL: none, or another model of this file has it */
    struct model model;
};

struct config_breaker {
    int64_t failures, cooldown_ms;
};

struct config_retrieval {
    int64_t passages;
    int64_t level, candidates, timeout_ms, cache_bytes;
    struct str ranker, reranker, assistant; /* the latter two: names of models */
    struct str embedder;                    /* of `embedders`; "" = the one inside alone */
    enum retrieve_ranker ranks;             /* `ranker`, read */
    const struct model *rerank, *ask;       /* NULL: none */
    struct str rerank_weights;              /* a file; "" = the built-in ones */
    const struct rerank_weights *weights;   /* what stood in it, or NULL */
    int64_t chunk_tokens, chunk_overlap;
};

struct config_retention {
    int64_t responses_ms; /* 0 = for ever */
};

/* A model that turns texts into vectors. */
struct config_embedder {
    struct str name, provider, upstream, version;
    struct str query_prefix, passage_prefix;
    struct str identity; /* "provider/model/version": with a dimension it names a space */
    int64_t dimensions;  /* 0: the model's own */
    int64_t batch, concurrency, timeout_ms;
    struct config_model *model; /* made of it, to be called */
};

/* What holds for a collection of this name in place of what holds for all. */
struct config_collection {
    struct str name;
    int64_t level, candidates; /* 0: as for all */
    struct str ranker, embedder;
    enum retrieve_ranker ranks;
};

struct config_ingest {
    int64_t parallel, file_bytes, memory_bytes, timeout_ms;
    struct str reader;
};

/* A server of this machine that answers on its usual port (gateway/discover.h). */
struct config_found {
    const struct vendor *vendor;
    struct str url;
    struct str *model;
    size_t n_models;
};

struct config {
    struct str *listen;
    size_t n_listen;
    int64_t loops, workers;
    struct config_tls tls;
    struct config_log log;
    struct config_tracing tracing;
    struct config_limits limits;
    struct config_breaker breaker;
    struct config_retrieval retrieval;
    struct config_ingest ingest;
    struct config_retention retention;
    struct str *discover; /* "true", "false", or addresses */
    size_t n_discover;
    struct config_provider *provider;
    size_t n_providers;
    struct config_model *model;
    size_t n_models;
    struct config_embedder *embedder;
    size_t n_embedders;
    struct config_collection *collection;
    size_t n_collections;

    /* The engine inside, which is always there: the model of its name, and of each collection. */
    struct config_provider extractive;
    struct config_model extractive_model;
    struct check_target *check; /* each endpoint of each provider */
    size_t n_checks;
    /* Who is asked for moderations when a request names no model; NULL: nobody has them. */
    const struct config_model *moderation;
    struct config_model moderation_model;
    const char *file; /* as given, NULL = defaults ... */
    struct str text;  /* ... and what stood in it */
    struct arena *arena;
    atomic_int refs;
};

/* `file` NULL gives the defaults. False: ERR_INVALID, "FILE:LINE: what is wrong". */
bool config_load(struct config **out, const char *file, struct err *e);
/* The same again, with these servers as further providers and their models, as far as their names
 * are free and nothing configured has the same address. */
bool config_load_found(struct config **out, const struct config *c,
                       const struct config_found *found, size_t n, struct err *e);
struct config *config_ref(struct config *c);
void config_unref(struct config *c);

/* What lives longer than a snapshot (the gates in front of providers) follows this one from here
 * on: for the one that is published. */
void config_apply(const struct config *c);

/* NULL: nothing is said of it. */
const struct config_collection *config_collection_find(const struct config *c, struct str name);
/* The embedder of a collection; NULL: the one inside alone. */
const struct config_embedder *config_embedder_of(const struct config *c, struct str collection);
const struct config_model *config_model_find(const struct config *c, struct str name);

/* The reference of all fields as Markdown. */
void config_reference(struct buf *out);
