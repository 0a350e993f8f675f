#include "base/span.h"

void span_init(struct spans *s, struct arena *a)
{
    *s = (struct spans){.span = arena_array(a, struct span, SPAN_MAX), .open = -1};
}

int span_open(struct spans *s, const char *name, int64_t now_ns)
{
    if (s->n == SPAN_MAX) {
        s->lost++;
        return -1;
    }
    s->span[s->n] = (struct span){.name = name, .start_ns = now_ns, .parent = s->open};
    s->open = s->n;
    return s->n++;
}

void span_close(struct spans *s, int handle, int64_t now_ns)
{
    if (handle < 0 || s->span[handle].end_ns)
        return;
    int16_t i;
    do { /* what was opened inside and left open by an early return ends with it */
        i = s->open;
        s->span[i].end_ns = now_ns;
        s->open = s->span[i].parent;
    } while (i != handle);
}
