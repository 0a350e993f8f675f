#include "index/docset.h"
#include "base/mem.h"

static size_t words_of(uint32_t room)
{
    return ((size_t)room + 63) / 64;
}

struct docset *docset_new(uint32_t room)
{
    struct docset *s = mem_new(sizeof(*s) + words_of(room) * sizeof(s->bits[0]));
    s->room = room;
    return s;
}

void docset_free(struct docset *s)
{
    mem_free(s);
}

void docset_add(struct docset *s, uint32_t doc)
{
    CHECK(doc < s->room);
    s->bits[doc / 64] |= UINT64_C(1) << doc % 64;
}

void docset_drop(struct docset *s, uint32_t doc)
{
    if (doc < s->room)
        s->bits[doc / 64] &= ~(UINT64_C(1) << doc % 64);
}

/* The bits behind the last number stay 0, so that counting needs no care. */
static void trim(struct docset *s)
{
    if (s->room % 64)
        s->bits[s->room / 64] &= (UINT64_C(1) << s->room % 64) - 1;
}

void docset_fill(struct docset *s)
{
    for (size_t i = 0; i < words_of(s->room); i++)
        s->bits[i] = UINT64_MAX;
    trim(s);
}

void docset_or(struct docset *s, const struct docset *with)
{
    size_t n = size_min(words_of(s->room), words_of(with->room));
    for (size_t i = 0; i < n; i++)
        s->bits[i] |= with->bits[i];
    trim(s);
}

uint32_t docset_count(const struct docset *s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < words_of(s->room); i++)
        n += (uint32_t)__builtin_popcountll(s->bits[i]);
    return n;
}

uint32_t docset_next(const struct docset *s, uint32_t doc)
{
    if (doc >= s->room)
        return s->room;
    size_t i = doc / 64;
    uint64_t word = s->bits[i] >> doc % 64 << doc % 64;
    while (word == 0 && ++i < words_of(s->room))
        word = s->bits[i];
    return word ? (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(word) : s->room;
}
