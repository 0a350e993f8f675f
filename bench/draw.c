#include "draw.h"

#include <math.h>

static uint64_t state = 1;

void draw_seed(uint64_t seed)
{
    state = seed;
}

uint64_t draw_number(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}

float draw_uniform(void)
{
    return (float)((draw_number() >> 40) + 1) / (float)(1 << 24);
}

float draw_gauss(void) /* Box and Muller */
{
    float u = draw_uniform(), v = draw_uniform();
    return sqrtf(-2 * logf(u)) * cosf(6.2831853F * v);
}

uint32_t draw_word(uint32_t vocabulary)
{
    double u = (double)(draw_number() >> 11) / 9007199254740992.0, q = 2.7;
    double rank = q * pow((vocabulary + q) / q, u) - q;
    return rank < vocabulary ? (uint32_t)rank : vocabulary - 1;
}

size_t draw_spell(char *out, uint32_t word)
{
    static const char consonants[] = "bdfgklmnprtvz";
    size_t n = 0;
    do {
        out[n++] = consonants[word % 13];
        out[n++] = 'o';
        word /= 13;
    } while (word);
    out[n++] = 'x';
    return n;
}
