#include "gateway/config_part.h"

#include <stdio.h>

/* ---- Errors that point ---- */

static const struct yaml *entry_of(const struct yaml *root, const char *list, size_t i)
{
    const struct yaml *y = yaml_get(root, list);
    for (y = y ? y->child : NULL; y && i > 0; i--)
        y = y->next;
    return y;
}

/* The line of the key that the message begins with, in quotes; else where the map begins. */
static int line_of(const struct yaml *map, struct str message, struct arena *tmp)
{
    struct str rest = str_from_at(message, 1);
    size_t end = str_find_char(rest, '\'');
    const struct yaml *key = str_starts(message, STR("'")) && end != STR_NPOS
                                 ? yaml_get(map, arena_text(tmp, str_head(rest, end)))
                                 : NULL;
    return key ? key->key_line : map ? map->line : 1;
}

static int line_of_message(const struct yaml *map, const struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    int line = line_of(map, str_from(e->msg), tmp);
    arena_rewind(tmp, mark);
    return line;
}

bool config_entry_failed(const struct yaml *root, const char *file, const char *list, size_t i,
                         const char *what, struct str name, struct err *e)
{
    return err_prefix(e, "%s:%d: %s '%.*s': ", file, line_of_message(entry_of(root, list, i), e),
                      what, STR_FMT(name));
}

bool config_section_failed(const struct yaml *root, const char *file, const char *section,
                           struct err *e)
{
    const struct yaml *map = section ? yaml_get(root, section) : root;
    int line = line_of_message(map, e);
    return section ? err_prefix(e, "%s:%d: %s: ", file, line, section)
                   : err_prefix(e, "%s:%d: ", file, line);
}

bool config_wrong(const struct yaml *root, const char *file, const char *section, struct err *e,
                  const char *fmt, ...)
{
    char message[sizeof(e->msg)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    err_set(e, ERR_INVALID, "%s", message);
    return config_section_failed(root, file, section, e);
}

struct str config_nearest(const struct config *c, struct str name, config_name *at, const void *ctx)
{
    struct str nearest = STR_NONE, other;
    size_t best = 4; /* further off is no likeness */
    for (size_t i = 0; (other = at(ctx, i)).len > 0; i++) {
        size_t d = str_distance(name, other, best);
        if (d < best && d > 0) {
            best = d;
            nearest = other;
        }
    }
    return nearest.len > 0 ? arena_printf(c->arena, "; did you mean '%.*s'?", STR_FMT(nearest))
                           : nearest;
}
