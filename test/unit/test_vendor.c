/* Which models of a protocol can do what, by their names. */
#include "model/vendor.h"
#include "model/provider.h"

#include "tap.h"

#include <stdlib.h>

static const struct {
    const char *vendor, *model;
    bool prefills, takes_effort;
    int64_t answer_tokens;
} models[] = {
    {"anthropic", "claude-3-haiku-20240307", true, false, 4096},
    {"anthropic", "claude-3-5-sonnet-latest", true, false, 8192},
    {"anthropic", "claude-sonnet-4-20250514", true, false, 32000},
    {"anthropic", "claude-opus-4-5", true, false, 32000},
    {"anthropic", "claude-opus-4-6", false, true, 32000},
    {"anthropic", "claude-sonnet-5", false, true, 32000},
    {"anthropic", "somebody-else", false, false, 4096},
    {"vllm", "claude-3-haiku", true, false, 4096},
    {"openai", "gpt-5", false, false, 4096},
};

/* What a row of the table must have to be of use. */
static void test_row(const struct vendor *v)
{
    struct str url = str_from(v->url);
    size_t paths = 0;
    for (int op = 0; op < OP_COUNT; op++) {
        paths += v->path[op] != NULL;
        ok(!v->path[op] || (v->path[op][0] == '/' && v->kind->ops & 1u << op), "%s: %s is at %s",
           v->name, chat_op_name(op), v->path[op] ? v->path[op] : "no path");
    }
    if (v->kind->dialect == CHAT_NO_DIALECT) {
        ok(paths == 0 && !v->url && !v->key_header, "%s: inside", v->name);
        return;
    }
    ok(paths > 0 && str_ends(str_from(v->key_header), STR(" ")), "%s: paths, a header", v->name);
    ok(v->port ? str_starts(url, STR("http://127.0.0.1:")) &&
                     (uint16_t)strtoul(url.p + strlen("http://127.0.0.1:"), NULL, 10) == v->port
               : url.len == 0 || str_starts(url, STR("https://")),
       "%s: %s", v->name, v->url ? v->url : "configured");
    ok(!str_ends(url, STR("/")), "%s: paths go behind its URL", v->name);
}

int main(void)
{
    size_t n;
    const struct vendor *v = vendor_list(&n);
    for (size_t i = 0; i < n; i++) {
        ok(vendor_find(str_from(v[i].name)) == &v[i], "%s is found by its name", v[i].name);
        test_row(&v[i]);
    }
    ok(!vendor_find(STR("nobody")), "nobody is not");
    for (size_t i = 0; i < COUNT(models); i++) {
        struct str model = str_from(models[i].model);
        v = vendor_find(str_from(models[i].vendor));
        ok(vendor_prefills(v, model) == models[i].prefills &&
               vendor_takes_effort(v, model) == models[i].takes_effort &&
               vendor_answer_tokens(v, model) == models[i].answer_tokens,
           "%s of %s", models[i].model, models[i].vendor);
    }
    return tap_done();
}
