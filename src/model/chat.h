/* chat.h - the canonical call: what is asked of a model and what comes back, in no dialect.
 *
 * A codec in front fills a chat_request from its protocol; a provider answers with a stream of
 * chat_events; the codec turns them into its protocol again. When both sides speak the same dialect
 * the body passes byte for byte with changed fields spliced in, and the events carry the provider's
 * own bytes, so unknown fields survive.
 *
 * Memory:  everything lives in the call's arena or in the body that was received.
 * Threads: the fiber of the request.
 */
#pragma once

#include "base/json.h"
#include "base/span.h"

enum chat_dialect { CHAT_OPENAI = 1 }; /* what a body is written in */
enum chat_role { CHAT_SYSTEM, CHAT_DEVELOPER, CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

struct chat_message {
    enum chat_role role;
    struct str text;       /* its text parts joined by a blank line */
    struct json_value raw; /* the whole message as received; not there when penstock made it */
};

/* A piece of a document that grounds an answer, in the order in which it is shown to the model. */
struct passage {
    int64_t chunk, document;
    struct str collection;   /* id */
    struct str file_id;      /* "" when it did not come through /v1/files */
    struct str name;         /* what [Source: ...] says; made by prompt_source_name */
    struct str uri, section; /* section: "Install > From source", "" when none */
    struct str text;
    uint32_t page;                 /* from 1, 0 = none */
    uint32_t line_start, line_end; /* from 1, 0 = none */
    uint64_t char_start;           /* of text in the document's text, bytes */
    uint32_t version;              /* of the document */
    uint32_t tokens;
    float score;
};

struct chat_request {
    enum chat_dialect dialect;
    struct str model; /* as asked for */
    struct chat_message *message;
    size_t n_messages;
    bool stream, include_usage; /* include_usage: the client asked for it */
    int64_t max_tokens;         /* 0 = not given */
    struct str user;
    struct json body; /* as received and scanned */
    /* Set by the ground stage: the model answers from these alone. */
    const struct passage *passage;
    size_t n_passages;
    bool grounded;
    struct str question;   /* the standalone question that was searched for */
    struct str asked;      /* its own words, without what was borrowed to make it standalone */
    int64_t prompt_tokens; /* of messages that have been released (model/call.h) */
    size_t n_left_out;     /* messages from the first on that are over the conversation's share */
};

/* What an answer from given passages says when they do not hold it; alone, and without a source. */
#define CHAT_NO_INFORMATION "I don't have enough information to answer that."

struct chat_usage {
    int64_t input, output, cached,
        reasoning; /* tokens; cached and reasoning are parts of the first two */
    bool counted;  /* by us, because the provider did not tell */
};

enum chat_finish {
    CHAT_FINISH_NONE,
    CHAT_FINISH_STOP,
    CHAT_FINISH_LENGTH,
    CHAT_FINISH_TOOLS,
    CHAT_FINISH_CONTENT
};

/* Where a statement of the answer comes from. */
struct citation {
    const struct passage *passage;
    size_t at; /* byte offset in the answer's text: right behind the marker [Source: ...] */
    uint64_t char_start, char_end; /* the supporting span in the document's text, bytes */
    uint32_t line_start, line_end, page;
    struct str quote; /* that span's text */
};

struct chat_event {
    enum chat_event_kind {
        CHAT_TEXT,     /* text: the next piece of the answer */
        CHAT_RAW,      /* raw: whole events of a stream (SSE bytes, one or several), or a whole
                          answer in the call's arena, in the client's dialect. "data: [DONE]" is not
                          among them: who      sends the stream ends it when the answer was good and is
                          accounted for */
        CHAT_CITATION, /* citation */
        CHAT_FINISH,   /* finish; exactly one ends a good answer that is not raw */
    } kind;
    struct str text, raw;
    const struct citation *citation;
    enum chat_finish finish;
};

/* Receives the events of one answer in order; keeps nothing in the call's arena, and no pointer
 * into an event but of a whole raw answer. False stops the provider: *e tells why. */
struct chat_sink {
    bool (*event)(struct chat_sink *sink, const struct chat_event *ev, struct err *e);
};
