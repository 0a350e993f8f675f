#include "gateway/store_fields.h"
#include "base/utf8.h"
#include "index/tuning.h"

enum { PAIRS_MOST = 16, KEY_MOST = 64, TEXT_MOST = 512, DAYS_MOST = 365 };
enum { TOKENS_LEAST = 100, TOKENS_MOST = 4096 };

bool store_fields_known(const struct member_reader *m, struct json_value object,
                        const struct member_at *up, const struct str *name, size_t n)
{
    json_each(it, object)
    {
        size_t i = 0;
        while (i < n && !str_eq(it.name, name[i]))
            i++;
        struct member_at at = member_at(up, it.name);
        if (i == n)
            return member_wrong(&at, "left out: there is no such parameter here", m->e);
    }
    return true;
}

/* ---- Pairs ---- */

static bool is_short_text(const struct member_reader *m, struct json_value v)
{
    return json_is(v, JSON_STRING) && utf8_count(json_text(v, m->a)) <= TEXT_MOST;
}

static bool is_attribute(const struct member_reader *m, struct json_value v)
{
    double number;
    bool flag;
    return is_short_text(m, v) || json_double(v, &number) || json_bool(v, &flag);
}

/* An object whose values `fits` accepts. */
static bool take_pairs(const struct member_reader *m, struct json_value object,
                       const struct member_at *at,
                       bool (*fits)(const struct member_reader *m, struct json_value v),
                       const char *want, struct str *out)
{
    struct json_value v = json_member(object, at->name);
    if (!body_given(v))
        return true;
    if (!json_is(v, JSON_OBJECT) || json_count(v) > PAIRS_MOST)
        return member_wrong(at, "an object of at most 16 keys", m->e);
    json_each(it, v)
    {
        struct member_at pair = member_at(at, it.name);
        if (!it.name.len || utf8_count(it.name) > KEY_MOST)
            return member_wrong(at, "an object whose keys have 1 to 64 characters", m->e);
        if (!fits(m, it.value))
            return member_wrong(&pair, want, m->e);
    }
    *out = json_raw(v);
    return true;
}

bool store_fields_attributes(const struct member_reader *m, struct json_value object,
                             const struct member_at *up, struct str *out)
{
    struct member_at at = member_at(up, STR("attributes"));
    return take_pairs(m, object, &at, is_attribute,
                      "a text of at most 512 characters, a number, true or false", out);
}

bool store_fields_metadata(const struct member_reader *m, struct json_value object, struct str *out)
{
    struct member_at at = member_at(NULL, STR("metadata"));
    return take_pairs(m, object, &at, is_short_text, "a text of at most 512 characters", out);
}

/* ---- Numbers ---- */

static bool need_int(const struct member_reader *m, struct json_value object,
                     const struct member_at *up, const char *name, int64_t least, int64_t most,
                     uint32_t *out)
{
    struct json_value v = json_get(object, name);
    struct member_at at = member_at(up, str_from(name));
    int64_t n;
    if (!body_given(v))
        return member_missing(&at, m->e);
    if (!json_int(v, &n) || n < least || n > most)
        return member_wrong(
            &at,
            arena_printf(m->a, "a whole number from %jd to %jd", (intmax_t)least, (intmax_t)most).p,
            m->e);
    *out = (uint32_t)n;
    return true;
}

bool store_fields_chunking(const struct member_reader *m, struct json_value object,
                           const struct member_at *up, uint32_t *tokens, uint32_t *overlap)
{
    struct member_at at = member_at(up, STR("chunking_strategy"));
    struct member_at inner = member_at(&at, STR("static"));
    struct json_value v = json_member(object, at.name), s = json_get(v, "static");
    if (!body_given(v))
        return true;
    if (json_text_is(json_get(v, "type"), "auto")) {
        *tokens = *overlap = 0;
        return STORE_FIELDS_KNOWN(m, v, &at, STR("type"));
    }
    if (!json_text_is(json_get(v, "type"), "static") || !json_is(s, JSON_OBJECT))
        return member_wrong(&at, "of type auto, or static with an object 'static'", m->e);
    uint32_t max = 0, over = 0;
    if (!STORE_FIELDS_KNOWN(m, v, &at, STR("type"), STR("static")) ||
        !STORE_FIELDS_KNOWN(m, s, &inner, STR("max_chunk_size_tokens"),
                            STR("chunk_overlap_tokens")) ||
        !need_int(m, s, &inner, "max_chunk_size_tokens", TOKENS_LEAST, TOKENS_MOST, &max) ||
        !need_int(m, s, &inner, "chunk_overlap_tokens", 0, max / 2, &over))
        return false;
    *tokens = max;
    *overlap = over;
    return true;
}

bool store_fields_expiry(const struct member_reader *m, struct json_value object, uint32_t *days)
{
    struct member_at at = member_at(NULL, STR("expires_after"));
    struct member_at anchor = member_at(&at, STR("anchor"));
    struct json_value v = json_member(object, at.name);
    if (!json_exists(v))
        return true;
    if (json_is(v, JSON_NULL)) {
        *days = 0;
        return true;
    }
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(&at, "an object with 'anchor' and 'days'", m->e);
    if (!json_text_is(json_get(v, "anchor"), "last_active_at"))
        return member_wrong(&anchor, "last_active_at", m->e);
    return STORE_FIELDS_KNOWN(m, v, &at, STR("anchor"), STR("days")) &&
           need_int(m, v, &at, "days", 1, DAYS_MOST, days);
}

bool store_fields_keywords(const struct member_reader *m, struct json_value object, struct str *out)
{
    struct json_value v = json_get(object, "keywords");
    struct bm25_params p;
    struct buf b;
    struct json_writer w;
    if (!json_exists(v) || !tuning_read(&p, v, m->e))
        return !json_exists(v);
    *out = STR_NONE;
    if (json_is(v, JSON_NULL))
        return true;
    buf_init(&b, 1024);
    json_begin(&w, &b);
    tuning_put(&w, &p);
    *out = arena_copy(m->a, buf_str(&b));
    buf_fini(&b);
    return true;
}
