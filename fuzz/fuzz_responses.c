/* A request of OpenAI's Responses of any bytes: it is refused with a reason, or read in full; and
 * what would be kept of it is read again as the conversation that it was. */
#include "gateway/responses_read.h"

static void check_parts(const struct chat_part *part, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CHECK(part[i].kind <= PART_REDACTED_THINKING);
        check_parts(part[i].part, part[i].n_parts);
    }
}

/* A reference is found in nothing. */
static bool find_nothing(void *ctx, struct str id, struct json_value *item, struct err *e)
{
    (void)ctx, (void)item;
    return err_set(e, ERR_NOT_FOUND, "there is no item '%.*s'", STR_FMT(str_head(id, 64)));
}

static void check_kept(const struct responses *q, struct arena *a)
{
    struct responses_items again = {.a = a};
    struct err e = {0};
    struct json_writer w;
    struct json doc;
    struct buf b;
    const struct member_at at = member_at(NULL, STR("input"));
    size_t items = 0;
    again.e = &e;
    buf_init(&b, 64 << 20);
    json_begin(&w, &b);
    responses_items_write(&q->items, &w, STR("token"));
    CHECK(json_parse(&doc, a, arena_copy(a, buf_str(&b)), 0, &e));
    buf_fini(&b);
    json_each(it, json_root(&doc))
    {
        CHECK(json_is(json_get(it.value, "id"), JSON_STRING));
        CHECK(responses_items_one(&again, it.value, &at));
        items++;
    }
    CHECK(items == (q->items.n_items ? q->items.n_items : 1));
    size_t before = q->instructions.len > 0;
    CHECK(again.n == q->items.n - before);
    for (size_t i = 0; i < again.n; i++) {
        const struct chat_message *was = &q->items.message[i + before], *is = &again.message[i];
        CHECK(was->role == is->role && was->n_parts == is->n_parts && str_eq(was->text, is->text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct chat_request r = {.op = OP_CHAT};
    struct responses q = {0};
    struct json doc;
    struct err e = {0};
    if (json_parse(&doc, a, (struct str){(const char *)data, size}, JSON_UNIQUE, &e) &&
        json_is(json_root(&doc), JSON_OBJECT)) {
        bool good = responses_read(&r, &doc, &q, a, &e);
        CHECK(good || (e.code != ERR_NONE && e.param[0]));
        q.items.find = find_nothing;
        if (good && responses_read_input(&r, &q)) {
            CHECK(r.options && r.n_messages > 0);
            for (size_t i = 0; i < r.n_messages; i++)
                check_parts(r.message[i].part, r.message[i].n_parts);
            check_kept(&q, a);
        } else {
            CHECK(e.code != ERR_NONE && e.param[0]);
        }
    }
    arena_free(a);
    return 0;
}
