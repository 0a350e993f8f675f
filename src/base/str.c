#include "base/str.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool str_ieq(struct str a, struct str b)
{
    return a.len == b.len && str_istarts(a, b);
}

int str_cmp(struct str a, struct str b)
{
    size_t n = size_min(a.len, b.len);
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_head(s, prefix.len), prefix);
}

/* Eight bytes with bit 5 set in those from 'A' to 'Z'. The sums are of seven bits a byte, so that
 * none reaches into the next. */
static uint64_t lower_eight(uint64_t x)
{
    const uint64_t high = STR_EACH(0x80);
    uint64_t from_a = (x & ~high) + STR_EACH(0x80 - 'A');
    uint64_t behind_z = (x & ~high) + STR_EACH(0x7F - 'Z');
    return x | (from_a & ~behind_z & ~x & high) >> 2;
}

static bool same_eight(uint64_t a, uint64_t b)
{
    return a == b || lower_eight(a) == lower_eight(b);
}

/* Four to eight bytes: both ends, which may overlap. */
static uint64_t load_ends(const char *p, size_t n)
{
    return (uint64_t)str_load4(p) << 32 | str_load4(p + n - 4);
}

bool str_istarts(struct str s, struct str prefix)
{
    const size_t n = prefix.len;
    if (s.len < n)
        return false;
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8)
            if (!same_eight(str_load8(s.p + i), str_load8(prefix.p + i)))
                return false;
        return same_eight(str_load8(s.p + n - 8), str_load8(prefix.p + n - 8));
    }
    if (n >= 4)
        return same_eight(load_ends(s.p, n), load_ends(prefix.p, n));
    for (size_t i = 0; i < n; i++)
        if (lower(s.p[i]) != lower(prefix.p[i]))
            return false;
    return true;
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_from_at(s, s.len - suffix.len), suffix);
}

struct str str_end(struct str s)
{
    return (struct str){s.p ? s.p + s.len : NULL, 0};
}

struct str str_trim(struct str s)
{
    while (s.len && is_space(s.p[0]))
        s = str_from_at(s, 1);
    while (s.len && is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

size_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    const char *hit = s.len ? memmem(s.p, s.len, needle.p, needle.len) : NULL;
    return hit ? (size_t)(hit - s.p) : STR_NPOS;
}

size_t str_find_char(struct str s, char c)
{
    const char *hit = s.len ? memchr(s.p, c, s.len) : NULL;
    return hit ? (size_t)(hit - s.p) : STR_NPOS;
}

size_t str_rfind_char(struct str s, char c)
{
    const char *hit = s.len ? memrchr(s.p, c, s.len) : NULL;
    return hit ? (size_t)(hit - s.p) : STR_NPOS;
}

bool str_split(struct str *s, char sep, struct str *part)
{
    if (!s->p)
        return false;
    size_t at = str_find_char(*s, sep);
    if (at == STR_NPOS) {
        *part = *s;
        *s = STR_NONE;
    } else {
        *part = str_head(*s, at);
        *s = str_from_at(*s, at + 1);
    }
    return true;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool minus = s.len && s.p[0] == '-';
    uint64_t value;
    if (!str_to_u64(minus ? str_from_at(s, 1) : s, &value) || value > (uint64_t)INT64_MAX + minus)
        return false;
    *out = minus ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* A number by JSON's grammar, taken apart. */
struct decimal {
    bool minus;
    uint64_t digits; /* all of them as one number, when there are at most 19 */
    size_t n;        /* how many, without zeros in front */
    int64_t power;   /* of ten, that `digits` is multiplied with */
};

static size_t add_digits(struct decimal *d, struct str s, size_t at)
{
    size_t from = at;
    for (; at < s.len && s.p[at] >= '0' && s.p[at] <= '9'; at++) {
        d->digits = d->digits * 10 + (uint64_t)(s.p[at] - '0');
        d->n += d->n || s.p[at] != '0';
    }
    return at - from;
}

static bool decimal_parse(struct str s, struct decimal *d)
{
    *d = (struct decimal){.minus = s.len && s.p[0] == '-'};
    size_t at = d->minus, whole = add_digits(d, s, at);
    if (whole == 0 || (whole > 1 && s.p[at] == '0'))
        return false;
    at += whole;
    if (at < s.len && s.p[at] == '.') {
        size_t part = add_digits(d, s, at + 1);
        if (part == 0)
            return false;
        d->power = -(int64_t)part;
        at += 1 + part;
    }
    if (at < s.len && (s.p[at] == 'e' || s.p[at] == 'E')) {
        size_t sign = at + 1 < s.len && (s.p[at + 1] == '+' || s.p[at + 1] == '-');
        struct decimal e = {0};
        size_t part = add_digits(&e, s, at + 1 + sign);
        if (part == 0)
            return false;
        int64_t power = e.n < 10 ? (int64_t)e.digits : INT32_MAX;
        d->power += sign && s.p[at + 1] == '-' ? -power : power;
        at += 1 + sign + part;
    }
    return at == s.len;
}

/* Up to 2^53 the digits, and up to 10^22 the power, are doubles exactly; one division or product of
 * the two is then the nearest double (Clinger, "How to Read Floating Point Numbers Accurately",
 * 1990). That covers what embeddings and prices are made of; strtod does the rest. It also takes
 * hexadecimal, "inf" and leading space: the grammar has been checked before. */
bool str_to_double(struct str s, double *out)
{
    static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal d;
    if (!decimal_parse(s, &d))
        return false;
    if (d.n <= 19 && d.digits <= UINT64_C(1) << 53 && d.power >= -22 && d.power <= 22) {
        double value = (double)d.digits;
        value = d.power < 0 ? value / ten[-d.power] : value * ten[d.power];
        *out = d.minus ? -value : value;
        return true;
    }
    char small[64], *text = small;
    if (s.len >= sizeof(small))
        text = mem_new(s.len + 1);
    memcpy(text, s.p, s.len);
    text[s.len] = 0;
    *out = strtod(text, NULL);
    if (text != small)
        mem_free(text);
    return *out - *out == 0; /* false for infinity: out of range */
}

/* Two digits at a time, from the end. */
char *str_put_u64(char *to, uint64_t n)
{
    static const char pair[] = "00010203040506070809101112131415161718192021222324"
                               "25262728293031323334353637383940414243444546474849"
                               "50515253545556575859606162636465666768697071727374"
                               "75767778798081828384858687888990919293949596979899";
    uint64_t left = n;
    size_t digits = 1;
    for (; left >= 100; left /= 100)
        digits += 2;
    char *end = to + digits + (left >= 10), *at = end;
    for (; n >= 100; n /= 100)
        memcpy(at -= 2, pair + 2 * (n % 100), 2);
    if (n >= 10)
        memcpy(at - 2, pair + 2 * n, 2);
    else
        at[-1] = (char)('0' + n);
    return end;
}

/* Damerau's distance over three rows; words are short, so no band is kept. */
size_t str_distance(struct str a, struct str b, size_t most)
{
    enum { MAX = 64 };
    size_t row[3][MAX + 1];
    if (a.len > MAX || b.len > MAX)
        return most;
    for (size_t j = 0; j <= b.len; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = lower(a.p[i - 1]) == lower(b.p[j - 1]);
            size_t best = size_min(size_min(up[j], now[j - 1]) + 1, up[j - 1] + !same);
            bool swapped = i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) &&
                           lower(a.p[i - 2]) == lower(b.p[j - 1]);
            if (swapped)
                best = size_min(best, up2[j - 2] + 1);
            now[j] = best;
        }
    }
    return size_min(row[a.len % 3][b.len], most);
}
