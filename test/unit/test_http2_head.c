/* What a head of HTTP/2 must be, to be read as one of HTTP/1.1. */
#include "net/http2_head.h"

#include "tap.h"

static const struct http_limits limits = {.line = 200, .headers = 1000, .body = 1000};

#define GOOD ":method=POST|:scheme=https|:path=/a?b|:authority=h:1"

static const struct {
    const char *name, *fields; /* name=value, one behind another */
    enum err_code code;
} cases[] = {
    {"a plain head", GOOD "|accept=*/*|te=trailers", ERR_NONE},
    {"pseudo-header fields in another order", ":path=/|:authority=h|:scheme=http|:method=GET",
     ERR_NONE},
    {"Host instead of :authority", ":method=GET|:scheme=http|:path=/|host=h", ERR_NONE},
    {"Host equal to :authority", GOOD "|host=h:1", ERR_NONE},
    {"Host other than :authority", GOOD "|host=other", ERR_INVALID},
    {"neither", ":method=GET|:scheme=http|:path=/", ERR_INVALID},
    {"no method", ":scheme=http|:path=/|:authority=h", ERR_INVALID},
    {"no scheme", ":method=GET|:path=/|:authority=h", ERR_INVALID},
    {"no path", ":method=GET|:scheme=http|:authority=h", ERR_INVALID},
    {"empty path", ":method=GET|:scheme=http|:path=|:authority=h", ERR_INVALID},
    {"path twice", GOOD "|:path=/b", ERR_INVALID},
    {"unknown pseudo-header field", GOOD "|:protocol=websocket", ERR_INVALID},
    {"status of an answer", GOOD "|:status=200", ERR_INVALID},
    {"pseudo-header field behind others", ":method=GET|a=b|:scheme=http|:path=/|:authority=h",
     ERR_INVALID},
    {"request line in the path", ":method=GET|:scheme=http|:path=/ HTTP/1.1\r\nx: y|:authority=h",
     ERR_INVALID},
    {"request line in the method", ":method=GET /|:scheme=http|:path=/|:authority=h", ERR_INVALID},
    {"header in the authority", ":method=GET|:scheme=http|:path=/|:authority=h\r\nx: y",
     ERR_INVALID},
    {"header in a value", GOOD "|a=b\r\nx: y", ERR_INVALID},
    {"line feed in a value", GOOD "|a=b\nc", ERR_INVALID},
    {"tab in a value", GOOD "|a=b\tc", ERR_NONE},
    {"header in a name", GOOD "|a: b\r\nx=y", ERR_INVALID},
    {"colon in a name", GOOD "|a:b=c", ERR_INVALID},
    {"space in a name", GOOD "|a b=c", ERR_INVALID},
    {"empty name", GOOD "|=c", ERR_INVALID},
    {"upper case name", GOOD "|Accept=*/*", ERR_INVALID},
    {"Connection", GOOD "|connection=close", ERR_INVALID},
    {"Transfer-Encoding", GOOD "|transfer-encoding=chunked", ERR_INVALID},
    {"Upgrade", GOOD "|upgrade=h2c", ERR_INVALID},
    {"TE other than trailers", GOOD "|te=gzip", ERR_INVALID},
    {"quote in the method", ":method=G\"T|:scheme=http|:path=/|:authority=h", ERR_INVALID},
    {"two lengths", GOOD "|content-length=1|content-length=1", ERR_INVALID},
    {"length that is no number", GOOD "|content-length=1x", ERR_INVALID},
    {"length over the limit", GOOD "|content-length=1001", ERR_TOO_LARGE},
};

static void add_fields(struct http2_head *h, const char *fields)
{
    struct str rest = str_from(fields), field;
    while (str_split(&rest, '|', &field)) {
        size_t at = str_find_char(field, '=');
        http2_head_add(h, str_head(field, at), str_from_at(field, at + 1));
    }
}

static enum err_code parse(const struct http2_head *h, bool body, struct http_head *out,
                           struct arena *a)
{
    static struct http_header space[HTTP_HEADERS_MAX];
    struct err e = {0};
    bool good = http2_head_parse(h, out, space, body, &limits, a, &e);
    return good ? ERR_NONE : e.code;
}

static void test_cases(struct arena *a)
{
    struct http_head out;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http2_head h;
        http2_head_init(&h, &limits);
        add_fields(&h, cases[i].fields);
        enum err_code code = parse(&h, false, &out, a);
        ok(code == cases[i].code, "%s: %s", cases[i].name, err_name(code));
        http2_head_fini(&h);
    }
}

static void test_result(struct arena *a)
{
    struct http2_head h;
    struct http_head out;
    struct str v;
    http2_head_init(&h, &limits);
    add_fields(&h, GOOD "|accept=x|expect=100-continue");
    ok(parse(&h, true, &out, a) == ERR_NONE && str_eq(out.method, STR("POST")) &&
           str_eq(out.target, STR("/a?b")) && out.framing == HTTP_CHUNKED && out.expect_continue,
       "method, target, a body of unknown length");
    ok(http_header_get(&out.headers, STR("host"), &v) && str_eq(v, STR("h:1")) &&
           http_header_get(&out.headers, STR("accept"), &v) && str_eq(v, STR("x")),
       "the authority is the Host, and headers are there");
    ok(parse(&h, false, &out, a) == ERR_NONE && out.framing == HTTP_NO_BODY, "no body");
    add_fields(&h, "content-length=7");
    ok(parse(&h, true, &out, a) == ERR_NONE && out.framing == HTTP_LENGTH &&
           out.content_length == 7,
       "a body of known length");
    http2_head_fini(&h);
}

static void test_limits(struct arena *a)
{
    struct http2_head h;
    struct http_head out;
    static char filler[1300];
    memset(filler, 'x', sizeof(filler));
    http2_head_init(&h, &limits);
    add_fields(&h, ":method=GET|:scheme=http|:authority=h");
    http2_head_add(&h, STR(":path"), (struct str){filler, 400});
    ok(parse(&h, false, &out, a) == ERR_URI_TOO_LONG, "a long path");
    http2_head_fini(&h);
    for (size_t n = 100; n <= 1300; n += 1200) {
        http2_head_init(&h, &limits);
        add_fields(&h, GOOD);
        http2_head_add(&h, STR("x"), (struct str){filler, n});
        ok(parse(&h, false, &out, a) == (n > 1000 ? ERR_HEADERS : ERR_NONE),
           "a header of %zu bytes", n);
        http2_head_fini(&h);
    }
    http2_head_init(&h, &limits);
    add_fields(&h, GOOD);
    for (int i = 0; i < 100000; i++)
        http2_head_add(&h, STR("name"), STR("value"));
    ok(h.fields.cap <= 2 * limits.headers && parse(&h, false, &out, a) == ERR_HEADERS,
       "a head without end is not kept");
    http2_head_fini(&h);
}

int main(void)
{
    struct arena *a = arena_new();
    test_cases(a);
    test_result(a);
    test_limits(a);
    arena_free(a);
    return tap_done();
}
