#include "reader/charset.h"

#include "base/utf8.h"

#include <iconv.h>

/* Labels that pages use, and what iconv calls the encoding that a browser takes for them. */
static struct encoding {
    const char *label, *name;
    iconv_t handle; /* opened by charset_prepare */
} encodings[] = {
    {"windows-1250", "CP1250", 0},
    {"iso-8859-2", "ISO-8859-2", 0},
    {"latin2", "ISO-8859-2", 0},
    {"windows-1251", "CP1251", 0},
    {"cp1251", "CP1251", 0},
    {"iso-8859-5", "ISO-8859-5", 0},
    {"koi8-r", "KOI8-R", 0},
    {"koi8-u", "KOI8-U", 0},
    {"windows-1253", "CP1253", 0},
    {"iso-8859-7", "ISO-8859-7", 0},
    {"windows-1254", "CP1254", 0},
    {"iso-8859-9", "CP1254", 0},
    {"windows-1255", "CP1255", 0},
    {"iso-8859-8", "ISO-8859-8", 0},
    {"iso-8859-8-i", "ISO-8859-8", 0},
    {"windows-1256", "CP1256", 0},
    {"iso-8859-6", "ISO-8859-6", 0},
    {"windows-1257", "CP1257", 0},
    {"iso-8859-4", "ISO-8859-4", 0},
    {"iso-8859-13", "ISO-8859-13", 0},
    {"windows-1258", "CP1258", 0},
    {"iso-8859-15", "ISO-8859-15", 0},
    {"macintosh", "MACINTOSH", 0},
    {"tis-620", "CP874", 0},
    {"windows-874", "CP874", 0},
    {"gb2312", "GB18030", 0},
    {"gbk", "GB18030", 0},
    {"gb18030", "GB18030", 0},
    {"big5", "BIG5-HKSCS", 0},
    {"big5-hkscs", "BIG5-HKSCS", 0},
    {"euc-jp", "EUC-JP", 0},
    {"shift_jis", "CP932", 0},
    {"shift-jis", "CP932", 0},
    {"x-sjis", "CP932", 0},
    {"iso-2022-jp", "ISO-2022-JP", 0},
    {"euc-kr", "CP949", 0},
    {"ks_c_5601-1987", "CP949", 0},
};

static const iconv_t NO_ICONV = (iconv_t)-1;

void charset_prepare(void)
{
    for (size_t i = 0; i < COUNT(encodings); i++)
        if (!encodings[i].handle)
            encodings[i].handle = iconv_open("UTF-8", encodings[i].name);
    /* Poppler and GLib convert with these; a module stays loaded while someone has it open. */
    static iconv_t kept[3];
    static const char *const names[COUNT(kept)] = {"UTF-16", "UTF-16BE", "UTF-16LE"};
    for (size_t i = 0; i < COUNT(kept); i++)
        if (!kept[i])
            kept[i] = iconv_open("UTF-8", names[i]);
}

static const struct encoding *encoding_find(struct str label)
{
    for (size_t i = 0; i < COUNT(encodings); i++) {
        const struct encoding *c = &encodings[i];
        if (str_ieq(str_from(c->label), label))
            return c->handle && c->handle != NO_ICONV ? c : NULL;
    }
    return NULL;
}

static struct str from_windows_1252(struct arena *a, struct str s)
{
    static const uint16_t high[32] = {
        0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
        0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
    char *p = arena_bytes(a, s.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x80)
            p[n++] = (char)c;
        else
            n += utf8_put(p + n, c < 0xA0 ? high[c - 0x80] : c);
    }
    return (struct str){p, n};
}

static struct str from_utf16(struct arena *a, struct str s, bool big)
{
    const unsigned char *b = (const unsigned char *)s.p;
    char *p = arena_bytes(a, s.len / 2 * 3 + 4);
    size_t n = 0;
    for (size_t i = 0; i + 1 < s.len; i += 2) {
        uint32_t c = big ? (uint32_t)b[i] << 8 | b[i + 1] : (uint32_t)b[i + 1] << 8 | b[i];
        if (c >= 0xD800 && c < 0xDC00 && i + 3 < s.len) {
            uint32_t low =
                big ? (uint32_t)b[i + 2] << 8 | b[i + 3] : (uint32_t)b[i + 3] << 8 | b[i + 2];
            if (low >= 0xDC00 && low < 0xE000) {
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                i += 2;
            }
        }
        n += utf8_put(p + n, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
    }
    return (struct str){p, n};
}

/* Broken sequences become U+FFFD. */
static struct str from_iconv(struct arena *a, const struct encoding *c, struct str s)
{
    size_t room = s.len * 3 + 16;
    char *p = arena_bytes(a, room), *out = p, *in = (char *)s.p;
    size_t left = s.len;
    iconv(c->handle, NULL, NULL, NULL, NULL);
    while (left > 0 && room > 16) {
        if (iconv(c->handle, &in, &left, &out, &room) != (size_t)-1)
            break;
        if (left == 0 || room <= 16)
            break;
        size_t n = utf8_put(out, 0xFFFD);
        out += n, room -= n;
        in++, left--;
    }
    return str_span(p, out);
}

/* Which half of the byte pairs is zero, when it is text in UTF-16 without a mark: 'b', 'l' or 0. */
static char utf16_by_zeros(struct str s)
{
    size_t even = 0, odd = 0, pairs = size_min(s.len, 4096) / 2;
    for (size_t i = 0; i < pairs; i++) {
        even += s.p[2 * i] == 0;
        odd += s.p[2 * i + 1] == 0;
    }
    if (pairs < 2)
        return 0;
    if (even * 10 > pairs * 6 && odd * 20 < pairs)
        return 'b';
    return odd * 10 > pairs * 6 && even * 20 < pairs ? 'l' : 0;
}

/* Control characters that text does not have, in the first part: a tenth of a percent is noise. */
static bool looks_binary(struct str s)
{
    size_t bad = 0;
    struct str head = str_head(s, 65536);
    for (size_t i = 0; i < head.len; i++) {
        unsigned char c = (unsigned char)head.p[i];
        if (c == 0)
            return true;
        bad += (c < 0x20 && !(c >= '\b' && c <= '\r') && c != 0x1B) || c == 0x7F;
    }
    return bad * 1000 > head.len;
}

bool charset_decode(struct str *out, struct arena *a, struct str bytes, struct str label)
{
    bool le = str_starts(bytes, STR("\xFF\xFE")), be = str_starts(bytes, STR("\xFE\xFF"));
    if (le || be) {
        *out = from_utf16(a, str_from_at(bytes, 2), be);
        return !looks_binary(*out);
    }
    if (str_starts(bytes, STR("\xEF\xBB\xBF")))
        bytes = str_from_at(bytes, 3);
    char wide = utf16_by_zeros(bytes);
    if (wide) {
        *out = from_utf16(a, bytes, wide == 'b');
        return !looks_binary(*out);
    }
    if (looks_binary(bytes))
        return false;
    const struct encoding *c = encoding_find(label);
    if (c && str_istarts(label, STR("iso-2022"))) /* ASCII bytes that are not ASCII */
        *out = from_iconv(a, c, bytes);
    else if (utf8_valid(bytes))
        *out = bytes;
    else
        *out = c ? from_iconv(a, c, bytes) : from_windows_1252(a, bytes);
    return true;
}
