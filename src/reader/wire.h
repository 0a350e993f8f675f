/* wire.h - what passes between penstock and penstock-reader, and nothing else does.
 *
 * penstock starts the reader with a SOCK_SEQPACKET socket as its standard input. For each document
 * it sends one struct wire_request, and with it two descriptors: the document, open for reading,
 * and the write end of a pipe. The reader forks a child for it, which closes everything but these
 * two, enters the sandbox, writes one JSON object to the pipe and ends; the reader then sends one
 * struct wire_reply. No path, no file name and no setting of ours crosses the socket.
 *
 * The object is either {"error": "what is wrong with the document"} or
 *
 *     {"blocks": [{"kind": "heading", "level": 2, "text": "...", "page": 1,
 *                  "line_start": 10, "line_end": 12}, ...],
 *      "format": "pdf", "title": "...", "author": "...", "language": "de", "pages": 3,
 *      "meta": {"date": "..."}}
 *
 * with the blocks in reading order. `level` stands in headings (1 is the highest), `page` (from 1)
 * in paged formats, the lines (from 1, both included) in text formats; title, author, language and
 * pages only when the document says them. Formats are "text", "markdown", "html" and "pdf". Text is
 * UTF-8; lines inside a block end with "\n".
 *
 * Closing the socket ends the reader and the document it is at.
 */
#pragma once

#include <stdint.h>

/* kind, and how it is called in the object */
#define WIRE_KINDS(X)                                                                              \
    X(HEADING, "heading")                                                                          \
    X(PARA, "para")                                                                                \
    X(LIST, "list")                                                                                \
    X(TABLE, "table") /* a line per row: "| a | b |" */                                            \
    X(CODE, "code")                                                                                \
    X(QUOTE, "quote")

#define X(name, text) WIRE_##name,
enum wire_kind { WIRE_KINDS(X) WIRE_KIND_COUNT };
#undef X

enum { WIRE_MAGIC = 0x31525350 }; /* "PSR1": the two binaries are of one version */

struct wire_request {
    uint32_t magic;
    char extension[20];  /* of the file's name, without the dot; ended by NUL; a hint */
    uint64_t memory;     /* bytes of address space that the child may have */
    uint64_t max_result; /* bytes of the JSON object */
    int64_t timeout_ms;  /* wall time; as much CPU time */
};

/* How the child ended. */
#define WIRE_ENDS(X)                                                                               \
    X(DONE, "the reader is done")                                                                  \
    X(TIME, "the reader ran out of time")                                                          \
    X(MEMORY, "the reader ran out of memory")                                                      \
    X(FORBIDDEN, "the reader was stopped: forbidden system call")                                  \
    X(CHANGED, "the file was cut short while it was read")                                         \
    X(CRASHED, "the reader crashed")                                                               \
    X(REFUSED, "the reader could not enter its sandbox")

#define X(name, text) WIRE_##name,
enum wire_end { WIRE_ENDS(X) WIRE_END_COUNT };
#undef X

struct wire_reply {
    int32_t end;    /* enum wire_end */
    int32_t signal; /* that ended it, 0 when none did */
    int64_t cpu_us; /* of the child */
};
