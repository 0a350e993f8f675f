/* client.h - the HTTP/1.1 client for providers: pooled connections, deadlines for each phase.
 *
 * A pool per loop and origin keeps idle connections. A kept connection that turns out to be stale
 * (closed before any byte of an answer) is replaced by a new one once, which is safe as nothing was
 * answered. Names are resolved on workers and cached; of several addresses the next is tried when
 * one does not answer within 250 ms (happy eyeballs, RFC 8305).
 *
 * Errors:  ERR_UPSTREAM (refused, reset, malformed, cut short), ERR_TIMEOUT (says which phase),
 *          ERR_CANCELLED (our own client left).
 * Memory:  an exchange belongs to the arena given; end it always. Views from http_exchange_read
 *          last until the next call.
 * Threads: the loop's.
 */
#pragma once

#include "net/conn.h"
#include "net/http.h"

struct http_client; /* per loop */

struct http_client_options {
    uint32_t idle_per_origin;  /* default 256 */
    int64_t idle_timeout_ms;   /* default 60 s */
    struct http_limits limits; /* of answers; default 64 KB head, 256 MB body */
};

bool http_client_new(struct http_client **out, const struct http_client_options *opt,
                     struct err *e);
void http_client_free(struct http_client *c);

/* Where requests go. Made once per provider, shared by loops, never changed. */
struct http_origin {
    struct str host;        /* name, IPv4, IPv6 without brackets, or path of a unix socket */
    uint16_t port;          /* 0 = unix socket */
    struct str base_path;   /* "/v1", without slash at the end; "" when none */
    struct str host_header; /* "host" or "host:port" */
    struct tls_client *tls; /* NULL = plain */
    bool https;
};
/* "https://api.example.com/v1", "http://127.0.0.1:9000", "unix:/run/x.sock" */
bool http_origin_parse(struct http_origin *out, struct arena *a, struct str url, struct err *e);

struct http_deadlines {
    int64_t connect_ms;    /* default 5 s; includes the TLS handshake */
    int64_t first_byte_ms; /* request sent to first byte of the answer; default 60 s */
    int64_t idle_ms;       /* between pieces of the body; default 60 s */
    int64_t total_ms;      /* of everything; 0 = only the fiber's */
};

struct http_exchange {
    struct http_head head;         /* of the answer; 1xx have been skipped */
    struct http_client_conn *conn; /* private */
    bool reused_connection;
    int64_t sent_ns, first_byte_ns;
};

/* Sends a request (Host, Content-Length and Connection come by themselves) and reads the head of
 * the answer. `extra` are whole header lines with CRLF, written as they are. */
bool http_exchange_start(struct http_exchange **out, struct http_client *c, struct arena *a,
                         const struct http_origin *o, struct str method, struct str path,
                         struct str extra, const struct str *body_parts, size_t n_parts,
                         const struct http_deadlines *d, struct err *e);
/* The next piece of the decoded body: > 0 and *piece, 0 at its proper end, -1 (ERR_UPSTREAM when it
 * was cut short). Never waits while there is something. */
int http_exchange_read(struct http_exchange *x, struct str *piece, struct err *e);
/* The rest of the body in one piece, at most `limit` bytes. */
bool http_exchange_body(struct http_exchange *x, struct str *body, size_t limit, struct err *e);
/* Back to the pool when the answer was read to its end, else closed. */
void http_exchange_end(struct http_exchange *x);
