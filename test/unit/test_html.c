/* What the HTML reader promises: the article without what stands around it, its structure kept, and
 * no page that it cannot get through. */
#include "read.h"
#include "reader/charset.h"
#include "tap.h"

#define PROSE                                                                                      \
    "The bridge was closed for nine weeks, because the cables had to be inspected one by one, "    \
    "and "                                                                                         \
    "when it opened again, nobody noticed that two of them had been replaced."

static const struct {
    const char *name, *in, *out;
} cases[] = {
    {"paragraphs", "<p>a <b>b</b>\n c</p><p>d</p>", "para \"a b c\"\npara \"d\"\n"},
    {"text outside of elements", "a<div>b</div>c", "para \"a\"\npara \"b\"\npara \"c\"\n"},
    {"headings", "<h1>A</h1><h3>B</h3>", "heading1 \"A\"\nheading3 \"B\"\n"},
    {"entities and no-break spaces", "<p>a &amp;&nbsp;&lt;b&gt; &eacute;</p>",
     "para \"a & <b> \xC3\xA9\"\n"},
    {"line breaks", "<p>a<br>b<br><br>c</p>", "para \"a\nb\"\npara \"c\"\n"},
    {"list", "<ul><li>a<li>b<ul><li>c</ul></ul>", "list \"- a\n- b\n  - c\"\n"},
    {"numbers", "<ol start=3><li>a<li>b</ol>", "list \"3. a\n4. b\"\n"},
    {"definitions", "<dl><dt>t<dd>d</dl>", "list \"t\n- d\"\n"},
    {"table", "<table><tr><th>a<th>b<tr><td>1<td>2</table>", "table \"| a | b |\n| 1 | 2 |\"\n"},
    {"table for layout", "<table><tr><td><p>a</p><p>b</p></td></tr></table>",
     "para \"a\"\npara \"b\"\n"},
    {"code", "<pre>  a\n\n  b</pre>", "code \"  a\n\n  b\"\n"},
    {"quote", "<blockquote><p>a</p></blockquote>b", "quote \"a\"\npara \"b\"\n"},
    {"script, style, comment, control",
     "<p>a</p><script>x='<p>no</p>'</script><style>p{}</style><!-- c --><button>no</button>",
     "para \"a\"\n"},
    {"noscript that is not closed well", "<noscript><div></noscript><p>a</p>", "para \"a\"\n"},
    {"hidden", "<p style='display: none'>no</p><p hidden>no</p><p aria-hidden=true>no</p><p>a</p>",
     "para \"a\"\n"},
    {"navigation", "<nav><a href=x>no</a></nav><p>a</p>", "para \"a\"\n"},
    {"tags that are never closed", "<div><p>a<div><b>b", "para \"a\"\npara \"b\"\n"},
    {"tags that were never opened", "</div></p>a</b></table>", "para \"a\"\n"},
    {"an article among boxes",
     "<body><div class=menu><a href=1>Home</a> <a href=2>News</a></div>"
     "<div class='related-posts'><p>" PROSE "</p></div>"
     "<article><h1>Title</h1><p>" PROSE "</p><p>" PROSE "</p>"
     "<div class=share><a href=3>Tell your friends</a></div><p>" PROSE "</p>"
     "<h2>Read more</h2><ul><li><a href=4>Another article of ours</a></ul></article>"
     "<footer>Copyright by somebody</footer></body>",
     "heading1 \"Title\"\npara \"" PROSE "\"\npara \"" PROSE "\"\npara \"" PROSE "\"\n"},
    {"an article under a name that misleads",
     "<body><div class=sidebar><p>" PROSE "</p><p>" PROSE "</p></div></body>",
     "para \"" PROSE "\"\npara \"" PROSE "\"\n"},
    {"an overview keeps its lists",
     "<body><h1>Index</h1><ul><li><a href=a>One page</a><li><a href=b>Other page</a></ul></body>",
     "heading1 \"Index\"\nlist \"- One page\n- Other page\"\n"},
    {"empty", "", ""},
    {"declared encoding", "<meta charset=\"windows-1251\"><p>\xEF\xF0\xE8\xE2\xE5\xF2</p>",
     "para \"\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82\"\n"},
    {"UTF-8 whatever is declared", "<meta charset=iso-8859-1><p>\xC3\xA9</p>",
     "para \"\xC3\xA9\"\n"},
};

static void test_facts(void)
{
    struct arena *a = arena_new();
    struct json f;
    read_show(
        a, html_read,
        STR("<html lang=de-AT><head><title>T - Site</title><meta property='og:title' content='T'>"
            "<meta name=author content='Ann'><meta name=Author content='Other'>"
            "<meta property='article:published_time' content='2026-01-02T03:04:05Z'>"
            "<meta name=description content=' a  b '></head><body><p>x</body></html>"),
        &f);
    ok(str_eq(read_fact(a, &f, "title"), STR("T")), "title without the site's name");
    ok(str_eq(read_fact(a, &f, "author"), STR("Ann")), "the first author");
    ok(str_eq(read_fact(a, &f, "language"), STR("de-AT")), "language");
    ok(str_starts(read_fact(a, &f, "meta.date"), STR("2026-01-02")), "date");
    ok(str_eq(read_fact(a, &f, "meta.description"), STR("a b")), "description, folded");
    read_show(a, html_read,
              STR("<script type='application/ld+json'>{\"@graph\":[{\"@type\":\"Thing\"},"
                  "{\"headline\":\"H\",\"author\":[{\"name\":\"Bob\"}],"
                  "\"datePublished\":\"2026-03-04\"}]}</script>"
                  "<script type='application/ld+json'>{broken</script><p>x"),
              &f);
    ok(str_eq(read_fact(a, &f, "title"), STR("H")) &&
           str_eq(read_fact(a, &f, "author"), STR("Bob")) &&
           str_eq(read_fact(a, &f, "meta.date"), STR("2026-03-04")),
       "what stands in JSON-LD");
    arena_free(a);
}

static void test_hostile(void)
{
    struct arena *a = arena_new();
    struct buf s;
    buf_init(&s, 32 << 20);
    for (int i = 0; i < 20000; i++)
        buf_add(&s, STR("<table><tr><td>"));
    buf_add(&s, STR("deep"));
    ok(str_find(read_show(a, html_read, buf_str(&s), NULL), STR("deep")) != STR_NPOS,
       "20,000 tables inside each other");
    buf_reset(&s);
    for (int i = 0; i < 5000; i++)
        buf_add(&s, STR("<ul><li>x"));
    struct str out = read_show(a, html_read, buf_str(&s), NULL);
    ok(str_starts(out, STR("list")), "5,000 lists inside each other");
    buf_reset(&s);
    buf_add(&s, STR("<p "));
    for (int i = 0; i < 20000; i++)
        buf_printf(&s, "a%d=x ", i);
    buf_add(&s, STR(">text"));
    ok(str_eq(read_show(a, html_read, buf_str(&s), NULL), STR("para \"text\"\n")),
       "20,000 attributes");
    buf_fini(&s);
    ok(str_eq(html_text(a, STR("<b>a</b> &lt; <i>b</i><br>c")), STR("a < b c")), "a fragment");
    arena_free(a);
}

int main(void)
{
    charset_prepare();
    html_prepare();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct str out = read_show(a, html_read, str_from(cases[i].in), NULL);
        if (!ok(str_eq(out, str_from(cases[i].out)), "%s", cases[i].name))
            printf("# got %.*s\n", STR_FMT(out));
        arena_free(a);
    }
    test_facts();
    test_hostile();
    return tap_done();
}
