/* One file per loop, mapped into memory: a page of head, then a ring of slots.
 *
 *     position:  0 1 2 3 ... counts for ever; position p lies in slot p % SLOTS
 *     slot:      sequence = p + 1 once the row is whole, else what was there before
 *     head:      a number drawn when the file was made, by which SQL knows it
 *
 * journal_add packs the row into its slot and then sets the sequence, so a process killed in
 * between leaves a slot that does not count; pages that were written to belong to the kernel and
 * survive the process. A checksum over the row finds what a power loss has torn.
 *
 * How far the rows of a file have been moved stands in SQL alone, and is written with the rows in
 * one transaction: there is no moment at which a row is in SQL and not known to be. At start what
 * lies behind that place is moved. A file that was made anew has another number, and nothing of it
 * has been moved.
 *
 * The file is filled with zeros, not only reserved, before it gets its name: a later store needs no
 * block and so cannot fail with SIGBUS on file systems that overwrite in place; on those that do
 * not (btrfs) the file is marked so that it is.
 */
#include "store/journal.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/random.h"
#include "run/work.h"
#include "store/journal_old.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VERSION = 3,
    SLOTS = 8192, /* at 50,000 requests a second, 160 ms */
    CALL = SLOTS / 16,
    HEAD_SIZE = 4096,
    LOOPS_MAX = 256,
};
/* Often enough for whoever looks at the ledger; the group of a longer one costs less a row. */
static const int64_t PERIOD_NS = 400 * NS_PER_MS;
static const int64_t RETRY_NS = NS_PER_S;
static const char magic[8] = "PNSTKJL";

struct head {
    char magic[8];
    uint32_t version, slot_size, slots;
    int64_t id;
};

struct slot {
    _Alignas(64) _Atomic uint64_t seq;
    uint64_t check; /* of seq and row */
    struct ledger_packed row;
};

enum { FILE_SIZE = HEAD_SIZE + SLOTS * sizeof(struct slot) };

struct journal {
    /* set once */
    struct journal_set *set;
    struct head *head;
    struct slot *slot;
    /* atomic */
    _Alignas(64) _Atomic uint64_t moved; /* positions below are in SQL */
    _Alignas(64) _Atomic uint64_t end;   /* positions below are written */
    /* loop thread only */
    uint64_t free; /* `moved` as last looked up */
};

struct journal_set {
    /* set once */
    struct db *db;
    struct journal *journal;
    unsigned n;
    char *dir;
    pthread_t thread;
    bool running;
    /* the thread, or whoever moves before it starts or after it has ended */
    struct ledger *ledger;
    struct ledger_group group;
    /* under lock */
    struct lock lock;
    struct cond work, done;
    bool closing, failing;
    uint64_t asked, answered; /* flushes */
    struct err err;           /* of the last round */
};

/* ---- Moving ---- */

/* Positions from `moved` on, as many as a group takes; those of torn rows are empty. */
static void gather(const struct journal *j, uint64_t moved, uint64_t end, struct ledger_group *g)
{
    g->journal = j->head->id;
    g->from = g->to = moved;
    g->n = 0;
    for (; g->to < end && g->to - moved < LEDGER_GROUP; g->to++) {
        const struct slot *slot = &j->slot[g->to % SLOTS];
        if (atomic_load_explicit(&slot->seq, memory_order_relaxed) == g->to + 1)
            g->row[g->n++] = &slot->row;
    }
}

/* Moves what was written before the call. */
static bool move(struct journal *j, struct err *e)
{
    struct journal_set *s = j->set;
    uint64_t moved = atomic_load(&j->moved);
    uint64_t end = atomic_load_explicit(&j->end, memory_order_acquire);
    while (moved < end) {
        gather(j, moved, end, &s->group);
        if (!ledger_write(s->ledger, &s->group, &moved, e))
            return false;
        atomic_store_explicit(&j->moved, moved, memory_order_release);
    }
    return true;
}

static bool move_all(struct journal_set *s, struct err *e)
{
    bool good = true;
    for (unsigned i = 0; good && i < s->n; i++)
        good = move(&s->journal[i], e);
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
        uint64_t moved = atomic_load(&s->journal[i].moved);
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

static uint64_t checksum(uint64_t seq, const struct ledger_packed *row)
{
    return hash_stable((struct str){(const char *)row, ledger_packed_size(row)}) ^ seq;
}

static bool is_whole(const struct slot *slot, uint64_t seq)
{
    return ledger_packed_size(&slot->row) > 0 && slot->check == checksum(seq, &slot->row);
}

/* From half on, asks the mover again and again to begin before its time: without the lock, as it
 * hears the next call when it misses one. */
static bool room(struct journal *j, uint64_t at)
{
    if (at - j->free < SLOTS / 2)
        return true;
    j->free = atomic_load_explicit(&j->moved, memory_order_acquire);
    if (at - j->free >= SLOTS / 2 && (at - j->free) % CALL == 0)
        cond_wake_one(&j->set->work);
    return at - j->free < SLOTS;
}

bool journal_add(struct journal *j, const struct usage_row *row, struct err *e)
{
    uint64_t at = atomic_load_explicit(&j->end, memory_order_relaxed);
    if (!room(j, at))
        return err_set(e, ERR_FULL,
                       "usage cannot be recorded: the database does not keep up, or "
                       "its disk is full");
    struct slot *slot = &j->slot[at % SLOTS];
    ledger_pack(&slot->row, row);
    slot->check = checksum(at + 1, &slot->row);
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
    random_bytes(&head->id, sizeof(head->id));
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
    if (h->version != VERSION || h->slot_size != sizeof(struct slot) || h->slots != SLOTS)
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

/* Takes up what an earlier process left: the slots behind the place that SQL has reached, in
 * whatever state power loss may have put them. What is torn loses its sequence. A database that is
 * older than the file, as after power loss or from a backup, gets what the file still has. */
static bool take_up(struct journal *j, struct err *e)
{
    CHECK(j->head && j->slot);
    uint64_t moved, rows = 0, torn = 0;
    if (!ledger_reached(j->set->db, j->head->id, &moved, e))
        return false;
    uint64_t end = moved;
    for (uint64_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &j->slot[i];
        uint64_t seq = atomic_load(&slot->seq);
        if (seq <= moved || (seq - 1) % SLOTS != i)
            continue;
        if (is_whole(slot, seq)) {
            end = seq > end ? seq : end;
            rows++;
        } else {
            atomic_store(&slot->seq, 0);
            torn++;
        }
    }
    moved = end - moved > SLOTS ? end - SLOTS : moved;
    atomic_store(&j->end, end);
    atomic_store(&j->moved, moved);
    j->free = moved;
    if (rows || torn)
        log_info("journal", kv("state", "rows were left at the last end"), kv("rows", rows),
                 kv("torn", torn));
    return true;
}

/* On a full disk the rows stay in their slots, and the thread moves them once there is room. */
static bool move_or_leave(struct journal *j, struct err *e)
{
    struct err why;
    if (move(j, &why))
        return true;
    if (why.code == ERR_FULL) {
        log_warn("journal", kv("state", "no room to move what was left at the last end"),
                 kv("error", why.msg));
        return true;
    }
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

static bool remove_file(const char *path, struct err *e)
{
    return unlink(path) == 0 || err_sys(e, ERR_IO, "cannot remove '%s'", path);
}

/* Loops that there were and are no more: their rows are moved and the file goes. */
static bool retire(struct journal_set *s, const char *path, struct err *e)
{
    struct journal j = {.set = s};
    bool good = map(&j, path, e) && take_up(&j, e) && move(&j, e);
    unmap(&j);
    return good && remove_file(path, e);
}

static bool open_file(struct journal *j, const char *path, const char *temp, struct err *e)
{
    if ((!file_exists(path) && !create(path, temp, e)) || !map(j, path, e) || !take_up(j, e) ||
        !move_or_leave(j, e))
        return false;
    forget_pages(j);
    return true;
}

static bool open_files(struct journal_set *s, struct err *e)
{
    struct arena *a = arena_new();
    bool good = true;
    for (unsigned i = 0; good && i < LOOPS_MAX; i++) {
        const char *path = path_of(a, s, i, "");
        if (journal_old_is(path))
            good = journal_old_move(s->db, path, e) && remove_file(path, e);
        if (good && i < s->n)
            good = open_file(&s->journal[i], path, path_of(a, s, i, ".new"), e);
        else if (good && file_exists(path))
            good = retire(s, path, e);
    }
    arena_free(a);
    return good;
}

bool journal_open(struct journal_set **out, struct db *d, const char *dir, unsigned loops,
                  struct err *e)
{
    CHECK(loops > 0 && loops <= LOOPS_MAX);
    struct journal_set *s = mem_new(sizeof(*s));
    s->db = d;
    s->n = loops;
    s->dir = mem_text(dir);
    s->ledger = ledger_new(d);
    s->journal = aligned_alloc(_Alignof(struct journal), loops * sizeof(*s->journal));
    CHECK(s->journal);
    for (unsigned i = 0; i < loops; i++)
        s->journal[i] = (struct journal){.set = s};
    lock_init(&s->lock);
    cond_init(&s->work);
    cond_init(&s->done);
    if (!open_files(s, e))
        goto fail;
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
    ledger_free(s->ledger);
    mem_free(s->dir);
    mem_free(s);
}
