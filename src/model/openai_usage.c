#include "model/openai_usage.h"

/* ---- Told ---- */

void openai_usage_find(struct json_value usage, struct json_value part[OPENAI_USAGE_PARTS])
{
    enum { INPUT, OUTPUT, OF_INPUT, OF_OUTPUT, CACHE_HIT, MEMBERS };
    static const struct str name[MEMBERS] = {
        [INPUT] = STR_INIT("prompt_tokens"),
        [OUTPUT] = STR_INIT("completion_tokens"),
        [OF_INPUT] = STR_INIT("prompt_tokens_details"),
        [OF_OUTPUT] = STR_INIT("completion_tokens_details"),
        [CACHE_HIT] = STR_INIT("prompt_cache_hit_tokens"),
    };
    struct json_value v[MEMBERS];
    json_members(usage, name, MEMBERS, v);
    part[OPENAI_INPUT] = v[INPUT];
    part[OPENAI_OUTPUT] = v[OUTPUT];
    part[OPENAI_CACHED] = json_get(v[OF_INPUT], "cached_tokens");
    part[OPENAI_CACHE_HIT] = v[CACHE_HIT];
    part[OPENAI_CACHE_WRITE] = json_get(v[OF_INPUT], "cache_write_tokens");
    part[OPENAI_REASONING] = json_get(v[OF_OUTPUT], "reasoning_tokens");
}

static int64_t share(int64_t part, int64_t total)
{
    return part > 0 && part <= total ? part : 0;
}

struct chat_usage openai_usage_of(const int64_t n[OPENAI_USAGE_PARTS])
{
    int64_t input = n[OPENAI_INPUT], output = n[OPENAI_OUTPUT];
    int64_t cached = share(n[OPENAI_CACHED], input);
    return (struct chat_usage){
        .input = input,
        .output = output,
        .cached = cached ? cached : share(n[OPENAI_CACHE_HIT], input),
        .cache_write = share(n[OPENAI_CACHE_WRITE], input),
        .reasoning = share(n[OPENAI_REASONING], output),
    };
}

bool openai_usage_read(struct json_value usage, struct chat_usage *out)
{
    struct json_value part[OPENAI_USAGE_PARTS];
    int64_t n[OPENAI_USAGE_PARTS];
    openai_usage_find(usage, part);
    if (!relay_tokens(part[OPENAI_INPUT], &n[OPENAI_INPUT]) ||
        !relay_tokens(part[OPENAI_OUTPUT], &n[OPENAI_OUTPUT]))
        return false;
    for (size_t i = OPENAI_CACHED; i < OPENAI_USAGE_PARTS; i++)
        if (!json_int(part[i], &n[i]))
            n[i] = 0;
    *out = openai_usage_of(n);
    return true;
}

/* ---- Counted ---- */

static size_t count_calls(const struct relay *r, struct json_value calls)
{
    size_t n = 0;
    json_each(call, calls)
    {
        struct json_value function = json_get(call.value, "function");
        n += relay_count(r, json_get(function, "name"));
        n += relay_count(r, json_get(function, "arguments"));
    }
    return n;
}

size_t openai_usage_count_text(const struct relay *r, struct json_value content)
{
    size_t n = relay_count(r, content);
    if (json_is(content, JSON_ARRAY))
        json_each(part, content) n += relay_count(r, json_get(part.value, "text"));
    return n;
}

/* A part of reasoning: Mistral's, with a list of texts. */
static size_t count_reasoning(const struct relay *r, struct json_value content)
{
    size_t n = 0;
    if (json_is(content, JSON_ARRAY))
        json_each(part, content) n += openai_usage_count_text(r, json_get(part.value, "thinking"));
    return n;
}

size_t openai_usage_count_rest(const struct relay *r, struct json_value message,
                               struct json_value content)
{
    size_t n = count_reasoning(r, content);
    json_each(it, message)
    {
        if (it.value.i == content.i)
            continue;
        if (str_eq(it.name, STR("tool_calls")))
            n += count_calls(r, it.value);
        else if (str_eq(it.name, STR("thinking_blocks")) ||
                 str_eq(it.name, STR("reasoning_details")))
            n += json_is(it.value, JSON_ARRAY) ? json_count(it.value) : 0;
        else if (!str_eq(it.name, STR("role")) && !str_eq(it.name, STR("finish_reason")))
            n += relay_count(r, it.value);
    }
    return n;
}
