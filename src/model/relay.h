/* relay.h - a provider's event stream on its way to the client: what both dialects share.
 *
 * Each event is looked at once. What needs no change is passed on as it came, neighbours in one
 * piece; what is made here (another name for the model, canonical events) is collected and goes out
 * when the piece has been looked at, as looking never waits and sending may.
 *
 * Functions with large frames are kept out of line: what a stream that waits has on its stack is
 * multiplied by the number of streams.
 *
 * Memory:  a stream that waits holds none beside its structs.
 * Threads: the fiber of the attempt.
 */
#pragma once

#include "model/chat_queue.h"
#include "model/provider.h"
#include "net/sse.h"

enum { RELAY_ANSWER_MOST = 64 << 20, RELAY_EVENT_MOST = 8 << 20 };

struct relay {
    struct attempt *a;
    /* Looks at one event: passes it on, or what it says, with the functions below. `tmp` goes when
     * it returns. False: *e tells why the stream is given up. */
    bool (*look)(struct relay *r, const struct sse_event *ev, struct str piece, struct arena *tmp,
                 struct err *e);
    bool decode;            /* canonical events instead of the provider's bytes */
    bool complete;          /* set by look: all that makes an answer whole has come ... */
    bool done;              /* ... and so has the mark that ends the stream */
    bool usage_known;       /* the provider told */
    size_t counted;         /* tokens of the answer, as we count them */
    struct str run;         /* events to pass on as they are: a stretch of the piece */
    struct chat_queue made; /* what was made here: bytes alone, or when decoding events */
};

/* Reads the answer to its end. A stream without its end mark is good when it is complete: it is
 * then waited for half a second, and no longer. */
bool relay_stream(struct relay *r, struct http_exchange *x, struct err *e);

/* What is put and made between these goes out in one piece; relay_stream does so for each piece
 * that comes. */
void relay_begin(struct relay *r);
bool relay_flush(struct relay *r, struct err *e);

/* For look. */
void relay_pass(struct relay *r, struct str raw, struct str piece); /* an event as it came */
struct buf *relay_make(struct relay *r); /* to append a whole event that was made here */
void relay_make_event(struct relay *r, struct str name, struct str data); /* name "" = none */
void relay_put(struct relay *r, const struct chat_event *ev);             /* copied */

/* One event into the sink, now. */
bool relay_send(struct attempt *a, const struct chat_event *ev, struct err *e);

/* Sends the body and reads the head of the answer. `more`: header lines beside the provider's. */
bool relay_ask(struct attempt *a, struct http_exchange **x, struct str more, const struct str *part,
               size_t n, struct err *e);

/* Is the answer's model what the client asked for? */
bool relay_is_model(const struct attempt *a, struct json_value model);

/* A number of tokens that a provider tells; false for what cannot be one. */
bool relay_tokens(struct json_value v, int64_t *n);
/* Tokens of a text as it stands between quotes in JSON; 0 for anything but a text. Once the
 * provider has told its usage, only whether there are any: 1. */
size_t relay_count(const struct relay *r, struct json_value v);
size_t relay_count_text(const struct relay *r, struct str text);
/* For those who do not tell, and for streams that were broken off: what was told of the input
 * stays. */
void relay_count_usage(struct relay *r);

/* Errors. Each returns false. */
bool relay_malformed(const struct attempt *a, const char *what, struct err *e);
/* The connection failed: its reason names an address, which is for our log, not for clients. */
bool relay_broke_off(const struct attempt *a, struct err *e);
/* A status other than 200. */
bool relay_refused(const struct attempt *a, struct http_exchange *x, struct err *e);
/* A document where a stream was asked for: servers that know none, pages of proxies. Its error
 * object is passed to `in_answer`. */
bool relay_no_stream(const struct attempt *a, struct http_exchange *x, struct err *e);
bool relay_is_stream(const struct http_exchange *x);

/* The text as a JSON string, in `a`. */
struct str relay_quoted(struct str s, struct arena *a);
