/* What kept responses promise: chains in order, tenants apart, deletion breaks a chain, expiry. */
#include "base/clock.h"
#include "store/response.h"

#include "tap.h"
#include "tempdir.h"

static struct db *d;
static struct arena *a;
static struct err e;

static bool add(const char *tenant, const char *id, const char *previous)
{
    const struct response r = {
        .id = str_from(id),
        .tenant = str_from(tenant),
        .previous = str_from(previous),
        .input = arena_printf(a, "[\"%s in\"]", id),
        .answer = arena_printf(a, "{\"id\":\"%s\"}", id),
    };
    return response_add(d, &r, &e);
}

static void test_chain(void)
{
    struct response *r;
    size_t n;
    ok(add("t", "r1", "") && add("t", "r2", "r1") && add("t", "r3", "r2"), "three are kept");
    ok(response_chain(d, a, STR("t"), STR("r3"), 1000, &r, &n, &e) && n == 3, "they are a chain");
    ok(n == 3 && str_eq(r[0].id, STR("r1")) && str_eq(r[2].id, STR("r3")), "oldest first");
    ok(n == 3 && str_eq(r[1].input, STR("[\"r2 in\"]")) &&
           str_eq(r[1].answer, STR("{\"id\":\"r2\"}")),
       "with their texts");
    ok(!response_chain(d, a, STR("t"), STR("r3"), 30, &r, &n, &e) && e.code == ERR_TOO_LARGE,
       "a chain that is too long is refused");
    ok(!add("t", "r1", "") && e.code == ERR_CONFLICT, "an id is taken once");
}

static void test_tenants(void)
{
    struct response r;
    struct response *chain;
    size_t n;
    ok(!response_find(d, a, STR("other"), STR("r1"), &r, &e) && e.code == ERR_NOT_FOUND,
       "another tenant does not find it");
    ok(!response_delete(d, STR("other"), STR("r1"), &e) && e.code == ERR_NOT_FOUND,
       "nor delete it");
    ok(add("other", "o1", "r1") &&
           !response_chain(d, a, STR("other"), STR("o1"), 1000, &chain, &n, &e) &&
           e.code == ERR_NOT_FOUND,
       "a chain does not cross to another tenant");
    ok(response_find(d, a, STR("t"), STR("r1"), &r, &e), "its own does");
}

static void test_deleted(void)
{
    struct response *r;
    size_t n;
    ok(response_delete(d, STR("t"), STR("r2"), &e), "one in the middle is deleted");
    ok(!response_delete(d, STR("t"), STR("r2"), &e) && e.code == ERR_NOT_FOUND, "once");
    ok(!response_chain(d, a, STR("t"), STR("r3"), 1000, &r, &n, &e) && e.code == ERR_NOT_FOUND,
       "what continued it has no chain");
    ok(response_chain(d, a, STR("t"), STR("r1"), 1000, &r, &n, &e) && n == 1,
       "what it continued has");
}

static bool make_old(struct db_tx *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(tx, err, "update responses set created_ms = 0 where id like $1",
                   DB_TEXT(STR("old%")));
}

static void test_expiry(void)
{
    struct response r, *chain;
    add("t", "old1", "");
    add("t", "old2", "");
    add("t", "new", "old2");
    size_t n;
    ok(response_expire(d, clock_wall_ms() - 60000, &n, &e) && n == 0, "the young stay");
    ok(db_write(d, make_old, NULL, &e), "two are old, and one goes on with the second");
    ok(response_expire(d, clock_wall_ms() - 60000, &n, &e) && n == 1, "the old go");
    ok(!response_find(d, a, STR("t"), STR("old1"), &r, &e), "if nobody went on with them");
    ok(response_chain(d, a, STR("t"), STR("new"), 1000, &chain, &n, &e) && n == 2,
       "a conversation that lives is whole");
    ok(response_expire(d, clock_wall_ms() + 1000, &n, &e) && n == 5, "later all of it");
    ok(!response_find(d, a, STR("t"), STR("r1"), &r, &e), "and are not found");
}

int main(void)
{
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    a = arena_new();
    const struct db_options opt = {.dir = dir, .readers = 1};
    ok(db_open(&d, &opt, &e), "a database is opened");
    test_chain();
    test_tenants();
    test_deleted();
    test_expiry();
    db_close(d);
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
