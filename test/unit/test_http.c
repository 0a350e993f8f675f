/* What the HTTP parser promises: the same message for every reader, or none.
 *
 * Every input ends at a page that may not be touched, and is also fed byte by byte, where each
 * prefix must say "more" and the whole the same as at once.
 */
#include "net/http.h"

#include "edge.h"
#include "tap.h"

#define IN(text)                                                                                   \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    } /* a struct str that a table may hold */

static const struct http_limits limits = {.line = 200, .headers = 1000, .body = 1000};
static struct http_header space[HTTP_HEADERS_MAX];

#define REQ(line) line "\r\nHost: h\r\n"
#define GET REQ("GET / HTTP/1.1")

static const struct {
    const char *name;
    struct str in;
    enum err_code code; /* ERR_NONE: good */
    enum http_framing framing;
    uint64_t length;
    bool keep;
} requests[] = {
    {"plain", IN(GET "\r\n"), .keep = true},
    {"empty line in front", IN("\r\n" GET "\r\n"), .keep = true},
    {"two empty lines in front", IN("\r\n\r\n" GET "\r\n"), ERR_INVALID},
    {"1.0 closes", IN("GET / HTTP/1.0\r\n\r\n"), .keep = false},
    {"1.0 with keep-alive", IN("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), .keep = true},
    {"close", IN(GET "Connection: close\r\n\r\n"), .keep = false},
    {"close among others", IN(GET "Connection: te , CLOSE\r\n\r\n"), .keep = false},
    {"close in the second line", IN(GET "Connection: keep-alive\r\nConnection: close\r\n\r\n"),
     .keep = false},
    {"later minor version", IN(REQ("GET / HTTP/1.7") "\r\n"), .keep = true},
    {"length", IN(GET "Content-Length: 7\r\n\r\n"), .framing = HTTP_LENGTH, .length = 7, .keep = 1},
    {"length 0 is no body", IN(GET "Content-Length: 0\r\n\r\n"), .keep = true},
    {"length with zeros in front", IN(GET "content-length:007\r\n\r\n"), .framing = HTTP_LENGTH,
     .length = 7, .keep = true},
    {"chunked", IN(GET "Transfer-Encoding: Chunked\r\n\r\n"), .framing = HTTP_CHUNKED, .keep = 1},
    {"empty header value", IN(GET "x:\r\n\r\n"), .keep = true},
    {"empty host", IN("GET / HTTP/1.1\r\nHost:\r\n\r\n"), .keep = true},
    {"tabs around a value", IN(GET "x:\t a\tb \t\r\n\r\n"), .keep = true},
    {"bytes above 127 in a value", IN(GET "x: \xC3\xA4\xFF\r\n\r\n"), .keep = true},

    /* two readers would disagree */
    {"length twice", IN(GET "Content-Length: 7\r\nContent-Length: 7\r\n\r\n"), ERR_INVALID},
    {"two lengths", IN(GET "Content-Length: 7\r\nContent-Length: 8\r\n\r\n"), ERR_INVALID},
    {"list of lengths", IN(GET "Content-Length: 7, 7\r\n\r\n"), ERR_INVALID},
    {"length with plus", IN(GET "Content-Length: +7\r\n\r\n"), ERR_INVALID},
    {"negative length", IN(GET "Content-Length: -7\r\n\r\n"), ERR_INVALID},
    {"hexadecimal length", IN(GET "Content-Length: 0x7\r\n\r\n"), ERR_INVALID},
    {"empty length", IN(GET "Content-Length:\r\n\r\n"), ERR_INVALID},
    {"length past 2^64", IN(GET "Content-Length: 18446744073709551617\r\n\r\n"), ERR_INVALID},
    {"length and chunked", IN(GET "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n"),
     ERR_INVALID},
    {"chunked and length", IN(GET "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n"),
     ERR_INVALID},
    {"chunked twice", IN(GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
     ERR_INVALID},
    {"list of codings", IN(GET "Transfer-Encoding: gzip, chunked\r\n\r\n"), ERR_INVALID},
    {"chunked not last", IN(GET "Transfer-Encoding: chunked, identity\r\n\r\n"), ERR_INVALID},
    {"unknown coding", IN(GET "Transfer-Encoding: xchunked\r\n\r\n"), ERR_INVALID},
    {"identity", IN(GET "Transfer-Encoding: identity\r\n\r\n"), ERR_INVALID},
    {"empty coding", IN(GET "Transfer-Encoding:\r\n\r\n"), ERR_INVALID},
    {"coding with a control",
     IN(GET "Transfer-Encoding: \x0b"
            "chunked\r\n\r\n"),
     ERR_INVALID},
    {"chunked in 1.0", IN(REQ("GET / HTTP/1.0") "Transfer-Encoding: chunked\r\n\r\n"), ERR_INVALID},
    {"space before colon", IN(GET "Content-Length : 7\r\n\r\n"), ERR_INVALID},
    {"tab before colon", IN(GET "Transfer-Encoding\t: chunked\r\n\r\n"), ERR_INVALID},
    {"folded line", IN(GET "x: a\r\n b\r\n\r\n"), ERR_INVALID},
    {"folded first header", IN("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), ERR_INVALID},
    {"bare LF behind the first line", IN("GET / HTTP/1.1\nHost: h\r\n\r\n"), ERR_INVALID},
    {"bare LF behind a header", IN("GET / HTTP/1.1\r\nHost: h\n\r\n"), ERR_INVALID},
    {"bare LF as the end", IN(GET "\n"), ERR_INVALID},
    {"bare CR in a value", IN(GET "x: a\rb\r\n\r\n"), ERR_INVALID},
    {"bare CR as the end", IN(GET "\rx"), ERR_INVALID},
    {"NUL in a value", IN(GET "x: a\0b\r\n\r\n"), ERR_INVALID},
    {"DEL in a value", IN(GET "x: abcdefgh\x7F\r\n\r\n"), ERR_INVALID},
    {"no colon", IN(GET "x\r\n\r\n"), ERR_INVALID},
    {"no name", IN(GET ": x\r\n\r\n"), ERR_INVALID},
    {"name with a bracket", IN(GET "x(: y\r\n\r\n"), ERR_INVALID},
    {"name above 127", IN(GET "\xC3\xA4: y\r\n\r\n"), ERR_INVALID},
    {"no host", IN("GET / HTTP/1.1\r\n\r\n"), ERR_INVALID},
    {"two hosts", IN(GET "Host: h\r\n\r\n"), ERR_INVALID},
    {"two hosts in 1.0", IN("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), ERR_INVALID},
    {"host with a path", IN("GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"), ERR_INVALID},
    {"host with a space", IN("GET / HTTP/1.1\r\nHost: h x\r\n\r\n"), ERR_INVALID},
    {"host list", IN("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), ERR_INVALID},
    {"host with a user", IN("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), ERR_INVALID},

    /* the first line */
    {"0.9", IN("GET /\r\n\r\n"), ERR_INVALID},
    {"2.0", IN("PRI * HTTP/2.0\r\n\r\n"), ERR_INVALID},
    {"two digits", IN(REQ("GET / HTTP/1.10") "\r\n"), ERR_INVALID},
    {"lower case version", IN(REQ("GET / http/1.1") "\r\n"), ERR_INVALID},
    {"two spaces", IN(REQ("GET  / HTTP/1.1") "\r\n"), ERR_INVALID},
    {"space behind the version", IN(REQ("GET / HTTP/1.1 ") "\r\n"), ERR_INVALID},
    {"space in front", IN(" " GET "\r\n"), ERR_INVALID},
    {"space in the target", IN(REQ("GET /a b HTTP/1.1") "\r\n"), ERR_INVALID},
    {"fragment", IN(REQ("GET /a#b HTTP/1.1") "\r\n"), ERR_INVALID},
    {"target above 127", IN(REQ("GET /\xC3\xA4 HTTP/1.1") "\r\n"), ERR_INVALID},
    {"TLS", IN("\x16\x03\x01\x02\x00\x01\x00"), ERR_INVALID},
    {"NUL", IN("\0"), ERR_INVALID},

    /* limits */
    {"body over the limit", IN(GET "Content-Length: 1001\r\n\r\n"), ERR_TOO_LARGE},
    {"body at the limit", IN(GET "Content-Length: 1000\r\n\r\n"), .framing = HTTP_LENGTH,
     .length = 1000, .keep = true},
};

static void test_requests(void)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        const char *name = requests[i].name;
        bool good = requests[i].code == ERR_NONE;
        struct str in = at_edge(requests[i].in);
        struct http_head h;
        struct err e = {0};
        ssize_t n = http_parse_request(&h, space, in, &limits, &e);
        ok(good ? n == (ssize_t)in.len : n == -1 && e.code == requests[i].code && e.msg[0],
           "request, %s: %s", name, good ? "good" : e.msg);
        if (good)
            ok(h.framing == requests[i].framing && h.content_length == requests[i].length &&
                   h.keep_alive == requests[i].keep,
               "request, %s: meaning", name);

        /* Prefixes: "more" until the verdict, and a verdict stays. */
        size_t k = 0;
        ssize_t part = 0;
        for (; k <= requests[i].in.len && part == 0; k++)
            part = http_parse_request(&h, space, at_edge(str_head(requests[i].in, k)), &limits, &e);
        ok(part == n && (!good || k == requests[i].in.len + 1), "request, %s: byte by byte", name);
    }
}

/* Whatever follows a head belongs to the body or to the next request. */
static void test_used(void)
{
    struct str two = STR(GET "\r\nGET /second HTTP/1.1\r\nHost: h\r\n\r\n");
    struct http_head h;
    ssize_t n = http_parse_request(&h, space, at_edge(two), &limits, NULL);
    ok(n == (ssize_t)strlen(GET "\r\n"), "only the first of two requests is used");
    n = http_parse_request(&h, space, str_from_at(two, (size_t)n), &limits, NULL);
    ok(n > 0 && str_eq(h.target, STR("/second")), "then the second");
}

static void test_fields(void)
{
    struct str in =
        STR("POST /v1/x?y=z HTTP/1.1\r\nhOST: example.org:80\r\nExpect: 100-Continue\r\n"
            "X-A:  one \r\nx-a: two, Three\r\nContent-Length: 3\r\n\r\n");
    struct http_head h;
    struct str v;
    ok(http_parse_request(&h, space, at_edge(in), &limits, NULL) > 0, "fields: parses");
    ok(str_eq(h.method, STR("POST")) && str_eq(h.target, STR("/v1/x?y=z")), "method and target");
    ok(h.headers.n == 5 && h.minor == 1 && h.expect_continue, "count, version, expectation");
    ok(http_header_get(&h.headers, STR("X-a"), &v) && str_eq(v, STR("one")), "the first value");
    ok(http_header_has(&h.headers, STR("x-A"), STR("three")), "a token of the second line");
    ok(!http_header_has(&h.headers, STR("x-A"), STR("thre")), "not a part of a token");
    ok(!http_header_get(&h.headers, STR("x-b"), &v) && v.len == 0, "a header that is not there");
}

/* A head outlives the buffer that it was read into. */
static void test_keep(void)
{
    struct arena *a = arena_new();
    char text[] = GET "X-A: one\r\n\r\nbody";
    struct http_head h;
    struct str in = {text, sizeof(text) - 1}, v;
    ssize_t used = http_parse_request(&h, space, in, &limits, NULL);
    struct str kept = http_head_keep(&h, in, a);
    memset(text, '!', in.len);
    memset(space, 0, sizeof(space));
    ok(used > 0 && str_eq(str_from_at(kept, (size_t)used), STR("body")), "what came is kept");
    ok(str_eq(h.method, STR("GET")) && str_eq(h.target, STR("/")), "and its first line");
    ok(http_header_get(&h.headers, STR("x-a"), &v) && str_eq(v, STR("one")), "and its headers");
    http_parse_response(&h, space, STR("HTTP/1.1 200\r\n\r\n"), &limits, false, NULL);
    http_head_keep(&h, STR("HTTP/1.1 200\r\n\r\n"), a);
    ok(h.headers.n == 0 && !h.method.p && !h.target.p, "an answer without headers");
    arena_free(a);
}

/* Look-ups go by the lengths of names, of which several share a place. */
static void test_lookups(void)
{
    static const char *const names[] = {"abcde", "ABCDE-abcde-ABCDE-abc", "x", "edcba", "ABCDE"};
    struct http_header h[COUNT(names)];
    struct http_headers all = {.h = h};
    const struct http_header *at = NULL;
    struct str v;
    ok(!http_header_get(&all, STR("x"), &v) && !http_header_next(&all, STR("x"), NULL), "none");
    for (size_t i = 0; i < COUNT(names); i++)
        http_headers_add(&all, str_from(names[i]), str_from(names[i]));
    ok(http_header_get(&all, STR("EDCBA"), &v) && str_eq(v, STR("edcba")), "behind others");
    ok(http_header_get(&all, STR("abcde-abcde-abcde-abc"), &v) && v.len == 21, "as long modulo 16");
    ok(!http_header_get(&all, STR("abcde-abcde-abcde-abd"), &v), "not there, but one as long is");
    ok(!http_header_get(&all, STR(""), &v) && v.len == 0, "no name");
    ok((at = http_header_next(&all, STR("AbCdE"), at)) == &h[0], "the first of two");
    ok((at = http_header_next(&all, STR("AbCdE"), at)) == &h[4], "the second");
    ok(!http_header_next(&all, STR("AbCdE"), at), "and no third");
    at = http_header_next(&all, STR("x"), NULL);
    ok(at == &h[2] && !http_header_next(&all, STR("x"), at), "there once");
}

#define LETTERS "Content-Lengthy-and-so-on-and-so-on-and-so-on"

/* Names and values of all sizes around those that are looked at together, with and without white
 * space around the value, ending where memory ends. */
static void test_sizes(void)
{
    static const char *const front[] = {"", " ", "\t", " \t "}, *const back[] = {"", " ", "\t "};
    static const char letters[] = LETTERS;
    int wrong = 0;
    for (int name = 1; name <= 40; name++) {
        for (int value = 0; value <= 40; value++) {
            for (int way = 0; way < 12; way++) {
                char text[256];
                int n = snprintf(text, sizeof(text), GET "%.*s:%s%.*s%s\r\n\r\n", name, letters,
                                 front[way % 4], value, letters, back[way / 4]);
                struct http_head h;
                struct str in = at_edge((struct str){text, (size_t)n});
                bool length = name == 14; /* which no letters are */
                bool good = http_parse_request(&h, space, in, &limits, NULL) == n;
                wrong += good == length ||
                         (good && (h.headers.n != 2 || space[1].name.len != (size_t)name ||
                                   !str_eq(space[1].value, str_head(STR(LETTERS), (size_t)value))));
            }
        }
    }
    ok(wrong == 0, "names and values of all sizes");
}

/* Each byte in each place, against the grammar written another way. */
static void test_every_byte(void)
{
    int wrong[3] = {0};
    for (int c = 0; c < 256; c++) {
        bool token = c && strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                 c);
        char text[64];
        struct http_head h;
        int n = snprintf(text, sizeof(text), "G?T / HTTP/1.1\r\nHost: h\r\nx?y: aaaaaaa?b\r\n\r\n");
        const size_t at[3] = {1, 26, 37};
        const bool good[3] = {token, token || c == ':', c == '\t' || (c >= 0x20 && c != 0x7F)};
        for (int i = 0; i < 3; i++) {
            text[1] = 'E', text[26] = 'y', text[37] = 'z';
            text[at[i]] = (char)c;
            struct str in = at_edge((struct str){text, (size_t)n});
            wrong[i] += (http_parse_request(&h, space, in, &limits, NULL) > 0) != good[i];
        }
    }
    ok(wrong[0] == 0, "every byte in a method");
    ok(wrong[1] == 0, "every byte in a header name");
    ok(wrong[2] == 0, "every byte in a header value");
}

static struct str repeat(char *to, size_t size, const char *front, char fill, size_t n,
                         const char *back)
{
    size_t f = strlen(front), b = strlen(back);
    CHECK(f + n + b <= size);
    memcpy(to, front, f);
    memset(to + f, fill, n);
    memcpy(to + f + n, back, b);
    return (struct str){to, f + n + b};
}

static void test_limits(void)
{
    static char text[4096];
    struct http_head h;
    struct err e = {0};
    struct str in = repeat(text, sizeof(text), "GET /", 'a', 300, "");
    ok(http_parse_request(&h, space, at_edge(in), &limits, &e) == -1 && e.code == ERR_URI_TOO_LONG,
       "a line over its limit is refused before its end");
    in = repeat(text, sizeof(text), "GET /", 'a', 300, " HTTP/1.1\r\nHost: h\r\n\r\n");
    ok(http_parse_request(&h, space, at_edge(in), &limits, &e) == -1 && e.code == ERR_URI_TOO_LONG,
       "and when it is whole");
    in = repeat(text, sizeof(text), "GET /", 'a', 200 - strlen("GET / HTTP/1.1\r\n"),
                " HTTP/1.1\r\nHost: h\r\n\r\n");
    ok(http_parse_request(&h, space, at_edge(in), &limits, &e) > 0, "a line at its limit");
    in = repeat(text, sizeof(text), GET "x: ", 'a', 1200, "");
    ok(http_parse_request(&h, space, at_edge(in), &limits, &e) == -1 && e.code == ERR_HEADERS,
       "a head over its limit is refused before its end");
    in = repeat(text, sizeof(text), GET "x: ", 'a', 1000 - strlen(GET "x: \r\n\r\n"), "\r\n\r\n");
    ok(http_parse_request(&h, space, at_edge(in), &limits, &e) == 1000, "a head at its limit");

    struct buf b;
    buf_init(&b, 65536);
    buf_add(&b, STR(GET));
    for (int i = 1; i < HTTP_HEADERS_MAX; i++)
        buf_add(&b, STR("a:b\r\n"));
    size_t len = b.len;
    const struct http_limits wide = {.line = 65536, .headers = 65536, .body = 0};
    buf_add(&b, STR("\r\n"));
    ok(http_parse_request(&h, space, at_edge(buf_str(&b)), &wide, &e) > 0 && h.headers.n == 100,
       "as many headers as fit");
    b.len = len;
    buf_add(&b, STR("c:d\r\n\r\n"));
    ok(http_parse_request(&h, space, at_edge(buf_str(&b)), &wide, &e) == -1 &&
           e.code == ERR_HEADERS,
       "one header too many");
    buf_fini(&b);
}

static const struct {
    const char *name;
    struct str in;
    bool to_head, good;
    int status;
    enum http_framing framing;
    bool keep;
} responses[] = {
    {"length", IN("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), 0, 1, 200, HTTP_LENGTH, 1},
    {"no reason", IN("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n"), 0, 1, 200, HTTP_LENGTH, 1},
    {"no space", IN("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n"), 0, 1, 200, HTTP_LENGTH, 1},
    {"chunked", IN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 0, 1, 200,
     HTTP_CHUNKED, 1},
    {"until close", IN("HTTP/1.1 200 OK\r\n\r\n"), 0, 1, 200, HTTP_UNTIL_CLOSE, 0},
    {"204", IN("HTTP/1.1 204 No Content\r\n\r\n"), 0, 1, 204, HTTP_NO_BODY, 1},
    {"304", IN("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n"), 0, 1, 304, HTTP_NO_BODY, 1},
    {"100", IN("HTTP/1.1 100 Continue\r\n\r\n"), 0, 1, 100, HTTP_NO_BODY, 1},
    {"to HEAD", IN("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), 1, 1, 200, HTTP_NO_BODY, 1},
    {"1.0 with length", IN("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n"), 0, 1, 200, HTTP_LENGTH,
     0},
    {"close", IN("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"), 0, 1, 200,
     HTTP_LENGTH, 0},
    {"not HTTP", IN("SSH-2.0-OpenSSH\r\n"), 0, 0},
    {"two digits", IN("HTTP/1.1 20 OK\r\n\r\n"), 0, 0},
    {"four digits", IN("HTTP/1.1 2000 OK\r\n\r\n"), 0, 0},
    {"099", IN("HTTP/1.1 099 OK\r\n\r\n"), 0, 0},
    {"length and chunked",
     IN("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"), 0, 0},
    {"two lengths", IN("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n"), 0, 0},
    {"coding in 1.0", IN("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 0, 0},
    {"too large", IN("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"), 0, 0},
    {"bare LF", IN("HTTP/1.1 200 OK\n\n"), 0, 0},
};

static void test_responses(void)
{
    for (size_t i = 0; i < COUNT(responses); i++) {
        const char *name = responses[i].name;
        bool good = responses[i].good;
        struct str in = at_edge(responses[i].in);
        struct http_head h;
        struct err e = {0};
        ssize_t n = http_parse_response(&h, space, in, &limits, responses[i].to_head, &e);
        ok(good ? n == (ssize_t)in.len : n == -1 && e.code == ERR_UPSTREAM, "response, %s: %s",
           name, e.msg);
        if (good)
            ok(h.status == responses[i].status && h.framing == responses[i].framing &&
                   h.keep_alive == responses[i].keep,
               "response, %s: meaning", name);
        ssize_t part = 0;
        for (size_t k = 0; k <= responses[i].in.len && part == 0; k++)
            part = http_parse_response(&h, space, at_edge(str_head(responses[i].in, k)), &limits,
                                       responses[i].to_head, NULL);
        ok(part == n, "response, %s: byte by byte", name);
    }
}

int main(void)
{
    test_requests();
    test_used();
    test_fields();
    test_lookups();
    test_sizes();
    test_keep();
    test_every_byte();
    test_limits();
    test_responses();
    ok(strcmp(http_reason(404), "Not Found") == 0 && http_reason(599)[0], "reasons");
    return tap_done();
}
