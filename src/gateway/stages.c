#include "gateway/stages.h"
#include "answer/answer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "gateway/caller.h"
#include "gateway/flight.h"
#include "gateway/knowledge.h"
#include "gateway/retrieval.h"
#include "gateway/transcript.h"

/* ---- identify ---- */

/* Someone who can open the socket in the data directory owns everything in it. */
static const struct key_info local_owner = {.id = "local",
                                            .tenant = KEY_DEFAULT_TENANT,
                                            .name = "local socket",
                                            .role = KEY_ADMIN,
                                            .acts_for_users = true};

static bool take_key(struct str value, struct str *key, struct err *e)
{
    if (key->p && !str_eq(*key, value))
        return err_set(e, ERR_AUTH, "the request carries two different API keys");
    *key = value;
    return true;
}

static bool bearer(const struct http_headers *headers, struct str *key, struct err *e)
{
    const struct http_header *at = NULL;
    *key = STR_NONE;
    while ((at = http_header_next(headers, STR("Authorization"), at))) {
        if (!str_istarts(at->value, STR("Bearer ")))
            return err_set(e, ERR_AUTH, "the Authorization header must be 'Bearer KEY'");
        if (!take_key(str_trim(str_from_at(at->value, 7)), key, e))
            return false;
    }
    while ((at = http_header_next(headers, STR("x-api-key"), at)))
        if (!take_key(at->value, key, e))
            return false;
    return key->p ||
           err_set(e, ERR_AUTH, "no API key was given; send it as 'Authorization: Bearer KEY'");
}

static bool identify(struct request *r, struct err *e)
{
    struct str key;
    if (r->http->local) {
        r->call.key = &local_owner;
        return caller_identify(r, e);
    }
    if (!bearer(&r->http->head.headers, &key, e))
        return false;
    r->call.key = key_check(r->service->keys, key);
    if (!r->call.key)
        return err_set(e, ERR_AUTH, "the API key is not valid");
    if (r->call.key->role < r->route->role)
        return err_set(e, ERR_FORBIDDEN, "this key has the role '%s'; this needs '%s'",
                       key_role_name(r->call.key->role), key_role_name(r->route->role));
    return caller_identify(r, e);
}

/* ---- admit ---- */

static bool admit(struct request *r, struct err *e)
{
    const struct config_limits *lim = &r->config->limits;
    if (!lim->requests_per_minute && !lim->concurrent_requests)
        return true;
    struct limit_slot *slot = limit_slot(r->service->limits, str_from(r->call.key->id));
    if (!limit_enter(slot, lim->concurrent_requests, e))
        return false;
    r->limit = slot;
    return limit_rate(slot, lim->requests_per_minute, loop_now(), e);
}

void stages_leave(struct request *r)
{
    if (r->limit)
        limit_leave(r->limit);
    r->limit = NULL;
}

/* ---- validate ---- */

static bool validate(struct request *r, struct err *e)
{
    if (!r->codec->read(r, e))
        return false;
    if (trace_recorded(r->call.trace))
        transcript_question(&r->call);
    return true;
}

/* ---- route ---- */

static bool find_collections(struct request *r, const struct str *name, size_t n, struct err *e)
{
    struct str *found = arena_array(r->call.arena, struct str, n);
    for (size_t i = 0; i < n; i++) {
        struct doc_collection c;
        if (!doc_collection_by_name(r->service->db, r->call.arena, request_tenant(r), name[i], &c,
                                    e))
            return false;
        found[i] = c.id;
    }
    if (r->n_collections == 0) { /* those that the request names itself take their place */
        r->collection = found;
        r->n_collections = n;
    }
    return true;
}

/* A configured model, or a collection of the caller's tenant under its own name, answered by the
 * engine inside. */
static bool route(struct request *r, struct err *e)
{
    struct str name = r->call.req.model;
    if (r->n_collections == 0 && !knowledge_header(r, e))
        return false;
    const struct config_model *m =
        name.len ? config_model_find(r->config, name) : r->config->moderation;
    if (!name.len && !m)
        return err_param(e, ERR_MISSING, "model",
                         "'model' is missing, and no provider that is configured has moderations");
    if (m) {
        r->call.req.model = m->name;
        r->model = &m->model;
        r->call.vocabulary = m->model.vocabulary;
        return !m->n_knowledge || find_collections(r, m->knowledge, m->n_knowledge, e);
    }
    r->model = &r->config->extractive_model.model;
    if (str_eq(name, r->model->name) || find_collections(r, &name, 1, e))
        return true;
    return e->code == ERR_NOT_FOUND
               ? err_param(e, ERR_MODEL, "model",
                           "the model '%.*s' does not exist; GET /v1/models lists those that do",
                           STR_FMT(str_head(name, 100)))
               : false;
}

/* ---- ground ---- */

/* Does the request have functions that the model may call? */
static bool has_tools(const struct chat_request *r)
{
    struct json_value tools = json_get(json_root(&r->body), "tools");
    return r->options ? r->options->n_tools > 0 : json_is(tools, JSON_ARRAY) && json_count(tools);
}

/* Only one text can be checked and cited. */
static bool can_cite(const struct request *r, struct err *e)
{
    struct json_value root = json_root(&r->call.req.body);
    int64_t choices = 1;
    json_int(json_get(root, "n"), &choices);
    if (r->call.req.op != OP_CHAT && r->call.req.op != OP_COUNT_TOKENS)
        return err_param(e, ERR_INVALID, "model",
                         "the model '%.*s' has a knowledge base, and answers chats alone",
                         STR_FMT(str_head(r->model->name, 100)));
    if (choices > 1)
        return err_param(e, ERR_INVALID, "n", "a model with a knowledge base gives one answer");
    return true;
}

/* Moves the expiry of the collections. A full disk is no reason to refuse an answer. */
static void note_use(const struct request *r)
{
    struct err e;
    for (size_t i = 0; i < r->n_collections; i++)
        if (!doc_collection_touch(r->service->db, r->collection[i], &e))
            log_warn("touch", kv("collection", r->collection[i]), kv("error", e.msg));
}

/* The first of those that ground the answer. */
static struct str collection_name(const struct request *r)
{
    const struct config_model *m = config_model_find(r->config, r->call.req.model);
    return m && m->n_knowledge ? m->knowledge[0] : r->call.req.model;
}

static bool ground(struct request *r, struct err *e)
{
    if (r->call.req.op == OP_COUNT_TOKENS) /* of what was sent, not of what it would lead to */
        r->n_collections = 0;
    if (!r->n_collections)
        return true;
    if (!can_cite(r, e))
        return false;
    note_use(r);
    r->call.req.tools = has_tools(&r->call.req);
    const struct answer_options opt = {
        .passages = r->passages ? r->passages : (size_t)r->config->retrieval.passages,
        .context_tokens = (uint32_t)r->model->context_tokens,
    };
    struct retrieve_query query = {0};
    if (r->retrieve)
        query = *r->retrieve;
    query.search.collection = r->collection;
    query.search.n_collections = r->n_collections;
    query.search.rights = request_rights(r);
    if (!retrieval_options(r, collection_name(r), json_root(&r->call.req.body), &query, e))
        return false;
    if (r->retrieve && r->retrieve->ranker != RANKER_AUTO)
        query.ranker = r->retrieve->ranker;
    if (r->retrieve)
        *r->retrieve = query; /* for what the model looks for later */
    return answer_ground(&r->service->retriever, &query, &opt, &r->call, e);
}

/* ---- invoke, and the way back ---- */

bool stages_invoke(struct request *r, struct err *e)
{
    return r->model->coalesce && !r->n_collections ? flight_answer(r, e)
                                                   : dispatch(r->model, &r->call, r->sink, e);
}

static void line_up(struct request *r);

static bool invoke(struct request *r, struct err *e)
{
    line_up(r);
    return r->codec->invoke ? r->codec->invoke(r, e) : stages_invoke(r, e);
}

static struct chat_sink *cite(struct request *r, struct chat_sink *next)
{
    return r->n_collections ? answer_vet(&r->call, (enum answer_policy)r->model->unsupported,
                                         answer_cite(&r->call, answer_credit(&r->call, next)))
                            : next;
}

static struct chat_sink *transcript(struct request *r, struct chat_sink *next)
{
    return trace_content(r->call.trace) ? transcript_answer(&r->call, next) : next;
}

/* The ledger has the attempt's row by now: only then is the reply final. */
static bool settle(struct request *r, struct err *e)
{
    return r->codec->end(r, e);
}

/* ---- the table ---- */

static struct metric_family *seconds; /* set once, by stages_init */

struct stage {
    const char *name; /* of its span, of its series, and in the documentation */
    bool (*in)(struct request *r, struct err *e);
    /* Puts itself in front of `next` on the answer's way back; NULL = does not look at answers. */
    struct chat_sink *(*out)(struct request *r, struct chat_sink *next);
    /* It waits for nothing unless the request is about documents; until then it takes hardly more
     * time than a look at the clock, so none is taken, and the next stage has that time. */
    bool quick;
    struct metric *took; /* set once, by stages_init */
};

/* clang-format off */
static struct stage door[] = {
    {"identify",   identify, .quick = true},
    {"admit",      admit,    .quick = true},
};
static struct stage call[] = {
    {"validate",   validate},
    {"route",      route,    .quick = true},
    {"ground",     ground,   .quick = true},
    {"invoke",     invoke},
    {"cite",       .out = cite},
    {"transcript", .out = transcript},
    {"settle",     settle},
};
/* clang-format on */

static void add_series(struct stage *stage, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct str label = str_from(stage[i].name);
        if (stage[i].in)
            stage[i].took = metric_with(seconds, &label);
    }
}

void stages_init(void)
{
    seconds = metric_histogram("penstock_stage_seconds", 1e-9, "stage",
                               "Time that requests spent in each stage.");
    add_series(door, COUNT(door));
    add_series(call, COUNT(call));
}

/* All that look at the answer stand ready: the last one first, as each is put in front. */
static void line_up(struct request *r)
{
    r->invoke_ns = r->stage_ns;
    r->sink = r->answer = r->codec->sink(r);
    for (size_t i = COUNT(call); i-- > 0;)
        if (call[i].out)
            r->sink = call[i].out(r, r->sink);
}

/* Runs a stage. Its end is the start of the next. */
static bool run(struct request *r, const struct stage *stage, struct err *e)
{
    int64_t start = r->stage_ns;
    int span = r->call.trace ? span_open(&r->call.spans, stage->name, start) : -1;
    bool passed = stage->in(r, e);
    if (!stage->quick || r->n_collections)
        r->stage_ns = clock_now();
    if (r->call.trace)
        span_close(&r->call.spans, span, r->stage_ns);
    metric_observe(stage->took, r->stage_ns - start);
    return passed;
}

static bool pass(struct request *r, const struct stage *stage, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (stage[i].in && !run(r, &stage[i], e))
            return false;
    return true;
}

bool stages_enter(struct request *r, struct err *e)
{
    r->stage_ns = clock_now();
    return pass(r, door, COUNT(door), e);
}

bool stages_call(struct request *r, const struct codec *codec, struct err *e)
{
    r->codec = codec;
    if (pass(r, call, COUNT(call), e))
        return true;
    if (r->http->status && codec->broken)
        codec->broken(r, e);
    else if (r->http->status)
        reply_broken(r, e);
    return false;
}
