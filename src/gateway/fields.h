/* fields.h - a struct described as a table, filled from a YAML map, with errors that point.
 *
 * Memory:  what is filled in lives in the arena given.
 * Threads: any.
 */
#pragma once

#include "base/buf.h"
#include "base/yaml.h"

enum field_type {
    FIELD_TEXT,     /* struct str */
    FIELD_SECRET,   /* struct str; "file:PATH" reads it from a file */
    FIELD_BOOL,     /* bool */
    FIELD_COUNT,    /* int64_t, a whole number */
    FIELD_BYTES,    /* int64_t, "512", "64 KB", "1 GB" (powers of 1024) */
    FIELD_DURATION, /* int64_t in ms, "500ms", "30s", "10m", "1h" */
    FIELD_REAL,     /* double */
    FIELD_TEXTS,    /* struct str * and size_t behind it: one text or a list */
    FIELD_SECRETS,  /* the same of secrets */
    FIELD_STRUCT,   /* a map, into a struct inside */
    FIELD_STRUCTS,  /* a list of maps: pointer and size_t behind it */
};

struct field {
    const char *name;
    enum field_type type;
    size_t at;          /* offset in the struct */
    const char *preset; /* default, as it would stand in the file; NULL = none */
    const char *doc;    /* one sentence or two */
    bool required;
    int64_t least, most;        /* for numbers, when most > 0 */
    const struct fields *inner; /* of FIELD_STRUCT and FIELD_STRUCTS */
};

struct fields {
    const char *name; /* for messages: "a provider" */
    size_t size;      /* of one struct, for FIELD_STRUCTS */
    const struct field *field;
    size_t n;
};

/* Fills *to, defaults first. `map` NULL sets defaults alone (required fields are then not asked
 * for). ${NAME} in a text is replaced from the environment; a name that is not set is an error. */
bool fields_fill(const struct fields *f, void *to, const struct yaml *map, struct arena *a,
                 const char *file, struct err *e);
/* A Markdown table for each struct in the tree. */
void fields_reference(const struct fields *f, const char *title, struct buf *out);
