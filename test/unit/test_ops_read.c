/* Which requests pass, what is read of them, and which field the others are told about. */
#include "gateway/ops_read.h"

#include "tap.h"

#define M "\"model\":\"m\","

static const struct {
    ops_reader *read;
    const char *body, *param; /* NULL = passes */
    size_t inputs, wanted;
    bool rigid;
} cases[] = {
    {ops_read_completion, "{" M "\"prompt\":\"\"}", NULL, 1, 1, false},
    {ops_read_completion, "{" M "\"prompt\":\"x\",\"suffix\":\" \"}", NULL, 1, 1, true},
    {ops_read_completion, "{" M "\"prompt\":[\"x\",\"y\"],\"n\":3}", NULL, 2, 6, true},
    {ops_read_completion, "{" M "\"prompt\":[1,2,3]}", NULL, 1, 1, true},
    {ops_read_completion, "{" M "\"prompt\":[[1,2],[3]]}", NULL, 2, 2, true},
    {ops_read_completion, "{" M "\"prompt\":\"x\",\"max_tokens\":0,\"logprobs\":5}", NULL, 1, 1,
     true},
    {ops_read_completion, "{" M "\"prompt\":\"x\",\"max_tokens\":-1}", "max_tokens", 0, 0, false},
    {ops_read_completion, "{" M "\"prompt\":null}", "prompt", 0, 0, false},
    {ops_read_completion, "{" M "\"prompt\":{}}", "prompt", 0, 0, false},
    {ops_read_completion, "{" M "\"prompt\":[\"x\",1]}", "prompt[1]", 0, 0, false},
    {ops_read_completion, "{" M "\"prompt\":[[1],[-1]]}", "prompt[1]", 0, 0, false},
    {ops_read_completion, "{" M "\"prompt\":[\"a\",\"b\"],\"n\":100,\"stream\":true}", "prompt", 0,
     0, false},
    {ops_read_completion, "{\"prompt\":\"x\"}", "model", 0, 0, false},
    {ops_read_embedding, "{" M "\"input\":\"x\"}", NULL, 1, 1, false},
    {ops_read_embedding, "{" M "\"input\":[\"x\",\"y\"],\"encoding_format\":\"base64\"}", NULL, 2,
     2, false},
    {ops_read_embedding, "{" M "\"input\":[1,2]}", NULL, 1, 1, false},
    {ops_read_embedding, "{" M "\"input\":[[1,2],[3]]}", NULL, 2, 2, false},
    {ops_read_embedding, "{" M "\"input\":[\"\"]}", "input[0]", 0, 0, false},
    {ops_read_embedding, "{" M "\"input\":[[]]}", "input[0]", 0, 0, false},
    {ops_read_embedding, "{" M "\"input\":\"x\",\"user\":1}", "user", 0, 0, false},
    {ops_read_moderation, "{\"input\":\"x\"}", NULL, 1, 1, false},
    {ops_read_moderation, "{\"input\":[\"x\",\"\"]}", NULL, 2, 2, false},
    {ops_read_moderation,
     "{\"input\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"text\",\"text\":\"y\"}]}", NULL, 2,
     1, false},
    {ops_read_moderation, "{\"input\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}",
     NULL, 0, 1, false},
    {ops_read_moderation, "{\"input\":[{\"type\":\"text\",\"text\":\"x\"},1]}", "input[1].type", 0,
     0, false},
    {ops_read_rerank, "{" M "\"query\":\"q\",\"documents\":[\"x\",{\"text\":\"y\"}]}", NULL, 2, 2,
     false},
    {ops_read_rerank, "{" M "\"query\":\"q\",\"documents\":[\"x\",\"\"],\"top_n\":1}", NULL, 2, 1,
     false},
    {ops_read_rerank, "{" M "\"query\":\"q\",\"documents\":[\"x\"],\"top_n\":9}", NULL, 1, 1,
     false},
    {ops_read_rerank, "{" M "\"query\":\"q\",\"documents\":[{}]}", "documents[0]", 0, 0, false},
    {ops_read_rerank, "{" M "\"query\":\"q\",\"documents\":\"x\"}", "documents", 0, 0, false},
    {ops_read_rerank, "{" M "\"query\":1,\"documents\":[\"x\"]}", "query", 0, 0, false},
    {ops_read_rerank, "{" M "\"query\":\"q\",\"documents\":[\"x\"],\"return_documents\":1}",
     "return_documents", 0, 0, false},
};

int main(void)
{
    struct arena *a = arena_new();
    struct json doc;
    struct err e;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chat_request req = {0};
        CHECK(json_parse(&doc, a, str_from(cases[i].body), 0, &e));
        bool good = cases[i].read(&req, &doc, a, &e);
        ok(good ? !cases[i].param : cases[i].param && strcmp(e.param, cases[i].param) == 0,
           "%s: %s", cases[i].body, good ? "passes" : e.param);
        ok(!good || (req.n_inputs == cases[i].inputs && req.n_wanted == cases[i].wanted &&
                     req.rigid == cases[i].rigid),
           "%s: %zu inputs, %zu wanted", cases[i].body, req.n_inputs, req.n_wanted);
    }
    struct chat_request req = {0};
    CHECK(json_parse(&doc, a, STR("{" M "\"prompt\":[[1,2],[3]]}"), 0, &e) &&
          ops_read_completion(&req, &doc, a, &e));
    ok(req.prompt_tokens == 3 && !req.message[0].text.len, "tokens are counted, and have no text");
    req = (struct chat_request){0};
    CHECK(json_parse(&doc, a, STR("{" M "\"query\":\"q\",\"documents\":[\"x\",{\"text\":\"y\"}]}"),
                     0, &e) &&
          ops_read_rerank(&req, &doc, a, &e));
    ok(req.n_messages == 3 && str_eq(req.message[0].text, STR("q")) &&
           str_eq(req.message[2].text, STR("y")),
       "a query, then its documents");
    req = (struct chat_request){0};
    CHECK(json_parse(&doc, a,
                     STR("{" M "\"prompt\":\"x\",\"temperature\":0.70,\"stop\":\"e\",\"max_"
                         "tokens\":5,\"best_of\":1,\"echo\":false}"),
                     0, &e) &&
          ops_read_completion(&req, &doc, a, &e));
    ok(req.expand(&req, a, &e) && str_eq(req.options->temperature, STR("0.70")) &&
           req.options->n_stop == 1 && req.message[0].n_parts == 1 && req.max_tokens == 5,
       "as a chat");
    arena_free(a);
    return tap_done();
}
