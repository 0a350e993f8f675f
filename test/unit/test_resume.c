/* What resume promises: no word twice and none lost at the seam. */
#include "model/resume.h"

#include "tap.h"

static const struct {
    const char *name, *said;
    bool echoes;
    const char *prefill;
    const char *piece[4];
    const char *text; /* the pieces after the seam */
} cases[] = {
    {"goes on", "Hello", false, "Hello", {" world", "!"}, " world!"},
    {"white space at the end is not sent, and not said twice",
     "Hello ",
     false,
     "Hello",
     {" world"},
     "world"},
    {"nor missed when it does not come again", "Hello ", false, "Hello", {"world"}, "world"},
    {"white space cut in two", "One.\n\n", false, "One.", {"\n", "\nTwo"}, "Two"},
    {"other white space than before", "One.\n", false, "One.", {" Two"}, " Two"},
    {"who repeats the beginning", "Hello w", true, "Hello w", {"Hel", "lo wor", "ld"}, "orld"},
    {"who could but does not", "Hello w", true, "Hello w", {"orld"}, "orld"},
    {"who only begins alike", "Hello w", true, "Hello w", {"Hel", "p!"}, "Help!"},
    {"a repeated beginning with white space",
     "Hello ",
     true,
     "Hello",
     {"Hello", " world"},
     "world"},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct vendor vendor = {.traits = cases[i].echoes ? VENDOR_PREFIX_FLAG : 0};
        const struct provider p = {.vendor = &vendor};
        const struct target t = {.provider = &p};
        struct call c = {.arena = a};
        buf_init(&c.said.text, 1000);
        buf_add(&c.said.text, str_from(cases[i].said));
        struct attempt at = {
            .call = &c, .target = &t, .resume = true, .resume_from = c.said.text.len};
        ok(str_eq(resume_prefill(&at), str_from(cases[i].prefill)), "%s: prefill", cases[i].name);
        struct str text = STR_NONE;
        for (size_t k = 0; k < COUNT(cases[i].piece) && cases[i].piece[k]; k++) {
            struct str more = resume_text(&at, str_from(cases[i].piece[k]), a);
            text = arena_printf(a, "%.*s%.*s", STR_FMT(text), STR_FMT(more));
        }
        ok(str_eq(text, str_from(cases[i].text)), "%s: '%.*s'", cases[i].name, STR_FMT(text));
        at.usage = (struct chat_usage){.input = 100, .output = 5, .cached = 100};
        resume_usage(&at);
        ok(at.usage.input < 100 && at.usage.output > 5 && at.usage.cached <= at.usage.input &&
               at.usage.input + at.usage.output == 105,
           "%s: usage", cases[i].name);
        ok(resume_tokens(&at, 1) == 1 && resume_tokens(&at, 1000) < 1000, "%s: limits",
           cases[i].name);
        buf_fini(&c.said.text);
    }
    arena_free(a);
    return tap_done();
}
