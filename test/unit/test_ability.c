/* What is known of the models behind a name. */
#include "gateway/ability.h"

#include "tap.h"

enum { PLACES = 3 };

/* Vendors of a model's targets; "@" in front: at another address than its own. */
static const struct {
    const char *name, *target[PLACES], *fallback[PLACES];
    bool remote, tools, pdf;
} cases[] = {
    {"openai", {"openai"}, {0}, true, true, true},
    {"openai, they say", {"@openai"}, {0}, true, false, false},
    {"anybody", {"@openai-compatible"}, {0}, true, false, false},
    {"anthropic", {"anthropic"}, {0}, true, true, true},
    {"its protocol elsewhere", {"@anthropic"}, {0}, true, false, true},
    {"azure, which has no address of its own", {"@azure"}, {0}, true, true, false},
    {"a router to many", {"openrouter"}, {0}, true, false, true},
    {"two that can", {"openai", "anthropic"}, {0}, true, true, true},
    {"one that may not", {"openai", "ollama"}, {0}, true, false, false},
    {"a fallback that may not", {"openai"}, {"groq"}, true, false, false},
    {"a fallback that can", {"openai"}, {"anthropic"}, true, true, true},
    {"with an engine inside at the end", {"openai"}, {"extractive"}, true, true, true},
    {"an engine inside alone", {"extractive"}, {0}, false, false, false},
};

static void add(struct model *m, const char *const name[PLACES], struct arena *a)
{
    m->target = arena_array(a, struct target, PLACES);
    for (; m->n_targets < PLACES && name[m->n_targets]; m->n_targets++) {
        struct str vendor = str_from(name[m->n_targets]);
        bool elsewhere = str_starts(vendor, STR("@"));
        struct provider *p = arena_struct(a, struct provider);
        p->vendor = vendor_find(elsewhere ? str_from_at(vendor, 1) : vendor);
        p->endpoint = arena_struct(a, struct provider_endpoint);
        p->n_endpoints = p->vendor->url || elsewhere;
        p->endpoint->url = elsewhere ? STR("http://127.0.0.1:1/v1") : str_from(p->vendor->url);
        m->target[m->n_targets].provider = p;
    }
}

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct model spare = {0}, m = {0};
        const struct model *fallback = &spare;
        add(&m, cases[i].target, a);
        add(&spare, cases[i].fallback, a);
        m.fallback = &fallback;
        m.n_fallback = spare.n_targets > 0;
        ok(ability_remote(&m) == cases[i].remote, "%s: outside", cases[i].name);
        ok(ability_known(&m, VENDOR_TOOLS) == cases[i].tools, "%s: tools", cases[i].name);
        ok(ability_known(&m, VENDOR_PDF) == cases[i].pdf, "%s: PDFs", cases[i].name);
    }
    arena_free(a);
    return tap_done();
}
