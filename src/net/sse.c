/* Two passes: the first looks for the blank line that ends a block, across reads; the second takes
 * the lines of the finished block apart. Both hop from line end to line end with memchr, so a byte
 * of a long line costs a fraction of a nanosecond. */
#include "net/sse.h"
#include "base/mem.h"

/* Held memory above this is given back after the event; below it serves the next cut event. */
enum { KEEP = 4096 };

void sse_init(struct sse_reader *r, size_t limit)
{
    *r = (struct sse_reader){.limit = limit};
    buf_init(&r->held, limit);
    buf_init(&r->joined, limit);
}

void sse_fini(struct sse_reader *r)
{
    buf_fini(&r->held);
    buf_fini(&r->joined);
}

void sse_feed(struct sse_reader *r, struct str piece)
{
    CHECK(r->in.len == 0);
    r->in = piece;
    r->eol = (struct sse_eol){0};
}

static const char *find(const char *from, const char *end, char c)
{
    const char *hit = memchr(from, c, (size_t)(end - from));
    return hit ? hit : end;
}

/* The first CR or LF in [at, end), or end. Each byte is looked at twice in all, however many lines
 * there are. */
static const char *line_end(struct sse_eol *eol, const char *at, const char *end)
{
    if (!eol->lf || eol->lf < at)
        eol->lf = find(at, end, '\n');
    if (!eol->cr || eol->cr < at)
        eol->cr = find(at, end, '\r');
    return eol->lf < eol->cr ? eol->lf : eol->cr;
}

/* How many bytes of `in` the current block takes up to and with its blank line; 0 when it goes on
 * behind `in`. */
static size_t block_end(struct sse_reader *r)
{
    const char *at = r->in.p, *end = r->in.p + r->in.len;
    while (at < end) {
        bool tail = r->after_cr && *at == '\n';
        r->after_cr = false;
        if (tail) {
            at++;
            continue;
        }
        const char *eol = line_end(&r->eol, at, end);
        bool blank = eol == at && !r->in_line;
        r->in_line = eol == end;
        if (eol == end)
            return 0;
        at = eol + 1;
        r->after_cr = *eol == '\r';
        if (r->after_cr && at < end && *at == '\n') {
            r->after_cr = false;
            at++;
        }
        if (blank)
            return (size_t)(at - r->in.p);
    }
    return 0;
}

/* Is this line `name: value`? One space behind the colon is not part of the value. */
static bool field(struct str line, struct str name, struct str *value)
{
    if (!str_starts(line, name))
        return false;
    *value = str_from_at(line, name.len);
    if (value->len == 0)
        return true;
    if (value->p[0] != ':')
        return false;
    *value = str_from_at(*value, value->len > 1 && value->p[1] == ' ' ? 2 : 1);
    return true;
}

/* Fills *ev from a whole block; false when it has no data. Data lines together are shorter than the
 * block, so joining stays inside the limit. */
static bool parse(struct sse_reader *r, struct str block, struct sse_event *ev)
{
    *ev = (struct sse_event){.raw = block};
    struct sse_eol eol = {0};
    size_t n_data = 0;
    const char *at = block.p, *end = block.p + block.len;
    while (at < end) {
        const char *stop = line_end(&eol, at, end);
        struct str line = str_span(at, stop), value;
        at = stop + 1; /* between CR and LF this makes an empty line, which says nothing */
        if (field(line, STR("event"), &value)) {
            ev->event = value;
        } else if (field(line, STR("data"), &value)) {
            if (++n_data == 1) {
                ev->data = value;
                continue;
            }
            if (n_data == 2)
                buf_add(&r->joined, ev->data);
            buf_char(&r->joined, '\n');
            buf_add(&r->joined, value);
        }
    }
    if (n_data > 1)
        ev->data = buf_str(&r->joined);
    return n_data > 0;
}

static void empty(struct buf *b, size_t limit)
{
    if (b->cap <= KEEP) {
        buf_reset(b);
    } else {
        buf_fini(b);
        buf_init(b, limit);
    }
}

/* Gives back what the last event lies in. */
static void release(struct sse_reader *r)
{
    if (r->lent)
        empty(&r->held, r->limit);
    empty(&r->joined, r->limit);
    r->lent = false;
}

/* The next `n` bytes of `in`, together with what is held if anything is. */
static struct str take(struct sse_reader *r, size_t n)
{
    struct str block = str_head(r->in, n);
    r->in = str_from_at(r->in, n);
    if (r->held.len) {
        buf_add(&r->held, block);
        block = buf_str(&r->held);
        r->lent = true;
    }
    if (!r->started && str_starts(block, STR("\xEF\xBB\xBF")))
        block = str_from_at(block, 3);
    r->started = true;
    return block;
}

int sse_next(struct sse_reader *r, struct sse_event *ev, struct err *e)
{
    release(r);
    while (r->in.len && !r->over) {
        size_t n = block_end(r);
        r->over = (n ? n : r->in.len) > r->limit - r->held.len;
        if (r->over)
            break;
        if (n == 0) {
            buf_add(&r->held, r->in);
            r->in = STR_NONE;
        } else if (parse(r, take(r, n), ev)) {
            return 1;
        } else {
            release(r);
        }
    }
    if (r->over) {
        err_set(e, ERR_UPSTREAM, "an event of the stream is longer than %zu bytes", r->limit);
        return -1;
    }
    return 0;
}
