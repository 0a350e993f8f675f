/* What inflate promises: the same text however the input is cut, each of the codings, and a refusal
 * of what is damaged, cut short or a bomb. */
#include "net/inflate.h"
#include "base/buf.h"
#include "base/mem.h"

#include "tap.h"

#include <zlib.h>

enum { GZIP = 16 + MAX_WBITS, ZLIB = MAX_WBITS, RAW = -MAX_WBITS };

/* Each part of the text is flushed, as a server does that streams. */
static void pack(struct buf *out, int window, struct str text, size_t part)
{
    z_stream z = {0};
    char *to = buf_reserve(out, 2 * text.len + 1024);
    CHECK(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_out = (unsigned char *)to;
    z.avail_out = (uInt)(2 * text.len + 1024);
    while (text.len) {
        struct str now = str_head(text, part);
        z.next_in = (unsigned char *)now.p;
        z.avail_in = (uInt)now.len;
        text = str_from_at(text, now.len);
        deflate(&z, text.len ? Z_SYNC_FLUSH : Z_FINISH);
    }
    out->len += (size_t)((char *)z.next_out - to);
    deflateEnd(&z);
}

/* Decodes `in` in pieces of `cut` bytes; the code of the error, ERR_NONE when all went well. */
static enum err_code unpack(struct buf *out, const char *coding, struct str in, size_t cut,
                            bool *ended)
{
    struct inflate *f = inflate_new(str_from(coding));
    struct err e = {0};
    struct str piece;
    int got = 0;
    CHECK(f);
    for (; in.len && got >= 0; in = str_from_at(in, cut)) {
        struct str part = str_head(in, cut);
        char *own = mem_copy(part.p, part.len); /* a block of its own: nothing behind it is read */
        inflate_feed(f, (struct str){own, part.len});
        while ((got = inflate_next(f, &piece, &e)) > 0)
            buf_add(out, piece);
        mem_free(own);
    }
    *ended = inflate_ended(f);
    inflate_free(f);
    return got < 0 ? e.code : ERR_NONE;
}

static struct str long_text(void)
{
    static char text[200000];
    unsigned seed = 7;
    for (size_t i = 0; i < sizeof(text); i++) {
        seed = seed * 1103515245 + 12345;
        text[i] = (char)('a' + (seed >> 16) % 17);
    }
    return (struct str){text, sizeof(text)};
}

static void test_codings(void)
{
    static const struct {
        const char *coding;
        int window;
    } cases[] = {{"gzip", GZIP}, {"X-GZIP", GZIP}, {"deflate", ZLIB}, {"Deflate", RAW}};
    static const size_t cuts[] = {1, 7, 1000, 1 << 20};
    const struct str texts[] = {STR("x"), STR("data: {\"a\":1}\n\n"), long_text()};
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t t = 0; t < COUNT(texts); t++)
            for (size_t k = 0; k < COUNT(cuts); k++) {
                struct buf in, out;
                bool ended = false;
                buf_init(&in, 1 << 24);
                buf_init(&out, 1 << 24);
                pack(&in, cases[i].window, texts[t], 5000);
                enum err_code code = unpack(&out, cases[i].coding, buf_str(&in), cuts[k], &ended);
                ok(code == ERR_NONE && ended && str_eq(buf_str(&out), texts[t]),
                   "%s, %zu bytes, cut at %zu", cases[i].coding, texts[t].len, cuts[k]);
                buf_fini(&in);
                buf_fini(&out);
            }
    ok(!inflate_new(STR("br")) && !inflate_new(STR("gzip, gzip")) && !inflate_new(STR("")),
       "others are not known");
}

/* Each event must come out before the next one goes in. */
static void test_stream(void)
{
    struct buf in, out;
    bool ended;
    struct str text = STR("data: 1\n\ndata: 2\n\n");
    buf_init(&in, 1 << 20);
    buf_init(&out, 1 << 20);
    pack(&in, GZIP, text, 9);
    size_t half = 0;
    do
        out.len = 0;
    while (unpack(&out, "gzip", str_head(buf_str(&in), ++half), 3, &ended) == ERR_NONE &&
           out.len < 9);
    ok(out.len == 9 && half < in.len - 8 && !ended, "the first event after %zu of %zu bytes", half,
       in.len);
    buf_fini(&in);
    buf_fini(&out);
}

static void test_wrong(void)
{
    struct buf in, out;
    bool ended;
    buf_init(&in, 1 << 26);
    buf_init(&out, 1 << 26);
    pack(&in, GZIP, long_text(), 1 << 20);
    struct str whole = buf_str(&in);
    ok(unpack(&out, "gzip", str_head(whole, whole.len - 1), 999, &ended) == ERR_NONE && !ended,
       "a cut one is not at its end");
    ok(unpack(&out, "gzip", STR_NONE, 1, &ended) == ERR_NONE && ended, "an empty one is");

    in.p[in.len / 2] ^= 4;
    ok(unpack(&out, "gzip", buf_str(&in), 999, &ended) == ERR_UPSTREAM, "a damaged one");
    in.p[in.len / 2] ^= 4;
    in.p[in.len - 6] ^= 4;
    ok(unpack(&out, "gzip", buf_str(&in), 999, &ended) == ERR_UPSTREAM, "a wrong checksum");
    in.p[in.len - 6] ^= 4;
    ok(unpack(&out, "gzip", STR("plain text"), 999, &ended) == ERR_UPSTREAM, "none at all");

    size_t one = in.len;
    pack(&in, GZIP, STR(" and more"), 100);
    out.len = 0;
    ok(unpack(&out, "gzip", buf_str(&in), 999, &ended) == ERR_NONE && ended &&
           out.len == long_text().len + 9,
       "two members");
    in.len = one;
    buf_add(&in, STR("??"));
    ok(unpack(&out, "gzip", buf_str(&in), 999, &ended) == ERR_UPSTREAM, "bytes behind the end");
    in.len = 0;
    pack(&in, ZLIB, STR("x"), 100);
    buf_add(&in, STR("??"));
    ok(unpack(&out, "deflate", buf_str(&in), 999, &ended) == ERR_UPSTREAM, "of deflate too");

    char *zeros = mem_new(8 << 20);
    in.len = out.len = 0;
    pack(&in, GZIP, (struct str){zeros, 8 << 20}, 8 << 20);
    ok(unpack(&out, "gzip", buf_str(&in), 999, &ended) == ERR_UPSTREAM && out.len < 2 << 20,
       "a bomb is refused after %zu bytes", out.len);
    mem_free(zeros);
    buf_fini(&in);
    buf_fini(&out);
}

int main(void)
{
    test_codings();
    test_stream();
    test_wrong();
    return tap_done();
}
