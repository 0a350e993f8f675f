/* splice.h - change members of a JSON object by their place in the text, the rest byte for byte.
 *
 * What comes out is a list of pieces, old and new in turn, for a gathering write: nothing is copied
 * and nothing is written anew, so unknown members, spelling of numbers, order and white space
 * survive, and with them a provider's prompt cache.
 *
 *     struct splice s;
 *     splice_init(&s, doc);
 *     splice_object(&s, json_root(doc), (struct splice_member[]){{"model", STR("\"gpt\"")}}, 1);
 *     n = splice_parts(&s, part);
 *
 * A member that is there gets the new value in its place; one that is not is added as the last; one
 * without a new value is taken out together with one comma. Of members with equal names the first
 * is changed, the others stay.
 *
 * Memory:  points into the document and the values given, which must stay. Names are literals that
 *          need no escapes.
 * Threads: one at a time.
 */
#pragma once

#include "base/json.h"

enum { SPLICE_EDITS = 8, SPLICE_PARTS = SPLICE_EDITS * 5 + 1 };

struct splice_member {
    const char *name;
    struct str json; /* the new value; p NULL takes the member out */
};

struct splice {
    const struct json *doc;
    struct splice_edit {
        uint32_t at, end;      /* text[at, end) goes ... */
        const char *comma;     /* ... and these come: "," or "" */
        struct str name, json; /* name "" for a new value in an old place */
    } edit[SPLICE_EDITS];      /* by rising place */
    size_t n;
};

void splice_init(struct splice *s, const struct json *doc);
/* Changes members of one object of the document; each object at most once, and none inside a value
 * that is replaced or taken out. */
void splice_object(struct splice *s, struct json_value object, const struct splice_member *m,
                   size_t n);
/* The text as pieces, none of them empty; at least one. */
size_t splice_parts(const struct splice *s, struct str part[SPLICE_PARTS]);
/* The text in one piece; the document's own when nothing was changed. */
struct str splice_text(const struct splice *s, struct arena *a);
