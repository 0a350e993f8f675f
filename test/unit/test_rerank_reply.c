/* What rerank_reply adds, and what it leaves as it came. */
#include "gateway/rerank_reply.h"

#include "tap.h"

#define REQUEST                                                                                    \
    "{\"query\":\"q\",\"documents\":[\"a\\n\",{\"text\":\"b\"},\"c\"],\"return_documents\":true}"
#define META ",\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"search_units\":1}}"

static const struct {
    const char *name, *request, *answer;
    size_t wanted;
    const char *want;
} cases[] = {
    {"nothing is missing", "{\"documents\":[\"a\"]}",
     "{\"id\":\"x\", "
     "\"results\":[{\"index\":0,\"relevance_score\":1e-1}],\"usage\":{\"total_tokens\":"
     "3},\"meta\":{}}",
     1,
     "{\"id\":\"x\", "
     "\"results\":[{\"index\":0,\"relevance_score\":1e-1}],\"usage\":{\"total_tokens\":"
     "3},\"meta\":{}}"},
    {"what Cohere leaves out", "{\"documents\":[\"a\"]}",
     "{\"id\":\"x\",\"results\":[{\"index\":0,\"relevance_score\":0.5}],\"meta\":{\"m\":1}}", 1,
     "{\"id\":\"x\",\"results\":[{\"index\":0,\"relevance_score\":0.5}],\"meta\":{\"m\":1},"
     "\"usage\":{"
     "\"total_tokens\":7}}"},
    {"what Jina leaves out", "{\"documents\":[\"a\"]}",
     "{\"id\":\"x\",\"usage\":{\"prompt_tokens\":7},\"results\":[{\"index\":0,\"relevance_score\":"
     "0.5}"
     "]}",
     1,
     "{\"id\":\"x\",\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7},\"results\":[{\"index\":0,"
     "\"relevance_score\":0.5}]" META "}"},
    {"documents, order, and no more than asked for", REQUEST,
     "{\"id\":\"x\",\"results\":[{\"index\":2,\"relevance_score\":0.1},{\"index\":0,\"relevance_"
     "score\":0.5},{\"relevance_score\":0.50,\"index\":1}],\"usage\":{\"total_tokens\":7},\"meta\":"
     "{}}",
     2,
     "{\"id\":\"x\",\"results\":[{\"index\":0,\"relevance_score\":0.5,\"document\":{\"text\":"
     "\"a\\n\"}}"
     ",{\"relevance_score\":0.50,\"index\":1,\"document\":{\"text\":\"b\"}}],\"usage\":{\"total_"
     "tokens\":7},\"meta\":{}}"},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chat_request req = {.op = OP_RERANK, .n_wanted = cases[i].wanted};
        struct json answer;
        struct err e;
        CHECK(json_parse(&req.body, a, str_from(cases[i].request), 0, &e) &&
              json_parse(&answer, a, str_from(cases[i].answer), 0, &e));
        req.n_inputs = json_count(json_get(json_root(&req.body), "documents"));
        struct str got = rerank_reply(&answer, &req, 7, a);
        ok(str_eq(got, str_from(cases[i].want)), "%s: %.*s", cases[i].name, STR_FMT(got));
    }
    struct chat_request req = {.op = OP_RERANK, .n_inputs = 101, .n_wanted = 1};
    struct json answer;
    struct err e;
    CHECK(
        json_parse(&req.body, a, STR("{}"), 0, &e) &&
        json_parse(&answer, a, STR("{\"results\":[{\"index\":0,\"relevance_score\":1}]}"), 0, &e));
    struct str got = rerank_reply(&answer, &req, 7, a);
    ok(str_find(got, STR("\"id\":\"rerank_")) != STR_NPOS, "an id");
    ok(str_find(got, STR("\"search_units\":2")) != STR_NPOS, "a unit for each hundred documents");
    arena_free(a);
    return tap_done();
}
