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

/* What a byte is. Letters come first, small and capital ones each from a to z. */
enum { SMALL = 0, CAPITALS = 26, DIGIT = 52, BLANK, NEWLINE, MARK, FOREIGN, CLASSES };

static bool is_letter(unsigned class)
{
    return class < DIGIT;
}

static bool is_capital(unsigned class)
{
    return class >= CAPITALS && class < DIGIT;
}

/* Filled once, at start: a byte's class, and what a byte of class c adds behind one of class p.
 * For most text that is all there is to know. Where a price depends on more than two bytes the
 * table says LOOK: runs of digits, blanks and marks, words in capitals, and what is not ASCII. */
enum { LOOK = 255, LOOK_BIT = 128, ROW = 64 }; /* no price has the bit */
static uint8_t class_of[256];
static uint8_t price_of[CLASSES][ROW];

static unsigned class_by_rule(unsigned char c)
{
    if (c >= 'a' && c <= 'z')
        return SMALL + c - 'a';
    if (c >= 'A' && c <= 'Z')
        return CAPITALS + c - 'A';
    if (c >= '0' && c <= '9')
        return DIGIT;
    if (c == '\n')
        return NEWLINE;
    if (c <= ' ' || c == 0x7f)
        return BLANK;
    return c < 0x80 ? MARK : FOREIGN;
}

static unsigned letter_price(unsigned before, unsigned letter)
{
    unsigned row = is_letter(before) ? before % 26 + 1 : 0;
    bool rare = !(common_pair[row] >> letter % 26 & 1);
    return (row ? 0 : WORD) + (rare ? RARE_PAIR : 0);
}

static unsigned price_by_rule(unsigned before, unsigned class)
{
    if (is_letter(class))
        return is_capital(before) && is_capital(class) ? LOOK : letter_price(before, class);
    switch (class) {
    case NEWLINE: return before == NEWLINE ? 0 : NEWLINES;
    case DIGIT: return before == DIGIT || before == BLANK ? LOOK : DIGITS;
    case MARK: return before == MARK ? LOOK : PUNCTUATION;
    case BLANK: return before == BLANK ? LOOK : 0;
    default: return LOOK;
    }
}

__attribute__((constructor)) static void fill_tables(void)
{
    for (unsigned c = 0; c < 256; c++)
        class_of[c] = (uint8_t)class_by_rule((unsigned char)c);
    for (unsigned before = 0; before < CLASSES; before++)
        for (unsigned c = 0; c < CLASSES; c++)
            price_of[before][c] = (uint8_t)price_by_rule(before, c);
}

static unsigned class_at(struct str s, size_t at)
{
    return class_of[(unsigned char)s.p[at]];
}

static size_t run_end(struct str s, size_t at, unsigned class)
{
    while (at < s.len && class_at(s, at) == class)
        at++;
    return at;
}

static uint64_t script_price(uint32_t c)
{
    size_t i = 0;
    while (scripts[i].last < c)
        i++;
    return (uint64_t)scripts[i].price;
}

/* Two capitals at at - 1: the rest of the word, and what it costs if it is all capitals. */
static size_t capitals(struct str s, size_t at, uint64_t *price)
{
    size_t start = at, end = at, small = 0;
    while (start > 0 && is_letter(class_at(s, start - 1)))
        start--;
    for (; end < s.len && is_letter(class_at(s, end)); end++)
        *price += price_of[class_at(s, end - 1) % 26][class_at(s, end)];
    for (size_t i = start; i < end; i++)
        small += !is_capital(class_at(s, i));
    *price += small ? 0 : (end - start - 1) * CAPITAL;
    return end;
}

/* Where the table does not tell: to the end of the run, of which one byte is paid for, or none. */
static size_t look(struct str s, size_t at, unsigned before, uint64_t *price)
{
    unsigned class = class_at(s, at);
    if (class == FOREIGN) {
        *price += script_price(utf8_next(s, &at));
        return at;
    }
    if (is_letter(class))
        return capitals(s, at, price);
    size_t end = run_end(s, at, class), n = end - at + (before == class);
    switch (class) {
    case DIGIT:
        if (before == BLANK && (at == 1 || class_at(s, at - 2) != BLANK))
            *price += SPACE_DIGIT;
        *price += (n + 2) / 3 * DIGITS - (before == DIGIT ? DIGITS : 0);
        break;
    case BLANK: *price += SPACES; break;
    default: *price += (n + 15) / 16 * PUNCTUATION - PUNCTUATION; break; /* long rules split */
    }
    return end;
}

/* Four bytes at `at` that need no look: adds them, and true. */
static inline bool add_four(struct str s, size_t at, unsigned *before, uint64_t *price)
{
    unsigned a = class_at(s, at), b = class_at(s, at + 1), c = class_at(s, at + 2);
    unsigned d = class_at(s, at + 3);
    unsigned pa = price_of[*before][a], pb = price_of[a][b], pc = price_of[b][c];
    unsigned pd = price_of[c][d];
    if ((pa | pb | pc | pd) & LOOK_BIT)
        return false;
    *before = d;
    *price += pa + pb + pc + pd;
    return true;
}

size_t token_count(struct str s)
{
    uint64_t price = 0;
    unsigned before = FOREIGN; /* as at the start: nothing goes on */
    for (size_t at = 0; at < s.len;) {
        if (s.len - at >= 4 && add_four(s, at, &before, &price)) {
            at += 4;
            continue;
        }
        unsigned more = price_of[before][class_at(s, at)];
        if (more == LOOK) {
            at = look(s, at, before, &price);
        } else {
            price += more;
            at++;
        }
        before = class_at(s, at - 1);
    }
    return s.len ? size_max((size_t)((price + UNIT / 2) / UNIT), 1) : 0;
}
