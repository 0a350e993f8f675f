/* chat.h - the canonical call: what is asked of a model and what comes back, in no dialect.
 *
 * A codec in front fills a chat_request from its protocol; a provider answers with a stream of
 * chat_events; the codec turns them into its protocol again. When both sides speak the same dialect
 * the body passes byte for byte with changed fields spliced in, and the events carry the provider's
 * own bytes, so unknown fields survive. Only when they differ is the request read in full
 * (chat_request.expand), and then a field that has no place here is refused by name.
 *
 * Memory:  everything lives in the call's arena or in the body that was received.
 * Threads: the fiber of the request.
 */
#pragma once

#include "base/json.h"
#include "base/span.h"
#include "text/lang.h"

enum chat_dialect {
    CHAT_NO_DIALECT, /* of engines inside, which take and give canonical calls alone */
    CHAT_OPENAI,
    CHAT_ANTHROPIC,
    CHAT_RESPONSES /* OpenAI's newer one: of clients alone, no provider is spoken to in it */
};
enum chat_role { CHAT_SYSTEM, CHAT_DEVELOPER, CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

/* What a call asks for. Names as OpenTelemetry's gen_ai.operation.name has them. */
#define CHAT_OPS(X)                                                                                \
    X(CHAT, "chat")                                                                                \
    X(COMPLETION, "text_completion")                                                               \
    X(EMBEDDING, "embeddings")                                                                     \
    X(MODERATION, "moderation")                                                                    \
    X(RERANK, "rerank")                                                                            \
    X(COUNT_TOKENS, "count_tokens")
#define X(name, text) OP_##name,
enum chat_op { CHAT_OPS(X) OP_COUNT };
#undef X
const char *chat_op_name(enum chat_op op);

/* A piece of a message, once a request is read in full. `cache` is a cache marker as the dialects
 * spell it ({"type":"ephemeral"}), "" for none. */
struct chat_part {
    enum chat_part_kind {
        PART_TEXT,              /* text */
        PART_REFUSAL,           /* text; of the assistant */
        PART_IMAGE,             /* url; or data (base64) with media_type; detail in `name` */
        PART_AUDIO,             /* data with media_type "wav", "mp3" */
        PART_FILE,              /* url, or data with media_type, or file id in `id`; name; or plain
                                   text in `text` with media_type text/plain */
        PART_TOOL_CALL,         /* id, name; text: the arguments as the model wrote them */
        PART_TOOL_RESULT,       /* id of the call; text, or inner parts (texts, images); failed */
        PART_THINKING,          /* text, signature */
        PART_REDACTED_THINKING, /* data */
    } kind;
    bool failed;
    struct str text, id, name, media_type, data, url, signature, cache;
    struct chat_part *part; /* of a tool's result, when it is not text alone */
    size_t n_parts;
};

struct chat_message {
    enum chat_role role;
    struct str text;        /* its text parts joined by a blank line */
    struct json_value raw;  /* the whole message as received; not there when penstock made it */
    struct chat_part *part; /* when the request was read in full */
    size_t n_parts;
};

struct chat_tool {
    struct str name, description, schema /* JSON */, cache;
    bool strict;
};

enum chat_tool_choice { CHOICE_DEFAULT, CHOICE_AUTO, CHOICE_NONE, CHOICE_REQUIRED, CHOICE_NAMED };
enum chat_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_SCHEMA };

/* What else a request says, once it is read in full. Numbers are spelled as received, "" = not
 * given, so that no digit is lost on the way. */
struct chat_options {
    struct str temperature, top_p, top_k, seed, frequency_penalty, presence_penalty;
    struct str *stop;
    size_t n_stop;
    struct chat_tool *tool;
    size_t n_tools;
    enum chat_tool_choice tool_choice;
    struct str tool_name;    /* of CHOICE_NAMED */
    bool one_tool_at_a_time; /* no parallel calls */
    struct str effort;       /* of reasoning: "none", "minimal", "low", "medium", "high"; or ... */
    int64_t thinking_tokens; /* ... how much of it, 0 = not given */
    enum chat_format format;
    struct str format_name, format_schema; /* of FORMAT_SCHEMA; the schema is JSON */
    bool format_strict;
};

/* A piece of a document that grounds an answer, in the order in which it is shown to the model. */
struct passage {
    int64_t chunk, document;
    struct str collection;   /* id */
    struct str file_id;      /* "" when it did not come through /v1/files */
    struct str name;         /* what [Source: ...] says; made by prompt_source_name */
    struct str uri, section; /* section: "Install > From source", "" when none */
    struct str attributes;   /* of the document, JSON object; "" = none */
    struct str text;
    enum lang lang;                /* as its document says; LANG_OTHER: not known */
    uint32_t page;                 /* from 1, 0 = none */
    uint32_t line_start, line_end; /* from 1, 0 = none */
    uint64_t char_start;           /* of text in the document's text, bytes */
    uint32_t version;              /* of the document */
    struct str document_hash;      /* SHA-256 of its bytes, hexadecimal; "" = not known */
    uint32_t tokens;
    float score;
    float keyword; /* what the keyword search gave it; 0 = it was not found by keywords */
};

/* How an answer from documents comes to its passages. */
enum chat_searching {
    SEARCH_FIRST, /* they are looked for before the model is asked */
    SEARCH_MORE,  /* so, and the model may call for more */
    SEARCH_CALLED /* the model calls for them, or does not */
};

struct chat_request {
    enum chat_op op;
    enum chat_dialect dialect;
    bool stream, include_usage; /* include_usage: the client asked for it */
    bool files;                 /* a message names a file by an id, which may be ours */
    bool rigid; /* an answer cannot be taken up: several choices, log-probabilities, a set form */
    struct str model; /* as asked for */
    struct chat_message *message;
    size_t n_messages;
    /* Of all but chats: a message for each input, in order (prompts, texts to embed or to moderate;
     * of a rerank its query, then its documents). Its text is "" when it came as tokens. */
    size_t n_inputs;    /* what the answer's indexes count: messages, but for a rerank's query */
    size_t n_wanted;    /* items that a whole answer has; 0 = not known */
    int64_t max_tokens; /* 0 = not given */
    struct str user;
    struct str betas; /* anthropic-beta of the client, "" = none */
    struct json body; /* as received and scanned */
    /* Reads the body in full, for a provider of another dialect: fills the messages' parts and
     * `options`, in `a`. ERR_INVALID names the field that has no place in the canonical call. Set
     * by the codec; NULL: this kind of call exists in one dialect only. */
    bool (*expand)(struct chat_request *r, struct arena *a, struct err *e);
    struct chat_options *options; /* NULL until expanded */
    /* Set by the ground stage: the model answers from these alone. */
    const struct passage *passage;
    size_t n_passages;
    bool grounded, tools;  /* tools: and from what the functions that it may call return */
    uint8_t searching;     /* enum chat_searching */
    uint32_t n_beside;     /* of the passages: the last ones, which searches returned that the model
                              called; the others stand with the question */
    struct str question;   /* the standalone question that was searched for */
    struct str asked;      /* its own words, without what was borrowed to make it standalone */
    int64_t prompt_tokens; /* of released messages (model/call.h), of tools and images, and what
                              came as tokens */
    size_t n_left_out;     /* messages from the first on that are over the conversation's share */
};

/* What an answer from given passages says when they do not hold it; alone, and without a source. */
#define CHAT_NO_INFORMATION "I don't have enough information to answer that."

/* Tokens. `input` is all that was read; cached and cache_write are the parts of it that came from
 * the provider's prompt cache or were put there; reasoning is a part of output. */
struct chat_usage {
    int64_t input, output, cached, cache_write, reasoning;
    bool counted; /* by us, because the provider did not tell */
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
    /* A citation that no marker asked for comes when its text has gone by: `behind` characters
     * (code points) came since, and it speaks for the `bare` ones in front of its place. */
    size_t behind, bare;           /* 0: it comes right behind its marker */
    uint64_t char_start, char_end; /* the supporting span in the document's text, bytes */
    uint32_t line_start, line_end, page;
    struct str quote; /* that span's text */
};

/* A sentence of the answer that the passages do not support; its text has just gone out. */
struct unsupported {
    struct str sentence;
    const char
        *reason; /* "number", "date", "name", "quotation": `what` is in no passage; "support" */
    struct str what;
    float score;       /* 0..1: how well the passages support its words */
    size_t start, end; /* characters of the answer's text, by the cite stage; before
                           it `start` is those of white space in front */
};

/* A search that the model has called for. */
struct chat_search {
    const struct str *query;
    size_t n_queries;
    const struct passage *passage; /* what was found, once it is done */
    size_t n_passages;
    bool done;
};

struct chat_event {
    enum chat_event_kind {
        CHAT_TEXT,        /* text: the next piece of the answer */
        CHAT_REFUSAL,     /* text: the next piece of a refusal */
        CHAT_THINKING,    /* text: the next piece of reasoning */
        CHAT_SIGNATURE,   /* text: the signature of the reasoning before it */
        CHAT_REDACTED,    /* text: reasoning that only its provider can read, whole */
        CHAT_TOOL_CALL,   /* id, name: a tool call begins; its arguments follow */
        CHAT_ARGUMENTS,   /* text: the next piece of the arguments of the call begun last */
        CHAT_RAW,         /* raw: whole events of a stream (SSE bytes, one or several), or a whole
                             answer in the call's arena, in the client's dialect. What ends a stream of
                             the dialect ("data: [DONE]", message_stop) is not among them: who sends
                             the stream ends it when the answer was good and is accounted for */
        CHAT_CITATION,    /* citation */
        CHAT_UNSUPPORTED, /* unsupported */
        CHAT_SEARCH,      /* search: twice for each, before it is made and when it is done */
        CHAT_FINISH,      /* finish, stop: exactly one ends a good answer that is not raw */
    } kind;
    struct str text, raw, id, name;
    union { /* by kind */
        const struct citation *citation;
        const struct unsupported *unsupported;
        const struct chat_search *search;
    };
    enum chat_finish finish;
    struct str stop; /* the stop sequence that ended it, "" = none */
    bool last;       /* raw: the end of the stream follows at once */
};

/* Receives the events of one answer in order; keeps nothing in the call's arena, and no pointer
 * into an event but of a whole raw answer. False stops the provider: *e tells why. */
struct chat_sink {
    bool (*event)(struct chat_sink *sink, const struct chat_event *ev, struct err *e);
};
