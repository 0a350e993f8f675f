/* chat_queue.h - events that wait, with copies of their texts in one buffer.
 *
 * Neighbours of a kind that are pieces of one text become one event.
 *
 * Memory:  the buffer's; a queue is freed with its buffer.
 * Threads: one at a time.
 */
#pragma once

#include "base/buf.h"
#include "model/chat.h"

struct chat_queue {
    struct buf buf;
    size_t last; /* where the last event begins */
};

void chat_queue_init(struct chat_queue *q, size_t limit);
void chat_queue_fini(struct chat_queue *q);
/* Any event but a citation. What goes over the limit shows in buf_ok(&q->buf). */
void chat_queue_put(struct chat_queue *q, const struct chat_event *ev);
/* All of them in order; they stay in the queue. */
bool chat_queue_send(const struct chat_queue *q, struct chat_sink *sink, struct err *e);
