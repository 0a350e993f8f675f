#include "gateway/retrieval.h"
#include "answer/explain.h"
#include "base/clock.h"
#include "gateway/embedders.h"
#include "model/errand.h"

/* ---- Models that help ---- */

/* What the functions below need; in the request's arena. */
struct helper {
    struct request *r;
    struct retrieve_models models;
};

enum { ANSWER_TOKENS = 1000 /* of a model that helps */ };

static struct errand errand_of(const struct helper *h)
{
    const struct request *r = h->r;
    return (struct errand){
        .http = r->loop->http,
        .journal = r->loop->journal,
        .key = r->call.key,
        .request = r->call.id,
        .deadline_ns = clock_after(clock_now(), r->config->retrieval.timeout_ms),
    };
}

static bool help_rerank(void *ctx, struct str query, const struct str *text, size_t n,
                        double *score, struct arena *a, struct err *e)
{
    const struct helper *h = ctx;
    const struct errand x = errand_of(h);
    return errand_rerank(&x, h->r->config->retrieval.rerank, query, text, n, score, a, e);
}

static bool help_ask(void *ctx, struct str instructions, struct str message, struct arena *a,
                     struct str *answer, struct err *e)
{
    const struct helper *h = ctx;
    const struct errand x = errand_of(h);
    return errand_text(&x, h->r->config->retrieval.ask, instructions, message, ANSWER_TOKENS, a,
                       answer, e);
}

static bool help_embed(void *ctx, const struct space *space, const struct str *text, size_t n,
                       float *v, struct arena *a, struct err *e)
{
    const struct helper *h = ctx;
    const struct config_embedder *b = embedders_find(h->r->config, space);
    struct errand x = errand_of(h);
    struct errand_vectors out;
    if (!b)
        return err_set(e, ERR_NOT_FOUND, "the embedder of '%.*s' is not configured any more",
                       STR_FMT(space->name));
    struct str *asked = arena_array(a, struct str, n);
    for (size_t i = 0; i < n; i++)
        asked[i] = arena_printf(a, "%.*s%.*s", STR_FMT(b->query_prefix), STR_FMT(text[i]));
    x.deadline_ns = clock_after(clock_now(), b->timeout_ms);
    if (!errand_embed(&x, &b->model->model, asked, n, (uint32_t)b->dimensions, a, &out, e))
        return false;
    if (out.dimension != space->dimension)
        return err_set(e, ERR_UPSTREAM, "'%.*s' gives vectors of %u numbers now", STR_FMT(b->name),
                       out.dimension);
    memcpy(v, out.v, n * out.dimension * sizeof(*v));
    return true;
}

static const struct retrieve_models *models_of(struct request *r)
{
    const struct config_retrieval *t = &r->config->retrieval;
    struct helper *h = arena_struct(r->call.arena, struct helper);
    if (!t->rerank && !t->ask && !r->config->n_embedders)
        return NULL;
    h->r = r;
    h->models = (struct retrieve_models){
        .ctx = h,
        .rerank = t->rerank ? help_rerank : NULL,
        .ask = t->ask ? help_ask : NULL,
        .embed = r->config->n_embedders ? help_embed : NULL,
        .judge = t->ranks == RANKER_JUDGE,
        .identity =
            arena_printf(r->call.arena, "%.*s|%.*s", STR_FMT(t->reranker), STR_FMT(t->assistant)),
    };
    return &h->models;
}

/* ---- What was asked for ---- */

static bool take_level(struct str text, const char *where, enum retrieve_level *out, struct err *e)
{
    uint64_t n;
    if (!str_to_u64(text, &n) || n < RETRIEVE_VECTOR || n > RETRIEVE_EXPANDED)
        return err_param(e, ERR_INVALID, where, "'%s' must be a number from 1 to 4", where);
    *out = (enum retrieve_level)n;
    return true;
}

static bool take_ranker(struct json_value v, struct retrieve_query *q, struct err *e)
{
    if (!json_exists(v))
        return true;
    for (int i = 0; i < RANKER_COUNT; i++)
        if (json_text_is(v, retrieve_ranker_name((enum retrieve_ranker)i))) {
            q->ranker = (enum retrieve_ranker)i;
            return true;
        }
    return err_param(e, ERR_INVALID, "penstock.ranker",
                     "'penstock.ranker' must be auto, built-in, model, judge or none");
}

static bool take_flag(struct json_value object, const char *name, const char *path, bool *out,
                      struct err *e)
{
    struct json_value v = json_get(object, name);
    return !json_exists(v) || json_bool(v, out) ||
           err_param(e, ERR_INVALID, path, "'%s' must be true or false", path);
}

static bool take_member(struct json_value v, struct retrieve_query *q, bool *explain, struct err *e)
{
    int64_t candidates = 0;
    struct json_value level = json_get(v, "level"), n = json_get(v, "candidates");
    if (!json_exists(v) || json_is(v, JSON_NULL))
        return true;
    if (!json_is(v, JSON_OBJECT))
        return err_param(e, ERR_INVALID, "penstock", "'penstock' must be an object");
    if (json_exists(level) && !take_level(json_raw(level), "penstock.level", &q->level, e))
        return false;
    if (json_exists(n) && (!json_int(n, &candidates) || candidates < 1 || candidates > 1000))
        return err_param(e, ERR_INVALID, "penstock.candidates",
                         "'penstock.candidates' must be a whole number from 1 to 1000");
    if (candidates)
        q->candidates = (size_t)candidates;
    return take_ranker(json_get(v, "ranker"), q, e) &&
           take_flag(v, "explain", "penstock.explain", explain, e) &&
           take_flag(v, "duplicates", "penstock.duplicates", &q->keep_duplicates, e);
}

static bool take_headers(const struct request *r, struct retrieve_query *q, bool *explain,
                         struct err *e)
{
    const struct http_headers *h = &r->http->head.headers;
    struct str v;
    if (http_header_get(h, STR("x-penstock-explain"), &v))
        *explain = str_ieq(v, STR("true")) || str_eq(v, STR("1"));
    if (http_header_get(h, STR("cache-control"), &v))
        q->no_cache =
            str_find(v, STR("no-cache")) != STR_NPOS || str_find(v, STR("no-store")) != STR_NPOS;
    return !http_header_get(h, STR("x-penstock-retrieval-level"), &v) ||
           take_level(str_trim(v), "x-penstock-retrieval-level", &q->level, e);
}

/* As configured, for all, then for the collection, then for the model. */
static void take_configured(const struct request *r, struct str collection,
                            struct retrieve_query *q)
{
    const struct config_retrieval *t = &r->config->retrieval;
    const struct config_collection *own = config_collection_find(r->config, collection);
    const struct config_model *m = config_model_find(r->config, r->call.req.model);
    q->level = (enum retrieve_level)t->level;
    q->candidates = (size_t)t->candidates;
    q->ranker = t->ranks;
    q->weights = t->weights;
    if (own && own->level)
        q->level = (enum retrieve_level)own->level;
    if (own && own->candidates)
        q->candidates = (size_t)own->candidates;
    if (own)
        q->ranker = own->ranks;
    if (m && m->retrieval_level)
        q->level = (enum retrieve_level)m->retrieval_level;
}

bool retrieval_options(struct request *r, struct str collection, struct json_value body,
                       struct retrieve_query *q, struct err *e)
{
    bool explain = false;
    take_configured(r, collection, q);
    if (!take_member(json_get(body, "penstock"), q, &explain, e) ||
        !take_headers(r, q, &explain, e))
        return false;
    q->models = models_of(r);
    if (explain)
        q->report = r->retrieval = arena_struct(r->call.arena, struct retrieval);
    return true;
}

void retrieval_put(struct json_writer *w, const struct request *r)
{
    if (!r->retrieval || !r->retrieval->ranker) /* nothing was retrieved */
        return;
    json_key(w, "penstock");
    json_object(w);
    json_key(w, "retrieval");
    explain_put(w, r->retrieval);
    json_end(w);
}
