/* A chat completion of any bytes: it is refused, or read in full and said to a server of the same
 * protocol as JSON that is read again, with the same number of tools. */
#include "gateway/chat_read.h"
#include "model/openai_write.h"

static bool say(struct chat_request *r, struct arena *a, struct str *body)
{
    struct provider p = {.name = STR("p"), .vendor = vendor_find(STR("vllm"))};
    struct target target = {.provider = &p, .upstream = STR("u")};
    struct call c = {.arena = a, .early = a, .req = *r};
    struct attempt at = {.call = &c, .target = &target};
    struct err e = {0};
    bool good = openai_write(&at, body, &e);
    CHECK(good || (e.code != ERR_NONE && e.msg[0]));
    return good;
}

static bool read(struct chat_request *r, struct str text, struct arena *a)
{
    struct json doc;
    struct err e = {0};
    *r = (struct chat_request){0};
    if (!json_parse(&doc, a, text, JSON_UNIQUE, &e) || !json_is(json_root(&doc), JSON_OBJECT) ||
        !chat_read(r, &doc, a, &e))
        return false;
    bool good = r->expand(r, a, &e);
    CHECK(good || (e.code != ERR_NONE && e.param[0]));
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct chat_request first, again;
    struct str body;
    if (size < 1 << 20 && read(&first, (struct str){(const char *)data, size}, a) &&
        say(&first, a, &body)) {
        CHECK(read(&again, body, a));
        CHECK(again.options->n_tools == first.options->n_tools);
        CHECK(again.n_messages >= first.n_messages);
    }
    arena_free(a);
    return 0;
}
