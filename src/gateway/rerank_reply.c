#include "gateway/rerank_reply.h"
#include "base/random.h"
#include "model/splice.h"

#include <stdlib.h>

enum { DOCUMENTS_A_UNIT = 100 /* of Cohere's "search unit" */ };

struct result {
    struct json_value value;
    double score;
    int64_t index;
};

static int best_first(const void *a, const void *b)
{
    const struct result *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The answer has been checked (openai_ops_check). Returns whether they stood in order. */
static bool read_results(struct result *to, struct json_value list)
{
    size_t n = 0;
    bool ordered = true;
    json_each(it, list)
    {
        struct result *r = &to[n++];
        r->value = it.value;
        json_double(json_get(it.value, "relevance_score"), &r->score);
        json_int(json_get(it.value, "index"), &r->index);
        ordered = ordered && (n == 1 || best_first(&to[n - 2], r) <= 0);
    }
    if (!ordered)
        qsort(to, n, sizeof(*to), best_first);
    return ordered;
}

static void put_document(struct buf *out, struct json_value document)
{
    struct json_value text = json_get(document, "text");
    buf_add(out, STR(",\"document\":{\"text\":"));
    buf_add(out, json_raw(json_exists(text) ? text : document));
    buf_char(out, '}');
}

/* Items of a list can be found by their number only from its start on. */
static const struct json_value *documents_of(const struct chat_request *req, struct arena *a)
{
    struct json_value *to = arena_array(a, struct json_value, req->n_inputs);
    size_t n = 0;
    json_each(it, json_get(json_root(&req->body), "documents")) to[n++] = it.value;
    return to;
}

/* Of what stands in the answer and in the request nothing is written twice. */
static struct str results(const struct result *r, const struct json *answer,
                          const struct chat_request *req, bool documents, struct arena *a)
{
    enum { DOCUMENT_MEMBER = 64 };
    size_t limit = answer->text.len + req->body.text.len + req->n_wanted * DOCUMENT_MEMBER;
    const struct json_value *document = documents ? documents_of(req, a) : NULL;
    struct buf b;
    buf_init(&b, limit);
    buf_char(&b, '[');
    for (size_t i = 0; i < req->n_wanted; i++) {
        struct str raw = json_raw(r[i].value);
        if (i > 0)
            buf_char(&b, ',');
        buf_add(&b, str_head(raw, raw.len - 1)); /* without the brace that ends it */
        if (documents && !json_exists(json_get(r[i].value, "document")))
            put_document(&b, document[r[i].index]);
        buf_char(&b, '}');
    }
    buf_char(&b, ']');
    struct str text = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return text;
}

static void add(struct splice_member *m, size_t *n, struct json_value root, const char *name,
                struct str json)
{
    struct json_value v = json_get(root, name);
    if (!json_exists(v) || json_is(v, JSON_NULL))
        m[(*n)++] = (struct splice_member){name, json};
}

static struct str new_id(struct arena *a)
{
    char id[RANDOM_ID_SIZE];
    random_id(id, "rerank_");
    return arena_printf(a, "\"%s\"", id);
}

struct str rerank_reply(const struct json *answer, const struct chat_request *req, int64_t tokens,
                        struct arena *a)
{
    struct json_value root = json_root(answer), list = json_get(root, "results"),
                      usage = json_get(root, "usage");
    struct result *r = arena_array(a, struct result, json_count(list));
    bool ordered = read_results(r, list), documents = false;
    struct splice_member m[5];
    struct splice s;
    size_t n = 0;
    json_bool(json_get(json_root(&req->body), "return_documents"), &documents);
    documents = documents && !json_exists(json_get(r[0].value, "document"));
    struct str total = arena_printf(a, "%jd", (intmax_t)tokens);
    splice_init(&s, answer);
    if (!ordered || documents)
        m[n++] = (struct splice_member){"results", results(r, answer, req, documents, a)};
    add(m, &n, root, "id", new_id(a));
    add(m, &n, root, "usage", arena_printf(a, "{\"total_tokens\":%.*s}", STR_FMT(total)));
    size_t units = (req->n_inputs + DOCUMENTS_A_UNIT - 1) / DOCUMENTS_A_UNIT;
    add(m, &n, root, "meta",
        arena_printf(
            a, "{\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"search_units\":%zu}}",
            units));
    splice_object(&s, root, m, n);
    if (json_is(usage, JSON_OBJECT) && !json_exists(json_get(usage, "total_tokens")))
        splice_object(&s, usage, &(struct splice_member){"total_tokens", total}, 1);
    return splice_text(&s, a);
}
