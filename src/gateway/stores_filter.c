#include "gateway/stores_filter.h"

enum { DEPTH_MAX = 8 };
enum op { EQ, NE, GT, GTE, LT, LTE, IN, NIN, AND, OR, OPS };

static const char *const names[OPS] = {"eq",  "ne", "gt",  "gte", "lt",
                                       "lte", "in", "nin", "and", "or"};

static enum op op_of(struct json_value filter)
{
    struct json_value type = json_get(filter, "type");
    for (int i = 0; i < OPS; i++)
        if (json_text_is(type, names[i]))
            return (enum op)i;
    return OPS;
}

static bool wrong(struct err *e, const char *what)
{
    return err_param(e, ERR_INVALID, "filters", "%s", what);
}

bool stores_filter_check(struct json_value filter, int depth, struct err *e)
{
    enum op op = op_of(filter);
    struct json_value value = json_get(filter, "value"), inner = json_get(filter, "filters");
    if (op == OPS)
        return wrong(e, "a filter's 'type' must be eq, ne, gt, gte, lt, lte, in, nin, and, or");
    if (op != AND && op != OR) {
        bool list = op == IN || op == NIN;
        if (!json_is(json_get(filter, "key"), JSON_STRING))
            return wrong(e, "a comparison needs a 'key'");
        if (!json_exists(value) || json_is(value, JSON_OBJECT) ||
            json_is(value, JSON_ARRAY) != list)
            return wrong(e, "a comparison needs a 'value'; in and nin a list, others none");
        return true;
    }
    if (depth >= DEPTH_MAX)
        return wrong(e, "filters are nested too deep");
    if (!json_is(inner, JSON_ARRAY) || !json_count(inner))
        return wrong(e, "'and' and 'or' need a list 'filters'");
    json_each(it, inner) if (!stores_filter_check(it.value, depth + 1, e)) return false;
    return true;
}

/* <0, 0, >0; false when the two cannot be compared. */
static bool compare(struct json_value a, struct json_value b, struct arena *mem, int *order)
{
    double x, y;
    bool p, q;
    if (json_is(a, JSON_STRING) && json_is(b, JSON_STRING))
        *order = str_cmp(json_text(a, mem), json_text(b, mem));
    else if (json_double(a, &x) && json_double(b, &y))
        *order = (x > y) - (x < y);
    else if (json_bool(a, &p) && json_bool(b, &q))
        *order = p - q;
    else
        return false;
    return true;
}

static bool among(struct json_value v, struct json_value list, struct arena *a)
{
    int order;
    json_each(it, list) if (compare(v, it.value, a, &order) && order == 0) return true;
    return false;
}

bool stores_filter_match(struct json_value filter, struct json_value attributes, struct arena *a)
{
    enum op op = op_of(filter);
    int order;
    if (op == AND || op == OR) {
        json_each(it,
                  json_get(filter, "filters")) if (stores_filter_match(it.value, attributes, a) ==
                                                   (op == OR)) return op == OR;
        return op == AND;
    }
    const char *key = arena_text(a, json_text(json_get(filter, "key"), a));
    struct json_value have = json_get(attributes, key), want = json_get(filter, "value");
    if (op == IN || op == NIN)
        return among(have, want, a) == (op == IN);
    if (!json_exists(have) || !compare(have, want, a, &order))
        return op == NE;
    switch (op) {
    case EQ: return order == 0;
    case NE: return order != 0;
    case GT: return order > 0;
    case GTE: return order >= 0;
    case LT: return order < 0;
    default: return order <= 0;
    }
}

bool stores_filter(struct request *r, struct str collection, struct json_value filter,
                   struct search_query *q, struct err *e)
{
    struct arena *a = r->call.arena;
    struct doc_attributes *doc;
    size_t n;
    if (!json_exists(filter) || json_is(filter, JSON_NULL))
        return true;
    if (!stores_filter_check(filter, 0, e) ||
        !doc_attributes_all(r->service->db, a, collection, &doc, &n, e))
        return false;
    int64_t *keep = arena_array(a, int64_t, n + 1);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct json j;
        if (!json_parse(&j, a, doc[i].attributes, 0, e))
            return false;
        if (stores_filter_match(filter, json_root(&j), a))
            keep[kept++] = doc[i].document;
    }
    q->document = keep; /* not NULL even when nothing matches: then nothing may be found */
    q->n_documents = kept;
    return true;
}
