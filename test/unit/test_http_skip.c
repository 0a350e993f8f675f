/* What skipping promises: the grammar byte by byte, whatever is looked at together. Every byte is
 * put at every place of texts around the sizes of a look (8, 16, 32), with the end of memory right
 * behind them. */
#include "net/http_skip.h"

#include "edge.h"
#include "tap.h"

#define CLASSES(X)                                                                                 \
    X(HTTP_TOKEN, 'a')                                                                             \
    X(HTTP_TARGET, '/') X(HTTP_HOST, '9') X(HTTP_TEXT, ' ') X(HTTP_WORD, 0xC3) X(HTTP_PLAIN, 'Z')

enum { LONGEST = 50 };

/* As the headers of the grammar say it, without table or bit tricks. */
static bool inside(unsigned char c, enum http_class what)
{
    bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool visible = c > 0x20 && c < 0x7F;
    switch (what) {
    case HTTP_TOKEN: return alnum || (c && strchr("!#$%&'*+-.^_`|~", c));
    case HTTP_TARGET: return visible && c != '#';
    case HTTP_HOST: return alnum || (c && strchr("-._~%!$&'()*+;=:[]", c));
    case HTTP_TEXT: return c == ' ' || visible || c > 0x7F;
    case HTTP_WORD: return visible || c > 0x7F;
    case HTTP_PLAIN: return visible && !strchr("#?%.", c);
    }
    return false;
}

/* All ways over one text; `want` is how far they must go. */
static int wrong_ways(struct str in, enum http_class what, size_t want)
{
    int wrong = 0;
    const char *end = in.p + in.len, *stop = in.p + want;
#define X(class, fill)                                                                             \
    if (what == (class))                                                                           \
        wrong += (http_skip(in.p, end, class) != stop) +                                           \
                 (http_skip_bytes(in.p, end, class) != stop) +                                     \
                 (http_skip_eights(in.p, end, class) > stop);
    CLASSES(X)
#undef X
    return wrong;
}

static int wrong_at(enum http_class what, char fill, size_t len, size_t at)
{
    int wrong = 0;
    char text[LONGEST];
    for (int c = 0; c < 256; c++) {
        memset(text, fill, len);
        text[at] = (char)c;
        struct str in = at_edge((struct str){text, len});
        wrong += wrong_ways(in, what, inside((unsigned char)c, what) ? len : at);
    }
    return wrong;
}

static void test_class(const char *name, enum http_class what, char fill)
{
    int wrong = wrong_ways(at_edge(STR_NONE), what, 0);
    for (size_t len = 1; len <= LONGEST; len++)
        for (size_t at = 0; at < len; at++)
            wrong += wrong_at(what, fill, len, at);
    ok(wrong == 0, "%s: every byte at every place", name);
}

/* The first of two that do not belong is the end. */
static void test_two(void)
{
    int wrong = 0;
    char text[LONGEST];
    for (size_t first = 0; first < LONGEST; first++) {
        for (size_t second = first; second < LONGEST; second++) {
            memset(text, 'x', LONGEST);
            text[first] = '\r';
            text[second] = '\n';
            wrong += wrong_ways(at_edge((struct str){text, LONGEST}), HTTP_TEXT, first);
        }
    }
    ok(wrong == 0, "the first of two stops");
}

int main(void)
{
#define X(class, fill) test_class(#class, class, (char)(fill));
    CLASSES(X)
#undef X
    test_two();
    return tap_done();
}
