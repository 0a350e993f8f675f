/* Which addresses of servers are understood, as what, and which are refused. */
#include "net/client.h"

#include "tap.h"

static const struct {
    const char *url, *host, *base, *header;
    unsigned port;
    bool https;
} good[] = {
    {"https://api.example.com/v1", "api.example.com", "/v1", "api.example.com", 443, true},
    {"https://api.example.com/v1/", "api.example.com", "/v1", "api.example.com", 443, true},
    {"http://127.0.0.1:9000", "127.0.0.1", "", "127.0.0.1:9000", 9000, false},
    {"http://localhost/", "localhost", "", "localhost", 80, false},
    {"HTTP://Host_1", "Host_1", "", "Host_1", 80, false},
    {"http://[::1]:8080/a/b", "::1", "/a/b", "[::1]:8080", 8080, false},
    {"https://[2001:db8::2]", "2001:db8::2", "", "[2001:db8::2]", 443, true},
    {"http://a:65535//", "a", "", "a:65535", 65535, false},
    {"unix:/run/x.sock", "/run/x.sock", "", "localhost", 0, false},
};

static const struct {
    const char *url, *why;
} bad[] = {
    {"", "begins with"},
    {"api.example.com", "begins with"},
    {"ftp://x", "begins with"},
    {"http:/x", "begins with"},
    {"http://", "not a host name"},
    {"http:///v1", "not a host name"},
    {"http://a b", "spaces"},
    {"http://a\r\nX: y", "spaces"},
    {"http://user:secret@host", "password"},
    {"http://host?x=1", "query"},
    {"http://host/v1#a", "query"},
    {"http://host:0", "port"},
    {"http://host:65536", "port"},
    {"http://host:", "port"},
    {"http://host:80a", "port"},
    {"http://h\xC3\xB6st", "not a host name"},
    {"http://[::1", "IPv6"},
    {"http://[host]", "IPv6"},
    {"http://[::1]x", "port"},
    {"unix:x.sock", "absolute"},
    {"unix:", "absolute"},
    {"unix:/a b", "absolute"},
};

int main(void)
{
    struct arena *a = arena_new();
    struct http_origin o;
    struct err e;
    for (size_t i = 0; i < COUNT(good); i++) {
        bool parsed = http_origin_parse(&o, a, str_from(good[i].url), &e);
        ok(parsed && str_eq(o.host, str_from(good[i].host)) && o.port == good[i].port &&
               str_eq(o.base_path, str_from(good[i].base)) && o.https == good[i].https &&
               str_eq(o.host_header, str_from(good[i].header)) && !o.tls,
           "%s", good[i].url);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        e = (struct err){0};
        bool parsed = http_origin_parse(&o, a, str_from(bad[i].url), &e);
        ok(!parsed && e.code == ERR_INVALID && strstr(e.msg, bad[i].why), "refused: %zu: %s", i,
           parsed ? "not" : bad[i].why);
    }
    char longest[300];
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "http://", 7);
    ok(!http_origin_parse(&o, a, (struct str){longest, sizeof(longest)}, &e), "too long a name");
    arena_free(a);
    return tap_done();
}
