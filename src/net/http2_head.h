/* http2_head.h - from the fields of an HTTP/2 head to a request that is read as one of HTTP/1.1.
 *
 * What only HTTP/2 knows is checked here: pseudo-header fields are there once, known and in front,
 * names are lower case, nothing is of the connection, no value can start a line of its own. Then
 * the head is written as text and goes through the parser of net/http.h. So both protocols have the
 * same limits and refuse the same methods, targets, hosts, names and lengths, with the same words.
 *
 * Memory:  http2_head_init/http2_head_fini; the heap holds what has come so far, within the limits.
 * Threads: one at a time.
 * Source:  RFC 9113 section 8.
 */
#pragma once

#include "net/http.h"

struct http2_head {
    struct buf text; /* pseudo-header values, one behind the other; then "name: value\r\n" */
    struct buf fields;
    size_t at[4], len[4]; /* the pseudo-header values in `text` */
    unsigned seen;        /* of these, by bit */
    bool regular;         /* a field that is no pseudo-header has come */
    const char *fault;    /* what is wrong with it, NULL = nothing so far */
};

void http2_head_init(struct http2_head *h, const struct http_limits *lim);
void http2_head_fini(struct http2_head *h);

/* The next field of the head. */
void http2_head_add(struct http2_head *h, struct str name, struct str value);

/* When all have come: fills *out as http_parse_request does, from a copy in `a`; `space` has
 * HTTP_HEADERS_MAX elements. A body whose length was not given has the framing HTTP_CHUNKED when
 * `body` says that there is one, however it came. */
bool http2_head_parse(const struct http2_head *h, struct http_head *out, struct http_header *space,
                      bool body, const struct http_limits *lim, struct arena *a, struct err *e);
