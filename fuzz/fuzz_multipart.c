/* The first line of an input is the content type, the rest the body. What is accepted must lie
 * inside the body, in order, and a file name must be one component. Read in small pieces the parts
 * and contents are the same. */
#include "net/multipart.h"

enum { MAX = 8, PIECE = 61 };

/* Checks what comes in pieces against the parts that came in one go. */
static void in_pieces(struct str type, struct str body, const struct multipart_part *want, size_t n,
                      struct arena *a)
{
    struct multipart m;
    struct multipart_part part;
    size_t parts = 0, at = 0, given = size_min(PIECE, body.len);
    struct str in = str_head(body, given);
    enum multipart_event got;
    CHECK(multipart_begin(&m, type, a, NULL));
    while ((got = multipart_next(&m, &in, given == body.len, &part, NULL)) != MULTIPART_END) {
        CHECK(got != MULTIPART_BAD);
        if (got == MULTIPART_PART) {
            CHECK(parts == 0 || at == want[parts - 1].content.len);
            CHECK(parts < n && str_eq(part.name, want[parts].name));
            parts++;
            at = 0;
        } else if (got == MULTIPART_CONTENT) {
            struct str rest = str_from_at(want[parts - 1].content, at);
            CHECK(part.content.len && str_starts(rest, part.content));
            at += part.content.len;
        } else {
            size_t more = size_min(PIECE, body.len - given);
            CHECK(more > 0);
            in.len += more;
            given += more;
            in.p = body.p + given - in.len;
        }
    }
    CHECK(parts == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
            CHECK(part[i].content.len == 0 ||
                  (part[i].content.p >= body.p &&
                   part[i].content.p + part[i].content.len <= body.p + body.len));
            CHECK(str_find_char(part[i].filename, '/') == STR_NPOS &&
                  str_find_char(part[i].filename, 0) == STR_NPOS);
        }
    if (!e.code)
        in_pieces(type, body, part, n, a);
    arena_free(a);
    return 0;
}
