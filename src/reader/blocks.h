/* blocks.h - what a reader has found in a document, as the JSON object of wire.h.
 *
 * Text is made presentable here, in one place: broken UTF-8 becomes U+FFFD, control characters and
 * white space at the ends go, and a block without text is no block.
 *
 * Memory:  the object grows on the heap up to its limit; over it, blocks_ok tells (sticky).
 * Threads: one at a time.
 */
#pragma once

#include "base/json.h"
#include "reader/wire.h"

struct blocks {
    struct buf out;
    struct json_writer w;
    struct arena *a; /* for what is written at the end */
    uint32_t n;      /* blocks so far */
    uint32_t pages;
    const char *format; /* as wire.h names it */
    struct str title, author, language;
    struct blocks_meta *meta, **meta_end;
};

struct block {
    enum wire_kind kind;
    unsigned level;
    struct str text;
    uint32_t page, line_start, line_end; /* 0: not known */
};

/* Strings handed over below live as long as `a`. */
void blocks_init(struct blocks *b, struct arena *a, size_t max_result);
void blocks_fini(struct blocks *b);

void blocks_add(struct blocks *b, const struct block *blk);
static inline bool blocks_ok(const struct blocks *b)
{
    return buf_ok(&b->out);
}

/* Facts of the document: the first non-empty one that is said stays. White space is folded. */
void blocks_title(struct blocks *b, struct str title);
void blocks_author(struct blocks *b, struct str author);
void blocks_language(struct blocks *b, struct str tag);
void blocks_meta(struct blocks *b, struct str name, struct str value);

/* Closes the object; the text lasts until blocks_fini. Fails with ERR_TOO_LARGE. */
bool blocks_end(struct blocks *b, struct str *json, struct err *e);
/* Instead of it: {"error": message}. */
struct str blocks_error(struct blocks *b, const char *message);

/* Runs of white space become one space, none at the ends; U+00A0 counts. In `a`. */
struct str blocks_fold(struct arena *a, struct str s);
