#include "model/reasoning.h"

static const struct str mark = STR_INIT("openrouter:"), claude = STR_INIT("anthropic-claude-v1");

bool reasoning_is_marked(struct str sealed)
{
    return str_starts(sealed, mark);
}

/* What stays in the mark: all that is not said elsewhere. */
static bool is_kept(struct str name)
{
    static const struct str elsewhere[] = {STR_INIT("text"), STR_INIT("summary"),
                                           STR_INIT("index")};
    for (size_t i = 0; i < COUNT(elsewhere); i++)
        if (str_eq(name, elsewhere[i]))
            return false;
    return true;
}

static struct str marked(struct json_value detail, struct arena *a)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, json_raw(detail).len + mark.len + 64);
    buf_add(&b, mark);
    json_begin(&w, &b);
    json_object(&w);
    json_each(it, detail)
    {
        if (!is_kept(it.name))
            continue;
        json_key_str(&w, it.name);
        json_put_raw(&w, json_raw(it.value));
    }
    json_end(&w);
    struct str text = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return text;
}

static struct str text_of(struct json_value detail, const char *name, struct arena *a)
{
    return json_text(json_get(detail, name), a);
}

/* Signed or sealed as Anthropic does, with nothing beside that would be lost. */
static bool is_claude(struct json_value detail)
{
    struct json_value format = json_get(detail, "format");
    return !json_is(json_get(detail, "id"), JSON_STRING) &&
           (!json_is(format, JSON_STRING) || json_text_is_str(format, claude));
}

bool reasoning_read(struct json_value detail, struct arena *a, struct reasoning_detail *out)
{
    struct json_value type = json_get(detail, "type");
    *out = (struct reasoning_detail){0};
    if (json_text_is(type, "reasoning.encrypted")) {
        out->data = text_of(detail, "data", a);
        if (out->data.len > 0 && !is_claude(detail))
            out->data = marked(detail, a);
        return out->data.len > 0;
    }
    out->words = true;
    if (json_text_is(type, "reasoning.summary")) {
        out->text = text_of(detail, "summary", a);
    } else if (json_text_is(type, "reasoning.text")) {
        out->text = text_of(detail, "text", a);
        out->signature = text_of(detail, "signature", a);
        struct json_value format = json_get(detail, "format");
        if (out->signature.len > 0 && json_is(format, JSON_STRING) &&
            !json_text_is_str(format, claude))
            out->signature = marked(detail, a);
    }
    return out->text.len + out->signature.len > 0;
}

bool reasoning_is_detail(const struct chat_part *p)
{
    return (p->kind == PART_THINKING && p->signature.len > 0) ||
           (p->kind == PART_REDACTED_THINKING && p->data.len > 0);
}

/* As it came; false for a mark that somebody has broken. */
static bool put_marked(struct json_writer *w, struct str sealed, struct arena *tmp)
{
    struct json doc;
    if (!json_parse(&doc, tmp, str_from_at(sealed, mark.len), JSON_UNIQUE, NULL) ||
        !json_is(json_root(&doc), JSON_OBJECT))
        return false;
    json_each(it, json_root(&doc))
    {
        if (!is_kept(it.name))
            continue;
        json_key_str(w, it.name);
        json_put_raw(w, json_raw(it.value));
    }
    return true;
}

void reasoning_put(struct json_writer *w, const struct chat_part *p, size_t index,
                   struct arena *tmp)
{
    bool words = p->kind == PART_THINKING;
    struct str sealed = words ? p->signature : p->data;
    json_object(w);
    if (!reasoning_is_marked(sealed) || !put_marked(w, sealed, tmp)) {
        json_kv_text(w, "type", words ? "reasoning.text" : "reasoning.encrypted");
        json_kv_str(w, words ? "signature" : "data", sealed);
        json_kv_str(w, "format", claude);
    }
    if (words)
        json_kv_str(w, "text", p->text);
    json_kv_int(w, "index", (int64_t)index);
    json_end(w);
}
