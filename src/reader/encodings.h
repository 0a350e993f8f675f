/* encodings.h - the character tables of poppler-data, readable inside the sandbox.
 *
 * Poppler opens them by name while it works on a page with Chinese, Japanese or Korean fonts that
 * are not embedded with a Unicode table. They are mapped before the sandbox closes (mapped, not
 * read: a table that is not needed costs no memory), and this program's own fopen then answers from
 * the mappings and knows no other file.
 *
 * Threads: a process of one thread.
 */
#pragma once

#include <stddef.h>

/* Maps what is in the folder of poppler-data; that it is not installed is no error. Returns how
 * many tables there are. */
size_t encodings_prepare(void);
/* From here on fopen opens these tables only. */
void encodings_seal(void);
