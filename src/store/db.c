/* Who writes and who reads.
 *
 * Writers put a job into a queue; the writer thread takes what is there, runs it as one
 * transaction with a savepoint around each job, commits once, and only then tells the waiting.
 * While it commits the next group gathers by itself, so no delay is needed to form groups: one
 * caller alone pays one commit, a hundred callers pay one commit together.
 *
 * When a group cannot be committed (a full disk; SQLite then has rolled back all of it) its jobs
 * run again, each in a transaction of its own, so that the one that does not fit fails alone.
 *
 * Readers take a connection from a pool on a worker thread. In the write-ahead log they neither
 * wait for the writer nor hold it up.
 */
#include "store/db.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "run/fiber.h"
#include "run/work.h"
#include "store/schema.h"
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    READERS = 4,
    LOG_PAGES = 1000, /* 4 MB: checkpoint even when busy */
};
static const int64_t GROUP_NS = 20 * NS_PER_MS; /* a group that took this long is committed */
static const int64_t IDLE_NS = 500 * NS_PER_MS; /* then what is committed gets synced */

struct job {
    struct list node;
    db_fn *fn;
    void *arg;
    struct err err;
    bool good;
    /* Who waits: a fiber of a loop, or a thread. */
    struct loop *loop;
    struct fiber *fiber;
    struct loop_msg msg;
    struct cond ready;
    bool done; /* of a fiber: its loop's; of a thread: under lock */
};

struct db {
    /* set once */
    int dir_lock;
    struct db_tx *writer;
    pthread_t thread;
    bool running;
    /* under lock */
    struct lock lock;
    struct list jobs;
    struct cond work; /* jobs or closing */
    bool closing;
    struct cond returned; /* a reader is free */
    struct db_tx **reader;
    unsigned n_free, n_readers;
};

/* ---- One process per directory ---- */

enum { ORPHAN_TRIES = 200 }; /* every 10 ms */

static struct str read_pid(int fd, char *pid, size_t size)
{
    ssize_t n = pread(fd, pid, size, 0);
    return str_trim((struct str){pid, n > 0 ? (size_t)n : 0});
}

static bool is_alive(int fd)
{
    char text[32];
    uint64_t pid;
    return !str_to_u64(read_pid(fd, text, sizeof(text)), &pid) || kill((pid_t)pid, 0) == 0 ||
           errno != ESRCH;
}

/* A process that was killed leaves the lock for a moment with a child that it had forked and that
 * has not started its program yet: worth a little patience, as its number is in the file. */
static bool take_lock(int fd)
{
    const struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};
    for (int i = 0; i < ORPHAN_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK || is_alive(fd))
            break;
        nanosleep(&pause, NULL);
    }
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool held_by(int fd, const char *dir, struct err *e)
{
    char pid[32];
    struct str s = read_pid(fd, pid, sizeof(pid));
    return err_set(e, ERR_UNAVAILABLE,
                   "data directory '%s' is in use by process %.*s: stop it, or choose another one",
                   dir, s.len ? (int)s.len : 7, s.len ? s.p : "unknown");
}

/* The lock goes with the process, however it ends; the pid inside is for people. */
static bool lock_dir(struct db *d, const char *dir, struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    const char *path = arena_printf(tmp, "%s/lock", dir).p;
    d->dir_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    arena_rewind(tmp, mark);
    if (d->dir_lock < 0)
        return err_sys(e, ERR_IO,
                       "cannot write in data directory '%s' (it must exist and be writable for "
                       "this user, or choose another one)",
                       dir);
    if (!take_lock(d->dir_lock))
        return errno == EWOULDBLOCK ? held_by(d->dir_lock, dir, e)
                                    : err_sys(e, ERR_IO, "cannot lock '%s/lock'", dir);
    char pid[32];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(d->dir_lock, 0) < 0 || pwrite(d->dir_lock, pid, (size_t)n, 0) != n)
        return err_sys(e, ERR_IO, "cannot write '%s/lock'", dir);
    return true;
}

/* ---- Writing ---- */

static void run_job(struct db *d, struct job *j, bool alone)
{
    struct db_tx *tx = d->writer;
    j->err = (struct err){0};
    if (alone) {
        j->good = j->fn(tx, j->arg, &j->err);
        return;
    }
    j->good = sqlite_savepoint(tx, &j->err) && j->fn(tx, j->arg, &j->err);
    if (j->good)
        j->good = sqlite_release(tx, &j->err);
    else if (sqlite_in_transaction(tx))
        sqlite_rollback_to(tx, NULL); /* that it failed shows in the commit */
}

/* Moves jobs from `waiting` to `group`, runs them and commits. False: nothing was written, and *e
 * says why; when `group` is one job, it is that job's error. */
static bool commit_group(struct db *d, struct list *waiting, struct list *group, struct err *e)
{
    bool alone = waiting->next == waiting->prev;
    int64_t start = clock_now();
    if (!sqlite_begin(d->writer, e)) {
        struct list *first = waiting->next;
        list_remove(first);
        list_add(group, first);
        return false;
    }
    struct job *j;
    do {
        j = list_entry(waiting->next, struct job, node);
        list_remove(&j->node);
        list_add(group, &j->node);
        run_job(d, j, alone);
        if (!sqlite_in_transaction(d->writer) || (alone && !j->good)) {
            *e = j->err;
            sqlite_end(d->writer);
            return false;
        }
    } while (!list_empty(waiting) && clock_now() - start < GROUP_NS);
    return sqlite_commit(d->writer, e);
}

static void wake_fiber(void *arg)
{
    struct job *j = arg;
    j->done = true;
    fiber_wake(j->fiber);
}

static void settle(struct db *d, struct list *group)
{
    list_each (node, group) {
        struct job *j = list_entry(node, struct job, node);
        list_remove(node);
        if (j->fiber) {
            loop_send(j->loop, &j->msg, wake_fiber, j);
        } else {
            lock_take(&d->lock);
            j->done = true;
            cond_wake_one(&j->ready);
            lock_drop(&d->lock);
        }
    }
}

static void write_alone(struct db *d, struct job *j)
{
    struct list one, group;
    list_init(&one);
    list_init(&group);
    list_add(&one, &j->node);
    struct err e;
    if (!commit_group(d, &one, &group, &e)) {
        j->good = false;
        j->err = e;
    }
    settle(d, &group);
}

static void write_all(struct db *d, struct list *waiting)
{
    while (!list_empty(waiting)) {
        struct list group;
        list_init(&group);
        struct err e;
        if (commit_group(d, waiting, &group, &e)) {
            settle(d, &group);
        } else if (group.next == group.prev) {
            struct job *j = list_entry(group.next, struct job, node);
            j->good = false;
            j->err = e;
            settle(d, &group);
        } else {
            list_each (node, &group) {
                list_remove(node);
                write_alone(d, list_entry(node, struct job, node));
            }
        }
        if (sqlite_log_pages(d->writer) >= LOG_PAGES)
            sqlite_checkpoint(d->writer);
    }
}

static void *writer_main(void *arg)
{
    struct db *d = arg;
    lock_take(&d->lock);
    while (!d->closing || !list_empty(&d->jobs)) {
        if (list_empty(&d->jobs)) {
            bool dirty = sqlite_log_pages(d->writer) > 0;
            int64_t until = dirty ? clock_now() + IDLE_NS : CLOCK_NEVER;
            if (cond_wait(&d->work, &d->lock, until) || !list_empty(&d->jobs))
                continue;
            lock_drop(&d->lock);
            sqlite_checkpoint(d->writer);
            lock_take(&d->lock);
            continue;
        }
        struct list waiting;
        list_init(&waiting);
        list_each (node, &d->jobs) {
            list_remove(node);
            list_add(&waiting, node);
        }
        lock_drop(&d->lock);
        write_all(d, &waiting);
        lock_take(&d->lock);
    }
    lock_drop(&d->lock);
    return NULL;
}

static void post(struct db *d, struct job *j)
{
    lock_take(&d->lock);
    CHECK(!d->closing);
    list_add(&d->jobs, &j->node);
    cond_wake_one(&d->work);
    lock_drop(&d->lock);
}

static void wait_as_fiber(struct db *d, struct job *j)
{
    j->loop = loop_self();
    fiber_shield(true); /* the writer uses the job, so the wait cannot be left */
    post(d, j);
    while (!j->done)
        fiber_wait(CLOCK_NEVER);
    fiber_shield(false);
}

static void wait_as_thread(struct db *d, struct job *j)
{
    cond_init(&j->ready);
    post(d, j);
    lock_take(&d->lock);
    while (!j->done)
        cond_wait(&j->ready, &d->lock, CLOCK_NEVER);
    lock_drop(&d->lock);
    cond_fini(&j->ready);
}

bool db_write(struct db *d, db_fn *fn, void *arg, struct err *e)
{
    struct job j = {.fn = fn, .arg = arg, .fiber = fiber_self()};
    if (j.fiber)
        wait_as_fiber(d, &j);
    else
        wait_as_thread(d, &j);
    if (!j.good && e)
        *e = j.err;
    return j.good;
}

/* ---- Reading ---- */

struct reading {
    struct db *db;
    db_fn *fn;
    void *arg;
    struct err *err;
    bool good;
};

static void read_now(void *arg)
{
    struct reading *r = arg;
    struct db *d = r->db;
    lock_take(&d->lock);
    while (d->n_free == 0)
        cond_wait(&d->returned, &d->lock, CLOCK_NEVER);
    struct db_tx *tx = d->reader[--d->n_free];
    lock_drop(&d->lock);

    r->good = sqlite_begin(tx, r->err) && r->fn(tx, r->arg, r->err);
    sqlite_end(tx);

    lock_take(&d->lock);
    d->reader[d->n_free++] = tx;
    cond_wake_one(&d->returned);
    lock_drop(&d->lock);
}

bool db_read(struct db *d, db_fn *fn, void *arg, struct err *e)
{
    struct reading r = {d, fn, arg, e, false};
    work_run(read_now, &r);
    return r.good;
}

bool db_check(struct db *d, struct err *e)
{
    return db_read(d, sqlite_check, NULL, e);
}

/* ---- Changes ---- */

/* An index loads a document as it is now, so of each document only the last change says something;
 * after the removal of a collection, only that. */
/* The change that brought the content of a document: its last, or what that one remembers. */
static bool content_of(struct db_tx *tx, int64_t document, int64_t *seq, struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select seq, content from changes where document = $1",
                  DB_INT(document)))
        return false;
    int got = db_step(rows, e);
    if (got > 0)
        *seq = db_int(rows, 1) ? db_int(rows, 1) : db_int(rows, 0);
    db_done(rows);
    return got >= 0;
}

bool db_change(struct db_tx *tx, enum db_change kind, struct str collection, int64_t document,
               struct err *e)
{
    int64_t content = 0;
    bool good = kind != DB_DOCUMENT_EMBEDDED || content_of(tx, document, &content, e);
    if (kind == DB_COLLECTION_REMOVED)
        good = good &&
               db_exec(tx, e, "delete from changes where collection = $1", DB_TEXT(collection));
    else if (kind == DB_SPACE_CHANGED || kind == DB_COLLECTION_TUNED)
        good = good && db_exec(tx, e, "delete from changes where collection = $1 and kind = $2",
                               DB_TEXT(collection), DB_INT(kind));
    else
        good = good && db_exec(tx, e, "delete from changes where document = $1", DB_INT(document));
    return good && db_exec(tx, e,
                           "insert into changes (kind, collection, document, content)"
                           " values ($1, $2, $3, $4)",
                           DB_INT(kind), DB_TEXT(collection), DB_INT(document), DB_INT(content));
}

/* ---- Opening ---- */

/* On a connection of its own, so that the writer does not keep statements that run once. */
static bool migrate(const char *path, struct err *e)
{
    struct db_tx *tx;
    if (!sqlite_connect(&tx, path, SQLITE_FOR_WRITING, e))
        return false;
    bool newest = false, good = true;
    while (good && !newest) {
        good = sqlite_begin(tx, e) && schema_step(tx, &newest, e) && sqlite_commit(tx, e);
        sqlite_end(tx);
    }
    sqlite_disconnect(tx);
    return good;
}

static bool connect_all(struct db *d, const char *path, unsigned readers, struct err *e)
{
    if (!migrate(path, e) || !sqlite_connect(&d->writer, path, SQLITE_FOR_WRITING, e))
        return false;
    d->reader = mem_array(readers, sizeof(*d->reader));
    for (; d->n_free < readers; d->n_free++)
        if (!sqlite_connect(&d->reader[d->n_free], path, SQLITE_FOR_READING, e))
            return false;
    return true;
}

bool db_open(struct db **out, const struct db_options *opt, struct err *e)
{
    struct db *d = mem_new(sizeof(*d));
    d->dir_lock = -1;
    lock_init(&d->lock);
    cond_init(&d->work);
    cond_init(&d->returned);
    list_init(&d->jobs);

    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    const char *path = arena_printf(tmp, "%s/penstock.db", opt->dir).p;
    bool good = lock_dir(d, opt->dir, e);
    if (good && !connect_all(d, path, opt->readers ? opt->readers : READERS, e))
        good = err_prefix(e, "cannot open '%s': ", path);
    arena_rewind(tmp, mark);
    if (good) {
        d->running = pthread_create(&d->thread, NULL, writer_main, d) == 0;
        good = d->running || err_set(e, ERR_UNAVAILABLE, "cannot start the database's thread");
    }
    if (!good) {
        db_close(d);
        return false;
    }
    *out = d;
    return true;
}

void db_close(struct db *d)
{
    if (!d)
        return;
    if (d->running) {
        lock_take(&d->lock);
        d->closing = true;
        cond_wake_one(&d->work);
        lock_drop(&d->lock);
        pthread_join(d->thread, NULL);
    }
    while (d->n_free)
        sqlite_disconnect(d->reader[--d->n_free]);
    sqlite_disconnect(d->writer); /* the last one out moves the log into the file */
    mem_free(d->reader);
    if (d->dir_lock >= 0)
        close(d->dir_lock); /* and with it the lock */
    cond_fini(&d->returned);
    cond_fini(&d->work);
    lock_fini(&d->lock);
    mem_free(d);
}
