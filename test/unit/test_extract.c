/* What extract promises: the text of a file whatever its format, and an error of that document
 * whatever it does to the reader. The reader is the real one, beside this program. */
#include "base/asan.h"
#include "base/clock.h"
#include "base/file.h"
#include "ingest/extract.h"

#include "tap.h"
#include "tempdir.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static int memory_file(struct str content)
{
    int fd = memfd_create("document", MFD_CLOEXEC);
    struct err e;
    if (fd >= 0 && !file_write_all(fd, content.p, content.len, &e))
        printf("# %s\n", e.msg);
    return fd;
}

static bool run(struct extract *x, struct arena *a, struct str content, const char *extension,
                struct extract_document *d, struct err *e)
{
    int fd = memory_file(content);
    bool good = extract_run(x, fd, str_from(extension), a, d, e);
    close(fd);
    return good;
}

static struct str block_text(const struct extract_document *d, size_t i)
{
    return (struct str){d->text.p + d->block[i].start, d->block[i].end - d->block[i].start};
}

/* A PDF of one page with these words; no cross-reference table, which every reader mends. */
#define PDF(head, words)                                                                           \
    "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"                                       \
    "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"                                           \
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R"                        \
    "/Resources<</Font<</F 5 0 R>>>>>>endobj\n"                                                    \
    "4 0 obj<</Length 100>>stream\nBT /F 12 Tf 50 300 Td (" words ") Tj ET\nendstream endobj\n"    \
    "5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"                               \
    "6 0 obj<</Title(The title)/Author(An Author)>>endobj\n"                                       \
    "trailer<</Root 1 0 R/Info 6 0 R" head ">>\n%%EOF\n"

static const struct {
    const char *name;
    struct str content;
    const char *extension;
    enum err_code code; /* ERR_NONE: it can be read */
    const char *text;   /* or a part of the error */
} cases[] = {
#define LIT(s)                                                                                     \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }
    {"text", LIT("a\n\nb"), "txt", ERR_NONE, "a\n\nb"},
    {"Markdown", LIT("# A\ntext"), "md", ERR_NONE, "A\n\ntext"},
    {"HTML", LIT("<html><body><p>x &amp; y</p></body></html>"), "", ERR_NONE, "x & y"},
    {"PDF", LIT(PDF("", "words on a page")), "pdf", ERR_NONE, "words on a page"},
    {"PDF by content", LIT(PDF("", "words on a page")), "txt", ERR_NONE, "words on a page"},
    {"PDF without text", LIT(PDF("", " ")), "pdf", ERR_INVALID, "has no text layer"},
    {"PDF with a password",
     LIT(PDF("/Encrypt<</Filter/Standard/V 1/R 2/P -4/O"
             "(01234567890123456789012345678901)/U"
             "(01234567890123456789012345678901)>>/ID[(x)(x)]",
             "secret")),
     "pdf", ERR_INVALID, "encrypted"},
    {"half a PDF", LIT("%PDF-1.4\n1 0 obj<</Type/Cat"), "pdf", ERR_INVALID, "damaged"},
    {"ZIP", LIT("PK\3\4xxxx"), "md", ERR_MEDIA, "unsupported format"},
    {"noise", LIT("\0\1\2\3\0\5\6\7\0"), "txt", ERR_MEDIA, "unsupported format"},
    {"empty", LIT(""), "txt", ERR_INVALID, "no text"},
};

static void test_cases(struct extract *x)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct extract_document d;
        struct err e = {0};
        bool good = run(x, a, cases[i].content, cases[i].extension, &d, &e);
        bool as_said = cases[i].code == ERR_NONE
                           ? good && str_eq(d.text, str_from(cases[i].text))
                           : !good && e.code == cases[i].code && strstr(e.msg, cases[i].text);
        if (!ok(as_said, "%s", cases[i].name))
            printf("# %s '%.*s'\n", good ? "read" : e.msg, good ? (int)d.text.len : 0,
                   good ? d.text.p : "");
        arena_free(a);
    }
}

static void test_facts(struct extract *x)
{
    struct arena *a = arena_new();
    struct extract_document d;
    struct err e = {0};
    ok(run(x, a, STR(PDF("", "words")), "pdf", &d, &e) && str_eq(d.title, STR("The title")) &&
           str_eq(d.author, STR("An Author")) && d.pages == 1 && d.block[0].page == 1 &&
           str_eq(d.format, STR("pdf")),
       "title, author and page of a PDF");
    ok(run(x, a, STR("---\ntitle: T\ndate: 2026-01-02\n---\n# A\n\nb\nc\n"), "md", &d, &e) &&
           d.n == 2 && d.block[0].kind == WIRE_HEADING && d.block[0].level == 1 &&
           d.block[1].line_start == 7 && d.block[1].line_end == 8 &&
           str_eq(block_text(&d, 1), STR("b\nc")) && str_eq(d.date, STR("2026-01-02")),
       "blocks of Markdown with their lines");
    arena_free(a);
}

/* Two characters by an encoding that is not in the document: its table is read in the sandbox. */
static void test_chinese(struct extract *x)
{
    static const char pdf[] =
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R"
        "/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
        "4 0 obj<</Length 50>>stream\nBT /F 12 Tf 50 300 Td <4F60597D> Tj ET\nendstream endobj\n"
        "5 0 obj<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UCS2-H"
        "/DescendantFonts[6 0 R]>>endobj\n"
        "6 0 obj<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 2>>>>endobj\n"
        "trailer<</Root 1 0 R>>\n%%EOF\n";
    if (!file_exists("/usr/share/poppler/cMap")) {
        skip("poppler-data is not installed");
        return;
    }
    struct arena *a = arena_new();
    struct extract_document d;
    struct err e = {0};
    ok(run(x, a, (struct str){pdf, sizeof(pdf) - 1}, "pdf", &d, &e) &&
           str_eq(d.text, STR("\xE4\xBD\xA0\xE5\xA5\xBD")),
       "a PDF with a Chinese font that is not embedded %s", e.msg);
    arena_free(a);
}

/* What no document should be able to do to us. */
static void test_hostile(const char *reader)
{
    struct arena *a = arena_new();
    struct extract_document d;
    struct err e = {0};
    struct extract *x = extract_open(&(struct extract_options){.reader_path = reader});
    struct buf b;
    buf_init(&b, 64 << 20);
    for (int i = 0; i < 100000; i++)
        buf_add(&b, STR("<div>"));
    buf_add(&b, STR("deep"));
    ok(run(x, a, buf_str(&b), "html", &d, &e) && str_eq(d.text, STR("deep")),
       "100,000 elements inside each other");
    buf_reset(&b);
    for (int i = 0; i < 50000; i++)
        buf_add(&b, STR("["));
    ok(run(x, a, buf_str(&b), "md", &d, &e), "50,000 brackets: %s", e.msg);
    extract_close(x);

    x = extract_open(&(struct extract_options){.reader_path = reader, .max_result = 1 << 16});
    buf_reset(&b);
    for (int i = 0; i < 100000; i++)
        buf_add(&b, STR("word "));
    ok(!run(x, a, buf_str(&b), "txt", &d, &e) && strstr(e.msg, "of text"), "too much text: %s",
       e.msg);
    extract_close(x);

    x = extract_open(&(struct extract_options){.reader_path = reader, .timeout_ms = 50});
    buf_reset(&b);
    for (int i = 0; i < 400000; i++)
        buf_add(&b, STR("<b><i><p>")); /* formatting that is opened again and again */
    bool good = run(x, a, buf_str(&b), "html", &d, &e);
    ok(!good && e.code == ERR_TIMEOUT, "time: %s", good ? "it was faster" : e.msg);
    ok(run(x, a, STR("next"), "txt", &d, &e), "and the next one is read");
    extract_close(x);

    if (ASAN_ON || TSAN_ON) {
        skip("sanitizers map all of the address space");
    } else {
        x = extract_open(&(struct extract_options){.reader_path = reader, .memory = 400 << 20});
        buf_reset(&b);
        for (int i = 0; i < 4000000; i++)
            buf_add(&b, STR("<p>x"));
        good = run(x, a, buf_str(&b), "html", &d, &e);
        ok(!good && e.code == ERR_LIMIT, "memory: %s", good ? "it was enough" : e.msg);
        ok(run(x, a, STR("next"), "txt", &d, &e), "and the next one is read");
        extract_close(x);
    }
    buf_fini(&b);
    arena_free(a);
}

static void test_no_reader(void)
{
    struct arena *a = arena_new();
    struct extract_document d;
    struct err e = {0};
    struct extract *x =
        extract_open(&(struct extract_options){.reader_path = "/nonexistent/reader"});
    ok(!run(x, a, STR("a"), "txt", &d, &e) && e.code == ERR_UNAVAILABLE, "no reader: %s", e.msg);
    extract_close(x);
    x = extract_open(&(struct extract_options){.reader_path = "/bin/true"});
    ok(!run(x, a, STR("a"), "txt", &d, &e) && e.code == ERR_UNAVAILABLE, "no real one: %s", e.msg);
    extract_close(x);
    arena_free(a);
}

/* ---- Cancelling ---- */

static void *cancel_it(void *arg)
{
    extract_cancel(arg);
    return NULL;
}

static void test_cancel(const char *reader)
{
    struct arena *a = arena_new();
    struct extract_document d;
    struct err e = {0};
    struct extract *x = extract_open(&(struct extract_options){.reader_path = reader});
    struct buf b;
    buf_init(&b, 64 << 20);
    for (int i = 0; i < 2000000; i++)
        buf_add(&b, STR("<b><i><p>"));
    pthread_t t;
    pthread_create(&t, NULL, cancel_it, x);
    ok(!run(x, a, buf_str(&b), "html", &d, &e) && e.code == ERR_CANCELLED, "cancelled: %s", e.msg);
    pthread_join(t, NULL);
    ok(!run(x, a, STR("a"), "txt", &d, &e) && e.code == ERR_CANCELLED, "and stays so");
    buf_fini(&b);
    extract_close(x);
    arena_free(a);
}

int main(int argc, char **argv)
{
    (void)argc;
    char reader[4096];
    const char *slash = strrchr(argv[0], '/');
    snprintf(reader, sizeof(reader), "%.*spenstock-reader", slash ? (int)(slash + 1 - argv[0]) : 0,
             argv[0]);
    struct extract *x = extract_open(&(struct extract_options){.reader_path = NULL});
    test_cases(x);
    test_facts(x);
    test_chinese(x);
    extract_close(x);
    extract_close(NULL);
    test_hostile(reader);
    test_no_reader();
    test_cancel(reader);
    return tap_done();
}
