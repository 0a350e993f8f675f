/* json_scan_body.h - the scanner itself, to be included by one file per instruction set.
 *
 * The including file names SCAN, the scanner that it gets, and RUN, a json_run_fn of its own that
 * stands in front of the include.
 *
 * Chat bodies are long strings with little between them, so the strings decide. A run takes 64
 * bytes at a time to the closing quote; only when some byte was not ASCII is the string's span
 * given to utf8_valid, which is vectorised too. Brackets, numbers and literals are few and are read
 * byte by byte. The containers that are open form a list through `next` of their nodes, so there is
 * neither recursion nor a stack.
 */
#pragma once

#include "base/json_scan.h"
#include "base/utf8.h"

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind "\u" at p, or -1. */
static int hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* *p is a backslash; moves behind the escape. */
static enum json_fault skip_escape(const char **p, const char *end)
{
    if (end - *p < 2)
        return JSON_FAULT_CUT;
    switch ((*p)[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': *p += 2; return JSON_FAULT_NONE;
    case 'u': break;
    default: return JSON_FAULT_ESCAPE;
    }
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

/* *p is the opening quote; moves behind the closing one. */
static enum json_fault skip_string(const char **p, const char *end, uint8_t *escaped)
{
    const char *from = *p + 1, *q = from;
    bool high = false;
    for (;;) {
        q = RUN(q, end, &high);
        *p = q;
        if (q == end)
            return JSON_FAULT_CUT;
        if (*q == '"')
            break;
        if (*q != '\\')
            return JSON_FAULT_CONTROL;
        *escaped = 1;
        enum json_fault fault = skip_escape(&q, end);
        if (fault)
            return fault;
    }
    if (high && !utf8_valid(str_span(from, q))) {
        *p = from + utf8_valid_until(str_span(from, q));
        return JSON_FAULT_UTF8;
    }
    *p = q + 1;
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
    enum { NONE = UINT32_MAX };
    const char *p = s->text, *const end = s->end;
    uint32_t open = NONE, depth = 0; /* innermost open container; how many are open */
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
    if (open == NONE) {
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
