/* responses_read.h - reads the body of POST /v1/responses.
 *
 * Everything is read in full, as the canonical call is all that a provider of any protocol gets:
 * what has no place in it is refused by name. Not offered yet, and refused: conversations, answers
 * in the background, prompts that are kept, and tools but functions and file_search.
 *
 * Memory:  the request borrows from the body and the arena.
 * Errors:  ERR_MISSING and ERR_INVALID with the field's path in `param`: "tools[1].name".
 * Threads: the fiber of the request.
 * Source:  OpenAI's Responses API.
 */
#pragma once

#include "answer/retrieve.h"
#include "gateway/knowledge.h"
#include "gateway/responses_items.h"

/* The tool file_search; no stores: it was not given, or is not to be used. */
struct responses_search {
    enum responses_choice {
        CHOSEN_FREELY,
        CHOSEN_TOOLS,
        CHOSEN_SEARCH
    } choice;           /* tool_choice: a
call is wanted; this one is */
    int64_t calls_most; /* max_tool_calls, 0 = not given */
    struct str store[KNOWLEDGE_MOST];
    size_t n_stores, index;      /* index: among the tools */
    int64_t most;                /* results, 0 = as configured */
    struct retrieve_query query; /* its ranking_options */
    struct json_value filters;
};

/* What a request says beside the canonical call. */
struct responses {
    struct str instructions, previous; /* previous: the response it continues; "" = none */
    bool keep;                         /* `store` */
    bool results;                      /* show what a search found */
    bool truncate;                     /* leave out the oldest of what is over ... */
    int64_t room;                      /* ... so many tokens; set by the caller */
    struct responses_search search;
    struct responses_items items;
};

/* All but the input: `body` has been parsed and is an object; *req and *q are zeroed. The
 * instructions stand in front in q->items; what came before the request is to be added there. */
bool responses_read(struct chat_request *req, const struct json *body, struct responses *q,
                    struct arena *a, struct err *e);
/* The input behind that. Then the request is whole. */
bool responses_read_input(struct chat_request *req, struct responses *q);
