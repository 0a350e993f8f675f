/* responses_items.h - a conversation as OpenAI's Responses have it: items in, canonical messages
 * out.
 *
 *     message {role, content: text or parts}        a message
 *     reasoning, message, function_call             one message of the assistant, while they follow
 *                                                   each other
 *     function_call_output                          a message with a tool's result
 *     item_reference                                the item that it names
 *     file_search_call                              nothing: what was found is searched for again
 *
 * Other kinds are refused by name. Items are read in full, as no provider is sent the body itself.
 *
 * Memory:  messages live in the arena and point into the items, which must stay.
 * Errors:  ERR_MISSING and ERR_INVALID with the path in `param`: "input[2].content[0].text".
 * Threads: the fiber of the request.
 * Source:  OpenAI's Responses API.
 */
#pragma once

#include "gateway/member.h"

/* How `encrypted_content` of reasoning begins here: what its maker signed it with, or reasoning
 * that only its maker can read. */
#define RESPONSES_SIGNATURE "s."
#define RESPONSES_REDACTED "r."

struct responses_items {
    struct arena *a;
    struct err *e;
    struct chat_message *message; /* so far */
    size_t n;
    int64_t tokens;          /* of what is not in a message's text: calls, images */
    struct json_value input; /* as it was added, and ... */
    struct json_value *item; /* ... its items, with those that references name in their place */
    size_t n_items;
    /* Finds the item that a reference names: false with *e. */
    bool (*find)(void *ctx, struct str id, struct json_value *item, struct err *e);
    /* Puts the content of a file in the place of its id, for parts that name one; NULL: the id
     * stays. False with *e. */
    bool (*attach)(void *ctx, struct chat_part *p, const struct member_at *at, struct err *e);
    void *ctx;
};

/* A message of a text alone, as `instructions` are. */
void responses_items_text(struct responses_items *x, enum chat_role role, struct str text);
/* The input of the request, at `at`: the items of a list, or one text of the user's. Once. */
bool responses_items_add(struct responses_items *x, struct json_value v,
                         const struct member_at *at);
/* One item; references are not allowed in it. */
bool responses_items_one(struct responses_items *x, struct json_value item,
                         const struct member_at *at);
/* Has each result of a tool its call? Then the messages are the request's. */
bool responses_items_finish(struct responses_items *x, struct chat_request *r);

/* Leaves out the oldest messages until the rest has about `tokens`; what stays begins with a
 * message of the user's, and the last of these stays always, as do instructions. */
void responses_items_truncate(struct responses_items *x, int64_t tokens);

/* The input again, as it is kept and listed: messages with their type and parts, each item with an
 * id, which is made of `token` (that of the response) and its number when it has none. */
void responses_items_write(const struct responses_items *x, struct json_writer *w,
                           struct str token);
