#include "gateway/body.h"

#include <stdio.h>

struct body_path body_path(const char *fmt, ...)
{
    struct body_path p;
    va_list args;
    va_start(args, fmt);
    vsnprintf(p.text, sizeof(p.text), fmt, args);
    va_end(args);
    return p;
}

bool body_given(struct json_value v)
{
    return json_exists(v) && !json_is(v, JSON_NULL);
}

bool body_missing(const char *name, struct err *e)
{
    return err_param(e, ERR_MISSING, name, "'%s' is missing", name);
}

bool body_wrong(const char *name, const char *want, struct err *e)
{
    return err_param(e, ERR_INVALID, name, "'%s' must be %s", name, want);
}

bool body_one_of(struct json_value v, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (json_text_is(v, names[i]))
            return true;
    return false;
}

static bool check_one(struct json_value v, const struct body_rule *rule, struct err *e)
{
    double d = 0;
    int64_t whole;
    bool flag, good;
    if (rule->kind == BODY_TEXT)
        good = json_is(v, JSON_STRING);
    else if (rule->kind == BODY_FLAG)
        good = json_bool(v, &flag);
    else if (rule->kind == BODY_WHOLE)
        good = json_int(v, &whole) && (d = (double)whole, true);
    else
        good = json_double(v, &d);
    return (good && d >= rule->least && d <= rule->most) || body_wrong(rule->name.p, rule->want, e);
}

/* One walk over the members, as requests have few and tables are long. */
bool body_check(struct json_value root, const struct body_rule *rule, size_t n, struct err *e)
{
    json_each(it, root)
    {
        for (size_t i = 0; i < n; i++)
            if (str_eq(it.name, rule[i].name) && body_given(it.value) &&
                !check_one(it.value, &rule[i], e))
                return false;
    }
    return true;
}

bool body_check_found(const struct json_value *v, const struct body_rule *rule, size_t n,
                      struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (body_given(v[i]) && !check_one(v[i], &rule[i], e))
            return false;
    return true;
}

bool body_model(struct json_value model, struct arena *a, struct str *out, struct err *e)
{
    if (!body_given(model))
        return body_missing("model", e);
    if (!json_is(model, JSON_STRING))
        return body_wrong("model", "a string", e);
    *out = json_text(model, a);
    return out->len > 0 || body_wrong("model", "the name of a model", e);
}

bool body_stop(struct json_value stop, struct err *e)
{
    if (!body_given(stop) || json_is(stop, JSON_STRING))
        return true;
    bool good = json_is(stop, JSON_ARRAY) && json_count(stop) <= 4;
    json_each(it, stop) good = good && json_is(it.value, JSON_STRING);
    return good || body_wrong("stop", "a string or up to 4 strings", e);
}

bool body_stream(struct chat_request *req, struct json_value stream, struct json_value options,
                 struct err *e)
{
    json_bool(stream, &req->stream);
    if (!body_given(options))
        return true;
    if (!req->stream)
        return err_param(e, ERR_INVALID, "stream_options",
                         "'stream_options' is only allowed with 'stream': true");
    if (!json_is(options, JSON_OBJECT))
        return body_wrong("stream_options", "an object", e);
    struct json_value usage = json_get(options, "include_usage");
    return !body_given(usage) || json_bool(usage, &req->include_usage) ||
           body_wrong("stream_options.include_usage", "true or false", e);
}
