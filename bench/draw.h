/* draw.h - what measurements draw by chance: numbers, and texts where more passages are needed
 * than there are judged ones, of words by Zipf's law, as in natural text.
 *
 * Threads: one; the same calls give the same results in every run.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

void draw_seed(uint64_t seed); /* begins anew; not 0; without it 1 */
uint64_t draw_number(void);
float draw_uniform(void); /* above 0, up to 1 */
float draw_gauss(void);   /* mean 0, deviation 1 */
/* The rank of a word, from 0: its frequency is in proportion to 1 / (rank + 2.7) (Mandelbrot's
 * form). */
uint32_t draw_word(uint32_t vocabulary);
/* A spelling that no stemmer changes, at most DRAW_SPELLED bytes: consonants and o, then x. */
enum { DRAW_SPELLED = 20 };
size_t draw_spell(char *out, uint32_t word);
