#include "gateway/openai_out.h"
#include "base/digest.h"
#include "base/utf8.h"

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

void openai_put_place(struct json_writer *j, const struct citation *c)
{
    const struct passage *p = c->passage;
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    digest_sha256(c->quote, hash);
    digest_to_hex(hex, hash, SHA256_SIZE);
    json_kv_str(j, "vector_store_id", p->collection);
    json_kv_int(j, "document_version", p->version);
    if (p->document_hash.len)
        json_kv_str(j, "document_sha256", p->document_hash);
    if (p->section.len)
        json_kv_str(j, "section", p->section);
    if (c->page)
        json_kv_int(j, "page", c->page);
    if (c->line_start)
        put_span(j, "line_start", c->line_start, "line_end", c->line_end);
    put_span(j, "char_start", c->char_start, "char_end", c->char_end);
    json_kv_str(j, "quote", c->quote);
    json_kv_text(j, "quote_sha256", hex);
}

/* The members that all citations have in OpenAI's protocols. */
static void put_citation(struct json_writer *j, const struct citation *c, size_t index)
{
    const struct passage *p = c->passage;
    json_kv_str(j, "file_id", p->file_id.len ? p->file_id : p->uri);
    json_kv_str(j, "filename", p->name);
    json_kv_int(j, "index", (int64_t)index);
    openai_put_place(j, c);
}

void openai_put_citation(struct json_writer *j, const struct citation *c, size_t index)
{
    json_object(j);
    json_kv_text(j, "type", "file_citation");
    put_citation(j, c, index);
    json_end(j);
}

/* Where the document itself is to be had. */
static void put_url(struct json_writer *j, const struct passage *p)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct str url = p->uri;
    if (p->file_id.len)
        url = arena_printf(tmp, "/v1/files/%.*s/content", STR_FMT(p->file_id));
    else if (str_starts(url, STR("/")))
        url = arena_printf(tmp, "file://%.*s", STR_FMT(url));
    json_kv_str(j, "url", url);
    arena_rewind(tmp, mark);
}

void openai_put_url_citation(struct json_writer *j, const struct citation *c, size_t index)
{
    static const struct str around = STR_INIT("[Source: ]");
    size_t marker = c->bare ? c->bare : around.len + utf8_count(c->passage->name);
    json_object(j);
    json_kv_text(j, "type", "url_citation");
    json_key(j, "url_citation");
    json_object(j);
    put_span(j, "start_index", index - size_min(marker, index), "end_index", index);
    put_url(j, c->passage);
    json_kv_str(j, "title", c->passage->name);
    json_end(j);
    put_citation(j, c, index);
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
