/* What the store promises: groups and savepoints, snapshots, migration, one process per directory,
 * clear words for what is broken, and nothing acknowledged lost when the process is killed. */
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "run/work.h"
#include "store/db.h"

#include "on_loop.h"
#include "tap.h"
#include "tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct db *open_at(const char *dir)
{
    struct db *d = NULL;
    struct err e = {0};
    if (!db_open(&d, &(struct db_options){.dir = dir}, &e)) {
        printf("# %s\n", e.msg);
        return NULL;
    }
    return d;
}

/* ---- Small jobs ---- */

static bool make_table(struct db_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return db_exec(tx, e, "create table if not exists t (k integer primary key, v text not null)");
}

static bool put(struct db_tx *tx, void *arg, struct err *e)
{
    const int64_t *k = arg;
    return db_exec(tx, e, "insert into t (k, v) values ($1, $2)", DB_INT(*k), DB_TEXT(STR("v")));
}

static bool put_then_fail(struct db_tx *tx, void *arg, struct err *e)
{
    return put(tx, arg, e) && err_set(e, ERR_INVALID, "changed my mind");
}

static bool count(struct db_tx *tx, void *arg, struct err *e)
{
    int64_t *n = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select count(*) from t"))
        return false;
    int got = db_step(rows, e);
    *n = got > 0 ? db_int(rows, 0) : -1;
    db_done(rows);
    return got > 0;
}

static int64_t rows_in(struct db *d)
{
    int64_t n = -1;
    struct err e;
    return db_read(d, count, &n, &e) ? n : -1;
}

/* A job that holds the writer until the gate opens. */
static struct lock gate_lock = LOCK_INIT;
static struct cond gate;
static bool gate_open;

static void gate_set(bool open)
{
    lock_take(&gate_lock);
    gate_open = open;
    cond_wake_all(&gate);
    lock_drop(&gate_lock);
}

static bool stand_at_gate(struct db_tx *tx, void *arg, struct err *e)
{
    (void)tx, (void)arg, (void)e;
    lock_take(&gate_lock);
    while (!gate_open)
        cond_wait(&gate, &gate_lock, CLOCK_NEVER);
    lock_drop(&gate_lock);
    return true;
}

/* ---- Values and statements ---- */

static bool values_in_and_out(struct db_tx *tx, void *arg, struct err *e)
{
    bool *good = arg;
    struct db_rows *rows;
    /* Numbers out of order and used twice: portable parameters are numbered, not counted. */
    if (!db_exec(tx, e, "create table x (a integer, b real, c text, d blob, f text, g integer)") ||
        !db_exec(tx, e, "insert into x values ($6, $5, $4, $3, $2, $6)", DB_INT(0), DB_NULL,
                 DB_BLOB(((struct str){"\0\xff", 2})), DB_TEXT(((struct str){"a\0b", 3})),
                 DB_REAL(0.5), DB_INT(INT64_MIN)) ||
        !db_query(tx, &rows, e, "select a, b, c, d, f, g, $1 from x", DB_TEXT(STR_NONE)))
        return false;
    *good = db_step(rows, e) == 1 && db_int(rows, 0) == INT64_MIN && db_real(rows, 1) == 0.5 &&
            str_eq(db_text(rows, 2), (struct str){"a\0b", 3}) &&
            str_eq(db_text(rows, 3), (struct str){"\0\xff", 2}) && db_is_null(rows, 4) &&
            db_text(rows, 4).len == 0 && db_int(rows, 5) == INT64_MIN && !db_is_null(rows, 6) &&
            db_step(rows, e) == 0;
    db_done(rows);
    return true;
}

/* The same text inside its own rows must not disturb them. */
static bool nested(struct db_tx *tx, void *arg, struct err *e)
{
    static const char sql[] = "select k from t order by k";
    int64_t *seen = arg;
    struct db_rows *outer, *inner;
    *seen = 0;
    if (!db_query(tx, &outer, e, sql))
        return false;
    while (db_step(outer, e) > 0) {
        if (!db_query(tx, &inner, e, sql))
            break;
        while (db_step(inner, e) > 0)
            *seen += db_int(outer, 0) * db_int(inner, 0);
        db_done(inner);
    }
    db_done(outer);
    return true;
}

/* More texts than are kept, in one buffer: the address alone says nothing. */
static bool many_statements(struct db_tx *tx, void *arg, struct err *e)
{
    bool *good = arg;
    char sql[64];
    *good = true;
    for (int i = 0; i < 1000; i++) {
        snprintf(sql, sizeof(sql), "select %d", i);
        struct db_rows *rows;
        if (!db_query(tx, &rows, e, sql))
            return false;
        *good = *good && db_step(rows, e) == 1 && db_int(rows, 0) == i;
        db_done(rows);
    }
    return true;
}

static void test_statements(struct db *d)
{
    struct err e = {0};
    bool good = false;
    int64_t seen = 0;
    ok(db_write(d, values_in_and_out, &good, &e) && good, "values go in and out: %s", e.msg);
    for (int64_t k = 1; k <= 3; k++)
        db_write(d, put, &k, &e);
    ok(db_read(d, nested, &seen, &e) && seen == 36, "a statement nested in its own rows");
    ok(db_read(d, many_statements, &good, &e) && good, "a thousand texts at one address");
    ok(!db_read(d, put, &seen, &e), "a reader cannot write");
}

static void test_savepoints(struct db *d)
{
    struct err e = {0};
    int64_t n = rows_in(d), taken = 1, fresh = 100;
    ok(!db_write(d, put, &taken, &e) && e.code == ERR_CONFLICT, "a constraint: %s", e.msg);
    ok(!db_write(d, put_then_fail, &fresh, &e) && e.code == ERR_INVALID, "the job's own error");
    ok(rows_in(d) == n, "what failed left nothing");
    ok(db_write(d, put, &fresh, &e), "and its key is still free");
}

/* ---- Many at once ---- */

enum { THREADS = 16, EACH = 100 };

struct writer {
    struct db *db;
    int64_t first;
    int good, bad;
};

/* Every third one fails after it has written. */
static void *write_many(void *arg)
{
    struct writer *w = arg;
    for (int64_t i = 0; i < EACH; i++) {
        int64_t k = w->first + i;
        struct err e;
        if (db_write(w->db, i % 3 == 2 ? put_then_fail : put, &k, &e))
            w->good++;
        else
            w->bad++;
    }
    return NULL;
}

struct pair {
    int64_t a, b;
};

static bool count_twice(struct db_tx *tx, void *arg, struct err *e)
{
    struct pair *p = arg;
    return count(tx, &p->a, e) && count(tx, &p->b, e);
}

static atomic_bool stop_reading;

static void *read_pairs(void *arg)
{
    struct db *d = arg;
    intptr_t torn = 0;
    while (!stop_reading) {
        struct pair p = {0};
        struct err e;
        if (!db_read(d, count_twice, &p, &e) || p.a != p.b)
            torn++;
    }
    return (void *)torn;
}

static void test_many(struct db *d)
{
    int64_t before = rows_in(d);
    struct writer w[THREADS];
    pthread_t thread[THREADS], reader[6]; /* more than connections */
    for (size_t i = 0; i < COUNT(reader); i++)
        pthread_create(&reader[i], NULL, read_pairs, d);
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct writer){.db = d, .first = 1000 + i * EACH};
        pthread_create(&thread[i], NULL, write_many, &w[i]);
    }
    int good = 0, bad = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        good += w[i].good, bad += w[i].bad;
    }
    stop_reading = true;
    intptr_t torn = 0;
    for (size_t i = 0; i < COUNT(reader); i++) {
        void *t;
        pthread_join(reader[i], &t);
        torn += (intptr_t)t;
    }
    ok(good == THREADS * 67 && bad == THREADS * 33, "each job has its own outcome");
    ok(rows_in(d) - before == good, "rows are those of the jobs that succeeded");
    ok(torn == 0, "a reader sees one snapshot");
}

/* ---- On fibers ---- */

enum { FIBERS = 50 };

struct fibers {
    struct db *db;
    int good, turns;
    bool stop;
};

static void write_and_read(void *arg)
{
    struct fibers *f = arg;
    struct err e;
    int64_t k = 5000 + f->turns++, n = 0;
    f->good += db_write(f->db, put, &k, &e) && db_read(f->db, count, &n, &e) && n > 0;
}

/* Runs only while the loop is free: proves that waiting for the writer leaves it so. */
static void open_gate_from_loop(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        fiber_yield();
    gate_set(true);
}

static void write_at_gate(void *arg)
{
    struct fibers *f = arg;
    struct err e;
    f->good += db_write(f->db, stand_at_gate, NULL, &e);
}

static void cancelled_write(void *arg)
{
    struct fibers *f = arg;
    struct err e;
    int64_t k = 6000;
    fiber_cancel(fiber_self());
    f->good += db_write(f->db, put, &k, &e);
}

static void run_fibers(void *arg)
{
    struct fibers *f = arg;
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    for (int i = 0; i < FIBERS; i++)
        fiber_group_go(&g, write_and_read, f, "write and read");
    fiber_group_go(&g, write_at_gate, f, "gate");
    fiber_group_go(&g, open_gate_from_loop, f, "opens the gate");
    fiber_group_go(&g, cancelled_write, f, "cancelled");
    fiber_group_wait(&g);
    fiber_group_fini(&g);
}

static void test_fibers(struct db *d)
{
    struct fibers f = {.db = d};
    struct err e;
    work_start(2, &e);
    gate_set(false);
    on_loop(run_fibers, &f);
    ok(f.good == FIBERS + 2, "fibers write and read, the loop goes on, a cancelled one waits");
    work_stop();
}

/* ---- Opening ---- */

static void test_second_open(const char *dir)
{
    struct db *second = NULL;
    struct err e = {0};
    char pid[32];
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    ok(!db_open(&second, &(struct db_options){.dir = dir}, &e) && e.code == ERR_UNAVAILABLE,
       "one at a time");
    ok(strstr(e.msg, dir) && strstr(e.msg, pid), "names directory and holder: %s", e.msg);
}

static void test_reopen(const char *dir, int64_t expected)
{
    for (int i = 0; i < 2; i++) {
        struct db *d = open_at(dir);
        ok(d && rows_in(d) == expected, "opened again, migrated already, rows are there");
        db_close(d);
    }
}

static bool make_newer(struct db_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return db_exec(tx, e, "insert into schema_version (version, applied_s) values (1000, 0)");
}

static void test_newer(void)
{
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    struct err e = {0};
    struct db *d = open_at(dir);
    db_write(d, make_newer, NULL, &e);
    db_close(d);
    ok(!db_open(&d, &(struct db_options){.dir = dir}, &e) && e.code == ERR_CONFLICT &&
           strstr(e.msg, "newer penstock"),
       "newer schema: %s", e.msg);
    tempdir_remove(dir);
}

static void test_damaged(void)
{
    char dir[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 16];
    tempdir_make(dir);
    snprintf(path, sizeof(path), "%s/penstock.db", dir);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 3000; i++)
        fputs("not a db", f);
    fclose(f);
    struct db *d;
    struct err e = {0};
    ok(!db_open(&d, &(struct db_options){.dir = dir}, &e) && e.code == ERR_CORRUPT &&
           strstr(e.msg, "penstock doctor"),
       "damaged: %s", e.msg);
    tempdir_remove(dir);
}

/* A page in the middle is overwritten: opening does not look at it, checking does. */
static void test_check(void)
{
    char dir[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 16], junk[4096];
    tempdir_make(dir);
    snprintf(path, sizeof(path), "%s/penstock.db", dir);
    memset(junk, 0x5a, sizeof(junk));
    struct err e = {0};
    struct db *d = open_at(dir);
    db_write(d, make_table, NULL, &e);
    for (int64_t k = 1; k <= 2000; k++)
        db_write(d, put, &k, &e);
    ok(db_check(d, &e), "whole");
    db_close(d);
    struct stat st;
    int fd = open(path, O_WRONLY);
    ok(fd >= 0 && fstat(fd, &st) == 0 &&
           pwrite(fd, junk, sizeof(junk), st.st_size - (off_t)sizeof(junk)) == sizeof(junk),
       "overwritten");
    close(fd);
    d = open_at(dir);
    ok(d && !db_check(d, &e) && e.code == ERR_CORRUPT, "damaged: %s", e.msg);
    db_close(d);
    tempdir_remove(dir);
}

static void test_unwritable(void)
{
    struct db *d;
    struct err e = {0};
    ok(!db_open(&d, &(struct db_options){.dir = "/proc/self"}, &e) && strstr(e.msg, "/proc/self"),
       "a directory that takes no files: %s", e.msg);
    ok(!db_open(&d, &(struct db_options){.dir = "/nonexistent"}, &e) && e.code == ERR_IO,
       "a directory that is not there: %s", e.msg);
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    chmod(dir, 0500);
    if (geteuid() == 0)
        skip("root may write anywhere");
    else
        ok(!db_open(&d, &(struct db_options){.dir = dir}, &e) && e.code == ERR_IO, "%s", e.msg);
    chmod(dir, 0700);
    tempdir_remove(dir);
}

/* ---- A full disk, played by a limit on the size of files ---- */

static bool put_large(struct db_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    static char text[1 << 20];
    memset(text, 'x', sizeof(text));
    return db_exec(tx, e, "insert into t (v) values ($1)",
                   DB_TEXT(((struct str){text, sizeof(text)})));
}

static void *put_small(void *arg)
{
    struct writer *w = arg;
    struct err e;
    w->good = db_write(w->db, put, &w->first, &e);
    return NULL;
}

static void test_full(void)
{
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    struct db *d = open_at(dir);
    struct err e = {0};
    db_write(d, make_table, NULL, &e);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){600 << 10, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);

    /* Small ones and one that does not fit, at once: it alone fails. */
    struct writer w[8];
    pthread_t thread[8];
    for (int i = 0; i < 8; i++) {
        w[i] = (struct writer){.db = d, .first = i + 1};
        pthread_create(&thread[i], NULL, put_small, &w[i]);
    }
    bool large = db_write(d, put_large, NULL, &e);
    ok(!large && e.code == ERR_FULL, "no space: %s", e.msg);
    int good = 0;
    for (int i = 0; i < 8; i++) {
        pthread_join(thread[i], NULL);
        good += w[i].good;
    }
    ok(good == 8 && rows_in(d) == 8, "the others of its group are written");
    setrlimit(RLIMIT_FSIZE, &old);
    ok(db_write(d, put_large, NULL, &e) && rows_in(d) == 9, "with space again it goes on");
    db_close(d);
    tempdir_remove(dir);
}

/* A real one: a file system of 2 MB, mounted where only a child sees it. */
enum { GOOD = 0, BAD = 1, NOT_HERE = 77 };

static int fill_disk(const char *dir)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", dir, "tmpfs", 0, "size=2m") < 0)
        return NOT_HERE;
    struct err e = {0};
    struct db *d = open_at(dir);
    if (!d || !db_write(d, make_table, NULL, &e))
        return BAD;
    int64_t n = 0, k = -1;
    while (n < 10 && db_write(d, put_large, NULL, &e))
        n++;
    if (n == 10 || e.code != ERR_FULL || rows_in(d) != n)
        return BAD;
    n += db_write(d, put, &k, &e); /* a small one may fit or not */
    db_close(d);
    d = open_at(dir);
    return d && rows_in(d) == n && db_check(d, &e) ? GOOD : BAD;
}

static void test_full_disk(void)
{
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(fill_disk(dir));
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE)
        skip("no right to mount a small file system");
    else
        ok(WIFEXITED(status) && WEXITSTATUS(status) == GOOD,
           "a full disk: what was acknowledged is there, also after a start");
    tempdir_remove(dir);
}

/* ---- kill -9 ---- */

enum { ROUNDS = 20, WRITERS = 3 };

static int report_fd;

static void *acknowledge(void *arg)
{
    struct writer *w = arg;
    for (int64_t k = w->first;; k += WRITERS) {
        struct err e;
        if (!db_write(w->db, put, &k, &e) || write(report_fd, &k, sizeof(k)) != sizeof(k))
            _exit(1);
    }
}

static void write_until_killed(const char *dir, int64_t first)
{
    struct db *d = open_at(dir);
    if (!d)
        _exit(1);
    pthread_t thread;
    struct writer w[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){.db = d, .first = first + i};
        if (i == WRITERS - 1)
            acknowledge(&w[i]);
        pthread_create(&thread, NULL, acknowledge, &w[i]);
    }
}

static bool present(struct db_tx *tx, void *arg, struct err *e)
{
    int64_t *k = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select 1 from t where k = $1", DB_INT(*k)))
        return false;
    int got = db_step(rows, e);
    db_done(rows);
    if (got == 0)
        *k = -1;
    return got >= 0;
}

/* Reads acknowledgements, kills after `n` of them, reads what is still in the pipe. */
static size_t kill_after(int fd, pid_t child, size_t n, int64_t *seen, size_t max)
{
    size_t got = 0;
    int64_t k;
    while (got < max && read(fd, &k, sizeof(k)) == sizeof(k)) {
        seen[got++] = k;
        if (got == n)
            kill(child, SIGKILL);
    }
    return got;
}

static void test_killed(void)
{
    enum { MAX = 20000 };
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    struct err e = {0};
    struct db *d = open_at(dir);
    db_write(d, make_table, NULL, &e);
    db_close(d);
    int64_t *seen = mem_array(MAX, sizeof(*seen));
    size_t total = 0, lost = 0;
    unsigned seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        int fd[2];
        if (pipe(fd) < 0)
            break;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            report_fd = fd[1];
            write_until_killed(dir, (round + 1) * INT64_C(1000000));
        }
        close(fd[1]);
        seed = seed * 1103515245 + 12345;
        size_t n = kill_after(fd[0], child, 1 + (seed >> 16) % 300, seen, MAX);
        close(fd[0]);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        d = open_at(dir);
        for (size_t i = 0; d && i < n; i++) {
            int64_t k = seen[i];
            if (!db_read(d, present, &k, &e) || k < 0)
                lost++;
        }
        total += n;
        if (!d || n == 0)
            lost++;
        db_close(d);
    }
    ok(lost == 0, "killed %d times: %zu acknowledged, %zu lost", ROUNDS, total, lost);
    mem_free(seen);
    tempdir_remove(dir);
}

int main(void)
{
    cond_init(&gate);
    test_killed(); /* first: forks before there are threads */
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    struct db *d = open_at(dir);
    struct err e = {0};
    ok(d && db_write(d, make_table, NULL, &e), "opens an empty directory");
    test_second_open(dir);
    test_statements(d);
    test_savepoints(d);
    test_many(d);
    test_fibers(d);
    int64_t n = rows_in(d);
    db_close(d);
    test_reopen(dir, n);
    tempdir_remove(dir);
    test_newer();
    test_damaged();
    test_check();
    test_unwritable();
    test_full();
    test_full_disk();
    return tap_done();
}
