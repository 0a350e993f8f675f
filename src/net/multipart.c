#include "net/multipart.h"

#include "base/digest.h"
#include "base/utf8.h"

enum {
    BOUNDARY_MAX = 70, /* RFC 2046 section 5.1.1 */
    HEAD_MAX = 16384,  /* bytes of one part's header lines */
    PADDING_MAX = 1024 /* blanks behind a boundary; with more it is content */
};

/* ---- Header values with parameters: `form-data; name="a"; filename=b` ---- */

/* The text between quotes. Only \" and \\ are escapes: senders of plain Windows paths exist. */
static bool quoted(struct str *rest, struct arena *a, struct str *out)
{
    char *text = arena_bytes(a, rest->len);
    size_t n = 0, i = 1;
    while (i < rest->len && rest->p[i] != '"') {
        bool escape = rest->p[i] == '\\' && i + 1 < rest->len &&
                      (rest->p[i + 1] == '"' || rest->p[i + 1] == '\\');
        text[n++] = rest->p[i + escape];
        i += 1 + escape;
    }
    if (i >= rest->len)
        return false;
    *rest = str_from_at(*rest, i + 1);
    *out = (struct str){text, n};
    return true;
}

/* Takes the next `; name=value` off *rest: 1, 0 at the end, -1 when malformed. */
static int parameter(struct str *rest, struct arena *a, struct str *name, struct str *value)
{
    *rest = str_trim(*rest);
    if (rest->len == 0)
        return 0;
    if (rest->p[0] != ';')
        return -1;
    *rest = str_trim(str_from_at(*rest, 1));
    if (rest->len == 0)
        return 0; /* a semicolon too much is common and harmless */
    size_t eq = str_find_char(*rest, '=');
    if (eq == STR_NPOS || eq == 0)
        return -1;
    *name = str_head(*rest, eq);
    *rest = str_from_at(*rest, eq + 1);
    if (rest->len && rest->p[0] == '"')
        return quoted(rest, a, value) ? 1 : -1;
    size_t end = str_find_char(*rest, ';');
    *value = str_trim(str_head(*rest, end));
    *rest = end == STR_NPOS ? STR_NONE : str_from_at(*rest, end);
    return 1;
}

/* What stands in front of the parameters; *s keeps those. */
static struct str main_value(struct str *s)
{
    size_t end = str_find_char(*s, ';');
    struct str value = str_trim(str_head(*s, end));
    *s = end == STR_NPOS ? STR_NONE : str_from_at(*s, end);
    return value;
}

static bool boundary_of(struct str content_type, struct arena *a, struct str *out, struct err *e)
{
    struct str rest = content_type, name, value;
    if (!str_ieq(main_value(&rest), STR("multipart/form-data")))
        return err_set(e, ERR_MEDIA, "content type must be multipart/form-data");
    while (parameter(&rest, a, &name, &value) > 0) {
        if (!str_ieq(name, STR("boundary")))
            continue;
        if (value.len == 0 || value.len > BOUNDARY_MAX)
            return err_set(e, ERR_INVALID, "multipart boundary must have 1 to %d characters",
                           BOUNDARY_MAX);
        *out = value;
        return true;
    }
    return err_set(e, ERR_INVALID, "content type multipart/form-data without a boundary");
}

/* ---- File names ---- */

/* Escapes decoded when all are whole and the result is UTF-8; else the text stands for itself. */
static struct str percent_decoded(struct str in, struct arena *a)
{
    if (str_find_char(in, '%') == STR_NPOS)
        return in;
    char *text = arena_bytes(a, in.len);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (in.p[i] != '%') {
            text[n++] = in.p[i];
            continue;
        }
        if (!digest_from_hex(&text[n++], str_head(str_from_at(in, i + 1), 2), 1))
            return in;
        i += 2;
    }
    struct str out = {text, n};
    return utf8_valid(out) ? out : in;
}

/* RFC 8187: charset'language'text. Only UTF-8 is understood; others are left as they are. */
static struct str extended(struct str value, struct arena *a)
{
    struct str rest = value, charset, language;
    if (!str_split(&rest, '\'', &charset) || !str_split(&rest, '\'', &language) || !rest.p ||
        !str_ieq(charset, STR("utf-8")))
        return value;
    return percent_decoded(rest, a);
}

static struct str last_component(struct str name, struct arena *a)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.p[i - 1] == '/' || name.p[i - 1] == '\\') {
            name = str_from_at(name, i);
            break;
        }
    }
    char *text = arena_text(a, name);
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            text[i] = '_';
    return (struct str){text, name.len};
}

/* ---- Parts ---- */

static bool disposition(struct str value, struct arena *a, struct multipart_part *p, struct err *e)
{
    struct str rest = value, name, text;
    if (p->name.p)
        return err_set(e, ERR_INVALID, "part with two Content-Disposition headers");
    if (!str_ieq(main_value(&rest), STR("form-data")))
        return err_set(e, ERR_INVALID, "part whose Content-Disposition is not form-data");
    bool star = false;
    int got;
    while ((got = parameter(&rest, a, &name, &text)) > 0) {
        if (str_ieq(name, STR("name"))) {
            if (p->name.p)
                return err_set(e, ERR_INVALID, "part with two names");
            p->name = arena_copy(a, percent_decoded(text, a));
        } else if (str_ieq(name, STR("filename*"))) {
            p->filename = last_component(extended(text, a), a);
            p->has_filename = star = true;
        } else if (str_ieq(name, STR("filename"))) {
            if (!star)
                p->filename = last_component(percent_decoded(text, a), a);
            p->has_filename = true;
        }
    }
    if (got < 0)
        return err_set(e, ERR_INVALID, "part with a malformed Content-Disposition");
    return true;
}

static bool header_line(struct str line, struct arena *a, struct multipart_part *p, struct err *e)
{
    size_t colon = str_find_char(line, ':');
    if (colon == STR_NPOS || colon == 0 || line.p[0] == ' ' || line.p[0] == '\t')
        return err_set(e, ERR_INVALID, "part with a malformed header line");
    struct str name = str_head(line, colon), value = str_trim(str_from_at(line, colon + 1));
    if (str_ieq(name, STR("content-disposition")))
        return disposition(value, a, p, e);
    if (str_ieq(name, STR("content-type")))
        p->content_type = value;
    if (str_ieq(name, STR("content-transfer-encoding")) && !str_ieq(value, STR("binary")) &&
        !str_ieq(value, STR("8bit")) && !str_ieq(value, STR("7bit")))
        return err_set(e, ERR_INVALID,
                       "part with a Content-Transfer-Encoding; send bytes as they are");
    return true;
}

/* Header lines to the empty one, which is taken off too. */
static bool part_head(struct str *rest, struct arena *a, struct multipart_part *p, struct err *e)
{
    struct str head = str_head(*rest, HEAD_MAX);
    for (;;) {
        size_t end = str_find(head, STR("\r\n"));
        if (end == STR_NPOS)
            return err_set(e, ERR_INVALID, "part whose header lines do not end");
        struct str line = str_head(head, end);
        head = str_from_at(head, end + 2);
        *rest = str_from_at(*rest, end + 2);
        if (line.len == 0)
            break;
        if (!header_line(line, a, p, e))
            return false;
    }
    if (!p->name.p)
        return err_set(e, ERR_INVALID, "part without a name");
    return true;
}

enum delimiter { NOT_ONE, BETWEEN, CLOSING };

/* What stands at s, which begins with "--boundary": the line must end there, or it is content. */
static enum delimiter delimiter_at(struct str s, size_t len, size_t *used)
{
    bool closing = str_starts(str_from_at(s, len), STR("--"));
    size_t at = len + (closing ? 2 : 0), most = at + PADDING_MAX;
    while (at < s.len && at < most && (s.p[at] == ' ' || s.p[at] == '\t'))
        at++;
    *used = size_min(at + 2, s.len);
    if (closing && at == s.len)
        return CLOSING;
    if (!str_starts(str_from_at(s, at), STR("\r\n")))
        return NOT_ONE;
    return closing ? CLOSING : BETWEEN;
}

bool multipart_begin(struct multipart *m, struct str content_type, struct arena *a, struct err *e)
{
    struct str boundary = STR_NONE;
    *m = (struct multipart){.a = a};
    if (!boundary_of(content_type, a, &boundary, e))
        return false;
    m->mark = arena_printf(a, "\r\n--%.*s", STR_FMT(boundary));
    return true;
}

static void take(struct str *in, size_t n)
{
    *in = str_from_at(*in, n);
}

/* At the very start of a body a delimiter has no line end in front of it. */
static enum multipart_event at_start(struct multipart *m, struct str *in, bool whole)
{
    struct str bare = str_from_at(m->mark, 2);
    size_t used;
    if (!whole && in->len < bare.len + PADDING_MAX + 4)
        return MULTIPART_MORE;
    m->state = MULTIPART_PREAMBLE;
    if (!str_starts(*in, bare))
        return MULTIPART_PART;
    switch (delimiter_at(*in, bare.len, &used)) {
    case NOT_ONE: return MULTIPART_PART;
    case CLOSING: return MULTIPART_END;
    default: m->state = MULTIPART_HEAD;
    }
    take(in, used);
    return MULTIPART_PART;
}

/* Looks for the next delimiter line; *n bytes in front of it are content for sure. Of a window that
 * ends in the middle of what may be one, that stays in it. */
static enum delimiter find_delimiter(const struct multipart *m, struct str in, bool whole,
                                     size_t *n, size_t *used)
{
    for (size_t from = 0;;) {
        size_t at = str_find(str_from_at(in, from), m->mark);
        if (at == STR_NPOS) {
            *n = whole ? in.len : in.len - size_min(in.len, m->mark.len - 1);
            *n = *n < from ? from : *n;
            return NOT_ONE;
        }
        at += from;
        *n = at;
        if (!whole && in.len - at < m->mark.len + PADDING_MAX + 4)
            return NOT_ONE;
        enum delimiter d = delimiter_at(str_from_at(in, at), m->mark.len, used);
        if (d != NOT_ONE)
            return d;
        from = at + 2;
    }
}

/* Preamble, or the content of a part, up to and with the delimiter behind it. */
static enum multipart_event between(struct multipart *m, struct str *in, bool whole,
                                    struct multipart_part *part, struct err *e)
{
    size_t n, used = 0;
    enum delimiter d = find_delimiter(m, *in, whole, &n, &used);
    if (n > m->skip) {
        bool content = m->state == MULTIPART_IN_PART;
        part->content = str_head(str_from_at(*in, m->skip), n - m->skip);
        take(in, n);
        m->skip = 0;
        return content ? MULTIPART_CONTENT : MULTIPART_PART;
    }
    if (d == NOT_ONE && !whole)
        return MULTIPART_MORE;
    if (d == NOT_ONE) {
        err_set(e, ERR_INVALID, "multipart body without its %sboundary", m->any ? "closing " : "");
        return MULTIPART_BAD;
    }
    take(in, n + used);
    m->skip = 0;
    m->state = MULTIPART_HEAD;
    return d == CLOSING ? MULTIPART_END : MULTIPART_PART;
}

static enum multipart_event head(struct multipart *m, struct str *in, bool whole,
                                 struct multipart_part *part, struct err *e)
{
    if (!whole && in->len < HEAD_MAX && str_find(*in, STR("\r\n\r\n")) == STR_NPOS)
        return MULTIPART_MORE;
    struct str rest = *in;
    *part = (struct multipart_part){0};
    if (!part_head(&rest, m->a, part, e))
        return MULTIPART_BAD;
    part->content_type = arena_copy(m->a, part->content_type);
    /* The CR LF that ends the header lines may also begin the delimiter of an empty part. */
    take(in, in->len - rest.len - 2);
    m->skip = 2;
    m->any = true;
    m->state = MULTIPART_IN_PART;
    return MULTIPART_PART;
}

enum multipart_event multipart_next(struct multipart *m, struct str *in, bool whole,
                                    struct multipart_part *part, struct err *e)
{
    for (;;) {
        if (m->state == MULTIPART_HEAD)
            return head(m, in, whole, part, e);
        enum multipart_event got = m->state == MULTIPART_AT_START ? at_start(m, in, whole)
                                                                  : between(m, in, whole, part, e);
        if (got != MULTIPART_PART)
            return got;
    }
}

bool multipart_parse(struct str content_type, struct str body, struct arena *a,
                     struct multipart_part *part, size_t max, size_t *n, struct err *e)
{
    struct multipart m;
    struct multipart_part now;
    enum multipart_event got;
    *n = 0;
    if (!multipart_begin(&m, content_type, a, e))
        return false;
    while ((got = multipart_next(&m, &body, true, &now, e)) > MULTIPART_MORE) {
        if (got == MULTIPART_END)
            return true;
        if (got == MULTIPART_CONTENT) {
            part[*n - 1].content = now.content;
            continue;
        }
        if (*n == max)
            return err_set(e, ERR_LIMIT, "multipart body with more than %zu parts", max);
        part[(*n)++] = now;
    }
    return false;
}
