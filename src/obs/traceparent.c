#include "obs/traceparent.h"

enum { STATE_MOST = 512 }; /* what everybody has to pass on at least (section 3.3.1.5) */

/* n lower-case digits; upper case is not allowed. */
static bool hex(const char *p, size_t n, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *out = *out << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    return true;
}

bool traceparent_parse(struct traceparent *out, struct str s)
{
    uint64_t version, flags;
    struct traceparent t;
    if (s.len < TRACEPARENT_SIZE || !hex(s.p, 2, &version) || version == 0xFF)
        return false;
    if (s.len > TRACEPARENT_SIZE && (version == 0 || s.p[TRACEPARENT_SIZE] != '-'))
        return false;
    if (s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
        return false;
    if (!hex(s.p + 3, 16, &t.trace[0]) || !hex(s.p + 19, 16, &t.trace[1]) ||
        !hex(s.p + 36, 16, &t.span) || !hex(s.p + 53, 2, &flags))
        return false;
    t.flags = flags & TRACEPARENT_SAMPLED;
    *out = t;
    return (t.trace[0] | t.trace[1]) != 0 && t.span != 0;
}

static void put_hex(char *to, uint64_t n)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 16; i-- > 0; n >>= 4)
        to[i] = digit[n & 15];
}

void traceparent_trace(const struct traceparent *t, char out[TRACEPARENT_TRACE])
{
    put_hex(out, t->trace[0]);
    put_hex(out + 16, t->trace[1]);
}

void traceparent_span(uint64_t span, char out[TRACEPARENT_SPAN])
{
    put_hex(out, span);
}

static void put(char *out, struct str s)
{
    memcpy(out, s.p, s.len);
}

void traceparent_format(const struct traceparent *t, char out[TRACEPARENT_SIZE])
{
    put(out, STR("00-"));
    traceparent_trace(t, out + 3);
    out[35] = '-';
    traceparent_span(t->span, out + 36);
    put(out + 52, t->flags & TRACEPARENT_SAMPLED ? STR("-01") : STR("-00"));
}

bool traceparent_state_ok(struct str state)
{
    for (size_t i = 0; i < state.len; i++)
        if (state.p[i] < ' ' || state.p[i] > '~')
            return false;
    return state.len > 0 && state.len <= STATE_MOST;
}
