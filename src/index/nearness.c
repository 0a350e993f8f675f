/* The sets of places that can be seated at once are a transversal matroid. A new place joins; if no
 * word is left for it, the oldest of those that it could do without goes. This keeps the seated set
 * that is heaviest by lateness, and of it the part in any window up to now is as large as any. */
#include "index/nearness.h"

void nearness_begin(struct nearness *f, size_t n, uint64_t reach)
{
    f->n = n;
    f->reach = reach;
    for (size_t i = 0; i < n; i++) {
        f->place[i] = -1;
        f->fits[i] = 0;
    }
}

/* The word whose place can go, the oldest (or one without); from[] says who moves up to it. */
static unsigned leaver(const struct nearness *f, uint64_t fits, uint8_t *from)
{
    unsigned oldest = (unsigned)__builtin_ctzll(fits);
    uint64_t seen = fits;
    for (uint64_t open = fits; open;) {
        unsigned word = (unsigned)__builtin_ctzll(open);
        uint64_t more = f->fits[word] & ~seen;
        open = (open & (open - 1)) | more;
        seen |= more;
        for (; more; more &= more - 1)
            from[__builtin_ctzll(more)] = (uint8_t)word;
        if (f->place[word] < f->place[oldest])
            oldest = word;
    }
    return oldest;
}

bool nearness_add(struct nearness *f, uint32_t place, uint64_t fits, uint32_t *first)
{
    uint8_t from[NEARNESS_WORDS];
    if (fits == 0)
        return false;
    unsigned word = leaver(f, fits, from);
    while (!(fits >> word & 1)) {
        f->place[word] = f->place[from[word]];
        f->fits[word] = f->fits[from[word]];
        word = from[word];
    }
    f->place[word] = place;
    f->fits[word] = fits;
    int64_t low = place;
    for (size_t i = 0; i < f->n; i++)
        low = f->place[i] < low ? f->place[i] : low;
    if (low < 0 || (uint64_t)(place - low) > f->reach)
        return false;
    *first = (uint32_t)low;
    return true;
}
