/* What a call keeps when the way to its answer is released: a streamed one in test_openai. */
#include "model/call.h"

#include "tap.h"

int main(void)
{
    struct arena *a = arena_new(), *early = arena_new();
    struct chat_message *m = arena_array(early, struct chat_message, 3);
    for (int i = 0; i < 3; i++)
        m[i].text = arena_copy(early, STR("three short words"));
    struct call c = {.arena = a, .early = early};
    c.req = (struct chat_request){.dialect = CHAT_OPENAI,
                                  .model = arena_copy(early, STR("m")),
                                  .user = arena_copy(early, STR("u")),
                                  .message = m,
                                  .n_messages = 3,
                                  .stream = true,
                                  .max_tokens = 9};
    int64_t all = call_prompt_tokens(&c);
    c.req.n_left_out = 1;
    int64_t sent = call_prompt_tokens(&c);
    ok(sent > 0 && all == sent / 2 * 3, "messages that are left out are not counted");
    call_release_early(&c);
    arena_free(early);
    ok(!c.early && !c.req.n_messages && !c.req.message, "the messages are gone");
    ok(call_prompt_tokens(&c) == sent, "but counted");
    ok(str_eq(c.req.model, STR("m")) && str_eq(c.req.user, STR("u")) && c.req.stream &&
           c.req.max_tokens == 9,
       "the rest is kept");

    struct passage p = {.tokens = 7};
    c.req = (struct chat_request){.passage = &p, .n_passages = 1};
    ok(call_prompt_tokens(&c) == 7, "passages count as they were measured");
    arena_free(a);
    return tap_done();
}
