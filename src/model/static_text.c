#include "model/static_text.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "model/provider.h"
#include "run/work.h"
#include "text/unicode.h"

enum { WORD_MOST = 256, MESSAGE_MOST = 1 << 20 /* bytes that are looked at */ };

static void put_word(struct buf *b, struct str word)
{
    char folded[WORD_MOST * UNICODE_FOLD_GROWTH];
    size_t n = unicode_fold(str_head(word, utf8_cut(word, WORD_MOST)), folded, sizeof(folded));
    if (n == 0)
        return;
    if (b->len == 0)
        buf_char(b, ' ');
    buf_add(b, (struct str){folded, n});
    buf_char(b, ' ');
}

struct str static_text_words(struct str text, struct arena *a)
{
    struct buf b;
    size_t at = 0, start = 0, end = 0; /* of the word that is being read */
    buf_init(&b, text.len * (UNICODE_FOLD_GROWTH + 1) + 2);
    while (at < text.len) {
        size_t from = at;
        enum unicode_kind kind = unicode_kind(utf8_next(text, &at));
        bool inside = kind == UNICODE_WORD || (kind == UNICODE_MARK && end > start);
        if (inside && end == start)
            start = from;
        if (inside) {
            end = at;
            continue;
        }
        put_word(&b, str_span(text.p + start, text.p + end));
        if (kind == UNICODE_DENSE)
            put_word(&b, str_span(text.p + from, text.p + at));
        start = end = at;
    }
    put_word(&b, str_span(text.p + start, text.p + end));
    struct str words = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return words;
}

const struct static_rule *static_text_match(const struct static_rule *rule, size_t n,
                                            struct str message, struct arena *a)
{
    struct str words = static_text_words(str_head(message, MESSAGE_MOST), a);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < rule[i].n; k++)
            if (str_find(words, rule[i].phrase[k]) != STR_NPOS)
                return &rule[i];
    return NULL;
}

/* ---- The provider ---- */

struct job {
    struct attempt *a;
    const struct static_rule *rule;
};

static void match(void *arg)
{
    struct job *job = arg;
    const struct chat_request *r = &job->a->call->req;
    const struct provider *p = job->a->target->provider;
    size_t last = r->n_messages;
    while (last > 0 && r->message[last - 1].role != CHAT_USER)
        last--;
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    if (last > 0)
        job->rule = static_text_match(p->rule, p->n_rules, r->message[last - 1].text, a);
    arena_rewind(a, mark);
}

static bool answer(struct attempt *a, struct err *e)
{
    const struct provider *p = a->target->provider;
    struct job job = {.a = a};
    if (p->n_rules > 0)
        work_run(match, &job);
    struct str text = job.rule ? job.rule->text : p->text;
    if (!text.len)
        return err_set(e, ERR_NOT_FOUND, "no rule of '%.*s' matches", STR_FMT(p->name));
    if (job.rule) {
        a->tier = "rules";
        if (!a->call->raced)
            provider_credit(a);
    }
    a->usage = (struct chat_usage){.counted = true,
                                   .input = call_prompt_tokens(a->call),
                                   .output = (int64_t)call_tokens(a->call, text)};
    a->said->begun = true;
    provider_spoke(a, text, true);
    a->finish = CHAT_FINISH_STOP;
    return a->sink->event(a->sink, &(struct chat_event){CHAT_TEXT, .text = text}, e) &&
           a->sink->event(a->sink,
                          &(struct chat_event){.kind = CHAT_FINISH, .finish = CHAT_FINISH_STOP}, e);
}

const struct provider_kind provider_static = {
    .name = "static",
    .ops = 1u << OP_CHAT,
    .answer = answer,
};
