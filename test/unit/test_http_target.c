/* What reading a target promises: one path, without ways out of it, and the values of a query. */
#include "net/http.h"

#include "edge.h"
#include "tap.h"

static const struct {
    const char *target, *path, *query; /* path NULL: bad */
} targets[] = {
    {"/", "/", ""},
    {"/v1/models?a=b&c", "/v1/models", "a=b&c"},
    {"/a?b?c", "/a", "b?c"},
    {"/a%20b%2Fc", "/a b/c", ""},
    {"/%e4%bd%a0", "/\xe4\xbd\xa0", ""},
    {"http://host/x?y", "/x", "y"},
    {"HTTPS://host", "/", ""},
    {"http://host?y", "/", "y"},
    {"*", "*", ""},
    {"/a..b/..c/c../...", "/a..b/..c/c../...", ""},
    {"/..", NULL, NULL},
    {"/../x", NULL, NULL},
    {"/a/../b", NULL, NULL},
    {"/a/%2e%2e/b", NULL, NULL},
    {"/a/.%2E", NULL, NULL},
    {"/a%2f..%2fb", NULL, NULL},
    {"/a/..%5cb", NULL, NULL},
    {"/a\\..\\b", NULL, NULL},
    {"/a%00b", NULL, NULL},
    {"/a%0ab", NULL, NULL},
    {"/a%7fb", NULL, NULL},
    {"/a%", NULL, NULL},
    {"/a%2", NULL, NULL},
    {"/a%2g", NULL, NULL},
    {"x", NULL, NULL},
    {"", NULL, NULL},
    {"?x", NULL, NULL},
    {"host:443", NULL, NULL},
    {"ftp://host/", NULL, NULL},
};

static const struct {
    const char *query, *name, *value; /* NULL: not there */
} queries[] = {
    {"a=1&b=2", "b", "2"},
    {"a=1&a=2", "a", "1"},
    {"a", "a", ""},
    {"a=", "a", ""},
    {"", "a", NULL},
    {"ab=1", "a", NULL},
    {"a=b=c", "a", "b=c"},
    {"x=a%20b+c", "x", "a b c"},
    {"%61=%e4", "a", "\xe4"},
    {"a=%zz%4", "a", "%zz%4"},
    {"&&a=1&", "a", "1"},
    {"include[]=x", "include[]", "x"},
    {"include%5B%5D=x", "include[]", "x"},
};

static void test_targets(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct str path, query;
        struct err e = {0};
        bool good = http_target_split(at_edge(str_from(targets[i].target)), a, &path, &query, &e);
        ok(targets[i].path ? good && str_eq(path, str_from(targets[i].path)) &&
                                 str_eq(query, str_from(targets[i].query))
                           : !good && e.code == ERR_INVALID,
           "target '%s'", targets[i].target);
    }
    for (size_t i = 0; i < COUNT(queries); i++) {
        struct str v;
        bool there =
            http_query_get(at_edge(str_from(queries[i].query)), a, str_from(queries[i].name), &v);
        ok(there == (queries[i].value != NULL) && str_eq(v, str_from(queries[i].value)),
           "'%s' in '%s'", queries[i].name, queries[i].query);
    }
    arena_free(a);
}

/* What is not plain is seen wherever it stands in a path of any length. */
static void test_every_place(void)
{
    struct arena *a = arena_new();
    int wrong = 0;
    for (size_t len = 4; len <= 40; len++) {
        for (size_t at = 1; at + 3 <= len; at++) {
            char text[40];
            struct str path, query;
            memset(text, 'a', len);
            text[0] = '/';
            struct str in = at_edge((struct str){text, len});
            wrong += !http_target_split(in, a, &path, &query, NULL) || !str_eq(path, in);
            memcpy(text + at, "%62", 3);
            in = at_edge((struct str){text, len});
            wrong += !http_target_split(in, a, &path, &query, NULL) || path.len != len - 2 ||
                     path.p[at] != 'b';
            memcpy(text + at, "?cd", 3);
            in = at_edge((struct str){text, len});
            wrong += !http_target_split(in, a, &path, &query, NULL) || path.len != at ||
                     query.len != len - at - 1;
            memcpy(text + at, "/..", 3);
            in = at_edge((struct str){text, len});
            wrong += http_target_split(in, a, &path, &query, NULL) != (at + 3 < len);
        }
    }
    ok(wrong == 0, "escapes, queries and dots at every place");
    arena_free(a);
}

int main(void)
{
    test_targets();
    test_every_place();
    return tap_done();
}
