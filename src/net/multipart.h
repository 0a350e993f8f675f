/* multipart.h - multipart/form-data bodies, as uploads come.
 *
 * The whole body is in memory (its size has been limited at the door). Parts may come in any order;
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

/* `content_type` is the request's header, with the boundary. Fills at most `max` parts and sets *n.
 */
bool multipart_parse(struct str content_type, struct str body, struct arena *a,
                     struct multipart_part *part, size_t max, size_t *n, struct err *e);
