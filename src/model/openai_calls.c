#include "model/openai_calls.h"
#include "base/hash.h"

enum { CALLS_MOST = 256, HELD_MOST = RELAY_EVENT_MOST };

/* How far a JSON value has come. A number at the top has no end of its own; arguments are objects.
 */
struct progress {
    int depth;
    bool inside, escaped; /* of a string */
    bool whole;
};

struct one {
    int64_t index;
    uint64_t id;        /* a hash, 0 = it had none */
    struct str name_id; /* as it is called by whoever answers to it */
    struct str name;
    struct buf held; /* arguments that wait */
};

struct openai_calls {
    struct one *one;
    size_t n, open; /* open: goes out as it comes; those behind it wait */
    struct progress progress;
    bool interrupted; /* words came: the open one gets nothing more */
};

static void follow(struct progress *p, struct str text)
{
    for (size_t i = 0; i < text.len && !p->whole; i++) {
        char c = text.p[i];
        if (p->inside) {
            p->inside = p->escaped || c != '"';
            p->escaped = !p->escaped && c == '\\';
        } else if (c == '"') {
            p->inside = true;
            continue;
        } else if (c == '{' || c == '[') {
            p->depth++;
            continue;
        } else if (c == '}' || c == ']') {
            p->depth--;
        } else {
            continue;
        }
        p->whole = !p->inside && p->depth <= 0;
    }
}

static void free_calls(void *arg)
{
    struct openai_calls *k = arg;
    for (size_t i = 0; i < k->n; i++)
        buf_fini(&k->one[i].held);
}

static struct openai_calls *new_calls(struct arena *a)
{
    struct openai_calls *k = arena_struct(a, struct openai_calls);
    arena_defer(a, free_calls, k);
    return k;
}

static uint64_t hash_of(struct str id)
{
    return id.len > 0 ? hash64(id) : 0;
}

/* k->n: it is a new one. Without an id it is the last of its index. */
static size_t find(const struct openai_calls *k, const struct openai_call_piece *p)
{
    size_t last = k->n;
    for (size_t i = 0; i < k->n; i++) {
        if (k->one[i].index != p->index)
            continue;
        if (p->id.len > 0 && k->one[i].id == hash_of(p->id))
            return i;
        last = i;
    }
    return p->id.len > 0 && p->name.len > 0 ? k->n : last;
}

static struct one *new_one(struct openai_calls *k, struct arena *a)
{
    k->one = arena_room(a, k->one, k->n, sizeof(*k->one));
    return &k->one[k->n++];
}

static void begin(struct openai_calls *k, struct relay *r, size_t i)
{
    k->open = i;
    k->progress = (struct progress){0};
    k->interrupted = false;
    relay_put(r, &(struct chat_event){
                     .kind = CHAT_TOOL_CALL, .id = k->one[i].name_id, .name = k->one[i].name});
}

static void put(struct openai_calls *k, struct relay *r, struct str arguments)
{
    follow(&k->progress, arguments);
    if (arguments.len > 0)
        relay_put(r, &(struct chat_event){.kind = CHAT_ARGUMENTS, .text = arguments});
}

/* What waited behind a call that is whole. */
static void go_on(struct openai_calls *k, struct relay *r, bool all)
{
    while (k->open + 1 < k->n && (all || k->progress.whole || k->interrupted)) {
        begin(k, r, k->open + 1);
        put(k, r, buf_str(&k->one[k->open].held));
        buf_fini(&k->one[k->open].held);
    }
}

static bool add(struct openai_calls *k, struct relay *r, const struct openai_call_piece *p,
                struct err *e)
{
    struct arena *a = r->a->call->arena;
    char made[RANDOM_ID_SIZE];
    if (p->name.len == 0)
        return relay_malformed(r->a, "sent arguments of a tool call that it did not begin", e);
    if (k->n == CALLS_MOST)
        return relay_malformed(r->a, "called more tools at once than is taken", e);
    struct one *one = new_one(k, a);
    *one = (struct one){.index = p->index, .id = hash_of(p->id), .name = arena_copy(a, p->name)};
    buf_init(&one->held, HELD_MOST);
    if (p->id.len == 0) /* whoever answers to a call must be able to name it */
        random_id(made, "call_");
    one->name_id = arena_copy(a, p->id.len > 0 ? p->id : str_from(made));
    if (k->n == 1)
        begin(k, r, 0);
    else
        go_on(k, r, false);
    return true;
}

bool openai_calls_take(struct openai_calls **calls, struct relay *r,
                       const struct openai_call_piece *p, struct err *e)
{
    if (!*calls)
        *calls = new_calls(r->a->call->arena);
    struct openai_calls *k = *calls;
    size_t i = find(k, p);
    if (i == k->n && !add(k, r, p, e))
        return false;
    if (i > k->open)
        return buf_add(&k->one[i].held, p->arguments) ||
               relay_malformed(r->a, "sent longer arguments of a tool call than are held", e);
    if (p->arguments.len == 0)
        return true;
    if (i < k->open || k->interrupted)
        return relay_malformed(r->a, "went on with a tool call that had ended", e);
    put(k, r, p->arguments);
    go_on(k, r, false);
    return true;
}

void openai_calls_interrupt(struct openai_calls *k)
{
    if (k)
        k->interrupted = true;
}

void openai_calls_end(struct openai_calls *k, struct relay *r)
{
    if (k)
        go_on(k, r, true);
}
