#include "model/rerank_agree.h"

#include <math.h>
#include <stdlib.h>

enum { BITS = 14, SLOTS = 1 << BITS, CUT = 6, TEXT_MOST = 65536, WORDS_MOST = 4096 };

/* A text as counts of hashed words. */
struct vector {
    uint16_t *slot;
    float *value;
    size_t n;
};

/* Kept for all texts: `times` is 0 everywhere between two of them. */
struct counting {
    uint16_t times[SLOTS], in[SLOTS]; /* in this text; texts that have it */
    float mean[SLOTS];
    uint16_t seen[WORDS_MOST];
    size_t n_seen;
};

static bool is_word(unsigned char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10;
}

static void count_word(struct counting *c, uint64_t key)
{
    uint32_t slot = (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - BITS));
    if (c->times[slot] == 0) {
        if (c->n_seen == WORDS_MOST)
            return;
        c->seen[c->n_seen++] = (uint16_t)slot;
    }
    if (c->times[slot] < UINT16_MAX)
        c->times[slot]++;
}

/* The character at i, which is none of ASCII, as a number; *end behind it. */
static uint64_t character(struct str text, size_t i, size_t *end)
{
    uint64_t key = (unsigned char)text.p[i++];
    while (i < text.len && ((unsigned char)text.p[i] & 0xC0) == 0x80)
        key = key << 8 | (unsigned char)text.p[i++];
    *end = i;
    return key;
}

enum { THREE_BYTES = 0xE0 }; /* from here on: scripts whose characters are looked at in pairs */

static void count_text(struct counting *c, struct str text)
{
    text = str_head(text, TEXT_MOST);
    for (size_t i = 0; i < text.len;) {
        unsigned char ch = (unsigned char)text.p[i];
        uint64_t key = 0;
        size_t letters = 0, end;
        if (ch >= THREE_BYTES) {
            key = character(text, i, &i);
            if (i < text.len && (unsigned char)text.p[i] >= THREE_BYTES)
                count_word(c, key << 32 ^ character(text, i, &end));
            continue;
        }
        for (; i < text.len; letters++) {
            ch = (unsigned char)text.p[i];
            if (!is_word(ch) && (ch < 0xC0 || ch >= THREE_BYTES))
                break;
            uint64_t letter = ch | (ch < 0x80 ? 0x20 : 0);
            if (ch >= 0xC0)
                letter = character(text, i, &i);
            else
                i++;
            key = letters < CUT ? key * 67 + letter : key;
        }
        if (letters)
            count_word(c, key);
        i += letters == 0;
    }
}

static void take_vector(struct counting *c, struct vector *v, struct arena *a)
{
    v->n = c->n_seen;
    v->slot = arena_array(a, uint16_t, v->n + 1);
    v->value = arena_array(a, float, v->n + 1);
    for (size_t i = 0; i < v->n; i++) {
        uint16_t slot = c->seen[i];
        v->slot[i] = slot;
        v->value[i] = 1 + log2f(c->times[slot]);
        c->times[slot] = 0;
        c->in[slot]++;
    }
    c->n_seen = 0;
}

/* Weighs the words and gives the vector length 1. */
static void weigh(const struct counting *c, struct vector *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < v->n; i++) {
        v->value[i] *= logf(((float)n + 1) / (c->in[v->slot[i]] + .5f));
        sum += v->value[i] * v->value[i];
    }
    float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    for (size_t i = 0; i < v->n; i++)
        v->value[i] *= scale;
}

static double dot(const struct counting *c, const struct vector *v)
{
    double sum = 0;
    for (size_t i = 0; i < v->n; i++)
        sum += v->value[i] * c->mean[v->slot[i]];
    return sum;
}

void rerank_agree(const struct str *text, size_t n, float *agree, struct arena *a)
{
    struct counting *c = arena_struct(a, struct counting);
    struct vector *v = arena_array(a, struct vector, n + 1);
    size_t first = size_min(n, RERANK_AGREE_FIRST);
    for (size_t i = 0; i < n; i++) {
        count_text(c, text[i]);
        take_vector(c, &v[i], a);
    }
    for (size_t i = 0; i < n; i++)
        weigh(c, &v[i], n);
    for (size_t i = 0; i < first; i++)
        for (size_t k = 0; k < v[i].n; k++)
            c->mean[v[i].slot[k]] += v[i].value[k];
    for (size_t i = 0; i < n; i++) {
        size_t others = i < first ? first - 1 : first;
        double sum = dot(c, &v[i]) - (i < first); /* a vector's product with itself is 1 */
        agree[i] = others && sum > 0 ? (float)(sum / (double)others) : 0;
    }
}
