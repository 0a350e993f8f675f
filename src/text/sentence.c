#include "text/sentence.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>

/* In front of a dot that ends no sentence although a capital or a number may follow: titles,
 * references, "for example". Lower case, sorted. Words that mostly end one ("etc.", "no.", "am.")
 * are not here: before a lower case word they do not cut anyway. */
static const char *const abbreviations[] = {
    "abb", "abs",  "al",   "app", "approx", "art", "bd",   "bsp",  "bzw",  "ca",   "capt",
    "cf",  "ch",   "col",  "d.h", "dept",   "dr",  "e.g",  "ed",   "eds",  "eq",   "evtl",
    "fig", "figs", "fr",   "gen", "ggf",    "gov", "hr",   "hrsg", "i.e",  "incl", "inkl",
    "kap", "lt",   "mlle", "mme", "mr",     "mrs", "ms",   "mt",   "nr",   "pp",   "prof",
    "ref", "rev",  "sect", "sen", "sgt",    "sog", "sr",   "sra",  "srta", "st",   "tab",
    "u.a", "ud",   "usw",  "vgl", "viz",    "vol", "vols", "vs",   "z.b",
};

static int by_text(const void *key, const void *entry)
{
    return str_cmp(*(const struct str *)key, str_from(*(const char *const *)entry));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || (c & 0x80);
}

static char at_or(struct str s, size_t at, char otherwise)
{
    return at < s.len ? s.p[at] : otherwise;
}

static size_t skip_blank(struct str s, size_t at)
{
    while (at < s.len && is_blank(s.p[at]))
        at++;
    return at;
}

/* The word in front of `dot`, with dots inside it ("z.B"), at most 8 bytes, in lower case. */
static struct str word_before(struct str s, size_t from, size_t dot, char small[9])
{
    size_t start = dot;
    while (start > from && dot - start < 9 && (is_letter(s.p[start - 1]) || s.p[start - 1] == '.'))
        start--;
    size_t n = dot - start;
    if (n == 0 || n > 8)
        return STR_NONE;
    for (size_t i = 0; i < n; i++) {
        char c = s.p[start + i];
        small[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    return (struct str){small, n};
}

/* A dot that is part of a word: an abbreviation, an initial, or the number of a list item. */
static bool dot_in_word(struct str s, size_t from, size_t dot)
{
    char small[9];
    struct str word = word_before(s, from, dot, small);
    if (word.len == 1) /* "J. Smith", but "plan B." and "vitamin C." cannot be told apart */
        return true;
    if (word.len)
        return bsearch(&word, abbreviations, COUNT(abbreviations), sizeof(abbreviations[0]),
                       by_text);
    size_t start = dot;
    while (start > from && is_digit(s.p[start - 1]))
        start--;
    return start == from && start < dot; /* "1. First" */
}

/* Behind the closing quotes and brackets at `at`. */
static size_t skip_closers(struct str s, size_t at)
{
    while (at < s.len) {
        size_t next = at;
        switch (utf8_next(s, &next)) {
        case '"':
        case '\'':
        case ')':
        case ']':
        case '*':
        case '_': /* closing emphasis too */
        case 0xbb:
        case 0x2019:
        case 0x201d:
        case 0x201c:
        case 0x300d:
        case 0x300f:
        case 0xff09: at = next; break;
        default: return at;
        }
    }
    return at;
}

/* Does a sentence that goes on come next? Only a lower case ASCII letter says so. */
static bool goes_on(struct str s, size_t at)
{
    at = skip_blank(s, at);
    if (at_or(s, at, 0) == '\n')
        at = skip_blank(s, at + 1);
    char c = at_or(s, at, 0);
    return c >= 'a' && c <= 'z';
}

/* Does a line that stands for itself begin at `at`: list item, heading, table row, quotation? */
static bool block_start(struct str s, size_t at)
{
    at = skip_blank(s, at);
    char c = at_or(s, at, 0);
    bool then_blank = is_blank(at_or(s, at + 1, ' ')) || at_or(s, at + 1, ' ') == '\n';
    if (c == '|' || c == '>')
        return true;
    if (c == '#') {
        while (at_or(s, at, 0) == '#')
            at++;
        return is_blank(at_or(s, at, 0));
    }
    if (c == '-' || c == '*' || c == '+')
        return then_blank;
    if (is_digit(c)) {
        size_t end = at;
        while (end - at < 4 && is_digit(at_or(s, end, 0)))
            end++;
        c = at_or(s, end, 0);
        return (c == '.' || c == ')') && is_blank(at_or(s, end + 1, 0));
    }
    return utf8_next(s, &at) == 0x2022; /* bullet */
}

/* A line that is a block of its own also ends at its end, whatever comes behind. */
static bool own_line(struct str s, size_t from)
{
    return at_or(s, from, 0) == '#' || at_or(s, from, 0) == '|';
}

/* Where the sentence that has its line break at `at` ends: here, or not (SIZE_MAX). */
static bool line_ends(struct str s, size_t from, size_t at)
{
    size_t next = skip_blank(s, at + 1);
    return next >= s.len || s.p[next] == '\n' || own_line(s, from) || block_start(s, next);
}

/* Where a sentence ends that has the character c at [at, *next); 0 when it goes on at *next, which
 * is moved behind a run of marks so that no mark is looked at twice. */
static size_t end_after(struct str s, size_t from, size_t at, size_t *next, uint32_t c)
{
    switch (c) {
    case '\n': return line_ends(s, from, at) ? at : 0;
    case 0x3002:
    case 0xff01:
    case 0xff1f:
    case 0xff61:
    case 0x964:
    case 0x965:
    case 0x6d4:
    case 0x61f: return skip_closers(s, *next); /* full stops that need no space behind them */
    case '.':
    case '!':
    case '?':
    case 0x2026: break;
    default: return 0;
    }
    size_t run = *next; /* "?!", "..." */
    while (at_or(s, run, 0) == '.' || at_or(s, run, 0) == '!' || at_or(s, run, 0) == '?')
        run++;
    bool single = run == *next;
    *next = run;
    size_t end = skip_closers(s, run);
    char then = at_or(s, end, '\n');
    if (!is_blank(then) && then != '\n')
        return 0;
    if (c == '.' && single && dot_in_word(s, from, at))
        return 0;
    return (c == '.' || c == 0x2026) && goes_on(s, end) ? 0 : end;
}

struct sentence_iter sentence_begin(struct str text)
{
    return (struct sentence_iter){text, 0};
}

bool sentence_next(struct sentence_iter *it, struct sentence *out)
{
    struct str s = it->text;
    size_t from = it->at;
    while (from < s.len && (is_blank(s.p[from]) || s.p[from] == '\n'))
        from++;
    if (from == s.len) {
        it->at = from;
        return false;
    }
    size_t end = 0;
    for (size_t at = from; at < s.len && end == 0;) {
        size_t next = at + 1;
        uint32_t c = (unsigned char)s.p[at];
        if (c >= 0x80) {
            next = at;
            c = utf8_next(s, &next);
        }
        end = end_after(s, from, at, &next, c);
        at = next;
    }
    if (end == 0)
        end = s.len;
    it->at = end;
    while (end > from && (is_blank(s.p[end - 1]) || s.p[end - 1] == '\n'))
        end--;
    *out = (struct sentence){from, end};
    return true;
}
