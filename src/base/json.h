/* json.h - read JSON in one validating pass, look into it without copying, and write it.
 *
 * json_parse accepts exactly the texts of RFC 8259 and nothing else: UTF-8 checked (overlong forms,
 * surrogates and cut sequences refused), numbers by the grammar, no control characters in strings,
 * nothing behind the end. It fills one array with an entry per value, in document order, with byte
 * offsets; nothing is copied or decoded before somebody asks for it. The insides of strings are
 * passed 32 bytes at a time by AVX2 or SSE2, or 8 by the plain C twin, chosen at start.
 *
 * Differences from RFC 8259, all allowed by it: nesting ends at JSON_DEPTH; a lone surrogate in a
 * \u escape is refused; of members with equal names json_get finds the *first*, and JSON_UNIQUE
 * refuses them (names are compared decoded, per object). What is checked is what is forwarded, so a
 * request with duplicate keys is refused at the door. A byte order mark is refused.
 *
 * Units:   offsets and lengths in bytes of the text.
 * Memory:  values point into the text, which must stay.
 * Threads: any; a parsed document may be read by many.
 * Source:  RFC 8259. That bytes are classified by vectors is the idea of Langdale and Lemire,
 *          "Parsing Gigabytes of JSON per Second", 2019; here it serves the strings alone, which
 * are nearly all of a chat body, so one pass and no bit masks of the whole text are needed.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* One value. A member of an object is two entries: its name (a JSON_STRING), then its value. */
struct json_node {
    uint32_t at, end; /* text[at, end): quotes and brackets included */
    uint32_t next;    /* index of the entry behind this value and all that it holds */
    uint16_t type;    /* enum json_type */
    uint16_t escaped; /* a string with backslashes: json_text must decode it */
};

struct json {
    struct str text;
    struct json_node *node; /* node[0] is the whole; n >= 1 */
    uint32_t n;
};

/* A value inside a document; `doc` NULL means "not there", which every function below accepts. */
struct json_value {
    const struct json *doc;
    uint32_t i;
};

enum { JSON_DEPTH = 256, JSON_TEXT_MAX = 1 << 30 };
enum json_flags { JSON_UNIQUE = 1 };

/* Parses all of `text` into nodes that live in `a`. False: ERR_SYNTAX with the byte offset in the
 * message, ERR_TOO_LARGE over JSON_TEXT_MAX, or with JSON_UNIQUE ERR_INVALID that quotes the key.
 */
bool json_parse(struct json *out, struct arena *a, struct str text, unsigned flags, struct err *e);

static inline struct json_value json_root(const struct json *doc)
{
    return (struct json_value){doc, 0};
}
static inline bool json_exists(struct json_value v)
{
    return v.doc != NULL;
}
static inline bool json_is(struct json_value v, enum json_type type)
{
    return v.doc && v.doc->node[v.i].type == type;
}
const char *
json_type_name(enum json_type type); /* "string", "array", ... as error messages say it */
enum json_type json_type(struct json_value v);

/* A member, or not there; by a literal its length is known when this is compiled. */
struct json_value json_member(struct json_value object, struct str name);
static inline struct json_value json_get(struct json_value object, const char *name)
{
    return json_member(object, str_from(name));
}
/* Several in one walk: out[i] is the member called name[i], or not there. */
void json_members(struct json_value object, const struct str *name, size_t n,
                  struct json_value *out);
struct json_value json_path(struct json_value v,
                            const char *path); /* "usage.prompt_tokens", "choices.0.delta" */
struct json_value json_at(struct json_value array, uint32_t index);
uint32_t json_count(struct json_value v); /* items or members; counts by walking */

/* Walks an array's items or an object's members: start from json_first, while
 * json_exists(it.value). */
struct json_iter {
    struct json_value value;
    struct str name; /* raw, as between the quotes; only in an object */
    struct json_value container;
    uint32_t i, end; /* of the entries that are still to come */
};
static inline void json_next(struct json_iter *it)
{
    const struct json *doc = it->container.doc;
    it->value = (struct json_value){0};
    if (it->i >= it->end)
        return;
    if (doc->node[it->container.i].type == JSON_OBJECT) {
        const struct json_node *key = &doc->node[it->i++];
        it->name = (struct str){doc->text.p + key->at + 1, key->end - key->at - 2};
    }
    it->value = (struct json_value){doc, it->i};
    it->i = doc->node[it->i].next;
}
static inline struct json_iter json_first(struct json_value container)
{
    struct json_iter it = {0};
    if (container.doc && (json_is(container, JSON_ARRAY) || json_is(container, JSON_OBJECT))) {
        it.container = container;
        it.i = container.i + 1;
        it.end = container.doc->node[container.i].next;
        json_next(&it);
    }
    return it;
}
#define json_each(it, container)                                                                   \
    for (struct json_iter it = json_first(container); json_exists(it.value); json_next(&it))

/* The bytes of the value in the text, quotes included. */
static inline struct str json_raw(struct json_value v)
{
    if (!v.doc)
        return STR_NONE;
    const struct json_node *node = &v.doc->node[v.i];
    return (struct str){v.doc->text.p + node->at, node->end - node->at};
}
/* A string's text, escapes decoded into `a` when there are any; "" for anything else. */
struct str json_text(struct json_value v, struct arena *a);
/* Is it a string, and is this its decoded text? */
bool json_text_is(struct json_value v, const char *text);
bool json_text_is_str(struct json_value v, struct str text);
bool json_int(struct json_value v,
              int64_t *out); /* also 1.0 and 1e2; false when not whole or too large */
bool json_double(struct json_value v, double *out);
bool json_bool(struct json_value v, bool *out);

/* ---- Writing. Commas, quotes and escapes come by themselves; that brackets match, members have
 * keys and one value stands at the top is CHECKed. Whether all of it fit, the buffer knows. ----
 *
 *     struct json_writer w;
 *     json_begin(&w, &buf);
 *     json_object(&w);
 *     json_key(&w, "id"), json_put_str(&w, id);
 *     json_key(&w, "data"), json_array(&w) ... json_end(&w);
 *     json_end(&w);
 */
struct json_writer {
    struct buf *out;
    uint8_t depth;    /* containers that are open, up to JSON_WRITER_DEPTH */
    bool comma;       /* something stands before the next value of this container */
    bool key;         /* a key waits for its value */
    uint64_t objects; /* bit per level: is it an object */
};

enum { JSON_WRITER_DEPTH = 64 };

void json_begin(struct json_writer *w, struct buf *out);
void json_object(struct json_writer *w);
void json_array(struct json_writer *w);
void json_end(struct json_writer *w);                   /* closes the innermost */
void json_key(struct json_writer *w, const char *name); /* a literal, written as it stands */
void json_key_str(struct json_writer *w, struct str name);
void json_put_str(struct json_writer *w, struct str s);   /* broken UTF-8 becomes U+FFFD */
void json_put_text(struct json_writer *w, const char *s); /* NULL writes null */
void json_put_int(struct json_writer *w, int64_t n);
void json_put_real(struct json_writer *w, double d); /* shortest that reads back; null for NaN */
void json_put_bool(struct json_writer *w, bool b);
void json_put_null(struct json_writer *w);
void json_put_raw(struct json_writer *w, struct str json); /* a value that is JSON already */
/* key and value in one */
void json_kv_str(struct json_writer *w, const char *name, struct str s);
void json_kv_text(struct json_writer *w, const char *name, const char *s);
void json_kv_int(struct json_writer *w, const char *name, int64_t n);
void json_kv_real(struct json_writer *w, const char *name, double d);
void json_kv_bool(struct json_writer *w, const char *name, bool b);

/* Appends `s` as the inside of a JSON string: escaped, without quotes. */
void json_escape(struct buf *out, struct str s);
