#include "index/filter.h"

enum op { EQ, NE, GT, GTE, LT, LTE, IN, NIN, AND, OR, OPS };

static const char *const names[OPS] = {"eq",  "ne", "gt",  "gte", "lt",
                                       "lte", "in", "nin", "and", "or"};

struct operand {
    enum attribute_kind kind;
    struct str text;
    double number;
    bool is_date; /* a text that reads as a date, in `seconds` */
    double seconds;
};

struct filter {
    enum op op;
    struct str key;
    struct operand *value; /* of a comparison */
    const struct filter **inner;
    size_t n; /* values or inner filters */
};

/* ---- Parsing ---- */

struct parse {
    struct arena *a;
    size_t nodes;
    struct err *e;
};

static bool wrong(struct parse *p, const char *what)
{
    return err_param(p->e, ERR_INVALID, "filters", "%s", what);
}

static enum op op_of(struct json_value filter)
{
    struct json_value type = json_get(filter, "type");
    for (int i = 0; i < OPS; i++)
        if (json_text_is(type, names[i]))
            return (enum op)i;
    return OPS;
}

static bool digits(struct str *s, size_t n, int *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (i >= s->len || s->p[i] < '0' || s->p[i] > '9')
            return false;
        *out = *out * 10 + (s->p[i] - '0');
    }
    *s = str_from_at(*s, n);
    return true;
}

static bool skip(struct str *s, char c)
{
    if (!s->len || s->p[0] != c)
        return false;
    *s = str_from_at(*s, 1);
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar: years counted from March, so that the leap day
 * is the last of its year. */
static int64_t days(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool time_of_day(struct str *s, double *seconds)
{
    int hour, minute, second = 0;
    if (!digits(s, 2, &hour) || !skip(s, ':') || !digits(s, 2, &minute))
        return false;
    if (skip(s, ':') && !digits(s, 2, &second))
        return false;
    if (skip(s, '.'))
        while (s->len && s->p[0] >= '0' && s->p[0] <= '9')
            *s = str_from_at(*s, 1);
    *seconds = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second <= 60;
}

static bool zone(struct str *s, double *seconds)
{
    int hour, minute;
    *seconds = 0;
    if (!s->len || skip(s, 'Z'))
        return true;
    double sign = skip(s, '-') ? -1 : skip(s, '+') ? 1 : 0;
    if (sign == 0 || !digits(s, 2, &hour) || (skip(s, ':'), !digits(s, 2, &minute)))
        return false;
    *seconds = sign * (hour * 3600 + minute * 60);
    return true;
}

bool filter_date(struct str text, double *seconds)
{
    int year, month, day;
    double time = 0, offset = 0;
    struct str s = str_trim(text);
    if (!digits(&s, 4, &year) || !skip(&s, '-') || !digits(&s, 2, &month) || !skip(&s, '-') ||
        !digits(&s, 2, &day) || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    if (skip(&s, 'T') || skip(&s, ' '))
        if (!time_of_day(&s, &time) || !zone(&s, &offset))
            return false;
    *seconds = (double)days(year, month, day) * 86400 + time - offset;
    return s.len == 0;
}

static bool parse_value(struct parse *p, struct json_value v, struct operand *out)
{
    bool flag;
    if (++p->nodes > FILTER_NODES)
        return wrong(p, "a filter has at most 1,000 comparisons and values");
    *out = (struct operand){.kind = ATTRIBUTE_NUMBER};
    if (json_is(v, JSON_STRING)) {
        out->kind = ATTRIBUTE_TEXT;
        out->text = arena_copy(p->a, json_text(v, p->a));
        out->is_date = filter_date(out->text, &out->seconds);
    } else if (json_bool(v, &flag)) {
        out->kind = ATTRIBUTE_BOOL;
        out->number = flag;
    } else if (json_double(v, &out->number)) {
        out->is_date = true;
        out->seconds = out->number;
    } else {
        return wrong(p, "a 'value' must be a text, a number or a flag; of in and nin a list of "
                        "them");
    }
    return true;
}

static bool parse_comparison(struct parse *p, struct json_value v, struct filter *f)
{
    struct json_value key = json_get(v, "key"), value = json_get(v, "value");
    bool list = f->op == IN || f->op == NIN;
    if (!json_is(key, JSON_STRING))
        return wrong(p, "a comparison needs a 'key'");
    if (!json_exists(value) || json_is(value, JSON_ARRAY) != list)
        return wrong(p, "a comparison needs a 'value'; in and nin a list, others none");
    f->key = arena_copy(p->a, json_text(key, p->a));
    f->n = list ? json_count(value) : 1;
    if (f->n > FILTER_NODES)
        return wrong(p, "a filter has at most 1,000 comparisons and values");
    f->value = arena_array(p->a, struct operand, f->n);
    if (!list)
        return parse_value(p, value, f->value);
    size_t i = 0;
    json_each(it, value) if (!parse_value(p, it.value, &f->value[i++])) return false;
    return true;
}

static bool parse(struct parse *p, struct json_value v, int depth, const struct filter **out)
{
    struct filter *f = arena_struct(p->a, struct filter);
    struct json_value inner = json_get(v, "filters");
    *out = f;
    f->op = op_of(v);
    if (f->op == OPS)
        return wrong(p, "a filter's 'type' must be eq, ne, gt, gte, lt, lte, in, nin, and, or");
    if (f->op != AND && f->op != OR)
        return parse_comparison(p, v, f);
    if (depth >= FILTER_DEPTH)
        return wrong(p, "filters are nested too deep");
    if (!json_is(inner, JSON_ARRAY) || !json_count(inner))
        return wrong(p, "'and' and 'or' need a list 'filters'");
    p->nodes += json_count(inner);
    if (p->nodes > FILTER_NODES)
        return wrong(p, "a filter has at most 1,000 comparisons and values");
    f->inner = arena_array(p->a, const struct filter *, json_count(inner));
    json_each(it, inner) if (!parse(p, it.value, depth + 1, &f->inner[f->n++])) return false;
    return true;
}

bool filter_parse(const struct filter **out, struct arena *a, struct json_value v, struct err *e)
{
    *out = NULL;
    struct parse p = {.a = a, .e = e};
    if (!json_exists(v) || json_is(v, JSON_NULL))
        return true;
    if (parse(&p, v, 0, out))
        return true;
    *out = NULL;
    return false;
}

/* ---- Matching: each function sets the bits of the rows that match. ---- */

static void set(uint64_t *bits, uint32_t row)
{
    bits[row / 64] |= UINT64_C(1) << row % 64;
}

static bool holds(enum op op, int order)
{
    switch (op) {
    case EQ:
    case NE:
    case IN:
    case NIN: return order == 0;
    case GT: return order > 0;
    case GTE: return order >= 0;
    case LT: return order < 0;
    default: return order <= 0;
    }
}

static void match_numbers(const struct attribute_column *c, enum op op, double want, uint64_t *bits)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (holds(op, (c->number[i] > want) - (c->number[i] < want)))
            set(bits, c->row[i]);
}

/* The texts are sorted: where `want` stands or would stand tells the order of all of them. */
static void match_texts(const struct attribute_column *c, enum op op, struct str want,
                        uint64_t *bits)
{
    bool there;
    uint32_t place = attribute_place(c, want, &there);
    for (uint32_t i = 0; i < c->n; i++) {
        int order = c->text[i] < place ? -1 : c->text[i] > place || !there ? 1 : 0;
        if (holds(op, order))
            set(bits, c->row[i]);
    }
}

static void match_value(const struct attribute_block *b, const struct filter *f,
                        const struct operand *v, uint64_t *bits)
{
    struct attribute_column c;
    if (attribute_column(b, f->key, v->kind, &c)) {
        if (v->kind == ATTRIBUTE_TEXT)
            match_texts(&c, f->op, v->text, bits);
        else
            match_numbers(&c, f->op, v->number, bits);
    }
    if (v->is_date && attribute_column(b, f->key, ATTRIBUTE_DATE, &c))
        match_numbers(&c, f->op, v->seconds, bits);
}

static void match(const struct filter *f, const struct attribute_block *b, uint64_t *bits)
{
    uint64_t one[ATTRIBUTE_WORDS];
    bool negative = f->op == NE || f->op == NIN;
    for (uint32_t w = 0; w < ATTRIBUTE_WORDS; w++)
        bits[w] = f->op == AND ? UINT64_MAX : 0;
    for (size_t i = 0; i < f->n && f->inner; i++) {
        match(f->inner[i], b, one);
        for (uint32_t w = 0; w < ATTRIBUTE_WORDS; w++)
            bits[w] = f->op == AND ? bits[w] & one[w] : bits[w] | one[w];
    }
    for (size_t i = 0; i < f->n && !f->inner; i++)
        match_value(b, f, &f->value[i], bits);
    for (uint32_t w = 0; w < ATTRIBUTE_WORDS && negative; w++)
        bits[w] = ~bits[w];
}

void filter_apply(const struct filter *f, const struct attributes *v, struct docset *out)
{
    if (!f)
        return;
    CHECK(out->room == attributes_room(v));
    for (uint32_t i = 0; i < attributes_blocks(v); i++) {
        uint64_t bits[ATTRIBUTE_WORDS];
        match(f, attributes_block(v, i), bits);
        for (uint32_t w = 0; w < ATTRIBUTE_WORDS; w++)
            out->bits[(size_t)i * ATTRIBUTE_WORDS + w] &= bits[w];
    }
}
