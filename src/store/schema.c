/* The schema, and where its SQL is not that of SQLite and PostgreSQL alike:
 *
 * - IDENTITY: a number that the database gives, rising and never used again. SQLite spells it
 *   "integer primary key autoincrement", PostgreSQL "bigint generated always as identity primary
 *   key". Statements leave the column out and read it with "returning id", which both know.
 * - usage_rows.id is given by the database as well; see step 9, and the insert in ledger.c.
 * - INT64: the type must be the word "integer" where it is to be SQLite's row number (an insert at
 *   the end is then an append); PostgreSQL's "integer" has 32 bits, so there it is "bigint".
 * - BYTES: "blob" and "bytea".
 * - Text is compared byte by byte: SQLite's default, "collate \"C\"" as default of the PostgreSQL
 *   database.
 * - "$1" is a number for PostgreSQL and a name for SQLite; sqlite.c resolves it. Types of
 *   parameters follow from their column, so a bare "$1" in a select list needs a cast; none is
 *   used.
 * - "begin" takes a snapshot at the first read in SQLite; PostgreSQL needs "begin isolation level
 *   repeatable read".
 * - Table options, pragmas and savepoint handling are in sqlite.c alone.
 *
 * Shared by both and used freely: "on conflict do nothing / do update", "returning", row values
 * in comparisons, partial indexes, "on delete cascade", multi-row inserts.
 */
#include "store/schema.h"
#include "base/clock.h"

#define IDENTITY "integer primary key autoincrement"
#define INT64 "integer"
#define BYTES "blob"

static const char *const step_1[] = {
    "create table settings (key text primary key, value text not null)",

    "create table tenants ("
    " id text primary key,"
    " name text not null,"
    " created_s " INT64 " not null)",

    /* hash: HMAC-SHA-256 of the key under the server's secret; the key itself is nowhere. */
    "create table keys ("
    " id text primary key,"
    " tenant text not null references tenants (id),"
    " name text not null,"
    " role text not null,"
    " hint text not null,"
    " hash " BYTES " not null unique,"
    " created_s " INT64 " not null,"
    " revoked_s " INT64 " not null)", /* 0 = valid */

    "create table collections ("
    " id text primary key,"
    " tenant text not null references tenants (id),"
    " name text not null,"
    " metadata text not null," /* JSON object */
    " chunk_tokens " INT64 " not null,"
    " chunk_overlap " INT64 " not null,"
    " expires_days " INT64 " not null,"
    " created_ms " INT64 " not null,"
    " last_active_s " INT64 " not null,"
    " expires_s " INT64 " not null)", /* 0 = never */
    "create unique index collections_name on collections (tenant, name) where name <> ''",
    "create index collections_created on collections (tenant, created_ms, id)",
    "create index collections_expires on collections (expires_s) where expires_s > 0",

    "create table files ("
    " id text primary key,"
    " tenant text not null references tenants (id),"
    " filename text not null,"
    " purpose text not null,"
    " status text not null,"
    " sha256 text not null,"
    " bytes " INT64 " not null,"
    " created_ms " INT64 " not null)",
    "create index files_created on files (tenant, created_ms, id)",

    "create table documents ("
    " id " IDENTITY ","
    " collection text not null references collections (id) on delete cascade,"
    " uri text not null,"
    " file_id text references files (id) on delete cascade,"
    " name text not null,"
    " title text not null,"
    " doc_type text not null,"
    " language text not null,"
    " author text not null,"
    " content_hash text not null,"
    " attributes text not null," /* JSON object */
    " bytes " INT64 " not null,"
    " mtime_ns " INT64 " not null,"
    " last_updated_s " INT64 " not null,"
    " version " INT64 " not null,"
    " status text not null,"
    " error text not null,"
    " chunks " INT64 " not null,"
    " created_s " INT64 " not null,"
    " updated_s " INT64 " not null,"
    " unique (collection, uri))",
    "create index documents_listed on documents (collection, id)",
    /* Counts by status come from this index alone. */
    "create index documents_counted on documents (collection, status, bytes, chunks)",
    "create index documents_file on documents (file_id) where file_id is not null",

    "create table chunks ("
    " id " IDENTITY ","
    " document " INT64 " not null references documents (id) on delete cascade,"
    " idx " INT64 " not null,"
    " total " INT64 " not null,"
    " text text not null,"
    " section text not null,"
    " page " INT64 " not null,"
    " line_start " INT64 " not null,"
    " line_end " INT64 " not null,"
    " char_start " INT64 " not null,"
    " char_end " INT64 " not null,"
    " tokens " INT64 " not null,"
    " hash " INT64 " not null,"
    " unique (document, idx))",

    /* No references: a change outlives what it speaks of. */
    "create table changes ("
    " seq " IDENTITY ","
    " kind " INT64 " not null,"
    " collection text not null,"
    " document " INT64 " not null)",
    "create index changes_collection on changes (collection, seq)",
    "create index changes_document on changes (document)",

    /* The ledger, as it was before step 2. Nothing here refers to rows that may be deleted. */
    "create table usage ("
    " id " INT64 " primary key,"
    " at_ms " INT64 " not null,"
    " request text not null,"
    " key text not null,"
    " tenant text not null,"
    " model text not null,"
    " provider text not null,"
    " upstream_model text not null,"
    " attempt " INT64 " not null,"
    " status " INT64 " not null,"
    " error text not null,"
    " input_tokens " INT64 " not null,"
    " output_tokens " INT64 " not null,"
    " cached_tokens " INT64 " not null,"
    " reasoning_tokens " INT64 " not null,"
    " cost_microusd " INT64 " not null,"
    " latency_us " INT64 " not null,"
    " first_token_us " INT64 " not null,"
    " counted " INT64 " not null,"
    " streamed " INT64 " not null)",
    NULL,
};

/* The ledger in less: rows of numbers, and what many rows have in common once, as a label. The view
 * has the columns of the table that was there before, so queries stay as they are. A row does not
 * reference its label, as that would be checked for each row. */
#define LABEL_COLUMNS                                                                              \
    "key, tenant, model, provider, upstream_model, attempt, status, error, counted, streamed"
static const char *const step_2[] = {
    "create table usage_labels ("
    " id " IDENTITY ","
    " key text not null,"
    " tenant text not null,"
    " model text not null,"
    " provider text not null,"
    " upstream_model text not null,"
    " attempt " INT64 " not null,"
    " status " INT64 " not null,"
    " error text not null,"
    " counted " INT64 " not null,"
    " streamed " INT64 " not null,"
    " unique (" LABEL_COLUMNS "))",
    "create table usage_rows ("
    " id " INT64 " primary key,"
    " at_ms " INT64 " not null,"
    " label " INT64 " not null,"
    " request text not null,"
    " input_tokens " INT64 " not null,"
    " output_tokens " INT64 " not null,"
    " cached_tokens " INT64 " not null,"
    " reasoning_tokens " INT64 " not null,"
    " cost_microusd " INT64 " not null,"
    " latency_us " INT64 " not null,"
    " first_token_us " INT64 " not null)",
    "insert into usage_labels (" LABEL_COLUMNS ") select distinct " LABEL_COLUMNS " from usage",
    "insert into usage_rows"
    " select u.id, u.at_ms, l.id, u.request, u.input_tokens, u.output_tokens, u.cached_tokens,"
    " u.reasoning_tokens, u.cost_microusd, u.latency_us, u.first_token_us"
    " from usage u join usage_labels l on l.key = u.key and l.tenant = u.tenant"
    " and l.model = u.model and l.provider = u.provider and l.upstream_model = u.upstream_model"
    " and l.attempt = u.attempt and l.status = u.status and l.error = u.error"
    " and l.counted = u.counted and l.streamed = u.streamed",
    "drop table usage",
    "create view usage as"
    " select r.id, r.at_ms, r.request, l.key, l.tenant, l.model, l.provider, l.upstream_model,"
    " l.attempt, l.status, l.error, r.input_tokens, r.output_tokens, r.cached_tokens,"
    " r.reasoning_tokens, r.cost_microusd, r.latency_us, r.first_token_us, l.counted, l.streamed"
    " from usage_rows r join usage_labels l on l.id = r.label",
    NULL,
};

/* What a provider put into its prompt cache costs more than what it only read. */
static const char *const step_3[] = {
    "drop view usage",
    "alter table usage_rows add column cache_write_tokens " INT64 " not null default 0",
    "create view usage as"
    " select r.id, r.at_ms, r.request, l.key, l.tenant, l.model, l.provider, l.upstream_model,"
    " l.attempt, l.status, l.error, r.input_tokens, r.output_tokens, r.cached_tokens,"
    " r.cache_write_tokens, r.reasoning_tokens, r.cost_microusd, r.latency_us, r.first_token_us,"
    " l.counted, l.streamed"
    " from usage_rows r join usage_labels l on l.id = r.label",
    NULL,
};

/* Vectors from embedders outside (store/space.h). The key of `embeddings` begins with the space, so
 * that a space lies together. `content`: the change that brought the content, when this one brought
 * only vectors; 0 = this one. */
static const char *const step_4[] = {
    "create table spaces ("
    " id " IDENTITY ","
    " name text not null unique,"
    " dimension " INT64 " not null,"
    " created_s " INT64 " not null)",
    "create table collection_spaces ("
    " collection text primary key references collections (id) on delete cascade,"
    " live " INT64 " not null,"  /* in use; 0 = none */
    " next " INT64 " not null)", /* where it goes */
    "create table embeddings ("
    " space " INT64 " not null references spaces (id) on delete cascade,"
    " hash " BYTES " not null,"
    " used_s " INT64 " not null,"
    " vector " BYTES " not null,"
    " primary key (space, hash))",
    "create table chunk_vectors ("
    " chunk " INT64 " not null references chunks (id) on delete cascade,"
    " space " INT64 " not null,"
    " hash " BYTES " not null,"
    " primary key (chunk, space))",
    "create index chunk_vectors_hash on chunk_vectors (space, hash)",
    "create table document_spaces ("
    " document " INT64 " not null references documents (id) on delete cascade,"
    " space " INT64 " not null,"
    " version " INT64 " not null,"
    " primary key (document, space))",
    "alter table changes add column content " INT64 " not null default 0",
    NULL,
};

/* Uploaded files: batches, how each is cut, when they end. Names of collections may repeat, as in
 * the API that they come from. */
static const char *const step_5[] = {
    "alter table documents add column chunk_tokens " INT64 " not null default 0",
    "alter table documents add column chunk_overlap " INT64 " not null default 0",
    "alter table documents add column error_code text not null default ''",
    "alter table collections add column description text not null default ''",
    "alter table files add column expires_s " INT64 " not null default 0", /* 0 = never */
    "create index files_expires on files (expires_s) where expires_s > 0",
    "drop index collections_name",
    "create index collections_name on collections (tenant, name, created_ms, id)",
    "create table file_batches ("
    " id text primary key,"
    " collection text not null references collections (id) on delete cascade,"
    " created_ms " INT64 " not null,"
    " cancelled " INT64 " not null)",
    "create index file_batches_collection on file_batches (collection)",
    "create table file_batch_items ("
    " batch text not null references file_batches (id) on delete cascade,"
    " document " INT64 " not null references documents (id) on delete cascade,"
    " primary key (batch, document))",
    "create index file_batch_items_document on file_batch_items (document)",
    NULL,
};

/* Who may read a document, and in whose name a key asks: "" = nobody's in particular. */
static const char *const step_6[] = {
    "alter table documents add column access text not null default ''", /* index/rights.h */
    "create index documents_access on documents (collection) where access <> ''",
    "alter table keys add column username text not null default ''",
    "alter table keys add column member_of text not null default ''", /* separated by commas */
    ("alter table keys add column acts_for_users " INT64 " not null default 0"),
    NULL,
};

/* Answers that were kept. `previous` is no reference: a response may go before those that continue
 * it. */
static const char *const step_7[] = {
    "create table responses ("
    " id text primary key,"
    " tenant text not null references tenants (id),"
    " previous text not null,"     /* "" = begins a conversation */
    " conversation text not null," /* the id of the one that began it */
    " created_ms " INT64 " not null,"
    " input text not null,"   /* JSON list of items */
    " answer text not null)", /* JSON object */
    "create index responses_created on responses (created_ms)",
    "create index responses_conversation on responses (conversation, created_ms)",
    NULL,
};

/* How words are weighed in a collection: JSON, "" = as usual. */
static const char *const step_8[] = {
    "alter table collections add column keywords text not null default ''",
    NULL,
};

/* How far the rows of each journal's file have been moved (store/journal.c). What is said of a file
 * that is gone stays: it takes a few bytes, and the file may be put back. From here on the database
 * gives rows their id: SQLite does so as the table is, PostgreSQL with "alter table
 * usage_rows alter id add generated by default as identity". */
static const char *const step_9[] = {
    "create table usage_journals ("
    " id " INT64 " primary key," /* stands in the file */
    " position " INT64 " not null)",
    NULL,
};

static const char *const *const steps[SCHEMA_VERSION] = {
    step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_8, step_9,
};

static bool version_of(struct db_tx *tx, int64_t *version, struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select coalesce(max(version), 0) from schema_version"))
        return false;
    int got = db_step(rows, e);
    *version = got > 0 ? db_int(rows, 0) : 0;
    db_done(rows);
    return got >= 0;
}

bool schema_step(struct db_tx *tx, bool *newest, struct err *e)
{
    int64_t version;
    *newest = false;
    if (!db_exec(tx, e,
                 "create table if not exists schema_version ("
                 " version " INT64 " primary key, applied_s " INT64 " not null)") ||
        !version_of(tx, &version, e))
        return false;
    if (version > SCHEMA_VERSION)
        return err_set(e, ERR_CONFLICT,
                       "the database was written by a newer penstock (schema %lld, this one knows "
                       "%d): use that version, or restore a backup made before the upgrade",
                       (long long)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION) {
        *newest = true;
        return true;
    }
    for (const char *const *sql = steps[version]; *sql; sql++)
        if (!db_exec_values(tx, e, *sql, NULL, 0))
            return err_prefix(e, "schema %lld: ", (long long)version + 1);
    return db_exec(tx, e, "insert into schema_version (version, applied_s) values ($1, $2)",
                   DB_INT(version + 1), DB_INT(clock_wall_s()));
}
