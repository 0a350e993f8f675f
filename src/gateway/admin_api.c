/* admin_api.c - what the command line asks of a running service: ingest, keys, status.
 *
 * Ingest answers with an event stream: {"progress":{...}} while it runs, then {"done":{...}} or
 * {"error":{...}}. A client that leaves cancels it; what is stored stays.
 */
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "gateway/routes.h"
#include "run/fiber.h"
#include "run/work.h"

enum { LIST_MAX = 16 << 20, PATHS_MAX = 1024 };

/* ---- Ingest ---- */

struct failure {
    struct failure *next;
    char *path, *error;
};

struct ingest_job {
    struct service *service;
    struct str collection;
    struct str *path;
    size_t n_paths;
    struct ingest_chunking chunking;
    struct str access;
    struct ingest_progress total;
    bool good;
    struct err e;

    _Atomic bool cancelled;
    struct lock lock;
    struct ingest_progress now; /* under lock; without its texts */
    struct failure *failed;     /* under lock: not yet told to the client, newest first */
    bool ended;                 /* loop thread only */
};

/* On the ingesting thread. */
static bool note_progress(void *ctx, const struct ingest_progress *p)
{
    struct ingest_job *j = ctx;
    lock_take(&j->lock);
    j->now = *p;
    j->now.current = STR_NONE;
    j->now.error = NULL;
    if (p->error) {
        struct failure *f = mem_new(sizeof(*f));
        f->path = mem_new(p->current.len + 1);
        memcpy(f->path, p->current.p, p->current.len);
        f->error = mem_text(p->error);
        f->next = j->failed;
        j->failed = f;
    }
    lock_drop(&j->lock);
    return !atomic_load(&j->cancelled);
}

static void ingest_on_worker(void *arg)
{
    struct ingest_job *j = arg;
    j->good = ingest_paths(&j->service->ingest, j->collection, j->path, j->n_paths, &j->chunking,
                           j->access, note_progress, j, &j->total, &j->e);
}

static void run_ingest(void *arg)
{
    struct ingest_job *j = arg;
    work_run(ingest_on_worker, j);
    j->ended = true;
}

static void put_progress(struct json_writer *w, const char *name, const struct ingest_progress *p)
{
    json_key(w, name);
    json_object(w);
    json_kv_int(w, "files_found", (int64_t)p->files_found);
    json_kv_int(w, "files_done", (int64_t)p->files_done);
    json_kv_int(w, "files_unchanged", (int64_t)p->files_unchanged);
    json_kv_int(w, "files_failed", (int64_t)p->files_failed);
    json_kv_int(w, "files_removed", (int64_t)p->files_removed);
    json_kv_int(w, "chunks", (int64_t)p->chunks);
    json_kv_int(w, "bytes", (int64_t)p->bytes);
    json_end(w);
}

static void put_failures(struct json_writer *w, const struct failure *f)
{
    json_key(w, "failed");
    json_array(w);
    for (; f; f = f->next) {
        json_object(w);
        json_kv_text(w, "path", f->path);
        json_kv_text(w, "error", f->error);
        json_end(w);
    }
    json_end(w);
}

static void free_failures(struct failure *f)
{
    while (f) {
        struct failure *next = f->next;
        mem_free(f->path);
        mem_free(f->error);
        mem_free(f);
        f = next;
    }
}

static bool send_event(struct request *r, struct buf *b, bool last, struct err *e)
{
    buf_add(b, STR("\n\n"));
    struct str event = buf_str(b);
    bool sent =
        last ? http_reply_end(r->http, &event, 1, e) : http_reply_write(r->http, &event, 1, e);
    buf_fini(b);
    return sent;
}

static void event_begin(struct buf *b, struct json_writer *w)
{
    buf_init(b, LIST_MAX);
    buf_add(b, STR("data: "));
    json_begin(w, b);
    json_object(w);
}

static bool send_progress(struct request *r, struct ingest_job *j, struct err *e)
{
    struct buf b;
    struct json_writer w;
    lock_take(&j->lock);
    struct ingest_progress now = j->now;
    struct failure *failed = j->failed;
    j->failed = NULL;
    lock_drop(&j->lock);
    event_begin(&b, &w);
    put_progress(&w, "progress", &now);
    put_failures(&w, failed);
    free_failures(failed);
    json_end(&w);
    return send_event(r, &b, false, e);
}

static bool send_outcome(struct request *r, struct ingest_job *j, struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, LIST_MAX);
    buf_add(&b, STR("data: "));
    json_begin(&w, &b);
    if (j->good) {
        json_object(&w);
        put_progress(&w, "done", &j->total);
        json_end(&w);
    } else {
        reply_error_json(&w, &j->e);
    }
    return send_event(r, &b, true, e);
}

static bool follow(struct request *r, struct ingest_job *j, struct err *e)
{
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, run_ingest, j, "ingest");
    bool good = true;
    while (good && !j->ended)
        good = fiber_sleep(100 * NS_PER_MS, e) && send_progress(r, j, e);
    atomic_store(&j->cancelled, !good);
    fiber_group_fini(&g);
    return good && send_progress(r, j, e) && send_outcome(r, j, e);
}

static bool read_paths(struct request *r, struct json_value root, struct ingest_job *j,
                       struct err *e)
{
    struct json_value v = json_get(root, "paths");
    if (!json_is(v, JSON_ARRAY) || !json_count(v) || json_count(v) > PATHS_MAX)
        return err_param(e, ERR_INVALID, "paths", "'paths' must be a list of 1 to %d paths",
                         PATHS_MAX);
    j->path = arena_array(r->call.arena, struct str, json_count(v));
    json_each(it, v)
    {
        struct str p = json_text(it.value, r->call.arena);
        if (!str_starts(p, STR("/")) || str_find_char(p, 0) != STR_NPOS)
            return err_param(e, ERR_INVALID, "paths", "'%.*s' is not an absolute path",
                             STR_FMT(str_head(p, 100)));
        j->path[j->n_paths++] = p;
    }
    return true;
}

bool admin_ingest(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    struct str name = STR("docs"), access = STR_NONE;
    struct ingest_job *j = arena_struct(r->call.arena, struct ingest_job);
    if (!request_json(r, &body, e))
        return false;
    if (!request_take_text(json_root(&body), "collection", r->call.arena, &name, e) ||
        !request_take_text(json_root(&body), "access", r->call.arena, &access, e) ||
        !read_paths(r, json_root(&body), j, e) ||
        (access.len && !rights_parse_words(access, r->call.arena, &j->access, e)) ||
        !doc_collection_ensure(r->service->db, r->call.arena, request_tenant(r), name, &c, e))
        return false;
    j->service = r->service;
    j->collection = c.id;
    j->chunking.max_tokens = (uint32_t)r->config->retrieval.chunk_tokens;
    j->chunking.overlap = (uint32_t)r->config->retrieval.chunk_overlap;
    if (c.chunk_tokens)
        j->chunking = (struct ingest_chunking){c.chunk_tokens, c.chunk_overlap};
    lock_init(&j->lock);
    fiber_deadline(CLOCK_NEVER); /* a large folder takes as long as it takes */
    bool good = reply_events(r, e) && follow(r, j, e);
    free_failures(j->failed);
    lock_fini(&j->lock);
    return good;
}

/* ---- Keys ---- */

static void put_key(struct json_writer *w, const struct key_info *k, const char *text)
{
    json_object(w);
    json_kv_text(w, "id", k->id);
    json_kv_text(w, "object", "key");
    json_kv_text(w, "name", k->name);
    json_kv_text(w, "tenant", k->tenant);
    json_kv_text(w, "role", key_role_name(k->role));
    json_kv_text(w, "hint", k->hint);
    json_kv_int(w, "created_at", k->created_s);
    json_kv_text(w, "user", k->user);
    json_key(w, "groups");
    json_array(w);
    for (size_t i = 0; i < k->n_groups; i++)
        json_put_str(w, k->group[i]);
    json_end(w);
    json_kv_bool(w, "acts_for_users", k->acts_for_users);
    json_key(w, "revoked_at");
    if (k->revoked_s)
        json_put_int(w, k->revoked_s);
    else
        json_put_null(w);
    if (text)
        json_kv_text(w, "key", text);
    json_end(w);
}

bool admin_keys_list(struct request *r, struct err *e)
{
    size_t n;
    const struct key_info **key = key_list(r->service->keys, r->call.arena, &n);
    struct buf b;
    struct json_writer w;
    buf_init(&b, LIST_MAX);
    json_begin(&w, &b);
    reply_list_begin(&w);
    for (size_t i = 0; i < n; i++)
        put_key(&w, key[i], NULL);
    reply_list_end(&w, n ? str_from(key[0]->id) : STR_NONE, n ? str_from(key[n - 1]->id) : STR_NONE,
                   false);
    return reply_json(r, 200, &b, e);
}

/* `groups` is a list of names, or a text with commas between them. */
static bool take_holder(struct request *r, struct json_value root, struct key_spec *spec,
                        struct err *e)
{
    struct arena *a = r->call.arena;
    struct json_value groups = json_get(root, "groups"), acts = json_get(root, "acts_for_users");
    if (!request_take_text(root, "user", a, &spec->user, e))
        return false;
    if (json_exists(acts) && !json_is(acts, JSON_NULL) && !json_bool(acts, &spec->acts_for_users))
        return err_param(e, ERR_INVALID, "acts_for_users", "'acts_for_users' must be a flag");
    if (!json_is(groups, JSON_ARRAY))
        return request_take_text(root, "groups", a, &spec->groups, e);
    json_each(it, groups)
    {
        struct str name = json_text(it.value, a);
        if (!name.len || str_find_char(name, ',') != STR_NPOS)
            return err_param(e, ERR_INVALID, "groups", "a group is a text without commas");
        spec->groups = spec->groups.len
                           ? arena_printf(a, "%.*s,%.*s", STR_FMT(spec->groups), STR_FMT(name))
                           : name;
    }
    return true;
}

bool admin_keys_create(struct request *r, struct err *e)
{
    struct json body;
    struct str role_name = STR("user");
    struct key_spec spec = {.tenant = STR(KEY_DEFAULT_TENANT)};
    char text[KEY_TEXT_SIZE];
    const struct key_info *info;
    if (!request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!request_need_text(root, "name", r->call.arena, &spec.name, e) ||
        !request_take_text(root, "role", r->call.arena, &role_name, e) ||
        !request_take_text(root, "tenant", r->call.arena, &spec.tenant, e) ||
        !take_holder(r, root, &spec, e))
        return false;
    if (!key_role_parse(role_name, &spec.role))
        return err_param(e, ERR_INVALID, "role",
                         "the role '%.*s' is unknown; there are read-only, user, developer, "
                         "operator and admin",
                         STR_FMT(str_head(role_name, 40)));
    if (!key_create(r->service->keys, &spec, text, &info, e))
        return false;
    struct buf b;
    struct json_writer w;
    buf_init(&b, 64 << 10);
    json_begin(&w, &b);
    put_key(&w, info, text);
    return reply_json(r, 200, &b, e);
}

bool admin_keys_revoke(struct request *r, struct err *e)
{
    return key_revoke(r->service->keys, r->param[0], e) &&
           reply_deleted(r, r->param[0], "key.revoked", e);
}

/* ---- Status ---- */

bool admin_status(struct request *r, struct err *e)
{
    const struct service *s = r->service;
    struct buf b;
    struct json_writer w;
    buf_init(&b, 64 << 10);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "status", service_state_name(atomic_load(&s->state)));
    json_kv_int(&w, "started_at", s->started_s);
    json_kv_int(&w, "loops", s->n_loops);
    json_kv_int(&w, "keys", (int64_t)key_count(s->keys));
    json_kv_int(&w, "providers", (int64_t)r->config->n_providers);
    json_kv_int(&w, "models", (int64_t)r->config->n_models);
    json_kv_int(&w, "ledger_rows_waiting", (int64_t)journal_waiting(s->journals));
    json_kv_int(&w, "jobs_queued", (int64_t)work_queued());
    json_kv_int(&w, "log_lines_dropped", (int64_t)log_dropped());
    json_key(&w, "found");
    json_array(&w);
    for (size_t i = 0; i < r->config->n_providers; i++)
        if (r->config->provider[i].found)
            json_put_str(&w, r->config->provider[i].name);
    json_end(&w);
    json_key(&w, "listen");
    json_array(&w);
    for (size_t i = 0; i < r->loop->n_servers; i++)
        json_put_text(&w, r->loop->address[i]);
    json_end(&w);
    json_end(&w);
    return reply_json(r, 200, &b, e);
}
