#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME) / NS_PER_MS;
}

int64_t clock_wall_s(void)
{
    return read_clock(CLOCK_REALTIME_COARSE) / NS_PER_S; /* a fifth of the cost */
}

int64_t clock_wall_ms_at(int64_t now_ns)
{
    static _Thread_local int64_t apart_ns, until_ns;
    if (now_ns >= until_ns) {
        apart_ns = clock_wall_ns() - clock_now();
        until_ns = now_ns + 100 * NS_PER_MS;
    }
    return (now_ns + apart_ns) / NS_PER_MS;
}

int64_t clock_thread_cpu(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_after(int64_t now_ns, int64_t ms)
{
    int64_t ns, at;
    if (ms <= 0 || __builtin_mul_overflow(ms, NS_PER_MS, &ns) ||
        __builtin_add_overflow(now_ns, ns, &at))
        return CLOCK_NEVER;
    return at;
}

size_t clock_rfc3339(char out[CLOCK_RFC3339_SIZE], int64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm t;
    gmtime_r(&s, &t);
    size_t n = strftime(out, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &t);
    return n + (size_t)snprintf(out + n, CLOCK_RFC3339_SIZE - n, ".%03dZ", (int)(wall_ms % 1000));
}

/* Not strftime for the names: HTTP wants English whatever the locale. */
size_t clock_http_date(char out[CLOCK_HTTP_SIZE], int64_t wall_s)
{
    static const char day[] = "SunMonTueWedThuFriSat";
    static const char month[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t s = (time_t)wall_s;
    struct tm t;
    gmtime_r(&s, &t);
    return (size_t)snprintf(out, CLOCK_HTTP_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                            day + 3 * t.tm_wday, t.tm_mday, month + 3 * t.tm_mon, t.tm_year + 1900,
                            t.tm_hour, t.tm_min, t.tm_sec);
}
