/* A series is an index into arrays of cells that every thread has of its own, made in pieces when
 * it first counts there. A thread writes only its cells, by relaxed loads and stores: plain adds
 * for the machine, and defined for a reader beside it. What a thread that ends has counted is added
 * to the cells of `retired`. */
#include "base/metric.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE = 512,       /* cells in a piece */
    PIECES = 64,       /* of one thread */
    SERIES_MAX = 2000, /* of a family; what comes behind shares one series */
    LABELS_MAX = 8,    /* of a family */
    STEPS = 16,        /* buckets in a power of two */
    BUCKETS = 60 * STEPS,
    HISTOGRAMS = 2048,
    KEEP = 128, /* of cells and histograms, for the series "other" of each family */
};

/* A histogram takes BUCKETS + 1 cells in a row, the last one for the sum; it has its own piece. */
typedef _Atomic int64_t cell;

struct metric {
    struct metric *next;
    struct metric_family *family;
    struct str label[LABELS_MAX];
    uint32_t index; /* of the cell, or of the histogram */
    cell level;     /* what metric_set set */
};

struct metric_family {
    struct metric_family *next;
    char *name, *help;
    struct str label[LABELS_MAX]; /* names */
    char *labels;                 /* as they were given */
    size_t n_labels;
    enum metric_kind kind;
    double scale;
    struct map by_values;
    struct metric *first, **end; /* in order of appearance */
    size_t n;
};

struct cells {
    struct cells *next;
    _Atomic(cell *) piece[PIECES];
    _Atomic(cell *) histogram[HISTOGRAMS];
};

struct reader {
    struct reader *next;
    void (*fn)(void *);
    void *arg;
};

static struct lock registry = LOCK_INIT; /* of all that follows */
static struct metric_family *families, **families_end = &families;
static struct map by_name;
static struct reader *readers;
static struct cells retired, *threads = &retired;
static uint32_t n_cells, n_histograms;

static _Thread_local struct cells *mine;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t on_exit_key;
static int64_t started_ms;

__attribute__((constructor)) static void remember_start(void)
{
    started_ms = clock_wall_ms();
}

/* ---- Counting ---- */

static cell *piece_of(_Atomic(cell *) *slot, size_t n)
{
    cell *p = atomic_load_explicit(slot, memory_order_relaxed);
    if (__builtin_expect(!p, 0)) { /* only the thread that counts here makes it */
        p = mem_array(n, sizeof(cell));
        atomic_store_explicit(slot, p, memory_order_release);
    }
    return p;
}

static void bump(cell *c, int64_t n)
{
    int64_t old = atomic_load_explicit(c, memory_order_relaxed);
    atomic_store_explicit(c, old + n, memory_order_relaxed);
}

static void retire_piece(_Atomic(cell *) *to, _Atomic(cell *) *from, size_t n)
{
    cell *p = atomic_load_explicit(from, memory_order_relaxed);
    if (!p)
        return;
    cell *sum = piece_of(to, n);
    for (size_t i = 0; i < n; i++)
        bump(&sum[i], atomic_load_explicit(&p[i], memory_order_relaxed));
    mem_free((void *)p);
}

static void thread_ended(void *arg)
{
    struct cells *c = arg, **link = &threads;
    mine = NULL;
    lock_take(&registry);
    for (size_t i = 0; i < PIECES; i++)
        retire_piece(&retired.piece[i], &c->piece[i], PIECE);
    for (size_t i = 0; i < HISTOGRAMS; i++)
        retire_piece(&retired.histogram[i], &c->histogram[i], BUCKETS + 1);
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    lock_drop(&registry);
    mem_free(c);
}

static void make_key(void)
{
    CHECK(pthread_key_create(&on_exit_key, thread_ended) == 0);
}

__attribute__((noinline, cold)) static struct cells *first_count(void)
{
    pthread_once(&once, make_key);
    struct cells *c = mem_new(sizeof(*c));
    lock_take(&registry);
    c->next = threads;
    threads = c;
    lock_drop(&registry);
    pthread_setspecific(on_exit_key, c);
    mine = c;
    return c;
}

static struct cells *my_cells(void)
{
    return __builtin_expect(mine != NULL, 1) ? mine : first_count();
}

/* A thread's first count of a series makes what it needs for it. All others call nothing. */
__attribute__((noinline, cold)) static void first_add(const struct metric *m, int64_t n)
{
    bump(&piece_of(&my_cells()->piece[m->index / PIECE], PIECE)[m->index % PIECE], n);
}

void metric_add(struct metric *m, int64_t n)
{
    struct cells *c = mine;
    cell *p = NULL;
    if (__builtin_expect(c != NULL, 1))
        p = atomic_load_explicit(&c->piece[m->index / PIECE], memory_order_relaxed);
    if (__builtin_expect(p != NULL, 1))
        bump(&p[m->index % PIECE], n);
    else
        first_add(m, n);
}

void metric_set(struct metric *m, int64_t n)
{
    atomic_store_explicit(&m->level, n, memory_order_relaxed);
}

/* Values below 16 have a bucket each; from there the four bits behind the leading one choose. */
static size_t bucket_of(int64_t value)
{
    if (value < STEPS)
        return value < 0 ? 0 : (size_t)value;
    int power = 63 - __builtin_clzll((uint64_t)value);
    return (size_t)(power - 3) * STEPS + (size_t)(value >> (power - 4) & (STEPS - 1));
}

/* The smallest value of a bucket; of the one behind the last, what none reaches. */
static uint64_t bucket_start(size_t i)
{
    return i < STEPS ? i : (STEPS + i % STEPS) << (i / STEPS - 1);
}

static void put(cell *histogram, int64_t value)
{
    bump(&histogram[bucket_of(value)], 1);
    if (value > 0) /* the sum lies cache lines away, and stages that wait for nothing took 0 */
        bump(&histogram[BUCKETS], value);
}

__attribute__((noinline, cold)) static void first_observe(const struct metric *m, int64_t value)
{
    put(piece_of(&my_cells()->histogram[m->index], BUCKETS + 1), value);
}

void metric_observe(struct metric *m, int64_t value)
{
    struct cells *c = mine;
    cell *h = NULL;
    if (__builtin_expect(c != NULL, 1))
        h = atomic_load_explicit(&c->histogram[m->index], memory_order_relaxed);
    if (__builtin_expect(h != NULL, 1))
        put(h, value);
    else
        first_observe(m, value);
}

/* ---- Registering ---- */

static struct metric_family *family_new(const char *name, enum metric_kind kind, double scale,
                                        const char *labels, const char *help)
{
    struct metric_family *f = mem_new(sizeof(*f));
    *f = (struct metric_family){.name = mem_text(name),
                                .help = mem_text(help),
                                .labels = mem_text(labels),
                                .kind = kind,
                                .scale = scale};
    struct str rest = str_from(f->labels), part;
    while (rest.len && str_split(&rest, ',', &part)) {
        CHECK(f->n_labels < LABELS_MAX);
        f->label[f->n_labels++] = str_trim(part);
    }
    map_init(&f->by_values);
    f->end = &f->first;
    *families_end = f;
    families_end = &f->next;
    map_set(&by_name, str_from(name), f);
    return f;
}

static struct metric_family *family(const char *name, enum metric_kind kind, double scale,
                                    const char *labels, const char *help)
{
    lock_take(&registry);
    struct metric_family *f = map_get(&by_name, str_from(name));
    if (!f)
        f = family_new(name, kind, scale, labels, help);
    CHECK(f->kind == kind && f->scale == scale && strcmp(f->labels, labels) == 0);
    lock_drop(&registry);
    return f;
}

struct metric_family *metric_family(const char *name, enum metric_kind kind, const char *labels,
                                    const char *help)
{
    CHECK(kind != METRIC_HISTOGRAM);
    return family(name, kind, 1, labels, help);
}

struct metric_family *metric_histogram(const char *name, double scale, const char *labels,
                                       const char *help)
{
    return family(name, METRIC_HISTOGRAM, scale, labels, help);
}

/* The values with their lengths: no two lists look the same. */
static void join(struct buf *key, const struct str *values, size_t n)
{
    buf_init(key, SIZE_MAX / 4);
    for (size_t i = 0; i < n; i++) {
        buf_int(key, (int64_t)values[i].len);
        buf_char(key, ' ');
        buf_add(key, values[i]);
    }
}

static struct metric *find_locked(struct metric_family *f, const struct str *values)
{
    struct buf key;
    join(&key, values, f->n_labels);
    struct metric *m = map_get(&f->by_values, buf_str(&key));
    buf_fini(&key);
    return m;
}

static struct metric *make_locked(struct metric_family *f, const struct str *values)
{
    struct metric *m = mem_new(sizeof(*m));
    m->family = f;
    for (size_t i = 0; i < f->n_labels; i++)
        m->label[i] = (struct str){mem_copy(values[i].p, values[i].len), values[i].len};
    uint32_t *next = f->kind == METRIC_HISTOGRAM ? &n_histograms : &n_cells;
    CHECK(*next < (f->kind == METRIC_HISTOGRAM ? HISTOGRAMS : PIECE * PIECES));
    m->index = (*next)++;
    *f->end = m;
    f->end = &m->next;
    f->n++;
    struct buf key;
    join(&key, values, f->n_labels);
    map_set(&f->by_values, buf_str(&key), m);
    buf_fini(&key);
    return m;
}

static bool is_full_locked(const struct metric_family *f)
{
    if (f->kind == METRIC_HISTOGRAM)
        return f->n >= SERIES_MAX || n_histograms >= HISTOGRAMS - KEEP;
    return f->n >= SERIES_MAX || n_cells >= PIECE * PIECES - KEEP;
}

struct metric *metric_with(struct metric_family *f, const struct str *values)
{
    struct str other[LABELS_MAX];
    lock_take(&registry);
    struct metric *m = find_locked(f, values);
    if (!m && f->n_labels && is_full_locked(f)) {
        for (size_t i = 0; i < f->n_labels; i++)
            other[i] = STR("other");
        values = other;
        m = find_locked(f, values);
    }
    if (!m)
        m = make_locked(f, values);
    lock_drop(&registry);
    return m;
}

struct metric *metric_plain(struct metric_family *f)
{
    CHECK(f->n_labels == 0);
    return metric_with(f, NULL);
}

void metric_on_read(void (*fn)(void *), void *arg)
{
    struct reader *r = mem_new(sizeof(*r));
    lock_take(&registry);
    *r = (struct reader){readers, fn, arg};
    readers = r;
    lock_drop(&registry);
}

/* ---- Reading ---- */

/* One cell over all threads. */
static int64_t sum_locked(const struct metric *m, size_t at)
{
    bool histogram = m->family->kind == METRIC_HISTOGRAM;
    int64_t sum = 0;
    for (struct cells *c = threads; c; c = c->next) {
        _Atomic(cell *) *slot = histogram ? &c->histogram[m->index] : &c->piece[m->index / PIECE];
        cell *p = atomic_load_explicit(slot, memory_order_acquire);
        if (p)
            sum +=
                atomic_load_explicit(&p[histogram ? at : m->index % PIECE], memory_order_relaxed);
    }
    return sum;
}

static int64_t value_locked(const struct metric *m)
{
    return atomic_load_explicit(&m->level, memory_order_relaxed) + sum_locked(m, BUCKETS);
}

static uint64_t bucket[BUCKETS]; /* under `registry`; too large for the stack of a fiber */

/* Fills bucket[] with what all threads have observed; returns how much it is. */
static uint64_t read_buckets_locked(const struct metric *m)
{
    uint64_t all = 0;
    CHECK(m->family->kind == METRIC_HISTOGRAM);
    memset(bucket, 0, sizeof(bucket));
    for (struct cells *c = threads; c; c = c->next) {
        cell *p = atomic_load_explicit(&c->histogram[m->index], memory_order_acquire);
        for (size_t i = 0; p && i < BUCKETS; i++) {
            uint64_t n = (uint64_t)atomic_load_explicit(&p[i], memory_order_relaxed);
            bucket[i] += n;
            all += n;
        }
    }
    return all;
}

int64_t metric_value(const struct metric *m)
{
    lock_take(&registry);
    int64_t value = value_locked(m);
    lock_drop(&registry);
    return value;
}

uint64_t metric_count(const struct metric *m)
{
    lock_take(&registry);
    uint64_t all = read_buckets_locked(m);
    lock_drop(&registry);
    return all;
}

/* Within 3.2 % of each value. */
double metric_bucket_middle(size_t i)
{
    return ((double)bucket_start(i) + (double)(bucket_start(i + 1) - 1)) / 2;
}

static double quantile_locked(const struct metric *m, double q)
{
    uint64_t all = read_buckets_locked(m), seen = 0;
    for (size_t i = 0; i < BUCKETS && all; i++) {
        seen += bucket[i];
        if (bucket[i] && (double)seen >= q * (double)all)
            return metric_bucket_middle(i) * m->family->scale;
    }
    return 0;
}

double metric_quantile(const struct metric *m, double q)
{
    lock_take(&registry);
    double value = quantile_locked(m, q);
    lock_drop(&registry);
    return value;
}

/* ---- Prometheus text ---- */

/* A label's value, or a help text without `quotes`. */
static void put_escaped(struct buf *out, struct str s, bool quotes)
{
    for (size_t at = 0; at < s.len;) {
        char c[4];
        size_t n = utf8_put(c, utf8_next(s, &at));
        if (*c == '\\' || (*c == '"' && quotes))
            buf_char(out, '\\');
        if (*c == '\n')
            buf_add(out, STR("\\n"));
        else
            buf_add(out, (struct str){c, n});
    }
}

/* name_suffix{labels,le="..."} and a space. */
static void put_name(struct buf *out, const struct metric *m, const char *suffix, const char *le)
{
    const struct metric_family *f = m->family;
    buf_add(out, str_from(f->name));
    buf_add(out, str_from(suffix));
    for (size_t i = 0; i < f->n_labels; i++) {
        buf_char(out, i ? ',' : '{');
        buf_add(out, f->label[i]);
        buf_add(out, STR("=\""));
        put_escaped(out, m->label[i], true);
        buf_char(out, '"');
    }
    if (le)
        buf_printf(out, "%cle=\"%s\"", f->n_labels ? ',' : '{', le);
    if (f->n_labels || le)
        buf_char(out, '}');
    buf_char(out, ' ');
}

/* The bounds that are shown: 1, 2.5 and 5 times the powers of ten for what is scaled (times), and
 * powers of four for what is not (bytes, tokens). A bucket counts where its last value lies. */
static void put_histogram(struct buf *out, const struct metric *m)
{
    static const double seconds[] = {1e-5, 2.5e-5, 5e-5,  1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3,
                                     5e-3, 0.01,   0.025, 0.05, 0.1,    0.25, 0.5,  1,
                                     2.5,  5,      10,    25,   50,     100,  250};
    static const double plain[] = {1,     4,     16,     64,      256,     1024,     4096,
                                   16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};
    double scale = m->family->scale;
    const double *bound = scale < 1 ? seconds : plain;
    size_t bounds = scale < 1 ? COUNT(seconds) : COUNT(plain), i = 0;
    uint64_t seen = 0, all = read_buckets_locked(m);
    for (size_t b = 0; b < bounds; b++) {
        char le[32];
        snprintf(le, sizeof(le), "%g", bound[b]);
        while (i < BUCKETS && (double)(bucket_start(i + 1) - 1) * scale <= bound[b] * (1 + 1e-12))
            seen += bucket[i++];
        put_name(out, m, "_bucket", le);
        buf_printf(out, "%" PRIu64 "\n", seen);
    }
    put_name(out, m, "_bucket", "+Inf");
    buf_printf(out, "%" PRIu64 "\n", all);
    put_name(out, m, "_sum", NULL);
    buf_printf(out, "%.15g\n", (double)sum_locked(m, BUCKETS) * scale);
    put_name(out, m, "_count", NULL);
    buf_printf(out, "%" PRIu64 "\n", all);
}

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s ", name);
    put_escaped(out, str_from(help), false);
    buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

static void put_family(struct buf *out, const struct metric_family *f)
{
    static const char *const type[] = {"counter", "gauge", "histogram"};
    if (!f->first)
        return;
    put_head(out, f->name, type[f->kind], f->help);
    for (const struct metric *m = f->first; m; m = m->next) {
        if (f->kind == METRIC_HISTOGRAM) {
            put_histogram(out, m);
            continue;
        }
        put_name(out, m, "", NULL);
        buf_int(out, value_locked(m));
        buf_char(out, '\n');
    }
}

/* Pages in memory, from /proc/self/statm; 0 where there is none. */
static long resident_pages(void)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    const char *second = n > 0 ? strchr(text, ' ') : NULL;
    return second ? strtol(second, NULL, 10) : 0;
}

static long open_fds(void)
{
    long n = -3; /* ".", ".." and the one that reads */
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static struct timespec cpu_time(void)
{
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return cpu;
}

void metric_process(struct metric_process *out)
{
    struct timespec cpu = cpu_time();
    *out = (struct metric_process){
        .cpu_seconds = (double)cpu.tv_sec + (double)cpu.tv_nsec * 1e-9,
        .resident_bytes = resident_pages() * sysconf(_SC_PAGESIZE),
        .started_ms = started_ms,
    };
}

static void put_process(struct buf *out)
{
    struct timespec cpu = cpu_time();
    put_head(out, "process_cpu_seconds_total", "counter", "User and system CPU time, in seconds.");
    buf_printf(out, "process_cpu_seconds_total %jd.%09ld\n", (intmax_t)cpu.tv_sec, cpu.tv_nsec);
    put_head(out, "process_resident_memory_bytes", "gauge", "Memory in use, in bytes.");
    buf_printf(out, "process_resident_memory_bytes %ld\n",
               resident_pages() * sysconf(_SC_PAGESIZE));
    put_head(out, "process_start_time_seconds", "gauge", "Start, in seconds of Unix time.");
    buf_printf(out, "process_start_time_seconds %" PRId64 ".%03d\n", started_ms / 1000,
               (int)(started_ms % 1000));
    put_head(out, "process_open_fds", "gauge", "File descriptors in use.");
    buf_printf(out, "process_open_fds %ld\n", open_fds());
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    put_head(out, "process_max_fds", "gauge", "File descriptors allowed.");
    buf_printf(out, "process_max_fds %ju\n", (uintmax_t)limit.rlim_cur);
}

void metric_refresh(void)
{
    lock_take(&registry);
    struct reader *r = readers;
    lock_drop(&registry);
    for (; r; r = r->next) /* nodes never change behind the first */
        r->fn(r->arg);
}

void metric_each(struct str family, void (*fn)(void *arg, const struct metric_sample *s), void *arg)
{
    lock_take(&registry);
    const struct metric_family *f = map_get(&by_name, family);
    for (const struct metric *m = f ? f->first : NULL; m; m = m->next) {
        struct metric_sample s = {.name = f->label,
                                  .value = m->label,
                                  .n_labels = f->n_labels,
                                  .number = value_locked(m)};
        if (f->kind == METRIC_HISTOGRAM) {
            read_buckets_locked(m);
            s.bucket = bucket;
            s.n_buckets = BUCKETS;
        }
        fn(arg, &s);
    }
    lock_drop(&registry);
}

void metric_render(struct buf *out)
{
    metric_refresh();
    lock_take(&registry);
    for (const struct metric_family *f = families; f; f = f->next)
        put_family(out, f);
    lock_drop(&registry);
    put_process(out);
}
