/* The credit stage. Models are asked to mark what they cite; some do not. When an answer has gone
 * by without one citation its sentences are held against the passages, one passage at a time: one
 * that supports a sentence by itself, and shares enough of its words, is its source.
 *
 * Both tests are needed. evidence.h says yes to a sentence whose words cannot be looked up (in
 * another language); shared words alone say nothing of numbers and names. */
#include "answer/answer.h"
#include "answer/evidence.h"
#include "answer/place.h"
#include "base/utf8.h"
#include "model/support.h"
#include "run/work.h"
#include "text/sentence.h"

enum { TERMS_LEAST = 3 /* that a sentence must share with its source */ };

static const float SHARED_LEAST = 0.6f; /* of its terms */

struct credit {
    struct chat_sink sink;
    struct call *c;
    struct chat_sink *next;
    struct buf text; /* since something else than text went by ... */
    size_t before;   /* ... and how much had gone by until then */
    bool cited;
};

/* ---- Finding sources ---- */

struct finding {
    const struct chat_request *r;
    struct str text;
    struct citation *found;
    size_t n;
    struct arena *a;
};

struct source {
    const struct passage *passage;
    struct evidence *evidence;
    enum lang lang;
};

static bool shares_words(const struct source *from, struct str sentence, struct arena *a)
{
    struct support *s = arena_struct(a, struct support);
    support_init(s, sentence, from->lang, false, a);
    uint32_t shared = (uint32_t)__builtin_popcountll(support_match(s, from->passage->text).terms);
    return shared >= TERMS_LEAST && (float)shared >= SHARED_LEAST * (float)s->n;
}

/* The passage that supports it best, NULL: none does by itself. */
static const struct passage *source_of(const struct source *from, size_t n, struct str sentence,
                                       struct arena *a)
{
    const struct passage *best = NULL;
    float score = 0;
    for (size_t i = 0; i < n; i++) {
        struct verdict v = evidence_check(from[i].evidence, sentence);
        if (v.reason != EVIDENCE_NONE || v.score <= score || !shares_words(&from[i], sentence, a))
            continue;
        best = from[i].passage;
        score = v.score;
    }
    return best;
}

static void find(void *arg)
{
    struct finding *f = arg;
    const struct chat_request *r = f->r;
    struct source *from = arena_array(f->a, struct source, r->n_passages);
    size_t most = 0;
    for (size_t i = 0; i < r->n_passages; i++)
        from[i] = (struct source){&r->passage[i], evidence_new(&r->passage[i], 1, f->a),
                                  lang_unless(r->passage[i].lang, r->passage[i].text)};
    struct sentence_iter it = sentence_begin(f->text);
    for (struct sentence s; sentence_next(&it, &s);)
        most++;
    f->found = arena_array(f->a, struct citation, most);
    it = sentence_begin(f->text);
    for (struct sentence s; sentence_next(&it, &s);) {
        struct str sentence = str_trim(str_span(f->text.p + s.start, f->text.p + s.end));
        const struct passage *p = source_of(from, r->n_passages, sentence, f->a);
        if (!p)
            continue;
        struct citation *c = &f->found[f->n++];
        place_find(r, p->name, sentence, c, f->a);
        c->at = (size_t)(sentence.p + sentence.len - f->text.p);
        c->behind = utf8_count(str_from_at(f->text, c->at));
        c->bare = utf8_count(sentence);
    }
}

/* ---- Passing on ---- */

static bool credit(struct credit *k, struct err *e)
{
    const struct chat_request *r = &k->c->req;
    struct arena *own = arena_new(); /* a sink keeps nothing in the call's */
    struct finding f = {.r = r, .text = buf_str(&k->text), .a = own};
    bool good = true;
    work_run(find, &f);
    for (size_t i = 0; good && i < f.n; i++) {
        f.found[i].at += k->before;
        good = k->next->event(k->next, &(struct chat_event){CHAT_CITATION, .citation = &f.found[i]},
                              e);
    }
    arena_free(own);
    return good;
}

static bool says_something(const struct credit *k)
{
    struct str text = str_trim(buf_str(&k->text));
    return text.len > 0 && !str_eq(text, STR(CHAT_NO_INFORMATION));
}

static bool credit_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct credit *k = CONTAINER_OF(sink, struct credit, sink);
    if (ev->kind == CHAT_TEXT)
        buf_add(&k->text, ev->text);
    if (ev->kind == CHAT_CITATION)
        k->cited = true;
    if (ev->kind == CHAT_TEXT || ev->kind == CHAT_CITATION || ev->kind == CHAT_UNSUPPORTED)
        return k->next->event(k->next, ev, e);
    if (!k->cited && k->c->req.n_passages > 0 && says_something(k) && !credit(k, e))
        return false;
    k->before += k->text.len;
    buf_reset(&k->text);
    return k->next->event(k->next, ev, e);
}

static void credit_fini(void *arg)
{
    buf_fini(&((struct credit *)arg)->text);
}

struct chat_sink *answer_credit(struct call *c, struct chat_sink *next)
{
    struct credit *k = arena_struct(c->arena, struct credit);
    *k = (struct credit){.sink = {credit_event}, .c = c, .next = next};
    buf_init(&k->text, JSON_TEXT_MAX);
    arena_defer(c->arena, credit_fini, k);
    return &k->sink;
}
