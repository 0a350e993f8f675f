#include "model/anthropic_body.h"
#include "model/prompt.h"
#include "model/reasoning.h"
#include "model/relay.h"
#include "model/resume.h"
#include "model/splice.h"

enum { THINKING_LEAST = 1024 /* of the protocol */ };

/* ---- From a client of the same protocol ---- */

/* The messages with the beginning of the answer behind them. */
static struct str with_prefill(const struct attempt *a, struct str messages)
{
    struct arena *to = a->call->early;
    CHECK(messages.len >= 2);
    return arena_printf(to, "%.*s,{\"role\":\"assistant\",\"content\":%.*s}]",
                        (int)(messages.len - 1), messages.p,
                        STR_FMT(relay_quoted(resume_prefill(a), to)));
}

static const struct str *spliced(const struct attempt *a, size_t *n)
{
    struct call *c = a->call;
    const struct chat_request *r = &c->req;
    struct json_value root = json_root(&r->body);
    struct splice_member member[4];
    size_t members = 0;
    struct splice s;
    splice_init(&s, &r->body);
    if (!str_eq(a->target->upstream, r->model))
        member[members++] =
            (struct splice_member){"model", relay_quoted(a->target->upstream, c->early)};
    if (a->resume) {
        int64_t limit = resume_tokens(a, r->max_tokens);
        member[members++] = (struct splice_member){
            "messages", with_prefill(a, json_raw(json_get(root, "messages")))};
        member[members++] =
            (struct splice_member){"max_tokens", arena_printf(c->early, "%jd", (intmax_t)limit)};
        if (json_exists(json_get(root, "thinking"))) /* a begun answer is behind it */
            member[members++] = (struct splice_member){"thinking", STR_NONE};
    }
    splice_object(&s, root, member, members);
    struct str *part = arena_array(c->early, struct str, SPLICE_PARTS);
    *n = splice_parts(&s, part);
    return part;
}

/* ---- From others ---- */

enum { NO_TURN = -1 };

struct writing {
    const struct attempt *a;
    const struct chat_request *r;
    struct json_writer w;
    struct err *e;
    size_t at; /* the message that is being written */
    int turn;  /* the enum chat_role that is open: CHAT_USER, CHAT_ASSISTANT or NO_TURN */
};

static bool refuse(struct writing *t, const char *member, const char *what)
{
    char field[sizeof(t->e->param)];
    snprintf(field, sizeof(field), "messages[%zu]%s", t->at, member);
    return err_param(t->e, ERR_INVALID, field,
                     "'%s': a model that is asked through Anthropic's "
                     "protocol takes no %s",
                     field, what);
}

static void begin_block(struct writing *t, const char *type, struct str cache)
{
    json_object(&t->w);
    json_kv_text(&t->w, "type", type);
    if (cache.len > 0) {
        json_key(&t->w, "cache_control");
        json_put_raw(&t->w, cache);
    }
}

static void put_text(struct writing *t, struct str text, struct str cache)
{
    if (text.len == 0)
        return; /* refused by the protocol, and nothing is lost */
    begin_block(t, "text", cache);
    json_kv_str(&t->w, "text", text);
    json_end(&t->w);
}

/* What an image or a document consists of. */
static void put_source(struct writing *t, const struct chat_part *p)
{
    json_key(&t->w, "source");
    json_object(&t->w);
    if (p->url.len > 0) {
        json_kv_text(&t->w, "type", "url");
        json_kv_str(&t->w, "url", p->url);
    } else {
        json_kv_text(&t->w, "type", p->data.len > 0 ? "base64" : "text");
        json_kv_str(&t->w, "media_type", p->media_type);
        json_kv_str(&t->w, "data", p->data.len > 0 ? p->data : p->text);
    }
    json_end(&t->w);
}

static bool put_image(struct writing *t, const struct chat_part *p)
{
    if (p->name.len > 0 && !str_eq(p->name, STR("auto")))
        return refuse(t, ".content", "'detail' of an image");
    begin_block(t, "image", p->cache);
    put_source(t, p);
    json_end(&t->w);
    return true;
}

static bool put_file(struct writing *t, const struct chat_part *p)
{
    if (p->id.len > 0)
        return refuse(t, ".content", "file by its id");
    if (p->data.len > 0 && !str_eq(p->media_type, STR("application/pdf")))
        return refuse(t, ".content", "file given as data but PDF");
    begin_block(t, "document", p->cache);
    if (p->name.len > 0)
        json_kv_str(&t->w, "title", p->name);
    put_source(t, p);
    json_end(&t->w);
    return true;
}

/* Arguments come as the text that a model wrote, and go as an object. */
static bool put_tool_call(struct writing *t, const struct chat_part *p)
{
    struct json doc;
    struct str arguments = p->text.len > 0 ? p->text : STR("{}");
    if (!json_parse(&doc, t->a->call->early, arguments, 0, NULL) ||
        !json_is(json_root(&doc), JSON_OBJECT))
        return refuse(t, ".tool_calls", "arguments but a JSON object");
    begin_block(t, "tool_use", p->cache);
    json_kv_str(&t->w, "id", p->id);
    json_kv_str(&t->w, "name", p->name);
    json_key(&t->w, "input");
    json_put_raw(&t->w, arguments);
    json_end(&t->w);
    return true;
}

/* A block that may stand in a tool's result, too. */
static bool put_content(struct writing *t, const struct chat_part *p)
{
    switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL: put_text(t, p->text, p->cache); return true;
    case PART_IMAGE: return put_image(t, p);
    case PART_FILE: return put_file(t, p);
    default: return refuse(t, ".content", "sound");
    }
}

static bool put_tool_result(struct writing *t, const struct chat_part *p)
{
    begin_block(t, "tool_result", p->cache);
    json_kv_str(&t->w, "tool_use_id", p->id);
    if (p->failed)
        json_kv_bool(&t->w, "is_error", true);
    if (p->n_parts > 0) {
        json_key(&t->w, "content");
        json_array(&t->w);
        for (size_t i = 0; i < p->n_parts; i++)
            if (!put_content(t, &p->part[i]))
                return false;
        json_end(&t->w);
    } else if (p->text.len > 0) {
        json_kv_str(&t->w, "content", p->text);
    }
    json_end(&t->w);
    return true;
}

static void put_thinking(struct writing *t, const struct chat_part *p)
{
    bool redacted = p->kind == PART_REDACTED_THINKING;
    begin_block(t, redacted ? "redacted_thinking" : "thinking", STR_NONE);
    if (redacted) {
        json_kv_str(&t->w, "data", p->data);
    } else {
        json_kv_str(&t->w, "thinking", p->text);
        json_kv_str(&t->w, "signature", p->signature);
    }
    json_end(&t->w);
}

static bool put_part(struct writing *t, const struct chat_part *p)
{
    switch (p->kind) {
    case PART_TOOL_CALL: return put_tool_call(t, p);
    case PART_TOOL_RESULT: return put_tool_result(t, p);
    case PART_THINKING:
    case PART_REDACTED_THINKING: put_thinking(t, p); return true;
    default: return put_content(t, p);
    }
}

static bool is_thinking(const struct chat_part *p)
{
    return p->kind == PART_THINKING || p->kind == PART_REDACTED_THINKING;
}

/* Would anything be written? A turn without a block is refused. */
static bool is_said(const struct chat_part *p)
{
    return p->kind == PART_THINKING ? p->signature.len > 0 && !reasoning_is_marked(p->signature)
           : p->kind == PART_REDACTED_THINKING               ? !reasoning_is_marked(p->data)
           : p->kind == PART_TEXT || p->kind == PART_REFUSAL ? p->text.len > 0
                                                             : true;
}

static void end_turn(struct writing *t)
{
    if (t->turn == NO_TURN)
        return;
    json_end(&t->w);
    json_end(&t->w);
    t->turn = NO_TURN;
}

/* Turns alternate: what belongs to the one that is open goes on in it. */
static void enter_turn(struct writing *t, enum chat_role role)
{
    if (t->turn == (int)role)
        return;
    end_turn(t);
    json_object(&t->w);
    json_kv_text(&t->w, "role", role == CHAT_ASSISTANT ? "assistant" : "user");
    json_key(&t->w, "content");
    json_array(&t->w);
    t->turn = (int)role;
}

static bool put_parts(struct writing *t, enum chat_role role, const struct chat_message *m,
                      bool thinking)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct chat_part *p = &m->part[i];
        if (is_thinking(p) != thinking || !is_said(p))
            continue;
        enter_turn(t, role);
        if (!put_part(t, p))
            return false;
    }
    return true;
}

static bool put_message(struct writing *t, const struct chat_message *m)
{
    enum chat_role role = m->role == CHAT_ASSISTANT ? CHAT_ASSISTANT : CHAT_USER;
    if (m->n_parts == 0 && m->text.len > 0) { /* made here */
        enter_turn(t, role);
        put_text(t, m->text, STR_NONE);
    }
    return put_parts(t, role, m, true) && put_parts(t, role, m, false);
}

static bool put_messages(struct writing *t)
{
    const struct chat_request *r = t->r;
    size_t question = r->grounded ? prompt_question(r) : r->n_messages;
    bool any = false;
    json_key(&t->w, "messages");
    json_array(&t->w);
    for (t->at = r->n_left_out; t->at < r->n_messages; t->at++) {
        const struct chat_message *m = &r->message[t->at];
        if (prompt_is_system(m))
            continue;
        struct str before = t->at == question ? prompt_passages(r, t->a->call->early) : STR_NONE;
        if (before.len > 0) {
            enter_turn(t, CHAT_USER);
            put_text(t, before, STR_NONE);
        }
        if (!put_message(t, m))
            return false;
        any = any || t->turn != NO_TURN;
    }
    if (t->a->resume) {
        enter_turn(t, CHAT_ASSISTANT);
        put_text(t, resume_prefill(t->a), STR_NONE);
    }
    end_turn(t);
    json_end(&t->w);
    return any || err_param(t->e, ERR_INVALID, "messages",
                            "'messages' must hold more than a system message");
}

static bool put_system_message(struct writing *t, const struct chat_message *m)
{
    if (m->n_parts == 0)
        put_text(t, m->text, STR_NONE);
    for (size_t i = 0; i < m->n_parts; i++) {
        if (m->part[i].kind != PART_TEXT)
            return refuse(t, ".content", "system message but text");
        put_text(t, m->part[i].text, m->part[i].cache);
    }
    return true;
}

static bool put_system(struct writing *t)
{
    const struct chat_request *r = t->r;
    bool any = r->grounded;
    for (size_t i = 0; i < r->n_messages; i++)
        any = any || (prompt_is_system(&r->message[i]) && r->message[i].text.len > 0);
    if (!any)
        return true;
    json_key(&t->w, "system");
    json_array(&t->w);
    if (r->grounded)
        put_text(t, prompt_rules(r, t->a->call->early), STR_NONE);
    for (t->at = 0; t->at < r->n_messages; t->at++)
        if (prompt_is_system(&r->message[t->at]) && !put_system_message(t, &r->message[t->at]))
            return false;
    json_end(&t->w);
    return true;
}

static void put_raw(struct writing *t, const char *name, struct str json)
{
    if (json.len == 0)
        return;
    json_key(&t->w, name);
    json_put_raw(&t->w, json);
}

static void put_tool(struct writing *t, const struct chat_tool *tool)
{
    json_object(&t->w);
    json_kv_str(&t->w, "name", tool->name);
    if (tool->description.len > 0)
        json_kv_str(&t->w, "description", tool->description);
    put_raw(t, "input_schema",
            tool->schema.len > 0 ? tool->schema : STR("{\"type\":\"object\",\"properties\":{}}"));
    if (tool->strict)
        json_kv_bool(&t->w, "strict", true);
    put_raw(t, "cache_control", tool->cache);
    json_end(&t->w);
}

static void put_tool_choice(struct writing *t)
{
    static const char *const words[] = {"auto", "auto", "none", "any", "tool"};
    const struct chat_options *o = t->r->options;
    if (o->tool_choice == CHOICE_DEFAULT && !o->one_tool_at_a_time)
        return;
    json_key(&t->w, "tool_choice");
    json_object(&t->w);
    json_kv_text(&t->w, "type", words[o->tool_choice]);
    if (o->tool_choice == CHOICE_NAMED)
        json_kv_str(&t->w, "name", o->tool_name);
    if (o->one_tool_at_a_time && o->tool_choice != CHOICE_NONE)
        json_kv_bool(&t->w, "disable_parallel_tool_use", true);
    json_end(&t->w);
}

static void put_tools(struct writing *t)
{
    const struct chat_options *o = t->r->options;
    if (o->n_tools == 0)
        return;
    json_key(&t->w, "tools");
    json_array(&t->w);
    for (size_t i = 0; i < o->n_tools; i++)
        put_tool(t, &o->tool[i]);
    json_end(&t->w);
    put_tool_choice(t);
}

/* ---- How much ---- */

struct room {
    int64_t tokens;     /* of the whole answer */
    int64_t thinking;   /* a part of them, 0 = not set */
    const char *effort; /* for a model that chooses by itself how long it thinks, NULL = not set */
};

static const struct effort {
    const char *name, *as; /* as: what those that choose are told */
    int64_t tokens;        /* what those that do not are given */
} efforts[] = {
    {"none", NULL, 0},       {"minimal", "low", THINKING_LEAST},
    {"low", "low", 2048},    {"medium", "medium", 8192},
    {"high", "high", 24576}, {"xhigh", "max", 32768},
};

static const struct effort *find_effort(struct str name)
{
    for (size_t i = 0; i < COUNT(efforts); i++)
        if (str_eq(name, str_from(efforts[i].name)))
            return &efforts[i];
    return NULL;
}

/* At least half of what a client allows is left for the answer. */
static bool think(struct writing *t, struct room *room)
{
    const struct target *target = t->a->target;
    const struct effort *effort = find_effort(t->r->options->effort);
    int64_t limit = t->r->max_tokens;
    if (!effort)
        return err_param(t->e, ERR_INVALID, "reasoning_effort",
                         "'reasoning_effort' must be none, minimal, low, medium, high or xhigh");
    if (vendor_takes_effort(target->provider->vendor, target->upstream)) {
        room->effort = effort->as;
        return true;
    }
    room->thinking = effort->tokens;
    if (limit > 0 && room->thinking > limit / 2)
        room->thinking = limit / 2;
    return room->thinking == effort->tokens || room->thinking >= THINKING_LEAST ||
           err_param(t->e, ERR_INVALID, "reasoning_effort",
                     "'reasoning_effort' needs a limit of at least %d tokens with this model",
                     2 * THINKING_LEAST);
}

static bool make_room(struct writing *t, struct room *room)
{
    const struct chat_options *o = t->r->options;
    const struct target *target = t->a->target;
    int64_t usual = vendor_answer_tokens(target->provider->vendor, target->upstream);
    *room = (struct room){.tokens = t->r->max_tokens};
    if (t->a->resume) { /* what is taken up are the words behind the thoughts */
        room->tokens = resume_tokens(t->a, room->tokens > 0 ? room->tokens : usual);
        return true;
    }
    room->thinking = o->thinking_tokens;
    if (room->thinking == 0 && o->effort.len > 0 && !think(t, room))
        return false;
    if (room->tokens == 0)
        room->tokens = usual > room->thinking ? usual : room->thinking + usual;
    return room->thinking < room->tokens ||
           err_param(t->e, ERR_INVALID, "max_tokens",
                     "'max_tokens' must be more than the tokens for thinking");
}

static void put_room(struct writing *t, const struct room *room)
{
    json_kv_int(&t->w, "max_tokens", room->tokens);
    if (room->thinking == 0 && !room->effort)
        return;
    json_key(&t->w, "thinking");
    json_object(&t->w);
    json_kv_text(&t->w, "type", room->effort ? "adaptive" : "enabled");
    if (!room->effort)
        json_kv_int(&t->w, "budget_tokens", room->thinking);
    json_end(&t->w);
}

static void put_output(struct writing *t, const struct room *room)
{
    const struct chat_options *o = t->r->options;
    if (!room->effort && o->format != FORMAT_SCHEMA)
        return;
    json_key(&t->w, "output_config");
    json_object(&t->w);
    if (room->effort)
        json_kv_text(&t->w, "effort", room->effort);
    if (o->format == FORMAT_SCHEMA) {
        json_key(&t->w, "format");
        json_object(&t->w);
        json_kv_text(&t->w, "type", "json_schema");
        put_raw(t, "schema", o->format_schema);
        json_end(&t->w);
    }
    json_end(&t->w);
}

/* ---- The rest ---- */

static bool check_options(struct writing *t)
{
    const struct chat_options *o = t->r->options;
    const struct {
        const char *name;
        struct str value;
    } unknown[] = {{"frequency_penalty", o->frequency_penalty},
                   {"presence_penalty", o->presence_penalty}};
    double d;
    for (size_t i = 0; i < COUNT(unknown); i++)
        if (str_to_double(unknown[i].value, &d) && d != 0)
            return err_param(t->e, ERR_INVALID, unknown[i].name,
                             "'%s' cannot be had from this model", unknown[i].name);
    if (o->seed.len > 0)
        return err_param(t->e, ERR_INVALID, "seed", "'seed' cannot be had from this model");
    if (str_to_double(o->temperature, &d) && d > 1)
        return err_param(t->e, ERR_INVALID, "temperature",
                         "'temperature' goes up to 1 with this model");
    if (o->format == FORMAT_JSON)
        return err_param(t->e, ERR_INVALID, "response_format",
                         "'response_format' must be text or json_schema with this model");
    return true;
}

static void put_options(struct writing *t)
{
    const struct chat_options *o = t->r->options;
    put_raw(t, "temperature", o->temperature);
    put_raw(t, "top_p", o->top_p);
    put_raw(t, "top_k", o->top_k);
    if (o->n_stop > 0) {
        json_key(&t->w, "stop_sequences");
        json_array(&t->w);
        for (size_t i = 0; i < o->n_stop; i++)
            json_put_str(&t->w, o->stop[i]);
        json_end(&t->w);
    }
    if (t->r->user.len > 0) {
        json_key(&t->w, "metadata");
        json_object(&t->w);
        json_kv_str(&t->w, "user_id", t->r->user);
        json_end(&t->w);
    }
    if (t->r->stream)
        json_kv_bool(&t->w, "stream", true);
}

/* Tokens are counted of what is read; what would be answered has no place there. */
static bool put_body(struct writing *t)
{
    struct room room;
    bool answers = t->r->op != OP_COUNT_TOKENS;
    if (!check_options(t) || !make_room(t, &room))
        return false;
    json_object(&t->w);
    json_kv_str(&t->w, "model", t->a->target->upstream);
    if (answers)
        put_room(t, &room);
    if (!put_system(t) || !put_messages(t))
        return false;
    put_tools(t);
    if (answers)
        put_options(t);
    put_output(t, &room);
    json_end(&t->w);
    return true;
}

static const struct str *written(const struct attempt *a, size_t *n, struct err *e)
{
    struct chat_request *r = &a->call->req;
    if (!r->options && !r->expand) {
        err_set(e, ERR_INVALID, "provider '%.*s' cannot be asked this",
                STR_FMT(a->target->provider->name));
        return NULL;
    }
    if (!r->options && !r->expand(r, a->call->early, e))
        return NULL;
    struct writing t = {.a = a, .r = r, .e = e, .turn = NO_TURN};
    struct buf b;
    buf_init(&b, JSON_TEXT_MAX);
    buf_reserve(&b, r->body.text.len + 256); /* about as much as came */
    json_begin(&t.w, &b);
    struct str *body = NULL;
    if (put_body(&t)) {
        body = arena_struct(a->call->early, struct str);
        *body = arena_copy(a->call->early, buf_str(&b));
        *n = 1;
    }
    buf_fini(&b);
    return body;
}

__attribute__((noinline)) const struct str *anthropic_body(const struct attempt *a, size_t *n,
                                                           struct err *e)
{
    const struct chat_request *r = &a->call->req;
    return r->dialect == CHAT_ANTHROPIC && !r->grounded ? spliced(a, n) : written(a, n, e);
}
