/* http.h - HTTP/1.1 messages: the parser that both sides share, headers, framing of bodies.
 *
 * Strict where leniency lets two parties read one message differently (request smuggling): bare LF,
 * obs-fold, white space before a colon, Content-Length repeated, malformed or together with
 * Transfer-Encoding, any transfer coding but one final "chunked", missing or repeated Host, control
 * characters, and chunk sizes that are not plain hexadecimal are refused.
 *
 * Parsers return bytes used (> 0), 0 for "more needed", -1 for bad with *e filled. They keep no
 * state between calls but what the structs hold.
 *
 * Memory:  struct str fields point into the caller's buffer.
 * Threads: any.
 * Source:  RFC 9110, RFC 9112.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

enum { HTTP_HEADERS_MAX = 100 };

struct http_header {
    struct str name, value; /* value without white space around it */
};

struct http_headers {
    struct http_header *h;
    uint32_t n;
};

/* The first with this name (ASCII without case); "" and false when there is none. */
bool http_header_get(const struct http_headers *h, struct str name, struct str *value);
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
    int status;                /* of a response */
    int minor;                 /* HTTP/1.minor */
    struct http_headers headers;
    enum http_framing framing;
    uint64_t content_length; /* with HTTP_LENGTH */
    bool keep_alive;
    bool expect_continue;
};

ssize_t http_parse_request(struct http_head *out, struct http_header *space, struct str in,
                           const struct http_limits *lim, struct err *e);
/* `to_head`: the answer to a HEAD, which has no body whatever its headers say. */
ssize_t http_parse_response(struct http_head *out, struct http_header *space, struct str in,
                            const struct http_limits *lim, bool to_head, struct err *e);

/* Takes the chunked coding off. Feed it what came; *data is the next piece of the body inside `in`.
 */
struct http_chunked {
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_CRLF, CHUNK_TRAILER, CHUNK_END } state;
    uint64_t left;  /* of this chunk */
    uint64_t total; /* of the body so far */
};
/* Returns bytes of `in` used, *data a piece (may be empty); state CHUNK_END when the body is whole.
 */
ssize_t http_chunked_next(struct http_chunked *c, struct str in, struct str *data,
                          const struct http_limits *lim, struct err *e);

const char *http_reason(int status);
/* Path and query of a target, percent-decoded path in `a`; false for anything with "..", NUL or a
 * broken escape in it. */
bool http_target_split(struct str target, struct arena *a, struct str *path, struct str *query,
                       struct err *e);
/* The decoded value of a name in a query string; false when not there. */
bool http_query_get(struct str query, struct arena *a, struct str name, struct str *value);
