#include "gateway/ops_read.h"
#include "gateway/body.h"
#include "gateway/chat_expand.h"
#include "gateway/member.h"

enum { STREAM_CHOICES_MOST = 128 };

/* ---- What all have in common ---- */

static void begin(struct chat_request *req, enum chat_op op, const struct json *body)
{
    req->op = op;
    req->dialect = CHAT_OPENAI;
    req->body = *body; /* inputs point to it, and the caller's may go */
}

static void finish(struct chat_request *req, struct arena *a)
{
    req->user = json_text(json_get(json_root(&req->body), "user"), a);
    req->n_inputs = req->n_messages;
}

static void add_input(struct chat_request *req, struct json_value v, struct arena *a)
{
    req->message[req->n_messages++] =
        (struct chat_message){.role = CHAT_USER, .text = json_text(v, a)};
}

static bool need(struct json_value v, const struct member_at *at, struct err *e)
{
    return body_given(v) || member_missing(at, e);
}

static bool is_tokens(struct json_value v)
{
    int64_t token;
    json_each(it, v)
    {
        if (!json_int(it.value, &token) || token < 0)
            return false;
    }
    return json_is(v, JSON_ARRAY) && json_count(v) > 0;
}

static bool is_text(struct json_value v)
{
    return json_is(v, JSON_STRING) && json_raw(v).len > 2;
}

/* Tokens need no counting, and have no text. */
static void add_tokens(struct chat_request *req, struct json_value v, struct arena *a)
{
    req->prompt_tokens += json_count(v);
    add_input(req, v, a);
}

/* A text, tokens, or a list of either; none of them empty unless it may be. */
static bool read_inputs(struct chat_request *req, const char *name, bool may_be_empty,
                        struct arena *a, struct err *e)
{
    struct json_value v = json_get(json_root(&req->body), name);
    struct member_at at = member_at(NULL, str_from(name));
    bool list = json_is(v, JSON_ARRAY) && !json_is(json_at(v, 0), JSON_NUMBER);
    if (!need(v, &at, e))
        return false;
    req->message = arena_array(a, struct chat_message, list ? json_count(v) : 1);
    if (is_text(v) || (may_be_empty && json_is(v, JSON_STRING))) {
        add_input(req, v, a);
        return true;
    }
    if (!list && is_tokens(v)) {
        add_tokens(req, v, a);
        return true;
    }
    if (!list || !json_count(v))
        return member_wrong(&at, "a text, a list of tokens, or a list of them that is not empty",
                            e);
    json_each(it, v)
    {
        struct member_at item = member_item(&at, req->n_messages);
        if (is_text(it.value) || (may_be_empty && json_is(it.value, JSON_STRING)))
            add_input(req, it.value, a);
        else if (is_tokens(it.value))
            add_tokens(req, it.value, a);
        else
            return member_wrong(&item, "a text or a list of tokens that is not empty", e);
    }
    return true;
}

/* ---- Completions ---- */

static const struct body_rule completion_rules[] = {
    {STR_INIT("temperature"), BODY_NUMBER, 0, 2, "a number between 0 and 2"},
    {STR_INIT("top_p"), BODY_NUMBER, 0, 1, "a number between 0 and 1"},
    {STR_INIT("frequency_penalty"), BODY_NUMBER, -2, 2, "a number between -2 and 2"},
    {STR_INIT("presence_penalty"), BODY_NUMBER, -2, 2, "a number between -2 and 2"},
    {STR_INIT("n"), BODY_WHOLE, 1, 128, "a whole number between 1 and 128"},
    {STR_INIT("best_of"), BODY_WHOLE, 1, 128, "a whole number between 1 and 128"},
    {STR_INIT("max_tokens"), BODY_WHOLE, 0, 1e12, "a whole number from 0 on"},
    {STR_INIT("logprobs"), BODY_WHOLE, 0, 1e6, "a whole number from 0 on"},
    {STR_INIT("seed"), BODY_WHOLE, -9.3e18, 9.3e18, "a whole number"},
    {STR_INIT("stream"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("echo"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("suffix"), BODY_TEXT, 0, 0, "a string"},
    {STR_INIT("user"), BODY_TEXT, 0, 0, "a string"},
};

/* One prompt in words is a chat of one message; more, or tokens of a model, are not. */
static bool expand_completion(struct chat_request *r, struct arena *a, struct err *e)
{
    struct member_at at = member_at(NULL, STR("prompt"));
    if (r->n_messages != 1 || !json_is(json_get(json_root(&r->body), "prompt"), JSON_STRING))
        return member_wrong(&at, "one text for this model, which has chats only", e);
    return chat_expand(r, a, e);
}

static bool read_choices(struct chat_request *req, struct json_value root, struct err *e)
{
    int64_t n = 1, best_of;
    struct member_at at = member_at(NULL, STR("best_of")), prompt = member_at(NULL, STR("prompt"));
    bool echo = false, logprobs = body_given(json_get(root, "logprobs"));
    json_int(json_get(root, "n"), &n);
    json_bool(json_get(root, "echo"), &echo);
    if (json_int(json_get(root, "best_of"), &best_of) && best_of < n)
        return member_wrong(&at, "at least 'n'", e);
    req->n_wanted = req->n_messages * (size_t)n;
    if (req->stream && req->n_wanted > STREAM_CHOICES_MOST)
        return member_wrong(&prompt, "shorter: a stream carries 128 choices at most", e);
    req->rigid = req->n_wanted > 1 || echo || logprobs || req->prompt_tokens > 0 ||
                 body_given(json_get(root, "suffix"));
    return true;
}

bool ops_read_completion(struct chat_request *req, const struct json *body, struct arena *a,
                         struct err *e)
{
    begin(req, OP_COMPLETION, body);
    req->expand = expand_completion;
    struct json_value root = json_root(&req->body);
    if (!body_model(json_get(root, "model"), a, &req->model, e) ||
        !body_check(root, completion_rules, COUNT(completion_rules), e) ||
        !body_stop(json_get(root, "stop"), e) ||
        !body_stream(req, json_get(root, "stream"), json_get(root, "stream_options"), e) ||
        !read_inputs(req, "prompt", true, a, e) || !read_choices(req, root, e))
        return false;
    json_int(json_get(root, "max_tokens"), &req->max_tokens);
    finish(req, a);
    return true;
}

/* ---- Embeddings ---- */

static const struct body_rule embedding_rules[] = {
    {STR_INIT("dimensions"), BODY_WHOLE, 1, 1e6, "a whole number above 0"},
    {STR_INIT("user"), BODY_TEXT, 0, 0, "a string"},
};

bool ops_read_embedding(struct chat_request *req, const struct json *body, struct arena *a,
                        struct err *e)
{
    static const char *const formats[] = {"float", "base64"};
    begin(req, OP_EMBEDDING, body);
    struct json_value root = json_root(&req->body), format = json_get(root, "encoding_format");
    struct member_at at = member_at(NULL, STR("encoding_format"));
    if (!body_model(json_get(root, "model"), a, &req->model, e) ||
        !body_check(root, embedding_rules, COUNT(embedding_rules), e) ||
        !read_inputs(req, "input", false, a, e))
        return false;
    if (body_given(format) && !body_one_of(format, formats, COUNT(formats)))
        return member_wrong(&at, "float or base64", e);
    req->n_wanted = req->n_messages;
    finish(req, a);
    return true;
}

/* ---- Moderations ---- */

static bool read_part(struct chat_request *req, struct json_value part, const struct member_at *at,
                      struct arena *a, struct err *e)
{
    struct member_at type = member_at(at, STR("type")), text = member_at(at, STR("text")),
                     image = member_at(at, STR("image_url")), url = member_at(&image, STR("url"));
    if (json_text_is(json_get(part, "type"), "image_url"))
        return json_is(json_path(part, "image_url.url"), JSON_STRING) ||
               member_wrong(&url, "an address", e);
    if (!json_text_is(json_get(part, "type"), "text"))
        return member_wrong(&type, "text or image_url", e);
    if (!json_is(json_get(part, "text"), JSON_STRING))
        return member_wrong(&text, "a string", e);
    add_input(req, json_get(part, "text"), a);
    return true;
}

/* Texts have a result each, parts one together. */
static bool read_moderated(struct chat_request *req, struct arena *a, struct err *e)
{
    struct json_value v = json_get(json_root(&req->body), "input");
    struct member_at at = member_at(NULL, STR("input"));
    bool parts = json_is(json_at(v, 0), JSON_OBJECT);
    size_t i = 0;
    if (!need(v, &at, e))
        return false;
    req->n_wanted = 1;
    req->message = arena_array(a, struct chat_message, json_count(v) + 1);
    if (json_is(v, JSON_STRING)) {
        add_input(req, v, a);
        return true;
    }
    if (!json_is(v, JSON_ARRAY) || !json_count(v))
        return member_wrong(&at, "a text, or a list of texts or parts that is not empty", e);
    json_each(it, v)
    {
        struct member_at item = member_item(&at, i++);
        if (parts ? !read_part(req, it.value, &item, a, e) : !json_is(it.value, JSON_STRING))
            return parts ? false : member_wrong(&item, "a string", e);
        if (!parts)
            add_input(req, it.value, a);
    }
    if (!parts)
        req->n_wanted = req->n_messages;
    return true;
}

bool ops_read_moderation(struct chat_request *req, const struct json *body, struct arena *a,
                         struct err *e)
{
    begin(req, OP_MODERATION, body);
    struct json_value root = json_root(&req->body);
    if (body_given(json_get(root, "model")) &&
        !body_model(json_get(root, "model"), a, &req->model, e))
        return false;
    if (!read_moderated(req, a, e))
        return false;
    finish(req, a);
    return true;
}

/* ---- Rerank ---- */

static const struct body_rule rerank_rules[] = {
    {STR_INIT("top_n"), BODY_WHOLE, 1, 1e9, "a whole number above 0"},
    {STR_INIT("return_documents"), BODY_FLAG, 0, 0, "true or false"},
};

static bool read_documents(struct chat_request *req, struct json_value v, struct arena *a,
                           struct err *e)
{
    struct member_at at = member_at(NULL, STR("documents"));
    if (!need(v, &at, e))
        return false;
    if (!json_is(v, JSON_ARRAY) || !json_count(v))
        return member_wrong(&at, "a list of texts that is not empty", e);
    json_each(it, v)
    {
        struct member_at item = member_item(&at, req->n_messages - 1);
        struct json_value text =
            json_is(it.value, JSON_OBJECT) ? json_get(it.value, "text") : it.value;
        if (!json_is(text, JSON_STRING))
            return member_wrong(&item, "a text, or an object with one in 'text'", e);
        add_input(req, text, a);
    }
    return true;
}

bool ops_read_rerank(struct chat_request *req, const struct json *body, struct arena *a,
                     struct err *e)
{
    begin(req, OP_RERANK, body);
    struct json_value root = json_root(&req->body), query = json_get(root, "query"),
                      documents = json_get(root, "documents");
    struct member_at at = member_at(NULL, STR("query"));
    int64_t top_n = INT64_MAX;
    if (!body_model(json_get(root, "model"), a, &req->model, e) ||
        !body_check(root, rerank_rules, COUNT(rerank_rules), e) || !need(query, &at, e))
        return false;
    if (!is_text(query))
        return member_wrong(&at, "a text that is not empty", e);
    req->message = arena_array(a, struct chat_message, json_count(documents) + 1);
    add_input(req, query, a);
    if (!read_documents(req, documents, a, e))
        return false;
    json_int(json_get(root, "top_n"), &top_n);
    finish(req, a);
    req->n_inputs--; /* the query is none */
    req->n_wanted = (uint64_t)top_n < req->n_inputs ? (size_t)top_n : req->n_inputs;
    return true;
}
