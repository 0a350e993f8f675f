/* json_scan.h - the pass that checks a JSON text and lists its values. Used by base/json*.c alone.
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
    const char *at; /* of the fault */
    struct json_node *node;
    uint32_t n, cap;
    struct arena *arena;
};

/* Fills node[0, n); on a fault sets `at`, and the nodes mean nothing. */
typedef enum json_fault json_scan_fn(struct json_scan *s);

json_scan_fn json_scan_plain, json_scan_sse2, json_scan_avx2;
extern json_scan_fn *json_scan; /* the best one for this machine; chosen before main */

void json_scan_grow(struct json_scan *s);

/* The first byte in [p, end) that is a quote, a backslash or a control character, or `end`. Sets
 * *high when it has seen bytes from 0x80 on; those may stand shortly behind the result. */
const char *json_plain(const char *p, const char *end, bool *high);
