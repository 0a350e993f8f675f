/* Rows in SQL: labels, the ledger as it was before there were any; and rows as they are packed. */
#include "ledger_rig.h"

#include <stddef.h>

static bool packs(const struct usage_row *row, const char *label_text, const char *request)
{
    struct ledger_packed p;
    memset(&p, 'x', sizeof(p));
    ledger_pack(&p, row);
    size_t label = strlen(label_text), size = ledger_packed_size(&p);
    return size == offsetof(struct ledger_packed, text) + label + strlen(request) &&
           memcmp(p.text, label_text, label) == 0 &&
           memcmp(p.text + label, request, strlen(request)) == 0 &&
           (size == sizeof(p) || ((const char *)&p)[size] == 'x');
}

static void test_packing(void)
{
    struct usage_row row = {0};
    ok(packs(&row, "", ""), "without texts");
    row = (struct usage_row){
        .request = STR("r1"), .key = STR("key"), .model = STR("m"), .error = STR("timeout")};
    ok(packs(&row, "keymtimeout", "r1"), "the label's texts, then the request");
    char many[LEDGER_LABEL_TEXT + 1] = {0};
    memset(many, 'k', LEDGER_LABEL_TEXT);
    struct str k = {many, 100};
    row = (struct usage_row){.request = k,
                             .key = k,
                             .tenant = k,
                             .model = k,
                             .provider = k,
                             .upstream_model = k,
                             .error = k};
    ok(packs(&row, many, many + LEDGER_LABEL_TEXT - LEDGER_REQUEST), "cut to their room");
    row = (struct usage_row){.error = STR("fifteen letters\xC3\xA9")};
    ok(packs(&row, "fifteen letters", ""), "and between characters");

    struct ledger_packed p;
    ledger_pack(&p, &row);
    p.label_len = sizeof(p.label) - 1;
    ok(ledger_packed_size(&p) == 0, "a label that is too short");
    p.label_len = sizeof(p.label) + LEDGER_LABEL_TEXT + 1;
    ok(ledger_packed_size(&p) == 0, "a label that is too long");
    p.label_len = sizeof(p.label);
    p.request_len = LEDGER_REQUEST + 1;
    ok(ledger_packed_size(&p) == 0, "a request that is too long");
}

static bool rewind_schema(struct db_tx *tx, void *arg, struct err *err)
{
    static const char *const sql[] = {
        "create table old as select * from usage",
        "drop view usage",
        "drop table usage_rows",
        "drop table usage_labels",
        "alter table old rename to usage",
        /* what the steps behind the ledger's made */
        "drop table spaces",
        "drop table collection_spaces",
        "drop table embeddings",
        "drop table chunk_vectors",
        "drop table document_spaces",
        "alter table changes drop column content",
        "drop table file_batch_items",
        "drop table file_batches",
        "alter table documents drop column chunk_tokens",
        "alter table documents drop column chunk_overlap",
        "alter table documents drop column error_code",
        "alter table collections drop column description",
        "drop index files_expires",
        "alter table files drop column expires_s",
        "drop index documents_access",
        "alter table documents drop column access",
        "alter table keys drop column username",
        "alter table keys drop column member_of",
        "alter table keys drop column acts_for_users",
        "drop table responses",
        "alter table collections drop column keywords",
        "drop table usage_journals",
        "delete from schema_version where version > 1",
    };
    (void)arg;
    for (size_t i = 0; i < COUNT(sql); i++)
        if (!db_exec_values(tx, err, sql[i], NULL, 0))
            return false;
    return true;
}

static bool count_labels(struct db_tx *tx, void *arg, struct err *err)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, err, "select count(*) from usage_labels"))
        return false;
    int *n = arg;
    *n = db_step(rows, err) > 0 ? (int)db_int(rows, 0) : -1;
    db_done(rows);
    return true;
}

static void test_labels(void)
{
    int n = 0;
    open_both(1);
    for (int i = 0; i < 20000; i++) { /* more labels than are remembered, each of them twice */
        char key[16];
        struct usage_row row = {
            .at_ms = clock_wall_ms(),
            .key = {key, (size_t)snprintf(key, sizeof(key), "key_%d", i % 10000)},
            .input_tokens = i,
            .status = 200,
        };
        while (!journal_add(journal_of(s, 0), &row, &e))
            journal_flush(s, &e);
    }
    ok(journal_flush(s, &e) && exactly(20000), "rows of ten thousand keys");
    ok(db_read(d, count_labels, &n, &e) && n == 10000, "a label for each, once: %d", n);
    close_both();
    open_both(1);
    ok(add(0, 20000) && journal_flush(s, &e) && exactly(20001), "after a start");
    close_both();
}

static void test_migration(void)
{
    bool good = false;
    int n = 0;
    open_both(1);
    for (int i = 0; i < 100; i++)
        add(0, i);
    ok(journal_flush(s, &e), "a hundred rows");
    journal_close(s);
    ok(db_write(d, rewind_schema, NULL, &e), "put back to the first schema: %s", e.msg);
    db_close(d);
    char path[TEMPDIR_SIZE + 32];
    path_of(path, 0);
    unlink(path); /* the database does not know this one */
    ok(open_both(1) && exactly(100), "all of them are there behind the step");
    ok(db_read(d, fields_tx, &good, &e) && good, "with their fields");
    ok(add(0, 100) && journal_flush(s, &e) && exactly(101), "and more come");
    ok(cache_write() == 1, "with what older ones had not");
    ok(db_read(d, count_labels, &n, &e) && n == 1, "under the label of the old ones");
    close_both();
}

int main(void)
{
    test_packing();
    in_new_dir(test_labels);
    in_new_dir(test_migration);
    return tap_done();
}
