/* json_scan_body.h - the scanner itself, to be included by one file per instruction set, which
 * names it SCAN, and its reader of one string STRING_END, and defines the function that does most
 * of the work:
 *
 *     static inline const char *run(const struct json_scan *s, const char *p, struct run *seen);
 *
 * It goes over the inside of a string and its simple escapes (all but \u), and returns the first
 * byte that is the closing quote, a control character, or a backslash with anything else behind it;
 * or the end. And for names and short values, which are most strings by number:
 *
 *     static inline bool near(const struct walk *w, size_t *i);
 *
 * Is the quote that closes the string whose inside begins at text[*i] not far, and all before it
 * ASCII without escapes? Then moves *i to it.
 *
 * Bodies are long strings with little between them, so there the strings decide; only when some
 * byte of one was not ASCII is its span given to utf8_valid, which is vectorised too. Answers and
 * events are names and short values, so there it is what an entry costs: the walk stays in
 * registers, an entry is written once, what is usual is asked first, and the rest is a function of
 * its own. The containers that are open form a list through `next` of their nodes, so there is
 * neither recursion nor a stack. To note the quotes of 64 bytes together and find the ends of
 * strings by these notes was tried: a tenth faster on an event and an answer, but a fifth more
 * instructions, and slower over long strings.
 *
 * Nor is the end asked for before every byte. A text from an opening bracket to a closing one,
 * white space aside, is `fenced`: nothing but the closing of a container moves behind the last
 * bracket, as strings are read with an eye on the end, and neither numbers nor words hold one. All
 * other texts are single scalars or at fault; json_scan_bare walks them and asks each time.
 */
#pragma once

#include "base/json_scan.h"
#include "base/utf8.h"

struct run {
    bool high;    /* a byte from 0x80 on was seen; it may stand shortly behind the result */
    bool escaped; /* an escape was passed */
};

enum { NEAR = 32 };

/* Given to functions that are inlined, so that all of it can be in registers. */
struct walk {
    const char *text;
    size_t len;
    ptrdiff_t far; /* the last place where NEAR bytes can be read; below 0: there is none */
    bool fenced;
    size_t i;             /* what is read next */
    struct json_node *to; /* what is written next */
    uint32_t n;           /* entries so far */
};

static inline const char *run(const struct json_scan *s, const char *p, struct run *seen);
static inline bool near(const struct walk *w, size_t *i);

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

__attribute__((noinline)) static size_t skip_space(const char *text, size_t i, size_t len)
{
    while (i < len && is_space(text[i]))
        i++;
    return i;
}

/* Is there a byte at text[i]? */
static inline bool has(const struct walk *w, size_t i)
{
    return w->fenced || i < w->len;
}

/* Is `c` what comes next? Moves over white space, which most often there is none of. */
static inline bool comes(struct walk *w, char c)
{
    if (has(w, w->i)) {
        if (w->text[w->i] == c)
            return true;
        if ((unsigned char)w->text[w->i] > ' ')
            return false;
    }
    w->i = skip_space(w->text, w->i, w->len);
    return w->i < w->len && w->text[w->i] == c;
}

static inline bool is_digit(const struct walk *w, size_t i)
{
    return has(w, i) && (unsigned char)(w->text[i] - '0') <= 9;
}

static inline size_t skip_digits(const struct walk *w, size_t i)
{
    while (is_digit(w, i))
        i++;
    return i;
}

/* Behind the number that starts at i, or 0. */
static inline size_t skip_number(const struct walk *w, size_t i)
{
    const char *const text = w->text;
    i += text[i] == '-';
    if (!is_digit(w, i))
        return 0;
    i = text[i] == '0' ? i + 1 : skip_digits(w, i + 1);
    if (has(w, i) && text[i] == '.') {
        if (!is_digit(w, ++i))
            return 0;
        i = skip_digits(w, i + 1);
    }
    if (has(w, i) && (text[i] | 0x20) == 'e') {
        i++;
        if (has(w, i) && (text[i] == '+' || text[i] == '-'))
            i++;
        if (!is_digit(w, i))
            return 0;
        i = skip_digits(w, i + 1);
    }
    return i;
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

/* Behind the quote that closes the string whose inside begins at p, or NULL: then s->at and
 * s->fault tell why. */
static const char *skip_string(struct json_scan *s, const char *p, bool *escaped)
{
    const char *const from = p, *const end = s->end;
    struct run seen = {0};
    for (;;) {
        p = run(s, p, &seen);
        if (p < end && *p == '"')
            break;
        s->at = p;
        s->fault = p == end ? JSON_FAULT_CUT : JSON_FAULT_CONTROL;
        if (p == end || *p != '\\')
            return NULL;
        seen.escaped = true;
        do { /* where all that is not ASCII is escaped, they stand in rows */
            s->fault = skip_unicode(&p, end);
            s->at = p;
            if (s->fault)
                return NULL;
        } while (end - p >= 2 && p[0] == '\\' && p[1] == 'u');
    }
    *escaped = seen.escaped;
    if (seen.high && !utf8_valid(str_span(from, p))) {
        s->at = from + utf8_valid_until(str_span(from, p));
        s->fault = JSON_FAULT_UTF8;
        return NULL;
    }
    return p + 1;
}

/* Writes the entry of a value of text[at, end) that holds no other. */
static inline void put(struct walk *w, size_t at, size_t end, enum json_type type, bool escaped)
{
    *w->to++ = (struct json_node){.at = (uint32_t)at,
                                  .end = (uint32_t)end,
                                  .next = ++w->n,
                                  .type = (uint16_t)type,
                                  .escaped = escaped};
}

/* As put_string. Apart, so that the usual string is inlined without this. */
__attribute__((noinline)) static size_t put_any_string(struct json_scan *s, size_t i, uint32_t n)
{
    bool escaped = false;
    const char *p = skip_string(s, s->text + i + 1, &escaped);
    if (!p)
        return 0;
    struct walk w = {.to = s->node + n, .n = n};
    put(&w, i, (size_t)(p - s->text), JSON_STRING, escaped);
    return (size_t)(p - s->text);
}

/* The opening quote of a string is next. False: s->at and s->fault tell why. */
static inline bool put_string(struct json_scan *s, struct walk *w)
{
    size_t quote = w->i + 1;
    if (__builtin_expect(near(w, &quote), 1)) {
        put(w, w->i, quote + 1, JSON_STRING, false);
        w->i = quote + 1;
        return true;
    }
    w->i = put_any_string(s, w->i, w->n++);
    w->to++;
    return w->i != 0;
}

/* Is it the word that is next? */
static inline bool put_word(struct walk *w, const char *word, size_t len, enum json_type type)
{
    if (w->len - w->i < len || memcmp(w->text + w->i, word, len) != 0)
        return false;
    put(w, w->i, w->i + len, type, false);
    w->i += len;
    return true;
}

/* A number or a word, if that is next. */
static inline bool put_scalar(struct walk *w)
{
    if (!has(w, w->i))
        return false;
    switch (w->text[w->i]) {
    case 'n': return put_word(w, "null", 4, JSON_NULL);
    case 't': return put_word(w, "true", 4, JSON_TRUE);
    case 'f': return put_word(w, "false", 5, JSON_FALSE);
    }
    size_t behind = skip_number(w, w->i);
    if (!behind)
        return false;
    put(w, w->i, behind, JSON_NUMBER, false);
    w->i = behind;
    return true;
}

static enum json_fault fail(struct json_scan *s, size_t i, enum json_fault fault)
{
    s->at = s->text + i;
    return s->at == s->end ? JSON_FAULT_CUT : fault;
}

/* Why there is no value at text[i]. */
static enum json_fault fail_value(struct json_scan *s, size_t i)
{
    char c = s->text + i < s->end ? s->text[i] : 0;
    return fail(s, i,
                c == '-' || (c >= '0' && c <= '9') ? JSON_FAULT_NUMBER
                : c == 'n' || c == 't' || c == 'f' ? JSON_FAULT_LITERAL
                                                   : JSON_FAULT_VALUE);
}

/* A bracket that opens is next. Containers are few, so what is known of them is in memory. */
static inline bool put_container(struct json_scan *s, struct walk *w)
{
    if (s->depth == JSON_DEPTH)
        return false;
    bool object = w->text[w->i] == '{';
    put(w, w->i, 0, object ? JSON_OBJECT : JSON_ARRAY, false);
    w->to[-1].next = s->open;
    s->open = w->n - 1;
    s->closing = object ? '}' : ']';
    s->depth++;
    w->i++;
    return true;
}

/* So is the one that closes. */
static inline void close_container(struct json_scan *s, struct walk *w)
{
    struct json_node *closed = &s->node[s->open];
    s->open = closed->next;
    s->closing = s->node[s->open].type == JSON_OBJECT ? '}' : ']';
    s->depth--;
    closed->next = w->n;
    closed->end = (uint32_t)++w->i;
}

__attribute__((always_inline)) static inline enum json_fault walk(struct json_scan *s, bool fenced)
{
    const size_t len = (size_t)(s->end - s->text);
    struct walk w = {s->text, len, (ptrdiff_t)len - NEAR, fenced, .to = s->node};

    for (;;) { /* an item of the open container comes next, or the whole */
        if (__builtin_expect(w.n + 2 > s->cap, 0)) {
            json_scan_grow(s, w.n);
            w.to = s->node + w.n;
        }
        if (s->closing == '}') {
            if (!comes(&w, '"'))
                return fail(s, w.i, JSON_FAULT_KEY);
            if (!put_string(s, &w))
                return s->fault;
            if (!comes(&w, ':'))
                return fail(s, w.i, JSON_FAULT_COLON);
            w.i++;
        }
        if (comes(&w, '"')) {
            if (!put_string(s, &w))
                return s->fault;
        } else if (has(&w, w.i) && (w.text[w.i] | 0x20) == '{') {
            if (!put_container(s, &w))
                return fail(s, w.i, JSON_FAULT_DEPTH);
            if (!comes(&w, s->closing))
                continue;
        } else if (!put_scalar(&w)) {
            return fail_value(s, w.i);
        }
        if (!fenced && s->depth == 0)
            break;
        while (!comes(&w, ',')) {
            if (w.i == len || w.text[w.i] != s->closing)
                return fail(s, w.i, JSON_FAULT_COMMA);
            close_container(s, &w);
            if (s->depth == 0)
                goto whole;
            if (w.i == len)
                return fail(s, len, JSON_FAULT_CUT);
        }
        w.i++;
    }
whole:
    s->n = w.n;
    w.i = skip_space(w.text, w.i, len);
    return w.i == len ? JSON_FAULT_NONE : fail(s, w.i, JSON_FAULT_BEHIND);
}

static bool is_fenced(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    while (p < end && is_space(end[-1]))
        end--;
    return p < end && (*p == '{' || *p == '[') && (end[-1] == '}' || end[-1] == ']');
}

enum json_fault SCAN(struct json_scan *s)
{
    return is_fenced(s->text, s->end) ? walk(s, true) : json_scan_bare(s);
}

const char *STRING_END(const char *p, const char *end)
{
    const ptrdiff_t len = end - p;
    const struct walk w = {.text = p, .len = (size_t)len, .far = len - NEAR};
    size_t quote = 0;
    if (near(&w, &quote))
        return p + quote;
    struct json_scan s = {.text = p, .end = end};
    bool escaped;
    const char *behind = skip_string(&s, p, &escaped);
    return behind ? behind - 1 : NULL;
}
