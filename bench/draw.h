/* draw.h - texts drawn by chance, for measurements that need more passages than there are judged
 * ones: words by Zipf's law, as in natural text.
 *
 * Threads: one; the same calls give the same texts in every run.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t draw_number(void);
/* The rank of a word, from 0: its frequency is in proportion to 1 / (rank + 2.7) (Mandelbrot's
 * form). */
uint32_t draw_word(uint32_t vocabulary);
/* A spelling that no stemmer changes, at most DRAW_SPELLED bytes: consonants and o, then x. */
enum { DRAW_SPELLED = 20 };
size_t draw_spell(char *out, uint32_t word);
