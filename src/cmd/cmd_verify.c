/* Are the citations of a saved answer still true? Asked of the service on the data directory, or of
 * files in a folder, which needs no data directory at all. */
#include "answer/verify.h"
#include "base/digest.h"
#include "base/file.h"
#include "cmd/cli.h"
#include "cmd/local.h"
#include "ingest/extract.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { ANSWER_MOST = 64 << 20, FILE_MOST = 512 << 20 };

struct verify {
    const char *file, *folder, *data, *config;
    bool json;
    struct arena *a;
    struct str answer; /* its text; p NULL when what was saved is no whole answer */
    bool none;         /* it says that there is no answer */
    struct verify_claim *claim;
    struct str *why;
    size_t n;
};

/* ---- Reading what was saved ---- */

static void take_text(struct verify *v, struct str text)
{
    v->answer =
        v->answer.p ? arena_printf(v->a, "%.*s%.*s", STR_FMT(v->answer), STR_FMT(text)) : text;
}

/* The lines of a stream, as curl saves them. */
static bool read_stream(struct verify *v, struct str text, struct err *e)
{
    for (struct str line; str_split(&text, '\n', &line);) {
        struct json *chunk = arena_struct(v->a, struct json);
        if (!str_starts(line, STR("data:")))
            continue;
        line = str_trim(str_from_at(line, 5));
        if (str_eq(line, STR("[DONE]")))
            continue;
        if (!json_parse(chunk, v->a, line, 0, e))
            return false;
        verify_add(chunk, v->a, &v->claim, &v->n);
        struct json_value delta = json_path(json_root(chunk), "choices.0.delta.content");
        if (json_is(delta, JSON_STRING))
            take_text(v, json_text(delta, v->a));
    }
    return true;
}

static bool read_answer(struct verify *v, struct err *e)
{
    struct json doc;
    struct str text;
    const char *path = strcmp(v->file, "-") == 0 ? "/dev/stdin" : v->file;
    if (!file_read(&text, v->a, path, ANSWER_MOST, e))
        return false;
    text = str_trim(text);
    if (str_starts(text, STR("data:")) || str_starts(text, STR("event:"))) {
        if (!read_stream(v, text, e))
            return err_prefix(e, "'%s': ", v->file);
    } else {
        if (!json_parse(&doc, v->a, text, 0, e))
            return err_prefix(e, "'%s': ", v->file);
        verify_find(&doc, v->a, &v->claim, &v->n);
        struct json_value content = json_path(json_root(&doc), "choices.0.message.content");
        if (json_is(content, JSON_STRING))
            v->answer = json_text(content, v->a);
    }
    v->none = str_eq(str_trim(v->answer), STR("I don't have enough information to answer that."));
    v->why = arena_array(v->a, struct str, v->n + 1);
    return true;
}

/* ---- Against the store ---- */

static struct str request_of(const struct verify *v)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 2 * (size_t)ANSWER_MOST);
    json_begin(&w, &b);
    json_object(&w);
    json_key(&w, "citations");
    json_array(&w);
    for (size_t i = 0; i < v->n; i++)
        verify_put(&w, &v->claim[i], (int64_t)i);
    json_end(&w);
    json_end(&w);
    struct str text = arena_copy(v->a, buf_str(&b));
    buf_fini(&b);
    return text;
}

static int ask_store(struct local *l, void *arg)
{
    struct verify *v = arg;
    struct json answer;
    struct err e;
    size_t i = 0;
    if (!local_call(l, "POST", STR("/admin/verify"), request_of(v), &answer, &e))
        return cli_fail(&e);
    json_each(it, json_get(json_root(&answer), "data"))
    {
        if (i < v->n)
            v->why[i] = arena_copy(v->a, json_text(json_get(it.value, "reason"), v->a));
        i++;
    }
    if (i == v->n)
        return CLI_OK;
    err_set(&e, ERR_INTERNAL, "the service looked at %zu of %zu citations", i, v->n);
    return cli_fail(&e);
}

/* ---- Against files ---- */

/* A document's path may begin elsewhere: as much of its end as there is below the folder. */
static const char *find_file(const struct verify *v, const struct verify_claim *c)
{
    const struct str tail[] = {c->file_id, c->filename};
    for (size_t i = 0; i < COUNT(tail); i++)
        for (struct str rest = tail[i]; rest.len > 0;) {
            struct str path = arena_printf(v->a, "%s/%.*s", v->folder, STR_FMT(rest));
            bool up = str_find(rest, STR("..")) != STR_NPOS;
            if (!up && file_exists(path.p))
                return path.p;
            size_t slash = str_find_char(rest, '/');
            rest = slash == STR_NPOS ? STR_NONE : str_from_at(rest, slash + 1);
        }
    return NULL;
}

static struct str sha256_of(struct str bytes, struct arena *a)
{
    uint8_t hash[SHA256_SIZE];
    char *hex = arena_bytes(a, 2 * SHA256_SIZE + 1);
    digest_sha256(bytes, hash);
    digest_to_hex(hex, hash, SHA256_SIZE);
    return (struct str){hex, 2 * SHA256_SIZE};
}

/* Reads the file as it was read when it was taken in, so that spans mean the same. */
static bool check_file(const struct verify *v, struct extract *x, const struct verify_claim *c,
                       const char *path, struct str *why, struct err *e)
{
    struct arena *a = arena_new();
    struct extract_document doc;
    struct str bytes = STR_NONE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 ? file_read(&bytes, a, path, FILE_MOST, e)
                        : err_sys(e, ERR_IO, "cannot open '%s'", path);
    if (good && extract_run(x, fd, file_extension(str_from(path)), a, &doc, e))
        *why = arena_copy(v->a, verify_in_text(c, doc.text, sha256_of(bytes, a), a));
    else if (good && e->code != ERR_UNAVAILABLE)
        *why = arena_printf(v->a, "the file cannot be read: %s", e->msg);
    else
        good = false;
    if (fd >= 0)
        close(fd);
    arena_free(a);
    return good;
}

static int ask_files(struct verify *v)
{
    struct extract_options opt = {0};
    struct err e;
    bool good = true;
    extract_options_defaults(&opt);
    struct extract *x = extract_open(&opt);
    for (size_t i = 0; good && i < v->n; i++) {
        const char *path = find_file(v, &v->claim[i]);
        if (path)
            good = check_file(v, x, &v->claim[i], path, &v->why[i], &e);
        else
            v->why[i] = STR("the file is not in the folder");
    }
    extract_close(x);
    return good ? CLI_OK : cli_fail(&e);
}

/* ---- Telling ---- */

static void put_lines(const struct verify_claim *c)
{
    printf("%.*s", STR_FMT(c->filename));
    if (c->section.len)
        printf(", %.*s", STR_FMT(c->section));
    if (c->page)
        printf(", page %jd", (intmax_t)c->page);
    if (c->line_start)
        printf(c->line_start == c->line_end ? ", line %jd" : ", lines %jd-%jd",
               (intmax_t)c->line_start, (intmax_t)c->line_end);
}

static void tell(const struct verify *v, size_t bad)
{
    for (size_t i = 0; i < v->n; i++) {
        printf(v->why[i].len ? "%sFAILED%s  [%zu] " : "%sok%s      [%zu] ",
               v->why[i].len ? cli_bold() : "", v->why[i].len ? cli_plain() : "", i + 1);
        put_lines(&v->claim[i]);
        if (v->why[i].len)
            printf(": %.*s", STR_FMT(v->why[i]));
        printf("\n");
    }
    if (v->n == 0)
        printf(v->none ? "the answer says that it has no information, and cites nothing\n"
                       : "FAILED  the answer cites nothing\n");
    else
        printf("%zu citations, %zu good\n", v->n, v->n - bad);
}

static void tell_json(const struct verify *v, bool good)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, ANSWER_MOST);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_bool(&w, "valid", good);
    json_key(&w, "citations");
    json_array(&w);
    for (size_t i = 0; i < v->n; i++) {
        json_object(&w);
        json_kv_int(&w, "number", (int64_t)i + 1);
        json_kv_str(&w, "filename", v->claim[i].filename);
        json_kv_bool(&w, "valid", v->why[i].len == 0);
        if (v->why[i].len)
            json_kv_str(&w, "reason", v->why[i]);
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
    printf("%.*s\n", STR_FMT(buf_str(&b)));
    buf_fini(&b);
}

static int verify(struct verify *v)
{
    struct err e;
    if (!read_answer(v, &e))
        return cli_fail(&e);
    int code = CLI_OK;
    if (v->n > 0 && v->folder) {
        code = ask_files(v);
    } else if (v->n > 0) {
        struct local_options opt = {.config_file = v->config};
        code = cli_data_dir(v->data, v->a, &opt.data_dir, &e) ? local_run(&opt, ask_store, v)
                                                              : cli_fail(&e);
    }
    if (code != CLI_OK)
        return code;
    size_t bad = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (v->why[i].len == 0 && v->answer.p)
            v->why[i] = verify_marker(&v->claim[i], v->answer, v->a);
        bad += v->why[i].len > 0;
    }
    bool good = v->n > 0 ? bad == 0 : v->none;
    if (v->json)
        tell_json(v, good);
    else
        tell(v, bad);
    return good ? CLI_OK : CLI_FAILED;
}

static int run(int argc, char **argv)
{
    struct verify v = {.a = arena_new()};
    const struct cli_option options[] = {
        {"--files", "DIR", &v.folder, "Check against the files in this folder, not the store."},
        {"--data", "DIR", &v.data, "Data directory of the service."},
        {"--config", "FILE", &v.config, "Configuration, when no service runs."},
        {"--json", NULL, &v.json, "The findings as JSON."},
    };
    int code = cli_parse(&cmd_verify, options, COUNT(options), &argc, argv);
    if (code < 0 && argc != 1)
        code = cli_usage_error(&cmd_verify, argc ? "one answer at a time" : "which answer?");
    if (code < 0) {
        v.file = argv[0];
        code = verify(&v);
    }
    arena_free(v.a);
    return code;
}

const struct command cmd_verify = {
    "verify", "verify ANSWER.json [options]",
    "Check that the citations of a saved answer are still true.\n\n"
    "ANSWER.json is what the API answered: of chats, responses or messages, whole or as a stream,\n"
    "or a list of annotations; - is standard input. Each citation's quotation must stand where it\n"
    "says, in the version and content that it names. Exit code 0: all do; 1: one does not, or the\n"
    "answer cites nothing.",
    run};
