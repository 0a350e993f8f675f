#include "draw.h"

#include <math.h>

uint64_t draw_number(void) /* xorshift64* */
{
    static uint64_t state = 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545f4914f6cdd1d);
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
