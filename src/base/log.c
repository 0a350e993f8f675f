/* Each thread appends lines to a buffer of its own; a background thread swaps full buffers for
 * empty ones and writes. So a line costs its formatting and a lock that nobody else wants, and a
 * disk that stands still fills buffers, never stops a thread.
 *
 * The background thread looks every FLUSH_MS, or at once when a line is urgent. After QUIET_LOOKS
 * in vain it lets itself be woken by the next line: to be woken costs a system call of the thread
 * that logs and often a switch of threads on its core, which is not to come with each request.
 * `looks` is cleared in front of a last look, and read behind the append, each time with the
 * buffer's lock between them: a line that the last look has missed finds it cleared. */
#include "base/log.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_scan.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FLUSH_MS = 50,
    QUIET_LOOKS = 20,     /* a second */
    CLOSE_MS = 2000,      /* how long log_close waits for a sink that does not take more */
    BUFFER = 256 << 10,   /* per thread, twice; pages that are never used cost nothing */
    LINE_MAX_SIZE = 8192, /* what does not fit into a line is left out and marked */
    VALUE_MAX = 1024,     /* bytes of one value */
    FIELD_MAX = 6 * VALUE_MAX + 256, /* of one field, or some made: with all bytes escaped */
};

static const char *const level_name[] = {"debug", "info", "warn", "error"};
#define LEVEL(name) STR_INIT("\",\"level\":\"" name "\",\"event\":")
static const struct str level_text[] = {LEVEL("debug"), LEVEL("info"), LEVEL("warn"),
                                        LEVEL("error")};
#undef LEVEL

struct thread_log {
    struct list node; /* under `state.lock` */
    bool gone;        /* under `state.lock`: its thread has ended */
    struct lock lock; /* of text and len; taken behind `state.sink_lock` */
    char *text;       /* [BUFFER] lines that wait */
    size_t len;
    char *spare; /* [BUFFER] under `state.sink_lock`: what is being written */
    /* its thread only */
    int64_t second; /* that `stamp` shows */
    char stamp[CLOCK_RFC3339_SIZE];
};

static struct {
    atomic_int least;
    atomic_bool people, open;
    atomic_bool looks;            /* the flusher does, within FLUSH_MS */
    atomic_uint_fast64_t dropped; /* lines, ever */

    struct lock lock;
    struct cond wake;
    struct list threads;
    size_t n_threads;
    bool urgent, stop;
    pthread_t flusher;

    struct lock sink_lock; /* of what follows, and held while writing */
    int fd;
    bool whole_writes; /* a file is always ready; a pipe, a socket or a terminal may not be */
    bool torn;         /* the last write ended inside a line */
    uint64_t told;     /* of `dropped`, what the log itself has reported */
    atomic_llong give_up_at;
} state = {.least = LOG_WARN, .lock = LOCK_INIT, .sink_lock = LOCK_INIT, .fd = STDERR_FILENO};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t on_exit_key;
static _Thread_local struct thread_log *mine;

static void thread_ended(void *arg)
{
    struct thread_log *t = arg;
    lock_take(&state.lock);
    t->gone = true;
    lock_drop(&state.lock);
    mine = NULL; /* a destructor that runs later and logs gets a new one */
}

static void start(void)
{
    list_init(&state.threads);
    cond_init(&state.wake);
    CHECK(pthread_key_create(&on_exit_key, thread_ended) == 0);
    atomic_init(&state.give_up_at, CLOCK_NEVER);
}

static struct thread_log *thread_log(void)
{
    if (mine)
        return mine;
    pthread_once(&once, start);
    struct thread_log *t = mem_new(sizeof(*t));
    t->text = mem_new(BUFFER);
    t->spare = mem_new(BUFFER);
    t->second = INT64_MIN;
    lock_init(&t->lock);
    lock_take(&state.lock);
    list_add(&state.threads, &t->node);
    state.n_threads++;
    lock_drop(&state.lock);
    pthread_setspecific(on_exit_key, t);
    mine = t;
    return t;
}

static void thread_log_free(struct thread_log *t)
{
    lock_fini(&t->lock);
    mem_free(t->text);
    mem_free(t->spare);
    mem_free(t);
}

/* ---- One line. The writers below have room: put_field has made sure. ---- */

static char *put(char *to, const void *bytes, size_t n)
{
    if (n) /* an empty text may have no address */
        memcpy(to, bytes, n);
    return to + n;
}
#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *put_int(char *to, int64_t n)
{
    if (n < 0)
        *to++ = '-';
    return str_put_u64(to, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

/* Up to six decimals, without zeros behind them. */
static char *put_real(char *to, double d)
{
    if (!isfinite(d))
        return PUT(to, "null");
    if (fabs(d) >= 1e12)
        return to + snprintf(to, 32, "%.9g", d);
    int64_t millionths = llround(fabs(d) * 1e6);
    if (d < 0 && millionths)
        *to++ = '-';
    to = put_int(to, millionths / 1000000);
    int64_t part = millionths % 1000000;
    if (part == 0)
        return to;
    *to++ = '.';
    for (int64_t place = 100000; part; place /= 10) {
        *to++ = (char)('0' + part / place);
        part %= place;
    }
    return to;
}

/* Up to six bytes for each of `s`. */
static char *put_escaped(char *to, struct str s)
{
    static const char hex[] = "0123456789abcdef";
    bool high = false;
    const char *p = s.p, *end = s.p + s.len;
    while (p < end) {
        const char *stop = json_plain(p, end, &high);
        to = put(to, p, (size_t)(stop - p));
        p = stop;
        if (p == end)
            break;
        char c = *p++;
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = c;
        } else if (c == '\n') {
            to = PUT(to, "\\n");
        } else {
            to = PUT(to, "\\u00");
            *to++ = hex[c >> 4 & 1];
            *to++ = hex[c & 15];
        }
    }
    return to;
}

/* The same for text that is not UTF-8. */
static char *put_broken(char *to, struct str s)
{
    for (size_t at = 0; at < s.len;) {
        char c[4];
        size_t n = utf8_put(c, utf8_next(s, &at));
        to = n == 1 ? put_escaped(to, (struct str){c, 1}) : put(to, c, n);
    }
    return to;
}

/* Not 0 when one of these bytes needs a second look: an escape, or one that is not ASCII. */
static uint64_t special(uint64_t x)
{
    uint64_t quote = x ^ STR_EACH('"'), slash = x ^ STR_EACH('\\');
    uint64_t low = (quote - STR_EACH(1)) | (slash - STR_EACH(1)) | (x - STR_EACH(0x20));
    return (low | x) & STR_EACH(0x80);
}

static uint64_t put_word(char *to, const char *p)
{
    uint64_t x = str_load8(p);
    memcpy(to, &x, sizeof(x));
    return special(x);
}

/* Up to seven bytes as a word, spaces behind them. Bytes that are read twice fall on themselves. */
static uint64_t few_bytes(const char *p, size_t n)
{
    uint64_t word = 0;
    if (n >= 4) {
        word = str_load4(p) | (uint64_t)str_load4(p + n - 4) << 8 * (n - 4);
    } else if (n > 0) {
        word = (unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 * (n / 2) |
               (uint64_t)(unsigned char)p[n - 1] << 8 * (n - 1);
    }
    return word | STR_EACH(' ') << 8 * n;
}

/* Text of printable ASCII, as nearly all is, looked at and copied in one pass: words of eight
 * bytes, the last of which may overlap. NULL: it is something else. May write eight bytes where
 * there are fewer. */
static inline char *put_plain(char *to, const char *p, size_t n)
{
    uint64_t found = 0;
    if (n < sizeof(found)) {
        uint64_t few = few_bytes(p, n);
        found = special(few);
        memcpy(to, &few, sizeof(few));
    } else {
        for (size_t i = 0; i + sizeof(found) < n; i += sizeof(found))
            found |= put_word(to + i, p + i);
        found |= put_word(to + n - sizeof(found), p + n - sizeof(found));
    }
    return found ? NULL : to + n;
}

/* Text of any kind and length, in quotes. */
__attribute__((noinline)) static char *put_odd(char *to, struct str s)
{
    bool cut = s.len > VALUE_MAX;
    s = str_head(s, utf8_cut(s, size_min(s.len, VALUE_MAX)));
    *to++ = '"';
    to = utf8_valid(s) ? put_escaped(to, s) : put_broken(to, s);
    return cut ? PUT(to, "...\"") : PUT(to, "\"");
}

static inline char *put_text(char *to, struct str s)
{
    char *behind = s.len <= VALUE_MAX ? put_plain(to + 1, s.p, s.len) : NULL;
    if (!behind)
        return put_odd(to, s);
    *to = *behind = '"';
    return behind + 1;
}

/* For eyes: without quotes, and without what a terminal takes as a command. */
static char *put_plainly(char *to, struct str s)
{
    s = str_head(s, utf8_cut(s, size_min(s.len, VALUE_MAX)));
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        *to++ = c < 0x20 || c == 0x7F ? ' ' : s.p[i];
    }
    return to;
}

static inline char *put_value(char *to, const struct log_field *f)
{
    switch (f->kind) {
    case LOG_FIELD_INT: return put_int(to, f->i);
    case LOG_FIELD_REAL: return put_real(to, f->d);
    case LOG_FIELD_BOOL: return f->i ? PUT(to, "true") : PUT(to, "false");
    case LOG_FIELD_MADE: return to;
    case LOG_FIELD_STR: break;
    }
    return put_text(to, f->s);
}

__attribute__((noinline)) static char *put_field_plainly(char *to, const struct log_field *f)
{
    if (f->kind == LOG_FIELD_MADE)
        return put(to, f->key, f->key_len);
    *to++ = ' ';
    to = put(to, f->key + strlen(",\""), f->key_len - strlen(",\"\":"));
    *to++ = '=';
    return f->kind == LOG_FIELD_STR ? put_plainly(to, f->s) : put_value(to, f);
}

/* At most so many bytes; the writers may need a word more for a while. */
static size_t room_for(const struct log_field *f)
{
    return f->kind == LOG_FIELD_STR ? 6 * size_min(f->s.len, VALUE_MAX) + 16 : 32;
}

/* NULL when the field may not fit in front of `end`. */
static inline char *put_field(char *to, const char *end, const struct log_field *f, bool people)
{
    size_t room = (size_t)(end - to);
    if (room < FIELD_MAX && room < f->key_len + room_for(f))
        return NULL;
    if (people)
        return put_field_plainly(to, f);
    memcpy(to, f->key, LOG_PADDING);
    for (uint32_t i = LOG_PADDING; i < f->key_len; i += LOG_PADDING)
        memcpy(to + i, f->key + i, LOG_PADDING);
    return put_value(to + f->key_len, f);
}

/* "2026-11-21T07:00:00.123Z"; all but the milliseconds is made once in a second. */
static char *put_time(char *to, struct thread_log *t, int64_t now_ns)
{
    int64_t ms = clock_wall_ms_at(now_ns), second = ms / 1000;
    int part = (int)(ms % 1000);
    if (second != t->second) {
        clock_rfc3339(t->stamp, ms);
        t->second = second;
    }
    to = put(to, t->stamp, 20);
    *to++ = (char)('0' + part / 100);
    *to++ = (char)('0' + part / 10 % 10);
    *to++ = (char)('0' + part % 10);
    *to++ = 'Z';
    return to;
}

struct str log_made(struct arena *a, const struct log_field *field, size_t n)
{
    bool people = atomic_load_explicit(&state.people, memory_order_relaxed);
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    char *text = arena_bytes(tmp, FIELD_MAX + LOG_PADDING), *to = text;
    for (size_t i = 0; i < n; i++) {
        char *behind = put_field(to, text + FIELD_MAX, &field[i], people);
        to = behind ? behind : to;
    }
    size_t len = (size_t)(to - text);
    memset(to, 0, LOG_PADDING);
    struct str made = arena_copy(a, (struct str){text, len + LOG_PADDING});
    arena_rewind(tmp, mark);
    return str_head(made, len);
}

static size_t put_line(struct thread_log *t, char *line, int64_t now_ns, enum log_level level,
                       const char *event, const struct log_field *field, size_t n)
{
    bool people = atomic_load_explicit(&state.people, memory_order_relaxed);
    const char *end = line + LINE_MAX_SIZE - 32; /* what closes the line fits behind */
    char *to = line;
    if (people) {
        to = PUT(to, "penstock: ");
        if (level >= LOG_WARN)
            to = level == LOG_WARN ? PUT(to, "warning: ") : PUT(to, "error: ");
        to = put_plainly(to, str_from(event));
    } else {
        to = PUT(to, "{\"ts\":\"");
        to = put_time(to, t, now_ns);
        to = put(to, level_text[level].p, level_text[level].len);
        to = put_text(to, str_from(event));
    }
    bool cut = false;
    for (size_t i = 0; i < n; i++) {
        char *behind = put_field(to, end, &field[i], people);
        cut |= !behind;
        to = behind ? behind : to;
    }
    if (cut)
        to = people ? PUT(to, " ...") : PUT(to, ",\"cut\":true");
    if (!people)
        *to++ = '}';
    *to++ = '\n';
    return (size_t)(to - line);
}

/* ---- The sink ---- */

/* Waits until the sink takes bytes, but not past give_up_at. Pipes and terminals that are ready
 * take PIPE_BUF bytes without blocking. */
static ssize_t write_some(const char *p, size_t n)
{
    if (!state.whole_writes) {
        struct pollfd ready = {.fd = state.fd, .events = POLLOUT};
        while (poll(&ready, 1, FLUSH_MS) == 0)
            if (clock_now() >= atomic_load(&state.give_up_at)) {
                errno = ETIMEDOUT;
                return -1;
            }
        n = size_min(n, 4096);
    }
    return write(state.fd, p, n);
}

/* As far as it goes; returns how many bytes went. */
static size_t write_out(const char *p, size_t n)
{
    size_t at = 0;
    while (at < n) {
        ssize_t done = write_some(p + at, n - at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            break;
        at += (size_t)done;
        state.torn = p[at - 1] != '\n';
    }
    return at;
}

/* Says how many lines are missing, once the sink takes bytes again. `self` is this thread's. */
static void tell_drops(struct thread_log *self)
{
    static char line[LINE_MAX_SIZE]; /* not on the stack, which may be a fiber's */
    uint64_t dropped = atomic_load(&state.dropped);
    if (dropped == state.told || (state.torn && write_out("\n", 1) == 0))
        return;
    const struct log_field f = kv("lines", dropped - state.told);
    size_t n = put_line(self, line, clock_now(), LOG_WARN, "log_dropped", &f, 1);
    if (write_out(line, n) == n)
        state.told = dropped;
}

/* Takes what a thread has and writes it. True: it had something. */
static bool flush_one(struct thread_log *t, struct thread_log *self)
{
    lock_take(&state.sink_lock);
    lock_take(&t->lock);
    char *text = t->text;
    size_t len = t->len;
    t->text = t->spare;
    t->spare = text;
    t->len = 0;
    lock_drop(&t->lock);
    if (len) {
        tell_drops(self);
        size_t done = write_out(text, len);
        uint64_t lost = 0;
        for (size_t i = done; i < len; i++)
            lost += text[i] == '\n';
        atomic_fetch_add(&state.dropped, lost);
    }
    lock_drop(&state.sink_lock);
    return len > 0;
}

/* Under state.lock: the threads of this moment. Only flush() frees one, and only one runs it. */
static struct thread_log **threads_locked(size_t *n)
{
    struct thread_log **all = mem_array(state.n_threads, sizeof(struct thread_log *));
    *n = 0;
    list_each (node, &state.threads)
        all[(*n)++] = list_entry(node, struct thread_log, node);
    return all;
}

/* Those that have ended since; their buffers were emptied after they had, or are now. */
static void free_gone(struct thread_log *self)
{
    struct list gone;
    list_init(&gone);
    lock_take(&state.lock);
    list_each (node, &state.threads) {
        if (!list_entry(node, struct thread_log, node)->gone)
            continue;
        list_remove(node);
        list_add(&gone, node);
        state.n_threads--;
    }
    lock_drop(&state.lock);
    list_each (node, &gone) {
        struct thread_log *t = list_entry(node, struct thread_log, node);
        flush_one(t, self);
        thread_log_free(t);
    }
}

/* Looks into all buffers. True: there was something. */
static bool flush_all(struct thread_log *self)
{
    bool any = false;
    size_t n;
    lock_take(&state.lock);
    struct thread_log **all = threads_locked(&n);
    lock_drop(&state.lock);
    for (size_t i = 0; i < n; i++)
        any |= flush_one(all[i], self);
    mem_free(all);
    free_gone(self);
    return any;
}

/* Until the next look is due; when nobody `looks`, until somebody wants one. True: the last. */
static bool rest(void)
{
    lock_take(&state.lock);
    while (!state.stop && !atomic_load(&state.looks))
        cond_wait(&state.wake, &state.lock, CLOCK_NEVER);
    int64_t until = clock_after(clock_now(), FLUSH_MS);
    while (!state.stop && !state.urgent && cond_wait(&state.wake, &state.lock, until))
        ;
    state.urgent = false;
    bool stop = state.stop;
    lock_drop(&state.lock);
    return stop;
}

static void *flusher(void *arg)
{
    (void)arg;
    struct thread_log *self = thread_log(); /* for its clock text */
    bool stop;
    int quiet = 0;
    do {
        stop = rest();
        quiet = flush_all(self) ? 0 : quiet + 1;
        if (quiet >= QUIET_LOOKS) {
            atomic_store(&state.looks, false);
            if (flush_all(self))
                atomic_store(&state.looks, true);
            quiet = 0;
        }
    } while (!stop);
    lock_take(&state.sink_lock);
    tell_drops(self);
    lock_drop(&state.sink_lock);
    return NULL;
}

static void wake_flusher(bool urgent)
{
    lock_take(&state.lock);
    state.urgent |= urgent;
    atomic_store(&state.looks, true);
    cond_wake_one(&state.wake);
    lock_drop(&state.lock);
}

/* ---- What others call ---- */

static void use_sink(int fd)
{
    struct stat st;
    lock_take(&state.sink_lock);
    if (state.fd != STDERR_FILENO)
        close(state.fd);
    state.fd = fd;
    state.whole_writes =
        fstat(fd, &st) == 0 && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) && !isatty(fd);
    state.torn = false;
    lock_drop(&state.sink_lock);
}

bool log_open(const char *path, enum log_level least, struct err *e)
{
    pthread_once(&once, start);
    int fd = STDERR_FILENO;
    if (path)
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot open log file '%s'", path);
    use_sink(fd);
    atomic_store(&state.least, least);
    if (atomic_load(&state.open))
        return true;
    atomic_store(&state.give_up_at, CLOCK_NEVER);
    state.stop = false;
    int rc = pthread_create(&state.flusher, NULL, flusher, NULL);
    if (rc) {
        use_sink(STDERR_FILENO);
        errno = rc;
        return err_sys(e, ERR_IO, "cannot start the log's thread");
    }
    atomic_store(&state.open, true);
    return true;
}

void log_close(void)
{
    if (!atomic_exchange(&state.open, false))
        return;
    atomic_store(&state.give_up_at, clock_after(clock_now(), CLOSE_MS));
    lock_take(&state.lock);
    state.stop = true;
    cond_wake_one(&state.wake);
    lock_drop(&state.lock);
    pthread_join(state.flusher, NULL);
    use_sink(STDERR_FILENO);
    atomic_store(&state.least, LOG_WARN);
}

void log_for_people(bool on)
{
    atomic_store(&state.people, on);
}

bool log_wants(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&state.least, memory_order_relaxed);
}

bool log_level_parse(struct str name, enum log_level *out)
{
    for (size_t i = 0; i < COUNT(level_name); i++)
        if (str_eq(name, str_from(level_name[i]))) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

uint64_t log_dropped(void)
{
    return atomic_load(&state.dropped);
}

void log_write(enum log_level level, const char *event, const struct log_field *field, size_t n)
{
    log_write_at(clock_now(), level, event, field, n);
}

void log_write_at(int64_t now_ns, enum log_level level, const char *event,
                  const struct log_field *field, size_t n)
{
    if (!log_wants(level))
        return;
    struct thread_log *t = thread_log();
    bool open = atomic_load_explicit(&state.open, memory_order_relaxed);
    lock_take(&t->lock);
    size_t before = t->len;
    bool fits = BUFFER - before >= LINE_MAX_SIZE;
    if (fits)
        t->len += put_line(t, t->text + t->len, now_ns, level, event, field, n);
    else
        atomic_fetch_add(&state.dropped, 1);
    bool urgent = level >= LOG_WARN || (t->len > BUFFER / 2 && before <= BUFFER / 2);
    lock_drop(&t->lock);
    if (!open) {
        flush_one(t, t); /* nobody else does */
        return;
    }
    if (urgent || !atomic_load_explicit(&state.looks, memory_order_relaxed))
        wake_flusher(urgent);
}
