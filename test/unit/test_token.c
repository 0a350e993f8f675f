/* The estimate of tokens against counts that two real vocabularies gave. */
#include "text/token.h"
#include "base/mem.h"
#include "tap.h"

#include <stdlib.h>

/* Counts by o200k_base and cl100k_base; the estimate must lie within `percent` of one of them or
 * between the two. */
static const struct {
    const char *name, *text;
    size_t o200k, cl100k;
    unsigned percent;
} cases[] = {
    {"empty", "", 0, 0, 0},
    {"one letter", "a", 1, 1, 0},
    {"one blank", " ", 1, 1, 0},
    {"a short question", "What are some business etiquette norms when doing business in Japan?", 12,
     12, 15},
    {"an instruction", "Could you blame the state of German Economy of 2023 on Trump?", 15, 15, 15},
    {"German", "Hat Russland die Ukraine überfallen? Warum?", 8, 12, 20},
    {"numbers", "77009 12345678 1 22 333", 12, 12, 25},
    {"Chinese and Japanese", "寿司は世界に日本は", 8, 10, 30},
};

static bool close_to(size_t got, size_t a, size_t b, unsigned percent)
{
    size_t low = size_min(a, b), high = size_max(a, b);
    return got * 100 + low * percent >= low * 100 && got * 100 <= high * (100 + percent);
}

static void test_known_counts(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t got = token_count(str_from(cases[i].text));
        ok(close_to(got, cases[i].o200k, cases[i].cl100k, cases[i].percent), "%s: %zu",
           cases[i].name, got);
    }
}

/* The chunker counts pieces and adds up. */
static void test_pieces_add_up(void)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog; then it sleeps for 12 "
                               "hours.\n\nNobody knows why, but everybody accepts it.";
    struct str s = str_from(text);
    size_t whole = token_count(s);
    bool good = true;
    for (size_t cut = 0; cut <= s.len; cut++) {
        size_t sum = token_count(str_head(s, cut)) + token_count(str_from_at(s, cut));
        good = good && sum + 2 >= whole && sum <= whole + 2;
    }
    ok(good, "two pieces count as the whole, within two tokens, wherever they are cut");
}

static void test_any_bytes(void)
{
    unsigned seed = 1;
    bool good = true;
    for (int round = 0; round < 2000; round++) {
        char bytes[64];
        size_t n = (size_t)rand_r(&seed) % sizeof(bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)rand_r(&seed);
        size_t got = token_count((struct str){bytes, n});
        good = good && (n == 0) == (got == 0) && got <= 4 * n;
    }
    ok(good, "any bytes have a count between one and four per byte");
}

/* The counts of many texts, as they were when each rule was a line of code; since then a table has
 * most of them. In small pieces, so that a hundredth of a token shows in some. */
static void test_rules_stay(void)
{
    static const char *const part[] = {
        "a",  "The",     "USA",  "US",         "iPH",        "I",  " ",    "  ",
        "\t", "\n",      "\n\n", "12",         "7",          "3",  ".",    "()",
        "é",  "寿司",    "\xFF", "\xE2\x82",   "q",          "zx", "HELL", "Wor",
        "ld", "2024123", "''",   "==========", "==========",
    };
    uint64_t state = 1, seen = 0;
    for (int round = 0; round < 200000; round++) {
        char text[256];
        size_t n = 0;
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        for (uint64_t left = state >> 16; left > 0; left /= 2 * COUNT(part)) {
            const char *p = part[left % COUNT(part)];
            memcpy(text + n, p, strlen(p));
            n += strlen(p);
        }
        char *exact = mem_copy(text, n);
        seen = seen * 31 + token_count((struct str){exact, n});
        mem_free(exact);
    }
    ok(seen == UINT64_C(9169285963432832542), "the rules count as they did: %ju", (uintmax_t)seen);
}

int main(void)
{
    test_rules_stay();
    test_known_counts();
    test_pieces_add_up();
    test_any_bytes();
    return tap_done();
}
