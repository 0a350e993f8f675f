/* One pass over the text, cut at white space and quotes. What is plain goes to a copy, from which
 * the words are made at the end; the rest becomes clauses and alike words. */
#include "index/query.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/terms.h"
#include "text/unicode.h"

#include <stdlib.h>

enum sign { PLAIN, MUST, MUST_NOT };

struct reader {
    struct query *q;
    struct arena *a;
    struct str text;
    size_t at;
    const enum lang *lang;
    size_t n_langs;
    const struct bm25_view *const *view;
    size_t n_views;
    const struct docset *const *allowed;
    struct buf plain;
    bool question;  /* it has a question mark */
    bool negated;   /* NOT stands before */
    bool auxiliary; /* the word before is one behind which NOT is emphasis */
    struct bm25_clause hard[QUERY_CLAUSES], phrase[QUERY_CLAUSES];
    size_t n_hard, n_phrases;
    struct bm25_word alike[BM25_MAX_WORDS]; /* groups from 1 on, each of one word typed */
    size_t n_alike;
    uint32_t groups;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter_at(struct str s, size_t at)
{
    if (at >= s.len)
        return false;
    uint32_t c = utf8_next(s, &at);
    enum unicode_kind kind = unicode_kind(c);
    return (kind == UNICODE_WORD && !(c >= '0' && c <= '9')) || kind == UNICODE_DENSE;
}

static bool is_word_at(struct str s, size_t at)
{
    if (at >= s.len)
        return false;
    enum unicode_kind kind = unicode_kind(utf8_next(s, &at));
    return kind == UNICODE_WORD || kind == UNICODE_DENSE;
}

/* Bytes of the quote that opens at `at`, and where its partner is; 0: there is none. */
static size_t quote_at(struct str s, size_t at, size_t *close, size_t *close_len)
{
    static const struct {
        struct str open, close;
    } quotes[] = {{STR_INIT("\""), STR_INIT("\"")},
                  {STR_INIT("“"), STR_INIT("”")},
                  {STR_INIT("„"), STR_INIT("“")},
                  {STR_INIT("«"), STR_INIT("»")}};
    for (size_t i = 0; i < COUNT(quotes); i++) {
        if (!str_starts(str_from_at(s, at), quotes[i].open))
            continue;
        size_t from = at + quotes[i].open.len;
        size_t found = str_find(str_from_at(s, from), quotes[i].close);
        if (found == STR_NPOS)
            return 0;
        *close = from + found;
        *close_len = quotes[i].close.len;
        return quotes[i].open.len;
    }
    return 0;
}

static void add_plain(struct reader *r, struct str s)
{
    buf_add(&r->plain, s);
    buf_char(&r->plain, ' ');
}

/* Returns the words: places of the text that have one. */
static size_t make_clause(struct reader *r, struct str s, uint32_t further, enum bm25_demand demand,
                          struct bm25_clause *out)
{
    struct bm25_spot *spot = arena_array(r->a, struct bm25_spot, QUERY_SPOTS);
    *out = (struct bm25_clause){.demand = demand,
                                .further = further,
                                .spot = spot,
                                .n = words_spots(spot, QUERY_SPOTS, s, r->lang, r->n_langs)};
    size_t words = 0;
    for (size_t i = 0; i < out->n; i++)
        words += i == 0 || spot[i].at != spot[i - 1].at;
    return words;
}

static void demand(struct reader *r, struct str s, uint32_t further, enum bm25_demand what)
{
    struct bm25_clause c;
    if (r->n_hard < QUERY_CLAUSES && make_clause(r, s, further, what, &c))
        r->hard[r->n_hard++] = c;
    if (what == BM25_MUST)
        add_plain(r, s);
}

static void quoted(struct reader *r, struct str s, uint32_t further, enum sign sign)
{
    struct bm25_clause c;
    if (sign != PLAIN) {
        demand(r, s, further, sign == MUST ? BM25_MUST : BM25_MUST_NOT);
        return;
    }
    if (r->n_phrases < QUERY_CLAUSES && make_clause(r, s, further, BM25_MUST, &c) > 1)
        r->phrase[r->n_phrases++] = c;
    add_plain(r, s);
}

/* ---- Words with * and ~ ---- */

static void add_alike(struct reader *r, struct str word, unsigned distance)
{
    struct terms t;
    struct term term;
    struct bm25_like like[QUERY_ALIKE];
    terms_begin(&t, word, LANG_OTHER, TERMS_QUERY);
    if (!terms_next(&t, &term))
        return;
    size_t n = bm25_alike(r->view, r->n_views, r->allowed, term.text, distance, like, QUERY_ALIKE);
    r->groups += n > 0;
    for (size_t i = 0; i < n && r->n_alike < BM25_MAX_WORDS; i++)
        r->alike[r->n_alike++] =
            (struct bm25_word){like[i].term, 1 / (1 + (float)like[i].distance / 2), r->groups};
}

/* "conf*", "colour~", "colour~2": what stands before the mark; -1 when it is none of these. */
static int mark_of(struct str token, struct str *word)
{
    size_t star = str_find_char(token, '*'), tilde = str_find_char(token, '~');
    if (star != STR_NPOS && star + 1 == token.len && star >= 2) {
        *word = str_head(token, star);
        return 0;
    }
    if (tilde == STR_NPOS || tilde < 2 || tilde + 2 < token.len)
        return -1;
    *word = str_head(token, tilde);
    char digit = tilde + 1 < token.len ? token.p[tilde + 1] : '1';
    return digit == '1' || digit == '2' ? digit - '0' : -1;
}

static bool one_word(struct str s)
{
    for (size_t at = 0; at < s.len;)
        if (unicode_kind(utf8_next(s, &at)) == UNICODE_OTHER)
            return false;
    return true;
}

/* ---- Tokens ---- */

/* "do NOT", "should NOT": emphasis. */
static bool is_auxiliary(struct str s)
{
    static const char *const words[] = {"do",    "does", "did",    "is",   "are", "was", "were",
                                        "can",   "may",  "must",   "will", "to",  "i",   "you",
                                        "could", "has",  "shall",  "have", "we",  "he",  "it",
                                        "would", "had",  "should", "she",  "they"};
    for (size_t i = 0; i < COUNT(words); i++)
        if (str_ieq(s, str_from(words[i])))
            return true;
    return false;
}

static enum sign take_sign(struct reader *r)
{
    enum sign sign = r->negated ? MUST_NOT : PLAIN;
    struct str s = r->text;
    size_t next = r->at + 1, close, len;
    r->negated = false;
    if (s.p[r->at] == '+' && (is_word_at(s, next) || quote_at(s, next, &close, &len))) {
        r->at++;
        return MUST;
    }
    if (s.p[r->at] == '-' && !r->question &&
        (is_letter_at(s, next) || quote_at(s, next, &close, &len))) {
        r->at++;
        return MUST_NOT;
    }
    return sign;
}

static void word_token(struct reader *r, struct str token, enum sign sign)
{
    struct str word;
    int distance = mark_of(token, &word);
    if (sign == PLAIN && distance >= 0 && one_word(word))
        add_alike(r, word, (unsigned)distance);
    else if (sign == PLAIN)
        add_plain(r, token);
    else
        demand(r, token, 0, sign == MUST ? BM25_MUST : BM25_MUST_NOT);
}

/* Takes what may follow a quote, "~5", and returns the number; 0 when there is none that counts. */
static uint32_t take_further(struct reader *r)
{
    struct str s = r->text;
    size_t at = r->at + 1;
    uint32_t n = 0;
    if (r->at >= s.len || s.p[r->at] != '~')
        return 0;
    for (; at < s.len && s.p[at] >= '0' && s.p[at] <= '9'; at++)
        n = n > QUERY_FURTHER ? n : n * 10 + (uint32_t)(s.p[at] - '0');
    if (is_word_at(s, at))
        return 0;
    r->at = at;
    return n <= QUERY_FURTHER ? n : 0;
}

static void take_token(struct reader *r)
{
    struct str s = r->text;
    enum sign sign = take_sign(r);
    size_t close, close_len, open = quote_at(s, r->at, &close, &close_len);
    if (open) {
        struct str inside = str_span(s.p + r->at + open, s.p + close);
        r->at = close + close_len;
        quoted(r, inside, take_further(r), sign);
        return;
    }
    size_t start = r->at;
    while (r->at < s.len && !is_space(s.p[r->at]))
        r->at++;
    struct str token = str_span(s.p + start, s.p + r->at);
    if (str_eq(token, STR("NOT")) && !r->question && !r->auxiliary && r->plain.len) {
        r->negated = true;
        return;
    }
    r->auxiliary = is_auxiliary(token);
    word_token(r, token, sign);
}

/* ---- "but not" ---- */

/* Where a turn of phrase says that the rest is not wanted, up to the next mark. */
static struct str unwanted(struct str s, struct str *rest)
{
    static const struct str turns[] = {
        STR_INIT(" but not "),    STR_INIT(" excluding "),  STR_INIT(" other than "),
        STR_INIT(" apart from "), STR_INIT(" except for "), STR_INIT(" except "),
        STR_INIT(" aber nicht "), STR_INIT(" außer "),      STR_INIT(" mais pas "),
        STR_INIT(" sauf "),       STR_INIT(" pero no "),    STR_INIT(" excepto ")};
    for (size_t at = 0; at < s.len; at++)
        for (size_t i = 0; s.p[at] == ' ' && i < COUNT(turns); i++)
            if (str_istarts(str_from_at(s, at), turns[i])) {
                size_t from = at + turns[i].len, end = from;
                while (end < s.len && str_find_char(STR(",.;:?!"), s.p[end]) == STR_NPOS)
                    end++;
                *rest = str_from_at(s, end);
                return str_head(s, at);
            }
    *rest = STR_NONE;
    return s;
}

/* The plain text without what is not wanted, unless nothing would be left. */
static struct str wanted(struct reader *r)
{
    struct str all = arena_copy(r->a, buf_str(&r->plain)), rest, head = unwanted(all, &rest);
    if (head.len == all.len || str_trim(head).len == 0)
        return all;
    return arena_printf(r->a, "%.*s %.*s", STR_FMT(head), STR_FMT(rest));
}

/* Joins the words typed with those that are alike; each term once. */
static void finish_words(struct reader *r)
{
    struct query *q = r->q;
    q->word = arena_array(r->a, struct bm25_word, BM25_MAX_WORDS);
    q->text = wanted(r);
    q->n = words_of_query(q->word, q->text, r->lang, r->n_langs);
    uint32_t first = q->n ? q->word[q->n - 1].group + 1 : 0;
    for (size_t i = 0; i < r->n_alike && q->n < BM25_MAX_WORDS; i++) {
        size_t k = 0;
        while (k < q->n && q->word[k].term != r->alike[i].term)
            k++;
        if (k < q->n)
            continue;
        q->word[q->n] = r->alike[i];
        q->word[q->n++].group = first + r->alike[i].group;
    }
}

void query_parse(struct query *q, struct arena *a, struct str text, const enum lang *lang,
                 size_t n_langs, const struct bm25_view *const *view, size_t n_views,
                 const struct docset *const *allowed)
{
    struct reader *r = arena_struct(a, struct reader);
    text = str_head(text, utf8_cut(text, WORDS_QUERY_BYTES));
    *r = (struct reader){.q = q,
                         .a = a,
                         .text = text,
                         .lang = lang,
                         .n_langs = n_langs,
                         .view = view,
                         .n_views = n_views,
                         .allowed = allowed,
                         .question = str_find_char(text, '?') != STR_NPOS ||
                                     str_find(text, STR("？")) != STR_NPOS};
    *q = (struct query){0};
    buf_init(&r->plain, (size_t)4 * WORDS_QUERY_BYTES);
    while (r->at < text.len)
        if (is_space(text.p[r->at]))
            r->at++;
        else
            take_token(r);
    finish_words(r);
    q->clause = arena_array(a, struct bm25_clause, r->n_hard + r->n_phrases);
    for (size_t i = 0; i < r->n_hard; i++)
        q->clause[q->n_clauses++] = r->hard[i];
    for (size_t i = 0; i < r->n_phrases; i++)
        q->clause[q->n_clauses + q->n_phrases++] = r->phrase[i];
    q->n_held = q->n_clauses;
    buf_fini(&r->plain);
}

struct str query_wanted(struct str text, struct arena *a)
{
    const enum lang any = LANG_OTHER;
    struct query q;
    query_parse(&q, a, text, &any, 1, NULL, 0, NULL);
    return str_trim(q.text).len ? q.text : text;
}

struct phrase_check *query_check(const struct query *q, struct arena *a,
                                 const struct bm25_view *const *view, size_t n_views,
                                 const struct phrase_texts *texts)
{
    _Static_assert(2 * QUERY_CLAUSES <= PHRASE_CLAUSES, "all of a query's clauses can be checked");
    return phrase_check_new(a, view, n_views, q->clause, q->n_clauses + q->n_phrases, texts);
}

bool query_search(struct query *q, struct phrase_check *check, struct bm25_query base,
                  struct hit *hit, size_t k, size_t *n, struct err *e)
{
    base.word = q->word;
    base.n = q->n;
    base.clause = q->clause;
    base.n_clauses = q->n_held = q->n_clauses + q->n_phrases;
    if (!phrase_search(check, &base, hit, k, n, e))
        return false;
    if (*n || q->n_phrases == 0)
        return true;
    base.n_clauses = q->n_held = q->n_clauses;
    return phrase_search(check, &base, hit, k, n, e);
}
