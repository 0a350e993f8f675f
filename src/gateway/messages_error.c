#include "gateway/messages_error.h"

int messages_error_status(enum err_code code)
{
    return code == ERR_UNAVAILABLE ? 529 : err_status(code);
}

static const char *type_of(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 504: return "timeout_error";
    case 529: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
    }
}

void messages_error_json(struct json_writer *w, const char *id, const struct err *why)
{
    json_object(w);
    json_kv_text(w, "type", "error");
    json_key(w, "error");
    json_object(w);
    json_kv_text(w, "type", type_of(messages_error_status(why->code)));
    json_kv_text(w, "message", why->msg);
    json_end(w);
    json_kv_text(w, "request_id", id);
    json_end(w);
}
