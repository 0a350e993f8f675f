/* What str promises: comparing, finding, splitting, numbers, distances. */
#include "base/str.h"

#include "tap.h"

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
    uint64_t u;
    int64_t n;
    ok(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX, "largest u64");
    ok(!str_to_u64(STR("18446744073709551616"), &u), "one more overflows");
    ok(str_to_i64(STR("-9223372036854775808"), &n) && n == INT64_MIN, "smallest i64");
    ok(!str_to_i64(STR("9223372036854775808"), &n), "one over the largest i64");
    ok(!str_to_i64(STR("--1"), &n) && !str_to_i64(STR("-"), &n), "signs alone are no number");
}

int main(void)
{
    test_numbers();
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
