/* vocab_cut.h - the pieces that a byte-pair vocabulary cuts text into before it merges bytes.
 *
 * Each vocabulary was learned with a pattern, and counts only come out right with the same one.
 * The patterns are written by hand here, as what they say is little and a regular expression engine
 * takes most of a tokenizer's time. What each means stands in vocab_cut.c.
 *
 * Threads: any.
 * Source:  the published patterns of tiktoken (r50k, cl100k, o200k), Llama 3 and Qwen 2.
 */
#pragma once

#include "base/str.h"

/* name, the pattern as a tokenizer.json spells it (NULL: none does) */
#define VOCAB_CUTS(X)                                                                              \
    X(R50K, "r50k",                                                                                \
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"                         \
      "\\s+(?!\\S)|\\s+")                                                                          \
    X(CL100K, "cl100k",                                                                            \
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"                    \
      " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")                             \
    X(QWEN, "qwen2",                                                                               \
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"                         \
      " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")                             \
    X(O200K, "o200k",                                                                              \
      "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"  \
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"  \
      "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}|"                   \
      " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")

#define X(name, ...) VOCAB_CUT_##name,
enum vocab_cut { VOCAB_CUTS(X) VOCAB_CUT_COUNT };
#undef X

/* VOCAB_CUT_COUNT: not one of ours. */
enum vocab_cut vocab_cut_by_pattern(struct str pattern);
/* Where the piece that begins at `at` ends; at < text.len. Bytes that are no UTF-8 are symbols. */
size_t vocab_cut_end(enum vocab_cut cut, struct str text, size_t at);
