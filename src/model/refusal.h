/* refusal.h - what a provider's error answer means to us and to our client.
 *
 *     401, 402, 403    ERR_UPSTREAM_AUTH  our key or our bill, not the client's: nothing is told
 *     408, 504         ERR_TIMEOUT
 *     429              ERR_RATE           with the time it asked to wait
 *     529              ERR_UNAVAILABLE    overloaded; the same
 *     other 5xx, 3xx, 1xx  ERR_UPSTREAM
 *     other 4xx        the provider's reason, as the client's request caused it; a context that is
 *                      too long and refused content have codes of their own
 *
 * An error object inside an answer with status 200 is judged by the status that it names, or by its
 * type.
 *
 * Threads: any.
 */
#pragma once

#include "base/json.h"
#include "net/http.h"

/* Always false. `provider` is its name; `body` may be anything. */
bool refusal(struct str provider, const struct http_head *head, struct str body, struct err *e);
/* The same for an error object that came with status 200, as a whole or in a stream. */
bool refusal_in_answer(struct str provider, struct json_value error, struct err *e);
/* How long the answer asks to wait: retry-after-ms, or retry-after in seconds or as a date. 0 = it
 * does not say. */
int32_t refusal_retry_after_ms(const struct http_headers *h, int64_t wall_ms);
