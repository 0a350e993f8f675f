/* frames.h - HTTP/2 frames written and read by hand, so that a test can send what no client would.
 * Heads are literals without indexing; see RFC 9113 section 4 and RFC 7541 section 6. */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

enum {
    FRAME_DATA,
    FRAME_HEADERS,
    FRAME_PRIORITY,
    FRAME_RST,
    FRAME_SETTINGS,
    FRAME_PUSH,
    FRAME_PING,
    FRAME_GOAWAY,
    FRAME_WINDOW,
    FRAME_CONTINUATION
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static const struct str preface = STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

static void frame_int(struct buf *b, uint32_t n, int bytes)
{
    while (bytes--)
        buf_char(b, (char)(n >> bytes * 8));
}

__attribute__((unused)) static void frame(struct buf *b, int type, int flags, uint32_t id,
                                          struct str payload)
{
    frame_int(b, (uint32_t)payload.len, 3);
    buf_char(b, (char)type);
    buf_char(b, (char)flags);
    frame_int(b, id, 4);
    buf_add(b, payload);
}

/* A frame whose payload is one number: RST_STREAM, WINDOW_UPDATE. */
__attribute__((unused)) static void frame_number(struct buf *b, int type, uint32_t id, uint32_t n)
{
    struct buf p;
    buf_init(&p, 4);
    frame_int(&p, n, 4);
    frame(b, type, 0, id, buf_str(&p));
    buf_fini(&p);
}

__attribute__((unused)) static void frame_setting(struct buf *b, uint32_t key, uint32_t value)
{
    struct buf p;
    buf_init(&p, 6);
    frame_int(&p, key, 2);
    frame_int(&p, value, 4);
    frame(b, FRAME_SETTINGS, 0, 0, buf_str(&p));
    buf_fini(&p);
}

static void head_length(struct buf *b, size_t n)
{
    if (n < 127) {
        buf_char(b, (char)n);
        return;
    }
    buf_char(b, 127);
    for (n -= 127; n >= 128; n /= 128)
        buf_char(b, (char)(n % 128 | 128));
    buf_char(b, (char)n);
}

__attribute__((unused)) static void head_field(struct buf *b, struct str name, struct str value)
{
    buf_char(b, 0);
    head_length(b, name.len);
    buf_add(b, name);
    head_length(b, value.len);
    buf_add(b, value);
}

/* Opens a head; fields may follow, then frame(b, FRAME_HEADERS, ...). */
__attribute__((unused)) static void head_start(struct buf *head, const char *method,
                                               const char *path)
{
    buf_init(head, 1 << 20);
    head_field(head, STR(":method"), str_from(method));
    head_field(head, STR(":scheme"), STR("http"));
    head_field(head, STR(":path"), str_from(path));
    head_field(head, STR(":authority"), STR("h"));
}

__attribute__((unused)) static void frame_request(struct buf *b, uint32_t id, const char *method,
                                                  const char *path, bool end)
{
    struct buf head;
    head_start(&head, method, path);
    frame(b, FRAME_HEADERS, END_HEADERS | (end ? END_STREAM : 0), id, buf_str(&head));
    buf_fini(&head);
}

struct frame {
    int type, flags;
    uint32_t id;
    struct str payload;
};

static uint32_t frame_get(const char *p, int bytes)
{
    uint32_t n = 0;
    while (bytes--)
        n = n << 8 | (unsigned char)*p++;
    return n;
}

/* The first frame in `in`; bytes, 0 = more needed. */
__attribute__((unused)) static size_t frame_read(struct str in, struct frame *f)
{
    size_t len = in.len < 9 ? 0 : frame_get(in.p, 3);
    if (in.len < 9 + len)
        return 0;
    *f = (struct frame){(unsigned char)in.p[3],
                        (unsigned char)in.p[4],
                        frame_get(in.p + 5, 4) & 0x7fffffff,
                        {in.p + 9, len}};
    return 9 + len;
}

/* The status at the beginning of an answer's head, as nghttp2 writes it for a client that has set
 * SETTINGS_HEADER_TABLE_SIZE to 0: indexed, or three digits, plain or in Huffman's code. */
__attribute__((unused)) static int frame_status(struct str head)
{
    static const int indexed[] = {200, 204, 206, 304, 400, 404, 500};
    const unsigned char *p = (const unsigned char *)head.p, *end = p + head.len;
    while (p < end && (*p & 0xe0) == 0x20) /* a table size */
        p++;
    if (p < end && *p >= 0x88 && *p <= 0x8e)
        return indexed[*p - 0x88];
    if (end - p < 4 || (*p & 15) != 8)
        return 0;
    uint32_t bits = (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | (end - p > 4 ? p[4] : 0);
    int status = 0;
    for (int digit = 0, at = 24; digit < 3; digit++) {
        bool small = (bits >> (at - 5) & 31) < 3; /* 0 to 2: five bits; 3 to 9: six */
        int size = !(p[1] & 0x80) ? 8 : small ? 5 : 6, base = size == 8 ? '0' : small ? 0 : 22;
        at -= size;
        status = status * 10 + (int)(bits >> at & ((1u << size) - 1)) - base;
    }
    return status;
}
