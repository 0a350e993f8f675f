/* Rows go in by one statement for many, without a number of their own: SQLite then appends each
 * behind the last one and looks for nothing. A statement for each row would cost half as much
 * again, for being started and ended.
 *
 * Labels that were seen are remembered, once the transaction that made them is committed.
 */
#include "store/ledger.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/utf8.h"

enum {
    COLUMNS = 11,
    ROWS = 128,    /* of one insert: beyond that nothing is gained */
    LABELS = 8192, /* that are remembered, some 2 MB */
};

struct ledger {
    struct db *db;
    char *insert_many;
    struct map labels; /* bytes of a packed label to its number */
    struct db_value value[ROWS * COLUMNS];
    /* the group that is being written */
    const struct ledger_group *group;
    int64_t known[LEDGER_GROUP]; /* labels of its rows; 0 = not known before */
    int64_t label[LEDGER_GROUP];
    bool written;
    uint64_t position;
};

/* ---- Packing ---- */

static const uint8_t text_max[LEDGER_TEXTS] = {LEDGER_KEY,      LEDGER_TENANT, LEDGER_MODEL,
                                               LEDGER_PROVIDER, LEDGER_MODEL,  LEDGER_ERROR};

static size_t put(char *to, struct str s, size_t max)
{
    size_t n = utf8_cut(s, max);
    if (n > 0)
        memcpy(to, s.p, n);
    return n;
}

void ledger_pack(struct ledger_packed *to, const struct usage_row *row)
{
    const struct str text[LEDGER_TEXTS] = {row->key,      row->tenant,         row->model,
                                           row->provider, row->upstream_model, row->error};
    to->at_ms = row->at_ms;
    to->input_tokens = row->input_tokens;
    to->output_tokens = row->output_tokens;
    to->cached_tokens = row->cached_tokens;
    to->cache_write_tokens = row->cache_write_tokens;
    to->reasoning_tokens = row->reasoning_tokens;
    to->cost_microusd = row->cost_microusd;
    to->latency_us = row->latency_us;
    to->first_token_us = row->first_token_us;
    to->label.attempt = row->attempt;
    to->label.status = row->status;
    to->label.counted = row->counted;
    to->label.streamed = row->streamed;
    char *end = to->text;
    for (size_t i = 0; i < LEDGER_TEXTS; i++) {
        size_t n = put(end, text[i], text_max[i]);
        to->label.len[i] = (uint8_t)n;
        end += n;
    }
    to->label_len = (uint32_t)(end - (char *)&to->label);
    to->request_len = (uint32_t)put(end, row->request, LEDGER_REQUEST);
}

size_t ledger_packed_size(const struct ledger_packed *p)
{
    if (p->label_len < sizeof(p->label) || p->label_len > sizeof(p->label) + LEDGER_LABEL_TEXT ||
        p->request_len > LEDGER_REQUEST)
        return 0;
    return offsetof(struct ledger_packed, label) + p->label_len + p->request_len;
}

static struct str label_of(const struct ledger_packed *p)
{
    return (struct str){(const char *)&p->label, p->label_len};
}

static struct str request_of(const struct ledger_packed *p)
{
    return (struct str){(const char *)&p->label + p->label_len, p->request_len};
}

/* What makes up its label. */
static struct usage_row unpack(const struct ledger_packed *p)
{
    struct usage_row row = {.attempt = p->label.attempt,
                            .status = p->label.status,
                            .counted = p->label.counted,
                            .streamed = p->label.streamed};
    struct str *const text[LEDGER_TEXTS] = {&row.key,      &row.tenant,         &row.model,
                                            &row.provider, &row.upstream_model, &row.error};
    const char *at = p->text;
    for (size_t i = 0; i < LEDGER_TEXTS; at += p->label.len[i++])
        *text[i] = (struct str){at, p->label.len[i]};
    return row;
}

/* ---- Labels ---- */

bool ledger_label(struct db_tx *tx, const struct usage_row *row, int64_t *number, struct err *e)
{
    const struct db_value v[] = {
        DB_TEXT(row->key),      DB_TEXT(row->tenant),         DB_TEXT(row->model),
        DB_TEXT(row->provider), DB_TEXT(row->upstream_model), DB_INT(row->attempt),
        DB_INT(row->status),    DB_TEXT(row->error),          DB_INT(row->counted),
        DB_INT(row->streamed),
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
        *number = db_int(rows, 0);
    db_done(rows);
    return good;
}

/* Rows that follow each other mostly have the same. */
static bool as_before(const struct ledger_group *g, size_t i)
{
    return i > 0 && str_eq(label_of(g->row[i]), label_of(g->row[i - 1]));
}

static void recall_labels(struct ledger *l)
{
    const struct ledger_group *g = l->group;
    for (size_t i = 0; i < g->n; i++)
        l->known[i] = as_before(g, i)
                          ? l->known[i - 1]
                          : (int64_t)(uintptr_t)map_get(&l->labels, label_of(g->row[i]));
}

static bool find_labels(struct db_tx *tx, struct ledger *l, struct err *e)
{
    const struct ledger_group *g = l->group;
    for (size_t i = 0; i < g->n; i++) {
        l->label[i] = l->known[i];
        if (l->label[i])
            continue;
        if (as_before(g, i)) {
            l->label[i] = l->label[i - 1];
            continue;
        }
        struct usage_row row = unpack(g->row[i]);
        if (!ledger_label(tx, &row, &l->label[i], e))
            return false;
    }
    return true;
}

static void remember_labels(struct ledger *l)
{
    const struct ledger_group *g = l->group;
    for (size_t i = 0; i < g->n; i++) {
        if (l->known[i] || as_before(g, i))
            continue;
        if (l->labels.n == LABELS) {
            map_fini(&l->labels);
            map_init(&l->labels);
        }
        map_set(&l->labels, label_of(g->row[i]), (void *)(uintptr_t)l->label[i]);
    }
}

/* ---- Rows ---- */

/* The id is named, and so all columns are there in their order, which saves SQLite copying each
 * value. That null asks for a new number is SQLite's; PostgreSQL says "default". */
#define INSERT                                                                                     \
    "insert into usage_rows (id, at_ms, label, request, input_tokens, output_tokens,"              \
    " cached_tokens, reasoning_tokens, cost_microusd, latency_us, first_token_us,"                 \
    " cache_write_tokens) values "

static const char insert_one[] = INSERT "(null, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

static char *make_insert_many(void)
{
    struct buf b;
    buf_init(&b, 64 << 10);
    buf_add(&b, STR(INSERT));
    for (int i = 1; i <= ROWS * COLUMNS; i++)
        buf_printf(&b, "%s$%d%s", i % COLUMNS == 1 ? (i > 1 ? ", (null, " : "(null, ") : ", ", i,
                   i % COLUMNS == 0 ? ")" : "");
    char *text = mem_text(buf_text(&b));
    buf_fini(&b);
    return text;
}

static void values_of(const struct ledger_packed *p, int64_t label, struct db_value v[COLUMNS])
{
    v[0] = DB_INT(p->at_ms);
    v[1] = DB_INT(label);
    v[2] = DB_TEXT(request_of(p));
    v[3] = DB_INT(p->input_tokens);
    v[4] = DB_INT(p->output_tokens);
    v[5] = DB_INT(p->cached_tokens);
    v[6] = DB_INT(p->reasoning_tokens);
    v[7] = DB_INT(p->cost_microusd);
    v[8] = DB_INT(p->latency_us);
    v[9] = DB_INT(p->first_token_us);
    v[10] = DB_INT(p->cache_write_tokens);
}

static bool insert_rows(struct db_tx *tx, struct ledger *l, struct err *e)
{
    const struct ledger_group *g = l->group;
    for (size_t i = 0, n; i < g->n; i += n) {
        n = g->n - i < ROWS ? 1 : ROWS;
        for (size_t k = 0; k < n; k++)
            values_of(g->row[i + k], l->label[i + k], &l->value[k * COLUMNS]);
        if (!db_exec_values(tx, e, n == ROWS ? l->insert_many : insert_one, l->value, n * COLUMNS))
            return false;
    }
    return true;
}

/* ---- How far SQL has got ---- */

struct place {
    int64_t journal;
    uint64_t position;
};

static bool reached_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct place *p = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select position from usage_journals where id = $1",
                  DB_INT(p->journal)))
        return false;
    int got = db_step(rows, e);
    p->position = got > 0 ? (uint64_t)db_int(rows, 0) : 0;
    db_done(rows);
    return got >= 0;
}

bool ledger_reached(struct db *d, int64_t journal, uint64_t *position, struct err *e)
{
    struct place p = {.journal = journal};
    bool good = db_read(d, reached_tx, &p, e);
    *position = p.position;
    return good;
}

static bool write_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct ledger *l = arg;
    const struct ledger_group *g = l->group;
    struct place p = {.journal = g->journal};
    if (!reached_tx(tx, &p, e))
        return false;
    l->written = p.position <= g->from;
    l->position = l->written ? g->to : p.position;
    if (!l->written)
        return true;
    return find_labels(tx, l, e) && insert_rows(tx, l, e) &&
           db_exec(tx, e,
                   "insert into usage_journals (id, position) values ($1, $2)"
                   " on conflict (id) do update set position = excluded.position",
                   DB_INT(g->journal), DB_INT((int64_t)g->to));
}

bool ledger_write(struct ledger *l, const struct ledger_group *g, uint64_t *position, struct err *e)
{
    l->group = g;
    recall_labels(l);
    if (!db_write(l->db, write_tx, l, e))
        return false;
    if (l->written)
        remember_labels(l);
    *position = l->position;
    return true;
}

struct ledger *ledger_new(struct db *d)
{
    struct ledger *l = mem_new(sizeof(*l));
    l->db = d;
    l->insert_many = make_insert_many();
    map_init(&l->labels);
    return l;
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    map_fini(&l->labels);
    mem_free(l->insert_many);
    mem_free(l);
}
