#include "gateway/responses_read.h"
#include "gateway/ranking.h"
#include "text/token.h"

enum {
    PAIRS_MOST = 16, /* of metadata */
    PAIR_NAME_MOST = 64,
    PAIR_TEXT_MOST = 512,
    RESULTS_MOST = 50,
    TOOL_TOKENS = 8, /* what the frame of a tool costs */
};

static const struct body_rule simple[] = {
    {STR_INIT("temperature"), BODY_NUMBER, 0, 2, "a number between 0 and 2"},
    {STR_INIT("top_p"), BODY_NUMBER, 0, 1, "a number between 0 and 1"},
    {STR_INIT("max_output_tokens"), BODY_WHOLE, 1, 1e12, "a whole number above 0"},
    {STR_INIT("max_tool_calls"), BODY_WHOLE, 1, 1e12, "a whole number above 0"},
    {STR_INIT("top_logprobs"), BODY_WHOLE, 0, 20, "a whole number between 0 and 20"},
    {STR_INIT("stream"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("store"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("background"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("parallel_tool_calls"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("instructions"), BODY_TEXT, 0, 0, "a string"},
    {STR_INIT("previous_response_id"), BODY_TEXT, 0, 0, "a string"},
    {STR_INIT("user"), BODY_TEXT, 0, 0, "a string"},
    {STR_INIT("safety_identifier"), BODY_TEXT, 0, 0, "a string"},
    {STR_INIT("prompt_cache_key"), BODY_TEXT, 0, 0, "a string"},
};

struct reader {
    struct chat_request *r;
    struct chat_options *options;
    struct responses *q;
    struct member_reader m;
};

typedef bool take_fn(struct reader *x, struct json_value v, const struct member_at *at);

static bool unsupported(struct reader *x, const struct member_at *at, const char *what)
{
    struct buf path;
    buf_init(&path, 256);
    member_path(at, &path);
    err_param(x->m.e, ERR_INVALID, buf_text(&path), "'%s': %s", buf_text(&path), what);
    buf_fini(&path);
    return false;
}

/* ---- Tools ---- */

static bool take_function(struct reader *x, struct json_value tool, const struct member_at *at)
{
    struct chat_tool *t = &x->options->tool[x->options->n_tools++];
    struct json_value schema = json_get(tool, "parameters");
    struct member_at at_schema = member_at(at, STR("parameters"));
    if (body_given(schema)) {
        if (!json_is(schema, JSON_OBJECT))
            return member_wrong(&at_schema, "an object", x->m.e);
        t->schema = json_raw(schema);
    }
    if (!member_need_text(&x->m, tool, at, "name", &t->name) ||
        !member_text(&x->m, tool, at, "description", &t->description) ||
        !member_flag(&x->m, tool, at, "strict", &t->strict))
        return false;
    x->r->prompt_tokens += TOOL_TOKENS + (int64_t)token_count(t->name) +
                           (int64_t)token_count(t->description) + (int64_t)token_count(t->schema);
    return MEMBER_ONLY(&x->m, tool, at, STR("type"), STR("name"), STR("description"),
                       STR("parameters"), STR("strict"));
}

static bool take_stores(struct reader *x, struct json_value tool, const struct member_at *up)
{
    struct responses_search *s = &x->q->search;
    struct member_at at = member_at(up, STR("vector_store_ids"));
    struct json_value ids = json_get(tool, "vector_store_ids");
    size_t n = 0;
    if (!body_given(ids))
        return member_missing(&at, x->m.e);
    if (!json_is(ids, JSON_ARRAY) || json_count(ids) == 0 || json_count(ids) > KNOWLEDGE_MOST)
        return member_wrong(&at, "a list of 1 to 10 ids", x->m.e);
    json_each(it, ids)
    {
        struct member_at here = member_item(&at, n);
        if (!json_is(it.value, JSON_STRING))
            return member_wrong(&here, "a string", x->m.e);
        s->store[n++] = json_text(it.value, x->m.a);
    }
    s->n_stores = n;
    return true;
}

static bool take_search(struct reader *x, struct json_value tool, const struct member_at *at)
{
    struct responses_search *s = &x->q->search;
    struct json_value most = json_get(tool, "max_num_results");
    struct member_at at_most = member_at(at, STR("max_num_results"));
    if (s->n_stores > 0)
        return unsupported(x, at, "one file_search tool is possible; it takes several stores");
    if (body_given(most) && (!json_int(most, &s->most) || s->most < 1 || s->most > RESULTS_MOST))
        return member_wrong(&at_most, "a whole number between 1 and 50", x->m.e);
    s->filters = json_get(tool, "filters");
    s->index = at->index;
    return take_stores(x, tool, at) && ranking_read(&x->m, tool, at, &s->query) &&
           MEMBER_ONLY(&x->m, tool, at, STR("type"), STR("vector_store_ids"),
                       STR("max_num_results"), STR("ranking_options"), STR("filters"));
}

static bool take_tools(struct reader *x, struct json_value v, const struct member_at *list)
{
    size_t i = 0;
    if (!json_is(v, JSON_ARRAY))
        return member_wrong(list, "a list", x->m.e);
    x->options->tool = arena_array(x->m.a, struct chat_tool, json_count(v));
    json_each(it, v)
    {
        struct member_at at = member_item(list, i++), at_type = member_at(&at, STR("type"));
        struct json_value type = json_get(it.value, "type");
        bool good;
        if (!json_is(it.value, JSON_OBJECT))
            return member_wrong(&at, "an object with a 'type'", x->m.e);
        if (!body_given(type))
            return member_missing(&at_type, x->m.e);
        if (json_text_is(type, "function"))
            good = take_function(x, it.value, &at);
        else if (json_text_is(type, "file_search"))
            good = take_search(x, it.value, &at);
        else
            good = unsupported(x, &at_type,
                               "tools of this type are not offered; function and file_search are");
        if (!good)
            return false;
    }
    return true;
}

static bool has_tool(const struct reader *x, struct str name)
{
    for (size_t i = 0; i < x->options->n_tools; i++)
        if (str_eq(x->options->tool[i].name, name))
            return true;
    return false;
}

/* Stands behind `tools` in the table. */
static bool take_tool_choice(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct chat_options *o = x->options;
    struct member_at at_type = member_at(at, STR("type")), at_name = member_at(at, STR("name"));
    struct json_value type = json_get(v, "type");
    if (json_text_is(v, "none")) {
        o->tool_choice = CHOICE_NONE;
        x->q->search.n_stores = 0;
    } else if (json_text_is(v, "auto")) {
        o->tool_choice = CHOICE_AUTO;
    } else if (json_text_is(v, "required")) {
        /* A search before the model is asked is a call already. */
        x->q->search.choice = CHOSEN_TOOLS;
        o->tool_choice = x->q->search.n_stores > 0 ? CHOICE_AUTO : CHOICE_REQUIRED;
    } else if (json_text_is(type, "function")) {
        o->tool_choice = CHOICE_NAMED;
        return member_need_text(&x->m, v, at, "name", &o->tool_name) &&
               (has_tool(x, o->tool_name) ||
                member_wrong(&at_name, "the name of one of 'tools'", x->m.e)) &&
               MEMBER_ONLY(&x->m, v, at, STR("type"), STR("name"));
    } else if (json_text_is(type, "file_search")) {
        x->q->search.choice = CHOSEN_SEARCH;
        o->tool_choice = o->n_tools > 0 ? CHOICE_NONE : CHOICE_DEFAULT;
        return x->q->search.n_stores > 0 ||
               member_wrong(&at_type, "the type of one of 'tools'", x->m.e);
    } else {
        return member_wrong(at, "none, auto, required, a function or file_search", x->m.e);
    }
    return true;
}

/* ---- The form of the answer ---- */

static bool take_schema(struct reader *x, struct json_value format, const struct member_at *at)
{
    struct chat_options *o = x->options;
    struct json_value schema = json_get(format, "schema");
    struct member_at at_schema = member_at(at, STR("schema"));
    struct str description; /* for people */
    o->format = FORMAT_SCHEMA;
    o->format_schema = json_raw(schema);
    if (!json_is(schema, JSON_OBJECT))
        return body_given(schema) ? member_wrong(&at_schema, "a JSON Schema", x->m.e)
                                  : member_missing(&at_schema, x->m.e);
    return member_need_text(&x->m, format, at, "name", &o->format_name) &&
           member_text(&x->m, format, at, "description", &description) &&
           member_flag(&x->m, format, at, "strict", &o->format_strict) &&
           MEMBER_ONLY(&x->m, format, at, STR("type"), STR("name"), STR("description"),
                       STR("schema"), STR("strict"));
}

static bool take_format(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct member_at at_type = member_at(at, STR("type"));
    struct json_value type = json_get(v, "type");
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(at, "an object", x->m.e);
    if (!body_given(type))
        return member_missing(&at_type, x->m.e);
    if (json_text_is(type, "json_schema")) {
        x->r->rigid = true;
        return take_schema(x, v, at);
    }
    if (json_text_is(type, "json_object")) {
        x->r->rigid = true;
        x->options->format = FORMAT_JSON;
    } else if (!json_text_is(type, "text")) {
        return member_wrong(&at_type, "text, json_object or json_schema", x->m.e);
    }
    return MEMBER_ONLY(&x->m, v, at, STR("type"));
}

static bool take_text(struct reader *x, struct json_value v, const struct member_at *at)
{
    struct json_value format = json_get(v, "format"), verbosity = json_get(v, "verbosity");
    struct member_at at_format = member_at(at, STR("format")),
                     at_verbosity = member_at(at, STR("verbosity"));
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(at, "an object", x->m.e);
    if (body_given(verbosity) && !json_text_is(verbosity, "medium"))
        return member_unsaid(&at_verbosity, x->m.e);
    return (!body_given(format) || take_format(x, format, &at_format)) &&
           MEMBER_ONLY(&x->m, v, at, STR("format"), STR("verbosity"));
}

/* A summary is what is shown of reasoning in any case. */
static bool take_reasoning(struct reader *x, struct json_value v, const struct member_at *at)
{
    static const char *const summaries[] = {"auto", "concise", "detailed"};
    static const char *const names[] = {"summary", "generate_summary"};
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(at, "an object", x->m.e);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct json_value summary = json_get(v, names[i]);
        struct member_at here = member_at(at, str_from(names[i]));
        if (body_given(summary) && !body_one_of(summary, summaries, COUNT(summaries)))
            return member_wrong(&here, "auto, concise or detailed", x->m.e);
    }
    return member_text(&x->m, v, at, "effort", &x->options->effort) &&
           MEMBER_ONLY(&x->m, v, at, STR("effort"), STR("summary"), STR("generate_summary"));
}

/* ---- The rest ---- */

static bool take_include(struct reader *x, struct json_value v, const struct member_at *at)
{
    /* The others ask for parts of what is not offered, and so never there. */
    static const char *const known[] = {
        "file_search_call.results",      "reasoning.encrypted_content",
        "message.input_image.image_url", "computer_call_output.output.image_url",
        "code_interpreter_call.outputs", "web_search_call.action.sources",
        "web_search_call.results",
    };
    size_t i = 0;
    if (!json_is(v, JSON_ARRAY))
        return member_wrong(at, "a list", x->m.e);
    json_each(it, v)
    {
        struct member_at here = member_item(at, i++);
        if (json_text_is(it.value, "message.output_text.logprobs"))
            return member_unsaid(&here, x->m.e);
        if (!body_one_of(it.value, known, COUNT(known)))
            return member_wrong(&here, "what can be included: \"file_search_call.results\"",
                                x->m.e);
        x->q->results = x->q->results || json_text_is(it.value, known[0]);
    }
    return true;
}

static bool take_metadata(struct reader *x, struct json_value v, const struct member_at *at)
{
    bool good = json_is(v, JSON_OBJECT) && json_count(v) <= PAIRS_MOST;
    json_each(it, v) good = good && json_is(it.value, JSON_STRING) &&
                            it.name.len <= PAIR_NAME_MOST &&
                            json_raw(it.value).len <= 6 * PAIR_TEXT_MOST + 2 &&
                            json_text(it.value, x->m.a).len <= 4 * PAIR_TEXT_MOST;
    return good ||
           member_wrong(at, "an object of at most 16 texts, of 512 characters at most", x->m.e);
}

static bool take_truncation(struct reader *x, struct json_value v, const struct member_at *at)
{
    x->q->truncate = json_text_is(v, "auto");
    return x->q->truncate || json_text_is(v, "disabled") ||
           member_wrong(at, "auto or disabled", x->m.e);
}

static bool take_tier(struct reader *x, struct json_value v, const struct member_at *at)
{
    return json_text_is(v, "auto") || json_text_is(v, "default") || member_unsaid(at, x->m.e);
}

static bool take_stream_options(struct reader *x, struct json_value v, const struct member_at *at)
{
    bool ignored; /* there is nothing to obscure the length of pieces */
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(at, "an object", x->m.e);
    if (!x->r->stream)
        return unsupported(x, at, "is only allowed with 'stream': true");
    return member_flag(&x->m, v, at, "include_obfuscation", &ignored) &&
           MEMBER_ONLY(&x->m, v, at, STR("include_obfuscation"));
}

static bool take_background(struct reader *x, struct json_value v, const struct member_at *at)
{
    return json_is(v, JSON_FALSE) ||
           unsupported(x, at, "answers in the background are not offered yet");
}

static bool refuse_conversation(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)v;
    return unsupported(x, at, "conversations are not offered yet; previous_response_id is");
}

static bool refuse_prompt(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)v;
    return unsupported(x, at, "prompts that are kept are not offered");
}

static bool take_logprobs(struct reader *x, struct json_value v, const struct member_at *at)
{
    int64_t n = 0;
    return (json_int(v, &n) && n == 0) || member_unsaid(at, x->m.e);
}

static bool take_temperature(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->options->temperature = json_raw(v);
    return true;
}

static bool take_top_p(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->options->top_p = json_raw(v);
    return true;
}

static bool take_limit(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    return json_int(v, &x->r->max_tokens);
}

/* Of tools that are called here: searches. */
static bool take_calls(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    return json_int(v, &x->q->search.calls_most);
}

static bool take_parallel(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->options->one_tool_at_a_time = json_is(v, JSON_FALSE);
    return true;
}

static bool take_user(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->r->user = json_text(v, x->m.a);
    return true;
}

static bool take_previous(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->q->previous = json_text(v, x->m.a);
    return true;
}

static bool take_instructions(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->q->instructions = json_text(v, x->m.a);
    return true;
}

static bool take_store(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->q->keep = json_is(v, JSON_TRUE);
    return true;
}

static bool take_stream(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)at;
    x->r->stream = json_is(v, JSON_TRUE);
    return true;
}

/* Read elsewhere, or a mere hint. */
static bool known_already(struct reader *x, struct json_value v, const struct member_at *at)
{
    (void)x, (void)v, (void)at;
    return true;
}

/* In the order in which they are read. */
static const struct {
    struct str name;
    take_fn *take;
} members[] = {
    {STR_INIT("model"), known_already},
    {STR_INIT("input"), known_already},
    {STR_INIT("conversation"), refuse_conversation},
    {STR_INIT("background"), take_background},
    {STR_INIT("prompt"), refuse_prompt},
    {STR_INIT("previous_response_id"), take_previous},
    {STR_INIT("instructions"), take_instructions},
    {STR_INIT("stream"), take_stream},
    {STR_INIT("stream_options"), take_stream_options},
    {STR_INIT("store"), take_store},
    {STR_INIT("tools"), take_tools},
    {STR_INIT("tool_choice"), take_tool_choice},
    {STR_INIT("parallel_tool_calls"), take_parallel},
    {STR_INIT("max_tool_calls"), take_calls},
    {STR_INIT("text"), take_text},
    {STR_INIT("max_output_tokens"), take_limit},
    {STR_INIT("temperature"), take_temperature},
    {STR_INIT("top_p"), take_top_p},
    {STR_INIT("top_logprobs"), take_logprobs},
    {STR_INIT("reasoning"), take_reasoning},
    {STR_INIT("include"), take_include},
    {STR_INIT("metadata"), take_metadata},
    {STR_INIT("truncation"), take_truncation},
    {STR_INIT("user"), take_user},
    {STR_INIT("safety_identifier"), take_user},
    {STR_INIT("prompt_cache_key"), known_already},
    {STR_INIT("service_tier"), take_tier},
    {STR_INIT("penstock"), known_already}, /* how passages are found: gateway/retrieval.h */
};

static bool is_known(struct str name)
{
    for (size_t i = 0; i < COUNT(members); i++)
        if (str_eq(name, members[i].name))
            return true;
    return false;
}

static bool refuse_unknown(struct reader *x, struct json_value root)
{
    json_each(it, root)
    {
        struct member_at at = member_at(NULL, it.name);
        if (!is_known(it.name) && !member_idle(it.value))
            return unsupported(x, &at, "there is no such parameter");
    }
    return true;
}

bool responses_read(struct chat_request *req, const struct json *body, struct responses *q,
                    struct arena *a, struct err *e)
{
    struct reader x = {req, arena_struct(a, struct chat_options), q, {a, e}};
    req->dialect = CHAT_RESPONSES;
    req->body = *body;
    req->n_wanted = 1;
    struct json_value root = json_root(&req->body);
    q->keep = true;
    q->items.a = a;
    q->items.e = e;
    if (!body_model(json_get(root, "model"), a, &req->model, e) ||
        !body_check(root, simple, COUNT(simple), e) || !refuse_unknown(&x, root))
        return false;
    for (size_t i = 0; i < COUNT(members); i++) {
        struct json_value v = json_member(root, members[i].name);
        struct member_at at = member_at(NULL, members[i].name);
        if (body_given(v) && !members[i].take(&x, v, &at))
            return false;
    }
    req->options = x.options;
    if (q->instructions.len > 0)
        responses_items_text(&q->items, CHAT_SYSTEM, q->instructions);
    return true;
}

bool responses_read_input(struct chat_request *req, struct responses *q)
{
    const struct member_at at = member_at(NULL, STR("input"));
    if (!responses_items_add(&q->items, json_get(json_root(&req->body), "input"), &at))
        return false;
    if (q->truncate)
        responses_items_truncate(&q->items, q->room - req->prompt_tokens);
    return responses_items_finish(&q->items, req);
}
