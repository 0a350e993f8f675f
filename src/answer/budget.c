#include "answer/budget.h"
#include "model/prompt.h"

enum { PASSAGES_LEAST = 64 };

/* The last of the user's messages that says something; the first message when there is none. */
static size_t question_of(const struct chat_request *r)
{
    size_t question = prompt_question(r);
    return question == r->n_messages ? 0 : question;
}

/* Our rules and what the application says beside them. */
static size_t instructions(const struct call *c)
{
    size_t n = call_tokens(c, prompt_rules(&c->req, c->arena));
    for (size_t i = 0; i < c->req.n_messages; i++)
        if (prompt_is_system(&c->req.message[i]))
            n += call_tokens(c, c->req.message[i].text);
    return n;
}

/* How many messages from the first on are over the conversation's share. What is kept begins with
 * a user's message, so that no tool's answer is without its call; the question always stays. */
static size_t left_out(const struct call *c, size_t tokens)
{
    const struct chat_request *r = &c->req;
    size_t question = question_of(r), from = r->n_messages, used = 0;
    for (size_t i = r->n_messages; i-- > 0;) {
        const struct chat_message *m = &r->message[i];
        if (!prompt_is_system(m) && i < question)
            used += call_tokens(c, m->text);
        if (used > tokens)
            break;
        if ((m->role == CHAT_USER && m->text.len > 0) || i >= question)
            from = i;
    }
    from = size_min(from, question);
    while (from > 0 && prompt_is_system(&r->message[from - 1]))
        from--;
    return from;
}

static size_t over(size_t used, size_t share)
{
    return used > share ? used - share : 0;
}

bool budget_divide(const struct call *c, const struct answer_options *o, struct budget *out,
                   struct err *e)
{
    const struct chat_request *r = &c->req;
    double window = o->context_tokens;
    size_t conversation = (size_t)(window * (double)o->conversation_share);
    size_t passages = (size_t)(window * (double)o->context_share);
    size_t question = r->n_messages ? call_tokens(c, r->message[question_of(r)].text) : 0;
    size_t taken = over(instructions(c), (size_t)(window * (double)o->instruction_share)) +
                   over(question, conversation);
    if (taken + PASSAGES_LEAST > passages)
        return err_param(e, ERR_CONTEXT, "messages",
                         "instructions and question leave no room for passages in the model's %u "
                         "tokens",
                         o->context_tokens);
    out->left_out = left_out(c, over(conversation, question));
    out->passages = (uint32_t)(passages - taken);
    return true;
}
