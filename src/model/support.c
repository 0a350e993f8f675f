#include "model/support.h"
#include "model/question.h"

enum { STEM_LEAST = 4, ENDING_MOST = 5, PART_LEAST = 5 };

static int find(const struct support *s, struct str term)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (str_eq(s->term[i], term))
            return (int)i;
    return -1;
}

/* A number, or a capital inside a sentence; in German every noun has one, so it tells nothing. */
static bool is_named(struct str text, const struct term *t, enum lang lang)
{
    bool capital = text.p[t->start] >= 'A' && text.p[t->start] <= 'Z' && t->start > 0;
    bool number = false;
    for (size_t i = t->start; i < t->end; i++)
        number = number || (text.p[i] >= '0' && text.p[i] <= '9');
    return number || (capital && lang != LANG_DE);
}

void support_init(struct support *s, struct str text, enum lang lang, bool question,
                  struct arena *a)
{
    struct terms it;
    struct term term;
    *s = (struct support){.lang = lang};
    terms_begin(&it, text, lang, TERMS_QUERY);
    while (s->n < SUPPORT_TERMS && terms_next(&it, &term)) {
        if (find(s, term.text) >= 0 ||
            (question && question_only_asks(str_span(text.p + term.start, text.p + term.end))))
            continue;
        s->weight[s->n] = 1;
        s->named |= (uint64_t)is_named(text, &term, lang) << s->n;
        s->term[s->n++] = arena_copy(a, term.text);
    }
}

/* Languages that write compounds in one word: "Eingangstemperatur" is about "Temperatur". */
static bool compounds(enum lang l)
{
    return l == LANG_DE || l == LANG_NL || l == LANG_SV || l == LANG_DA || l == LANG_NO ||
           l == LANG_FI || l == LANG_HU;
}

/* One begins with the other, and what is left is no longer than an ending; or, in a compound, ends
 * with it. */
static bool related(struct str a, struct str b, enum lang lang)
{
    if (a.len > b.len) {
        struct str longer = a;
        a = b;
        b = longer;
    }
    if (a.len >= STEM_LEAST && b.len - a.len <= ENDING_MOST && str_starts(b, a))
        return true;
    return a.len >= PART_LEAST && compounds(lang) && (str_ends(b, a) || str_starts(b, a));
}

static int find_related(const struct support *s, struct str term)
{
    int i = find(s, term);
    for (uint32_t k = 0; i < 0 && k < s->n; k++)
        if (related(s->term[k], term, s->lang))
            i = (int)k;
    return i;
}

struct support_found support_match(const struct support *s, struct str text)
{
    struct support_found found = {0};
    struct terms it;
    struct term term;
    int last = -1;
    terms_begin(&it, text, s->lang, TERMS_QUERY);
    while (terms_next(&it, &term)) {
        int i = find_related(s, term.text);
        found.words++;
        found.hits += i >= 0;
        if (i >= 0)
            found.terms |= UINT64_C(1) << i;
        found.pairs += i > 0 && i == last + 1;
        last = i;
    }
    return found;
}

float support_weight(const struct support *s, uint64_t terms)
{
    float sum = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (terms >> i & 1)
            sum += s->weight[i];
    return sum;
}

float support_alike(const struct support *s, struct str text)
{
    struct support_found found = support_match(s, text);
    uint32_t all = s->n + found.words;
    return all ? 2.0f * (float)__builtin_popcountll(found.terms) / (float)all : 0;
}
