/* A set of bits does what an array of booleans does, at every boundary of a word. */
#include "index/docset.h"
#include "base/mem.h"
#include "tap.h"

#include <stdlib.h>

enum { MOST = 200 };

struct plain {
    bool in[MOST];
    uint32_t room;
};

static struct docset *both(struct plain *p, uint32_t room, unsigned *seed)
{
    struct docset *s = docset_new(room);
    *p = (struct plain){.room = room};
    for (uint32_t i = 0; i < room; i++)
        if (rand_r(seed) % 3 == 0) {
            p->in[i] = true;
            docset_add(s, i);
        }
    return s;
}

static bool same(const struct docset *s, const struct plain *p)
{
    uint32_t n = 0, next = docset_next(s, 0);
    bool good = s->room == p->room;
    for (uint32_t i = 0; i < MOST; i++) {
        good = good && docset_has(s, i) == p->in[i];
        if (p->in[i]) {
            n++;
            good = good && next == i;
            next = docset_next(s, i + 1);
        }
    }
    return good && next == s->room && docset_count(s) == n;
}

static bool combined(uint32_t room, uint32_t other, unsigned *seed)
{
    struct plain p, with;
    struct docset *s = both(&p, room, seed), *w = both(&with, other, seed);
    bool good = same(s, &p);
    docset_or(s, w);
    for (uint32_t i = 0; i < room; i++)
        p.in[i] = p.in[i] || with.in[i];
    good = good && same(s, &p);
    docset_drop(s, room / 2);
    docset_drop(s, MOST);
    if (room)
        p.in[room / 2] = false;
    good = good && same(s, &p);
    docset_fill(s);
    for (uint32_t i = 0; i < room; i++)
        p.in[i] = true;
    good = good && same(s, &p);
    docset_free(s);
    docset_free(w);
    return good;
}

int main(void)
{
    static const uint32_t rooms[] = {0, 1, 63, 64, 65, 128, 199};
    unsigned seed = 1;
    for (size_t i = 0; i < COUNT(rooms); i++)
        for (size_t k = 0; k < COUNT(rooms); k++)
            ok(combined(rooms[i], rooms[k], &seed), "%u numbers with %u", rooms[i], rooms[k]);
    return tap_done();
}
