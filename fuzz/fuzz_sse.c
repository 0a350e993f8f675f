/* The reader must give the same events however its input is cut, and the same as a plain reading of
 * the standard: turn every line end into LF, then go line by line. The first byte of an input says
 * how it is cut: 0 = not at all, else pieces of 1 to that many bytes in turn. */
#include "base/mem.h"
#include "net/sse.h"

#include <stdint.h>

enum { LIMIT = 1 << 16 };

/* Lengths first, so that no two lists of events look the same. */
static void record(struct buf *out, struct str name, struct str data)
{
    buf_printf(out, "%zu %zu ", name.len, data.len);
    buf_add(out, name);
    buf_add(out, data);
}

static bool read_cut(struct str in, size_t most, struct buf *out)
{
    struct sse_reader r;
    struct sse_event ev;
    struct err e;
    int got = 0;
    sse_init(&r, LIMIT);
    for (size_t size = 1; in.len && got == 0; size = size % most + 1) {
        struct str part = str_head(in, size);
        /* Its own block, so that a reader that looks beyond it is caught. */
        char *piece = mem_copy(part.p, part.len);
        in = str_from_at(in, size);
        sse_feed(&r, (struct str){piece, part.len});
        while ((got = sse_next(&r, &ev, &e)) > 0)
            record(out, ev.event, ev.data);
        mem_free(piece);
    }
    sse_fini(&r);
    return got == 0;
}

static void read_plainly(struct str in, struct buf *out)
{
    struct buf text, data;
    buf_init(&text, SIZE_MAX / 4);
    buf_init(&data, SIZE_MAX / 4);
    if (str_starts(in, STR("\xEF\xBB\xBF")))
        in = str_from_at(in, 3);
    for (size_t i = 0; i < in.len; i++) {
        bool crlf = in.p[i] == '\n' && i > 0 && in.p[i - 1] == '\r';
        if (!crlf)
            buf_char(&text, in.p[i] == '\r' ? '\n' : in.p[i]);
    }
    struct str rest = buf_str(&text), line, name = STR_NONE;
    bool any = false;
    while (str_find_char(rest, '\n') != STR_NPOS && str_split(&rest, '\n', &line)) {
        if (line.len == 0) {
            if (any)
                record(out, name, buf_str(&data));
            any = false;
            name = STR_NONE;
            buf_reset(&data);
            continue;
        }
        size_t colon = str_find_char(line, ':');
        struct str key = colon == STR_NPOS ? line : str_head(line, colon);
        struct str value = colon == STR_NPOS ? STR_NONE : str_from_at(line, colon + 1);
        if (str_starts(value, STR(" ")))
            value = str_from_at(value, 1);
        if (str_eq(key, STR("event")))
            name = value;
        if (str_eq(key, STR("data"))) {
            if (any)
                buf_char(&data, '\n');
            buf_add(&data, value);
            any = true;
        }
    }
    buf_fini(&text);
    buf_fini(&data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > LIMIT)
        return 0;
    struct str in = {(const char *)data + 1, size - 1};
    struct buf cut, plain;
    buf_init(&cut, SIZE_MAX / 4);
    buf_init(&plain, SIZE_MAX / 4);
    CHECK(read_cut(in, data[0] ? data[0] : SIZE_MAX - 1, &cut));
    read_plainly(in, &plain);
    CHECK(str_eq(buf_str(&cut), buf_str(&plain)));
    buf_fini(&cut);
    buf_fini(&plain);
    return 0;
}
