#include "base/json.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_begin(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static bool in_object(const struct json_writer *w)
{
    return w->depth && (w->objects >> (w->depth - 1) & 1);
}

/* Before each value: a comma, or nothing behind a key. */
static void separate(struct json_writer *w)
{
    CHECK(w->key == in_object(w)); /* a member has a name, an item has none */
    CHECK(w->depth || !w->comma);  /* one value at the top */
    if (w->comma && !w->key)
        buf_char(w->out, ',');
    w->comma = true;
    w->key = false;
}

static void open(struct json_writer *w, bool object)
{
    separate(w);
    CHECK(w->depth < JSON_WRITER_DEPTH);
    uint64_t bit = UINT64_C(1) << w->depth++;
    w->objects = object ? w->objects | bit : w->objects & ~bit;
    w->comma = false;
    buf_char(w->out, object ? '{' : '[');
}

void json_object(struct json_writer *w)
{
    open(w, true);
}

void json_array(struct json_writer *w)
{
    open(w, false);
}

void json_end(struct json_writer *w)
{
    CHECK(w->depth && !w->key);
    buf_char(w->out, in_object(w) ? '}' : ']');
    w->depth--;
    w->comma = true;
}

/* In quotes as it is, with `behind` behind them. */
static void enclose(struct buf *out, struct str s, struct str behind)
{
    char *to = buf_reserve(out, s.len + 2 + behind.len);
    if (!to)
        return;
    *to++ = '"';
    if (s.len)
        memcpy(to, s.p, s.len);
    to[s.len] = '"';
    if (behind.len)
        memcpy(to + s.len + 1, behind.p, behind.len);
    out->len += s.len + 2 + behind.len;
}

/* Most texts need no escape and go out in one piece. */
static void quoted(struct buf *out, struct str s, struct str behind)
{
    bool high = false;
    if (s.len == 0 || (json_plain(s.p, s.p + s.len, &high) == s.p + s.len && !high)) {
        enclose(out, s, behind);
        return;
    }
    buf_char(out, '"');
    json_escape(out, s);
    buf_char(out, '"');
    buf_add(out, behind);
}

static void begin_key(struct json_writer *w)
{
    CHECK(in_object(w) && !w->key);
    if (w->comma)
        buf_char(w->out, ',');
    w->key = true;
}

void json_key_str(struct json_writer *w, struct str name)
{
    begin_key(w);
    quoted(w->out, name, STR(":"));
}

void json_key(struct json_writer *w, const char *name)
{
    begin_key(w);
    enclose(w->out, str_from(name), STR(":"));
}

void json_put_str(struct json_writer *w, struct str s)
{
    separate(w);
    quoted(w->out, s, STR_NONE);
}

void json_put_text(struct json_writer *w, const char *s)
{
    if (s)
        json_put_str(w, str_from(s));
    else
        json_put_null(w);
}

void json_put_int(struct json_writer *w, int64_t n)
{
    separate(w);
    buf_int(w->out, n);
}

/* 15 digits are enough for what people write, 17 for every double. */
void json_put_real(struct json_writer *w, double d)
{
    if (!isfinite(d)) {
        json_put_null(w);
        return;
    }
    separate(w);
    char text[32];
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(text, sizeof(text), "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    buf_add(w->out, (struct str){text, (size_t)n});
}

void json_put_bool(struct json_writer *w, bool b)
{
    separate(w);
    buf_add(w->out, b ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w)
{
    separate(w);
    buf_add(w->out, STR("null"));
}

void json_put_raw(struct json_writer *w, struct str json)
{
    CHECK(json.len > 0);
    separate(w);
    buf_add(w->out, json);
}

void json_kv_str(struct json_writer *w, const char *name, struct str s)
{
    json_key(w, name);
    json_put_str(w, s);
}

void json_kv_text(struct json_writer *w, const char *name, const char *s)
{
    json_key(w, name);
    json_put_text(w, s);
}

void json_kv_int(struct json_writer *w, const char *name, int64_t n)
{
    json_key(w, name);
    json_put_int(w, n);
}

void json_kv_real(struct json_writer *w, const char *name, double d)
{
    json_key(w, name);
    json_put_real(w, d);
}

void json_kv_bool(struct json_writer *w, const char *name, bool b)
{
    json_key(w, name);
    json_put_bool(w, b);
}

/* ---- Escaping ---- */

static void escape_char(struct buf *out, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit) {
        char text[2] = {'\\', to[hit - from]};
        buf_add(out, (struct str){text, sizeof(text)});
        return;
    }
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    buf_add(out, (struct str){text, sizeof(text)});
}

/* `s` is UTF-8. */
static void escape_valid(struct buf *out, struct str s)
{
    const char *p = s.p, *end = s.p + s.len;
    bool high = false; /* known to be sound */
    while (p < end) {
        const char *stop = json_plain(p, end, &high);
        buf_add(out, str_span(p, stop));
        p = stop;
        if (p < end)
            escape_char(out, *p++);
    }
}

void json_escape(struct buf *out, struct str s)
{
    if (utf8_valid(s)) {
        escape_valid(out, s);
        return;
    }
    while (s.len) {
        size_t n = utf8_valid_until(s);
        escape_valid(out, str_head(s, n));
        if (n < s.len)
            buf_add(out, STR("\xEF\xBF\xBD"));
        s = str_from_at(s, n + 1);
    }
}
