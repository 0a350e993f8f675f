/* What the anthropic provider promises: events that need no change pass as they are, others get
 * canonical ones, whatever is broken, cut short or an error in disguise is an error, and where an
 * answer can be begun anew or taken up no block is open but the first one. */
#include "model/provider.h"
#include "base/clock.h"

#include "tap.h"
#include "on_loop.h"
#include "peer.h"

#define JSON "Content-Type: application/json\r\n"
#define SSE "Content-Type: text/event-stream\r\n"
#define EVENT(type, more) "event: " type "\ndata: {\"type\":\"" type "\"" more "}\n\n"
#define READ                                                                                       \
    "\"usage\":{\"input_tokens\":5,\"cache_creation_input_tokens\":2,"                             \
    "\"cache_read_input_tokens\":100,\"output_tokens\":1}"
#define START(model)                                                                               \
    EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"model\":\"" model                     \
                           "\",\"content\":[],\"stop_reason\":null, \"x\":1e9," READ "}")
#define OPEN(index, block)                                                                         \
    EVENT("content_block_start", ",\"index\":" index ",\"content_block\":{" block "}")
#define TEXT_BLOCK "\"type\":\"text\",\"text\":\"\""
#define THINKING_BLOCK "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""
#define TOOL_BLOCK(id, name)                                                                       \
    "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}"
#define DELTA(index, type, member, text)                                                           \
    EVENT("content_block_delta",                                                                   \
          ",\"index\":" index ",\"delta\":{\"type\":\"" type "\",\"" member "\":\"" text "\"}")
#define TEXT(index, text) DELTA(index, "text_delta", "text", text)
#define INPUT(index, text) DELTA(index, "input_json_delta", "partial_json", text)
#define CLOSE(index) EVENT("content_block_stop", ",\"index\":" index)
#define PING EVENT("ping", "")
#define END(reason)                                                                                \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" reason                                 \
                           "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":9}")
#define STOP EVENT("message_stop", "")
#define HELLO START("m") OPEN("0", TEXT_BLOCK) PING TEXT("0", "a") TEXT("0", "\\nb") CLOSE("0")

#define WHOLE(model, content, reason)                                                              \
    "{\"id\":\"msg_1\",\"type\":\"message\", \"model\":\"" model "\",\"content\":[" content        \
    "],\"stop_reason\":" reason "," READ "}"
#define SAYS(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define CALLS "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{\"x\": 1}}"

enum how { CHUNKED, CUT, HELD }; /* how the answer ends; HELD: the connection stays open */

static const struct answer_case {
    const char *name;
    bool stream, other; /* other: the client speaks another protocol */
    enum chat_op op;
    const char *upstream; /* NULL: as asked for, "m" */
    int status;           /* 0: 200 */
    const char *headers, *body;
    enum how how;
    enum err_code code;    /* ERR_NONE: good */
    const char *said;      /* what comes out: bytes, or events as `take` writes them */
    int64_t input, output; /* 0, 0: counted by us */
    bool not_begun, not_plain;
    const char *beta;
} cases[] = {
    {"a whole answer", .body = WHOLE("m", SAYS("Hi"), "\"end_turn\""),
     .said = WHOLE("m", SAYS("Hi"), "\"end_turn\""), .input = 107, .output = 1, .beta = "b-1,c-2"},
    {"its model is called as asked for", .upstream = "claude-9",
     .body = WHOLE("claude-9", SAYS("Hi"), "\"end_turn\""),
     .said = WHOLE("m", SAYS("Hi"), "\"end_turn\""), .input = 107, .output = 1},
    {"to others: text, a call, why it ended", .other = true,
     .body = WHOLE("m", SAYS("Hi") "," CALLS, "\"tool_use\""),
     .said = "text Hi|call toolu_1 f|arguments {\"x\": 1}|tools|", .input = 107, .output = 1,
     .not_plain = true},
    {"to others: thinking", .other = true,
     .body = WHOLE("m",
                   "{\"type\":\"thinking\",\"thinking\":\"Hm\",\"signature\":\"s\"},"
                   "{\"type\":\"redacted_thinking\",\"data\":\"d\"}," SAYS("Hi"),
                   "\"max_tokens\""),
     .said = "thinking Hm|signature s|redacted d|text Hi|length|", .input = 107, .output = 1,
     .not_plain = true},
    {"to others: what stopped it", .other = true,
     .body =
         "{\"content\":[],\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"END\"," READ "}",
     .said = "stop END|", .input = 107, .output = 1},
    {"a count", .op = OP_COUNT_TOKENS, .body = "{ \"input_tokens\":14}",
     .said = "{ \"input_tokens\":14}"},
    {"usage that cannot be is counted anew",
     .body = "{\"content\":[" SAYS(
         "Hi there") "],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":"
                     "9223372036854775807,\"cache_read_input_tokens\":9223372036854775807,\"output_"
                     "tokens\":"
                     "9223372036854775807}}",
     .said = "{\"content\":[" SAYS(
         "Hi there") "],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":"
                     "9223372036854775807,\"cache_read_input_tokens\":9223372036854775807,\"output_"
                     "tokens\":"
                     "9223372036854775807}}"},
    {"no usage", .body = "{\"content\":[" SAYS("Hi there") "],\"stop_reason\":\"end_turn\"}",
     .said = "{\"content\":[" SAYS("Hi there") "],\"stop_reason\":\"end_turn\"}"},
    {"no count", .op = OP_COUNT_TOKENS, .body = "{}", .code = ERR_UPSTREAM, .not_begun = true},
    {"no reason why it ended", .body = WHOLE("m", SAYS("Hi"), "null"), .code = ERR_UPSTREAM,
     .not_begun = true},
    {"not JSON", .body = "{\"content\":[", .code = ERR_UPSTREAM, .not_begun = true},
    {"a page", .headers = "Content-Type: text/html\r\n", .body = "<html>", .code = ERR_UPSTREAM,
     .not_begun = true},
    {"an error with status 200",
     .body = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}",
     .code = ERR_UNAVAILABLE, .not_begun = true},
    {"cut short", .body = "{\"content\":[{", .how = CUT, .code = ERR_UPSTREAM, .not_begun = true},
    {"our key", .status = 401, .code = ERR_UPSTREAM_AUTH, .not_begun = true,
     .body =
         "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"k\"}}"},
    {"overloaded", .status = 529, .code = ERR_UNAVAILABLE, .not_begun = true,
     .body = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"k\"}}"},
    {"too long", .status = 400, .code = ERR_CONTEXT, .not_begun = true,
     .body = "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
             "\"message\":\"prompt is too long: 9 tokens > 8 maximum\"}}"},

    {"a stream", .stream = true, .body = HELLO END("end_turn") STOP, .input = 107, .output = 9,
     .said = START("m") PING OPEN("0", TEXT_BLOCK) TEXT("0", "a") TEXT("0", "\\nb") CLOSE("0")
         END("end_turn")},
    {"its model is called as asked for, once", .stream = true, .upstream = "claude-9",
     .body = START("claude-9") OPEN("0", TEXT_BLOCK) TEXT("0", "a") CLOSE("0") END("end_turn") STOP,
     .said = START("m") OPEN("0", TEXT_BLOCK) TEXT("0", "a") CLOSE("0") END("end_turn"),
     .input = 107, .output = 9},
    {"to others: text", .stream = true, .other = true, .body = HELLO END("end_turn") STOP,
     .said = "text a\nb|stop |", .input = 107, .output = 9},
    {"to others: thinking, calls", .stream = true, .other = true,
     .body = START("m") OPEN("0", THINKING_BLOCK) DELTA("0", "thinking_delta", "thinking", "Hm")
         DELTA("0", "signature_delta", "signature", "s") CLOSE("0") OPEN("1", TOOL_BLOCK("t1", "f"))
             INPUT("1", "") INPUT("1", "{\\\"x\\\":") INPUT("1", "1}") CLOSE("1")
                 OPEN("2", TOOL_BLOCK("t2", "g")) CLOSE("2") END("tool_use") STOP,
     .said = "thinking Hm|signature s|call t1 f|arguments {\"x\":1}|call t2 g|"
             "arguments {}|tools|",
     .input = 107, .output = 9, .not_plain = true},
    {"to others: refused", .stream = true, .other = true, .body = HELLO END("refusal") STOP,
     .said = "text a\nb|content|", .input = 107, .output = 9},
    {"usage is corrected at the end", .stream = true, .other = true,
     .body = HELLO EVENT("message_delta",
                         ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":6,"
                         "\"cache_read_input_tokens\":null,\"output_tokens\":3}") STOP,
     .said = "text a\nb|stop |", .input = 108, .output = 3},
    {"events nobody knows pass, comments do not", .stream = true,
     .body = ": hi\n\n" START("m") OPEN("0", TEXT_BLOCK) EVENT("new_thing", ",\"y\":2")
         TEXT("0", "a") CLOSE("0") END("end_turn") STOP,
     .said = START("m") OPEN("0", TEXT_BLOCK) EVENT("new_thing", ",\"y\":2") TEXT("0", "a")
         CLOSE("0") END("end_turn"),
     .input = 107, .output = 9},
    {"a second start goes", .stream = true,
     .body =
         START("m") START("m") OPEN("0", TEXT_BLOCK) TEXT("0", "a") CLOSE("0") END("end_turn") STOP,
     .said = START("m") OPEN("0", TEXT_BLOCK) TEXT("0", "a") CLOSE("0") END("end_turn"),
     .input = 107, .output = 9},
    {"an event that is not JSON, the rest is whole", .stream = true,
     .body = START("m") OPEN("0", TEXT_BLOCK) "data: {]\n\n" TEXT("0", "a") CLOSE("0")
         END("end_turn") STOP,
     .said = START("m") OPEN("0", TEXT_BLOCK) TEXT("0", "a") CLOSE("0") END("end_turn"),
     .input = 107, .output = 9},
    {"no end mark, but all that matters", .stream = true, .body = HELLO END("end_turn"),
     .said = START("m") PING OPEN("0", TEXT_BLOCK) TEXT("0", "a") TEXT("0", "\\nb") CLOSE("0")
         END("end_turn"),
     .input = 107, .output = 9},
    {"the same, and the connection stays open", .stream = true, .other = true, .how = HELD,
     .body = HELLO END("end_turn"), .said = "text a\nb|stop |", .input = 107, .output = 9},
    {"cut behind the reason why it ended", .stream = true, .other = true, .how = CUT,
     .body = HELLO END("end_turn"), .said = "text a\nb|stop |", .input = 107, .output = 9},
    {"begun and no more: no block is open", .stream = true, .how = CUT, .code = ERR_UPSTREAM,
     .body = START("m") OPEN("0", TEXT_BLOCK) PING, .said = START("m") PING},
    {"cut in its text: the first block is open", .stream = true, .how = CUT, .code = ERR_UPSTREAM,
     .body = HELLO, .said = START("m") PING OPEN("0", TEXT_BLOCK) TEXT("0", "a") TEXT("0", "\\nb")},
    {"ended without a reason", .stream = true, .code = ERR_UPSTREAM, .body = HELLO STOP,
     .said = START("m") PING OPEN("0", TEXT_BLOCK) TEXT("0", "a") TEXT("0", "\\nb")},
    {"cut in a call", .stream = true, .how = CUT, .code = ERR_UPSTREAM, .not_plain = true,
     .body = START("m") OPEN("0", TOOL_BLOCK("t1", "f")) INPUT("0", "{"),
     .said = START("m") OPEN("0", TOOL_BLOCK("t1", "f")) INPUT("0", "{")},
    {"ended in a call", .stream = true, .other = true, .code = ERR_UPSTREAM, .not_plain = true,
     .body = START("m") OPEN("0", TOOL_BLOCK("t1", "f")) INPUT("0", "{") END("tool_use") STOP,
     .said = "call t1 f|arguments {|"},
    {"a call that cannot be read", .stream = true, .other = true, .code = ERR_UPSTREAM,
     .body = START("m") OPEN("0", TOOL_BLOCK("t1", "f")) "data: {]\n\n" INPUT("0", "}") CLOSE("0")
         END("tool_use") STOP,
     .said = "call t1 f|", .not_plain = true},
    {"the start of a call is lost", .stream = true, .other = true, .code = ERR_UPSTREAM,
     .body = START("m") "data: {]\n\n" INPUT("0", "{}") CLOSE("0") END("tool_use") STOP, .said = "",
     .not_begun = true},
    {"the end of a call is lost", .stream = true, .other = true, .code = ERR_UPSTREAM,
     .body = START("m") OPEN("0", TOOL_BLOCK("t1", "f")) INPUT("0", "{") OPEN("1", TEXT_BLOCK)
         TEXT("1", "a") CLOSE("1") END("tool_use") STOP,
     .said = "call t1 f|arguments {|", .not_plain = true},
    {"an error in the middle", .stream = true, .other = true, .code = ERR_UNAVAILABLE,
     .body = HELLO EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}"),
     .said = "text a\nb|"},
    {"an error at the start", .stream = true, .code = ERR_RATE, .not_begun = true,
     .body = EVENT("error", ",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\"}")},
    {"content before its message", .stream = true, .code = ERR_UPSTREAM, .not_begun = true,
     .body = TEXT("0", "a") END("end_turn") STOP},
    {"a page instead of a stream", .stream = true, .headers = "Content-Type: text/html\r\n",
     .body = "<html>", .code = ERR_UPSTREAM, .not_begun = true},
    {"a page that says it is a stream", .stream = true, .body = "<html>busy</html>\n\n",
     .code = ERR_UPSTREAM, .not_begun = true},
    {"an error instead of a stream", .stream = true, .headers = JSON, .not_begun = true,
     .body =
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"x\"}}",
     .code = ERR_INVALID},
};

struct gather {
    struct chat_sink sink;
    struct buf said;
    enum chat_event_kind last;
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    static const char *const names[] = {"text",     "refusal", "thinking", "signature",
                                        "redacted", "call",    "arguments"};
    static const char *const ends[] = {"none", "stop", "length", "tools", "content"};
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    bool more = g->said.len > 0 && ev->kind == g->last && ev->text.len > 0;
    (void)e;
    g->last = ev->kind;
    if (more) /* however many pieces a text comes in */
        g->said.len--;
    if (ev->kind == CHAT_RAW)
        buf_add(&g->said, ev->raw);
    else if (ev->kind == CHAT_FINISH)
        buf_printf(&g->said, "%s%s%.*s|", ends[ev->finish],
                   ev->finish == CHAT_FINISH_STOP ? " " : "", STR_FMT(ev->stop));
    else if (ev->kind == CHAT_TOOL_CALL)
        buf_printf(&g->said, "call %.*s %.*s|", STR_FMT(ev->id), STR_FMT(ev->name));
    else
        buf_printf(&g->said, "%s%s%.*s|", more ? "" : names[ev->kind], more ? "" : " ",
                   STR_FMT(ev->text));
    return true;
}

#define OWN                                                                                        \
    "{\"model\":\"m\", \"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"

static void make_call(struct call *c, struct arena *a, struct http_client *http,
                      const struct answer_case *t)
{
    struct err e;
    struct chat_message *m = arena_struct(a, struct chat_message);
    *m = (struct chat_message){.role = CHAT_USER, .text = STR("Hi")};
    *c = (struct call){
        .arena = a, .early = a, .http = http, .id = "req_1", .deadline_ns = CLOCK_NEVER};
    c->req = (struct chat_request){.op = t->op,
                                   .dialect = t->other ? CHAT_OPENAI : CHAT_ANTHROPIC,
                                   .model = STR("m"),
                                   .message = m,
                                   .n_messages = 1,
                                   .max_tokens = 64,
                                   .betas = str_from(t->beta),
                                   .stream = t->stream};
    if (t->other)
        c->req.options = arena_struct(a, struct chat_options);
    else
        json_parse(&c->req.body, a, STR(OWN), 0, &e);
    c->said.keep = true;
    buf_init(&c->said.text, 1 << 20);
}

static struct str answer_of(const struct answer_case *t, struct arena *a)
{
    struct str body = str_from(t->body);
    const char *headers = t->headers ? t->headers : t->stream ? SSE : JSON;
    return arena_printf(a, "HTTP/1.1 %d X\r\n%sTransfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n%s",
                        t->status ? t->status : 200, headers, body.len, STR_FMT(body),
                        t->how == CHUNKED ? "0\r\n\r\n" : "");
}

static void check_request(const struct answer_case *t, const char *request)
{
    const char *path = t->op == OP_COUNT_TOKENS ? "POST /v1/messages/count_tokens HTTP/1.1\r\n"
                                                : "POST /v1/messages HTTP/1.1\r\n";
    const char *body = strstr(request, "\r\n\r\n"), *beta = strstr(request, "anthropic-beta: ");
    ok(strstr(request, path) == request && strstr(request, "x-api-key: k\r\n") &&
           strstr(request, "anthropic-version: 2023-06-01\r\n") &&
           strstr(request, "Content-Type: application/json\r\n"),
       "%s: head", t->name);
    ok(t->beta ? beta && strstr(beta, t->beta) : !beta, "%s: betas", t->name);
    if (!t->other && !t->upstream)
        ok(body && strcmp(body + 4, OWN) == 0, "%s: body", t->name);
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
    provider_init(&s->p, a, STR("p"), vendor_find(STR("anthropic")), &key, 1, &e);
    http_origin_parse(&s->endpoint.origin, a, arena_printf(a, "http://127.0.0.1:%u", port), &e);
    s->p.endpoint = &s->endpoint;
    s->p.n_endpoints = 1;
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
    return provider_anthropic.answer(t, e);
}

static void check_usage(const struct answer_case *t, const struct attempt *at)
{
    const struct chat_usage *u = &at->usage;
    if (t->input)
        ok(u->input == t->input && u->output == t->output && u->cached == 100 &&
               u->cache_write == 2 && !u->counted,
           "%s: usage %jd %jd", t->name, (intmax_t)u->input, (intmax_t)u->output);
    else if (t->op == OP_COUNT_TOKENS)
        ok(u->input == 0 && u->output == 0, "%s: nothing was used", t->name);
    else
        ok(u->counted && u->input > 0 && u->output > 0, "%s: usage counted here", t->name);
}

static void run_case(const struct answer_case *t, struct http_client *http, bool dribble)
{
    struct arena *a = arena_new();
    struct str text = answer_of(t, a);
    struct act acts[] = {{ACT_ACCEPT},
                         {ACT_READ},
                         {dribble ? ACT_DRIBBLE : ACT_SEND, text.p, 0},
                         {t->how == CUT    ? ACT_CLOSE
                          : t->how == HELD ? ACT_AWAIT_EOF
                                           : ACT_END},
                         {ACT_END}};
    struct peer peer;
    struct server s;
    struct call c;
    struct gather g = {.sink = {take}};
    struct attempt at;
    struct err e = {0};
    peer_start(&peer, acts);
    make_server(&s, a, peer.port, t->upstream ? t->upstream : "m");
    buf_init(&g.said, 1 << 20);
    make_call(&c, a, http, t);
    bool good = try(&at, &s, &c, &g.sink, &e);
    ok(good == (t->code == ERR_NONE) && (good || e.code == t->code), "%s: %s %s", t->name,
       good ? "good" : err_name(e.code), good ? "" : e.msg);
    ok(str_eq(buf_str(&g.said), str_from(t->said)), "%s: what comes out: %.*s", t->name,
       STR_FMT(buf_str(&g.said)));
    ok(c.said.begun == !t->not_begun, "%s: %sbegun", t->name, c.said.begun ? "" : "not ");
    ok(!c.said.spoke || c.said.plain == !t->not_plain, "%s: %splain", t->name,
       c.said.plain ? "" : "not ");
    ok(at.status == (t->status ? t->status : 200), "%s: status", t->name);
    if (c.said.plain && t->stream)
        ok(str_eq(buf_str(&c.said.text), STR("a\nb")) || str_eq(buf_str(&c.said.text), STR("a")),
           "%s: what could be taken up is known", t->name);
    if (good)
        check_usage(t, &at);
    check_request(t, peer.request);
    http_client_free(http); /* ends what is held, before its peer is waited for */
    peer_stop(&peer);
    buf_fini(&c.said.text);
    buf_fini(&g.said);
    arena_free(a);
}

/* An answer that another provider began is taken up by this one. */
static void run_resumed(void)
{
    static const struct answer_case t = {"taken up", .stream = true, .other = true,
                                         .body = START("m") OPEN("0", TEXT_BLOCK) TEXT("0", " ")
                                             TEXT("0", "two") CLOSE("0") END("end_turn") STOP};
    struct arena *a = arena_new();
    struct http_client *http = http_client_new(NULL);
    struct str text = answer_of(&t, a);
    const struct act acts[] = {{ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, text.p, 0}, {ACT_END}};
    struct peer peer;
    struct server s;
    struct call c;
    struct err e = {0};
    struct gather g = {.sink = {take}};
    peer_start(&peer, acts);
    make_server(&s, a, peer.port, "claude-sonnet-4-5");
    buf_init(&g.said, 1 << 20);
    make_call(&c, a, http, &t);
    buf_add(&c.said.text, STR("One "));
    c.said.begun = c.said.spoke = c.said.plain = true;
    struct attempt at = {.call = &c,
                         .target = &s.target,
                         .endpoint = &s.endpoint,
                         .key = s.p.key,
                         .sink = &g.sink,
                         .said = &c.said,
                         .decode = true,
                         .resume = true,
                         .resume_from = 4};
    ok(provider_anthropic.answer(&at, &e), "taken up: %s", e.msg);
    ok(str_eq(buf_str(&g.said), STR("text two|stop |")), "what repeats is left out: %.*s",
       STR_FMT(buf_str(&g.said)));
    ok(str_eq(buf_str(&c.said.text), STR("One two")), "the whole text is known");
    ok(at.usage.input == 106 && at.usage.output == 10, "usage is that of the whole answer");
    ok(strstr(peer.request, "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":"
                            "\"One\"}]}") != NULL,
       "it was asked to go on");
    http_client_free(http);
    peer_stop(&peer);
    buf_fini(&c.said.text);
    buf_fini(&g.said);
    arena_free(a);
}

static void run(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(cases); i++) {
        run_case(&cases[i], http_client_new(NULL), false);
        run_case(&cases[i], http_client_new(NULL), true);
    }
    run_resumed();
}

int main(void)
{
    on_loop(run, NULL);
    return tap_done();
}
