/* Hugging Face's text-embeddings-inference in its own protocol: /embed and /rerank take and give
 * bare lists. To clients of OpenAI's and Cohere's forms the answer goes in those.
 *
 *     {"inputs": [text, ...], "truncate": true}             -->  [[number, ...], ...]
 *     {"query": text, "texts": [text, ...], "truncate": true} --> [{"index": 0, "score": 0.9}, ...]
 *
 * The server tells its usage in headers alone, so tokens are counted here. */
#include "model/openai_ops.h"
#include "model/relay.h"
#include "run/work_json.h"

enum { BODY_MOST = 256 << 20 };

static const struct chat_request *request(const struct attempt *a)
{
    return &a->call->req;
}

/* ---- Asking ---- */

static void put_texts(struct json_writer *w, const char *name, const struct chat_request *r,
                      size_t from)
{
    json_key(w, name);
    json_array(w);
    for (size_t i = from; i < r->n_messages; i++)
        json_put_str(w, r->message[i].text);
    json_end(w);
}

static bool write_body(const struct attempt *a, struct str *out, struct err *e)
{
    const struct chat_request *r = request(a);
    int64_t dimension;
    struct buf b;
    struct json_writer w;
    if (r->prompt_tokens > 0)
        return err_param(e, ERR_INVALID, "input", "'input' must be texts for this model");
    buf_init(&b, BODY_MOST);
    json_begin(&w, &b);
    json_object(&w);
    if (r->op == OP_RERANK) {
        json_kv_str(&w, "query", r->message[0].text);
        put_texts(&w, "texts", r, 1);
    } else {
        put_texts(&w, "inputs", r, 0);
        if (json_int(json_get(json_root(&r->body), "dimensions"), &dimension))
            json_kv_int(&w, "dimensions", dimension);
    }
    json_kv_bool(&w, "truncate", true);
    json_end(&w);
    *out = arena_copy(a->call->early, buf_str(&b));
    bool whole = buf_ok(&b);
    buf_fini(&b);
    return whole || err_set(e, ERR_TOO_LARGE, "the request is larger than it may be");
}

/* ---- Answering ---- */

static void put_embedding(struct json_writer *w, struct json_value v, int64_t index)
{
    json_object(w);
    json_kv_text(w, "object", "embedding");
    json_kv_int(w, "index", index);
    json_key(w, "embedding");
    json_put_raw(w, json_raw(v));
    json_end(w);
}

static void put_score(struct json_writer *w, struct json_value v)
{
    json_object(w);
    json_key(w, "index");
    json_put_raw(w,
                 json_exists(json_get(v, "index")) ? json_raw(json_get(v, "index")) : STR("null"));
    json_key(w, "relevance_score");
    json_put_raw(w,
                 json_exists(json_get(v, "score")) ? json_raw(json_get(v, "score")) : STR("null"));
    json_end(w);
}

/* As OpenAI or Cohere would have written it. A ranking comes best first, and whole. */
static bool write_answer(const struct attempt *a, struct json_value list, struct str *out,
                         struct err *e)
{
    const struct chat_request *r = request(a);
    bool ranking = r->op == OP_RERANK;
    struct buf b;
    struct json_writer w;
    size_t n = 0;
    buf_init(&b, BODY_MOST);
    json_begin(&w, &b);
    json_object(&w);
    if (!ranking)
        json_kv_text(&w, "object", "list");
    json_kv_str(&w, "model", r->model);
    json_key(&w, ranking ? "results" : "data");
    json_array(&w);
    json_each(it, list)
    {
        if (!ranking)
            put_embedding(&w, it.value, (int64_t)n);
        else if (n < r->n_wanted)
            put_score(&w, it.value);
        n++;
    }
    json_end(&w);
    json_key(&w, "usage");
    json_object(&w);
    json_kv_int(&w, "prompt_tokens", a->usage.input);
    json_kv_int(&w, "total_tokens", a->usage.input);
    json_end(&w);
    json_end(&w);
    *out = arena_copy(a->call->arena, buf_str(&b));
    bool whole = buf_ok(&b);
    buf_fini(&b);
    return whole || relay_malformed(a, "answered more than is taken", e);
}

static bool read_answer(struct attempt *a, struct http_exchange *x, struct err *e)
{
    struct str body, raw;
    struct json doc, made;
    if (!http_exchange_body(x, &body, RELAY_ANSWER_MOST, e))
        return relay_broke_off(a, e);
    if (!work_json_parse(&doc, a->call->early, body, 0, NULL) ||
        !json_is(json_root(&doc), JSON_ARRAY))
        return relay_malformed(a, "answered with something that is no list", e);
    a->usage = (struct chat_usage){.input = call_prompt_tokens(a->call), .counted = true};
    if (!write_answer(a, json_root(&doc), &raw, e) ||
        !work_json_parse(&made, a->call->early, raw, 0, e) ||
        !openai_ops_check(a, json_get(json_root(&made), openai_ops_list(request(a)->op)), e))
        return false;
    return relay_send(a, &(struct chat_event){.kind = CHAT_RAW, .raw = raw}, e);
}

static bool answer(struct attempt *a, struct err *e)
{
    struct http_exchange *x;
    struct str body;
    if (!write_body(a, &body, e) || !relay_ask(a, &x, STR_NONE, &body, 1, e))
        return false;
    a->status = x->head.status;
    bool good = a->status == 200 ? read_answer(a, x, e) : relay_refused(a, x, e);
    http_exchange_end(x);
    return good;
}

const struct provider_kind provider_tei = {
    .name = "tei",
    .dialect = CHAT_OPENAI,
    .ops = 1u << OP_EMBEDDING | 1u << OP_RERANK,
    .answer = answer,
};
