#include "gateway/messages_expand.h"
#include "gateway/member.h"
#include "text/token.h"

enum {
    TOOL_TOKENS = 8,      /* what the frame of a tool or a call costs */
    IMAGE_TOKENS = 1500,  /* of one with the size that Anthropic recommends */
    PAGE_TOKENS = 2000,   /* of a page of a PDF, text and picture: Anthropic says 1500 to 3000 */
    PAGE_BASE64 = 100000, /* bytes of such a page */
};

struct reader {
    struct chat_request *r;
    struct chat_options *options;
    struct member_reader m;
};

/* ---- Members ---- */

static bool unsaid(struct reader *x, const struct member_at *up, const char *name)
{
    struct member_at at = member_at(up, str_from(name));
    return member_unsaid(&at, x->m.e);
}

static void count(struct reader *x, struct str text)
{
    x->r->prompt_tokens += (int64_t)token_count(text);
}

/* ---- Blocks: each reads what is its own; type, cache_control and what is left are looked at for
 * all of them. ---- */

static bool take_words(struct reader *x, struct json_value block, const struct member_at *at,
                       struct chat_part *p)
{
    p->kind = PART_TEXT;
    return member_need_text(&x->m, block, at, "text", &p->text);
}

/* base64 and url are of both images and documents. */
static bool take_source(struct reader *x, struct json_value block, const struct member_at *up,
                        struct chat_part *p)
{
    struct json_value source = json_get(block, "source"), type = json_get(source, "type");
    struct member_at at = member_at(up, STR("source"));
    bool document = p->kind == PART_FILE;
    struct str *data = &p->data;
    if (!json_is(source, JSON_OBJECT))
        return member_wrong(&at, "an object", x->m.e);
    if (json_text_is(type, "url"))
        return member_need_text(&x->m, source, &at, "url", &p->url) &&
               MEMBER_ONLY(&x->m, source, &at, STR("type"), STR("url"));
    if (document && json_text_is(type, "file"))
        return member_need_text(&x->m, source, &at, "file_id", &p->id) &&
               MEMBER_ONLY(&x->m, source, &at, STR("type"), STR("file_id"));
    if (document && json_text_is(type, "text"))
        data = &p->text;
    else if (!json_text_is(type, "base64"))
        return unsaid(x, &at, "type");
    return member_need_text(&x->m, source, &at, "media_type", &p->media_type) &&
           member_need_text(&x->m, source, &at, "data", data) &&
           MEMBER_ONLY(&x->m, source, &at, STR("type"), STR("media_type"), STR("data"));
}

static bool take_image(struct reader *x, struct json_value block, const struct member_at *at,
                       struct chat_part *p)
{
    p->kind = PART_IMAGE;
    x->r->prompt_tokens += IMAGE_TOKENS;
    return take_source(x, block, at, p);
}

static bool take_document(struct reader *x, struct json_value block, const struct member_at *at,
                          struct chat_part *p)
{
    struct json_value citations = json_get(block, "citations");
    struct member_at of = member_at(at, STR("citations"));
    bool cited = false;
    p->kind = PART_FILE;
    if (body_given(citations) && !json_is(citations, JSON_OBJECT))
        return member_wrong(&of, "an object", x->m.e);
    if (!take_source(x, block, at, p) || !member_text(&x->m, block, at, "title", &p->name) ||
        !member_flag(&x->m, citations, &of, "enabled", &cited))
        return false;
    count(x, p->text);
    if (!p->text.len)
        x->r->prompt_tokens += (int64_t)(p->data.len / PAGE_BASE64 + 1) * PAGE_TOKENS;
    return !cited || member_unsaid(&of, x->m.e);
}

/* `caller` says who wanted the call: nobody but the model itself can be told in the canonical one.
 */
static bool take_call(struct reader *x, struct json_value block, const struct member_at *at,
                      struct chat_part *p)
{
    struct json_value caller = json_get(block, "caller"), input = json_get(block, "input");
    struct member_at at_input = member_at(at, STR("input"));
    p->kind = PART_TOOL_CALL;
    p->text = json_raw(input);
    count(x, p->text);
    x->r->prompt_tokens += TOOL_TOKENS;
    if (!json_is(input, JSON_OBJECT))
        return member_wrong(&at_input, "an object", x->m.e);
    if (body_given(caller) && !json_text_is(json_get(caller, "type"), "direct"))
        return unsaid(x, at, "caller");
    return member_need_text(&x->m, block, at, "id", &p->id) &&
           member_need_text(&x->m, block, at, "name", &p->name);
}

static bool take_inner(struct reader *x, struct json_value block, const struct member_at *up,
                       struct chat_part *p);

static bool take_result(struct reader *x, struct json_value block, const struct member_at *at,
                        struct chat_part *p)
{
    struct json_value content = json_get(block, "content");
    struct member_at list = member_at(at, STR("content"));
    p->kind = PART_TOOL_RESULT;
    x->r->prompt_tokens += TOOL_TOKENS;
    if (!member_need_text(&x->m, block, at, "tool_use_id", &p->id) ||
        !member_flag(&x->m, block, at, "is_error", &p->failed))
        return false;
    if (json_is(content, JSON_ARRAY))
        return take_inner(x, content, &list, p);
    p->text = json_text(content, x->m.a);
    count(x, p->text);
    return !body_given(content) || json_is(content, JSON_STRING) ||
           member_wrong(&list, "a string or a list of blocks", x->m.e);
}

static bool take_thinking(struct reader *x, struct json_value block, const struct member_at *at,
                          struct chat_part *p)
{
    p->kind = PART_THINKING;
    return member_need_text(&x->m, block, at, "thinking", &p->text) &&
           member_need_text(&x->m, block, at, "signature", &p->signature);
}

static bool take_redacted(struct reader *x, struct json_value block, const struct member_at *at,
                          struct chat_part *p)
{
    p->kind = PART_REDACTED_THINKING;
    return member_need_text(&x->m, block, at, "data", &p->data);
}

enum { IN_SYSTEM = 1, IN_MESSAGE = 2, IN_RESULT = 4 };

static const struct {
    struct str type;
    unsigned where;
    bool (*take)(struct reader *x, struct json_value block, const struct member_at *at,
                 struct chat_part *p);
    struct str own[6]; /* members that it reads */
} blocks[] = {
    {STR_INIT("text"),
     IN_SYSTEM | IN_MESSAGE | IN_RESULT,
     take_words,
     {STR_INIT("text"), STR_INIT("citations")}},
    {STR_INIT("image"), IN_MESSAGE | IN_RESULT, take_image, {STR_INIT("source")}},
    {STR_INIT("document"),
     IN_MESSAGE | IN_RESULT,
     take_document,
     {STR_INIT("source"), STR_INIT("title"), STR_INIT("citations")}},
    {STR_INIT("tool_use"),
     IN_MESSAGE,
     take_call,
     {STR_INIT("id"), STR_INIT("name"), STR_INIT("input"), STR_INIT("caller")}},
    {STR_INIT("tool_result"),
     IN_MESSAGE,
     take_result,
     {STR_INIT("tool_use_id"), STR_INIT("content"), STR_INIT("is_error")}},
    {STR_INIT("thinking"),
     IN_MESSAGE,
     take_thinking,
     {STR_INIT("thinking"), STR_INIT("signature")}},
    {STR_INIT("redacted_thinking"), IN_MESSAGE, take_redacted, {STR_INIT("data")}},
};

static bool take_block(struct reader *x, struct json_value block, const struct member_at *at,
                       unsigned where, struct chat_part *p)
{
    struct json_value type = json_get(block, "type");
    for (size_t i = 0; i < COUNT(blocks); i++) {
        if (!(blocks[i].where & where) || !json_text_is_str(type, blocks[i].type))
            continue;
        struct str known[COUNT(blocks[i].own) + 2] = {STR("type"), STR("cache_control")};
        memcpy(known + 2, blocks[i].own, sizeof(blocks[i].own));
        return blocks[i].take(x, block, at, p) && member_cache(&x->m, block, at, &p->cache) &&
               member_only(block, at, known, COUNT(known), x->m.e);
    }
    return unsaid(x, at, "type");
}

static bool take_blocks(struct reader *x, struct json_value list, const struct member_at *at,
                        unsigned where, struct chat_part **part, size_t *n)
{
    *part = arena_array(x->m.a, struct chat_part, json_count(list));
    json_each(it, list)
    {
        struct member_at here = member_item(at, *n);
        if (!take_block(x, it.value, &here, where, &(*part)[*n]))
            return false;
        ++*n;
    }
    return true;
}

static bool take_inner(struct reader *x, struct json_value list, const struct member_at *at,
                       struct chat_part *p)
{
    if (!take_blocks(x, list, at, IN_RESULT, &p->part, &p->n_parts))
        return false;
    for (size_t i = 0; i < p->n_parts; i++)
        if (p->part[i].kind == PART_TEXT)
            count(x, p->part[i].text);
    return true;
}

/* ---- Messages ---- */

static bool take_content(struct reader *x, struct json_value content, const struct member_at *at,
                         unsigned where, struct chat_message *m)
{
    m->n_parts = 0;
    if (json_is(content, JSON_ARRAY))
        return take_blocks(x, content, at, where, &m->part, &m->n_parts);
    m->part = arena_struct(x->m.a, struct chat_part);
    m->part[m->n_parts++] = (struct chat_part){.kind = PART_TEXT, .text = m->text};
    return true;
}

static bool take_messages(struct reader *x)
{
    struct json_value root = json_root(&x->r->body), system = json_get(root, "system");
    struct member_at at_system = member_at(NULL, STR("system")),
                     list = member_at(NULL, STR("messages"));
    size_t first = body_given(system);
    if (first && !take_content(x, system, &at_system, IN_SYSTEM, &x->r->message[0]))
        return false;
    for (size_t i = first; i < x->r->n_messages; i++) {
        struct chat_message *m = &x->r->message[i];
        struct member_at at = member_item(&list, i - first), in = member_at(&at, STR("content"));
        if (!take_content(x, json_get(m->raw, "content"), &in, IN_MESSAGE, m) ||
            !MEMBER_ONLY(&x->m, m->raw, &at, STR("role"), STR("content")))
            return false;
    }
    return true;
}

/* ---- Tools ---- */

/* `eager_input_streaming` asks for what is always done here: arguments go out as they come. */
static bool take_tool(struct reader *x, struct json_value tool, const struct member_at *at,
                      struct chat_tool *to)
{
    struct json_value type = json_get(tool, "type");
    if (body_given(type) && !json_text_is(type, "custom"))
        return unsaid(x, at, "type");
    to->schema = json_raw(json_get(tool, "input_schema"));
    if (!member_need_text(&x->m, tool, at, "name", &to->name) ||
        !member_text(&x->m, tool, at, "description", &to->description) ||
        !member_flag(&x->m, tool, at, "strict", &to->strict) ||
        !member_cache(&x->m, tool, at, &to->cache))
        return false;
    count(x, to->name);
    count(x, to->description);
    count(x, to->schema);
    x->r->prompt_tokens += TOOL_TOKENS;
    return MEMBER_ONLY(&x->m, tool, at, STR("type"), STR("name"), STR("description"),
                       STR("input_schema"), STR("strict"), STR("cache_control"),
                       STR("eager_input_streaming"));
}

static bool take_tools(struct reader *x, struct json_value list, const struct member_at *at)
{
    struct chat_options *o = x->options;
    o->tool = arena_array(x->m.a, struct chat_tool, json_count(list));
    json_each(it, list)
    {
        struct member_at here = member_item(at, o->n_tools);
        if (!take_tool(x, it.value, &here, &o->tool[o->n_tools++]))
            return false;
    }
    return true;
}

static bool take_tool_choice(struct reader *x, struct json_value v, const struct member_at *at)
{
    static const struct {
        const char *type;
        enum chat_tool_choice choice;
    } types[] = {{"auto", CHOICE_AUTO},
                 {"any", CHOICE_REQUIRED},
                 {"tool", CHOICE_NAMED},
                 {"none", CHOICE_NONE}};
    for (size_t i = 0; i < COUNT(types); i++)
        if (json_text_is(json_get(v, "type"), types[i].type))
            x->options->tool_choice = types[i].choice;
    return member_text(&x->m, v, at, "name", &x->options->tool_name) &&
           member_flag(&x->m, v, at, "disable_parallel_tool_use",
                       &x->options->one_tool_at_a_time) &&
           MEMBER_ONLY(&x->m, v, at, STR("type"), STR("name"), STR("disable_parallel_tool_use"));
}

/* ---- Options ---- */

/* Disabled is what a request without it asks for; adaptive leaves it to the model. */
static bool take_thinking_option(struct reader *x, struct json_value v, const struct member_at *at)
{
    json_int(json_get(v, "budget_tokens"), &x->options->thinking_tokens);
    if (json_text_is(json_get(v, "display"), "summarized"))
        return MEMBER_ONLY(&x->m, v, at, STR("type"), STR("budget_tokens"), STR("display"));
    return MEMBER_ONLY(&x->m, v, at, STR("type"), STR("budget_tokens"));
}

/* The schema binds: that is what Anthropic promises for it. */
static bool take_format(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct json_value schema = json_get(v, "schema");
    struct member_at at_schema = member_at(at, STR("schema"));
    if (!json_text_is(json_get(v, "type"), "json_schema"))
        return unsaid(x, at, "type");
    if (!json_is(schema, JSON_OBJECT))
        return member_wrong(&at_schema, "a JSON Schema", x->m.e);
    x->options->format = FORMAT_SCHEMA;
    x->options->format_name = STR("answer");
    x->options->format_schema = json_raw(schema);
    x->options->format_strict = true;
    count(x, x->options->format_schema);
    return MEMBER_ONLY(&x->m, v, at, STR("type"), STR("schema"));
}

static bool take_output(struct reader *x, struct json_value v, const struct member_at *at)
{
    static const char *const efforts[] = {"low", "medium", "high"};
    struct json_value effort = json_get(v, "effort"), format = json_get(v, "format");
    struct member_at at_format = member_at(at, STR("format"));
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(at, "an object", x->m.e);
    if (body_given(effort) && !body_one_of(effort, efforts, COUNT(efforts)))
        return unsaid(x, at, "effort");
    x->options->effort = json_text(effort, x->m.a);
    return (!body_given(format) || take_format(x, format, &at_format)) &&
           MEMBER_ONLY(&x->m, v, at, STR("effort"), STR("format"));
}

static bool take_stop(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->options->stop = arena_array(x->m.a, struct str, json_count(v));
    json_each(it, v) x->options->stop[x->options->n_stop++] = json_text(it.value, x->m.a);
    return true;
}

static bool take_metadata(struct reader *x, struct json_value v, const struct member_at *at)
{
    return MEMBER_ONLY(&x->m, v, at, STR("user_id")); /* the user is known already */
}

static bool take_number(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct chat_options *o = x->options;
    struct str *to = str_eq(at->name, STR("temperature")) ? &o->temperature
                     : str_eq(at->name, STR("top_p"))     ? &o->top_p
                                                          : &o->top_k;
    *to = json_raw(v);
    return true;
}

static bool take_tier(struct reader *x, struct json_value v, const struct member_at *at)
{
    return json_text_is(v, "auto") || member_unsaid(at, x->m.e);
}

/* For the whole request: it stands at the last block that can bear it. */
static bool take_top_cache(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct chat_message *m = &x->r->message[x->r->n_messages - 1];
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(at, "an object", x->m.e);
    if (m->n_parts > 0 && !m->part[m->n_parts - 1].cache.len)
        m->part[m->n_parts - 1].cache = json_raw(v);
    return true;
}

static bool known_already(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)x, (void)v, (void)at;
    return true;
}

static const struct {
    struct str name;
    bool (*take)(struct reader *x, struct json_value v, const struct member_at *at);
} members[] = {
    {STR_INIT("model"), known_already},
    {STR_INIT("messages"), known_already},
    {STR_INIT("system"), known_already},
    {STR_INIT("max_tokens"), known_already},
    {STR_INIT("stream"), known_already},
    {STR_INIT("metadata"), take_metadata},
    {STR_INIT("temperature"), take_number},
    {STR_INIT("top_p"), take_number},
    {STR_INIT("top_k"), take_number},
    {STR_INIT("stop_sequences"), take_stop},
    {STR_INIT("tools"), take_tools},
    {STR_INIT("tool_choice"), take_tool_choice},
    {STR_INIT("thinking"), take_thinking_option},
    {STR_INIT("output_config"), take_output},
    {STR_INIT("output_format"), take_format},
    {STR_INIT("service_tier"), take_tier},
    {STR_INIT("cache_control"), take_top_cache},
};

static bool take_member(struct reader *x, const struct json_iter *it)
{
    struct member_at at = member_at(NULL, it->name);
    if (!body_given(it->value))
        return true;
    for (size_t i = 0; i < COUNT(members); i++)
        if (str_eq(it->name, members[i].name))
            return members[i].take(x, it->value, &at);
    return member_idle(it->value) || member_unsaid(&at, x->m.e);
}

bool messages_expand(struct chat_request *r, struct arena *a, struct err *e)
{
    struct reader x = {.r = r, .options = arena_struct(a, struct chat_options), .m = {a, e}};
    r->prompt_tokens = 0;
    if (!take_messages(&x))
        return false;
    json_each(it, json_root(&r->body))
    {
        if (!take_member(&x, &it))
            return false;
    }
    r->options = x.options;
    return true;
}
