/* shape.h - read a JSON text by its likeness to one before, without parsing it.
 *
 * The answers of a server, and the events of its streams, differ in a few strings and numbers: an
 * id, a word, a time. What they share is a shape: the bytes around those values. A text is read by
 * a shape when the bytes between its values are the same, each value is of the same type, and it is
 * well-formed; so it is JSON exactly as the text was that the shape was learnt from, and has the
 * same values in the same places.
 *
 * Cost:    some 25 instructions a value and 3 for 16 bytes in between, a tenth of parsing.
 * Memory:  a shape is a plain struct of about 1,200 bytes; it keeps none of the values.
 * Threads: one at a time.
 */
#pragma once

#include "base/json.h"

enum { SHAPE_VALUES = 24, SHAPE_BYTES = 1024, SHAPE_NONE = SHAPE_VALUES };

struct shape {
    uint16_t n;   /* values; 0: nothing was learnt */
    uint16_t len; /* of the bytes around them */
    struct {
        uint16_t before; /* bytes of `around` in front of it */
        bool number;     /* else a string, whose quotes are around it */
        uint32_t node;   /* in the document it was learnt from */
    } value[SHAPE_VALUES];
    char around[SHAPE_BYTES];
};

/* False, and nothing learnt: no values, more than fit, or nested too deep. */
bool shape_learn(struct shape *s, const struct json *doc);
/* Which of the values below is this one of the document that was learnt from? SHAPE_NONE for what
 * is neither a string nor a number. */
size_t shape_place(const struct shape *s, struct json_value v);
/* Fills value[0, n): numbers, and strings as they stand between their quotes. */
bool shape_read(const struct shape *s, struct str text, struct str value[SHAPE_VALUES]);
