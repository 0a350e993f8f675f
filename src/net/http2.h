/* http2.h - the frames of a server's HTTP/2 connection. nghttp2 is seen by http2.c alone.
 *
 * A session does no input or output and never waits: bytes that came go in with http2_read, which
 * calls the events below; bytes to send come out of http2_write. Answers are pulled: http2_more
 * says that a stream has something, and `fill` is asked for it when the client's window has room.
 *
 * Windows: a request's body may be HTTP2_WINDOW bytes ahead of its reader (http2_consumed opens it
 * again, http2_widen makes it HTTP2_WINDOW_WIDE). The connection's window is opened as bytes come,
 * so that a stream that nobody reads does not hold up another.
 *
 * Floods: each frame that carries nothing (RST_STREAM, PING, SETTINGS, WINDOW_UPDATE, empty DATA, a
 * stream over the limit) costs credit, which time and frames of answers give back; a client without
 * credit is sent away with ENHANCE_YOUR_CALM. nghttp2 bounds rapid resets (CVE-2023-44487),
 * CONTINUATION frames and answers to PING and SETTINGS that the client does not read.
 *
 * Heads are not judged here (see net/http2_head.h); trailers are dropped.
 *
 * Memory:  some 15 KB, more after large frames; what a head or a body holds is the events' user's.
 * Threads: one at a time.
 * Source:  RFC 9113, RFC 7541.
 */
#pragma once

#include "net/http.h"

enum {
    HTTP2_STREAMS = 128, /* at a time on a connection */
    HTTP2_WINDOW = 64 << 10,
    HTTP2_WINDOW_WIDE = 512 << 10,
};

enum http2_error {
    HTTP2_NO_ERROR = 0,
    HTTP2_PROTOCOL = 1,
    HTTP2_INTERNAL = 2,
    HTTP2_REFUSED = 7,
    HTTP2_CANCEL = 8,
};

struct http2;

/* What happens to streams. None of them may call http2_read, http2_write or http2_free; they are
 * not called for a stream any more after http2_forget, nor after `closed`. */
struct http2_events {
    /* A head begins. Returns what the other events are given as `stream`; NULL: refused. */
    void *(*open)(void *ctx, int32_t id);
    void (*field)(void *stream, struct str name, struct str value);
    void (*head)(void *stream, bool end); /* the head is whole; `end`: there is no body */
    void (*data)(void *stream, struct str data);
    void (*end)(void *stream); /* of the body */
    /* Copies at most n bytes of the answer; *last when there will be no more. 0 without *last:
     * nothing now. */
    size_t (*fill)(void *stream, char *to, size_t n, bool *last);
    void (*closed)(void *stream); /* by both sides, or reset by either */
};

struct http2 *http2_new(const struct http2_events *events, void *ctx, uint32_t max_head);
void http2_free(struct http2 *h); /* without further events; accepts NULL */

/* Takes all of `in`. False: the connection is of no use any more; what http2_write still has may
 * tell the client why. */
bool http2_read(struct http2 *h, struct str in, int64_t now_ns);
/* The next bytes to send, valid until the next call; empty: nothing now. */
struct str http2_write(struct http2 *h);
/* The stream whose head has begun and is not whole, 0 = none. */
int32_t http2_in_head(const struct http2 *h);
/* Nothing more will come or go. */
bool http2_over(const struct http2 *h);

/* ---- Streams. What has been closed meanwhile is ignored. ---- */

/* The head of an answer, names in any case. `body`: fill is asked for what follows. */
void http2_reply(struct http2 *h, int32_t id, int status, const struct http_header *headers,
                 size_t n, bool body);
void http2_continue(struct http2 *h, int32_t id); /* 100 */
void http2_more(struct http2 *h, int32_t id);
void http2_consumed(struct http2 *h, int32_t id, size_t n); /* bytes of a body have been read */
void http2_widen(struct http2 *h, int32_t id);
void http2_reset(struct http2 *h, int32_t id, enum http2_error why);
void http2_forget(struct http2 *h, int32_t id);

/* Tells the client to begin no more streams. Those that are on their way are still taken; when it
 * has confirmed, or with http2_goodbye, it is told which was the last. */
void http2_drain(struct http2 *h);
void http2_goodbye(struct http2 *h);
