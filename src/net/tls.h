/* tls.h - TLS in front and behind. OpenSSL is seen by tls.c alone.
 *
 * Clients verify the chain and the name against the system's authorities (or a given bundle) and
 * resume sessions; servers take a certificate chain and a key and can load new ones while running:
 * connections that exist keep the old.
 *
 * Threads: contexts may be shared by loops; a struct tls belongs to its connection's loop.
 */
#pragma once

#include "base/err.h"

struct tls;        /* one connection */
struct tls_server; /* certificates in front */
struct tls_client; /* trust behind */

bool tls_server_new(struct tls_server **out, const char *cert_file, const char *key_file,
                    struct err *e);
bool tls_server_reload(struct tls_server *s, struct err *e); /* on failure the old stay */
void tls_server_free(struct tls_server *s);

/* ca_file NULL: the system's. insecure: do not verify (only by explicit configuration). */
bool tls_client_new(struct tls_client **out, const char *ca_file, bool insecure, struct err *e);
void tls_client_free(struct tls_client *c);
