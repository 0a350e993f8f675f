/* client.h - the HTTP/1.1 client for providers: pooled connections, deadlines for each phase.
 *
 * A pool per loop and origin keeps idle connections; one that the peer closes is dropped at once. A
 * kept connection that turns out to be stale (closed before any byte of an answer) is replaced by a
 * new one once, which is safe as nothing was answered, unless the caller wants to do so itself.
 * Names are resolved on workers and cached; of
 * several addresses the next is tried when one does not answer within 250 ms (happy eyeballs, RFC
 * 8305).
 *
 * A request goes out in one system call, and an answer that has come as a whole is read in one. An
 * exchange that waits holds no buffer. No Accept-Encoding is sent; an answer that is
 * compressed nonetheless is handed out decoded (inflate.h), though its head says what it said.
 *
 * Errors:  ERR_UPSTREAM (refused, reset, malformed, cut short), ERR_TIMEOUT (says which phase),
 *          ERR_CANCELLED (our own client left). A struct err is always wanted: what happens next
 *          is read from it.
 * Memory:  an exchange belongs to the arena given; end it always, before the arena. What is sent
 *          and the head of the answer lie in `heads`, which may be the same arena, or one that goes
 *          as soon as the caller has looked at the head. The origin is borrowed until then. Views
 * from http_exchange_read last until the next call. Threads: the loop's; all on a fiber, but
 * http_client_new and http_client_free.
 */
#pragma once

#include "net/conn.h"
#include "net/http.h"
#include "net/resolve.h"

struct http_client; /* per loop */

struct http_client_options {
    uint32_t idle_per_origin;  /* default 256 */
    int64_t idle_timeout_ms;   /* default 60 s */
    struct http_limits limits; /* of answers; default 64 KB head, 256 MB body */
    int64_t next_address_ms;   /* patience with one address before trying the next; default 250 */
    resolve_lookup *lookup;    /* NULL = the system's */
};

/* `opt` may be NULL; what is 0 in it has its default. */
struct http_client *http_client_new(const struct http_client_options *opt);
void http_client_free(struct http_client *c);         /* on the loop, with no exchange open */
size_t http_client_idle(const struct http_client *c); /* connections that wait for a request */

/* Where requests go. Made once per provider, shared by loops, never changed. */
struct http_origin {
    struct str host;        /* name, IPv4, IPv6 without brackets, or path of a unix socket */
    uint16_t port;          /* 0 = unix socket */
    struct str base_path;   /* "/v1", without slash at the end; "" when none */
    struct str host_header; /* "host" or "host:port" */
    struct tls_client *tls; /* NULL = plain */
    bool https;
};
/* "https://api.example.com/v1", "http://127.0.0.1:9000", "unix:/run/x.sock". Texts are copied into
 * `a`; tls stays NULL: whoever knows which authorities to trust sets it, for https always. */
bool http_origin_parse(struct http_origin *out, struct arena *a, struct str url, struct err *e);

/* What is done about kept connections, as one may be closed just when a request goes out on it. */
enum http_reuse {
    HTTP_REPLACE, /* the request goes out again on a new one */
    HTTP_REUSE,   /* the exchange fails, and http_exchange.stale says why */
    HTTP_FRESH,   /* none is taken */
};

struct http_deadlines {
    int64_t connect_ms;    /* default 5 s; includes the look-up and the TLS handshake */
    int64_t first_byte_ms; /* request sent to the head of the answer; default 60 s */
    int64_t idle_ms;       /* between pieces of the body; default 60 s */
    int64_t total_ms;      /* of everything; 0 = only the fiber's */
    enum http_reuse reuse;
};

struct http_exchange {
    struct http_head head; /* of the answer; 1xx have been skipped */
    bool reused_connection;
    bool stale; /* it failed because a kept connection was closed before any byte of an answer */
    uint64_t body_bytes; /* read so far, without framing */

    /* private */
    struct http_client *client;
    const struct http_origin *origin;
    struct http_client_conn *conn;
    struct arena *arena, *heads;
    struct http_deadlines d;
    int64_t sent_ns;             /* when the request had gone, by loop_now */
    int64_t until_ns;            /* of everything */
    struct http_chunked chunked; /* with HTTP_CHUNKED */
    char *in;                    /* what was read: [from, to) is not looked at yet */
    size_t from, to, cap;
    bool answered; /* some of the answer has come */
    bool in_arena; /* `in` was too small for the head and is the arena's now */
    bool drained;  /* the socket had no more when it was read last: wait first */
    bool done;     /* the body has been read to its proper end */
    bool failed;
    struct inflate *inflate; /* NULL: not compressed */
    uint64_t inflated;       /* bytes made of it */
};

/* Sends a request (Host and Content-Length come by themselves) and reads the head of the answer.
 * `path` goes behind the origin's base path. `extra` are whole header lines with CRLF, written as
 * they are. Deadlines of 0 have their defaults; d may be NULL. When it fails there is nothing to
 * end; *out tells whether that was for a stale connection, or is NULL. */
bool http_exchange_start(struct http_exchange **out, struct http_client *c, struct arena *a,
                         struct arena *heads, const struct http_origin *o, struct str method,
                         struct str path, struct str extra, const struct str *body_parts,
                         size_t n_parts, const struct http_deadlines *d, struct err *e);
/* The next piece of the decoded body, all that is at hand: 1 and *piece, 0 at its proper end, -1
 * (ERR_UPSTREAM when it was cut short). Never waits while there is something. */
int http_exchange_read(struct http_exchange *x, struct str *piece, struct err *e);
/* The rest of the body in one piece, at most `limit` bytes; it lasts as long as the arena. */
bool http_exchange_body(struct http_exchange *x, struct str *body, size_t limit, struct err *e);
/* The connection goes back to the pool when the answer was read to its end, or the rest of it is
 * at hand; else it is closed. Accepts NULL. */
void http_exchange_end(struct http_exchange *x);
