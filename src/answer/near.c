#include "answer/near.h"

#include <stdlib.h>

enum { SPAN = 24 /* bytes of a run: four or five words */ };
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

/* The lowest hashes so far: a heap whose top is the highest of them. */
static void sift(uint32_t *heap, uint32_t n, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1] > heap[child])
            child++;
        if (heap[at] >= heap[child])
            return;
        uint32_t swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

/* Repeats of a run are dropped in the end: they are rare, and cost a place until then. */
static void keep(struct near *s, uint32_t hash)
{
    if (s->n < NEAR_KEPT) {
        s->hash[s->n++] = hash;
        if (s->n == NEAR_KEPT)
            for (uint32_t i = NEAR_KEPT / 2; i-- > 0;)
                sift(s->hash, s->n, i);
    } else if (hash < s->hash[0]) {
        s->hash[0] = hash;
        sift(s->hash, s->n, 0);
    }
}

static int rising(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void finish(struct near *s)
{
    uint32_t n = 0;
    if (s->n)
        qsort(s->hash, s->n, sizeof(s->hash[0]), rising);
    for (uint32_t i = 0; i < s->n; i++)
        if (n == 0 || s->hash[n - 1] != s->hash[i])
            s->hash[n++] = s->hash[i];
    s->n = n;
}

void near_sketch(struct near *s, struct str text)
{
    unsigned char run[SPAN] = {0};
    uint64_t rolling = 0, out = 1, number = 0;
    size_t n = 0;
    unsigned char last = ' ';
    *s = (struct near){.n = 0};
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
            keep(s, (uint32_t)(mix(rolling) >> 32));
    }
    if (n < SPAN) /* one run, shorter than others */
        keep(s, (uint32_t)(mix(rolling) >> 32));
    finish(s);
}

double near_likeness(const struct near *a, const struct near *b)
{
    uint32_t i = 0, k = 0, both = 0, any = 0;
    while (any < NEAR_KEPT && (i < a->n || k < b->n)) { /* the lowest of the union */
        bool in_a = k == b->n || (i < a->n && a->hash[i] <= b->hash[k]);
        bool in_b = i == a->n || (k < b->n && b->hash[k] <= a->hash[i]);
        both += in_a && in_b;
        i += in_a;
        k += in_b;
        any++;
    }
    return any ? (double)both / any : 0;
}

bool near_same(const struct near *a, const struct near *b)
{
    return a->whole == b->whole || (a->numbers == b->numbers && near_likeness(a, b) >= SAME);
}
