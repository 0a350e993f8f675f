/* How the window is shared out, and who gives way. */
#include "answer/budget.h"
#include "model/prompt.h"
#include "text/token.h"

#include "tap.h"

enum { WINDOW = 4000 };

static const struct answer_options options = {5, WINDOW, 0.3f, 0.2f, 0.5f};

static struct str words(struct arena *a, size_t n)
{
    char *p = arena_bytes(a, 5 * n + 1);
    for (size_t i = 0; i < n; i++)
        memcpy(p + 5 * i, "word ", 5);
    return (struct str){p, 5 * n};
}

static bool divide(struct arena *a, struct chat_message *m, size_t n, struct budget *b,
                   struct err *e)
{
    struct call c = {.arena = a, .req = {.op = OP_CHAT, .message = m, .n_messages = n}};
    return budget_divide(&c, &options, b, e);
}

static void test_shares(struct arena *a)
{
    struct budget b;
    struct err e;
    struct chat_message one[] = {{.role = CHAT_USER, .text = STR("Why?")}};
    ok(divide(a, one, 1, &b, &e) && b.passages == WINDOW / 2 && b.left_out == 0,
       "half for passages");

    struct chat_message long_system[] = {{.role = CHAT_SYSTEM, .text = words(a, 1500)},
                                         {.role = CHAT_USER, .text = STR("Why?")}};
    const struct chat_request r = {.op = OP_CHAT};
    size_t said = token_count(long_system[0].text) + token_count(prompt_rules(&r, a));
    ok(divide(a, long_system, 2, &b, &e) && b.passages == WINDOW / 2 - (said - WINDOW * 3 / 10),
       "what instructions take beyond their share is taken from the passages: %u", b.passages);

    struct chat_message huge[] = {{.role = CHAT_USER, .text = words(a, 4000)}};
    ok(!divide(a, huge, 1, &b, &e) && e.code == ERR_CONTEXT, "no room: %s", e.msg);
}

static void test_conversation(struct arena *a)
{
    struct budget b;
    struct err e;
    struct chat_message m[] = {
        {.role = CHAT_SYSTEM, .text = STR("Be kind.")},  {.role = CHAT_USER, .text = words(a, 400)},
        {.role = CHAT_ASSISTANT, .text = words(a, 400)}, {.role = CHAT_USER, .text = words(a, 300)},
        {.role = CHAT_ASSISTANT, .text = words(a, 200)}, {.role = CHAT_USER, .text = STR("Why?")},
    };
    ok(divide(a, m, COUNT(m), &b, &e) && b.left_out == 3, "old turns go first: %zu", b.left_out);
    m[5].text = words(a, 700);
    ok(divide(a, m, COUNT(m), &b, &e) && b.left_out == 5, "a long question counts: %zu",
       b.left_out);
}

int main(void)
{
    struct arena *a = arena_new();
    test_shares(a);
    test_conversation(a);
    arena_free(a);
    return tap_done();
}
