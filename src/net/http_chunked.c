#include "net/http.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool within(uint64_t total, uint64_t size, const struct http_limits *lim)
{
    return size <= lim->body && total <= lim->body - size;
}

static bool chunk_size_done(struct http_chunked *c, const struct http_limits *lim, struct err *e)
{
    if (c->digits == 0)
        return err_set(e, ERR_INVALID, "chunk without a size");
    if (!within(c->total, c->left, lim))
        return err_set(e, ERR_TOO_LARGE, "body is over the limit of %llu bytes",
                       (unsigned long long)lim->body);
    c->total += c->left;
    c->digits = 0;
    return true;
}

static bool chunk_size(struct http_chunked *c, char byte, const struct http_limits *lim,
                       struct err *e)
{
    int digit = hex_digit(byte);
    if (digit >= 0) {
        if (++c->digits > 16)
            return err_set(e, ERR_INVALID, "chunk size has more than 16 digits");
        c->left = c->left << 4 | (unsigned)digit;
        return true;
    }
    if (byte != '\r' && byte != ';')
        return err_set(e, ERR_INVALID, "chunk size is not plain hexadecimal");
    c->state = byte == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
    return chunk_size_done(c, lim, e);
}

/* One byte of an extension or a trailer: skipped, but not without end. */
static bool chunk_skip(struct http_chunked *c, char byte, int at_end, const struct http_limits *lim,
                       struct err *e)
{
    if (byte == '\r')
        c->state = at_end;
    else if (http_is_control(byte) && byte != '\t')
        return err_set(e, ERR_INVALID, "control character in the framing of a chunked body");
    if (++c->extra > lim->headers)
        return err_set(e, ERR_HEADERS, "chunk extensions and trailers are over the limit of %u",
                       lim->headers);
    return true;
}

static bool expect(struct http_chunked *c, char byte, char wanted, int next, struct err *e)
{
    if (byte != wanted)
        return err_set(e, ERR_INVALID, "chunk is not ended by CR LF");
    c->state = next;
    return true;
}

static bool chunk_byte(struct http_chunked *c, char byte, const struct http_limits *lim,
                       struct err *e)
{
    switch (c->state) {
    case CHUNK_SIZE: return chunk_size(c, byte, lim, e);
    case CHUNK_EXTENSION: return chunk_skip(c, byte, CHUNK_SIZE_LF, lim, e);
    case CHUNK_SIZE_LF: return expect(c, byte, '\n', c->left ? CHUNK_DATA : CHUNK_TRAILER, e);
    case CHUNK_DATA_CR: return expect(c, byte, '\r', CHUNK_DATA_LF, e);
    case CHUNK_DATA_LF: return expect(c, byte, '\n', CHUNK_SIZE, e);
    case CHUNK_TRAILER:
        if (byte == ' ' || byte == '\t')
            return err_set(e, ERR_INVALID, "folded trailer line");
        c->state = CHUNK_TRAILER_LINE;
        return chunk_skip(c, byte, CHUNK_END_LF, lim, e);
    case CHUNK_TRAILER_LINE: return chunk_skip(c, byte, CHUNK_TRAILER_LF, lim, e);
    case CHUNK_TRAILER_LF: return expect(c, byte, '\n', CHUNK_TRAILER, e);
    case CHUNK_END_LF: return expect(c, byte, '\n', CHUNK_END, e);
    case CHUNK_DATA:
    case CHUNK_END: break;
    }
    CHECK(!"a state without a byte of framing");
    return false;
}

/* The line of a size that is there as a whole, has no extension and is within the limit, as nearly
 * all: its length, and the size in *c. 0: byte by byte then, which also finds what is wrong with
 * it. */
static inline size_t size_line(struct http_chunked *c, struct str in, const struct http_limits *lim)
{
    uint64_t size = 0;
    size_t n = 0;
    for (int digit; n < 16 && n < in.len && (digit = hex_digit(in.p[n])) >= 0; n++)
        size = size << 4 | (unsigned)digit;
    if (n == 0 || in.len - n < 2 || memcmp(in.p + n, "\r\n", 2) != 0 ||
        !within(c->total, size, lim))
        return 0;
    c->left = size;
    c->total += size;
    c->state = size ? CHUNK_DATA : CHUNK_TRAILER;
    return n + 2;
}

/* What `in` has of the chunk's data, and the line end behind it if that is there; returns the bytes
 * of both. */
static inline size_t take_data(struct http_chunked *c, struct str in, struct str *data)
{
    *data = str_head(in, size_min(c->left, SIZE_MAX));
    size_t n = data->len;
    c->left -= n;
    if (c->left > 0)
        return n;
    bool ended = in.len - n >= 2 && memcmp(in.p + n, "\r\n", 2) == 0;
    c->state = ended ? CHUNK_SIZE : CHUNK_DATA_CR;
    return ended ? n + 2 : n;
}

/* From `at` on, a byte of framing at a time. */
__attribute__((noinline)) static ssize_t next_slowly(struct http_chunked *c, struct str in,
                                                     size_t at, struct str *data,
                                                     const struct http_limits *lim, struct err *e)
{
    for (; at < in.len && c->state != CHUNK_END; at++) {
        if (c->state == CHUNK_DATA)
            return (ssize_t)(at + take_data(c, str_from_at(in, at), data));
        if (!chunk_byte(c, in.p[at], lim, e))
            return -1;
    }
    return (ssize_t)at;
}

ssize_t http_chunked_next(struct http_chunked *c, struct str in, struct str *data,
                          const struct http_limits *lim, struct err *e)
{
    size_t at = 0;
    *data = STR_NONE;
    if (c->state == CHUNK_SIZE && c->digits == 0)
        at = size_line(c, in, lim);
    if (c->state == CHUNK_DATA && at < in.len)
        return (ssize_t)(at + take_data(c, (struct str){in.p + at, in.len - at}, data));
    return next_slowly(c, in, at, data, lim, e);
}
