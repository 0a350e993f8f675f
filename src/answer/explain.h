/* explain.h - why passages rank where they do, as JSON: for clients that ask, and for the command
 * line.
 *
 *     {"level": 3, "ranker": "built-in", "cache": "miss", "candidates": 50, "notes": [],
 *      "searches": [{"text": ..., "kind": "asked", "weight": 1}],
 *      "microseconds": {"search": ..., "load": ..., "rerank": ..., "total": ...},
 *      "passages": [{"rank": 1, "chunk": ..., "document": ..., "score": ...,
 *                    "keyword": {"rank": 1, "score": ...}, "vector": null,
 *                    "search": {...}, "rerank": {...}, "matched": ["word", ...],
 *                    "searches": [0], "redundancy": 0.2, "copies": [chunk, ...]}]}
 *
 * Threads: any.
 */
#pragma once

#include "answer/retrieve.h"

/* One object, as a value of `w`. */
void explain_put(struct json_writer *w, const struct retrieval *r);
/* The stages of one passage: the members of its object, without rank, chunk, document and score. */
void explain_put_stages(struct json_writer *w, const struct retrieval *r,
                        const struct retrieved *h);
