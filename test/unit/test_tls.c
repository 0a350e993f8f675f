/* What tls promises: it trusts who it should and nobody else, says why not, resumes sessions, and
 * loads new certificates while running. Both ends live here and take turns over a socket pair. */
#include "net/tls.h"

#include "certs.h"
#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static char dir[] = "/tmp/test_tls.XXXXXX";
static char paths[16][64];
static unsigned n_paths;

static const char *path(const char *name)
{
    char *p = paths[n_paths++ % COUNT(paths)];
    snprintf(p, sizeof(paths[0]), "%s/%.40s", dir, name);
    return p;
}

static struct cert ca, other_ca;

static void make_files(void)
{
    CHECK(mkdtemp(dir));
    ca = cert_new(&(struct cert_wish){"test authority", NULL, -1, 30}, NULL);
    other_ca = cert_new(&(struct cert_wish){"another authority", NULL, -1, 30}, NULL);
    cert_write(&ca, path("ca.pem"), path("ca.key"));
    static const struct cert_wish wish[] = {
        {"good", "DNS:a.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1", -1, 30},
        {"expired", "DNS:a.test", -10, -1},
        {"early", "DNS:a.test", 5, 30},
        {"new", "DNS:a.test,DNS:new.test", -1, 30},
    };
    char file[64];
    for (size_t i = 0; i < COUNT(wish); i++) {
        struct cert c = cert_new(&wish[i], &ca);
        snprintf(file, sizeof(file), "%s.pem", wish[i].name);
        const char *cert_file = path(file);
        snprintf(file, sizeof(file), "%s.key", wish[i].name);
        cert_write(&c, cert_file, path(file));
        cert_free(&c);
    }
    struct cert self = cert_new(&(struct cert_wish){"a.test", "DNS:a.test", -1, 30}, NULL);
    cert_write(&self, path("self.pem"), path("self.key"));
    cert_free(&self);
    struct cert foreign = cert_new(&(struct cert_wish){"a.test", "DNS:a.test", -1, 30}, &other_ca);
    cert_write(&foreign, path("foreign.pem"), path("foreign.key"));
    cert_free(&foreign);
}

static void remove_files(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    CHECK(system(command) == 0);
    cert_free(&ca);
    cert_free(&other_ca);
}

struct pair {
    int fd[2];
    struct tls *client, *server;
};

static void pair_open(struct pair *p, struct tls_client *c, struct tls_server *s, const char *host)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fd) == 0);
    p->client = tls_connect(c, p->fd[0], str_from(host), NULL);
    p->server = tls_accept(s, p->fd[1]);
    CHECK(p->client && p->server);
}

static void pair_close(struct pair *p)
{
    tls_free(p->client);
    tls_free(p->server);
    close(p->fd[0]);
    close(p->fd[1]);
}

/* Both sides in turn until both are through or one has failed; what the client says is told. */
static bool shake(struct pair *p, struct err *e)
{
    int client = 0, server = 0;
    for (int i = 0; i < 20 && (client != 1 || server != 1); i++) {
        if (client != 1)
            client = tls_handshake(p->client, e);
        if (client == TLS_FAILED)
            return false;
        if (server != 1)
            server = tls_handshake(p->server, client == 1 ? e : NULL);
        if (server == TLS_FAILED)
            return false;
    }
    return client == 1 && server == 1;
}

/* One message each way, which also brings the session ticket over. */
static bool talk(struct pair *p)
{
    char got[8] = "";
    return tls_write(p->client, "ping", 4, NULL) == 4 &&
           tls_read(p->server, got, sizeof(got), NULL) == 4 &&
           tls_write(p->server, "pong", 4, NULL) == 4 &&
           tls_read(p->client, got, sizeof(got), NULL) == 4 && memcmp(got, "pong", 4) == 0;
}

static struct tls_server *server_new(const char *name)
{
    struct tls_server *s = NULL;
    struct err e;
    char cert[32], key[32];
    snprintf(cert, sizeof(cert), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    if (!tls_server_new(&s, path(cert), path(key), &e))
        printf("# %s\n", e.msg);
    CHECK(s);
    return s;
}

static struct tls_client *client_new(bool insecure)
{
    struct tls_client *c = NULL;
    CHECK(tls_client_new(&c, insecure ? NULL : path("ca.pem"), insecure, NULL));
    return c;
}

static const struct {
    const char *name, *cert, *host, *why; /* why NULL: accepted */
    bool insecure;
} cases[] = {
    {"the right name", "good", "a.test", NULL, false},
    {"a wildcard", "good", "x.wild.test", NULL, false},
    {"an IPv4 address", "good", "127.0.0.1", NULL, false},
    {"an IPv6 address", "good", "::1", NULL, false},
    {"the wrong name", "good", "b.test", "hostname mismatch", false},
    {"a wildcard is one label", "good", "x.y.wild.test", "hostname mismatch", false},
    {"the wrong address", "good", "127.0.0.2", "IP address mismatch", false},
    {"a self-signed certificate", "self", "a.test", "self-signed", false},
    {"an unknown authority", "foreign", "a.test", "unable to get local issuer", false},
    {"an expired certificate", "expired", "a.test", "expired", false},
    {"one that is not valid yet", "early", "a.test", "not yet valid", false},
    {"self-signed, told not to look", "self", "a.test", NULL, true},
    {"wrong name, told not to look", "good", "b.test", NULL, true},
};

static void test_trust(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tls_server *s = server_new(cases[i].cert);
        struct tls_client *c = client_new(cases[i].insecure);
        struct pair p;
        struct err e = {0};
        pair_open(&p, c, s, cases[i].host);
        bool through = shake(&p, &e);
        if (cases[i].why)
            ok(!through && e.code == ERR_UPSTREAM && strstr(e.msg, cases[i].why), "%s: %s",
               cases[i].name, e.msg);
        else
            ok(through && talk(&p), "%s is accepted", cases[i].name);
        pair_close(&p);
        tls_client_free(c);
        tls_server_free(s);
    }
}

static void test_resume(void)
{
    struct tls_server *s = server_new("good"), *other = server_new("new");
    struct tls_client *c = client_new(false);
    static const struct {
        const char *name, *host;
        bool goodbye, resumed;
    } step[] = {
        {"the first is a full handshake", "a.test", true, false},
        {"the second resumes", "a.test", true, true},
        {"another name does not", "x.wild.test", true, false},
        {"after an end without goodbye", "a.test", false, true},
        {"it still resumes", "a.test", true, true},
    };
    for (size_t i = 0; i < COUNT(step); i++) {
        struct pair p;
        struct err e = {0};
        pair_open(&p, c, s, step[i].host);
        bool good = shake(&p, &e) && talk(&p);
        ok(good && tls_resumed(p.client) == step[i].resumed, "%s", step[i].name);
        if (!step[i].goodbye)
            shutdown(p.fd[0], SHUT_RDWR);
        pair_close(&p);
    }
    struct pair p;
    pair_open(&p, c, other, "a.test");
    ok(shake(&p, NULL) && talk(&p) && !tls_resumed(p.client),
       "a server that does not know the ticket falls back");
    tls_client_free(c);
    ok(talk(&p), "a connection outlives its client context");
    pair_close(&p);
    tls_server_free(s);
    tls_server_free(other);
}

static void copy_file(const char *from, const char *to)
{
    char command[256];
    snprintf(command, sizeof(command), "cp '%s' '%s'", path(from), path(to));
    CHECK(system(command) == 0);
}

static void test_reload(void)
{
    copy_file("good.pem", "live.pem");
    copy_file("good.key", "live.key");
    struct tls_server *s = server_new("live");
    struct tls_client *c = client_new(false);
    struct pair old, fresh;
    struct err e;
    pair_open(&old, c, s, "a.test");
    ok(shake(&old, NULL), "connected with the first certificate");

    copy_file("new.pem", "live.pem");
    ok(!tls_server_reload(s, &e) && e.code == ERR_INVALID && strstr(e.msg, "live.key"),
       "a key that does not fit is refused: %s", e.msg);
    pair_open(&fresh, c, s, "new.test");
    ok(!shake(&fresh, &e), "and the old certificate stays");
    pair_close(&fresh);

    copy_file("new.key", "live.key");
    ok(tls_server_reload(s, &e), "both files are loaded");
    ok(talk(&old), "the old connection goes on");
    pair_open(&fresh, c, s, "new.test");
    ok(shake(&fresh, &e) && talk(&fresh), "a new one sees the new certificate");
    tls_server_free(s);
    ok(talk(&fresh), "a connection outlives its server context");
    pair_close(&old);
    pair_close(&fresh);
    tls_client_free(c);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path(name), "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void test_bad_files(void)
{
    struct tls_server *s = NULL;
    struct tls_client *c = NULL;
    struct err e;
    write_file("junk.pem", "not a certificate\n");
    ok(!tls_server_new(&s, path("absent.pem"), path("good.key"), &e) && !s, "%s", e.msg);
    ok(!tls_server_new(&s, path("junk.pem"), path("good.key"), &e) && !s, "%s", e.msg);
    ok(!tls_server_new(&s, path("good.pem"), path("self.key"), &e) && !s, "%s", e.msg);
    ok(!tls_client_new(&c, path("junk.pem"), false, &e) && !c, "%s", e.msg);
    ok(!tls_client_new(&c, path("absent.pem"), false, &e) && !c, "%s", e.msg);
    ok(tls_client_new(&c, NULL, false, &e), "the system's authorities load");
    char longest[300];
    memset(longest, 'a', sizeof(longest));
    ok(!tls_connect(c, 0, (struct str){longest, sizeof(longest)}, &e), "%s", e.msg);
    ok(!tls_connect(c, 0, STR(""), &e), "%s", e.msg);
    ok(!tls_connect(c, 0, STR("a\0b"), &e) && e.code == ERR_INVALID, "a NUL in a name is refused");
    tls_client_free(c);
}

static void test_bad_peers(void)
{
    struct tls_server *s = server_new("good");
    struct tls_client *c = client_new(false);
    struct pair p;
    struct err e;
    char space[16];

    pair_open(&p, c, s, "a.test");
    CHECK(tls_handshake(p.client, &e) == TLS_WANT_READ);
    CHECK(write(p.fd[1], "HTTP/1.1 400 Bad Request\r\n\r\n", 28) == 28);
    ok(tls_handshake(p.client, &e) == TLS_FAILED && strstr(e.msg, "does not speak TLS"), "%s",
       e.msg);
    pair_close(&p);

    pair_open(&p, c, s, "a.test");
    CHECK(tls_handshake(p.client, &e) == TLS_WANT_READ);
    shutdown(p.fd[1], SHUT_RDWR);
    ok(tls_handshake(p.client, &e) == TLS_FAILED && strstr(e.msg, "closed the connection"), "%s",
       e.msg);
    pair_close(&p);

    pair_open(&p, c, s, "a.test");
    ok(shake(&p, &e) && talk(&p), "a good connection");
    ok(tls_read(p.client, space, sizeof(space), &e) == TLS_WANT_READ, "nothing to read: wait");
    tls_free(p.server);
    p.server = NULL;
    ok(tls_read(p.client, space, sizeof(space), &e) == 0, "a goodbye is the end");
    pair_close(&p);

    pair_open(&p, c, s, "a.test");
    ok(shake(&p, &e) && talk(&p), "another one");
    shutdown(p.fd[1], SHUT_RDWR);
    ok(tls_read(p.client, space, sizeof(space), &e) == TLS_FAILED &&
           strstr(e.msg, "closed the connection"),
       "an end without goodbye is a failure: %s", e.msg);
    ok(tls_write(p.server, "x", 1, &e) == TLS_FAILED, "writing then fails: %s", e.msg);
    pair_close(&p);
    tls_client_free(c);
    tls_server_free(s);
}

/* More than the socket takes: the writer is told to wait, and everything arrives once. */
static void test_much(void)
{
    enum { SIZE = 3 << 20 };
    struct tls_server *s = server_new("good");
    struct tls_client *c = client_new(false);
    struct pair p;
    struct err e;
    char *from = mem_new(SIZE), *to = mem_new(SIZE);
    size_t sent = 0, got = 0, waits = 0;
    for (size_t i = 0; i < SIZE; i++)
        from[i] = (char)(i * 2654435761u >> 13);
    pair_open(&p, c, s, "a.test");
    bool good = shake(&p, &e);
    while (good && got < SIZE) {
        ssize_t n = 0;
        while (sent < SIZE && (n = tls_write(p.client, from + sent, SIZE - sent, &e)) > 0)
            sent += (size_t)n;
        waits += n == TLS_WANT_WRITE;
        good = n != TLS_FAILED;
        while (good && got < SIZE && (n = tls_read(p.server, to + got, SIZE - got, &e)) > 0)
            got += (size_t)n;
        good = good && (n > 0 || n == TLS_WANT_READ);
    }
    ok(good && memcmp(from, to, SIZE) == 0, "3 MB come over whole");
    ok(waits > 0, "the writer waited %zu times", waits);
    pair_close(&p);
    tls_client_free(c);
    tls_server_free(s);
    mem_free(from);
    mem_free(to);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    make_files();
    test_trust();
    test_resume();
    test_reload();
    test_bad_files();
    test_bad_peers();
    test_much();
    remove_files();
    return tap_done();
}
