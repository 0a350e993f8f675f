/* What log promises: one line of JSON per event whatever the values, each thread's lines in order,
 * and every line either written or counted. */
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include "tap.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <stdlib.h>

#include <unistd.h>

enum { THREADS = 4, LINES = 3000 };

static char path[64];
static struct arena *a;

static struct str written(void)
{
    struct err e;
    struct str text = STR("");
    ok(file_read(&text, a, path, 64 << 20, &e), "the log is there");
    return text;
}

static void open_log(enum log_level least)
{
    struct err e;
    unlink(path);
    ok(log_open(path, least, &e), "open");
}

static void test_values(void)
{
    char wide[3000], much[1200];
    memset(wide, 'w', sizeof(wide));
    memset(much, 1, sizeof(much));
    open_log(LOG_INFO);
    log_info("values", kv("text", "a\"\\\n\x01\xC3\xA9"), kv("str", STR("s")), kv("int", INT64_MIN),
             kv("small", (short)-1), kv("real", 1234.5678), kv("least", -0.000001),
             kv("whole", 3.0), kv("huge", 1e300), kv("nan", (double)NAN), kv("yes", (bool)true),
             kv("broken", "x\xFFy"), kv("wide", ((struct str){wide, sizeof(wide)})),
             kv("null", (const char *)NULL));
    log_debug("not wanted", kv("a", 1));
    log_info("no fields");
    struct str m = {much, sizeof(much)};
    log_warn("too much", kv("a", m), kv("b", m), kv("c", 3));
    log_close();

    struct str rest = written(), line;
    struct json doc;
    struct err e;
    str_split(&rest, '\n', &line);
    ok(json_parse(&doc, a, line, JSON_UNIQUE, &e), "the line is JSON: %.*s", STR_FMT(line));
    struct json_value v = json_root(&doc);
    ok(json_text(json_get(v, "ts"), a).len == strlen("2026-11-21T07:00:00.123Z"), "a time");
    ok(json_text_is(json_get(v, "level"), "info") && json_text_is(json_get(v, "event"), "values"),
       "level and event");
    ok(json_text_is(json_get(v, "text"), "a\"\\\n\x01\xC3\xA9"), "escapes");
    ok(json_text_is(json_get(v, "broken"), "x\xEF\xBF\xBDy"), "broken UTF-8");
    int64_t n;
    ok(json_int(json_get(v, "int"), &n) && n == INT64_MIN, "the smallest number");
    ok(json_int(json_get(v, "small"), &n) && n == -1, "a short one");
    ok(str_eq(json_raw(json_get(v, "real")), STR("1234.5678")) &&
           str_eq(json_raw(json_get(v, "least")), STR("-0.000001")) &&
           str_eq(json_raw(json_get(v, "whole")), STR("3")) &&
           str_eq(json_raw(json_get(v, "huge")), STR("1e+300")) &&
           json_is(json_get(v, "nan"), JSON_NULL) && json_is(json_get(v, "yes"), JSON_TRUE),
       "reals and booleans");
    ok(json_text(json_get(v, "wide"), a).len == 1024 + 3, "a wide value is cut");
    ok(json_text_is(json_get(v, "null"), ""), "no text is empty text");

    str_split(&rest, '\n', &line);
    ok(json_parse(&doc, a, line, JSON_UNIQUE, &e) &&
           json_text_is(json_get(json_root(&doc), "event"), "no fields"),
       "debug was not wanted");
    str_split(&rest, '\n', &line);
    ok(json_parse(&doc, a, line, JSON_UNIQUE, &e) && json_exists(json_path(json_root(&doc), "a")) &&
           !json_exists(json_path(json_root(&doc), "b")) &&
           json_is(json_path(json_root(&doc), "cut"), JSON_TRUE) &&
           json_int(json_get(json_root(&doc), "c"), &n),
       "what does not fit is left out: %.*s", STR_FMT(str_from_at(line, line.len - 20)));
    ok(rest.len == 0, "nothing else");
}

/* Texts of each length up to three words, with a byte that is not plain at each place of them. */
static void test_places(void)
{
    static const char odd[] = {'"', '\\', '\n', 1, 0x1f, 0x7f, (char)0x80, (char)0xff};
    enum { MOST = 24 };
    int wrong = 0;
    open_log(LOG_INFO);
    for (size_t len = 0; len <= MOST; len++)
        for (size_t at = 0; at < size_max(len, 1); at++)
            for (size_t i = 0; i < sizeof(odd); i++) {
                char text[MOST];
                memset(text, '~', sizeof(text));
                text[at] = odd[i];
                log_info("place", kv("text", ((struct str){text, len})), kv("i", i));
            }
    log_close();
    struct str rest = written(), line;
    for (size_t len = 0; len <= MOST; len++)
        for (size_t at = 0; at < size_max(len, 1); at++)
            for (size_t i = 0; i < sizeof(odd); i++) {
                struct json doc;
                struct err e;
                str_split(&rest, '\n', &line);
                bool good = json_parse(&doc, a, line, 0, &e);
                struct str got = json_text(json_get(json_root(&doc), "text"), a);
                bool ascii = (signed char)odd[i] > 0;
                wrong += !good || got.len != len + (len && !ascii ? 2 : 0) ||
                         (len && ascii && got.p[at] != odd[i]);
            }
    ok(wrong == 0 && rest.len == 0, "all texts come out as they went in");
}

/* The second line has the fields of the first, some of them made before. */
static void test_made(void)
{
    char wide[2000];
    memset(wide, 1, sizeof(wide));
    struct str much = {wide, sizeof(wide)}, rest, first, second;
    struct str made =
        log_made(a, (struct log_field[]){kv("a", "\"x\""), kv("a name of more than a word", 2)}, 2);
    struct str cut = log_made(a, (struct log_field[]){kv("a", much), kv("b", much), kv("c", 3)}, 3);
    open_log(LOG_INFO);
    struct log_field f[] = {kv("before", 1), log_kv_made(made), kv("behind", 3)};
    log_info("made", kv("before", 1), kv("a", "\"x\""), kv("a name of more than a word", 2),
             kv("behind", 3));
    log_write(LOG_INFO, "made", f, 3);
    log_write(LOG_INFO, "made", (struct log_field[]){log_kv_made(cut)}, 1);
    log_close();
    rest = written();
    str_split(&rest, '\n', &first);
    str_split(&rest, '\n', &second);
    const size_t behind_time = 40;
    ok(str_eq(str_from_at(first, behind_time), str_from_at(second, behind_time)), "%.*s",
       STR_FMT(second));
    struct json doc;
    struct err e;
    int64_t n;
    str_split(&rest, '\n', &first);
    ok(json_parse(&doc, a, first, JSON_UNIQUE, &e) && json_exists(json_get(json_root(&doc), "a")) &&
           !json_exists(json_get(json_root(&doc), "b")) &&
           json_int(json_get(json_root(&doc), "c"), &n),
       "what does not fit is left out");
}

static void *chatter(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("line", kv("thread", *(int *)arg), kv("i", i), kv("pad", "some words to fill it"));
    return NULL;
}

static void test_threads(void)
{
    pthread_t thread[THREADS];
    int id[THREADS], next[THREADS] = {0}, wrong = 0;
    uint64_t before = log_dropped();
    open_log(LOG_DEBUG);
    for (int i = 0; i < THREADS; i++) {
        id[i] = i;
        wrong += pthread_create(&thread[i], NULL, chatter, &id[i]);
    }
    struct err e;
    ok(log_open(path, LOG_DEBUG, &e), "opened again meanwhile");
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    log_close();
    struct str rest = written(), line;
    while (str_split(&rest, '\n', &line) && line.len) {
        struct json doc;
        int64_t t = 0, i = 0;
        wrong += !json_parse(&doc, a, line, 0, &e);
        if (json_text_is(json_get(json_root(&doc), "event"), "log_dropped"))
            continue;
        wrong += !json_int(json_get(json_root(&doc), "thread"), &t) ||
                 !json_int(json_get(json_root(&doc), "i"), &i) || i < next[t];
        next[t] = (int)i + 1;
    }
    int last = 0;
    for (int i = 0; i < THREADS; i++)
        last += next[i] == LINES;
    ok(wrong == 0, "each line is whole and behind its thread's last one");
    ok(last == THREADS || log_dropped() > before, "up to the end of each");
}

static void *drain(void *arg)
{
    char bytes[4096];
    struct buf *all = arg;
    int fd = open(path, O_RDONLY);
    for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;)
        buf_add(all, (struct str){bytes, (size_t)n});
    close(fd);
    return NULL;
}

/* A pipe that nobody reads fills up; lines are then dropped, and everything is accounted for. */
static void test_slow_sink(void)
{
    struct err e;
    unlink(path);
    int hold = -1;
    if (mkfifo(path, 0600) == 0)
        hold = open(path, O_RDWR | O_CLOEXEC);
    ok(hold >= 0 && log_open(path, LOG_INFO, &e), "a pipe");
    uint64_t before = log_dropped(), lines = 0;
    while (log_dropped() < before + 10 && lines < 1000000) {
        log_info("stuck", kv("i", (int64_t)lines));
        lines++;
    }
    ok(log_dropped() >= before + 10, "nobody reads: lines are dropped, and nobody waits");
    struct buf all;
    buf_init(&all, 64 << 20);
    pthread_t reader;
    ok(pthread_create(&reader, NULL, drain, &all) == 0, "now somebody reads");
    log_close();
    close(hold);
    pthread_join(reader, NULL);

    uint64_t got = 0, told = 0;
    struct str rest = buf_str(&all), line;
    while (str_split(&rest, '\n', &line) && line.len) {
        struct json doc;
        int64_t n = 0;
        if (!json_parse(&doc, a, line, 0, &e))
            continue;
        if (json_int(json_get(json_root(&doc), "lines"), &n))
            told += (uint64_t)n;
        else
            got++;
    }
    ok(got + told == lines, "%llu written + %llu told as dropped = %llu", (unsigned long long)got,
       (unsigned long long)told, (unsigned long long)lines);
    buf_fini(&all);
}

static void test_full_disk(void)
{
    struct err e;
    if (!log_open("/dev/full", LOG_INFO, &e)) {
        skip("no /dev/full here");
        return;
    }
    uint64_t before = log_dropped();
    log_error("lost");
    log_info("lost");
    log_close();
    ok(log_dropped() == before + 2, "a full disk loses lines, and they are counted");
}

/* Behind test_full_disk: the first line tells of it. */
static void test_people(void)
{
    unlink(path);
    open_log(LOG_INFO);
    log_for_people(true);
    struct str made =
        log_made(a, (struct log_field[]){kv("address", "127.0.0.1:80\x1B[2J"), kv("n", 1)}, 2);
    log_info("listening", log_kv_made(made), kv("tls", (bool)false));
    log_error("cannot start");
    log_close();
    log_for_people(false);
    struct str text = written();
    ok(str_eq(text, STR("penstock: warning: log_dropped lines=2\n"
                        "penstock: listening address=127.0.0.1:80 [2J n=1 tls=false\n"
                        "penstock: error: cannot start\n")),
       "lines for people: %.*s", STR_FMT(text));
}

int main(void)
{
    snprintf(path, sizeof(path), "/tmp/penstock-test-log-%d", (int)getpid());
    a = arena_new();
    enum log_level level;
    ok(log_level_parse(STR("warn"), &level) && level == LOG_WARN &&
           !log_level_parse(STR("WARN"), &level),
       "levels by name");
    ok(log_wants(LOG_WARN) && !log_wants(LOG_INFO), "unopened: only what is wrong");
    test_values();
    test_places();
    test_made();
    test_threads();
    test_slow_sink();
    test_full_disk();
    test_people();
    struct err e;
    ok(!log_open("/nowhere/at/all", LOG_INFO, &e) && strstr(e.msg, "/nowhere/at/all"), "%s", e.msg);
    unlink(path);
    arena_free(a);
    return tap_done();
}
