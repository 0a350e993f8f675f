/* What multipart promises: parts as browsers, curl and the official clients send them; nothing half
 * or ambiguous. */
#include "net/multipart.h"

#include "base/buf.h"

#include "tap.h"

#define IN(text)                                                                                   \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    } /* a struct str that a table may hold */
#define TYPE "multipart/form-data; boundary=b"
#define PART(head, content) "--b\r\n" head "\r\n\r\n" content "\r\n"
#define NAME(text) "Content-Disposition: form-data; name=" text

static const struct {
    const char *name, *type;
    struct str body;
    enum err_code code; /* ERR_NONE: good */
    size_t n;
    const char *first, *content; /* of part 0 */
} cases[] = {
    {"one part", TYPE, IN(PART(NAME("\"a\""), "x") "--b--\r\n"), 0, 1, "a", "x"},
    {"no line end at the end", TYPE, IN(PART(NAME("\"a\""), "x") "--b--"), 0, 1, "a", "x"},
    {"unquoted name", TYPE, IN(PART(NAME("a"), "x") "--b--"), 0, 1, "a", "x"},
    {"quoted boundary", "Multipart/Form-Data; charset=x; boundary=\"b\"",
     IN(PART(NAME("a"), "x") "--b--"), 0, 1, "a", "x"},
    {"preamble and epilogue", TYPE, IN("hello\r\n" PART(NAME("a"), "x") "--b--\r\nbye"), 0, 1, "a",
     "x"},
    {"padding behind the boundary", TYPE, IN("--b \t\r\n" NAME("a") "\r\n\r\nx\r\n--b-- \r\n"), 0,
     1, "a", "x"},
    {"two parts", TYPE, IN(PART(NAME("a"), "x") PART(NAME("b"), "y") "--b--"), 0, 2, "a", "x"},
    {"no part", TYPE, IN("--b--\r\n"), 0, 0, NULL, NULL},
    {"empty content", TYPE, IN(PART(NAME("a"), "") "--b--"), 0, 1, "a", ""},
    {"empty content, one line end", TYPE, IN("--b\r\n" NAME("a") "\r\n\r\n--b--"), 0, 1, "a", ""},
    {"line ends in the content", TYPE, IN(PART(NAME("a"), "\r\n\r\nx\r\n") "--b--"), 0, 1, "a",
     "\r\n\r\nx\r\n"},
    {"content like a longer boundary", TYPE,
     IN(PART(NAME("a"), "1\r\n--bc\r\n--b-\r\n--b--x\r\n2") "--b--"), 0, 1, "a",
     "1\r\n--bc\r\n--b-\r\n--b--x\r\n2"},
    {"boundary inside a line", TYPE, IN(PART(NAME("a"), "1--b\r\n2") "--b--"), 0, 1, "a",
     "1--b\r\n2"},
    {"escaped quote in the name", TYPE, IN(PART(NAME("\"a\\\"b\""), "x") "--b--"), 0, 1, "a\"b",
     "x"},
    {"name of an array", TYPE, IN(PART(NAME("\"e[anchor]\""), "x") "--b--"), 0, 1, "e[anchor]",
     "x"},
    {"encoding that is none", TYPE,
     IN(PART(NAME("a") "\r\nContent-Transfer-Encoding: binary", "x") "--b--"), 0, 1, "a", "x"},

    {"another type", "application/json", IN("{}"), ERR_MEDIA},
    {"multipart/mixed", "multipart/mixed; boundary=b", IN("--b--"), ERR_MEDIA},
    {"no type", "", IN(""), ERR_MEDIA},
    {"no boundary", "multipart/form-data", IN("--b--"), ERR_INVALID},
    {"empty boundary", "multipart/form-data; boundary=", IN("----"), ERR_INVALID},
    {"boundary of 71",
     "multipart/form-data; boundary="
     "12345678901234567890123456789012345678901234567890123456789012345678901",
     IN("x"), ERR_INVALID},
    {"boundary with an open quote", "multipart/form-data; boundary=\"b", IN("--b--"), ERR_INVALID},
    {"empty body", TYPE, IN(""), ERR_INVALID},
    {"other boundary in the body", TYPE, IN("--c\r\n" NAME("a") "\r\n\r\nx\r\n--c--"), ERR_INVALID},
    {"cut in the content", TYPE, IN(PART(NAME("a"), "x")), ERR_INVALID},
    {"cut in the closing boundary", TYPE, IN(PART(NAME("a"), "x") "--b-"), ERR_INVALID},
    {"cut in the head", TYPE, IN("--b\r\n" NAME("a") "\r\n"), ERR_INVALID},
    {"cut in a header line", TYPE, IN("--b\r\nContent-Disp"), ERR_INVALID},
    {"bare line feeds", TYPE, IN("--b\n" NAME("a") "\n\nx\n--b--\n"), ERR_INVALID},
    {"no name", TYPE, IN(PART("Content-Disposition: form-data", "x") "--b--"), ERR_INVALID},
    {"no disposition", TYPE, IN(PART("Content-Type: text/plain", "x") "--b--"), ERR_INVALID},
    {"two names", TYPE, IN(PART(NAME("a; name=b"), "x") "--b--"), ERR_INVALID},
    {"two dispositions", TYPE, IN(PART(NAME("a") "\r\n" NAME("b"), "x") "--b--"), ERR_INVALID},
    {"not form-data", TYPE, IN(PART("Content-Disposition: file; name=a", "x") "--b--"),
     ERR_INVALID},
    {"folded header", TYPE, IN(PART(NAME("a;\r\n filename=b"), "x") "--b--"), ERR_INVALID},
    {"open quote", TYPE, IN(PART(NAME("\"a"), "x") "--b--"), ERR_INVALID},
    {"parameter without value", TYPE, IN(PART(NAME("a; x"), "x") "--b--"), ERR_INVALID},
    {"base64", TYPE, IN(PART(NAME("a") "\r\nContent-Transfer-Encoding: base64", "eA==") "--b--"),
     ERR_INVALID},
    {"too many parts", TYPE,
     IN(PART(NAME("a"), "") PART(NAME("b"), "") PART(NAME("c"), "") PART(NAME("d"), "") "--b--"),
     ERR_LIMIT},
};

static void test_cases(struct arena *a)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct multipart_part part[3];
        size_t n = 99;
        struct err e = {0};
        char *body = mem_copy(cases[i].body.p, cases[i].body.len); /* exact, for the sanitizer */
        bool good = multipart_parse(str_from(cases[i].type), (struct str){body, cases[i].body.len},
                                    a, part, 3, &n, &e);
        if (cases[i].code)
            ok(!good && e.code == cases[i].code, "%s: %s", cases[i].name, e.msg);
        else
            ok(good && n == cases[i].n &&
                   (!n || (str_eq(part[0].name, str_from(cases[i].first)) &&
                           str_eq(part[0].content, str_from(cases[i].content)))),
               "%s: %s", cases[i].name, e.msg);
        mem_free(body);
    }
}

static const struct {
    const char *parameter, *name; /* NULL: no file name */
} files[] = {
    {"", NULL},
    {"; filename=a.txt", "a.txt"},
    {"; FileName=\"a b.txt\"", "a b.txt"},
    {"; filename=\"a;b.txt\"", "a;b.txt"},
    {"; filename=\"/etc/passwd\"", "passwd"},
    {"; filename=\"..\\..\\x.txt\"", "x.txt"},
    {"; filename=\"C:\\dir\\x.txt\"", "x.txt"},
    {"; filename=\"a%2Fb%5cc.txt\"", "c.txt"},
    {"; filename=\"\xC3\xA4.txt\"", "\xC3\xA4.txt"},
    {"; filename=\"%C3%A4.txt\"", "\xC3\xA4.txt"},
    {"; filename=\"100%.txt\"", "100%.txt"},
    {"; filename=\"%FF.txt\"", "%FF.txt"},
    {"; filename=\"a%22b.txt\"", "a\"b.txt"},
    {"; filename=\"a%0D%0Ab%00.txt\"", "a__b_.txt"},
    {"; filename=\"x\"; filename*=UTF-8''%e2%82%ac.txt", "\xE2\x82\xAC.txt"},
    {"; filename*=utf-8'en'y.txt; filename=\"x\"", "y.txt"},
    {"; filename=\"\"", ""},
};

static void test_files(struct arena *a)
{
    for (size_t i = 0; i < COUNT(files); i++) {
        struct multipart_part part[2];
        size_t n = 0;
        struct str body = arena_printf(a,
                                       PART(NAME("\"file\"%s") "\r\nContent-Type: text/plain", "x")
                                           PART(NAME("purpose"), "user_data") "--b--",
                                       files[i].parameter);
        bool good = multipart_parse(STR(TYPE), body, a, part, 2, &n, NULL);
        ok(good && n == 2 && part[0].has_filename == (files[i].name != NULL) &&
               str_eq(part[0].filename, str_from(files[i].name)) &&
               str_eq(part[0].content_type, STR("text/plain")) && !part[1].has_filename,
           "file name '%s'", files[i].parameter);
    }
}

/* Any bytes go through, and every cut of a good body is refused. */
static void test_bytes(struct arena *a)
{
    char content[1024];
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)(i * 7 + (i >> 8));
    struct buf b;
    buf_init(&b, 4096);
    buf_add(&b, STR("--b\r\n" NAME("f; filename=x") "\r\n\r\n"));
    buf_add(&b, (struct str){content, sizeof(content)});
    buf_add(&b, STR("\r\n--b--"));
    struct multipart_part part[1];
    size_t n;
    ok(multipart_parse(STR(TYPE), buf_str(&b), a, part, 1, &n, NULL) && n == 1 &&
           str_eq(part[0].content, (struct str){content, sizeof(content)}),
       "every byte value comes through");
    size_t accepted = 0;
    for (size_t len = 0; len < b.len; len++) {
        char *cut = mem_copy(b.p, len);
        accepted += multipart_parse(STR(TYPE), (struct str){cut, len}, a, part, 1, &n, NULL);
        mem_free(cut);
    }
    ok(accepted == 0, "no truncated body is accepted");
    buf_fini(&b);
}

/* The same parts whatever pieces the body comes in. The window is moved as its owner has to. */
static size_t in_pieces(struct arena *a, struct str body, size_t piece, struct buf *content)
{
    static char window[MULTIPART_WINDOW];
    struct multipart m;
    struct multipart_part part;
    struct str in = {window, 0};
    size_t parts = 0;
    buf_reset(content);
    if (!multipart_begin(&m, STR(TYPE), a, NULL))
        return 0;
    for (;;) {
        switch (multipart_next(&m, &in, body.len == 0, &part, NULL)) {
        case MULTIPART_BAD: return 0;
        case MULTIPART_END: return parts;
        case MULTIPART_PART: parts++; break;
        case MULTIPART_CONTENT: buf_add(content, part.content); break;
        case MULTIPART_MORE:
            memmove(window, in.p, in.len);
            size_t n = size_min(size_min(piece, body.len), sizeof(window) - in.len);
            if (n == 0)
                return 0;
            memcpy(window + in.len, body.p, n);
            in = (struct str){window, in.len + n};
            body = str_from_at(body, n);
        }
    }
}

static void test_pieces(struct arena *a)
{
    struct buf b, got, want;
    buf_init(&b, 1 << 20);
    buf_init(&got, 1 << 20);
    buf_init(&want, 1 << 20);
    for (int i = 0; i < 5000; i++) /* what is nearly a boundary, everywhere */
        buf_printf(&want, "%d\r\n--b%s", i, i % 3 ? "x" : i % 5 ? "-\r\n" : "\n");
    buf_add(&b, STR("hello\r\n--b\r\n" NAME("f; filename=x") "\r\n\r\n"));
    buf_add(&b, buf_str(&want));
    buf_add(&b, STR("\r\n--b\r\n" NAME("e") "\r\n\r\n\r\n--b--"));
    static const size_t pieces[] = {1, 2, 7, 100, 1500, 4096, 32768};
    for (size_t i = 0; i < COUNT(pieces); i++)
        ok(in_pieces(a, buf_str(&b), pieces[i], &got) == 2 && str_eq(buf_str(&got), buf_str(&want)),
           "in pieces of %zu", pieces[i]);
    b.len -= 2;
    ok(in_pieces(a, buf_str(&b), 1000, &got) == 0, "one that is cut is refused");
    buf_fini(&b);
    buf_fini(&got);
    buf_fini(&want);
}

int main(void)
{
    struct arena *a = arena_new();
    test_cases(a);
    test_files(a);
    test_bytes(a);
    test_pieces(a);
    arena_free(a);
    return tap_done();
}
