/* What err promises: messages that name their subject and are cut between characters; one table. */
#include "base/err.h"
#include "base/utf8.h"

#include "tap.h"

#include <errno.h>

static void test_messages(void)
{
    struct err e = {0};
    errno = ENOENT;
    ok(!err_sys(&e, ERR_IO, "cannot open '%s'", "x") && e.code == ERR_IO &&
           strcmp(e.msg, "cannot open 'x': No such file or directory") == 0,
       "%s", e.msg);
    ok(!err_prefix(&e, "cannot load %d: ", 5) && e.code == ERR_IO &&
           strcmp(e.msg, "cannot load 5: cannot open 'x': No such file or directory") == 0,
       "%s", e.msg);
    errno = ENOSPC;
    err_sys(&e, ERR_IO, "cannot write");
    ok(e.code == ERR_FULL, "no space is a code of its own: %s", e.msg);
    ok(!err_param(&e, ERR_INVALID, "messages[0].role", "bad role") &&
           strcmp(e.param, "messages[0].role") == 0,
       "the field at fault");
    err_set(&e, ERR_INVALID, "x");
    ok(e.param[0] == 0 && e.retry_after_ms == 0, "nothing is left of the last error");
    ok(!err_set(NULL, ERR_IO, "x") && !err_sys(NULL, ERR_IO, "x") && !err_prefix(NULL, "x") &&
           !err_param(NULL, ERR_IO, "p", "x"),
       "nobody wants to know");
}

/* Two bytes a character: every second place would cut one. */
static void test_cuts(void)
{
    char wide[1001];
    for (size_t i = 0; i < 1000; i += 2)
        memcpy(wide + i, "\xC3\xA9", 2);
    wide[1000] = 0;
    for (size_t skip = 0; skip < 2; skip++) {
        struct err e;
        const char *pad = skip ? "" : "x";
        err_param(&e, ERR_INVALID, wide, "%s%s", pad, wide);
        ok(utf8_valid(str_from(e.msg)) && strlen(e.msg) >= sizeof(e.msg) - 3, "a message is cut");
        ok(utf8_valid(str_from(e.param)) && strlen(e.param) >= sizeof(e.param) - 3, "and a field");
        err_prefix(&e, "%s", "12");
        ok(utf8_valid(str_from(e.msg)) && strncmp(e.msg, "12", 2) == 0, "behind a prefix");
        err_prefix(&e, "%s%s", pad, wide);
        ok(utf8_valid(str_from(e.msg)) && strlen(e.msg) >= sizeof(e.msg) - 3, "by a prefix");
        errno = EIO;
        err_sys(&e, ERR_IO, "%s%s", pad, wide);
        ok(utf8_valid(str_from(e.msg)), "in front of errno's text");
    }
}

int main(void)
{
    test_messages();
    test_cuts();
    bool sound = true;
    for (int i = 0; i < ERR_CODE_COUNT; i++) {
        enum err_code code = (enum err_code)i;
        int status = err_status(code);
        sound = sound && err_name(code)[0] && status >= 200 && status < 600;
        sound = sound && (i == ERR_NONE ||
                          (status >= 400 && err_api_type(code)[0] && err_api_code(code)[0]));
        sound = sound && !(err_retryable(code) && status < 429);
    }
    ok(sound, "every code has a name, a status and its API texts");
    ok(err_status(ERR_RATE) == 429 && err_retryable(ERR_RATE) && !err_retryable(ERR_AUTH), "table");
    return tap_done();
}
