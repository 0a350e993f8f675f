#include "model/provider.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/failure.h"
#include "model/traced.h"
#include "run/fiber.h"

const char *chat_op_name(enum chat_op op)
{
#define X(name, text) text,
    static const char *const names[] = {CHAT_OPS(X)};
#undef X
    return names[op];
}

static const char *const outcome_names[PROVIDER_OUTCOMES] = {
    [PROVIDER_ANSWERED] = "answered",
    [PROVIDER_FAILED] = "failed",
    [PROVIDER_CANCELLED] = "cancelled",
};

static bool has(const struct provider *p, enum chat_op op)
{
    return p->vendor->kind->ops & 1u << op && (provider_is_local(p) || p->vendor->path[op]);
}

enum chat_op provider_op(const struct provider *p, enum chat_op op)
{
    return op == OP_COMPLETION && !has(p, op) ? OP_CHAT : op;
}

bool provider_can(const struct provider *p, enum chat_op op)
{
    return has(p, provider_op(p, op));
}

bool provider_is_local(const struct provider *p)
{
    return p->vendor->kind->dialect == CHAT_NO_DIALECT;
}

static bool key_is_plain(struct str key)
{
    for (size_t i = 0; i < key.len; i++)
        if ((unsigned char)key.p[i] <= ' ' || (unsigned char)key.p[i] >= 127)
            return false;
    return true;
}

static struct str request_lines(struct arena *a, const struct vendor *v, struct str key)
{
    const char *more = v->lines ? v->lines : "";
    if (!key.len)
        return arena_printf(a, "Content-Type: application/json\r\n%s", more);
    return arena_printf(a, "Content-Type: application/json\r\n%s%s%.*s\r\n", more, v->key_header,
                        STR_FMT(key));
}

bool provider_init(struct provider *p, struct arena *a, struct str name,
                   const struct vendor *vendor, const struct str *api_key, size_t n_keys,
                   struct err *e)
{
    *p = (struct provider){
        .name = name,
        .vendor = vendor,
        .n_keys = n_keys ? n_keys : 1,
        .deadlines = {.connect_ms = 5000, .first_byte_ms = 60000, .idle_ms = 60000},
    };
    if (!provider_is_local(p))
        p->gate = gate_get(name);
    p->key = arena_array(a, struct provider_key, p->n_keys);
    for (size_t i = 0; i < p->n_keys; i++) {
        struct str key = n_keys ? api_key[i] : STR_NONE;
        if (!key_is_plain(key))
            return err_set(e, ERR_INVALID,
                           "a key of provider '%.*s' has a space or a character that is not ASCII"
                           " in it",
                           STR_FMT(name));
        p->key[i].lines = request_lines(a, vendor, key);
    }
    failure_init(name);
    struct metric_family *attempts =
        metric_family("penstock_provider_attempts_total", METRIC_COUNTER, "provider,outcome",
                      "Attempts at providers by how they ended.");
    for (int i = 0; i < PROVIDER_OUTCOMES; i++)
        p->attempts[i] = metric_with(attempts, (struct str[]){name, str_from(outcome_names[i])});
    return true;
}

/* The functions below have large frames, which are not to lie on the stack of a stream that waits.
 */

/* A stream that its client broke off was paid for, as far as it got. */
static bool is_used(const struct attempt *a, bool good, const struct err *e)
{
    return good || (a->said->begun && e->code == ERR_CANCELLED);
}

static int64_t cost_of(const struct attempt *a, const struct chat_usage *u)
{
    const struct account *account = a->target->account;
    if (!account)
        return 0;
    account_count(account, u, a->first_token_ns > 0 ? a->first_token_ns - a->start_ns : 0);
    return account_cost(account, u);
}

__attribute__((noinline)) static bool record(const struct attempt *a, bool good, struct err *e)
{
    static const struct chat_usage none;
    struct call *c = a->call;
    bool used = is_used(a, good, e);
    const struct chat_usage *u = used ? &a->usage : &none;
    const struct usage_row row = {
        .at_ms = clock_wall_ms_at(a->end_ns),
        .request = str_from(c->id),
        .key = str_from(c->key ? c->key->id : NULL),
        .tenant = str_from(c->key ? c->key->tenant : NULL),
        .model = c->req.model,
        .provider = a->target->provider->name,
        .upstream_model = a->target->upstream,
        .error = str_from(good ? NULL : err_name(e->code)),
        .attempt = a->number,
        .status = good        ? 200
                  : a->status ? a->status
                              : err_status(e->code),
        .input_tokens = u->input,
        .output_tokens = u->output,
        .cached_tokens = u->cached,
        .cache_write_tokens = u->cache_write,
        .reasoning_tokens = u->reasoning,
        .cost_microusd = used ? cost_of(a, u) : 0,
        .latency_us = (a->end_ns - a->start_ns) / NS_PER_US,
        .first_token_us = a->first_token_ns > 0 ? (a->first_token_ns - a->start_ns) / NS_PER_US : 0,
        .counted = u->counted,
        .streamed = c->req.stream,
    };
    c->cost_microusd += row.cost_microusd;
    return !c->journal || journal_add(c->journal, &row, e);
}

bool provider_record_shared(const struct call *c, struct err *e)
{
    const struct usage_row row = {
        .at_ms = clock_wall_ms_at(clock_now()),
        .request = str_from(c->id),
        .key = str_from(c->key ? c->key->id : NULL),
        .tenant = str_from(c->key ? c->key->tenant : NULL),
        .model = c->req.model,
        .provider = c->provider,
        .upstream_model = c->upstream_model,
        .status = 200,
        .streamed = c->req.stream,
    };
    return !c->journal || journal_add(c->journal, &row, e);
}

__attribute__((noinline)) static void tell(const struct attempt *a, const struct err *e)
{
    const struct call *c = a->call;
    failure_count(a->target->provider->name, e->code);
    log_info("attempt_failed", kv("request", (const char *)c->id),
             kv("provider", a->target->provider->name), kv("model", a->target->upstream),
             kv("attempt", a->number), kv("status", a->status), kv("error", err_name(e->code)),
             kv("begun", c->said.begun));
}

/* Letters that stand for themselves in a path; the rest is written as %XX. */
static struct str path_segment(struct str name, struct arena *a)
{
    struct buf b;
    buf_init(&b, 3 * name.len + 1);
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        plain ? buf_char(&b, (char)c) : buf_printf(&b, "%%%02X", c);
    }
    struct str text = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return text;
}

struct str provider_path(const struct attempt *a)
{
    const struct provider *p = a->target->provider;
    const struct vendor *v = p->vendor;
    struct arena *to = a->call->early;
    struct str path = str_from(v->path[provider_op(p, a->call->req.op)]);
    size_t at = str_find_char(path, '{'); /* of {model} */
    if (at != STR_NPOS)
        path = arena_printf(to, "%.*s%.*s%.*s", STR_FMT(str_head(path, at)),
                            STR_FMT(path_segment(a->target->upstream, to)),
                            STR_FMT(str_from_at(path, at + strlen("{model}"))));
    return p->api_version.len
               ? arena_printf(to, "%.*s?%s%.*s", STR_FMT(path), v->query, STR_FMT(p->api_version))
               : path;
}

struct str provider_lines(const struct attempt *a)
{
    return trace_lines(a->call->trace, a->traced, a->call->early, a->key->lines);
}

void provider_spoke(struct attempt *a, struct str text, bool plain)
{
    struct said *s = a->said;
    if (a->first_token_ns == 0 && a->call->req.stream) {
        a->first_token_ns = clock_now();
        fiber_deadline(a->call->deadline_ns);
    }
    s->plain = plain && (s->plain || !s->spoke);
    s->spoke = true;
    if (s->keep && plain)
        buf_add(&s->text, text);
}

void provider_credit(const struct attempt *a)
{
    struct call *c = a->call;
    c->provider = a->target->provider->name;
    c->upstream_model = a->target->upstream;
    c->logged = a->target->logged.len ? &a->target->logged : NULL;
    c->tier = a->tier;
}

/* A call that the provider has under another name only. */
static bool translate(const struct attempt *a, struct err *e)
{
    struct chat_request *r = &a->call->req;
    return provider_op(a->target->provider, r->op) == r->op || r->options ||
           r->expand(r, a->call->early, e);
}

bool provider_try(struct attempt *a, struct err *e)
{
    const struct provider *p = a->target->provider;
    if (!a->start_ns) /* whoever lets calls in at a provider has looked just now */
        a->start_ns = clock_now();
    a->traced = traced_begin(a);
    bool good = translate(a, e) && p->vendor->kind->answer(a, e);
    a->end_ns = clock_now();
    traced_end(a, good ? NULL : e);
    metric_add(p->attempts[good                       ? PROVIDER_ANSWERED
                           : e->code == ERR_CANCELLED ? PROVIDER_CANCELLED
                                                      : PROVIDER_FAILED],
               1);
    if (!good)
        tell(a, e);
    /* What went unrecorded was not served, whatever it was: e says ERR_FULL then. */
    return record(a, good, e) && good;
}
