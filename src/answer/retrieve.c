#include "answer/retrieve.h"
#include "run/work.h"

struct searching {
    struct search_set *set;
    struct search_query query;
    struct arena *a;
    struct search_hit *hit;
    size_t n;
    bool good;
    struct err err;
};

static void search(void *arg)
{
    struct searching *s = arg;
    s->good = search_run(s->set, &s->query, s->a, &s->hit, &s->n, &s->err);
}

/* Several texts are searched for as one. */
static struct str joined(const struct retrieve_query *q, struct arena *a)
{
    struct str all = q->n_texts ? q->text[0] : STR_NONE;
    for (size_t i = 1; i < q->n_texts; i++)
        all = arena_printf(a, "%.*s %.*s", STR_FMT(all), STR_FMT(q->text[i]));
    return all;
}

/* Keyword scores have no upper end; this keeps their order between 0 and 1. */
static double unit_score(double score)
{
    return score / (score + 10.0);
}

static bool load(const struct retriever *r, const struct retrieve_query *q,
                 const struct searching *s, struct arena *a, struct retrieval *out, struct err *e)
{
    int64_t *chunk = arena_array(a, int64_t, s->n + 1);
    struct doc_passage *p;
    for (size_t i = 0; i < s->n; i++)
        chunk[i] = s->hit[i].chunk;
    if (!doc_chunks_load(r->db, a, chunk, s->n, &p, e))
        return false;
    *out = (struct retrieval){.hit = arena_array(a, struct retrieved, s->n + 1)};
    for (size_t i = 0; i < s->n; i++) {
        double score = unit_score(s->hit[i].score);
        if (p[i].chunk.id && score >= q->threshold) /* else it has gone meanwhile */
            out->hit[out->n++] = (struct retrieved){
                .passage = p[i],
                .score = score,
                .collection = s->hit[i].collection,
                .found = {(uint32_t)i + 1, s->hit[i].score},
            };
    }
    return true;
}

bool retrieve(const struct retriever *r, const struct retrieve_query *q, struct arena *a,
              struct retrieval *out, struct err *e)
{
    struct searching *s = arena_struct(a, struct searching);
    *s = (struct searching){.set = r->search, .query = q->search, .a = a};
    s->query.text = joined(q, a);
    s->query.k = q->k;
    work_run(search, s);
    if (!s->good) {
        *e = s->err;
        return false;
    }
    return load(r, q, s, a, out, e);
}
