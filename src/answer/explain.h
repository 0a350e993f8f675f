/* explain.h - why passages rank where they do, as JSON: for clients that ask, and for the command
 * line.
 *
 *     {"level": 3, "ranker": "built-in", "cache": "miss",
 *      "embedder": "built-in", "candidates": 50, "notes": [],
 *      "searches": [{"text": ..., "kind": "asked", "weight": 1}],
 *      "collections": [{"documents": ..., "chunks": ..., "keywords": true,
 *                       "vectors": {"plan": "walk", "candidates": ..., "recall": 0.98, ...}}],
 *      "microseconds": {"embed": ..., "search": ..., "load": ..., "rerank": ..., "total": ...},
 *      "passages": [{"rank": 1, "chunk": ..., "document": ..., "name": ..., "section": ...,
 *                    "page": ..., "line_start": ..., "line_end": ..., "score": ...,
 *                    "keyword": {"rank": 1, "score": ...}, "vector": null,
 *                    "search": {...}, "rerank": {...}, "features": {"coverage": 1, ...},
 *                    "matched": ["word", ...],
 *                    "searches": [0], "redundancy": 0.2, "copies": [chunk, ...]}]}
 *
 * Threads: any.
 */
#pragma once

#include "answer/retrieve.h"

/* One object, as a value of `w`. */
void explain_put(struct json_writer *w, const struct retrieval *r);
