/* tls.h - TLS in front and behind. OpenSSL is seen by tls.c alone.
 *
 * Clients verify the chain and the name against the system's authorities (or a given bundle), and
 * resume the last session with the same host; servers take a certificate chain and a key and can
 * load new ones while running: connections that exist keep the old. TLS 1.2 is the least.
 *
 * A connection is moved by non-blocking steps; net/conn.h waits between them.
 *
 * Errors:  ERR_INVALID for files that cannot be used, ERR_UPSTREAM for what a peer does, with
 *          OpenSSL's reason.
 * Threads: contexts may be shared by loops and reloaded from any thread; a struct tls belongs to
 *          its connection's loop.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

struct tls;        /* one connection */
struct tls_server; /* certificates in front */
struct tls_client; /* trust behind */

/* Both files are PEM; the chain starts with the server's own certificate. */
bool tls_server_new(struct tls_server **out, const char *cert_file, const char *key_file,
                    struct err *e);
bool tls_server_reload(struct tls_server *s, struct err *e); /* on failure the old stay */
void tls_server_free(struct tls_server *s);                  /* connections that exist go on */

/* ca_file NULL: the system's. insecure: do not verify (only by explicit configuration). */
bool tls_client_new(struct tls_client **out, const char *ca_file, bool insecure, struct err *e);
void tls_client_free(struct tls_client *c); /* connections that exist go on */

/* ---- One connection over a connected non-blocking socket, which stays the caller's. ---- */

struct tls *tls_accept(struct tls_server *s, int fd);
/* `host` is the name or address literal that the certificate must be for; NULL and *e when it can
 * be neither. */
struct tls *tls_connect(struct tls_client *c, int fd, struct str host, struct err *e);
/* Says goodbye to the peer if that can be done without waiting. */
void tls_free(struct tls *t);

/* What a step returns beside success: failed with *e filled; or do it again, with the same
 * arguments, when the socket can be read or written. */
enum { TLS_FAILED = -1, TLS_WANT_READ = -2, TLS_WANT_WRITE = -3 };

int tls_handshake(struct tls *t, struct err *e);                          /* 1 = done */
ssize_t tls_read(struct tls *t, void *to, size_t n, struct err *e);       /* > 0; 0 = the end */
ssize_t tls_write(struct tls *t, const void *p, size_t n, struct err *e); /* > 0, maybe < n */

bool tls_http2(const struct tls *t);   /* did the handshake choose HTTP/2? */
bool tls_resumed(const struct tls *t); /* was the handshake short? */
/* Are there bytes of the peer that were read from the socket and by nobody yet? */
bool tls_pending(const struct tls *t);
