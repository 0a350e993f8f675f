#include "gateway/responses_items.h"
#include "model/prompt.h"
#include "text/token.h"

enum {
    CALL_TOKENS = 8,     /* what the frame of a call costs */
    IMAGE_TOKENS = 1100, /* of one of 1024 by 1024, in detail */
    ID_MOST = 96,
};

static void count(struct responses_items *x, struct str text)
{
    x->tokens += (int64_t)token_count(text);
}

static bool need_object(struct responses_items *x, struct json_value v, const struct member_at *at)
{
    return json_is(v, JSON_OBJECT) ||
           (body_given(v) ? member_wrong(at, "an object", x->e) : member_missing(at, x->e));
}

static bool text_at(struct responses_items *x, struct json_value object, const struct member_at *up,
                    const char *name, struct str *out)
{
    return member_text(&(struct member_reader){x->a, x->e}, object, up, name, out);
}

static bool need_text(struct responses_items *x, struct json_value object,
                      const struct member_at *up, const char *name, struct str *out)
{
    return member_need_text(&(struct member_reader){x->a, x->e}, object, up, name, out);
}

/* ---- Messages as they grow ---- */

static struct chat_message *new_message(struct responses_items *x, enum chat_role role)
{
    x->message = arena_room(x->a, x->message, x->n, sizeof(*x->message));
    struct chat_message *m = &x->message[x->n++];
    *m = (struct chat_message){.role = role};
    return m;
}

/* Room for `n` parts more, behind those that are there. */
static struct chat_part *more_parts(struct responses_items *x, struct chat_message *m, size_t n)
{
    struct chat_part *all = arena_array(x->a, struct chat_part, m->n_parts + n);
    if (m->n_parts > 0)
        memcpy(all, m->part, m->n_parts * sizeof(*all));
    m->part = all;
    return all + m->n_parts;
}

static bool has_kind(const struct chat_message *m, enum chat_part_kind kind)
{
    for (size_t i = 0; i < m->n_parts; i++)
        if (m->part[i].kind == kind)
            return true;
    return false;
}

/* The message that an item of the assistant's belongs to: the last one while it goes on, that is
 * until it has spoken without a call. */
static struct chat_message *assistant(struct responses_items *x, bool speaks)
{
    struct chat_message *m = x->n > 0 ? &x->message[x->n - 1] : NULL;
    if (!m || m->role != CHAT_ASSISTANT)
        return new_message(x, CHAT_ASSISTANT);
    bool spoke = has_kind(m, PART_TEXT) || has_kind(m, PART_REFUSAL);
    return speaks && spoke && !has_kind(m, PART_TOOL_CALL) ? new_message(x, CHAT_ASSISTANT) : m;
}

void responses_items_text(struct responses_items *x, enum chat_role role, struct str text)
{
    struct chat_message *m = new_message(x, role);
    m->text = text;
    m->part = arena_struct(x->a, struct chat_part);
    m->part[m->n_parts++] = (struct chat_part){.kind = PART_TEXT, .text = text};
}

/* ---- Parts of a content ---- */

/* The content takes the place of the id. Of text every word counts. */
static bool attach(struct responses_items *x, struct chat_part *p, const struct member_at *up)
{
    struct member_at at = member_at(up, STR("file_id"));
    bool image = p->kind == PART_IMAGE;
    if (!x->attach)
        return true;
    if (!x->attach(x->ctx, p, &at, x->e))
        return false;
    count(x, p->text);
    x->tokens += !image && p->kind == PART_IMAGE ? IMAGE_TOKENS : 0;
    return true;
}

static bool take_image(struct responses_items *x, struct json_value part,
                       const struct member_at *up, struct chat_part *p)
{
    struct member_at at = member_at(up, STR("image_url"));
    struct str url;
    p->kind = PART_IMAGE;
    x->tokens += IMAGE_TOKENS;
    if (!text_at(x, part, up, "image_url", &url) || !text_at(x, part, up, "file_id", &p->id) ||
        !text_at(x, part, up, "detail", &p->name))
        return false;
    if (url.len == 0)
        return p->id.len > 0 ? attach(x, p, up) : member_missing(&at, x->e);
    return member_source(p, url, &at, x->e);
}

static bool take_file(struct responses_items *x, struct json_value part, const struct member_at *up,
                      struct chat_part *p)
{
    struct member_at at = member_at(up, STR("file_data"));
    struct str data;
    p->kind = PART_FILE;
    if (!text_at(x, part, up, "file_data", &data) || !text_at(x, part, up, "file_url", &p->url) ||
        !text_at(x, part, up, "file_id", &p->id) || !text_at(x, part, up, "filename", &p->name))
        return false;
    if (data.len > 0)
        return member_source(p, data, &at, x->e);
    if (p->url.len > 0)
        return true;
    return p->id.len > 0 ? attach(x, p, up) : member_missing(&at, x->e);
}

static bool take_audio(struct responses_items *x, struct json_value part,
                       const struct member_at *up, struct chat_part *p)
{
    struct json_value audio = json_get(part, "input_audio");
    struct member_at at = member_at(up, STR("input_audio"));
    p->kind = PART_AUDIO;
    return need_object(x, audio, &at) && need_text(x, audio, &at, "data", &p->data) &&
           need_text(x, audio, &at, "format", &p->media_type);
}

static bool take_words(struct responses_items *x, struct json_value part,
                       const struct member_at *up, struct chat_part *p)
{
    p->kind = PART_TEXT;
    return need_text(x, part, up, "text", &p->text);
}

static bool take_refusal(struct responses_items *x, struct json_value part,
                         const struct member_at *up, struct chat_part *p)
{
    p->kind = PART_REFUSAL;
    return need_text(x, part, up, "refusal", &p->text);
}

enum { MEMBERS_MOST = 9 };

/* Is everything in it known? `name` ends with an empty one, or is full. */
static bool check_members(struct responses_items *x, struct json_value object,
                          const struct member_at *at, const struct str name[MEMBERS_MOST])
{
    size_t n = 0;
    while (n < MEMBERS_MOST && name[n].len > 0)
        n++;
    return member_only(object, at, name, n, x->e);
}

#define N(name) STR_INIT(name)
static const struct {
    struct str type;
    bool (*take)(struct responses_items *x, struct json_value part, const struct member_at *up,
                 struct chat_part *p);
    struct str member[MEMBERS_MOST];
} parts[] = {
    {N("input_text"), take_words, {N("type"), N("text")}},
    {N("output_text"), take_words, {N("type"), N("text"), N("annotations"), N("logprobs")}},
    {N("refusal"), take_refusal, {N("type"), N("refusal")}},
    {N("input_image"), take_image, {N("type"), N("image_url"), N("file_id"), N("detail")}},
    {N("input_file"),
     take_file,
     {N("type"), N("file_data"), N("file_url"), N("file_id"), N("filename")}},
    {N("input_audio"), take_audio, {N("type"), N("input_audio")}},
};

static bool take_part(struct responses_items *x, struct json_value part, const struct member_at *at,
                      struct chat_part *p)
{
    struct member_at at_type = member_at(at, STR("type"));
    struct json_value type = json_get(part, "type");
    if (!need_object(x, part, at))
        return false;
    if (!body_given(type))
        return member_missing(&at_type, x->e);
    for (size_t i = 0; i < COUNT(parts); i++)
        if (json_text_is_str(type, parts[i].type))
            return parts[i].take(x, part, at, p) && check_members(x, part, at, parts[i].member);
    return member_wrong(
        &at_type, "input_text, input_image, input_file, input_audio, output_text or refusal", x->e);
}

/* Texts of parts, joined by a blank line. */
static struct str joined(struct responses_items *x, const struct chat_part *p, size_t n)
{
    static const struct str gap = STR_INIT("\n\n");
    size_t most = 0;
    struct buf b;
    for (size_t i = 0; i < n; i++) {
        if (n == 1 && p[i].kind == PART_TEXT)
            return p[i].text;
        most += p[i].text.len + gap.len;
    }
    buf_init(&b, most + 1);
    for (size_t i = 0; i < n; i++) {
        if (p[i].kind != PART_TEXT)
            continue;
        buf_add(&b, b.len > 0 ? gap : STR_NONE);
        buf_add(&b, p[i].text);
    }
    struct str text = arena_copy(x->a, buf_str(&b));
    buf_fini(&b);
    return text;
}

/* A list of parts, or a text as one; NULL on failure. */
static struct chat_part *take_content(struct responses_items *x, struct json_value v,
                                      const struct member_at *at, size_t *n)
{
    *n = 0;
    if (json_is(v, JSON_STRING)) {
        struct chat_part *p = arena_struct(x->a, struct chat_part);
        p->text = json_text(v, x->a);
        *n = 1;
        return p;
    }
    if (!json_is(v, JSON_ARRAY) || json_count(v) == 0) {
        if (body_given(v))
            member_wrong(at, "a string or a list of parts", x->e);
        else
            member_missing(at, x->e);
        return NULL;
    }
    struct chat_part *p = arena_array(x->a, struct chat_part, json_count(v));
    json_each(it, v)
    {
        struct member_at here = member_item(at, *n);
        if (!take_part(x, it.value, &here, &p[(*n)++]))
            return NULL;
    }
    return p;
}

/* ---- Items ---- */

static bool take_message(struct responses_items *x, struct json_value item,
                         const struct member_at *at)
{
    static const struct {
        const char *name;
        enum chat_role role;
    } roles[] = {
        {"user", CHAT_USER},
        {"assistant", CHAT_ASSISTANT},
        {"system", CHAT_SYSTEM},
        {"developer", CHAT_DEVELOPER},
    };
    struct member_at at_role = member_at(at, STR("role")),
                     at_content = member_at(at, STR("content"));
    struct json_value role = json_get(item, "role");
    size_t i = 0, n;
    if (!body_given(role))
        return member_missing(&at_role, x->e);
    while (i < COUNT(roles) && !json_text_is(role, roles[i].name))
        i++;
    if (i == COUNT(roles))
        return member_wrong(&at_role, "user, assistant, system or developer", x->e);
    const struct chat_part *p = take_content(x, json_get(item, "content"), &at_content, &n);
    if (!p)
        return false;
    struct chat_message *m =
        roles[i].role == CHAT_ASSISTANT ? assistant(x, true) : new_message(x, roles[i].role);
    memcpy(more_parts(x, m, n), p, n * sizeof(*p));
    m->n_parts += n;
    m->text = joined(x, m->part, m->n_parts);
    return true;
}

static bool take_call(struct responses_items *x, struct json_value item, const struct member_at *at)
{
    struct chat_part call = {.kind = PART_TOOL_CALL};
    if (!need_text(x, item, at, "call_id", &call.id) ||
        !need_text(x, item, at, "name", &call.name) ||
        !need_text(x, item, at, "arguments", &call.text))
        return false;
    struct chat_message *m = assistant(x, false);
    *more_parts(x, m, 1) = call;
    m->n_parts++;
    x->tokens += CALL_TOKENS;
    count(x, call.name);
    count(x, call.text);
    return true;
}

static bool take_output(struct responses_items *x, struct json_value item,
                        const struct member_at *at)
{
    struct member_at at_output = member_at(at, STR("output"));
    struct chat_part *result = arena_struct(x->a, struct chat_part);
    result->kind = PART_TOOL_RESULT;
    if (!need_text(x, item, at, "call_id", &result->id))
        return false;
    struct json_value output = json_get(item, "output");
    size_t n;
    struct chat_part *p = take_content(x, output, &at_output, &n);
    if (!p)
        return false;
    result->text = joined(x, p, n);
    if (!json_is(output, JSON_STRING)) {
        result->part = p;
        result->n_parts = n;
    }
    struct chat_message *m = new_message(x, CHAT_TOOL);
    m->text = result->text;
    m->part = result;
    m->n_parts = 1;
    return true;
}

/* What was thought, as the summary or in full; and what its maker wants back with it. */
static bool take_reasoning(struct responses_items *x, struct json_value item,
                           const struct member_at *at)
{
    static const struct str signature = STR_INIT(RESPONSES_SIGNATURE),
                            redacted = STR_INIT(RESPONSES_REDACTED);
    struct member_at at_summary = member_at(at, STR("summary"));
    struct json_value summary = json_get(item, "summary"), content = json_get(item, "content");
    struct chat_part p = {.kind = PART_THINKING};
    struct str sealed;
    if (body_given(summary) && !json_is(summary, JSON_ARRAY))
        return member_wrong(&at_summary, "a list", x->e);
    if (!text_at(x, item, at, "encrypted_content", &sealed))
        return false;
    json_each(it, json_is(content, JSON_ARRAY) && json_count(content) > 0 ? content : summary)
    {
        struct str text = json_text(json_get(it.value, "text"), x->a);
        p.text = p.text.len > 0 ? arena_printf(x->a, "%.*s\n\n%.*s", STR_FMT(p.text), STR_FMT(text))
                                : text;
    }
    if (str_starts(sealed, signature)) {
        p.signature = str_from_at(sealed, signature.len);
    } else if (str_starts(sealed, redacted)) {
        p.kind = PART_REDACTED_THINKING;
        p.data = str_from_at(sealed, redacted.len);
    } else if (p.text.len == 0) {
        return true; /* nothing that a model here could read */
    }
    struct chat_message *m = assistant(x, true);
    *more_parts(x, m, 1) = p;
    m->n_parts++;
    count(x, p.text);
    return true;
}

static bool pass_over(struct responses_items *x, struct json_value item, const struct member_at *at)
{
    (void)x, (void)item, (void)at;
    return true;
}

static const struct {
    struct str type;
    bool (*take)(struct responses_items *x, struct json_value item, const struct member_at *at);
    struct str member[MEMBERS_MOST];
} kinds[] = {
    {N("message"),
     take_message,
     {N("type"), N("id"), N("status"), N("role"), N("content"), N("phase")}},
    {N("function_call"),
     take_call,
     {N("type"), N("id"), N("status"), N("call_id"), N("name"), N("arguments")}},
    {N("function_call_output"),
     take_output,
     {N("type"), N("id"), N("status"), N("call_id"), N("output")}},
    {N("reasoning"),
     take_reasoning,
     {N("type"), N("id"), N("status"), N("summary"), N("content"), N("encrypted_content")}},
    {N("file_search_call"),
     pass_over,
     {N("type"), N("id"), N("status"), N("queries"), N("results")}},
};
#undef N

static bool is_message(struct json_value item)
{
    return !body_given(json_get(item, "type")) && body_given(json_get(item, "role"));
}

static bool is_reference(struct json_value item)
{
    struct json_value type = json_get(item, "type");
    return json_text_is(type, "item_reference") ||
           (!body_given(type) && !body_given(json_get(item, "role")) &&
            body_given(json_get(item, "id")));
}

bool responses_items_one(struct responses_items *x, struct json_value item,
                         const struct member_at *at)
{
    struct member_at at_type = member_at(at, STR("type"));
    struct json_value type = json_get(item, "type");
    if (!json_is(item, JSON_OBJECT))
        return member_wrong(at, "an object with a 'type'", x->e);
    if (!body_given(type) && !is_message(item))
        return member_missing(&at_type, x->e);
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (json_text_is_str(type, kinds[i].type) || is_message(item)) /* the first is messages */
            return kinds[i].take(x, item, at) && check_members(x, item, at, kinds[i].member);
    return member_wrong(&at_type,
                        "message, function_call, function_call_output, reasoning, item_reference "
                        "or file_search_call; others are not supported",
                        x->e);
}

/* Its item stands in its place; where it came from references were resolved already. */
static bool resolve(struct responses_items *x, struct json_value item, const struct member_at *at,
                    struct json_value *out)
{
    struct member_at at_id = member_at(at, STR("id"));
    struct str id;
    *out = item;
    if (!is_reference(item))
        return true;
    if (!need_text(x, item, at, "id", &id))
        return false;
    if (x->find && x->find(x->ctx, id, out, x->e))
        return true;
    if (x->find && x->e->code != ERR_NOT_FOUND)
        return false;
    member_wrong(&at_id, "the id of an item that was kept", x->e);
    x->e->code = ERR_NOT_FOUND;
    return false;
}

bool responses_items_add(struct responses_items *x, struct json_value v, const struct member_at *at)
{
    size_t i = 0;
    x->input = v;
    if (json_is(v, JSON_STRING)) {
        responses_items_text(x, CHAT_USER, json_text(v, x->a));
        return true;
    }
    if (!body_given(v))
        return member_missing(at, x->e);
    if (!json_is(v, JSON_ARRAY) || json_count(v) == 0)
        return member_wrong(at, "a string or a list of at least one item", x->e);
    x->item = arena_array(x->a, struct json_value, json_count(v));
    json_each(it, v)
    {
        struct member_at here = member_item(at, i);
        if (!resolve(x, it.value, &here, &x->item[i]) || !responses_items_one(x, x->item[i], &here))
            return false;
        x->n_items = ++i;
    }
    return true;
}

static bool is_called(const struct responses_items *x, size_t until, struct str id)
{
    for (size_t i = until; i-- > 0;)
        for (size_t k = 0; k < x->message[i].n_parts; k++) {
            const struct chat_part *p = &x->message[i].part[k];
            if (p->kind == PART_TOOL_CALL && str_eq(p->id, id))
                return true;
        }
    return false;
}

bool responses_items_finish(struct responses_items *x, struct chat_request *r)
{
    for (size_t i = 0; i < x->n; i++) {
        const struct chat_message *m = &x->message[i];
        if (m->role == CHAT_TOOL && !is_called(x, i, m->part[0].id))
            return err_param(x->e, ERR_INVALID, "input",
                             "there is no function_call with the call_id '%.*s' in front of its "
                             "output",
                             STR_FMT(str_head(m->part[0].id, 100)));
    }
    if (x->n == 0 || (x->n == 1 && prompt_is_system(x->message)))
        return err_param(x->e, ERR_INVALID, "input", "'input' has nothing to answer");
    r->message = x->message;
    r->n_messages = x->n;
    r->prompt_tokens += x->tokens;
    return true;
}

/* ---- Leaving out ---- */

static int64_t size_of(const struct chat_message *m)
{
    int64_t n = (int64_t)token_count(m->text);
    for (size_t i = 0; i < m->n_parts; i++)
        n += m->part[i].kind == PART_IMAGE ? IMAGE_TOKENS
             : m->part[i].kind == PART_TOOL_CALL
                 ? CALL_TOKENS + (int64_t)token_count(m->part[i].text)
                 : 0;
    return n;
}

void responses_items_truncate(struct responses_items *x, int64_t tokens)
{
    size_t from = x->n, kept = 0;
    int64_t left = tokens;
    for (size_t i = 0; i < x->n; i++)
        left -= prompt_is_system(&x->message[i]) ? size_of(&x->message[i]) : 0;
    for (size_t i = x->n; i-- > 0 && (left > 0 || from == x->n);) {
        left -= prompt_is_system(&x->message[i]) ? 0 : size_of(&x->message[i]);
        if (x->message[i].role == CHAT_USER && (left >= 0 || from == x->n))
            from = i;
    }
    for (size_t i = 0; i < x->n; i++) {
        if (i >= from || from == x->n || prompt_is_system(&x->message[i]))
            x->message[kept++] = x->message[i];
    }
    x->n = kept;
}

/* ---- As they are kept ---- */

static void put_parts(struct json_writer *w, struct json_value content, bool assistant)
{
    if (json_is(content, JSON_ARRAY)) {
        json_put_raw(w, json_raw(content));
        return;
    }
    json_array(w);
    json_object(w);
    json_kv_text(w, "type", assistant ? "output_text" : "input_text");
    json_key(w, "text");
    json_put_raw(w, json_raw(content));
    if (assistant) {
        json_key(w, "annotations");
        json_put_raw(w, STR("[]"));
    }
    json_end(w);
    json_end(w);
}

/* What the item's kind is called at the front of ids that are made here. */
static const char *id_prefix(struct json_value item)
{
    struct json_value type = json_get(item, "type");
    return json_text_is(type, "function_call")          ? "fc"
           : json_text_is(type, "function_call_output") ? "fco"
           : json_text_is(type, "reasoning")            ? "rs"
           : json_text_is(type, "file_search_call")     ? "fs"
                                                        : "msg";
}

static void put_item(struct json_writer *w, struct json_value item, struct str token, size_t i)
{
    bool message = is_message(item) || json_text_is(json_get(item, "type"), "message");
    struct buf made;
    json_object(w);
    json_key(w, "id");
    if (json_is(json_get(item, "id"), JSON_STRING)) {
        json_put_raw(w, json_raw(json_get(item, "id")));
    } else {
        buf_init(&made, ID_MOST);
        buf_printf(&made, "%s_%.*s_i%zu", id_prefix(item), STR_FMT(token), i);
        json_put_str(w, buf_str(&made));
        buf_fini(&made);
    }
    if (message)
        json_kv_text(w, "type", "message");
    if (!body_given(json_get(item, "status")))
        json_kv_text(w, "status", "completed");
    json_each(it, item)
    {
        if (str_eq(it.name, STR("id")) || (message && str_eq(it.name, STR("type"))) ||
            (str_eq(it.name, STR("status")) && !body_given(it.value)))
            continue;
        json_key_str(w, it.name);
        if (message && str_eq(it.name, STR("content")))
            put_parts(w, it.value, json_text_is(json_get(item, "role"), "assistant"));
        else
            json_put_raw(w, json_raw(it.value));
    }
    json_end(w);
}

static void put_text_item(struct json_writer *w, struct json_value text, struct str token)
{
    struct buf id;
    buf_init(&id, ID_MOST);
    buf_printf(&id, "msg_%.*s_i0", STR_FMT(token));
    json_object(w);
    json_kv_str(w, "id", buf_str(&id));
    json_kv_text(w, "type", "message");
    json_kv_text(w, "status", "completed");
    json_kv_text(w, "role", "user");
    json_key(w, "content");
    put_parts(w, text, false);
    json_end(w);
    buf_fini(&id);
}

void responses_items_write(const struct responses_items *x, struct json_writer *w, struct str token)
{
    json_array(w);
    if (json_is(x->input, JSON_STRING))
        put_text_item(w, x->input, token);
    for (size_t i = 0; i < x->n_items; i++)
        put_item(w, x->item[i], token, i);
    json_end(w);
}
