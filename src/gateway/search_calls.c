#include "gateway/search_calls.h"
#include "answer/answer.h"
#include "gateway/stages.h"
#include "model/chat_queue.h"
#include "model/prompt.h"

enum {
    QUERIES_MOST = 5, /* of one search */
    TURN_MOST = 8,    /* searches that one turn of the model's may call */
    TURN_BYTES_MOST = 8 << 20,
    TOOL_TOKENS = 120, /* what the definition of the function costs, about */
    CALL_TOKENS = 8,   /* the frame of a call */
};

static const struct chat_tool definition = {
    .name = STR_INIT("file_search"),
    .description =
        STR_INIT("Searches the documents and returns the passages that fit best, each with the "
                 "name of its source. A query says in a few words or a sentence what is looked "
                 "for, as a text that holds it would, without pronouns. Several queries ask for "
                 "the same thing in other words; for different things call it several times."),
    .schema = STR_INIT("{\"type\":\"object\",\"properties\":{\"queries\":{\"type\":\"array\","
                       "\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":5}},"
                       "\"required\":[\"queries\"],\"additionalProperties\":false}"),
};

struct searcher {
    struct chat_sink sink; /* in front of the request's */
    struct request *r;
    const struct responses_search *asked;
    struct chat_tool *tool; /* the client's, and ours behind them */
    size_t n_own;           /* of the client's */
    enum chat_tool_choice choice;
    struct chat_usage usage; /* of all turns */
    int round;
    int64_t searches;
    bool last; /* the turn has no search */

    /* The turn. */
    struct chat_queue said; /* what the model says in it */
    int attempt;            /* ... in this attempt */
    size_t n_calls;         /* of searches */
    bool inside;            /* such a call is open */
    bool foreign;           /* a function of the client's is called */
    bool shown;             /* the client has got something of it */
    enum chat_finish finish;
};

/* ---- The function among the tools ---- */

static bool is_taken(const struct chat_options *o, struct str name)
{
    for (size_t i = 0; i < o->n_tools; i++)
        if (str_eq(o->tool[i].name, name))
            return true;
    return false;
}

/* Behind the client's own, under a name that none of these has. */
static void offer(struct searcher *s)
{
    struct chat_request *c = &s->r->call.req;
    struct chat_options *o = c->options;
    s->n_own = o->n_tools;
    s->choice = o->tool_choice;
    s->tool = arena_array(s->r->call.early, struct chat_tool, o->n_tools + 1);
    for (size_t i = 0; i < o->n_tools; i++)
        s->tool[i] = o->tool[i];
    struct chat_tool *ours = &s->tool[s->n_own];
    *ours = definition;
    while (is_taken(o, ours->name))
        ours->name = arena_printf(s->r->call.early, "%.*s_", STR_FMT(ours->name));
    o->tool = s->tool;
    c->prompt_tokens += TOOL_TOKENS;
}

static struct str name_of(const struct searcher *s)
{
    return s->tool[s->n_own].name;
}

/* tool_choice of the first turn. Where a search was made already the wish for a call is met. */
static void choose_first(const struct searcher *s, struct chat_options *o)
{
    bool called = s->r->call.req.searching == SEARCH_CALLED;
    o->tool_choice = s->choice;
    if (called && s->asked->choice == CHOSEN_TOOLS) {
        o->tool_choice = CHOICE_REQUIRED;
    } else if (called && s->asked->choice == CHOSEN_SEARCH) {
        o->tool_choice = CHOICE_NAMED;
        o->tool_name = name_of(s);
    }
}

/* In the last turn the function is gone; where it is the only one it stays, as some protocols want
 * to know the functions of past calls, and none may be called. */
static void choose(struct searcher *s)
{
    struct chat_options *o = s->r->call.req.options;
    s->last = s->round == SEARCH_CALLS_ROUNDS ||
              (s->asked->calls_most > 0 && s->searches >= s->asked->calls_most);
    o->n_tools = s->last && s->n_own > 0 ? s->n_own : s->n_own + 1;
    if (s->round == 0)
        choose_first(s, o);
    else
        o->tool_choice = s->last && s->n_own == 0 ? CHOICE_NONE : CHOICE_AUTO;
}

/* ---- A turn of the model's ---- */

static void forget(struct searcher *s)
{
    chat_queue_fini(&s->said);
    chat_queue_init(&s->said, TURN_BYTES_MOST);
    s->n_calls = 0;
    s->inside = false;
}

/* An attempt that broke off in a call of a search has shown nothing: another one begins anew. */
static void note_attempt(struct searcher *s)
{
    if (s->attempt != s->r->call.attempts)
        forget(s);
    s->attempt = s->r->call.attempts;
}

static bool is_hidden(struct searcher *s, const struct chat_event *ev)
{
    if (ev->kind == CHAT_TOOL_CALL) {
        s->inside = str_eq(ev->name, name_of(s));
        s->n_calls += s->inside;
        s->foreign = s->foreign || !s->inside;
    } else if (ev->kind != CHAT_ARGUMENTS) {
        s->inside = false;
    }
    return s->inside;
}

static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct searcher *s = CONTAINER_OF(sink, struct searcher, sink);
    struct said *said = &s->r->call.said;
    note_attempt(s);
    if (ev->kind == CHAT_FINISH) {
        s->finish = ev->finish;
        return true;
    }
    bool hidden = is_hidden(s, ev);
    chat_queue_put(&s->said, ev);
    if (!buf_ok(&s->said.buf))
        return err_set(e, ERR_UPSTREAM, "the model's answer is too long");
    s->shown = s->shown || !hidden;
    said->spoke = s->shown;
    said->plain = said->plain && s->shown;
    if (!s->shown && s->r->call.req.rigid)
        said->begun = false;
    return hidden || s->r->sink->event(s->r->sink, ev, e);
}

static void add_usage(struct chat_usage *sum, const struct chat_usage *u)
{
    sum->input += u->input;
    sum->output += u->output;
    sum->cached += u->cached;
    sum->cache_write += u->cache_write;
    sum->reasoning += u->reasoning;
    sum->counted = sum->counted || u->counted;
}

/* For dispatch it is a call that nobody has said anything for yet. */
static bool ask(struct searcher *s, struct err *e)
{
    struct call *c = &s->r->call;
    choose(s);
    forget(s);
    s->foreign = s->shown = false;
    buf_fini(&c->said.text);
    c->said = (struct said){0};
    c->raced = false;
    c->usage = (struct chat_usage){0};
    bool good = dispatch(s->r->model, c, &s->sink, e);
    add_usage(&s->usage, &c->usage);
    c->usage = s->usage;
    return good;
}

/* ---- What it said, as messages ---- */

struct reading {
    struct chat_sink sink;
    struct arena *a;
    struct chat_part *part;
    size_t n;
};

static struct chat_part *new_part(struct reading *x, enum chat_part_kind kind)
{
    x->part = arena_room(x->a, x->part, x->n, sizeof(*x->part));
    x->part[x->n] = (struct chat_part){.kind = kind};
    return &x->part[x->n++];
}

/* Neighbouring pieces of the same kind come as one. */
static bool read_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct reading *x = CONTAINER_OF(sink, struct reading, sink);
    struct str text = arena_copy(x->a, ev->text);
    struct chat_part *last = x->n > 0 ? &x->part[x->n - 1] : NULL, *p;
    (void)e;
    switch (ev->kind) {
    case CHAT_TEXT: new_part(x, PART_TEXT)->text = text; break;
    case CHAT_REFUSAL: new_part(x, PART_REFUSAL)->text = text; break;
    case CHAT_THINKING: new_part(x, PART_THINKING)->text = text; break;
    case CHAT_SIGNATURE:
        p = last && last->kind == PART_THINKING && last->signature.len == 0
                ? last
                : new_part(x, PART_THINKING);
        p->signature = text;
        break;
    case CHAT_REDACTED: new_part(x, PART_REDACTED_THINKING)->data = text; break;
    case CHAT_TOOL_CALL:
        p = new_part(x, PART_TOOL_CALL);
        p->id = arena_copy(x->a, ev->id);
        p->name = arena_copy(x->a, ev->name);
        break;
    case CHAT_ARGUMENTS:
        if (last)
            last->text = text;
        break;
    default: break;
    }
    return true;
}

/* `n` messages more than there are. */
static struct chat_message *more_messages(struct call *c, size_t n)
{
    struct chat_message *all = arena_array(c->early, struct chat_message, c->req.n_messages + n);
    memcpy(all, c->req.message, c->req.n_messages * sizeof(*all));
    c->req.message = all;
    return all + c->req.n_messages;
}

/* The model's turn as a message: it is shown again what it thought, said and called. */
static struct chat_message *add_turn(struct searcher *s, struct err *e)
{
    struct call *c = &s->r->call;
    struct reading x = {.sink.event = read_event, .a = c->early};
    struct chat_message *m = more_messages(c, 1 + s->n_calls);
    chat_queue_send(&s->said, &x.sink, e); /* the sink never fails */
    *m = (struct chat_message){.role = CHAT_ASSISTANT, .part = x.part, .n_parts = x.n};
    for (size_t i = 0; i < x.n; i++)
        if (x.part[i].kind == PART_TEXT && m->text.len == 0)
            m->text = x.part[i].text;
    c->req.n_messages++;
    return m;
}

/* ---- Searching ---- */

size_t search_calls_read(struct str arguments, struct str *query, size_t most, struct arena *a)
{
    struct json doc;
    size_t n = 0;
    if (!json_parse(&doc, a, arguments, 0, NULL) || !json_is(json_root(&doc), JSON_OBJECT))
        return 0;
    struct json_value list = json_get(json_root(&doc), "queries");
    if (!json_exists(list))
        list = json_get(json_root(&doc), "query");
    if (json_is(list, JSON_STRING)) {
        query[n] = str_trim(json_text(list, a));
        return query[n].len > 0;
    }
    if (!json_is(list, JSON_ARRAY))
        return 0;
    json_each(it, list)
    {
        struct str text =
            json_is(it.value, JSON_STRING) ? str_trim(json_text(it.value, a)) : STR_NONE;
        if (text.len > 0 && n < most)
            query[n++] = text;
    }
    return n;
}

/* The client sees it before and behind. */
static bool tell(const struct searcher *s, const struct chat_search *search, struct err *e)
{
    return s->r->sink->event(s->r->sink, &(struct chat_event){CHAT_SEARCH, .search = search}, e);
}

static bool search(struct searcher *s, const struct str *query, size_t n, struct str *result,
                   struct err *e)
{
    struct request *r = s->r;
    struct call *c = &r->call;
    struct chat_search *seen = arena_struct(c->arena, struct chat_search);
    struct answer_found found;
    struct retrieve_query q = *r->retrieve;
    const struct answer_options opt = {
        .passages = r->passages ? r->passages : (size_t)r->config->retrieval.passages,
        .context_tokens = (uint32_t)r->model->context_tokens,
    };
    q.report = NULL; /* the report is of the first search */
    *seen = (struct chat_search){.query = query, .n_queries = n};
    if (!tell(s, seen, e) ||
        !answer_search(&r->service->retriever, &q, &opt, c, query, n, &found, e))
        return false;
    s->searches++;
    seen->passage = found.passage;
    seen->n_passages = found.n;
    seen->done = true;
    *result = found.full ? STR("(There is no room for more passages. Answer from those that you "
                               "have.)")
                         : prompt_found(found.passage, found.n, c->early);
    return tell(s, seen, e);
}

/* One call: what it is given back. */
static bool answer_call(struct searcher *s, struct chat_part *call, size_t number,
                        struct chat_part *result, struct err *e)
{
    struct call *c = &s->r->call;
    struct str *query = arena_array(c->arena, struct str, QUERIES_MOST);
    int64_t most = s->asked->calls_most;
    struct json doc;
    size_t n = search_calls_read(call->text, query, QUERIES_MOST, c->arena);
    *result = (struct chat_part){.kind = PART_TOOL_RESULT, .id = call->id};
    /* It is shown to the model again, and some protocols have room for an object alone. */
    if (!json_parse(&doc, c->early, call->text, 0, NULL) || !json_is(json_root(&doc), JSON_OBJECT))
        call->text = STR("{}");
    result->failed = true;
    if (n == 0)
        result->text = STR("The arguments cannot be read. Call again with "
                           "{\"queries\": [\"what to look for\"]}.");
    else if (number >= TURN_MOST || (most > 0 && s->searches >= most))
        result->text = STR("No more searches are possible. Answer from what you have.");
    else
        result->failed = false;
    return result->failed || search(s, query, n, &result->text, e);
}

static bool answer_calls(struct searcher *s, struct err *e)
{
    struct call *c = &s->r->call;
    struct chat_message *turn = add_turn(s, e), *m = turn + 1;
    size_t number = 0;
    for (size_t i = 0; i < turn->n_parts; i++) {
        struct chat_part *result = arena_struct(c->early, struct chat_part);
        if (turn->part[i].kind != PART_TOOL_CALL)
            continue;
        if (!answer_call(s, &turn->part[i], number++, result, e))
            return false;
        *m++ = (struct chat_message){
            .role = CHAT_TOOL, .text = result->text, .part = result, .n_parts = 1};
        c->req.prompt_tokens += CALL_TOKENS + (int64_t)call_tokens(c, turn->part[i].text);
        c->req.n_messages++;
    }
    return true;
}

/* ---- The whole ---- */

/* A turn that was cut short calls nothing, whatever it began. */
static bool is_answer(const struct searcher *s)
{
    return s->n_calls == 0 || s->foreign || s->finish == CHAT_FINISH_LENGTH ||
           s->finish == CHAT_FINISH_CONTENT;
}

static bool finish(struct searcher *s, struct err *e)
{
    bool calls = s->foreign || s->n_calls == 0;
    if (s->finish == CHAT_FINISH_TOOLS && !calls) /* searches that were not possible any more */
        s->finish = CHAT_FINISH_STOP;
    return s->r->sink->event(s->r->sink, &(struct chat_event){CHAT_FINISH, .finish = s->finish}, e);
}

static bool answer(struct searcher *s, struct err *e)
{
    for (;; s->round++) {
        if (!ask(s, e))
            return false;
        if (is_answer(s) || (s->last && s->shown))
            return finish(s, e);
        if (s->last)
            return err_set(e, ERR_UPSTREAM, "the model does nothing but search");
        if (!answer_calls(s, e))
            return false;
    }
}

bool search_calls_answer(struct request *r, const struct responses_search *asked, struct err *e)
{
    struct searcher *s = arena_struct(r->call.arena, struct searcher);
    *s = (struct searcher){.sink.event = on_event,
                           .r = r,
                           .asked = asked,
                           .searches = r->call.req.searching == SEARCH_MORE};
    offer(s);
    bool good = answer(s, e);
    chat_queue_fini(&s->said);
    return good;
}
