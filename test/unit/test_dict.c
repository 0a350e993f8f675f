/* Words are found by hash, by order, by their beginning, and by what is near them. */
#include "index/dict.h"
#include "base/hash.h"
#include "base/mem.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORDS = 5000 };

static char word[WORDS][32];
static size_t n_words;

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Short words over few letters, so that many are alike, and some long ones. */
static void make_words(void)
{
    unsigned seed = 9;
    for (size_t i = 0; i < WORDS; i++) {
        size_t len = 1 + (size_t)rand_r(&seed) % (i % 50 ? 7 : 30);
        for (size_t k = 0; k < len; k++)
            word[i][k] = "abcde"[rand_r(&seed) % 5];
    }
    qsort(word, WORDS, sizeof(word[0]), by_text);
    for (size_t i = 0; i < WORDS; i++)
        if (i == 0 || strcmp(word[i], word[n_words - 1]) != 0)
            memmove(word[n_words++], word[i], sizeof(word[0]));
}

static bool open_dict(struct dict *d, struct dict_writer *w)
{
    uint64_t list;
    *d = (struct dict){.n = w->n, .text = {w->text, w->len}, .at = w->at};
    return dict_open(d, &list) && list == w->list;
}

/* The textbook's table, on bytes. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t n = strlen(b);
    for (unsigned k = 0; k <= n; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t k = 0; k < n; k++) {
            unsigned best = corner + (a[i] != b[k]);
            best = row[k] + 1 < best ? row[k] + 1 : best;
            best = row[k + 1] + 1 < best ? row[k + 1] + 1 : best;
            corner = row[k + 1];
            row[k + 1] = best;
        }
    }
    return row[n];
}

struct seen {
    size_t n;
    bool wrong;
    const char *want;
};

static bool see(void *arg, const struct dict_cursor *c, unsigned at)
{
    struct seen *s = arg;
    s->n++;
    s->wrong = s->wrong || (s->want && distance(word[c->number], s->want) != at);
    return true;
}

static void test_finding(const struct dict *d)
{
    struct dict_cursor c;
    bool found = true, ordered = true;
    for (uint32_t i = 0; i < n_words; i++) {
        struct str w = str_from(word[i]);
        found = found && dict_find(&c, d, hash_stable(w)) && c.number == i && c.df == i + 1 &&
                str_eq(dict_word(&c), w) && c.list == (uint64_t)i * 3;
        ordered = ordered && dict_lower(&c, d, w) && c.number == i;
    }
    ok(found, "each of %zu words by its hash", n_words);
    ok(ordered, "and by its text");
    ok(!dict_find(&c, d, hash_stable(STR("nothing"))), "an unknown one is not there");
    ok(dict_lower(&c, d, STR("")) && c.number == 0, "everything is behind the empty word");
    ok(!dict_lower(&c, d, STR("zz")), "nothing behind the last");
}

static void test_prefix(const struct dict *d)
{
    static const char *const start[] = {"", "a", "abc", "eeee", "dab", "f", "abcdabcdabcd"};
    for (size_t i = 0; i < COUNT(start); i++) {
        struct seen s = {0};
        size_t want = 0;
        for (size_t k = 0; k < n_words; k++)
            want += strncmp(word[k], start[i], strlen(start[i])) == 0;
        dict_prefix(d, str_from(start[i]), see, &s);
        ok(s.n == want, "'%s*': %zu words", start[i], want);
    }
}

static void test_fuzzy(const struct dict *d)
{
    static const char *const like[] = {"abc", "a", "eeeeee", "abcdeabc", "dadada", "xyz", "ab"};
    for (size_t i = 0; i < COUNT(like); i++)
        for (unsigned most = 0; most <= 2; most++) {
            struct seen s = {.want = like[i]};
            size_t want = 0;
            for (size_t k = 0; k < n_words; k++)
                want += distance(word[k], like[i]) <= most;
            dict_fuzzy(d, str_from(like[i]), most, see, &s);
            ok(s.n == want && !s.wrong, "'%s'~%u: %zu words", like[i], most, want);
        }
}

static void test_characters(void)
{
    static const char *const words[] = {"brucke", "brücke", "brücken", "köln"};
    struct dict_writer w = {0};
    struct dict d;
    struct seen s = {0};
    for (size_t i = 0; i < COUNT(words); i++)
        dict_put(&w, str_from(words[i]), 1, 1);
    ok(open_dict(&d, &w), "words outside of ASCII");
    dict_fuzzy(&d, STR("brucke"), 1, see, &s);
    ok(s.n == 2, "a letter counts as one, whatever its bytes");
    dict_fini(&d);
    dict_writer_fini(&w);
}

static void test_damage(const struct dict_writer *w)
{
    unsigned seed = 4;
    size_t refused = 0;
    for (int round = 0; round < 2000; round++) {
        char *text = mem_copy(w->text, w->len);
        struct dict d = {.n = w->n, .text = {text, w->len}, .at = w->at};
        uint64_t list;
        size_t at = (size_t)rand_r(&seed) % w->len;
        text[at] = (char)(text[at] ^ (1 << rand_r(&seed) % 8));
        d.text.len -= round % 3 ? 0 : (size_t)rand_r(&seed) % 50;
        refused += !dict_open(&d, &list);
        dict_fini(&d);
        mem_free(text);
    }
    ok(refused > 500, "of 2,000 damaged dictionaries %zu are refused, none does harm", refused);
}

int main(void)
{
    struct dict_writer w = {0};
    struct dict d;
    make_words();
    for (uint32_t i = 0; i < n_words; i++)
        dict_put(&w, str_from(word[i]), i + 1, 3);
    ok(open_dict(&d, &w), "%zu words in %zu bytes", n_words, w.len);
    test_finding(&d);
    test_prefix(&d);
    test_fuzzy(&d);
    test_characters();
    test_damage(&w);
    dict_fini(&d);
    dict_writer_fini(&w);
    struct dict none = {.text = {"", 0}};
    struct dict_cursor c;
    uint64_t list;
    ok(dict_open(&none, &list) && !dict_find(&c, &none, 1) && !dict_lower(&c, &none, STR("")),
       "an empty one");
    dict_fini(&none);
    return tap_done();
}
