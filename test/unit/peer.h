/* peer.h - a server that misbehaves on order, for tests of the client: a thread that works a list
 * of acts off over loopback sockets. Nothing in it waits for longer than PATIENCE_S. */
#pragma once

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_S = 10, REQUEST_MAX = 1 << 20 };

enum act_kind {
    ACT_END,       /* the list's */
    ACT_ACCEPT,    /* the next connection; one that is open stays open */
    ACT_READ,      /* a whole request */
    ACT_READ_SOME, /* some of a request */
    ACT_SEND,      /* text */
    ACT_DRIBBLE,   /* text, byte by byte */
    ACT_SEND_BIG,  /* `n` times text */
    ACT_CLOSE,
    ACT_RESET,
    ACT_AWAIT_EOF /* until the client closes */
};

struct act {
    enum act_kind kind;
    const char *text;
    size_t n;
};

struct peer {
    const struct act *act;
    int listener, fd[8];
    size_t n_fds;
    uint16_t port;
    pthread_t thread;
    char *request; /* the last one */
    size_t request_len;
    atomic_int accepted, eofs, failed; /* failed: acts that could not be done */
};

/* On an address of the loopback; port 0 is replaced by the one chosen. */
static int peer_listen(const char *address, uint16_t *port, int backlog)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof(sa);
    CHECK(inet_pton(AF_INET, address, &sa.sin_addr) == 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0 && listen(fd, backlog) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

static bool peer_send(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put = send(fd, p, n, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

/* Bytes of the body that a head announces. */
static size_t peer_length(const char *head)
{
    const char *at = strcasestr(head, "content-length:");
    return at ? strtoul(at + 15, NULL, 10) : 0;
}

static bool peer_read_request(struct peer *p, int fd)
{
    p->request_len = 0;
    for (;;) {
        ssize_t n = recv(fd, p->request + p->request_len, REQUEST_MAX - p->request_len, 0);
        if (n <= 0)
            return false;
        p->request_len += (size_t)n;
        p->request[p->request_len] = 0;
        char *end = strstr(p->request, "\r\n\r\n");
        if (end && p->request_len >= (size_t)(end + 4 - p->request) + peer_length(p->request))
            return true;
    }
}

static bool peer_await_eof(int fd)
{
    char space[4096];
    ssize_t n;
    while ((n = recv(fd, space, sizeof(space), 0)) > 0)
        ;
    return n == 0 || errno == ECONNRESET;
}

static bool peer_accept(struct peer *p)
{
    struct pollfd pfd = {p->listener, POLLIN, 0};
    CHECK(p->n_fds < COUNT(p->fd));
    if (poll(&pfd, 1, PATIENCE_S * 1000) != 1)
        return false;
    int fd = accept(p->listener, NULL, NULL);
    CHECK(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){PATIENCE_S, 0},
               sizeof(struct timeval));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){PATIENCE_S, 0},
               sizeof(struct timeval));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    p->fd[p->n_fds++] = fd;
    atomic_fetch_add(&p->accepted, 1);
    return true;
}

static bool peer_act(struct peer *p, const struct act *a)
{
    int fd = p->n_fds ? p->fd[p->n_fds - 1] : -1;
    char some[16];
    switch (a->kind) {
    case ACT_ACCEPT: return peer_accept(p);
    case ACT_READ: return peer_read_request(p, fd);
    case ACT_READ_SOME: return recv(fd, some, sizeof(some), 0) > 0;
    case ACT_SEND: return peer_send(fd, a->text, strlen(a->text));
    case ACT_DRIBBLE:
        for (const char *c = a->text; *c; c++)
            if (!peer_send(fd, c, 1))
                return false;
        return true;
    case ACT_SEND_BIG:
        for (size_t i = 0; i < a->n; i++)
            if (!peer_send(fd, a->text, strlen(a->text)))
                return false;
        return true;
    case ACT_RESET:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        close(p->fd[--p->n_fds]);
        return true;
    case ACT_CLOSE: close(p->fd[--p->n_fds]); return true;
    case ACT_AWAIT_EOF:
        if (!peer_await_eof(fd))
            return false;
        atomic_fetch_add(&p->eofs, 1);
        return true;
    case ACT_END: break;
    }
    return false;
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;
    for (const struct act *a = p->act; a->kind != ACT_END; a++)
        if (!peer_act(p, a))
            atomic_fetch_add(&p->failed, 1);
    while (p->n_fds > 0)
        close(p->fd[--p->n_fds]);
    return NULL;
}

__attribute__((unused)) static void peer_start(struct peer *p, const struct act *act)
{
    *p = (struct peer){.act = act, .request = mem_new(REQUEST_MAX + 1)};
    p->listener = peer_listen("127.0.0.1", &p->port, 16);
    CHECK(pthread_create(&p->thread, NULL, peer_main, p) == 0);
}

/* Waits for the end of the list; true when every act could be done. */
__attribute__((unused)) static bool peer_stop(struct peer *p)
{
    CHECK(pthread_join(p->thread, NULL) == 0);
    close(p->listener);
    mem_free(p->request);
    return p->failed == 0;
}
