/* One segment: what goes in comes out, term by term; merging drops the dead. */
#include "index/segment.h"
#include "tap.h"

#include <stdlib.h>

enum { PASSAGES = 70000, TERMS = 5 };

/* Term t stands in the passages that t + 1 divides, t + 1 times. Passage p is of document p / 7. */
static uint64_t name(unsigned t)
{
    return (t + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct segment *build(uint32_t first, uint32_t n)
{
    struct segment_builder *b = segment_builder_new((struct bm25_params){0.9f, 0.4f});
    for (uint32_t p = first; p < first + n; p++) {
        uint64_t term[32];
        size_t len = 0;
        for (unsigned t = 0; t < TERMS; t++)
            for (unsigned i = 0; p % (t + 1) == 0 && i <= t; i++)
                term[len++] = name(t);
        segment_builder_add(b, p / 7, LANG_DE, p, term, len, (uint32_t)len);
    }
    ok(segment_builder_passages(b) == n && segment_builder_holds(b, first / 7) &&
           !segment_builder_holds(b, -1),
       "the builder knows what it holds");
    struct segment *s = segment_build(b);
    ok(segment_builder_passages(b) == 0, "and is empty afterwards");
    segment_builder_free(b);
    return s;
}

/* The postings of term t are those of the living passages of [0, PASSAGES) by key. */
static bool right(const struct segment *s, unsigned t, bool (*lives)(uint32_t))
{
    uint32_t index = segment_find(s, name(t)), p = 0;
    if (index == SEGMENT_NO_TERM)
        return false;
    for (uint32_t k = s->term_block[index]; k < s->term_block[index + 1]; k++) {
        const struct segment_block *b = &s->block[k];
        float max = 0;
        for (uint32_t at = b->at; at < b[1].at; at++) {
            while (p % (t + 1) != 0 || !lives(p))
                p++;
            uint32_t passage = b->base + s->distance[at];
            if (s->key[passage] != p++ || s->count[at] != t + 1)
                return false;
            float length = (float)s->passage_length[passage];
            float tf = bm25_tf(&s->params, s->count[at], length, s->mean_length);
            max = tf > max ? tf : max;
        }
        if (b->max != max || b->base + s->distance[b[1].at - 1] != b->last)
            return false;
    }
    for (; p < PASSAGES; p++)
        if (p % (t + 1) == 0 && lives(p))
            return false;
    return true;
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
        if (s->document[s->owner[p]].id != s->key[p] / 7)
            return false;
    return true;
}

static void check(const struct segment *s, bool (*lives)(uint32_t), const char *what)
{
    for (unsigned t = 0; t < TERMS; t++)
        ok(right(s, t, lives), "%s: postings of term %u", what, t);
    ok(segment_find(s, 12345) == SEGMENT_NO_TERM, "%s: an unknown term", what);
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
    struct segment *merged = segment_merge(part, (const uint64_t *const *)dead, 4);
    check(merged, most_live, "merged");
    segment_unref(merged);
    for (size_t i = 0; i < 4; i++) {
        segment_unref(part[i]);
        mem_free(dead[i]);
    }
}

static void test_counts_saturate(void)
{
    struct segment_builder *b = segment_builder_new((struct bm25_params){0.9f, 0.4f});
    uint64_t term[300];
    for (size_t i = 0; i < 300; i++)
        term[i] = 7;
    segment_builder_add(b, 1, LANG_DE, 1, term, 300, 300);
    segment_builder_add(b, 1, LANG_DE, 2, term, 0, 0);
    struct segment *s = segment_build(b);
    ok(s->count[0] == 255, "300 of a term count as 255");
    ok(s->n_passages == 2 && s->n_documents == 1 && s->document[0].n == 2,
       "a passage without terms is a passage");
    segment_unref(s);
    segment_builder_free(b);
}

int main(void)
{
    struct err e;
    struct segment *s = build(0, PASSAGES), *loaded;
    check(s, all_live, "built");
    ok(segment_load(&loaded, s->image, NULL, &e), "its image loads");
    check(loaded, all_live, "loaded");
    segment_unref(loaded);
    ok(!segment_load(&loaded, str_head(s->image, s->image.len - 8), NULL, &e) &&
           e.code == ERR_CORRUPT,
       "a shorter one does not");
    segment_unref(s);
    test_merge();
    test_counts_saturate();
    return tap_done();
}
