#include "model/call.h"

enum { MESSAGE_TOKENS = 4 }; /* what roles and separators cost, as OpenAI documents it */

size_t call_tokens(const struct call *c, struct str text)
{
    return vocab_tokens(c->vocabulary, text);
}

int64_t call_prompt_tokens(const struct call *c)
{
    const struct chat_request *r = &c->req;
    int64_t n = r->prompt_tokens, each = r->op == OP_CHAT ? MESSAGE_TOKENS : 0;
    for (size_t i = r->n_left_out; i < r->n_messages; i++)
        n += (int64_t)call_tokens(c, r->message[i].text) + each;
    for (size_t i = 0; i + r->n_beside < r->n_passages; i++)
        n += r->passage[i].tokens;
    return n;
}

bool call_may_release(const struct call *c)
{
    return c->early && !c->raced && c->said.spoke && !c->said.keep && !c->req.grounded;
}

void call_release_early(struct call *c)
{
    const struct chat_request *r = &c->req;
    CHECK(!r->grounded);
    c->req = (struct chat_request){
        .op = r->op,
        .dialect = r->dialect,
        .model = arena_copy(c->arena, r->model),
        .stream = r->stream,
        .include_usage = r->include_usage,
        .rigid = r->rigid,
        .n_wanted = r->n_wanted,
        .max_tokens = r->max_tokens,
        .user = arena_copy(c->arena, r->user),
        .prompt_tokens = call_prompt_tokens(c),
    };
    c->early = NULL;
}
