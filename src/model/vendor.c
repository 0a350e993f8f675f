#include "model/vendor.h"
#include "model/provider.h"

#define BEARER "Authorization: Bearer "
#define OPENAI_SERVER .kind = &provider_openai, .key_header = BEARER, .models = "/models"
#define CHAT_PATH [OP_CHAT] = "/chat/completions"
#define COMPLETION_PATH [OP_COMPLETION] = "/completions"
#define EMBEDDING_PATH [OP_EMBEDDING] = "/embeddings"
#define MODERATION_PATH [OP_MODERATION] = "/moderations"
#define RERANK_PATH [OP_RERANK] = "/rerank"
#define AZURE_PATH(op) "/openai/deployments/{model}/" op

/* The plain entry comes first: it is what an unnamed server of the protocol is taken for. A cache
 * marker is a wish and no part of the question: who is not known to take it is not sent it. */
static const struct vendor vendors[] = {
    {.name = "openai",
     OPENAI_SERVER,
     .url = "https://api.openai.com/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, MODERATION_PATH},
     .traits = VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING |
               VENDOR_TOOLS | VENDOR_PDF},
    {.name = "openai-compatible",
     OPENAI_SERVER,
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, MODERATION_PATH, RERANK_PATH}},
    {.name = "azure",
     .kind = &provider_openai,
     .key_header = "api-key: ",
     .path = {[OP_CHAT] = AZURE_PATH("chat/completions"),
              [OP_COMPLETION] = AZURE_PATH("completions"),
              [OP_EMBEDDING] = AZURE_PATH("embeddings")},
     .query = "api-version=",
     .traits =
         VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING | VENDOR_TOOLS},

    /* Servers on one's own machines. */
    {.name = "ollama",
     OPENAI_SERVER,
     .url = "http://127.0.0.1:11434/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH},
     .port = 11434,
     .traits = VENDOR_PREFILL},
    {.name = "vllm",
     OPENAI_SERVER,
     .url = "http://127.0.0.1:8000/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, RERANK_PATH},
     .port = 8000,
     .traits = VENDOR_PREFILL | VENDOR_CONTINUE_FLAGS | VENDOR_TOP_K},
    {.name = "sglang",
     OPENAI_SERVER,
     .url = "http://127.0.0.1:30000/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, RERANK_PATH},
     .port = 30000,
     .traits = VENDOR_PREFILL | VENDOR_CONTINUE_FLAGS | VENDOR_TOP_K},
    {.name = "llama.cpp",
     OPENAI_SERVER,
     .url = "http://127.0.0.1:8080/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, RERANK_PATH},
     .port = 8080,
     .traits = VENDOR_PREFILL | VENDOR_TOP_K},
    {.name = "lmstudio",
     OPENAI_SERVER,
     .url = "http://127.0.0.1:1234/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH},
     .port = 1234,
     .traits = VENDOR_TOP_K},
    {.name = "tgi",
     OPENAI_SERVER,
     .url = "http://127.0.0.1:3000/v1",
     .path = {CHAT_PATH, COMPLETION_PATH},
     .port = 3000,
     .traits = VENDOR_NO_CACHE_MARKERS},

    {.name = "tei",
     .kind = &provider_tei,
     .key_header = BEARER,
     .path = {[OP_EMBEDDING] = "/embed", [OP_RERANK] = "/rerank"}},

    /* Services. Mistral's completions are not among its paths: they answer in a form of their own.
     */
    {.name = "mistral",
     OPENAI_SERVER,
     .url = "https://api.mistral.ai/v1",
     .path = {CHAT_PATH, EMBEDDING_PATH, MODERATION_PATH},
     .traits = VENDOR_PREFILL | VENDOR_PREFIX_FLAG | VENDOR_NO_STREAM_OPTIONS |
               VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING | VENDOR_NO_USER | VENDOR_TOOLS},
    {.name = "groq",
     OPENAI_SERVER,
     .url = "https://api.groq.com/openai/v1",
     .path = {CHAT_PATH},
     .traits =
         VENDOR_PREFILL | VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING},
    {.name = "openrouter",
     OPENAI_SERVER,
     .url = "https://openrouter.ai/api/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH},
     .traits = VENDOR_TOP_K | VENDOR_PDF | VENDOR_DETAILS},
    {.name = "deepseek",
     OPENAI_SERVER,
     .url = "https://api.deepseek.com/v1",
     .path = {CHAT_PATH},
     .traits = VENDOR_NO_CACHE_MARKERS | VENDOR_TOOLS},
    {.name = "xai",
     OPENAI_SERVER,
     .url = "https://api.x.ai/v1",
     .path = {CHAT_PATH, COMPLETION_PATH},
     .traits = VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS | VENDOR_TOOLS},
    {.name = "gemini",
     OPENAI_SERVER,
     .url = "https://generativelanguage.googleapis.com/v1beta/openai",
     .path = {CHAT_PATH, EMBEDDING_PATH},
     .traits = VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING | VENDOR_NO_USER | VENDOR_TOOLS},
    {.name = "together",
     OPENAI_SERVER,
     .url = "https://api.together.xyz/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, RERANK_PATH},
     .traits = VENDOR_TOP_K | VENDOR_NO_CACHE_MARKERS},
    {.name = "fireworks",
     OPENAI_SERVER,
     .url = "https://api.fireworks.ai/inference/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, RERANK_PATH},
     .traits = VENDOR_TOP_K | VENDOR_NO_CACHE_MARKERS},
    {.name = "deepinfra",
     OPENAI_SERVER,
     .url = "https://api.deepinfra.com/v1/openai",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH},
     .traits = VENDOR_TOP_K | VENDOR_NO_CACHE_MARKERS},
    {.name = "cerebras",
     OPENAI_SERVER,
     .url = "https://api.cerebras.ai/v1",
     .path = {CHAT_PATH, COMPLETION_PATH},
     .traits = VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING},
    {.name = "nvidia",
     OPENAI_SERVER,
     .url = "https://integrate.api.nvidia.com/v1",
     .path = {CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH},
     .traits = VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING},
    {.name = "moonshot",
     OPENAI_SERVER,
     .url = "https://api.moonshot.ai/v1",
     .path = {CHAT_PATH},
     .traits = VENDOR_NO_CACHE_MARKERS | VENDOR_TOOLS},
    {.name = "huggingface",
     OPENAI_SERVER,
     .url = "https://router.huggingface.co/v1",
     .path = {CHAT_PATH},
     .traits = VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING},
    {.name = "perplexity",
     .kind = &provider_openai,
     .key_header = BEARER,
     .url = "https://api.perplexity.ai",
     .path = {CHAT_PATH},
     .traits = VENDOR_TOP_K | VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING},
    {.name = "cohere", /* OpenAI's protocol below one path, its own re-ranking beside it */
     .kind = &provider_openai,
     .key_header = BEARER,
     .url = "https://api.cohere.com",
     .path = {[OP_CHAT] = "/compatibility/v1/chat/completions",
              [OP_EMBEDDING] = "/compatibility/v1/embeddings",
              [OP_RERANK] = "/v2/rerank"},
     .traits = VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING},
    {.name = "jina",
     OPENAI_SERVER,
     .url = "https://api.jina.ai/v1",
     .path = {EMBEDDING_PATH, RERANK_PATH}},
    {.name = "anthropic",
     .kind = &provider_anthropic,
     .models = "/v1/models",
     .url = "https://api.anthropic.com",
     .key_header = "x-api-key: ",
     .lines = "anthropic-version: 2023-06-01\r\n",
     .path = {[OP_CHAT] = "/v1/messages", [OP_COUNT_TOKENS] = "/v1/messages/count_tokens"},
     .traits = VENDOR_TOP_K | VENDOR_TOOLS | VENDOR_PDF},
    {.name = "static", .kind = &provider_static},
    {.name = "extractive", .kind = &provider_extractive},
};

const struct vendor *vendor_find(struct str name)
{
    for (size_t i = 0; i < COUNT(vendors); i++)
        if (str_eq(str_from(vendors[i].name), name))
            return &vendors[i];
    return NULL;
}

/* Anthropic's models by the beginning of their names; the first that fits counts. Until 4.5 they
 * continued an answer that the request had begun and were told how many tokens to think; later ones
 * refuse the first and choose the second. */
static const struct {
    struct str prefix;
    int64_t answer_tokens; /* the most that all who are meant give */
    bool early;
} claudes[] = {
    {STR_INIT("claude-3-5"), 8192, true},
    {STR_INIT("claude-3-7"), 32000, true},
    {STR_INIT("claude-3"), 4096, true},
    {STR_INIT("claude-sonnet-4-0"), 32000, true},
    {STR_INIT("claude-sonnet-4-2025"), 32000, true},
    {STR_INIT("claude-sonnet-4-5"), 32000, true},
    {STR_INIT("claude-opus-4-0"), 32000, true},
    {STR_INIT("claude-opus-4-2025"), 32000, true},
    {STR_INIT("claude-opus-4-1"), 32000, true},
    {STR_INIT("claude-opus-4-5"), 32000, true},
    {STR_INIT("claude-haiku-4-5"), 32000, true},
    {STR_INIT("claude-"), 32000, false},
};

enum { NO_CLAUDE = COUNT(claudes), UNKNOWN_ANSWER_TOKENS = 4096 };

static size_t claude_of(const struct vendor *v, struct str model)
{
    size_t i = 0;
    if (v->kind != &provider_anthropic)
        return NO_CLAUDE;
    while (i < NO_CLAUDE && !str_starts(model, claudes[i].prefix))
        i++;
    return i;
}

bool vendor_prefills(const struct vendor *v, struct str model)
{
    size_t i = claude_of(v, model);
    return i < NO_CLAUDE ? claudes[i].early : v->traits & VENDOR_PREFILL;
}

int64_t vendor_answer_tokens(const struct vendor *v, struct str model)
{
    size_t i = claude_of(v, model);
    return i < NO_CLAUDE ? claudes[i].answer_tokens : UNKNOWN_ANSWER_TOKENS;
}

bool vendor_takes_effort(const struct vendor *v, struct str model)
{
    size_t i = claude_of(v, model);
    return i < NO_CLAUDE && !claudes[i].early;
}

const struct vendor *vendor_list(size_t *n)
{
    *n = COUNT(vendors);
    return vendors;
}
