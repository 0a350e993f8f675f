/* One file per loop, mapped into memory: a page of head, then a ring of slots.
 *
 *     position:  0 1 2 3 ... counts for ever; position p lies in slot p % SLOTS
 *     slot:      sequence = p + 1 once the row is whole, else what was there before
 *     head:      moved = all positions below are in SQL
 *
 * journal_add copies the row and then sets the sequence, so a process killed in between leaves a
 * slot that does not count; pages that were written to belong to the kernel and survive the
 * process. A checksum over the row finds what a power loss has torn. At start every slot whose
 * sequence is above `moved` is moved; a row that had been moved already is recognised by its id.
 *
 * The file is filled with zeros, not only reserved, before it gets its name: a later store needs no
 * block and so cannot fail with SIGBUS on file systems that overwrite in place; on those that do
 * not (btrfs) the file is marked so that it is.
 *
 * An id is 41 bits of milliseconds since 2020, 8 bits of loop and 14 bits of counter. It rises
 * within a loop even when the clock is set back, and starts above all that SQL holds, so it is
 * never given twice; and because it begins with the time, rows of a span of time lie together in
 * SQL.
 *
 * What rows have in common (whose key, which model, how it ended) is a label in SQL, of which rows
 * hold the number: a row with all its texts would cost three times as much. The mover remembers
 * labels, and gives those that it has not seen a number in a transaction of their own, so that none
 * is remembered whose transaction was rolled back.
 */
#include "store/journal.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "run/work.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VERSION = 2,
    SLOTS = 8192, /* at 50,000 requests a second, 160 ms */
    HEAD_SIZE = 4096,
    LOOPS_MAX = 256,
    COLUMNS = 12,
    ROWS = 128,    /* of one insert: beyond that nothing is gained */
    GROUP = 4096,  /* of one transaction, some 3 ms */
    LABELS = 8192, /* that are remembered, some 2 MB */
    LOOP_BITS = 8,
    COUNT_BITS = 14,
    TIME_SHIFT = LOOP_BITS + COUNT_BITS,
};
static const int64_t EPOCH_MS = INT64_C(1577836800000); /* 2020-01-01 */
static const int64_t TIME_MAX = INT64_C(1) << 41;
/* Often enough for whoever looks at the ledger; the group of a longer one costs less a row. */
static const int64_t PERIOD_NS = 400 * NS_PER_MS;
static const int64_t RETRY_NS = NS_PER_S;
static const char magic[8] = "PNSTKJL";

struct head {
    char magic[8];
    uint32_t version, slot_size, slots;
    _Alignas(64) _Atomic uint64_t moved;
};

struct slot {
    _Alignas(64) _Atomic uint64_t seq;
    uint64_t check; /* of seq and row */
    struct usage_row row;
};

enum { FILE_SIZE = HEAD_SIZE + SLOTS * sizeof(struct slot) };

struct journal {
    /* set once */
    struct journal_set *set;
    struct head *head;
    struct slot *slot;
    unsigned loop;
    /* atomic */
    _Atomic uint64_t end; /* positions below are written */
    /* loop thread only */
    _Alignas(64) uint64_t moved; /* as last looked up */
    int64_t time_ms;             /* of the last id, since EPOCH_MS */
    uint32_t count;
};

struct journal_set {
    /* set once */
    struct db *db;
    struct journal *journal;
    unsigned n;
    char *dir, *insert_many;
    pthread_t thread;
    bool running;
    /* the thread, or whoever moves before it starts or after it has ended */
    struct map labels; /* struct label to its number */
    struct group *group;
    /* under lock */
    struct lock lock;
    struct cond work, done;
    bool closing, failing;
    uint64_t asked, answered; /* flushes */
    struct err err;           /* of the last round */
};

/* ---- Into SQL ---- */

#define INSERT                                                                                     \
    "insert into usage_rows (id, at_ms, label, request, input_tokens, output_tokens,"              \
    " cached_tokens, reasoning_tokens, cost_microusd, latency_us, first_token_us,"                 \
    " cache_write_tokens) values "
#define CONFLICT " on conflict (id) do nothing"

static const char insert_one[] =
    INSERT "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)" CONFLICT;

static char *make_insert_many(void)
{
    struct buf b;
    buf_init(&b, 64 << 10);
    buf_add(&b, STR(INSERT));
    for (int i = 1; i <= ROWS * COLUMNS; i++)
        buf_printf(&b, "%s$%d%s", i % COLUMNS == 1 ? (i > 1 ? ", (" : "(") : ", ", i,
                   i % COLUMNS == 0 ? ")" : "");
    buf_add(&b, STR(CONFLICT));
    char *text = mem_text(buf_text(&b));
    buf_fini(&b);
    return text;
}

struct group {
    struct journal_set *set;
    const struct usage_row *row[GROUP];
    int64_t label[GROUP]; /* of the rows; 0 = not known yet */
    int64_t found[GROUP]; /* by learn_tx, of those that were not known */
    struct db_value value[ROWS * COLUMNS];
    size_t n;
};

static struct db_value field(const char *text, size_t size)
{
    return DB_TEXT(((struct str){text, strnlen(text, size)}));
}
#define FIELD(array) field(array, sizeof(array))

static void values_of(const struct usage_row *r, int64_t label, struct db_value v[COLUMNS])
{
    v[0] = DB_INT((int64_t)r->id);
    v[1] = DB_INT(r->at_ms);
    v[2] = DB_INT(label);
    v[3] = FIELD(r->request);
    v[4] = DB_INT(r->input_tokens);
    v[5] = DB_INT(r->output_tokens);
    v[6] = DB_INT(r->cached_tokens);
    v[7] = DB_INT(r->reasoning_tokens);
    v[8] = DB_INT(r->cost_microusd);
    v[9] = DB_INT(r->latency_us);
    v[10] = DB_INT(r->first_token_us);
    v[11] = DB_INT(r->cache_write_tokens);
}

static bool insert_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct group *g = arg;
    size_t i = 0;
    for (; i + ROWS <= g->n; i += ROWS) {
        for (size_t r = 0; r < ROWS; r++)
            values_of(g->row[i + r], g->label[i + r], &g->value[r * COLUMNS]);
        if (!db_exec_values(tx, e, g->set->insert_many, g->value, ROWS * COLUMNS))
            return false;
    }
    for (; i < g->n; i++) {
        values_of(g->row[i], g->label[i], g->value);
        if (!db_exec_values(tx, e, insert_one, g->value, COLUMNS))
            return false;
    }
    return true;
}

/* ---- Labels ---- */

/* The fields from `key` to `error`, byte for byte, and the two flags. */
enum {
    LABEL_FROM = offsetof(struct usage_row, key),
    LABEL_TO = offsetof(struct usage_row, error) + sizeof(((struct usage_row *)NULL)->error)
};
struct label {
    char fields[LABEL_TO - LABEL_FROM];
    uint8_t counted, streamed;
};

static struct label label_of(const struct usage_row *r)
{
    struct label l = {.counted = r->counted, .streamed = r->streamed};
    memcpy(l.fields, (const char *)r + LABEL_FROM, sizeof(l.fields));
    return l;
}

static struct str label_key(const struct label *l)
{
    return (struct str){(const char *)l, sizeof(*l)};
}

static bool learn_one(struct db_tx *tx, const struct usage_row *r, int64_t *id, struct err *e)
{
    const struct db_value v[] = {
        FIELD(r->key),       FIELD(r->tenant),         FIELD(r->model),
        FIELD(r->provider),  FIELD(r->upstream_model), DB_INT(r->attempt),
        DB_INT(r->status),   FIELD(r->error),          DB_INT(r->counted),
        DB_INT(r->streamed),
    };
    struct db_rows *rows;
    if (!db_exec_values(tx, e,
                        "insert into usage_labels (key, tenant, model, provider, upstream_model,"
                        " attempt, status, error, counted, streamed)"
                        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing",
                        v, COUNT(v)) ||
        !db_query_values(tx, &rows, e,
                         "select id from usage_labels where key = $1 and tenant = $2"
                         " and model = $3 and provider = $4 and upstream_model = $5"
                         " and attempt = $6 and status = $7 and error = $8 and counted = $9"
                         " and streamed = $10",
                         v, COUNT(v)))
        return false;
    bool good = db_step(rows, e) > 0;
    if (good)
        *id = db_int(rows, 0);
    db_done(rows);
    return good;
}

static bool learn_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct group *g = arg;
    for (size_t i = 0; i < g->n; i++)
        if (!g->label[i] && !learn_one(tx, g->row[i], &g->found[i], e))
            return false;
    return true;
}

static void remember(struct map *labels, const struct usage_row *r, int64_t id)
{
    if (labels->n == LABELS) {
        map_fini(labels);
        map_init(labels);
    }
    struct label l = label_of(r);
    map_set(labels, label_key(&l), (void *)(uintptr_t)id);
}

/* Sets the labels of the group's rows. Rows in a row mostly have the same. */
static bool find_labels(struct group *g, struct err *e)
{
    struct map *labels = &g->set->labels;
    struct label last, l;
    bool all = true;
    for (size_t i = 0; i < g->n; i++, last = l) {
        l = label_of(g->row[i]);
        g->label[i] = i > 0 && memcmp(&l, &last, sizeof(l)) == 0
                          ? g->label[i - 1]
                          : (int64_t)(uintptr_t)map_get(labels, label_key(&l));
        all = all && g->label[i] != 0;
    }
    if (all)
        return true;
    if (!db_write(g->set->db, learn_tx, g, e))
        return false;
    for (size_t i = 0; i < g->n; i++) {
        if (g->label[i])
            continue;
        g->label[i] = g->found[i];
        remember(labels, g->row[i], g->found[i]);
    }
    return true;
}

static bool into_sql(struct group *g, struct err *e)
{
    return find_labels(g, e) && db_write(g->set->db, insert_tx, g, e);
}

/* Moves what was written before the call. */
static bool move(struct journal *j, struct group *g, struct err *e)
{
    uint64_t moved = atomic_load(&j->head->moved);
    uint64_t end = atomic_load_explicit(&j->end, memory_order_acquire);
    while (moved < end) {
        for (g->n = 0; g->n < GROUP && moved + g->n < end; g->n++)
            g->row[g->n] = &j->slot[(moved + g->n) % SLOTS].row;
        if (!into_sql(g, e))
            return false;
        moved += g->n;
        atomic_store_explicit(&j->head->moved, moved, memory_order_release);
    }
    return true;
}

static bool move_all(struct journal_set *s, struct err *e)
{
    bool good = true;
    for (unsigned i = 0; good && i < s->n; i++)
        good = move(&s->journal[i], s->group, e);
    return good;
}

/* ---- The mover ---- */

/* Under lock. Says once that it fails and once that it works again. */
static void note_outcome_locked(struct journal_set *s, bool good)
{
    if (!good && !s->failing)
        log_error("journal", kv("state", "cannot move usage rows"), kv("error", s->err.msg),
                  kv("rows", journal_waiting(s)));
    if (good && s->failing)
        log_info("journal", kv("state", "moves usage rows again"));
    s->failing = !good;
}

static void *mover_main(void *arg)
{
    struct journal_set *s = arg;
    lock_take(&s->lock);
    while (!s->closing) {
        if (s->asked == s->answered)
            cond_wait(&s->work, &s->lock, clock_now() + (s->failing ? RETRY_NS : PERIOD_NS));
        uint64_t ticket = s->asked;
        lock_drop(&s->lock);
        struct err e = {0};
        bool good = move_all(s, &e);
        lock_take(&s->lock);
        s->err = e;
        note_outcome_locked(s, good);
        s->answered = ticket;
        cond_wake_all(&s->done);
    }
    lock_drop(&s->lock);
    return NULL;
}

struct flush {
    struct journal_set *set;
    struct err *err;
    bool good;
};

static void flush_now(void *arg)
{
    struct flush *f = arg;
    struct journal_set *s = f->set;
    lock_take(&s->lock);
    uint64_t ticket = ++s->asked;
    cond_wake_one(&s->work);
    while (s->answered < ticket)
        cond_wait(&s->done, &s->lock, CLOCK_NEVER);
    f->good = !s->failing;
    if (!f->good && f->err)
        *f->err = s->err;
    lock_drop(&s->lock);
}

bool journal_flush(struct journal_set *s, struct err *e)
{
    struct flush f = {s, e, false};
    work_run(flush_now, &f);
    return f.good;
}

uint64_t journal_waiting(const struct journal_set *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < s->n; i++) {
        uint64_t moved = atomic_load(&s->journal[i].head->moved);
        n += atomic_load(&s->journal[i].end) - moved;
    }
    return n;
}

/* ---- Adding ---- */

struct journal *journal_of(struct journal_set *s, unsigned loop)
{
    CHECK(loop < s->n);
    return &s->journal[loop];
}

/* A time that is behind the last one, or absurd, counts as the last one. */
static uint64_t next_id(struct journal *j, int64_t at_ms)
{
    if (at_ms > EPOCH_MS + j->time_ms && at_ms < EPOCH_MS + TIME_MAX) {
        j->time_ms = at_ms - EPOCH_MS;
        j->count = 0;
    } else if (++j->count == 1u << COUNT_BITS) {
        j->time_ms++;
        j->count = 0;
    }
    return (uint64_t)j->time_ms << TIME_SHIFT | (uint64_t)j->loop << COUNT_BITS | j->count;
}

/* In version 1 rows ended before cache_write_tokens; zeros stand in its place. */
static size_t row_size(const struct head *h)
{
    return h->version == 1 ? offsetof(struct usage_row, cache_write_tokens)
                           : sizeof(struct usage_row);
}

static uint64_t checksum(uint64_t seq, const struct usage_row *row, size_t size)
{
    return hash_stable((struct str){(const char *)row, size}) ^ seq;
}

/* At half, asks the mover to begin before its time; without the lock, as a call that it misses
 * costs no more than its period. */
static bool room(struct journal *j, uint64_t at)
{
    if (at - j->moved < SLOTS / 2)
        return true;
    j->moved = atomic_load_explicit(&j->head->moved, memory_order_acquire);
    if (at - j->moved == SLOTS / 2)
        cond_wake_one(&j->set->work);
    return at - j->moved < SLOTS;
}

bool journal_add(struct journal *j, const struct usage_row *row, struct err *e)
{
    uint64_t at = atomic_load_explicit(&j->end, memory_order_relaxed);
    if (!room(j, at))
        return err_set(e, ERR_FULL,
                       "usage cannot be recorded: the database does not keep up, or "
                       "its disk is full");
    struct slot *slot = &j->slot[at % SLOTS];
    slot->row = *row;
    slot->row.id = next_id(j, row->at_ms);
    slot->check = checksum(at + 1, &slot->row, sizeof(slot->row));
    atomic_store_explicit(&slot->seq, at + 1, memory_order_release);
    atomic_store_explicit(&j->end, at + 1, memory_order_release);
    return true;
}

/* ---- Files ---- */

static char *path_of(struct arena *a, const struct journal_set *s, unsigned loop,
                     const char *suffix)
{
    return arena_text(a, arena_printf(a, "%s/journal.%u%s", s->dir, loop, suffix));
}

static bool fill(int fd, const char *path, struct err *e)
{
    int flags = 0; /* best effort: other file systems do not know it and do not need it */
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_NOCOW_FL)) {
        flags |= FS_NOCOW_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
    errno = posix_fallocate(fd, 0, FILE_SIZE);
    if (errno && errno != EOPNOTSUPP && errno != EINVAL)
        return err_sys(e, ERR_IO, "cannot reserve %d bytes for '%s'", (int)FILE_SIZE, path);
    char *zeros = mem_new(FILE_SIZE);
    struct head *head = (struct head *)zeros;
    memcpy(head->magic, magic, sizeof(magic));
    head->version = VERSION;
    head->slot_size = sizeof(struct slot);
    head->slots = SLOTS;
    bool good = file_write_all(fd, zeros, FILE_SIZE, e) || err_prefix(e, "'%s': ", path);
    mem_free(zeros);
    return good && (fsync(fd) == 0 || err_sys(e, ERR_IO, "cannot sync '%s'", path));
}

static bool create(const char *path, const char *temp, struct err *e)
{
    int fd = open(temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot create '%s'", temp);
    bool good = fill(fd, temp, e);
    if (good && rename(temp, path) < 0)
        good = err_sys(e, ERR_IO, "cannot create '%s'", path);
    if (!good)
        unlink(temp);
    close(fd);
    return good;
}

static bool check_head(const struct head *h, const char *path, struct err *e)
{
    if (memcmp(h->magic, magic, sizeof(magic)) != 0)
        return err_set(e, ERR_CORRUPT,
                       "'%s' is damaged: move it away to start without the usage rows in it", path);
    if (h->version < 1 || h->version > VERSION || h->slot_size != sizeof(struct slot) ||
        h->slots != SLOTS)
        return err_set(e, ERR_CONFLICT,
                       "'%s' was written by another version of penstock: start and stop that one "
                       "first",
                       path);
    return true;
}

static bool map(struct journal *j, const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot open '%s'", path);
    struct stat st;
    void *p = MAP_FAILED;
    if (fstat(fd, &st) < 0)
        err_sys(e, ERR_IO, "cannot stat '%s'", path);
    else if (st.st_size != FILE_SIZE)
        err_set(e, ERR_CORRUPT,
                "'%s' has a wrong size: move it away to start without the usage rows in it", path);
    else if ((p = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        err_sys(e, ERR_IO, "cannot map '%s'", path);
    close(fd);
    if (p == MAP_FAILED)
        return false;
    j->head = p;
    j->slot = (struct slot *)((char *)p + HEAD_SIZE);
    return check_head(j->head, path, e);
}

static void unmap(struct journal *j)
{
    if (j->head)
        munmap(j->head, FILE_SIZE);
    j->head = NULL;
}

/* ---- Starting ---- */

static bool keep(struct group *g, struct err *e)
{
    bool good = g->n == 0 || into_sql(g, e);
    g->n = 0;
    return good;
}

/* Moves what an earlier process left, in whatever state power loss may have put it. */
static bool replay(struct journal *j, struct err *e)
{
    CHECK(j->head && j->slot);
    struct group *g = j->set->group;
    uint64_t moved = atomic_load(&j->head->moved), end = moved, rows = 0, torn = 0;
    size_t size = row_size(j->head);
    bool good = true;
    for (uint64_t i = 0; good && i < SLOTS; i++) {
        const struct slot *slot = &j->slot[i];
        uint64_t seq = atomic_load(&slot->seq);
        if (seq <= moved || (seq - 1) % SLOTS != i)
            continue;
        end = seq > end ? seq : end;
        if (slot->check != checksum(seq, &slot->row, size)) {
            torn++;
            continue;
        }
        g->row[g->n++] = &slot->row;
        rows++;
        if (g->n == GROUP)
            good = keep(g, e);
    }
    good = good && keep(g, e);
    if (!good)
        return false;
    atomic_store(&j->head->moved, end);
    j->head->version = VERSION; /* what comes now is */
    j->moved = end;
    atomic_store(&j->end, end);
    if (rows || torn)
        log_info("journal", kv("state", "moved what was left at the last end"), kv("rows", rows),
                 kv("torn", torn));
    return true;
}

/* On a full disk what was left stays in its slots, and the thread moves it once there is room. Only
 * where all of it is whole, as it is after kill -9: the thread looks at no checksums. */
static bool leave(struct journal *j)
{
    uint64_t moved = atomic_load(&j->head->moved), end = moved, last = 0;
    if (j->head->version != VERSION)
        return false;
    for (; end - moved < SLOTS; end++) {
        const struct slot *slot = &j->slot[end % SLOTS];
        if (atomic_load(&slot->seq) != end + 1 ||
            slot->check != checksum(end + 1, &slot->row, sizeof(slot->row)))
            break;
        last = slot->row.id > last ? slot->row.id : last;
    }
    for (uint64_t i = 0; i < SLOTS; i++)
        if (atomic_load(&j->slot[i].seq) > end)
            return false;
    j->moved = moved;
    j->time_ms = (int64_t)(last >> TIME_SHIFT) + 1;
    atomic_store(&j->end, end);
    log_warn("journal", kv("state", "no room to move what was left at the last end"),
             kv("rows", end - moved));
    return true;
}

static bool take_up(struct journal *j, struct err *e)
{
    struct err why;
    if (replay(j, &why) || (why.code == ERR_FULL && leave(j)))
        return true;
    if (e)
        *e = why;
    return false;
}

/* The slots that a start has looked at stay in the file's cache, not in our memory: few services
 * ever fill them all. */
static void forget_pages(struct journal *j)
{
    madvise(j->head, FILE_SIZE, MADV_DONTNEED); /* a hint, without which nothing breaks */
}

/* Loops that there were and are no more: their rows are moved and the file goes. */
static bool retire(struct journal_set *s, unsigned loop, const char *path, struct err *e)
{
    struct journal j = {.set = s, .loop = loop};
    bool good = map(&j, path, e) && replay(&j, e);
    unmap(&j);
    return good && (unlink(path) == 0 || err_sys(e, ERR_IO, "cannot remove '%s'", path));
}

static bool open_files(struct journal_set *s, struct err *e)
{
    struct arena *a = arena_new();
    bool good = true;
    for (unsigned i = 0; good && i < LOOPS_MAX; i++) {
        char *path = path_of(a, s, i, ""), *temp = path_of(a, s, i, ".new");
        if (i >= s->n) {
            good = !file_exists(path) || retire(s, i, path, e);
            continue;
        }
        struct journal *j = &s->journal[i];
        *j = (struct journal){.set = s, .loop = i};
        good = (file_exists(path) || create(path, temp, e)) && map(j, path, e) && take_up(j, e);
        if (good)
            forget_pages(j);
    }
    arena_free(a);
    return good;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool last_id(struct db_tx *tx, void *arg, struct err *e)
{
    int64_t *id = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select coalesce(max(id), 0) from usage_rows"))
        return false;
    int got = db_step(rows, e);
    *id = got > 0 ? db_int(rows, 0) : 0;
    db_done(rows);
    return got >= 0;
}

bool journal_open(struct journal_set **out, struct db *d, const char *dir, unsigned loops,
                  struct err *e)
{
    CHECK(loops > 0 && loops <= LOOPS_MAX);
    struct journal_set *s = mem_new(sizeof(*s));
    s->db = d;
    s->n = loops;
    s->dir = mem_text(dir);
    s->insert_many = make_insert_many();
    s->group = mem_new(sizeof(*s->group));
    s->group->set = s;
    map_init(&s->labels);
    s->journal = aligned_alloc(_Alignof(struct journal), loops * sizeof(*s->journal));
    CHECK(s->journal);
    memset(s->journal, 0, loops * sizeof(*s->journal));
    lock_init(&s->lock);
    cond_init(&s->work);
    cond_init(&s->done);
    int64_t last = 0;
    if (!open_files(s, e) || !db_read(d, last_id, &last, e))
        goto fail;
    for (unsigned i = 0; i < loops; i++)
        s->journal[i].time_ms = later(s->journal[i].time_ms, (last >> TIME_SHIFT) + 1);
    s->running = pthread_create(&s->thread, NULL, mover_main, s) == 0;
    if (!s->running) {
        err_set(e, ERR_UNAVAILABLE, "cannot start the journal's thread");
        goto fail;
    }
    *out = s;
    return true;

fail:
    journal_close(s);
    return false;
}

void journal_close(struct journal_set *s)
{
    if (!s)
        return;
    if (s->running) {
        lock_take(&s->lock);
        s->closing = true;
        cond_wake_one(&s->work);
        lock_drop(&s->lock);
        pthread_join(s->thread, NULL);
        struct err e;
        if (!move_all(s, &e)) /* they stay in the file for the next start */
            log_error("journal", kv("state", "cannot move usage rows at the end"),
                      kv("error", e.msg), kv("rows", journal_waiting(s)));
    }
    for (unsigned i = 0; i < s->n; i++)
        unmap(&s->journal[i]);
    cond_fini(&s->done);
    cond_fini(&s->work);
    lock_fini(&s->lock);
    mem_free(s->journal);
    map_fini(&s->labels);
    mem_free(s->group);
    mem_free(s->insert_many);
    mem_free(s->dir);
    mem_free(s);
}
