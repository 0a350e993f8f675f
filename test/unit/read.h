/* read.h - runs a reader on text in a test and shows what it found, a line per block:
 *
 *     heading1 @3-3 "Title"
 */
#pragma once

#include "reader/readers.h"

typedef bool read_fn(struct blocks *b, struct str bytes, struct err *e);

/* All in `a`. "error: ..." when the reader fails. *facts: the object behind the blocks. */
static inline struct str read_show(struct arena *a, read_fn *fn, struct str bytes,
                                   struct json *facts)
{
    struct blocks b;
    struct err e = {0};
    struct str json = STR_NONE;
    blocks_init(&b, a, 64 << 20);
    bool good = fn(&b, bytes, &e) && blocks_end(&b, &json, &e);
    struct str copy = arena_copy(a, json);
    blocks_fini(&b);
    if (!good)
        return arena_printf(a, "error: %s", e.msg);
    struct json doc;
    if (!json_parse(&doc, a, copy, JSON_UNIQUE, &e))
        return arena_printf(a, "no JSON: %s", e.msg);
    if (facts)
        *facts = doc;
    struct buf out;
    buf_init(&out, 64 << 20);
    json_each(it, json_get(json_root(&doc), "blocks"))
    {
        int64_t level = 0, from = 0, to = 0, page = 0;
        json_int(json_get(it.value, "level"), &level);
        json_int(json_get(it.value, "page"), &page);
        json_int(json_get(it.value, "line_start"), &from);
        json_int(json_get(it.value, "line_end"), &to);
        buf_add(&out, json_text(json_get(it.value, "kind"), a));
        if (level)
            buf_int(&out, level);
        if (page)
            buf_printf(&out, " p%d", (int)page);
        if (from)
            buf_printf(&out, " @%d-%d", (int)from, (int)to);
        buf_printf(&out, " \"%.*s\"\n", STR_FMT(json_text(json_get(it.value, "text"), a)));
    }
    struct str shown = arena_copy(a, buf_str(&out));
    buf_fini(&out);
    return shown;
}

static inline struct str read_fact(struct arena *a, const struct json *facts, const char *path)
{
    return json_text(json_path(json_root(facts), path), a);
}
