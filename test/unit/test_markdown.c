/* What the Markdown reader promises: blocks with the lines of the source, front matter as facts,
 * Obsidian's links as text. */
#include "read.h"
#include "tap.h"

static const struct {
    const char *name, *in, *out;
} cases[] = {
    {"headings", "# A\n\ntext\n\n## B *c* `d`\n",
     "heading1 @1-1 \"A\"\npara @3-3 \"text\"\nheading2 @5-5 \"B c d\"\n"},
    {"setext", "A\n=\n", "heading1 @1-2 \"A\"\n"},
    {"wrapped paragraph keeps its lines", "a\nb\n\nc", "para @1-2 \"a\nb\"\npara @4-4 \"c\"\n"},
    {"links and images are their text", "[a](http://x) ![b](y.png) <http://z>\n",
     "para @1-1 \"a b http://z\"\n"},
    {"list", "- a\n- b\n  - c\n- d\n", "list @1-4 \"- a\n- b\n  - c\n- d\"\n"},
    {"numbers", "3. a\n4. b\n", "list @1-2 \"3. a\n4. b\"\n"},
    {"paragraphs in an item", "- a\n\n  b\n- c\n", "list @1-4 \"- a\nb\n- c\"\n"},
    {"quote", "> a\n> b\n>\n> c\n", "quote @1-4 \"a\nb\nc\"\n"},
    {"table", "| a | b |\n|---|---|\n| 1 | *2* |\n", "table @1-3 \"| a | b |\n| 1 | 2 |\"\n"},
    {"code keeps its shape", "```c\n  int x;\n\n  y\n```\n", "code @1-5 \"  int x;\n\n  y\"\n"},
    {"HTML block", "<div>\n<b>bold</b> &amp; more\n</div>\n", "para @1-3 \"bold & more\"\n"},
    {"inline HTML goes", "a <b>c</b> d<br>e\n", "para @1-1 \"a c d\ne\"\n"},
    {"wiki link", "see [[Note]] and [[Note#Part|this]]\n", "para @1-1 \"see Note and this\"\n"},
    {"embedded note", "![[Image.png]] x\n", "para @1-1 \"Image.png x\"\n"},
    {"wiki link in code stays", "`[[a|b]]`\n", "para @1-1 \"[[a|b]]\"\n"},
    {"half a wiki link", "[[a and ]] b [[\n", "para @1-1 \"a and  b [[\"\n"},
    {"comment", "a %%hidden%% b\n", "para @1-1 \"a  b\"\n"},
    {"half a comment", "100 %% of\n", "para @1-1 \"100 %% of\"\n"},
    {"lines count from the file's start", "---\ntitle: T\n---\n# A\n", "heading1 @4-4 \"A\"\n"},
    {"a rule is no front matter", "---\na\n", "para @2-2 \"a\"\n"},
    {"front matter alone", "---\ntitle: T\n---", ""},
    {"empty", "", ""},
};

static void test_facts(void)
{
    struct arena *a = arena_new();
    struct json f;
    read_show(
        a, markdown_read,
        STR("---\ntitle: \"A: b\"\nauthor: [Ann, 'Bob']\ntags:\n  - x\n  - y\nlang: de\nnested:\n"
            "  title: no\nempty:\n# comment: x\n---\ntext\n"),
        &f);
    ok(str_eq(read_fact(a, &f, "title"), STR("A: b")), "quoted title");
    ok(str_eq(read_fact(a, &f, "author"), STR("Ann, Bob")), "list of authors");
    ok(str_eq(read_fact(a, &f, "language"), STR("de")), "language");
    ok(str_eq(read_fact(a, &f, "meta.tags"), STR("x, y")), "a list below its key");
    ok(!json_exists(json_path(json_root(&f), "meta.empty")), "no value, no fact");
    read_show(a, markdown_read, STR("+++\ntitle = \"T\"\ndate = 2026-01-02\n+++\n"), &f);
    ok(str_eq(read_fact(a, &f, "title"), STR("T")), "TOML title");
    ok(str_eq(read_fact(a, &f, "meta.date"), STR("2026-01-02")), "TOML date");
    arena_free(a);
}

/* Nested deeper than anyone writes: must neither overflow the stack nor take long. */
static void test_deep(void)
{
    struct arena *a = arena_new();
    struct buf s;
    buf_init(&s, 1 << 20);
    for (int i = 0; i < 2000; i++)
        buf_add(&s, STR("> "));
    buf_add(&s, STR("end\n\n"));
    for (int i = 0; i < 300; i++)
        buf_printf(&s, "%*s- i\n", 2 * i, "");
    struct str out = read_show(a, markdown_read, buf_str(&s), NULL);
    ok(str_find(out, STR("end")) != STR_NPOS, "2000 quotes inside each other");
    buf_fini(&s);
    arena_free(a);
}

int main(void)
{
    markdown_prepare();
    html_prepare();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct str out = read_show(a, markdown_read, str_from(cases[i].in), NULL);
        if (!ok(str_eq(out, str_from(cases[i].out)), "%s", cases[i].name))
            printf("# got %.*s\n", STR_FMT(out));
        arena_free(a);
    }
    test_facts();
    test_deep();
    return tap_done();
}
