/* live.h - an answer of GET /admin/live as a screen of text: rates and quantiles over the time
 * between two answers.
 *
 * Threads: any.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"

/* Up to `rows` lines of up to `columns` characters, each ended by a line feed. `old` NULL: since
 * the start of the service. */
void live_draw(struct buf *out, struct json_value now, const struct json_value *old, size_t rows,
               size_t columns);
