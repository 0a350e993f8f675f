/* extract.h - a file in, its text with structure out, read by penstock-reader in its sandbox.
 *
 * One struct extract is one reader process. It is started with the first document, loads its
 * libraries once, forks a child per document and ends with extract_close or with this process.
 * Whatever a document does to it - crash, hang, eat memory - comes back as an error of that
 * document, and the next one is read as if nothing had happened.
 *
 * Errors:  about the document, in words for who put it there: ERR_MEDIA "unsupported format",
 *          ERR_INVALID (encrypted, damaged, no text), ERR_TIMEOUT, ERR_LIMIT (memory), ERR_CONTENT
 *          (forbidden system call), ERR_TOO_LARGE. About us: ERR_UNAVAILABLE when the reader cannot
 *          be started. ERR_CANCELLED after extract_cancel.
 * Memory:  results live in the arena that was passed.
 * Threads: one at a time; extract_cancel from any. It blocks: not for loop threads.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "reader/wire.h"

struct extract;

struct extract_options {
    const char *reader_path; /* NULL: as ingest.h says */
    uint64_t memory;         /* 0: 1 GB */
    uint64_t max_result;     /* bytes of JSON; 0: 256 MB */
    int64_t timeout_ms;      /* 0: 60 s */
};

struct extract_block {
    enum wire_kind kind;
    unsigned level;                      /* of a heading, from 1 */
    size_t start, end;                   /* in the document's text */
    uint32_t page, line_start, line_end; /* 0: not known */
};

struct extract_document {
    struct str text; /* the blocks' texts, an empty line between */
    struct extract_block *block;
    size_t n;
    struct str format;                        /* "pdf"; see wire.h */
    struct str title, author, language, date; /* "" when the document does not say */
    struct str meta;                          /* a JSON object: what else it says of itself */
    uint32_t pages;
    int64_t cpu_us; /* that reading took */
};

void extract_options_defaults(struct extract_options *opt); /* fills what is 0 */
struct extract *extract_open(const struct extract_options *opt);
void extract_close(struct extract *x);

/* Reads what `fd` is open on, from its start. `extension` is a hint. */
bool extract_run(struct extract *x, int fd, struct str extension, struct arena *a,
                 struct extract_document *out, struct err *e);
/* Ends the document that is being read; every later one fails. */
void extract_cancel(struct extract *x);
