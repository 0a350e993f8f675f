#include "ingest/chunk.h"

#include "base/utf8.h"
#include "text/sentence.h"
#include "text/token.h"

/* ---- Units: what is never cut ---- */

/* How good it is to cut in front of a unit. */
enum cut { CUT_NONE, CUT_CHAR, CUT_WORD, CUT_SENTENCE, CUT_LINE, CUT_PARA, CUT_HEADING };

struct unit {
    size_t start, end;
    uint32_t tokens;
    uint32_t block;
    uint8_t cut;  /* enum cut, in front of it */
    bool barrier; /* what comes behind does not repeat it: a heading, a table, code */
};

struct units {
    struct arena *a;
    struct str text;
    struct unit *unit;
    size_t n, cap;
    uint32_t max; /* tokens in a unit */
};

static void add_unit(struct units *u, size_t start, size_t end, uint32_t tokens, uint32_t block,
                     enum cut cut)
{
    if (u->n == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 256;
        struct unit *more = arena_array(u->a, struct unit, cap);
        if (u->n)
            memcpy(more, u->unit, u->n * sizeof(*more));
        u->unit = more;
        u->cap = cap;
    }
    u->unit[u->n++] = (struct unit){start, end, tokens, block, (uint8_t)cut, false};
}

static struct str slice(const struct units *u, size_t start, size_t end)
{
    return (struct str){u->text.p + start, end - start};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A word that is longer than a chunk: pieces of whole characters. No token is shorter than a byte.
 */
static void split_word(struct units *u, size_t start, size_t end, uint32_t block, enum cut cut)
{
    while (start < end) {
        struct str rest = slice(u, start, end);
        size_t n = rest.len > u->max ? utf8_cut(rest, size_max(u->max, 4)) : rest.len;
        while (n > 4 && token_count(str_head(rest, n)) > u->max)
            n = utf8_cut(rest, n / 2);
        n = n ? n : 1; /* broken UTF-8 */
        add_unit(u, start, start + n, (uint32_t)token_count(str_head(rest, n)), block, cut);
        start += n;
        cut = CUT_CHAR;
    }
}

/* A sentence that is longer than a chunk: groups of words, small enough that chunks fill well. */
static void split_words(struct units *u, size_t start, size_t end, uint32_t block, enum cut cut)
{
    size_t most = size_max(u->max / 8, 1);
    const char *p = u->text.p;
    while (start < end) {
        size_t stop = start, at = start;
        while (at < end && stop - start < most * 4) { /* a token is four bytes or so */
            while (at < end && !is_space(p[at]) && at - start <= most * 8)
                at++;
            if (at < end && !is_space(p[at]))
                break;
            stop = at;
            while (at < end && is_space(p[at]))
                at++;
        }
        if (stop == start) { /* one long word */
            for (stop = start; stop < end && !is_space(p[stop]); stop++)
                ;
            split_word(u, start, stop, block, cut);
        } else {
            uint32_t tokens = (uint32_t)token_count(slice(u, start, stop));
            if (tokens > u->max)
                split_word(u, start, stop, block, cut);
            else
                add_unit(u, start, stop, tokens, block, cut);
        }
        for (start = stop; start < end && is_space(p[start]); start++)
            ;
        cut = CUT_WORD;
    }
}

static void split_sentences(struct units *u, size_t start, size_t end, uint32_t block, enum cut cut)
{
    struct sentence_iter it = sentence_begin(slice(u, start, end));
    for (struct sentence s; sentence_next(&it, &s);) {
        size_t from = start + s.start, to = start + s.end;
        bool new_line = s.start > 0 && u->text.p[from - 1] == '\n';
        if (s.start > 0)
            cut = new_line ? CUT_LINE : CUT_SENTENCE;
        size_t tokens = token_count(slice(u, from, to));
        if (tokens <= u->max)
            add_unit(u, from, to, (uint32_t)tokens, block, cut);
        else
            split_words(u, from, to, block, cut);
    }
}

/* Rows of a table, lines of code, items of a list. */
static void split_lines(struct units *u, size_t start, size_t end, uint32_t block, enum cut cut)
{
    for (size_t at = start; at < end; cut = CUT_LINE) {
        size_t n = str_find_char(slice(u, at, end), '\n');
        size_t stop = n == STR_NPOS ? end : at + n;
        size_t from = at;
        at = stop + 1;
        while (stop > from && is_space(u->text.p[stop - 1]))
            stop--;
        if (stop == from)
            continue;
        size_t tokens = token_count(slice(u, from, stop));
        if (tokens <= u->max)
            add_unit(u, from, stop, (uint32_t)tokens, block, cut);
        else
            split_sentences(u, from, stop, block, cut);
    }
}

static void split_block(struct units *u, const struct extract_block *b, uint32_t index)
{
    bool after_heading = index > 0 && b[-1].kind == WIRE_HEADING;
    enum cut cut = CUT_PARA;
    if (b->kind == WIRE_HEADING)
        cut = after_heading && b[-1].level < b->level ? CUT_NONE : CUT_HEADING;
    else if (after_heading)
        cut = CUT_NONE;
    size_t first = u->n;
    bool whole = b->kind == WIRE_TABLE || b->kind == WIRE_CODE || b->kind == WIRE_HEADING;
    size_t tokens = whole ? token_count(slice(u, b->start, b->end)) : 0;
    if (whole && tokens <= u->max)
        add_unit(u, b->start, b->end, (uint32_t)tokens, index, cut);
    else if (b->kind == WIRE_PARA || b->kind == WIRE_QUOTE || b->kind == WIRE_HEADING)
        split_sentences(u, b->start, b->end, index, cut);
    else
        split_lines(u, b->start, b->end, index, cut);
    for (size_t i = first; whole && i < u->n; i++)
        u->unit[i].barrier = true;
}

/* ---- Units to chunks ---- */

/* The unit behind the last one that still fits, from `first` on; at least one. */
static size_t fill(const struct units *u, size_t first)
{
    uint64_t tokens = 0;
    size_t i = first;
    for (; i < u->n; i++) {
        tokens += u->unit[i].tokens;
        if (i > first && (tokens > u->max || u->unit[i].cut == CUT_HEADING))
            break;
    }
    while (i > first + 1 &&
           token_count(slice(u, u->unit[first].start, u->unit[i - 1].end)) > u->max)
        i--;
    return i;
}

/* Where the chunk [first, full) best ends: the strongest cut in its second half, the last of
 * equals. */
static size_t best_end(const struct units *u, size_t first, size_t full)
{
    if (full == u->n || u->unit[full].cut >= CUT_HEADING)
        return full;
    uint64_t tokens = 0;
    size_t best = 0;
    for (size_t i = first; i <= full; i++) {
        bool late = tokens * 2 >= u->max || i == full;
        if (i > first && late && (!best || u->unit[i].cut >= u->unit[best].cut))
            best = i;
        if (i < full)
            tokens += u->unit[i].tokens;
    }
    /* a heading that would stand alone at the end goes on with its text */
    return best && u->unit[best].cut > CUT_NONE ? best : full;
}

/* The first unit of the next chunk: `end`, or earlier by what is repeated. */
static size_t step_back(const struct units *u, size_t first, size_t end, uint32_t overlap)
{
    if (end >= u->n || u->unit[end].cut >= CUT_HEADING)
        return end;
    uint64_t tokens = u->unit[end].tokens; /* what is repeated leaves room for what is new */
    uint64_t most = size_min(tokens + overlap, u->max);
    size_t start = end;
    for (size_t i = end; i-- > first + 1;) {
        tokens += u->unit[i].tokens;
        if (u->unit[i].barrier || tokens > most)
            break;
        if (u->unit[i].cut >= CUT_WORD)
            start = i;
    }
    return start;
}

/* ---- Where a chunk stands ---- */

struct headings { /* above a block, as a chain to the outermost */
    const struct headings *up;
    struct str text;
    unsigned level, depth;
};

/* For each block its headings, itself included. */
static const struct headings **find_headings(const struct extract_document *doc, struct arena *a)
{
    const struct headings **of = arena_array(a, const struct headings *, doc->n + 1), *open = NULL;
    for (size_t i = 0; i < doc->n; i++) {
        const struct extract_block *b = &doc->block[i];
        if (b->kind == WIRE_HEADING) {
            while (open && open->level >= b->level)
                open = open->up;
            struct headings *h = arena_struct(a, struct headings);
            *h = (struct headings){.up = open,
                                   .text = {doc->text.p + b->start, b->end - b->start},
                                   .level = b->level,
                                   .depth = open ? open->depth + 1 : 1};
            open = h;
        }
        of[i] = open;
    }
    return of;
}

enum { SECTION_MAX = 400 }; /* bytes; longer paths lose their outermost headings */

static struct str path_text(const struct headings *h, struct arena *a)
{
    struct str path = STR_NONE;
    for (; h && path.len + h->text.len + 3 <= SECTION_MAX; h = h->up)
        path = path.len ? arena_printf(a, "%.*s > %.*s", STR_FMT(h->text), STR_FMT(path)) : h->text;
    return path;
}

/* The line of a byte in a block: lines of the source and of the text go together, but for the fence
 * of code and the rule under a table's head. */
static uint32_t line_at(const struct extract_document *doc, const struct extract_block *b,
                        size_t from, uint32_t line, size_t at)
{
    for (size_t i = from; i < at; i++)
        line += doc->text.p[i] == '\n';
    return line < b->line_end ? line : b->line_end;
}

struct place { /* chunks come in order, so lines are counted from the last one on */
    uint32_t block, line;
    size_t at;
};

static uint32_t place_line(struct place *p, const struct extract_document *doc, uint32_t block,
                           size_t at)
{
    const struct extract_block *b = &doc->block[block];
    if (b->line_start == 0)
        return 0;
    if (p->block != block || p->at > at || p->line == 0)
        *p = (struct place){block, b->line_start, b->start};
    p->line = line_at(doc, b, p->at, p->line, at);
    p->at = at;
    return p->line;
}

static void describe(struct chunk *c, const struct extract_document *doc, const struct units *u,
                     size_t first, size_t end, const struct headings **of, struct place *place)
{
    uint32_t from = u->unit[first].block, to = u->unit[end - 1].block;
    c->start = u->unit[first].start;
    c->end = u->unit[end - 1].end;
    c->tokens = (uint32_t)token_count(slice(u, c->start, c->end));
    c->page = doc->block[from].page;
    c->section = path_text(of[to], u->a); /* what is before may be headings above it */
    c->line_start = place_line(place, doc, from, c->start);
    struct place last = *place;
    bool to_the_end = c->end == doc->block[to].end;
    c->line_end = to_the_end ? doc->block[to].line_end : place_line(&last, doc, to, c->end);
}

/* ---- The whole ---- */

struct chunk *chunk_document(const struct extract_document *doc, const struct chunk_limits *limits,
                             struct arena *a, size_t *n)
{
    uint32_t max = limits->max_tokens ? limits->max_tokens : 512;
    uint32_t overlap = limits->overlap < max / 2 ? limits->overlap : max / 2;
    struct units u = {.a = a, .text = doc->text, .max = max};
    for (uint32_t i = 0; i < doc->n; i++)
        split_block(&u, &doc->block[i], i);
    const struct headings **of = find_headings(doc, a);
    struct chunk *chunk = arena_array(a, struct chunk, u.n + 1);
    struct place place = {0};
    *n = 0;
    for (size_t first = 0, end = 0; first < u.n;) {
        size_t before = end;
        end = best_end(&u, first, fill(&u, first));
        if (end <= before) { /* nothing new beside what is repeated */
            first = before;
            end = best_end(&u, first, fill(&u, first));
        }
        describe(&chunk[(*n)++], doc, &u, first, end, of, &place);
        first = end == u.n ? end : step_back(&u, first, end, overlap);
    }
    return chunk;
}

struct chunk *chunk_text(struct str text, const struct chunk_limits *limits, struct arena *a,
                         size_t *n)
{
    struct extract_document doc = {.text = text};
    size_t cap = 0;
    for (size_t at = 0, pass = 0; pass < 2; pass++) { /* count, then fill */
        doc.block = pass ? arena_array(a, struct extract_block, cap + 1) : NULL;
        for (at = 0; at < text.len;) {
            size_t gap = str_find(str_from_at(text, at), STR("\n\n"));
            size_t end = gap == STR_NPOS ? text.len : at + gap;
            if (pass)
                doc.block[doc.n++] =
                    (struct extract_block){.kind = WIRE_PARA, .start = at, .end = end};
            cap += !pass;
            for (at = end; at < text.len && text.p[at] == '\n'; at++)
                ;
        }
    }
    return chunk_document(&doc, limits, a, n);
}
