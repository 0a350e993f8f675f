/* Hugging Face's tokenizer.json, for BPE over bytes. Tokens are spelled there with a character for
 * each byte: printable ones of Latin-1 stand for themselves, the others for U+0100 and up. */
#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/vocab.h"
#include "text/vocab_set.h"

struct reading {
    struct arena *a;
    struct json doc;
    struct json_value root, model;
    struct vocab *v;
    int16_t byte[512]; /* what a character stands for, -1 = nothing */
};

static bool is_plain(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static void fill_alphabet(struct reading *r)
{
    unsigned next = 256;
    for (size_t i = 0; i < COUNT(r->byte); i++)
        r->byte[i] = -1;
    for (unsigned b = 0; b < 256; b++)
        r->byte[is_plain(b) ? b : next++] = (int16_t)b;
}

/* The bytes that a token is spelled for; false: it is no token of bytes but a special one. */
static bool spelled(const struct reading *r, struct str token, struct str *bytes)
{
    char *p = arena_bytes(r->a, token.len);
    size_t n = 0;
    for (size_t at = 0; at < token.len;) {
        uint32_t c = utf8_next(token, &at);
        if (c >= COUNT(r->byte) || r->byte[c] < 0)
            return false;
        p[n++] = (char)r->byte[c];
    }
    *bytes = (struct str){p, n};
    return n > 0 && n <= VOCAB_TOKEN_MOST;
}

/* A member's name is JSON text without its quotes. */
static struct str decoded(struct reading *r, struct str name)
{
    if (str_find_char(name, '\\') == STR_NPOS)
        return name;
    struct json one;
    struct err e;
    struct str quoted = arena_printf(r->a, "\"%.*s\"", STR_FMT(name));
    return json_parse(&one, r->a, quoted, 0, &e) ? json_text(json_root(&one), r->a) : STR_NONE;
}

static bool read_tokens(struct reading *r, struct err *e)
{
    struct json_value vocab = json_get(r->model, "vocab");
    if (!json_is(vocab, JSON_OBJECT))
        return err_set(e, ERR_INVALID, "'model.vocab' is not an object of tokens");
    size_t n = json_count(vocab);
    if (n > VOCAB_MOST)
        return err_set(e, ERR_INVALID, "it has more than %d tokens", VOCAB_MOST);
    r->v = vocab_new(n, r->doc.text.len);
    r->v->cut = VOCAB_CUT_COUNT; /* text is one piece until a step says otherwise */
    json_each(it, vocab)
    {
        int64_t id;
        struct str bytes;
        if (!json_int(it.value, &id) || id < 0 || id >= UINT32_MAX)
            return err_set(e, ERR_INVALID, "the id of '%.*s' is not a number of a token",
                           STR_FMT(str_head(it.name, 100)));
        if (spelled(r, decoded(r, it.name), &bytes) && !vocab_add(r->v, bytes, (uint32_t)id))
            return err_set(e, ERR_INVALID, "the token '%.*s' is there twice",
                           STR_FMT(str_head(it.name, 100)));
    }
    return vocab_finish(r->v, e);
}

/* "left right", or ["left", "right"]. */
static bool read_pair(struct reading *r, struct json_value merge, struct str *left,
                      struct str *right)
{
    if (json_is(merge, JSON_ARRAY)) {
        *left = json_text(json_at(merge, 0), r->a);
        *right = json_text(json_at(merge, 1), r->a);
    } else {
        struct str both = json_text(merge, r->a);
        size_t space = str_find_char(both, ' ');
        *left = str_head(both, space);
        *right = space == STR_NPOS ? STR_NONE : str_from_at(both, space + 1);
    }
    return left->len > 0 && right->len > 0;
}

static bool read_merge(struct reading *r, struct json_value merge, uint32_t rank, struct err *e)
{
    struct str left, right, l, m;
    if (!read_pair(r, merge, &left, &right))
        return err_set(e, ERR_INVALID, "merge %u is not a pair of tokens", rank);
    if (!spelled(r, left, &l) || !spelled(r, right, &m))
        return err_set(e, ERR_INVALID, "merge %u is not spelled in bytes", rank);
    char *p = arena_bytes(r->a, l.len + m.len);
    memcpy(p, l.p, l.len);
    memcpy(p + l.len, m.p, m.len);
    struct str both = {p, l.len + m.len};
    int64_t a = vocab_find(r->v, l), b = vocab_find(r->v, m), ab = vocab_find(r->v, both);
    if (a < 0 || b < 0 || ab < 0)
        return err_set(e, ERR_INVALID, "merge %u names a token that is not in the vocabulary",
                       rank);
    vocab_add_pair(r->v, (struct vocab_pair){(uint32_t)a, (uint32_t)b, rank, (uint32_t)ab});
    return true;
}

static bool read_merges(struct reading *r, struct err *e)
{
    struct json_value merges = json_get(r->model, "merges");
    if (!json_is(merges, JSON_ARRAY))
        return err_set(e, ERR_INVALID, "'model.merges' is not a list");
    size_t n = json_count(merges);
    if (n > VOCAB_MOST)
        return err_set(e, ERR_INVALID, "it has more than %d merges", VOCAB_MOST);
    vocab_reserve_pairs(r->v, n);
    uint32_t rank = 0;
    json_each(it, merges)
    {
        struct arena_mark mark = arena_mark(r->a);
        bool good = read_merge(r, it.value, rank++, e);
        arena_rewind(r->a, mark);
        if (!good)
            return false;
    }
    return true;
}

/* ---- What is done to text before ---- */

static bool is_type(struct json_value v, const char *type)
{
    return json_text_is(json_get(v, "type"), type);
}

static bool refuse(struct json_value what, const char *kind, struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct str type = json_text(json_get(what, "type"), tmp);
    err_set(e, ERR_INVALID, "the %s '%.*s' is not supported, so counts would be wrong", kind,
            STR_FMT(str_head(type, 100)));
    arena_rewind(tmp, mark);
    return false;
}

static bool read_normalizer(struct reading *r, struct err *e)
{
    struct json_value n = json_get(r->root, "normalizer");
    if (!json_exists(n) || json_is(n, JSON_NULL))
        return true;
    r->v->nfc = is_type(n, "NFC");
    return r->v->nfc || refuse(n, "normalizer", e);
}

static bool flag(struct json_value v, const char *name, bool otherwise)
{
    json_bool(json_get(v, name), &otherwise);
    return otherwise;
}

/* A Split by a pattern we know; ByteLevel cuts as GPT-2 did unless it is told that a Split did. */
static bool read_step(struct reading *r, struct json_value step, bool *bytes, struct err *e)
{
    if (is_type(step, "ByteLevel")) {
        *bytes = true;
        r->v->prefix_space = r->v->prefix_space || flag(step, "add_prefix_space", true);
        if (flag(step, "use_regex", true))
            r->v->cut = VOCAB_CUT_R50K;
        return true;
    }
    if (!is_type(step, "Split") || flag(step, "invert", false) ||
        !json_text_is(json_get(step, "behavior"), "Isolated"))
        return refuse(step, "pre-tokenizer", e);
    r->v->cut = vocab_cut_by_pattern(json_text(json_path(step, "pattern.Regex"), r->a));
    return r->v->cut != VOCAB_CUT_COUNT ||
           err_set(e, ERR_INVALID, "text is split by a pattern that is not known here");
}

static bool read_cut(struct reading *r, struct err *e)
{
    struct json_value pre = json_get(r->root, "pre_tokenizer");
    bool bytes = false, good = true;
    if (!json_is(pre, JSON_OBJECT))
        return err_set(e, ERR_INVALID, "there is no pre-tokenizer");
    if (!is_type(pre, "Sequence"))
        good = read_step(r, pre, &bytes, e);
    else
        json_each(it, json_get(pre, "pretokenizers")) good =
            good && read_step(r, it.value, &bytes, e);
    return good &&
           (bytes || err_set(e, ERR_INVALID, "tokens are not made of bytes (no ByteLevel)"));
}

static bool read_model(struct reading *r, struct err *e)
{
    r->model = json_get(r->root, "model");
    if (!json_is(r->model, JSON_OBJECT))
        return err_set(e, ERR_INVALID, "it is no tokenizer.json: there is no 'model'");
    /* older files do not say the type of a BPE */
    if (json_exists(json_get(r->model, "type")) && !is_type(r->model, "BPE"))
        return refuse(r->model, "model", e);
    if (flag(r->model, "byte_fallback", false))
        return err_set(e, ERR_INVALID, "BPE over characters is not supported (byte_fallback)");
    return read_tokens(r, e) && read_merges(r, e);
}

bool vocab_json_parse(struct vocab **out, struct str text, struct err *e)
{
    struct reading r = {.a = arena_new()};
    fill_alphabet(&r);
    bool good = json_parse(&r.doc, r.a, text, 0, e);
    if (good) {
        r.root = json_root(&r.doc);
        good = read_model(&r, e) && read_normalizer(&r, e) && read_cut(&r, e);
    }
    if (good) {
        r.v->whole_first = flag(r.model, "ignore_merges", false);
        *out = r.v;
    } else {
        vocab_unref(r.v);
    }
    arena_free(r.a);
    return good;
}
