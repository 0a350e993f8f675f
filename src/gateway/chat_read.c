#include "gateway/chat_read.h"

#include <stdio.h>

/* The path of the field that is being looked at, for messages. */
struct path {
    char text[64];
};

__attribute__((format(printf, 1, 2))) static struct path path(const char *fmt, ...)
{
    struct path p;
    va_list args;
    va_start(args, fmt);
    vsnprintf(p.text, sizeof(p.text), fmt, args);
    va_end(args);
    return p;
}

static bool given(struct json_value v)
{
    return json_exists(v) && !json_is(v, JSON_NULL);
}

static bool missing(const char *name, struct err *e)
{
    return err_param(e, ERR_MISSING, name, "'%s' is missing", name);
}

static bool wrong(const char *name, const char *want, struct err *e)
{
    return err_param(e, ERR_INVALID, name, "'%s' must be %s", name, want);
}

static bool one_of(struct json_value v, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (json_text_is(v, names[i]))
            return true;
    return false;
}

/* ---- Numbers and flags: one table. ---- */

enum kind { NUMBER, WHOLE, FLAG };

static const struct {
    struct str name;
    enum kind kind;
    double least, most;
    const char *want;
} simple[] = {
    {STR_INIT("temperature"), NUMBER, 0, 2, "a number between 0 and 2"},
    {STR_INIT("top_p"), NUMBER, 0, 1, "a number between 0 and 1"},
    {STR_INIT("frequency_penalty"), NUMBER, -2, 2, "a number between -2 and 2"},
    {STR_INIT("presence_penalty"), NUMBER, -2, 2, "a number between -2 and 2"},
    {STR_INIT("n"), WHOLE, 1, 128, "a whole number between 1 and 128"},
    {STR_INIT("max_tokens"), WHOLE, 1, 1e12, "a whole number above 0"},
    {STR_INIT("max_completion_tokens"), WHOLE, 1, 1e12, "a whole number above 0"},
    {STR_INIT("top_logprobs"), WHOLE, 0, 20, "a whole number between 0 and 20"},
    {STR_INIT("seed"), WHOLE, -9.3e18, 9.3e18, "a whole number"},
    {STR_INIT("stream"), FLAG, 0, 0, "true or false"},
    {STR_INIT("logprobs"), FLAG, 0, 0, "true or false"},
    {STR_INIT("parallel_tool_calls"), FLAG, 0, 0, "true or false"},
};

static bool check_one(struct json_value v, size_t i, struct err *e)
{
    double d = 0;
    int64_t whole;
    bool flag, good;
    if (simple[i].kind == FLAG)
        good = json_bool(v, &flag);
    else if (simple[i].kind == WHOLE)
        good = json_int(v, &whole) && (d = (double)whole, true);
    else
        good = json_double(v, &d);
    return (good && d >= simple[i].least && d <= simple[i].most) ||
           wrong(simple[i].name.p, simple[i].want, e);
}

/* One walk over the members, as requests have few and the table is long. */
static bool check_simple(struct json_value root, struct err *e)
{
    json_each(it, root)
    {
        for (size_t i = 0; i < COUNT(simple); i++)
            if (str_eq(it.name, simple[i].name) && given(it.value) && !check_one(it.value, i, e))
                return false;
    }
    return true;
}

/* ---- Messages ---- */

static const struct {
    const char *name;
    enum chat_role role;
} roles[] = {
    {"user", CHAT_USER},           {"assistant", CHAT_ASSISTANT}, {"system", CHAT_SYSTEM},
    {"developer", CHAT_DEVELOPER}, {"tool", CHAT_TOOL},           {"function", CHAT_TOOL},
};

static bool read_role(struct json_value msg, size_t i, enum chat_role *out, struct err *e)
{
    struct json_value v = json_get(msg, "role");
    if (!given(v))
        return missing(path("messages[%zu].role", i).text, e);
    for (size_t k = 0; k < COUNT(roles); k++)
        if (json_text_is(v, roles[k].name)) {
            *out = roles[k].role;
            return true;
        }
    return wrong(path("messages[%zu].role", i).text,
                 "system, developer, user, assistant, tool or function", e);
}

/* A part of a message; the text of text parts is appended to `text`. */
static bool read_part(struct json_value part, struct path at, struct arena *a, struct buf *text,
                      struct err *e)
{
    static const char *const types[] = {"text", "image_url", "input_audio", "file", "refusal"};
    if (!json_is(part, JSON_OBJECT))
        return wrong(at.text, "an object with a 'type'", e);
    struct json_value type = json_get(part, "type");
    if (!given(type))
        return missing(path("%.50s.type", at.text).text, e);
    if (!one_of(type, types, COUNT(types)))
        return wrong(path("%.50s.type", at.text).text,
                     "text, image_url, input_audio, file or refusal", e);
    if (!json_text_is(type, "text"))
        return true;
    struct json_value words = json_get(part, "text");
    if (!json_is(words, JSON_STRING))
        return wrong(path("%.50s.text", at.text).text, "a string", e);
    if (text->len)
        buf_add(text, STR("\n\n"));
    buf_add(text, json_text(words, a));
    return true;
}

static bool read_content(struct chat_message *m, struct json_value msg, size_t i, struct arena *a,
                         struct err *e)
{
    struct json_value v = json_get(msg, "content");
    if (json_is(v, JSON_STRING)) {
        m->text = json_text(v, a);
        return true;
    }
    struct path at = path("messages[%zu].content", i);
    if (!given(v)) {
        bool may_lack = m->role == CHAT_ASSISTANT || m->role == CHAT_TOOL;
        return may_lack || missing(at.text, e);
    }
    if (!json_is(v, JSON_ARRAY))
        return wrong(at.text, "a string or a list of parts", e);
    if (!json_count(v))
        return wrong(at.text, "a list with at least one part", e);
    struct buf text;
    bool good = true;
    size_t n = 0;
    buf_init(&text, json_raw(v).len + 1);
    json_each(it, v)
    {
        good = read_part(it.value, path("messages[%zu].content[%zu]", i, n++), a, &text, e);
        if (!good)
            break;
    }
    m->text = arena_copy(a, buf_str(&text));
    buf_fini(&text);
    return good;
}

static bool check_tool_calls(struct json_value msg, size_t i, struct err *e)
{
    struct json_value calls = json_get(msg, "tool_calls");
    if (!given(calls))
        return true;
    if (!json_is(calls, JSON_ARRAY))
        return wrong(path("messages[%zu].tool_calls", i).text, "a list", e);
    size_t n = 0;
    json_each(it, calls)
    {
        struct json_value f = json_get(it.value, "function");
        if (!json_is(json_get(it.value, "id"), JSON_STRING))
            return missing(path("messages[%zu].tool_calls[%zu].id", i, n).text, e);
        bool custom = json_text_is(json_get(it.value, "type"), "custom");
        if (!custom && !json_is(json_get(f, "name"), JSON_STRING))
            return missing(path("messages[%zu].tool_calls[%zu].function.name", i, n).text, e);
        n++;
    }
    return true;
}

static bool read_message(struct chat_message *m, struct json_value msg, size_t i, struct arena *a,
                         struct err *e)
{
    m->raw = msg;
    if (!json_is(msg, JSON_OBJECT))
        return wrong(path("messages[%zu]", i).text, "an object", e);
    if (!read_role(msg, i, &m->role, e) || !read_content(m, msg, i, a, e) ||
        !check_tool_calls(msg, i, e))
        return false;
    if (json_text_is(json_get(msg, "role"), "tool") &&
        !json_is(json_get(msg, "tool_call_id"), JSON_STRING))
        return missing(path("messages[%zu].tool_call_id", i).text, e);
    return true;
}

static bool read_messages(struct chat_request *req, struct json_value root, struct arena *a,
                          struct err *e)
{
    struct json_value list = json_get(root, "messages");
    if (!given(list))
        return missing("messages", e);
    if (!json_is(list, JSON_ARRAY) || !json_count(list))
        return wrong("messages", "a list with at least one message", e);
    req->message = arena_array(a, struct chat_message, json_count(list));
    json_each(it, list)
    {
        if (!read_message(&req->message[req->n_messages], it.value, req->n_messages, a, e))
            return false;
        req->n_messages++;
    }
    return true;
}

/* ---- Tools, formats, streams ---- */

static bool check_tools(struct json_value root, struct err *e)
{
    struct json_value tools = json_get(root, "tools");
    if (!given(tools))
        return true;
    if (!json_is(tools, JSON_ARRAY))
        return wrong("tools", "a list", e);
    size_t i = 0;
    json_each(it, tools)
    {
        struct json_value type = json_get(it.value, "type");
        if (!json_is(type, JSON_STRING))
            return missing(path("tools[%zu].type", i).text, e);
        if (json_text_is(type, "function") &&
            !json_is(json_get(json_get(it.value, "function"), "name"), JSON_STRING))
            return missing(path("tools[%zu].function.name", i).text, e);
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

static bool check_tool_choice(struct json_value root, struct arena *a, struct err *e)
{
    static const char *const words[] = {"none", "auto", "required"};
    struct json_value v = json_get(root, "tool_choice"), tools = json_get(root, "tools");
    if (!given(v))
        return true;
    if (json_is(v, JSON_STRING))
        return one_of(v, words, COUNT(words)) ||
               wrong("tool_choice", "none, auto, required or a function", e);
    if (!json_is(v, JSON_OBJECT))
        return wrong("tool_choice", "a string or an object", e);
    if (!json_text_is(json_get(v, "type"), "function"))
        return true; /* newer kinds are the provider's business */
    struct json_value name = json_path(v, "function.name");
    if (!json_is(name, JSON_STRING))
        return missing("tool_choice.function.name", e);
    return tool_named(tools, json_text(name, a), a) ||
           wrong("tool_choice.function.name", "the name of one of 'tools'", e);
}

static bool check_response_format(struct json_value root, struct err *e)
{
    static const char *const types[] = {"text", "json_object", "json_schema"};
    struct json_value v = json_get(root, "response_format");
    if (!given(v))
        return true;
    if (!json_is(v, JSON_OBJECT))
        return wrong("response_format", "an object", e);
    if (!one_of(json_get(v, "type"), types, COUNT(types)))
        return wrong("response_format.type", "text, json_object or json_schema", e);
    if (json_text_is(json_get(v, "type"), "json_schema") &&
        !json_is(json_path(v, "json_schema.name"), JSON_STRING))
        return missing("response_format.json_schema.name", e);
    return true;
}

static bool read_stream(struct chat_request *req, struct json_value root, struct err *e)
{
    struct json_value options = json_get(root, "stream_options"), usage;
    json_bool(json_get(root, "stream"), &req->stream);
    if (!given(options))
        return true;
    if (!req->stream)
        return err_param(e, ERR_INVALID, "stream_options",
                         "'stream_options' is only allowed with 'stream': true");
    if (!json_is(options, JSON_OBJECT))
        return wrong("stream_options", "an object", e);
    usage = json_get(options, "include_usage");
    return !given(usage) || json_bool(usage, &req->include_usage) ||
           wrong("stream_options.include_usage", "true or false", e);
}

static bool check_stop(struct json_value root, struct err *e)
{
    struct json_value v = json_get(root, "stop");
    if (!given(v) || json_is(v, JSON_STRING))
        return true;
    bool good = json_is(v, JSON_ARRAY) && json_count(v) <= 4;
    json_each(it, v) good = good && json_is(it.value, JSON_STRING);
    return good || wrong("stop", "a string or up to 4 strings", e);
}

bool chat_read(struct chat_request *req, const struct json *body, struct arena *a, struct err *e)
{
    req->dialect = CHAT_OPENAI;
    req->body = *body; /* messages point to it, and the caller's may go */
    struct json_value root = json_root(&req->body), model = json_get(root, "model");
    if (!given(model))
        return missing("model", e);
    if (!json_is(model, JSON_STRING))
        return wrong("model", "a string", e);
    req->model = json_text(model, a);
    if (!req->model.len)
        return wrong("model", "the name of a model", e);
    if (!check_simple(root, e) || !read_messages(req, root, a, e) || !check_stop(root, e) ||
        !check_tools(root, e) || !check_tool_choice(root, a, e) ||
        !check_response_format(root, e) || !read_stream(req, root, e))
        return false;
    json_int(json_get(root, "max_tokens"), &req->max_tokens);
    json_int(json_get(root, "max_completion_tokens"), &req->max_tokens);
    req->user = json_text(json_get(root, "user"), a);
    return true;
}
