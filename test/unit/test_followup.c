/* What followup promises: a question that points back takes its subject along, others do not. */
#include "answer/followup.h"
#include "base/mem.h"

#include "tap.h"

static const struct {
    const char *name, *said[4], *want; /* user messages, oldest first */
} cases[] = {
    {"alone", {"What is an arena?"}, "What is an arena?"},
    {"a pronoun",
     {"What is the upload limit?", "How do I change it?"},
     "upload limit: How do I change it?"},
    {"an opening",
     {"Which ports does the server use?", "And the metrics?"},
     "ports server: And the metrics?"},
    {"nothing to search for", {"Where are snapshots kept?", "Why?"}, "snapshots kept: Why?"},
    {"a new subject",
     {"What is the upload limit?", "Which SQL store is inside?"},
     "Which SQL store is inside?"},
    {"a new subject with a pronoun in passing",
     {"What is the upload limit?",
      "Does SQLite recover the journal file when it was killed while writing rows?"},
     "Does SQLite recover the journal file when it was killed while writing rows?"},
    {"over two steps",
     {"What is the upload limit?", "How do I change it?", "And why?"},
     "upload limit change: And why?"},
    {"words are not repeated",
     {"What is the upload limit?", "Is it a hard limit?"},
     "upload: Is it a hard limit?"},
    {"nothing before", {"How do I change it?"}, "How do I change it?"},
    {"white space", {"  Which store?\n"}, "Which store?"},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chat_message m[8] = {{.role = CHAT_SYSTEM, .text = STR("be nice")}};
        struct chat_request r = {.message = m, .n_messages = 1};
        for (size_t k = 0; k < 4 && cases[i].said[k]; k++) {
            m[r.n_messages++] =
                (struct chat_message){.role = CHAT_USER, .text = str_from(cases[i].said[k])};
            m[r.n_messages++] =
                (struct chat_message){.role = CHAT_ASSISTANT, .text = STR("So it is.")};
        }
        r.n_messages--; /* the last question has no answer yet */
        struct str asked, got = followup_standalone(&r, &asked, a);
        ok(str_eq(asked, str_trim(r.message[r.n_messages - 1].text)) ||
               r.message[r.n_messages - 1].role != CHAT_USER,
           "its own words are known too");
        ok(str_eq(got, str_from(cases[i].want)), "%s: '%.*s'", cases[i].name, STR_FMT(got));
    }
    struct chat_request none = {0};
    struct str asked;
    ok(followup_standalone(&none, &asked, a).len == 0 && asked.len == 0, "no message");
    arena_free(a);
    return tap_done();
}
