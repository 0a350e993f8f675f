#include "answer/marker.h"
#include "base/mem.h"

bool marker_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

size_t marker_skip_blanks(struct str s, size_t at)
{
    while (at < s.len && marker_is_blank(s.p[at]))
        at++;
    return at;
}

size_t marker_length(struct str s, struct str *names, bool *certain)
{
    static const struct str word = STR("source");
    size_t at = marker_skip_blanks(s, 1);
    *certain = false;
    for (size_t i = 0; i < word.len; i++, at++) {
        if (at >= s.len)
            return s.len < MARKER_MOST ? STR_NPOS : 0;
        if ((s.p[at] | 0x20) != word.p[i])
            return 0;
    }
    if (at < s.len && (s.p[at] | 0x20) == 's')
        at++;
    at = marker_skip_blanks(s, at);
    if (at >= s.len)
        return s.len < MARKER_MOST ? STR_NPOS : 0;
    if (s.p[at] != ':')
        return 0;
    *certain = true;
    for (size_t end = ++at; end < size_min(s.len, MARKER_MOST); end++) {
        if (s.p[end] == ']') {
            *names = str_span(s.p + at, s.p + end);
            return end + 1;
        }
        if (s.p[end] == '\n' || s.p[end] == '[')
            return 0;
    }
    return s.len < MARKER_MOST ? STR_NPOS : 0;
}
