/* ledger_rig.h - a database and its journals in a directory of their own, rows for them, and what
 * of these is in SQL. */
#pragma once

#include "base/clock.h"
#include "base/mem.h"
#include "store/journal.h"

#include "tap.h"
#include "tempdir.h"

#include <fcntl.h>

static struct err e;
static char dir[TEMPDIR_SIZE];
static struct db *d;
static struct journal_set *s;

__attribute__((unused)) static bool open_both(unsigned loops)
{
    e = (struct err){0};
    d = NULL;
    s = NULL;
    if (db_open(&d, &(struct db_options){.dir = dir}, &e) && journal_open(&s, d, dir, loops, &e))
        return true;
    printf("# %s\n", e.msg);
    return false;
}

__attribute__((unused)) static void close_both(void)
{
    journal_close(s);
    db_close(d);
}

__attribute__((unused)) static bool add(unsigned loop, int number)
{
    char request[16];
    struct usage_row row = {
        .at_ms = clock_wall_ms(),
        .request = {request, (size_t)snprintf(request, sizeof(request), "%d", number)},
        .key = STR("key_1"),
        .tenant = STR("default"),
        .model = STR("m"),
        .provider = STR("p"),
        .upstream_model = STR("uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu and is cut"),
        .attempt = 1,
        .status = 200,
        .input_tokens = number,
        .cache_write_tokens = 1,
        .cost_microusd = INT64_MAX,
        .streamed = 1,
    };
    return journal_add(journal_of(s, loop), &row, &e);
}

/* How often each request 0 <= r < n is in the table; false when others are too, or ids fall. */
struct census {
    int *seen, n, strangers;
};

static bool census_tx(struct db_tx *tx, void *arg, struct err *err)
{
    struct census *c = arg;
    struct db_rows *rows;
    c->strangers = 0;
    memset(c->seen, 0, (size_t)c->n * sizeof(*c->seen));
    if (!db_query(tx, &rows, err, "select input_tokens from usage"))
        return false;
    while (db_step(rows, err) > 0) {
        int64_t r = db_int(rows, 0);
        if (r >= 0 && r < c->n)
            c->seen[r]++;
        else
            c->strangers++;
    }
    db_done(rows);
    return true;
}

/* Requests 0 .. n-1 are there once, and no others. */
__attribute__((unused)) static bool exactly(int n)
{
    struct census c = {mem_array((size_t)n + 1, sizeof(int)), n + 1, 0};
    bool good = db_read(d, census_tx, &c, &e) && c.strangers == 0 && c.seen[n] == 0;
    for (int i = 0; i < n; i++)
        good = good && c.seen[i] == 1;
    mem_free(c.seen);
    return good;
}

__attribute__((unused)) static bool fields_tx(struct db_tx *tx, void *arg, struct err *err)
{
    bool *good = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, err,
                  "select upstream_model, request, cost_microusd, streamed, counted, error, status"
                  " from usage where input_tokens = 5"))
        return false;
    *good = db_step(rows, err) == 1 && db_text(rows, 0).len == 48 &&
            str_eq(db_text(rows, 1), STR("5")) && db_int(rows, 2) == INT64_MAX &&
            db_int(rows, 3) == 1 && db_int(rows, 4) == 0 && db_text(rows, 5).len == 0 &&
            db_int(rows, 6) == 200;
    db_done(rows);
    return true;
}

static bool cache_write_tx(struct db_tx *tx, void *arg, struct err *err)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, err, "select sum(cache_write_tokens) from usage"))
        return false;
    int *sum = arg;
    *sum = db_step(rows, err) > 0 ? (int)db_int(rows, 0) : -1;
    db_done(rows);
    return true;
}

__attribute__((unused)) static int cache_write(void)
{
    int sum = -1;
    db_read(d, cache_write_tx, &sum, &e);
    return sum;
}

__attribute__((unused)) static void path_of(char path[TEMPDIR_SIZE + 32], unsigned loop)
{
    snprintf(path, TEMPDIR_SIZE + 32, "%s/journal.%u", dir, loop);
}

__attribute__((unused)) static void spill(const char *path, const char *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ok(fd >= 0 && write(fd, p, n) == (ssize_t)n, "file written");
    close(fd);
}

static void in_new_dir(void (*test)(void))
{
    tempdir_make(dir);
    test();
    tempdir_remove(dir);
}
