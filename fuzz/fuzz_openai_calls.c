/* Each line of an input is what a server says in one event: {"tool_calls": [...], "content": ...,
 * "reasoning_details": [...]}. However the pieces come: arguments follow their call, none of them
 * is lost or doubled, and a detail that was read can be written again. */
#include "model/openai_calls.h"
#include "model/reasoning.h"

struct check {
    struct chat_sink sink;
    bool open;          /* a call, and nothing behind it yet but arguments */
    size_t calls, text; /* text: bytes of arguments */
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct check *k = CONTAINER_OF(sink, struct check, sink);
    (void)e;
    if (ev->kind == CHAT_TOOL_CALL) {
        CHECK(ev->id.len > 0 && ev->name.len > 0);
        k->calls++;
        k->open = true;
    } else if (ev->kind == CHAT_ARGUMENTS) {
        CHECK(k->open && ev->text.len > 0);
        k->text += ev->text.len;
    } else {
        k->open = false;
    }
    return true;
}

static struct str member(struct json_value v, const char *name, struct arena *a)
{
    return json_text(json_get(v, name), a);
}

static bool take_calls(struct json_value list, struct openai_calls **calls, struct relay *r,
                       size_t *bytes, struct arena *a)
{
    int64_t i = 0;
    struct err e;
    json_each(it, list)
    {
        struct openai_call_piece p = {.index = i++,
                                      .id = member(it.value, "id", a),
                                      .name = member(it.value, "name", a),
                                      .arguments = member(it.value, "arguments", a)};
        json_int(json_get(it.value, "index"), &p.index);
        if (!openai_calls_take(calls, r, &p, &e)) {
            CHECK(e.code == ERR_UPSTREAM);
            return false;
        }
        *bytes += p.arguments.len;
    }
    return true;
}

static void write_again(struct json_value detail, struct arena *a)
{
    struct reasoning_detail d;
    struct json_writer w;
    struct json doc;
    struct buf b;
    if (!reasoning_read(detail, a, &d))
        return;
    const struct chat_part p = {.kind = d.words ? PART_THINKING : PART_REDACTED_THINKING,
                                .text = d.text,
                                .signature = d.signature,
                                .data = d.data};
    if (!reasoning_is_detail(&p))
        return;
    buf_init(&b, 1 << 24);
    json_begin(&w, &b);
    reasoning_put(&w, &p, 1, a);
    CHECK(json_parse(&doc, a, buf_str(&b), 0, NULL) && json_is(json_root(&doc), JSON_OBJECT));
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct provider provider = {.name = STR("p")};
    static const struct target target = {.provider = &provider};
    struct str rest = {(const char *)data, size}, line;
    struct arena *a = arena_new();
    struct check k = {.sink = {take}};
    struct call c = {.arena = a, .early = a};
    struct attempt at = {.call = &c, .target = &target, .sink = &k.sink, .said = &c.said};
    struct relay r = {.a = &at, .decode = true};
    struct openai_calls *calls = NULL;
    struct json doc;
    struct err e;
    size_t bytes = 0;
    bool good = true;
    relay_begin(&r);
    while (good && size > 0 && str_split(&rest, '\n', &line)) {
        if (!json_parse(&doc, a, line, 0, NULL))
            continue;
        struct json_value root = json_root(&doc);
        if (member(root, "content", a).len > 0) {
            openai_calls_interrupt(calls);
            relay_put(&r, &(struct chat_event){.kind = CHAT_TEXT, .text = STR("x")});
        }
        good = take_calls(json_get(root, "tool_calls"), &calls, &r, &bytes, a);
        json_each(it, json_get(root, "reasoning_details")) write_again(it.value, a);
    }
    openai_calls_end(calls, &r);
    CHECK(relay_flush(&r, &e) && (!good || k.text == bytes));
    relay_begin(&r);
    arena_free(a);
    return 0;
}
