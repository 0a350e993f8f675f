/* err.h - what went wrong, in a form that can be told to a person, a client and a retry loop.
 *
 * A function that can fail for reasons outside the program returns bool and fills a `struct err`
 * exactly when it returns false. The struct is the caller's, on its stack; nothing is allocated.
 * One table gives each code its HTTP status, its type and code in the OpenAI error object, and
 * whether trying the same thing again can help.
 *
 * Messages: what failed, the subject in quotes, lower case, no full stop: "cannot open 'x': ...".
 * They may reach a client: no address, file path of ours, key or stack trace for ERR_INTERNAL on.
 */
#pragma once

#include "base/str.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define ERR_CODES(X)                                                                        \
    /* code          text             status type                     code                 retry */ \
    X(NONE,          "none",             200, "",                      "",                     false) \
    X(INVALID,       "invalid",          400, "invalid_request_error", "invalid_value",        false) \
    X(MISSING,       "missing",          400, "invalid_request_error", "missing_required_parameter", false) \
    X(SYNTAX,        "syntax",           400, "invalid_request_error", "invalid_syntax",       false) \
    X(CONTEXT,       "context",          400, "invalid_request_error", "context_length_exceeded", false) \
    X(CONTENT,       "content",          400, "invalid_request_error", "content_policy_violation", false) \
    X(AUTH,          "auth",             401, "invalid_request_error", "invalid_api_key",      false) \
    X(FORBIDDEN,     "forbidden",        403, "permission_error",      "permission_denied",    false) \
    X(NOT_FOUND,     "not_found",        404, "invalid_request_error", "not_found",            false) \
    X(MODEL,         "model",            404, "invalid_request_error", "model_not_found",      false) \
    X(URL,           "url",              404, "invalid_request_error", "unknown_url",          false) \
    X(METHOD,        "method",           405, "invalid_request_error", "method_not_allowed",   false) \
    X(CONFLICT,      "conflict",         409, "invalid_request_error", "conflict",             false) \
    X(TOO_LARGE,     "too_large",        413, "invalid_request_error", "request_too_large",    false) \
    X(URI_TOO_LONG,  "uri_too_long",     414, "invalid_request_error", "uri_too_long",         false) \
    X(MEDIA,         "media",            415, "invalid_request_error", "unsupported_media_type", false) \
    X(HEADERS,       "headers",          431, "invalid_request_error", "headers_too_large",    false) \
    X(RATE,          "rate",             429, "rate_limit_error",      "rate_limit_exceeded",  true)  \
    X(CANCELLED,     "cancelled",        499, "invalid_request_error", "client_closed_request", false) \
    X(INTERNAL,      "internal",         500, "server_error",          "internal_error",       false) \
    X(IO,            "io",               500, "server_error",          "io_error",             false) \
    X(CORRUPT,       "corrupt",          500, "server_error",          "damaged_data",         false) \
    X(UPSTREAM,      "upstream",         502, "server_error",          "upstream_error",       true)  \
    X(UPSTREAM_AUTH, "upstream_auth",    502, "server_error",          "upstream_auth_error",  false) \
    X(UNAVAILABLE,   "unavailable",      503, "server_error",          "service_unavailable",  true)  \
    X(TIMEOUT,       "timeout",          504, "server_error",          "timeout",              true)  \
    X(FULL,          "full",             507, "server_error",          "insufficient_storage", false) \
    X(LIMIT,         "limit",            400, "invalid_request_error", "limit_exceeded",       false)
/* clang-format on */

#define X(name, ...) ERR_##name,
enum err_code { ERR_CODES(X) ERR_CODE_COUNT };
#undef X

struct err {
    enum err_code code;
    int32_t retry_after_ms; /* when the one who refused said so; 0 = not said */
    char param[64];         /* request field at fault, "" when there is none */
    char msg[320];
};

/* Each sets *e and returns false, so that `return err_set(...)` reads well. They cut what is too
 * long at a character boundary. `e` may be NULL when the caller does not care. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool err_param(struct err *e, enum err_code code, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* As err_set, with ": " and the text of errno behind it. ENOSPC and EDQUOT become ERR_FULL. */
bool err_sys(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts context in front of the message: "cannot load 'x': " + what was there. */
bool err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const char *err_name(enum err_code code);     /* for logs and metric labels: "not_found" */
int err_status(enum err_code code);           /* HTTP status */
const char *err_api_type(enum err_code code); /* `type` of the OpenAI error object */
const char *err_api_code(enum err_code code); /* `code` of the OpenAI error object */
bool err_retryable(enum err_code code);       /* the same call may succeed later */
