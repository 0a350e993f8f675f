#include "base/utf8.h"
#include "cmd/cli.h"
#include "cmd/local.h"
#include "cmd/why.h"

#include <stdio.h>

struct searching {
    const char *words, *collection, *k, *filter, *level;
    bool explain, json;
};

enum { SNIPPET = 220 /* bytes of a passage that are shown */ };

/* The vector store of that name, or id. */
static bool find_store(struct local *l, const struct searching *q, struct str *id, struct err *e)
{
    struct arena *a = local_arena(l);
    struct str want = str_from(q->collection), after = STR_NONE;
    bool more = true;
    while (more) {
        struct json page;
        struct str path = arena_printf(a, "/v1/vector_stores?limit=100%s%.*s",
                                       after.len ? "&after=" : "", STR_FMT(after));
        if (!local_call(l, "GET", path, STR_NONE, &page, e))
            return false;
        json_each(it, json_get(json_root(&page), "data"))
        {
            *id = json_text(json_get(it.value, "id"), a);
            if (str_eq(*id, want) || json_text_is_str(json_get(it.value, "name"), want))
                return true;
        }
        after = json_text(json_get(json_root(&page), "last_id"), a);
        more = json_bool(json_get(json_root(&page), "has_more"), &more) && more && after.len;
    }
    return err_set(e, ERR_NOT_FOUND, "there is no collection '%.*s'", STR_FMT(want));
}

static bool whole(const char *text, const char *option, int64_t *out, struct err *e)
{
    uint64_t n;
    if (!str_to_u64(str_from(text), &n) || n > 1000)
        return err_set(e, ERR_INVALID, "%s must be a whole number", option);
    *out = (int64_t)n;
    return true;
}

static bool body(struct arena *a, const struct searching *q, struct str *out, struct err *e)
{
    struct buf b;
    struct json_writer w;
    struct json filter;
    int64_t k = 10, level = 0;
    if ((q->k && !whole(q->k, "--k", &k, e)) ||
        (q->level && !whole(q->level, "--level", &level, e)))
        return false;
    if (q->filter && !json_parse(&filter, a, str_from(q->filter), 0, e))
        return err_prefix(e, "--filter: ");
    buf_init(&b, 4 << 20);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "query", q->words);
    json_kv_int(&w, "max_num_results", k);
    if (q->filter) {
        json_key(&w, "filters");
        json_put_raw(&w, str_from(q->filter));
    }
    json_kv_bool(&w, "highlights", true);
    json_key(&w, "penstock");
    json_object(&w);
    json_kv_bool(&w, "explain", true);
    if (q->level)
        json_kv_int(&w, "level", level);
    json_end(&w);
    json_end(&w);
    *out = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return true;
}

/* A byte of the text that is highlighted; *at is the first span that does not end before it. */
static bool is_bright(struct json_value spans, uint32_t *at, size_t byte)
{
    int64_t start, end;
    while (json_int(json_get(json_at(spans, *at), "end"), &end) && (size_t)end <= byte)
        ++*at;
    return json_int(json_get(json_at(spans, *at), "start"), &start) && (size_t)start <= byte;
}

/* White space folded, what is highlighted in bold. */
static void print_piece(struct str text, size_t from, size_t to, struct json_value spans)
{
    bool space = false, bright = false;
    uint32_t at = 0;
    for (size_t i = from; i < to; i++) {
        bool blank = (unsigned char)text.p[i] <= ' ';
        if (is_bright(spans, &at, i) != bright) {
            bright = !bright;
            printf("%s", bright ? cli_bold() : cli_plain());
        }
        if (!blank || !space)
            putchar(blank ? ' ' : text.p[i]);
        space = blank;
    }
    printf("%s", bright ? cli_plain() : "");
}

/* From a little in front of the first word that matched. */
static void print_snippet(struct str text, struct json_value spans)
{
    int64_t first = 0;
    json_int(json_path(spans, "0.start"), &first);
    size_t from = first > SNIPPET / 3 ? (size_t)first - SNIPPET / 3 : 0;
    while (from < text.len && ((unsigned char)text.p[from] & 0xC0) == 0x80)
        from++;
    size_t to = from + utf8_cut(str_from_at(text, from), SNIPPET);
    printf("            %s", from ? "... " : "");
    print_piece(text, from, to, spans);
    printf("%s\n", to < text.len ? " ..." : "");
}

static void print_all(const struct searching *q, const struct json *answer, struct arena *a)
{
    struct json_value root = json_root(answer), why = json_path(root, "penstock.retrieval");
    struct json_value data = json_get(root, "data");
    uint32_t i = 0;
    json_each(it, json_get(why, "passages"))
    {
        struct json_value item = json_at(data, i);
        if (!json_exists(item)) /* one more was looked for, to tell whether there are more */
            break;
        i++;
        why_print_place(it.value, a);
        print_snippet(json_text(json_path(item, "content.0.text"), a),
                      json_get(item, "highlights"));
        if (q->explain)
            why_print_stages(why, it.value, a);
    }
    if (!i)
        printf("nothing found\n");
    if (q->explain)
        why_print_summary(why, a);
}

static bool search(struct local *l, const struct searching *q, struct err *e)
{
    struct arena *a = local_arena(l);
    struct json answer;
    struct str id = STR_NONE, text = STR_NONE;
    if (!body(a, q, &text, e) || !find_store(l, q, &id, e) ||
        !local_call(l, "POST", arena_printf(a, "/v1/vector_stores/%.*s/search", STR_FMT(id)), text,
                    &answer, e))
        return false;
    if (q->json)
        printf("%.*s\n", STR_FMT(answer.text));
    else
        print_all(q, &answer, a);
    return true;
}

static int search_fiber(struct local *l, void *arg)
{
    struct err e;
    return search(l, arg, &e) ? CLI_OK : cli_fail(&e);
}

static int run(int argc, char **argv)
{
    const char *data = NULL;
    struct local_options opt = {0};
    struct searching q = {.collection = "docs"};
    const struct cli_option options[] = {
        {"--collection", "NAME", &q.collection, "Where to look; default docs."},
        {"--k", "N", &q.k, "How many passages; default 10."},
        {"--filter", "JSON", &q.filter,
         "Only documents whose attributes match, as the API has it."},
        {"--level", "N", &q.level,
         "1 vectors, 2 and keywords, 3 ranked again, 4 several searches."},
        {"--explain", NULL, &q.explain, "Why each passage ranks where it does."},
        {"--data", "DIR", &data, "Data directory of the service."},
        {"--config", "FILE", &opt.config_file, "Configuration, when no service runs."},
        {"--json", NULL, &q.json, "The result as it comes over the API, with the reasons."},
    };
    struct arena *a = arena_new();
    struct err e;
    int code = cli_parse(&cmd_search, options, COUNT(options), &argc, argv);
    if (code < 0 && argc != 1)
        code = cli_usage_error(&cmd_search, argc ? "put the words in quotes" : "which words?");
    if (code < 0) {
        q.words = argv[0];
        code = cli_data_dir(data, a, &opt.data_dir, &e) ? local_run(&opt, search_fiber, &q)
                                                        : cli_fail(&e);
    }
    arena_free(a);
    return code;
}

const struct command cmd_search = {
    "search", "search \"WORDS\" [options]",
    "Search a collection and print the passages that answer best.\n\n"
    "With --explain each passage says what keywords, vectors, fusion and the closer look gave it,\n"
    "which words matched, and what was left out as it says the same.",
    run};
