#include "net/http2_head.h"

#include "net/http_skip.h"

enum pseudo { METHOD, SCHEME, PATH, AUTHORITY };

static const struct str pseudo_name[] = {
    [METHOD] = {":method", 7},
    [SCHEME] = {":scheme", 7},
    [PATH] = {":path", 5},
    [AUTHORITY] = {":authority", 10},
};

void http2_head_init(struct http2_head *h, const struct http_limits *lim)
{
    *h = (struct http2_head){0};
    buf_init(&h->text, (size_t)lim->line + lim->headers);
    buf_init(&h->fields, lim->headers);
}

void http2_head_fini(struct http2_head *h)
{
    buf_fini(&h->text);
    buf_fini(&h->fields);
}

static struct str value_of(const struct http2_head *h, enum pseudo p)
{
    return (struct str){h->text.p + h->at[p], h->len[p]};
}

static bool has(const struct http2_head *h, enum pseudo p)
{
    return h->seen & 1u << p;
}

/* No white space around it is taken off here: the parser does that. */
static bool is_text(struct str s)
{
    const char *p = s.p, *end = s.p + s.len;
    while ((p = http_skip(p, end, HTTP_TEXT)) < end && *p == '\t')
        p++;
    return p == end;
}

/* The parser sees to it that it is a token. */
static bool is_lower(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.p[i] == ':' || (name.p[i] >= 'A' && name.p[i] <= 'Z'))
            return false;
    return true;
}

/* Each returns what is wrong, NULL = nothing. */
static const char *add_pseudo(struct http2_head *h, struct str name, struct str value)
{
    unsigned p = 0;
    while (p < COUNT(pseudo_name) && !str_eq(name, pseudo_name[p]))
        p++;
    if (p == COUNT(pseudo_name))
        return "unknown pseudo-header field";
    if (h->regular)
        return "pseudo-header field behind others";
    if (has(h, p))
        return "pseudo-header field there twice";
    if (value.len == 0 || !http_skip_all(value, HTTP_WORD))
        return "malformed pseudo-header field";
    h->seen |= 1u << p;
    h->at[p] = h->text.len;
    h->len[p] = value.len;
    buf_add(&h->text, value);
    return NULL;
}

static bool of_connection(struct str name, struct str value)
{
    static const struct str names[] = {
        {"connection", 10},        {"keep-alive", 10}, {"proxy-connection", 16},
        {"transfer-encoding", 17}, {"upgrade", 7},
    };
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq(name, names[i]))
            return true;
    return str_eq(name, STR("te")) && !str_ieq(value, STR("trailers"));
}

static const char *add_regular(struct http2_head *h, struct str name, struct str value)
{
    h->regular = true;
    if (!is_lower(name))
        return "header name, which must be a token in lower case";
    if (!is_text(value))
        return "control character in a header";
    if (of_connection(name, value))
        return "header that is only for HTTP/1.1 connections";
    if (str_eq(name, STR("host")) && has(h, AUTHORITY))
        return str_eq(value, value_of(h, AUTHORITY)) ? NULL : "Host is not the :authority";
    buf_add(&h->fields, name);
    buf_add(&h->fields, STR(": "));
    buf_add(&h->fields, value);
    buf_add(&h->fields, STR("\r\n"));
    return NULL;
}

void http2_head_add(struct http2_head *h, struct str name, struct str value)
{
    if (h->fault || !buf_ok(&h->text) || !buf_ok(&h->fields))
        return;
    h->fault =
        name.len && name.p[0] == ':' ? add_pseudo(h, name, value) : add_regular(h, name, value);
}

static bool complete(const struct http2_head *h, const struct http_limits *lim, struct err *e)
{
    if (h->fault)
        return err_set(e, ERR_INVALID, "malformed HTTP message: %s", h->fault);
    if (!buf_ok(&h->text) || !buf_ok(&h->fields))
        return err_set(e, ERR_HEADERS, "head is over the limit of %u bytes", lim->headers);
    if (!has(h, METHOD) || !has(h, SCHEME) || !has(h, PATH))
        return err_set(e, ERR_INVALID,
                       "malformed HTTP message: :method, :scheme or :path is missing");
    return true;
}

bool http2_head_parse(const struct http2_head *h, struct http_head *out, struct http_header *space,
                      bool body, const struct http_limits *lim, struct arena *a, struct err *e)
{
    *out = (struct http_head){0};
    if (!complete(h, lim, e))
        return false;
    char *from = arena_bytes(a, h->text.len + h->fields.len + 32), *p = from;
    p = str_put(p, value_of(h, METHOD));
    p = str_put(p, STR(" "));
    p = str_put(p, value_of(h, PATH));
    p = str_put(p, STR(" HTTP/1.1\r\n"));
    if (has(h, AUTHORITY)) {
        p = str_put(p, STR("Host: "));
        p = str_put(p, value_of(h, AUTHORITY));
        p = str_put(p, STR("\r\n"));
    }
    p = str_put(p, buf_str(&h->fields));
    p = str_put(p, STR("\r\n"));
    if (http_parse_request(out, space, str_span(from, p), lim, e) <= 0) {
        *out = (struct http_head){0};
        return false;
    }
    http_headers_keep(&out->headers, a);
    struct str length;
    if (body && out->framing == HTTP_NO_BODY &&
        !http_header_get(&out->headers, STR("content-length"), &length))
        out->framing = HTTP_CHUNKED;
    return true;
}
