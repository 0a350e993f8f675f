#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int status;
    const char *type, *api_code;
    bool retryable;
} table[] = {
#define X(name, text, status, type, api_code, retry) {text, status, type, api_code, retry},
    ERR_CODES(X)
#undef X
};

/* Steps back over the continuation bytes of a character that the end of the array has cut. */
static void cut_cleanly(char *text, size_t len)
{
    size_t at = len;
    while (at > 0 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
        at--;
    if (at > 0 && ((unsigned char)text[at - 1] & 0xC0) == 0xC0)
        text[at - 1] = 0;
}

__attribute__((format(printf, 3, 0))) static void format(char *dst, size_t size, const char *fmt,
                                                         va_list args)
{
    int n = vsnprintf(dst, size, fmt, args);
    if (n >= (int)size)
        cut_cleanly(dst, size - 1);
}

__attribute__((format(printf, 4, 0))) static void
fill(struct err *e, enum err_code code, const char *param, const char *fmt, va_list args)
{
    e->code = code;
    e->retry_after_ms = 0;
    if (snprintf(e->param, sizeof(e->param), "%s", param) >= (int)sizeof(e->param))
        cut_cleanly(e->param, sizeof(e->param) - 1);
    format(e->msg, sizeof(e->msg), fmt, args);
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (!e)
        return false;
    va_list args;
    va_start(args, fmt);
    fill(e, code, "", fmt, args);
    va_end(args);
    return false;
}

bool err_param(struct err *e, enum err_code code, const char *param, const char *fmt, ...)
{
    if (!e)
        return false;
    va_list args;
    va_start(args, fmt);
    fill(e, code, param, fmt, args);
    va_end(args);
    return false;
}

bool err_sys(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (!e)
        return false;
    int saved = errno;
    if (saved == ENOSPC || saved == EDQUOT)
        code = ERR_FULL;
    va_list args;
    va_start(args, fmt);
    fill(e, code, "", fmt, args);
    va_end(args);
    size_t len = strlen(e->msg);
    char text[96];
    int n =
        snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", strerror_r(saved, text, sizeof(text)));
    if (n >= (int)(sizeof(e->msg) - len))
        cut_cleanly(e->msg, sizeof(e->msg) - 1);
    return false;
}

bool err_prefix(struct err *e, const char *fmt, ...)
{
    if (!e)
        return false;
    char old[sizeof(e->msg)];
    memcpy(old, e->msg, sizeof(old));
    va_list args;
    va_start(args, fmt);
    format(e->msg, sizeof(e->msg), fmt, args);
    va_end(args);
    size_t len = strlen(e->msg);
    int n = snprintf(e->msg + len, sizeof(e->msg) - len, "%s", old);
    if (n >= (int)(sizeof(e->msg) - len))
        cut_cleanly(e->msg, sizeof(e->msg) - 1);
    return false;
}

const char *err_name(enum err_code code)
{
    return table[code].name;
}

int err_status(enum err_code code)
{
    return table[code].status;
}

const char *err_api_type(enum err_code code)
{
    return table[code].type;
}

const char *err_api_code(enum err_code code)
{
    return table[code].api_code;
}

bool err_retryable(enum err_code code)
{
    return table[code].retryable;
}
