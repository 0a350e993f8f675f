#include "text/token.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Prices in hundredths of a token. */
enum {
    WORD = 107,
    RARE_PAIR = 17,   /* a pair of letters that is rare in English */
    CAPITAL = 26,     /* each further letter of a word in capitals */
    DIGITS = 105,     /* up to three digits */
    SPACE_DIGIT = 75, /* a space in front of digits does not join them */
    PUNCTUATION = 103,
    SPACES = 74, /* of a run of two or more; a single space belongs to the next word */
    NEWLINES = 87,
    UNIT = 100,
};

/* Bit c of row p: letter c (a is 0) follows letter p - 1 often; row 0 is the start of a word. Often
 * means at least 5 in 10,000 pairs of English prose. */
static const uint32_t common_pair[27] = {
    0x17effff, 0x13ebd6e, 0x1124911, 0x01a4d95, 0x0144111, 0x1eefd7d, 0x01a4131,
    0x0126191, 0x01a4111, 0x22ef87f, 0x0004000, 0x0000110, 0x11c4919, 0x014d113,
    0x11c697d, 0x07efd6e, 0x01ac991, 0x0100000, 0x13e7d5d, 0x11cc195, 0x15e4991,
    0x00eb95f, 0x0004111, 0x0006191, 0x0008000, 0x0040010, 0x0000010,
};

/* Per character outside ASCII, by the last character of the range; rising. */
static const struct {
    uint32_t last;
    int price;
} scripts[] = {
    {0x24f, 92},       /* Latin with marks */
    {0x2ff, 80},       /* phonetic letters */
    {0x36f, 233},      /* combining marks */
    {0x3ff, 82},       /* Greek */
    {0x52f, 56},       /* Cyrillic */
    {0x58f, 177},      /* Armenian */
    {0x5ff, 88},       /* Hebrew */
    {0x6ff, 66},       /* Arabic */
    {0x8ff, 177},      /* Syriac, Thaana, N'Ko ... */
    {0xdff, 83},       /* scripts of India */
    {0xe7f, 77},       /* Thai */
    {0x1dff, 177},     /* Lao to Khmer, Georgian, Cherokee ... */
    {0x1eff, 80},      /* Vietnamese */
    {0x1fff, 82},      /* Greek with marks */
    {0x303f, 127},     /* punctuation and symbols */
    {0x30ff, 98},      /* kana */
    {0x33ff, 177},     /* Bopomofo, enclosed forms */
    {0x9fff, 80},      /* Han */
    {0xabff, 177},     /* Yi and others */
    {0xd7ff, 99},      /* Hangul */
    {0xfeff, 177},     /* private use, presentation forms */
    {0xffff, 127},     /* full-width forms */
    {UINT32_MAX, 343}, /* emoji and historic scripts */
};

enum kind { LETTER, DIGIT, BLANK, NEWLINE, MARK, FOREIGN };

static enum kind kind_of(unsigned char c)
{
    if ((unsigned char)((c | 0x20) - 'a') < 26)
        return LETTER;
    if ((unsigned char)(c - '0') < 10)
        return DIGIT;
    if (c == '\n')
        return NEWLINE;
    if (c <= ' ' || c == 0x7f)
        return BLANK;
    return c < 0x80 ? MARK : FOREIGN;
}

static size_t run_end(struct str s, size_t at, enum kind kind)
{
    while (at < s.len && kind_of((unsigned char)s.p[at]) == kind)
        at++;
    return at;
}

/* Prices the word at `at` and returns where it ends. In one pass: most bytes of a text are in
 * words, and a prompt whose provider tells no usage is priced whole. */
static size_t price_word(struct str s, size_t at, uint64_t *price)
{
    const char *start = s.p + at, *end = s.p + s.len, *p = start;
    uint64_t rare = 0;
    unsigned small = 0, before = 0, c;
    for (; p < end && (c = (unsigned char)(*p | 0x20) - 'a') < 26; p++) {
        rare += ~common_pair[before] >> c & 1;
        small |= (unsigned char)*p;
        before = c + 1;
    }
    size_t n = (size_t)(p - start);
    *price += WORD + rare * RARE_PAIR + (small & 0x20 ? 0 : (n - 1) * CAPITAL);
    return at + n;
}

static uint64_t script_price(uint32_t c)
{
    size_t i = 0;
    while (scripts[i].last < c)
        i++;
    return (uint64_t)scripts[i].price;
}

static uint64_t blank_price(struct str s, size_t start, size_t end)
{
    if (end - start > 1)
        return SPACES;
    return end < s.len && kind_of((unsigned char)s.p[end]) == DIGIT ? SPACE_DIGIT : 0;
}

size_t token_count(struct str s)
{
    uint64_t price = 0;
    for (size_t at = 0; at < s.len;) {
        /* so it is with most: a single space, which belongs to the word behind it */
        if (s.p[at] == ' ' && at + 1 < s.len && kind_of((unsigned char)s.p[at + 1]) == LETTER)
            at++;
        enum kind kind = kind_of((unsigned char)s.p[at]);
        if (kind == FOREIGN) {
            price += script_price(utf8_next(s, &at));
            continue;
        }
        if (kind == LETTER) {
            at = price_word(s, at, &price);
            continue;
        }
        size_t end = run_end(s, at, kind), n = end - at;
        switch (kind) {
        case DIGIT: price += (n + 2) / 3 * DIGITS; break;
        case BLANK: price += blank_price(s, at, end); break;
        case NEWLINE: price += NEWLINES; break;
        default: price += PUNCTUATION * ((n + 15) / 16); break; /* long rules split */
        }
        at = end;
    }
    return s.len ? size_max((size_t)((price + UNIT / 2) / UNIT), 1) : 0;
}
