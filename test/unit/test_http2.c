/* What a session promises: events in order, answers pulled within windows, floods ended. */
#include "net/http2.h"

#include "base/clock.h"
#include "frames.h"
#include "tap.h"

static struct {
    char log[512];
    struct buf body;
    size_t answer, per_fill; /* bytes of the answer that are still to come */
    bool refuse, ready;
    unsigned opened, closed;
} seen;

static int one_stream; /* what events are given */

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
    va_list args;
    size_t n = strlen(seen.log);
    va_start(args, fmt);
    vsnprintf(seen.log + n, sizeof(seen.log) - n, fmt, args);
    va_end(args);
}

static void *on_open(void *ctx, int32_t id)
{
    (void)ctx;
    seen.opened++;
    note("open %d;", (int)id);
    return seen.refuse ? NULL : &one_stream;
}

static void on_field(void *stream, struct str name, struct str value)
{
    (void)stream;
    if (str_eq(name, STR(":path")) || name.p[0] != ':')
        note("%.*s=%.*s;", STR_FMT(name), STR_FMT(value));
}

static void on_head(void *stream, bool end)
{
    (void)stream;
    note("head%s;", end ? " end" : "");
}

static void on_data(void *stream, struct str data)
{
    (void)stream;
    buf_add(&seen.body, data);
}

static void on_end(void *stream)
{
    (void)stream;
    note("end;");
}

static size_t on_fill(void *stream, char *to, size_t n, bool *last)
{
    (void)stream;
    n = seen.ready ? size_min(n, seen.answer) : 0;
    memset(to, 'a', n);
    seen.answer -= n;
    *last = seen.ready && seen.answer == 0;
    return n;
}

static void on_closed(void *stream)
{
    (void)stream;
    seen.closed++;
    note("closed;");
}

static const struct http2_events events = {on_open, on_field, on_head,  on_data,
                                           on_end,  on_fill,  on_closed};

/* ---- One side talks, the other's frames are gathered ---- */

struct talk {
    struct http2 *h;
    struct buf out; /* to the session */
    struct buf in;  /* from it */
    int64_t now_ns;
    /* of what came from it last */
    unsigned data_frames, resets, goaways, acks, windows;
    size_t data;
    bool end;
    int status;
    uint32_t code, last_id;
};

static void talk_end(struct talk *t)
{
    http2_free(t->h);
    buf_fini(&t->out);
    buf_fini(&t->in);
    buf_fini(&seen.body);
}

static void gather(struct talk *t, const struct frame *f)
{
    switch (f->type) {
    case FRAME_DATA:
        t->data_frames++;
        t->data += f->payload.len;
        t->end |= f->flags & END_STREAM;
        break;
    case FRAME_HEADERS:
        t->status = frame_status(f->payload);
        t->end |= f->flags & END_STREAM;
        break;
    case FRAME_RST:
        t->resets++;
        t->code = frame_get(f->payload.p, 4);
        break;
    case FRAME_GOAWAY:
        t->goaways++;
        t->last_id = frame_get(f->payload.p, 4);
        t->code = frame_get(f->payload.p + 4, 4);
        break;
    case FRAME_WINDOW: t->windows++; break;
    case FRAME_SETTINGS:
    case FRAME_PING: t->acks += f->flags & ACK; break;
    default: break;
    }
}

/* Gives the session what is in t->out, and gathers its answer. */
static bool talk(struct talk *t)
{
    struct str s;
    struct frame f;
    size_t n;
    seen.log[0] = 0;
    t->data_frames = t->resets = t->goaways = t->acks = t->windows = 0;
    t->data = 0;
    t->end = false;
    t->status = 0;
    bool good = http2_read(t->h, buf_str(&t->out), t->now_ns);
    buf_reset(&t->out);
    while ((s = http2_write(t->h)).len)
        buf_add(&t->in, s);
    while ((n = frame_read(buf_str(&t->in), &f)) > 0) {
        gather(t, &f);
        buf_consume(&t->in, n);
    }
    return good;
}

static void talk_start(struct talk *t)
{
    memset(&seen, 0, sizeof(seen));
    buf_init(&seen.body, 10 << 20);
    *t = (struct talk){.h = http2_new(&events, NULL, 1000), .now_ns = NS_PER_S};
    buf_init(&t->out, 10 << 20);
    buf_init(&t->in, 10 << 20);
    buf_add(&t->out, preface);
    frame_setting(&t->out, 1, 0);
    talk(t);
    frame(&t->out, FRAME_SETTINGS, ACK, 0, STR_NONE);
}

static bool log_is(const char *want)
{
    bool same = strcmp(seen.log, want) == 0;
    if (!same)
        printf("# %s\n", seen.log);
    return same;
}

static void test_request(void)
{
    struct talk t;
    struct buf head;
    talk_start(&t);
    ok(t.acks == 1 && t.windows == 1, "settings are confirmed, the window is opened");
    head_start(&head, "POST", "/x");
    head_field(&head, STR("a"), STR("b"));
    frame(&t.out, FRAME_HEADERS, END_HEADERS, 1, buf_str(&head));
    frame(&t.out, FRAME_DATA, 0, 1, STR("hel"));
    frame(&t.out, FRAME_DATA, END_STREAM, 1, STR("lo"));
    ok(talk(&t) && log_is("open 1;:path=/x;a=b;head;end;") &&
           str_eq(buf_str(&seen.body), STR("hello")),
       "a request with a body");
    const struct http_header type = {STR("Content-Type"), STR("text/plain")};
    http2_reply(t.h, 1, 200, &type, 1, true);
    ok(talk(&t) && t.status == 200 && !t.end && t.data_frames == 0, "its answer begins");
    seen.ready = true;
    seen.answer = 5;
    http2_more(t.h, 1);
    ok(talk(&t) && t.data == 5 && t.end && log_is("closed;"), "and ends with its last bytes");

    frame_request(&t.out, 3, "HEAD", "/y", true);
    ok(talk(&t) && log_is("open 3;:path=/y;head end;"), "a request without a body");
    http2_reply(t.h, 3, 404, NULL, 0, false);
    ok(talk(&t) && t.status == 404 && t.end && log_is("closed;"), "an answer without one");
    http2_reply(t.h, 3, 200, NULL, 0, true);
    http2_more(t.h, 3);
    http2_consumed(t.h, 3, 10);
    http2_widen(t.h, 3);
    http2_reset(t.h, 3, HTTP2_CANCEL);
    ok(talk(&t) && t.status == 0 && t.data == 0 && !http2_over(t.h),
       "what is told about a stream that is closed is ignored");
    buf_fini(&head);

    head_start(&head, "POST", "/t");
    frame(&t.out, FRAME_HEADERS, 0, 5, str_head(buf_str(&head), 20));
    ok(talk(&t) && http2_in_head(t.h) == 5, "a head in pieces");
    frame(&t.out, FRAME_CONTINUATION, END_HEADERS, 5, str_from_at(buf_str(&head), 20));
    ok(talk(&t) && !http2_in_head(t.h) && log_is(":path=/t;head;"), "is whole with the last");
    buf_reset(&head);
    head_field(&head, STR("trailer"), STR("x"));
    frame(&t.out, FRAME_HEADERS, END_HEADERS | END_STREAM, 5, buf_str(&head));
    ok(talk(&t) && log_is("end;"), "trailers are dropped");
    frame_number(&t.out, FRAME_RST, 5, HTTP2_CANCEL);
    ok(talk(&t) && log_is("closed;"), "a reset closes the stream");

    frame_request(&t.out, 7, "POST", "/t", false);
    frame(&t.out, FRAME_HEADERS, END_HEADERS, 7, buf_str(&head));
    ok(talk(&t) && t.resets == 1 && t.code == HTTP2_PROTOCOL, "trailers that are not the end");
    seen.refuse = true;
    frame_request(&t.out, 9, "GET", "/", true);
    ok(talk(&t) && t.resets == 1 && t.code == HTTP2_REFUSED && log_is("open 9;") &&
           !http2_in_head(t.h),
       "a stream that is not wanted is refused");
    buf_fini(&head);
    talk_end(&t);
}

static void test_windows(void)
{
    static char block[16384];
    const struct str big = {block, sizeof(block)};
    struct talk t;
    talk_start(&t);
    frame_request(&t.out, 1, "POST", "/", false);
    for (int i = 0; i < 4; i++)
        frame(&t.out, FRAME_DATA, 0, 1, big);
    ok(talk(&t) && seen.body.len == HTTP2_WINDOW && t.windows == 0,
       "a body comes to the end of its window");
    http2_consumed(t.h, 1, HTTP2_WINDOW);
    ok(talk(&t) && t.windows == 1, "which is opened when it has been read");
    http2_widen(t.h, 1);
    ok(talk(&t) && t.windows == 1, "or widened");
    for (int i = 0; i < HTTP2_WINDOW_WIDE / 16384; i++)
        frame(&t.out, FRAME_DATA, 0, 1, big);
    ok(talk(&t) && t.goaways == 0 && t.resets == 0, "%zu bytes fit then", seen.body.len);
    frame(&t.out, FRAME_DATA, 0, 1, big);
    talk(&t);
    ok(t.goaways + t.resets > 0, "no more");
    talk_end(&t);

    talk_start(&t);
    frame_request(&t.out, 1, "GET", "/", true);
    talk(&t);
    seen.ready = true;
    seen.answer = 100000;
    http2_reply(t.h, 1, 200, NULL, 0, true);
    ok(talk(&t) && t.data == 65535 && seen.answer == 100000 - 65535,
       "an answer stops where the client's window ends");
    frame_number(&t.out, FRAME_WINDOW, 0, 1 << 20);
    ok(talk(&t) && t.data == 0, "the connection's alone does not help");
    frame_number(&t.out, FRAME_WINDOW, 1, 1 << 20);
    ok(talk(&t) && t.data == 100000 - 65535 && t.end, "the stream's does");
    talk_end(&t);
}

/* Sends frames until the session has had enough. */
static size_t flood(int type, struct str payload, uint32_t id)
{
    struct talk t;
    size_t n = 0;
    talk_start(&t);
    frame_request(&t.out, 1, "POST", "/", false);
    talk(&t);
    while (n < 100000 && !http2_over(t.h)) {
        for (int i = 0; i < 100; i++)
            frame(&t.out, type, 0, id, payload);
        n += 100;
        talk(&t);
    }
    ok(t.goaways == 1 && t.code == 11, "a flood of frames %d ends with ENHANCE_YOUR_CALM", type);
    talk_end(&t);
    return n;
}

static void test_floods(void)
{
    struct talk t;
    ok(flood(FRAME_PING, STR("12345678"), 0) < 20000, "PING");
    ok(flood(FRAME_SETTINGS, STR_NONE, 0) < 20000, "SETTINGS");
    ok(flood(FRAME_DATA, STR_NONE, 1) < 20000, "empty DATA");
    ok(flood(FRAME_WINDOW, STR("\0\0\0\1"), 0) < 20000, "WINDOW_UPDATE");

    talk_start(&t);
    uint32_t id = 1;
    for (; id < 100000 && !http2_over(t.h); id += 2) {
        frame_request(&t.out, id, "GET", "/", true);
        frame_number(&t.out, FRAME_RST, id, HTTP2_CANCEL);
        talk(&t);
    }
    ok(id < 30000 && seen.opened == seen.closed, "streams that are reset at once, after %u",
       id / 2);
    talk_end(&t);

    talk_start(&t);
    struct buf head;
    head_start(&head, "GET", "/");
    frame(&t.out, FRAME_HEADERS, 0, 1, buf_str(&head));
    for (int i = 0; i < 1000; i++)
        frame(&t.out, FRAME_CONTINUATION, 0, 1, STR_NONE);
    talk(&t);
    ok(http2_over(t.h), "a head without end");
    buf_fini(&head);
    talk_end(&t);

    talk_start(&t);
    for (id = 1; id < 1000; id += 2)
        frame_request(&t.out, id, "GET", "/", true);
    talk(&t);
    ok(seen.opened == HTTP2_STREAMS, "more streams than allowed are refused: %u", seen.opened);
    talk_end(&t);

    talk_start(&t);
    talk(&t);
    for (int i = 0; i < 40; i++) { /* a second each */
        for (int k = 0; k < 500; k++)
            frame(&t.out, FRAME_PING, 0, 0, STR("12345678"));
        t.now_ns += NS_PER_S;
        talk(&t);
    }
    ok(!http2_over(t.h) && t.acks == 500, "a busy client is no flood");
    talk_end(&t);
}

static void test_ends(void)
{
    struct talk t;
    talk_start(&t);
    frame_request(&t.out, 1, "GET", "/", true);
    talk(&t);
    http2_drain(t.h);
    ok(talk(&t) && t.goaways == 1 && t.last_id == 0x7fffffff, "draining is announced");
    frame_request(&t.out, 3, "GET", "/", true);
    ok(talk(&t) && log_is("open 3;:path=/;head end;"), "a stream that was under way is taken");
    frame(&t.out, FRAME_PING, ACK, 0, STR("draining"));
    ok(talk(&t) && t.goaways == 1 && t.last_id == 3, "then the last one is named");
    frame_request(&t.out, 5, "GET", "/", true);
    ok(talk(&t) && log_is(""), "and none behind it is looked at");
    http2_reply(t.h, 1, 204, NULL, 0, false);
    http2_reply(t.h, 3, 204, NULL, 0, false);
    talk(&t);
    ok(http2_over(t.h), "when all are answered the connection is over");
    talk_end(&t);

    talk_start(&t);
    http2_free(t.h);
    t.h = http2_new(&events, NULL, 1000);
    buf_reset(&t.out);
    buf_add(&t.out, STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    ok(!talk(&t) && http2_over(t.h), "what is no HTTP/2 is not read");
    talk_end(&t);
    http2_free(NULL);
}

int main(void)
{
    test_request();
    test_windows();
    test_floods();
    test_ends();
    return tap_done();
}
