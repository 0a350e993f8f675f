#include "model/openai_chunk.h"
#include "model/shape.h"

enum { KNOWN = 8, INDEX_DIGITS = 4 };

static _Thread_local struct known {
    struct shape shape;
    size_t index, text, model; /* among the shape's values */
} known[KNOWN];

_Static_assert(KNOWN == 1 << (64 - 61), "known_of has three bits");

/* Two that share a place learn in turn, which costs them time and nothing else. */
static struct known *known_of(const void *whose)
{
    return &known[((uint64_t)(uintptr_t)whose * UINT64_C(0x9E3779B97F4A7C15)) >> 61];
}

static bool is_none(struct json_value v)
{
    return !json_exists(v) || json_is(v, JSON_NULL);
}

/* Says nothing but `content`, and maybe who speaks. */
static bool is_text_alone(struct json_value delta)
{
    struct json_value content = json_get(delta, "content");
    json_each(it, delta)
    {
        bool other = it.value.i != content.i && !str_eq(it.name, STR("role"));
        if (other && !json_is(it.value, JSON_NULL))
            return false;
    }
    return json_is(content, JSON_STRING);
}

static bool is_usual(struct json_value root, struct json_value choice)
{
    struct json_value index = json_get(choice, "index");
    return json_count(json_get(root, "choices")) == 1 && is_none(json_get(root, "error")) &&
           is_none(json_get(root, "usage")) && json_is(json_get(root, "model"), JSON_STRING) &&
           (json_is(index, JSON_NUMBER) || !json_exists(index)) &&
           is_none(json_get(choice, "error")) && is_none(json_get(choice, "finish_reason")) &&
           is_text_alone(json_get(choice, "delta"));
}

void openai_chunk_learn(const void *whose, const struct json *doc)
{
    struct known *k = known_of(whose);
    struct json_value root = json_root(doc), choice = json_at(json_get(root, "choices"), 0);
    if (!is_usual(root, choice) || !shape_learn(&k->shape, doc))
        return;
    k->index = shape_place(&k->shape, json_get(choice, "index"));
    k->text = shape_place(&k->shape, json_get(json_get(choice, "delta"), "content"));
    k->model = shape_place(&k->shape, json_get(root, "model"));
}

bool openai_chunk_read(const void *whose, struct str data, struct openai_chunk *out)
{
    const struct known *k = known_of(whose);
    struct str value[SHAPE_VALUES];
    if (!shape_read(&k->shape, data, value))
        return false;
    *out = (struct openai_chunk){.text = value[k->text], .model = value[k->model]};
    struct str index = k->index == SHAPE_NONE ? STR_NONE : value[k->index];
    for (size_t i = 0; i < index.len && i < INDEX_DIGITS; i++)
        out->index = out->index * 10 + (index.p[i] - '0');
    return index.len < INDEX_DIGITS;
}

struct str openai_chunk_renamed(const struct openai_chunk *c, struct str data, struct str model,
                                struct arena *a)
{
    struct str front = str_span(data.p, c->model.p - 1);
    struct str back = str_from_at(data, front.len + c->model.len + 2);
    char *text = arena_bytes(a, front.len + model.len + back.len), *at = text;
    at = mempcpy(at, front.p, front.len);
    at = mempcpy(at, model.p, model.len);
    at = mempcpy(at, back.p, back.len);
    return str_span(text, at);
}
