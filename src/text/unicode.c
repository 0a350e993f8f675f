#include "text/unicode.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <utf8proc.h>

static const struct {
    uint32_t first, last;
} dense[] = {
    {0xe00, 0xeff},     /* Thai, Lao */
    {0x1000, 0x109f},   /* Burmese */
    {0x1100, 0x11ff},   /* Hangul letters */
    {0x1780, 0x17ff},   /* Khmer */
    {0x3005, 0x3007},   /* Han iteration mark, closing mark, zero */
    {0x3031, 0x30ff},   /* kana */
    {0x3130, 0x318f},   /* Hangul letters, compatibility */
    {0x31f0, 0x31ff},   /* kana, phonetic */
    {0x3400, 0x9fff},   /* Han */
    {0xac00, 0xd7ff},   /* Hangul */
    {0xf900, 0xfaff},   /* Han, compatibility */
    {0xff66, 0xffdc},   /* half-width kana and Hangul */
    {0x1b000, 0x1b16f}, /* historic kana */
    {0x20000, 0x3ffff}, /* Han */
};

static bool is_dense(uint32_t c)
{
    for (size_t i = 0; i < COUNT(dense) && dense[i].first <= c; i++)
        if (c <= dense[i].last)
            return true;
    return false;
}

static bool is_joiner(uint32_t c)
{
    return c == 0xad || c == 0x200c || c == 0x200d || c == 0x2060;
}

enum unicode_kind unicode_kind(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL: return is_dense(c) ? UNICODE_DENSE : UNICODE_WORD;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NO: return UNICODE_WORD;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return is_dense(c) ? UNICODE_DENSE : UNICODE_MARK;
    default: return is_joiner(c) ? UNICODE_MARK : UNICODE_OTHER;
    }
}

static bool is_white_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

unsigned unicode_category(uint32_t c)
{
    if (is_white_space(c))
        return UNICODE_SPACE;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT: return UNICODE_UPPER;
    case UTF8PROC_CATEGORY_LL: return UNICODE_LOWER;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return UNICODE_CASELESS;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return UNICODE_ACCENT;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return UNICODE_NUMBER;
    default: return 0;
    }
}

void unicode_compose(struct buf *out, struct str text)
{
    utf8proc_uint8_t *composed = NULL;
    size_t at = 0;
    while (at < text.len && (unsigned char)text.p[at] < 0x80)
        at++;
    utf8proc_ssize_t n = 0;
    if (at < text.len)
        n = utf8proc_map((const utf8proc_uint8_t *)text.p, (utf8proc_ssize_t)text.len, &composed,
                         UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    buf_add(out, n > 0 ? (struct str){(const char *)composed, (size_t)n} : text);
    free(composed); /* the library took it from malloc */
}

/* Folded in pieces of this size, so that a frame stays small. No character folds to more code
 * points than six per byte (U+FDFA: 18 from 3). */
enum { PIECE = 64, ROOM = PIECE * 6 };

static size_t fold_piece(struct str piece, utf8proc_int32_t c[ROOM])
{
    const utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
    utf8proc_ssize_t n = utf8proc_decompose((const utf8proc_uint8_t *)piece.p,
                                            (utf8proc_ssize_t)piece.len, c, ROOM, options);
    if (n < 0 || n > ROOM) /* broken UTF-8 */
        return 0;
    n = utf8proc_normalize_utf32(c, n, options);
    return n < 0 ? 0 : (size_t)n;
}

/* Of ASCII that is small letters, and no table is asked. Returns how much of the word it is. */
static size_t fold_ascii(struct str word, char *out, size_t size)
{
    size_t len = 0;
    for (; len < word.len && len < size; len++) {
        unsigned char c = (unsigned char)word.p[len];
        if (c >= 0x80)
            break;
        out[len] = (char)(c | ((unsigned char)(c - 'A') < 26 ? 0x20 : 0));
    }
    return len;
}

size_t unicode_fold(struct str word, char *out, size_t size)
{
    size_t len = fold_ascii(word, out, size);
    if (len == word.len)
        return len;
    len = 0; /* what follows may change what stands before it */
    while (word.len) {
        utf8proc_int32_t c[ROOM];
        size_t take = size_max(utf8_cut(word, PIECE), 1);
        size_t n = fold_piece(str_head(word, take), c);
        word = str_from_at(word, take);
        for (size_t i = 0; i < n; i++) {
            char bytes[4];
            size_t step = utf8_put(bytes, (uint32_t)c[i]);
            if (step > size - len)
                return len;
            memcpy(out + len, bytes, step);
            len += step;
        }
    }
    return len;
}
