/* vendor.h - what differs among the servers that speak one protocol, as data: addresses, paths,
 * how a key is sent, which fields they spell in their own way.
 *
 * Threads: any; constant.
 * Source:  the vendors' published API documents, as of 2026.
 */
#pragma once

#include "model/chat.h"

struct provider_kind;

enum vendor_trait {
    VENDOR_PREFILL = 1, /* continues an assistant message that ends the conversation */
    VENDOR_CONTINUE_FLAGS =
        2,                  /* ... when add_generation_prompt and continue_final_message say so */
    VENDOR_PREFIX_FLAG = 4, /* ... when that message has "prefix": true, and repeats it */
    VENDOR_NO_STREAM_OPTIONS = 8,  /* refuses stream_options, and reports usage unasked */
    VENDOR_COMPLETION_TOKENS = 16, /* max_completion_tokens instead of max_tokens */
    VENDOR_TOP_K = 32,             /* knows top_k */
    VENDOR_NO_CACHE_MARKERS = 64,  /* caches by itself and refuses cache_control */
    VENDOR_NO_THINKING = 128,      /* refuses past reasoning in messages */
    VENDOR_NO_USER = 256,          /* refuses `user` */
    VENDOR_TOOLS = 512,            /* all its models can call functions */
    VENDOR_PDF = 1024,             /* all its models are shown PDFs */
    VENDOR_DETAILS = 2048,         /* past reasoning is reasoning_details (model/reasoning.h) */
};

struct vendor {
    const char *name; /* `type` in the configuration */
    const struct provider_kind *kind;
    const char *url;        /* where it is unless configured; NULL: must be configured */
    const char *key_header; /* "Authorization: Bearer ", "api-key: " */
    const char *lines;      /* header lines of every request, "" = none */
    /* Below the URL. "{model}" is the name of the model, which then is not needed in the body.
     * NULL: the server has no such thing. */
    const char *path[OP_COUNT];
    const char *models; /* its list of models; NULL: none */
    const char *query;  /* "api-version=" of Azure: its version is configured; "" = none */
    uint16_t port;      /* on which it usually listens on the own machine, 0 = it does not */
    unsigned traits;    /* enum vendor_trait */
};

const struct vendor *vendor_find(struct str name); /* NULL: unknown */
/* Is this vendor's model known to continue an answer that the request has begun? */
bool vendor_prefills(const struct vendor *v, struct str model);
/* What an answer may take when the request does not say and the protocol wants to be told. */
int64_t vendor_answer_tokens(const struct vendor *v, struct str model);
/* Does the model choose how long it thinks when it is told an effort? Others are given tokens. */
bool vendor_takes_effort(const struct vendor *v, struct str model);
/* All of them, for help and discovery. */
const struct vendor *vendor_list(size_t *n);
