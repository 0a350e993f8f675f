#include "gateway/messages_read.h"
#include "gateway/member.h"
#include "gateway/messages_expand.h"

static const struct body_rule simple[] = {
    {STR_INIT("max_tokens"), BODY_WHOLE, 1, 1e12, "a whole number above 0"},
    {STR_INIT("temperature"), BODY_NUMBER, 0, 1, "a number between 0 and 1"},
    {STR_INIT("top_p"), BODY_NUMBER, 0, 1, "a number between 0 and 1"},
    {STR_INIT("top_k"), BODY_WHOLE, 0, 1e12, "a whole number from 0 on"},
    {STR_INIT("stream"), BODY_FLAG, 0, 0, "true or false"},
};

/* ---- Blocks ---- */

/* What a block cannot be without. */
static const struct {
    struct str type;
    struct {
        const char *name;
        enum json_type type;
        const char *want;
    } need[3];
} blocks[] = {
    {STR_INIT("text"), {{"text", JSON_STRING, "a string"}}},
    {STR_INIT("tool_use"),
     {{"id", JSON_STRING, "a string"},
      {"name", JSON_STRING, "a string"},
      {"input", JSON_OBJECT, "an object"}}},
    {STR_INIT("tool_result"), {{"tool_use_id", JSON_STRING, "a string"}}},
    {STR_INIT("image"), {{"source", JSON_OBJECT, "an object"}}},
    {STR_INIT("document"), {{"source", JSON_OBJECT, "an object"}}},
    {STR_INIT("thinking"),
     {{"thinking", JSON_STRING, "a string"}, {"signature", JSON_STRING, "a string"}}},
    {STR_INIT("redacted_thinking"), {{"data", JSON_STRING, "a string"}}},
};

static bool need(struct json_value object, const struct member_at *up, const char *name,
                 enum json_type type, const char *want, struct err *e)
{
    struct json_value v = json_get(object, name);
    struct member_at at = member_at(up, str_from(name));
    return json_is(v, type) ||
           (body_given(v) ? member_wrong(&at, want, e) : member_missing(&at, e));
}

static bool check_block(struct json_value block, const struct member_at *at, struct err *e)
{
    if (!json_is(block, JSON_OBJECT))
        return member_wrong(at, "an object with a 'type'", e);
    if (!need(block, at, "type", JSON_STRING, "a string", e))
        return false;
    struct json_value type = json_get(block, "type");
    for (size_t i = 0; i < COUNT(blocks); i++) {
        if (!json_text_is_str(type, blocks[i].type))
            continue;
        for (size_t k = 0; k < COUNT(blocks[i].need) && blocks[i].need[k].name; k++)
            if (!need(block, at, blocks[i].need[k].name, blocks[i].need[k].type,
                      blocks[i].need[k].want, e))
                return false;
        return true;
    }
    return true; /* newer kinds are the provider's business */
}

/* A content: a text, or blocks whose texts are joined by a blank line. */
static bool read_content(struct json_value content, const struct member_at *at, struct arena *a,
                         struct str *text, struct err *e)
{
    struct buf joined;
    bool good = true;
    size_t i = 0, n_texts = 0;
    if (json_is(content, JSON_STRING)) {
        *text = json_text(content, a);
        return true;
    }
    if (!body_given(content))
        return member_missing(at, e);
    if (!json_is(content, JSON_ARRAY))
        return member_wrong(at, "a string or a list of blocks", e);
    buf_init(&joined, json_raw(content).len + 1);
    json_each(it, content)
    {
        struct member_at here = member_item(at, i++);
        good = check_block(it.value, &here, e);
        if (!good)
            break;
        if (!json_text_is(json_get(it.value, "type"), "text"))
            continue;
        struct str words = json_text(json_get(it.value, "text"), a);
        if (n_texts++ == 0) {
            *text = words; /* mostly the only one */
            continue;
        }
        if (n_texts == 2)
            buf_add(&joined, *text);
        buf_add(&joined, STR("\n\n"));
        buf_add(&joined, words);
    }
    if (n_texts > 1)
        *text = arena_copy(a, buf_str(&joined));
    buf_fini(&joined);
    return good;
}

/* ---- Messages ---- */

static bool read_message(struct chat_message *m, struct json_value msg, const struct member_at *at,
                         struct arena *a, struct err *e)
{
    struct json_value role = json_get(msg, "role");
    struct member_at at_role = member_at(at, STR("role")), content = member_at(at, STR("content"));
    m->raw = msg;
    if (!json_is(msg, JSON_OBJECT))
        return member_wrong(at, "an object", e);
    if (!body_given(role))
        return member_missing(&at_role, e);
    if (!json_text_is(role, "user") && !json_text_is(role, "assistant"))
        return member_wrong(&at_role, "user or assistant; the system prompt goes into 'system'", e);
    m->role = json_text_is(role, "user") ? CHAT_USER : CHAT_ASSISTANT;
    return read_content(json_get(msg, "content"), &content, a, &m->text, e);
}

static bool read_messages(struct chat_request *req, struct json_value root, struct arena *a,
                          struct err *e)
{
    struct json_value system = json_get(root, "system"), list = json_get(root, "messages");
    struct member_at at_system = member_at(NULL, STR("system")),
                     at = member_at(NULL, STR("messages"));
    size_t i = 0;
    if (!body_given(list))
        return member_missing(&at, e);
    if (!json_is(list, JSON_ARRAY) || !json_count(list))
        return member_wrong(&at, "a list with at least one message", e);
    req->message = arena_array(a, struct chat_message, json_count(list) + 1);
    if (body_given(system)) {
        req->message[0].role = CHAT_SYSTEM;
        if (!read_content(system, &at_system, a, &req->message[0].text, e))
            return false;
        req->n_messages = 1;
    }
    json_each(it, list)
    {
        struct member_at here = member_item(&at, i++);
        if (!read_message(&req->message[req->n_messages], it.value, &here, a, e))
            return false;
        req->n_messages++;
    }
    return true;
}

/* ---- Tools, thinking, the rest ---- */

/* Anthropic's own tools have types of their own, and what else they need is its business. */
static bool check_tools(struct json_value root, struct err *e)
{
    struct json_value tools = json_get(root, "tools");
    struct member_at at = member_at(NULL, STR("tools"));
    size_t i = 0;
    if (!body_given(tools))
        return true;
    if (!json_is(tools, JSON_ARRAY))
        return member_wrong(&at, "a list", e);
    json_each(it, tools)
    {
        struct json_value type = json_get(it.value, "type");
        struct member_at here = member_item(&at, i++);
        if (!json_is(it.value, JSON_OBJECT))
            return member_wrong(&here, "an object", e);
        if (body_given(type) && !json_text_is(type, "custom"))
            continue;
        if (!need(it.value, &here, "name", JSON_STRING, "a string", e) ||
            !need(it.value, &here, "input_schema", JSON_OBJECT, "a JSON Schema", e))
            return false;
    }
    return true;
}

static bool tool_named(struct json_value tools, struct str name)
{
    json_each(it, tools) if (json_text_is_str(json_get(it.value, "name"), name)) return true;
    return false;
}

static bool check_tool_choice(struct json_value root, struct arena *a, struct err *e)
{
    static const char *const types[] = {"auto", "any", "tool", "none"};
    struct json_value v = json_get(root, "tool_choice");
    struct member_at at = member_at(NULL, STR("tool_choice")), type = member_at(&at, STR("type")),
                     name = member_at(&at, STR("name"));
    if (!body_given(v))
        return true;
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(&at, "an object", e);
    if (!body_one_of(json_get(v, "type"), types, COUNT(types)))
        return member_wrong(&type, "auto, any, tool or none", e);
    if (!json_text_is(json_get(v, "type"), "tool"))
        return true;
    return need(v, &at, "name", JSON_STRING, "a string", e) &&
           (tool_named(json_get(root, "tools"), json_text(json_get(v, "name"), a)) ||
            member_wrong(&name, "the name of one of 'tools'", e));
}

static bool check_thinking(struct json_value root, struct err *e)
{
    static const char *const types[] = {"enabled", "disabled", "adaptive"};
    struct json_value v = json_get(root, "thinking");
    struct member_at at = member_at(NULL, STR("thinking")), type = member_at(&at, STR("type")),
                     budget = member_at(&at, STR("budget_tokens"));
    int64_t tokens;
    if (!body_given(v))
        return true;
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(&at, "an object", e);
    if (!body_one_of(json_get(v, "type"), types, COUNT(types)))
        return member_wrong(&type, "enabled, disabled or adaptive", e);
    return !json_text_is(json_get(v, "type"), "enabled") ||
           (json_int(json_get(v, "budget_tokens"), &tokens) && tokens >= 1024) ||
           member_wrong(&budget, "a whole number from 1024 on", e);
}

static bool check_stop(struct json_value root, struct err *e)
{
    struct json_value v = json_get(root, "stop_sequences");
    bool good = !body_given(v) || json_is(v, JSON_ARRAY);
    json_each(it, v) good = good && json_is(it.value, JSON_STRING);
    return good || body_wrong("stop_sequences", "a list of strings", e);
}

static bool read_metadata(struct chat_request *req, struct json_value root, struct arena *a,
                          struct err *e)
{
    struct json_value v = json_get(root, "metadata"), user = json_get(v, "user_id");
    req->user = json_text(user, a);
    if (body_given(v) && !json_is(v, JSON_OBJECT))
        return body_wrong("metadata", "an object", e);
    return !body_given(user) || json_is(user, JSON_STRING) ||
           body_wrong("metadata.user_id", "a string", e);
}

/* Thinking stands before the text, a forced tool or a set form allows no text to begin with: nobody
 * can take such an answer up in its middle. */
static bool is_rigid(struct json_value root)
{
    struct json_value thinking = json_path(root, "thinking.type"),
                      choice = json_path(root, "tool_choice.type");
    return (json_exists(thinking) && !json_text_is(thinking, "disabled")) ||
           json_text_is(choice, "any") || json_text_is(choice, "tool") ||
           body_given(json_path(root, "output_config.format")) ||
           body_given(json_get(root, "output_format"));
}

bool messages_read(struct chat_request *req, const struct json *body, struct arena *a,
                   struct err *e)
{
    req->dialect = CHAT_ANTHROPIC;
    req->expand = messages_expand;
    req->body = *body; /* messages point to it, and the caller's may go */
    struct json_value root = json_root(&req->body);
    if (!body_model(json_get(root, "model"), a, &req->model, e) ||
        !body_check(root, simple, COUNT(simple), e))
        return false;
    json_int(json_get(root, "max_tokens"), &req->max_tokens);
    json_bool(json_get(root, "stream"), &req->stream);
    if (req->max_tokens == 0 && req->op == OP_CHAT)
        return body_missing("max_tokens", e);
    req->rigid = is_rigid(root);
    return read_messages(req, root, a, e) && check_stop(root, e) && check_tools(root, e) &&
           check_tool_choice(root, a, e) && check_thinking(root, e) &&
           read_metadata(req, root, a, e);
}
