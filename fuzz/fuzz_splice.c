/* Whatever object comes, splicing members of it gives JSON that says what it should: new values
 * stand, those taken out are gone, and every other member has its bytes. The first byte of an input
 * says which members change and how. */
#include "model/splice.h"

#include <stdint.h>

static const char *const names[] = {"a", "b", "model"};

/* The splice of `in` has to hold all other members of it, in order, byte for byte. */
static void compare(const struct json *was, const struct json *is, const struct splice_member *m,
                    size_t n)
{
    struct json_iter got = json_first(json_root(is));
    json_each(it, json_root(was))
    {
        const struct splice_member *change = NULL;
        struct json_value name = {was, it.value.i - 1};
        for (size_t i = 0; i < n; i++)
            if (json_text_is(name, m[i].name))
                change = &m[i];
        if (change && !change->json.p)
            continue;
        CHECK(json_exists(got.value) && str_eq(got.name, it.name));
        CHECK(str_eq(json_raw(got.value), change ? change->json : json_raw(it.value)));
        json_next(&got);
    }
    for (size_t i = 0; i < n; i++) {
        if (!m[i].json.p || json_exists(json_get(json_root(was), m[i].name)))
            continue;
        CHECK(json_exists(got.value) && str_eq(got.name, str_from(m[i].name)));
        CHECK(str_eq(json_raw(got.value), m[i].json));
        json_next(&got);
    }
    CHECK(!json_exists(got.value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 16)
        return 0;
    struct arena *a = arena_new();
    struct str in = {mem_copy(data + 1, size - 1), size - 1};
    struct splice_member m[COUNT(names)];
    struct json was, is;
    struct err e;
    size_t n = 0;
    for (size_t i = 0; i < COUNT(names); i++) {
        int how = data[0] >> (2 * i) & 3; /* 0: leave it */
        if (how == 1)
            m[n++] = (struct splice_member){names[i], STR_NONE};
        else if (how > 1)
            m[n++] = (struct splice_member){names[i], how == 2 ? STR("{\"x\":[1]}") : STR("0")};
    }
    bool unique = json_parse(&was, a, in, JSON_UNIQUE, &e);
    if ((unique || json_parse(&was, a, in, 0, &e)) && json_is(json_root(&was), JSON_OBJECT)) {
        struct splice s;
        splice_init(&s, &was);
        splice_object(&s, json_root(&was), m, n);
        struct str out = splice_text(&s, a);
        CHECK(json_parse(&is, a, out, unique ? JSON_UNIQUE : 0, &e));
        if (unique)
            compare(&was, &is, m, n);
    }
    mem_free((void *)in.p);
    arena_free(a);
    return 0;
}
