/* multipart.h - multipart/form-data bodies, as uploads come.
 *
 * A body is read from a window that its owner moves along, so that an upload of any size needs no
 * more memory than that; or in one go when it is in memory. Parts may come in any order;
 * parameters may be quoted or not. A file name may be raw UTF-8, percent-encoded (RFC 7578 section
 * 4.2) or given as `filename*` (RFC 8187), which wins; it is reduced to its last component (both
 * kinds of slash are cut), with "_" for control characters. It is a label, never a path.
 *
 * Strict: line ends are CR LF, the closing boundary must be there, each part has exactly one name,
 * header lines are not folded, contents are not encoded once more. What only begins like the
 * boundary is content.
 *
 * Errors:  ERR_MEDIA when the body is not of this type, ERR_LIMIT for too many parts, ERR_INVALID
 *          for the rest; the message says what is wrong.
 * Memory:  parts point into the body and the arena.
 * Threads: any. Source: RFC 7578, RFC 2046 section 5.1.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct multipart_part {
    struct str name, filename, content_type, content;
    bool has_filename;
};

/* ---- In one go. ---- */

/* `content_type` is the request's header, with the boundary. Fills at most `max` parts and sets *n.
 */
bool multipart_parse(struct str content_type, struct str body, struct arena *a,
                     struct multipart_part *part, size_t max, size_t *n, struct err *e);

/* ---- As it comes. ---- */

enum multipart_event {
    MULTIPART_BAD = -1,
    MULTIPART_MORE,    /* more bytes are needed behind those in *in */
    MULTIPART_PART,    /* a part begins: *part has all but its content */
    MULTIPART_CONTENT, /* a piece of its content is in part->content, and is gone from *in */
    MULTIPART_END      /* the closing boundary; what comes behind it is of no interest */
};

/* With a window of this size at least MULTIPART_MORE is never the answer when it is full. */
enum { MULTIPART_WINDOW = 32768 };

struct multipart {
    struct arena *a;
    struct str mark; /* CR LF "--" boundary */
    enum { MULTIPART_AT_START, MULTIPART_PREAMBLE, MULTIPART_HEAD, MULTIPART_IN_PART } state;
    size_t skip; /* of the content: the line end that belongs to the head */
    bool any;    /* a part has begun */
};

bool multipart_begin(struct multipart *m, struct str content_type, struct arena *a, struct err *e);
/* Looks at what has come and not yet been taken, *in, and takes some of it; `whole`: nothing comes
 * behind it. Heads live in the arena. */
enum multipart_event multipart_next(struct multipart *m, struct str *in, bool whole,
                                    struct multipart_part *part, struct err *e);
