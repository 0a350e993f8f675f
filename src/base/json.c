#include "base/json.h"
#include "base/hash.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "base/utf8.h"

/* ---- Parsing ---- */

static const char *const fault_text[] = {
#define X(name, text) text,
    JSON_FAULTS(X)
#undef X
};

/* Of entry i, a name or another string, as it stands between its quotes. */
static inline struct str raw_name(const struct json *doc, uint32_t i)
{
    const struct json_node *node = &doc->node[i];
    return (struct str){doc->text.p + node->at + 1, node->end - node->at - 2};
}

static bool refuse_twice(const struct json *doc, uint32_t i, struct err *e)
{
    struct str name = json_raw((struct json_value){doc, i});
    return err_set(e, ERR_INVALID, "key %.*s stands twice in one object (byte %u)",
                   (int)size_min(name.len, 100), name.p, doc->node[i].at);
}

/* By a table of decoded names, so that a hostile body cannot cost the square of its length. */
static bool unique_many(const struct json *doc, uint32_t object, struct err *e)
{
    const struct json_node *node = doc->node;
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    size_t cap = 64, n = json_count((struct json_value){doc, object});
    while (cap < 2 * n)
        cap *= 2;
    struct str *seen = arena_array(tmp, struct str, cap);
    bool good = true;
    for (uint32_t i = object + 1; good && i < node[object].next; i = node[i + 1].next) {
        struct str name = json_text((struct json_value){doc, i}, tmp);
        size_t at = hash64(name) & (cap - 1);
        for (; good && seen[at].p; at = (at + 1) & (cap - 1))
            good = !str_eq(name, seen[at]) || refuse_twice(doc, i, e);
        seen[at] = name;
    }
    arena_rewind(tmp, mark);
    return good;
}

/* Few names, and without escapes, are compared as they stand. */
static bool unique_in(const struct json *doc, uint32_t object, struct err *e)
{
    enum { FEW = 16 };
    const struct json_node *node = doc->node;
    uint32_t n = 0;
    for (uint32_t i = object + 1; i < node[object].next; i = node[i + 1].next) {
        if (node[i].escaped || n++ == FEW)
            return unique_many(doc, object, e);
        struct str name = raw_name(doc, i);
        for (uint32_t j = object + 1; j < i; j = node[j + 1].next)
            if (node[j].end - node[j].at - 2 == name.len &&
                str_same(doc->text.p + node[j].at + 1, name.p, name.len))
                return refuse_twice(doc, i, e);
    }
    return true;
}

static bool unique_keys(const struct json *doc, struct err *e)
{
    const struct json_node *const node = doc->node;
    for (uint32_t i = 0, n = doc->n; i < n; i++)
        if (node[i].type == JSON_OBJECT && !unique_in(doc, i, e))
            return false;
    return true;
}

bool json_parse(struct json *out, struct arena *a, struct str text, unsigned flags, struct err *e)
{
    if (text.len > JSON_TEXT_MAX)
        return err_set(e, ERR_TOO_LARGE, "JSON text of %zu bytes is too large", text.len);
    if (text.len == 0)
        return err_set(e, ERR_SYNTAX, "not valid JSON at byte 0: the text is empty");
    struct json_scan s = {.text = text.p, .end = text.p + text.len, .arena = a};
    /* Chat bodies have an entry in some 100 bytes; answers are short and have more. */
    s.cap = (uint32_t)text.len / 64 + 48;
    s.node = (struct json_node *)arena_bytes(a, s.cap * sizeof(*s.node));
    enum json_fault fault = json_scan(&s);
    if (fault)
        return err_set(e, ERR_SYNTAX, "not valid JSON at byte %zu: %s", (size_t)(s.at - text.p),
                       fault_text[fault]);
    *out = (struct json){text, s.node, s.n};
    return !(flags & JSON_UNIQUE) || unique_keys(out, e);
}

/* ---- Looking ---- */

static const struct json_value nothing = {0};

static const struct json_node *node_of(struct json_value v)
{
    return &v.doc->node[v.i];
}

enum json_type json_type(struct json_value v)
{
    return v.doc ? (enum json_type)node_of(v)->type : JSON_NULL;
}

const char *json_type_name(enum json_type type)
{
    static const char *const name[] = {"null",   "boolean", "boolean", "number",
                                       "string", "array",   "object"};
    return name[type];
}

/* Which of n names entry `i` is, or n. Most differ in length, so most looks end there. */
static inline size_t which(const struct json *doc, uint32_t i, const struct str *name, size_t n)
{
    const struct str own = raw_name(doc, i);
    size_t k = 0;
    if (__builtin_expect(doc->node[i].escaped, 0))
        while (k < n && !json_text_is_str((struct json_value){doc, i}, name[k]))
            k++;
    else
        while (k < n && (name[k].len != own.len || !str_same(name[k].p, own.p, own.len)))
            k++;
    return k;
}

struct json_value json_member(struct json_value object, struct str name)
{
    if (!json_is(object, JSON_OBJECT))
        return nothing;
    const struct json_node *node = object.doc->node;
    for (uint32_t i = object.i + 1, end = node[object.i].next; i < end; i = node[i + 1].next)
        if (which(object.doc, i, &name, 1) == 0)
            return (struct json_value){object.doc, i + 1};
    return nothing;
}

void json_members(struct json_value object, const struct str *name, size_t n,
                  struct json_value *out)
{
    memset(out, 0, n * sizeof(*out));
    if (!json_is(object, JSON_OBJECT))
        return;
    const struct json_node *node = object.doc->node;
    for (uint32_t i = object.i + 1, end = node[object.i].next; i < end; i = node[i + 1].next) {
        size_t k = which(object.doc, i, name, n);
        if (k < n && !out[k].doc)
            out[k] = (struct json_value){object.doc, i + 1};
    }
}

struct json_value json_at(struct json_value array, uint32_t index)
{
    if (!json_is(array, JSON_ARRAY))
        return nothing;
    const struct json_node *node = array.doc->node;
    uint32_t i = array.i + 1, end = node[array.i].next;
    while (i < end && index-- > 0)
        i = node[i].next;
    return i < end ? (struct json_value){array.doc, i} : nothing;
}

struct json_value json_path(struct json_value v, const char *path)
{
    struct str rest = str_from(path), part;
    while (str_split(&rest, '.', &part)) {
        uint64_t index;
        if (!json_is(v, JSON_ARRAY))
            v = json_member(v, part);
        else if (str_to_u64(part, &index) && index < UINT32_MAX)
            v = json_at(v, (uint32_t)index);
        else
            return nothing;
    }
    return v;
}

uint32_t json_count(struct json_value v)
{
    uint32_t n = 0;
    json_each(it, v) n++;
    return n;
}

/* ---- Values ---- */

static uint32_t hex4(const char *p)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i] | 32; /* digits have this bit already */
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
}

/* Decodes the escape at *p, which the scanner has checked; returns the bytes written. */
static size_t unescape(char out[4], const char **p)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = (*p)[1];
    *p += 2;
    if (c != 'u') {
        const char *hit = strchr(from, c);
        out[0] = hit ? to[hit - from] : c;
        return 1;
    }
    uint32_t u = hex4(*p);
    *p += 4;
    if (u >= 0xD800 && u < 0xDC00) {
        u = 0x10000 + ((u - 0xD800) << 10) + (hex4(*p + 2) - 0xDC00);
        *p += 6;
    }
    return utf8_put(out, u);
}

/* What is between the quotes, as it stands. */
static struct str inside(struct json_value v)
{
    struct str raw = json_raw(v);
    return (struct str){raw.p + 1, raw.len - 2};
}

/* The functions below that are rarely called stay apart, so that the usual way saves nothing on the
 * stack. */
__attribute__((noinline)) static struct str decoded(struct str raw, struct arena *a)
{
    char *text = arena_bytes(a, raw.len), *to = text; /* decoding never makes it longer */
    const char *p = raw.p, *end = raw.p + raw.len;
    while (p < end) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));
        size_t n = (size_t)((stop ? stop : end) - p);
        memcpy(to, p, n);
        to += n;
        p += n;
        if (stop) {
            char c[4];
            n = unescape(c, &p);
            memcpy(to, c, n);
            to += n;
        }
    }
    return str_span(text, to);
}

struct str json_text(struct json_value v, struct arena *a)
{
    if (!json_is(v, JSON_STRING))
        return STR("");
    return node_of(v)->escaped ? decoded(inside(v), a) : inside(v);
}

__attribute__((noinline)) static bool decodes_to(struct str raw, struct str text)
{
    const char *p = raw.p, *end = raw.p + raw.len;
    size_t at = 0;
    while (p < end) {
        char c[4] = {*p};
        size_t n = 1;
        if (*p == '\\')
            n = unescape(c, &p);
        else
            p++;
        if (text.len - at < n || memcmp(text.p + at, c, n) != 0)
            return false;
        at += n;
    }
    return at == text.len;
}

bool json_text_is_str(struct json_value v, struct str text)
{
    if (!json_is(v, JSON_STRING))
        return false;
    return node_of(v)->escaped ? decodes_to(inside(v), text) : str_eq(inside(v), text);
}

bool json_text_is(struct json_value v, const char *text)
{
    return json_text_is_str(v, str_from(text));
}

/* Of a number with a fraction or an exponent, exactly: its digits without leading and trailing
 * zeros, and the power of ten that they are multiplied with. */
__attribute__((noinline)) static bool int_of_decimal(struct str s, int64_t *out)
{
    uint64_t digits = 0;
    int64_t power = 0, zeros = 0;
    bool minus = str_starts(s, STR("-")), fraction = false;
    size_t i = minus;
    for (; i < s.len && s.p[i] != 'e' && s.p[i] != 'E'; i++) {
        if (s.p[i] == '.') {
            fraction = true;
            continue;
        }
        power -= fraction;
        zeros++; /* this digit, if it is one, and the zeros in front of it */
        if (s.p[i] == '0')
            continue;
        for (; digits && zeros; zeros--)
            if (__builtin_mul_overflow(digits, 10, &digits))
                return false;
        if (__builtin_add_overflow(digits, (uint64_t)(s.p[i] - '0'), &digits))
            return false;
        zeros = 0;
    }
    int64_t exponent = 0;
    if (i < s.len) {
        struct str e = str_from_at(s, i + 1);
        e = str_starts(e, STR("+")) ? str_from_at(e, 1) : e;
        if (!str_to_i64(e, &exponent) || exponent > INT32_MAX || exponent < INT32_MIN)
            exponent = s.p[i + 1] == '-' ? INT32_MIN : INT32_MAX;
    }
    if (digits == 0) {
        *out = 0;
        return true;
    }
    power += exponent + zeros;
    if (power < 0 || power > 19)
        return false;
    for (; power; power--)
        if (__builtin_mul_overflow(digits, 10, &digits))
            return false;
    if (digits > (uint64_t)INT64_MAX + minus)
        return false;
    *out = minus ? (int64_t)(0 - digits) : (int64_t)digits;
    return true;
}

bool json_int(struct json_value v, int64_t *out)
{
    if (!json_is(v, JSON_NUMBER))
        return false;
    struct str raw = json_raw(v);
    return str_to_i64(raw, out) || int_of_decimal(raw, out);
}

bool json_double(struct json_value v, double *out)
{
    return json_is(v, JSON_NUMBER) && str_to_double(json_raw(v), out);
}

bool json_bool(struct json_value v, bool *out)
{
    *out = json_is(v, JSON_TRUE);
    return *out || json_is(v, JSON_FALSE);
}
