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
     .traits = VENDOR_COMPLETION_TOKENS | VENDOR_NO_CACHE_MARKERS},
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
     .traits =
         VENDOR_PREFILL | VENDOR_PREFIX_FLAG | VENDOR_NO_STREAM_OPTIONS | VENDOR_NO_CACHE_MARKERS},
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

bool vendor_prefills(const struct vendor *v, struct str model)
{
    (void)model;
    return v->traits & VENDOR_PREFILL;
}

const struct vendor *vendor_list(size_t *n)
{
    *n = COUNT(vendors);
    return vendors;
}
