/* upload.h - a form with a file in it, read as it comes: the bytes go to disk, not into memory.
 *
 *     upload_read     until the closing boundary; parts in any order
 *     ...             the caller looks at the fields
 *     upload_commit   makes the blob complete and visible
 *     upload_end      always, last: takes away what was not committed
 *
 * Errors:  those of the form, ERR_INVALID with the part's name for one that is there twice,
 *          ERR_TOO_LARGE, ERR_FULL.
 * Memory:  in the request's arena; a window of some 256 KB for the body.
 * Threads: the fiber of the request; a worker writes.
 */
#pragma once

#include "gateway/request.h"

enum { UPLOAD_FIELDS = 15, UPLOAD_VALUE = 1024 /* bytes */ };

struct upload {
    struct str id, filename; /* of the part "file" */
    bool has_file, has_filename;
    bool committed;
    uint64_t bytes;
    char sha256[65]; /* set by commit */
    struct upload_field {
        struct str name, value;
    } field[UPLOAD_FIELDS]; /* the other parts */
    size_t n_fields;
    struct blob_writer *writer; /* private */
};

bool upload_read(struct request *r, struct upload *u, struct err *e);
/* NULL: there is none. */
const struct str *upload_field(const struct upload *u, struct str name);
bool upload_commit(struct upload *u, struct err *e);
void upload_end(struct upload *u);
