/* The parser walks a head once, over names, targets and values sixteen bytes at a time (see
 * http_skip.h). It decides nothing about a byte that has not come: every step says "more needed"
 * when it runs into the end, and the caller starts again with more. That keeps no state to get
 * wrong, and the cost is bounded by starting again at line feeds only (see http.h).
 *
 * What a head means for the bytes behind it (its framing) is decided at its end, by frame_request
 * or frame_response, from what `note` has gathered; everything unusual there is refused.
 */
#include "net/http.h"

#include "net/http_skip.h"

_Static_assert(HTTP_HEADERS_MAX <= UINT8_MAX, "http_headers.first holds places of headers");

/* ---- Headers ---- */

const struct http_header *http_header_next(const struct http_headers *h, struct str name,
                                           const struct http_header *last)
{
    const struct http_header *end = h->h + h->n;
    uint32_t first = h->first[name.len % HTTP_FIRST];
    if (first == 0)
        return NULL;
    for (const struct http_header *at = last ? last + 1 : h->h + first - 1; at < end; at++) {
        bool may_be = at->name.len == name.len && ((at->name.p[0] ^ name.p[0]) & ~0x20) == 0;
        if (may_be && str_ieq(at->name, name))
            return at;
    }
    return NULL;
}

static bool list_has(struct str list, struct str token)
{
    struct str part;
    while (str_split(&list, ',', &part))
        if (str_ieq(str_trim(part), token))
            return true;
    return false;
}

bool http_header_has(const struct http_headers *h, struct str name, struct str token)
{
    const struct http_header *at = NULL;
    while ((at = http_header_next(h, name, at)))
        if (list_has(at->value, token))
            return true;
    return false;
}

/* ---- Heads ---- */

struct parser {
    const char *p, *end;
    struct http_head *out;
    struct err *e;
    /* gathered on the way, judged at the end */
    struct str length, coding, host;
    uint32_t lengths, codings, hosts;
    bool close, keep;
};

/* Each step returns one of these; BAD has filled the error. */
enum { BAD = -1, MORE = 0, DONE = 1 };

__attribute__((noinline, cold)) static int bad(struct parser *ps, const char *what)
{
    err_set(ps->e, ERR_INVALID, "malformed HTTP message: %s", what);
    return BAD;
}

/* Why this is not the end of a line, or not yet. */
__attribute__((noinline, cold)) static int no_line_end(struct parser *ps)
{
    if (ps->p == ps->end)
        return MORE;
    if (*ps->p != '\r')
        return bad(ps, *ps->p == '\n'            ? "line feed without carriage return"
                       : http_is_control(*ps->p) ? "control character in a line"
                                                 : "first line goes on behind the version");
    if (ps->p + 1 == ps->end)
        return MORE;
    return bad(ps, "carriage return without line feed");
}

static inline int line_end(struct parser *ps)
{
    if (ps->end - ps->p < 2 || ps->p[0] != '\r' || ps->p[1] != '\n')
        return no_line_end(ps);
    ps->p += 2;
    return DONE;
}

/* A word of one class with `until` behind it, which is taken too. */
static inline int word(struct parser *ps, enum http_class what, char until, const char *name,
                       struct str *out)
{
    const char *p = http_skip(ps->p, ps->end, what);
    *out = str_span(ps->p, p);
    ps->p = p;
    if (p == ps->end)
        return MORE;
    if (out->len == 0 || *p != until)
        return bad(ps, name);
    ps->p++;
    return DONE;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The rest of a line: text and tabs, without white space around it. */
static int text_line(struct parser *ps, struct str *out)
{
    const char *p = ps->p, *end = ps->end;
    while (p < end && is_blank(*p))
        p++;
    const char *from = p;
    while ((p = http_skip(p, end, HTTP_TEXT)) < end && *p == '\t')
        p++;
    ps->p = p;
    while (p > from && is_blank(p[-1]))
        p--;
    *out = str_span(from, p);
    return line_end(ps);
}

/* The same, at once, for what nearly all lines are: one space, then text without a tab and without
 * white space behind it. */
static inline int value_line(struct parser *ps, struct str *out)
{
    const char *from = ps->p, *end = ps->end;
    from += from < end && *from == ' ';
    const char *p = http_skip(from, end, HTTP_TEXT);
    if (end - p >= 2 && memcmp(p, "\r\n", 2) == 0 && *from > ' ' && p[-1] != ' ') {
        *out = str_span(from, p);
        ps->p = p + 2;
        return DONE;
    }
    return text_line(ps, out);
}

static inline bool same4(const char *p, const char *lower)
{
    return (str_load4(p) | (uint32_t)STR_EACH(0x20)) == str_load4(lower);
}

static inline bool same8(const char *p, const char *lower)
{
    return (str_load8(p) | STR_EACH(0x20)) == str_load8(lower);
}

/* Is the name this one, which is given in lower case and as long, at least four letters? Of the
 * bytes of a token only the letters of either case become a lower case letter by bit 5, and only
 * "-" becomes "-". The last comparison overlaps what is in front of it. */
static inline bool named(struct str name, struct str lower)
{
    size_t len = lower.len;
    if (len < 8)
        return same4(name.p, lower.p) && same4(name.p + len - 4, lower.p + len - 4);
    for (size_t i = 0; i + 8 <= len; i += 8)
        if (!same8(name.p + i, lower.p + i))
            return false;
    return same8(name.p + len - 8, lower.p + len - 8);
}

/* Keeps the fields that decide about framing and the connection. */
static inline void note(struct parser *ps, struct str name, struct str value)
{
    switch (name.len) {
    case 4:
        if (named(name, STR("host"))) {
            ps->host = value;
            ps->hosts++;
        }
        break;
    case 6:
        if (named(name, STR("expect")))
            ps->out->expect_continue = str_ieq(value, STR("100-continue"));
        break;
    case 10:
        if (named(name, STR("connection"))) {
            ps->close |= list_has(value, STR("close"));
            ps->keep |= list_has(value, STR("keep-alive"));
        }
        break;
    case 14:
        if (named(name, STR("content-length"))) {
            ps->length = value;
            ps->lengths++;
        }
        break;
    case 17:
        if (named(name, STR("transfer-encoding"))) {
            ps->coding = value;
            ps->codings++;
        }
        break;
    default: break;
    }
}

/* A line that begins otherwise than with a name and a colon: the end of the head, or bad. `p` is
 * where its name would end. */
static int no_header(struct parser *ps, const char *p)
{
    if (ps->p < ps->end && (*ps->p == '\r' || *ps->p == '\n'))
        return line_end(ps);
    if (ps->p < ps->end && is_blank(*ps->p))
        return bad(ps, "folded header line");
    ps->p = p;
    return p == ps->end ? MORE : bad(ps, "header name");
}

static int headers(struct parser *ps)
{
    struct http_headers *h = &ps->out->headers;
    for (;;) {
        const char *p = http_skip(ps->p, ps->end, HTTP_TOKEN);
        struct str name = str_span(ps->p, p), value;
        if (name.len == 0 || p == ps->end || *p != ':')
            return no_header(ps, p);
        if (h->n == HTTP_HEADERS_MAX) {
            err_set(ps->e, ERR_HEADERS, "more than %d headers", HTTP_HEADERS_MAX);
            return BAD;
        }
        ps->p = p + 1;
        int got = value_line(ps, &value);
        if (got != DONE)
            return got;
        note(ps, name, value);
        http_headers_add(h, name, value);
    }
}

/* "HTTP/1.", one digit. A later minor version is understood as ours (RFC 9110 section 2.5). */
static inline int version(struct parser *ps)
{
    static const char want[] = "HTTP/1.";
    const size_t len = sizeof(want) - 1, have = (size_t)(ps->end - ps->p);
    const char *what = "version, which must be HTTP/1.0 or HTTP/1.1";
    if (have <= len)
        return memcmp(ps->p, want, have) == 0 ? MORE : bad(ps, what);
    char digit = ps->p[len];
    if (memcmp(ps->p, want, len) != 0 || digit < '0' || digit > '9')
        return bad(ps, what);
    ps->out->minor = digit != '0';
    ps->p += len + 1;
    return DONE;
}

static int request_line(struct parser *ps)
{
    struct http_head *out = ps->out;
    if (ps->p < ps->end && *ps->p == '\r') {
        int got = line_end(ps);
        if (got != DONE)
            return got;
    }
    if (ps->p < ps->end && *ps->p == 0x16)
        return bad(ps, "this is TLS, and here plain HTTP is spoken");
    int got = word(ps, HTTP_TOKEN, ' ', "method", &out->method);
    if (got == DONE)
        got =
            word(ps, HTTP_TARGET, ' ', "target, which must be percent-encoded ASCII", &out->target);
    if (got == DONE)
        got = version(ps);
    if (got == DONE)
        got = line_end(ps);
    return got;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* " 200", then a reason. Some servers leave out the space in front of an empty one. */
static int status_line(struct parser *ps)
{
    int got = version(ps);
    if (got != DONE)
        return got;
    const char *p = ps->p;
    const ptrdiff_t have = ps->end - p;
    for (ptrdiff_t i = 0; i < 4; i++) {
        if (i == have)
            return MORE;
        if (i == 0 ? p[i] != ' ' : !is_digit(p[i]))
            return bad(ps, "status line");
    }
    ps->out->status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
    if (p[1] == '0' || (have > 4 && p[4] != ' ' && p[4] != '\r'))
        return bad(ps, "status line");
    ps->p += 4;
    struct str reason;
    return value_line(ps, &reason);
}

static inline bool length(struct parser *ps, const struct http_limits *lim)
{
    if (ps->lengths > 1)
        return err_set(ps->e, ERR_INVALID, "Content-Length is there %u times", ps->lengths);
    if (!str_to_u64(ps->length, &ps->out->content_length))
        return err_set(ps->e, ERR_INVALID, "Content-Length is not a number");
    if (ps->out->content_length > lim->body)
        return err_set(ps->e, ERR_TOO_LARGE, "body of %llu bytes is over the limit of %llu",
                       (unsigned long long)ps->out->content_length, (unsigned long long)lim->body);
    ps->out->framing = ps->out->content_length ? HTTP_LENGTH : HTTP_NO_BODY;
    return true;
}

static bool chunked(struct parser *ps)
{
    if (ps->lengths)
        return err_set(ps->e, ERR_INVALID, "Content-Length together with Transfer-Encoding");
    if (ps->codings > 1 || !str_ieq(ps->coding, STR("chunked")))
        return err_set(ps->e, ERR_INVALID, "Transfer-Encoding other than one \"chunked\"");
    if (ps->out->minor == 0)
        return err_set(ps->e, ERR_INVALID, "Transfer-Encoding in HTTP/1.0");
    ps->out->framing = HTTP_CHUNKED;
    return true;
}

static bool frame_request(struct parser *ps, const struct http_limits *lim)
{
    ps->out->keep_alive = !ps->close && (ps->out->minor == 1 || ps->keep);
    if (ps->hosts > 1 || (ps->hosts == 0 && ps->out->minor == 1))
        return err_set(ps->e, ERR_INVALID, "Host is there %u times instead of once", ps->hosts);
    /* what stands behind the value is of no host either */
    if (ps->hosts && http_skip(ps->host.p, ps->end, HTTP_HOST) != ps->host.p + ps->host.len)
        return err_set(ps->e, ERR_INVALID, "Host is malformed");
    ps->out->framing = HTTP_NO_BODY;
    if (ps->codings)
        return chunked(ps);
    return ps->lengths ? length(ps, lim) : true;
}

static bool frame_response(struct parser *ps, const struct http_limits *lim, bool to_head)
{
    struct http_head *out = ps->out;
    out->keep_alive = !ps->close && (out->minor == 1 || ps->keep);
    out->framing = HTTP_NO_BODY;
    if (to_head || out->status < 200 || out->status == 204 || out->status == 304)
        return true;
    if (ps->codings)
        return chunked(ps);
    if (ps->lengths)
        return length(ps, lim);
    out->framing = HTTP_UNTIL_CLOSE;
    out->keep_alive = false;
    return true;
}

/* A head that is whole or not, against its limits. `first` is where its first line ends, NULL when
 * that has not come. */
static inline bool within(struct parser *ps, struct str in, const char *first,
                          const struct http_limits *lim)
{
    size_t line = first ? (size_t)(first - in.p) : in.len;
    if (line > lim->line)
        return err_set(ps->e, ERR_URI_TOO_LONG, "first line is over the limit of %u bytes",
                       lim->line);
    if ((size_t)(ps->p - in.p) > lim->headers)
        return err_set(ps->e, ERR_HEADERS, "head is over the limit of %u bytes", lim->headers);
    return true;
}

static void start(struct parser *ps, struct http_head *out, struct http_header *space,
                  struct str in, struct err *e)
{
    *out = (struct http_head){.headers.h = space};
    *ps = (struct parser){.p = in.p, .end = in.p + in.len, .out = out, .e = e};
}

ssize_t http_parse_request(struct http_head *out, struct http_header *space, struct str in,
                           const struct http_limits *lim, struct err *e)
{
    struct parser ps;
    if (in.len == 0)
        return MORE;
    start(&ps, out, space, in, e);
    int got = request_line(&ps);
    const char *first = got == DONE ? ps.p : NULL;
    if (got == DONE)
        got = headers(&ps);
    if (got == BAD || !within(&ps, in, first, lim))
        return BAD;
    if (got == MORE)
        return MORE;
    return frame_request(&ps, lim) ? ps.p - in.p : BAD;
}

ssize_t http_parse_response(struct http_head *out, struct http_header *space, struct str in,
                            const struct http_limits *lim, bool to_head, struct err *e)
{
    struct parser ps;
    if (in.len == 0)
        return MORE;
    start(&ps, out, space, in, e);
    int got = status_line(&ps);
    const char *first = got == DONE ? ps.p : NULL;
    if (got == DONE)
        got = headers(&ps);
    bool good = got != BAD && within(&ps, in, first, lim);
    if (good && got == MORE)
        return MORE;
    if (good && frame_response(&ps, lim, to_head))
        return ps.p - in.p;
    if (e)
        e->code = ERR_UPSTREAM;
    return BAD;
}

static struct str moved(struct str s, uintptr_t by)
{
    return (struct str){(const char *)((uintptr_t)s.p + by), s.len};
}

void http_headers_keep(struct http_headers *h, struct arena *a)
{
    const size_t size = h->n * sizeof(*h->h);
    void *copy = arena_bytes(a, size);
    if (size)
        memcpy(copy, h->h, size);
    h->h = copy;
}

struct str http_head_keep(struct http_head *h, struct str in, struct arena *a)
{
    struct http_headers *hs = &h->headers;
    const size_t table = hs->n * sizeof(*hs->h);
    char *space = arena_bytes(a, table + in.len), *text = space + table;
    struct http_header *to = (struct http_header *)(void *)space;
    const uintptr_t by = (uintptr_t)text - (uintptr_t)in.p;
    memcpy(text, in.p, in.len);
    for (uint32_t i = 0; i < hs->n; i++)
        to[i] = (struct http_header){moved(hs->h[i].name, by), moved(hs->h[i].value, by)};
    hs->h = to;
    if (h->method.p) { /* a request */
        h->method = moved(h->method, by);
        h->target = moved(h->target, by);
    }
    return (struct str){text, in.len};
}

const char *http_reason(int status)
{
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    case 529: return "Overloaded";
    default: return "Unknown";
    }
}
