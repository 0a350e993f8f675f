/* vocab.h - the tokens that a certain model makes of a text, by its vocabulary.
 *
 * Two kinds of file are read: tiktoken's rank files (".tiktoken": a token in base64 and its rank on
 * each line) and Hugging Face's tokenizer.json with a byte-level BPE model. Which pattern cuts the
 * text first follows from the number of ranks, as each published vocabulary has its own
 * (r50k_base, p50k_base, cl100k_base, o200k_base, Llama 3, Qwen), or stands in the tokenizer.json.
 * What we could only count wrongly is refused: other patterns, normalizers other than NFC,
 * WordPiece, Unigram, and BPE over characters.
 *
 * Special tokens (<|endoftext|>) are not looked for: in what users write they are text.
 *
 * Cost:    merging takes O(n log n) for a piece of n bytes; about 40 ns per byte of English, most
 *          pieces being tokens already. A vocabulary of 200,000 tokens takes 12 MB.
 * Memory:  a vocabulary is counted: vocab_ref, vocab_unref.
 * Threads: immutable once loaded; the count is atomic.
 * Source:  Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword
 *          Units", 2016; byte-level as in GPT-2.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct vocab;

/* Reads the file; blocks. ERR_NOT_FOUND, ERR_IO; ERR_INVALID: not a vocabulary, or one of a kind
 * that is refused, which the message tells. */
bool vocab_load(struct vocab **out, const char *path, struct err *e);
/* The same from what stands in it. `text` is not kept. */
bool vocab_parse(struct vocab **out, struct str text, struct err *e);
struct vocab *vocab_ref(struct vocab *v);
void vocab_unref(struct vocab *v); /* NULL is fine */

size_t vocab_size(const struct vocab *v); /* tokens, special ones not counted */
size_t vocab_count(const struct vocab *v, struct str text);
/* The ids of the first `most` tokens; returns how many there are in all. */
size_t vocab_encode(const struct vocab *v, struct str text, uint32_t *id, size_t most);
/* By the vocabulary, or by the estimate of text/token.h when `v` is NULL. */
size_t vocab_tokens(const struct vocab *v, struct str text);
