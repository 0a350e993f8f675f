/* What base64 promises: the vectors of RFC 4648, and nothing else is taken. */
#include "base/base64.h"
#include "base/mem.h"
#include "base/random.h"

#include "tap.h"

static const struct {
    const char *bytes, *text;
} cases[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff", "+/8="},
};

static const char *const bad[] = {
    "Z", "Zg=", "Zg", "Z===", "====", "Zm9v Zm9", "Zm9v\n", "Zm-_", "=m9v"};

static void test_case(struct buf *b, struct str bytes, struct str text)
{
    buf_reset(b);
    ok(base64_encode(b, bytes.p, bytes.len) && str_eq(buf_str(b), text), "'%.*s' is written",
       (int)text.len, text.p);
    buf_reset(b);
    ok(base64_decode(b, text) && str_eq(buf_str(b), bytes), "'%.*s' is read", (int)text.len,
       text.p);
}

int main(void)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < COUNT(cases); i++)
        test_case(&b, str_from(cases[i].bytes), str_from(cases[i].text));
    for (size_t i = 0; i < COUNT(bad); i++) {
        buf_reset(&b);
        ok(!base64_decode(&b, str_from(bad[i])), "'%s' is refused", bad[i]);
    }
    bool same = true;
    for (size_t n = 0; n < 300; n++) {
        uint8_t bytes[300];
        struct buf back;
        random_bytes(bytes, n);
        buf_init(&back, 1000);
        buf_reset(&b);
        same = same && base64_encode(&b, bytes, n) && base64_decode(&back, buf_str(&b)) &&
               str_eq(buf_str(&back), (struct str){(const char *)bytes, n});
        buf_fini(&back);
    }
    ok(same, "any bytes come back");
    buf_fini(&b);
    buf_init(&b, 3);
    ok(!base64_encode(&b, "x", 1), "over the limit");
    buf_fini(&b);
    return tap_done();
}
