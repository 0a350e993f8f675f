#include "model/shape.h"
#include "base/json_scan.h"

/* ---- Learning ---- */

enum { DEPTH = 8 };

/* Keeps text[*from, to) as bytes around values. */
static bool keep(struct shape *s, const struct json *doc, uint32_t *from, uint32_t to)
{
    size_t n = to - *from;
    if (n > (size_t)SHAPE_BYTES - s->len)
        return false;
    memcpy(s->around + s->len, doc->text.p + *from, n);
    s->len += (uint16_t)n;
    *from = to;
    return true;
}

static bool add_value(struct shape *s, struct json_value v, uint32_t *from)
{
    const struct json_node *node = &v.doc->node[v.i];
    bool number = node->type == JSON_NUMBER;
    uint16_t before = s->len;
    if (s->n == SHAPE_VALUES || !keep(s, v.doc, from, node->at + !number))
        return false;
    s->value[s->n].before = (uint16_t)(s->len - before);
    s->value[s->n].number = number;
    s->value[s->n++].node = v.i;
    *from = node->end - !number;
    return true;
}

static bool add_all(struct shape *s, struct json_value v, int depth, uint32_t *from)
{
    if (json_is(v, JSON_STRING) || json_is(v, JSON_NUMBER))
        return add_value(s, v, from);
    if (depth == DEPTH)
        return false;
    json_each(it, v)
    {
        if (!add_all(s, it.value, depth + 1, from))
            return false;
    }
    return true;
}

bool shape_learn(struct shape *s, const struct json *doc)
{
    uint32_t from = 0;
    s->n = s->len = 0;
    bool good = add_all(s, json_root(doc), 0, &from) &&
                keep(s, doc, &from, (uint32_t)doc->text.len) && s->n > 0;
    if (!good)
        s->n = 0;
    return good;
}

size_t shape_place(const struct shape *s, struct json_value v)
{
    for (size_t i = 0; v.doc && i < s->n; i++)
        if (s->value[i].node == v.i)
            return i;
    return SHAPE_NONE;
}

/* ---- Reading ---- */

bool shape_read(const struct shape *s, struct str text, struct str value[SHAPE_VALUES])
{
    const char *p = text.p, *end = text.p + text.len, *around = s->around;
    for (size_t i = 0; i < s->n; i++) {
        size_t before = s->value[i].before;
        if ((size_t)(end - p) < before || !str_same(p, around, before))
            return false;
        p += before;
        around += before;
        const char *stop = s->value[i].number ? json_number_end(p, end) : json_string_end(p, end);
        if (!stop)
            return false;
        value[i] = str_span(p, stop);
        p = stop;
    }
    size_t rest = (size_t)(s->around + s->len - around);
    return s->n > 0 && (size_t)(end - p) == rest && str_same(p, around, rest);
}
