/* multipart.h - multipart/form-data bodies, as uploads come.
 *
 * The whole body is in memory (its size has been limited at the door). Parts may come in any order;
 * names may be quoted or not; a file name is reduced to its last component, without NUL.
 *
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

/* `content_type` is the request's header, with the boundary. At most `max` parts. False:
 * ERR_INVALID, with what is wrong. */
bool multipart_parse(struct str content_type, struct str body, struct arena *a,
                     struct multipart_part *part, size_t max, size_t *n, struct err *e);
