#include "model/openai_write.h"
#include "model/prompt.h"
#include "model/reasoning.h"
#include "model/resume.h"

enum { EFFORT_LOW = 2048, EFFORT_MEDIUM = 8192 /* tokens of thinking, at most */ };

struct writing {
    const struct attempt *a;
    const struct chat_request *r;
    struct json_writer w;
    struct err *e;
    size_t message, part; /* what is being written */
};

static bool has_trait(const struct writing *t, enum vendor_trait trait)
{
    return t->a->target->provider->vendor->traits & trait;
}

/* The field as the client has it: in Anthropic's protocol system messages stand elsewhere. */
static bool refuse(const struct writing *t, const char *what)
{
    size_t i = t->message;
    for (size_t k = 0; k < t->message; k++)
        i -= prompt_is_system(&t->r->message[k]);
    struct str field = arena_printf(t->a->call->early, "messages[%zu].content[%zu]", i, t->part);
    return err_param(t->e, ERR_INVALID, field.p,
                     "'%s' cannot be used with this model: its provider speaks OpenAI's protocol, "
                     "which has no %s",
                     field.p, what);
}

static void put_cache(struct writing *t, struct str cache)
{
    if (cache.len == 0 || has_trait(t, VENDOR_NO_CACHE_MARKERS))
        return;
    json_key(&t->w, "cache_control");
    json_put_raw(&t->w, cache);
}

static void put_raw(struct writing *t, const char *name, struct str json)
{
    if (json.len == 0)
        return;
    json_key(&t->w, name);
    json_put_raw(&t->w, json);
}

/* ---- Parts ---- */

static void put_text(struct writing *t, struct str text, struct str cache)
{
    json_object(&t->w);
    json_kv_text(&t->w, "type", "text");
    json_kv_str(&t->w, "text", text);
    put_cache(t, cache);
    json_end(&t->w);
}

/* As a string member without a copy of the data beside the one that is written. */
static void put_data_url(struct writing *t, const char *name, const struct chat_part *p)
{
    json_key(&t->w, name);
    json_put_raw(&t->w, STR("\"data:"));
    json_escape(t->w.out, p->media_type);
    buf_add(t->w.out, STR(";base64,"));
    json_escape(t->w.out, p->data);
    buf_char(t->w.out, '"');
}

static bool put_image(struct writing *t, const struct chat_part *p)
{
    if (p->id.len > 0)
        return refuse(t, "images by the id of a file");
    json_object(&t->w);
    json_kv_text(&t->w, "type", "image_url");
    json_key(&t->w, "image_url");
    json_object(&t->w);
    if (p->data.len > 0)
        put_data_url(t, "url", p);
    else
        json_kv_str(&t->w, "url", p->url);
    if (p->name.len > 0)
        json_kv_str(&t->w, "detail", p->name);
    json_end(&t->w);
    put_cache(t, p->cache);
    json_end(&t->w);
    return true;
}

static bool put_file(struct writing *t, const struct chat_part *p)
{
    struct str name = p->name.len > 0 ? p->name : STR("document");
    if (p->id.len > 0)
        return refuse(t, "files of another provider by their id");
    if (p->url.len > 0)
        return refuse(t, "files by their address");
    if (p->data.len == 0) {
        put_text(t,
                 p->name.len > 0 ? arena_printf(t->a->call->early, "%.*s\n\n%.*s", STR_FMT(p->name),
                                                STR_FMT(p->text))
                                 : p->text,
                 p->cache);
        return true;
    }
    json_object(&t->w);
    json_kv_text(&t->w, "type", "file");
    json_key(&t->w, "file");
    json_object(&t->w);
    json_kv_str(&t->w, "filename", name);
    put_data_url(t, "file_data", p);
    json_end(&t->w);
    put_cache(t, p->cache);
    json_end(&t->w);
    return true;
}

static void put_audio(struct writing *t, const struct chat_part *p)
{
    json_object(&t->w);
    json_kv_text(&t->w, "type", "input_audio");
    json_key(&t->w, "input_audio");
    json_object(&t->w);
    json_kv_str(&t->w, "data", p->data);
    json_kv_str(&t->w, "format", p->media_type);
    json_end(&t->w);
    json_end(&t->w);
}

/* Does it stand in a message's content? */
static bool is_content(const struct chat_part *p)
{
    return p->kind <= PART_FILE;
}

static bool put_part(struct writing *t, const struct chat_part *p)
{
    switch (p->kind) {
    case PART_IMAGE: return put_image(t, p);
    case PART_FILE: return put_file(t, p);
    case PART_AUDIO: put_audio(t, p); return true;
    default: put_text(t, p->text, p->cache); return true;
    }
}

static bool put_parts(struct writing *t, const struct chat_part *part, size_t n)
{
    for (t->part = 0; t->part < n; t->part++)
        if (is_content(&part[t->part]) && !put_part(t, &part[t->part]))
            return false;
    return true;
}

/* A text alone is a string, which every server knows. */
static const struct chat_part *only_text(const struct writing *t, const struct chat_message *m)
{
    const struct chat_part *text = NULL;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct chat_part *p = &m->part[i];
        if (!is_content(p))
            continue;
        if (text || p->kind != PART_TEXT ||
            (p->cache.len > 0 && !has_trait(t, VENDOR_NO_CACHE_MARKERS)))
            return NULL;
        text = p;
    }
    return text;
}

/* `before` stands in front of it all, "" = nothing. */
static bool put_content(struct writing *t, const struct chat_message *m, struct str before)
{
    const struct chat_part *text = before.len > 0 ? NULL : only_text(t, m);
    json_key(&t->w, "content");
    if (text) {
        json_put_str(&t->w, text->text);
        return true;
    }
    json_array(&t->w);
    if (before.len > 0)
        put_text(t, before, STR_NONE);
    bool good = put_parts(t, m->part, m->n_parts);
    json_end(&t->w);
    return good;
}

static size_t count_content(const struct chat_message *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_parts; i++)
        n += is_content(&m->part[i]);
    return n;
}

/* ---- Tool results ---- */

static bool is_text(const struct chat_part *p)
{
    return p->kind == PART_TEXT;
}

static void begin_message(struct writing *t, const char *role)
{
    json_object(&t->w);
    json_kv_text(&t->w, "role", role);
}

/* The texts of the parts of a kind, with blank lines between them. */
static struct str joined(struct writing *t, const struct chat_part *part, size_t n,
                         enum chat_part_kind kind)
{
    static const struct str gap = STR_INIT("\n\n");
    struct buf b;
    buf_init(&b, JSON_TEXT_MAX); /* of the body that they came in */
    for (size_t i = 0; i < n; i++) {
        if (part[i].kind != kind)
            continue;
        buf_add(&b, b.len > 0 ? gap : STR_NONE);
        buf_add(&b, part[i].text);
    }
    struct str text = arena_copy(t->a->call->early, buf_str(&b));
    buf_fini(&b);
    return text;
}

static size_t count_beside(const struct chat_part *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_parts; i++)
        n += !is_text(&p->part[i]);
    return n;
}

/* The texts of a result as one. */
static struct str result_text(struct writing *t, const struct chat_part *p)
{
    struct str text = p->n_parts > 0 ? joined(t, p->part, p->n_parts, PART_TEXT) : p->text;
    if (text.len == 0 && count_beside(p) > 0)
        text = STR("(The result is in the next message.)");
    return p->failed ? arena_printf(t->a->call->early, "Error: %.*s", STR_FMT(text)) : text;
}

static bool is_marked(const struct writing *t, const struct chat_part *p)
{
    for (size_t i = 0; i < p->n_parts; i++)
        if (is_text(&p->part[i]) && p->part[i].cache.len > 0)
            return !has_trait(t, VENDOR_NO_CACHE_MARKERS);
    return false;
}

static void put_result(struct writing *t, const struct chat_part *p)
{
    begin_message(t, "tool");
    json_kv_str(&t->w, "tool_call_id", p->id);
    json_key(&t->w, "content");
    if (is_marked(t, p)) {
        json_array(&t->w);
        if (p->failed)
            put_text(t, STR("Error:"), STR_NONE);
        for (size_t i = 0; i < p->n_parts; i++)
            if (is_text(&p->part[i]))
                put_text(t, p->part[i].text, p->part[i].cache);
        json_end(&t->w);
    } else {
        json_put_str(&t->w, result_text(t, p));
    }
    put_cache(t, p->cache);
    json_end(&t->w);
}

/* What else a result holds. */
static bool put_beside(struct writing *t, const struct chat_part *p)
{
    if (count_beside(p) == 0)
        return true;
    begin_message(t, "user");
    json_key(&t->w, "content");
    json_array(&t->w);
    put_text(t, arena_printf(t->a->call->early, "Result of the tool call %.*s:", STR_FMT(p->id)),
             STR_NONE);
    for (size_t i = 0; i < p->n_parts; i++)
        if (!is_text(&p->part[i]) && !put_part(t, &p->part[i]))
            return false;
    json_end(&t->w);
    json_end(&t->w);
    return true;
}

static bool put_results(struct writing *t, const struct chat_message *m)
{
    for (size_t i = 0; i < m->n_parts; i++)
        if (m->part[i].kind == PART_TOOL_RESULT)
            put_result(t, &m->part[i]);
    for (t->part = 0; t->part < m->n_parts; t->part++)
        if (m->part[t->part].kind == PART_TOOL_RESULT && !put_beside(t, &m->part[t->part]))
            return false;
    return true;
}

/* ---- What an assistant said ---- */

static void put_thinking_block(struct writing *t, const struct chat_part *p)
{
    json_object(&t->w);
    if (p->kind == PART_THINKING) {
        json_kv_text(&t->w, "type", "thinking");
        json_kv_str(&t->w, "thinking", p->text);
        json_kv_str(&t->w, "signature", p->signature);
    } else {
        json_kv_text(&t->w, "type", "redacted_thinking");
        json_kv_str(&t->w, "data", p->data);
    }
    json_end(&t->w);
}

/* What is for OpenRouter alone is no block. */
static bool is_block(const struct chat_part *p)
{
    return (p->kind == PART_THINKING && !reasoning_is_marked(p->signature)) ||
           (p->kind == PART_REDACTED_THINKING && !reasoning_is_marked(p->data));
}

static void put_blocks(struct writing *t, const struct chat_message *m)
{
    size_t sealed = 0;
    for (size_t i = 0; i < m->n_parts; i++)
        sealed += is_block(&m->part[i]) && reasoning_is_detail(&m->part[i]);
    if (sealed == 0)
        return;
    json_key(&t->w, "thinking_blocks");
    json_array(&t->w);
    for (size_t i = 0; i < m->n_parts; i++)
        if (is_block(&m->part[i]))
            put_thinking_block(t, &m->part[i]);
    json_end(&t->w);
}

static void put_details(struct writing *t, const struct chat_message *m)
{
    size_t n = 0, index = 0;
    for (size_t i = 0; i < m->n_parts; i++)
        n += reasoning_is_detail(&m->part[i]);
    if (n == 0)
        return;
    json_key(&t->w, "reasoning_details");
    json_array(&t->w);
    for (size_t i = 0; i < m->n_parts; i++)
        if (reasoning_is_detail(&m->part[i]))
            reasoning_put(&t->w, &m->part[i], index++, t->a->call->early);
    json_end(&t->w);
}

static void put_thinking(struct writing *t, const struct chat_message *m)
{
    struct str text = joined(t, m->part, m->n_parts, PART_THINKING);
    bool details = has_trait(t, VENDOR_DETAILS);
    if (text.len > 0)
        json_kv_str(&t->w, details ? "reasoning" : "reasoning_content", text);
    if (details)
        put_details(t, m);
    else
        put_blocks(t, m);
}

static size_t count_calls(const struct chat_message *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_parts; i++)
        n += m->part[i].kind == PART_TOOL_CALL;
    return n;
}

static void put_calls(struct writing *t, const struct chat_message *m)
{
    if (count_calls(m) == 0)
        return;
    json_key(&t->w, "tool_calls");
    json_array(&t->w);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct chat_part *p = &m->part[i];
        if (p->kind != PART_TOOL_CALL)
            continue;
        json_object(&t->w);
        json_kv_str(&t->w, "id", p->id);
        json_kv_text(&t->w, "type", "function");
        json_key(&t->w, "function");
        json_object(&t->w);
        json_kv_str(&t->w, "name", p->name);
        json_kv_str(&t->w, "arguments", p->text.len > 0 ? p->text : STR("{}"));
        json_end(&t->w);
        put_cache(t, p->cache);
        json_end(&t->w);
    }
    json_end(&t->w);
}

static bool put_assistant(struct writing *t, const struct chat_message *m)
{
    begin_message(t, "assistant");
    if (count_content(m) == 0)
        json_kv_text(&t->w, "content", count_calls(m) > 0 ? NULL : "");
    else if (!put_content(t, m, STR_NONE))
        return false;
    if (!has_trait(t, VENDOR_NO_THINKING))
        put_thinking(t, m);
    put_calls(t, m);
    json_end(&t->w);
    return true;
}

/* ---- Messages ---- */

static bool put_user(struct writing *t, const struct chat_message *m, struct str before)
{
    if (!put_results(t, m))
        return false;
    if (count_content(m) == 0 && before.len == 0)
        return true;
    begin_message(t, "user");
    bool good = put_content(t, m, before);
    json_end(&t->w);
    return good;
}

static bool put_message(struct writing *t, const struct chat_message *m, struct str before)
{
    struct chat_part text = {.kind = PART_TEXT, .text = m->text};
    struct chat_message made = {m->role, m->text, m->raw, &text, 1};
    if (m->n_parts == 0)
        m = &made;
    if (!prompt_is_system(m))
        return m->role == CHAT_ASSISTANT ? put_assistant(t, m) : put_user(t, m, before);
    begin_message(t, "system");
    bool good = put_content(t, m, STR_NONE);
    json_end(&t->w);
    return good;
}

/* The beginning of an answer that is taken up. */
static void put_prefill(struct writing *t)
{
    begin_message(t, "assistant");
    json_kv_str(&t->w, "content", resume_prefill(t->a));
    if (has_trait(t, VENDOR_PREFIX_FLAG))
        json_kv_bool(&t->w, "prefix", true);
    json_end(&t->w);
}

static bool put_messages(struct writing *t)
{
    const struct chat_request *r = t->r;
    struct arena *to = t->a->call->early;
    size_t question = r->grounded ? prompt_question(r) : r->n_messages;
    json_key(&t->w, "messages");
    json_array(&t->w);
    if (r->grounded) {
        begin_message(t, "system");
        json_kv_str(&t->w, "content", prompt_system(r, to));
        json_end(&t->w);
    }
    for (t->message = r->n_left_out; t->message < r->n_messages; t->message++) {
        const struct chat_message *m = &r->message[t->message];
        struct str before = t->message == question ? prompt_passages(r, to) : STR_NONE;
        if (!(r->grounded && prompt_is_system(m)) && !put_message(t, m, before))
            return false;
    }
    if (t->a->resume)
        put_prefill(t);
    json_end(&t->w);
    return true;
}

/* ---- Options ---- */

static void put_tools(struct writing *t, const struct chat_options *o)
{
    json_key(&t->w, "tools");
    json_array(&t->w);
    for (size_t i = 0; i < o->n_tools; i++) {
        const struct chat_tool *tool = &o->tool[i];
        json_object(&t->w);
        json_kv_text(&t->w, "type", "function");
        json_key(&t->w, "function");
        json_object(&t->w);
        json_kv_str(&t->w, "name", tool->name);
        if (tool->description.len > 0)
            json_kv_str(&t->w, "description", tool->description);
        put_raw(t, "parameters", tool->schema);
        if (tool->strict)
            json_kv_bool(&t->w, "strict", true);
        json_end(&t->w);
        put_cache(t, tool->cache);
        json_end(&t->w);
    }
    json_end(&t->w);
}

static void put_tool_choice(struct writing *t, const struct chat_options *o)
{
    static const char *const words[] = {"auto", "auto", "none", "required"};
    if (o->tool_choice == CHOICE_NAMED) {
        json_key(&t->w, "tool_choice");
        json_object(&t->w);
        json_kv_text(&t->w, "type", "function");
        json_key(&t->w, "function");
        json_object(&t->w);
        json_kv_str(&t->w, "name", o->tool_name);
        json_end(&t->w);
        json_end(&t->w);
    } else if (o->tool_choice != CHOICE_DEFAULT) {
        json_kv_text(&t->w, "tool_choice", words[o->tool_choice]);
    }
    if (o->one_tool_at_a_time)
        json_kv_bool(&t->w, "parallel_tool_calls", false);
}

static void put_format(struct writing *t, const struct chat_options *o)
{
    if (o->format == FORMAT_TEXT)
        return;
    json_key(&t->w, "response_format");
    json_object(&t->w);
    json_kv_text(&t->w, "type", o->format == FORMAT_JSON ? "json_object" : "json_schema");
    if (o->format == FORMAT_SCHEMA) {
        json_key(&t->w, "json_schema");
        json_object(&t->w);
        json_kv_str(&t->w, "name", o->format_name.len > 0 ? o->format_name : STR("answer"));
        put_raw(t, "schema", o->format_schema);
        if (o->format_strict)
            json_kv_bool(&t->w, "strict", true);
        json_end(&t->w);
    }
    json_end(&t->w);
}

static void put_effort(struct writing *t, const struct chat_options *o)
{
    if (o->effort.len > 0)
        json_kv_str(&t->w, "reasoning_effort", o->effort);
    else if (o->thinking_tokens > 0)
        json_kv_text(&t->w, "reasoning_effort",
                     o->thinking_tokens <= EFFORT_LOW      ? "low"
                     : o->thinking_tokens <= EFFORT_MEDIUM ? "medium"
                                                           : "high");
}

static void put_limit(struct writing *t)
{
    int64_t limit = t->r->max_tokens;
    if (limit > 0)
        json_kv_int(&t->w,
                    has_trait(t, VENDOR_COMPLETION_TOKENS) ? "max_completion_tokens" : "max_tokens",
                    t->a->resume ? resume_tokens(t->a, limit) : limit);
}

static void put_stop(struct writing *t, const struct chat_options *o)
{
    if (o->n_stop == 0)
        return;
    json_key(&t->w, "stop");
    json_array(&t->w);
    for (size_t i = 0; i < o->n_stop; i++)
        json_put_str(&t->w, o->stop[i]);
    json_end(&t->w);
}

static void put_stream(struct writing *t)
{
    json_kv_bool(&t->w, "stream", true);
    if (!has_trait(t, VENDOR_NO_STREAM_OPTIONS))
        put_raw(t, "stream_options", STR("{\"include_usage\":true}"));
}

static bool put_options(struct writing *t, const struct chat_options *o)
{
    if (o->top_k.len > 0 && !has_trait(t, VENDOR_TOP_K))
        return err_param(t->e, ERR_INVALID, "top_k",
                         "'top_k' cannot be used with this model: its provider does not know it");
    put_limit(t);
    put_raw(t, "temperature", o->temperature);
    put_raw(t, "top_p", o->top_p);
    put_raw(t, "top_k", o->top_k);
    put_raw(t, "seed", o->seed);
    put_raw(t, "frequency_penalty", o->frequency_penalty);
    put_raw(t, "presence_penalty", o->presence_penalty);
    put_stop(t, o);
    if (o->n_tools > 0) {
        put_tools(t, o);
        put_tool_choice(t, o);
    }
    put_format(t, o);
    put_effort(t, o);
    if (t->r->user.len > 0 && !has_trait(t, VENDOR_NO_USER))
        json_kv_str(&t->w, "user", t->r->user);
    if (t->a->resume && has_trait(t, VENDOR_CONTINUE_FLAGS)) {
        json_kv_bool(&t->w, "add_generation_prompt", false);
        json_kv_bool(&t->w, "continue_final_message", true);
    }
    if (t->r->stream)
        put_stream(t);
    return true;
}

/* ---- The whole ---- */

static bool expand(struct call *c, struct err *e)
{
    struct chat_request *r = &c->req;
    if (r->options)
        return true;
    return r->expand ? r->expand(r, c->early, e)
                     : err_param(e, ERR_INVALID, "model",
                                 "this cannot be asked of the model '%.*s', whose provider speaks "
                                 "OpenAI's protocol",
                                 STR_FMT(str_head(r->model, 100)));
}

static void free_body(void *body)
{
    buf_fini(body);
}

bool openai_write(const struct attempt *a, struct str *body, struct err *e)
{
    struct call *c = a->call;
    if (!expand(c, e))
        return false;
    struct buf *b = arena_struct(c->early, struct buf);
    struct writing t = {.a = a, .r = &c->req, .e = e};
    buf_init(b, JSON_TEXT_MAX);
    arena_defer(c->early, free_body, b);
    buf_reserve(b, c->req.body.text.len + 256); /* about as much as came */
    json_begin(&t.w, b);
    json_object(&t.w);
    json_kv_str(&t.w, "model", a->target->upstream);
    if (!put_messages(&t) || !put_options(&t, c->req.options))
        return false;
    json_end(&t.w);
    *body = buf_str(b);
    return buf_ok(b) || err_set(e, ERR_TOO_LARGE, "the request is larger than it may be");
}
