#include "answer/verify.h"
#include "base/digest.h"
#include "base/utf8.h"
#include "store/doc.h"

/* ---- Finding citations ---- */

static int64_t number_of(struct json_value v, const char *name, int64_t otherwise)
{
    json_int(json_get(v, name), &otherwise);
    return otherwise;
}

static struct str text_of(struct json_value v, const char *name, struct arena *a)
{
    return json_text(json_get(v, name), a);
}

/* Anthropic's citations name some members in their own way. */
static struct verify_claim claim_of(struct json_value v, struct arena *a)
{
    struct verify_claim c = {
        .filename = text_of(v, "filename", a),
        .file_id = text_of(v, "file_id", a),
        .store = text_of(v, "vector_store_id", a),
        .quote = text_of(v, "quote", a),
        .quote_sha256 = text_of(v, "quote_sha256", a),
        .document_sha256 = text_of(v, "document_sha256", a),
        .section = text_of(v, "section", a),
        .start = number_of(v, "char_start", number_of(v, "start_char_index", -1)),
        .end = number_of(v, "char_end", number_of(v, "end_char_index", -1)),
        .version = number_of(v, "document_version", 0),
        .index = number_of(v, "index", -1),
        .page = number_of(v, "page", 0),
        .line_start = number_of(v, "line_start", 0),
        .line_end = number_of(v, "line_end", 0),
    };
    if (c.filename.len == 0)
        c.filename = text_of(v, "document_title", a);
    if (c.quote.len == 0)
        c.quote = text_of(v, "cited_text", a);
    return c;
}

static bool is_citation(struct json_value v)
{
    struct json_value type = json_get(v, "type");
    return json_is(v, JSON_OBJECT) && json_exists(json_get(v, "file_id")) &&
           (json_text_is(type, "file_citation") || json_text_is(type, "url_citation") ||
            json_text_is(type, "char_location"));
}

static bool same(const struct verify_claim *a, const struct verify_claim *b)
{
    return str_eq(a->file_id, b->file_id) && a->start == b->start && a->end == b->end &&
           a->index == b->index && str_eq(a->quote, b->quote);
}

static void add(struct verify_claim c, struct arena *a, struct verify_claim **all, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        if (same(&(*all)[i], &c))
            return;
    if ((*n & (*n - 1)) == 0) { /* full at each power of two */
        struct verify_claim *more = arena_array(a, struct verify_claim, *n ? *n * 2 : 1);
        if (*n)
            memcpy(more, *all, *n * sizeof(*more));
        *all = more;
    }
    (*all)[(*n)++] = c;
}

void verify_add(const struct json *doc, struct arena *a, struct verify_claim **all, size_t *n)
{
    for (uint32_t i = 0; i < doc->n; i++) {
        struct json_value v = {doc, i};
        if (is_citation(v))
            add(claim_of(v, a), a, all, n);
    }
}

void verify_find(const struct json *doc, struct arena *a, struct verify_claim **out, size_t *n)
{
    *out = NULL;
    *n = 0;
    verify_add(doc, a, out, n);
}

void verify_put(struct json_writer *w, const struct verify_claim *c, int64_t index)
{
    json_object(w);
    json_kv_text(w, "type", "file_citation");
    json_kv_int(w, "index", index);
    json_kv_str(w, "filename", c->filename);
    json_kv_str(w, "file_id", c->file_id);
    json_kv_str(w, "vector_store_id", c->store);
    json_kv_str(w, "quote", c->quote);
    json_kv_str(w, "quote_sha256", c->quote_sha256);
    json_kv_str(w, "document_sha256", c->document_sha256);
    json_kv_int(w, "document_version", c->version);
    json_kv_int(w, "char_start", c->start);
    json_kv_int(w, "char_end", c->end);
    json_end(w);
}

/* ---- Checking ---- */

static struct str hash_of(struct str text, struct arena *a)
{
    uint8_t hash[SHA256_SIZE];
    char *hex = arena_bytes(a, 2 * SHA256_SIZE + 1);
    digest_sha256(text, hash);
    digest_to_hex(hex, hash, SHA256_SIZE);
    return (struct str){hex, 2 * SHA256_SIZE};
}

struct str verify_quote(const struct verify_claim *c, struct arena *a)
{
    if (c->quote.len == 0 || c->start < 0 || c->end < c->start)
        return STR("it has no quotation with a span");
    if (c->quote_sha256.len > 0 && !str_ieq(c->quote_sha256, hash_of(c->quote, a)))
        return STR("the quotation is not the one that was cited: its hash is another");
    return STR("");
}

/* Where `characters` characters end; STR_NPOS past the end. */
static size_t bytes_of(struct str s, int64_t characters)
{
    size_t at = 0;
    for (; characters > 0 && at < s.len; characters--)
        utf8_next(s, &at);
    return characters > 0 ? STR_NPOS : at;
}

struct str verify_marker(const struct verify_claim *c, struct str answer, struct arena *a)
{
    if (c->index < 0)
        return STR("");
    size_t at = bytes_of(answer, c->index);
    struct str marker = arena_printf(a, "[Source: %.*s]", STR_FMT(c->filename));
    bool none = str_find(answer, STR("[Source: ")) == STR_NPOS; /* the model marked nothing */
    if (at == STR_NPOS || (!none && !str_ends(str_head(answer, at), marker)))
        return arena_printf(a, "the answer does not say %.*s at character %jd", STR_FMT(marker),
                            (intmax_t)c->index);
    return STR("");
}

/* Why it is wrong, and where it stands now, if anywhere. */
static struct str moved(const struct verify_claim *c, struct str text, size_t offset,
                        struct str why, struct arena *a)
{
    size_t at = str_find(text, c->quote);
    if (at == STR_NPOS)
        return arena_printf(a, "%.*s; the quotation is not in it", STR_FMT(why));
    return arena_printf(a, "%.*s; the quotation stands at bytes %zu-%zu now", STR_FMT(why),
                        offset + at, offset + at + c->quote.len);
}

static bool stands(const struct verify_claim *c, struct str text)
{
    size_t start = (size_t)c->start, end = (size_t)c->end;
    return end <= text.len && str_eq(str_span(text.p + start, text.p + end), c->quote);
}

static struct str not_there(const struct verify_claim *c, struct str text, struct arena *a)
{
    struct str why = arena_printf(a, "the quotation does not stand at bytes %jd-%jd",
                                  (intmax_t)c->start, (intmax_t)c->end);
    return moved(c, text, 0, why, a);
}

struct str verify_in_text(const struct verify_claim *c, struct str text, struct str sha256,
                          struct arena *a)
{
    struct str why = verify_quote(c, a);
    if (why.len > 0)
        return why;
    if (c->document_sha256.len > 0 && !str_ieq(c->document_sha256, sha256))
        return moved(c, text, 0, STR("the file is not the one that was cited: its hash is another"),
                     a);
    return stands(c, text) ? STR("") : not_there(c, text, a);
}

/* ---- In the store ---- */

/* The document's text as far as chunks have it: between them stand the line breaks that no chunk
 * needs. */
static struct str text_of_chunks(const struct doc_chunk *chunk, size_t n, struct arena *a)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len = size_max(len, chunk[i].char_start + chunk[i].text.len);
    char *p = arena_bytes(a, len);
    memset(p, '\n', len);
    for (size_t i = 0; i < n; i++)
        memcpy(p + chunk[i].char_start, chunk[i].text.p, chunk[i].text.len);
    return (struct str){p, len};
}

static bool find_document(struct db *d, struct str tenant, const struct verify_claim *c,
                          struct arena *a, struct doc_document *doc, struct err *e)
{
    struct doc_collection store;
    return doc_collection_find(d, a, tenant, c->store, &store, e) &&
           (doc_find_file(d, a, c->store, c->file_id, doc, e) ||
            (e->code == ERR_NOT_FOUND && doc_find(d, a, c->store, c->file_id, doc, e)));
}

static struct str judge(const struct verify_claim *c, const struct doc_document *doc,
                        struct str text, struct arena *a)
{
    if (c->version > 0 && c->version != doc->version)
        return moved(c, text, 0,
                     arena_printf(a, "version %jd was cited, and the document is version %u now",
                                  (intmax_t)c->version, doc->version),
                     a);
    if (c->document_sha256.len > 0 && !str_ieq(c->document_sha256, doc->content_hash))
        return moved(c, text, 0,
                     STR("the document is not the one that was cited: its hash is another"), a);
    return stands(c, text) ? STR("") : not_there(c, text, a);
}

bool verify_in_store(struct db *d, struct str tenant, const struct verify_claim *c, struct arena *a,
                     struct str *why, struct err *e)
{
    struct doc_document doc;
    struct doc_chunk *chunk;
    size_t n;
    *why = verify_quote(c, a);
    if (why->len > 0)
        return true;
    if (!find_document(d, tenant, c, a, &doc, e)) {
        *why = STR("the document is not in the store");
        return e->code == ERR_NOT_FOUND;
    }
    if (!doc_chunks_range(d, a, doc.id, 0, UINT32_MAX, &chunk, &n, e))
        return false;
    *why = judge(c, &doc, text_of_chunks(chunk, n, a), a);
    return true;
}
