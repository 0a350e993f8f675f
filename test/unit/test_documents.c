/* Public test documents of every kind, broken and hostile ones among them: none may crash, hang or
 * be stopped, and the passages that their authors name must be found. They are no part of this
 * repository: PENSTOCK_TESTDATA names the folder that holds docs/gold.jsonl, by default
 * ../shared/testdata beside the source, when that has a build directory in it. */
#include "base/file.h"
#include "base/map.h"
#include "base/utf8.h"
#include "ingest/extract.h"
#include "text/unicode.h"

#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct score {
    const char *format;
    int files, read, refused, broken;
    int passages, found;
    int words, same; /* of texts that are given whole */
    int64_t cpu_us;
};

static struct score scores[] = {{.format = "txt"},
                                {.format = "md"},
                                {.format = "html"},
                                {.format = "pdf"},
                                {.format = "other"}};

static struct score *score_of(struct str format)
{
    for (size_t i = 0; i < COUNT(scores) - 1; i++)
        if (str_eq(str_from(scores[i].format), format))
            return &scores[i];
    return &scores[COUNT(scores) - 1];
}

/* Words with one space between, so that wrapping and marks do not matter. */
static struct str plain(struct arena *a, struct str s)
{
    char *p = arena_bytes(a, s.len + 1);
    size_t n = 0;
    for (size_t at = 0; at < s.len;) {
        size_t from = at;
        uint32_t c = utf8_next(s, &at);
        if (unicode_kind(c) != UNICODE_OTHER) {
            memcpy(p + n, s.p + from, at - from);
            n += at - from;
        } else if (n > 0 && p[n - 1] != ' ') {
            p[n++] = ' ';
        }
    }
    return (struct str){p, n && p[n - 1] == ' ' ? n - 1 : n};
}

static void count_passages(struct arena *a, struct json_value list, struct str text,
                           struct score *s, struct str file)
{
    json_each(it, list)
    {
        struct str want = plain(a, json_text(it.value, a));
        bool found = str_find(text, want) != STR_NPOS;
        s->passages++;
        s->found += found;
        if (!found)
            printf("# %.*s lacks '%.*s'\n", STR_FMT(file), STR_FMT(str_head(want, 80)));
    }
}

static void count_words(struct arena *a, struct str want, struct str text, struct score *s)
{
    struct map seen;
    map_init_borrowing(&seen);
    struct str word;
    while (str_split(&text, ' ', &word))
        map_set(&seen, word, &seen);
    want = plain(a, want);
    while (str_split(&want, ' ', &word)) {
        s->words++;
        s->same += map_get(&seen, word) != NULL;
    }
    map_fini(&seen);
}

static void judge(struct arena *a, struct json_value checks, const struct extract_document *d,
                  struct score *s, struct str file)
{
    struct str text = plain(a, d->text);
    count_passages(a, json_get(checks, "include"), text, s, file);
    static const char *const whole[] = {"gold_md", "gold_txt"};
    for (size_t i = 0; i < COUNT(whole); i++)
        count_words(a, json_text(json_get(checks, whole[i]), a), text, s);
    json_each(it, json_get(checks, "elements"))
        count_words(a, json_text(json_at(it.value, 1), a), text, s);
}

/* A refusal in words for its owner is fine; a reader that came to harm is not. */
static bool is_harm(const struct err *e)
{
    return strstr(e->msg, "the reader") != NULL;
}

static void one_file(struct extract *x, struct str folder, struct str line)
{
    struct arena *a = arena_new();
    struct json row;
    struct err e = {0};
    if (json_parse(&row, a, line, 0, &e)) {
        struct json_value root = json_root(&row);
        struct str file = json_text(json_get(root, "file"), a);
        int fd = open(arena_printf(a, "%.*s/%.*s", STR_FMT(folder), STR_FMT(file)).p,
                      O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            struct score *s = score_of(json_text(json_get(root, "format"), a));
            struct extract_document d = {0};
            s->files++;
            if (extract_run(x, fd, file_extension(file), a, &d, &e)) {
                s->read++;
                judge(a, json_get(root, "checks"), &d, s, file);
            } else {
                s->refused++;
                s->broken += is_harm(&e);
                if (is_harm(&e) || s < &scores[COUNT(scores) - 1])
                    printf("# %.*s: %s\n", STR_FMT(file), e.msg);
            }
            s->cpu_us += d.cpu_us;
            close(fd);
        }
    }
    arena_free(a);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct arena *a = arena_new();
    struct str self = str_from(argv[0]); /* in the build directory */
    struct str build = str_head(self, self.len - file_name(self).len);
    struct str gold, line;
    struct err e = {0};
    const char *dir = getenv("PENSTOCK_TESTDATA");
    struct str folder = dir ? arena_printf(a, "%s/docs", dir)
                            : arena_printf(a, "%.*s../../shared/testdata/docs", STR_FMT(build));
    if (!file_read(&gold, a, arena_printf(a, "%.*s/gold.jsonl", STR_FMT(folder)).p, 64 << 20, &e)) {
        skip(e.msg);
        return tap_done();
    }
    struct extract *x = extract_open(&(struct extract_options){.reader_path = NULL});
    while (str_split(&gold, '\n', &line))
        one_file(x, folder, line);
    extract_close(x);
    for (size_t i = 0; i < COUNT(scores); i++) {
        const struct score *s = &scores[i];
        printf("# %s: %d files, %d read, %d refused; passages %d of %d, words %d of %d; %.1f ms "
               "each\n",
               s->format, s->files, s->read, s->refused, s->found, s->passages, s->same, s->words,
               s->files ? (double)s->cpu_us / 1000 / s->files : 0);
        ok(s->broken == 0, "%s: no reader came to harm", s->format);
        if (i + 1 < COUNT(scores))
            ok(s->found * 100 >= s->passages * 60 && s->same * 100 >= s->words * 85,
               "%s: passages and words are found", s->format);
    }
    arena_free(a);
    return tap_done();
}
