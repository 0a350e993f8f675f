/* What map promises: it agrees with a plain array through a long random life. */
#include "base/map.h"
#include "base/mem.h"

#include "tap.h"

enum { KEYS = 700, STEPS = 60000 };

static struct str key_of(char text[16], unsigned i)
{
    snprintf(text, 16, "%*u", (int)(1 + i % 9), i);
    return str_from(text);
}

static void test_against_array(void)
{
    static int value[STEPS];
    void *want[KEYS] = {0};
    struct map m;
    map_init(&m);
    uint32_t seed = 1, n = 0;
    int wrong = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        seed = seed * 1664525 + 1013904223;
        unsigned i = (seed >> 8) % KEYS, action = seed >> 28;
        /* long stretches of growing and of shrinking */
        bool add = action < (step / 10000 % 2 ? 4 : 12);
        char text[16];
        struct str key = key_of(text, i);
        wrong += map_get(&m, key) != want[i];
        n += add && !want[i];
        n -= !add && want[i];
        wrong += (add ? map_set(&m, key, &value[step]) : map_remove(&m, key)) != want[i];
        want[i] = add ? &value[step] : NULL;
        wrong += m.n != n;
    }
    ok(wrong == 0, "60000 random steps give what an array gives");

    uint32_t seen = 0;
    map_each (s, &m) {
        uint64_t i;
        seen += str_to_u64(str_trim(s->key), &i) && i < KEYS && want[i] == s->value;
    }
    ok(seen == n, "map_each visits every entry once");
    map_fini(&m);
}

int main(void)
{
    struct map m;
    map_init(&m);
    ok(!map_get(&m, STR("x")) && !map_remove(&m, STR("x")) && !map_first(&m), "empty");
    ok(!map_set(&m, STR(""), &m) && map_get(&m, STR("")) == &m, "the empty key is a key");
    map_fini(&m);

    char text[] = "key";
    map_init_borrowing(&m);
    map_set(&m, str_from(text), &m);
    ok(map_first(&m)->key.p == text, "a borrowing map keeps the caller's key");
    map_fini(&m);

    test_against_array();
    return tap_done();
}
