/* A text that is read by the shape of another must be what the parser makes of it: JSON, with the
 * same tree, and each value the one that was read. An input is two texts with a NUL in between. */
#include "base/mem.h"
#include "model/shape.h"

#include <stdint.h>

static void compare(const struct shape *s, const struct json *was, const struct json *is,
                    const struct str *value)
{
    CHECK(was->n == is->n);
    for (uint32_t i = 0; i < is->n; i++) {
        struct json_value a = {was, i}, b = {is, i};
        CHECK(json_type(a) == json_type(b) && was->node[i].next == is->node[i].next);
        size_t place = shape_place(s, a);
        struct str raw = json_raw(b);
        if (place == SHAPE_NONE)
            CHECK(json_is(b, JSON_ARRAY) || json_is(b, JSON_OBJECT) || str_eq(raw, json_raw(a)));
        else if (json_is(b, JSON_STRING))
            CHECK(value[place].p == raw.p + 1 && value[place].len == raw.len - 2);
        else
            CHECK(value[place].p == raw.p && value[place].len == raw.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = memchr(data, 0, size);
    if (!cut || size > 1 << 16)
        return 0;
    struct arena *a = arena_new();
    struct str first = {(const char *)data, (size_t)(cut - data)};
    struct str rest = {(const char *)cut + 1, size - first.len - 1};
    struct str second = {mem_copy(rest.p, rest.len), rest.len}; /* a block of its own */
    struct str value[SHAPE_VALUES];
    struct json was, is;
    struct shape s;
    if (json_parse(&was, a, first, 0, NULL) && shape_learn(&s, &was) &&
        shape_read(&s, second, value)) {
        CHECK(json_parse(&is, a, second, 0, NULL));
        compare(&s, &was, &is, value);
    }
    mem_free((char *)second.p);
    arena_free(a);
    return 0;
}
