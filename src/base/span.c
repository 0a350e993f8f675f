#include "base/span.h"

void span_init(struct spans *s, struct arena *a)
{
    *s = (struct spans){.span = arena_array(a, struct span, SPAN_MAX), .open = -1};
}

int span_open(struct spans *s, const char *name, int64_t now_ns)
{
    if (!s->span || s->n == SPAN_MAX) {
        s->lost++;
        return -1;
    }
    s->span[s->n] = (struct span){.name = name, .start_ns = now_ns, .parent = s->open};
    s->open = s->n;
    return s->n++;
}

void span_close(struct spans *s, int handle, int64_t now_ns)
{
    if (handle < 0 || !s->span || s->span[handle].end_ns)
        return;
    int16_t i;
    do { /* what was opened inside and left open by an early return ends with it */
        i = s->open;
        s->span[i].end_ns = now_ns;
        s->open = s->span[i].parent;
    } while (i != handle);
}

void span_drop(struct spans *s)
{
    *s = (struct spans){.open = -1};
}

/* Milliseconds with two decimals, rounded. */
static void put_ms(struct buf *out, int64_t ns)
{
    int64_t hundredths = (ns + 5000) / 10000;
    buf_int(out, hundredths / 100);
    char part[3] = {'.', (char)('0' + hundredths / 10 % 10), (char)('0' + hundredths % 10)};
    buf_add(out, (struct str){part, sizeof(part)});
}

void span_server_timing(const struct spans *s, struct buf *out)
{
    bool any = false;
    for (int i = 1; i < s->n; i++) {
        const struct span *p = &s->span[i];
        if (p->parent != 0 || !p->end_ns)
            continue;
        buf_add(out, any ? STR(", ") : STR_NONE);
        buf_add(out, str_from(p->name));
        buf_add(out, STR(";dur="));
        put_ms(out, p->end_ns - p->start_ns);
        any = true;
    }
}
