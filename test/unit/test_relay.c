/* What relaying a stream promises, with a protocol of its own: what an event's data says is done
 * with it. Order, few pieces, an end that is known, and errors that name no address. */
#include "model/relay.h"
#include "base/clock.h"

#include "tap.h"
#include "on_loop.h"
#include "peer.h"

#define EV(data) "data: " data "\n\n"
#define MADE(data) "event: made\ndata: " data "\n\n"
#define CHUNKED "HTTP/1.1 200 X\r\n" SSE "Transfer-Encoding: chunked\r\n\r\n"
#define SSE "Content-Type: text/event-stream\r\n"

struct gather {
    struct chat_sink sink;
    struct buf all;
    size_t events;
    bool refuses;
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    g->events++;
    buf_add(&g->all, ev->kind == CHAT_RAW ? ev->raw : ev->text);
    return !g->refuses || err_set(e, ERR_CANCELLED, "the client left");
}

static void say(struct relay *r, const char *text)
{
    provider_spoke(r->a, str_from(text), true);
    r->counted++;
}

static bool look(struct relay *r, const struct sse_event *ev, struct str piece, struct arena *tmp,
                 struct err *e)
{
    (void)tmp;
    if (str_eq(ev->data, STR("bad")))
        return relay_malformed(r->a, "said bad", e);
    if (str_eq(ev->data, STR("[DONE]"))) {
        r->done = true;
    } else if (str_eq(ev->data, STR("whole"))) {
        r->complete = true;
        relay_pass(r, ev->raw, piece);
    } else if (str_starts(ev->data, STR("make"))) {
        relay_make_event(r, STR("made"), str_from_at(ev->data, 5));
    } else if (!str_eq(ev->data, STR("skip"))) {
        say(r, "x");
        relay_pass(r, ev->raw, piece);
    }
    return true;
}

/* ---- Over a connection ---- */

enum how { ENDED, CUT, HELD };

static const struct {
    const char *name, *body;
    enum how how;
    enum err_code code; /* ERR_NONE: good */
    const char *all;
    size_t events; /* at most, when it comes in one piece */
} streams[] = {
    {"as it comes", EV("a") EV("b") EV("whole") EV("[DONE]"), ENDED, ERR_NONE,
     EV("a") EV("b") EV("whole"), 1},
    {"made here, between", EV("a") EV("make 1") EV("b") EV("whole") EV("[DONE]"), ENDED, ERR_NONE,
     EV("a") MADE("1") EV("b") EV("whole"), 1},
    {"left out", EV("a") EV("skip") EV("b") EV("whole") EV("[DONE]"), ENDED, ERR_NONE,
     EV("a") EV("b") EV("whole"), 1},
    {"nothing behind the end mark", EV("whole") EV("[DONE]") EV("a"), HELD, ERR_NONE, EV("whole"),
     1},
    {"whole without its end mark", EV("a") EV("whole"), ENDED, ERR_NONE, EV("a") EV("whole"), 1},
    {"whole, and silent from then on", EV("a") EV("whole"), HELD, ERR_NONE, EV("a") EV("whole"), 1},
    {"whole, and cut", EV("a") EV("whole"), CUT, ERR_NONE, EV("a") EV("whole"), 1},
    {"ended too early", EV("a"), ENDED, ERR_UPSTREAM, EV("a"), 1},
    {"cut", EV("a") "data: b", CUT, ERR_UPSTREAM, EV("a"), 1},
    {"an end mark alone", EV("a") EV("[DONE]"), ENDED, ERR_UPSTREAM, EV("a"), 1},
    {"bad: what came before goes out", EV("a") EV("make 1") EV("bad") EV("b"), ENDED, ERR_UPSTREAM,
     EV("a") MADE("1"), 1},
    {"nothing at all", "", ENDED, ERR_UPSTREAM, "", 0},
};

struct stage {
    struct arena *a;
    struct http_client *http;
    struct peer peer;
    struct provider p;
    struct provider_endpoint endpoint;
    struct target target;
    struct call call;
    struct attempt attempt;
    struct gather g;
    struct relay relay;
};

static void begin(struct stage *s, const struct act *acts)
{
    struct err e;
    struct str key = STR("k");
    *s = (struct stage){.a = arena_new(), .g = {.sink = {take}}};
    buf_init(&s->g.all, 1 << 20);
    s->http = http_client_new(NULL);
    peer_start(&s->peer, acts);
    provider_init(&s->p, s->a, STR("p"), vendor_find(STR("openai-compatible")), &key, 1, &e);
    http_origin_parse(&s->endpoint.origin, s->a,
                      arena_printf(s->a, "http://127.0.0.1:%u/v1", s->peer.port), &e);
    s->target = (struct target){.provider = &s->p, .upstream = STR("u")};
    s->call = (struct call){.arena = s->a,
                            .early = s->a,
                            .http = s->http,
                            .deadline_ns = clock_after(clock_now(), PATIENCE_S * 1000),
                            .req = {.model = STR("m"), .stream = true, .prompt_tokens = 5}};
    s->attempt = (struct attempt){.call = &s->call,
                                  .target = &s->target,
                                  .endpoint = &s->endpoint,
                                  .key = s->p.key,
                                  .sink = &s->g.sink,
                                  .said = &s->call.said};
    s->relay = (struct relay){.a = &s->attempt, .look = look};
}

static void end(struct stage *s)
{
    http_client_free(s->http);
    peer_stop(&s->peer);
    buf_fini(&s->g.all);
    arena_free(s->a);
}

static bool ask(struct stage *s, struct http_exchange **x, struct err *e)
{
    const struct str body = STR("{}");
    return relay_ask(&s->attempt, x, STR_NONE, &body, 1, e);
}

static bool run(struct stage *s, struct err *e)
{
    struct http_exchange *x;
    if (!ask(s, &x, e))
        return false;
    bool good = relay_stream(&s->relay, x, e);
    http_exchange_end(x);
    return good;
}

static void run_stream(size_t i, bool dribble)
{
    struct str body = str_from(streams[i].body);
    struct arena *a = arena_new();
    const char *last = streams[i].how == ENDED ? "0\r\n\r\n" : "";
    struct str text =
        body.len > 0 ? arena_printf(a, CHUNKED "%zx\r\n%s\r\n%s", body.len, streams[i].body, last)
                     : arena_printf(a, CHUNKED "%s", last);
    const struct act acts[] = {{ACT_ACCEPT},
                               {ACT_READ},
                               {dribble ? ACT_DRIBBLE : ACT_SEND, text.p, 0},
                               {streams[i].how == HELD ? ACT_AWAIT_EOF : ACT_CLOSE},
                               {ACT_END}};
    struct stage s;
    struct err e = {0};
    begin(&s, acts);
    bool good = run(&s, &e);
    ok(good == (streams[i].code == ERR_NONE) && (good || e.code == streams[i].code), "%s: %s",
       streams[i].name, good ? "good" : e.msg);
    ok(str_eq(buf_str(&s.g.all), str_from(streams[i].all)), "%s: what went out, %zu bytes",
       streams[i].name, s.g.all.len);
    ok(dribble || s.g.events <= streams[i].events, "%s: in %zu pieces", streams[i].name,
       s.g.events);
    ok(good || !strstr(e.msg, "127.0.0.1"), "%s: no address in the message", streams[i].name);
    ok(s.attempt.usage.counted && s.attempt.usage.input == 5 &&
           s.attempt.usage.output == (int64_t)s.relay.counted,
       "%s: counted here, as nothing was told", streams[i].name);
    end(&s);
    arena_free(a);
}

static void run_refusing(void)
{
    const struct act acts[] = {{ACT_ACCEPT},
                               {ACT_READ},
                               {ACT_SEND, "HTTP/1.1 200 X\r\n" SSE "\r\n" EV("a") EV("b"), 0},
                               {ACT_AWAIT_EOF},
                               {ACT_END}};
    struct stage s;
    struct err e = {0};
    begin(&s, acts);
    s.g.refuses = true;
    ok(!run(&s, &e) && e.code == ERR_CANCELLED && s.g.events == 1,
       "a sink that takes no more stops the provider: %s", e.msg);
    end(&s);
}

/* What is no stream, and what refuses. */
static void run_documents(void)
{
    static const struct {
        const char *head, *body;
        bool stream;
        enum err_code code;
    } documents[] = {
        {"200 OK\r\nContent-Type: application/json", "{\"error\":{\"message\":\"x\",\"code\":429}}",
         false, ERR_RATE},
        {"200 OK\r\nContent-Type: application/json", "{\"choices\":[]}", false, ERR_UPSTREAM},
        {"200 OK\r\nContent-Type: text/html", "<html>", false, ERR_UPSTREAM},
        {"200 OK\r\nX: y", "x", true, ERR_UPSTREAM},
        {"429 Slow\r\nRetry-After: 7", "{}", true, ERR_RATE},
        {"401 No\r\nX: y", "127.0.0.1 says no", true, ERR_UPSTREAM_AUTH},
    };
    for (size_t i = 0; i < COUNT(documents); i++) {
        struct arena *a = arena_new();
        struct str text =
            arena_printf(a, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", documents[i].head,
                         strlen(documents[i].body), documents[i].body);
        const struct act acts[] = {{ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, text.p, 0}, {ACT_END}};
        struct http_exchange *x;
        struct stage s;
        struct err e = {0};
        begin(&s, acts);
        if (ok(ask(&s, &x, &e), "document %zu: a head", i)) {
            ok(relay_is_stream(x) == documents[i].stream, "document %zu: a stream?", i);
            bool told = x->head.status == 200 ? relay_no_stream(&s.attempt, x, &e)
                                              : relay_refused(&s.attempt, x, &e);
            ok(!told && e.code == documents[i].code && !strstr(e.msg, "127.0.0.1"),
               "document %zu: %s", i, e.msg);
            http_exchange_end(x);
        }
        end(&s);
        arena_free(a);
    }
}

static void run_nobody(void)
{
    const struct act acts[] = {{ACT_END}};
    struct http_exchange *x;
    struct stage s;
    struct err e = {0};
    begin(&s, acts);
    peer_stop(&s.peer); /* the port is closed now */
    ok(!ask(&s, &x, &e) && e.code == ERR_UPSTREAM && !strstr(e.msg, "127.0.0.1"),
       "nobody there: %s", e.msg);
    http_client_free(s.http);
    buf_fini(&s.g.all);
    arena_free(s.a);
}

static void on_fiber(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(streams); i++) {
        run_stream(i, false);
        run_stream(i, true);
    }
    run_refusing();
    run_documents();
    run_nobody();
}

/* ---- By itself ---- */

static void test_pieces(void)
{
    struct str piece = STR("one two three"), raw = STR("elsewhere");
    struct gather g = {.sink = {take}};
    struct call c = {0};
    struct attempt a = {.call = &c, .sink = &g.sink, .said = &c.said};
    struct relay r = {.a = &a};
    struct err e;
    buf_init(&g.all, 1000);
    relay_begin(&r);
    ok(relay_flush(&r, &e) && g.events == 0 && !c.said.begun, "nothing is nothing");
    relay_pass(&r, str_head(piece, 4), piece);
    relay_pass(&r, str_head(str_from_at(piece, 4), 4), piece);
    ok(r.run.p == piece.p && r.run.len == 8 && r.made.buf.len == 0, "neighbours are not copied");
    relay_pass(&r, str_from_at(piece, 9), piece);
    ok(r.made.buf.len > 0, "what is left out between them has it copied");
    relay_pass(&r, raw, piece);
    ok(relay_flush(&r, &e) && g.events == 1 && c.said.begun &&
           str_eq(buf_str(&g.all), STR("one two hreeelsewhere")),
       "in order, in one piece: %.*s", STR_FMT(buf_str(&g.all)));
    relay_make_event(&r, STR_NONE, STR("a\nb"));
    buf_reset(&g.all);
    relay_flush(&r, &e);
    ok(str_eq(buf_str(&g.all), STR("data: a\ndata: b\n\n")), "lines of an event");

    r.decode = true;
    buf_reset(&g.all);
    g.events = 0;
    relay_put(&r, &(struct chat_event){.kind = CHAT_TEXT, .text = STR("a")});
    relay_put(&r, &(struct chat_event){.kind = CHAT_TEXT, .text = STR("b")});
    relay_put(&r, &(struct chat_event){.kind = CHAT_THINKING, .text = STR("c")});
    ok(relay_flush(&r, &e) && g.events == 2 && str_eq(buf_str(&g.all), STR("abc")),
       "decoded: neighbours of a kind as one");
    buf_fini(&g.all);
}

static void test_small(void)
{
    static const struct {
        const char *json;
        bool good;
        int64_t n;
        size_t counted;
    } values[] = {
        {"0", true, 0, 0},        {"12", true, 12, 0},       {"-1", false, 0, 0},
        {"1.5", false, 0, 0},     {"1e30", false, 0, 0},     {"4611686018427387904", false, 0, 0},
        {"\"\"", false, 0, 0},    {"\"word\"", false, 0, 1}, {"null", false, 0, 0},
        {"[\"a\"]", false, 0, 0},
    };
    struct arena *a = arena_new();
    struct relay r = {.usage_known = false};
    for (size_t i = 0; i < COUNT(values); i++) {
        struct json doc;
        int64_t n = 0;
        CHECK(json_parse(&doc, a, str_from(values[i].json), 0, NULL));
        bool good = relay_tokens(json_root(&doc), &n);
        ok(good == values[i].good && (!good || n == values[i].n), "%s: tokens", values[i].json);
        ok(relay_count(&r, json_root(&doc)) == values[i].counted, "%s: counted %zu", values[i].json,
           relay_count(&r, json_root(&doc)));
    }
    struct json words;
    CHECK(json_parse(&words, a, STR("\"one two three four five\""), 0, NULL));
    ok(relay_count(&r, json_root(&words)) >= 5, "several words are several");
    r.usage_known = true;
    ok(relay_count(&r, json_root(&words)) > 0, "something is there, though nobody need count it");
    struct call c = {.req = {.model = STR("gpt")}};
    struct attempt at = {.call = &c};
    struct json doc;
    CHECK(json_parse(&doc, a, STR("[\"gpt\",\"gpt-4\",null,\"g\"]"), 0, NULL));
    ok(relay_is_model(&at, json_at(json_root(&doc), 0)) &&
           !relay_is_model(&at, json_at(json_root(&doc), 1)) &&
           !relay_is_model(&at, json_at(json_root(&doc), 2)) &&
           !relay_is_model(&at, json_at(json_root(&doc), 3)),
       "the model that was asked for");
    ok(str_eq(relay_quoted(STR("a\"b\n"), a), STR("\"a\\\"b\\n\"")), "quoted");
    arena_free(a);
}

int main(void)
{
    test_pieces();
    test_small();
    on_loop(on_fiber, NULL);
    return tap_done();
}
