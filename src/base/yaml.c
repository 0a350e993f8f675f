#include "base/yaml.h"
#include "base/map.h"
#include "base/mem.h"

#include <yaml.h>

enum { DEPTH = 32, TEXT_MAX = 1 << 20 };

struct reading {
    yaml_parser_t parser;
    struct arena *arena;
    const char *file;
    struct str text;
    struct err *e;
};

static bool refuse(const struct reading *r, size_t line, const char *what)
{
    return err_set(r->e, ERR_INVALID, "%s:%zu: %s", r->file, line, what);
}

/* Does the indent of this line, from 1, hold a tab? libyaml says it less plainly. */
static bool tab_indents(struct str text, size_t line)
{
    struct str part = STR_NONE;
    while (line-- > 0)
        if (!str_split(&text, '\n', &part))
            return false;
    size_t i = 0;
    while (i < part.len && part.p[i] == ' ')
        i++;
    return i < part.len && part.p[i] == '\t';
}

/* Bytes that are no text are found before there are lines to count. */
static size_t line_of(struct str text, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < text.len; i++)
        line += text.p[i] == '\n';
    return line;
}

static bool syntax(const struct reading *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->error == YAML_READER_ERROR)
        return refuse(r, line_of(r->text, p->problem_offset), problem);
    size_t line = p->problem_mark.line + 1;
    if (tab_indents(r->text, line))
        return refuse(r, line, "a tab stands in the indent; use spaces");
    if (!p->context)
        return refuse(r, line, problem);
    return err_set(r->e, ERR_INVALID, "%s:%zu: %s, %s that begins in line %zu", r->file, line,
                   problem, p->context, p->context_mark.line + 1);
}

/* The next event; the caller deletes it. Anchors and tags are refused here, whatever bears them. */
static bool next(struct reading *r, yaml_event_t *ev)
{
    if (!yaml_parser_parse(&r->parser, ev))
        return syntax(r);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        anchor = ev->data.scalar.anchor;
        tag = ev->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = ev->data.sequence_start.anchor;
        tag = ev->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = ev->data.mapping_start.anchor;
        tag = ev->data.mapping_start.tag;
        break;
    default: break;
    }
    bool good = true;
    if (anchor || ev->type == YAML_ALIAS_EVENT)
        good = refuse(r, ev->start_mark.line + 1, "anchors (&) and aliases (*) are not supported");
    else if (tag)
        good = refuse(r, ev->start_mark.line + 1, "tags (!) are not supported");
    if (!good)
        yaml_event_delete(ev);
    return good;
}

static bool read_value(struct reading *r, const yaml_event_t *ev, int depth, struct yaml **out);

static bool read_list(struct reading *r, struct yaml *list, int depth)
{
    struct yaml **end = &list->child;
    for (;;) {
        yaml_event_t ev;
        if (!next(r, &ev))
            return false;
        bool last = ev.type == YAML_SEQUENCE_END_EVENT;
        bool good = last || read_value(r, &ev, depth + 1, end);
        yaml_event_delete(&ev);
        if (last || !good)
            return good;
        end = &(*end)->next;
    }
}

/* A key and its value. `seen` has the entries so far by their keys. */
static bool read_entry(struct reading *r, const yaml_event_t *key, struct map *seen, int depth,
                       struct yaml **out)
{
    struct yaml *name;
    yaml_event_t ev;
    size_t line = key->start_mark.line + 1;
    if (key->type != YAML_SCALAR_EVENT)
        return refuse(r, line, "a key must be plain text");
    if (!read_value(r, key, depth, &name))
        return false;
    struct yaml *before = map_get(seen, name->text);
    if (before)
        return err_set(r->e, ERR_INVALID, "%s:%zu: key '%s' stands twice, first in line %d",
                       r->file, line, name->text.p, before->key_line);
    if (!next(r, &ev))
        return false;
    bool good = read_value(r, &ev, depth, out);
    yaml_event_delete(&ev);
    if (!good)
        return false;
    (*out)->key = name->text;
    (*out)->key_line = name->line;
    map_set(seen, name->text, *out);
    return true;
}

static bool read_map(struct reading *r, struct yaml *map, int depth)
{
    struct map seen;
    struct yaml **end = &map->child;
    bool good = true, last = false;
    map_init_borrowing(&seen);
    while (good && !last) {
        yaml_event_t ev;
        good = next(r, &ev);
        if (!good)
            break;
        last = ev.type == YAML_MAPPING_END_EVENT;
        if (!last) {
            good = read_entry(r, &ev, &seen, depth + 1, end);
            end = good ? &(*end)->next : end;
        }
        yaml_event_delete(&ev);
    }
    map_fini(&seen);
    return good;
}

static bool read_value(struct reading *r, const yaml_event_t *ev, int depth, struct yaml **out)
{
    size_t line = ev->start_mark.line + 1;
    if (depth > DEPTH)
        return refuse(r, line, "nested too deep");
    struct yaml *y = arena_struct(r->arena, struct yaml);
    y->line = (int)line;
    y->column = (int)ev->start_mark.column + 1;
    *out = y;
    if (ev->type == YAML_SEQUENCE_START_EVENT) {
        y->kind = YAML_LIST;
        return read_list(r, y, depth);
    }
    if (ev->type == YAML_MAPPING_START_EVENT) {
        y->kind = YAML_MAP;
        return read_map(r, y, depth);
    }
    CHECK(ev->type == YAML_SCALAR_EVENT);
    struct str text = {(const char *)ev->data.scalar.value, ev->data.scalar.length};
    if (str_find_char(text, 0) != STR_NPOS)
        return refuse(r, line, "a NUL character has no place in a configuration");
    y->text = arena_copy(r->arena, text);
    y->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return true;
}

/* Stream start, one document or none, stream end. */
static bool read_stream(struct reading *r, struct yaml **out)
{
    bool any = false;
    *out = arena_struct(r->arena, struct yaml);
    **out = (struct yaml){.kind = YAML_MAP, .line = 1, .column = 1};
    for (;;) {
        yaml_event_t ev;
        if (!next(r, &ev))
            return false;
        bool good = true, last = ev.type == YAML_STREAM_END_EVENT;
        if (ev.type == YAML_DOCUMENT_START_EVENT) {
            if (any)
                good = refuse(r, ev.start_mark.line + 1, "a second document begins here");
            any = true;
        } else if (!last && ev.type != YAML_STREAM_START_EVENT &&
                   ev.type != YAML_DOCUMENT_END_EVENT) {
            good = read_value(r, &ev, 1, out);
        }
        yaml_event_delete(&ev);
        if (last || !good)
            return good;
    }
}

/* "---" alone, or only comments behind it, reads as an empty scalar. */
static bool says_nothing(const struct yaml *y)
{
    return y->kind == YAML_SCALAR && y->text.len == 0 && !y->quoted;
}

bool yaml_parse(struct yaml **out, struct arena *a, const char *file, struct str text,
                struct err *e)
{
    struct reading r = {.arena = a, .file = file, .text = text, .e = e};
    if (text.len > TEXT_MAX)
        return err_set(e, ERR_INVALID, "%s: larger than %d bytes", file, TEXT_MAX);
    CHECK(yaml_parser_initialize(&r.parser));
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.len);
    bool good = read_stream(&r, out);
    yaml_parser_delete(&r.parser);
    if (good && says_nothing(*out))
        (*out)->kind = YAML_MAP;
    return good;
}

struct yaml *yaml_get(const struct yaml *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    struct yaml *y = map->child;
    while (y && !str_eq(y->key, str_from(key)))
        y = y->next;
    return y;
}
