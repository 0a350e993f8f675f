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
    MARK_TOKENS = 20, /* what the marks around a passage cost, beside its name and section */
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
    struct passage *p = arena_array(c->arena, struct passage, all.n + 1);
    for (size_t i = 0; i < all.n; i++)
        p[i] = all.d[i].p;
    c->req.passage = p;
    c->req.n_passages = all.n;
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

    struct retrieve_query q = *query;
    struct retrieval found;
    q.text = &r->question;
    q.n_texts = 1;
    q.k = o.passages * HITS_PER_PASSAGE;
    if (!retrieve(from, &q, c->arena, &found, e))
        return false;
    x.found = &found;
    work_run(choose, &x);
    return true;
}
