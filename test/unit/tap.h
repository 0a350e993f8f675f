/* tap.h - the whole test framework: ok(), skip(), and a plan at the end, in the Test Anything
 * Protocol that meson reads. A test program calls ok() any number of times and returns tap_done().
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_failed;

#define ok(cond, ...) tap_ok((cond), #cond, __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 5, 6), unused)) static bool
tap_ok(bool good, const char *cond, const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("%sok %d - ", good ? "" : "not ", ++tap_count);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    if (!good) {
        tap_failed++;
        printf("# failed at %s:%d: %s\n", file, line, cond);
    }
    fflush(stdout);
    return good;
}

/* Something that this machine cannot show; says why. */
__attribute__((unused)) static void skip(const char *why)
{
    printf("ok %d # SKIP %s\n", ++tap_count, why);
}

__attribute__((unused)) static int tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed != 0;
}
