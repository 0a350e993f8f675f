#include "answer/near.h"

#include <string.h>

enum { SPAN = 24 /* bytes of a run: four or five words */ };
#define NONE UINT32_MAX /* of this group the text has no run */
/* By trial: copies with another title, date line or a typing error lie above, passages of one page
 * that quote the same paragraph below. */
#define SAME 0.8

#define MULTIPLIER UINT64_C(0x9E3779B97F4A7C15)

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    return x;
}

/* What a byte counts as: letters without case, and one space for what is between words. Bytes of
 * characters beyond ASCII stand for themselves. */
static unsigned char fold(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c | 0x20);
    bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
    return word ? c : ' ';
}

/* Punctuation of East Asian scripts: U+3000 to U+303F, and the full-width forms of , . : ; ! ? */
static bool is_wide_mark(struct str text, size_t i)
{
    if (i + 2 >= text.len)
        return false;
    const unsigned char *c = (const unsigned char *)text.p + i;
    return (c[0] == 0xE3 && c[1] == 0x80) ||
           (c[0] == 0xEF && c[1] == 0xBC &&
            (c[2] < 0x90 || c[2] == 0x9A || c[2] == 0x9B || c[2] == 0x9F));
}

/* The group of a run is told by the lower bits of its hash, its place in it by the upper half. */
static void keep(struct near *s, uint64_t hash)
{
    uint32_t *lowest = &s->lowest[hash % NEAR_KEPT], place = (uint32_t)(hash >> 32);
    *lowest = place < *lowest ? place : *lowest;
}

void near_sketch(struct near *s, struct str text)
{
    unsigned char run[SPAN] = {0};
    uint64_t rolling = 0, out = 1, number = 0;
    size_t n = 0;
    unsigned char last = ' ';
    *s = (struct near){.whole = 0};
    memset(s->lowest, 0xFF, sizeof(s->lowest)); /* NONE */
    for (int i = 0; i < SPAN; i++)
        out *= MULTIPLIER; /* the weight of the byte that leaves the run */
    for (size_t i = 0; i <= text.len; i++) {
        unsigned char c = i < text.len ? fold((unsigned char)text.p[i]) : ' ';
        if (c >= 0xE3 && is_wide_mark(text, i)) {
            c = ' ';
            i += 2;
        }
        bool digit = c >= '0' && c <= '9';
        if (digit)
            number = number * 31 + c;
        else if (number) {
            s->numbers += mix(number);
            number = 0;
        }
        if (c == ' ' && last == ' ')
            continue;
        last = c;
        rolling = rolling * MULTIPLIER + c - out * run[n % SPAN];
        run[n % SPAN] = c;
        s->whole = s->whole * MULTIPLIER + c;
        if (++n >= SPAN)
            keep(s, mix(rolling));
    }
    if (n < SPAN) /* one run, shorter than others */
        keep(s, mix(rolling));
}

double near_likeness(const struct near *a, const struct near *b)
{
    uint32_t both = 0, neither = 0;
    for (int i = 0; i < NEAR_KEPT; i++) {
        both += a->lowest[i] == b->lowest[i];
        neither += (a->lowest[i] & b->lowest[i]) == NONE;
    }
    return (double)(both - neither) / (NEAR_KEPT - neither); /* each text has a run */
}

bool near_same(const struct near *a, const struct near *b)
{
    return a->whole == b->whole || (a->numbers == b->numbers && near_likeness(a, b) >= SAME);
}
