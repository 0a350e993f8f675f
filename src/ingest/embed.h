/* embed.h - vectors of an embedder outside, made in the background for every document.
 *
 *     document put --> pending --(texts known by hash?)--> batches to the embedder --> vectors kept
 *         --> all of a document's there: it has them, whole --> all documents: the space is in use
 *
 * Looks for work when the store has changed. What a batch has brought is kept at once, so a killed
 * process goes on from there; a text that was embedded once, in whatever document of the tenant, is
 * not sent again. Another embedder, or another version of it, is another space: it is filled beside
 * the one in use, which searches keep until the new one is whole (store/space.h).
 *
 * An embedder that refuses for a time (429, overloaded) is left alone for as long as it says, one
 * that fails for a pause that doubles up to a minute; work is never given up for that. A batch that
 * it does not take is halved; a single text that it does not take is shortened, and at last marks
 * its document failed in the status.
 *
 * Threads: one fiber of one loop, and children of it; the status may be read from any thread.
 */
#pragma once

#include "index/search.h"
#include "model/errand.h"
#include "store/doc.h"

/* How the texts of a collection become vectors. */
struct embed_by {
    const struct model *model; /* NULL: no embedder outside */
    struct str identity;       /* provider/model/version: with the dimension it names the space */
    uint32_t dimension;        /* 0: the model's own */
    struct str prefix;         /* in front of each text */
    size_t batch, concurrency;
};

/* Shared by the jobs that follow each other as the configuration changes. */
struct embed_status;
struct embed_status *embed_status_new(void);
void embed_status_free(struct embed_status *s);
/* While paused nothing is sent; what is under way ends. */
void embed_pause(struct embed_status *s, bool paused);

struct embed_options {
    struct db *db;
    struct search_set *search;
    struct http_client *http;
    struct journal *journal;
    struct embed_status *status;
    void *ctx;
    /* Who embeds the collection of this name. */
    struct embed_by (*by)(void *ctx, struct str collection);
    /* Called with ctx when the job has ended after embed_stop. */
    void (*ended)(void *ctx);
};

struct embed_job;
struct embed_job *embed_start(const struct embed_options *opt);
/* Ends it soon; it is not to be used from here on. Accepts NULL. */
void embed_stop(struct embed_job *j);

struct embed_collection {
    struct str name, space, next; /* in use; on the way, "" = arrived */
    uint64_t documents, done;     /* of the space on the way, or of the one in use */
};
struct embed_report {
    bool paused;
    struct str error; /* of the last attempt, "" = it was good */
    struct embed_collection *collection;
    size_t n;
};
/* How far the collections with an embedder outside are. On a fiber, or a thread that is no loop. */
bool embed_report(struct db *d, struct embed_status *s, struct arena *a, struct embed_report *out,
                  struct err *e);
/* The text of a passage as it is embedded. */
struct str embed_text(struct str prefix, struct str title, struct str section, struct str text,
                      struct arena *a);
/* "identity/dimension", the name of a space. */
struct str embed_space(const struct embed_by *by, uint32_t dimension, struct arena *a);
