/* What buf promises: it grows to its limit and not a byte further, and tells. */
#include "base/buf.h"

#include "tap.h"

static void test_limit(void)
{
    struct buf b;
    buf_init(&b, 10);
    ok(buf_add(&b, STR("12345")) && buf_add(&b, STR_NONE), "half full");
    ok(!buf_add(&b, STR("678901")) && !buf_ok(&b) && str_eq(buf_str(&b), STR("12345")),
       "what does not fit changes nothing");
    ok(!buf_char(&b, 'x') && b.len == 5, "and it stays so, even for what would fit");
    buf_reset(&b);
    ok(buf_ok(&b) && buf_printf(&b, "%s-%d", "abcdefg", 42) && b.len == 10,
       "formatted text up to the limit");
    ok(!buf_text(&b), "a NUL does not fit any more");
    buf_reset(&b);
    ok(!buf_printf(&b, "%s", "12345678901") && b.len == 0, "formatted text over the limit");
    buf_fini(&b);
    ok(!buf_char(&b, 'x'), "an ended buffer takes nothing");
}

static void test_growth(void)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    int wrong = 0;
    for (int i = 0; i < 20000; i++)
        buf_printf(&b, "%d,", i % 10);
    for (size_t i = 0; i < b.len; i++)
        wrong += b.p[i] != (i % 2 ? ',' : (char)('0' + i / 2 % 10));
    ok(b.len == 40000 && wrong == 0, "20000 pieces");
    buf_consume(&b, 39998);
    ok(str_eq(buf_str(&b), STR("9,")), "the front dropped");
    buf_consume(&b, 2);
    ok(b.len == 0, "all dropped");
    char text[3000];
    memset(text, 'x', sizeof(text));
    ok(buf_printf(&b, "<%.*s>", (int)sizeof(text), text) && b.len == 3002 && b.p[3001] == '>',
       "long formatted text");
    buf_reset(&b);
    char *to = buf_reserve(&b, 4);
    memcpy(to, "abcd", 4);
    b.len += 4;
    ok(strcmp(buf_text(&b), "abcd") == 0 && b.len == 4, "written in place, read as a C string");
    buf_fini(&b);
}

static const struct {
    int64_t n;
    const char *text;
} ints[] = {{0, "0"},
            {7, "7"},
            {-10, "-10"},
            {INT64_MAX, "9223372036854775807"},
            {INT64_MIN, "-9223372036854775808"}};

int main(void)
{
    test_limit();
    test_growth();
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        struct buf b;
        buf_init(&b, 20);
        ok(buf_int(&b, ints[i].n) && str_eq(buf_str(&b), str_from(ints[i].text)), "number %s",
           ints[i].text);
        buf_fini(&b);
    }
    return tap_done();
}
