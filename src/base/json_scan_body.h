/* json_scan_body.h - the scanner itself, to be included by one file per instruction set, which
 * names it SCAN and defines the function that does most of the work:
 *
 *     static inline const char *run(const char *p, const char *end, struct run *seen);
 *
 * It goes over the inside of a string and its simple escapes (all but \u), and returns the first
 * byte that is the closing quote, a control character, or a backslash with anything else behind it;
 * or `end`. And for names and short values, which are most strings by number:
 *
 *     static inline const char *near(const char *p, const char *end);
 *
 * The quote that closes the string whose inside begins at p, when it is not far and all before it
 * is ASCII without escapes; else NULL.
 *
 * Chat bodies are long strings with little between them, so the strings decide. Only when some byte
 * of a string was not ASCII is its span given to utf8_valid, which is vectorised too. Brackets,
 * numbers and literals are few and are read byte by byte. The containers that are open form a list
 * through `next` of their nodes, so there is neither recursion nor a stack.
 */
#pragma once

#include "base/json_scan.h"
#include "base/utf8.h"

struct run {
    bool high;    /* a byte from 0x80 on was seen; it may stand shortly behind the result */
    bool escaped; /* an escape was passed */
};

static inline const char *run(const char *p, const char *end, struct run *seen);
static inline const char *near(const char *p, const char *end);

static inline const char *skip_space(const char *p, const char *end)
{
    /* most often there is none, which the first comparison tells */
    while (p < end && (unsigned char)*p <= ' ' &&
           (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const char *p, const char *end)
{
    while (is_digit(p, end))
        p++;
    return p;
}

/* Behind the number that starts at p, or NULL. */
static const char *skip_number(const char *p, const char *end)
{
    if (*p == '-')
        p++;
    if (!is_digit(p, end))
        return NULL;
    p = *p == '0' ? p + 1 : skip_digits(p, end);
    if (p < end && *p == '.') {
        if (!is_digit(++p, end))
            return NULL;
        p = skip_digits(p, end);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, end))
            return NULL;
        p = skip_digits(p, end);
    }
    return p;
}

/* The four digits of the "\u" at p, or -1. */
static int hex4(const char *p, const char *end)
{
    /* One more than the digit's value; 0 for all others. */
    static const uint8_t hex[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    };
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    int a = hex[(uint8_t)p[2]] - 1, b = hex[(uint8_t)p[3]] - 1, c = hex[(uint8_t)p[4]] - 1,
        d = hex[(uint8_t)p[5]] - 1;
    return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

/* *p is a backslash with no simple escape; moves behind it when it is a good "\u". */
static enum json_fault skip_unicode(const char **p, const char *end)
{
    if (end - *p < 2)
        return JSON_FAULT_CUT;
    int unit = hex4(*p, end);
    if (unit < 0)
        return JSON_FAULT_ESCAPE;
    if (unit >= 0xD800 && unit < 0xE000) {
        int low = unit < 0xDC00 ? hex4(*p + 6, end) : -1;
        if (low < 0xDC00 || low >= 0xE000)
            return JSON_FAULT_SURROGATE;
        *p += 6;
    }
    *p += 6;
    return JSON_FAULT_NONE;
}

static enum json_fault skip_any_string(const char **p, const char *end, uint8_t *escaped)
{
    const char *from = *p + 1, *q = from;
    struct run seen = {0};
    for (;;) {
        q = run(q, end, &seen);
        if (q < end && *q == '"')
            break;
        *p = q;
        if (q == end)
            return JSON_FAULT_CUT;
        if (*q != '\\')
            return JSON_FAULT_CONTROL;
        seen.escaped = true;
        do { /* where all that is not ASCII is escaped, they stand in rows */
            enum json_fault fault = skip_unicode(p, end);
            if (fault)
                return fault;
        } while (end - *p >= 2 && (*p)[0] == '\\' && (*p)[1] == 'u');
        q = *p;
    }
    *escaped = seen.escaped;
    if (seen.high && !utf8_valid(str_span(from, q))) {
        *p = from + utf8_valid_until(str_span(from, q));
        return JSON_FAULT_UTF8;
    }
    *p = q + 1;
    return JSON_FAULT_NONE;
}

/* *p is the opening quote; moves behind the closing one, or to the fault. */
static inline enum json_fault skip_string(const char **p, const char *end, uint8_t *escaped)
{
    const char *quote = near(*p + 1, end);
    if (!quote)
        return skip_any_string(p, end, escaped);
    *p = quote + 1;
    return JSON_FAULT_NONE;
}

static bool skip_literal(const char **p, const char *end, enum json_type *type)
{
    static const struct {
        const char *text;
        uint8_t len, type;
    } literals[] = {{"null", 4, JSON_NULL}, {"true", 4, JSON_TRUE}, {"false", 5, JSON_FALSE}};
    for (size_t i = 0; i < 3; i++) {
        if ((size_t)(end - *p) < literals[i].len || memcmp(*p, literals[i].text, literals[i].len))
            continue;
        *p += literals[i].len;
        *type = literals[i].type;
        return true;
    }
    return false;
}

static inline struct json_node *add(struct json_scan *s, const char *p, enum json_type type,
                                    uint32_t depth)
{
    if (__builtin_expect(s->n == s->cap, 0))
        json_scan_grow(s);
    struct json_node *node = &s->node[s->n++];
    *node = (struct json_node){.at = (uint32_t)(p - s->text),
                               .next = s->n,
                               .type = (uint8_t)type,
                               .depth = (uint16_t)depth};
    return node;
}

enum json_fault SCAN(struct json_scan *s)
{
    const uint32_t none = UINT32_MAX;
    const char *p = s->text, *const end = s->end;
    uint32_t open = none, depth = 0; /* innermost open container; how many are open */
    enum json_fault fault = JSON_FAULT_NONE;
    struct json_node *node;
    enum json_type type;

value:
    p = skip_space(p, end);
    if (p == end)
        goto cut;
    switch (*p) {
    case '{':
    case '[':
        if (depth == JSON_DEPTH) {
            fault = JSON_FAULT_DEPTH;
            goto fail;
        }
        node = add(s, p, *p == '{' ? JSON_OBJECT : JSON_ARRAY, depth++);
        node->next = open;
        open = s->n - 1;
        p = skip_space(p + 1, end);
        if (p == end)
            goto cut;
        if (*p == (node->type == JSON_OBJECT ? '}' : ']'))
            goto close;
        if (node->type == JSON_OBJECT)
            goto key;
        goto value;
    case '"':
        node = add(s, p, JSON_STRING, depth);
        fault = skip_string(&p, end, &node->escaped);
        if (fault)
            goto fail;
        break;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': {
        const char *behind = skip_number(p, end);
        if (!behind) {
            fault = JSON_FAULT_NUMBER;
            goto fail;
        }
        node = add(s, p, JSON_NUMBER, depth);
        p = behind;
        break;
    }
    case 't':
    case 'f':
    case 'n':
        node = add(s, p, JSON_NULL, depth);
        if (!skip_literal(&p, end, &type)) {
            fault = JSON_FAULT_LITERAL;
            goto fail;
        }
        node->type = (uint8_t)type;
        break;
    default: fault = JSON_FAULT_VALUE; goto fail;
    }
    node->end = (uint32_t)(p - s->text);

next: /* a value has ended at p */
    p = skip_space(p, end);
    if (open == none) {
        if (p == end)
            return JSON_FAULT_NONE;
        fault = JSON_FAULT_BEHIND;
        goto fail;
    }
    if (p == end)
        goto cut;
    node = &s->node[open];
    if (*p == ',') {
        p = skip_space(p + 1, end);
        if (node->type == JSON_OBJECT)
            goto key;
        goto value;
    }
    if (*p != (node->type == JSON_OBJECT ? '}' : ']')) {
        fault = JSON_FAULT_COMMA;
        goto fail;
    }

close: /* p is at the bracket that ends node[open] */
    p++;
    node = &s->node[open];
    open = node->next;
    node->next = s->n;
    node->end = (uint32_t)(p - s->text);
    depth--;
    goto next;

key: /* white space has been skipped */
    if (p == end)
        goto cut;
    if (*p != '"') {
        fault = JSON_FAULT_KEY;
        goto fail;
    }
    node = add(s, p, JSON_STRING, depth);
    fault = skip_string(&p, end, &node->escaped);
    if (fault)
        goto fail;
    node->end = (uint32_t)(p - s->text);
    p = skip_space(p, end);
    if (p == end)
        goto cut;
    if (*p != ':') {
        fault = JSON_FAULT_COLON;
        goto fail;
    }
    p++;
    goto value;

cut:
    fault = JSON_FAULT_CUT;
fail:
    s->at = p;
    return fault;
}
