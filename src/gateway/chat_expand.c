#include "gateway/chat_expand.h"
#include "gateway/member.h"
#include "model/reasoning.h"

struct reader {
    struct chat_request *r;
    struct chat_options *options;
    struct member_reader m;
    size_t functions; /* calls in the old form, which have no id: they are numbered */
};

/* ---- Members ---- */

static bool need_object(struct reader *x, struct json_value v, const struct member_at *at)
{
    return json_is(v, JSON_OBJECT) ||
           (body_given(v) ? member_wrong(at, "an object", x->m.e) : member_missing(at, x->m.e));
}

/* ---- Parts of a message ---- */

static bool take_image(struct reader *x, struct json_value part, const struct member_at *up,
                       struct chat_part *p)
{
    struct json_value image = json_get(part, "image_url");
    struct member_at at = member_at(up, STR("image_url")), at_url = member_at(&at, STR("url"));
    struct str url;
    p->kind = PART_IMAGE;
    return need_object(x, image, &at) && member_need_text(&x->m, image, &at, "url", &url) &&
           member_source(p, url, &at_url, x->m.e) &&
           member_text(&x->m, image, &at, "detail", &p->name) &&
           MEMBER_ONLY(&x->m, image, &at, STR("url"), STR("detail"));
}

static bool take_audio(struct reader *x, struct json_value part, const struct member_at *up,
                       struct chat_part *p)
{
    struct json_value audio = json_get(part, "input_audio");
    struct member_at at = member_at(up, STR("input_audio"));
    p->kind = PART_AUDIO;
    return need_object(x, audio, &at) && member_need_text(&x->m, audio, &at, "data", &p->data) &&
           member_need_text(&x->m, audio, &at, "format", &p->media_type) &&
           MEMBER_ONLY(&x->m, audio, &at, STR("data"), STR("format"));
}

static bool take_file(struct reader *x, struct json_value part, const struct member_at *up,
                      struct chat_part *p)
{
    struct json_value file = json_get(part, "file");
    struct member_at at = member_at(up, STR("file")), at_data = member_at(&at, STR("file_data"));
    struct str data = STR_NONE;
    p->kind = PART_FILE;
    if (!need_object(x, file, &at) || !member_text(&x->m, file, &at, "file_data", &data) ||
        !member_text(&x->m, file, &at, "file_id", &p->id) ||
        !member_text(&x->m, file, &at, "filename", &p->name))
        return false;
    if (!data.len && !p->id.len)
        return member_missing(&at_data, x->m.e);
    return (!data.len || member_source(p, data, &at_data, x->m.e)) &&
           MEMBER_ONLY(&x->m, file, &at, STR("file_data"), STR("file_id"), STR("filename"));
}

static bool take_part(struct reader *x, struct json_value part, const struct member_at *at,
                      struct chat_part *p)
{
    struct str type = json_text(json_get(part, "type"), x->m.a);
    bool good;
    p->kind = PART_TEXT;
    if (str_eq(type, STR("image_url"))) {
        good = take_image(x, part, at, p);
    } else if (str_eq(type, STR("input_audio"))) {
        good = take_audio(x, part, at, p);
    } else if (str_eq(type, STR("file"))) {
        good = take_file(x, part, at, p);
    } else if (str_eq(type, STR("refusal"))) {
        p->kind = PART_REFUSAL;
        good = member_need_text(&x->m, part, at, "refusal", &p->text);
    } else {
        good = member_need_text(&x->m, part, at, "text", &p->text);
    }
    return good && member_cache(&x->m, part, at, &p->cache) &&
           MEMBER_ONLY(&x->m, part, at, STR("type"), STR("cache_control"), type);
}

/* ---- What an assistant's message holds beside its content ---- */

/* Blocks carry what their maker wants back, so they come before the same reasoning as text. */
static bool take_thinking(struct reader *x, struct json_value block, const struct member_at *at,
                          struct chat_part *p)
{
    if (json_text_is(json_get(block, "type"), "redacted_thinking")) {
        p->kind = PART_REDACTED_THINKING;
        return member_need_text(&x->m, block, at, "data", &p->data) &&
               MEMBER_ONLY(&x->m, block, at, STR("type"), STR("data"));
    }
    struct member_at at_type = member_at(at, STR("type"));
    if (!json_text_is(json_get(block, "type"), "thinking"))
        return member_wrong(&at_type, "thinking or redacted_thinking", x->m.e);
    p->kind = PART_THINKING;
    return member_need_text(&x->m, block, at, "thinking", &p->text) &&
           member_text(&x->m, block, at, "signature", &p->signature) &&
           MEMBER_ONLY(&x->m, block, at, STR("type"), STR("thinking"), STR("signature"));
}

/* OpenRouter's form. The pieces of a stream may have been put into the list as they came. */
static bool take_details(struct reader *x, struct json_value msg, const struct member_at *up,
                         struct chat_message *m)
{
    struct json_value list = json_get(msg, "reasoning_details");
    struct member_at at = member_at(up, STR("reasoning_details"));
    if (body_given(list) && !json_is(list, JSON_ARRAY))
        return member_wrong(&at, "a list", x->m.e);
    CHECK(m->part);
    json_each(it, list)
    {
        struct chat_part *p = m->n_parts > 0 ? &m->part[m->n_parts - 1] : NULL;
        struct reasoning_detail d;
        if (!reasoning_read(it.value, x->m.a, &d))
            continue;
        if (!d.words || !p || p->kind != PART_THINKING || p->signature.len > 0) {
            p = &m->part[m->n_parts++];
            p->kind = d.words ? PART_THINKING : PART_REDACTED_THINKING;
        }
        p->text = p->text.len > 0
                      ? arena_printf(x->m.a, "%.*s%.*s", STR_FMT(p->text), STR_FMT(d.text))
                      : d.text;
        p->signature = d.signature;
        p->data = d.data;
    }
    return true;
}

static bool take_reasoning(struct reader *x, struct json_value msg, const struct member_at *up,
                           struct chat_message *m)
{
    struct json_value blocks = json_get(msg, "thinking_blocks");
    struct member_at list = member_at(up, STR("thinking_blocks"));
    struct str text, other;
    size_t i = 0;
    if (body_given(blocks) && !json_is(blocks, JSON_ARRAY))
        return member_wrong(&list, "a list", x->m.e);
    if (!member_text(&x->m, msg, up, "reasoning_content", &text) ||
        !member_text(&x->m, msg, up, "reasoning", &other))
        return false;
    json_each(it, blocks)
    {
        struct member_at at = member_item(&list, i++);
        if (!need_object(x, it.value, &at) ||
            !take_thinking(x, it.value, &at, &m->part[m->n_parts++]))
            return false;
    }
    if (i == 0 && !take_details(x, msg, up, m))
        return false;
    text = text.len > 0 ? text : other;
    if (m->n_parts == 0 && text.len > 0)
        m->part[m->n_parts++] = (struct chat_part){.kind = PART_THINKING, .text = text};
    return true;
}

static bool take_function(struct reader *x, struct json_value function, const struct member_at *at,
                          struct chat_part *p)
{
    p->kind = PART_TOOL_CALL;
    return need_object(x, function, at) &&
           member_need_text(&x->m, function, at, "name", &p->name) &&
           member_text(&x->m, function, at, "arguments", &p->text) &&
           MEMBER_ONLY(&x->m, function, at, STR("name"), STR("arguments"));
}

/* `index` is there when a message was put together from a stream. */
static bool take_call(struct reader *x, struct json_value call, const struct member_at *at,
                      struct chat_part *p)
{
    struct member_at at_type = member_at(at, STR("type")),
                     at_function = member_at(at, STR("function"));
    struct json_value type = json_get(call, "type");
    if (body_given(type) && !json_text_is(type, "function"))
        return member_unsaid(&at_type, x->m.e);
    return member_need_text(&x->m, call, at, "id", &p->id) &&
           take_function(x, json_get(call, "function"), &at_function, p) &&
           member_cache(&x->m, call, at, &p->cache) &&
           MEMBER_ONLY(&x->m, call, at, STR("id"), STR("type"), STR("index"), STR("function"),
                       STR("cache_control"));
}

static struct str function_id(struct reader *x)
{
    return arena_printf(x->m.a, "call_%zu", x->functions);
}

static bool take_calls(struct reader *x, struct json_value msg, const struct member_at *up,
                       struct chat_message *m)
{
    struct member_at list = member_at(up, STR("tool_calls")),
                     old = member_at(up, STR("function_call"));
    struct json_value function = json_get(msg, "function_call");
    size_t i = 0;
    json_each(it, json_get(msg, "tool_calls"))
    {
        struct member_at at = member_item(&list, i++);
        if (!need_object(x, it.value, &at) || !take_call(x, it.value, &at, &m->part[m->n_parts++]))
            return false;
    }
    if (!body_given(function))
        return true;
    x->functions++;
    struct chat_part *p = &m->part[m->n_parts++];
    p->id = function_id(x);
    return take_function(x, function, &old, p);
}

/* ---- Messages ---- */

/* A message without parts of its own is one text; one without content has none. */
static bool take_content(struct reader *x, struct json_value msg, const struct member_at *up,
                         struct chat_part *part, size_t *n)
{
    struct json_value content = json_get(msg, "content");
    struct member_at list = member_at(up, STR("content"));
    if (json_is(content, JSON_STRING)) {
        part[*n].text = json_text(content, x->m.a);
        part[(*n)++].kind = PART_TEXT;
    } else if (json_is(content, JSON_ARRAY)) {
        size_t i = 0;
        json_each(it, content)
        {
            struct member_at at = member_item(&list, i++);
            if (!take_part(x, it.value, &at, &part[(*n)++]))
                return false;
        }
    }
    return true;
}

/* What comes back in `annotations` is of an answer, where it cites; it asks for nothing. */
static bool take_assistant(struct reader *x, struct json_value msg, const struct member_at *at,
                           struct chat_message *m)
{
    struct str refusal;
    if (!take_reasoning(x, msg, at, m) || !take_content(x, msg, at, m->part, &m->n_parts) ||
        !member_text(&x->m, msg, at, "refusal", &refusal))
        return false;
    if (refusal.len > 0)
        m->part[m->n_parts++] = (struct chat_part){.kind = PART_REFUSAL, .text = refusal};
    return take_calls(x, msg, at, m) &&
           MEMBER_ONLY(&x->m, msg, at, STR("role"), STR("content"), STR("refusal"),
                       STR("tool_calls"), STR("function_call"), STR("reasoning_content"),
                       STR("thinking_blocks"), STR("reasoning"), STR("reasoning_details"),
                       STR("annotations"), STR("cache_control"));
}

/* The name of the function is in the call that this answers. */
static bool take_result(struct reader *x, struct json_value msg, const struct member_at *at,
                        struct chat_message *m)
{
    struct chat_part *p = &m->part[m->n_parts++];
    p->kind = PART_TOOL_RESULT;
    if (json_text_is(json_get(msg, "role"), "function"))
        p->id = function_id(x);
    else if (!member_need_text(&x->m, msg, at, "tool_call_id", &p->id))
        return false;
    if (json_is(json_get(msg, "content"), JSON_ARRAY)) {
        p->part = m->part + m->n_parts; /* behind the result itself */
        if (!take_content(x, msg, at, p->part, &p->n_parts))
            return false;
    }
    p->text = m->text;
    return MEMBER_ONLY(&x->m, msg, at, STR("role"), STR("content"), STR("tool_call_id"),
                       STR("name"), STR("cache_control"));
}

/* Parts that a message can have at most. */
static size_t most_parts(struct json_value msg)
{
    struct json_value content = json_get(msg, "content");
    const size_t beside = 4; /* content and reasoning as texts, a refusal, an old call */
    return beside + (json_is(content, JSON_ARRAY) ? json_count(content) : 0) +
           json_count(json_get(msg, "tool_calls")) + json_count(json_get(msg, "thinking_blocks")) +
           json_count(json_get(msg, "reasoning_details"));
}

static bool take_message(struct reader *x, struct chat_message *m, const struct member_at *at)
{
    struct json_value msg = m->raw;
    struct str cache = STR_NONE;
    m->n_parts = 0;
    m->part = arena_array(x->m.a, struct chat_part, json_exists(msg) ? most_parts(msg) : 1);
    if (!json_exists(msg)) {
        m->part[m->n_parts++] = (struct chat_part){.kind = PART_TEXT, .text = m->text};
        return true;
    }
    bool good = m->role == CHAT_ASSISTANT ? take_assistant(x, msg, at, m)
                : m->role == CHAT_TOOL    ? take_result(x, msg, at, m)
                                          : take_content(x, msg, at, m->part, &m->n_parts) &&
                                             MEMBER_ONLY(&x->m, msg, at, STR("role"),
                                                         STR("content"), STR("cache_control"));
    if (!good || !member_cache(&x->m, msg, at, &cache))
        return false;
    if (cache.len > 0 && m->n_parts > 0)
        m->part[m->n_parts - 1].cache = cache;
    return true;
}

static bool take_messages(struct reader *x)
{
    struct member_at list = member_at(NULL, STR("messages"));
    for (size_t i = 0; i < x->r->n_messages; i++) {
        struct member_at at = member_item(&list, i);
        if (!take_message(x, &x->r->message[i], &at))
            return false;
    }
    return true;
}

/* ---- Tools and the form of the answer ---- */

static bool take_tool(struct reader *x, struct json_value tool, const struct member_at *at,
                      struct chat_tool *t)
{
    struct member_at at_type = member_at(at, STR("type")), in = member_at(at, STR("function")),
                     at_schema = member_at(&in, STR("parameters"));
    struct json_value f = json_get(tool, "function"), schema = json_get(f, "parameters");
    if (!json_text_is(json_get(tool, "type"), "function"))
        return member_unsaid(&at_type, x->m.e);
    if (body_given(schema)) {
        if (!need_object(x, schema, &at_schema))
            return false;
        t->schema = json_raw(schema);
    }
    return need_object(x, f, &in) && member_need_text(&x->m, f, &in, "name", &t->name) &&
           member_text(&x->m, f, &in, "description", &t->description) &&
           member_flag(&x->m, f, &in, "strict", &t->strict) &&
           member_cache(&x->m, f, &in, &t->cache) && member_cache(&x->m, tool, at, &t->cache) &&
           MEMBER_ONLY(&x->m, f, &in, STR("name"), STR("description"), STR("parameters"),
                       STR("strict"), STR("cache_control")) &&
           MEMBER_ONLY(&x->m, tool, at, STR("type"), STR("function"), STR("cache_control"));
}

static bool take_tools(struct reader *x, struct json_value v, const struct member_at *list)
{
    struct chat_options *o = x->options;
    o->tool = arena_array(x->m.a, struct chat_tool, json_count(v));
    json_each(it, v)
    {
        struct member_at at = member_item(list, o->n_tools);
        if (!take_tool(x, it.value, &at, &o->tool[o->n_tools++]))
            return false;
    }
    return true;
}

static bool take_tool_choice(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct chat_options *o = x->options;
    struct member_at at_type = member_at(at, STR("type")), in = member_at(at, STR("function"));
    if (json_is(v, JSON_STRING)) {
        o->tool_choice = json_text_is(v, "none")   ? CHOICE_NONE
                         : json_text_is(v, "auto") ? CHOICE_AUTO
                                                   : CHOICE_REQUIRED;
        return true;
    }
    if (!json_text_is(json_get(v, "type"), "function"))
        return member_unsaid(&at_type, x->m.e);
    struct json_value f = json_get(v, "function");
    o->tool_choice = CHOICE_NAMED;
    return need_object(x, f, &in) && member_need_text(&x->m, f, &in, "name", &o->tool_name) &&
           MEMBER_ONLY(&x->m, f, &in, STR("name")) &&
           MEMBER_ONLY(&x->m, v, at, STR("type"), STR("function"));
}

static bool take_parallel(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->options->one_tool_at_a_time = json_is(v, JSON_FALSE);
    return true;
}

static bool take_format(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct chat_options *o = x->options;
    struct member_at in = member_at(at, STR("json_schema")),
                     at_schema = member_at(&in, STR("schema"));
    if (!json_text_is(json_get(v, "type"), "json_schema")) {
        o->format = json_text_is(json_get(v, "type"), "text") ? FORMAT_TEXT : FORMAT_JSON;
        return MEMBER_ONLY(&x->m, v, at, STR("type"));
    }
    struct json_value form = json_get(v, "json_schema"), schema = json_get(form, "schema");
    o->format = FORMAT_SCHEMA;
    o->format_schema = json_raw(schema);
    return need_object(x, form, &in) && need_object(x, schema, &at_schema) &&
           member_need_text(&x->m, form, &in, "name", &o->format_name) &&
           member_flag(&x->m, form, &in, "strict", &o->format_strict) &&
           MEMBER_ONLY(&x->m, form, &in, STR("name"), STR("schema"), STR("strict")) &&
           MEMBER_ONLY(&x->m, v, at, STR("type"), STR("json_schema"));
}

static bool take_stop(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct chat_options *o = x->options;
    (void)at;
    o->stop = arena_array(x->m.a, struct str, json_is(v, JSON_STRING) ? 1 : json_count(v));
    if (json_is(v, JSON_STRING))
        o->stop[o->n_stop++] = json_text(v, x->m.a);
    json_each(it, v) o->stop[o->n_stop++] = json_text(it.value, x->m.a);
    return true;
}

static bool take_effort(struct reader *x, struct json_value v, const struct member_at *at)
{
    x->options->effort = json_text(v, x->m.a);
    return json_is(v, JSON_STRING) || member_wrong(at, "a string", x->m.e);
}

/* ---- Numbers, as they are spelled ---- */

static bool take_number(struct reader *x, struct json_value v, const struct member_at *at,
                        struct str *out)
{
    *out = json_raw(v);
    return json_is(v, JSON_NUMBER) || member_wrong(at, "a number", x->m.e);
}

static bool take_temperature(struct reader *x, struct json_value v, const struct member_at *at)
{
    return take_number(x, v, at, &x->options->temperature);
}

static bool take_top_p(struct reader *x, struct json_value v, const struct member_at *at)
{
    return take_number(x, v, at, &x->options->top_p);
}

static bool take_top_k(struct reader *x, struct json_value v, const struct member_at *at)
{
    return take_number(x, v, at, &x->options->top_k);
}

static bool take_seed(struct reader *x, struct json_value v, const struct member_at *at)
{
    return take_number(x, v, at, &x->options->seed);
}

/* A penalty of 0 is none. */
static bool take_penalty(struct reader *x, struct json_value v, const struct member_at *at,
                         struct str *out)
{
    double d;
    return (json_double(v, &d) && d == 0) || take_number(x, v, at, out);
}

static bool take_frequency(struct reader *x, struct json_value v, const struct member_at *at)
{
    return take_penalty(x, v, at, &x->options->frequency_penalty);
}

static bool take_presence(struct reader *x, struct json_value v, const struct member_at *at)
{
    return take_penalty(x, v, at, &x->options->presence_penalty);
}

/* ---- The body ---- */

static bool take_stream_options(struct reader *x, struct json_value v, const struct member_at *at)
{
    return MEMBER_ONLY(&x->m, v, at, STR("include_usage"));
}

/* Has been read, but what is no text would be lost. */
static bool take_user(struct reader *x, struct json_value v, const struct member_at *at)
{
    return json_is(v, JSON_STRING) || member_wrong(at, "a string", x->m.e);
}

/* Of a text completion it is the message; a chat has none. */
static bool take_prompt(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)v;
    return x->r->op == OP_COMPLETION || member_unsaid(at, x->m.e);
}

/* Of the limits only the old completions' may be 0: an answer that says nothing. */
static bool take_limit(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)v;
    return x->r->max_tokens > 0 || member_unsaid(at, x->m.e);
}

/* Has been read by chat_read. */
static bool have(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)x, (void)v, (void)at;
    return true;
}

static const struct {
    struct str name;
    bool (*take)(struct reader *x, struct json_value v, const struct member_at *at);
} members[] = {
    {STR_INIT("model"), have},
    {STR_INIT("messages"), have},
    {STR_INIT("prompt"), take_prompt},
    {STR_INIT("stream"), have},
    {STR_INIT("max_tokens"), take_limit},
    {STR_INIT("max_completion_tokens"), have},
    {STR_INIT("user"), take_user},
    {STR_INIT("temperature"), take_temperature},
    {STR_INIT("top_p"), take_top_p},
    {STR_INIT("top_k"), take_top_k},
    {STR_INIT("seed"), take_seed},
    {STR_INIT("frequency_penalty"), take_frequency},
    {STR_INIT("presence_penalty"), take_presence},
    {STR_INIT("stop"), take_stop},
    {STR_INIT("tools"), take_tools},
    {STR_INIT("tool_choice"), take_tool_choice},
    {STR_INIT("parallel_tool_calls"), take_parallel},
    {STR_INIT("response_format"), take_format},
    {STR_INIT("reasoning_effort"), take_effort},
    {STR_INIT("stream_options"), take_stream_options},
};

/* What the protocol takes for granted: saying it changes nothing. */
static const struct {
    struct str name, json;
} defaults[] = {
    {STR_INIT("n"), STR_INIT("1")},
    {STR_INIT("best_of"), STR_INIT("1")},
    {STR_INIT("top_logprobs"), STR_INIT("0")},
    {STR_INIT("service_tier"), STR_INIT("\"auto\"")},
    {STR_INIT("service_tier"), STR_INIT("\"default\"")},
    {STR_INIT("verbosity"), STR_INIT("\"medium\"")},
    {STR_INIT("modalities"), STR_INIT("[\"text\"]")},
};

static bool is_default(struct str name, struct json_value v)
{
    for (size_t i = 0; i < COUNT(defaults); i++)
        if (str_eq(name, defaults[i].name) && str_eq(json_raw(v), defaults[i].json))
            return true;
    return false;
}

static bool take_member(struct reader *x, const struct json_iter *it)
{
    struct member_at at = member_at(NULL, it->name);
    for (size_t i = 0; i < COUNT(members); i++)
        if (str_eq(it->name, members[i].name))
            return !body_given(it->value) || members[i].take(x, it->value, &at);
    if (str_eq(it->name, STR("penstock"))) /* for us, not for the provider */
        return true;
    return is_default(it->name, it->value) || member_idle(it->value) || member_unsaid(&at, x->m.e);
}

bool chat_expand(struct chat_request *r, struct arena *a, struct err *e)
{
    struct reader x = {.r = r, .options = arena_struct(a, struct chat_options), .m = {a, e}};
    json_each(it, json_root(&r->body))
    {
        if (!take_member(&x, &it))
            return false;
    }
    if (!take_messages(&x))
        return false;
    r->options = x.options;
    return true;
}
