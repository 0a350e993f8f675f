/* str.h - text that is only looked at: a pointer and a length, not ended by NUL, owned elsewhere.
 *
 * An empty str may have a NULL pointer. Bytes are UTF-8 where a header says text; comparing without
 * case knows ASCII only (base/utf8.h and text/ know the rest).
 *
 * Threads: any; nothing is kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    } /* for tables: a constant */
#define STR_NONE ((struct str){0})
#define STR_FMT(s) (int)(s).len, (s).p /* for "%.*s" */

static inline struct str str_from(const char *text) /* NULL gives the empty str */
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str str_span(const char *from, const char *to)
{
    return (struct str){from, (size_t)(to - from)};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_ieq(struct str a, struct str b); /* ASCII without case */
int str_cmp(struct str a, struct str b);  /* by byte, as memcmp */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix); /* ASCII without case */
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* ASCII white space off both ends */
struct str str_end(struct str s);  /* the empty text at its end */
/* What lies behind `at`; empty past the end. */
static inline struct str str_from_at(struct str s, size_t at)
{
    return at >= s.len ? str_end(s) : (struct str){s.p + at, s.len - at};
}
/* The first n bytes at most. */
static inline struct str str_head(struct str s, size_t n)
{
    return (struct str){s.p, s.len < n ? s.len : n};
}

#define STR_NPOS SIZE_MAX
size_t str_find(struct str s, struct str needle); /* offset or STR_NPOS */
size_t str_find_char(struct str s, char c);
size_t str_rfind_char(struct str s, char c);

/* Takes the part before `sep` off the front of *s; *s keeps what is behind. False when *s was at
 * its end (p == NULL); the last part has no separator behind it. */
bool str_split(struct str *s, char sep, struct str *part);

/* Whole string, decimal, no sign for u64, no white space; false when not a number or too large. */
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_i64(struct str s, int64_t *out);
bool str_to_double(struct str s, double *out); /* JSON's grammar for numbers */
/* Eight bytes that are all this one, as a number. */
#define STR_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
/* Eight bytes and four, wherever they stand. */
static inline uint64_t str_load8(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    return x;
}
static inline uint32_t str_load4(const char *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof(x));
    return x;
}
/* memcmp() == 0 for texts so short that the call would cost more than the rest. The last word may
 * overlap the one before it. */
static inline bool str_same(const char *a, const char *b, size_t n)
{
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8)
            if (str_load8(a + i) != str_load8(b + i))
                return false;
        return str_load8(a + n - 8) == str_load8(b + n - 8);
    }
    if (n >= 4)
        return str_load4(a) == str_load4(b) && str_load4(a + n - 4) == str_load4(b + n - 4);
    while (n > 0 && a[n - 1] == b[n - 1])
        n--;
    return n == 0;
}
/* Copies `s` to where there is room; returns the copy's end. */
static inline char *str_put(char *to, struct str s)
{
    if (s.len)
        memcpy(to, s.p, s.len);
    return to + s.len;
}
/* Writes the decimal digits of `n`, at most 20; returns their end. */
char *str_put_u64(char *to, uint64_t n);

/* Edit distance with swaps, for "did you mean"; stops counting at `most`. */
size_t str_distance(struct str a, struct str b, size_t most);
