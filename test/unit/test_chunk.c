/* What the chunker promises: nothing lost, nothing too long, no character cut, ends where a reader
 * would pause, and the place of every chunk. */
#include "base/random.h"
#include "base/utf8.h"
#include "ingest/chunk.h"
#include "text/token.h"

#include "tap.h"

/* ---- Documents made from a list of blocks ---- */

struct part {
    enum wire_kind kind;
    unsigned level;
    const char *text;
    uint32_t page, from, to;
};

static struct extract_document make(struct arena *a, const struct part *part, size_t n)
{
    struct extract_document d = {.block = arena_array(a, struct extract_block, n + 1), .n = n};
    for (size_t i = 0; i < n; i++) {
        size_t start = d.text.len + (i > 0 ? 2 : 0);
        d.text = i ? arena_printf(a, "%.*s\n\n%s", STR_FMT(d.text), part[i].text)
                   : str_from(part[i].text);
        d.block[i] = (struct extract_block){part[i].kind, part[i].level, start,     d.text.len,
                                            part[i].page, part[i].from,  part[i].to};
    }
    return d;
}

static bool has(const struct extract_document *d, const struct chunk *c, const char *text)
{
    return str_find((struct str){d->text.p + c->start, c->end - c->start}, str_from(text)) !=
           STR_NPOS;
}

/* ---- What holds for every text ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *broken_promise(struct str text, const struct chunk *c, size_t n, uint32_t max)
{
    size_t covered = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].start >= c[i].end || c[i].end > text.len)
            return "no span of the text";
        struct str s = {text.p + c[i].start, c[i].end - c[i].start};
        if (token_count(s) > max || c[i].tokens != token_count(s))
            return "too many tokens";
        if (utf8_valid(text) && !utf8_valid(s))
            return "a character is cut";
        if (i > 0 && (c[i].start <= c[i - 1].start || c[i].end <= c[i - 1].end))
            return "no progress";
        for (size_t k = covered; k < c[i].start; k++)
            if (!is_space(text.p[k]))
                return "text is lost";
        covered = covered > c[i].end ? covered : c[i].end;
    }
    for (size_t k = covered; k < text.len; k++)
        if (!is_space(text.p[k]))
            return "text is lost at the end";
    return NULL;
}

static struct str random_text(struct arena *a, uint64_t *seed)
{
    static const char *const piece[] = {
        "word",
        "Sentence ends. ",
        " ",
        "\n",
        "\n\n",
        "a",
        ", ",
        "\xE4\xBD\xA0\xE5\xA5\xBD",
        "\xE3\x80\x82",
        "verylongwordwithoutanyspaceinsideatall",
        "12345",
        "\xF0\x9F\x98\x80",
        "- item\n",
        "\xC3\xA9t\xC3\xA9 ",
        "the quick brown fox ",
        "x = y[0]; ",
    };
    struct buf b;
    buf_init(&b, 1 << 20);
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    size_t n = *seed >> 54;
    for (size_t i = 0; i < n; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        buf_add(&b, str_from(piece[(*seed >> 40) % COUNT(piece)]));
    }
    struct str s = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static void test_promises(void)
{
    static const struct chunk_limits limits[] = {{512, 50}, {64, 0}, {64, 32}, {20, 10}, {8, 4}};
    uint64_t seed = 7;
    const char *broken = NULL;
    for (int i = 0; i < 400 && !broken; i++) {
        struct arena *a = arena_new();
        struct str text = random_text(a, &seed);
        const struct chunk_limits *l = &limits[i % (int)COUNT(limits)];
        size_t n;
        struct chunk *c = chunk_text(text, l, a, &n);
        broken = broken_promise(text, c, n, l->max_tokens);
        if (broken)
            printf("# text %d, %u tokens: %s\n", i, l->max_tokens, broken);
        arena_free(a);
    }
    ok(!broken, "400 random texts are cut without loss");

    struct arena *a = arena_new();
    enum { LONG = 4 << 20 };
    char *p = arena_bytes(a, LONG);
    memset(p, 'x', LONG);
    size_t n;
    struct str text = {p, LONG};
    struct chunk *c = chunk_text(text, &(struct chunk_limits){0}, a, &n);
    ok(n > 1000 && !broken_promise(text, c, n, 512), "one word of 4 MB");
    for (size_t i = 0; i < LONG; i += 5)
        p[i] = ' ';
    c = chunk_text(text, &(struct chunk_limits){512, 50}, a, &n);
    ok(n > 1000 && !broken_promise(text, c, n, 512), "one sentence of 4 MB");
    chunk_text(STR(""), &(struct chunk_limits){0}, a, &n);
    ok(n == 0, "no text, no chunk");
    chunk_text(STR(" \n\n \n"), &(struct chunk_limits){0}, a, &n);
    ok(n == 0, "white space, no chunk");
    arena_free(a);
}

/* ---- Where it cuts ---- */

static void test_structure(void)
{
    static const char sentences[] = "Alpha beta gamma delta. Epsilon zeta eta theta. "
                                    "Iota kappa lambda mu. Nu xi omicron pi.";
    static const struct part parts[] = {
        {WIRE_HEADING, 1, "Install", 1, 1, 1},
        {WIRE_PARA, 0, sentences, 1, 3, 3},
        {WIRE_HEADING, 2, "From source", 1, 5, 5},
        {WIRE_CODE, 0, "make all\nmake install\nmake check\nmake clean", 2, 7, 10},
        {WIRE_HEADING, 2, "Problems", 2, 12, 12},
        {WIRE_TABLE, 0, "| error | cause |\n| one | disk |\n| two | net |", 3, 14, 17},
        {WIRE_HEADING, 1, "Use", 3, 19, 19},
        {WIRE_PARA, 0, sentences, 3, 21, 21},
    };
    struct arena *a = arena_new();
    struct extract_document d = make(a, parts, COUNT(parts));
    size_t n;
    struct chunk *c = chunk_document(&d, &(struct chunk_limits){40, 10}, a, &n);
    ok(!broken_promise(d.text, c, n, 40), "promises hold");
    bool code_whole = false, table_whole = false, alone = false, use = false;
    for (size_t i = 0; i < n; i++) {
        printf("# %zu [%.*s] p%u %u-%u %u tokens\n", i, STR_FMT(c[i].section), c[i].page,
               c[i].line_start, c[i].line_end, c[i].tokens);
        code_whole |= has(&d, &c[i], "make all") && has(&d, &c[i], "make clean") &&
                      has(&d, &c[i], "From source");
        table_whole |= has(&d, &c[i], "error") && has(&d, &c[i], "two");
        struct str s = {d.text.p + c[i].start, c[i].end - c[i].start};
        alone |= str_ends(s, STR("Problems")) || str_ends(s, STR("Use")) ||
                 str_ends(s, STR("From source"));
        use |= str_starts(s, STR("Use")) && str_eq(c[i].section, STR("Use")) &&
               c[i].line_start == 19 && c[i].page == 3;
    }
    ok(code_whole, "code stays whole, under its heading");
    ok(table_whole, "so does a table");
    ok(!alone, "no heading stands alone at an end");
    ok(use, "a section begins a chunk, with its line and page");
    ok(str_eq(c[0].section, STR("Install")) && c[0].line_start == 1, "the first chunk's section");

    c = chunk_document(&d, &(struct chunk_limits){512, 50}, a, &n);
    ok(n == 4 && str_eq(c[1].section, STR("Install > From source")) &&
           str_eq(c[3].section, STR("Use")),
       "even a small section is a chunk of its own");
    arena_free(a);
}

static void test_overlap(void)
{
    struct arena *a = arena_new();
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 200; i++)
        buf_printf(&b, "This is the sentence that has number %d in it. ", i);
    struct str text = arena_copy(a, str_trim(buf_str(&b)));
    buf_fini(&b);
    size_t n, m;
    struct chunk *c = chunk_text(text, &(struct chunk_limits){100, 30}, a, &n);
    size_t shared = 0, at_start = 0;
    for (size_t i = 1; i < n; i++) {
        shared += c[i].start < c[i - 1].end;
        at_start += str_starts(str_from_at(text, c[i].start), STR("This is"));
    }
    ok(n > 20 && shared == n - 1 && at_start == n - 1, "chunks repeat whole sentences");
    chunk_text(text, &(struct chunk_limits){100, 0}, a, &m);
    ok(m < n, "without overlap there are fewer");
    arena_free(a);
}

static void test_lines(void)
{
    struct arena *a = arena_new();
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 10; i < 60; i++)
        buf_printf(&b, "line number %d is here\n", i);
    struct str text = arena_copy(a, str_trim(buf_str(&b)));
    buf_fini(&b);
    struct extract_block block = {WIRE_CODE, 0, 0, text.len, 0, 10, 59};
    struct extract_document d = {.text = text, .block = &block, .n = 1};
    size_t n, right = 0;
    struct chunk *c = chunk_document(&d, &(struct chunk_limits){40, 0}, a, &n);
    for (size_t i = 0; i < n; i++) {
        char first[40], last[40];
        snprintf(first, sizeof(first), "line number %u is", c[i].line_start);
        snprintf(last, sizeof(last), "number %u is here", c[i].line_end);
        struct str s = {text.p + c[i].start, c[i].end - c[i].start};
        right += str_starts(s, str_from(first)) && str_ends(s, str_from(last));
    }
    ok(n > 5 && right == n, "every chunk of a long block knows its lines");
    arena_free(a);
}

int main(void)
{
    test_promises();
    test_structure();
    test_overlap();
    test_lines();
    return tap_done();
}
