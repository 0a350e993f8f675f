/* chunk.h - a document's text in pieces that fit a model, cut where a reader would pause.
 *
 * Every chunk is one stretch of the document's text. It is filled up to `max_tokens` and ends at
 * the strongest boundary in its second half: a paragraph, else a line, a sentence, a word; a word
 * longer than a chunk is cut between characters. A heading stays with what follows it and always
 * starts a chunk, so that a citation names the section its words stand in. Tables and code that fit
 * stay whole. The next chunk repeats the last sentences of the one before, up to `overlap` tokens,
 * unless a heading or a table stands between.
 *
 * A chunk's section is the path of headings above its text ("Install > From source").
 *
 * Cost:    some 20 ns per byte; linear in the text.
 * Memory:  results live in the arena and look into the document's text.
 * Threads: any.
 * Source:  splitting from large to small separators is known from LangChain's recursive splitter;
 *          tokens instead of characters, and the choice of the end, are our own.
 */
#pragma once

#include "ingest/extract.h"

struct chunk_limits {
    uint32_t max_tokens; /* 0: 512 */
    uint32_t overlap;    /* at most half of max_tokens counts */
};

struct chunk {
    size_t start, end; /* in the document's text */
    struct str section;
    uint32_t page, line_start, line_end; /* of its beginning and end; 0: not known */
    uint32_t tokens;                     /* <= max_tokens, as text/token.h counts */
};

/* White space belongs to no chunk; everything else to at least one. An empty text has none. */
struct chunk *chunk_document(const struct extract_document *doc, const struct chunk_limits *limits,
                             struct arena *a, size_t *n);
/* The same for plain text, in which an empty line ends a paragraph. */
struct chunk *chunk_text(struct str text, const struct chunk_limits *limits, struct arena *a,
                         size_t *n);
