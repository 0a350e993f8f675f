/* http.h - HTTP/1.1 messages: the parser that both sides share, headers, framing of bodies.
 *
 * Strict where leniency lets two parties read one message differently (request smuggling): bare LF,
 * obs-fold, white space before a colon, Content-Length repeated, malformed or together with
 * Transfer-Encoding, any transfer coding but one final "chunked", missing or repeated Host, control
 * characters, and chunk sizes that are not plain hexadecimal are refused. One empty line before a
 * request is skipped (RFC 9112 section 2.2); chunk extensions and trailers are skipped, and what
 * they take counts against the limit of the head.
 *
 * Parsers return bytes used (> 0), 0 for "more needed", -1 for bad with *e filled. They keep no
 * state between calls but what the structs hold: a head is parsed again from its start when more
 * of it has come. Whoever reads slowly need only try again after a line feed, so that a head costs
 * at most HTTP_HEADERS_MAX passes however it is cut.
 *
 * Errors:  of requests ERR_INVALID and the limits' codes; of responses always ERR_UPSTREAM.
 * Memory:  struct str fields point into the caller's buffer.
 * Threads: any.
 * Source:  RFC 9110, RFC 9112.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

enum {
    HTTP_HEADERS_MAX = 100,
    HTTP_FIRST = 16 /* kinds of lengths that names are told apart by */
};

struct http_header {
    struct str name, value; /* value without white space around it */
};

/* Filled by http_headers_add alone, so that a look-up begins where the name may be: most are for
 * what is not there. */
struct http_headers {
    struct http_header *h;
    uint32_t n;
    uint8_t first[HTTP_FIRST]; /* by length % HTTP_FIRST of a name, its place from 1; 0 = none */
};

/* h->h has room. */
static inline void http_headers_add(struct http_headers *h, struct str name, struct str value)
{
    uint8_t *first = &h->first[name.len % HTTP_FIRST];
    uint32_t n = h->n++;
    if (*first == 0)
        *first = (uint8_t)(n + 1);
    h->h[n] = (struct http_header){name, value};
}

/* The next one with this name (ASCII without case) behind `last`, NULL for the first; NULL when
 * there is none. */
const struct http_header *http_header_next(const struct http_headers *h, struct str name,
                                           const struct http_header *last);
/* The first with this name; "" and false when there is none. */
static inline bool http_header_get(const struct http_headers *h, struct str name, struct str *value)
{
    const struct http_header *at = NULL;
    if (h->first[name.len % HTTP_FIRST])
        at = http_header_next(h, name, NULL);
    *value = at ? at->value : STR_NONE;
    return at != NULL;
}
/* Does a comma-separated header hold this token (without case)? */
bool http_header_has(const struct http_headers *h, struct str name, struct str token);

struct http_limits {
    uint32_t line;    /* bytes of the request line: over it ERR_URI_TOO_LONG */
    uint32_t headers; /* bytes of the whole head: over it ERR_HEADERS */
    uint64_t body;    /* bytes: over it ERR_TOO_LARGE */
};

enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_head {
    struct str method, target; /* of a request */
    struct http_headers headers;
    uint64_t content_length; /* with HTTP_LENGTH, then above 0 */
    enum http_framing framing;
    int status; /* of a response */
    int minor;  /* HTTP/1.minor */
    bool keep_alive;
    bool expect_continue;
};

/* `space` has HTTP_HEADERS_MAX elements; out->headers is its used part. */
ssize_t http_parse_request(struct http_head *out, struct http_header *space, struct str in,
                           const struct http_limits *lim, struct err *e);
/* `to_head`: the answer to a HEAD, which has no body whatever its headers say. */
ssize_t http_parse_response(struct http_head *out, struct http_header *space, struct str in,
                            const struct http_limits *lim, bool to_head, struct err *e);

/* Copies the headers to the arena, but not their texts. */
void http_headers_keep(struct http_headers *h, struct arena *a);
/* Copies `in`, and the headers of what was parsed from its front, to the arena; returns the copy.
 */
struct str http_head_keep(struct http_head *h, struct str in, struct arena *a);

/* Takes the chunked coding off, wherever reads cut it. A zeroed struct is a new body. */
struct http_chunked {
    enum {
        CHUNK_SIZE,
        CHUNK_EXTENSION,
        CHUNK_SIZE_LF,
        CHUNK_DATA,
        CHUNK_DATA_CR,
        CHUNK_DATA_LF,
        CHUNK_TRAILER, /* at the start of a line */
        CHUNK_TRAILER_LINE,
        CHUNK_TRAILER_LF,
        CHUNK_END_LF,
        CHUNK_END
    } state;
    uint32_t digits; /* of the size so far */
    uint32_t extra;  /* bytes of extensions and trailers so far */
    uint64_t left;   /* of this chunk */
    uint64_t total;  /* of the body, as announced so far */
};
/* Uses up `in` to the end of the next piece of the body and of the framing behind it that is there,
 * at most all of it, and points *data at the piece inside `in` (empty: framing only). Returns the
 * bytes used; 0 only when `in` is empty or the body has ended (state CHUNK_END); -1: ERR_INVALID,
 * ERR_TOO_LARGE as soon as a size passes the limit, ERR_HEADERS. */
ssize_t http_chunked_next(struct http_chunked *c, struct str in, struct str *data,
                          const struct http_limits *lim, struct err *e);

const char *http_reason(int status);

static inline bool http_is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7F;
}

/* Path and query of a target: "/path?query", "http://host/path?query" or "*". The path is percent-
 * decoded (in `a` when there is anything to decode); false, ERR_INVALID, for one with a segment
 * ".." (decoded, behind either kind of slash), a control character or a broken escape. */
bool http_target_split(struct str target, struct arena *a, struct str *path, struct str *query,
                       struct err *e);
/* The decoded value ("+" is a space) of the first such name in a query; false when not there. A
 * broken escape stands for itself. */
bool http_query_get(struct str query, struct arena *a, struct str name, struct str *value);
