#include "model/chat_queue.h"

/* An event in the buffer, its texts behind it. */
struct entry {
    enum chat_event_kind kind;
    enum chat_finish finish;
    size_t id, name, stop, text; /* lengths, in this order */
};

void chat_queue_init(struct chat_queue *q, size_t limit)
{
    buf_init(&q->buf, limit);
    q->last = 0;
}

void chat_queue_fini(struct chat_queue *q)
{
    buf_fini(&q->buf);
}

static bool is_piece(enum chat_event_kind kind)
{
    return kind == CHAT_TEXT || kind == CHAT_REFUSAL || kind == CHAT_THINKING ||
           kind == CHAT_ARGUMENTS || kind == CHAT_RAW;
}

static struct str text_of(const struct chat_event *ev)
{
    return ev->kind == CHAT_RAW ? ev->raw : ev->text;
}

static bool join(struct chat_queue *q, const struct chat_event *ev)
{
    struct entry last;
    if (q->buf.len == 0 || !is_piece(ev->kind))
        return false;
    memcpy(&last, q->buf.p + q->last, sizeof(last));
    if (last.kind != ev->kind || !buf_add(&q->buf, text_of(ev)))
        return false;
    last.text += text_of(ev).len;
    memcpy(q->buf.p + q->last, &last, sizeof(last));
    return true;
}

void chat_queue_put(struct chat_queue *q, const struct chat_event *ev)
{
    CHECK(ev->kind != CHAT_CITATION);
    if (join(q, ev) || !buf_ok(&q->buf))
        return;
    const struct entry entry = {ev->kind,     ev->finish,   ev->id.len,
                                ev->name.len, ev->stop.len, text_of(ev).len};
    q->last = q->buf.len;
    buf_add(&q->buf, (struct str){(const char *)&entry, sizeof(entry)});
    buf_add(&q->buf, ev->id);
    buf_add(&q->buf, ev->name);
    buf_add(&q->buf, ev->stop);
    buf_add(&q->buf, text_of(ev));
}

static struct str cut(struct str *s, size_t len)
{
    struct str head = str_head(*s, len);
    *s = str_from_at(*s, len);
    return head;
}

bool chat_queue_send(const struct chat_queue *q, struct chat_sink *sink, struct err *e)
{
    struct str rest = buf_str(&q->buf);
    while (rest.len > 0) {
        struct entry entry;
        memcpy(&entry, cut(&rest, sizeof(entry)).p, sizeof(entry));
        struct chat_event ev = {.kind = entry.kind, .finish = entry.finish};
        ev.id = cut(&rest, entry.id);
        ev.name = cut(&rest, entry.name);
        ev.stop = cut(&rest, entry.stop);
        *(ev.kind == CHAT_RAW ? &ev.raw : &ev.text) = cut(&rest, entry.text);
        if (!sink->event(sink, &ev, e))
            return false;
    }
    return true;
}
