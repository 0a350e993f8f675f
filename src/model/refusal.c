#include "model/refusal.h"
#include "base/clock.h"

#include <time.h>

enum { RETRY_AFTER_MOST_MS = 24 * 3600 * 1000 };

static int32_t bounded_ms(double ms)
{
    return ms > RETRY_AFTER_MOST_MS ? RETRY_AFTER_MOST_MS : ms > 0 ? (int32_t)ms : 0;
}

int32_t refusal_retry_after_ms(const struct http_headers *h, int64_t wall_ms)
{
    struct str value;
    double n;
    if (http_header_get(h, STR("retry-after-ms"), &value) && str_to_double(value, &n))
        return bounded_ms(n);
    if (!http_header_get(h, STR("retry-after"), &value))
        return 0;
    if (str_to_double(value, &n))
        return bounded_ms(n * 1000);
    char date[CLOCK_HTTP_SIZE] = {0};
    struct tm tm = {0};
    if (value.len >= sizeof(date))
        return 0;
    memcpy(date, value.p, value.len);
    const char *end = strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return end && *end == '\0' ? bounded_ms((double)timegm(&tm) * 1000 - (double)wall_ms) : 0;
}

static bool mentions(struct str text, const char *const *phrase, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str p = str_from(phrase[i]);
        for (size_t at = 0; at + p.len <= text.len; at++)
            if (str_istarts(str_from_at(text, at), p))
                return true;
    }
    return false;
}

/* Servers of the same protocol spell this in their own ways: OpenAI and vLLM "maximum context
 * length", llama.cpp "exceeds the available context size", others "context window". */
static bool is_context(struct str code, struct str type, struct str message)
{
    static const char *const phrases[] = {"context length",       "context size",
                                          "context window",       "prompt is too long",
                                          "exceed context limit", "too many input tokens"};
    return str_eq(code, STR("context_length_exceeded")) ||
           str_eq(type, STR("exceed_context_size_error")) ||
           mentions(message, phrases, COUNT(phrases));
}

static bool is_content(struct str code, struct str message)
{
    static const char *const phrases[] = {"content filtering policy"}; /* of Anthropic */
    return str_eq(code, STR("content_filter")) || str_eq(code, STR("content_policy_violation")) ||
           str_eq(code, STR("ResponsibleAIPolicyViolation")) ||
           mentions(message, phrases, COUNT(phrases));
}

/* Anthropic says 400 of an account without money. */
static bool is_bill(struct str message)
{
    static const char *const phrases[] = {"credit balance is too low"};
    return mentions(message, phrases, COUNT(phrases));
}

static enum err_code code_of_status(int status)
{
    switch (status) {
    case 401:
    case 402:
    case 403: return ERR_UPSTREAM_AUTH;
    case 404: return ERR_NOT_FOUND;
    case 408:
    case 504: return ERR_TIMEOUT;
    case 409: return ERR_CONFLICT;
    case 413: return ERR_TOO_LARGE;
    case 415: return ERR_MEDIA;
    case 429: return ERR_RATE;
    case 529: return ERR_UNAVAILABLE;
    default: return status >= 400 && status < 500 ? ERR_INVALID : ERR_UPSTREAM;
    }
}

static bool explain(struct str provider, int status, struct json_value error, struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct str message =
        json_text(json_is(error, JSON_STRING) ? error : json_get(error, "message"), tmp);
    struct str code = json_text(json_get(error, "code"), tmp);
    struct str type = json_text(json_get(error, "type"), tmp);
    struct str param = json_text(json_get(error, "param"), tmp);
    enum err_code what = code_of_status(status);
    if (is_bill(message))
        what = ERR_UPSTREAM_AUTH;
    bool reason = what != ERR_UPSTREAM && what != ERR_UPSTREAM_AUTH && what != ERR_TIMEOUT &&
                  what != ERR_RATE && what != ERR_UNAVAILABLE;

    if (reason && is_context(code, type, message))
        what = ERR_CONTEXT;
    else if (reason && is_content(code, message))
        what = ERR_CONTENT;
    else if (reason && str_eq(code, STR("model_not_found")))
        what = ERR_MODEL;

    char field[sizeof(e->param)];
    snprintf(field, sizeof(field), "%.*s", (int)size_min(param.len, sizeof(field) - 1), param.p);
    if (reason && message.len > 0)
        err_param(e, what, field, "%.*s", STR_FMT(message));
    else if (what == ERR_UPSTREAM_AUTH)
        err_set(e, what, "provider '%.*s' refused our credentials (status %d)", STR_FMT(provider),
                status);
    else if (what == ERR_RATE)
        err_set(e, what, "provider '%.*s' is limiting our rate", STR_FMT(provider));
    else if (what == ERR_UNAVAILABLE)
        err_set(e, what, "provider '%.*s' is overloaded", STR_FMT(provider));
    else
        err_set(e, what, "provider '%.*s' failed with status %d", STR_FMT(provider), status);
    arena_rewind(tmp, mark);
    return false;
}

bool refusal(struct str provider, const struct http_head *head, struct str body, struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct json doc;
    struct json_value error = {0};
    if (json_parse(&doc, tmp, body, 0, NULL)) {
        error = json_get(json_root(&doc), "error");
        if (!json_exists(error))
            error = json_root(&doc); /* {"message": ...} of some servers */
    }
    explain(provider, head->status, error, e);
    if (e->code == ERR_RATE || e->code == ERR_UPSTREAM || e->code == ERR_UNAVAILABLE)
        e->retry_after_ms = refusal_retry_after_ms(&head->headers, clock_wall_ms());
    arena_rewind(tmp, mark);
    return false;
}

bool refusal_in_answer(struct str provider, struct json_value error, struct err *e)
{
    static const struct {
        const char *type;
        int status;
    } types[] = {
        {"invalid_request_error", 400},
        {"BadRequestError", 400},
        {"exceed_context_size_error", 400},
        {"authentication_error", 401},
        {"permission_error", 403},
        {"not_found_error", 404},
        {"billing_error", 402},
        {"request_too_large", 413},
        {"rate_limit_error", 429},
        {"rate_limit_exceeded", 429},
        {"requests", 429},
        {"tokens", 429},
        {"timeout_error", 504},
        {"overloaded_error", 529},
    };
    int64_t status = 0;
    if (!json_int(json_get(error, "code"), &status) &&
        !json_int(json_get(error, "status"), &status)) {
        for (size_t i = 0; i < COUNT(types); i++)
            if (json_text_is(json_get(error, "type"), types[i].type))
                status = types[i].status;
    }
    if (status < 400 || status > 599)
        status = 502;
    return explain(provider, (int)status, error, e);
}
