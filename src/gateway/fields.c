#include "gateway/fields.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

struct filling {
    struct arena *arena;
    const char *file;
    struct err *e;
};

__attribute__((format(printf, 3, 4))) static bool wrong(const struct filling *g, int line,
                                                        const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str what = arena_vprintf(g->arena, fmt, args);
    va_end(args);
    return err_set(g->e, ERR_INVALID, "%s:%d: %.*s", g->file, line, STR_FMT(what));
}

/* Replaces each ${NAME}. */
static bool expand(const struct filling *g, int line, struct str in, struct str *out)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    size_t at;
    while ((at = str_find(in, STR("${"))) != STR_NPOS) {
        size_t end = str_find_char(str_from_at(in, at), '}');
        if (end == STR_NPOS) {
            buf_fini(&b);
            return wrong(g, line, "'${' without '}'");
        }
        const char *name = arena_text(g->arena, str_head(str_from_at(in, at + 2), end - 2));
        const char *value = getenv(name);
        if (!value) {
            buf_fini(&b);
            return wrong(g, line, "the environment variable '%s' is not set", name);
        }
        buf_add(&b, str_head(in, at));
        buf_add(&b, str_from(value));
        in = str_from_at(in, at + end + 1);
    }
    buf_add(&b, in);
    *out = arena_copy(g->arena, buf_str(&b));
    buf_fini(&b);
    return true;
}

static bool read_secret(const struct filling *g, int line, struct str *text)
{
    if (!str_starts(*text, STR("file:")))
        return true;
    const char *path = arena_text(g->arena, str_from_at(*text, 5));
    struct err why;
    if (!file_read(text, g->arena, path, 64 << 10, &why))
        return wrong(g, line, "%s", why.msg);
    *text = str_trim(*text);
    return true;
}

static const struct unit {
    const char *name;
    int64_t factor;
} byte_units[] = {{"", 1}, {"B", 1}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}},
  time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};

static bool parse_units(struct str text, const struct unit *unit, size_t n, int64_t *out)
{
    size_t digits = 0;
    while (digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    struct str name = str_trim(str_from_at(text, digits));
    int64_t number;
    if (!str_to_i64(str_head(text, digits), &number))
        return false;
    for (size_t i = 0; i < n; i++)
        if (str_ieq(name, str_from(unit[i].name)))
            return !__builtin_mul_overflow(number, unit[i].factor, out);
    return false;
}

static bool parse_bool(struct str text, bool *out)
{
    *out = str_eq(text, STR("true"));
    return *out || str_eq(text, STR("false"));
}

static const char *type_hint(enum field_type type)
{
    switch (type) {
    case FIELD_BOOL: return "true or false";
    case FIELD_COUNT: return "a whole number";
    case FIELD_BYTES: return "a size such as 64 MB";
    case FIELD_DURATION: return "a time such as 500ms, 30s or 10m";
    case FIELD_REAL: return "a number";
    case FIELD_TEXT: return "a text";
    case FIELD_SECRET: return "a text, or file:PATH";
    case FIELD_TEXTS: return "a text or a list of texts";
    case FIELD_SECRETS: return "a text, or file:PATH, or a list of them";
    case FIELD_STRUCT: return "a map";
    case FIELD_STRUCTS: return "a list of maps";
    }
    return "";
}

static bool fill_scalar(const struct filling *g, const struct field *f, void *at, struct str text,
                        int line)
{
    int64_t number = 0;
    double real = 0;
    bool good = true, ranged = false;
    if (!expand(g, line, text, &text))
        return false;
    switch (f->type) {
    case FIELD_TEXT: *(struct str *)at = text; break;
    case FIELD_SECRET: *(struct str *)at = text; return read_secret(g, line, at);
    case FIELD_BOOL: good = parse_bool(text, at); break;
    case FIELD_REAL: ranged = good = str_to_double(text, &real); break;
    case FIELD_COUNT: ranged = good = str_to_i64(text, &number); break;
    case FIELD_BYTES:
        ranged = good = parse_units(text, byte_units, COUNT(byte_units), &number);
        break;
    case FIELD_DURATION:
        ranged = good = parse_units(text, time_units, COUNT(time_units), &number);
        break;
    case FIELD_TEXTS:
    case FIELD_SECRETS:
    case FIELD_STRUCT:
    case FIELD_STRUCTS: CHECK(false);
    }
    if (!good)
        return wrong(g, line, "'%s' is '%.*s'; it must be %s", f->name, STR_FMT(text),
                     type_hint(f->type));
    if (!ranged)
        return true;
    bool is_real = f->type == FIELD_REAL;
    if (!is_real)
        real = (double)number;
    if (f->most > 0 && (real < (double)f->least || real > (double)f->most))
        return wrong(g, line, "'%s' is %.*s; it must lie between %jd and %jd%s", f->name,
                     STR_FMT(text), (intmax_t)f->least, (intmax_t)f->most,
                     f->type == FIELD_DURATION ? " ms" : "");
    if (is_real)
        *(double *)at = real;
    else
        *(int64_t *)at = number;
    return true;
}

/* An array and, right behind its pointer, how many there are: so stand FIELD_TEXTS and
 * FIELD_STRUCTS in their structs. */
struct list_slot {
    void *array;
    size_t n;
};

static size_t count_children(const struct yaml *y)
{
    size_t n = 0;
    for (const struct yaml *c = y->child; c; c = c->next)
        n++;
    return n;
}

static bool fill_texts(const struct filling *g, const struct field *f, struct list_slot *slot,
                       const struct yaml *y)
{
    bool list = y->kind == YAML_LIST;
    slot->n = list ? count_children(y) : 1;
    struct str *text = slot->array = arena_array(g->arena, struct str, slot->n);
    for (const struct yaml *c = list ? y->child : y; c; c = list ? c->next : NULL) {
        if (c->kind != YAML_SCALAR)
            return wrong(g, c->line, "'%s' must be %s", f->name, type_hint(f->type));
        if (!expand(g, c->line, c->text, text) ||
            (f->type == FIELD_SECRETS && !read_secret(g, c->line, text)))
            return false;
        text++;
    }
    return true;
}

static bool fill_struct(const struct filling *g, const struct fields *f, void *to,
                        const struct yaml *map);

static bool fill_structs(const struct filling *g, const struct field *f, struct list_slot *slot,
                         const struct yaml *y)
{
    if (y->kind != YAML_LIST)
        return wrong(g, y->line, "'%s' must be %s", f->name, type_hint(f->type));
    slot->n = count_children(y);
    slot->array = arena_alloc_array(g->arena, slot->n, f->inner->size);
    char *to = slot->array;
    for (const struct yaml *c = y->child; c; c = c->next, to += f->inner->size)
        if (!fill_struct(g, f->inner, to, c))
            return false;
    return true;
}

static bool fill_field(const struct filling *g, const struct field *f, void *at,
                       const struct yaml *y)
{
    switch (f->type) {
    case FIELD_STRUCT: return fill_struct(g, f->inner, at, y);
    case FIELD_STRUCTS: return fill_structs(g, f, at, y);
    case FIELD_TEXTS:
    case FIELD_SECRETS: return fill_texts(g, f, at, y);
    default:
        if (y->kind != YAML_SCALAR)
            return wrong(g, y->line, "'%s' must be %s", f->name, type_hint(f->type));
        return fill_scalar(g, f, at, y->text, y->line);
    }
}

static bool fill_default(const struct filling *g, const struct field *f, void *at)
{
    if (f->type == FIELD_STRUCT)
        return fill_struct(g, f->inner, at, NULL);
    if (!f->preset)
        return true;
    if (f->type != FIELD_TEXTS)
        return fill_scalar(g, f, at, str_from(f->preset), 0);
    struct str *text = arena_struct(g->arena, struct str);
    *text = str_from(f->preset);
    *(struct list_slot *)at = (struct list_slot){text, 1};
    return true;
}

static const struct field *find(const struct fields *f, struct str name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(name, str_from(f->field[i].name)))
            return &f->field[i];
    return NULL;
}

static bool unknown(const struct filling *g, const struct fields *f, const struct yaml *y)
{
    const char *nearest = NULL;
    size_t best = 4; /* further off is no likeness */
    for (size_t i = 0; i < f->n; i++) {
        size_t d = str_distance(y->key, str_from(f->field[i].name), best);
        if (d < best) {
            best = d;
            nearest = f->field[i].name;
        }
    }
    return wrong(g, y->key_line, "unknown key '%.*s' in %s%s%s%s", STR_FMT(y->key), f->name,
                 nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool fill_struct(const struct filling *g, const struct fields *f, void *to,
                        const struct yaml *map)
{
    for (size_t i = 0; i < f->n; i++)
        if (!fill_default(g, &f->field[i], (char *)to + f->field[i].at))
            return false;
    if (!map)
        return true;
    if (map->kind != YAML_MAP)
        return wrong(g, map->line, "%s must be a map", f->name);
    for (const struct yaml *y = map->child; y; y = y->next) {
        const struct field *field = find(f, y->key);
        if (!field)
            return unknown(g, f, y);
        const struct yaml *first = yaml_get(map, field->name);
        if (first != y)
            return wrong(g, y->key_line, "'%s' stands twice in %s, first in line %d", field->name,
                         f->name, first->key_line);
        if (!fill_field(g, field, (char *)to + field->at, y))
            return false;
    }
    for (size_t i = 0; i < f->n; i++)
        if (f->field[i].required && !yaml_get(map, f->field[i].name))
            return wrong(g, map->line, "%s needs '%s'", f->name, f->field[i].name);
    return true;
}

bool fields_fill(const struct fields *f, void *to, const struct yaml *map, struct arena *a,
                 const char *file, struct err *e)
{
    struct filling g = {a, file, e};
    return fill_struct(&g, f, to, map);
}

void fields_reference(const struct fields *f, const char *title, struct buf *out)
{
    buf_printf(out, "## %s\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n",
               title);
    for (size_t i = 0; i < f->n; i++) {
        const struct field *d = &f->field[i];
        const char *preset = d->inner ? "see below" : d->required ? "required" : "none";
        if (d->preset)
            buf_printf(out, "| `%s` | %s | `%s` | %s |\n", d->name, type_hint(d->type), d->preset,
                       d->doc);
        else
            buf_printf(out, "| `%s` | %s | %s | %s |\n", d->name, type_hint(d->type), preset,
                       d->doc);
    }
    buf_add(out, STR("\n"));
    for (size_t i = 0; i < f->n; i++)
        if (f->field[i].inner)
            fields_reference(f->field[i].inner, f->field[i].name, out);
}
