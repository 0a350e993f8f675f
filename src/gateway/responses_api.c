/* responses_api.c - OpenAI's Responses in front: /v1/responses and what was kept of them.
 *
 * A response that continues another is given the conversation so far: inputs and outputs of the
 * chain, as items, in front of its own; instructions are of their request alone.
 *
 * What is kept is written before the client hears the end, so that who continues at once finds it.
 */
#include "gateway/attach.h"
#include "gateway/responses_search.h"
#include "gateway/responses_write.h"
#include "gateway/routes.h"
#include "gateway/search_calls.h"
#include "gateway/stages.h"
#include "run/work_json.h"
#include "store/response.h"

enum { CHAIN_MOST = 64 << 20, LIST_MOST = 64 << 20 };

static struct responses *state(const struct request *r)
{
    return r->codec_state;
}

/* ---- What came before ---- */

static bool damaged(const struct response *kept, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "the response '%.*s' cannot be read", STR_FMT(kept->id));
}

/* The items of a list, as they were kept. */
static bool add_kept(struct responses_items *x, const struct response *kept, struct str text,
                     const char *member)
{
    const struct member_at at = member_at(NULL, STR("previous_response_id"));
    struct json *doc = arena_struct(x->a, struct json);
    if (!work_json_parse(doc, x->a, text, 0, NULL))
        return damaged(kept, x->e);
    struct json_value root = json_root(doc);
    json_each(it, member ? json_get(root, member) : root)
    {
        if (!responses_items_one(x, it.value, &at)) /* a file of it may have been deleted */
            return x->e->code == ERR_INVALID || x->e->code == ERR_MISSING ? damaged(kept, x->e)
                                                                          : false;
    }
    return true;
}

/* It is the request's field that is at fault. */
static bool no_chain(struct err *e)
{
    const struct err why = *e;
    if (why.code == ERR_NOT_FOUND)
        err_param(e, ERR_NOT_FOUND, "previous_response_id", "%s", why.msg);
    else if (why.code == ERR_TOO_LARGE)
        err_param(e, ERR_INVALID, "previous_response_id", "%s", why.msg);
    return false;
}

static bool read_chain(struct request *r, struct responses *q, struct err *e)
{
    struct response *kept;
    size_t n;
    if (q->previous.len == 0)
        return true;
    if (!response_chain(r->service->db, r->call.early, request_tenant(r), q->previous, CHAIN_MOST,
                        &kept, &n, e))
        return no_chain(e);
    for (size_t i = 0; i < n; i++)
        if (!add_kept(&q->items, &kept[i], kept[i].input, NULL) ||
            !add_kept(&q->items, &kept[i], kept[i].answer, "output"))
            return false;
    return true;
}

/* ---- Items by their id ---- */

static bool find_in(struct json_value list, struct str id, struct json_value *out)
{
    json_each(it, list)
    {
        if (json_text_is_str(json_get(it.value, "id"), id)) {
            *out = it.value;
            return true;
        }
    }
    return false;
}

static bool find_item(void *ctx, struct str id, struct json_value *item, struct err *e)
{
    struct request *r = ctx;
    struct arena *a = r->call.early;
    struct response kept;
    struct json *input = arena_struct(a, struct json), *answer = arena_struct(a, struct json);
    struct str of = responses_of_item(id, a);
    if (of.len == 0)
        return err_set(e, ERR_NOT_FOUND, "there is no item '%.*s'", STR_FMT(str_head(id, 64)));
    if (!response_find(r->service->db, a, request_tenant(r), of, &kept, e))
        return false;
    if (!work_json_parse(input, a, kept.input, 0, NULL) ||
        !work_json_parse(answer, a, kept.answer, 0, NULL))
        return damaged(&kept, e);
    return find_in(json_get(json_root(answer), "output"), id, item) ||
           find_in(json_root(input), id, item) ||
           err_set(e, ERR_NOT_FOUND, "there is no item '%.*s'", STR_FMT(str_head(id, 64)));
}

static bool attach(void *ctx, struct chat_part *p, const struct member_at *at, struct err *e)
{
    return attach_part(ctx, p, at, e);
}

/* ---- The codec ---- */

/* Of the model's window, what the answer leaves. An unknown model is told of later. */
static int64_t room_for_input(const struct request *r)
{
    const struct chat_request *c = &r->call.req;
    const struct config_model *m = config_model_find(r->config, c->model);
    int64_t window = m ? m->model.context_tokens : INT64_MAX;
    int64_t answer = c->max_tokens > 0 ? c->max_tokens : window / 4;
    return window > answer ? window - answer : 0;
}

static bool read_body(struct request *r, struct err *e)
{
    struct json body;
    struct responses *q = arena_struct(r->call.early, struct responses);
    r->codec_state = q;
    if (!request_json(r, &body, e) || !responses_read(&r->call.req, &body, q, r->call.early, e))
        return false;
    q->items.find = find_item;
    q->items.attach = attach;
    q->items.ctx = r;
    q->room = room_for_input(r);
    return read_chain(r, q, e) && responses_read_input(&r->call.req, q) &&
           responses_search_prepare(r, &q->search, e);
}

static struct chat_sink *make_sink(struct request *r)
{
    return responses_writer(r, state(r));
}

static bool keep(struct request *r, struct str answer, struct err *e)
{
    const struct responses *q = state(r);
    struct str id = responses_writer_id(r->answer);
    struct buf b;
    struct json_writer j;
    buf_init(&b, JSON_TEXT_MAX);
    json_begin(&j, &b);
    responses_items_write(&q->items, &j, str_from_at(id, strlen("resp_")));
    const struct response kept = {.id = id,
                                  .tenant = request_tenant(r),
                                  .previous = q->previous,
                                  .input = buf_str(&b),
                                  .answer = answer};
    bool good = buf_ok(&b) ? response_add(r->service->db, &kept, e)
                           : err_set(e, ERR_TOO_LARGE, "the input is larger than can be kept");
    buf_fini(&b);
    return good;
}

static bool end(struct request *r, struct err *e)
{
    struct str answer;
    return responses_writer_finish(r->answer, &answer, e) &&
           (!state(r)->keep || keep(r, answer, e)) && responses_writer_send(r->answer, answer, e);
}

static void broken(struct request *r, const struct err *why)
{
    responses_writer_fail(r->answer, why);
}

static bool invoke(struct request *r, struct err *e)
{
    return r->call.req.searching == SEARCH_FIRST ? stages_invoke(r, e)
                                                 : search_calls_answer(r, &state(r)->search, e);
}

static const struct codec codec = {.name = "responses",
                                   .read = read_body,
                                   .invoke = invoke,
                                   .sink = make_sink,
                                   .end = end,
                                   .broken = broken};

bool responses_create(struct request *r, struct err *e)
{
    return stages_call(r, &codec, e);
}

/* ---- Counting ---- */

struct count {
    struct chat_sink sink;
    int64_t tokens;
};

static bool read_count(struct request *r, struct err *e)
{
    r->call.req.op = OP_COUNT_TOKENS;
    bool good = read_body(r, e);
    r->call.req.stream = false;
    return good;
}

/* A provider that counts says so in its own words. */
static bool take_count(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct count *c = CONTAINER_OF(sink, struct count, sink);
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct json doc;
    bool good = ev->kind == CHAT_RAW && json_parse(&doc, tmp, ev->raw, 0, NULL) &&
                json_int(json_get(json_root(&doc), "input_tokens"), &c->tokens);
    arena_rewind(tmp, mark);
    return good || err_set(e, ERR_UPSTREAM, "the provider did not count the tokens");
}

static bool count(struct request *r, struct err *e)
{
    if (dispatch_can(r->model, OP_COUNT_TOKENS))
        return stages_invoke(r, e);
    CONTAINER_OF(r->answer, struct count, sink)->tokens = call_prompt_tokens(&r->call);
    return true;
}

static struct chat_sink *make_count(struct request *r)
{
    struct count *c = arena_struct(r->call.arena, struct count);
    c->sink.event = take_count;
    return &c->sink;
}

static bool end_count(struct request *r, struct err *e)
{
    struct buf b;
    struct json_writer j;
    buf_init(&b, 4096);
    json_begin(&j, &b);
    json_object(&j);
    json_kv_text(&j, "object", "response.input_tokens");
    json_kv_int(&j, "input_tokens", CONTAINER_OF(r->answer, struct count, sink)->tokens);
    json_end(&j);
    return reply_json(r, 200, &b, e);
}

static const struct codec counting = {.name = "input_tokens",
                                      .read = read_count,
                                      .invoke = count,
                                      .sink = make_count,
                                      .end = end_count};

bool responses_count(struct request *r, struct err *e)
{
    return stages_call(r, &counting, e);
}

/* ---- What was kept ---- */

static bool find_kept(struct request *r, struct response *out, struct err *e)
{
    return response_find(r->service->db, r->call.arena, request_tenant(r), r->param[0], out, e);
}

bool responses_get(struct request *r, struct err *e)
{
    struct response kept;
    struct str stream;
    if (http_query_get(r->http->query, r->call.arena, STR("stream"), &stream) &&
        str_eq(stream, STR("true")))
        return err_param(e, ERR_INVALID, "stream", "a response that was kept is not streamed");
    return find_kept(r, &kept, e) && reply_text(r, 200, "application/json", kept.answer, e);
}

bool responses_delete(struct request *r, struct err *e)
{
    return response_delete(r->service->db, request_tenant(r), r->param[0], e) &&
           reply_deleted(r, r->param[0], "response", e);
}

bool responses_cancel(struct request *r, struct err *e)
{
    struct response kept;
    return find_kept(r, &kept, e) &&
           err_set(e, ERR_INVALID, "only a response in the background can be cancelled");
}

/* Where in the list a page begins: behind the item `after`. */
static bool page_begin(struct json_value list, size_t n, const struct doc_page *page, size_t *at,
                       struct err *e)
{
    *at = 0;
    if (page->after.len == 0)
        return true;
    for (size_t i = 0; i < n; i++) {
        struct json_value item = json_at(list, (uint32_t)(page->ascending ? i : n - 1 - i));
        if (json_text_is_str(json_get(item, "id"), page->after)) {
            *at = i + 1;
            return true;
        }
    }
    return err_param(e, ERR_NOT_FOUND, "after", "there is no item '%.*s'",
                     STR_FMT(str_head(page->after, 64)));
}

bool responses_input_items(struct request *r, struct err *e)
{
    struct response kept;
    struct doc_page page;
    struct json doc;
    struct buf b;
    struct json_writer j;
    size_t at;
    struct arena *a = r->call.arena;
    if (!find_kept(r, &kept, e) || !request_page(r, &page, e))
        return false;
    if (!work_json_parse(&doc, a, kept.input, 0, NULL))
        return damaged(&kept, e);
    struct json_value list = json_root(&doc);
    size_t n = json_count(list);
    if (!page_begin(list, n, &page, &at, e))
        return false;
    size_t until = size_min(n, at + page.limit);
    struct str first = STR_NONE, last = STR_NONE;
    buf_init(&b, LIST_MOST);
    json_begin(&j, &b);
    reply_list_begin(&j);
    for (size_t i = at; i < until; i++) {
        struct json_value item = json_at(list, (uint32_t)(page.ascending ? i : n - 1 - i));
        last = json_text(json_get(item, "id"), a);
        first = i == at ? last : first;
        json_put_raw(&j, json_raw(item));
    }
    reply_list_end(&j, first, last, until < n);
    return reply_json(r, 200, &b, e);
}
