#include "gateway/member.h"

void member_path(const struct member_at *at, struct buf *out)
{
    if (at->up)
        member_path(at->up, out);
    if (at->name.len == 0)
        buf_printf(out, "[%zu]", at->index);
    else
        buf_printf(out, "%s%.*s", out->len > 0 ? "." : "", STR_FMT(at->name));
}

/* A long path keeps its end, where the fault is. */
static bool tell(const struct member_at *at, enum err_code code, const char *verb, const char *what,
                 struct err *e)
{
    enum { PATH_MOST = sizeof(((struct err *)0)->param) - 1 };
    struct buf b;
    buf_init(&b, 4096);
    member_path(at, &b);
    struct str path = buf_str(&b);
    path = str_from_at(path, path.len > PATH_MOST ? path.len - PATH_MOST : 0);
    char text[PATH_MOST + 1];
    memcpy(text, path.p, path.len);
    text[path.len] = 0;
    buf_fini(&b);
    return err_param(e, code, text, "'%s' %s %s", text, verb, what);
}

bool member_missing(const struct member_at *at, struct err *e)
{
    return tell(at, ERR_MISSING, "is", "missing", e);
}

bool member_wrong(const struct member_at *at, const char *want, struct err *e)
{
    return tell(at, ERR_INVALID, "must be", want, e);
}

bool member_unsaid(const struct member_at *at, struct err *e)
{
    return tell(at, ERR_INVALID, "cannot be used with this model:",
                "its provider speaks another protocol, which cannot express it", e);
}

bool member_idle(struct json_value v)
{
    return !body_given(v) || json_is(v, JSON_FALSE) ||
           (json_is(v, JSON_STRING) && json_raw(v).len == 2) ||
           ((json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT)) && json_count(v) == 0);
}

bool member_only(struct json_value object, const struct member_at *at, const struct str *name,
                 size_t n, struct err *e)
{
    json_each(it, object)
    {
        size_t i = 0;
        while (i < n && !str_eq(it.name, name[i]))
            i++;
        if (i < n || member_idle(it.value))
            continue;
        struct member_at member = member_at(at, it.name);
        return member_unsaid(&member, e);
    }
    return true;
}

bool member_text(const struct member_reader *m, struct json_value object,
                 const struct member_at *up, const char *name, struct str *out)
{
    struct json_value v = json_get(object, name);
    struct member_at at = member_at(up, str_from(name));
    *out = json_text(v, m->a);
    return !body_given(v) || json_is(v, JSON_STRING) || member_wrong(&at, "a string", m->e);
}

bool member_need_text(const struct member_reader *m, struct json_value object,
                      const struct member_at *up, const char *name, struct str *out)
{
    struct member_at at = member_at(up, str_from(name));
    if (!body_given(json_get(object, name)))
        return member_missing(&at, m->e);
    return member_text(m, object, up, name, out);
}

bool member_flag(const struct member_reader *m, struct json_value object,
                 const struct member_at *up, const char *name, bool *out)
{
    struct json_value v = json_get(object, name);
    struct member_at at = member_at(up, str_from(name));
    return !body_given(v) || json_bool(v, out) || member_wrong(&at, "true or false", m->e);
}

bool member_cache(const struct member_reader *m, struct json_value object,
                  const struct member_at *up, struct str *out)
{
    struct json_value v = json_get(object, "cache_control");
    struct member_at at = member_at(up, STR("cache_control"));
    if (!body_given(v))
        return true;
    *out = json_raw(v);
    return json_is(v, JSON_OBJECT) || member_wrong(&at, "an object", m->e);
}

bool member_source(struct chat_part *p, struct str url, const struct member_at *at, struct err *e)
{
    static const struct str mark = STR_INIT(";base64,");
    if (!str_istarts(url, STR("data:"))) {
        p->url = url;
        return true;
    }
    size_t comma = str_find(url, mark);
    if (comma == STR_NPOS)
        return member_wrong(at, "an address, or a data: URL in base64", e);
    struct str type = str_from_at(str_head(url, comma), STR("data:").len);
    p->media_type = str_head(type, str_find_char(type, ';'));
    p->data = str_from_at(url, comma + mark.len);
    return true;
}
