/* A session is fed arbitrary frames, in pieces whose sizes the first byte of an input chooses, and
 * asked for its own after each. Whatever comes: events keep their order, no stream is told of that
 * was forgotten or closed, bodies stay within their windows, heads are judged or refused, and what
 * goes out is bounded by what came in. The preface stands in front of each input. */
#include "net/http2.h"
#include "net/http2_head.h"

#include "base/clock.h"

static const struct http_limits limits = {.line = 256, .headers = 1024, .body = 1 << 20};

struct stream {
    int32_t id;
    struct http2_head head;
    bool whole, end, closed;
    size_t body, answer;
};

enum { STREAMS = 256 };
static struct http2 *session;
static struct stream *stream[STREAMS];
static unsigned n_streams, n_open;

static void *on_open(void *ctx, int32_t id)
{
    (void)ctx;
    CHECK(n_open <= HTTP2_STREAMS);
    if (n_streams == STREAMS || id % 16 == 15)
        return NULL;
    struct stream *s = stream[n_streams++] = mem_new(sizeof(*s));
    n_open++;
    s->id = id;
    s->answer = (size_t)id * 100;
    http2_head_init(&s->head, &limits);
    return s;
}

static void on_field(void *p, struct str name, struct str value)
{
    struct stream *s = p;
    CHECK(!s->whole && !s->closed);
    http2_head_add(&s->head, name, value);
}

/* Reads the head as the server does, and answers: by the id at once, later, never, or by a reset.
 */
static void on_head(void *p, bool end)
{
    struct stream *s = p;
    struct http_header space[HTTP_HEADERS_MAX];
    struct http_head head;
    struct err e = {0};
    struct arena *a = arena_new();
    CHECK(!s->whole && !s->closed);
    s->whole = true;
    s->end = end;
    bool good = http2_head_parse(&s->head, &head, space, !end, &limits, a, &e);
    CHECK(good || (e.code && e.msg[0]));
    for (uint32_t i = 0; i < head.headers.n; i++)
        CHECK(str_find_char(head.headers.h[i].value, '\n') == STR_NPOS);
    arena_free(a);
    if (s->id % 8 == 5)
        http2_reset(session, s->id, HTTP2_CANCEL);
    else if (s->id % 8 != 7)
        http2_reply(session, s->id, good ? 200 : 400, NULL, 0, s->id % 8 != 3);
    http2_widen(session, s->id);
}

static void on_data(void *p, struct str data)
{
    struct stream *s = p;
    CHECK(s->whole && !s->end && !s->closed);
    s->body += data.len;
    CHECK(s->body <= HTTP2_WINDOW_WIDE);
    if (s->id % 4 == 1) {
        s->body = 0;
        http2_consumed(session, s->id, data.len);
    }
}

static void on_end(void *p)
{
    struct stream *s = p;
    CHECK(s->whole && !s->end && !s->closed);
    s->end = true;
    http2_more(session, s->id);
}

static size_t on_fill(void *p, char *to, size_t n, bool *last)
{
    struct stream *s = p;
    CHECK(s->whole && !s->closed);
    n = s->end ? size_min(n, s->answer) : 0;
    memset(to, 'x', n);
    s->answer -= n;
    *last = s->end && s->answer == 0;
    return n;
}

static void on_closed(void *p)
{
    struct stream *s = p;
    CHECK(!s->closed);
    s->closed = true;
    n_open--;
}

static const struct http2_events events = {on_open, on_field, on_head,  on_data,
                                           on_end,  on_fill,  on_closed};

static size_t drain(void)
{
    struct str s;
    size_t n = 0;
    while ((s = http2_write(session)).len)
        n += s.len;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    struct str in = {(const char *)data + 1, size - 1};
    size_t piece = data[0] ? data[0] : in.len, out = 0;
    int64_t now_ns = NS_PER_S;
    n_streams = n_open = 0;
    session = http2_new(&events, NULL, limits.headers);
    bool good = http2_read(session, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), now_ns);
    CHECK(good);
    while (in.len && good && !http2_over(session)) {
        char *part = mem_copy(in.p, size_min(piece, in.len)); /* a look behind it is caught */
        good = http2_read(session, (struct str){part, size_min(piece, in.len)}, now_ns);
        mem_free(part);
        in = str_from_at(in, piece);
        now_ns += NS_PER_MS;
        out += drain();
    }
    CHECK(out < (size << 5) + (STREAMS * 256 * 100 * 4));
    if (good && data[0] & 1) {
        http2_drain(session);
        http2_goodbye(session);
        drain();
    }
    http2_free(session);
    for (unsigned i = 0; i < n_streams; i++) {
        http2_head_fini(&stream[i]->head);
        mem_free(stream[i]);
    }
    return 0;
}
