/* attach.h - files of ours that a request names by their id, in the form that its model takes.
 *
 *     input_file {file_id}, input_image {file_id}     of Responses
 *     file {file: {file_id}}                          of chats
 *
 * An image (PNG, JPEG, GIF, WebP) goes as an image. A PDF goes as it is where all models behind are
 * known to take one, else as its text. Everything else goes as text: what is UTF-8 as it stands,
 * but for HTML, which is read in the sandbox as are PDFs and other encodings.
 *
 * A response that is kept has the id, not the content. In a chat an id that is none of ours is the
 * provider's, and stays as it came.
 *
 * Errors:  with the path of the id in `param`: ERR_NOT_FOUND for what the caller may not read, just
 *          as for what is not there; ERR_INVALID for what is too large, too much, or unreadable.
 * Memory:  in call.early.
 * Threads: the fiber of the request. The sandbox reads one file at a time, so that workers are left
 *          for others.
 */
#pragma once

#include "gateway/member.h"
#include "gateway/request.h"

enum {
    ATTACH_MOST = 32 << 20,     /* bytes of one file */
    ATTACH_ALL_MOST = 64 << 20, /* of all of a request */
    ATTACH_FILES_MOST = 50,
};

/* A part of Responses: PART_FILE or PART_IMAGE with an id, which its content takes the place of. */
bool attach_part(struct request *r, struct chat_part *p, const struct member_at *at, struct err *e);
/* A chat that has been read and names files: its body is written anew and read again. */
bool attach_chat(struct request *r, struct err *e);

/* What bytes are to a model; "" for what is no image. */
struct str attach_image_type(struct str bytes);
