/* The first line of an input is the content type, the rest the body. What is accepted must lie
 * inside the body, in order, and a file name must be one component. */
#include "net/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX = 8 };
    struct multipart_part part[MAX];
    struct str body = {(const char *)data, size}, type;
    struct err e = {0};
    size_t n;
    if (size == 0 || !str_split(&body, '\n', &type))
        return 0;
    struct arena *a = arena_new();
    if (!multipart_parse(type, body, a, part, MAX, &n, &e))
        CHECK(e.code && e.msg[0] && n <= MAX);
    else
        for (size_t i = 0; i < n; i++) {
            CHECK(part[i].content.p >= body.p &&
                  part[i].content.p + part[i].content.len <= body.p + body.len);
            CHECK(i == 0 || part[i].content.p > part[i - 1].content.p);
            CHECK(str_find_char(part[i].filename, '/') == STR_NPOS &&
                  str_find_char(part[i].filename, 0) == STR_NPOS);
        }
    arena_free(a);
    return 0;
}
