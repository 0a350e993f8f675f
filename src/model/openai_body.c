#include "model/openai_body.h"
#include "model/openai_write.h"
#include "model/prompt.h"
#include "model/relay.h"
#include "model/resume.h"
#include "model/splice.h"

static unsigned traits(const struct attempt *a)
{
    return a->target->provider->vendor->traits;
}

/* The messages with the beginning of the answer behind them. */
static struct str with_prefill(const struct attempt *a, struct str messages)
{
    struct arena *to = a->call->early;
    CHECK(messages.len >= 2);
    return arena_printf(to, "%.*s,{\"role\":\"assistant\",\"content\":%.*s%s}]",
                        (int)(messages.len - 1), messages.p,
                        STR_FMT(relay_quoted(resume_prefill(a), to)),
                        traits(a) & VENDOR_PREFIX_FLAG ? ",\"prefix\":true" : "");
}

/* A text completion is taken up by what was said standing in the prompt. */
static struct str with_prompt(const struct attempt *a)
{
    struct arena *to = a->call->early;
    struct str prompt = a->call->req.message[0].text;
    return relay_quoted(arena_printf(to, "%.*s%.*s", STR_FMT(prompt), STR_FMT(resume_prefill(a))),
                        to);
}

struct change {
    struct splice_member member[SPLICE_EDITS];
    size_t n;
};

static void set(struct change *c, const char *name, struct str json)
{
    CHECK(c->n < SPLICE_EDITS);
    c->member[c->n++] = (struct splice_member){name, json};
}

static void resume(const struct attempt *a, struct json_value root, struct change *to)
{
    static const char *const limits[] = {"max_tokens", "max_completion_tokens"};
    int64_t limit;
    for (size_t i = 0; i < COUNT(limits); i++)
        if (json_int(json_get(root, limits[i]), &limit))
            set(to, limits[i],
                arena_printf(a->call->early, "%jd", (intmax_t)resume_tokens(a, limit)));
    if (traits(a) & VENDOR_CONTINUE_FLAGS) {
        set(to, "add_generation_prompt", STR("false"));
        set(to, "continue_final_message", STR("true"));
    }
}

/* Usage is wanted of every stream, for the accounts. */
static void want_usage(const struct attempt *a, struct splice *s, struct change *to)
{
    static const struct str yes = STR("true"), options = STR("{\"include_usage\":true}");
    const struct chat_request *r = &a->call->req;
    struct json_value have = json_get(json_root(&r->body), "stream_options");
    if (traits(a) & VENDOR_NO_STREAM_OPTIONS) {
        if (json_exists(have))
            set(to, "stream_options", STR_NONE);
    } else if (!r->include_usage && json_is(have, JSON_OBJECT)) {
        splice_object(s, have, &(struct splice_member){"include_usage", yes}, 1);
    } else if (!r->include_usage) {
        set(to, "stream_options", options);
    }
}

static const struct str *spliced(const struct attempt *a, size_t *n)
{
    struct call *c = a->call;
    const struct chat_request *r = &c->req;
    struct json_value root = json_root(&r->body);
    struct change change;
    struct splice s;
    change.n = 0; /* the rest is large, and set as it is used */
    splice_init(&s, &r->body);

    bool nameless = r->op == OP_MODERATION && !json_exists(json_get(root, "model"));
    bool renamed = nameless || !str_eq(a->target->upstream, r->model);
    if (renamed && a->target->upstream.len > 0)
        set(&change, "model", relay_quoted(a->target->upstream, c->early));
    if (a->resume && r->op == OP_COMPLETION) {
        set(&change, "prompt", with_prompt(a));
    } else if (r->grounded || a->resume) {
        struct str messages =
            r->grounded ? prompt_messages(c, c->early) : json_raw(json_get(root, "messages"));
        set(&change, "messages", a->resume ? with_prefill(a, messages) : messages);
    }
    if (json_exists(json_get(root, "penstock"))) /* for us alone */
        set(&change, "penstock", STR_NONE);
    if (a->resume)
        resume(a, root, &change);
    if (r->stream)
        want_usage(a, &s, &change);
    if (change.n > 0)
        splice_object(&s, root, change.member, change.n);
    struct str part[SPLICE_PARTS];
    *n = splice_parts(&s, part);
    struct str *kept = arena_array(c->early, struct str, *n);
    memcpy(kept, part, *n * sizeof(*kept));
    return kept;
}

__attribute__((noinline)) const struct str *openai_body(const struct attempt *a, size_t *n,
                                                        struct err *e)
{
    const struct chat_request *r = &a->call->req;
    if (r->dialect == CHAT_OPENAI && provider_op(a->target->provider, r->op) == r->op)
        return spliced(a, n);
    struct str *part = arena_struct(a->call->early, struct str);
    *n = 1;
    return openai_write(a, part, e) ? part : NULL;
}
