/* yaml.h - read a YAML file as a tree that knows its lines, so that errors can point.
 *
 * Scalars stay text; the reader of a value decides its type. Aliases, tags, keys that are not text
 * or stand twice, NUL characters and a second document are refused: a configuration has no use for
 * them. Nesting up to 32, files up to 1 MB, UTF-8.
 *
 * Memory:  everything lives in the arena; a NUL that is not counted ends each text.
 * Threads: any. Source: YAML 1.1 as libyaml reads it.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct yaml {
    enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP } kind;
    struct str key;   /* in a map: this entry's name */
    struct str text;  /* of a scalar */
    bool quoted;      /* of a scalar: in quotes or a block: text whatever it looks like */
    int line, column; /* of the value, from 1 */
    int key_line;
    struct yaml *child, *next; /* first entry; next sibling */
};

/* False: ERR_INVALID with "file:line: ..." `file` is only shown. An empty file gives an empty map;
 * else the root may be of any kind. */
bool yaml_parse(struct yaml **out, struct arena *a, const char *file, struct str text,
                struct err *e);
/* NULL when it is not there, and when `map` is NULL or no map. */
struct yaml *yaml_get(const struct yaml *map, const char *key);
