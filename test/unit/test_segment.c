/* One segment: what goes in comes out, word by word; merging drops the dead. */
#include "index/segment.h"
#include "base/hash.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

enum { PASSAGES = 70000, TERMS = 5 };

static const struct bm25_params params = {0.9f, 0.4f, {2, 1, 1}};

/* Term t stands in the passages that t + 1 divides: once in the title if 7 divides the passage, and
 * t + 1 times in the body. Passage p is of document p / 7. */
static struct str name(unsigned t, char text[16])
{
    return (struct str){text, (size_t)snprintf(text, 16, "term%u", t)};
}

static uint64_t hash_of(unsigned t)
{
    char text[16];
    return hash_stable(name(t, text));
}

static void add_token(struct bm25_passage *p, struct bm25_token *token, unsigned t, uint8_t field)
{
    token[p->n++] = (struct bm25_token){.term = hash_of(t), .at = t * 16, .len = 5, .field = field};
    p->length[field]++;
}

static void add_passage(struct segment_builder *b, uint32_t i)
{
    struct bm25_token token[32];
    char text[TERMS * 16];
    struct bm25_passage p = {.token = token, .text = text};
    for (unsigned t = 0; t < TERMS; t++)
        name(t, text + t * 16);
    for (unsigned t = 0; t < TERMS; t++)
        if (i % 7 == 0 && i % (t + 1) == 0)
            add_token(&p, token, t, BM25_TITLE);
    for (unsigned t = 0; t < TERMS; t++)
        for (unsigned k = 0; i % (t + 1) == 0 && k <= t; k++)
            add_token(&p, token, t, BM25_BODY);
    segment_builder_add(b, i / 7, LANG_DE, i, &p);
}

static struct segment *build(uint32_t first, uint32_t n)
{
    struct segment_builder *b = segment_builder_new();
    for (uint32_t p = first; p < first + n; p++)
        add_passage(b, p);
    ok(segment_builder_passages(b) == n && segment_builder_holds(b, first / 7) &&
           !segment_builder_holds(b, UINT32_MAX),
       "the builder knows what it holds");
    struct segment *s = segment_build(b, &params);
    ok(segment_builder_passages(b) == 0, "and is empty afterwards");
    segment_builder_free(b);
    return s;
}

/* The postings of term t are those of the living passages of [0, PASSAGES) by key. */
static bool right(const struct segment *s, unsigned t, bool (*lives)(uint32_t))
{
    static struct segment_block block[PASSAGES];
    struct dict_cursor c;
    uint32_t p = 0, df = 0;
    if (!segment_find(s, hash_of(t), &c))
        return false;
    uint32_t n = segment_n_blocks(s, &c);
    segment_blocks(s, &c, block);
    for (uint32_t k = 0; k < n; k++) {
        struct segment_postings out;
        float max = 0;
        segment_unpack(s, &block[k], &out);
        for (uint32_t i = 0; i < out.n; i++, df++) {
            while (p % (t + 1) != 0 || !lives(p))
                p++;
            uint32_t passage = out.passage[i];
            const struct segment_code *code = &s->code[out.code[i]];
            if (s->key[passage] != p || code->count[BM25_BODY] != t + 1 ||
                code->count[BM25_TITLE] != (p % 7 == 0) || code->count[BM25_SECTION] != 0)
                return false;
            p++;
            float share =
                bm25_share(&params, bm25_count(&params, code), s->length[passage], s->mean_length);
            max = share > max ? share : max;
        }
        if (block[k].max < max || block[k].max > max + 0.01f ||
            (n > 1 && out.passage[out.n - 1] != block[k].last))
            return false;
    }
    for (; p < PASSAGES; p++)
        if (p % (t + 1) == 0 && lives(p))
            return false;
    return df == c.df;
}

static bool all_live(uint32_t p)
{
    (void)p;
    return true;
}

static bool most_live(uint32_t p)
{
    return p / 7 % 3 != 1;
}

static bool owners_right(const struct segment *s)
{
    for (uint32_t p = 0; p < s->n_passages; p++)
        if (s->document[s->owner[p]].number != s->key[p] / 7 ||
            s->document[s->owner[p]].lang != LANG_DE)
            return false;
    return true;
}

static void check(const struct segment *s, bool (*lives)(uint32_t), const char *what)
{
    struct dict_cursor c;
    for (unsigned t = 0; t < TERMS; t++)
        ok(right(s, t, lives), "%s: postings of term %u", what, t);
    ok(!segment_find(s, 12345, &c), "%s: an unknown term", what);
    ok(owners_right(s), "%s: each passage knows its document", what);
    ok(!segment_find_document(s, 1 << 30) && segment_find_document(s, 0)->n == 7,
       "%s: documents are found", what);
}

static void test_merge(void)
{
    static const uint32_t cut[] = {0, 49, 1050, 35000, PASSAGES};
    struct segment *part[4];
    uint64_t *dead[4];
    for (size_t i = 0; i < 4; i++) {
        part[i] = build(cut[i], cut[i + 1] - cut[i]);
        dead[i] = mem_array(part[i]->n_passages / 64 + 1, sizeof(uint64_t));
        for (uint32_t p = 0; p < part[i]->n_passages; p++)
            dead[i][p / 64] |= (uint64_t)!most_live(cut[i] + p) << p % 64;
    }
    struct segment *merged = segment_merge(part, (const uint64_t *const *)dead, 4, &params);
    check(merged, most_live, "merged");
    segment_unref(merged);
    for (size_t i = 0; i < 4; i++) {
        segment_unref(part[i]);
        mem_free(dead[i]);
    }
}

static void test_counts_saturate(void)
{
    struct segment_builder *b = segment_builder_new();
    static struct bm25_token token[300];
    for (size_t i = 0; i < 300; i++)
        token[i] = (struct bm25_token){hash_of(7), 0, 5, BM25_BODY};
    struct bm25_passage p = {.token = token, .n = 300, .text = "term7", .length = {0, 0, 300}};
    struct bm25_passage none = {.text = ""};
    segment_builder_add(b, 1, LANG_DE, 1, &p);
    segment_builder_add(b, 1, LANG_DE, 2, &none);
    segment_builder_add(b, 9, LANG_EN, -5, &none);
    segment_builder_add(b, 3, LANG_DE, INT64_MAX, &p);
    struct segment *s = segment_build(b, &params);
    struct dict_cursor c;
    struct segment_block block;
    struct segment_postings out;
    ok(segment_find(s, hash_of(7), &c) && c.df == 2, "the word is found");
    segment_blocks(s, &c, &block);
    segment_unpack(s, &block, &out);
    ok(s->code[out.code[0]].count[BM25_BODY] == 255, "300 of a term count as 255");
    ok(s->n_passages == 4 && s->n_documents == 3 && s->document[0].n == 2,
       "a passage without terms is a passage");
    ok(s->key[2] == -5 && s->key[3] == INT64_MAX && segment_find_document(s, 3)->first == 3 &&
           segment_find_document(s, 9)->lang == LANG_EN,
       "keys and numbers in any order");
    segment_unref(s);
    segment_builder_free(b);
}

int main(void)
{
    struct err e;
    struct segment *s = build(0, PASSAGES), *loaded;
    check(s, all_live, "built");
    struct segment_holder *holder = segment_holder_new(NULL, mem_copy(s->image.p, s->image.len));
    struct str image = {holder->bytes, s->image.len};
    ok(segment_load(&loaded, image, holder, &params, &e), "its image loads");
    check(loaded, all_live, "loaded");
    segment_unref(loaded);
    ok(!segment_load(&loaded, str_head(image, image.len - 8), holder, &params, &e) &&
           e.code == ERR_CORRUPT,
       "a shorter one does not");
    segment_holder_unref(holder);
    segment_unref(s);
    test_merge();
    test_counts_saturate();
    return tap_done();
}
