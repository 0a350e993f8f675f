/* chat_api.c - OpenAI's chat completions in front: the codec between its protocol and the canonical
 * call.
 *
 * Answers in the client's own dialect (CHAT_RAW) pass through as they are. Others are written here:
 * whole, or as chunks in the protocol's order (role, pieces of content, finish, usage when asked
 * for). The end of a stream, "data: [DONE]", is always written here, once the ledger has its row.
 * A stream that began with the provider's own chunks and broke off goes on with chunks made here:
 * they carry its id and time.
 */
#include "base/clock.h"
#include "base/utf8.h"
#include "gateway/attach.h"
#include "gateway/chat_read.h"
#include "gateway/doubt.h"
#include "gateway/openai_out.h"
#include "gateway/retrieval.h"
#include "gateway/routes.h"
#include "gateway/stages.h"

enum { ANSWER_MAX = 64 << 20, NO_TOOL = -1 };

/* Of an answer that is not streamed: its texts, and JSON objects joined by commas. */
struct whole {
    struct buf text, refusal, thinking, annotations, calls, blocks, unsupported;
    size_t signed_until; /* of `thinking`: what is behind has no signature yet */
};

struct chat_writer {
    struct chat_sink sink;
    struct request *r;
    char id[RANDOM_ID_SIZE]; /* by answer_id */
    int64_t created_s;       /* by created */
    int64_t tool;            /* index of the tool call that is being written, NO_TOOL */
    size_t characters;       /* of the answer's text so far */
    struct str raw;          /* a whole answer in the client's dialect */
    bool raw_stream;         /* the provider's own chunks were passed on */
    enum chat_finish finish;
    struct whole *whole; /* by whole_of */
};

static bool read_body(struct request *r, struct err *e)
{
    struct json body;
    return request_json(r, &body, e) && chat_read(&r->call.req, &body, r->call.early, e) &&
           (!r->call.req.files || attach_chat(r, e));
}

/* ---- Events ---- */

static bool start_stream(struct chat_writer *w, struct err *e)
{
    return w->r->http->status || reply_events(w->r, e);
}

static bool send_raw(struct chat_writer *w, const struct chat_event *ev, struct err *e)
{
    if (!w->r->call.req.stream) {
        w->raw = ev->raw; /* in the call's arena */
        return true;
    }
    w->raw_stream = true;
    return reply_piece(w->r, ev->raw, ev->last, e);
}

/* Made when they are first wanted: an answer in the client's dialect has its own. */
static const char *answer_id(struct chat_writer *w)
{
    if (!w->id[0])
        random_id(w->id, "chatcmpl-");
    return w->id;
}

static int64_t created(struct chat_writer *w)
{
    if (!w->created_s)
        w->created_s = clock_wall_s();
    return w->created_s;
}

/* As in the chunks that were passed on, if there were any. */
static void put_head(struct chat_writer *w, struct json_writer *j)
{
    const struct said *said = &w->r->call.said;
    json_key(j, "id");
    if (w->raw_stream && said->id.len > 0)
        json_put_raw(j, said->id);
    else
        json_put_text(j, answer_id(w));
    json_kv_text(j, "object", "chat.completion.chunk");
    json_key(j, "created");
    if (w->raw_stream && said->created.len > 0)
        json_put_raw(j, said->created);
    else
        json_put_int(j, created(w));
    json_kv_str(j, "model", w->r->call.req.model);
}

static void chunk_begin(struct chat_writer *w, struct json_writer *j, struct buf *b)
{
    buf_init(b, ANSWER_MAX);
    buf_add(b, STR("data: "));
    json_begin(j, b);
    json_object(j);
    put_head(w, j);
    json_key(j, "choices");
    json_array(j);
}

/* Opens choices[0].delta. */
static void delta_begin(struct json_writer *j)
{
    json_object(j);
    json_kv_int(j, "index", 0);
    json_key(j, "delta");
    json_object(j);
}

static void delta_end(struct json_writer *j, const char *finish)
{
    json_end(j);
    json_key(j, "logprobs");
    json_put_null(j);
    json_kv_text(j, "finish_reason", finish);
    json_end(j);
}

/* `more` follows at once. */
static bool chunk_send(struct chat_writer *w, struct json_writer *j, struct buf *b, bool more,
                       struct err *e)
{
    json_end(j);
    buf_add(b, STR("\n\n"));
    struct str event = buf_str(b);
    bool sent = !buf_ok(b) ? err_set(e, ERR_INTERNAL, "a chunk is larger than it may be")
                : more     ? http_reply_hold(w->r->http, &event, 1, e)
                           : http_reply_write(w->r->http, &event, 1, e);
    buf_fini(b);
    return sent;
}

/* The first chunk says whose words follow. */
static bool open_stream(struct chat_writer *w, struct err *e)
{
    struct buf b;
    struct json_writer j;
    if (w->r->http->status)
        return true;
    if (!reply_events(w->r, e))
        return false;
    chunk_begin(w, &j, &b);
    delta_begin(&j);
    json_kv_text(&j, "role", "assistant");
    json_kv_text(&j, "content", "");
    delta_end(&j, NULL);
    json_end(&j);
    return chunk_send(w, &j, &b, true, e);
}

/* One chunk with one delta: begin, its members, end. */
static bool piece_begin(struct chat_writer *w, struct json_writer *j, struct buf *b, struct err *e)
{
    if (!open_stream(w, e))
        return false;
    chunk_begin(w, j, b);
    delta_begin(j);
    return true;
}

static bool piece_end(struct chat_writer *w, struct json_writer *j, struct buf *b, struct err *e)
{
    delta_end(j, NULL);
    json_end(j);
    return chunk_send(w, j, b, false, e);
}

static bool kept(const struct buf *b, struct err *e)
{
    return buf_ok(b) || err_set(e, ERR_UPSTREAM, "the answer is larger than it may be");
}

/* A piece of one of the texts: a member of the delta, or kept for the `whole`. */
static bool send_text(struct chat_writer *w, const char *member, struct buf *whole, struct str text,
                      struct err *e)
{
    struct buf b;
    struct json_writer j;
    if (whole) {
        buf_add(whole, text);
        return kept(whole, e);
    }
    if (!piece_begin(w, &j, &b, e))
        return false;
    json_kv_str(&j, member, text);
    return piece_end(w, &j, &b, e);
}

/* The next of some JSON objects joined by commas. */
static void next_object(struct buf *list, struct json_writer *j)
{
    if (list->len > 0)
        buf_char(list, ',');
    json_begin(j, list);
}

typedef void put_item(struct chat_writer *w, struct json_writer *j, const struct chat_event *ev);

/* An object, alone in a list of the delta, or kept behind others for the whole. */
static bool send_item(struct chat_writer *w, const char *member, struct buf *whole, put_item *put,
                      const struct chat_event *ev, struct err *e)
{
    struct buf b;
    struct json_writer j;
    if (whole) {
        next_object(whole, &j);
        put(w, &j, ev);
        return kept(whole, e);
    }
    if (!piece_begin(w, &j, &b, e))
        return false;
    json_key(&j, member);
    json_array(&j);
    put(w, &j, ev);
    json_end(&j);
    return piece_end(w, &j, &b, e);
}

/* ---- Tool calls ---- */

static void put_call(struct json_writer *j, const struct chat_event *ev)
{
    json_kv_str(j, "id", ev->id);
    json_kv_text(j, "type", "function");
    json_key(j, "function");
    json_object(j);
    json_kv_str(j, "name", ev->name);
}

/* The arguments of a whole answer's calls are written as they come: their string is open until
 * the next call, or the end. */
static void end_arguments(struct chat_writer *w)
{
    if (w->tool != NO_TOOL)
        buf_add(&w->whole->calls, STR("\"}}"));
}

static bool send_call(struct chat_writer *w, const struct chat_event *ev, struct err *e)
{
    struct buf b;
    struct json_writer j;
    if (!w->r->call.req.stream) {
        end_arguments(w);
        w->tool++;
        next_object(&w->whole->calls, &j);
        json_object(&j);
        put_call(&j, ev);
        buf_add(&w->whole->calls, STR(",\"arguments\":\""));
        return kept(&w->whole->calls, e);
    }
    if (!piece_begin(w, &j, &b, e))
        return false;
    json_key(&j, "tool_calls");
    json_array(&j);
    json_object(&j);
    json_kv_int(&j, "index", ++w->tool);
    put_call(&j, ev);
    json_kv_text(&j, "arguments", "");
    json_end(&j);
    json_end(&j);
    json_end(&j);
    return piece_end(w, &j, &b, e);
}

static bool send_arguments(struct chat_writer *w, struct str text, struct err *e)
{
    struct buf b;
    struct json_writer j;
    if (!w->r->call.req.stream) {
        json_escape(&w->whole->calls, text);
        return kept(&w->whole->calls, e);
    }
    if (!piece_begin(w, &j, &b, e))
        return false;
    json_key(&j, "tool_calls");
    json_array(&j);
    json_object(&j);
    json_kv_int(&j, "index", w->tool);
    json_key(&j, "function");
    json_object(&j);
    json_kv_str(&j, "arguments", text);
    json_end(&j);
    json_end(&j);
    json_end(&j);
    return piece_end(w, &j, &b, e);
}

/* ---- Reasoning that its maker wants back ---- */

/* A signature closes the reasoning since the last one. A stream has said that already; its block
 * has the signature alone. */
static void put_block(struct chat_writer *w, struct json_writer *j, const struct chat_event *ev)
{
    struct whole *k = w->whole;
    json_object(j);
    if (ev->kind == CHAT_REDACTED) {
        json_kv_text(j, "type", "redacted_thinking");
        json_kv_str(j, "data", ev->text);
    } else {
        json_kv_text(j, "type", "thinking");
        json_kv_str(j, "thinking",
                    k ? str_from_at(buf_str(&k->thinking), k->signed_until) : STR_NONE);
        json_kv_str(j, "signature", ev->text);
        if (k)
            k->signed_until = k->thinking.len;
    }
    json_end(j);
}

/* ---- Citations ---- */

/* The event comes right behind its marker, or says how far. */
static void put_annotation(struct chat_writer *w, struct json_writer *j,
                           const struct chat_event *ev)
{
    openai_put_url_citation(j, ev->citation, w->characters - ev->citation->behind);
}

static void put_unsupported(struct chat_writer *w, struct json_writer *j,
                            const struct chat_event *ev)
{
    (void)w;
    doubt_put(j, ev->unsupported);
}

static void free_whole(void *arg)
{
    struct whole *k = arg;
    struct buf *all[] = {&k->text,  &k->refusal, &k->thinking,   &k->annotations,
                         &k->calls, &k->blocks,  &k->unsupported};
    for (size_t i = 0; i < COUNT(all); i++)
        buf_fini(all[i]);
}

/* NULL: streamed. Made when it is first wanted: an answer in the client's dialect has none. */
static struct whole *whole_of(struct chat_writer *w)
{
    if (w->whole || w->r->call.req.stream)
        return w->whole;
    struct arena *a = w->r->call.arena;
    struct whole *k = w->whole = arena_struct(a, struct whole);
    struct buf *all[] = {&k->text,  &k->refusal, &k->thinking,   &k->annotations,
                         &k->calls, &k->blocks,  &k->unsupported};
    for (size_t i = 0; i < COUNT(all); i++)
        buf_init(all[i], ANSWER_MAX);
    arena_defer(a, free_whole, k);
    return k;
}

static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct chat_writer *w = CONTAINER_OF(sink, struct chat_writer, sink);
    struct whole *k = ev->kind == CHAT_RAW ? NULL : whole_of(w);
    switch (ev->kind) {
    case CHAT_TEXT:
        w->characters += utf8_count(ev->text);
        return send_text(w, "content", k ? &k->text : NULL, ev->text, e);
    case CHAT_REFUSAL: return send_text(w, "refusal", k ? &k->refusal : NULL, ev->text, e);
    case CHAT_THINKING:
        return send_text(w, "reasoning_content", k ? &k->thinking : NULL, ev->text, e);
    case CHAT_SIGNATURE:
    case CHAT_REDACTED:
        return send_item(w, "thinking_blocks", k ? &k->blocks : NULL, put_block, ev, e);
    case CHAT_TOOL_CALL: return send_call(w, ev, e);
    case CHAT_ARGUMENTS: return send_arguments(w, ev->text, e);
    case CHAT_RAW: return send_raw(w, ev, e);
    case CHAT_CITATION:
        return send_item(w, "annotations", k ? &k->annotations : NULL, put_annotation, ev, e);
    case CHAT_UNSUPPORTED:
        return send_item(w, "unsupported", k ? &k->unsupported : NULL, put_unsupported, ev, e);
    case CHAT_FINISH: w->finish = ev->finish; break;
    case CHAT_SEARCH: break; /* of the Responses alone */
    }
    return true;
}

static struct chat_sink *make_sink(struct request *r)
{
    struct chat_writer *w = arena_struct(r->call.arena, struct chat_writer);
    w->sink.event = on_event;
    w->r = r;
    w->tool = NO_TOOL;
    if (r->n_collections) /* answer/cite.c gives back what the arena has for a marker's events */
        whole_of(w);
    return &w->sink;
}

/* ---- The end ---- */

static void put_text(struct json_writer *j, const char *name, const struct buf *text)
{
    json_key(j, name);
    if (text->len > 0)
        json_put_str(j, buf_str(text));
    else
        json_put_null(j);
}

static void put_list(struct chat_writer *w, struct json_writer *j, const char *name,
                     const struct buf *items)
{
    json_key(j, name);
    json_put_raw(j, arena_printf(w->r->call.arena, "[%.*s]", STR_FMT(buf_str(items))));
}

static void put_message(struct chat_writer *w, struct json_writer *j)
{
    const struct whole *k = whole_of(w);
    json_key(j, "message");
    json_object(j);
    json_kv_text(j, "role", "assistant");
    if (k->calls.len > 0 || k->refusal.len > 0)
        put_text(j, "content", &k->text);
    else
        json_kv_str(j, "content", buf_str(&k->text));
    put_text(j, "refusal", &k->refusal);
    if (k->thinking.len > 0)
        put_text(j, "reasoning_content", &k->thinking);
    if (k->blocks.len > 0)
        put_list(w, j, "thinking_blocks", &k->blocks);
    if (k->calls.len > 0) {
        end_arguments(w);
        put_list(w, j, "tool_calls", &k->calls);
    }
    put_list(w, j, "annotations", &k->annotations);
    if (k->unsupported.len > 0)
        put_list(w, j, "unsupported", &k->unsupported);
    json_end(j);
}

static bool end_whole(struct chat_writer *w, struct err *e)
{
    struct request *r = w->r;
    struct buf b;
    struct json_writer j;
    if (w->raw.len)
        return reply_text(r, 200, "application/json", w->raw, e);
    buf_init(&b, 2 * ANSWER_MAX);
    buf_reserve(&b, 1024); /* few answers need more by much */
    json_begin(&j, &b);
    json_object(&j);
    json_kv_text(&j, "id", answer_id(w));
    json_kv_text(&j, "object", "chat.completion");
    json_kv_int(&j, "created", created(w));
    json_kv_str(&j, "model", r->call.req.model);
    json_key(&j, "choices");
    json_array(&j);
    json_object(&j);
    json_kv_int(&j, "index", 0);
    put_message(w, &j);
    json_kv_text(&j, "logprobs", NULL);
    json_kv_text(&j, "finish_reason", openai_finish(w->finish));
    json_end(&j);
    json_end(&j);
    openai_put_usage(&j, &r->call.usage);
    retrieval_put(&j, r);
    json_end(&j);
    return reply_json(r, 200, &b, e);
}

static bool end_stream(struct chat_writer *w, struct err *e)
{
    struct request *r = w->r;
    struct buf b;
    struct json_writer j;
    struct str done = STR("data: [DONE]\n\n");
    if (!w->raw_stream || w->finish != CHAT_FINISH_NONE) {
        if (!open_stream(w, e))
            return false;
        chunk_begin(w, &j, &b);
        delta_begin(&j);
        delta_end(&j, openai_finish(w->finish));
        json_end(&j);
        retrieval_put(&j, r);
        if (!chunk_send(w, &j, &b, true, e))
            return false;
        if (r->call.req.include_usage) {
            chunk_begin(w, &j, &b);
            json_end(&j);
            openai_put_usage(&j, &r->call.usage);
            if (!chunk_send(w, &j, &b, true, e))
                return false;
        }
    }
    return start_stream(w, e) && http_reply_end(r->http, &done, 1, e);
}

static bool end(struct request *r, struct err *e)
{
    struct chat_writer *w = CONTAINER_OF(r->answer, struct chat_writer, sink);
    return r->call.req.stream ? end_stream(w, e) : end_whole(w, e);
}

static const struct codec codec = {
    .name = "chat", .read = read_body, .sink = make_sink, .end = end};

bool chat_create(struct request *r, struct err *e)
{
    return stages_call(r, &codec, e);
}
