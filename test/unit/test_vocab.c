/* Vocabularies: how text is cut, how bytes merge, and what is refused. */
#include "text/vocab.h"
#include "base/arena.h"
#include "base/base64.h"
#include "tap.h"
#include "text/vocab_cut.h"

#include <stdlib.h>

/* ---- Cutting ---- */

static const struct {
    enum vocab_cut cut;
    const char *text, *pieces; /* joined by | */
} cuts[] = {
    {VOCAB_CUT_R50K, "It's 1234 a-b\n\n  c  ", "It|'s| 1234| a|-|b|\n\n | c|  "},
    {VOCAB_CUT_R50K, "IT'S", "IT|'|S"},
    {VOCAB_CUT_CL100K, "IT'S it's (so) 12345", "IT|'S| it|'s| (|so|)| |123|45"},
    {VOCAB_CUT_CL100K, "a.\n\n b\n \n  c", "a|.\n\n| b|\n \n| | c"},
    {VOCAB_CUT_CL100K, "\tx  \n", "\tx|  \n"},
    {VOCAB_CUT_CL100K, "x'ſ'll", "x|'ſ|'ll"},
    {VOCAB_CUT_CL100K, "Grüße 東京!?", "Grüße| 東京|!?"},
    {VOCAB_CUT_QWEN, "a 123", "a| |1|2|3"},
    {VOCAB_CUT_O200K, "HelloWorld don't HTMLParser", "Hello|World| don't| HTMLParser"},
    {VOCAB_CUT_O200K, "ABC abc/\n/x", "ABC| abc|/\n/|x"},
    {VOCAB_CUT_O200K, "1234'S", "123|4|'S"},
    {VOCAB_CUT_O200K,
     "e\xcc\x81"
     "AB",
     "e\xcc\x81|AB"},
    {VOCAB_CUT_COUNT, "all of it 1", "all of it 1"},
};

static void test_cuts(struct arena *a)
{
    for (size_t i = 0; i < COUNT(cuts); i++) {
        struct str text = str_from(cuts[i].text), got = STR("");
        for (size_t at = 0; at < text.len;) {
            size_t end = vocab_cut_end(cuts[i].cut, text, at);
            got = arena_printf(a, "%.*s%s%.*s", STR_FMT(got), at ? "|" : "", (int)(end - at),
                               text.p + at);
            at = end;
        }
        ok(str_eq(got, str_from(cuts[i].pieces)), "cut %zu: %.*s", i, STR_FMT(got));
    }
}

static void test_any_bytes_are_cut(void)
{
    unsigned seed = 1;
    bool good = true;
    for (int round = 0; round < 4000; round++) {
        char bytes[48];
        size_t n = 1 + (size_t)rand_r(&seed) % (sizeof(bytes) - 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = rand_r(&seed) % 2 ? " \n'aB1."[rand_r(&seed) % 7] : (char)rand_r(&seed);
        for (int cut = 0; cut < VOCAB_CUT_COUNT; cut++)
            for (size_t at = 0; at < n;) {
                size_t end = vocab_cut_end((enum vocab_cut)cut, (struct str){bytes, n}, at);
                good = good && end > at && end <= n;
                at = end > at ? end : n;
            }
    }
    ok(good, "any bytes are cut into pieces that are not empty");
}

/* ---- Merging ---- */

enum { MERGES = 40 };
static const char *const merge_left[] = {"a", "b", "c", "ab", "bc", "aa", "abc", "bb"};

/* The bytes that a tokenizer.json spells, then tokens of a, b, c made by merges in order. */
struct model {
    char token[MERGES][64];
    char left[MERGES][64], right[MERGES][64];
    size_t n;
};

static void learn(struct model *m, unsigned *seed)
{
    m->n = 0;
    while (m->n < MERGES / 2) {
        char l[64], r[64], both[64 + 64];
        size_t from = (size_t)rand_r(seed) % (m->n + 3), to = (size_t)rand_r(seed) % (m->n + 3);
        snprintf(l, sizeof(l), "%s", from < 3 ? merge_left[from] : m->token[from - 3]);
        snprintf(r, sizeof(r), "%s", to < 3 ? merge_left[to] : m->token[to - 3]);
        snprintf(both, sizeof(both), "%s%s", l, r);
        bool known = strlen(both) > 12;
        for (size_t i = 0; i < m->n; i++)
            known = known || strcmp(m->token[i], both) == 0;
        if (known)
            continue;
        snprintf(m->token[m->n], 64, "%.63s", both);
        snprintf(m->left[m->n], 64, "%s", l);
        snprintf(m->right[m->n++], 64, "%s", r);
    }
}

static void put_char(struct buf *b, unsigned byte)
{
    static unsigned spelled[256], next = 0;
    if (!next) {
        next = 256;
        for (unsigned i = 0; i < 256; i++)
            spelled[i] =
                (i >= '!' && i <= '~') || (i >= 0xa1 && i <= 0xac) || i >= 0xae ? i : next++;
    }
    buf_printf(b, "\"\\u%04x\"", spelled[byte]);
}

static struct str tokenizer_json(const struct model *m, struct buf *b, const char *more)
{
    buf_printf(b,
               "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},%s"
               "\"model\":{\"type\":\"BPE\",\"vocab\":{",
               more);
    for (unsigned i = 0; i < 256; i++) {
        put_char(b, i);
        buf_printf(b, ":%u,", i);
    }
    for (size_t i = 0; i < m->n; i++)
        buf_printf(b, "\"%s\":%zu,", m->token[i], 256 + i);
    buf_printf(b, "\"<|end|>x \":9999},\"merges\":[");
    for (size_t i = 0; i < m->n; i++)
        buf_printf(b, i % 2 ? "%s\"%s %s\"" : "%s[\"%s\",\"%s\"]", i ? "," : "", m->left[i],
                   m->right[i]);
    buf_printf(b, "]}}");
    return buf_str(b);
}

/* The textbook: look for the pair of least rank, leftmost first, until there is none. */
static size_t slow(const struct model *m, const char *text, uint32_t *id)
{
    char part[256][64];
    size_t n = strlen(text), best;
    for (size_t i = 0; i < n; i++)
        snprintf(part[i], 64, "%c", text[i]);
    do {
        size_t at = 0;
        best = m->n;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t k = 0; k < best; k++)
                if (!strcmp(part[i], m->left[k]) && !strcmp(part[i + 1], m->right[k])) {
                    best = k;
                    at = i;
                }
        if (best == m->n)
            break;
        snprintf(part[at], 64, "%s", m->token[best]);
        memmove(part[at + 1], part[at + 2], (n - at - 2) * sizeof(part[0]));
        n--;
    } while (best < m->n);
    for (size_t i = 0; i < n; i++) {
        id[i] = (unsigned char)part[i][0];
        for (size_t k = 0; k < m->n; k++)
            if (!strcmp(part[i], m->token[k]))
                id[i] = 256 + (uint32_t)k;
    }
    return n;
}

static void test_merging(void)
{
    unsigned seed = 7;
    bool good = true;
    for (int round = 0; round < 100; round++) {
        struct model m;
        struct buf b;
        struct vocab *v = NULL;
        struct err e = {0};
        buf_init(&b, 1 << 20);
        learn(&m, &seed);
        if (!vocab_parse(&v, tokenizer_json(&m, &b, ""), &e)) {
            ok(false, "parsed: %s", e.msg);
            buf_fini(&b);
            return;
        }
        for (int k = 0; k < 20; k++) {
            char text[200];
            uint32_t want[200], got[200];
            size_t n = 1 + (size_t)rand_r(&seed) % 150;
            for (size_t i = 0; i < n; i++)
                text[i] = "abc"[rand_r(&seed) % 3];
            text[n] = 0;
            size_t wanted = slow(&m, text, want);
            size_t there = vocab_encode(v, str_from(text), got, 200);
            good = good && there == wanted && memcmp(got, want, wanted * 4) == 0;
        }
        good = good && vocab_size(v) == 256 + m.n;
        vocab_unref(v);
        buf_fini(&b);
    }
    ok(good, "merges as the textbook does, and special tokens are none");
}

static void test_prefix_and_nfc(void)
{
    struct model m = {.n = 0};
    struct buf b;
    struct vocab *v = NULL;
    struct err e;
    buf_init(&b, 1 << 20);
    ok(vocab_parse(&v, tokenizer_json(&m, &b, "\"normalizer\":{\"type\":\"NFC\"},"), &e),
       "a tokenizer with a normalizer");
    ok(vocab_count(v, STR("e\xcc\x81")) == 2 && vocab_count(v, STR("\xff"
                                                                   "e\xcc\x81")) == 4,
       "text is composed, unless it is broken");
    ok(vocab_count(v, STR("")) == 0, "no text, no tokens");
    vocab_unref(v);
    buf_fini(&b);
}

/* ---- Refusals ---- */

static const struct {
    const char *name, *text, *says;
} refused[] = {
    {"WordPiece", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", "'WordPiece' is not"},
    {"Unigram", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "'Unigram' is not"},
    {"BPE over characters", "{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true}}",
     "byte_fallback"},
    {"no model", "{\"a\":1}", "no 'model'"},
    {"cut JSON", "{\"model\":", "byte"},
    {"a missing byte", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
     "no token for the byte"},
    {"a rank file of another kind", "YQ== 0\n", "no token for the byte"},
    {"no base64", "a! 0\n", "1: a line is not"},
    {"no rank", "YQ==\n", "1: a line is not"},
    {"twice", "YQ== 0\nYQ== 1\n", "2: the token"},
    {"nothing", "", "no token for the byte"},
};

static void test_refused(void)
{
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct vocab *v = NULL;
        struct err e = {0};
        bool got = vocab_parse(&v, str_from(refused[i].text), &e);
        ok(!got && str_find(str_from(e.msg), str_from(refused[i].says)) != STR_NPOS, "%s: %s",
           refused[i].name, e.msg);
    }
    struct buf b;
    struct vocab *v = NULL;
    struct err e;
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        base64_encode(&b, &byte, 1);
        buf_printf(&b, " %u\n", i);
    }
    ok(!vocab_parse(&v, buf_str(&b), &e) && strstr(e.msg, "256 ranks are none of"),
       "a rank file that nobody published: %s", e.msg);
    buf_reset(&b);
    struct model m = {.n = 0};
    struct str other =
        tokenizer_json(&m, &b, "\"pre_tokenizer\":1,\"normalizer\":{\"type\":\"Lowercase\"},");
    ok(!vocab_parse(&v, other, &e) && strstr(e.msg, "'Lowercase' is not supported"), "%s", e.msg);
    buf_fini(&b);
    ok(!vocab_load(&v, "/nonexistent/x.tiktoken", &e) && e.code == ERR_NOT_FOUND, "no file");
    ok(vocab_tokens(NULL, STR("one two")) > 0, "without a vocabulary there is the estimate");
}

int main(void)
{
    struct arena *a = arena_new();
    test_cuts(a);
    test_any_bytes_are_cut();
    test_merging();
    test_prefix_and_nfc();
    test_refused();
    arena_free(a);
    return tap_done();
}
