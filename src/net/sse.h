/* sse.h - server-sent events: split a stream of bytes into events, wherever reads cut it.
 *
 * LF, CR and CRLF end lines; comments and unknown fields are skipped; several data lines are joined
 * by LF; an event that the end of the stream cuts off is not an event.
 *
 * Memory:  an event's fields point into the reader's buffer or the piece just fed, until the next
 * call. Threads: one at a time. Source: WHATWG HTML, section 9.2.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct sse_event {
    struct str event; /* "" when not given */
    struct str data;
    struct str raw; /* the event's bytes as they came, with its blank line; for relaying */
};

struct sse_reader {
    struct buf held; /* what is not yet a whole event */
    struct str in;   /* what was fed and not yet looked at */
    size_t scanned;  /* of held: no event ends before this */
    size_t drop;     /* of held: the event handed out last */
    bool started;    /* a byte order mark has been looked for */
};

void sse_init(struct sse_reader *r, size_t limit); /* bytes of one event at most */
void sse_fini(struct sse_reader *r);
void sse_feed(struct sse_reader *r, struct str piece); /* borrowed until sse_next says 0 */
/* 1 and *ev: an event; 0: feed more; -1: an event over the limit. */
int sse_next(struct sse_reader *r, struct sse_event *ev, struct err *e);
