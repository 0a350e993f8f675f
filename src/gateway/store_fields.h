/* store_fields.h - what bodies about vector stores have in common, read and checked.
 *
 *     attributes          {key: text | number | true | false}, at most 16
 *     metadata            {key: text}, at most 16
 *     chunking_strategy   {"type": "auto"} or {"type": "static", "static": {...}}
 *     expires_after       {"anchor": "last_active_at", "days": 1 to 365}
 *     keywords            as index/tuning.h has it
 *
 * Keys have at most 64 characters, texts 512. What is not there, or null, changes nothing.
 *
 * Errors:  ERR_MISSING and ERR_INVALID with the member's path ("files[2].attributes.size").
 * Memory:  what is read lives in the reader's arena or points into the body.
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/member.h"
#include "store/doc.h"

/* All members of `object` are among these. */
bool store_fields_known(const struct member_reader *m, struct json_value object,
                        const struct member_at *up, const struct str *name, size_t n);
#define STORE_FIELDS_KNOWN(m, object, up, ...)                                                     \
    store_fields_known(m, object, up, (const struct str[]){__VA_ARGS__},                           \
                       COUNT(((const struct str[]){__VA_ARGS__})))

bool store_fields_attributes(const struct member_reader *m, struct json_value object,
                             const struct member_at *up, struct str *out);
bool store_fields_metadata(const struct member_reader *m, struct json_value object,
                           struct str *out);
/* "auto" sets both to 0. */
bool store_fields_chunking(const struct member_reader *m, struct json_value object,
                           const struct member_at *up, uint32_t *tokens, uint32_t *overlap);
/* null sets 0: never. */
bool store_fields_expiry(const struct member_reader *m, struct json_value object, uint32_t *days);
/* null sets "": as usual. */
bool store_fields_keywords(const struct member_reader *m, struct json_value object,
                           struct str *out);
