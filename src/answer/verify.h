/* verify.h - does a citation still say the truth? Checks what an answer cites against the store or
 * against the text of a file, without a model.
 *
 * What can be wrong: the quotation was changed since it was cited (its hash), the document has gone
 * or is of another version or content, or the quotation does not stand at the span that is named.
 * Then it is told where it stands now, if it does.
 *
 * Memory:  claims point into the parsed answer or live in the arena.
 * Threads: verify_in_store as db.h says; the others any.
 */
#pragma once

#include "base/json.h"
#include "store/db.h"

struct verify_claim {
    struct str filename, file_id, store, quote;
    struct str quote_sha256, document_sha256; /* "" = not given */
    int64_t start, end;                       /* bytes of the document's text; -1 = not given */
    int64_t version;                          /* 0 = not given */
    int64_t index;                            /* characters of the answer's text; -1 = not given */
    int64_t page, line_start, line_end;       /* 0 = not given */
    struct str section;
};

/* The citations in a saved answer, in order and each once, wherever they stand in it: an answer of
 * chats, responses or messages, a list of annotations, one annotation, or a chunk of a stream. */
void verify_find(const struct json *doc, struct arena *a, struct verify_claim **out, size_t *n);
/* Adds those of one more document (a stream has many) to the n that are there. */
void verify_add(const struct json *doc, struct arena *a, struct verify_claim **all, size_t *n);

/* As a citation that verify_find reads again. `index` tells equal ones apart. */
void verify_put(struct json_writer *w, const struct verify_claim *c, int64_t index);

/* Each gives what is wrong, "" when nothing is. */

/* Of the claim itself: is there a quotation, and is it the one that was cited? */
struct str verify_quote(const struct verify_claim *c, struct arena *a);
/* Does its marker [Source: name] end at its index of the answer's text? In an answer without
 * markers the index need only lie in it. */
struct str verify_marker(const struct verify_claim *c, struct str answer, struct arena *a);
/* Against the text of a document, whose bytes have this SHA-256 in hexadecimal. */
struct str verify_in_text(const struct verify_claim *c, struct str text, struct str sha256,
                          struct arena *a);
/* Against the store of a tenant. False: the store could not be read. */
bool verify_in_store(struct db *d, struct str tenant, const struct verify_claim *c, struct arena *a,
                     struct str *why, struct err *e);
