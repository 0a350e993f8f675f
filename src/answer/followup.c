#include "answer/followup.h"
#include "model/question.h"
#include "text/terms.h"

enum { QUESTIONS_BACK = 8, WORDS_MOST = 12, NEW_SUBJECT = 6 };

static const struct str openings[] = {
    STR("and "),  STR("or "),  STR("but "),        STR("what about"), STR("how about"), STR("also"),
    STR("then "), STR("und "), STR("was ist mit"), STR("aber "),      STR("oder "),
};

static const struct str pronouns[] = {
    STR("it"),    STR("its"),   STR("they"),  STR("them"), STR("their"), STR("he"),
    STR("him"),   STR("his"),   STR("she"),   STR("her"),  STR("this"),  STR("that"),
    STR("these"), STR("those"), STR("there"), STR("es"),   STR("sie"),   STR("er"),
    STR("ihn"),   STR("ihr"),   STR("das"),   STR("dies"), STR("davon"), STR("dafür"),
    STR("damit"), STR("darin"), STR("dort"),
};

static bool has_pronoun(struct str question)
{
    struct str rest = question;
    while (rest.len > 0) {
        size_t n = 0;
        while (n < rest.len && str_find_char(STR(" \t\n.,;:?!()'\""), rest.p[n]) == STR_NPOS)
            n++;
        for (size_t i = 0; n > 0 && i < COUNT(pronouns); i++)
            if (str_ieq(str_head(rest, n), pronouns[i]))
                return true;
        rest = str_from_at(rest, n + 1);
    }
    return false;
}

/* The words of a question that one would search for, as they stand in it. */
struct words {
    struct str word[WORDS_MOST];
    size_t n;
};

static struct words words_of(struct str question)
{
    struct words w = {0};
    struct terms it;
    struct term term;
    terms_begin(&it, question, LANG_EN, TERMS_QUERY);
    while (w.n < WORDS_MOST && terms_next(&it, &term)) {
        struct str word = str_span(question.p + term.start, question.p + term.end);
        bool pronoun = false;
        for (size_t i = 0; i < COUNT(pronouns); i++)
            pronoun = pronoun || str_ieq(word, pronouns[i]);
        if (!pronoun && !question_only_asks(word))
            w.word[w.n++] = word;
    }
    return w;
}

static bool has_word(const struct words *w, struct str word)
{
    for (size_t i = 0; i < w->n; i++)
        if (str_ieq(w->word[i], word))
            return true;
    return false;
}

static bool points_back(struct str question, const struct words *own)
{
    for (size_t i = 0; i < COUNT(openings); i++)
        if (str_istarts(question, openings[i]))
            return true;
    return own->n == 0 || (own->n < NEW_SUBJECT && has_pronoun(question));
}

static struct str with_words_of(struct str question, const struct words *own, struct str before,
                                struct arena *a)
{
    struct words old = words_of(before);
    struct str front = STR("");
    for (size_t i = 0; i < old.n; i++)
        if (!has_word(own, old.word[i]))
            front = arena_printf(a, "%.*s%s%.*s", STR_FMT(front), front.len ? " " : "",
                                 STR_FMT(old.word[i]));
    return front.len ? arena_printf(a, "%.*s: %.*s", STR_FMT(front), STR_FMT(question)) : question;
}

struct str followup_standalone(const struct chat_request *r, struct str *asked, struct arena *a)
{
    size_t from = r->n_messages, seen = 0;
    while (from > 0 && seen < QUESTIONS_BACK)
        seen += r->message[--from].role == CHAT_USER;
    struct str question = STR("");
    *asked = question;
    for (size_t i = from; i < r->n_messages; i++) {
        struct str text = str_trim(r->message[i].text);
        if (r->message[i].role != CHAT_USER || text.len == 0)
            continue;
        struct words own = words_of(text);
        *asked = text;
        question = points_back(text, &own) ? with_words_of(text, &own, question, a) : text;
    }
    return question;
}
