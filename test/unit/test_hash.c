/* What hash promises: equal texts agree, different ones differ, the stable one never changes. */
#include "base/hash.h"

#include "tap.h"

int main(void)
{
    char text[1000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7);
    int same = 0, differ = 0, wide = 0;
    for (size_t n = 0; n < sizeof(text); n++) {
        struct str s = {text, n}, longer = {text, n + 1 < sizeof(text) ? n + 1 : 0};
        struct hash128 a = hash128(s), b = hash128(longer);
        same += hash64(s) == hash64(s);
        differ += hash64(s) != hash64(longer);
        wide += a.lo != b.lo && a.hi != b.hi;
    }
    ok(same == 1000, "a text has one hash");
    ok(differ == 1000 && wide == 1000, "texts of other lengths have others");
    ok(hash64(STR("penstock")) != hash_stable(STR("penstock")), "the process has a key of its own");
    ok(hash_stable(STR("")) == UINT64_C(0x2d06800538d394c2), "the stable hash is XXH3 (empty)");
    ok(hash_stable(STR("penstock")) == UINT64_C(0xfb5a0b813e4c7327),
       "the stable hash is XXH3 (text)");
    return tap_done();
}
