/* Bodies about vector stores: what is read, what is refused, and under which name. */
#include "gateway/store_fields.h"

#include "tap.h"

static struct arena *a;
static struct err e;

static struct json_value body(const char *text)
{
    struct json *j = arena_struct(a, struct json);
    ok(json_parse(j, a, str_from(text), 0, &e), "%s", text);
    return json_root(j);
}

static const struct {
    const char *body, *param; /* NULL: accepted */
} attributes[] = {
    {"{}", NULL},
    {"{\"attributes\":null}", NULL},
    {"{\"attributes\":{\"a\":\"x\",\"b\":1.5,\"c\":false}}", NULL},
    {"{\"attributes\":[]}", "attributes"},
    {"{\"attributes\":{\"\":1}}", "attributes"},
    {"{\"attributes\":{\"a\":null}}", "attributes.a"},
    {"{\"attributes\":{\"a\":{}}}", "attributes.a"},
    {"{\"attributes\":{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1,"
     "\"10\":1,\"11\":1,\"12\":1,\"13\":1,\"14\":1,\"15\":1,\"16\":1}}",
     NULL},
    {"{\"attributes\":{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1,"
     "\"10\":1,\"11\":1,\"12\":1,\"13\":1,\"14\":1,\"15\":1,\"16\":1,\"17\":1}}",
     "attributes"},
};

static const struct {
    const char *body, *param;
    uint32_t tokens, overlap;
} chunking[] = {
    {"{}", NULL, 7, 7},
    {"{\"chunking_strategy\":{\"type\":\"auto\"}}", NULL, 0, 0},
    {"{\"chunking_strategy\":{\"type\":\"static\",\"static\":{\"max_chunk_size_tokens\":100,"
     "\"chunk_overlap_tokens\":50}}}",
     NULL, 100, 50},
    {"{\"chunking_strategy\":{\"type\":\"static\",\"static\":{\"max_chunk_size_tokens\":99,"
     "\"chunk_overlap_tokens\":0}}}",
     "chunking_strategy.static.max_chunk_size_tokens", 7, 7},
    {"{\"chunking_strategy\":{\"type\":\"static\",\"static\":{\"max_chunk_size_tokens\":100,"
     "\"chunk_overlap_tokens\":51}}}",
     "chunking_strategy.static.chunk_overlap_tokens", 7, 7},
    {"{\"chunking_strategy\":{\"type\":\"static\",\"static\":{\"max_chunk_size_tokens\":100}}}",
     "chunking_strategy.static.chunk_overlap_tokens", 7, 7},
    {"{\"chunking_strategy\":{\"type\":\"static\"}}", "chunking_strategy", 7, 7},
    {"{\"chunking_strategy\":{\"type\":\"semantic\"}}", "chunking_strategy", 7, 7},
    {"{\"chunking_strategy\":\"auto\"}", "chunking_strategy", 7, 7},
};

static const struct {
    const char *body, *param;
    uint32_t days;
} expiry[] = {
    {"{}", NULL, 3},
    {"{\"expires_after\":null}", NULL, 0},
    {"{\"expires_after\":{\"anchor\":\"last_active_at\",\"days\":365}}", NULL, 365},
    {"{\"expires_after\":{\"anchor\":\"last_active_at\",\"days\":366}}", "expires_after.days", 3},
    {"{\"expires_after\":{\"anchor\":\"created_at\",\"days\":1}}", "expires_after.anchor", 3},
    {"{\"expires_after\":{\"anchor\":\"last_active_at\"}}", "expires_after.days", 3},
    {"{\"expires_after\":5}", "expires_after", 3},
};

static void told(bool good, const char *param)
{
    ok(good == !param && (good || strcmp(e.param, param) == 0), "%s", good ? "read" : e.msg);
}

#define LONG "{\"attributes\":{\"a\":\"%.*s\"},\"metadata\":{\"%.*s\":\"v\"}}"

static void test_long_texts(const struct member_reader *m)
{
    struct str out = STR_NONE, text = {arena_alloc(a, 513), 513};
    memset((char *)text.p, 'x', text.len);
    struct json_value v = body(arena_printf(a, LONG, 512, text.p, 64, text.p).p);
    ok(store_fields_attributes(m, v, NULL, &out) && store_fields_metadata(m, v, &out), "fit");
    v = body(arena_printf(a, LONG, 513, text.p, 65, text.p).p);
    told(store_fields_attributes(m, v, NULL, &out), "attributes.a");
    told(store_fields_metadata(m, v, &out), "metadata");
    told(store_fields_metadata(m, body("{\"metadata\":{\"a\":1}}"), &out), "metadata.a");
}

int main(void)
{
    a = arena_new();
    const struct member_reader m = {a, &e};
    for (size_t i = 0; i < COUNT(attributes); i++) {
        struct str out = STR("kept");
        told(store_fields_attributes(&m, body(attributes[i].body), NULL, &out),
             attributes[i].param);
    }
    for (size_t i = 0; i < COUNT(chunking); i++) {
        uint32_t tokens = 7, overlap = 7;
        told(store_fields_chunking(&m, body(chunking[i].body), NULL, &tokens, &overlap),
             chunking[i].param);
        ok(tokens == chunking[i].tokens && overlap == chunking[i].overlap, "%u, %u", tokens,
           overlap);
    }
    for (size_t i = 0; i < COUNT(expiry); i++) {
        uint32_t days = 3;
        told(store_fields_expiry(&m, body(expiry[i].body), &days), expiry[i].param);
        ok(days == expiry[i].days, "%u days", days);
    }
    test_long_texts(&m);
    const struct member_at files = member_at(NULL, STR("files")), at = member_item(&files, 2);
    told(STORE_FIELDS_KNOWN(&m, body("{\"a\":1}"), &at, STR("a"), STR("b")), NULL);
    told(STORE_FIELDS_KNOWN(&m, body("{\"c\":1}"), &at, STR("a"), STR("b")), "files[2].c");
    arena_free(a);
    return tap_done();
}
