/* What yaml promises: the tree with its lines, and refusals that name file and line. */
#include "base/mem.h"
#include "base/yaml.h"

#include "tap.h"

static const char config[] = "# penstock\n"
                             "listen: \"127.0.0.1:8080\"\n"
                             "empty:\n"
                             "providers:\n"
                             "  - name: one\n"
                             "    models: [a, 'b', \"c\\n\"]\n"
                             "  - name: two\n"
                             "log: {level: info,\n"
                             "      file: x.log}\n"
                             "text: |\n"
                             "  two\n"
                             "  lines\n"
                             "gr\xC3\xBC\xC3\x9F"
                             "e: \xE4\xB8\xAD\n";

static void test_tree(struct arena *a)
{
    struct yaml *y;
    struct err e;
    if (!ok(yaml_parse(&y, a, "x.yaml", str_from(config), &e), "a configuration is read"))
        return;
    ok(y->kind == YAML_MAP && y->line == 2 && y->column == 1, "a map from line 2 on");
    struct yaml *v = yaml_get(y, "listen");
    ok(v && str_eq(v->text, STR("127.0.0.1:8080")) && v->quoted && v->line == 2 && v->column == 9,
       "a text in quotes");
    v = yaml_get(y, "empty");
    ok(v && v->kind == YAML_SCALAR && v->text.len == 0 && !v->quoted && v->key_line == 3,
       "nothing");
    v = yaml_get(y, "providers");
    ok(v && v->kind == YAML_LIST && v->key_line == 4 && v->line == 5 && v->child &&
           v->child->next && !v->child->next->next,
       "a list of two");
    v = yaml_get(v->child, "models");
    ok(v && str_eq(v->child->text, STR("a")) && !v->child->quoted &&
           str_eq(v->child->next->text, STR("b")) && v->child->next->quoted &&
           str_eq(v->child->next->next->text, STR("c\n")) && v->line == 6 && v->column == 13,
       "a list in brackets");
    v = yaml_get(yaml_get(y, "log"), "file");
    ok(v && str_eq(v->text, STR("x.log")) && v->line == 9 && v->key_line == 9, "a map in braces");
    v = yaml_get(y, "text");
    ok(v && str_eq(v->text, STR("two\nlines\n")) && v->quoted && v->text.p[v->text.len] == 0,
       "a block of text");
    v = yaml_get(y, "gr\xC3\xBC\xC3\x9F"
                    "e");
    ok(v && str_eq(v->text, STR("\xE4\xB8\xAD")), "letters of other languages");
    ok(!yaml_get(y, "none") && !yaml_get(NULL, "x") && !yaml_get(yaml_get(y, "listen"), "x"),
       "what is not there");
}

static const struct {
    const char *name, *text, *msg;
} bad[] = {
    {"alias", "a: &x 1\nb: *x\n", "f.yaml:1: anchors (&) and aliases (*) are not supported"},
    {"alias alone", "a: 1\nb: *x\n", "f.yaml:2: anchors (&) and aliases (*) are not supported"},
    {"tag", "a: 1\nb: !!str 2\n", "f.yaml:2: tags (!) are not supported"},
    {"tag of a map", "a: 1\nb: !x {}\n", "f.yaml:2: tags (!) are not supported"},
    {"two documents", "a: 1\n---\nb: 2\n", "f.yaml:2: a second document begins here"},
    {"key twice", "a: 1\nb: 2\n\na: 3\n", "f.yaml:4: key 'a' stands twice, first in line 1"},
    {"key twice, quoted", "x: {a: 1, \"a\": 3}\n", "f.yaml:1: key 'a' stands twice"},
    {"list as key", "[a]: 1\n", "f.yaml:1: a key must be plain text"},
    {"tab", "a:\n\tb: 1\n", "f.yaml:2: a tab stands in the indent"},
    {"unclosed list", "a: [1,\nb: 2\n", "f.yaml:"},
    {"unclosed quote", "a: \"x\n", "f.yaml:2: "},
    {"wrong indent", "a:\n  b: 1\n c: 2\n", "f.yaml:3: "},
    {"bad escape", "a: \"\\q\"\n", "f.yaml:1: "},
    {"NUL", "a: 1\nb: \"x\\0y\"\n", "f.yaml:2: a NUL character"},
    {"control character", "a: 1\nb: \x01\n", "f.yaml:2: control characters are not allowed"},
    {"not UTF-8", "a: 1\nb: \xFF\n", "f.yaml:2: "},
    {"deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
     "f.yaml:1: nested too deep"},
};

static const char *const empty[] = {"", "\n", "# only a comment\n", "---\n", "--- # x\n...\n"};

int main(void)
{
    struct arena *a = arena_new();
    struct yaml *y;
    struct err e;
    test_tree(a);
    for (size_t i = 0; i < COUNT(bad); i++) {
        e.msg[0] = 0;
        bool good = yaml_parse(&y, a, "f.yaml", str_from(bad[i].text), &e);
        ok(!good && e.code == ERR_INVALID && str_starts(str_from(e.msg), str_from(bad[i].msg)),
           "%s: %s", bad[i].name, e.msg);
    }
    for (size_t i = 0; i < COUNT(empty); i++)
        ok(yaml_parse(&y, a, "f.yaml", str_from(empty[i]), &e) && y->kind == YAML_MAP && !y->child,
           "empty file %zu is an empty map", i);
    ok(yaml_parse(&y, a, "f.yaml",
                  STR("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), &e) &&
           y->kind == YAML_LIST,
       "31 lists in one another");
    char *large = mem_array((1 << 20) + 1, 1);
    ok(!yaml_parse(&y, a, "f.yaml", (struct str){large, (1 << 20) + 1}, &e), "%s", e.msg);
    mem_free(large);
    arena_free(a);
    return tap_done();
}
