/* banned.h - calls that go wrong too easily become compile errors.
 *
 * Force-included into every file of src/ by the build. Use base/buf.h and base/str.h for text,
 * base/clock.h for times, base/mem.h for memory.
 */
#pragma once

#ifndef __ASSEMBLER__ /* the build gives it to assembly files too */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* clang's fortified headers make macros of these two. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok gets atoi atol atof
#pragma GCC poison gmtime localtime ctime asctime

#endif
