/* A head must get the same verdict however it is cut: each proper prefix says "more" until the
 * verdict comes, and a good head written anew from its parts must be read as the same. The first
 * byte of an input: 'q' request, 'r' response, 'h' response to HEAD. */
#include "net/http.h"

static const struct http_limits limits = {.line = 512, .headers = 2048, .body = 100000};

static ssize_t parse(char kind, struct http_head *h, struct http_header *space, struct str in)
{
    struct err e = {0};
    ssize_t n = kind == 'q' ? http_parse_request(h, space, in, &limits, &e)
                            : http_parse_response(h, space, in, &limits, kind == 'h', &e);
    CHECK(n >= -1 && n <= (ssize_t)in.len && (n != -1 || (e.code && e.msg[0])));
    return n;
}

static void check_prefixes(char kind, struct str in, ssize_t verdict)
{
    struct http_header space[HTTP_HEADERS_MAX];
    struct http_head h;
    ssize_t n = 0;
    for (size_t len = 0; len <= in.len && n == 0; len++) {
        char *exact = mem_copy(in.p, len); /* its own block: a look behind it is caught */
        n = parse(kind, &h, space, (struct str){exact, len});
        CHECK(n <= 0 || (size_t)n == len);
        mem_free(exact);
    }
    CHECK(n == verdict);
}

static void check_rewritten(char kind, const struct http_head *h)
{
    struct http_header space[HTTP_HEADERS_MAX];
    struct http_head again;
    struct buf b;
    buf_init(&b, 1 << 20);
    if (kind == 'q')
        buf_printf(&b, "%.*s %.*s HTTP/1.%d\r\n", STR_FMT(h->method), STR_FMT(h->target), h->minor);
    else
        buf_printf(&b, "HTTP/1.%d %d\r\n", h->minor, h->status);
    for (uint32_t i = 0; i < h->headers.n; i++) {
        buf_add(&b, h->headers.h[i].name);
        buf_char(&b, ':');
        buf_add(&b, h->headers.h[i].value);
        buf_add(&b, STR("\r\n"));
    }
    buf_add(&b, STR("\r\n"));
    CHECK(parse(kind, &again, space, buf_str(&b)) == (ssize_t)b.len);
    CHECK(again.headers.n == h->headers.n && again.framing == h->framing &&
          again.content_length == h->content_length && again.keep_alive == h->keep_alive &&
          again.status == h->status && str_eq(again.target, h->target));
    buf_fini(&b);
}

/* A look-up finds the first header with a name, as a walk through all does. */
static void check_lookups(const struct http_headers *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        uint32_t first = 0;
        while (!str_ieq(h->h[first].name, h->h[i].name))
            first++;
        CHECK(http_header_next(h, h->h[i].name, NULL) == &h->h[first]);
    }
}

static void check_target(struct str target)
{
    struct arena *a = arena_new();
    struct str path, query, value;
    if (http_target_split(target, a, &path, &query, NULL)) {
        CHECK(path.len > 0 && str_find(path, STR("/../")) == STR_NPOS);
        http_query_get(query, a, STR("limit"), &value);
    }
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096)
        return 0;
    char kind = (char)data[0];
    struct str in = {(const char *)data + 1, size - 1};
    struct http_header space[HTTP_HEADERS_MAX];
    struct http_head h;
    ssize_t n = parse(kind, &h, space, in);
    check_prefixes(kind, in, n);
    if (n > 0) {
        check_rewritten(kind, &h);
        check_lookups(&h.headers);
        check_target(h.target);
    }
    check_target(in);
    return 0;
}
