/* The tree of a page: what libxml2 mends, what is left out, and where nesting ends. */
#include "base/buf.h"
#include "base/mem.h"
#include "reader/dom.h"

#include "tap.h"

/* "div(p(a b))": elements by name, text as it is. */
static void show(const struct dom_node *n, struct buf *out)
{
    static const char *const names[] = {"", "?",
#define X(name, text, flow) text,
                                        DOM_TAGS(X)
#undef X
    };
    if (n->tag == DOM_TEXT) {
        buf_add(out, n->text);
        return;
    }
    buf_printf(out, "%s(", names[n->tag]);
    for (const struct dom_node *c = n->first; c; c = c->next)
        show(c, out);
    buf_char(out, ')');
}

static const struct {
    const char *name, *in, *out; /* out: of the body */
} cases[] = {
    {"implied elements", "a", "body(p(a))"},
    {"unclosed paragraphs", "<body><p>a<p>b", "body(p(a)p(b))"},
    {"crossing ends", "<body><b><i>a</b></i>", "body(b(i(a)))"},
    {"scripts and styles", "<body><script>a</script><style>b</style><p>c", "body(script()?()p(c))"},
    {"comments", "<body><p>a<!-- b -->c", "body(p(ac))"},
    {"noscript", "<body><noscript><div></noscript><p>a", "body(p(a))"},
    {"noscript without an end", "<body><p>a</p><noscript>b", "body(p(a)noscript(b))"},
    {"unknown elements", "<body><x-y>a</x-y>", "body(?(a))"},
    {"an end in front", "</div><p>a", "body(p(a))"},
};

int main(void)
{
    dom_prepare();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct buf out;
        buf_init(&out, 4096);
        struct dom_node *body = dom_find(dom_parse(a, str_from(cases[i].in)), DOM_BODY);
        if (body)
            show(body, &out);
        if (!ok(str_eq(buf_str(&out), str_from(cases[i].out)), "%s", cases[i].name))
            printf("# got %.*s\n", STR_FMT(buf_str(&out)));
        buf_fini(&out);
        arena_free(a);
    }

    struct arena *a = arena_new();
    struct buf s;
    buf_init(&s, 1 << 20);
    for (int i = 0; i < 10000; i++)
        buf_add(&s, STR("<div>"));
    buf_add(&s, STR("deep"));
    unsigned depth = 0;
    struct dom_node *top = dom_parse(a, buf_str(&s)), *n = top;
    for (; n->first; n = n->first)
        depth++;
    ok(depth <= DOM_DEPTH && str_eq(dom_text(top, a), STR("deep")), "nesting ends at %u", depth);
    buf_fini(&s);

    n = dom_find(dom_parse(a, STR("<p CLASS='a b' onclick=x>y")), DOM_P);
    ok(n && str_eq(dom_attr(n, "class"), STR("a b")) && dom_attr(n, "onclick").len == 0,
       "attributes that matter");
    n = dom_find(dom_parse(a, STR("<script type='application/ld+json'>{}</script>")), DOM_SCRIPT);
    ok(n && str_eq(dom_text(n, a), STR("{}")), "linked data stays");
    ok(dom_parse(a, STR(""))->first == NULL, "nothing");
    static const char *const names[] = {
#define X(name, text, flow) text,
        DOM_TAGS(X)
#undef X
    };
    bool sorted = true;
    for (size_t i = 1; i < COUNT(names); i++)
        sorted &= strcmp(names[i - 1], names[i]) < 0;
    ok(sorted, "the table of elements is sorted, as finding them needs");
    arena_free(a);
    return tap_done();
}
