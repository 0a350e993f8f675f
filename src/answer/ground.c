#include "answer/answer.h"
#include "answer/budget.h"
#include "answer/followup.h"
#include "model/prompt.h"
#include "run/work.h"
#include "text/sentence.h"

#include <stdlib.h>

enum {
    PASSAGES = 5,
    HITS_PER_PASSAGE = 4, /* asked for, as some are duplicates, neighbours or too long */
    CONTEXT_TOKENS = 8192,
    PASSAGE_LEAST = 64, /* tokens: room for less is none */
    MARK_TOKENS = 20,   /* what the marks around a passage cost, beside its name and section */
};

static struct answer_options with_defaults(const struct answer_options *opt)
{
    struct answer_options o = *opt;
    if (o.passages == 0)
        o.passages = PASSAGES;
    if (o.context_tokens == 0)
        o.context_tokens = CONTEXT_TOKENS;
    if (o.instruction_share + o.conversation_share + o.context_share <= 0) {
        o.instruction_share = 0.3f;
        o.conversation_share = 0.2f;
        o.context_share = 0.5f;
    }
    return o;
}

/* ---- Choosing ---- */

/* A passage being put together: one chunk, or several that follow each other. */
struct draft {
    struct passage p;
    uint64_t hash;     /* of its first chunk */
    uint64_t char_end; /* of the last, in the document */
    uint32_t first_idx, last_idx;
    size_t rank; /* of its best hit */
};

struct drafts {
    struct draft *d;
    size_t n;
    uint32_t tokens_left;
    const struct call *c;
};

/* The count that a chunk was stored with is an estimate; a vocabulary knows better. */
static uint32_t tokens_of(const struct call *c, const struct doc_chunk *chunk)
{
    return chunk->tokens && !c->vocabulary ? chunk->tokens : (uint32_t)call_tokens(c, chunk->text);
}

static struct draft draft_of(const struct call *call, const struct doc_passage *from, float score,
                             size_t rank)
{
    struct arena *a = call->arena;
    const struct doc_chunk *c = &from->chunk;
    struct str name = from->name.len ? from->name : from->title.len ? from->title : from->uri;
    return (struct draft){
        .p = {.chunk = c->id,
              .document = c->document,
              .collection = from->collection,
              .file_id = from->file_id,
              .name = prompt_source_name(name, a),
              .uri = from->uri,
              .section = c->section,
              .attributes = from->attributes,
              .text = c->text,
              .lang = lang_from_code(from->language),
              .page = c->page,
              .line_start = c->line_start,
              .line_end = c->line_end,
              .char_start = c->char_start,
              .version = from->version,
              .document_hash = from->content_hash,
              .tokens = tokens_of(call, c),
              .score = score},
        .hash = c->hash,
        .char_end = c->char_start + c->text.len,
        .first_idx = c->idx,
        .last_idx = c->idx,
        .rank = rank,
    };
}

/* Puts `b`, which comes behind `a` in their document, at its end; what the two share by overlap
 * stands once. False when they are not neighbours, belong to different sections (a citation tells
 * the section), or what they share is not the same text. */
static bool append(const struct call *c, struct draft *a, const struct draft *b)
{
    if (a->p.document != b->p.document || b->first_idx != a->last_idx + 1 ||
        !str_eq(a->p.section, b->p.section) || b->p.char_start < a->p.char_start ||
        b->p.char_start > a->char_end || b->char_end < a->char_end)
        return false;
    size_t shared = a->char_end - b->p.char_start;
    if (!str_eq(str_from_at(a->p.text, a->p.text.len - size_min(shared, a->p.text.len)),
                str_head(b->p.text, shared)))
        return false;
    struct str more = str_from_at(b->p.text, shared);
    a->p.text = arena_printf(c->arena, "%.*s%.*s", STR_FMT(a->p.text), STR_FMT(more));
    a->p.tokens += (uint32_t)call_tokens(c, more);
    a->p.line_end = b->p.line_end;
    a->char_end = b->char_end;
    a->last_idx = b->last_idx;
    return true;
}

static void absorb(struct draft *into, const struct draft *from)
{
    into->rank = size_min(into->rank, from->rank);
    if (from->p.keyword > into->p.keyword)
        into->p.keyword = from->p.keyword;
    if (from->p.score > into->p.score)
        into->p.score = from->p.score;
}

static void drop(struct drafts *all, size_t i)
{
    memmove(&all->d[i], &all->d[i + 1], (--all->n - i) * sizeof(all->d[0]));
}

/* Joins the new one with neighbours that are there already: true when it has found its place. */
static bool merge(struct drafts *all, const struct draft *new)
{
    size_t at = all->n;
    for (size_t i = 0; i < all->n && at == all->n; i++) {
        struct draft behind = *new;
        if (append(all->c, &all->d[i], new)) {
            absorb(&all->d[i], new);
            at = i;
        } else if (append(all->c, &behind, &all->d[i])) {
            absorb(&behind, &all->d[i]);
            all->d[i] = behind;
            at = i;
        }
    }
    if (at == all->n)
        return false;
    for (size_t i = 0; i < all->n; i++) { /* it may have closed a gap */
        if (i == at || !append(all->c, &all->d[at], &all->d[i]))
            continue;
        absorb(&all->d[at], &all->d[i]);
        drop(all, i);
        break;
    }
    return true;
}

static bool is_known(const struct drafts *all, const struct draft *new)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct draft *d = &all->d[i];
        if ((d->hash == new->hash &&str_eq(d->p.text, new->p.text)) ||
            str_find(d->p.text, new->p.text) != STR_NPOS)
            return true;
    }
    return false;
}

/* The sentences that fit, for a best passage that is longer than all the room there is. */
static void shorten(const struct call *c, struct draft *d, uint32_t tokens)
{
    struct sentence_iter it = sentence_begin(d->p.text);
    size_t end = 0;
    for (struct sentence s;
         sentence_next(&it, &s) && call_tokens(c, str_head(d->p.text, s.end)) <= tokens;)
        end = s.end;
    d->p.text = str_head(d->p.text, end);
    d->p.tokens = (uint32_t)call_tokens(c, d->p.text);
    d->char_end = d->p.char_start + end;
}

static void add(struct drafts *all, struct draft new, size_t most)
{
    uint32_t marks = MARK_TOKENS + (uint32_t)(call_tokens(all->c, new.p.name) +
                                              call_tokens(all->c, new.p.section));
    uint32_t room = all->tokens_left > marks ? all->tokens_left - marks : 0;
    if (is_known(all, &new))
        return;
    if (new.p.tokens > room && all->n == 0)
        shorten(all->c, &new, room);
    if (new.p.tokens > room || new.p.text.len == 0)
        return;
    if (!merge(all, &new)) {
        if (all->n == most)
            return;
        all->d[all->n++] = new;
    }
    all->tokens_left -= new.p.tokens + marks;
}

static int by_rank(const void *a, const void *b)
{
    const struct draft *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

struct choosing {
    struct call *c;
    const struct answer_options *opt;
    const struct retrieval *found;
    struct budget budget;
    struct err *e;
    bool good;
    struct passage *chosen; /* best first */
    size_t n_chosen;
};

static void choose(void *arg)
{
    struct choosing *x = arg;
    struct call *c = x->c;
    struct drafts all = {.d = arena_array(c->arena, struct draft, x->opt->passages + 1),
                         .tokens_left = x->budget.passages,
                         .c = c};
    for (size_t i = 0; i < x->found->n; i++) {
        const struct retrieved *h = &x->found->hit[i];
        struct draft d = draft_of(c, &h->passage, (float)h->score, i);
        d.p.keyword = (float)h->keyword.score;
        add(&all, d, x->opt->passages);
    }
    qsort(all.d, all.n, sizeof(all.d[0]), by_rank);
    x->chosen = arena_array(c->arena, struct passage, all.n + 1);
    for (size_t i = 0; i < all.n; i++)
        x->chosen[i] = all.d[i].p;
    x->n_chosen = all.n;
}

/* The best passages for the texts, that fit. */
static bool look(const struct retriever *from, const struct retrieve_query *query,
                 const struct str *text, size_t n, struct choosing *x)
{
    struct retrieve_query q = *query;
    struct retrieval found;
    q.text = text;
    q.n_texts = n;
    q.k = x->opt->passages * HITS_PER_PASSAGE;
    if (!retrieve(from, &q, x->c->arena, &found, x->e))
        return false;
    x->found = &found;
    work_run(choose, x);
    return true;
}

/* ---- Grounding ---- */

static void divide(void *arg)
{
    struct choosing *x = arg;
    x->good = budget_divide(x->c, x->opt, &x->budget, x->e);
}

bool answer_ground(const struct retriever *from, const struct retrieve_query *query,
                   const struct answer_options *opt, struct call *c, struct err *e)
{
    struct answer_options o = with_defaults(opt);
    struct chat_request *r = &c->req;
    r->question = followup_standalone(r, &r->asked, c->arena);
    r->grounded = true;
    struct choosing x = {.c = c, .opt = &o, .e = e};
    work_run(divide, &x);
    if (!x.good)
        return false;
    r->n_left_out = x.budget.left_out;
    if (r->searching == SEARCH_CALLED)
        return true;
    if (!look(from, query, &r->question, 1, &x))
        return false;
    r->passage = x.chosen;
    r->n_passages = x.n_chosen;
    return true;
}

/* ---- Searches that the model calls ---- */

/* What the window has left, beside the answer; not more than passages may have in all. */
static uint32_t room_for_more(const struct call *c, const struct answer_options *o)
{
    int64_t window = o->context_tokens, answer = window / 4;
    int64_t share = (int64_t)((double)window * (double)o->context_share);
    if (c->req.max_tokens > 0 && c->req.max_tokens < answer)
        answer = c->req.max_tokens;
    int64_t room = window - answer - call_prompt_tokens(c);
    return (uint32_t)(room < 0 ? 0 : room < share ? room : share);
}

static bool is_same(const struct passage *a, const struct passage *b)
{
    return a->document == b->document && a->char_start == b->char_start &&
           a->text.len == b->text.len;
}

/* Behind those that are there: what is cited and checked from here on. */
static void add_passages(struct call *c, const struct passage *found, size_t n)
{
    struct chat_request *r = &c->req;
    struct passage *all = arena_array(c->arena, struct passage, r->n_passages + n);
    size_t m = r->n_passages;
    if (m > 0)
        memcpy(all, r->passage, m * sizeof(*all));
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < m && !is_same(&all[k], &found[i]))
            k++;
        if (k == m)
            all[m++] = found[i];
    }
    r->n_beside += (uint32_t)(m - r->n_passages);
    r->passage = all;
    r->n_passages = m;
}

bool answer_search(const struct retriever *from, const struct retrieve_query *query,
                   const struct answer_options *opt, struct call *c, const struct str *text,
                   size_t n, struct answer_found *out, struct err *e)
{
    struct answer_options o = with_defaults(opt);
    struct choosing x = {.c = c, .opt = &o, .e = e};
    x.budget.passages = room_for_more(c, &o);
    *out = (struct answer_found){.full = x.budget.passages < PASSAGE_LEAST};
    if (out->full)
        return true;
    if (!look(from, query, text, n, &x))
        return false;
    add_passages(c, x.chosen, x.n_chosen);
    out->passage = x.chosen;
    out->n = x.n_chosen;
    return true;
}
