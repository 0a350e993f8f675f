#include "model/shape.h"
#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

static bool is_plain(char c)
{
    return c != '"' && c != '\\' && (unsigned char)c >= 0x20;
}

/* The first byte that is a quote, a backslash or a control character, or `end`. Sets *high when
 * bytes from 0x80 on are in front of it. */
static const char *plain_end(const char *p, const char *end, bool *high)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i text = _mm_cmpeq_epi8(_mm_max_epu8(v, space), v);
        __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        unsigned stop = (unsigned)_mm_movemask_epi8(_mm_andnot_si128(mark, text)) ^ 0xFFFF;
        unsigned above = (unsigned)_mm_movemask_epi8(v);
        if (stop) {
            *high |= above && (above & ((stop & -stop) - 1));
            return p + __builtin_ctz(stop);
        }
        *high |= above != 0;
    }
#endif
    for (; p < end && is_plain(*p); p++)
        *high |= (unsigned char)*p >= 0x80;
    return p;
}

/* The quote that ends the string that begins at `from`, or NULL. */
static const char *string_end(const char *from, const char *end)
{
    bool high = false;
    const char *p = plain_end(from, end, &high);
    while (end - p >= 2 && *p == '\\') {
        if (!p[1] || !strchr("\"\\/bfnrt", p[1]))
            return NULL;
        p = plain_end(p + 2, end, &high);
    }
    if (p == end || *p != '"' || (high && !utf8_valid(str_span(from, p))))
        return NULL;
    return p;
}

/* What is behind one or more digits, or NULL. */
static const char *digits_end(const char *from, const char *end)
{
    const char *p = from;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == from ? NULL : p;
}

/* What is behind the number that begins at `from`, or NULL. */
static const char *number_end(const char *from, const char *end)
{
    from += from < end && *from == '-';
    const char *p = digits_end(from, end);
    if (!p || (*from == '0' && p > from + 1))
        return NULL;
    if (p < end && *p == '.')
        p = digits_end(p + 1, end);
    if (p && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '-' || *p == '+');
        p = digits_end(p, end);
    }
    return p;
}

bool shape_read(const struct shape *s, struct str text, struct str value[SHAPE_VALUES])
{
    const char *p = text.p, *end = text.p + text.len, *around = s->around;
    for (size_t i = 0; i < s->n; i++) {
        size_t before = s->value[i].before;
        if ((size_t)(end - p) < before || !str_same(p, around, before))
            return false;
        p += before;
        around += before;
        const char *stop = s->value[i].number ? number_end(p, end) : string_end(p, end);
        if (!stop)
            return false;
        value[i] = str_span(p, stop);
        p = stop;
    }
    size_t rest = (size_t)(s->around + s->len - around);
    return s->n > 0 && (size_t)(end - p) == rest && str_same(p, around, rest);
}
