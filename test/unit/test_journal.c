/* What the journal promises: rows that were added are in SQL once and only once, however the
 * process ended; a full journal refuses; files of fewer or more loops, damaged or torn ones, of
 * another moment than the database. */
#include "base/lock.h"

#include "ledger_rig.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void test_moving(void)
{
    ok(open_both(2), "opens");
    int n = 0;
    for (; n < 5000; n++)
        if (!add((unsigned)n % 2, n))
            break;
    ok(n == 5000 && journal_flush(s, &e), "five thousand rows on two loops: %s", e.msg);
    ok(journal_waiting(s) == 0 && exactly(5000), "each is in SQL once");
    bool good = false;
    ok(db_read(d, fields_tx, &good, &e) && good && cache_write() == 5000, "with its fields");
    add(0, 5000);
    close_both();
    ok(open_both(2) && exactly(5001), "closing moves the rest");
    close_both();
}

static bool order_tx(struct db_tx *tx, void *arg, struct err *err)
{
    bool *rising = arg;
    struct db_rows *rows;
    int64_t last = -1, n = 0;
    if (!db_query(tx, &rows, err, "select input_tokens from usage order by id"))
        return false;
    *rising = true;
    for (; db_step(rows, err) > 0; n++) {
        *rising = *rising && db_int(rows, 0) == last + 1;
        last = db_int(rows, 0);
    }
    db_done(rows);
    *rising = *rising && n > 0;
    return true;
}

/* Rows get rising ids in the order in which they were added, whatever the clock says. */
static void test_order(void)
{
    static const int64_t at[] = {2000000000000, 1999999999999, 0, -5, INT64_MAX,
                                 INT64_MIN,     2000000000001};
    ok(open_both(1), "opens");
    int n = 0;
    for (; n < 40000; n++) {
        struct usage_row row = {.at_ms = at[(size_t)n % COUNT(at)], .input_tokens = n};
        while (!journal_add(journal_of(s, 0), &row, &e))
            journal_flush(s, &e);
    }
    close_both();
    open_both(1);
    add(0, n++);
    bool rising = false;
    ok(journal_flush(s, &e) && db_read(d, order_tx, &rising, &e) && rising && exactly(n),
       "rows are in order");
    close_both();
}

/* ---- The writer held up ---- */

static struct lock gate_lock = LOCK_INIT;
static struct cond gate;
static bool in_gate, gate_open;
static const char *behind_gate; /* runs in the same transaction; NULL: nothing */

static bool stand_in_gate(struct db_tx *tx, void *arg, struct err *err)
{
    (void)arg;
    lock_take(&gate_lock);
    in_gate = true;
    cond_wake_all(&gate);
    while (!gate_open)
        cond_wait(&gate, &gate_lock, CLOCK_NEVER);
    lock_drop(&gate_lock);
    return !behind_gate || db_exec_values(tx, err, behind_gate, NULL, 0);
}

static void *block_writer(void *arg)
{
    struct err err;
    db_write(arg, stand_in_gate, NULL, &err);
    return NULL;
}

static pthread_t hold_writer(void)
{
    pthread_t t;
    cond_init(&gate);
    in_gate = gate_open = false;
    pthread_create(&t, NULL, block_writer, d);
    lock_take(&gate_lock);
    while (!in_gate)
        cond_wait(&gate, &gate_lock, CLOCK_NEVER);
    lock_drop(&gate_lock);
    return t;
}

static void release_writer(pthread_t t)
{
    lock_take(&gate_lock);
    gate_open = true;
    cond_wake_all(&gate);
    lock_drop(&gate_lock);
    pthread_join(t, NULL);
    cond_fini(&gate);
}

static void test_full(void)
{
    ok(open_both(1), "opens");
    pthread_t t = hold_writer();
    int n = 0;
    while (n < 1000000 && add(0, n))
        n++;
    ok(n > 1000 && n < 1000000 && e.code == ERR_FULL, "full after %d: %s", n, e.msg);
    ok(journal_waiting(s) == (uint64_t)n, "all of them wait");
    release_writer(t);
    ok(journal_flush(s, &e) && exactly(n), "then all are moved");
    ok(add(0, n) && journal_flush(s, &e) && exactly(n + 1), "and it goes on");
    close_both();
}

/* A commit may be done and reported as failed. What SQL has by then is not moved again: here it is
 * told that it has three rows more. */
static void test_ahead(void)
{
    struct census c = {(int[11]){0}, 11, 0};
    open_both(1);
    for (int n = 0; n < 5; n++)
        add(0, n);
    ok(journal_flush(s, &e) && exactly(5), "five rows");
    behind_gate = "update usage_journals set position = position + 3";
    pthread_t t = hold_writer();
    for (int n = 5; n < 10; n++)
        add(0, n);
    release_writer(t);
    behind_gate = NULL;
    ok(journal_flush(s, &e) && db_read(d, census_tx, &c, &e) && c.seen[5] == 0 && c.seen[7] == 0 &&
           c.seen[8] == 1 && c.seen[9] == 1,
       "goes on where SQL is");
    close_both();
}

/* A child adds rows that nobody moves, and ends without a word. */
static void leave_rows(unsigned loops, int rows)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (!open_both(loops))
            _exit(1);
        hold_writer();
        for (int i = 0; i < rows; i++)
            if (!add((unsigned)i % loops, i))
                _exit(2);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child leaves %d rows", rows);
}

static void test_fewer_loops(void)
{
    char path[TEMPDIR_SIZE + 32];
    path_of(path, 2);
    leave_rows(3, 100);
    ok(access(path, F_OK) == 0 && open_both(1) && exactly(100), "rows of loops that are no more");
    ok(access(path, F_OK) != 0, "their file is gone");
    close_both();
    ok(open_both(4) && add(3, 100) && journal_flush(s, &e) && exactly(101), "and with more again");
    close_both();
}

static char *slurp(const char *path, size_t *n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return NULL;
    char *p = mem_new((size_t)st.st_size);
    *n = read(fd, p, (size_t)st.st_size) == st.st_size ? (size_t)st.st_size : 0;
    close(fd);
    return p;
}

static const char *const files[] = {"penstock.db", "penstock.db-wal", "journal.0"};
struct image { /* of the data directory, or of some files of it */
    char *p[COUNT(files)];
    size_t n[COUNT(files)];
};

static void file_of(char path[TEMPDIR_SIZE + 32], size_t i)
{
    snprintf(path, TEMPDIR_SIZE + 32, "%s/%s", dir, files[i]);
}

static struct image take_image(void)
{
    struct image m = {0};
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[TEMPDIR_SIZE + 32];
        file_of(path, i);
        m.p[i] = slurp(path, &m.n[i]);
    }
    return m;
}

/* Files that were not there in [from, to) go. */
static void put_image(const struct image *m, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char path[TEMPDIR_SIZE + 32];
        file_of(path, i);
        unlink(path);
        if (m->p[i])
            spill(path, m->p[i], m->n[i]);
    }
}

static void free_image(struct image *m)
{
    for (size_t i = 0; i < COUNT(files); i++)
        mem_free(m->p[i]);
}

enum { DATABASE = 0, JOURNAL = 2, ALL = COUNT(files) }; /* in files[] */

/* What is in SQL is known from SQL alone, so the file and the database need not be of one moment.
 */
static void test_moments(void)
{
    leave_rows(1, 50);
    struct image left = take_image();
    ok(open_both(1) && exactly(50), "moved");
    close_both();
    struct image moved = take_image();
    put_image(&left, JOURNAL, ALL);
    ok(open_both(1) && exactly(50), "a file from before: nothing twice");
    for (int n = 50; n < 80; n++)
        add(0, n);
    close_both();
    struct image later = take_image();
    put_image(&left, JOURNAL, ALL);
    ok(open_both(1) && exactly(80) && add(0, 80) && journal_flush(s, &e) && exactly(81),
       "a file that is behind: rows go on where SQL is");
    close_both();
    put_image(&later, JOURNAL, ALL);
    put_image(&moved, DATABASE, JOURNAL);
    ok(open_both(1) && exactly(80), "a database that is behind: the file still has the rows");
    close_both();
    put_image(&left, DATABASE, ALL);
    ok(open_both(1) && exactly(50), "a copy of the whole directory");
    close_both();
    free_image(&left);
    free_image(&moved);
    free_image(&later);
}

/* The ring was round more than once since the database's place. */
static void test_far_behind(void)
{
    leave_rows(1, 50);
    struct image left = take_image();
    open_both(1);
    int n = 50;
    for (; n < 20000; n++)
        while (!add(0, n))
            journal_flush(s, &e);
    close_both();
    put_image(&left, DATABASE, JOURNAL);
    struct census c = {mem_array(20001, sizeof(int)), 20001, 0};
    ok(open_both(1) && db_read(d, census_tx, &c, &e) && c.seen[19999] == 1 && c.seen[0] == 0,
       "a database far behind gets what the file still has");
    ok(add(0, 20000) && journal_flush(s, &e) && db_read(d, census_tx, &c, &e) &&
           c.seen[20000] == 1 && c.seen[19999] == 1,
       "and it goes on");
    close_both();
    mem_free(c.seen);
    free_image(&left);
}

static void test_new_file(void)
{
    char path[TEMPDIR_SIZE + 32];
    path_of(path, 0);
    ok(open_both(1) && add(0, 0) && journal_flush(s, &e), "a row");
    close_both();
    struct image old = take_image();
    unlink(path);
    ok(open_both(1) && exactly(1) && add(0, 1) && journal_flush(s, &e) && exactly(2),
       "a file made anew begins at its begin");
    close_both();
    put_image(&old, JOURNAL, ALL);
    ok(open_both(1) && exactly(2) && add(0, 2) && journal_flush(s, &e) && exactly(3),
       "the old one is known when it comes back");
    close_both();
    free_image(&old);
}

static void test_torn(void)
{
    char path[TEMPDIR_SIZE + 32];
    path_of(path, 0);
    leave_rows(1, 50);
    size_t n;
    char *p = slurp(path, &n);
    char *hit = memmem(p, n, "uuuuuuuu", 8); /* in the first row */
    ok(hit != NULL, "a row to damage");
    *hit = 'x';
    uint64_t *seq = (uint64_t *)(p + 4096 + 384); /* of the second, that of far ahead */
    *seq += UINT64_C(8192) << 20;
    spill(path, p, n);
    struct census c = {(int[51]){0}, 51, 0};
    ok(open_both(1) && db_read(d, census_tx, &c, &e) && c.seen[0] == 0 && c.seen[1] == 0 &&
           c.seen[2] == 1 && c.seen[49] == 1,
       "torn rows are left out, the others are not");
    ok(add(0, 50) && journal_flush(s, &e) && db_read(d, census_tx, &c, &e) && c.seen[50] == 1,
       "and it goes on");
    close_both();

    p[0] ^= 1;
    spill(path, p, n);
    ok(!open_both(1) && e.code == ERR_CORRUPT && strstr(e.msg, path), "no journal: %s", e.msg);
    close_both();
    p[0] ^= 1;
    p[8] = 99;
    spill(path, p, n);
    ok(!open_both(1) && e.code == ERR_CONFLICT, "another version: %s", e.msg);
    close_both();
    spill(path, p, 5000);
    ok(!open_both(1) && e.code == ERR_CORRUPT, "cut short: %s", e.msg);
    close_both();
    mem_free(p);
}

static void test_no_space(void)
{
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){1 << 20, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    ok(!open_both(1), "no room for the file: %s", e.msg);
    close_both();
    setrlimit(RLIMIT_FSIZE, &old);
    ok(open_both(1), "with room");
    close_both();
}

/* ---- kill -9 ---- */

static void add_until_killed(int fd, int first)
{
    if (!open_both(2))
        _exit(1);
    for (int n = first;; n++) {
        while (!add((unsigned)n % 2, n))
            if (e.code != ERR_FULL || !journal_flush(s, &e))
                _exit(2);
        if (write(fd, &n, sizeof(n)) != sizeof(n))
            _exit(3);
    }
}

/* Reads what was acknowledged, kills after `n`, reads the rest. Returns the last number. */
static int kill_after(int fd, pid_t child, int n)
{
    int last = -1, got = 0, number;
    while (read(fd, &number, sizeof(number)) == sizeof(number)) {
        last = number;
        if (++got == n)
            kill(child, SIGKILL);
    }
    return last;
}

static void add_and_die(void)
{
    bool good = open_both(2);
    for (int n = 0; good && n < 500; n++)
        good = add((unsigned)n % 2, n);
    if (good)
        kill(getpid(), SIGKILL);
    _exit(1);
}

/* What a killed process left stays where it is until there is room, and new rows come behind it. */
static void test_no_space_for_what_was_left(void)
{
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    ok(open_both(2), "the files are there");
    close_both();
    pid_t child = fork();
    if (child == 0)
        add_and_die();
    int status = 0;
    ok(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "a process is killed");
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){40000, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    bool opened = open_both(2), full = false, added = true;
    ok(opened && journal_waiting(s) > 0, "opened without room: %d rows wait",
       opened ? (int)journal_waiting(s) : 0);
    for (int n = 500; opened && added && n < 600; n++)
        added = add((unsigned)n % 2, n);
    full = opened && !journal_flush(s, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    ok(added && full, "more come behind them: %s", e.msg);
    ok(opened && journal_flush(s, &e) && exactly(600), "with room all of them are in SQL, once");
    close_both();
}

/* Numbers go on from round to round: all up to the last one acknowledged must be there once. One
 * more may be, written and not acknowledged; the next round then starts behind it. */
static void test_killed(void)
{
    enum { ROUNDS = 20 };
    int next = 0, lost = 0;
    unsigned seed = 11;
    for (int round = 0; round < ROUNDS; round++) {
        int fd[2];
        if (pipe(fd) < 0)
            break;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            close(fd[0]);
            add_until_killed(fd[1], next);
        }
        close(fd[1]);
        seed = seed * 1103515245 + 12345;
        int last = kill_after(fd[0], child, 1 + (int)((seed >> 16) % 20000));
        close(fd[0]);
        waitpid(child, NULL, 0);
        if (last < next || !open_both(2)) {
            lost++;
            break;
        }
        next = last + 1;
        if (!exactly(next)) {
            next++;
            lost += !exactly(next);
        }
        close_both();
    }
    ok(lost == 0, "killed %d times: %d rows, none lost, none twice", ROUNDS, next);
}

int main(void)
{
    in_new_dir(test_killed);
    in_new_dir(test_moving);
    in_new_dir(test_order);
    in_new_dir(test_full);
    in_new_dir(test_ahead);
    in_new_dir(test_fewer_loops);
    in_new_dir(test_moments);
    in_new_dir(test_far_behind);
    in_new_dir(test_new_file);
    in_new_dir(test_torn);
    in_new_dir(test_no_space);
    in_new_dir(test_no_space_for_what_was_left);
    return tap_done();
}
