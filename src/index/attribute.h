/* attribute.h - what filters and rights ask of the documents of a collection, in memory, by number.
 *
 * Documents have a number in their collection, from 0 (index/search.h gives them out). Of each
 * number an attribute view knows the document, its version, how many chunks it has, and values:
 * those of its attributes object, and under fixed keys what every document says of itself:
 *
 *     filename, title, doc_type, language, author, access_level  texts
 *     last_updated, created                                      dates: seconds, or "2026-05-01"
 *
 * unless the attributes have a value of that name. A list counts as each of its items. Values are
 * kept by column (key and kind) in blocks of 256 numbers, each a flat piece of bytes: texts sorted
 * once, so that every comparison is one of small integers. A view never changes: a change makes
 * another one that shares the blocks that it leaves alone, so searches read without a lock while
 * documents come and go. access_level is "restricted" for a document with an access list and
 * "tenant" for one without.
 *
 * Memory:  a view belongs to whoever took a reference; what is passed in is only read.
 * Threads: any; a view is immutable.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "index/docset.h"

struct attributes;

enum attribute_kind {
    ATTRIBUTE_TEXT,
    ATTRIBUTE_NUMBER,
    ATTRIBUTE_BOOL,
    ATTRIBUTE_DATE,  /* Unix seconds */
    ATTRIBUTE_ACCESS /* who may read, as index/rights.h spells it; key "" */
};

struct attribute_document {
    int64_t id; /* in the store */
    uint32_t version, chunks;
    struct str attributes, access; /* JSON objects or "", as in store/doc.h */
    struct str filename, title, doc_type, language, author;
    int64_t last_updated_s, created_s; /* 0 = not known */
};

struct attribute_change {
    uint32_t number;
    const struct attribute_document *document; /* NULL: the number is free */
};

struct attributes *attributes_new(void); /* without documents */
struct attributes *attributes_ref(struct attributes *v);
void attributes_unref(struct attributes *v); /* accepts NULL */

/* A view with the changes applied, in order. What is no JSON object among attributes counts as none
 * there; what is none among access lists counts as a list without anybody. */
struct attributes *attributes_apply(const struct attributes *v, const struct attribute_change *c,
                                    size_t n);

uint32_t attributes_room(const struct attributes *v);      /* numbers in use are below */
uint32_t attributes_documents(const struct attributes *v); /* how many there are */
/* How many of them have an access list: 0 means that rights need not be asked. */
uint32_t attributes_restricted(const struct attributes *v);
uint64_t attributes_chunks(const struct attributes *v, const struct docset *among); /* NULL: all */
/* Document of a number, 0 when it is free. */
int64_t attributes_id(const struct attributes *v, uint32_t number);
uint32_t attributes_version(const struct attributes *v, uint32_t number);
uint32_t attributes_chunks_of(const struct attributes *v, uint32_t number);
/* The numbers in use, as a new set. */
struct docset *attributes_all(const struct attributes *v);

/* ---- For index/filter.h and index/rights.h: one block after another. ---- */

enum { ATTRIBUTE_ROWS = 256, ATTRIBUTE_WORDS = ATTRIBUTE_ROWS / 64 };
struct attribute_block; /* rows = numbers from block * ATTRIBUTE_ROWS on */

struct attribute_column {
    enum attribute_kind kind;
    uint32_t n;         /* values; a row may have several */
    const uint8_t *row; /* [n] */
    union {
        const uint32_t *text; /* [n] place among the sorted texts; TEXT, ACCESS */
        const double *number; /* [n] the others */
    };
    uint32_t n_texts;
    const uint32_t *text_at; /* [n_texts + 1] */
    const char *text_bytes;
};

uint32_t attributes_blocks(const struct attributes *v);
const struct attribute_block *attributes_block(const struct attributes *v, uint32_t i);
/* Rows whose document has an access list; [ATTRIBUTE_WORDS]. */
const uint64_t *attribute_restricted(const struct attribute_block *b);
/* False when no row of the block has a value of that key and kind. */
bool attribute_column(const struct attribute_block *b, struct str key, enum attribute_kind kind,
                      struct attribute_column *out);
struct str attribute_text(const struct attribute_column *c, uint32_t i);
/* How many of the column's texts are less than `text`; *same: the next one is equal. */
uint32_t attribute_place(const struct attribute_column *c, struct str text, bool *same);

/* ---- On disk ---- */

/* Appends the view; false: over the limit of `out`. */
bool attributes_save(const struct attributes *v, struct buf *out);
/* `saved` starts at a multiple of 8 and must stay until `release(holder)`, which is called once:
 * when the last block of it goes, or before a failure returns. ERR_CORRUPT. */
bool attributes_load(struct attributes **out, struct str saved, void (*release)(void *),
                     void *holder, struct err *e);
