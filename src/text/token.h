/* token.h - how many tokens a language model will make of a text, without its vocabulary (with it:
 * text/vocab.h).
 *
 * A byte-pair vocabulary first cuts text into words, groups of up to three digits, runs of
 * punctuation and runs of white space, then splits what it does not know. The estimate does the
 * same cut and prices each piece: a word costs a little over one token, and more for each pair of
 * letters that is uncommon in English (foreign words, names and random strings split more often);
 * letters outside ASCII cost by script. The prices are a least-squares fit to the mean of
 * cl100k_base and o200k_base.
 *
 * Error, mean per text over the texts it was fitted to: English prose and code 5 to 7 %, short
 * messages 10 to 13 %; in languages that the two vocabularies themselves count up to 60 %
 * differently it lies between them, up to 38 % from one.
 *
 * Cost:    one pass, about 1 ns per byte of English.
 * Threads: any.
 */
#pragma once

#include "base/str.h"

/* At least 1 for a text that is not empty. The counts of a text's pieces add up to within one
 * token per cut. */
size_t token_count(struct str text);
