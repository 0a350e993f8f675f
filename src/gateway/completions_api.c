/* completions_api.c - OpenAI's text completions in front.
 *
 * Answers of servers that have text completions pass through as they are. Those of all others, made
 * from a chat, are written here: whole, or as a stream of objects that each hold a piece of text.
 */
#include "base/clock.h"
#include "gateway/openai_out.h"
#include "gateway/ops_read.h"
#include "gateway/routes.h"
#include "gateway/stages.h"

enum { ANSWER_MAX = 64 << 20 };

struct writer {
    struct chat_sink sink;
    struct request *r;
    char id[RANDOM_ID_SIZE]; /* by put_head */
    int64_t created_s;
    struct buf text; /* of an answer that is not streamed */
    struct str raw;  /* a whole answer in the client's dialect */
    bool finished;   /* the end was told to us, so we tell the client */
    enum chat_finish finish;
};

static bool read_body(struct request *r, struct err *e)
{
    struct json body;
    return request_json(r, &body, e) && ops_read_completion(&r->call.req, &body, r->call.early, e);
}

/* An answer that a provider began in the client's dialect keeps the id that it has. */
static void put_head(struct writer *w, struct json_writer *j)
{
    const struct call *c = &w->r->call;
    json_object(j);
    json_key(j, "id");
    if (c->said.id.len) {
        json_put_raw(j, c->said.id);
    } else {
        if (!w->id[0])
            random_id(w->id, "cmpl-");
        json_put_text(j, w->id);
    }
    json_kv_text(j, "object", "text_completion");
    json_key(j, "created");
    if (c->said.created.len)
        json_put_raw(j, c->said.created);
    else
        json_put_int(j, w->created_s);
    json_kv_str(j, "model", c->req.model);
    json_key(j, "choices");
    json_array(j);
}

static void put_choice(struct json_writer *j, struct str text, const char *finish)
{
    json_object(j);
    json_kv_str(j, "text", text);
    json_kv_int(j, "index", 0);
    json_kv_text(j, "logprobs", NULL);
    json_kv_text(j, "finish_reason", finish);
    json_end(j);
}

/* ---- Events ---- */

static bool start_stream(const struct writer *w, struct err *e)
{
    return w->r->http->status || reply_events(w->r, e);
}

/* `choice` false: the event of the usage, which has none. */
__attribute__((noinline)) static bool send_event(struct writer *w, bool choice, struct str text,
                                                 const char *finish, struct err *e)
{
    struct buf b;
    struct json_writer j;
    if (!start_stream(w, e))
        return false;
    buf_init(&b, ANSWER_MAX);
    buf_add(&b, STR("data: "));
    json_begin(&j, &b);
    put_head(w, &j);
    if (choice)
        put_choice(&j, text, finish);
    json_end(&j);
    if (!choice)
        openai_put_usage(&j, &w->r->call.usage);
    json_end(&j);
    buf_add(&b, STR("\n\n"));
    struct str event = buf_str(&b);
    bool ends = finish || !choice; /* more follows at once */
    bool sent = !buf_ok(&b) ? err_set(e, ERR_INTERNAL, "an event is larger than it may be")
                : ends      ? http_reply_hold(w->r->http, &event, 1, e)
                            : http_reply_write(w->r->http, &event, 1, e);
    buf_fini(&b);
    return sent;
}

static bool send_text(struct writer *w, struct str text, struct err *e)
{
    if (w->r->call.req.stream)
        return send_event(w, true, text, NULL, e);
    return buf_add(&w->text, text) ||
           err_set(e, ERR_UPSTREAM, "the answer is larger than it may be");
}

static bool send_raw(struct writer *w, const struct chat_event *ev, struct err *e)
{
    if (!w->r->call.req.stream) {
        w->raw = ev->raw; /* in the call's arena */
        return true;
    }
    return reply_piece(w->r, ev->raw, ev->last, e);
}

/* A refusal is what the model said; its reasoning and tools have no place here. */
static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct writer *w = CONTAINER_OF(sink, struct writer, sink);
    switch (ev->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL: return send_text(w, ev->text, e);
    case CHAT_RAW: return send_raw(w, ev, e);
    case CHAT_FINISH:
        w->finish = ev->finish;
        w->finished = true;
        return true;
    default: return true;
    }
}

static void free_writer(void *arg)
{
    struct writer *w = arg;
    buf_fini(&w->text);
}

static struct chat_sink *make_sink(struct request *r)
{
    struct writer *w = arena_struct(r->call.arena, struct writer);
    w->sink.event = on_event;
    w->r = r;
    w->created_s = clock_wall_s();
    buf_init(&w->text, ANSWER_MAX);
    arena_defer(r->call.arena, free_writer, w);
    return &w->sink;
}

/* ---- The end ---- */

static bool end_whole(struct writer *w, struct err *e)
{
    struct request *r = w->r;
    struct buf b;
    struct json_writer j;
    if (w->raw.len)
        return reply_text(r, 200, "application/json", w->raw, e);
    buf_init(&b, 2 * ANSWER_MAX);
    json_begin(&j, &b);
    put_head(w, &j);
    put_choice(&j, buf_str(&w->text), openai_finish(w->finish));
    json_end(&j);
    openai_put_usage(&j, &r->call.usage);
    json_end(&j);
    return reply_json(r, 200, &b, e);
}

static bool end_stream(struct writer *w, struct err *e)
{
    struct request *r = w->r;
    struct str done = STR("data: [DONE]\n\n");
    if (w->finished && !send_event(w, true, STR(""), openai_finish(w->finish), e))
        return false;
    if (w->finished && r->call.req.include_usage && !send_event(w, false, STR_NONE, NULL, e))
        return false;
    return start_stream(w, e) && http_reply_end(r->http, &done, 1, e);
}

static bool end(struct request *r, struct err *e)
{
    struct writer *w = CONTAINER_OF(r->answer, struct writer, sink);
    return r->call.req.stream ? end_stream(w, e) : end_whole(w, e);
}

static const struct codec codec = {
    .name = "completions", .read = read_body, .sink = make_sink, .end = end};

bool completions_create(struct request *r, struct err *e)
{
    return stages_call(r, &codec, e);
}
