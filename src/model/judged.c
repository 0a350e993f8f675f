#include "model/judged.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "model/judged_search.h"

#include <math.h>
#include <stdlib.h>

enum { FILE_MOST = 1 << 30, TOP = 10, CLICK_MOST = 10 };

/* ---- Common ---- */

static struct judged_query *add_query(struct judged *out, struct arena *a)
{
    if (out->n == out->room) {
        size_t room = out->room * 2 + 64;
        struct judged_query *more = arena_array(a, struct judged_query, room);
        if (out->n)
            memcpy(more, out->q, out->n * sizeof(*more));
        out->q = more;
        out->room = room;
    }
    struct judged_query *q = &out->q[out->n++];
    *q = (struct judged_query){.weight = 1};
    return q;
}

static struct str field(struct json_value v, const char *name, struct arena *a)
{
    return json_text(json_get(v, name), a);
}

/* Lines of a file, as JSON. */
struct lines {
    const char *path;
    struct str rest;
    size_t number;
};

static bool open_lines(struct lines *l, const char *path, struct arena *a, struct err *e)
{
    *l = (struct lines){.path = path};
    return file_read(&l->rest, a, path, FILE_MOST, e);
}

/* 1 a line, 0 the end, -1 failed. */
static int next_line(struct lines *l, struct arena *a, struct json *out, struct err *e)
{
    struct str line;
    while (str_split(&l->rest, '\n', &line)) {
        l->number++;
        if (!str_trim(line).len)
            continue;
        if (!json_parse(out, a, line, 0, e)) {
            err_prefix(e, "%s:%zu: ", l->path, l->number);
            return -1;
        }
        return 1;
    }
    return 0;
}

static bool wrong_line(const struct lines *l, const char *what, struct err *e)
{
    return err_set(e, ERR_INVALID, "%s:%zu: %s", l->path, l->number, what);
}

/* ---- Gain ---- */

double judged_ndcg(const struct judged_query *q, const uint32_t *order)
{
    double gain = 0;
    for (size_t i = 0; i < q->n && i < TOP; i++)
        gain += q->grade[order ? order[i] : i] / log2((double)i + 2);
    return q->ideal > 0 ? gain / q->ideal : 0;
}

static int larger_first(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

static double ideal_of(float *grade, size_t n)
{
    double gain = 0;
    qsort(grade, n, sizeof(*grade), larger_first);
    for (size_t i = 0; i < n && i < TOP; i++)
        gain += grade[i] / log2((double)i + 2);
    return gain;
}

static void set_ideal(struct judged_query *q, struct arena *a)
{
    float *grade = arena_array(a, float, q->n + 1);
    memcpy(grade, q->grade, q->n * sizeof(*grade));
    q->ideal = ideal_of(grade, q->n);
}

/* ---- Candidates by search ---- */

struct corpus {
    struct arena *a;
    struct rerank_candidate *doc;
    struct str *id;
    size_t n, room;
    struct judged_search search;
};

static void add_document(struct corpus *c, struct str id, struct str title, struct str text)
{
    if (c->n == c->room) {
        size_t room = c->room * 2 + 64;
        struct rerank_candidate *doc = arena_array(c->a, struct rerank_candidate, room);
        struct str *ids = arena_array(c->a, struct str, room);
        if (c->n) {
            memcpy(doc, c->doc, c->n * sizeof(*doc));
            memcpy(ids, c->id, c->n * sizeof(*ids));
        }
        c->doc = doc;
        c->id = ids;
        c->room = room;
    }
    c->id[c->n] = id;
    c->doc[c->n++] =
        (struct rerank_candidate){.title = title, .text = text, .lang = lang_detect(text)};
}

/* ---- A folder ---- */

struct judgement {
    struct str document;
    float grade;
    struct judgement *next;
};

static bool read_corpus(struct corpus *c, const char *path, struct err *e)
{
    struct lines l;
    struct json j;
    int got;
    if (!open_lines(&l, path, c->a, e))
        return false;
    while ((got = next_line(&l, c->a, &j, e)) > 0) {
        struct json_value v = json_root(&j);
        add_document(c, field(v, "_id", c->a), field(v, "title", c->a), field(v, "text", c->a));
    }
    judged_search_init(&c->search, c->doc, c->n);
    return got == 0;
}

static bool read_qrels(struct map *judged, const char *path, struct arena *a, struct err *e)
{
    struct str rest, line, query, document;
    if (!file_read(&rest, a, path, FILE_MOST, e))
        return false;
    str_split(&rest, '\n', &line); /* headings */
    while (str_split(&rest, '\n', &line)) {
        double grade;
        if (!str_split(&line, '\t', &query) || !str_split(&line, '\t', &document) ||
            !str_to_double(str_trim(line), &grade) || grade <= 0)
            continue;
        struct judgement *j = arena_struct(a, struct judgement);
        *j = (struct judgement){document, (float)grade, map_get(judged, query)};
        map_set(judged, query, j);
    }
    return true;
}

static float grade_of(const struct judgement *j, struct str document)
{
    while (j && !str_eq(j->document, document))
        j = j->next;
    return j ? j->grade : 0;
}

static void add_found(struct judged *out, const struct corpus *c, struct str text,
                      const struct judgement *list)
{
    struct judged_query *q = add_query(out, c->a);
    struct fuse_hit hit[JUDGED_DEPTH];
    size_t all = 0;
    q->text = text;
    q->n = judged_search_ask(&c->search, text, hit, JUDGED_DEPTH);
    q->c = arena_array(c->a, struct rerank_candidate, q->n + 1);
    q->grade = arena_array(c->a, float, q->n + 1);
    for (size_t i = 0; i < q->n; i++) {
        q->c[i] = c->doc[hit[i].key];
        q->c[i].score = hit[i].score;
        q->grade[i] = grade_of(list, c->id[hit[i].key]);
    }
    for (const struct judgement *j = list; j; j = j->next)
        all++;
    float *grade = arena_array(c->a, float, all + 1);
    all = 0;
    for (const struct judgement *j = list; j; j = j->next)
        grade[all++] = j->grade;
    q->ideal = ideal_of(grade, all);
}

static bool read_queries(struct judged *out, const struct corpus *c, const struct map *judged,
                         const char *path, struct err *e)
{
    struct lines l;
    struct json j;
    int got;
    if (!open_lines(&l, path, c->a, e))
        return false;
    while ((got = next_line(&l, c->a, &j, e)) > 0) {
        struct json_value v = json_root(&j);
        const struct judgement *list = map_get(judged, field(v, "_id", c->a));
        if (list)
            add_found(out, c, field(v, "text", c->a), list);
    }
    return got == 0;
}

bool judged_folder(struct judged *out, const char *dir, struct arena *a, struct err *e)
{
    struct corpus c = {.a = a};
    struct map judged;
    map_init(&judged);
    bool good = read_corpus(&c, arena_printf(a, "%s/corpus.jsonl", dir).p, e) &&
                read_qrels(&judged, arena_printf(a, "%s/qrels.tsv", dir).p, a, e) &&
                read_queries(out, &c, &judged, arena_printf(a, "%s/queries.jsonl", dir).p, e);
    map_fini(&judged);
    judged_search_fini(&c.search);
    return good;
}

/* ---- Judgments, a line each ---- */

struct pool { /* of one query */
    struct str query;
    struct str *title, *text;
    float *grade;
    size_t n, room;
};

static void add_to_pool(struct pool *p, struct str title, struct str text, float grade,
                        struct arena *a)
{
    if (p->n == p->room) {
        size_t room = p->room * 2 + 16;
        struct str *titles = arena_array(a, struct str, room);
        struct str *texts = arena_array(a, struct str, room);
        float *grades = arena_array(a, float, room);
        for (size_t i = 0; i < p->n; i++) {
            titles[i] = p->title[i];
            texts[i] = p->text[i];
            grades[i] = p->grade[i];
        }
        p->title = titles;
        p->text = texts;
        p->grade = grades;
        p->room = room;
    }
    p->title[p->n] = title;
    p->text[p->n] = text;
    p->grade[p->n++] = grade;
}

/* A search among a query's own passages orders them; what it does not find comes last. */
static void add_pool(struct judged *out, const struct pool *p, struct arena *a)
{
    struct judged_query *q = add_query(out, a);
    struct corpus c = {.a = a};
    struct fuse_hit hit[JUDGED_DEPTH];
    bool *taken = arena_array(a, bool, p->n + 1);
    for (size_t i = 0; i < p->n; i++)
        add_document(&c, STR_NONE, p->title[i], p->text[i]);
    judged_search_init(&c.search, c.doc, c.n);
    size_t n = judged_search_ask(&c.search, p->query, hit, JUDGED_DEPTH);
    q->text = p->query;
    q->c = arena_array(a, struct rerank_candidate, p->n + 1);
    q->grade = arena_array(a, float, p->n + 1);
    for (size_t i = 0; i < n; i++) {
        q->c[q->n] = c.doc[hit[i].key];
        q->c[q->n].score = hit[i].score;
        q->grade[q->n++] = p->grade[hit[i].key];
        taken[hit[i].key] = true;
    }
    for (size_t i = 0; i < p->n; i++)
        if (!taken[i]) {
            q->c[q->n] = c.doc[i];
            q->c[q->n].score = n ? hit[n - 1].score : 0;
            q->grade[q->n++] = p->grade[i];
        }
    set_ideal(q, a);
    judged_search_fini(&c.search);
}

bool judged_lines(struct judged *out, const char *path, struct arena *a, struct err *e)
{
    struct lines l;
    struct json j;
    struct map pools;
    struct pool **order = NULL;
    size_t n = 0, room = 0;
    int got;
    if (!open_lines(&l, path, a, e))
        return false;
    map_init(&pools);
    while ((got = next_line(&l, a, &j, e)) > 0) {
        struct json_value v = json_root(&j);
        struct str query = field(v, "query", a), text = field(v, "text", a);
        double grade;
        text = text.len ? text : field(v, "document", a);
        if (!query.len || !text.len || !json_double(json_get(v, "grade"), &grade)) {
            wrong_line(&l, "'query', 'text' and a number 'grade' must be there", e);
            got = -1;
            break;
        }
        struct pool *p = map_get(&pools, query);
        if (!p) {
            p = arena_struct(a, struct pool);
            p->query = query;
            map_set(&pools, query, p);
            if (n == room) {
                room = room * 2 + 64;
                order = mem_resize(order, room, sizeof(*order));
            }
            order[n++] = p;
        }
        add_to_pool(p, field(v, "title", a), text, (float)(grade > 0 ? grade : 0), a);
    }
    for (size_t i = 0; got == 0 && i < n; i++)
        add_pool(out, order[i], a);
    mem_free(order);
    map_fini(&pools);
    return got == 0;
}

/* ---- Clicks ---- */

static bool add_clicks(struct judged *out, const struct lines *l, struct json_value v,
                       struct arena *a, struct err *e)
{
    struct json_value shown = json_get(v, "shown"), clicked = json_get(v, "clicked");
    size_t n = json_count(shown), last = 0;
    if (!json_is(shown, JSON_ARRAY) || !json_is(clicked, JSON_ARRAY) || !field(v, "query", a).len)
        return wrong_line(l, "'query' and lists 'shown' and 'clicked' must be there", e);
    float *grade = arena_array(a, float, n + 1);
    json_each(it, clicked)
    {
        int64_t place;
        if (!json_int(it.value, &place) || place < 1 || place > (int64_t)n)
            return wrong_line(l, "'clicked' must be places of 'shown', from 1", e);
        grade[place - 1] = 1;
        last = size_max(last, (size_t)place);
    }
    if (last == 0)
        return true; /* nothing was clicked: nothing is known */
    struct judged_query *q = add_query(out, a);
    q->text = field(v, "query", a);
    q->n = size_min(n, last + 1);
    q->grade = grade;
    q->c = arena_array(a, struct rerank_candidate, q->n);
    for (size_t i = 0; i < q->n; i++) {
        struct json_value s = json_at(shown, (uint32_t)i);
        struct str text = field(s, "text", a);
        q->c[i] = (struct rerank_candidate){.title = field(s, "title", a),
                                            .text = text,
                                            .lang = lang_detect(text),
                                            .score = (double)(q->n - i)};
        grade[i] *= (float)size_min(i + 1, CLICK_MOST);
    }
    set_ideal(q, a);
    return true;
}

bool judged_clicks(struct judged *out, const char *path, struct arena *a, struct err *e)
{
    struct lines l;
    struct json j;
    int got;
    if (!open_lines(&l, path, a, e))
        return false;
    while ((got = next_line(&l, a, &j, e)) > 0)
        if (!add_clicks(out, &l, json_root(&j), a, e))
            return false;
    return got == 0;
}
