/* Sockets are given to OpenSSL directly, so a record is read into and written from its own buffers
 * once; those buffers go back to the allocator between records (SSL_MODE_RELEASE_BUFFERS), which is
 * most of what an idle TLS connection would hold.
 *
 * Sessions to resume are kept here and not in OpenSSL's cache, which finds none for clients: a
 * session is stored as a copy when the peer's ticket comes and offered as a copy, because OpenSSL
 * marks the object of a connection that ended without a goodbye as not to be used again. With TLS
 * 1.3 a ticket offered twice lets an observer link two connections; both come from one server to
 * one provider, so that tells nothing, and a burst of new connections resumes as a whole.
 */
#include "net/tls.h"
#include "base/lock.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { SESSIONS = 32, HOST_MAX = 253 };

struct tls_server {
    char *cert_file, *key_file; /* set once */
    struct lock lock;
    SSL_CTX *ctx; /* under lock */
};

struct session {
    char host[HOST_MAX + 1];
    SSL_SESSION *session; /* NULL = free slot */
};

struct tls_client {
    SSL_CTX *ctx; /* set once */
    struct lock lock;
    unsigned refs;                    /* under lock: the owner's and one per connection */
    struct session session[SESSIONS]; /* under lock */
    unsigned next;                    /* under lock: the slot to reuse */
};

struct tls {
    SSL *ssl;
    struct tls_client *client;
    char host[HOST_MAX + 1];
    bool broken; /* no goodbye: the connection is in no state to send one */
};

/* The oldest entry of OpenSSL's error queue, which is the cause, and empties it. */
static const char *reason(char *space, size_t size)
{
    unsigned long code = ERR_get_error();
    const char *text = ERR_reason_error_string(code);
    if (ERR_SYSTEM_ERROR(code))
        text = strerror_r(ERR_GET_REASON(code), space, size);
    ERR_clear_error();
    return text ? text : "unknown reason";
}

static bool fail(struct err *e, enum err_code code, const char *what)
{
    char space[96];
    return err_set(e, code, "%s: %s", what, reason(space, sizeof(space)));
}

static void configure(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1); /* one read for the head and the body of a record */
}

/* ---- Server ---- */

/* Without this OpenSSL would ask for the password on the terminal. */
static int no_password(char *to, int size, int rwflag, void *arg)
{
    (void)to, (void)size, (void)rwflag, (void)arg;
    return 0;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl, (void)arg;
    static const unsigned char ours[] = "\x02h2\x08http/1.1"; /* best first */
    unsigned char *chosen;
    int got = SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len);
    *out = chosen;
    return got == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static bool load(SSL_CTX *ctx, const struct tls_server *s, struct err *e)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, s->cert_file) != 1) {
        fail(e, ERR_INVALID, "not a usable certificate");
        return err_prefix(e, "'%s': ", s->cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, s->key_file, SSL_FILETYPE_PEM) != 1) {
        fail(e, ERR_INVALID, "not a usable key for the certificate");
        return err_prefix(e, "'%s': ", s->key_file);
    }
    return true;
}

static bool server_ctx(SSL_CTX **out, const struct tls_server *s, struct err *e)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    CHECK(ctx);
    configure(ctx);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    /* Tickets hold the session, encrypted with a key of this context: nothing is kept here. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"penstock", 8);
    if (!load(ctx, s, e)) {
        SSL_CTX_free(ctx);
        return false;
    }
    *out = ctx;
    return true;
}

bool tls_server_new(struct tls_server **out, const char *cert_file, const char *key_file,
                    struct err *e)
{
    struct tls_server *s = mem_new(sizeof(*s));
    lock_init(&s->lock);
    s->cert_file = mem_text(cert_file);
    s->key_file = mem_text(key_file);
    if (!server_ctx(&s->ctx, s, e)) {
        tls_server_free(s);
        return false;
    }
    *out = s;
    return true;
}

/* An SSL holds a reference to the context that it was made from: the old one goes with the last
 * connection. */
bool tls_server_reload(struct tls_server *s, struct err *e)
{
    SSL_CTX *fresh, *old;
    if (!server_ctx(&fresh, s, e))
        return false;
    lock_take(&s->lock);
    old = s->ctx;
    s->ctx = fresh;
    lock_drop(&s->lock);
    SSL_CTX_free(old);
    return true;
}

void tls_server_free(struct tls_server *s)
{
    if (!s)
        return;
    SSL_CTX_free(s->ctx);
    lock_fini(&s->lock);
    mem_free(s->cert_file);
    mem_free(s->key_file);
    mem_free(s);
}

/* ---- Client ---- */

static struct session *slot_locked(struct tls_client *c, const char *host)
{
    for (size_t i = 0; i < SESSIONS; i++)
        if (c->session[i].session && strcmp(c->session[i].host, host) == 0)
            return &c->session[i];
    return NULL;
}

/* OpenSSL calls this when a ticket has come: with TLS 1.3 behind the handshake. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_get_app_data(ssl);
    struct tls_client *c = t->client;
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    if (!copy)
        return 0;
    lock_take(&c->lock);
    struct session *slot = slot_locked(c, t->host);
    if (!slot)
        slot = &c->session[c->next++ % SESSIONS];
    SSL_SESSION_free(slot->session);
    slot->session = copy;
    memcpy(slot->host, t->host, sizeof(slot->host));
    lock_drop(&c->lock);
    return 0; /* the caller's object stays the caller's */
}

static void join_client(struct tls *t, struct tls_client *c)
{
    lock_take(&c->lock);
    c->refs++;
    lock_drop(&c->lock);
    t->client = c;
}

static void offer_session(struct tls *t)
{
    lock_take(&t->client->lock);
    struct session *slot = slot_locked(t->client, t->host);
    SSL_SESSION *copy = slot ? SSL_SESSION_dup(slot->session) : NULL;
    lock_drop(&t->client->lock);
    if (copy && SSL_SESSION_is_resumable(copy))
        SSL_set_session(t->ssl, copy);
    SSL_SESSION_free(copy);
}

static bool trust(SSL_CTX *ctx, const char *ca_file, struct err *e)
{
    if (!ca_file) {
        if (SSL_CTX_set_default_verify_paths(ctx) == 1)
            return true;
        return fail(e, ERR_INVALID, "cannot load the system's certificate authorities");
    }
    if (SSL_CTX_load_verify_file(ctx, ca_file) == 1)
        return true;
    fail(e, ERR_INVALID, "not a usable bundle of certificate authorities");
    return err_prefix(e, "'%s': ", ca_file);
}

bool tls_client_new(struct tls_client **out, const char *ca_file, bool insecure, struct err *e)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    CHECK(ctx);
    configure(ctx);
    SSL_CTX_set_verify(ctx, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (!insecure && !trust(ctx, ca_file, e)) {
        SSL_CTX_free(ctx);
        return false;
    }
    CHECK(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x08http/1.1", 9) == 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);

    struct tls_client *c = mem_new(sizeof(*c));
    c->ctx = ctx;
    c->refs = 1;
    lock_init(&c->lock);
    *out = c;
    return true;
}

void tls_client_free(struct tls_client *c)
{
    if (!c)
        return;
    lock_take(&c->lock);
    bool last = --c->refs == 0;
    lock_drop(&c->lock);
    if (!last)
        return;
    for (size_t i = 0; i < SESSIONS; i++)
        SSL_SESSION_free(c->session[i].session);
    SSL_CTX_free(c->ctx);
    lock_fini(&c->lock);
    mem_free(c);
}

/* ---- Connections ---- */

static struct tls *start(SSL_CTX *ctx, int fd)
{
    struct tls *t = mem_new(sizeof(*t));
    t->ssl = SSL_new(ctx);
    CHECK(t->ssl && SSL_set_fd(t->ssl, fd) == 1);
    SSL_set_app_data(t->ssl, t);
    return t;
}

struct tls *tls_accept(struct tls_server *s, int fd)
{
    lock_take(&s->lock);
    struct tls *t = start(s->ctx, fd);
    lock_drop(&s->lock);
    SSL_set_accept_state(t->ssl);
    return t;
}

/* Who the certificate must be for. Names are also sent ahead (SNI); addresses must not be. */
static bool set_host(struct tls *t)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, t->host) == 1)
        return true;
    ERR_clear_error();
    return X509_VERIFY_PARAM_set1_host(param, t->host, 0) == 1 &&
           SSL_set_tlsext_host_name(t->ssl, t->host) == 1;
}

struct tls *tls_connect(struct tls_client *c, int fd, struct str host, struct err *e)
{
    if (host.len == 0 || host.len > HOST_MAX || memchr(host.p, 0, host.len)) {
        err_set(e, ERR_INVALID, "'%.*s' is no host name for TLS", STR_FMT(str_head(host, 100)));
        return NULL;
    }
    struct tls *t = start(c->ctx, fd);
    join_client(t, c);
    memcpy(t->host, host.p, host.len);
    if (!set_host(t)) {
        fail(e, ERR_INVALID, "no host name for TLS");
        err_prefix(e, "'%.*s': ", STR_FMT(str_head(host, 100)));
        t->broken = true;
        tls_free(t);
        return NULL;
    }
    offer_session(t);
    SSL_set_connect_state(t->ssl);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    ERR_clear_error();
    if (!t->broken && SSL_is_init_finished(t->ssl))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
    SSL_free(t->ssl);
    tls_client_free(t->client);
    mem_free(t);
}

/* Before each step the thread's error queue is emptied, as SSL_get_error looks at it too. */
static int broken(struct tls *t, int saved_errno, const char *doing, struct err *e)
{
    t->broken = true;
    unsigned long first = ERR_peek_error();
    long verdict = SSL_get_verify_result(t->ssl);
    if (first == 0 && saved_errno) {
        errno = saved_errno;
        err_sys(e, ERR_UPSTREAM, "%s", doing);
    } else if (first == 0 || ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        err_set(e, ERR_UPSTREAM, "%s: the peer closed the connection", doing);
    } else if (ERR_GET_REASON(first) == SSL_R_WRONG_VERSION_NUMBER) {
        err_set(e, ERR_UPSTREAM, "%s: the peer does not speak TLS", doing);
    } else if (ERR_GET_REASON(first) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
        err_set(e, ERR_UPSTREAM, "the certificate of '%s' is refused: %s", t->host,
                X509_verify_cert_error_string(verdict));
    } else {
        fail(e, ERR_UPSTREAM, doing);
    }
    ERR_clear_error();
    return TLS_FAILED;
}

/* Turns what a step of OpenSSL returned into what ours returns. */
static int outcome(struct tls *t, int got, const char *doing, struct err *e)
{
    int saved_errno = errno;
    if (got > 0)
        return got;
    switch (SSL_get_error(t->ssl, got)) {
    case SSL_ERROR_WANT_READ: return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: return broken(t, saved_errno, doing, e);
    }
}

int tls_handshake(struct tls *t, struct err *e)
{
    ERR_clear_error();
    errno = 0;
    int got = outcome(t, SSL_do_handshake(t->ssl), "TLS handshake failed", e);
    if (got == 0) {
        t->broken = true;
        err_set(e, ERR_UPSTREAM, "TLS handshake failed: the peer said goodbye");
        return TLS_FAILED;
    }
    return got;
}

ssize_t tls_read(struct tls *t, void *to, size_t n, struct err *e)
{
    ERR_clear_error();
    errno = 0;
    return outcome(t, SSL_read(t->ssl, to, (int)size_min(n, INT32_MAX)), "TLS read failed", e);
}

ssize_t tls_write(struct tls *t, const void *p, size_t n, struct err *e)
{
    if (n == 0)
        return 0;
    ERR_clear_error();
    errno = 0;
    int got = outcome(t, SSL_write(t->ssl, p, (int)size_min(n, INT32_MAX)), "TLS write failed", e);
    if (got == 0) {
        err_set(e, ERR_UPSTREAM, "TLS write failed: the peer has said goodbye");
        return TLS_FAILED;
    }
    return got;
}

bool tls_http2(const struct tls *t)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return len == 2 && memcmp(name, "h2", 2) == 0;
}

bool tls_resumed(const struct tls *t)
{
    return SSL_session_reused(t->ssl);
}

bool tls_pending(const struct tls *t)
{
    return SSL_has_pending(t->ssl);
}
