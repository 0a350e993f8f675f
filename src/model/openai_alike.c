#include "model/openai_alike.h"
#include "model/openai_usage.h"
#include "model/shape.h"

enum { KNOWN = 8, DIGITS = 9 /* of numbers that are read: no token count nor index has more */ };

static _Thread_local struct known {
    struct shape shape;
    size_t index, text, model, reason; /* among the shape's values */
    size_t usage[OPENAI_USAGE_PARTS];
} known[OPENAI_KINDS][KNOWN];

_Static_assert(KNOWN == 1 << (64 - 61), "known_of has three bits");

/* Two that share a place learn in turn, which costs them time and nothing else. */
static struct known *known_of(const void *whose, enum openai_alike_kind kind)
{
    return &known[kind][((uint64_t)(uintptr_t)whose * UINT64_C(0x9E3779B97F4A7C15)) >> 61];
}

/* ---- Learning ---- */

static bool is_none(struct json_value v)
{
    return !json_exists(v) || json_is(v, JSON_NULL);
}

/* Says nothing but `content`, and maybe who speaks. */
static bool is_text_alone(struct json_value message)
{
    struct json_value content = json_get(message, "content");
    json_each(it, message)
    {
        bool other = it.value.i != content.i && !str_eq(it.name, STR("role"));
        bool empty = json_is(it.value, JSON_ARRAY) && json_count(it.value) == 0;
        if (other && !empty && !json_is(it.value, JSON_NULL))
            return false;
    }
    return json_is(content, JSON_STRING);
}

static bool is_number_or_none(struct json_value v)
{
    return json_is(v, JSON_NUMBER) || is_none(v);
}

static bool is_usual_chunk(struct json_value root, struct json_value choice)
{
    return is_none(json_get(root, "usage")) && is_none(json_get(choice, "finish_reason")) &&
           is_text_alone(json_get(choice, "delta"));
}

static bool is_usual_whole(struct json_value root, struct json_value choice)
{
    struct json_value part[OPENAI_USAGE_PARTS];
    openai_usage_find(json_get(root, "usage"), part);
    for (size_t i = 0; i < OPENAI_USAGE_PARTS; i++)
        if (!is_number_or_none(part[i]))
            return false;
    return json_is(json_get(choice, "finish_reason"), JSON_STRING) &&
           !json_exists(json_get(choice, "delta")) && is_text_alone(json_get(choice, "message"));
}

static bool is_usual(struct json_value root, struct json_value choice, enum openai_alike_kind kind)
{
    return json_count(json_get(root, "choices")) == 1 && is_none(json_get(root, "error")) &&
           json_is(json_get(root, "model"), JSON_STRING) && is_none(json_get(choice, "error")) &&
           is_number_or_none(json_get(choice, "index")) &&
           (kind == OPENAI_CHUNK ? is_usual_chunk : is_usual_whole)(root, choice);
}

void openai_alike_learn(const void *whose, enum openai_alike_kind kind, const struct json *doc)
{
    struct known *k = known_of(whose, kind);
    struct json_value root = json_root(doc), choice = json_at(json_get(root, "choices"), 0);
    struct json_value part[OPENAI_USAGE_PARTS];
    if (!is_usual(root, choice, kind) || !shape_learn(&k->shape, doc))
        return;
    const char *message = kind == OPENAI_CHUNK ? "delta" : "message";
    k->index = shape_place(&k->shape, json_get(choice, "index"));
    k->text = shape_place(&k->shape, json_get(json_get(choice, message), "content"));
    k->model = shape_place(&k->shape, json_get(root, "model"));
    k->reason = shape_place(&k->shape, json_get(choice, "finish_reason"));
    openai_usage_find(json_get(root, "usage"), part);
    for (size_t i = 0; i < OPENAI_USAGE_PARTS; i++)
        k->usage[i] = shape_place(&k->shape, part[i]);
}

/* ---- Reading ---- */

/* Nothing is 0; false for what is not at most DIGITS alone. */
static bool read_number(struct str digits, int64_t *n)
{
    *n = 0;
    if (digits.len > DIGITS)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
        *n = *n * 10 + (digits.p[i] - '0');
    }
    return true;
}

static bool read_usage(const struct known *k, const struct str *value, struct openai_alike *out)
{
    int64_t n[OPENAI_USAGE_PARTS];
    out->usage_known =
        k->usage[OPENAI_INPUT] != SHAPE_NONE && k->usage[OPENAI_OUTPUT] != SHAPE_NONE;
    if (!out->usage_known)
        return true;
    for (size_t i = 0; i < OPENAI_USAGE_PARTS; i++)
        if (!read_number(value[k->usage[i]], &n[i]))
            return false;
    out->usage = openai_usage_of(n);
    return true;
}

/* Means what it looks like, so that it can be compared as it stands. */
static bool is_plain(struct str inside)
{
    return str_find_char(inside, '\\') == STR_NPOS;
}

bool openai_alike_read(const void *whose, enum openai_alike_kind kind, struct str data,
                       struct openai_alike *out)
{
    const struct known *k = known_of(whose, kind);
    struct str value[SHAPE_VALUES + 1];
    if (!shape_read(&k->shape, data, value))
        return false;
    value[SHAPE_NONE] = STR_NONE;
    out->text = value[k->text];
    out->model = value[k->model];
    struct str reason = value[k->reason];
    return read_number(value[k->index], &out->index) && read_usage(k, value, out) &&
           is_plain(out->model) && is_plain(reason) && !str_eq(reason, STR("error"));
}

struct str openai_alike_renamed(const struct openai_alike *s, struct str data, struct str model,
                                struct arena *a)
{
    struct str front = str_span(data.p, s->model.p - 1);
    struct str back = str_from_at(data, front.len + s->model.len + 2);
    char *text = arena_bytes(a, front.len + model.len + back.len), *at = text;
    at = mempcpy(at, front.p, front.len);
    at = mempcpy(at, model.p, model.len);
    at = mempcpy(at, back.p, back.len);
    return str_span(text, at);
}
