/* answer.h - from a question to grounded passages, and from an answer back to its sources.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "answer/retrieve.h"
#include "model/call.h"

struct answer_options {
    size_t passages;         /* at most; default 5 */
    uint32_t context_tokens; /* the model's window; default 8192 */
    float instruction_share, conversation_share, context_share; /* 0.30, 0.20, 0.50 */
};

/* The ground stage: takes the question from the conversation, retrieves passages for it (`query`
 * says from where and how; its text and k are set here), fits the best into the context budget
 * (neighbours merged, duplicates dropped) and sets req.passage, req.question, req.asked,
 * req.grounded. No hit is not a failure: the model is then told that it has no context. Where the
 * model is to look itself (SEARCH_CALLED) there is no search. */
bool answer_ground(const struct retriever *from, const struct retrieve_query *query,
                   const struct answer_options *opt, struct call *c, struct err *e);

struct answer_found {
    const struct passage *passage; /* best first */
    size_t n;
    bool full; /* nothing was looked for, as the model's window has no room for it */
};

/* A search that the model called, by one or several texts: what is found is added behind
 * req.passage. The call is grounded. */
bool answer_search(const struct retriever *from, const struct retrieve_query *query,
                   const struct answer_options *opt, struct call *c, const struct str *text,
                   size_t n, struct answer_found *out, struct err *e);

/* What becomes of a sentence that the passages do not support. */
#define ANSWER_POLICIES(X)                                                                         \
    X(FLAG, "flag")     /* it goes out, and CHAT_UNSUPPORTED behind it */                          \
    X(DROP, "drop")     /* it does not, nor do the citations behind it */                          \
    X(REFUSE, "refuse") /* nor does what would follow: the answer ends there, by content */
#define X(name, text) ANSWER_##name,
enum answer_policy { ANSWER_POLICIES(X) ANSWER_POLICY_COUNT };
#undef X
/* ANSWER_POLICY_COUNT for what is none. */
enum answer_policy answer_policy_from(struct str name);

/* In front of the cite stage: a sink that holds each sentence until it is complete and checked
 * against the passages (answer/evidence.h), and no longer. An answer that is left with nothing says
 * that the passages do not hold it. One that is not streamed is refused as a whole. */
struct chat_sink *answer_vet(struct call *c, enum answer_policy policy, struct chat_sink *next);

/* The cite stage: a sink in front of `next` that finds [Source: name] in the text, checks each
 * against the passages (unknown sources are taken out), resolves the rest to document, section or
 * page, lines and character span of the best supporting sentence, and sends CHAT_CITATION behind
 * the text they belong to. Holds text back only while it could still be a citation. */
struct chat_sink *answer_cite(struct call *c, struct chat_sink *next);

/* Behind the cite stage: an answer that ends without a citation is held against the passages, and
 * each sentence that one of them supports by itself is credited to it, in front of CHAT_FINISH. */
struct chat_sink *answer_credit(struct call *c, struct chat_sink *next);
