/* listen.h - listening sockets: addresses read, bound so that a second program is noticed.
 *
 * Several loops of this process share a TCP port (SO_REUSEPORT, the kernel spreads connections),
 * but with that option alone a second program of the same user would share it too, and steal every
 * other connection without a word. So the first socket of the process is bound without it, which
 * fails when anyone else listens there, and gets the option behind that.
 *
 * A unix socket has mode 0600 and belongs to one loop. The file that a dead program left behind is
 * replaced; one that somebody still listens on, or that is no socket, is not touched.
 *
 * Errors:  ERR_INVALID for an address that cannot be read, ERR_CONFLICT when it is in use, ERR_IO;
 *          the message names the address and what to do.
 * Threads: any.
 */
#pragma once

#include "base/err.h"

#include <sys/socket.h>
#include <sys/un.h>

struct listener {
    int fd;        /* -1 = closed; non-blocking */
    uint16_t port; /* 0 = unix */
    struct sockaddr_storage at;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of a unix socket, else "" */
};

/* "127.0.0.1:8080", "[::1]:0", "localhost:80", "unix:/path". Connections accepted from it inherit
 * TCP_NODELAY. */
bool listen_open(struct listener *l, const char *address, struct err *e);
/* Frees the address and removes the socket's file; closes fd unless `fd` was set to -1. Harmless
 * twice. */
void listen_close(struct listener *l);
