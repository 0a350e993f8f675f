/* space.h - vectors of chunks that an embedder outside has made, one space per embedder.
 *
 * A space is what vectors must share to be compared: its name says provider, model, dimension and
 * version. Vectors are kept by what was embedded (a hash of tenant and text), so that a text is
 * embedded once for each space, however often and in how many documents it comes; a chunk refers to
 * its vector. A document has its vectors in a space whole or not at all.
 *
 *     space_aim         a collection is to be in a space from here on
 *     space_pending     its documents that are not yet
 *     space_find, _keep what is known of texts, and what has been learned
 *     space_put         a document has them all
 *     space_switch      all documents have: searches use the space now
 *
 * For indexes: a document that gets its vectors in the space that is in use is a change
 * DB_DOCUMENT_EMBEDDED, which stands in place of the change that brought its content: one who has
 * not seen change number `content` yet takes it for DB_DOCUMENT_ADDED. A switch is DB_SPACE_CHANGED
 * of the collection: space_live tells the new space, space_vectors its vectors, all of which are
 * there. Documents put later are without vectors until their DB_DOCUMENT_EMBEDDED.
 *
 * Threads: as db.h: a fiber, or any thread that is not a loop.
 */
#pragma once

#include "store/db.h"

struct space {
    int64_t id; /* 0: none */
    struct str name;
    uint32_t dimension;
};

enum { SPACE_HASH = 16, SPACE_DIMENSION_MOST = 4096 };

struct space_hash {
    uint8_t b[SPACE_HASH];
};

/* The space of that name, made when new. ERR_CONFLICT: it is there with another dimension. */
bool space_ensure(struct db *d, struct str name, uint32_t dimension, int64_t *id, struct err *e);
/* What a text is known by. */
struct space_hash space_hash(struct str tenant, struct str text);

/* ---- Of a collection ---- */

/* The space in use, and the one that it is on its way to (the same when it has arrived); of id 0
 * when there is none. `next` may be NULL. */
bool space_live(struct db *d, struct arena *a, struct str collection, struct space *live,
                struct space *next, struct err *e);
/* Sets where it goes. 0: no vectors from outside any more, which holds at once. */
bool space_aim(struct db *d, struct str collection, int64_t space, struct err *e);

struct space_progress {
    uint64_t documents, done; /* those with chunks; those whose vectors are there */
};
bool space_progress(struct db *d, struct str collection, int64_t space, struct space_progress *out,
                    struct err *e);

struct space_document {
    int64_t id;
    uint32_t version, chunks;
};
/* At most `limit` documents behind `after`, rising by id, that are whole in the store and not in
 * the space. */
bool space_pending(struct db *d, struct arena *a, struct str collection, int64_t space,
                   int64_t after, size_t limit, struct space_document **out, size_t *n,
                   struct err *e);
/* Uses the space that the collection goes to, if every document is there. Sets *done. */
bool space_switch(struct db *d, struct str collection, bool *done, struct err *e);

/* ---- Vectors ---- */

/* known[i]: is there a vector for hash[i]? */
bool space_known(struct db *d, int64_t space, const struct space_hash *hash, size_t n, bool *known,
                 struct err *e);
/* Keeps vectors, [n][dimension]. One that is there already stays. */
bool space_keep(struct db *d, int64_t space, const struct space_hash *hash, const float *vector,
                size_t n, uint32_t dimension, struct err *e);
/* The vector of a text; *found false: there is none. */
bool space_recall(struct db *d, int64_t space, const struct space_hash *hash, float *vector,
                  uint32_t dimension, bool *found, struct err *e);
/* The document's chunks, in the order of their ids, are those of hash[n], whose vectors are kept.
 * *put false: it has another version meanwhile, or has gone; nothing has changed then. */
bool space_put(struct db *d, int64_t space, const struct space_document *doc,
               const struct space_hash *hash, size_t n, bool *put, struct err *e);

struct space_vector {
    int64_t chunk, document;
    const float *v; /* [dimension] */
};
/* The vectors of these documents, in the order of document[] and then as chunks stand in them.
 * Documents that are not in the space have none. One snapshot for all; pass some dozen at a time to
 * bound memory. */
bool space_vectors(struct db *d, struct arena *a, const struct space *s, const int64_t *document,
                   size_t n_documents, struct space_vector **out, size_t *n, struct err *e);

/* Drops the vectors that no chunk has referred to since `before_s` (Unix time), at most `limit`. */
bool space_sweep(struct db *d, int64_t before_s, size_t limit, size_t *dropped, struct err *e);
