/* Any bytes give a tree whose places lie in the text and whose keys differ, or an error that names
 * the file. */
#include "base/mem.h"
#include "base/yaml.h"

static int lines;

static void look(const struct yaml *y, int depth)
{
    CHECK(depth <= 32 && y->line >= 1 && y->line <= lines + 1 && y->column >= 1);
    CHECK(y->kind != YAML_SCALAR || (!y->child && y->text.p[y->text.len] == 0));
    for (const struct yaml *child = y->child; child; child = child->next) {
        if (y->kind == YAML_MAP)
            CHECK(child->key_line >= 1 && yaml_get(y, child->key.p) == child);
        look(child, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 14)
        return 0;
    struct arena *a = arena_new();
    struct yaml *y;
    struct err e;
    lines = 1;
    for (size_t i = 0; i < size; i++) /* YAML has five kinds of line ends, two of several bytes */
        lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xA8 ||
                 data[i] == 0xA9;
    if (yaml_parse(&y, a, "fuzz.yaml", (struct str){(const char *)data, size}, &e))
        look(y, 1);
    else
        CHECK(e.code == ERR_INVALID && str_starts(str_from(e.msg), STR("fuzz.yaml:")));
    arena_free(a);
    return 0;
}
