/* Which part of a page is its content. */
#include "base/mem.h"
#include "reader/page.h"

#include "tap.h"

#define P                                                                                          \
    "<p>The bridge was closed for nine weeks, because the cables had to be inspected one by one, " \
    "and when it opened again, nobody noticed that two of them had been replaced by new ones.</p>"

static const struct {
    const char *name, *in;
    bool article;
    const char *class; /* of the root; "" = the body */
} cases[] = {
    {"the element with the text", "<body><div class=x>" P P "</div><div class=y><p>No.</p></div>",
     true, "x"},
    {"text beside links",
     "<body><div class=x><a href=1>" P P P "</a></div><div class=y>" P P "</div>", true, "y"},
    {"a name that says so", "<body><div class=related>" P P "</div><div class=y>" P P P "</div>",
     true, "y"},
    {"comments, longer than the article",
     "<body><div class=y>" P P "</div><div id=comments>" P P P P P "</div>", true, "y"},
    {"boxes around each paragraph",
     "<body><div class=x><div>" P P "</div><div>" P P "</div></div><div>z</div>", true, "x"},
    {"a name that misleads", "<body><div class=sidebar>" P P P "</div>", true, "sidebar"},
    {"a role that misleads", "<body><div role=banner class=y>" P P P "</div>", true, "y"},
    {"no article", "<body><ul><li>a<li>b</ul>", false, ""},
    {"hardly any text", "<body><div class=x><p>One sentence.</p></div>", false, ""},
    {"nothing", "", false, ""},
};

int main(void)
{
    dom_prepare();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct page p = page_judge(dom_parse(a, str_from(cases[i].in)), a);
        struct str class = p.root ? dom_attr(p.root, "class") : STR_NONE;
        if (!ok(p.article == cases[i].article && str_eq(class, str_from(cases[i].class)), "%s",
                cases[i].name))
            printf("# article %d, class '%.*s'\n", p.article, STR_FMT(class));
        arena_free(a);
    }
    return tap_done();
}
