/* Sentences on their way out. The text is cut where sentence.h cuts it, but for two things: a
 * citation belongs to the sentence in front of it, and a block of code is one sentence. A sentence
 * is known to be complete when the next one has begun, since "e.g." or a lower-case letter may
 * still go on; so the delay is one word beyond its end. */
#include "answer/answer.h"
#include "answer/evidence.h"
#include "answer/marker.h"
#include "run/work.h"
#include "text/sentence.h"

enum {
    SAYS_LITTLE = 2,      /* words: "Yes." has nothing to support */
    SENTENCE_MOST = 4096, /* bytes: what has no end by then is taken as it is */
    CODE_MOST = 32768,
};

struct vet {
    struct chat_sink sink;
    struct call *c;
    struct chat_sink *next;
    enum answer_policy policy;
    struct arena *own;         /* a sink keeps nothing in the call's */
    struct evidence *evidence; /* in `own`; NULL until there is a sentence to check */
    size_t n_sources;          /* passages and messages that it was made of */
    struct buf held;           /* not yet complete */
    struct buf kept;           /* of an answer that may still be refused as a whole */
    bool dropped;              /* the last sentence: its citations go too */
    bool refused;              /* nothing more goes out */
    bool spoke;                /* something has gone out */
};

enum answer_policy answer_policy_from(struct str name)
{
    static const struct str names[] = {
#define X(name, text) STR_INIT(text),
        ANSWER_POLICIES(X)
#undef X
    };
    size_t i = 0;
    while (i < COUNT(names) && !str_eq(names[i], name))
        i++;
    return (enum answer_policy)i;
}

/* ---- Checking ---- */

struct check {
    struct vet *v;
    struct str sentence;
    struct verdict verdict;
};

static void add_result(struct passage *p, size_t *n, struct str text)
{
    if (text.len > 0)
        p[(*n)++] = (struct passage){.text = text};
}

/* What an answer may rest on: the passages, and what tools have returned. */
static struct passage *sources(const struct chat_request *r, struct arena *a, size_t *n)
{
    size_t most = r->n_passages + r->n_messages;
    for (size_t i = 0; i < r->n_messages; i++)
        for (size_t k = 0; k < r->message[i].n_parts; k++)
            most += 1 + r->message[i].part[k].n_parts;
    struct passage *p = arena_array(a, struct passage, most);
    *n = r->n_passages;
    if (*n > 0)
        memcpy(p, r->passage, *n * sizeof(*p));
    for (size_t i = 0; i < r->n_messages; i++) {
        const struct chat_message *m = &r->message[i];
        if (m->role == CHAT_TOOL)
            add_result(p, n, m->text);
        for (size_t k = 0; k < m->n_parts; k++) {
            const struct chat_part *part = &m->part[k];
            if (part->kind != PART_TOOL_RESULT || m->role == CHAT_TOOL)
                continue;
            add_result(p, n, part->text);
            for (size_t x = 0; x < part->n_parts; x++)
                add_result(p, n, part->part[x].text);
        }
    }
    return p;
}

static void check(void *arg)
{
    struct check *k = arg;
    const struct chat_request *r = &k->v->c->req;
    size_t n;
    if (!k->v->evidence || k->v->n_sources != r->n_passages + r->n_messages) {
        arena_free(k->v->own); /* a search that the model called has found more */
        k->v->own = arena_new();
        k->v->n_sources = r->n_passages + r->n_messages;
        const struct passage *p = sources(r, k->v->own, &n);
        k->v->evidence = evidence_new(p, n, k->v->own);
    }
    k->verdict = evidence_check(k->v->evidence, k->sentence);
}

/* Without its citations, which are checked for themselves. */
static struct str without_markers(struct str s, struct buf *b)
{
    for (size_t at = 0, n; at < s.len; at += n) {
        struct str names;
        bool certain;
        n = s.p[at] == '[' ? marker_length(str_from_at(s, at), &names, &certain) : 0;
        if (n == 0 || n == STR_NPOS) {
            buf_char(b, s.p[at]);
            n = 1;
        }
    }
    return str_trim(buf_str(b));
}

static size_t count_words(struct str s)
{
    size_t n = 0;
    bool inside = false;
    for (size_t i = 0; i < s.len; i++) {
        bool blank = s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\t';
        n += !blank && !inside;
        inside = !blank;
    }
    return n;
}

/* A model that need not look for anything may talk of anything, where that only is marked. */
static bool is_open(const struct vet *v)
{
    const struct chat_request *r = &v->c->req;
    return v->policy == ANSWER_FLAG && r->searching == SEARCH_CALLED && r->n_passages == 0;
}

/* Nothing in it needs support: the answer that there is none, "Yes.", "These are the steps:". */
static bool needs_none(const struct vet *v, struct str sentence, enum evidence_reason reason)
{
    if (str_eq(sentence, STR(CHAT_NO_INFORMATION)) || is_open(v))
        return true;
    return reason == EVIDENCE_SUPPORT &&
           (count_words(sentence) <= SAYS_LITTLE || str_ends(sentence, STR(":")));
}

/* ---- Passing on ---- */

static bool give(struct vet *v, struct str text, struct err *e)
{
    if (!v->spoke) { /* a sentence in front of it was dropped */
        while (text.len > 0 && (text.p[0] == ' ' || text.p[0] == '\n'))
            text = str_from_at(text, 1);
    }
    if (text.len == 0)
        return true;
    v->spoke = true;
    if (v->policy == ANSWER_REFUSE && !v->c->req.stream)
        return buf_add(&v->kept, text) || err_set(e, ERR_UPSTREAM, "the answer is too long");
    return v->next->event(v->next, &(struct chat_event){CHAT_TEXT, .text = text}, e);
}

static bool flag(struct vet *v, size_t gap, struct str sentence, const struct verdict *verdict,
                 struct err *e)
{
    const struct unsupported u = {
        .sentence = sentence,
        .start = gap,
        .reason = evidence_reason_name(verdict->reason),
        .what = str_span(sentence.p + verdict->start, sentence.p + verdict->end),
        .score = verdict->score,
    };
    return v->next->event(v->next, &(struct chat_event){CHAT_UNSUPPORTED, .unsupported = &u}, e);
}

/* `gap` is the white space in front. */
static bool take_sentence(struct vet *v, struct str gap, struct str sentence, struct err *e)
{
    struct buf b;
    buf_init(&b, sentence.len + 1);
    struct check k = {.v = v, .sentence = without_markers(sentence, &b)};
    work_run(check, &k);
    bool bad = k.verdict.reason != EVIDENCE_NONE && !needs_none(v, k.sentence, k.verdict.reason);
    bool good = true, first = !v->spoke;
    v->dropped = bad && v->policy != ANSWER_FLAG;
    v->refused = bad && v->policy == ANSWER_REFUSE;
    v->c->unsupported += bad;
    if (!v->dropped)
        good = give(v, str_span(gap.p, sentence.p + sentence.len), e);
    if (good && bad && !v->dropped)
        good = flag(v, first ? 0 : gap.len, k.sentence, &k.verdict, e);
    buf_fini(&b);
    return good;
}

/* ---- Cutting ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static size_t skip_space(struct str s, size_t at)
{
    while (at < s.len && is_space(s.p[at]))
        at++;
    return at;
}

/* A block of code ends with the line of its closing fence. STR_NPOS: not there yet. */
static size_t end_of_code(struct str s, size_t at)
{
    size_t close = str_find(str_from_at(s, at + 3), STR("\n```"));
    if (close == STR_NPOS)
        return STR_NPOS;
    close += at + 3 + 4;
    return close < s.len ? close : STR_NPOS;
}

/* Where the sentence at `at` ends, which is known once something follows; STR_NPOS: not yet. A cut
 * inside a citation is none. */
static size_t end_of_sentence(struct str s, size_t at)
{
    if (str_starts(str_from_at(s, at), STR("```")))
        return end_of_code(s, at);
    struct sentence_iter it = {s, at};
    for (struct sentence x, more; sentence_next(&it, &x); it.at = x.end) {
        struct sentence_iter ahead = it;
        size_t open = str_rfind_char(str_span(s.p + at, s.p + x.end), '[');
        struct str names;
        bool certain = false;
        size_t n =
            open == STR_NPOS ? 0 : marker_length(str_from_at(s, at + open), &names, &certain);
        if (n == STR_NPOS && certain)
            return STR_NPOS;
        if (n != 0 && n != STR_NPOS && at + open + n > x.end) {
            x.end = at + open + n;
            continue;
        }
        return sentence_next(&ahead, &more) ? x.end : STR_NPOS;
    }
    return STR_NPOS;
}

/* Takes the complete citations and sentences off the front. `end`: all is complete. */
static bool cut(struct vet *v, bool end, struct err *e)
{
    struct str s = buf_str(&v->held), names;
    size_t done = 0;
    bool good = true, certain;
    while (good && !v->refused) {
        size_t at = skip_space(s, done);
        if (at == s.len)
            break;
        struct str rest = str_from_at(s, at), gap = str_span(s.p + done, s.p + at);
        size_t n = rest.p[0] == '[' ? marker_length(rest, &names, &certain) : 0;
        if (n == STR_NPOS && !end)
            break;
        if (n != 0 && n != STR_NPOS) {
            good = v->dropped || give(v, str_span(gap.p, rest.p + n), e);
            done = at + n;
            continue;
        }
        size_t to = end_of_sentence(s, at);
        bool code = str_starts(rest, STR("```"));
        if (to == STR_NPOS && !end && rest.len < (code ? CODE_MOST : SENTENCE_MOST))
            break;
        to = to == STR_NPOS ? s.len : to;
        good = take_sentence(v, gap, str_span(s.p + at, s.p + to), e);
        done = to;
    }
    if (s.len > 0)
        buf_consume(&v->held, end || v->refused ? s.len : done);
    return good;
}

static bool pass_kept(struct vet *v, struct err *e)
{
    struct str text = buf_str(&v->kept);
    return text.len == 0 ||
           v->next->event(v->next, &(struct chat_event){CHAT_TEXT, .text = text}, e);
}

static bool finish(struct vet *v, const struct chat_event *ev, struct err *e)
{
    struct chat_event last = *ev;
    if (!cut(v, true, e))
        return false;
    bool whole = v->refused && !v->c->req.stream;
    if (whole)
        v->spoke = false;
    else if (!pass_kept(v, e))
        return false;
    if (v->c->unsupported && !v->spoke &&
        !v->next->event(v->next, &(struct chat_event){CHAT_TEXT, .text = STR(CHAT_NO_INFORMATION)},
                        e))
        return false;
    if (v->refused)
        last.finish = CHAT_FINISH_CONTENT;
    return v->next->event(v->next, &last, e);
}

static bool vet_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct vet *v = CONTAINER_OF(sink, struct vet, sink);
    if (ev->kind == CHAT_FINISH)
        return finish(v, ev, e);
    if (ev->kind != CHAT_TEXT) /* what follows the text follows it still */
        return cut(v, true, e) && v->next->event(v->next, ev, e);
    if (v->refused)
        return true;
    return buf_add(&v->held, ev->text) ? cut(v, false, e)
                                       : err_set(e, ERR_UPSTREAM, "the answer is too long");
}

static void vet_fini(void *arg)
{
    struct vet *v = arg;
    buf_fini(&v->held);
    buf_fini(&v->kept);
    arena_free(v->own);
}

struct chat_sink *answer_vet(struct call *c, enum answer_policy policy, struct chat_sink *next)
{
    struct vet *v = arena_struct(c->arena, struct vet);
    *v = (struct vet){.sink = {vet_event}, .c = c, .next = next, .policy = policy};
    buf_init(&v->held, JSON_TEXT_MAX);
    buf_init(&v->kept, JSON_TEXT_MAX);
    arena_defer(c->arena, vet_fini, v);
    return &v->sink;
}
