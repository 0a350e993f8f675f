/* An answer that is read by its likeness to another must say what parsing it says, and be a usual
 * one itself. An input is a digit (0: chunks, 1: whole answers) and two texts with a NUL in
 * between. */
#include "base/mem.h"
#include "model/openai_alike.h"
#include "model/openai_usage.h"

#include <stdint.h>

static struct str inside(struct json_value v)
{
    struct str raw = json_raw(v);
    CHECK(json_is(v, JSON_STRING));
    return (struct str){raw.p + 1, raw.len - 2};
}

static bool is_same(struct str a, struct str b)
{
    return a.p == b.p && a.len == b.len;
}

static void compare(const struct openai_alike *like, enum openai_alike_kind kind,
                    const struct json *doc)
{
    struct json_value root = json_root(doc), choice = json_path(root, "choices.0");
    struct json_value message = json_get(choice, kind == OPENAI_CHUNK ? "delta" : "message");
    struct chat_usage u = {0};
    int64_t index = 0;
    json_int(json_get(choice, "index"), &index);
    CHECK(like->index == index && is_same(like->model, inside(json_get(root, "model"))) &&
          is_same(like->text, inside(json_get(message, "content"))) &&
          !json_text_is(json_get(choice, "finish_reason"), "error") &&
          json_is(json_get(choice, "finish_reason"), JSON_STRING) == (kind == OPENAI_WHOLE));
    CHECK(openai_usage_read(json_get(root, "usage"), &u) == like->usage_known);
    CHECK(!like->usage_known ||
          (u.input == like->usage.input && u.output == like->usage.output &&
           u.cached == like->usage.cached && u.cache_write == like->usage.cache_write &&
           u.reasoning == like->usage.reasoning && !like->usage.counted));
}

/* Behind a small one, so that what came before does not matter. */
static void learn(const void *whose, enum openai_alike_kind kind, struct str text, struct arena *a)
{
    static const struct str small[OPENAI_KINDS] = {
        [OPENAI_CHUNK] = STR_INIT("{\"model\":\"\",\"choices\":[{\"delta\":{\"content\":\"\"}}]}"),
        [OPENAI_WHOLE] = STR_INIT("{\"model\":\"\",\"choices\":[{\"message\":{\"content\":\"\"},"
                                  "\"finish_reason\":\"\"}]}")};
    struct json doc;
    CHECK(json_parse(&doc, a, small[kind], 0, NULL));
    openai_alike_learn(whose, kind, &doc);
    if (json_parse(&doc, a, text, 0, NULL))
        openai_alike_learn(whose, kind, &doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char whose = 0;
    const uint8_t *cut = memchr(data, 0, size);
    if (!cut || cut == data || size > 1 << 16)
        return 0;
    enum openai_alike_kind kind = data[0] == '1' ? OPENAI_WHOLE : OPENAI_CHUNK;
    struct arena *a = arena_new();
    struct str first = {(const char *)data + 1, (size_t)(cut - data) - 1};
    struct str rest = {(const char *)cut + 1, size - first.len - 2};
    struct str second = {mem_copy(rest.p, rest.len), rest.len}; /* a block of its own */
    struct openai_alike like;
    struct json doc;
    learn(&whose, kind, first, a);
    if (openai_alike_read(&whose, kind, second, &like)) {
        CHECK(json_parse(&doc, a, second, 0, NULL));
        compare(&like, kind, &doc);
        learn(&whose, kind, second, a);
        CHECK(openai_alike_read(&whose, kind, second, &like));
    }
    mem_free((char *)second.p);
    arena_free(a);
    return 0;
}
