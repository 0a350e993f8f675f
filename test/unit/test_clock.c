/* What clock promises: times that go on, deadlines without overflow, texts by the standards. */
#include "base/clock.h"
#include "base/mem.h"

#include "tap.h"

static const struct {
    int64_t ms;
    const char *rfc3339, *http;
} dates[] = {
    {0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
    {784111777007, "1994-11-06T08:49:37.007Z", "Sun, 06 Nov 1994 08:49:37 GMT"},
    {951827696999, "2000-02-29T12:34:56.999Z", "Tue, 29 Feb 2000 12:34:56 GMT"},
    {4102444799000, "2099-12-31T23:59:59.000Z", "Thu, 31 Dec 2099 23:59:59 GMT"},
};

int main(void)
{
    for (size_t i = 0; i < COUNT(dates); i++) {
        char text[CLOCK_RFC3339_SIZE], http[CLOCK_HTTP_SIZE];
        size_t n = clock_rfc3339(text, dates[i].ms);
        ok(n == strlen(text) && strcmp(text, dates[i].rfc3339) == 0, "%s", text);
        n = clock_http_date(http, dates[i].ms / 1000);
        ok(n == strlen(http) && strcmp(http, dates[i].http) == 0, "%s", http);
    }
    int64_t last = clock_now(), back = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_now();
        back += now < last;
        last = now;
    }
    ok(back == 0, "the clock never goes back");
    ok(clock_wall_s() > 1700000000 && clock_wall_ms() / 1000 - clock_wall_s() <= 1, "wall time");
    int64_t off = clock_wall_ms() - clock_wall_ms_at(clock_now());
    ok(off >= -2 && off < 1000, "wall time of a moment ago");
    int64_t past = clock_now();
    int64_t wall_ms = clock_wall_ms_at(past);
    ok(wall_ms - clock_wall_ms_at(past - 3 * NS_PER_S) == 3000, "and of some time ago");
    int64_t cpu = clock_thread_cpu();
    volatile int work = 0;
    while (clock_thread_cpu() == cpu)
        work++;
    ok(work >= 0, "CPU time passes while working");
    ok(clock_after(5, 2) == 5 + 2 * NS_PER_MS, "two milliseconds later");
    ok(clock_after(5, 0) == CLOCK_NEVER && clock_after(5, -1) == CLOCK_NEVER, "no time is no end");
    ok(clock_after(5, INT64_MAX / 2) == CLOCK_NEVER && clock_after(INT64_MAX - 1, 1) == CLOCK_NEVER,
       "overflow is no end");
    return tap_done();
}
