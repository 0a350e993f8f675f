#include "net/http.h"

#include "base/digest.h"
#include "net/http_skip.h"

/* The byte of the escape at the front of `s`, or -1. */
static int unescape(struct str s)
{
    uint8_t byte;
    return s.len >= 3 && digest_from_hex(&byte, (struct str){s.p + 1, 2}, 1) ? byte : -1;
}

static bool decode_path(struct str in, struct arena *a, struct str *out, struct err *e)
{
    *out = in;
    if (str_find_char(in, '%') == STR_NPOS)
        return true;
    char *text = arena_bytes(a, in.len + 1);
    size_t n = 0;
    while (in.len) {
        int byte = in.p[0] == '%' ? unescape(in) : (unsigned char)in.p[0];
        if (byte < 0)
            return err_set(e, ERR_INVALID, "broken percent-escape in the path");
        if (http_is_control((char)byte))
            return err_set(e, ERR_INVALID, "control character in the path");
        in = str_from_at(in, in.p[0] == '%' ? 3 : 1);
        text[n++] = (char)byte;
    }
    text[n] = 0;
    *out = (struct str){text, n};
    return true;
}

/* Is there a segment ".."? Backslashes count as slashes, as some file systems have it. */
static bool climbs(struct str path)
{
    size_t dots = 0, others = 0;
    if (str_find_char(path, '.') == STR_NPOS)
        return false;
    for (size_t i = 0; i <= path.len; i++) {
        char c = i < path.len ? path.p[i] : '/';
        if (c == '/' || c == '\\') {
            if (dots == 2 && others == 0)
                return true;
            dots = others = 0;
        } else if (c == '.') {
            dots++;
        } else {
            others++;
        }
    }
    return false;
}

/* "http://host/path" to "/path"; the host in it does not matter here, as nothing is chosen by it.
 */
static struct str without_origin(struct str target)
{
    size_t scheme = str_istarts(target, STR("http://"))    ? 7
                    : str_istarts(target, STR("https://")) ? 8
                                                           : 0;
    if (!scheme)
        return target;
    struct str rest = str_from_at(target, scheme);
    for (size_t i = 0; i < rest.len; i++)
        if (rest.p[i] == '/' || rest.p[i] == '?')
            return str_from_at(rest, i);
    return STR("/");
}

/* A path with nothing in it to look at closer, as nearly all are. */
static bool is_plain(struct str target)
{
    return target.len && target.p[0] == '/' && http_skip_all(target, HTTP_PLAIN);
}

bool http_target_split(struct str target, struct arena *a, struct str *path, struct str *query,
                       struct err *e)
{
    *query = STR_NONE;
    if (is_plain(target) || str_eq(target, STR("*"))) {
        *path = target;
        return true;
    }
    struct str rest = without_origin(target), raw = rest;
    size_t mark = str_find_char(rest, '?');
    if (mark != STR_NPOS) {
        raw = str_head(rest, mark);
        *query = str_from_at(rest, mark + 1);
    }
    if (raw.len == 0 && rest.p != target.p)
        raw = STR("/"); /* "http://host?query" */
    if (raw.len == 0 || raw.p[0] != '/')
        return err_set(e, ERR_INVALID, "target does not begin with \"/\"");
    if (!decode_path(raw, a, path, e))
        return false;
    if (climbs(*path))
        return err_set(e, ERR_INVALID, "path with \"..\" in it");
    return true;
}

static struct str decode_query(struct str in, struct arena *a)
{
    char *text = arena_bytes(a, in.len + 1);
    size_t n = 0;
    while (in.len) {
        int byte = in.p[0] == '%' ? unescape(in) : -1;
        text[n++] = byte >= 0 ? (char)byte : in.p[0] == '+' ? ' ' : in.p[0];
        in = str_from_at(in, byte >= 0 ? 3 : 1);
    }
    text[n] = 0;
    return (struct str){text, n};
}

bool http_query_get(struct str query, struct arena *a, struct str name, struct str *value)
{
    struct str pair;
    while (str_split(&query, '&', &pair)) {
        size_t mark = str_find_char(pair, '=');
        struct arena_mark before = arena_mark(a);
        bool found = str_eq(decode_query(str_head(pair, mark), a), name);
        arena_rewind(a, before);
        if (found) {
            *value = mark == STR_NPOS ? STR_NONE : decode_query(str_from_at(pair, mark + 1), a);
            return true;
        }
    }
    *value = STR_NONE;
    return false;
}
