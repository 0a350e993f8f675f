/* json_scan.h - the pass that checks a JSON text and lists its values, for base/json*.c; and where
 * a string or a number ends, for those who know what they have in front of them.
 *
 * There is one scanner (base/json_scan_body.h), compiled once per instruction set; they differ in
 * how they run over the inside of a string and nowhere else. All give the same nodes and the same
 * fault at the same byte, which the tests check.
 *
 * Memory:  nodes live in the arena; when they outgrow their array it doubles.
 * Threads: any.
 */
#pragma once

#include "base/json.h"

#define JSON_FAULTS(X)                                                                             \
    X(NONE, "no fault")                                                                            \
    X(CUT, "the text ends too early")                                                              \
    X(VALUE, "expected a value")                                                                   \
    X(LITERAL, "expected true, false or null")                                                     \
    X(NUMBER, "malformed number")                                                                  \
    X(KEY, "expected a key in double quotes")                                                      \
    X(COLON, "expected ':' behind the key")                                                        \
    X(COMMA, "expected ',' or the closing bracket")                                                \
    X(CONTROL, "control character inside a string")                                                \
    X(ESCAPE, "unknown escape sequence")                                                           \
    X(SURROGATE, "escaped surrogate without its other half")                                       \
    X(UTF8, "bytes that are not UTF-8")                                                            \
    X(DEPTH, "nested too deep")                                                                    \
    X(BEHIND, "more text behind the value")
#define X(name, text) JSON_FAULT_##name,
enum json_fault { JSON_FAULTS(X) };
#undef X

struct json_scan {
    const char *text, *end;
    const char *at;        /* of the fault */
    enum json_fault fault; /* of a string, on the way to the result */
    struct json_node *node;
    uint32_t n, cap;
    uint32_t open;  /* the innermost container; its `next` is the one around it */
    uint32_t depth; /* containers that are open */
    char closing;   /* the bracket that ends it; 0 while none was open */
    struct arena *arena;
};

/* Fills node[0, n); on a fault sets `at`, and the nodes mean nothing. */
typedef enum json_fault json_scan_fn(struct json_scan *s);

json_scan_fn json_scan_plain, json_scan_sse2, json_scan_avx2;
extern json_scan_fn *json_scan; /* the best one for this machine; chosen before main */

/* Used by all of them for a text that does not go from one bracket to another. */
json_scan_fn json_scan_bare;

/* A quote, a backslash and a space, 32 times each. In another file than where they are used, as a
 * compiler that sees them builds them anew for every string instead of reading them. */
extern _Alignas(32) const char json_stops[3][32];

/* Makes room for two more than the n entries that there are. */
void json_scan_grow(struct json_scan *s, uint32_t n);

/* The first byte in [p, end) that is a quote, a backslash or a control character, or `end`. Sets
 * *high when it has seen bytes from 0x80 on; those may stand shortly behind the result. */
const char *json_plain(const char *p, const char *end, bool *high);

/* The quote that ends the string whose inside begins at p; NULL when there is none in front of
 * `end`, or the string is not what JSON allows. One for each instruction set, like the scanner. */
typedef const char *json_string_end_fn(const char *p, const char *end);
json_string_end_fn json_string_end_plain, json_string_end_sse2, json_string_end_avx2;
extern json_string_end_fn *json_string_end;
/* What is behind the number that begins at p, or NULL. */
const char *json_number_end(const char *p, const char *end);
