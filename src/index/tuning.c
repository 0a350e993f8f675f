#include "index/tuning.h"

#include <stdio.h>

struct member {
    const char *name;
    double least, most;
    size_t at;
};

#define WEIGHT(field) (offsetof(struct bm25_params, weight) + (field) * sizeof(float))

static const struct member member[] = {
    {"k1", 0, 1000, offsetof(struct bm25_params, k1)},
    {"b", 0, 1, offsetof(struct bm25_params, b)},
    {"title", 0.001, 1000, WEIGHT(BM25_TITLE)},
    {"section", 0.001, 1000, WEIGHT(BM25_SECTION)},
    {"body", 0.001, 1000, WEIGHT(BM25_BODY)},
};

static bool read_member(struct bm25_params *p, struct str name, struct json_value v, struct err *e)
{
    char path[64];
    double x;
    snprintf(path, sizeof(path), "keywords.%.*s", STR_FMT(str_head(name, 40)));
    for (size_t i = 0; i < COUNT(member); i++) {
        const struct member *m = &member[i];
        if (!str_eq(name, str_from(m->name)))
            continue;
        if (!json_double(v, &x) || !(x >= m->least && x <= m->most))
            return err_param(e, ERR_INVALID, path, "'%s' must be a number from %g to %g", path,
                             m->least, m->most);
        *(float *)((char *)p + m->at) = (float)x;
        return true;
    }
    return err_param(e, ERR_INVALID, path,
                     "'%s' must be left out: there are k1, b, title, section and body", path);
}

bool tuning_read(struct bm25_params *out, struct json_value v, struct err *e)
{
    *out = BM25_DEFAULT;
    if (!json_exists(v) || json_is(v, JSON_NULL))
        return true;
    if (!json_is(v, JSON_OBJECT))
        return err_param(e, ERR_INVALID, "keywords", "'keywords' must be an object");
    json_each(it, v)
    {
        if (!read_member(out, it.name, it.value, e))
            return false;
    }
    return true;
}

bool tuning_parse(struct bm25_params *out, struct arena *a, struct str text, struct err *e)
{
    struct json j;
    *out = BM25_DEFAULT;
    return !text.len || (json_parse(&j, a, text, 0, e) && tuning_read(out, json_root(&j), e));
}

/* As it was written: 0.3 and not the float next to it, 0.300000012. */
static double shortest(float x)
{
    char text[32];
    double d = x;
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double)x);
        if (str_to_double(str_from(text), &d) && (float)d == x)
            break;
    }
    return d;
}

void tuning_put(struct json_writer *w, const struct bm25_params *p)
{
    json_object(w);
    for (size_t i = 0; i < COUNT(member); i++)
        json_kv_real(w, member[i].name, shortest(*(const float *)((const char *)p + member[i].at)));
    json_end(w);
}
