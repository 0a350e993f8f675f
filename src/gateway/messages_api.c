/* messages_api.c - Anthropic's messages in front: the codec between its protocol and the canonical
 * call.
 *
 *     message_start, then for each block of the content
 *       content_block_start, content_block_delta ..., content_block_stop
 *     message_delta (why it stopped, usage), message_stop
 *
 * Answers in the client's own dialect (CHAT_RAW) pass through as they are; others are written here,
 * as these events or whole. The end of a stream, message_stop, is always written here, once the
 * ledger has its row.
 *
 * A stream that began with the provider's own events and broke off goes on here in the same
 * message: either no block was begun, or the first one, of text, is open (model/call.h).
 *
 * Citations of a grounded answer are those of Anthropic's own: a block of text ends with what it
 * rests on.
 */
#include "gateway/doubt.h"
#include "gateway/messages_read.h"
#include "gateway/openai_out.h"
#include "gateway/routes.h"
#include "gateway/stages.h"

enum { ANSWER_MAX = 64 << 20 };

enum block { NO_BLOCK, TEXT_BLOCK, THINKING_BLOCK, REDACTED_BLOCK, TOOL_BLOCK };

/* The parts of an answer that is not streamed. */
struct whole {
    struct json_writer w;
    struct buf content;                    /* the blocks, written by w; the last one is open */
    struct buf text, signature, citations; /* of the open block */
};

struct messages_writer {
    struct chat_sink sink;
    struct request *r;
    enum block open;
    bool started; /* message_start has gone out */
    bool ends;    /* the open block takes no more of its kind: it has its citations, or signature */
    bool calls_tools;
    bool refuses;
    uint32_t index; /* of the open block, or of the next */
    enum chat_finish finish;
    struct str stop;        /* the sequence that ended it */
    struct str raw;         /* a whole answer in the client's dialect */
    struct whole *whole;    /* NULL: streamed */
    struct buf unsupported; /* objects joined by commas (gateway/doubt.h), told at the end */
};

/* ---- Reading ---- */

/* Headers of one name are one list. */
static struct str betas(const struct request *r)
{
    const struct http_headers *h = &r->http->head.headers;
    struct str all = STR_NONE;
    const struct http_header *at = NULL;
    while ((at = http_header_next(h, STR("anthropic-beta"), at)))
        all = all.len > 0
                  ? arena_printf(r->call.early, "%.*s,%.*s", STR_FMT(all), STR_FMT(at->value))
                  : at->value;
    return all;
}

static bool read_body(struct request *r, struct err *e)
{
    struct json body;
    r->call.req.betas = betas(r);
    return request_json(r, &body, e) && messages_read(&r->call.req, &body, r->call.early, e);
}

static bool read_count(struct request *r, struct err *e)
{
    r->call.req.op = OP_COUNT_TOKENS;
    return read_body(r, e);
}

/* ---- The message ---- */

static const char *stop_reason(const struct messages_writer *w)
{
    if (w->refuses || w->finish == CHAT_FINISH_CONTENT)
        return "refusal";
    if (w->finish == CHAT_FINISH_LENGTH)
        return "max_tokens";
    /* Some servers say "stop" behind a tool's call; clients would not make it then. */
    if (w->finish == CHAT_FINISH_TOOLS || w->calls_tools)
        return "tool_use";
    return w->stop.len > 0 ? "stop_sequence" : "end_turn";
}

static void put_stop(const struct messages_writer *w, struct json_writer *j)
{
    json_kv_text(j, "stop_reason", stop_reason(w));
    json_key(j, "stop_sequence");
    if (w->stop.len > 0)
        json_put_str(j, w->stop);
    else
        json_put_null(j);
}

/* In this protocol what was cached is not a part of the input but beside it. */
static void put_usage(struct json_writer *j, const struct chat_usage *u)
{
    json_key(j, "usage");
    json_object(j);
    json_kv_int(j, "input_tokens", u->input - u->cached - u->cache_write);
    json_kv_int(j, "cache_creation_input_tokens", u->cache_write);
    json_kv_int(j, "cache_read_input_tokens", u->cached);
    json_kv_int(j, "output_tokens", u->output);
    json_end(j);
}

/* Up to its content. */
static void put_head(const struct messages_writer *w, struct json_writer *j)
{
    char id[RANDOM_ID_SIZE];
    random_id(id, "msg_");
    json_object(j);
    json_kv_text(j, "id", id);
    json_kv_text(j, "type", "message");
    json_kv_text(j, "role", "assistant");
    json_kv_str(j, "model", w->r->call.req.model);
    json_key(j, "content");
}

static const char *const block_types[] = {
    [TEXT_BLOCK] = "text",
    [THINKING_BLOCK] = "thinking",
    [REDACTED_BLOCK] = "redacted_thinking",
    [TOOL_BLOCK] = "tool_use",
};

/* What a block is from its beginning on. */
static void put_block(const struct messages_writer *w, struct json_writer *j,
                      const struct chat_event *ev)
{
    json_object(j);
    json_kv_text(j, "type", block_types[w->open]);
    if (w->open == TOOL_BLOCK) {
        json_kv_str(j, "id", ev->id);
        json_kv_str(j, "name", ev->name);
    } else if (w->open == REDACTED_BLOCK) {
        json_kv_str(j, "data", ev->text);
    }
}

/* Which of the answer's documents it is, numbered as they first appear. */
static int64_t document_index(const struct chat_request *req, const struct passage *p)
{
    int64_t n = 0;
    for (size_t i = 0; i < req->n_passages && req->passage[i].document != p->document; i++) {
        size_t k = 0;
        while (req->passage[k].document != req->passage[i].document)
            k++;
        n += k == i;
    }
    return n;
}

static void put_citation(const struct messages_writer *w, struct json_writer *j,
                         const struct citation *c)
{
    const struct passage *p = c->passage;
    json_object(j);
    json_kv_text(j, "type", "char_location");
    json_kv_str(j, "cited_text", c->quote);
    json_kv_int(j, "document_index", document_index(&w->r->call.req, p));
    json_kv_str(j, "document_title", p->name);
    json_kv_str(j, "file_id", p->file_id.len ? p->file_id : p->uri);
    json_kv_int(j, "start_char_index", (int64_t)c->char_start);
    json_kv_int(j, "end_char_index", (int64_t)c->char_end);
    openai_put_place(j, c);
    json_end(j);
}

/* ---- Blocks of a whole answer ---- */

static void keep_text(struct json_writer *j, const char *name, struct buf *text)
{
    json_kv_str(j, name, buf_str(text));
    buf_reset(text);
}

static bool keep_arguments(struct json_writer *j, struct buf *text, struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct json doc;
    struct str input = str_trim(buf_str(text));
    bool good = input.len == 0 ||
                (json_parse(&doc, tmp, input, 0, NULL) && json_is(json_root(&doc), JSON_OBJECT));
    json_key(j, "input");
    json_put_raw(j, good && input.len > 0 ? input : STR("{}"));
    arena_rewind(tmp, mark);
    buf_reset(text);
    return good || err_set(e, ERR_UPSTREAM, "the model called a tool with broken arguments");
}

static bool close_whole(struct messages_writer *w, struct err *e)
{
    struct whole *k = w->whole;
    bool good = true;
    if (w->open == TEXT_BLOCK) {
        keep_text(&k->w, "text", &k->text);
        if (k->citations.len > 0) {
            buf_char(&k->citations, ']');
            json_key(&k->w, "citations");
            json_put_raw(&k->w, buf_str(&k->citations));
            buf_reset(&k->citations);
        }
    } else if (w->open == THINKING_BLOCK) {
        keep_text(&k->w, "thinking", &k->text);
        keep_text(&k->w, "signature", &k->signature);
    } else if (w->open == TOOL_BLOCK) {
        good = keep_arguments(&k->w, &k->text, e);
    }
    json_end(&k->w);
    return good;
}

static void keep_citation(struct messages_writer *w, const struct citation *c)
{
    struct buf *list = &w->whole->citations;
    struct json_writer j;
    buf_char(list, list->len > 0 ? ',' : '[');
    json_begin(&j, list);
    put_citation(w, &j, c);
}

static void keep_piece(struct messages_writer *w, const struct chat_event *ev)
{
    if (ev->kind == CHAT_CITATION)
        keep_citation(w, ev->citation);
    else if (ev->kind == CHAT_SIGNATURE)
        buf_add(&w->whole->signature, ev->text);
    else if (w->open != REDACTED_BLOCK)
        buf_add(&w->whole->text, ev->text);
}

/* ---- Events of a stream; they are collected and go out in one piece ---- */

static void event_begin(struct json_writer *j, struct buf *out, const char *type)
{
    buf_printf(out, "event: %s\ndata: ", type);
    json_begin(j, out);
    json_object(j);
    json_kv_text(j, "type", type);
}

static void event_end(struct json_writer *j)
{
    json_end(j);
    buf_add(j->out, STR("\n\n"));
}

/* The provider has told nothing of its usage yet: the input is what we count. */
static void put_start(struct messages_writer *w, struct buf *out)
{
    const struct chat_usage usage = {.input = call_prompt_tokens(&w->r->call)};
    struct json_writer j;
    event_begin(&j, out, "message_start");
    json_key(&j, "message");
    put_head(w, &j);
    json_array(&j);
    json_end(&j);
    json_kv_text(&j, "stop_reason", NULL);
    json_kv_text(&j, "stop_sequence", NULL);
    put_usage(&j, &usage);
    json_end(&j);
    event_end(&j);
    w->started = true;
}

static void put_block_start(struct messages_writer *w, struct buf *out, const struct chat_event *ev)
{
    struct json_writer j;
    event_begin(&j, out, "content_block_start");
    json_kv_int(&j, "index", w->index);
    json_key(&j, "content_block");
    put_block(w, &j, ev);
    if (w->open == TEXT_BLOCK)
        json_kv_text(&j, "text", "");
    if (w->open == THINKING_BLOCK) {
        json_kv_text(&j, "thinking", "");
        json_kv_text(&j, "signature", "");
    }
    if (w->open == TOOL_BLOCK) {
        json_key(&j, "input");
        json_put_raw(&j, STR("{}"));
    }
    json_end(&j);
    event_end(&j);
}

static void put_block_stop(struct messages_writer *w, struct buf *out)
{
    struct json_writer j;
    event_begin(&j, out, "content_block_stop");
    json_kv_int(&j, "index", w->index);
    event_end(&j);
}

static void put_delta(struct messages_writer *w, struct buf *out, const struct chat_event *ev)
{
    static const struct {
        const char *type, *member;
    } deltas[] = {
        [CHAT_TEXT] = {"text_delta", "text"},
        [CHAT_REFUSAL] = {"text_delta", "text"},
        [CHAT_THINKING] = {"thinking_delta", "thinking"},
        [CHAT_SIGNATURE] = {"signature_delta", "signature"},
        [CHAT_ARGUMENTS] = {"input_json_delta", "partial_json"},
        [CHAT_CITATION] = {"citations_delta", "citation"},
    };
    struct json_writer j;
    if (ev->kind == CHAT_TOOL_CALL || ev->kind == CHAT_REDACTED)
        return; /* the block's beginning said it */
    event_begin(&j, out, "content_block_delta");
    json_kv_int(&j, "index", w->index);
    json_key(&j, "delta");
    json_object(&j);
    json_kv_text(&j, "type", deltas[ev->kind].type);
    json_key(&j, deltas[ev->kind].member);
    if (ev->kind == CHAT_CITATION)
        put_citation(w, &j, ev->citation);
    else
        json_put_str(&j, ev->text);
    json_end(&j);
    event_end(&j);
}

/* ---- From events to blocks ---- */

static enum block block_of(enum chat_event_kind kind)
{
    switch (kind) {
    case CHAT_THINKING:
    case CHAT_SIGNATURE: return THINKING_BLOCK;
    case CHAT_REDACTED: return REDACTED_BLOCK;
    case CHAT_TOOL_CALL:
    case CHAT_ARGUMENTS: return TOOL_BLOCK;
    default: return TEXT_BLOCK;
    }
}

/* Does the event go into the open block? What ends one comes as its last. */
static bool fits(const struct messages_writer *w, enum chat_event_kind kind)
{
    bool last = kind == CHAT_CITATION || kind == CHAT_SIGNATURE;
    bool anew = kind == CHAT_TOOL_CALL || kind == CHAT_REDACTED;
    return w->open == block_of(kind) && !anew && (last || !w->ends);
}

static bool close_block(struct messages_writer *w, struct buf *out, struct err *e)
{
    bool good = true;
    if (w->open == NO_BLOCK)
        return true;
    if (w->whole)
        good = close_whole(w, e);
    else
        put_block_stop(w, out);
    w->index++;
    w->open = NO_BLOCK;
    w->ends = false;
    return good;
}

static bool take(struct messages_writer *w, struct buf *out, const struct chat_event *ev,
                 struct err *e)
{
    if (!w->started && !w->whole)
        put_start(w, out);
    if (!fits(w, ev->kind)) {
        if (!close_block(w, out, e))
            return false;
        w->open = block_of(ev->kind);
        if (w->whole)
            put_block(w, &w->whole->w, ev);
        else
            put_block_start(w, out, ev);
    }
    w->ends = w->ends || ev->kind == CHAT_CITATION || ev->kind == CHAT_SIGNATURE;
    w->refuses = w->refuses || ev->kind == CHAT_REFUSAL;
    w->calls_tools = w->calls_tools || w->open == TOOL_BLOCK;
    if (w->whole)
        keep_piece(w, ev);
    else
        put_delta(w, out, ev);
    return true;
}

/* ---- The sink ---- */

static bool fitted(const struct buf *b, struct err *e)
{
    return buf_ok(b) || err_set(e, ERR_UPSTREAM, "the answer is larger than it may be");
}

static bool stream(struct messages_writer *w, const struct chat_event *ev, struct err *e)
{
    struct buf out;
    buf_init(&out, ANSWER_MAX);
    bool good =
        take(w, &out, ev, e) && fitted(&out, e) && reply_piece(w->r, buf_str(&out), false, e);
    buf_fini(&out);
    return good;
}

static bool pass_on(struct messages_writer *w, const struct chat_event *ev, struct err *e)
{
    const struct said *said = &w->r->call.said;
    if (w->whole) {
        w->raw = ev->raw; /* in the call's arena */
        return true;
    }
    w->started = true;
    w->open = said->spoke && said->plain ? TEXT_BLOCK : NO_BLOCK;
    return reply_piece(w->r, ev->raw, ev->last, e);
}

static bool collect(struct messages_writer *w, const struct chat_event *ev, struct err *e)
{
    const struct whole *k = w->whole;
    return take(w, NULL, ev, e) && fitted(&k->content, e) && fitted(&k->text, e) &&
           fitted(&k->signature, e) && fitted(&k->citations, e);
}

static bool finish(struct messages_writer *w, const struct chat_event *ev, struct err *e)
{
    w->finish = ev->finish;
    w->stop = arena_copy(w->r->call.arena, ev->stop);
    return !w->whole || close_block(w, NULL, e);
}

static bool note_unsupported(struct messages_writer *w, const struct unsupported *u, struct err *e)
{
    struct json_writer j;
    if (w->unsupported.len > 0)
        buf_char(&w->unsupported, ',');
    json_begin(&j, &w->unsupported);
    doubt_put(&j, u);
    return fitted(&w->unsupported, e);
}

static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct messages_writer *w = CONTAINER_OF(sink, struct messages_writer, sink);
    switch (ev->kind) {
    case CHAT_RAW: return pass_on(w, ev, e);
    case CHAT_FINISH: return finish(w, ev, e);
    case CHAT_UNSUPPORTED: return note_unsupported(w, ev->unsupported, e);
    default: return w->whole ? collect(w, ev, e) : stream(w, ev, e);
    }
}

static void free_whole(void *arg)
{
    struct whole *k = arg;
    buf_fini(&k->content);
    buf_fini(&k->text);
    buf_fini(&k->signature);
    buf_fini(&k->citations);
}

static struct whole *make_whole(struct arena *a)
{
    struct whole *k = arena_struct(a, struct whole);
    buf_init(&k->content, ANSWER_MAX);
    buf_init(&k->text, ANSWER_MAX);
    buf_init(&k->signature, ANSWER_MAX);
    buf_init(&k->citations, ANSWER_MAX);
    arena_defer(a, free_whole, k);
    json_begin(&k->w, &k->content);
    json_array(&k->w);
    return k;
}

static void free_unsupported(void *arg)
{
    buf_fini(arg);
}

static struct chat_sink *make_sink(struct request *r)
{
    struct messages_writer *w = arena_struct(r->call.arena, struct messages_writer);
    w->sink.event = on_event;
    w->r = r;
    w->whole = r->call.req.stream ? NULL : make_whole(r->call.arena);
    buf_init(&w->unsupported, ANSWER_MAX);
    arena_defer(r->call.arena, free_unsupported, &w->unsupported);
    return &w->sink;
}

/* ---- The end ---- */

static void put_unsupported(struct messages_writer *w, struct json_writer *j)
{
    if (w->unsupported.len == 0)
        return;
    json_key(j, "unsupported");
    json_put_raw(j, arena_printf(w->r->call.arena, "[%.*s]", STR_FMT(buf_str(&w->unsupported))));
}

static bool end_whole(struct messages_writer *w, struct err *e)
{
    struct request *r = w->r;
    struct buf b;
    struct json_writer j;
    if (w->raw.len > 0)
        return reply_text(r, 200, "application/json", w->raw, e);
    json_end(&w->whole->w);
    buf_init(&b, 2 * ANSWER_MAX);
    json_begin(&j, &b);
    put_head(w, &j);
    json_put_raw(&j, buf_str(&w->whole->content));
    put_stop(w, &j);
    put_usage(&j, &r->call.usage);
    put_unsupported(w, &j);
    json_end(&j);
    return reply_json(r, 200, &b, e);
}

static void put_message_delta(struct messages_writer *w, struct buf *out)
{
    struct json_writer j;
    event_begin(&j, out, "message_delta");
    json_key(&j, "delta");
    json_object(&j);
    put_stop(w, &j);
    json_end(&j);
    put_usage(&j, &w->r->call.usage);
    put_unsupported(w, &j);
    event_end(&j);
}

/* What the provider said itself of the end has passed through already. */
static bool end_stream(struct messages_writer *w, struct err *e)
{
    struct request *r = w->r;
    struct buf out;
    struct json_writer j;
    buf_init(&out, ANSWER_MAX);
    if (!w->started)
        put_start(w, &out);
    if (w->finish != CHAT_FINISH_NONE) {
        close_block(w, &out, e);
        put_message_delta(w, &out);
    }
    event_begin(&j, &out, "message_stop");
    event_end(&j);
    struct str bytes = buf_str(&out);
    bool good = (r->http->status || reply_events(r, e)) && http_reply_end(r->http, &bytes, 1, e);
    buf_fini(&out);
    return good;
}

static bool end(struct request *r, struct err *e)
{
    struct messages_writer *w = CONTAINER_OF(r->answer, struct messages_writer, sink);
    return w->whole ? end_whole(w, e) : end_stream(w, e);
}

static const struct codec codec = {
    .name = "messages", .read = read_body, .sink = make_sink, .end = end};

bool messages_create(struct request *r, struct err *e)
{
    return stages_call(r, &codec, e);
}

/* ---- Counting ---- */

/* Where no provider of the model's counts: our own estimate, of all that the request holds. */
static bool count(struct request *r, struct err *e)
{
    struct chat_request *req = &r->call.req;
    if (dispatch_can(r->model, OP_COUNT_TOKENS))
        return stages_invoke(r, e);
    if (!req->expand(req, r->call.early, e))
        return false;
    struct chat_event answer = {
        .kind = CHAT_RAW,
        .raw = arena_printf(r->call.arena, "{\"input_tokens\":%jd}",
                            (intmax_t)call_prompt_tokens(&r->call)),
    };
    return r->sink->event(r->sink, &answer, e);
}

static const struct codec counting = {
    .name = "count_tokens", .read = read_count, .invoke = count, .sink = make_sink, .end = end};

bool messages_count(struct request *r, struct err *e)
{
    return stages_call(r, &counting, e);
}
