#include "gateway/openai_out.h"

const char *openai_finish(enum chat_finish finish)
{
    switch (finish) {
    case CHAT_FINISH_LENGTH: return "length";
    case CHAT_FINISH_TOOLS: return "tool_calls";
    case CHAT_FINISH_CONTENT: return "content_filter";
    default: return "stop";
    }
}

void openai_put_usage(struct json_writer *j, const struct chat_usage *u)
{
    json_key(j, "usage");
    json_object(j);
    json_kv_int(j, "prompt_tokens", u->input);
    json_kv_int(j, "completion_tokens", u->output);
    json_kv_int(j, "total_tokens", u->input + u->output);
    json_key(j, "prompt_tokens_details");
    json_object(j);
    json_kv_int(j, "cached_tokens", u->cached);
    json_end(j);
    json_key(j, "completion_tokens_details");
    json_object(j);
    json_kv_int(j, "reasoning_tokens", u->reasoning);
    json_end(j);
    json_end(j);
}
