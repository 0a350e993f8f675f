/* The parser walks a head once, through a table of classes four bytes at a time, and eight at a
 * time inside field values. It decides nothing about a byte that has not come: every step says
 * "more needed" when it runs into the end, and the caller starts again with more. That keeps no
 * state to get wrong, and the cost is bounded by starting again at line feeds only (see http.h).
 *
 * What a head means for the bytes behind it (its framing) is decided at its end, by frame_request
 * or frame_response, from what `note` has gathered; everything unusual there is refused.
 */
#include "net/http.h"

enum { TOKEN = 1, TARGET = 2, HOST = 4 };

/* RFC 9110 section 5.6.2 tokens; visible ASCII but "#" for targets; RFC 3986 section 3.2 without
 * "," and "@" for Host. */
static const uint8_t class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 10 */
    0, 7, 2, 1, 7, 7, 7, 7, 6, 6, 7, 7, 2, 7, 7, 2, /* 20: space ! " # $ % & ' ( ) * + , - . / */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 2, 6, 2, 2, /* 30: 0-9 : ; < = > ? */
    2, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 40: @ A-O */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 2, 6, 3, 7, /* 50: P-Z [ \ ] ^ _ */
    3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 60: ` a-o */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 3, 2, 7, 0, /* 70: p-z { | } ~ DEL */
};

static int class_of(char c)
{
    return class[(unsigned char)c];
}

/* The first byte from p on that is not of this class, or `end`. */
static const char *skip(const char *p, const char *end, int what)
{
    while (end - p >= 4 && class_of(p[0]) & class_of(p[1]) & class_of(p[2]) & class_of(p[3]) & what)
        p += 4;
    while (p < end && class_of(*p) & what)
        p++;
    return p;
}

bool http_header_get(const struct http_headers *h, struct str name, struct str *value)
{
    for (uint32_t i = 0; i < h->n; i++) {
        if (h->h[i].name.len == name.len && str_ieq(h->h[i].name, name)) {
            *value = h->h[i].value;
            return true;
        }
    }
    *value = STR_NONE;
    return false;
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
    for (uint32_t i = 0; i < h->n; i++)
        if (str_ieq(h->h[i].name, name) && list_has(h->h[i].value, token))
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

static int bad(struct parser *ps, const char *what)
{
    err_set(ps->e, ERR_INVALID, "malformed HTTP message: %s", what);
    return BAD;
}

static int line_end(struct parser *ps)
{
    if (ps->p == ps->end)
        return MORE;
    if (*ps->p != '\r')
        return bad(ps, *ps->p == '\n'            ? "line feed without carriage return"
                       : http_is_control(*ps->p) ? "control character in a line"
                                                 : "first line goes on behind the version");
    if (ps->p + 1 == ps->end)
        return MORE;
    if (ps->p[1] != '\n')
        return bad(ps, "carriage return without line feed");
    ps->p += 2;
    return DONE;
}

/* A word of one class with `until` behind it, which is taken too. */
static int word(struct parser *ps, int what, char until, const char *name, struct str *out)
{
    const char *p = skip(ps->p, ps->end, what);
    *out = str_span(ps->p, p);
    ps->p = p;
    if (p == ps->end)
        return MORE;
    if (out->len == 0 || *p != until)
        return bad(ps, name);
    ps->p++;
    return DONE;
}

/* The first control character, looked for eight bytes at a time. With `x` the bytes: bit 7 of
 * (x - 0x20) & ~x marks bytes below 0x20, that of (y - 1) & ~y with y = x ^ 0x7F marks DEL. A
 * borrow can mark a byte too much behind a true mark, never hide one, so the lowest mark is true;
 * it is the first byte's, as all machines that we run on have the low byte first. */
static const char *skip_text(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    for (; end - p >= 8; p += 8) {
        uint64_t x, y;
        memcpy(&x, p, 8);
        y = x ^ (ones * 0x7F);
        uint64_t marks = (((x - ones * 0x20) & ~x) | ((y - ones) & ~y)) & high;
        if (marks)
            return p + __builtin_ctzll(marks) / 8;
    }
    while (p < end && !http_is_control(*p))
        p++;
    return p;
}

/* The rest of a line: text and tabs, without white space around it. */
static int text_line(struct parser *ps, struct str *out)
{
    const char *p = ps->p, *end = ps->end;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const char *from = p;
    while ((p = skip_text(p, end)) < end && *p == '\t')
        p++;
    ps->p = p;
    while (p > from && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    *out = str_span(from, p);
    return line_end(ps);
}

/* Is the name this one, which is given in lower case? Of the bytes of a token only the letters of
 * either case become a lower case letter by bit 5, and only "-" becomes "-". */
static bool named(struct str name, struct str lower)
{
    for (size_t i = 0; i < lower.len; i++)
        if ((name.p[i] | 0x20) != lower.p[i])
            return false;
    return true;
}

/* Keeps the fields that decide about framing and the connection. */
static void note(struct parser *ps, struct http_header h)
{
    switch (h.name.len) {
    case 4:
        if (named(h.name, STR("host"))) {
            ps->host = h.value;
            ps->hosts++;
        }
        break;
    case 6:
        if (named(h.name, STR("expect")))
            ps->out->expect_continue = str_ieq(h.value, STR("100-continue"));
        break;
    case 10:
        if (named(h.name, STR("connection"))) {
            ps->close |= list_has(h.value, STR("close"));
            ps->keep |= list_has(h.value, STR("keep-alive"));
        }
        break;
    case 14:
        if (named(h.name, STR("content-length"))) {
            ps->length = h.value;
            ps->lengths++;
        }
        break;
    case 17:
        if (named(h.name, STR("transfer-encoding"))) {
            ps->coding = h.value;
            ps->codings++;
        }
        break;
    default: break;
    }
}

static int headers(struct parser *ps)
{
    struct http_headers *h = &ps->out->headers;
    for (;;) {
        if (ps->p == ps->end)
            return MORE;
        if (*ps->p == '\r' || *ps->p == '\n')
            return line_end(ps);
        if (*ps->p == ' ' || *ps->p == '\t')
            return bad(ps, "folded header line");
        if (h->n == HTTP_HEADERS_MAX) {
            err_set(ps->e, ERR_HEADERS, "more than %d headers", HTTP_HEADERS_MAX);
            return BAD;
        }
        struct http_header *at = &h->h[h->n];
        int got = word(ps, TOKEN, ':', "header name", &at->name);
        if (got == DONE)
            got = text_line(ps, &at->value);
        if (got != DONE)
            return got;
        note(ps, *at);
        h->n++;
    }
}

/* "HTTP/1.", one digit. A later minor version is understood as ours (RFC 9110 section 2.5). */
static int version(struct parser *ps)
{
    struct str want = STR("HTTP/1.");
    size_t have = size_min((size_t)(ps->end - ps->p), want.len);
    if (memcmp(ps->p, want.p, have) != 0)
        return bad(ps, "version, which must be HTTP/1.0 or HTTP/1.1");
    if ((size_t)(ps->end - ps->p) <= want.len)
        return MORE;
    char digit = ps->p[want.len];
    if (digit < '0' || digit > '9')
        return bad(ps, "version, which must be HTTP/1.0 or HTTP/1.1");
    ps->out->minor = digit != '0';
    ps->p += want.len + 1;
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
    int got = word(ps, TOKEN, ' ', "method", &out->method);
    if (got == DONE)
        got = word(ps, TARGET, ' ', "target, which must be percent-encoded ASCII", &out->target);
    if (got == DONE)
        got = version(ps);
    if (got == DONE)
        got = line_end(ps);
    return got;
}

/* Some servers leave out the space in front of an empty reason. */
static int status_line(struct parser *ps)
{
    int got = version(ps);
    if (got != DONE)
        return got;
    static const char shape[] = " ddd";
    for (const char *s = shape; *s; s++, ps->p++) {
        if (ps->p == ps->end)
            return MORE;
        char c = *ps->p;
        if (*s == ' ' ? c != ' ' : c < '0' || c > '9')
            return bad(ps, "status line");
        if (*s == 'd')
            ps->out->status = ps->out->status * 10 + (c - '0');
    }
    if (ps->out->status < 100)
        return bad(ps, "status line");
    if (ps->p < ps->end && *ps->p != ' ' && *ps->p != '\r')
        return bad(ps, "status line");
    struct str reason;
    return text_line(ps, &reason);
}

static bool length(struct parser *ps, const struct http_limits *lim)
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
    const char *host_end = ps->host.p + ps->host.len;
    if (skip(ps->host.p, host_end, HOST) != host_end)
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
static bool within(struct parser *ps, struct str in, const char *first,
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
