/* member.h - what is wrong with which member of a JSON body.
 *
 * A place in a body is a chain on the stack, from the member that is looked at up to the root; it
 * is spelled out, "messages[2].content[0].type", only when there is something to tell about it.
 *
 * body.h has the same for callers whose paths are short or fixed.
 *
 * Threads: any.
 */
#pragma once

#include "gateway/body.h"
#include "model/chat.h"

struct member_at {
    const struct member_at *up; /* NULL: a member of the body itself */
    struct str name;            /* "" for an item of a list ... */
    size_t index;               /* ... which has a number */
};

/* A member, or an item, below a place. They point to it. */
static inline struct member_at member_at(const struct member_at *up, struct str name)
{
    return (struct member_at){.up = up, .name = name};
}

static inline struct member_at member_item(const struct member_at *up, size_t index)
{
    return (struct member_at){.up = up, .index = index};
}

/* Does it ask for nothing: null, false, an empty text, list or object? */
bool member_idle(struct json_value v);

/* Appends the path. */
void member_path(const struct member_at *at, struct buf *out);
/* Each sets *e, with the path in its param and in front of the message, and returns false. */
bool member_missing(const struct member_at *at, struct err *e);
bool member_wrong(const struct member_at *at, const char *want, struct err *e); /* "must be ..." */
bool member_unsaid(const struct member_at *at, struct err *e); /* in the provider's protocol */

/* Refuses by member_unsaid all members of an object but those named and idle ones. */
bool member_only(struct json_value object, const struct member_at *at, const struct str *name,
                 size_t n, struct err *e);
/* The same, with the names one after the other. */
#define MEMBER_ONLY(m, object, at, ...)                                                            \
    member_only(object, at, (const struct str[]){__VA_ARGS__},                                     \
                COUNT(((const struct str[]){__VA_ARGS__})), (m)->e)

/* Members of an object at `up`; what is read lives in `a`. Those that are not there, or null, leave
 * flags and markers as they are and make a text empty. */
struct member_reader {
    struct arena *a;
    struct err *e;
};
bool member_text(const struct member_reader *m, struct json_value object,
                 const struct member_at *up, const char *name, struct str *out);
bool member_need_text(const struct member_reader *m, struct json_value object,
                      const struct member_at *up, const char *name, struct str *out);
bool member_flag(const struct member_reader *m, struct json_value object,
                 const struct member_at *up, const char *name, bool *out);
/* cache_control, as it is spelled. */
bool member_cache(const struct member_reader *m, struct json_value object,
                  const struct member_at *up, struct str *out);
/* Where an image or a file is: "data:image/png;base64,AAAA" in its two pieces; anything else is an
 * address. */
bool member_source(struct chat_part *p, struct str url, const struct member_at *at, struct err *e);
