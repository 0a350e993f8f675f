/* sse.h - server-sent events: split a stream of bytes into events, wherever reads cut it.
 *
 * LF, CR and CRLF end lines; comments and unknown fields are skipped; several data lines are joined
 * by LF; a block without data, and one that the end of the stream cuts off, is not an event. An
 * event is handed out as soon as its blank line is there: when that ends in CR and an LF follows in
 * the next read, the LF is the first byte of the next event's `raw`.
 *
 * An event that lies wholly in the piece just fed is not copied (but for joining data lines), and a
 * reader that waits between events holds no memory.
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
    size_t limit;
    struct buf held;   /* the front of an event whose end has not come */
    struct buf joined; /* its data lines when there are several */
    struct str in;     /* what was fed and not yet looked at */
    bool in_line;      /* the line that `in` goes on with has bytes already */
    bool after_cr;     /* an LF at the start of `in` belongs to the CR before it */
    bool tail;         /* ... and is the first byte of this block */
    bool lent;         /* the last event lies in `held` */
    bool started;      /* a byte order mark has been looked for ... */
    uint8_t mark;      /* ... of which so many bytes have come */
    bool over;         /* an event went over the limit */
};

void sse_init(struct sse_reader *r, size_t limit); /* bytes of one event at most */
void sse_fini(struct sse_reader *r);
/* Only when sse_next has said 0. The piece is borrowed until it says so again. */
void sse_feed(struct sse_reader *r, struct str piece);
/* 1 and *ev: an event; 0: feed more; -1: an event over the limit (ERR_UPSTREAM), for good. */
int sse_next(struct sse_reader *r, struct sse_event *ev, struct err *e);
