/* log.h - one JSON line per event, to standard error or a file.
 *
 *     log_info("breaker", kv("provider", name), kv("failures", n));
 *     {"ts":"2026-11-21T07:00:00.123Z","level":"info","event":"breaker","provider":"x","failures":3}
 *
 * Never a prompt, an answer, a key or personal data. Lines are collected per thread and written by
 * a background thread within 50 ms; warnings and errors wake it at once. A full disk or a slow
 * terminal drops lines, counts them, and says so in the next line that goes out ("log_dropped"):
 * logging never stops a request. Lines of one thread keep their order, those of several are sorted
 * by `ts` only roughly. Values over 1 KB are cut ("..."); what does not fit into a line of 8 KB is
 * left out ("cut":true). Keys are written as they are: literals without quotes.
 *
 * Before log_open and after log_close, warnings and errors go to standard error from the thread
 * that calls, and the rest nowhere.
 *
 * Threads: any. A line costs its thread some 0.3 us (bench_log).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key; /* as it stands in the line: ,"key": and LOG_PADDING bytes more to read */
    uint32_t key_len;
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_REAL, LOG_FIELD_BOOL, LOG_FIELD_MADE } kind;
    union {
        struct str s;
        int64_t i;
        double d;
    };
};

/* Opens the sink: NULL path is standard error. May be called again to reopen (log rotation). */
bool log_open(const char *path, enum log_level least, struct err *e);
/* People at a terminal get "penstock: message" lines instead of JSON. */
void log_for_people(bool on);
void log_close(void); /* writes what is left; waits 2 s at most for a sink that takes no more */
bool log_wants(enum log_level level);
bool log_level_parse(struct str name, enum log_level *out);
uint64_t log_dropped(void);

void log_write(enum log_level level, const char *event, const struct log_field *field, size_t n);
/* The same for whoever has read the clock (monotonic ns). */
void log_write_at(int64_t now_ns, enum log_level level, const char *event,
                  const struct log_field *field, size_t n);

static inline struct log_field log_kv_text(const char *key, uint32_t len, const char *v)
{
    return (struct log_field){key, len, LOG_FIELD_STR, {.s = str_from(v)}};
}
static inline struct log_field log_kv_str(const char *key, uint32_t len, struct str v)
{
    return (struct log_field){key, len, LOG_FIELD_STR, {.s = v}};
}
static inline struct log_field log_kv_int(const char *key, uint32_t len, int64_t v)
{
    return (struct log_field){key, len, LOG_FIELD_INT, {.i = v}};
}
static inline struct log_field log_kv_real(const char *key, uint32_t len, double v)
{
    return (struct log_field){key, len, LOG_FIELD_REAL, {.d = v}};
}
static inline struct log_field log_kv_bool(const char *key, uint32_t len, bool v)
{
    return (struct log_field){key, len, LOG_FIELD_BOOL, {.i = v}};
}

/* A field of whatever type `v` has. The key is a literal, which becomes a piece of the line; its
 * padding lets it be copied without looking how long it is. */
#define LOG_PAD "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
enum { LOG_PADDING = sizeof(LOG_PAD) - 1 };
#define kv(key, v)                                                                                 \
    _Generic((v), struct str: log_kv_str, char *: log_kv_text, const char *: log_kv_text,          \
        bool: log_kv_bool, float: log_kv_real, double: log_kv_real, default: log_kv_int)(          \
        ",\"" key "\":" LOG_PAD, sizeof(",\"" key "\":") - 1, v)

/* Fields that are the same in many lines, made once: they come out as these would. The text lives
 * in `a`; log_for_people is called before, if at all. What does not fit into 6 KB is left out. */
struct str log_made(struct arena *a, const struct log_field *field, size_t n);
static inline struct log_field log_kv_made(struct str made)
{
    return (struct log_field){made.p, (uint32_t)made.len, LOG_FIELD_MADE, {.i = 0}};
}

#define LOG_AT(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_wants(level)) {                                                                    \
            const struct log_field log_f[] = {{0}, ##__VA_ARGS__};                                 \
            log_write(level, event, log_f + 1, sizeof(log_f) / sizeof(log_f[0]) - 1);              \
        }                                                                                          \
    } while (0)
#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, ##__VA_ARGS__)
