/* Parses what an operator writes as a provider's address. What is not understood is refused with
 * the reason, because a request to the wrong place may carry a key. */
#include "net/client.h"
#include "net/http_skip.h"

#include <arpa/inet.h>

static bool refuse(struct err *e, struct str url, const char *why)
{
    return err_set(e, ERR_INVALID, "'%.*s' is no address of a server: %s",
                   STR_FMT(str_head(url, 200)), why);
}

static bool host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static bool good_name(struct str host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!host_byte(host.p[i]))
            return false;
    return host.len > 0 && host.len <= 253;
}

static bool good_v6(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.p, host.len);
    text[host.len] = 0;
    return inet_pton(AF_INET6, text, &addr) == 1;
}

/* Splits "host:port", "[v6]:port" or either without port. */
static bool authority(struct http_origin *o, struct str text, struct str url, struct err *e)
{
    struct str port;
    if (str_starts(text, STR("["))) {
        size_t end = str_find_char(text, ']');
        if (end == STR_NPOS || !good_v6(str_span(text.p + 1, text.p + end)))
            return refuse(e, url, "not an IPv6 address between [ and ]");
        o->host = str_span(text.p + 1, text.p + end);
        port = str_from_at(text, end + 1);
    } else {
        size_t colon = str_find_char(text, ':');
        o->host = str_head(text, colon);
        port = colon == STR_NPOS ? STR_NONE : str_from_at(text, colon);
        if (!good_name(o->host))
            return refuse(e, url, "not a host name");
    }
    o->port = o->https ? 443 : 80;
    if (port.len == 0)
        return true;
    uint64_t n;
    if (port.p[0] != ':' || !str_to_u64(str_from_at(port, 1), &n) || n < 1 || n > 65535)
        return refuse(e, url, "the port is not a number from 1 to 65535");
    o->port = (uint16_t)n;
    return true;
}

static bool unix_socket(struct http_origin *out, struct arena *a, struct str url, struct err *e)
{
    struct str path = str_from_at(url, STR("unix:").len);
    if (!str_starts(path, STR("/")) || !http_skip_all(path, HTTP_WORD))
        return refuse(e, url, "behind unix: comes an absolute path");
    *out = (struct http_origin){.host = arena_copy(a, path), .host_header = STR("localhost")};
    return true;
}

bool http_origin_parse(struct http_origin *out, struct arena *a, struct str url, struct err *e)
{
    struct http_origin o = {0};
    if (str_istarts(url, STR("unix:")))
        return unix_socket(out, a, url, e);
    o.https = str_istarts(url, STR("https://"));
    if (!o.https && !str_istarts(url, STR("http://")))
        return refuse(e, url, "it begins with http://, https:// or unix:");
    if (!http_skip_all(url, HTTP_WORD))
        return refuse(e, url, "there are spaces or control characters in it");
    struct str rest = str_from_at(url, o.https ? 8 : 7);
    size_t slash = str_find_char(rest, '/');
    struct str where = str_head(rest, slash);
    if (str_find_char(where, '@') != STR_NPOS)
        return refuse(e, url, "a user name or password does not belong here");
    if (str_find_char(rest, '?') != STR_NPOS || str_find_char(rest, '#') != STR_NPOS)
        return refuse(e, url, "it must not have a query or a fragment");
    if (!authority(&o, where, url, e))
        return false;
    struct str path = slash == STR_NPOS ? STR_NONE : str_from_at(rest, slash);
    while (path.len && path.p[path.len - 1] == '/')
        path.len--;
    o.host = arena_copy(a, o.host);
    o.base_path = arena_copy(a, path);
    o.host_header = arena_copy(a, where);
    *out = o;
    return true;
}
