/* work_json.h - json_parse, on a worker when the text is long.
 *
 * The scanner takes about 1 ns per byte, and lists of numbers several, so a long text would hold up
 * its loop.
 *
 * Threads: as work_run.
 */
#pragma once

#include "base/json.h"

enum { WORK_JSON_LONG = 64 << 10 }; /* bytes */

bool work_json_parse(struct json *out, struct arena *a, struct str text, unsigned flags,
                     struct err *e);
