/* A request of Anthropic's protocol of any bytes: it is refused with a reason, or read in full, and
 * then its parts are those of its messages. */
#include "gateway/messages_read.h"

static void check_parts(const struct chat_part *part, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CHECK(part[i].kind != PART_TOOL_CALL || part[i].text.len >= 2);
        CHECK(part[i].cache.len == 0 || part[i].cache.p[0] == '{');
        check_parts(part[i].part, part[i].n_parts);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct chat_request r = {.op = size % 2 ? OP_CHAT : OP_COUNT_TOKENS};
    struct json doc;
    struct err e = {0};
    if (json_parse(&doc, a, (struct str){(const char *)data, size}, JSON_UNIQUE, &e) &&
        json_is(json_root(&doc), JSON_OBJECT)) {
        bool good = messages_read(&r, &doc, a, &e);
        CHECK(good || (e.code != ERR_NONE && e.param[0]));
        if (good && r.expand(&r, a, &e)) {
            CHECK(r.options && r.n_messages > 0);
            for (size_t i = 0; i < r.n_messages; i++)
                check_parts(r.message[i].part, r.message[i].n_parts);
        } else {
            CHECK(e.code != ERR_NONE && e.param[0]);
        }
    }
    arena_free(a);
    return 0;
}
