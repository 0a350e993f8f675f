#include "answer/explain.h"
#include "model/rerank_features.h"
#include "model/support.h"

static void put_stage(struct json_writer *w, const char *name, const struct retrieved_stage *s)
{
    json_key(w, name);
    if (!s->rank) {
        json_put_null(w);
        return;
    }
    json_object(w);
    json_kv_int(w, "rank", s->rank);
    json_kv_real(w, "score", s->score);
    json_end(w);
}

/* The word of the question that this term was made of, as it stands there. */
static struct str word_of(struct str question, enum lang lang, struct str term)
{
    struct terms it;
    struct term t;
    terms_begin(&it, question, lang, TERMS_QUERY);
    while (terms_next(&it, &t))
        if (str_eq(t.text, term))
            return str_span(question.p + t.start, question.p + t.end);
    return term;
}

/* Words of the question that stand in the passage. */
static void put_matched(struct json_writer *w, const struct retrieval *r, const struct retrieved *h)
{
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    json_key(w, "matched");
    json_array(w);
    if (r->n_questions) {
        struct support s;
        enum lang said = lang_from_code(h->passage.language);
        struct str question = r->question[0].text;
        enum lang lang = said == LANG_OTHER ? LANG_EN : said;
        support_init(&s, question, lang, true, a);
        uint64_t found = support_match(&s, h->passage.chunk.text).terms |
                         support_match(&s, h->passage.chunk.section).terms |
                         support_match(&s, h->passage.title).terms;
        for (uint32_t i = 0; i < s.n; i++)
            if (found >> i & 1)
                json_put_str(w, word_of(question, lang, s.term[i]));
    }
    json_end(w);
    arena_rewind(a, mark);
}

static void put_features(struct json_writer *w, const struct retrieved *h)
{
    json_key(w, "features");
    if (!h->feature) {
        json_put_null(w);
        return;
    }
    json_object(w);
    for (int f = 0; f < RERANK_FEATURE_COUNT; f++)
        json_kv_real(w, rerank_feature_name((enum rerank_feature)f), (double)h->feature[f]);
    json_end(w);
}

static void put_stages(struct json_writer *w, const struct retrieval *r, const struct retrieved *h)
{
    put_stage(w, "keyword", &h->keyword);
    put_stage(w, "vector", &h->vector);
    put_stage(w, "search", &h->search);
    put_stage(w, "rerank", &h->rerank);
    put_features(w, h);
    put_matched(w, r, h);
    json_key(w, "searches");
    json_array(w);
    for (size_t i = 0; i < r->n_questions; i++)
        if (h->asked >> i & 1)
            json_put_int(w, (int64_t)i);
    json_end(w);
    json_kv_real(w, "redundancy", h->redundancy);
    json_key(w, "copies");
    json_array(w);
    for (size_t i = 0; i < h->n_copies; i++)
        json_put_int(w, h->copy[i]);
    json_end(w);
}

static void put_searches(struct json_writer *w, const struct retrieval *r)
{
    json_key(w, "searches");
    json_array(w);
    for (size_t i = 0; i < r->n_questions; i++) {
        json_object(w);
        json_kv_str(w, "text", r->question[i].text);
        json_kv_text(w, "kind", r->question[i].kind);
        json_kv_real(w, "weight", r->question[i].weight);
        json_end(w);
    }
    json_end(w);
}

/* How each collection was searched: what rights and filter leave, how the vectors were looked at
 * and which share of the true nearest that finds. */
static void put_engines(struct json_writer *w, const struct retrieval *r)
{
    json_key(w, "collections");
    json_array(w);
    for (size_t i = 0; i < r->n_engines; i++) {
        const struct search_explain *x = &r->engine[i];
        json_object(w);
        json_kv_int(w, "documents", (int64_t)x->documents);
        json_kv_int(w, "chunks", (int64_t)x->chunks);
        json_kv_bool(w, "keywords", x->words);
        json_key(w, "vectors");
        if (x->vectors) {
            json_object(w);
            json_kv_text(w, "of", x->outside ? "embedder" : "built-in");
            json_kv_text(w, "plan", vector_plan_name(x->nearest.plan));
            json_kv_int(w, "candidates", x->nearest.candidates);
            json_kv_int(w, "effort", x->nearest.effort);
            json_kv_int(w, "compared", x->nearest.compared);
            json_kv_int(w, "rescored", x->nearest.rescored);
            json_kv_real(w, "recall", (double)x->nearest.recall);
            json_end(w);
        } else {
            json_put_null(w);
        }
        json_end(w);
    }
    json_end(w);
}

static void put_times(struct json_writer *w, const struct retrieval *r)
{
    json_key(w, "microseconds");
    json_object(w);
    json_kv_int(w, "embed", r->embed_us);
    json_kv_int(w, "search", r->search_us);
    json_kv_int(w, "load", r->load_us);
    json_kv_int(w, "rerank", r->rerank_us);
    json_kv_int(w, "total", r->total_us);
    json_end(w);
}

static void put_passage(struct json_writer *w, const struct retrieval *r, size_t i)
{
    const struct retrieved *h = &r->hit[i];
    json_object(w);
    json_kv_int(w, "rank", (int64_t)i + 1);
    json_kv_int(w, "chunk", h->passage.chunk.id);
    json_kv_int(w, "document", h->passage.chunk.document);
    json_kv_str(w, "name", h->passage.name);
    json_kv_str(w, "section", h->passage.chunk.section);
    json_kv_int(w, "page", h->passage.chunk.page);
    json_kv_int(w, "line_start", h->passage.chunk.line_start);
    json_kv_int(w, "line_end", h->passage.chunk.line_end);
    json_kv_real(w, "score", h->score);
    put_stages(w, r, h);
    json_end(w);
}

void explain_put(struct json_writer *w, const struct retrieval *r)
{
    json_object(w);
    json_kv_int(w, "level", r->level);
    json_kv_text(w, "ranker", r->ranker);
    json_kv_text(w, "cache", r->cache);
    json_kv_str(w, "embedder", r->space.len ? r->space : STR("built-in"));
    json_kv_int(w, "candidates", (int64_t)r->n_found);
    json_key(w, "notes");
    json_array(w);
    for (size_t i = 0; i < r->n_notes; i++)
        json_put_str(w, r->note[i]);
    json_end(w);
    put_searches(w, r);
    put_engines(w, r);
    put_times(w, r);
    json_key(w, "passages");
    json_array(w);
    for (size_t i = 0; i < r->n; i++)
        put_passage(w, r, i);
    json_end(w);
    json_end(w);
}
