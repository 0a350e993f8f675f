#include "model/resume.h"
#include "text/token.h"

static size_t trimmed(struct str text)
{
    size_t n = text.len;
    while (n > 0 && (text.p[n - 1] == ' ' || text.p[n - 1] == '\n' || text.p[n - 1] == '\t' ||
                     text.p[n - 1] == '\r'))
        n--;
    return n;
}

struct str resume_prefill(const struct attempt *a)
{
    struct str said = str_head(buf_str(&a->call->said.text), a->resume_from);
    return str_head(said, trimmed(said));
}

/* What a repeating server may send again: all that was said, or the white space at its end. */
static struct str repeatable(const struct attempt *a)
{
    struct str said = str_head(buf_str(&a->call->said.text), a->resume_from);
    bool all = a->target->provider->vendor->traits & VENDOR_PREFIX_FLAG;
    return all ? said : str_from_at(said, trimmed(said));
}

struct str resume_text(struct attempt *a, struct str piece, struct arena *tmp)
{
    if (!a->resume || a->resumed)
        return piece;
    struct str again = repeatable(a), left = str_from_at(again, a->repeated);
    size_t same = 0;
    while (same < piece.len && same < left.len && piece.p[same] == left.p[same])
        same++;
    a->repeated += same;
    piece = str_from_at(piece, same);
    if (!piece.len && a->repeated < again.len)
        return STR_NONE; /* it may all be a repetition */
    a->resumed = true;
    bool misled = a->repeated < again.len && trimmed(again) > 0;
    return misled && a->repeated > 0 /* the answer only began alike: give back what was withheld */
               ? arena_printf(tmp, "%.*s%.*s", STR_FMT(str_head(again, a->repeated)),
                              STR_FMT(piece))
               : piece;
}

int64_t resume_tokens(const struct attempt *a, int64_t limit)
{
    int64_t left = limit - (int64_t)token_count(resume_prefill(a));
    return left > 0 ? left : 1;
}

void resume_usage(struct attempt *a)
{
    int64_t said = (int64_t)token_count(resume_prefill(a));
    struct chat_usage *u = &a->usage;
    u->input = u->input > said ? u->input - said : 0;
    u->cached = u->cached < u->input ? u->cached : u->input;
    u->output += said;
}
