/* The scanner in plain C, eight bytes at a time, and the choice between it and its twins. */
#define SCAN json_scan_plain
#define STRING_END json_string_end_plain
#include "base/json_scan_body.h"

/* High bit of each byte that is zero; exact below the first one, which is all that is asked. */
static uint64_t zeros(uint64_t x)
{
    return (x - STR_EACH(1)) & ~x & STR_EACH(0x80);
}

static bool is_plain(char c)
{
    return c != '"' && c != '\\' && (unsigned char)c >= 0x20;
}

const char *json_plain(const char *p, const char *end, bool *high)
{
    uint64_t all = 0, x;
    for (; (size_t)(end - p) >= sizeof(x); p += sizeof(x)) {
        x = str_load8(p);
        all |= x;
        if (zeros(x ^ STR_EACH('"')) | zeros(x ^ STR_EACH('\\')) | zeros(x & STR_EACH(0xE0)))
            break;
    }
    for (; p < end && is_plain(*p); p++)
        all |= (unsigned char)*p;
    *high |= (all & STR_EACH(0x80)) != 0;
    return p;
}

/* May it stand behind a backslash, by itself? */
static bool is_simple(char c)
{
    static const char set[] = "\"\\/bfnrt";
    return c && strchr(set, c);
}

static inline const char *run(const struct json_scan *s, const char *p, struct run *seen)
{
    for (;;) {
        p = json_plain(p, s->end, &seen->high);
        if (s->end - p < 2 || *p != '\\' || !is_simple(p[1]))
            return p;
        seen->escaped = true;
        p += 2;
    }
}

static inline bool near(const struct walk *w, size_t *i)
{
    if ((ptrdiff_t)*i > w->far)
        return false;
    const char *p = w->text + *i, *stop;
    bool high = false;
    stop = json_plain(p, p + NEAR, &high);
    *i += (size_t)(stop - p);
    return stop < p + NEAR && *stop == '"' && !high;
}

enum json_fault json_scan_bare(struct json_scan *s)
{
    return walk(s, false);
}

const char *json_number_end(const char *p, const char *end)
{
    const struct walk w = {.text = p, .len = (size_t)(end - p)};
    size_t n = p < end ? skip_number(&w, 0) : 0;
    return n ? p + n : NULL;
}

json_scan_fn *json_scan = json_scan_plain;
json_string_end_fn *json_string_end = json_string_end_plain;

#ifdef __x86_64__
_Alignas(32) const char json_stops[3][32] = {
    "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
    "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\",
    "                                ",
};

__attribute__((constructor)) static void choose(void)
{
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2");
    json_scan = avx2 ? json_scan_avx2 : json_scan_sse2;
    json_string_end = avx2 ? json_string_end_avx2 : json_string_end_sse2;
}
#endif

void json_scan_grow(struct json_scan *s, uint32_t n)
{
    struct json_node *old = s->node;
    uint32_t cap = s->cap * 2 + 2;
    s->node = (struct json_node *)arena_bytes(s->arena, cap * sizeof(*old));
    memcpy(s->node, old, n * sizeof(*old));
    s->cap = cap;
}
