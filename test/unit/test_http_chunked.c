/* What the decoder of chunked bodies promises: the same body however it is cut, and nothing that
 * two readers could take for different bodies. */
#include "net/http.h"

#include "edge.h"
#include "tap.h"

#define IN(text)                                                                                   \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    } /* a struct str that a table may hold */

static const struct http_limits limits = {.line = 200, .headers = 1000, .body = 1000};

static const struct {
    const char *name;
    struct str in;
    const char *body; /* NULL: bad */
    enum err_code code;
} bodies[] = {
    {"one chunk", IN("5\r\nhello\r\n0\r\n\r\n"), "hello"},
    {"two chunks", IN("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "hello world"},
    {"empty", IN("0\r\n\r\n"), ""},
    {"upper and lower case", IN("A\r\n0123456789\r\nb\r\n01234567890\r\n0\r\n\r\n"),
     "012345678901234567890"},
    {"zeros in front", IN("0005\r\nhello\r\n000\r\n\r\n"), "hello"},
    {"extensions", IN("5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n"), "hello"},
    {"trailers", IN("5\r\nhello\r\n0\r\nX: y\r\nZ: 1\r\n\r\n"), "hello"},
    {"line ends in the data", IN("4\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n\r\n"},
    {"0x", IN("0x5\r\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"minus", IN("-5\r\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"plus", IN("+5\r\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"space behind", IN("5 \r\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"space in front", IN(" 5\r\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"no size", IN("\r\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"extension without size", IN(";a\r\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"underscore", IN("1_0\r\n"), NULL, ERR_INVALID},
    {"17 digits", IN("00000000000000005\r\n"), NULL, ERR_INVALID},
    {"2^64 - 1", IN("ffffffffffffffff\r\n"), NULL, ERR_TOO_LARGE},
    {"sum over 2^64", IN("1\r\na\r\nffffffffffffffff\r\n"), NULL, ERR_TOO_LARGE},
    {"over the limit", IN("3e9\r\n"), NULL, ERR_TOO_LARGE},
    {"bare LF behind the size", IN("5\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"bare LF in an extension", IN("5;a\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"bare CR in an extension", IN("5;a\rb\r\nhello\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"data longer than said", IN("5\r\nhello!\r\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"bare LF behind the data", IN("5\r\nhello\n0\r\n\r\n"), NULL, ERR_INVALID},
    {"bare LF in trailers", IN("0\r\nX: y\n\r\n"), NULL, ERR_INVALID},
    {"folded trailer", IN("0\r\nX: y\r\n z\r\n\r\n"), NULL, ERR_INVALID},
    {"NUL in a trailer", IN("0\r\nX: \0\r\n\r\n"), NULL, ERR_INVALID},
    {"no LF at the end", IN("0\r\n\rx"), NULL, ERR_INVALID},
};

/* Feeds `in` in steps of at most `step` bytes; what is behind the end must stay untouched. */
static bool unchunk(struct str in, size_t step, struct buf *out, size_t *used, struct err *e)
{
    struct http_chunked c = {0};
    struct str piece;
    size_t at = 0;
    buf_reset(out);
    while (at < in.len && c.state != CHUNK_END) {
        struct str now = at_edge(str_head(str_from_at(in, at), step));
        ssize_t n = http_chunked_next(&c, now, &piece, &limits, e);
        if (n < 0)
            return false;
        CHECK(n > 0);
        buf_add(out, piece);
        at += (size_t)n;
    }
    *used = at;
    return c.state == CHUNK_END && c.total == out->len;
}

static void test_chunked(void)
{
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < COUNT(bodies); i++) {
        const char *name = bodies[i].name;
        struct str in = bodies[i].in;
        char text[256];
        memcpy(text, in.p, in.len);
        memcpy(text + in.len, "GET", 3);
        for (size_t step = 1; step <= in.len + 3; step = step < 3 ? step + 1 : step + in.len) {
            size_t used = 0;
            struct err e = {0};
            bool whole = unchunk((struct str){text, in.len + 3}, step, &out, &used, &e);
            if (bodies[i].body)
                ok(whole && used == in.len && str_eq(buf_str(&out), str_from(bodies[i].body)),
                   "chunked, %s, %zu at a time", name, step);
            else
                ok(!whole && e.code == bodies[i].code, "chunked, %s, %zu at a time: %s", name, step,
                   e.msg);
        }
    }
    buf_fini(&out);
}

static void test_chunk_overhead(void)
{
    struct http_chunked c = {0};
    struct str piece, chunk = STR("1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n");
    struct err e = {0};
    ssize_t n = 1;
    for (int i = 0; i < 200 && n > 0; i++)
        for (size_t at = 0; at < chunk.len && n > 0; at += (size_t)n)
            n = http_chunked_next(&c, str_from_at(chunk, at), &piece, &limits, &e);
    ok(n == -1 && e.code == ERR_HEADERS, "extensions cannot go on for ever: %s", e.msg);

    c = (struct http_chunked){0};
    for (int i = 0; i < 1200 && (n = http_chunked_next(&c, i ? STR("a") : STR("0\r\n"), &piece,
                                                       &limits, &e)) > 0;
         i++)
        ;
    ok(n == -1 && e.code == ERR_HEADERS, "trailers cannot go on for ever: %s", e.msg);
}

int main(void)
{
    test_chunked();
    test_chunk_overhead();
    return tap_done();
}
