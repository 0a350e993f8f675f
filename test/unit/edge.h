/* edge.h - input that ends where memory ends, so that a parser that looks behind it crashes. */
#pragma once

#include "base/mem.h"
#include "base/str.h"

#include <sys/mman.h>

/* The text, copied so that its last byte is the last one that can be read, until the next call. */
__attribute__((unused)) static struct str at_edge(struct str text)
{
    enum { ROOM = 1 << 18, GUARD = 4096 };
    static char *room;
    if (!room) {
        room = mmap(NULL, ROOM + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(room != MAP_FAILED && mprotect(room + ROOM, GUARD, PROT_NONE) == 0);
    }
    CHECK(text.len <= ROOM);
    char *at = room + ROOM - text.len;
    if (text.len)
        memcpy(at, text.p, text.len);
    return (struct str){at, text.len};
}
