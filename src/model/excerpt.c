#include "model/excerpt.h"
#include "model/prompt.h"
#include "model/question.h"
#include "model/support.h"
#include "text/sentence.h"

#include <math.h>
#include <stdlib.h>

enum {
    SENTENCES_MOST = 2048,
    BLOCK_MOST = 900,   /* bytes of a list, table or code block that is shown whole */
    FRAGMENT_WORDS = 6, /* a line of so few terms without a full stop is a heading or a label */
    CODE_SHORT = 60,    /* bytes of code that a sentence can be built around */
    LABEL_WORDS = 2,    /* "3. Context budget." belongs to the sentence behind it */
    LONG_WORDS = 50,
    MARGIN_PASSAGES = 3 /* fewer tell nothing by how much they differ */
};

/* Found by trial on XQuAD and HaluEval questions and on questions about this project's manual. The
 * shares matter little. */
static const float BEFORE_SHARE = 0.45f; /* of a term's weight when it stands above the sentence */
static const float AROUND_SHARE = 0.25f; /* when it stands elsewhere in the passage */
static const float PAIR_BONUS = 0.15f;   /* per pair of neighbouring terms */
static const float FIT_BONUS = 1.25f;
static const float FRAGMENT_FACTOR = 0.35f;
static const float CODE_FACTOR = 0.7f; /* unless the question asks how */
static const float ROW_FACTOR = 0.8f;  /* of a table, when the question asks how */
static const float HEAD_FACTOR = 0.5f; /* of a table's head, when a row knows something itself */
static const float LONG_FACTOR = 0.85f;
static const float SEARCH_SHARE = 0.15f; /* of the passage's own score */
static const float MARGIN_UNKNOWN = 0.35f;
static const float MARGIN_MOST = 0.6f;
static const float SENTENCE_LEAST = 0.25f; /* of the question's weight in the sentence itself */
static const float ABSENT = 0.7f;      /* weight of a term that no passage has: other words ... */
static const float ABSENT_NAME = 1.8f; /* ... may say the same, but not for a name or number */
static const float BORROWED = 0.4f;    /* weight of a term that only an earlier question has */
static const float NEARLY_AS_GOOD = 0.9f; /* of the best score */
static const float ADDS_LEAST = 0.6f;     /* of the best score, for what the best one lacks */
static const float ADDS_WEIGHT = 0.2f;    /* of the question's, for it to be worth a sentence */
static const float LEANS = 0.25f; /* of the question's weight in the sentence before: bring it */
static const float ALIKE = 0.6f;  /* from here on two sentences say the same */

enum block_kind { PROSE, LIST, TABLE, CODE, DRAWING };

struct candidate {
    const struct passage *p;
    size_t start, end, block_end;
    enum block_kind kind;
    uint64_t has;    /* question's terms in it */
    uint64_t before; /* and in the sentence before, of the same block */
    uint64_t above;  /* and in heading, section and name */
    uint64_t around; /* and anywhere in its passage */
    uint32_t words, pairs;
    bool fragment, asks, taken;
    bool head, rows_know; /* first row of a table; one of its rows has terms too */
    float score;
};

struct selection {
    struct str question;
    enum question_kind kind;
    struct support want;
    struct candidate *c;
    size_t n;
    float total; /* weight of all that is asked for */
};

static struct str text_of(const struct candidate *c)
{
    return str_span(c->p->text.p + c->start, c->p->text.p + c->end);
}

/* ---- Reading the passages ---- */

/* Bytes of "- ", "12. " or a bullet at the front; 0 when there is none. */
static size_t list_mark(struct str s)
{
    size_t i = 0;
    while (i < s.len && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    if (i > 0)
        return i < 4 && str_starts(str_from_at(s, i), STR(". ")) ? i + 2 : 0;
    if (str_starts(s, STR("- ")) || str_starts(s, STR("* ")))
        return 2;
    return str_starts(s, STR("•")) ? 3 : 0;
}

/* Lines of commands or of a program, by their signs: prose has few of them and ends in a full stop.
 */
static bool is_code(struct str s)
{
    static const struct str signs = STR("{}()[];=<>$&|\\/#~_\"'`@*+");
    size_t n = 0, signs_seen = 0;
    if (str_find_char(STR(".?!:"), s.p[s.len - 1]) != STR_NPOS)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        n += s.p[i] != ' ' && s.p[i] != '\n';
        signs_seen += str_find_char(signs, s.p[i]) != STR_NPOS;
    }
    return signs_seen * 16 > n;
}

static enum block_kind kind_of(struct str block)
{
    if (str_find(block, STR("│")) != STR_NPOS || str_find(block, STR("─")) != STR_NPOS)
        return DRAWING; /* made of box-drawing lines */
    if (block.p[0] == '|')
        return TABLE;
    if (list_mark(block) > 0)
        return LIST;
    return is_code(block) ? CODE : PROSE;
}

/* The block that begins at *at or behind: up to an empty line. False at the end. */
static bool next_block(struct str text, size_t *at, size_t *end)
{
    while (*at < text.len && (text.p[*at] == '\n' || text.p[*at] == ' '))
        ++*at;
    size_t gap = str_find(str_from_at(text, *at), STR("\n\n"));
    *end = gap == STR_NPOS ? text.len : *at + gap;
    while (*end > *at && (text.p[*end - 1] == '\n' || text.p[*end - 1] == ' '))
        --*end;
    return *at < *end;
}

/* A heading or a label: short, and no mark of a sentence at its end. */
static bool is_fragment(const struct candidate *c)
{
    static const struct str ends = STR(".!?:;\"')|");
    struct str s = text_of(c);
    unsigned char last = (unsigned char)s.p[s.len - 1];
    return s.p[0] == '#' || c->kind == DRAWING ||
           (c->kind == PROSE && c->words <= FRAGMENT_WORDS && last < 0x80 &&
            str_find_char(ends, (char)last) == STR_NPOS);
}

static struct candidate *add(struct selection *s, const struct passage *p, enum block_kind kind,
                             size_t start, size_t end, size_t block_end)
{
    struct candidate *c = &s->c[s->n++];
    *c = (struct candidate){
        .p = p, .kind = kind, .start = start, .end = end, .block_end = block_end};
    struct support_found got = support_match(&s->want, text_of(c));
    c->has = got.terms;
    c->words = got.words;
    c->pairs = got.pairs;
    c->asks = str_ends(text_of(c), STR("?"));
    c->fragment = is_fragment(c);
    return c;
}

static bool is_label(const struct candidate *c)
{
    return c->words <= LABEL_WORDS + (list_mark(text_of(c)) > 0);
}

/* The sentences of a block; a label is joined with what it introduces. */
static void read_sentences(struct selection *s, const struct passage *p, enum block_kind kind,
                           size_t start, size_t end)
{
    struct sentence_iter it = sentence_begin(str_span(p->text.p + start, p->text.p + end));
    struct candidate *label = NULL;
    for (struct sentence x; s->n < SENTENCES_MOST && sentence_next(&it, &x);) {
        size_t from = start + x.start;
        bool same_line =
            label &&
            str_find_char(str_span(p->text.p + label->start, p->text.p + from), '\n') == STR_NPOS;
        uint64_t before = label ? label->has : 0;
        if (same_line && is_label(label)) {
            from = label->start;
            before = label->before;
            s->n--;
        }
        struct candidate *c = add(s, p, kind, from, start + x.end, end);
        c->before = before;
        c->head = kind == TABLE && from == start;
        label = kind == TABLE ? NULL : c;
    }
}

static void read_block(struct selection *s, const struct passage *p, size_t start, size_t end)
{
    enum block_kind kind = kind_of(str_span(p->text.p + start, p->text.p + end));
    if (kind == DRAWING || (kind == CODE && end - start <= BLOCK_MOST))
        add(s, p, kind, start, end, end);
    else
        read_sentences(s, p, kind, start, end);
}

/* Sentences under a heading, or behind the question of a list of questions and answers, are about
 * it, until the next one. */
static void read_passage(struct selection *s, const struct passage *p)
{
    uint64_t about =
        support_match(&s->want, p->section).terms | support_match(&s->want, p->name).terms;
    uint64_t heading = 0, around = about;
    size_t first = s->n;
    for (size_t at = 0, end; s->n < SENTENCES_MOST && next_block(p->text, &at, &end); at = end)
        read_block(s, p, at, end);
    for (size_t i = first; i < s->n; i++) {
        struct candidate *c = &s->c[i];
        if (c->asks || c->fragment || c->head)
            heading = c->has;
        else if (i > first && c[-1].asks) /* its answer has what it asks for */
            c->has |= c[-1].has;
        c->above = about | heading;
        around |= c->has;
    }
    struct candidate *head = NULL;
    for (size_t i = first; i < s->n; i++) {
        struct candidate *c = &s->c[i];
        c->around = around;
        head = c->head ? c : head;
        if (head && head != c && head->block_end == c->block_end && c->has)
            head->rows_know = true;
    }
}

/* ---- Scoring ---- */

/* A term that few of the sentences hold tells most. `own`: the terms of this question itself. */
static void weigh(struct selection *s, uint64_t own)
{
    for (uint32_t t = 0; t < s->want.n; t++) {
        size_t df = 0;
        for (size_t i = 0; i < s->n; i++)
            df += s->c[i].has >> t & 1;
        s->want.weight[t] =
            logf(1 + ((float)(s->n - df) + 0.5f) / ((float)df + 0.5f)) / logf(2 + 2 * (float)s->n);
        if (df == 0)
            s->want.weight[t] *= s->want.named >> t & 1 ? ABSENT_NAME : ABSENT;
        if (!(own >> t & 1))
            s->want.weight[t] *= BORROWED;
    }
    s->total = support_weight(&s->want, UINT64_MAX);
}

static float best_search_score(const struct passage *p, size_t n)
{
    float best = 0;
    for (size_t i = 0; i < n; i++)
        best = fmaxf(best, p[i].score);
    return best;
}

static uint64_t near_of(const struct candidate *c)
{
    return c->has | c->before | c->above;
}

static float cover(const struct selection *s, const struct candidate *c)
{
    return support_weight(&s->want, c->has) +
           BEFORE_SHARE * support_weight(&s->want, near_of(c) & ~c->has) +
           AROUND_SHARE * support_weight(&s->want, c->around & ~near_of(c));
}

static void score(struct selection *s, float best_search)
{
    for (size_t i = 0; i < s->n; i++) {
        struct candidate *c = &s->c[i];
        bool how = s->kind == QUESTION_METHOD && c->kind == CODE;
        if (c->has == 0)
            continue;
        float points = cover(s, c) / s->total * (1 + PAIR_BONUS * (float)c->pairs);
        if (how || question_fits(s->kind, s->question, text_of(c)))
            points *= FIT_BONUS;
        if (c->fragment || c->asks)
            points *= FRAGMENT_FACTOR;
        if (c->kind == CODE && !how)
            points *= CODE_FACTOR;
        if (c->kind == TABLE && s->kind == QUESTION_METHOD)
            points *= ROW_FACTOR;
        if (c->rows_know)
            points *= HEAD_FACTOR;
        if (c->words > LONG_WORDS)
            points *= LONG_FACTOR;
        if (best_search > 0)
            points += SEARCH_SHARE * points * c->p->score / best_search;
        c->score = points;
    }
}

/* ---- Choosing ---- */

static struct candidate *best(struct selection *s)
{
    struct candidate *top = NULL;
    for (size_t i = 0; i < s->n; i++)
        if (!s->c[i].taken && s->c[i].score > (top ? top->score : 0))
            top = &s->c[i];
    return top;
}

/* Of few terms nearly all must be there, of many about half. */
static float support_least(uint32_t terms)
{
    static const float least[] = {0.7f, 0.7f, 0.7f, 0.6f, 0.55f};
    return terms < COUNT(least) ? least[terms] : 0.5f;
}

/* Of too few passages, or without a keyword search, nothing can be told: then what lies between the
 * usual margins of questions that are answered and of those that are not. */
static float search_margin(const struct selection *s, const struct candidate *c)
{
    float other = 0;
    size_t passages = 0;
    for (size_t i = 0; i < s->n; i++) {
        passages += i == 0 || s->c[i].p != s->c[i - 1].p;
        if (s->c[i].p != c->p)
            other = fmaxf(other, s->c[i].p->keyword);
    }
    if (passages < MARGIN_PASSAGES || other <= 0 || c->p->keyword <= 0)
        return MARGIN_UNKNOWN;
    return fmaxf(0, fminf(1 - other / c->p->keyword, MARGIN_MOST));
}

static struct excerpt_support support_of(const struct selection *s, const struct candidate *c)
{
    uint64_t near = near_of(c);
    return (struct excerpt_support){
        .near = support_weight(&s->want, near) / s->total,
        .around = support_weight(&s->want, c->around & ~near) / s->total,
        .has = support_weight(&s->want, c->has) / s->total,
        .named = (float)__builtin_popcountll(s->want.named & ~(near | c->around)),
        .wants = question_wants_fact(s->kind),
        .fits = question_wants_fact(s->kind) && question_fits(s->kind, s->question, text_of(c)),
        .pairs = (float)c->pairs,
        .terms = (float)s->want.n,
        .margin = search_margin(s, c),
    };
}

/* Does the best sentence answer the question? By logistic regression over XQuAD questions with
 * their passage among those found, without it, and asked of other collections; the two languages
 * hold for each other. What tells most is how much of the question stands near the sentence, and
 * how much the search preferred its passage: when the right one is not there, several are equally
 * far off. */
static bool is_supported(const struct selection *s, const struct candidate *c)
{
    struct excerpt_support f = support_of(s, c);
    float z = -4.05f + 3.2f * f.near + 1.0f * f.around + 2.45f * f.has - 0.6f * f.named +
              1.1f * logf(1 + f.pairs) + 0.15f * logf(f.terms) + 3.8f * f.margin;
    if (f.wants > 0)
        z += f.fits > 0 ? -0.1f : -1.2f;
    return z >= 0 && f.has >= SENTENCE_LEAST;
}

static bool says_the_same(const struct candidate *a, const struct candidate *b, enum lang lang,
                          struct arena *tmp)
{
    struct support *s = arena_struct(tmp, struct support);
    support_init(s, text_of(a), lang, false, tmp);
    return support_alike(s, text_of(b)) >= ALIKE;
}

/* Is it worth saying beside what has been picked? For a fact only what the best one lacks is. */
static bool is_worth_it(struct selection *s, struct candidate *const *pick, size_t n, uint64_t said,
                        const struct candidate *c, struct arena *tmp)
{
    float lacking = support_weight(&s->want, c->has & ~said);
    bool adds = lacking >= ADDS_WEIGHT * s->total && c->score >= ADDS_LEAST * pick[0]->score;
    bool good = !question_wants_fact(s->kind) && c->score >= NEARLY_AS_GOOD * pick[0]->score &&
                support_weight(&s->want, near_of(c)) >= support_least(s->want.n) * s->total &&
                (c->kind == PROSE || c->kind == LIST); /* one table or piece of code is enough */
    if (c->fragment || c->asks || !(adds || good))
        return false;
    for (size_t i = 0; i < n; i++)
        if (says_the_same(pick[i], c, s->want.lang, tmp))
            return false;
    return true;
}

static size_t choose(struct selection *s, struct candidate *pick[EXCERPT_MOST], struct arena *tmp)
{
    struct candidate *c = best(s);
    if (!c || !is_supported(s, c))
        return 0;
    pick[0] = c;
    c->taken = true;
    size_t n = 1, most = question_wants_fact(s->kind) ? 2 : EXCERPT_MOST - 1;
    uint64_t said = near_of(c);
    while (n < most && (c = best(s)) && c->score >= ADDS_LEAST * pick[0]->score) {
        c->taken = true;
        if (is_worth_it(s, pick, n, said, c, tmp)) {
            said |= near_of(c);
            pick[n++] = c;
        }
    }
    return n;
}

/* ---- Making it readable ---- */

static bool points_back(struct str s)
{
    static const struct str words[] = {STR("It "),    STR("Its "),   STR("They "),  STR("This "),
                                       STR("These "), STR("Those "), STR("He "),    STR("She "),
                                       STR("His "),   STR("Her "),   STR("Their "), STR("Such "),
                                       STR("Es "),    STR("Sie "),   STR("Er "),    STR("Dies")};
    for (size_t i = 0; i < COUNT(words); i++)
        if (str_starts(s, words[i]))
            return true;
    return false;
}

/* "make demo", and in the next paragraph "builds and starts it": one sentence around a piece of
 * code, which a heading (the section's name) is not. */
static bool goes_on(const struct selection *s, const struct candidate *c)
{
    char first = c->p->text.p[c->start];
    return c > s->c && c[-1].p == c->p && c[-1].block_end < c->start && c->kind == PROSE &&
           first >= 'a' && first <= 'z' && c[-1].end - c[-1].start <= CODE_SHORT &&
           str_find_char(text_of(c - 1), '\n') == STR_NPOS &&
           !str_ends(c->p->section, text_of(c - 1));
}

/* Is the candidate in front of c the sentence before it, in the same block? */
static bool follows(const struct selection *s, const struct candidate *c)
{
    return c > s->c && c[-1].p == c->p && c[-1].block_end == c->block_end && c->kind != TABLE;
}

/* Whole lines of text[from, end) that are not too much to show. */
static size_t bounded(struct str text, size_t from, size_t end)
{
    if (end - from <= BLOCK_MOST)
        return end;
    size_t line = str_rfind_char(str_head(str_from_at(text, from), BLOCK_MOST), '\n');
    return line == STR_NPOS ? from : from + line;
}

static struct excerpt excerpt_of(const struct selection *s, const struct candidate *c)
{
    struct str text = c->p->text;
    struct excerpt x = {.passage = c->p, .start = c->start, .end = c->end, .block = c->end};
    bool leans = support_weight(&s->want, c->before & ~c->has) >= LEANS * s->total;
    if (goes_on(s, c) || (follows(s, c) && (leans || points_back(text_of(c)))))
        x.start = c[-1].start;
    if (c->kind == CODE || c->kind == TABLE) {
        x.block = c->start;
        if (c->head)
            x.end = bounded(text, c->start, c->block_end);
        if (c->kind == CODE && c > s->c && c[-1].p == c->p && str_ends(text_of(c - 1), STR(":")))
            x.start = c[-1].start;
    }
    size_t at = c->end, end;
    if (str_ends(text_of(c), STR(":"))) {
        if (c->end < c->block_end) /* a list right behind, in the same block */
            end = c->block_end;
        else if (!next_block(text, &at, &end))
            end = at;
        x.block = at;
        x.end = bounded(text, at, end);
        if (x.end == at)
            x.end = x.block = c->end;
    }
    return x;
}

static int by_place(const void *a, const void *b)
{
    const struct excerpt *x = a, *y = b;
    if (x->passage != y->passage)
        return x->passage < y->passage ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

static bool touches(const struct excerpt *a, const struct excerpt *b)
{
    return a->passage == b->passage &&
           (b->start <= a->end ||
            str_trim(str_span(a->passage->text.p + a->end, a->passage->text.p + b->start)).len ==
                0);
}

/* Joins prose that touches: neighbours are one statement with one citation. What lies in a block
 * that is shown anyway is not said twice. */
static size_t join(struct excerpt *x, size_t n)
{
    size_t kept = 0;
    for (size_t i = 1; i < n; i++) {
        struct excerpt *last = &x[kept];
        bool inside = x[i].passage == last->passage && x[i].end <= last->end;
        if (inside)
            continue;
        if (touches(last, &x[i]) && last->block == last->end) {
            last->block = x[i].block;
            last->end = x[i].end;
        } else {
            x[++kept] = x[i];
        }
    }
    return n ? kept + 1 : 0;
}

/* Reading order inside a passage; the passage with the best sentence comes first. */
static size_t arrange(const struct selection *s, struct candidate **pick, size_t n,
                      struct excerpt *out)
{
    struct excerpt found[EXCERPT_MOST];
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        found[i] = excerpt_of(s, pick[i]);
    qsort(found, n, sizeof(*found), by_place);
    n = join(found, n);
    for (size_t i = 0; i < n; i++)
        if (found[i].passage == pick[0]->p)
            out[m++] = found[i];
    for (size_t i = 0; i < n; i++)
        if (found[i].passage != pick[0]->p)
            out[m++] = found[i];
    return m;
}

/* Reads the passages and scores their sentences; NULL: the question has no term. */
static struct selection *read_all(struct str question, struct str asked,
                                  const struct passage *passage, size_t n, struct arena *a)
{
    if (n == 0)
        return NULL;
    struct selection *s = arena_struct(a, struct selection);
    s->question = question;
    s->kind = question_kind(question);
    s->c = arena_array(a, struct candidate, SENTENCES_MOST);
    support_init(&s->want, question, lang_unless(passage[0].lang, passage[0].text), true, a);
    if (s->want.n == 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        read_passage(s, &passage[i]);
    weigh(s, support_match(&s->want, asked).terms);
    score(s, best_search_score(passage, n));
    return s;
}

size_t excerpt_select(struct str question, struct str asked, const struct passage *passage,
                      size_t n, struct excerpt out[EXCERPT_MOST], struct arena *a)
{
    struct candidate *pick[EXCERPT_MOST];
    struct selection *s = read_all(question, asked, passage, n, a);
    size_t chosen = s ? choose(s, pick, a) : 0;
    return chosen ? arrange(s, pick, chosen, out) : 0;
}

bool excerpt_support(struct str question, struct str asked, const struct passage *passage, size_t n,
                     struct excerpt_support *out, struct arena *a)
{
    struct selection *s = read_all(question, asked, passage, n, a);
    const struct candidate *c = s ? best(s) : NULL;
    if (c)
        *out = support_of(s, c);
    return c != NULL;
}

/* ---- Showing ---- */

static void put_folded(struct buf *b, struct str s)
{
    s = str_trim(s);
    for (size_t i = 0; i < s.len; i++) {
        bool space = s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\t' || s.p[i] == '\r';
        if (!space)
            buf_char(b, s.p[i]);
        else if (b->p[b->len - 1] != ' ')
            buf_char(b, ' ');
    }
}

/* The cells of "| a | b |": takes the next one that is not empty off the front. */
static bool next_cell(struct str *row, struct str *cell)
{
    while (str_split(row, '|', cell)) {
        *cell = str_trim(*cell);
        if (cell->len > 0)
            return true;
    }
    return false;
}

static size_t count_cells(struct str row)
{
    struct str cell;
    size_t n = 0;
    while (next_cell(&row, &cell))
        n++;
    return n;
}

/* Two columns as "a: b"; of more, the head's names say what is what: "a - type: b; default: c". */
static void put_row(struct buf *b, struct str head, struct str row)
{
    struct str cell, name;
    size_t columns = count_cells(row);
    bool named = columns > 2 && count_cells(head) == columns;
    for (size_t i = 0; next_cell(&row, &cell); i++) {
        bool has_name = next_cell(&head, &name) && named && i > 0;
        if (i > 0)
            buf_add(b, columns == 2 ? STR(": ") : i == 1 || !named ? STR(" – ") : STR("; "));
        if (has_name) {
            put_folded(b, name);
            buf_add(b, STR(": "));
        }
        put_folded(b, cell);
    }
}

/* The first row of the table that text[at] is in. */
static struct str head_of(struct str text, size_t at)
{
    for (size_t line; (line = str_rfind_char(str_head(text, at), '\n')) != STR_NPOS;) {
        size_t start = str_rfind_char(str_head(text, line), '\n');
        start = start == STR_NPOS ? 0 : start + 1;
        if (start >= line || text.p[start] != '|')
            break;
        at = start;
    }
    return str_head(str_from_at(text, at), str_find_char(str_from_at(text, at), '\n'));
}

static void put_table(struct buf *b, struct str head, struct str rows)
{
    bool several = str_find_char(rows, '\n') != STR_NPOS, first = true;
    for (struct str row; str_split(&rows, '\n', &row); first = false) {
        if (several && first) /* the head itself, or what a list needs no names for */
            continue;
        if (several)
            buf_add(b, b->len > 0 && b->p[b->len - 1] != '\n' ? STR("\n- ") : STR("- "));
        put_row(b, several ? STR_NONE : head, row);
    }
}

struct str excerpt_text(const struct excerpt *x, struct arena *a)
{
    struct str text = x->passage->text;
    struct str prose = str_span(text.p + x->start, text.p + x->block);
    struct str block = str_trim(str_span(text.p + x->block, text.p + x->end));
    struct buf b;
    buf_init(&b, 4 * text.len + 64);
    put_folded(&b, str_from_at(prose, list_mark(prose)));
    if (block.len > 0 && prose.len > 0)
        buf_add(&b, STR("\n\n"));
    if (block.len > 0 && block.p[0] == '|') {
        put_table(&b, head_of(text, x->block), block);
    } else if (block.len > 0 && list_mark(block) > 0) {
        buf_add(&b, block);
    } else if (block.len > 0) {
        buf_add(&b, STR("```\n"));
        buf_add(&b, block);
        buf_add(&b, STR("\n```"));
    }
    struct str shown = prompt_defuse(buf_str(&b), a);
    buf_fini(&b);
    return shown;
}
