/* In words, with "letter" and "number" as Unicode has them:
 *
 *  r50k    's 't 're 've 'm 'll 'd; letters, numbers, or other signs, each run with one space in
 *          front; white space, whose last character is left for what follows it.
 *  cl100k  the same endings in either case; letters with one sign or blank in front; up to three
 *          numbers; other signs with one space in front and line breaks behind; white space up to
 *          its last line break; white space as above.
 *  qwen2   as cl100k, but each number alone.
 *  o200k   words are cut where a capital follows a small letter, may contain accents, and take an
 *          ending with them; slashes stick to signs like line breaks; else as cl100k.
 *
 * Alternatives are tried in the pattern's order, and where a pattern would step back, so do we. */
#include "text/vocab_cut.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode.h"

enum {
    HEAD = UNICODE_UPPER | UNICODE_CASELESS | UNICODE_ACCENT, /* of a word in o200k */
    TAIL = UNICODE_LOWER | UNICODE_CASELESS | UNICODE_ACCENT,
    WORDY = UNICODE_LETTER | UNICODE_NUMBER,
    NUMBERS_TOGETHER = 3
};

enum vocab_cut vocab_cut_by_pattern(struct str pattern)
{
    static const struct str known[] = {
#define X(name, text, pattern) STR_INIT(pattern),
        VOCAB_CUTS(X)
#undef X
    };
    size_t i = 0;
    while (i < COUNT(known) && !str_eq(known[i], pattern))
        i++;
    return (enum vocab_cut)i;
}

static unsigned ascii_category(unsigned char c)
{
    if ((unsigned char)((c | 0x20) - 'a') < 26)
        return c & 0x20 ? UNICODE_LOWER : UNICODE_UPPER;
    if ((unsigned char)(c - '0') < 10)
        return UNICODE_NUMBER;
    return c == ' ' || (c >= 9 && c <= 13) ? UNICODE_SPACE : 0;
}

/* Category of the character at *at, which is moved behind it. */
static unsigned next(struct str s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[*at];
    if (c >= 0x80)
        return unicode_category(utf8_next(s, at));
    ++*at;
    return ascii_category(c);
}

/* Behind the characters of these categories, at most `most`. */
static size_t run(struct str s, size_t at, unsigned of, size_t most)
{
    for (size_t n = 0; n < most && at < s.len; n++) {
        size_t end = at;
        if (!(next(s, &end) & of))
            break;
        at = end;
    }
    return at;
}

/* Behind the signs: neither white space nor letters nor numbers. */
static size_t signs(struct str s, size_t at)
{
    while (at < s.len) {
        size_t end = at;
        if (next(s, &end) & (WORDY | UNICODE_SPACE))
            break;
        at = end;
    }
    return at;
}

static size_t any_of(struct str s, size_t at, struct str set)
{
    while (at < s.len && str_find_char(set, s.p[at]) != STR_NPOS)
        at++;
    return at;
}

/* Behind 's, 'll and so on at `at`; `at` when there is none. Without case an s may be long. */
static size_t ending(struct str s, size_t at, bool either_case)
{
    static const struct str endings[] = {STR_INIT("s"),  STR_INIT("t"), STR_INIT("re"),
                                         STR_INIT("ve"), STR_INIT("m"), STR_INIT("ll"),
                                         STR_INIT("d")};
    if (at >= s.len || s.p[at] != '\'')
        return at;
    struct str rest = str_from_at(s, at + 1);
    for (size_t i = 0; i < COUNT(endings); i++)
        if (either_case ? str_istarts(rest, endings[i]) : str_starts(rest, endings[i]))
            return at + 1 + endings[i].len;
    return either_case && str_starts(rest, STR("ſ")) ? at + 1 + STR("ſ").len : at;
}

/* White space but for its last character, which goes with what follows; all of it at the end. */
static size_t blanks(struct str s, size_t at)
{
    size_t end = at, last = at;
    while (end < s.len) {
        size_t behind = end;
        if (!(next(s, &behind) & UNICODE_SPACE))
            break;
        last = end;
        end = behind;
    }
    return end == s.len || last == at ? end : last;
}

/* White space up to its last line break; `at` when there is none in it. */
static size_t lines(struct str s, size_t at)
{
    size_t end = run(s, at, UNICODE_SPACE, SIZE_MAX);
    while (end > at && s.p[end - 1] != '\n' && s.p[end - 1] != '\r')
        end--;
    return end;
}

static size_t cut_r50k(struct str s, size_t at)
{
    size_t end = ending(s, at, false);
    if (end > at)
        return end;
    size_t from = at + (s.p[at] == ' ');
    if ((end = run(s, from, UNICODE_LETTER, SIZE_MAX)) > from)
        return end;
    if ((end = run(s, from, UNICODE_NUMBER, SIZE_MAX)) > from)
        return end;
    if ((end = signs(s, from)) > from)
        return end;
    return blanks(s, at);
}

/* Behind one character that may stand in front of a word: neither line break, letter nor number. */
static size_t skip_front(struct str s, size_t at)
{
    size_t end = at;
    if (s.p[at] == '\n' || s.p[at] == '\r' || next(s, &end) & WORDY)
        return at;
    return end;
}

static size_t signs_or_blanks(struct str s, size_t at, struct str behind_signs)
{
    size_t from = at + (s.p[at] == ' ');
    size_t end = signs(s, from);
    if (end > from)
        return any_of(s, end, behind_signs);
    if ((end = lines(s, at)) > at)
        return end;
    return blanks(s, at);
}

static size_t cut_cl100k(struct str s, size_t at, size_t numbers)
{
    size_t end = ending(s, at, true);
    if (end > at)
        return end;
    size_t from = skip_front(s, at);
    if ((end = run(s, from, UNICODE_LETTER, SIZE_MAX)) > from)
        return end;
    if ((end = run(s, at, UNICODE_NUMBER, numbers)) > at)
        return end;
    return signs_or_blanks(s, at, STR("\r\n"));
}

/* HEAD* TAIL+ at `from`: when no TAIL is left behind the heads, the last of them that is both
 * serves. `from` when there is none. */
static size_t small_word(struct str s, size_t from)
{
    size_t heads = from, both = from;
    while (heads < s.len) {
        size_t end = heads;
        unsigned is = next(s, &end);
        if (!(is & HEAD))
            break;
        both = is & TAIL ? end : both;
        heads = end;
    }
    size_t end = run(s, heads, TAIL, SIZE_MAX);
    return end > heads ? end : both;
}

/* HEAD+ TAIL* */
static size_t big_word(struct str s, size_t from)
{
    size_t heads = run(s, from, HEAD, SIZE_MAX);
    return heads > from ? run(s, heads, TAIL, SIZE_MAX) : from;
}

static size_t cut_o200k(struct str s, size_t at)
{
    size_t front = skip_front(s, at), end;
    if ((end = small_word(s, front)) > front || (end = small_word(s, at)) > at ||
        (end = big_word(s, front)) > front || (end = big_word(s, at)) > at)
        return ending(s, end, true);
    if ((end = run(s, at, UNICODE_NUMBER, NUMBERS_TOGETHER)) > at)
        return end;
    return signs_or_blanks(s, at, STR("\r\n/"));
}

size_t vocab_cut_end(enum vocab_cut cut, struct str text, size_t at)
{
    switch (cut) {
    case VOCAB_CUT_R50K: return cut_r50k(text, at);
    case VOCAB_CUT_CL100K: return cut_cl100k(text, at, NUMBERS_TOGETHER);
    case VOCAB_CUT_QWEN: return cut_cl100k(text, at, 1);
    case VOCAB_CUT_O200K: return cut_o200k(text, at);
    case VOCAB_CUT_COUNT: break;
    }
    return text.len;
}
