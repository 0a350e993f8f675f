#include "model/extractive.h"
#include "base/clock.h"
#include "model/prompt.h"
#include "model/provider.h"
#include "model/question.h"
#include "model/support.h"
#include "run/work.h"
#include "text/sentence.h"
#include "text/token.h"

#include <math.h>

enum {
    SENTENCES_MOST = 2048,
    LIST_MOST = 700,    /* bytes of a list or code block that a colon brings along */
    FRAGMENT_WORDS = 6, /* a line of so few terms without a full stop is a heading or a label */
};

/* Found by trial on XQuAD and HaluEval questions and on questions about this project's manual; the
 * shares matter little, SUPPORT_LEAST trades answers for refusals: 0.55 refuses 5 % more of the
 * questions that the passages answer, and 2 % more of those that they do not. */
static const float CONTEXT_SHARE = 0.45f; /* of a term's weight when it stands above the sentence */
static const float AROUND_SHARE = 0.25f;  /* when it stands elsewhere in the passage */
static const float PAIR_BONUS = 0.15f;    /* per pair of neighbouring terms */
static const float FIT_BONUS = 1.25f;
static const float FRAGMENT_FACTOR = 0.35f;
static const float SEARCH_SHARE = 0.15f;   /* of the passage's own score */
static const float SUPPORT_LEAST = 0.5f;   /* of the question's weight in sentence and context */
static const float SUPPORT_AROUND = 0.7f;  /* what a term elsewhere in the passage adds to that */
static const float SENTENCE_LEAST = 0.25f; /* of it in the sentence itself */
static const float ABSENT = 0.7f;        /* weight of a term that no passage has: other words ... */
static const float ABSENT_NAME = 1.8f;   /* ... may say the same, but not for a name or number */
static const float FURTHER_LEAST = 0.6f; /* of the best score, to be said too */
static const float ALIKE = 0.6f;         /* from here on two sentences say the same */

struct candidate {
    const struct passage *p;
    size_t start, end;
    uint64_t has;     /* question's terms in it */
    uint64_t context; /* and in what stands above it */
    uint64_t around;  /* and anywhere in its passage */
    uint32_t words, pairs;
    bool fragment, asks, taken;
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

static bool is_own_line(char c)
{
    return c == '-' || c == '*' || c == '+' || c == '|' || c == '>' || (c >= '0' && c <= '9');
}

/* A heading or a label: short, and no mark of a sentence at its end. */
static bool is_fragment(struct str s, uint32_t words)
{
    static const struct str ends = STR(".!?:;\"')|");
    if (s.len == 0)
        return true;
    if (s.p[0] == '#')
        return true;
    unsigned char last = (unsigned char)s.p[s.len - 1];
    return words <= FRAGMENT_WORDS && last < 0x80 && !is_own_line(s.p[0]) &&
           str_find_char(ends, (char)last) == STR_NPOS;
}

/* Sentences under a heading, or behind the question of a list of questions and answers, are about
 * it, until the next one. */
static void read_passage(struct selection *s, const struct passage *p)
{
    uint64_t about =
        support_match(&s->want, p->section).terms | support_match(&s->want, p->name).terms;
    uint64_t heading = 0, before = 0, around = about;
    size_t first = s->n;
    struct sentence_iter it = sentence_begin(p->text);
    struct sentence found;
    while (s->n < SENTENCES_MOST && sentence_next(&it, &found)) {
        struct candidate *c = &s->c[s->n++];
        *c = (struct candidate){.p = p, .start = found.start, .end = found.end};
        struct str text = text_of(c);
        struct support_found got = support_match(&s->want, text);
        c->has = got.terms;
        c->words = got.words;
        c->pairs = got.pairs;
        c->asks = str_ends(text, STR("?"));
        c->fragment = is_fragment(text, got.words);
        if (c->asks || c->fragment)
            heading = got.terms;
        c->context = about | heading | before;
        before = c->asks || c->fragment ? 0 : got.terms;
        around |= got.terms;
    }
    for (size_t i = first; i < s->n; i++)
        s->c[i].around = around;
}

/* ---- Scoring ---- */

/* A term that few of the sentences hold tells most; one that none holds weighs as the rarest. */
static void weigh(struct selection *s)
{
    for (uint32_t t = 0; t < s->want.n; t++) {
        size_t df = 0;
        for (size_t i = 0; i < s->n; i++)
            df += s->c[i].has >> t & 1;
        s->want.weight[t] =
            logf(1 + ((float)(s->n - df) + 0.5f) / ((float)df + 0.5f)) / logf(2 + 2 * (float)s->n);
        if (df == 0)
            s->want.weight[t] *= s->want.named >> t & 1 ? ABSENT_NAME : ABSENT;
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

static float cover(const struct selection *s, const struct candidate *c)
{
    return support_weight(&s->want, c->has) +
           CONTEXT_SHARE * support_weight(&s->want, c->context & ~c->has) +
           AROUND_SHARE * support_weight(&s->want, c->around & ~c->context & ~c->has);
}

static void score(struct selection *s, float best_search)
{
    for (size_t i = 0; i < s->n; i++) {
        struct candidate *c = &s->c[i];
        if (c->has == 0)
            continue;
        float points = cover(s, c) / s->total * (1 + PAIR_BONUS * (float)c->pairs);
        if (question_fits(s->kind, s->question, text_of(c)))
            points *= FIT_BONUS;
        if (c->fragment || c->asks)
            points *= FRAGMENT_FACTOR;
        if (c->words > 50)
            points *= 0.85f;
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

static bool is_supported(const struct selection *s, const struct candidate *c)
{
    float near = support_weight(&s->want, c->has | c->context);
    float around = support_weight(&s->want, c->around & ~c->context & ~c->has);
    return near + SUPPORT_AROUND * around >= SUPPORT_LEAST * s->total &&
           support_weight(&s->want, c->has) >= SENTENCE_LEAST * s->total;
}

static bool says_the_same(const struct candidate *a, const struct candidate *b, enum lang lang,
                          struct arena *tmp)
{
    struct support *s = arena_struct(tmp, struct support);
    support_init(s, text_of(a), lang, false, tmp);
    return support_alike(s, text_of(b)) >= ALIKE;
}

/* Marks what to say. A fact needs one sentence, and another only for what that one lacks. */
static size_t choose(struct selection *s, struct candidate *pick[EXTRACT_MOST], struct arena *tmp)
{
    struct candidate *first = best(s);
    if (!first || !is_supported(s, first))
        return 0;
    first->taken = true;
    pick[0] = first;
    size_t n = 1, most = question_wants_fact(s->kind) ? 2 : EXTRACT_MOST - 1;
    uint64_t said = first->has;
    for (struct candidate *c; n < most && (c = best(s));) {
        bool adds = (c->has & ~said) != 0, further = !question_wants_fact(s->kind);
        c->taken = true;
        if (c->score < FURTHER_LEAST * first->score)
            break;
        if (c->fragment || c->asks || !(adds || further))
            continue;
        bool same = false;
        for (size_t i = 0; i < n && !same; i++)
            same = says_the_same(pick[i], c, s->want.lang, tmp);
        if (same)
            continue;
        said |= c->has;
        pick[n++] = c;
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

static bool same_paragraph(const struct candidate *a, const struct candidate *b)
{
    struct str between = str_span(a->p->text.p + a->end, b->p->text.p + b->start);
    return a->p == b->p && str_find(between, STR("\n\n")) == STR_NPOS;
}

/* The end of the list, table or code that stands behind the colon at `end`: whole lines up to an
 * empty one, or two when the block itself comes behind an empty line. */
static size_t block_end(struct str text, size_t end)
{
    size_t at = end, kept = end;
    while (at < text.len && (text.p[at] == '\n' || text.p[at] == ' '))
        at++;
    while (at < text.len && at - end < LIST_MOST) {
        size_t line = str_find_char(str_from_at(text, at), '\n');
        size_t next = line == STR_NPOS ? text.len : at + line;
        if (next == at || next - end > LIST_MOST)
            break;
        kept = next;
        at = next + 1;
    }
    return kept;
}

static struct extract extract_of(const struct selection *s, const struct candidate *c)
{
    struct extract x = {.passage = c->p, .start = c->start, .end = c->end};
    if (c > s->c && points_back(text_of(c)) && same_paragraph(c - 1, c))
        x.start = c[-1].start;
    if (str_ends(text_of(c), STR(":"))) {
        x.end = block_end(c->p->text, c->end);
        x.verbatim = x.end > c->end;
    }
    x.verbatim = x.verbatim || c->p->text.p[c->start] == '|';
    return x;
}

static int by_place(const void *a, const void *b)
{
    const struct extract *x = a, *y = b;
    if (x->passage != y->passage)
        return x->passage < y->passage ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Joins what touches or overlaps: neighbours are one statement with one citation. */
static size_t join(struct extract *x, size_t n)
{
    size_t kept = 0;
    for (size_t i = 1; i < n; i++) {
        struct extract *last = &x[kept];
        struct str text = last->passage->text;
        if (x[i].passage == last->passage &&
            (x[i].start <= last->end ||
             str_trim(str_span(text.p + last->end, text.p + x[i].start)).len == 0)) {
            last->end = size_max(last->end, x[i].end);
            last->verbatim = last->verbatim || x[i].verbatim;
        } else {
            x[++kept] = x[i];
        }
    }
    return n ? kept + 1 : 0;
}

/* Reading order inside a passage; the passage with the best sentence comes first. */
static size_t arrange(const struct selection *s, struct candidate **pick, size_t n,
                      struct extract *out)
{
    size_t in_front = 0;
    for (size_t i = 0; i < n; i++)
        out[i] = extract_of(s, pick[i]);
    qsort(out, n, sizeof(*out), by_place);
    n = join(out, n);
    while (in_front < n && out[in_front].passage != pick[0]->p)
        in_front++;
    struct extract sorted[EXTRACT_MOST];
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (out[i].passage == pick[0]->p)
            sorted[m++] = out[i];
    for (size_t i = 0; i < n; i++)
        if (out[i].passage != pick[0]->p)
            sorted[m++] = out[i];
    memcpy(out, sorted, m * sizeof(*out));
    return m;
}

size_t extractive_select(struct str question, const struct passage *passage, size_t n,
                         struct extract out[EXTRACT_MOST], struct arena *a)
{
    if (n == 0)
        return 0;
    struct selection *s = arena_struct(a, struct selection);
    struct candidate *pick[EXTRACT_MOST];
    s->question = question;
    s->kind = question_kind(question);
    s->c = arena_array(a, struct candidate, SENTENCES_MOST);
    support_init(&s->want, question, lang_detect(passage[0].text), true, a);
    if (s->want.n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        read_passage(s, &passage[i]);
    weigh(s);
    score(s, best_search_score(passage, n));
    size_t chosen = choose(s, pick, a);
    return chosen ? arrange(s, pick, chosen, out) : 0;
}

struct str extractive_text(const struct extract *x, struct arena *a)
{
    struct str s =
        prompt_defuse(str_span(x->passage->text.p + x->start, x->passage->text.p + x->end), a);
    if (x->verbatim)
        return s;
    char *p = arena_bytes(a, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool space = s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\t' || s.p[i] == '\r';
        if (!space)
            p[n++] = s.p[i];
        else if (n > 0 && p[n - 1] != ' ')
            p[n++] = ' ';
    }
    return (struct str){p, n};
}

/* ---- As a provider ---- */

struct job {
    struct call *c;
    struct str piece[EXTRACT_MOST]; /* of the answer, in order */
    size_t n;
};

/* A message may bring its own context: then the paragraph that asks is the question. */
static struct str split_question(struct str text, struct str *rest)
{
    struct str question = text;
    size_t cut = STR_NPOS;
    text = str_trim(text);
    for (size_t at = 0, gap; (gap = str_find(str_from_at(text, at), STR("\n\n"))) != STR_NPOS;
         at = cut + 2)
        cut = at + gap;
    *rest = STR_NONE;
    if (cut == STR_NPOS)
        return question;
    question = str_trim(str_from_at(text, cut));
    *rest = str_head(text, cut);
    size_t first = str_find(text, STR("\n\n"));
    if (!str_ends(question, STR("?")) && str_ends(str_trim(str_head(text, first)), STR("?"))) {
        question = str_trim(str_head(text, first));
        *rest = str_from_at(text, first);
    }
    return question;
}

/* Without a knowledge base the conversation itself is what there is to answer from. */
static size_t passages_of_conversation(const struct chat_request *r, const struct passage **out,
                                       struct str *question, struct arena *a)
{
    size_t last = r->n_messages, n = 0;
    for (size_t i = 0; i < r->n_messages; i++)
        if (r->message[i].role == CHAT_USER)
            last = i;
    struct passage *p = arena_array(a, struct passage, r->n_messages + 1);
    for (size_t i = 0; i < r->n_messages; i++)
        if (i != last && r->message[i].text.len > 0)
            p[n++].text = r->message[i].text;
    *question = STR_NONE;
    if (last < r->n_messages) {
        struct str rest;
        *question = split_question(r->message[last].text, &rest);
        if (rest.len > 0)
            p[n++].text = rest;
    }
    *out = p;
    return n;
}

static void answer(void *arg)
{
    struct job *job = arg;
    const struct chat_request *r = &job->c->req;
    struct arena *a = job->c->arena;
    struct extract x[EXTRACT_MOST];
    const struct passage *passage = r->passage;
    struct str question = r->question;
    size_t n = r->n_passages;
    if (!r->grounded)
        n = passages_of_conversation(r, &passage, &question, a);
    n = extractive_select(question, passage, n, x, a);
    for (size_t i = 0; i < n; i++) {
        struct str text = extractive_text(&x[i], a);
        const char *gap = i == 0 ? "" : x[i - 1].verbatim || x[i].verbatim ? "\n\n" : " ";
        job->piece[i] = r->grounded
                            ? arena_printf(a, "%s%.*s%s[Source: %.*s]", gap, STR_FMT(text),
                                           x[i].verbatim ? "\n" : " ", STR_FMT(x[i].passage->name))
                            : arena_printf(a, "%s%.*s", gap, STR_FMT(text));
    }
    job->n = n;
    if (n == 0)
        job->piece[job->n++] = STR(CHAT_NO_INFORMATION);
}

static int64_t tokens_in(const struct chat_request *r)
{
    int64_t n = 0;
    for (size_t i = 0; i < r->n_messages; i++)
        n += (int64_t)token_count(r->message[i].text);
    for (size_t i = 0; i < r->n_passages; i++)
        n += r->passage[i].tokens;
    return n;
}

static bool extractive_chat(const struct provider *p, struct call *c, struct str upstream_model,
                            struct chat_sink *sink, bool *committed, struct err *e)
{
    (void)p, (void)upstream_model;
    struct job *job = arena_struct(c->arena, struct job);
    struct chat_event end = {.kind = CHAT_FINISH, .finish = CHAT_FINISH_STOP};
    job->c = c;
    work_run(answer, job);
    c->usage = (struct chat_usage){.input = tokens_in(&c->req), .counted = true};
    for (size_t i = 0; i < job->n && end.finish == CHAT_FINISH_STOP; i++) {
        int64_t tokens = (int64_t)token_count(job->piece[i]);
        if (c->req.max_tokens > 0 && c->usage.output + tokens > c->req.max_tokens) {
            end.finish = CHAT_FINISH_LENGTH;
            break;
        }
        if (c->req.stream && c->first_token_ns == 0)
            c->first_token_ns = clock_now();
        *committed = true;
        c->usage.output += tokens;
        if (!sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = job->piece[i]}, e))
            return false;
    }
    *committed = true;
    return sink->event(sink, &end, e);
}

const struct provider_kind provider_extractive = {
    .name = "extractive",
    .tier = "extractive",
    .chat = extractive_chat,
};
