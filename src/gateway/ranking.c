#include "gateway/ranking.h"
#include "gateway/store_fields.h"

static bool take_share(const struct member_reader *m, struct json_value object,
                       const struct member_at *up, const char *name, double most, double *out)
{
    struct json_value v = json_get(object, name);
    const struct member_at at = member_at(up, str_from(name));
    return !body_given(v) || (json_double(v, out) && *out >= 0 && *out <= most) ||
           member_wrong(&at, most > 1 ? "a number of 0 or more" : "a number from 0 to 1", m->e);
}

/* A weight of 0 leaves an engine out. */
static bool take_hybrid(const struct member_reader *m, struct json_value options,
                        const struct member_at *up, struct retrieve_query *q)
{
    struct json_value v = json_get(options, "hybrid_search");
    const struct member_at at = member_at(up, STR("hybrid_search"));
    double vectors = 1, words = 1;
    if (!body_given(v))
        return true;
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(&at, "an object with 'embedding_weight' and 'text_weight'", m->e);
    if (!STORE_FIELDS_KNOWN(m, v, &at, STR("embedding_weight"), STR("text_weight")) ||
        !take_share(m, v, &at, "embedding_weight", 1e9, &vectors) ||
        !take_share(m, v, &at, "text_weight", 1e9, &words))
        return false;
    if (vectors + words <= 0)
        return member_wrong(&at, "such that one of its weights is above 0", m->e);
    q->search.keyword_weight = (float)words;
    q->search.vector_weight = (float)vectors;
    q->search.engines = words <= 0 ? SEARCH_VECTOR : vectors <= 0 ? SEARCH_KEYWORD : SEARCH_HYBRID;
    return true;
}

bool ranking_read(const struct member_reader *m, struct json_value object,
                  const struct member_at *up, struct retrieve_query *q)
{
    struct json_value v = json_get(object, "ranking_options"), ranker = json_get(v, "ranker");
    const struct member_at at = member_at(up, STR("ranking_options"));
    const struct member_at at_ranker = member_at(&at, STR("ranker"));
    if (!body_given(v))
        return true;
    if (!json_is(v, JSON_OBJECT))
        return member_wrong(&at, "an object", m->e);
    if (!STORE_FIELDS_KNOWN(m, v, &at, STR("ranker"), STR("score_threshold"),
                            STR("hybrid_search")) ||
        !take_share(m, v, &at, "score_threshold", 1, &q->threshold) || !take_hybrid(m, v, &at, q))
        return false;
    if (!body_given(ranker) || json_text_is(ranker, "auto"))
        return true;
    struct str name = json_text(ranker, m->a);
    if (str_eq(name, STR("none")))
        q->ranker = RANKER_NONE;
    else if (!str_starts(name, STR("default")))
        return member_wrong(&at_ranker, "auto, none or default-...", m->e);
    return true;
}
