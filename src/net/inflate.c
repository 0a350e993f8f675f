#include "net/inflate.h"
#include "base/mem.h"
#include "net/iobuf.h"

#include <zlib.h>

struct inflate {
    z_stream z;
    char *out;   /* borrowed while there may be more at hand */
    bool gzip;   /* else deflate */
    bool begun;  /* z is set up: at the first byte, which tells what a "deflate" is */
    bool ended;  /* at the end of a member; gzip may have another */
    uint64_t in; /* bytes that came, and that were made of them */
    uint64_t made;
};

struct inflate *inflate_new(struct str coding)
{
    bool gzip = str_ieq(coding, STR("gzip")) || str_ieq(coding, STR("x-gzip"));
    if (!gzip && !str_ieq(coding, STR("deflate")))
        return NULL;
    struct inflate *f = mem_new(sizeof(*f));
    f->gzip = gzip;
    return f;
}

void inflate_free(void *arg)
{
    struct inflate *f = arg;
    if (!f)
        return;
    if (f->begun)
        inflateEnd(&f->z);
    iobuf_give(f->out);
    mem_free(f);
}

/* zlib's header begins with method 8 and a window of up to 32 KB (RFC 1950). A raw stream would
 * begin so only with an empty block of no use and wrong padding. */
static bool is_zlib(unsigned char first)
{
    return (first & 15) == 8 && first >> 4 <= 7;
}

static void begin(struct inflate *f)
{
    int window = f->gzip ? 16 + MAX_WBITS : is_zlib(*f->z.next_in) ? MAX_WBITS : -MAX_WBITS;
    CHECK(inflateInit2(&f->z, window) == Z_OK); /* fails without memory alone */
    f->begun = true;
}

void inflate_feed(struct inflate *f, struct str in)
{
    CHECK(f->z.avail_in == 0 && in.len <= UINT32_MAX);
    f->z.next_in = (unsigned char *)in.p;
    f->z.avail_in = (uInt)in.len;
    f->in += in.len;
}

static int damaged(const char *what, struct err *e)
{
    err_set(e, ERR_UPSTREAM, "the compressed answer %s", what);
    return -1;
}

/* At the end of a member with bytes behind it: of gzip that is another one (RFC 1952). */
static bool next_member(struct inflate *f)
{
    f->ended = false;
    return f->gzip && inflateReset(&f->z) == Z_OK;
}

static void give_back(struct inflate *f)
{
    iobuf_give(f->out);
    f->out = NULL;
}

int inflate_next(struct inflate *f, struct str *piece, struct err *e)
{
    for (;;) {
        bool full = f->begun && !f->ended && f->out && f->z.avail_out == 0;
        if (f->z.avail_in == 0 && !full) { /* a full buffer may have left some inside */
            give_back(f);
            return 0;
        }
        if (!f->begun)
            begin(f);
        if (f->ended && !next_member(f))
            return damaged("goes on behind its end", e);
        if (!f->out)
            f->out = iobuf_take();
        f->z.next_out = (unsigned char *)f->out;
        f->z.avail_out = IOBUF_SIZE;
        int rc = inflate(&f->z, Z_SYNC_FLUSH);
        f->ended = rc == Z_STREAM_END;
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return damaged(rc == Z_NEED_DICT ? "needs a dictionary" : "is damaged", e);
        size_t n = IOBUF_SIZE - f->z.avail_out;
        f->made += n;
        if (f->made > INFLATE_FREE && f->made / INFLATE_RATIO > f->in)
            return damaged("unfolds to too much", e);
        if (n > 0) {
            *piece = (struct str){f->out, n};
            return 1;
        }
    }
}

bool inflate_ended(const struct inflate *f)
{
    return f->ended || f->in == 0;
}
