/* What is compressed must unfold to the same however it is cut, and to no more than is allowed. The
 * first byte of an input says which coding it is and how it is cut. */
#include "base/buf.h"
#include "base/mem.h"
#include "net/inflate.h"

static bool unfold(struct str coding, struct str in, size_t cut, struct buf *out)
{
    struct inflate *f = inflate_new(coding);
    struct str piece;
    struct err e;
    int got = 0;
    for (; in.len && got >= 0; in = str_from_at(in, cut)) {
        struct str part = str_head(in, cut);
        char *own = mem_copy(part.p, part.len);
        inflate_feed(f, (struct str){own, part.len});
        while ((got = inflate_next(f, &piece, &e)) > 0)
            buf_add(out, piece);
        mem_free(own);
    }
    bool good = got >= 0 && inflate_ended(f);
    inflate_free(f);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, cut;
    if (size == 0)
        return 0;
    struct str coding = data[0] & 1 ? STR("gzip") : STR("deflate");
    struct str in = {(const char *)data + 1, size - 1};
    buf_init(&whole, 1 << 26);
    buf_init(&cut, 1 << 26);
    bool good = unfold(coding, in, size, &whole), again = unfold(coding, in, data[0] / 2 + 1, &cut);
    CHECK(buf_ok(&whole) && buf_ok(&cut));
    CHECK(whole.len <= INFLATE_FREE + 16384 || whole.len / INFLATE_RATIO <= size + 16384);
    /* One that is refused for its ratio may be refused sooner when less of it has come. */
    CHECK(!good || !again || str_eq(buf_str(&whole), buf_str(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
