/* A fixed text as the last answer of a fallback chain. */
#include "model/provider.h"
#include "text/token.h"

static bool answer(struct attempt *a, struct err *e)
{
    struct str text = a->target->provider->text;
    a->usage = (struct chat_usage){.counted = true,
                                   .input = call_prompt_tokens(a->call),
                                   .output = (int64_t)token_count(text)};
    a->said->begun = true;
    provider_spoke(a, text, true);
    a->finish = CHAT_FINISH_STOP;
    return a->sink->event(a->sink, &(struct chat_event){CHAT_TEXT, .text = text}, e) &&
           a->sink->event(a->sink,
                          &(struct chat_event){.kind = CHAT_FINISH, .finish = CHAT_FINISH_STOP}, e);
}

const struct provider_kind provider_static = {
    .name = "static",
    .ops = 1u << OP_CHAT,
    .answer = answer,
};
