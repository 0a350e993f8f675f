/* The engine without a model, as a provider: excerpts of the passages, each with its citation, one
 * event for each; and for reranking, the order of texts by the words that they share with the
 * query. */
#include "model/excerpt.h"
#include "model/provider.h"
#include "model/rerank.h"
#include "run/work.h"
#include "text/token.h"

struct job {
    struct call *c;
    struct str piece[EXCERPT_MOST]; /* of the answer, in order */
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
    struct excerpt x[EXCERPT_MOST];
    const struct passage *passage = r->passage;
    struct str question = r->question, asked = r->asked;
    size_t n = r->n_passages;
    bool after_block = false;
    if (!r->grounded) {
        n = passages_of_conversation(r, &passage, &question, a);
        asked = question;
    }
    n = excerpt_select(question, asked, passage, n, x, a);
    for (size_t i = 0; i < n; i++) {
        struct str text = excerpt_text(&x[i], a);
        bool block = str_find_char(text, '\n') != STR_NPOS;
        const char *gap = i == 0 ? "" : block || after_block ? "\n\n" : " ";
        job->piece[i] = r->grounded
                            ? arena_printf(a, "%s%.*s%s[Source: %.*s]", gap, STR_FMT(text),
                                           block ? "\n\n" : " ", STR_FMT(x[i].passage->name))
                            : arena_printf(a, "%s%.*s", gap, STR_FMT(text));
        after_block = block;
    }
    job->n = n;
    if (n == 0)
        job->piece[job->n++] = STR(CHAT_NO_INFORMATION);
}

static int64_t tokens_in(const struct call *c)
{
    const struct chat_request *r = &c->req;
    int64_t n = 0;
    for (size_t i = 0; i < r->n_messages; i++)
        n += (int64_t)call_tokens(c, r->message[i].text);
    for (size_t i = 0; i < r->n_passages; i++)
        n += r->passage[i].tokens;
    return n;
}

static bool answer_chat(struct attempt *a, struct err *e)
{
    struct call *c = a->call;
    struct job *job = arena_struct(c->arena, struct job);
    struct chat_event end = {.kind = CHAT_FINISH, .finish = CHAT_FINISH_STOP};
    job->c = c;
    work_run(answer, job);
    a->usage = (struct chat_usage){.input = tokens_in(c), .counted = true};
    a->said->begun = true;
    for (size_t i = 0; i < job->n && end.finish == CHAT_FINISH_STOP; i++) {
        int64_t tokens = (int64_t)call_tokens(c, job->piece[i]);
        if (c->req.max_tokens > 0 && a->usage.output + tokens > c->req.max_tokens) {
            end.finish = CHAT_FINISH_LENGTH;
            break;
        }
        provider_spoke(a, job->piece[i], true);
        a->usage.output += tokens;
        if (!a->sink->event(a->sink, &(struct chat_event){CHAT_TEXT, .text = job->piece[i]}, e))
            return false;
    }
    a->finish = end.finish;
    return a->sink->event(a->sink, &end, e);
}

/* ---- Reranking ---- */

struct rerank_job {
    const struct chat_request *r;
    struct arena *a;
    struct str answer;
    int64_t tokens;
};

/* As a server of OpenAI's family answers it; the gateway adds what is the same for all of them. */
static void put_results(struct json_writer *w, const struct rerank_hit *hit, size_t n)
{
    json_key(w, "results");
    json_array(w);
    for (size_t i = 0; i < n; i++) {
        json_object(w);
        json_kv_int(w, "index", hit[i].index);
        json_kv_real(w, "relevance_score", hit[i].score);
        json_end(w);
    }
    json_end(w);
}

static void run_rerank(void *arg)
{
    struct rerank_job *job = arg;
    const struct chat_request *r = job->r;
    struct str *text = arena_array(job->a, struct str, r->n_messages);
    struct buf b;
    struct json_writer w;
    for (size_t i = 0; i < r->n_messages; i++) {
        text[i] = r->message[i].text;
        job->tokens += (int64_t)token_count(text[i]);
    }
    const struct rerank_hit *hit = rerank(text[0], text + 1, r->n_inputs, job->a);
    buf_init(&b, 64 << 20);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_str(&w, "model", r->model);
    put_results(&w, hit, r->n_wanted);
    json_end(&w);
    job->answer = arena_copy(job->a, buf_str(&b));
    buf_fini(&b);
}

static bool answer_rerank(struct attempt *a, struct err *e)
{
    struct call *c = a->call;
    struct rerank_job job = {.r = &c->req, .a = c->arena};
    if (c->req.n_inputs > RERANK_MOST)
        return err_param(e, ERR_INVALID, "documents", "'documents' must be at most %d here",
                         RERANK_MOST);
    work_run(run_rerank, &job);
    a->usage = (struct chat_usage){.input = job.tokens, .counted = true};
    a->said->begun = true;
    return a->sink->event(a->sink, &(struct chat_event){.kind = CHAT_RAW, .raw = job.answer}, e);
}

/* ---- */

static bool extractive_answer(struct attempt *a, struct err *e)
{
    return a->call->req.op == OP_RERANK ? answer_rerank(a, e) : answer_chat(a, e);
}

const struct provider_kind provider_extractive = {
    .name = "extractive",
    .ops = 1u << OP_CHAT | 1u << OP_RERANK,
    .answer = extractive_answer,
};
