#include "answer/place.h"
#include "model/support.h"
#include "text/sentence.h"

enum {
    STATEMENT_TERMS_LEAST = 3,
    QUOTE_LEAST = 16 /* bytes: shorter ones stand in too many places */
};

static const float REPEATED = 0.8f; /* of a sentence's words, for it to be part of a quotation */

struct place {
    const struct passage *passage;
    size_t start, end; /* in passage->text */
};

struct finding {
    const struct chat_request *r;
    struct str name;
    struct place place;
    struct arena *a;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Does `words` stand at the front of s, whatever the white space? Its length there, or 0. */
static size_t same_words(struct str s, struct str words)
{
    size_t i = 0, k = 0;
    while (k < words.len) {
        if (is_space(words.p[k])) {
            if (i >= s.len || !is_space(s.p[i]))
                return 0;
            while (i < s.len && is_space(s.p[i]))
                i++;
            while (k < words.len && is_space(words.p[k]))
                k++;
        } else if (i >= s.len || s.p[i++] != words.p[k++]) {
            return 0;
        }
    }
    return i;
}

static bool find_quote(struct finding *v, struct str words)
{
    words = str_trim(words);
    for (size_t i = 0; words.len >= QUOTE_LEAST && i < v->r->n_passages; i++) {
        const struct passage *p = &v->r->passage[i];
        if (!str_eq(p->name, v->name))
            continue;
        for (size_t at = 0; at < p->text.len; at++) {
            size_t n =
                p->text.p[at] == words.p[0] ? same_words(str_from_at(p->text, at), words) : 0;
            if (n > 0) {
                v->place = (struct place){p, at, at + n};
                return true;
            }
        }
    }
    return false;
}

static struct str last_sentence(struct str text)
{
    struct sentence_iter it = sentence_begin(text);
    struct str last = STR_NONE;
    for (struct sentence s; sentence_next(&it, &s);)
        last = str_span(text.p + s.start, text.p + s.end);
    return last;
}

static struct str in_place(const struct place *at)
{
    return str_span(at->passage->text.p + at->start, at->passage->text.p + at->end);
}

/* Takes in the neighbours of the best sentence that the statement repeats as well: a list, a table
 * or code is quoted as a whole. */
static void widen(struct place *at, const struct support *s)
{
    CHECK(at->passage);
    struct sentence_iter it = sentence_begin(at->passage->text);
    struct place run = *at, best = *at;
    bool inside = false, open = false;
    for (struct sentence x; sentence_next(&it, &x);) {
        struct str text = str_span(at->passage->text.p + x.start, at->passage->text.p + x.end);
        struct support_found got = support_match(s, text);
        bool core = x.start == best.start;
        if (core || (got.words > 0 && (float)got.hits >= REPEATED * (float)got.words)) {
            run.start = open ? run.start : x.start;
            run.end = x.end;
            open = true;
            inside = inside || core;
        } else if (inside) {
            break;
        } else {
            open = false;
        }
        if (inside)
            *at = run;
    }
}

/* The sentence that has most terms in common with the statement. When no sentence has one (another
 * language, say) the passage as a whole is what was cited. */
static void find_support(struct finding *v, struct str statement)
{
    struct support *s = arena_struct(v->a, struct support);
    float best = 0;
    for (size_t i = 0; i < v->r->n_passages; i++) {
        const struct passage *p = &v->r->passage[i];
        if (!str_eq(p->name, v->name))
            continue;
        if (!v->place.passage) {
            v->place = (struct place){p, 0, p->text.len};
            support_init(s, statement, lang_unless(p->lang, p->text), false, v->a);
        }
        struct sentence_iter it = sentence_begin(p->text);
        for (struct sentence x; sentence_next(&it, &x);) {
            struct place at = {p, x.start, x.end};
            float alike = support_alike(s, in_place(&at));
            if (alike > best) {
                best = alike;
                v->place = at;
            }
        }
    }
    if (best > 0)
        widen(&v->place, s);
}

static uint32_t line_breaks(struct str s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.p[i] == '\n';
    return n;
}

/* Lines are exact when the passage has the line breaks of its document; a reader that took marks
 * out may have joined lines, and then the passage's own lines are all that is sure. */
static struct citation citation_of(const struct place *at)
{
    const struct passage *p = at->passage;
    CHECK(p);
    struct citation c = {
        .passage = p,
        .char_start = p->char_start + at->start,
        .char_end = p->char_start + at->end,
        .line_start = p->line_start,
        .line_end = p->line_end,
        .page = p->page,
        .quote = in_place(at),
    };
    if (p->line_start > 0 && p->line_end - p->line_start == line_breaks(p->text)) {
        c.line_start = p->line_start + line_breaks(str_head(p->text, at->start));
        c.line_end = c.line_start + line_breaks(c.quote);
    }
    return c;
}

/* A last sentence that is a mere "So it is." tells nothing, and a list, a table or code is one. */
void place_find(const struct chat_request *r, struct str name, struct str statement,
                struct citation *out, struct arena *a)
{
    struct finding v = {.r = r, .name = name, .a = a};
    struct str all = str_trim(statement), last = last_sentence(all);
    if (!find_quote(&v, all) && !find_quote(&v, last)) {
        struct support *s = arena_struct(a, struct support);
        support_init(s, last, LANG_EN, false, a);
        bool block = str_find_char(all, '\n') != STR_NPOS;
        find_support(&v, !block && s->n >= STATEMENT_TERMS_LEAST ? last : all);
    }
    *out = citation_of(&v.place);
}
