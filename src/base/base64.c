#include "base/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_encode(struct buf *out, const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    char *to = buf_reserve(out, (n + 2) / 3 * 4);
    if (!to)
        return false;
    for (size_t i = 0; i < n; i += 3, to += 4) {
        uint32_t v = (uint32_t)b[i] << 16 | (i + 1 < n ? (uint32_t)b[i + 1] << 8 : 0) |
                     (i + 2 < n ? b[i + 2] : 0);
        to[0] = letters[v >> 18];
        to[1] = letters[v >> 12 & 63];
        to[2] = i + 1 < n ? letters[v >> 6 & 63] : '=';
        to[3] = i + 2 < n ? letters[v & 63] : '=';
    }
    out->len += (n + 2) / 3 * 4;
    return true;
}

static int value_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

bool base64_decode(struct buf *out, struct str text)
{
    size_t pad = str_ends(text, STR("==")) ? 2 : str_ends(text, STR("=")) ? 1 : 0;
    if (text.len % 4 != 0)
        return false;
    char *to = buf_reserve(out, text.len / 4 * 3);
    if (!to)
        return false;
    uint32_t v = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool padding = i >= text.len - pad;
        int d = padding ? 0 : value_of(text.p[i]);
        if (d < 0)
            return false;
        v = v << 6 | (uint32_t)d;
        if (i % 4 < 3)
            continue;
        *to++ = (char)(v >> 16);
        *to++ = (char)(v >> 8);
        *to++ = (char)v;
        v = 0;
    }
    out->len += text.len / 4 * 3 - pad;
    return true;
}
