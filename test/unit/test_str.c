/* What str promises: comparing, finding, splitting, numbers, distances. */
#include "base/str.h"

#include "tap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *text;
    bool good;
    double value;
} numbers[] = {
    {"0", true, 0},      {"-0.5e2", true, -50}, {"1E+2", true, 100}, {"01", false, 0},
    {"+1", false, 0},    {"1.", false, 0},      {".5", false, 0},    {"1e", false, 0},
    {"0x10", false, 0},  {"inf", false, 0},     {"nan", false, 0},   {" 1", false, 0},
    {"1e400", false, 0}, {"", false, 0},        {"-", false, 0},     {"1 ", false, 0},
};

static void test_numbers(void)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        double d = 0;
        bool good = str_to_double(str_from(numbers[i].text), &d);
        ok(good == numbers[i].good && (!good || d == numbers[i].value), "number '%s'",
           numbers[i].text);
    }
    uint32_t seed = 9;
    int wrong = 0;
    for (int i = 0; i < 100000; i++) { /* digits, point and exponent of all sizes */
        char text[80];
        seed = seed * 1664525 + 1013904223;
        int exponent = (int)(seed >> 8) % 60 - 30;
        uint64_t digits = (uint64_t)seed * seed >> (seed >> 4 & 63);
        snprintf(text, sizeof(text), "%s%" PRIu64 ".%0*u%s%d", seed & 1 ? "-" : "", digits,
                 1 + i % 12, seed >> 12, seed & 2 ? "e" : "E", exponent);
        double got = 0, want = strtod(text, NULL);
        wrong += !str_to_double(str_from(text), &got) || memcmp(&got, &want, sizeof(got)) != 0;
    }
    ok(wrong == 0, "100000 numbers to the last bit");
    uint64_t u;
    int64_t n;
    ok(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX, "largest u64");
    ok(!str_to_u64(STR("18446744073709551616"), &u), "one more overflows");
    ok(str_to_i64(STR("-9223372036854775808"), &n) && n == INT64_MIN, "smallest i64");
    ok(!str_to_i64(STR("9223372036854775808"), &n), "one over the largest i64");
    ok(!str_to_i64(STR("--1"), &n) && !str_to_i64(STR("-"), &n), "signs alone are no number");
}

static bool written_is(uint64_t n)
{
    char got[20], want[24];
    snprintf(want, sizeof(want), "%" PRIu64, n);
    return str_eq(str_span(got, str_put_u64(got, n)), str_from(want));
}

static void test_digits(void)
{
    int wrong = !written_is(UINT64_MAX);
    for (uint64_t n = 0; n < 1000; n++)
        wrong += !written_is(n);
    for (uint64_t power = 10, last = 1; power > last; last = power, power *= 10)
        wrong += !written_is(power - 1) + !written_is(power) + !written_is(power + 1);
    ok(wrong == 0, "digits of all lengths");
}

/* One byte of two texts of each length differs: by case alone they are equal. */
static void test_ieq(void)
{
    int wrong = 0;
    for (size_t len = 0; len <= 40; len++) {
        char a[40], b[40];
        memset(a, 'k', sizeof(a));
        memset(b, 'k', sizeof(b));
        struct str x = {a, len}, y = {b, len};
        wrong += !str_ieq(x, y);
        for (size_t i = 0; i < len; i++) {
            b[i] = 'K';
            wrong += !str_ieq(x, y) || !str_ieq(y, x);
            b[i] = '+'; /* as far from K as cases are apart, and no letter */
            wrong += str_ieq(x, y) || str_ieq(y, x);
            b[i] = 'k';
        }
    }
    ok(wrong == 0, "equal without case at all lengths");
}

/* Every byte against every other, in texts of each kind of length. */
static void test_ieq_bytes(void)
{
    static const size_t lengths[] = {1, 5, 8, 13};
    int wrong = 0;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            bool same = a == b || (((a ^ b) == 0x20) && (a | 0x20) >= 'a' && (a | 0x20) <= 'z');
            for (size_t i = 0; i < 4; i++) {
                char x[16], y[16];
                memset(x, a, sizeof(x));
                memset(y, a, sizeof(y));
                y[lengths[i] / 2] = (char)b;
                wrong += str_ieq((struct str){x, lengths[i]}, (struct str){y, lengths[i]}) != same;
            }
        }
    }
    ok(wrong == 0, "only letters have a case");
}

int main(void)
{
    test_numbers();
    test_digits();
    test_ieq();
    test_ieq_bytes();
    ok(str_ieq(STR("Content-Length"), STR("content-length")), "equal without case");
    ok(!str_ieq(STR("a"), STR("ab")), "a prefix is not equal");
    ok(str_find(STR("abcabc"), STR("cab")) == 2, "find in the middle");
    ok(str_find(STR("abc"), STR("d")) == STR_NPOS, "find nothing");
    ok(str_eq(str_trim(STR(" \t a b\r\n")), STR("a b")), "trim");

    struct str rest = STR("a,,b"), part;
    ok(str_split(&rest, ',', &part) && str_eq(part, STR("a")), "first part");
    ok(str_split(&rest, ',', &part) && part.len == 0, "empty part in the middle");
    ok(str_split(&rest, ',', &part) && str_eq(part, STR("b")), "last part");
    ok(!str_split(&rest, ',', &part), "then the end");

    ok(str_distance(STR("lisetn"), STR("listen"), 9) == 1, "a swap is one step");
    ok(str_distance(STR("kitten"), STR("sitting"), 9) == 3, "the classic");
    return tap_done();
}
