#include "model/hold.h"
#include "base/clock.h"

enum { HELD_MOST = 8 << 20 };

static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct hold *h = CONTAINER_OF(sink, struct hold, sink);
    if (h->open)
        return h->next->event(h->next, ev, e);
    int64_t now = clock_now();
    if (h->until_ns == 0)
        h->until_ns = clock_after(now, h->window_ns / NS_PER_MS);
    chat_queue_put(&h->queue, ev);
    if (!buf_ok(&h->queue.buf))
        return err_set(e, ERR_UPSTREAM, "provider '%.*s' sent more at once than can be held back",
                       STR_FMT(h->a->target->provider->name));
    return now < h->until_ns || hold_release(h, e);
}

void hold_init(struct hold *h, struct attempt *a, int64_t window_ms)
{
    *h = (struct hold){.sink = {on_event},
                       .next = a->sink,
                       .a = a,
                       .said = {.keep = a->said->keep},
                       .into = a->said,
                       .window_ns = window_ms * NS_PER_MS};
    buf_init(&h->said.text, a->said->text.limit);
    chat_queue_init(&h->queue, HELD_MOST);
    a->sink = &h->sink;
    a->said = &h->said;
}

bool hold_release(struct hold *h, struct err *e)
{
    if (h->open)
        return true;
    h->open = true;
    buf_fini(&h->into->text);
    *h->into = h->said;
    h->said.text = (struct buf){0};
    h->a->said = h->into;
    bool good = chat_queue_send(&h->queue, h->next, e);
    chat_queue_fini(&h->queue);
    return good;
}

void hold_fini(struct hold *h)
{
    buf_fini(&h->said.text);
    chat_queue_fini(&h->queue);
}
