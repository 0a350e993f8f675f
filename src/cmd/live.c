/* Each table groups the entries of one list by one of their labels and adds what else the service
 * tells under the same label. Lists are short (routes, models, providers), so they are walked as
 * often as it takes. */
#include "cmd/live.h"
#include "base/arena.h"
#include "base/utf8.h"
#include "cmd/cli.h"

#include <stdio.h>

enum { LINE_MOST = 1000, NAME_WIDTH = 34 };

struct view {
    struct buf *out;
    struct arena *a;
    struct json_value now, old; /* old: not there when there is none */
    double seconds;             /* between them */
    size_t rows, columns;       /* rows: that are left */
};

/* ---- Numbers ---- */

static double number(struct json_value v)
{
    double d = 0;
    json_double(v, &d);
    return d;
}

/* Has an entry this label? A NULL label is one that every entry has. */
static bool has(struct json_value entry, const char *label, struct str value)
{
    return !label || json_text_is_str(json_get(entry, label), value);
}

static double sum_in(struct json_value root, const char *list, const char *label, struct str value,
                     const char *label2, const char *value2)
{
    double sum = 0;
    json_each(it, json_get(root, list))
    {
        if (has(it.value, label, value) && has(it.value, label2, str_from(value2)))
            sum += number(json_get(it.value, "value"));
    }
    return sum;
}

struct sums {
    double now, rate; /* in all; each second of late */
};

static struct sums sum(const struct view *v, const char *list, const char *label, struct str value,
                       const char *label2, const char *value2)
{
    struct sums s = {.now = sum_in(v->now, list, label, value, label2, value2)};
    s.rate = (s.now - sum_in(v->old, list, label, value, label2, value2)) / v->seconds;
    return s;
}

/* What the earlier answer had in the bucket of this value. */
static double earlier(struct json_value buckets, double value)
{
    json_each(it, buckets)
    {
        if (number(json_at(it.value, 0)) == value)
            return number(json_at(it.value, 1));
    }
    return 0;
}

static struct json_value buckets_of(struct json_value root, const char *list, const char *label,
                                    struct str value)
{
    json_each(it, json_get(root, list))
    {
        if (has(it.value, label, value))
            return json_get(it.value, "buckets");
    }
    return (struct json_value){0};
}

/* A quantile of what was observed between the two; below 0 when nothing was. */
static double quantile(const struct view *v, const char *list, const char *label, struct str value,
                       double q)
{
    struct json_value now = buckets_of(v->now, list, label, value);
    struct json_value old = buckets_of(v->old, list, label, value);
    double all = 0, seen = 0;
    json_each(it, now) all +=
        number(json_at(it.value, 1)) - earlier(old, number(json_at(it.value, 0)));
    json_each(it, now)
    {
        double at = number(json_at(it.value, 0));
        seen += number(json_at(it.value, 1)) - earlier(old, at);
        if (seen > 0 && seen >= q * all)
            return at;
    }
    return -1;
}

/* ---- Text ---- */

static const char *ms(const struct view *v, double ns)
{
    if (ns < 0)
        return "-";
    double t = ns / 1e6;
    return arena_printf(v->a,
                        t < 10     ? "%.2f ms"
                        : t < 1000 ? "%.0f ms"
                                   : "%.1f s",
                        t < 1000 ? t : t / 1000)
        .p;
}

static const char *rate(const struct view *v, double n)
{
    return arena_printf(v->a, n > 0 && n < 100 ? "%.1f" : "%.0f", n).p;
}

/* One line, cut to the width of the screen. */
__attribute__((format(printf, 3, 4))) static void line(struct view *v, const char *before,
                                                       const char *fmt, ...)
{
    char text[LINE_MOST];
    va_list args;
    if (v->rows == 0)
        return;
    v->rows--;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct str s = str_from(text);
    size_t at = 0;
    for (size_t n = 0; n < v->columns && at < s.len; n++)
        utf8_next(s, &at);
    buf_printf(v->out, "%s%.*s%s\n", before, (int)at, text, before[0] ? cli_plain() : "");
}

static void heading(struct view *v, const char *text)
{
    line(v, "", "%s", "");
    line(v, cli_bold(), "%s", text);
}

/* Names come from elsewhere: no control characters, one width. */
static const char *name(const struct view *v, struct str s, size_t width)
{
    char *text = arena_alloc(v->a, 4 * width + 2);
    char *to = text;
    size_t at = 0, n = 0;
    for (; n < width && at < s.len; n++) {
        char c[4];
        uint32_t code = utf8_next(s, &at);
        size_t len = utf8_put(c, code < 0x20 || code == 0x7F ? '?' : code);
        memcpy(to, c, len);
        to += len;
    }
    for (; n < width; n++)
        *to++ = ' ';
    return text;
}

/* ---- The tables ---- */

/* Has a label's value stood further up in the list? */
static bool seen_before(struct json_value list, struct json_value entry, const char *label,
                        struct arena *a)
{
    struct str value = json_text(json_get(entry, label), a);
    json_each(it, list)
    {
        if (json_raw(it.value).p == json_raw(entry).p)
            return false;
        if (has(it.value, label, value))
            return true;
    }
    return false;
}

/* Calls `draw` for each value of the label, once. */
static void each_value(struct view *v, const char *list, const char *label,
                       void (*draw)(struct view *v, struct str value))
{
    struct json_value all = json_get(v->now, list);
    json_each(it, all)
    {
        if (!seen_before(all, it.value, label, v->a))
            draw(v, json_text(json_get(it.value, label), v->a));
    }
}

static double failed(const struct view *v, struct json_value root, struct str route)
{
    double n = 0;
    json_each(it, json_get(root, "requests"))
    {
        struct str status = json_text(json_get(it.value, "status"), v->a);
        if (has(it.value, "route", route) && status.len && status.p[0] >= '4')
            n += number(json_get(it.value, "value"));
    }
    return n;
}

static void draw_route(struct view *v, struct str route)
{
    struct sums all = sum(v, "requests", "route", route, NULL, NULL);
    double bad = (failed(v, v->now, route) - failed(v, v->old, route)) / v->seconds;
    line(v, "", "%s %9s %9s %9s %9s %9s %11.0f", name(v, route, NAME_WIDTH), rate(v, all.rate),
         rate(v, bad), ms(v, quantile(v, "request_ns", "route", route, 0.5)),
         ms(v, quantile(v, "request_ns", "route", route, 0.95)),
         ms(v, quantile(v, "request_ns", "route", route, 0.99)), all.now);
}

static void draw_model(struct view *v, struct str model)
{
    struct sums in = sum(v, "tokens", "model", model, "direction", "input");
    struct sums out = sum(v, "tokens", "model", model, "direction", "output");
    line(v, "", "%s %9s %9s %9s %9s %9s %11.0f", name(v, model, NAME_WIDTH), rate(v, in.rate),
         rate(v, out.rate), ms(v, quantile(v, "first_token_ns", "model", model, 0.5)),
         ms(v, quantile(v, "first_token_ns", "model", model, 0.95)),
         ms(v, quantile(v, "first_token_ns", "model", model, 0.99)), in.now + out.now);
}

static void draw_provider(struct view *v, struct str provider)
{
    struct sums all = sum(v, "attempts", "provider", provider, NULL, NULL);
    struct sums bad = sum(v, "attempts", "provider", provider, "outcome", "failed");
    double limit = sum_in(v->now, "limit", "provider", provider, NULL, NULL);
    line(v, "", "%s %9s %9s %9.0f %9s %9.0f %11.0f", name(v, provider, NAME_WIDTH),
         rate(v, all.rate), rate(v, bad.rate),
         sum_in(v->now, "at_provider", "provider", provider, NULL, NULL),
         limit > 0 ? rate(v, limit) : "none",
         sum_in(v->now, "queued", "provider", provider, NULL, NULL), all.now);
}

static void draw_breakers(struct view *v)
{
    static const char *const states[] = {"closed", "probe", "open"};
    json_each(it, json_get(v->now, "breakers"))
    {
        int64_t state = 0;
        json_int(json_get(it.value, "value"), &state);
        struct str provider = json_text(json_get(it.value, "provider"), v->a);
        struct str endpoint = json_text(json_get(it.value, "endpoint"), v->a);
        struct str model = json_text(json_get(it.value, "model"), v->a);
        line(v, state > 0 ? cli_bold() : "", "%s %-9s %s %s", name(v, provider, NAME_WIDTH),
             state >= 0 && state < (int64_t)COUNT(states) ? states[state] : "?",
             name(v, endpoint, 29), name(v, model, 20));
    }
}

static void draw_step(struct view *v, struct str step)
{
    struct sums s = sum(v, "steps", "step", step, NULL, NULL);
    line(v, "", "%s %9s %49.0f", name(v, step, NAME_WIDTH), rate(v, s.rate), s.now);
}

static void draw_error(struct view *v, struct str kind)
{
    struct sums s = sum(v, "errors", "kind", kind, NULL, NULL);
    if (s.now > 0)
        line(v, "", "%s %9s %49.0f", name(v, kind, NAME_WIDTH), rate(v, s.rate), s.now);
}

static void draw_service(struct view *v)
{
    double up =
        (number(json_get(v->now, "at_ms")) - number(json_get(v->now, "started_at_ms"))) / 1e3;
    double cpu = number(json_get(v->now, "cpu_seconds")) - number(json_get(v->old, "cpu_seconds"));
    struct sums requests = sum(v, "requests", NULL, STR_NONE, NULL, NULL);
    line(v, cli_bold(), "penstock %.*s  %.*s  up %d:%02d:%02d  %.0f loops",
         STR_FMT(json_text(json_get(v->now, "version"), v->a)),
         STR_FMT(json_text(json_get(v->now, "status"), v->a)), (int)(up / 3600),
         (int)(up / 60) % 60, (int)up % 60, number(json_get(v->now, "loops")));
    line(v, "", "requests %s/s, %.0f in flight   CPU %.0f %%   memory %.1f MB",
         rate(v, requests.rate), sum_in(v->now, "in_flight", NULL, STR_NONE, NULL, NULL),
         100 * cpu / v->seconds, number(json_get(v->now, "memory_bytes")) / (1 << 20));
    line(v, "", "waiting: %.0f jobs, %.0f ledger rows   log lines dropped %.0f",
         number(json_get(v->now, "jobs_queued")), number(json_get(v->now, "ledger_rows_waiting")),
         number(json_get(v->now, "log_lines_dropped")));
}

static bool any(const struct view *v, const char *list)
{
    return json_count(json_get(v->now, list)) > 0;
}

void live_draw(struct buf *out, struct json_value now, const struct json_value *old, size_t rows,
               size_t columns)
{
    struct view v = {.out = out, .a = arena_new(), .now = now, .rows = rows, .columns = columns};
    if (old)
        v.old = *old;
    const char *since = old ? "at_ms" : "started_at_ms";
    v.seconds = (number(json_get(now, "at_ms")) - number(json_get(old ? *old : now, since))) / 1e3;
    if (v.seconds < 0.001)
        v.seconds = 0.001;

    draw_service(&v);
    heading(&v, "ROUTE                                  REQ/S  FAILED/S       P50       P95       "
                "P99       TOTAL");
    each_value(&v, "requests", "route", draw_route);
    heading(&v, "MODEL                              TOK IN/S  TOK OUT/S FIRST P50       P95       "
                "P99       TOTAL");
    each_value(&v, "tokens", "model", draw_model);
    heading(&v, "PROVIDER                             TRIES/S  FAILED/S IN FLIGHT     LIMIT    "
                "QUEUED       TOTAL");
    each_value(&v, "attempts", "provider", draw_provider);
    if (any(&v, "breakers")) {
        heading(&v,
                "BREAKER                            STATE     ENDPOINT                      MODEL");
        draw_breakers(&v);
    }
    heading(&v, "FAILURES, AND WHAT FOLLOWED              /S                                       "
                "      TOTAL");
    each_value(&v, "steps", "step", draw_step);
    each_value(&v, "errors", "kind", draw_error);
    arena_free(v.a);
}
