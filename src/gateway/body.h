/* body.h - checking the members of a request's body, and telling which one is at fault.
 *
 * What every protocol in front has in common: paths of fields ("input[3]"), errors that carry them,
 * and a table of the members that are a number, a flag or a text.
 *
 * Errors:  ERR_MISSING and ERR_INVALID with the field's path in `param`.
 * Memory:  what is read borrows from the body and the arena given.
 * Threads: any.
 */
#pragma once

#include "model/chat.h"

/* The path of the field that is being looked at, for messages. */
struct body_path {
    char text[64];
};
struct body_path body_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

bool body_given(struct json_value v); /* there, and not null */
/* Both return false. */
bool body_missing(const char *name, struct err *e);
bool body_wrong(const char *name, const char *want, struct err *e);
bool body_one_of(struct json_value v, const char *const *names, size_t n);

/* A member that may be left out or null, but if it is given must be this. */
enum body_kind { BODY_NUMBER, BODY_WHOLE, BODY_FLAG, BODY_TEXT };
struct body_rule {
    struct str name; /* a literal */
    enum body_kind kind;
    double least, most;
    const char *want; /* for the message */
};
bool body_check(struct json_value root, const struct body_rule *rule, size_t n, struct err *e);
/* The same for values that json_members has found: v[i] is what rule[i] is about. */
bool body_check_found(const struct json_value *v, const struct body_rule *rule, size_t n,
                      struct err *e);

/* Values of the members that their functions are called after. The name of a model, which must not
 * be empty. */
bool body_model(struct json_value model, struct arena *a, struct str *out, struct err *e);
/* A text or up to four. */
bool body_stop(struct json_value stop, struct err *e);
/* A flag, as body_check has made sure, and `stream_options`, which need it. */
bool body_stream(struct chat_request *req, struct json_value stream, struct json_value options,
                 struct err *e);
