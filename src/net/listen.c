#include "net/listen.h"

#include "base/list.h"
#include "base/lock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 4096 }; /* the kernel cuts it to net.core.somaxconn */

/* ---- The TCP addresses that this process listens on ---- */

struct bound {
    struct list node;
    struct sockaddr_storage at;
    unsigned sockets;
};

static struct lock lock = LOCK_INIT;
static struct list bounds = {&bounds, &bounds}; /* under lock */

static struct bound *bound_find(const struct sockaddr_storage *at)
{
    list_each (node, &bounds) {
        struct bound *b = list_entry(node, struct bound, node);
        if (memcmp(&b->at, at, sizeof(*at)) == 0)
            return b;
    }
    return NULL;
}

static void bound_add(const struct sockaddr_storage *at)
{
    struct bound *b = bound_find(at);
    if (!b) {
        b = mem_new(sizeof(*b));
        b->at = *at;
        list_add(&bounds, &b->node);
    }
    b->sockets++;
}

static void bound_remove(const struct sockaddr_storage *at)
{
    struct bound *b = bound_find(at);
    CHECK(b);
    if (--b->sockets == 0) {
        list_remove(&b->node);
        mem_free(b);
    }
}

/* ---- Addresses ---- */

static bool tcp_address(struct sockaddr_storage *at, socklen_t *len, const char *address,
                        struct err *e)
{
    struct str s = str_from(address);
    size_t colon = str_rfind_char(s, ':');
    uint64_t port;
    if (colon == STR_NPOS || !str_to_u64(str_from_at(s, colon + 1), &port) || port > 65535)
        return err_set(e, ERR_INVALID,
                       "cannot listen on '%s': an address is written HOST:PORT or unix:/PATH",
                       address);
    struct str host = str_head(s, colon);
    bool v6 = host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']';
    if (v6)
        host = (struct str){host.p + 1, host.len - 2};
    char text[64];
    snprintf(text, sizeof(text), "%.*s", STR_FMT(host));
    if (str_ieq(host, STR("localhost")))
        snprintf(text, sizeof(text), "127.0.0.1");

    memset(at, 0, sizeof(*at));
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)at;
    struct sockaddr_in *in4 = (struct sockaddr_in *)at;
    if (v6) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        *len = sizeof(*in6);
    } else {
        in4->sin_family = AF_INET;
        in4->sin_port = htons((uint16_t)port);
        *len = sizeof(*in4);
    }
    if (inet_pton(at->ss_family, text, v6 ? (void *)&in6->sin6_addr : (void *)&in4->sin_addr) != 1)
        return err_set(e, ERR_INVALID,
                       "cannot listen on '%s': the host must be an IP address, such as 127.0.0.1, "
                       "0.0.0.0 or [::1]",
                       address);
    return true;
}

static bool refused(const char *address, struct err *e)
{
    switch (errno) {
    case EADDRINUSE:
        return err_set(e, ERR_CONFLICT,
                       "cannot listen on '%s': another program does already; stop it or choose "
                       "another address",
                       address);
    case EADDRNOTAVAIL:
        return err_set(e, ERR_INVALID, "cannot listen on '%s': this machine has no such address",
                       address);
    case EACCES:
        return err_set(e, ERR_FORBIDDEN,
                       "cannot listen on '%s': permission denied; ports below 1024 and foreign "
                       "directories need rights that this user does not have",
                       address);
    default: return err_sys(e, ERR_IO, "cannot listen on '%s'", address);
    }
}

/* ---- TCP ---- */

static bool set(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

/* With `lock` held. */
static bool bind_tcp_locked(struct listener *l, socklen_t len)
{
    bool shared = bound_find(&l->at) != NULL;
    bool v6 = l->at.ss_family == AF_INET6;
    if (!set(l->fd, SOL_SOCKET, SO_REUSEADDR) || !set(l->fd, IPPROTO_TCP, TCP_NODELAY) ||
        (v6 && !set(l->fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        (shared && !set(l->fd, SOL_SOCKET, SO_REUSEPORT)) ||
        bind(l->fd, (struct sockaddr *)&l->at, len) < 0 ||
        (!shared && !set(l->fd, SOL_SOCKET, SO_REUSEPORT)) || listen(l->fd, BACKLOG) < 0 ||
        getsockname(l->fd, (struct sockaddr *)&l->at, &len) < 0)
        return false;
    l->port = ntohs(v6 ? ((struct sockaddr_in6 *)&l->at)->sin6_port
                       : ((struct sockaddr_in *)&l->at)->sin_port);
    bound_add(&l->at);
    return true;
}

static bool open_tcp(struct listener *l, const char *address, struct err *e)
{
    socklen_t len = 0;
    if (!tcp_address(&l->at, &len, address, e))
        return false;
    l->fd = socket(l->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return err_sys(e, ERR_IO, "cannot listen on '%s'", address);
    lock_take(&lock);
    bool good = bind_tcp_locked(l, len) || refused(address, e);
    lock_drop(&lock);
    return good;
}

/* ---- Unix ---- */

/* Is the socket's file one that nobody listens on any more? */
static bool stale(const struct sockaddr_un *at)
{
    struct stat st;
    if (lstat(at->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 &&
                errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return dead;
}

static bool open_unix(struct listener *l, const char *address, struct err *e)
{
    struct sockaddr_un *at = (struct sockaddr_un *)&l->at;
    struct str path = str_from(address + strlen("unix:"));
    if (path.len == 0 || path.len >= sizeof(at->sun_path))
        return err_set(e, ERR_INVALID, "cannot listen on '%s': a path has 1 to %zu bytes", address,
                       sizeof(at->sun_path) - 1);
    at->sun_family = AF_UNIX;
    memcpy(at->sun_path, path.p, path.len);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* The mode of the socket becomes that of the file: nobody else can connect, not even between
     * bind and a later chmod. */
    if (l->fd < 0 || fchmod(l->fd, 0600) < 0)
        return err_sys(e, ERR_IO, "cannot listen on '%s'", address);
    int bad = bind(l->fd, (struct sockaddr *)at, sizeof(*at));
    if (bad && errno == EADDRINUSE) {
        if (stale(at) && unlink(at->sun_path) == 0)
            bad = bind(l->fd, (struct sockaddr *)at, sizeof(*at));
        else
            errno = EADDRINUSE;
    }
    if (bad)
        return refused(address, e);
    memcpy(l->path, at->sun_path, sizeof(l->path));
    return listen(l->fd, BACKLOG) == 0 || refused(address, e);
}

bool listen_open(struct listener *l, const char *address, struct err *e)
{
    *l = (struct listener){.fd = -1};
    bool is_unix = str_starts(str_from(address), STR("unix:"));
    if (is_unix ? open_unix(l, address, e) : open_tcp(l, address, e))
        return true;
    listen_close(l);
    return false;
}

void listen_close(struct listener *l)
{
    if (l->port) {
        lock_take(&lock);
        bound_remove(&l->at);
        lock_drop(&lock);
    }
    if (l->path[0])
        unlink(l->path);
    if (l->fd >= 0)
        close(l->fd);
    *l = (struct listener){.fd = -1};
}
