/* A block (the lines up to a blank one) that lies whole in the piece just fed is taken apart as its
 * lines are found, in one pass. One that a read cuts is held until its blank line has come, which
 * is looked for in what is new alone, and taken apart then: so however small the pieces of a large
 * event are, each byte is looked at twice and copied once. */
#include "net/sse.h"
#include "base/mem.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* A byte order mark in front of the stream goes; the first bytes of one are text. */
static void skip_mark(struct sse_reader *r)
{
    static const struct str mark = STR_INIT("\xEF\xBB\xBF");
    while (!r->started && r->in.len > 0) {
        if (r->in.p[0] == mark.p[r->mark]) {
            r->started = ++r->mark == mark.len;
            r->in = str_from_at(r->in, 1);
        } else {
            r->started = true;
            r->in_line = r->mark > 0;
            if (r->in_line)
                buf_add(&r->held, str_head(mark, r->mark));
        }
    }
}

void sse_feed(struct sse_reader *r, struct str piece)
{
    CHECK(r->in.len == 0);
    r->in = piece;
    if (!r->started)
        skip_mark(r);
}

/* ---- Lines ---- */

#ifdef __SSE2__
static __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* Where the first line end is, or `end`; of less than 16 bytes nothing is looked at. 64 bytes go by
 * at a time while none of them is as low as CR, which in JSON only tabs are beside line ends. */
static const char *skip_text(const char *from, const char *end)
{
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
    const char *at = from;
    if (end - at < 16)
        return at;
    for (; end - at >= 64; at += 64) {
        __m128i low = _mm_min_epu8(_mm_min_epu8(load(at), load(at + 16)),
                                   _mm_min_epu8(load(at + 32), load(at + 48)));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(low, cr), low)))
            break;
    }
    for (; at < end; at += 16) {
        at = end - at < 16 ? end - 16 : at; /* then some are looked at twice */
        __m128i v = load(at);
        int hit = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)));
        if (hit)
            return at + __builtin_ctz((unsigned)hit);
    }
    return end;
}
#else
/* Passes over text without a line end, eight bytes at a time: `low` has the high bit of each that
 * is as low as CR, and maybe of bytes behind such a one. */
static const char *skip_text(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t x = str_load8(at), low = (x - STR_EACH('\r' + 1)) & ~x & STR_EACH(0x80);
        if (low)
            break;
    }
    return at;
}
#endif

/* The first CR or LF in [at, end), or end. */
static const char *line_end(const char *at, const char *end)
{
    for (at = skip_text(at, end); at < end && *at != '\n' && *at != '\r'; at++)
        ;
    return at;
}

/* What lies behind the line end at `eol`. A CR that is the last byte may have its LF in the next
 * piece; that is then passed over (after_cr). */
static const char *behind(const char *eol, const char *end)
{
    bool both = *eol == '\r' && eol + 1 < end && eol[1] == '\n';
    return eol + (both ? 2 : 1);
}

/* Is this line `name: value`? One space behind the colon is not part of the value. */
static inline bool field(struct str line, struct str name, struct str *value)
{
    if (line.len < name.len || memcmp(line.p, name.p, name.len) != 0)
        return false;
    struct str rest = {line.p + name.len, line.len - name.len};
    if (rest.len > 0 && rest.p[0] != ':')
        return false;
    size_t skip = rest.len == 0 ? 0 : rest.len > 1 && rest.p[1] == ' ' ? 2 : 1;
    *value = (struct str){rest.p + skip, rest.len - skip};
    return true;
}

/* ---- Blocks ---- */

/* One more line of data, of which there were n. Together they are shorter than the block, so
 * joining them stays inside the limit. */
static void add_data(struct sse_reader *r, struct sse_event *ev, size_t n, struct str value)
{
    if (n == 0) {
        ev->data = value;
        return;
    }
    if (n == 1)
        buf_add(&r->joined, ev->data);
    buf_char(&r->joined, '\n');
    buf_add(&r->joined, value);
}

/* Takes the first block of `text` apart and sets *used to its length, or to 0 when its blank line
 * is not there. True when it has data: *ev is its event. */
static bool parse(struct sse_reader *r, struct str text, struct sse_event *ev, size_t *used)
{
    const char *at = text.p + r->tail, *end = text.p + text.len;
    size_t n_data = 0;
    *used = 0;
    *ev = (struct sse_event){0};
    while (at < end) {
        const char *eol = *at == '\n' ? at : line_end(at, end);
        if (eol == end)
            break;
        struct str line = str_span(at, eol), value;
        at = behind(eol, end);
        if (line.len == 0) {
            *used = (size_t)(at - text.p);
            break;
        }
        if (field(line, STR("data"), &value))
            add_data(r, ev, n_data++, value);
        else if (field(line, STR("event"), &value))
            ev->event = value;
    }
    ev->raw = str_head(text, *used);
    if (n_data > 1)
        ev->data = buf_str(&r->joined);
    return *used > 0 && n_data > 0;
}

/* How many bytes of `in` the block that is held takes, up to and with its blank line; 0 when it
 * goes on behind `in`. */
static size_t block_end(struct sse_reader *r)
{
    const char *at = r->in.p, *end = r->in.p + r->in.len;
    if (r->after_cr && *at == '\n')
        at++;
    while (at < end) {
        const char *eol = line_end(at, end);
        if (eol == end)
            return 0;
        bool blank = eol == at && !r->in_line;
        r->in_line = false;
        at = behind(eol, end);
        if (blank)
            return (size_t)(at - r->in.p);
    }
    return 0;
}

/* Memory is left for the next block, unless it is much. */
__attribute__((noinline)) static void empty(struct buf *b, size_t limit)
{
    if (b->cap <= KEEP) {
        buf_reset(b);
    } else {
        buf_fini(b);
        buf_init(b, limit);
    }
}

/* Gives back what the last event lies in, which is seldom anything. */
static inline void release(struct sse_reader *r)
{
    if (r->lent)
        empty(&r->held, r->limit);
    if (r->joined.len > 0)
        empty(&r->joined, r->limit);
    r->lent = false;
}

/* Passes over the next `n` bytes of `in` and notes how they end. */
static struct str take(struct sse_reader *r, size_t n)
{
    struct str taken = str_head(r->in, n);
    char last = taken.p[n - 1];
    r->after_cr = last == '\r';
    r->in_line = last != '\r' && last != '\n';
    r->in = (struct str){taken.p + n, r->in.len - n};
    return taken;
}

int sse_next(struct sse_reader *r, struct sse_event *ev, struct err *e)
{
    release(r);
    while (r->in.len && !r->over) {
        bool cut = r->held.len > 0, is_event = false;
        size_t n;
        if (cut) {
            n = block_end(r);
        } else {
            r->tail = r->after_cr && r->in.p[0] == '\n';
            is_event = parse(r, r->in, ev, &n);
        }
        size_t used = n ? n : r->in.len;
        r->over = used > r->limit - r->held.len;
        if (r->over)
            break;
        struct str part = take(r, used);
        if (cut || n == 0)
            buf_add(&r->held, part);
        r->lent = cut && n > 0;
        if (r->lent)
            is_event = parse(r, buf_str(&r->held), ev, &n);
        if (is_event)
            return 1;
        release(r);
    }
    if (r->over) {
        err_set(e, ERR_UPSTREAM, "an event of the stream is longer than %zu bytes", r->limit);
        return -1;
    }
    return 0;
}
