#include "model/vendor.h"
#include "model/provider.h"

#define BEARER "Authorization: Bearer "
#define OPENAI_PATHS                                                                               \
    {                                                                                              \
        [OP_CHAT] = "/chat/completions", [OP_COMPLETION] = "/completions",                         \
        [OP_EMBEDDING] = "/embeddings", [OP_MODERATION] = "/moderations", [OP_RERANK] = "/rerank", \
    }
#define AZURE_PATH(op) "/openai/deployments/{model}/" op

/* The plain entry comes first: it is what an unnamed server of the protocol is taken for. */
static const struct vendor vendors[] = {
    {.name = "openai",
     .kind = &provider_openai,
     .models = "/models",
     .url = "https://api.openai.com/v1",
     .key_header = BEARER,
     .path = OPENAI_PATHS,
     .traits = VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING},
    {.name = "openai-compatible",
     .kind = &provider_openai,
     .models = "/models",
     .key_header = BEARER,
     .path = OPENAI_PATHS},
    {.name = "azure",
     .kind = &provider_openai,
     .key_header = "api-key: ",
     .path = {[OP_CHAT] = AZURE_PATH("chat/completions"),
              [OP_COMPLETION] = AZURE_PATH("completions"),
              [OP_EMBEDDING] = AZURE_PATH("embeddings")},
     .query = "api-version=",
     .traits = VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS},
    {.name = "ollama",
     .kind = &provider_openai,
     .models = "/models",
     .url = "http://127.0.0.1:11434/v1",
     .key_header = BEARER,
     .path = {[OP_CHAT] = "/chat/completions",
              [OP_COMPLETION] = "/completions",
              [OP_EMBEDDING] = "/embeddings"},
     .port = 11434,
     .traits = VENDOR_PREFILL},
    {.name = "vllm",
     .kind = &provider_openai,
     .models = "/models",
     .url = "http://127.0.0.1:8000/v1",
     .key_header = BEARER,
     .path = OPENAI_PATHS,
     .port = 8000,
     .traits = VENDOR_PREFILL | VENDOR_CONTINUE_FLAGS | VENDOR_TOP_K},
    {.name = "llama.cpp",
     .kind = &provider_openai,
     .models = "/models",
     .url = "http://127.0.0.1:8080/v1",
     .key_header = BEARER,
     .path = OPENAI_PATHS,
     .port = 8080,
     .traits = VENDOR_PREFILL | VENDOR_TOP_K},
    {.name = "lmstudio",
     .kind = &provider_openai,
     .models = "/models",
     .url = "http://127.0.0.1:1234/v1",
     .key_header = BEARER,
     .path = {[OP_CHAT] = "/chat/completions",
              [OP_COMPLETION] = "/completions",
              [OP_EMBEDDING] = "/embeddings"},
     .port = 1234,
     .traits = VENDOR_TOP_K},
    {.name = "tgi",
     .kind = &provider_openai,
     .models = "/models",
     .url = "http://127.0.0.1:3000/v1",
     .key_header = BEARER,
     .path = {[OP_CHAT] = "/chat/completions", [OP_COMPLETION] = "/completions"},
     .port = 3000},
    {.name = "mistral",
     .kind = &provider_openai,
     .models = "/models",
     .url = "https://api.mistral.ai/v1",
     .key_header = BEARER,
     .path = {[OP_CHAT] = "/chat/completions",
              [OP_COMPLETION] = "/fim/completions",
              [OP_EMBEDDING] = "/embeddings",
              [OP_MODERATION] = "/moderations"},
     .traits = VENDOR_PREFILL | VENDOR_PREFIX_FLAG | VENDOR_NO_STREAM_OPTIONS |
               VENDOR_NO_CACHE_MARKERS | VENDOR_NO_THINKING | VENDOR_NO_USER},
    {.name = "groq",
     .kind = &provider_openai,
     .models = "/models",
     .url = "https://api.groq.com/openai/v1",
     .key_header = BEARER,
     .path = {[OP_CHAT] = "/chat/completions"},
     .traits = VENDOR_PREFILL | VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS},
    {.name = "openrouter",
     .kind = &provider_openai,
     .models = "/models",
     .url = "https://openrouter.ai/api/v1",
     .key_header = BEARER,
     .path = {[OP_CHAT] = "/chat/completions",
              [OP_COMPLETION] = "/completions",
              [OP_EMBEDDING] = "/embeddings"},
     .traits = VENDOR_TOP_K},
    {.name = "deepseek",
     .kind = &provider_openai,
     .models = "/models",
     .url = "https://api.deepseek.com/v1",
     .key_header = BEARER,
     .path = {[OP_CHAT] = "/chat/completions"},
     .traits = VENDOR_NO_CACHE_MARKERS},
    {.name = "cohere",
     .kind = &provider_openai,
     .models = "/models",
     .url = "https://api.cohere.com/compatibility/v1",
     .key_header = BEARER,
     .path = {[OP_CHAT] = "/chat/completions", [OP_EMBEDDING] = "/embeddings"}},
    {.name = "anthropic",
     .kind = &provider_anthropic,
     .models = "/v1/models",
     .url = "https://api.anthropic.com",
     .key_header = "x-api-key: ",
     .lines = "anthropic-version: 2023-06-01\r\n",
     .path = {[OP_CHAT] = "/v1/messages", [OP_COUNT_TOKENS] = "/v1/messages/count_tokens"},
     .traits = VENDOR_TOP_K},
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
