/* floor_proxy - the least that passing requests on can cost: a proxy that does nothing else.
 *
 *     floor_proxy --port P --upstream P
 *
 * Loopback, one thread, one epoll set. A client's bytes go to an upstream connection of its own,
 * what comes back goes to the client: two receives and two sends a request, of an answer that comes
 * in one piece, and not a byte is looked at. What it costs is the kernel's share, which no proxy on
 * this machine can save; bench/gateway.mjs shows it beside the others. */
#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 64 << 10, EVENTS = 256 };

struct side {
    int fd;
    struct side *other;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void watch(int ep, int fd, struct side *s)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
    int on = 1;
    if (s)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
        die("epoll_ctl");
}

static void take_client(int ep, int listener, int port)
{
    struct sockaddr_in to = loopback(port);
    struct side *pair = mem_array(2, sizeof(*pair));
    pair[0] = (struct side){accept(listener, NULL, NULL), &pair[1]};
    pair[1] = (struct side){socket(AF_INET, SOCK_STREAM, 0), &pair[0]};
    if (pair[0].fd < 0 || connect(pair[1].fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    watch(ep, pair[0].fd, &pair[0]);
    watch(ep, pair[1].fd, &pair[1]);
}

/* Sockets block, so a send takes all of it. The end of either side is the end of both; the pair
 * itself stays, as events for it may be waiting in the same batch. */
static void pass_on(struct side *s)
{
    static char buffer[BUFFER];
    if (s->fd < 0)
        return;
    ssize_t n = recv(s->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n > 0 && send(s->other->fd, buffer, (size_t)n, MSG_NOSIGNAL) == n)
        return;
    close(s->fd);
    close(s->other->fd);
    s->fd = s->other->fd = -1;
}

static int port_of(int argc, char **argv, const char *name)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return (int)strtol(argv[i + 1], NULL, 10);
    fprintf(stderr, "usage: floor_proxy --port P --upstream P\n");
    exit(2);
}

int main(int argc, char **argv)
{
    int upstream = port_of(argc, argv, "--upstream"), on = 1, ep = epoll_create1(0);
    struct sockaddr_in at = loopback(port_of(argc, argv, "--port"));
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1024) < 0)
        die("listen");
    watch(ep, listener, NULL);
    for (;;) {
        struct epoll_event ev[EVENTS];
        int n = epoll_wait(ep, ev, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr)
                pass_on(ev[i].data.ptr);
            else
                take_client(ep, listener, upstream);
        }
    }
}
