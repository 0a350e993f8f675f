/* What the openai provider promises: bytes that need no change pass as they are, whatever is
 * broken, cut short or an error in disguise is an error, and usage is known in any case. */
#include "model/provider.h"
#include "base/clock.h"
#include "model/openai_alike.h"

#include "tap.h"
#include "on_loop.h"
#include "peer.h"

#define JSON "Content-Type: application/json\r\n"
#define SSE "Content-Type: text/event-stream\r\n"
#define USAGE "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}"
#define WHOLE(model)                                                                               \
    "{\"id\":\"c1\",\"model\":\"" model                                                            \
    "\", \"x\":1e400,\"choices\":[{\"index\":0,\"message\":{\"role\":"                             \
    "\"assistant\",\"content\":\"Hi \\u00e4\"},\"finish_reason\":\"stop\"}]," USAGE "}"
#define DELTA(model, text)                                                                         \
    "data: {\"id\":\"c1\",\"model\":\"" model                                                      \
    "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                                  \
    "\"},\"finish_reason\":null}]}\n\n"
#define INDEXED(index)                                                                             \
    "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":" index                          \
    ",\"delta\":{\"content\":\"i\"},\"finish_reason\":null}]}\n\n"
#define LAST(model, index, reason)                                                                 \
    "data: {\"id\":\"c1\",\"model\":\"" model "\",\"choices\":[{\"index\":" index                  \
    ",\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"
#define TOTAL(model) "data: {\"id\":\"c1\",\"model\":\"" model "\",\"choices\":[]," USAGE "}\n\n"
#define U "\"model\":\"u\","
#define NINE_MODELS U U U U U U U U U
#define TEN_MODELS U NINE_MODELS
#define DONE "data: [DONE]\n\n"

enum how { CHUNKED, CUT, RESET, HELD }; /* how the answer ends; HELD: the connection stays open */

static const struct {
    const char *name;
    bool stream, include_usage, grounded;
    const char *upstream; /* NULL: as asked for, "m" */
    int status;
    const char *headers, *body;
    enum how how;
    enum err_code code; /* ERR_NONE: good */
    const char *raw, *text;
    int64_t input, output; /* 0, 0: counted by us */
    bool uncommitted;
} cases[] = {
    {"a whole answer", .status = 200, .headers = JSON, .body = WHOLE("m"), .raw = WHOLE("m"),
     .input = 7, .output = 2},
    {"its model is called as asked for", .upstream = "m-2026", .status = 200, .headers = JSON,
     .body = WHOLE("m-2026"), .raw = WHOLE("m"), .input = 7, .output = 2},
    {"grounded: its text", .grounded = true, .status = 200, .headers = JSON, .body = WHOLE("m"),
     .raw = "", .text = "Hi ä", .input = 7, .output = 2},
    {"no usage", .status = 200, .headers = JSON,
     .body = "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a b c\"}}]}",
     .raw = "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a b c\"}}]}"},
    {"a choice that has not ended", .status = 200, .headers = JSON,
     .body = "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":null}]}",
     .code = ERR_UPSTREAM, .uncommitted = true},
    {"not JSON", .status = 200, .headers = JSON, .body = "{\"choices\":[", .code = ERR_UPSTREAM,
     .uncommitted = true},
    {"a page", .status = 200, .headers = "Content-Type: text/html\r\n", .body = "<html>",
     .code = ERR_UPSTREAM, .uncommitted = true},
    {"no choices", .status = 200, .headers = JSON, .body = "{\"choices\":[]}", .code = ERR_UPSTREAM,
     .uncommitted = true},
    {"not an object", .status = 200, .headers = JSON, .body = "[1]", .code = ERR_UPSTREAM,
     .uncommitted = true},
    {"an error with status 200", .status = 200, .headers = JSON,
     .body = "{\"error\":{\"message\":\"x\",\"code\":429}}", .code = ERR_RATE, .uncommitted = true},
    {"cut short", .status = 200, .headers = JSON, .body = "{\"choices\":[{", .how = CUT,
     .code = ERR_UPSTREAM, .uncommitted = true},
    {"reset", .status = 200, .headers = JSON, .body = "{\"ch", .how = RESET, .code = ERR_UPSTREAM,
     .uncommitted = true},
    {"refused: our key", .status = 401, .headers = JSON, .body = "{}", .code = ERR_UPSTREAM_AUTH,
     .uncommitted = true},
    {"refused: too many", .status = 429, .headers = JSON "Retry-After: 7\r\n", .body = "{}",
     .code = ERR_RATE, .uncommitted = true},
    {"refused: the request", .status = 400, .headers = JSON,
     .body = "{\"error\":{\"message\":\"bad\"}}", .code = ERR_INVALID, .uncommitted = true},
    {"broken", .status = 503, .headers = JSON, .body = "oh", .code = ERR_UPSTREAM,
     .uncommitted = true},

    {"a stream", .stream = true, .include_usage = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") DELTA("m", "b") LAST("m", "0", "stop") TOTAL("m") DONE,
     .raw = DELTA("m", "a") DELTA("m", "b") LAST("m", "0", "stop") TOTAL("m"), .input = 7,
     .output = 2},
    {"usage that was not asked for is hidden", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") LAST("m", "0", "stop") TOTAL("m") DONE,
     .raw = DELTA("m", "a") LAST("m", "0", "stop"), .input = 7, .output = 2},
    {"its model is called as asked for, in each event", .stream = true, .status = 200,
     .headers = SSE, .body = DELTA("m-2026", "a") DELTA("m", "b") LAST("m-2026", "0", "stop") DONE,
     .raw = DELTA("m", "a") DELTA("m", "b") LAST("m", "0", "stop")},
    {"chunks alike", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") DELTA("m", "b") DELTA("m", "") DELTA("m", "c\\n\\u00e4 and \xC3\xA4")
         DELTA("m", "d") LAST("m", "0", "stop") DONE,
     .raw = DELTA("m", "a") DELTA("m", "b") DELTA("m", "") DELTA("m", "c\\n\\u00e4 and \xC3\xA4")
         DELTA("m", "d") LAST("m", "0", "stop")},
    {"chunks alike, called as asked for", .stream = true, .upstream = "m-2026", .status = 200,
     .headers = SSE,
     .body = DELTA("m-2026", "a") DELTA("m-2026", "b") DELTA("m-2026", "c") DELTA("m", "d")
         LAST("m-2026", "0", "stop") DONE,
     .raw = DELTA("m", "a") DELTA("m", "b") DELTA("m", "c") DELTA("m", "d") LAST("m", "0", "stop")},
    {"a broken one among chunks alike is skipped", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") DELTA("m", "b") DELTA("m", "\\x") DELTA("m", "\x01") DELTA("m", "\xC3")
         DELTA("m", "c") LAST("m", "0", "stop") DONE,
     .raw = DELTA("m", "a") DELTA("m", "b") DELTA("m", "c") LAST("m", "0", "stop")},
    {"choices in turn among chunks alike", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") DELTA("m", "b") INDEXED("1") INDEXED("127") LAST("m", "0", "stop")
         LAST("m", "1", "stop") LAST("m", "127", "stop") DONE,
     .raw = DELTA("m", "a") DELTA("m", "b") INDEXED("1") INDEXED("127") LAST("m", "0", "stop")
         LAST("m", "1", "stop") LAST("m", "127", "stop")},
    {"one choice of three chunks alike without an end", .stream = true, .status = 200,
     .headers = SSE,
     .body = DELTA("m", "a") DELTA("m", "b") INDEXED("2") LAST("m", "0", "stop") DONE,
     .code = ERR_UPSTREAM,
     .raw = DELTA("m", "a") DELTA("m", "b") INDEXED("2") LAST("m", "0", "stop")},
    {"a choice that was not asked for among chunks alike", .stream = true, .status = 200,
     .headers = SSE, .body = DELTA("m", "a") DELTA("m", "b") INDEXED("128") DONE,
     .code = ERR_UPSTREAM, .raw = DELTA("m", "a") DELTA("m", "b")},
    {"comments and events without data go", .stream = true, .status = 200, .headers = SSE,
     .body = ": ping\n\n" DELTA("m", "a") ": ping\n\n" LAST("m", "0", "stop") DONE,
     .raw = DELTA("m", "a") LAST("m", "0", "stop")},
    {"grounded: text and how it ended", .stream = true, .grounded = true, .status = 200,
     .headers = SSE,
     .body = DELTA("m", "a\\n") DELTA("m", "b") LAST("m", "0", "length") TOTAL("m") DONE, .raw = "",
     .text = "a\nb", .input = 7, .output = 2},
    {"the end mark ends it, open or not", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") LAST("m", "0", "stop") DONE, .how = HELD,
     .raw = DELTA("m", "a") LAST("m", "0", "stop")},
    {"no end mark, but all that matters", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") LAST("m", "0", "stop"), .raw = DELTA("m", "a") LAST("m", "0", "stop")},
    {"cut behind a finish reason", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") LAST("m", "0", "stop"), .how = CUT,
     .raw = DELTA("m", "a") LAST("m", "0", "stop")},
    {"ended without one", .stream = true, .status = 200, .headers = SSE, .body = DELTA("m", "a"),
     .code = ERR_UPSTREAM, .raw = DELTA("m", "a")},
    {"one choice of two without one", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") LAST("m", "1", "stop"), .code = ERR_UPSTREAM,
     .raw = DELTA("m", "a") LAST("m", "1", "stop")},
    {"cut in the middle", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") "data: {\"cho", .how = CUT, .code = ERR_UPSTREAM,
     .raw = DELTA("m", "a")},
    {"reset in the middle", .stream = true, .status = 200, .headers = SSE, .body = DELTA("m", "a"),
     .how = CUT, .code = ERR_UPSTREAM, .raw = DELTA("m", "a")},
    {"cut before anything", .stream = true, .status = 200, .headers = SSE, .body = ": hello\n\n",
     .how = CUT, .code = ERR_UPSTREAM, .uncommitted = true},
    {"an event that is not JSON is skipped", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") "data: {]\n\n" LAST("m", "0", "stop") DONE,
     .raw = DELTA("m", "a") LAST("m", "0", "stop")},
    {"an end mark without a finish reason", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") DONE, .code = ERR_UPSTREAM, .raw = DELTA("m", "a")},
    {"whole, and nothing more comes", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") LAST("m", "0", "stop") TOTAL("m"), .how = HELD,
     .raw = DELTA("m", "a") LAST("m", "0", "stop"), .input = 7, .output = 2},
    {"an error inside a choice", .stream = true, .status = 200, .headers = SSE,
     .body = DELTA("m", "a") "data: {\"choices\":[{\"index\":0,\"delta\":{},\"error\":{\"message\":"
                             "\"x\",\"code\":502}}]}\n\n" DONE,
     .code = ERR_UPSTREAM, .raw = DELTA("m", "a")},
    {"an error inside the choice of a whole answer", .status = 200, .headers = JSON,
     .body = "{\"choices\":[{\"index\":0,\"finish_reason\":\"error\",\"message\":{}}]}",
     .code = ERR_UPSTREAM, .uncommitted = true},
    {"a model named ten times", .upstream = "m-2026", .status = 200, .headers = JSON,
     .body = "{" TEN_MODELS "\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
     .raw = "{\"model\":\"m\"," NINE_MODELS "\"choices\":[{\"message\":{\"content\":\"a\"}}]}"},
    {"a choice that is no object", .status = 200, .headers = JSON, .body = "{\"choices\":[1]}",
     .code = ERR_UPSTREAM, .uncommitted = true},
    {"a choice without a message", .status = 200, .headers = JSON,
     .body = "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}", .code = ERR_UPSTREAM,
     .uncommitted = true},
    {"usage that cannot be is counted anew", .status = 200, .headers = JSON,
     .body = "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a b c\"}}],\"usage\":{"
             "\"prompt_tokens\":9223372036854775807,\"completion_tokens\":9223372036854775807}}",
     .raw = "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a b c\"}}],\"usage\":{"
            "\"prompt_tokens\":9223372036854775807,\"completion_tokens\":9223372036854775807}}"},
    {"an error in the middle", .stream = true, .status = 200, .headers = SSE,
     .body =
         DELTA("m", "a") "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n" DONE,
     .code = ERR_UPSTREAM, .raw = DELTA("m", "a")},
    {"an error at the start", .stream = true, .status = 200, .headers = SSE,
     .body = "data: {\"error\":{\"message\":\"x\",\"code\":429}}\n\n", .code = ERR_RATE,
     .uncommitted = true},
    {"an error instead of a stream", .stream = true, .status = 200, .headers = JSON,
     .body = "{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\"}}",
     .code = ERR_INVALID, .uncommitted = true},
    {"a page instead of a stream", .stream = true, .status = 200,
     .headers = "Content-Type: text/html\r\n", .body = "<html>busy</html>", .code = ERR_UPSTREAM,
     .uncommitted = true},
    {"a page that says it is a stream", .stream = true, .status = 200, .headers = SSE,
     .body = "<html>busy</html>\n\n", .code = ERR_UPSTREAM, .uncommitted = true},
    {"a choice that cannot be", .stream = true, .status = 200, .headers = SSE,
     .body = LAST("m", "4096", "stop") DONE, .code = ERR_UPSTREAM, .uncommitted = true},
};

struct gather {
    struct chat_sink sink;
    struct buf raw, text, all; /* all: what each canonical event is, neighbours of a kind as one */
    enum chat_event_kind last;
    size_t events, finished;
};

static void note(struct gather *g, const struct chat_event *ev)
{
    static const char *const names[] = {
        [CHAT_TEXT] = "text",           [CHAT_REFUSAL] = "refusal",   [CHAT_THINKING] = "thinking",
        [CHAT_SIGNATURE] = "signature", [CHAT_REDACTED] = "redacted", [CHAT_TOOL_CALL] = "call",
        [CHAT_ARGUMENTS] = "args",      [CHAT_FINISH] = "finish"};
    static const char *const ends[] = {"none", "stop", "length", "tools", "content"};
    if (ev->kind == CHAT_RAW || ev->kind == CHAT_CITATION)
        return;
    if (g->all.len == 0 || ev->kind != g->last || ev->kind == CHAT_TOOL_CALL)
        buf_printf(&g->all, "%s%s:", g->all.len > 0 ? "|" : "", names[ev->kind]);
    g->last = ev->kind;
    if (ev->kind == CHAT_TOOL_CALL)
        buf_printf(&g->all, "%.*s %.*s", STR_FMT(str_head(ev->id, 5)), STR_FMT(ev->name));
    else if (ev->kind == CHAT_FINISH)
        buf_printf(&g->all, "%s", ends[ev->finish]);
    else
        buf_add(&g->all, ev->text);
}

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    (void)e;
    g->events++;
    if (ev->kind == CHAT_RAW)
        buf_add(&g->raw, ev->raw);
    if (ev->kind == CHAT_TEXT)
        buf_add(&g->text, ev->text);
    note(g, ev);
    g->finished += ev->kind == CHAT_FINISH;
    return true;
}

static const struct passage passage = {.name = STR("a.md"), .text = STR("Text."), .tokens = 2};

/* What the client sent, as the gateway hands it on. */
static void make_call(struct call *c, struct arena *a, struct http_client *http, size_t i)
{
    struct err e;
    const char *body =
        cases[i].stream ? "{\"model\":\"m\", \"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
                          "\"temperature\":0.70,\"stream\":true}"
                        : "{\"model\":\"m\", \"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
                          "\"temperature\":0.70}";
    struct chat_message *m = arena_struct(a, struct chat_message);
    *c = (struct call){
        .arena = a, .early = a, .http = http, .id = "req_1", .deadline_ns = CLOCK_NEVER};
    c->req = (struct chat_request){.dialect = CHAT_OPENAI,
                                   .model = STR("m"),
                                   .message = m,
                                   .n_messages = 1,
                                   .stream = cases[i].stream,
                                   .include_usage = cases[i].include_usage,
                                   .grounded = cases[i].grounded};
    json_parse(&c->req.body, a, str_from(body), 0, &e);
    *m = (struct chat_message){CHAT_USER, STR("Hi"),
                               json_at(json_get(json_root(&c->req.body), "messages"), 0)};
    if (cases[i].grounded) {
        c->req.passage = &passage;
        c->req.n_passages = 1;
    }
}

static struct str answer_of(size_t i, struct arena *a)
{
    struct str body = str_from(cases[i].body);
    const char *end = cases[i].how == CHUNKED ? "0\r\n\r\n" : "";
    return arena_printf(a, "HTTP/1.1 %d X\r\n%sTransfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n%s",
                        cases[i].status, cases[i].headers, body.len, STR_FMT(body), end);
}

static void check_request(size_t i, const char *request)
{
    const char *body = strstr(request, "\r\n\r\n");
    ok(strstr(request, "POST /v1/chat/completions HTTP/1.1\r\n") == request &&
           strstr(request, "Authorization: Bearer k\r\n") &&
           strstr(request, "Content-Type: application/json\r\n"),
       "%s: head", cases[i].name);
    const char *want =
        cases[i].include_usage || !cases[i].stream
            ? cases[i].stream
                  ? "{\"model\":\"m\", "
                    "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0.70,"
                    "\"stream\":true}"
                  : "{\"model\":\"m\", "
                    "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0.70}"
            : "{\"model\":\"m\", "
              "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0.70,"
              "\"stream\":true,\"stream_options\":{\"include_usage\":true}}";
    if (cases[i].upstream)
        ok(body && strstr(body, "{\"model\":\"m-2026\", \"messages\":[{"), "%s: its own name",
           cases[i].name);
    else if (cases[i].grounded)
        ok(body && strstr(body, "<passage source=") && strstr(body, "\"temperature\":0.70"),
           "%s: prompt in its place", cases[i].name);
    else
        ok(body && strcmp(body + 4, want) == 0, "%s: body", cases[i].name);
}

struct server {
    struct provider p;
    struct provider_endpoint endpoint;
    struct target target;
};

static void make_server(struct server *s, struct arena *a, unsigned port, const char *upstream)
{
    struct err e;
    struct str key = STR("k");
    *s = (struct server){.target = {.provider = &s->p, .upstream = str_from(upstream)}};
    provider_init(&s->p, a, STR("p"), vendor_find(STR("openai-compatible")), &key, 1, &e);
    http_origin_parse(&s->endpoint.origin, a, arena_printf(a, "http://127.0.0.1:%u/v1", port), &e);
    s->p.endpoint = &s->endpoint;
    s->p.n_endpoints = 1;
}

static size_t first_stream(void)
{
    size_t i = 0;
    while (!cases[i].stream)
        i++;
    return i;
}

static bool try(struct attempt *t, const struct server *s, struct call *c, struct chat_sink *sink,
                struct err *e)
{
    *t = (struct attempt){.call = c,
                          .target = &s->target,
                          .endpoint = &s->endpoint,
                          .key = s->p.key,
                          .sink = sink,
                          .said = &c->said};
    return provider_openai.answer(t, e);
}

static void run_case(size_t i, struct http_client *http, bool dribble)
{
    struct arena *a = arena_new();
    struct str text = answer_of(i, a);
    struct act acts[] = {{ACT_ACCEPT},
                         {ACT_READ},
                         {dribble ? ACT_DRIBBLE : ACT_SEND, text.p, 0},
                         {ACT_AWAIT_EOF},
                         {ACT_END}};
    if (cases[i].how == CUT || cases[i].how == RESET)
        acts[3].kind = cases[i].how == CUT ? ACT_CLOSE : ACT_RESET;
    if (cases[i].how == CHUNKED)
        acts[3].kind = ACT_END; /* the list's end closes it */
    struct peer peer;
    struct server s;
    struct err e = {0};
    peer_start(&peer, acts);
    make_server(&s, a, peer.port, cases[i].upstream ? cases[i].upstream : "m");

    struct call c;
    struct gather g = {.sink = {take}};
    struct attempt t;
    buf_init(&g.raw, 1 << 20);
    buf_init(&g.text, 1 << 20);
    buf_init(&g.all, 1 << 20);
    make_call(&c, a, http, i);
    e = (struct err){0};
    bool good = try(&t, &s, &c, &g.sink, &e);
    ok(good == (cases[i].code == ERR_NONE) && (good || e.code == cases[i].code), "%s: %s %s",
       cases[i].name, good ? "good" : err_name(e.code), good ? "" : e.msg);
    ok(cases[i].how == RESET || str_eq(buf_str(&g.raw), str_from(cases[i].raw)),
       "%s: bytes to the client", cases[i].name);
    ok(str_eq(buf_str(&g.text), str_from(cases[i].text)), "%s: text to the client", cases[i].name);
    ok(g.finished == (good && cases[i].grounded), "%s: finished %zu times", cases[i].name,
       g.finished);
    ok(c.said.begun == !cases[i].uncommitted, "%s: %sbegun", cases[i].name,
       c.said.begun ? "" : "not ");
    ok(dribble || cases[i].how != CHUNKED || cases[i].stream == false || g.events <= 2,
       "%s: in as few pieces as it came, %zu", cases[i].name, g.events);
    ok(good || !strstr(e.msg, "127.0.0.1"), "%s: no address in the message", cases[i].name);
    ok(cases[i].how == RESET || t.status == cases[i].status, "%s: status", cases[i].name);
    if (good && cases[i].input)
        ok(t.usage.input == cases[i].input && t.usage.output == cases[i].output && !t.usage.counted,
           "%s: usage", cases[i].name);
    else if (good)
        ok(t.usage.counted && t.usage.input > 0 && t.usage.output > 0, "%s: usage counted here",
           cases[i].name);
    if (cases[i].code == ERR_RATE && cases[i].status == 429)
        ok(e.retry_after_ms == 7000, "%s: when to come back", cases[i].name);
    check_request(i, peer.request);
    http_client_free(http); /* ends what is held, before its peer is waited for */
    peer_stop(&peer);
    buf_fini(&g.raw);
    buf_fini(&g.text);
    buf_fini(&g.all);
    arena_free(a);
}

/* ---- Whole answers that are like one before ---- */

#define LIKE(model, message, reason, usage)                                                        \
    "{\"id\":\"c1\",\"created\":17,\"model\":\"" model                                             \
    "\",\"choices\":[{\"index\":0,\"message\":{"                                                   \
    "\"role\":\"assistant\"," message "},\"finish_reason\":\"" reason "\"}]" usage "}"
#define TEXT(text) "\"content\":\"" text "\""
#define TOLD(input, output, cached, reasoning)                                                     \
    ",\"usage\":{\"prompt_tokens\":" input ",\"completion_tokens\":" output                        \
    ",\"prompt_tokens_details\":{\"cached_tokens\":" cached                                        \
    "},\"completion_tokens_details\":{\"reasoning_tokens\":" reasoning "}}"
#define USUAL LIKE("m", TEXT("a"), "stop", TOLD("1", "1", "0", "0"))
#define UNTOLD LIKE("m", TEXT("a"), "stop", "")
#define UNLIKE                                                                                     \
    "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}"

/* The second of two answers. It must not matter whether it is read by its likeness to the first or
 * parsed, as it is when the first was UNLIKE it. */
static const struct {
    const char *name, *first, *body;
    const char *raw; /* to the client; NULL: `body` */
    bool alike;
    enum err_code code;
    const char *upstream; /* NULL: "m" */
    size_t wanted;
    enum chat_op op;
    size_t cut; /* bytes that do not come */
} likes[] = {
    {"an equal one", USUAL, USUAL, .alike = true},
    {"another text, end and usage", USUAL,
     LIKE("m", TEXT("\xC3\xA4 \\\"b\\\""), "length", TOLD("700", "50", "640", "20")),
     .alike = true},
    {"filtered", USUAL, LIKE("m", TEXT("b"), "content_filter", TOLD("7", "5", "0", "0")),
     .alike = true},
    {"no text", USUAL, LIKE("m", TEXT(""), "stop", TOLD("7", "0", "0", "0")), .alike = true},
    {"more cached than read", USUAL, LIKE("m", TEXT("b"), "stop", TOLD("7", "5", "8", "6")),
     .alike = true},
    {"no usage", UNTOLD, LIKE("m", TEXT("one two three four five six"), "stop", ""), .alike = true},
    {"neither text nor usage", UNTOLD, LIKE("m", TEXT(""), "stop", ""), .alike = true},
    {"its model is called as asked for", LIKE("m-2026", TEXT("a"), "stop", ""),
     LIKE("m-2026-10", TEXT("b"), "stop", ""), LIKE("m", TEXT("b"), "stop", ""), true,
     .upstream = "m-2026"},
    {"it has that name already", USUAL, LIKE("m", TEXT("b"), "stop", TOLD("7", "5", "0", "0")),
     .alike = true, .upstream = "m-2026"},
    {"the provider chose its model", UNTOLD, LIKE("other", TEXT("b"), "stop", ""), .alike = true,
     .upstream = ""},
    {"one choice, as wanted", USUAL, USUAL, .alike = true, .wanted = 1},
    {"one choice of two", USUAL, USUAL, .alike = true, .wanted = 2, .code = ERR_UPSTREAM},
    {"of another operation", USUAL, USUAL, .alike = true, .op = OP_EMBEDDING, .code = ERR_UPSTREAM},
    {"ended by an error", USUAL, LIKE("m", TEXT("b"), "error", TOLD("7", "5", "0", "0")),
     .code = ERR_UPSTREAM},
    {"broken UTF-8", USUAL, LIKE("m", TEXT("\xC3"), "stop", TOLD("7", "5", "0", "0")),
     .code = ERR_UPSTREAM},
    {"a control character", USUAL, LIKE("m", TEXT("\x01"), "stop", TOLD("7", "5", "0", "0")),
     .code = ERR_UPSTREAM},
    {"bytes behind it", USUAL, USUAL "}", .code = ERR_UPSTREAM},
    {"cut short", USUAL, USUAL, .alike = true, .cut = 3, .code = ERR_UPSTREAM},
    {"an error instead", USUAL, "{\"error\":{\"message\":\"x\",\"code\":429}}", .code = ERR_RATE},
    {"an error beside it", USUAL, LIKE("m", TEXT("b"), "stop", ",\"error\":{\"code\":429}"),
     .code = ERR_RATE},
    {"a tool call", USUAL,
     LIKE("m", "\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]", "tool_calls",
          TOLD("7", "5", "0", "0"))},
    {"a number that is no plain one", USUAL,
     LIKE("m", TEXT("b"), "stop", TOLD("7.0", "5e0", "1.0", "0"))},
    {"usage that cannot be", USUAL,
     LIKE("m", TEXT("one two three four"), "stop", TOLD("1073741825", "5", "0", "0"))},
    {"usage that just can", USUAL, LIKE("m", TEXT("b"), "stop", TOLD("1073741824", "5", "0", "0"))},
};

struct outcome {
    bool good, begun, spoke, plain;
    struct err e;
    struct str raw;
    struct chat_usage usage;
};

static void ask(size_t i, const struct server *s, struct http_client *http, struct arena *a,
                struct outcome *out)
{
    struct call c;
    struct attempt t;
    struct gather g = {.sink = {take}};
    *out = (struct outcome){0};
    buf_init(&g.raw, 1 << 20);
    make_call(&c, a, http, 0);
    c.req.n_wanted = likes[i].wanted;
    c.req.op = likes[i].op;
    out->good = try(&t, s, &c, &g.sink, &out->e);
    out->raw = arena_copy(a, buf_str(&g.raw));
    out->usage = t.usage;
    out->begun = c.said.begun;
    out->spoke = c.said.spoke;
    out->plain = c.said.plain;
    buf_fini(&g.raw);
    buf_fini(&g.all);
    http_client_free(http);
}

static struct str with_length(struct arena *a, const char *body, size_t cut)
{
    return arena_printf(a, "HTTP/1.1 200 X\r\n" JSON "Content-Length: %zu\r\n\r\n%.*s",
                        strlen(body), (int)(strlen(body) - cut), body);
}

/* The outcome of likes[i] behind `first`. */
static void ask_behind(size_t i, const char *first, bool alike, struct arena *a,
                       struct outcome *out)
{
    struct act acts[] = {{ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, with_length(a, first, 0).p, 0},
                         {ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, NULL, 0},
                         {ACT_CLOSE},  {ACT_END}};
    struct peer peer;
    struct server s;
    struct openai_alike like;
    acts[5].text = with_length(a, likes[i].body, likes[i].cut).p;
    peer_start(&peer, acts);
    make_server(&s, a, peer.port, likes[i].upstream ? likes[i].upstream : "m");
    size_t usual = 0; /* its call is that of a chat, whatever is asked for then */
    ask(usual, &s, http_client_new(NULL), a, out);
    ok(out->good, "%s: the first is good", likes[i].name);
    ok(openai_alike_read(&s.target, OPENAI_WHOLE, str_from(likes[i].body), &like) == alike,
       "%s: it is %salike", likes[i].name, alike ? "" : "not ");
    ask(i, &s, http_client_new(NULL), a, out);
    peer_stop(&peer);
}

static bool is_equal_usage(const struct chat_usage *a, const struct chat_usage *b)
{
    return a->input == b->input && a->output == b->output && a->cached == b->cached &&
           a->cache_write == b->cache_write && a->reasoning == b->reasoning &&
           a->counted == b->counted;
}

static void run_like(size_t i)
{
    struct arena *a = arena_new();
    const char *name = likes[i].name;
    struct outcome fast, slow;
    ask_behind(i, UNLIKE, false, a, &slow);
    ask_behind(i, likes[i].first, likes[i].alike, a, &fast);
    ok(slow.good == !likes[i].code && (slow.good || slow.e.code == likes[i].code), "%s: %s", name,
       slow.good ? "good" : slow.e.msg);
    struct str raw = str_from(likes[i].raw ? likes[i].raw : likes[i].body);
    ok(str_eq(slow.raw, slow.good ? raw : STR("")), "%s: bytes to the client", name);
    ok(fast.good == slow.good &&
           (fast.good || (fast.e.code == slow.e.code && strcmp(fast.e.msg, slow.e.msg) == 0)),
       "%s: the same end, %s", name, fast.good ? "good" : fast.e.msg);
    ok(str_eq(fast.raw, slow.raw), "%s: the same bytes", name);
    ok(is_equal_usage(&fast.usage, &slow.usage), "%s: the same usage", name);
    ok(fast.begun == slow.begun && fast.spoke == slow.spoke && fast.plain == slow.plain,
       "%s: the same said", name);
    arena_free(a);
}

/* ---- Answers for clients of another protocol ---- */

#define CALL(index, more) "{\"index\":" index ",\"type\":\"function\"," more "}"
#define NAMED(id, name, args)                                                                      \
    "\"id\":\"" id "\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" args "\"}"
#define MORE(args) "\"function\":{\"arguments\":\"" args "\"}"
#define PIECE(members) "data: {\"choices\":[{\"index\":0,\"delta\":{" members "}}]}\n\n"
#define TOOLS(...) PIECE("\"tool_calls\":[" __VA_ARGS__ "]")
#define ENDED(reason) LAST("u", "0", reason) DONE
#define ANSWER(message, reason)                                                                    \
    "{\"choices\":[{\"message\":{\"role\":\"assistant\"," message "},\"finish_reason\":\"" reason  \
    "\"}]," USAGE "}"

static const struct {
    const char *name;
    bool stream;
    const char *body, *all; /* all NULL: an error of the provider */
} decoded[] = {
    {"reasoning, text", false, ANSWER("\"content\":\"b\",\"reasoning_content\":\"a\"", "length"),
     "thinking:a|text:b|finish:length"},
    {"OpenRouter's reasoning", false, ANSWER("\"content\":\"b\",\"reasoning\":\"a\"", "stop"),
     "thinking:a|text:b|finish:stop"},
    {"blocks, once", false,
     ANSWER("\"content\":\"b\",\"reasoning_content\":\"a\",\"thinking_blocks\":[{\"type\":"
            "\"thinking\",\"thinking\":\"a\",\"signature\":\"s\"},{\"type\":"
            "\"redacted_thinking\",\"data\":\"r\"}]",
            "stop"),
     "thinking:a|signature:s|redacted:r|text:b|finish:stop"},
    {"a refusal", false, ANSWER("\"content\":null,\"refusal\":\"no\"", "stop"),
     "refusal:no|finish:stop"},
    {"filtered", false, ANSWER("\"content\":\"a\"", "content_filter"), "text:a|finish:content"},
    {"Mistral's parts", false,
     ANSWER("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"a\"}]"
            "},{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"text\",\"text\":\"c\"}]",
            "model_length"),
     "thinking:a|text:bc|finish:length"},
    {"calls, without indexes", false,
     ANSWER("\"content\":null,\"tool_calls\":[{" NAMED("c1", "f", "{}") "},{" NAMED(
                "c2", "g", "{\\\"n\\\":1}") "}]",
            "tool_calls"),
     "call:c1 f|args:{}|call:c2 g|args:{\"n\":1}|finish:tools"},
    {"a call without an id gets one; its end is that of calls", false,
     ANSWER("\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]", "stop"),
     "call:call_ f|args:{}|finish:tools"},
    {"an error in a choice", false,
     "{\"choices\":[{\"error\":{\"message\":\"x\"},\"message\":{\"content\":\"a\"}}]}", NULL},

    {"a stream of calls in parallel", true,
     PIECE("\"role\":\"assistant\",\"content\":null") TOOLS(CALL("0", NAMED("c1", "f", "")))
         TOOLS(CALL("0", MORE("{\\\"a"))) TOOLS(CALL("0", MORE("\\\":1}")))
             TOOLS(CALL("1", NAMED("c2", "g", "{}"))) ENDED("tool_calls"),
     "call:c1 f|args:{\"a\":1}|call:c2 g|args:{}|finish:tools"},
    {"two in one event", true,
     TOOLS(CALL("0", NAMED("c1", "f", "{}")) "," CALL("1", NAMED("c2", "g", "{}")))
         ENDED("tool_calls"),
     "call:c1 f|args:{}|call:c2 g|args:{}|finish:tools"},
    {"all under one index", true,
     TOOLS(CALL("0", NAMED("c1", "f", "{}"))) TOOLS(CALL("0", NAMED("c2", "g", "{}")))
         ENDED("stop"),
     "call:c1 f|args:{}|call:c2 g|args:{}|finish:tools"},
    {"name and id with each piece", true,
     TOOLS(CALL("0", NAMED("c1", "f", "{"))) TOOLS(CALL("0", NAMED("c1", "f", "}")))
         ENDED("tool_calls"),
     "call:c1 f|args:{}|finish:tools"},
    {"mixed arguments", true,
     TOOLS(CALL("0", NAMED("c1", "f", ""))) TOOLS(CALL("1", NAMED("c2", "g", "")))
         TOOLS(CALL("1", MORE("{\\\"b"))) TOOLS(CALL("0", MORE("{}")))
             TOOLS(CALL("1", MORE("\\\":1}"))) ENDED("tool_calls"),
     "call:c1 f|args:{}|call:c2 g|args:{\"b\":1}|finish:tools"},
    {"arguments of a call that is not there", true,
     TOOLS(CALL("0", NAMED("c1", "f", "{}"))) TOOLS(CALL("1", MORE("{}"))) ENDED("tool_calls"),
     NULL},
    {"a stream of reasoning", true,
     PIECE("\"reasoning_content\":\"a\"") PIECE("\"reasoning_content\":\"b\"") PIECE(
         "\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s\"}]")
         PIECE("\"content\":\"c\"") ENDED("stop"),
     "thinking:ab|signature:s|text:c|finish:stop"},
    {"a stream of Mistral's parts", true,
     PIECE(
         "\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"a\"}]}]")
         PIECE("\"content\":\"b\"") ENDED("stop"),
     "thinking:a|text:b|finish:stop"},
    {"a stream of a refusal", true,
     PIECE("\"refusal\":\"n\"") PIECE("\"refusal\":\"o\"") ENDED("stop"), "refusal:no|finish:stop"},
    {"a stream that ends in a call", true, TOOLS(CALL("0", NAMED("c1", "f", "{"))), NULL},
    {"an error in a stream's choice", true,
     PIECE("\"content\":\"a\"") "data: "
                                "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                                "\"error\"}]}\n\n" DONE,
     NULL},
};

static void run_decoded(size_t i)
{
    struct arena *a = arena_new();
    struct http_client *http = http_client_new(NULL);
    struct str body = str_from(decoded[i].body);
    struct str text = arena_printf(a, "HTTP/1.1 200 X\r\n%sContent-Length: %zu\r\n\r\n%.*s",
                                   decoded[i].stream ? SSE : JSON, body.len, STR_FMT(body));
    const struct act acts[] = {{ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, text.p, 0}, {ACT_END}};
    struct gather g = {.sink = {take}};
    struct peer peer;
    struct server s;
    struct call c;
    struct attempt t;
    struct err e = {0};
    buf_init(&g.all, 1 << 20);
    peer_start(&peer, acts);
    make_server(&s, a, peer.port, "u");
    make_call(&c, a, http, decoded[i].stream ? first_stream() : 0);
    c.req.dialect = CHAT_ANTHROPIC;
    c.req.options = arena_struct(a, struct chat_options);
    bool good = try(&t, &s, &c, &g.sink, &e);
    if (decoded[i].all)
        ok(good && str_eq(buf_str(&g.all), str_from(decoded[i].all)), "%s: %.*s %s",
           decoded[i].name, STR_FMT(buf_str(&g.all)), good ? "" : e.msg);
    else
        ok(!good && e.code == ERR_UPSTREAM && g.finished == 0, "%s is an error: %s",
           decoded[i].name, good ? "good" : e.msg);
    http_client_free(http);
    peer_stop(&peer);
    buf_fini(&g.all);
    arena_free(a);
}

/* A long stream through a sink that releases what led to it, as the gateway does. */
enum { MANY = 20000 };

struct long_stream {
    struct chat_sink sink;
    struct call *c;
    struct arena *early;
    size_t bytes, used; /* used: of the arena, when the first piece had been taken */
};

static bool take_long(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct long_stream *s = CONTAINER_OF(sink, struct long_stream, sink);
    (void)e;
    s->bytes += ev->raw.len;
    if (call_may_release(s->c)) {
        call_release_early(s->c);
        arena_free(s->early);
        s->used = arena_used(s->c->arena);
    }
    return true;
}

static void run_long(const char *upstream)
{
    struct arena *a = arena_new(), *own = arena_new();
    struct http_client *http = http_client_new(NULL);
    struct buf text;
    buf_init(&text, 64 << 20);
    buf_add(&text, STR("HTTP/1.1 200 X\r\n" SSE "\r\n"));
    for (int i = 0; i < MANY; i++)
        buf_add(&text, STR(DELTA("m-2026", "word")));
    buf_add(&text, STR(LAST("m-2026", "0", "stop") DONE));
    const struct act acts[] = {
        {ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, text.p, text.len}, {ACT_CLOSE}, {ACT_END}};
    struct peer peer;
    struct server server;
    struct call c;
    struct attempt t;
    struct err e = {0};
    peer_start(&peer, acts);
    make_server(&server, own, peer.port, "m-2026");
    struct long_stream s = {.sink = {take_long}, .c = &c, .early = arena_new()};
    make_call(&c, s.early, http, first_stream());
    c.arena = a;
    c.req.model = arena_copy(s.early, str_from(upstream));
    int64_t prompt = call_prompt_tokens(&c);
    bool good = try(&t, &server, &c, &s.sink, &e);
    ok(good && s.bytes > MANY * 80, "%d events called %s: %s", MANY, upstream, good ? "" : e.msg);
    ok(s.used > 0 && arena_used(a) == s.used, "they leave the arena at %zu bytes, %zu", s.used,
       arena_used(a));
    ok(str_eq(c.req.model, str_from(upstream)) && prompt > 0 && t.usage.input == prompt &&
           t.usage.output >= MANY,
       "what was released is still counted: %jd and %jd", (intmax_t)t.usage.input,
       (intmax_t)t.usage.output);
    http_client_free(http);
    peer_stop(&peer);
    buf_fini(&text);
    arena_free(a);
    arena_free(own);
}

static void run_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int dribble = 0; dribble < 2; dribble++) {
            run_case(i, http_client_new(&(struct http_client_options){0}), dribble);
        }
    for (size_t i = 0; i < COUNT(likes); i++)
        run_like(i);
    for (size_t i = 0; i < COUNT(decoded); i++)
        run_decoded(i);
    run_long("m-2026");
    run_long("m"); /* each event is changed */
}

int main(void)
{
    on_loop(run_all, NULL);
    return tap_done();
}
