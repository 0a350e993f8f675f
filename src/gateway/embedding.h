/* embedding.h - the vectors of an answer as the client wants them: numbers, or base64 of
 * little-endian 32-bit floats. Servers that know one form alone answer in it, whatever is asked.
 *
 * Both ways are exact: a number becomes the nearest 32-bit float, and a float the shortest number
 * that reads back as the same. All else of the answer stays byte for byte.
 *
 * Cost:    about 50 ns per number: for a worker.
 * Threads: any.
 */
#pragma once

#include "base/json.h"

bool embedding_fits(const struct json *answer, bool base64); /* nothing to do */
/* Appends the answer with each `data[i].embedding` in the form wanted. ERR_UPSTREAM: one of them is
 * none, or over the buffer's limit. */
bool embedding_convert(struct buf *out, const struct json *answer, bool base64, struct err *e);
