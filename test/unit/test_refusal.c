/* What a provider's refusal becomes: code, reason, time to wait. */
#include "model/refusal.h"
#include "base/arena.h"

#include "tap.h"

static const struct {
    const char *name;
    int status;
    const char *body;
    enum err_code code;
    const char *message; /* part of it */
} answers[] = {
    {"our key is wrong", 401, "{\"error\":{\"message\":\"Incorrect API key sk-123\"}}",
     ERR_UPSTREAM_AUTH, "provider 'p' refused our credentials"},
    {"our bill", 402, "", ERR_UPSTREAM_AUTH, "refused our credentials"},
    {"forbidden", 403, "<html>", ERR_UPSTREAM_AUTH, "status 403"},
    {"too many", 429, "{\"error\":{\"message\":\"slow down, org-1\"}}", ERR_RATE, "limiting"},
    {"broken", 500, "{\"error\":{\"message\":\"at /srv/x.py\"}}", ERR_UPSTREAM, "status 500"},
    {"overloaded", 529, "", ERR_UNAVAILABLE, "overloaded"},
    {"an account without money", 400,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit "
     "balance is too low to access the API, org-1\"}}",
     ERR_UPSTREAM_AUTH, "refused our credentials"},
    {"too long, Anthropic", 400,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is "
     "too "
     "long: 9 tokens > 8 maximum\"}}",
     ERR_CONTEXT, "9 tokens"},
    {"content, Anthropic", 400,
     "{\"error\":{\"message\":\"Output blocked by content filtering policy\"}}", ERR_CONTENT,
     "blocked"},
    {"a page", 502, "<html><body>Bad gateway</body></html>", ERR_UPSTREAM, "status 502"},
    {"slow", 504, "", ERR_TIMEOUT, "status 504"},
    {"moved", 302, "", ERR_UPSTREAM, "status 302"},
    {"the reason is the client's", 400,
     "{\"error\":{\"message\":\"temperature is wrong\",\"param\":\"temperature\"}}", ERR_INVALID,
     "temperature is wrong"},
    {"too long, OpenAI", 400,
     "{\"error\":{\"message\":\"This is too much\",\"code\":\"context_length_exceeded\"}}",
     ERR_CONTEXT, "too much"},
    {"too long, vLLM", 400,
     "{\"object\":\"error\",\"message\":\"This model's maximum context length is 8\"}", ERR_CONTEXT,
     "maximum context length"},
    {"too long, llama.cpp", 400,
     "{\"error\":{\"message\":\"the request exceeds the available context size\"}}", ERR_CONTEXT,
     "context size"},
    {"content", 400, "{\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}", ERR_CONTENT,
     "no"},
    {"unknown model", 404, "{\"error\":{\"message\":\"no x\",\"code\":\"model_not_found\"}}",
     ERR_MODEL, "no x"},
    {"error is a text", 422, "{\"error\":\"bad role\"}", ERR_INVALID, "bad role"},
    {"nothing is said", 400, "", ERR_INVALID, "status 400"},
};

static const struct {
    const char *name, *value;
    bool ms;
    int32_t want;
} waits[] = {
    {"seconds", "2", false, 2000},
    {"parts of seconds", "0.5", false, 500},
    {"milliseconds", "250", true, 250},
    {"a date", "Thu, 01 Jan 1970 00:01:10 GMT", false, 10000},
    {"a date gone by", "Thu, 01 Jan 1970 00:00:10 GMT", false, 0},
    {"nonsense", "soon", false, 0},
    {"negative", "-5", false, 0},
    {"no end", "99999999999", false, 24 * 3600 * 1000},
    {"a date too long", "Thursday, 01 January 1970 00:01:10 GMT and more", false, 0},
};

static const struct {
    const char *name, *error;
    enum err_code code;
} inside[] = {
    {"with a status", "{\"message\":\"x\",\"code\":429}", ERR_RATE},
    {"with a type", "{\"message\":\"x\",\"type\":\"invalid_request_error\"}", ERR_INVALID},
    {"overloaded", "{\"type\":\"overloaded_error\",\"message\":\"x\"}", ERR_UNAVAILABLE},
    {"without money", "{\"type\":\"billing_error\",\"message\":\"x\"}", ERR_UPSTREAM_AUTH},
    {"with nothing", "{\"message\":\"x\"}", ERR_UPSTREAM},
    {"with a silly status", "{\"code\":200}", ERR_UPSTREAM},
    {"a text", "\"oops\"", ERR_UPSTREAM},
};

int main(void)
{
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct http_head head = {.status = answers[i].status};
        struct err e = {0};
        ok(!refusal(STR("p"), &head, str_from(answers[i].body), &e) && e.code == answers[i].code,
           "%s: %s", answers[i].name, err_name(e.code));
        ok(strstr(e.msg, answers[i].message) != NULL, "%s: '%s'", answers[i].name, e.msg);
        ok(!strstr(e.msg, "sk-") && !strstr(e.msg, "org-") && !strstr(e.msg, "/srv"),
           "%s: nothing of ours or theirs leaks", answers[i].name);
    }
    struct http_head bad = {.status = 400};
    struct err e = {0};
    refusal(STR("p"), &bad, STR("{\"error\":{\"message\":\"m\",\"param\":\"top_p\"}}"), &e);
    ok(strcmp(e.param, "top_p") == 0, "the field at fault is passed on");

    for (size_t i = 0; i < COUNT(waits); i++) {
        struct http_header h;
        struct http_headers all = {.h = &h};
        http_headers_add(&all, waits[i].ms ? STR("retry-after-ms") : STR("Retry-After"),
                         str_from(waits[i].value));
        int32_t got = refusal_retry_after_ms(&all, 60000);
        ok(got == waits[i].want, "wait, %s: %d", waits[i].name, got);
    }
    ok(refusal_retry_after_ms(&(struct http_headers){0}, 0) == 0, "wait, not said");

    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(inside); i++) {
        struct json doc;
        json_parse(&doc, a, str_from(inside[i].error), 0, NULL);
        ok(!refusal_in_answer(STR("p"), json_root(&doc), &e) && e.code == inside[i].code,
           "in an answer, %s: %s", inside[i].name, err_name(e.code));
    }
    arena_free(a);
    return tap_done();
}
