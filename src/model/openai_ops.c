#include "model/openai_ops.h"
#include "model/relay.h"

static const char *const lists[OP_COUNT] = {
    [OP_CHAT] = "choices",       [OP_COMPLETION] = "choices", [OP_EMBEDDING] = "data",
    [OP_MODERATION] = "results", [OP_RERANK] = "results",
};

const char *openai_ops_list(enum chat_op op)
{
    return lists[op];
}

/* ---- The items ---- */

static bool holds_embedding(struct json_value item)
{
    struct json_value v = json_get(item, "embedding");
    return json_is(v, JSON_ARRAY) ? json_count(v) > 0
                                  : json_is(v, JSON_STRING) && json_raw(v).len > 2;
}

static bool holds_score(struct json_value item)
{
    double score;
    return json_double(json_get(item, "relevance_score"), &score);
}

static bool holds_verdict(struct json_value item)
{
    bool flagged;
    return json_bool(json_get(item, "flagged"), &flagged) ||
           json_is(json_get(item, "categories"), JSON_OBJECT);
}

static bool (*const holds[OP_COUNT])(struct json_value item) = {
    [OP_EMBEDDING] = holds_embedding,
    [OP_MODERATION] = holds_verdict,
    [OP_RERANK] = holds_score,
};

/* Which input an item is about. Embeddings stand in the order of their inputs, and servers may
 * leave their indexes out; the results of a rerank stand in an order of their own. */
static bool index_of(struct json_value item, enum chat_op op, size_t place, size_t n, size_t *out)
{
    struct json_value v = json_get(item, "index");
    int64_t index;
    *out = place;
    if (op == OP_MODERATION || (op == OP_EMBEDDING && !json_exists(v)))
        return true;
    if (!json_int(v, &index) || index < 0 || (uint64_t)index >= n)
        return false;
    *out = (size_t)index;
    return op == OP_RERANK || *out == place;
}

static bool is_each_once(const struct chat_request *r, struct json_value list)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    bool *seen = arena_array(tmp, bool, size_max(r->n_inputs, r->n_wanted)), good = true;
    size_t n = 0, index;
    json_each(it, list)
    {
        good = n < r->n_wanted && holds[r->op](it.value) &&
               index_of(it.value, r->op, n, r->n_inputs, &index) && !seen[index];
        if (!good)
            break;
        seen[index] = true;
        n++;
    }
    arena_rewind(tmp, mark);
    return good;
}

bool openai_ops_check(const struct attempt *a, struct json_value list, struct err *e)
{
    const struct chat_request *r = &a->call->req;
    if (r->n_wanted == 0)
        return true;
    if (json_count(list) < r->n_wanted)
        return relay_malformed(a, "answered only a part of what was asked", e);
    return !holds[r->op] || is_each_once(r, list) ||
           relay_malformed(a, "gave an answer with a broken, double or needless item", e);
}

/* ---- Usage ---- */

bool openai_ops_tokens(struct json_value root, int64_t *n)
{
    static const char *const paths[] = {"usage.prompt_tokens", "usage.total_tokens",
                                        "usage.input_tokens", "meta.tokens.input_tokens",
                                        "meta.billed_units.input_tokens"};
    for (size_t i = 0; i < COUNT(paths); i++)
        if (relay_tokens(json_path(root, paths[i]), n))
            return true;
    return false;
}
