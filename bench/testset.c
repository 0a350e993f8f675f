#include "testset.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MOST = 1 << 30, GRADE_MOST = 16, TOP = 10 };

static void die(const char *path, const struct err *e)
{
    fprintf(stderr, "testset: %s: %s\n", path, e->msg);
    exit(2);
}

/* ---- Reading ---- */

struct reading {
    struct testset *t;
    struct map document; /* id -> pointer to its number */
    struct map judged;   /* id of a question -> struct testset_judgement */
};

static struct str read_part(struct arena *a, const char *dir, const char *name, const char *file)
{
    struct err e;
    struct str text;
    struct str path = arena_printf(a, "%s/%s/%s", dir, name, file);
    if (!file_read(&text, a, path.p, FILE_MOST, &e))
        die(path.p, &e);
    return text;
}

/* The next line of *rest as JSON; false at the end. */
static bool next_line(struct str *rest, struct arena *a, struct json *out)
{
    struct str line;
    struct err e;
    while (str_split(rest, '\n', &line))
        if (str_trim(line).len) {
            if (!json_parse(out, a, line, 0, &e))
                die("a line", &e);
            return true;
        }
    return false;
}

static struct str field(struct json_value v, const char *name, struct arena *a)
{
    return json_text(json_get(v, name), a);
}

static void read_documents(struct reading *r, struct str rest)
{
    struct testset *t = r->t;
    struct json line;
    while (next_line(&rest, t->a, &line)) {
        struct json_value v = json_root(&line);
        if (t->n == t->room) {
            t->room = t->room * 2 + 1024;
            t->document = mem_resize(t->document, t->room, sizeof(*t->document));
        }
        struct str text = field(v, "text", t->a);
        t->document[t->n] = (struct testset_document){
            .title = field(v, "title", t->a), .text = text, .lang = lang_detect(text)};
        size_t *number = arena_struct(t->a, size_t);
        *number = t->n++;
        map_set(&r->document, field(v, "_id", t->a), number);
    }
}

static void read_judgements(struct reading *r, struct str rest)
{
    struct str line, question, document;
    str_split(&rest, '\n', &line); /* headings */
    while (str_split(&rest, '\n', &line)) {
        if (!str_split(&line, '\t', &question) || !str_split(&line, '\t', &document))
            continue;
        uint64_t grade = 0;
        const size_t *number = map_get(&r->document, document);
        if (!number || !str_to_u64(str_trim(line), &grade) || grade == 0)
            continue;
        struct testset_judgement *j = arena_struct(r->t->a, struct testset_judgement);
        *j = (struct testset_judgement){*number, (int)grade, map_get(&r->judged, question)};
        map_set(&r->judged, question, j);
    }
}

static void read_questions(struct reading *r, struct str rest)
{
    struct testset *t = r->t;
    struct json line;
    while (next_line(&rest, t->a, &line)) {
        struct json_value v = json_root(&line);
        const struct testset_judgement *judged = map_get(&r->judged, field(v, "_id", t->a));
        if (!judged)
            continue;
        if (t->n_questions == t->questions_room) {
            t->questions_room = t->questions_room * 2 + 256;
            t->question = mem_resize(t->question, t->questions_room, sizeof(*t->question));
        }
        t->question[t->n_questions++] = (struct testset_question){field(v, "text", t->a), judged};
    }
}

void testset_read(struct testset *t, const char *dir, const char *name)
{
    struct reading r = {.t = t};
    if (!t->a)
        t->a = arena_new();
    map_init(&r.document);
    map_init(&r.judged);
    read_documents(&r, read_part(t->a, dir, name, "corpus.jsonl"));
    read_judgements(&r, read_part(t->a, dir, name, "qrels.tsv"));
    read_questions(&r, read_part(t->a, dir, name, "queries.jsonl"));
    map_fini(&r.document);
    map_fini(&r.judged);
}

void testset_free(struct testset *t)
{
    mem_free(t->document);
    mem_free(t->question);
    if (t->a)
        arena_free(t->a);
    *t = (struct testset){.n = 0};
}

/* ---- Judging ---- */

static int grade_of(const struct testset_judgement *j, size_t document)
{
    while (j && j->document != document)
        j = j->next;
    return j ? j->grade : 0;
}

/* The best ten grades in order, discounted. */
static double ideal_gain(const struct testset_judgement *list)
{
    double gain = 0;
    int rank = 0;
    for (int grade = GRADE_MOST; grade > 0; grade--)
        for (const struct testset_judgement *j = list; j && rank < TOP; j = j->next)
            if (j->grade == grade)
                gain += grade / log2(rank++ + 2);
    return gain;
}

void testset_judge(struct testset_sums *to, const struct testset_question *q,
                   const size_t *document, size_t n)
{
    double gain = 0, found = 0, relevant = 0, first = 0;
    for (size_t i = 0; i < n; i++) {
        int grade = grade_of(q->judged, document[i]);
        found += grade > 0;
        gain += i < TOP ? grade / log2((double)i + 2) : 0;
        if (grade > 0 && first == 0 && i < TOP)
            first = 1.0 / ((double)i + 1);
    }
    for (const struct testset_judgement *j = q->judged; j; j = j->next)
        relevant++;
    to->ndcg += gain / ideal_gain(q->judged);
    to->recall += found / relevant;
    to->mrr += first;
    to->questions++;
}
