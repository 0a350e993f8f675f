#include "base/utf8_impl.h"

enum { BROKEN = 0xFFFD };

static bool follows(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Length of the character at s.p[at] and its value; 0 when it is broken. The second byte's range
 * depends on the first: that excludes overlong forms, surrogates and what lies behind U+10FFFF. */
static size_t decode(struct str s, size_t at, uint32_t *out)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    size_t left = s.len - at;
    unsigned c = p[0];
    if (c < 0x80) {
        *out = c;
        return 1;
    }
    if (c < 0xC2 || c > 0xF4 || left < 2)
        return 0;
    unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    unsigned high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    if (c < 0xE0) {
        *out = (c & 0x1F) << 6 | (p[1] & 0x3Fu);
        return 2;
    }
    if (left < 3 || !follows(s.p[at + 2]))
        return 0;
    if (c < 0xF0) {
        *out = (c & 0x0F) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
        return 3;
    }
    if (left < 4 || !follows(s.p[at + 3]))
        return 0;
    *out = (c & 0x07) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
    return 4;
}

size_t utf8_valid_until(struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        while (s.len - i >= 8 && !(str_load8(s.p + i) & STR_EACH(0x80)))
            i += 8; /* plain ASCII, eight bytes at a time */
        uint32_t c;
        size_t n = i < s.len ? decode(s, i, &c) : 0;
        if (n == 0)
            break;
        i += n;
    }
    return i;
}

bool utf8_valid_plain(struct str s)
{
    return utf8_valid_until(s) == s.len;
}

static bool (*valid)(struct str s) = utf8_valid_plain;

#ifdef __x86_64__
__attribute__((constructor)) static void choose(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        valid = utf8_valid_avx2;
}
#endif

bool utf8_valid(struct str s)
{
    return valid(s);
}

uint32_t utf8_next(struct str s, size_t *at)
{
    uint32_t c = BROKEN;
    size_t n = decode(s, *at, &c);
    *at += n ? n : 1;
    return n ? c : BROKEN;
}

size_t utf8_put(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        c = BROKEN;
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

size_t utf8_count(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += !follows(s.p[i]);
    return n;
}

size_t utf8_cut(struct str s, size_t len)
{
    if (len >= s.len)
        return s.len;
    while (len > 0 && follows(s.p[len]))
        len--;
    return len;
}
