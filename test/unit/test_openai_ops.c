/* Which answers are whole, and what they say of usage. */
#include "model/openai_ops.h"

#include "tap.h"

#define E(i) "{\"index\":" #i ",\"embedding\":[1]}"
#define R(i) "{\"index\":" #i ",\"relevance_score\":0.5}"

static const struct {
    const char *name;
    enum chat_op op;
    size_t inputs, wanted;
    const char *list;
    bool good;
} cases[] = {
    {"a chat", OP_CHAT, 0, 0, "[{}]", true},
    {"completions", OP_COMPLETION, 2, 4, "[{},{},{},{}]", true},
    {"completions, short", OP_COMPLETION, 2, 4, "[{},{},{}]", false},
    {"embeddings", OP_EMBEDDING, 2, 2, "[" E(0) "," E(1) "]", true},
    {"embeddings without index", OP_EMBEDDING, 1, 1, "[{\"embedding\":\"AAAA\"}]", true},
    {"embeddings in another order", OP_EMBEDDING, 2, 2, "[" E(1) "," E(0) "]", false},
    {"embeddings, short", OP_EMBEDDING, 2, 2, "[" E(0) "]", false},
    {"embeddings, more", OP_EMBEDDING, 1, 1, "[" E(0) "," E(1) "]", false},
    {"embeddings, empty", OP_EMBEDDING, 1, 1, "[{\"index\":0,\"embedding\":[]}]", false},
    {"embeddings, none", OP_EMBEDDING, 1, 1, "[1]", false},
    {"a rerank", OP_RERANK, 3, 2, "[" R(2) "," R(0) "]", true},
    {"a rerank, double", OP_RERANK, 3, 2, "[" R(2) "," R(2) "]", false},
    {"a rerank of another text", OP_RERANK, 3, 2, "[" R(2) "," R(3) "]", false},
    {"a rerank without index", OP_RERANK, 1, 1, "[{\"relevance_score\":1}]", false},
    {"a rerank without score", OP_RERANK, 1, 1, "[{\"index\":0}]", false},
    {"moderations", OP_MODERATION, 2, 2, "[{\"flagged\":true},{\"categories\":{}}]", true},
    {"moderations of parts", OP_MODERATION, 3, 1, "[{\"flagged\":true}]", true},
    {"moderations, short", OP_MODERATION, 2, 2, "[{\"flagged\":true}]", false},
    {"moderations, none", OP_MODERATION, 1, 1, "[{}]", false},
};

static const struct {
    const char *answer;
    int64_t tokens; /* -1: not told */
} usages[] = {
    {"{\"usage\":{\"prompt_tokens\":5,\"total_tokens\":6}}", 5},
    {"{\"usage\":{\"total_tokens\":6}}", 6},
    {"{\"meta\":{\"tokens\":{\"input_tokens\":7}}}", 7},
    {"{\"meta\":{\"billed_units\":{\"input_tokens\":8}}}", 8},
    {"{\"meta\":{\"billed_units\":{\"search_units\":1}}}", -1},
    {"{\"usage\":{\"prompt_tokens\":-1}}", -1},
    {"{}", -1},
};

int main(void)
{
    struct arena *a = arena_new();
    const struct provider p = {.name = STR("p")};
    const struct target t = {.provider = &p};
    struct json doc;
    struct err e;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct call c = {
            .req = {.op = cases[i].op, .n_inputs = cases[i].inputs, .n_wanted = cases[i].wanted}};
        const struct attempt at = {.call = &c, .target = &t};
        CHECK(json_parse(&doc, a, str_from(cases[i].list), 0, &e));
        bool good = openai_ops_check(&at, json_root(&doc), &e);
        ok(good == cases[i].good && (good || e.code == ERR_UPSTREAM), "%s", cases[i].name);
    }
    for (size_t i = 0; i < COUNT(usages); i++) {
        int64_t n = -2;
        CHECK(json_parse(&doc, a, str_from(usages[i].answer), 0, &e));
        bool told = openai_ops_tokens(json_root(&doc), &n);
        ok(told == (usages[i].tokens >= 0) && (!told || n == usages[i].tokens), "%s",
           usages[i].answer);
    }
    arena_free(a);
    return tap_done();
}
