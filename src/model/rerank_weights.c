#include "model/rerank_weights.h"
#include "base/file.h"
#include "base/json.h"

#include <math.h>

enum { FILE_MOST = 1 << 20, VERSION = 1 };

const struct rerank_weights *rerank_weights_built_in(void)
{
    static const struct rerank_weights w = {
        .bias = -5.19,
        .weight =
            {
                [RERANK_RETRIEVAL] = 5.13,
                [RERANK_BM25] = 1.00,
                [RERANK_COVERAGE] = .47,
                [RERANK_FOCUS] = .16,
                [RERANK_WINDOW] = .86,
                [RERANK_PAIRS] = .80,
                [RERANK_PHRASES] = .18,
                [RERANK_EARLY] = .60,
                [RERANK_DENSITY] = -.14,
                [RERANK_NAMES] = .49,
                [RERANK_LENGTH] = -.09,
            },
    };
    return &w;
}

static int feature_named(struct str name)
{
    for (int f = 0; f < RERANK_FEATURE_COUNT; f++)
        if (str_eq(name, str_from(rerank_feature_name((enum rerank_feature)f))))
            return f;
    return -1;
}

static bool wrong(const char *path, const char *what, struct err *e)
{
    return err_set(e, ERR_INVALID, "%s: %s", path, what);
}

static bool read_json(struct rerank_weights *out, const char *path, struct json_value root,
                      struct err *e)
{
    int64_t version = 0;
    struct json_value weights = json_get(root, "weights");
    if (!json_text_is(json_get(root, "penstock"), "rerank weights"))
        return wrong(path, "this is no file of re-ranking weights", e);
    if (!json_int(json_get(root, "version"), &version) || version != VERSION)
        return wrong(path, "its version is another than 1", e);
    if (!json_double(json_get(root, "bias"), &out->bias) || !json_is(weights, JSON_OBJECT))
        return wrong(path, "'bias' and 'weights' must be there", e);
    json_each(it, weights)
    {
        int f = feature_named(it.name);
        if (f < 0)
            return err_set(e, ERR_INVALID, "%s: there is no feature '%.*s'", path,
                           STR_FMT(str_head(it.name, 60)));
        if (!json_double(it.value, &out->weight[f]) || !isfinite(out->weight[f]))
            return err_set(e, ERR_INVALID, "%s: the weight of '%.*s' must be a number", path,
                           STR_FMT(it.name));
    }
    return true;
}

bool rerank_weights_read(struct rerank_weights *out, const char *path, struct err *e)
{
    struct arena *a = arena_new();
    struct str text;
    struct json j;
    *out = (struct rerank_weights){0};
    bool good = file_read(&text, a, path, FILE_MOST, e) &&
                (json_parse(&j, a, text, JSON_UNIQUE, e) || err_prefix(e, "%s: ", path)) &&
                read_json(out, path, json_root(&j), e);
    arena_free(a);
    return good;
}

bool rerank_weights_write(const struct rerank_weights *w, const char *path, struct str note,
                          struct err *e)
{
    struct buf b;
    struct json_writer j;
    buf_init(&b, FILE_MOST);
    json_begin(&j, &b);
    json_object(&j);
    json_kv_text(&j, "penstock", "rerank weights");
    json_kv_int(&j, "version", VERSION);
    json_kv_str(&j, "learned_from", note);
    json_kv_real(&j, "bias", w->bias);
    json_key(&j, "weights");
    json_object(&j);
    for (int f = 0; f < RERANK_FEATURE_COUNT; f++)
        json_kv_real(&j, rerank_feature_name((enum rerank_feature)f), w->weight[f]);
    json_end(&j);
    json_end(&j);
    buf_char(&b, '\n');
    bool good = file_replace(path, buf_str(&b), 0644, e);
    buf_fini(&b);
    return good;
}
