/* format.h - which reader a document needs: by its first bytes, then by its extension.
 *
 * Threads: any.
 */
#pragma once

#include "base/str.h"

enum format { FORMAT_UNSUPPORTED, FORMAT_TEXT, FORMAT_MARKDOWN, FORMAT_HTML, FORMAT_PDF };

/* TEXT is what nothing speaks against; whether the bytes are text, its reader finds out. */
enum format format_detect(struct str bytes, struct str extension);
