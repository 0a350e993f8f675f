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

static void put_span(struct json_writer *j, const char *from_name, uint64_t from,
                     const char *to_name, uint64_t to)
{
    json_kv_int(j, from_name, (int64_t)from);
    json_kv_int(j, to_name, (int64_t)to);
}

void openai_put_citation(struct json_writer *j, const struct citation *c, size_t index)
{
    const struct passage *p = c->passage;
    json_object(j);
    json_kv_text(j, "type", "file_citation");
    json_kv_str(j, "file_id", p->file_id.len ? p->file_id : p->uri);
    json_kv_str(j, "filename", p->name);
    json_kv_int(j, "index", (int64_t)index);
    json_kv_int(j, "document_version", p->version);
    if (p->section.len)
        json_kv_str(j, "section", p->section);
    if (c->page)
        json_kv_int(j, "page", c->page);
    if (c->line_start)
        put_span(j, "line_start", c->line_start, "line_end", c->line_end);
    put_span(j, "char_start", c->char_start, "char_end", c->char_end);
    json_kv_str(j, "quote", c->quote);
    json_end(j);
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
