/* What sse promises: the events of the standard's grammar, the same ones however reads cut the
 * stream, no copy of what lies whole in a piece, and an end to events without end. */
#include "base/mem.h"
#include "net/sse.h"

#include "tap.h"

/* `want` lists events as "name=data;" with LF in data shown as '|'. */
static const struct {
    const char *name, *stream, *want;
} cases[] = {
    {"LF", "data: a\n\ndata: b\n\n", "=a;=b;"},
    {"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", "=a;=b;"},
    {"CR", "data: a\r\rdata: b\r\r", "=a;=b;"},
    {"line ends mixed", "data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", "=a;=b;=c;"},
    {"LF after CR is one line end", "data: a\r\ndata: b\r\n\r\n", "=a|b;"},
    {"event names", "event: ping\ndata: a\n\ndata: b\n\n", "ping=a;=b;"},
    {"the last name counts", "event: x\nevent: y\ndata: a\n\n", "y=a;"},
    {"data lines are joined", "data: a\ndata\ndata:\ndata: b\n\n", "=a|||b;"},
    {"one space goes, the second stays", "data:  a\n\ndata:a\n\ndata: \n\n", "= a;=a;=;"},
    {"empty data is an event", "data\n\ndata:\n\n", "=;=;"},
    {"no data, no event", "event: x\nid: 1\n\n\n\ndata: a\n\n", "=a;"},
    {"a name does not outlive its block", "event: x\n\ndata: a\n\n", "=a;"},
    {"comments", ": hello\n\n:\ndata: a\n: x\n\n", "=a;"},
    {"unknown fields", "id: 1\nretry: 5\ndatax: no\ndata : no\nDATA: no\ndata: a\n\n", "=a;"},
    {"colons in a value", "data: {\"a\":1}\n\n", "={\"a\":1};"},
    {"a byte order mark goes",
     "\xEF\xBB\xBF"
     "data: a\n\n",
     "=a;"},
    {"a second one does not",
     "data: a\n\n\xEF\xBB\xBF"
     "data: b\n\n",
     "=a;"},
    {"half a byte order mark is text",
     "\xEF\xBB"
     "data: a\n\n",
     ""},
    {"multibyte characters", "data: \xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\n\n",
     "=\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80;"},
    {"cut off by the end", "data: a\n\ndata: b\n", "=a;"},
    {"cut off in the line end", "data: a\r\n\r\ndata: b\r\n", "=a;"},
    {"nothing", "", ""},
    {"blank lines alone", "\n\r\n\r\r\n\n", ""},
};

static void show(struct buf *out, const struct sse_event *ev)
{
    buf_add(out, ev->event);
    buf_char(out, '=');
    for (size_t i = 0; i < ev->data.len; i++)
        buf_char(out, ev->data.p[i] == '\n' ? '|' : ev->data.p[i]);
    buf_char(out, ';');
}

/* Reads `stream` in pieces of `size` bytes, the first of them `first` long; each piece is memory of
 * its own. */
static void run(struct str stream, size_t first, size_t size, struct buf *out)
{
    struct sse_reader r;
    struct sse_event ev;
    sse_init(&r, 1000);
    for (size_t n = first; stream.len; n = size) {
        struct str part = str_head(stream, n);
        char *piece = mem_copy(part.p, part.len);
        stream = str_from_at(stream, n);
        sse_feed(&r, (struct str){piece, part.len});
        while (sse_next(&r, &ev, NULL) > 0)
            show(out, &ev);
        mem_free(piece);
    }
    sse_fini(&r);
}

static bool same_however_cut(struct str stream, struct str want)
{
    bool same = true;
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t first = 1; first <= stream.len + 1 && same; first++) {
        for (size_t size = 1; size <= stream.len + 1 && same; size++) {
            buf_reset(&out);
            run(stream, first, size, &out);
            same = str_eq(buf_str(&out), want);
        }
    }
    buf_fini(&out);
    return same;
}

static void test_cases(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str stream = str_from(cases[i].stream), want = str_from(cases[i].want);
        buf_reset(&out);
        run(stream, stream.len, 1, &out);
        ok(str_eq(buf_str(&out), want), "%s: whole", cases[i].name);
        ok(same_however_cut(stream, want), "%s: cut anywhere", cases[i].name);
    }
    buf_fini(&out);
}

static void test_no_copy(void)
{
    static const char stream[] = "data: one\n\nevent: e\ndata: two\r\n\r\ndata: thr";
    struct str piece = str_from(stream);
    struct sse_reader r;
    struct sse_event ev;
    sse_init(&r, 1000);
    sse_feed(&r, piece);
    ok(sse_next(&r, &ev, NULL) == 1 && ev.data.p == stream + 6, "data points into the piece");
    ok(ev.raw.p == stream && ev.raw.len == 11, "raw has the blank line");
    ok(sse_next(&r, &ev, NULL) == 1 && str_eq(ev.raw, STR("event: e\ndata: two\r\n\r\n")),
       "raw of the second");
    ok(r.held.cap == 0, "nothing was copied");
    ok(sse_next(&r, &ev, NULL) == 0, "the third is not whole");
    sse_feed(&r, STR("ee\n\n"));
    ok(sse_next(&r, &ev, NULL) == 1 && str_eq(ev.raw, STR("data: three\n\n")), "raw of a cut one");
    ok(sse_next(&r, &ev, NULL) == 0, "then no more");
    sse_fini(&r);
}

/* What was relayed as raw, put together again, is the stream. */
static void test_raw_is_the_stream(void)
{
    struct str stream = STR("data: a\r\n\r\nevent: b\r\ndata: b\r\n\r\ndata: c\r\n\r\n");
    bool same = true;
    for (size_t cut = 1; cut < stream.len; cut++) {
        struct sse_reader r;
        struct sse_event ev;
        struct buf out;
        sse_init(&r, 1000);
        buf_init(&out, 1000);
        for (int half = 0; half < 2; half++) {
            sse_feed(&r, half ? str_from_at(stream, cut) : str_head(stream, cut));
            while (sse_next(&r, &ev, NULL) > 0)
                buf_add(&out, ev.raw);
        }
        struct str want = stream; /* an LF of the last CRLF that came late belongs to no event */
        want.len -= cut == stream.len - 1;
        same = same && str_eq(buf_str(&out), want);
        sse_fini(&r);
        buf_fini(&out);
    }
    ok(same, "raw pieces add up to the stream");
}

static void test_late_lf(void)
{
    struct sse_reader r;
    struct sse_event ev;
    sse_init(&r, 1000);
    sse_feed(&r, STR("data: a\r\n\r"));
    ok(sse_next(&r, &ev, NULL) == 1 && str_eq(ev.data, STR("a")), "an event waits for no LF");
    ok(sse_next(&r, &ev, NULL) == 0, "no more");
    sse_feed(&r, STR("\n"));
    ok(sse_next(&r, &ev, NULL) == 0, "the late LF is no event");
    sse_feed(&r, STR("data: b\r\r"));
    ok(sse_next(&r, &ev, NULL) == 1 && str_eq(ev.data, STR("b")), "and harms none");
    sse_fini(&r);
}

static void test_limits(void)
{
    enum { BIG = 2 << 20 };
    struct sse_reader r;
    struct sse_event ev;
    struct err e;
    char *big = mem_new(BIG);
    memset(big, 'x', BIG);
    memcpy(big, "data: ", 6);
    sse_init(&r, BIG + 2);
    int got = 0;
    for (size_t at = 0; at < BIG && got == 0; at += 16384) {
        sse_feed(&r, (struct str){big + at, 16384});
        got = sse_next(&r, &ev, &e);
    }
    sse_feed(&r, STR("\n\ndata: small\n\n"));
    ok(got == 0 && sse_next(&r, &ev, &e) == 1 && ev.data.len == BIG - 6, "2 MB in one event");
    ok(sse_next(&r, &ev, &e) == 1 && str_eq(ev.data, STR("small")), "the next one");
    ok(sse_next(&r, &ev, &e) == 0 && r.held.cap == 0, "the memory went back");
    sse_fini(&r);
    mem_free(big);

    sse_init(&r, 20);
    sse_feed(&r, STR("data: 12345678901\n\n"));
    ok(sse_next(&r, &ev, &e) == 1 && sse_next(&r, &ev, &e) == 0, "an event below the limit");
    sse_feed(&r, STR("data: 123456789012\n\n"));
    ok(sse_next(&r, &ev, &e) == 1 && sse_next(&r, &ev, &e) == 0, "at the limit");
    sse_feed(&r, STR("data: 1234567890123\n\ndata: a\n\n"));
    ok(sse_next(&r, &ev, &e) == -1 && e.code == ERR_UPSTREAM, "one over it: %s", e.msg);
    ok(sse_next(&r, &ev, &e) == -1, "for good");
    sse_fini(&r);

    sse_init(&r, 20);
    sse_feed(&r, STR("data: 1234567890"));
    ok(sse_next(&r, &ev, &e) == 0, "sixteen bytes are held");
    sse_feed(&r, STR("12345"));
    ok(sse_next(&r, &ev, &e) == -1, "the fifth byte more is over the limit");
    sse_fini(&r);
}

int main(void)
{
    test_cases();
    test_no_copy();
    test_raw_is_the_stream();
    test_late_lf();
    test_limits();
    return tap_done();
}
