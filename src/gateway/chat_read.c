#include "gateway/chat_read.h"
#include "gateway/chat_expand.h"
#include "gateway/member.h"

/* ---- Members that are looked at, found in one walk ---- */

enum {
    MODEL,
    MESSAGES,
    /* Numbers and flags: the order of `simple`. */
    TEMPERATURE,
    TOP_P,
    FREQUENCY_PENALTY,
    PRESENCE_PENALTY,
    CHOICES,
    MAX_TOKENS,
    MAX_COMPLETION_TOKENS,
    TOP_LOGPROBS,
    SEED,
    STREAM,
    LOGPROBS,
    PARALLEL_TOOL_CALLS,
    /* What has a function of its own. */
    STREAM_OPTIONS,
    TOOLS,
    TOOL_CHOICE,
    RESPONSE_FORMAT,
    STOP,
    USER,
    MEMBERS
};
static const struct str members[MEMBERS] = {
    [MODEL] = STR_INIT("model"),
    [MESSAGES] = STR_INIT("messages"),
    [TEMPERATURE] = STR_INIT("temperature"),
    [TOP_P] = STR_INIT("top_p"),
    [FREQUENCY_PENALTY] = STR_INIT("frequency_penalty"),
    [PRESENCE_PENALTY] = STR_INIT("presence_penalty"),
    [CHOICES] = STR_INIT("n"),
    [MAX_TOKENS] = STR_INIT("max_tokens"),
    [MAX_COMPLETION_TOKENS] = STR_INIT("max_completion_tokens"),
    [TOP_LOGPROBS] = STR_INIT("top_logprobs"),
    [SEED] = STR_INIT("seed"),
    [STREAM] = STR_INIT("stream"),
    [LOGPROBS] = STR_INIT("logprobs"),
    [PARALLEL_TOOL_CALLS] = STR_INIT("parallel_tool_calls"),
    [STREAM_OPTIONS] = STR_INIT("stream_options"),
    [TOOLS] = STR_INIT("tools"),
    [TOOL_CHOICE] = STR_INIT("tool_choice"),
    [RESPONSE_FORMAT] = STR_INIT("response_format"),
    [STOP] = STR_INIT("stop"),
    [USER] = STR_INIT("user"),
};

static const struct body_rule simple[] = {
    {STR_INIT("temperature"), BODY_NUMBER, 0, 2, "a number between 0 and 2"},
    {STR_INIT("top_p"), BODY_NUMBER, 0, 1, "a number between 0 and 1"},
    {STR_INIT("frequency_penalty"), BODY_NUMBER, -2, 2, "a number between -2 and 2"},
    {STR_INIT("presence_penalty"), BODY_NUMBER, -2, 2, "a number between -2 and 2"},
    {STR_INIT("n"), BODY_WHOLE, 1, 128, "a whole number between 1 and 128"},
    {STR_INIT("max_tokens"), BODY_WHOLE, 1, 1e12, "a whole number above 0"},
    {STR_INIT("max_completion_tokens"), BODY_WHOLE, 1, 1e12, "a whole number above 0"},
    {STR_INIT("top_logprobs"), BODY_WHOLE, 0, 20, "a whole number between 0 and 20"},
    {STR_INIT("seed"), BODY_WHOLE, -9.3e18, 9.3e18, "a whole number"},
    {STR_INIT("stream"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("logprobs"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("parallel_tool_calls"), BODY_FLAG, 0, 0, "true or false"},
};
_Static_assert(COUNT(simple) == STREAM_OPTIONS - TEMPERATURE, "a rule for each of them");

/* Of a message. */
enum { ROLE, CONTENT, TOOL_CALLS, TOOL_CALL_ID, MESSAGE_MEMBERS };
static const struct str message_members[MESSAGE_MEMBERS] = {
    [ROLE] = STR_INIT("role"),
    [CONTENT] = STR_INIT("content"),
    [TOOL_CALLS] = STR_INIT("tool_calls"),
    [TOOL_CALL_ID] = STR_INIT("tool_call_id"),
};

/* ---- Messages ---- */

static const struct {
    struct str name;
    enum chat_role role;
} roles[] = {
    {STR_INIT("user"), CHAT_USER},     {STR_INIT("assistant"), CHAT_ASSISTANT},
    {STR_INIT("system"), CHAT_SYSTEM}, {STR_INIT("developer"), CHAT_DEVELOPER},
    {STR_INIT("tool"), CHAT_TOOL},     {STR_INIT("function"), CHAT_TOOL},
};

static bool read_role(struct json_value v, size_t i, enum chat_role *out, struct err *e)
{
    if (!body_given(v))
        return body_missing(body_path("messages[%zu].role", i).text, e);
    for (size_t k = 0; k < COUNT(roles); k++)
        if (json_text_is_str(v, roles[k].name)) {
            *out = roles[k].role;
            return true;
        }
    return body_wrong(body_path("messages[%zu].role", i).text,
                      "system, developer, user, assistant, tool or function", e);
}

/* A part of a message; the text of text parts is appended to `text`. */
static bool read_part(struct chat_request *req, struct json_value part, const struct member_at *at,
                      struct arena *a, struct buf *text, struct err *e)
{
    static const char *const types[] = {"text", "image_url", "input_audio", "file", "refusal"};
    struct member_at at_type = member_at(at, STR("type")), at_text = member_at(at, STR("text"));
    if (!json_is(part, JSON_OBJECT))
        return member_wrong(at, "an object with a 'type'", e);
    struct json_value type = json_get(part, "type");
    if (!body_given(type))
        return member_missing(&at_type, e);
    if (!body_one_of(type, types, COUNT(types)))
        return member_wrong(&at_type, "text, image_url, input_audio, file or refusal", e);
    if (!json_text_is(type, "text")) {
        req->files = req->files || json_exists(json_path(part, "file.file_id"));
        return true;
    }
    struct json_value words = json_get(part, "text");
    if (!json_is(words, JSON_STRING))
        return member_wrong(&at_text, "a string", e);
    if (text->len)
        buf_add(text, STR("\n\n"));
    buf_add(text, json_text(words, a));
    return true;
}

static bool read_content(struct chat_request *req, struct json_value v, size_t i, struct arena *a,
                         struct err *e)
{
    struct chat_message *m = &req->message[i];
    if (json_is(v, JSON_STRING)) {
        m->text = json_text(v, a);
        return true;
    }
    struct member_at messages = member_at(NULL, STR("messages")),
                     msg_at = member_item(&messages, i), at = member_at(&msg_at, STR("content"));
    if (!body_given(v)) {
        bool may_lack = m->role == CHAT_ASSISTANT || m->role == CHAT_TOOL;
        return may_lack || member_missing(&at, e);
    }
    if (!json_is(v, JSON_ARRAY))
        return member_wrong(&at, "a string or a list of parts", e);
    if (!json_count(v))
        return member_wrong(&at, "a list with at least one part", e);
    struct buf text;
    bool good = true;
    size_t n = 0;
    buf_init(&text, json_raw(v).len + 1);
    json_each(it, v)
    {
        struct member_at here = member_item(&at, n++);
        good = read_part(req, it.value, &here, a, &text, e);
        if (!good)
            break;
    }
    m->text = arena_copy(a, buf_str(&text));
    buf_fini(&text);
    return good;
}

static bool check_tool_calls(struct json_value calls, size_t i, struct err *e)
{
    if (!body_given(calls))
        return true;
    if (!json_is(calls, JSON_ARRAY))
        return body_wrong(body_path("messages[%zu].tool_calls", i).text, "a list", e);
    size_t n = 0;
    json_each(it, calls)
    {
        struct json_value f = json_get(it.value, "function");
        if (!json_is(json_get(it.value, "id"), JSON_STRING))
            return body_missing(body_path("messages[%zu].tool_calls[%zu].id", i, n).text, e);
        bool custom = json_text_is(json_get(it.value, "type"), "custom");
        if (!custom && !json_is(json_get(f, "name"), JSON_STRING))
            return body_missing(body_path("messages[%zu].tool_calls[%zu].function.name", i, n).text,
                                e);
        n++;
    }
    return true;
}

static bool read_message(struct chat_request *req, struct json_value msg, size_t i, struct arena *a,
                         struct err *e)
{
    struct chat_message *m = &req->message[i];
    struct json_value v[MESSAGE_MEMBERS];
    m->raw = msg;
    if (!json_is(msg, JSON_OBJECT))
        return body_wrong(body_path("messages[%zu]", i).text, "an object", e);
    json_members(msg, message_members, MESSAGE_MEMBERS, v);
    if (!read_role(v[ROLE], i, &m->role, e) || !read_content(req, v[CONTENT], i, a, e) ||
        !check_tool_calls(v[TOOL_CALLS], i, e))
        return false;
    if (m->role == CHAT_TOOL && !json_is(v[TOOL_CALL_ID], JSON_STRING) &&
        json_text_is(v[ROLE], "tool"))
        return body_missing(body_path("messages[%zu].tool_call_id", i).text, e);
    return true;
}

static bool read_messages(struct chat_request *req, struct json_value list, struct arena *a,
                          struct err *e)
{
    if (!body_given(list))
        return body_missing("messages", e);
    size_t n = json_is(list, JSON_ARRAY) ? json_count(list) : 0;
    if (n == 0)
        return body_wrong("messages", "a list with at least one message", e);
    req->message = arena_array(a, struct chat_message, n);
    json_each(it, list)
    {
        if (!read_message(req, it.value, req->n_messages, a, e))
            return false;
        req->n_messages++;
    }
    return true;
}

/* ---- Tools, formats, streams ---- */

static bool check_tools(struct json_value tools, struct err *e)
{
    if (!body_given(tools))
        return true;
    if (!json_is(tools, JSON_ARRAY))
        return body_wrong("tools", "a list", e);
    size_t i = 0;
    json_each(it, tools)
    {
        struct json_value type = json_get(it.value, "type");
        if (!json_is(type, JSON_STRING))
            return body_missing(body_path("tools[%zu].type", i).text, e);
        if (json_text_is(type, "function") &&
            !json_is(json_get(json_get(it.value, "function"), "name"), JSON_STRING))
            return body_missing(body_path("tools[%zu].function.name", i).text, e);
        i++;
    }
    return true;
}

static bool tool_named(struct json_value tools, struct str name, struct arena *a)
{
    json_each(it, tools) if (str_eq(json_text(json_path(it.value, "function.name"), a),
                                    name)) return true;
    return false;
}

static bool check_tool_choice(struct json_value v, struct json_value tools, struct arena *a,
                              struct err *e)
{
    static const char *const words[] = {"none", "auto", "required"};
    if (!body_given(v))
        return true;
    if (json_is(v, JSON_STRING))
        return body_one_of(v, words, COUNT(words)) ||
               body_wrong("tool_choice", "none, auto, required or a function", e);
    if (!json_is(v, JSON_OBJECT))
        return body_wrong("tool_choice", "a string or an object", e);
    if (!json_text_is(json_get(v, "type"), "function"))
        return true; /* newer kinds are the provider's business */
    struct json_value name = json_path(v, "function.name");
    if (!json_is(name, JSON_STRING))
        return body_missing("tool_choice.function.name", e);
    return tool_named(tools, json_text(name, a), a) ||
           body_wrong("tool_choice.function.name", "the name of one of 'tools'", e);
}

static bool check_response_format(struct json_value v, struct err *e)
{
    static const char *const types[] = {"text", "json_object", "json_schema"};
    if (!body_given(v))
        return true;
    if (!json_is(v, JSON_OBJECT))
        return body_wrong("response_format", "an object", e);
    if (!body_one_of(json_get(v, "type"), types, COUNT(types)))
        return body_wrong("response_format.type", "text, json_object or json_schema", e);
    if (json_text_is(json_get(v, "type"), "json_schema") &&
        !json_is(json_path(v, "json_schema.name"), JSON_STRING))
        return body_missing("response_format.json_schema.name", e);
    return true;
}

static size_t count_choices(struct json_value v)
{
    int64_t n = 1;
    json_int(v, &n);
    return (size_t)n;
}

/* Such an answer has more to it than its text. */
static bool is_rigid(const struct chat_request *req, const struct json_value v[MEMBERS])
{
    bool logprobs = false;
    struct json_value format = json_get(v[RESPONSE_FORMAT], "type");
    json_bool(v[LOGPROBS], &logprobs);
    return req->n_wanted > 1 || logprobs || (json_exists(format) && !json_text_is(format, "text"));
}

bool chat_read(struct chat_request *req, const struct json *body, struct arena *a, struct err *e)
{
    req->op = OP_CHAT;
    req->dialect = CHAT_OPENAI;
    req->expand = chat_expand;
    req->body = *body; /* messages point to it, and the caller's may go */
    struct json_value root = json_root(&req->body), v[MEMBERS];
    json_members(root, members, MEMBERS, v);
    if (!body_model(v[MODEL], a, &req->model, e) ||
        !body_check_found(v + TEMPERATURE, simple, COUNT(simple), e) ||
        !read_messages(req, v[MESSAGES], a, e) || !body_stop(v[STOP], e) ||
        !check_tools(v[TOOLS], e) || !check_tool_choice(v[TOOL_CHOICE], v[TOOLS], a, e) ||
        !check_response_format(v[RESPONSE_FORMAT], e) ||
        !body_stream(req, v[STREAM], v[STREAM_OPTIONS], e))
        return false;
    json_int(v[MAX_TOKENS], &req->max_tokens);
    json_int(v[MAX_COMPLETION_TOKENS], &req->max_tokens);
    req->user = json_text(v[USER], a);
    req->n_wanted = count_choices(v[CHOICES]);
    req->rigid = is_rigid(req, v);
    return true;
}
