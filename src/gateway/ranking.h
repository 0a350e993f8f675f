/* ranking.h - `ranking_options` of searches and of the tool file_search.
 *
 *     {"ranker": "auto" | "none" | "default-...", "score_threshold": 0..1,
 *      "hybrid_search": {"embedding_weight": 0.., "text_weight": 0..}}
 *
 * Errors:  ERR_INVALID with the member's path.
 * Threads: any.
 */
#pragma once

#include "answer/retrieve.h"
#include "gateway/member.h"

/* The member of `object`, which stands at `up`; leaves alone what it does not say. */
bool ranking_read(const struct member_reader *m, struct json_value object,
                  const struct member_at *up, struct retrieve_query *q);
