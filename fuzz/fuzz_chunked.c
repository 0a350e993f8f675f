/* A chunked body must come out the same however it is cut. The first byte of an input is the size
 * of the pieces. */
#include "net/http.h"

static const struct http_limits limits = {.line = 512, .headers = 512, .body = 100000};

/* The body in *out; returns bytes of framing and data used, or -1. */
static ssize_t decode(struct str in, size_t step, struct buf *out)
{
    struct http_chunked c = {0};
    struct err e = {0};
    size_t at = 0;
    while (at < in.len && c.state != CHUNK_END) {
        struct str cut = str_head(str_from_at(in, at), step), data;
        char *exact = mem_copy(cut.p, cut.len);
        ssize_t n = http_chunked_next(&c, (struct str){exact, cut.len}, &data, &limits, &e);
        CHECK(n != 0 && n <= (ssize_t)cut.len);
        if (n > 0)
            buf_add(out, data);
        mem_free(exact);
        if (n < 0) {
            CHECK(e.code && e.msg[0]);
            return -1;
        }
        at += (size_t)n;
        CHECK(out->len <= c.total && c.total <= limits.body);
    }
    return (ssize_t)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    struct str in = {(const char *)data + 1, size - 1};
    struct buf whole, cut;
    buf_init(&whole, 1 << 20);
    buf_init(&cut, 1 << 20);
    ssize_t a = decode(in, SIZE_MAX, &whole);
    ssize_t b = decode(in, data[0] ? data[0] : 1, &cut);
    CHECK(a == b && (a < 0 || str_eq(buf_str(&whole), buf_str(&cut))));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
