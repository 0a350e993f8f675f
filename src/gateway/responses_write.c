#include "gateway/responses_write.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "gateway/doubt.h"
#include "gateway/openai_out.h"
#include "gateway/responses_search.h"
#include "gateway/retrieval.h"

enum { ANSWER_MAX = 64 << 20, ITEM_ID_SIZE = 64 };

enum item { NO_ITEM, MESSAGE_ITEM, REASONING_ITEM, CALL_ITEM, SEARCH_ITEM };
enum part { NO_PART, TEXT_PART, REFUSAL_PART, SUMMARY_PART };

struct responses_writer {
    struct chat_sink sink;
    struct request *r;
    const struct responses *q;
    char id[RANDOM_ID_SIZE]; /* resp_... */
    int64_t created_s;
    int64_t sequence, sent; /* of the next event; of the next behind those that have gone out */
    bool begun;
    size_t n_items; /* closed: the index of the open one, or of the next */
    enum item item; /* the open one, and what it has so far */
    struct str call_id, name;
    const struct chat_search *search;
    struct buf sealed; /* its encrypted_content */
    size_t n_parts;    /* closed */
    enum part part;    /* the open one of the item */
    size_t n_annotations, characters;
    struct buf text;        /* of the open part, or a call's arguments */
    struct buf annotations; /* of the open part, JSON joined by commas, as below */
    struct buf parts;       /* closed ones of the open item */
    struct buf items;       /* closed */
    struct buf unsupported; /* sentences (gateway/doubt.h) */
    struct buf out;         /* events that go out in one piece */
    enum chat_finish finish;
};

static struct responses_writer *writer_of(struct chat_sink *sink)
{
    return CONTAINER_OF(sink, struct responses_writer, sink);
}

static bool is_streamed(const struct responses_writer *w)
{
    return w->r->call.req.stream;
}

/* ---- Ids ---- */

static struct str token_of(const struct responses_writer *w)
{
    return str_from_at(str_from(w->id), strlen("resp_"));
}

static void item_id(const struct responses_writer *w, const char *prefix, char out[ITEM_ID_SIZE])
{
    struct buf b;
    buf_init(&b, ITEM_ID_SIZE);
    buf_printf(&b, "%s_%.*s_%zu", prefix, STR_FMT(token_of(w)), w->n_items);
    const char *text = buf_text(&b);
    memcpy(out, text, b.len + 1);
    buf_fini(&b);
}

static void put_item_id(const struct responses_writer *w, struct json_writer *j, const char *name)
{
    static const char *const prefixes[] = {
        [MESSAGE_ITEM] = "msg", [REASONING_ITEM] = "rs", [CALL_ITEM] = "fc", [SEARCH_ITEM] = "fs"};
    char id[ITEM_ID_SIZE];
    item_id(w, prefixes[w->item], id);
    json_kv_text(j, name, id);
}

struct str responses_of_item(struct str item, struct arena *a)
{
    size_t from = str_find_char(item, '_');
    struct str rest = from == STR_NPOS ? STR_NONE : str_from_at(item, from + 1);
    size_t until = str_find_char(rest, '_');
    return until == STR_NPOS || until == 0
               ? STR_NONE
               : arena_printf(a, "resp_%.*s", STR_FMT(str_head(rest, until)));
}

/* ---- Lists of JSON values joined by commas ---- */

static void list_next(struct buf *list, struct json_writer *j)
{
    if (list->len > 0)
        buf_char(list, ',');
    json_begin(j, list);
}

static void put_list(struct json_writer *j, const char *name, const struct buf *list)
{
    json_key(j, name);
    json_array(j);
    if (list->len > 0)
        json_put_raw(j, buf_str(list));
    json_end(j);
}

/* ---- The response ---- */

static struct json_value given(const struct responses_writer *w, const char *name)
{
    return json_get(json_root(&w->r->call.req.body), name);
}

/* A member as it came, or what stands for one that did not. */
static void put_given(const struct responses_writer *w, struct json_writer *j, const char *name,
                      const char *preset)
{
    struct json_value v = given(w, name);
    json_key(j, name);
    json_put_raw(j, body_given(v) ? json_raw(v) : str_from(preset));
}

static void put_usage(struct json_writer *j, const struct chat_usage *u)
{
    json_key(j, "usage");
    json_object(j);
    json_kv_int(j, "input_tokens", u->input);
    json_key(j, "input_tokens_details");
    json_object(j);
    json_kv_int(j, "cached_tokens", u->cached);
    json_end(j);
    json_kv_int(j, "output_tokens", u->output);
    json_key(j, "output_tokens_details");
    json_object(j);
    json_kv_int(j, "reasoning_tokens", u->reasoning);
    json_end(j);
    json_kv_int(j, "total_tokens", u->input + u->output);
    json_end(j);
}

static void put_error(struct json_writer *j, const struct err *why)
{
    json_key(j, "error");
    if (!why) {
        json_put_null(j);
        return;
    }
    json_object(j);
    json_kv_text(j, "code", why->code == ERR_RATE ? "rate_limit_exceeded" : "server_error");
    json_kv_text(j, "message", why->msg);
    json_end(j);
}

static const char *incomplete_reason(const struct responses_writer *w)
{
    return w->finish == CHAT_FINISH_LENGTH    ? "max_output_tokens"
           : w->finish == CHAT_FINISH_CONTENT ? "content_filter"
                                              : NULL;
}

/* What was asked for, said again. */
static void put_request(const struct responses_writer *w, struct json_writer *j)
{
    static const struct {
        const char *name, *preset;
    } members[] = {
        {"background", "false"},
        {"instructions", "null"},
        {"max_output_tokens", "null"},
        {"max_tool_calls", "null"},
        {"metadata", "{}"},
        {"parallel_tool_calls", "true"},
        {"previous_response_id", "null"},
        {"prompt_cache_key", "null"},
        {"reasoning", "{\"effort\":null,\"summary\":null}"},
        {"safety_identifier", "null"},
        {"service_tier", "\"default\""},
        {"store", "true"},
        {"temperature", "1"},
        {"text", "{\"format\":{\"type\":\"text\"}}"},
        {"tool_choice", "\"auto\""},
        {"tools", "[]"},
        {"top_logprobs", "0"},
        {"top_p", "1"},
        {"truncation", "\"disabled\""},
        {"user", "null"},
    };
    for (size_t i = 0; i < COUNT(members); i++)
        put_given(w, j, members[i].name, members[i].preset);
}

/* Status NULL: in progress. */
static void put_response(const struct responses_writer *w, struct json_writer *j,
                         const char *status, const struct err *why)
{
    const char *reason = status && !why ? incomplete_reason(w) : NULL;
    json_object(j);
    json_kv_text(j, "id", w->id);
    json_kv_text(j, "object", "response");
    json_kv_int(j, "created_at", w->created_s);
    json_kv_text(j, "status", status ? status : "in_progress");
    put_error(j, why);
    json_key(j, "incomplete_details");
    if (reason) {
        json_object(j);
        json_kv_text(j, "reason", reason);
        json_end(j);
    } else {
        json_put_null(j);
    }
    json_kv_str(j, "model", w->r->call.req.model);
    json_key(j, "output");
    json_array(j);
    if (status && w->items.len > 0)
        json_put_raw(j, buf_str(&w->items)); /* several, joined by commas */
    json_end(j);
    put_request(w, j);
    if (status) {
        put_usage(j, &w->r->call.usage);
        retrieval_put(j, w->r);
    } else {
        json_kv_text(j, "usage", NULL);
    }
    if (status && w->unsupported.len > 0)
        put_list(j, "unsupported", &w->unsupported);
    json_end(j);
}

/* ---- Events ---- */

static void event_begin(struct responses_writer *w, struct json_writer *j, const char *type)
{
    buf_printf(&w->out, "event: %s\ndata: ", type);
    json_begin(j, &w->out);
    json_object(j);
    json_kv_text(j, "type", type);
    json_kv_int(j, "sequence_number", w->sequence++);
}

static void event_end(struct json_writer *j)
{
    json_end(j);
    buf_add(j->out, STR("\n\n"));
}

/* Of the open item. */
static void item_event_begin(struct responses_writer *w, struct json_writer *j, const char *type)
{
    event_begin(w, j, type);
    put_item_id(w, j, "item_id");
    json_kv_int(j, "output_index", (int64_t)w->n_items);
}

/* Of its open part. */
static void part_event_begin(struct responses_writer *w, struct json_writer *j, const char *type)
{
    item_event_begin(w, j, type);
    json_kv_int(j, w->part == SUMMARY_PART ? "summary_index" : "content_index",
                (int64_t)w->n_parts);
}

static void put_response_event(struct responses_writer *w, const char *type)
{
    struct json_writer j;
    event_begin(w, &j, type);
    json_key(&j, "response");
    put_response(w, &j, NULL, NULL);
    event_end(&j);
}

/* ---- Items and parts as they stand ---- */

static void put_part(const struct responses_writer *w, struct json_writer *j)
{
    json_object(j);
    if (w->part == TEXT_PART) {
        json_kv_text(j, "type", "output_text");
        put_list(j, "annotations", &w->annotations);
        json_kv_str(j, "text", buf_str(&w->text));
        json_key(j, "logprobs");
        json_put_raw(j, STR("[]"));
    } else if (w->part == REFUSAL_PART) {
        json_kv_text(j, "type", "refusal");
        json_kv_str(j, "refusal", buf_str(&w->text));
    } else {
        json_kv_text(j, "type", "summary_text");
        json_kv_str(j, "text", buf_str(&w->text));
    }
    json_end(j);
}

static void put_item(const struct responses_writer *w, struct json_writer *j, const char *status)
{
    json_object(j);
    put_item_id(w, j, "id");
    if (w->item == MESSAGE_ITEM) {
        json_kv_text(j, "type", "message");
        json_kv_text(j, "status", status);
        json_kv_text(j, "role", "assistant");
        put_list(j, "content", &w->parts);
    } else if (w->item == CALL_ITEM) {
        json_kv_text(j, "type", "function_call");
        json_kv_text(j, "status", status);
        json_kv_str(j, "call_id", w->call_id);
        json_kv_str(j, "name", w->name);
        json_kv_str(j, "arguments", buf_str(&w->text));
    } else if (w->item == SEARCH_ITEM) {
        json_kv_text(j, "type", "file_search_call");
        json_kv_text(j, "status", status);
        responses_search_put(j, w->search, w->q->results && w->search->done);
    } else {
        json_kv_text(j, "type", "reasoning");
        put_list(j, "summary", &w->parts);
        if (w->sealed.len > 0)
            json_kv_str(j, "encrypted_content", buf_str(&w->sealed));
    }
    json_end(j);
}

static void put_item_event(struct responses_writer *w, const char *type, const char *status)
{
    struct json_writer j;
    event_begin(w, &j, type);
    json_kv_int(&j, "output_index", (int64_t)w->n_items);
    json_key(&j, "item");
    put_item(w, &j, status);
    event_end(&j);
}

static void put_part_event(struct responses_writer *w, const char *type)
{
    struct json_writer j;
    part_event_begin(w, &j, type);
    json_key(&j, "part");
    put_part(w, &j);
    event_end(&j);
}

/* ---- Opening and closing ---- */

static const struct {
    const char *added, *delta, *done, *part_done, *text;
} part_events[] = {
    [TEXT_PART] = {"response.content_part.added", "response.output_text.delta",
                   "response.output_text.done", "response.content_part.done", "text"},
    [REFUSAL_PART] = {"response.content_part.added", "response.refusal.delta",
                      "response.refusal.done", "response.content_part.done", "refusal"},
    [SUMMARY_PART] = {"response.reasoning_summary_part.added",
                      "response.reasoning_summary_text.delta",
                      "response.reasoning_summary_text.done",
                      "response.reasoning_summary_part.done", "text"},
};

static void put_logprobs(const struct responses_writer *w, struct json_writer *j)
{
    if (w->part != TEXT_PART)
        return;
    json_key(j, "logprobs");
    json_put_raw(j, STR("[]"));
}

static void close_part(struct responses_writer *w)
{
    struct json_writer j;
    if (w->part == NO_PART)
        return;
    if (is_streamed(w)) {
        part_event_begin(w, &j, part_events[w->part].done);
        json_kv_str(&j, part_events[w->part].text, buf_str(&w->text));
        put_logprobs(w, &j);
        event_end(&j);
        put_part_event(w, part_events[w->part].part_done);
    }
    list_next(&w->parts, &j);
    put_part(w, &j);
    w->n_parts++;
    w->part = NO_PART;
    buf_reset(&w->text);
    buf_reset(&w->annotations);
}

static void open_part(struct responses_writer *w, enum part part)
{
    w->part = part;
    w->n_annotations = w->characters = 0;
    if (is_streamed(w))
        put_part_event(w, part_events[part].added);
}

static void close_item(struct responses_writer *w, const char *status)
{
    struct json_writer j;
    if (w->item == NO_ITEM)
        return;
    close_part(w);
    if (is_streamed(w)) {
        if (w->item == CALL_ITEM) {
            item_event_begin(w, &j, "response.function_call_arguments.done");
            json_kv_str(&j, "name", w->name);
            json_kv_str(&j, "arguments", buf_str(&w->text));
            event_end(&j);
        }
        put_item_event(w, "response.output_item.done", status);
    }
    list_next(&w->items, &j);
    put_item(w, &j, status);
    w->n_items++;
    w->item = NO_ITEM;
    w->n_parts = 0;
    buf_reset(&w->text);
    buf_reset(&w->parts);
    buf_reset(&w->sealed);
}

static void open_item(struct responses_writer *w, enum item item)
{
    close_item(w, "completed");
    w->item = item;
    if (is_streamed(w))
        put_item_event(w, "response.output_item.added", "in_progress");
}

/* ---- Searches ---- */

static void tell_step(struct responses_writer *w, const char *type)
{
    struct json_writer j;
    if (!is_streamed(w))
        return;
    item_event_begin(w, &j, type);
    event_end(&j);
}

/* Twice for each: `s` stays until it is done. */
static void take_search(struct responses_writer *w, const struct chat_search *s)
{
    w->search = s;
    if (!s->done) {
        open_item(w, SEARCH_ITEM);
        tell_step(w, "response.file_search_call.in_progress");
        tell_step(w, "response.file_search_call.searching");
    } else {
        tell_step(w, "response.file_search_call.completed");
        close_item(w, "completed");
    }
}

/* It was made before the model was asked. */
static void tell_first_search(struct responses_writer *w)
{
    struct chat_search s = responses_search_first(w->r), begun = s;
    if (w->q->search.n_stores == 0 || w->r->call.req.searching == SEARCH_CALLED)
        return;
    begun.done = false;
    take_search(w, &begun);
    take_search(w, &s);
    w->search = NULL;
}

static void begin(struct responses_writer *w)
{
    if (w->begun)
        return;
    w->begun = true;
    if (is_streamed(w)) {
        put_response_event(w, "response.created");
        put_response_event(w, "response.in_progress");
    }
    tell_first_search(w);
}

/* ---- What the model says ---- */

static void take_words(struct responses_writer *w, enum item item, enum part part, struct str text)
{
    struct json_writer j;
    if (w->item != item || (item == REASONING_ITEM && w->sealed.len > 0))
        open_item(w, item);
    if (w->part != part) {
        close_part(w);
        open_part(w, part);
    }
    buf_add(&w->text, text);
    w->characters += utf8_count(text);
    if (!is_streamed(w))
        return;
    part_event_begin(w, &j, part_events[part].delta);
    json_kv_str(&j, "delta", text);
    put_logprobs(w, &j);
    event_end(&j);
}

/* What the maker of some reasoning wants back ends it. */
static void take_seal(struct responses_writer *w, const char *kind, bool alone, struct str text)
{
    if (w->item != REASONING_ITEM || alone || w->sealed.len > 0)
        open_item(w, REASONING_ITEM);
    buf_add(&w->sealed, str_from(kind));
    buf_add(&w->sealed, text);
}

static void take_call(struct responses_writer *w, const struct chat_event *ev)
{
    close_item(w, "completed");
    w->call_id = arena_copy(w->r->call.arena, ev->id);
    w->name = arena_copy(w->r->call.arena, ev->name);
    open_item(w, CALL_ITEM);
}

static void take_arguments(struct responses_writer *w, struct str text)
{
    struct json_writer j;
    buf_add(&w->text, text);
    if (!is_streamed(w))
        return;
    item_event_begin(w, &j, "response.function_call_arguments.delta");
    json_kv_str(&j, "delta", text);
    event_end(&j);
}

/* It comes right behind the text that it belongs to. */
static void take_citation(struct responses_writer *w, const struct citation *c)
{
    struct json_writer j;
    if (w->part != TEXT_PART)
        return;
    list_next(&w->annotations, &j);
    openai_put_citation(&j, c, w->characters - c->behind);
    if (is_streamed(w)) {
        part_event_begin(w, &j, "response.output_text.annotation.added");
        json_kv_int(&j, "annotation_index", (int64_t)w->n_annotations);
        json_key(&j, "annotation");
        openai_put_citation(&j, c, w->characters - c->behind);
        event_end(&j);
    }
    w->n_annotations++;
}

static void take_unsupported(struct responses_writer *w, const struct unsupported *u)
{
    struct json_writer j;
    list_next(&w->unsupported, &j);
    doubt_put(&j, u);
}

static void take(struct responses_writer *w, const struct chat_event *ev)
{
    switch (ev->kind) {
    case CHAT_TEXT: take_words(w, MESSAGE_ITEM, TEXT_PART, ev->text); break;
    case CHAT_REFUSAL: take_words(w, MESSAGE_ITEM, REFUSAL_PART, ev->text); break;
    case CHAT_THINKING: take_words(w, REASONING_ITEM, SUMMARY_PART, ev->text); break;
    case CHAT_SIGNATURE: take_seal(w, RESPONSES_SIGNATURE, false, ev->text); break;
    case CHAT_REDACTED: take_seal(w, RESPONSES_REDACTED, true, ev->text); break;
    case CHAT_TOOL_CALL: take_call(w, ev); break;
    case CHAT_ARGUMENTS: take_arguments(w, ev->text); break;
    case CHAT_CITATION: take_citation(w, ev->citation); break;
    case CHAT_UNSUPPORTED: take_unsupported(w, ev->unsupported); break;
    case CHAT_SEARCH: take_search(w, ev->search); break;
    case CHAT_FINISH: w->finish = ev->finish; break;
    case CHAT_RAW: CHECK(false); /* no provider speaks this dialect */
    }
}

/* ---- The sink ---- */

static bool fits(const struct responses_writer *w, struct err *e)
{
    const struct buf *all[] = {&w->sealed, &w->text,  &w->annotations, &w->unsupported,
                               &w->parts,  &w->items, &w->out};
    for (size_t i = 0; i < COUNT(all); i++)
        if (!buf_ok(all[i]))
            return err_set(e, ERR_UPSTREAM, "the answer is larger than it may be");
    return true;
}

static bool flush(struct responses_writer *w, struct err *e)
{
    struct str bytes = buf_str(&w->out);
    if (w->out.len == 0)
        return true;
    bool sent =
        (w->r->http->status || reply_events(w->r, e)) && http_reply_write(w->r->http, &bytes, 1, e);
    buf_reset(&w->out);
    w->sent = w->sequence;
    return sent;
}

static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct responses_writer *w = writer_of(sink);
    begin(w);
    take(w, ev);
    return fits(w, e) && flush(w, e);
}

static void free_writer(void *arg)
{
    struct responses_writer *w = arg;
    struct buf *all[] = {&w->sealed, &w->text,  &w->annotations, &w->unsupported,
                         &w->parts,  &w->items, &w->out};
    for (size_t i = 0; i < COUNT(all); i++)
        buf_fini(all[i]);
}

struct chat_sink *responses_writer(struct request *r, const struct responses *q)
{
    struct responses_writer *w = arena_struct(r->call.arena, struct responses_writer);
    struct buf *all[] = {&w->sealed, &w->text,  &w->annotations, &w->unsupported,
                         &w->parts,  &w->items, &w->out};
    *w = (struct responses_writer){
        .sink.event = on_event, .r = r, .q = q, .created_s = clock_wall_s()};
    random_id(w->id, "resp_");
    for (size_t i = 0; i < COUNT(all); i++)
        buf_init(all[i], 4 * ANSWER_MAX);
    arena_defer(r->call.arena, free_writer, w);
    return &w->sink;
}

struct str responses_writer_id(struct chat_sink *sink)
{
    return str_from(writer_of(sink)->id);
}

/* ---- The end ---- */

bool responses_writer_finish(struct chat_sink *sink, struct str *answer, struct err *e)
{
    struct responses_writer *w = writer_of(sink);
    bool whole = !incomplete_reason(w);
    struct buf b;
    struct json_writer j;
    begin(w);
    close_item(w, whole ? "completed" : "incomplete");
    buf_init(&b, 4 * ANSWER_MAX);
    json_begin(&j, &b);
    put_response(w, &j, whole ? "completed" : "incomplete", NULL);
    bool good = fits(w, e) &&
                (buf_ok(&b) || err_set(e, ERR_UPSTREAM, "the answer is larger than it may be"));
    *answer = arena_copy(w->r->call.arena, buf_str(&b));
    buf_fini(&b);
    return good;
}

static bool send_end(struct responses_writer *w, struct err *e)
{
    struct str bytes = buf_str(&w->out);
    return (w->r->http->status || reply_events(w->r, e)) &&
           http_reply_end(w->r->http, &bytes, 1, e);
}

bool responses_writer_send(struct chat_sink *sink, struct str answer, struct err *e)
{
    struct responses_writer *w = writer_of(sink);
    struct json_writer j;
    if (!is_streamed(w))
        return reply_text(w->r, 200, "application/json", answer, e);
    event_begin(w, &j, incomplete_reason(w) ? "response.incomplete" : "response.completed");
    json_key(&j, "response");
    json_put_raw(&j, answer);
    event_end(&j);
    return fits(w, e) && send_end(w, e);
}

void responses_writer_fail(struct chat_sink *sink, const struct err *why)
{
    struct responses_writer *w = writer_of(sink);
    struct err shown = reply_shown(why), ignored;
    struct json_writer j;
    close_item(w, "incomplete");
    buf_reset(&w->out); /* what has not gone out will not */
    w->sequence = w->sent;
    event_begin(w, &j, "response.failed");
    json_key(&j, "response");
    put_response(w, &j, "failed", &shown);
    json_key(&j, "error");
    reply_error_object(&j, &shown);
    event_end(&j);
    if (!buf_ok(&w->out) || !send_end(w, &ignored))
        http_reply_abort(w->r->http);
}
