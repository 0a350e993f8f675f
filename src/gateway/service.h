/* service.h - everything one penstock process holds, its loop threads, and their life.
 *
 *     service_open     data directory, store, indexes, keys, journals, configuration
 *     service_start    workers, one thread per loop with its listeners and its client pool
 *     service_reload   a new configuration snapshot for every loop, and new certificates
 *     service_drain    stop accepting, finish what runs (bounded), then service_close
 *
 * Threads: one thread opens, starts, reloads, drains and closes. What requests use is in
 *          `struct service_loop`, which belongs to its loop.
 */
#pragma once

#include "answer/retrieve_cache.h"
#include "gateway/config.h"
#include "ingest/embed.h"
#include "ingest/ingest.h"
#include "net/server.h"
#include "store/blob.h"
#include "tenant/limit.h"

#include <pthread.h>

struct service_options {
    const char *data_dir;
    const char *config_file; /* NULL = defaults */
    const char *listen;      /* in place of the configuration's; NULL = as configured */
    bool private_only;       /* only the socket in the data directory: for commands */
};

enum service_state { SERVICE_STARTING, SERVICE_READY, SERVICE_DRAINING };
const char *service_state_name(int state); /* "starting", "ready", "draining" */

struct service {
    /* set once, by service_open */
    struct service_options opt;
    struct db *db;
    struct search_set *search;
    struct retrieve_cache *cache;
    struct embed_status *embedding;
    struct retriever retriever;
    struct key_ring *keys;
    struct limit_set *limits;
    struct journal_set *journals;
    struct blob_store *blobs;
    struct ingest ingest;
    struct tls_server *tls;
    int64_t started_s;

    /* thread that controls the service only */
    struct config *config;
    unsigned n_loops;
    struct service_loop *loop; /* [n_loops] */
    struct arena *found_arena; /* holds what was found last */
    struct config_found *found;
    size_t n_found;

    /* set once, by service_start */
    struct otlp *otlp; /* NULL: nobody collects traces */
    struct store_jobs *store_jobs;

    /* atomic */
    _Atomic int state; /* enum service_state */
};

enum { SERVICE_LISTEN_MAX = 9 };

struct config_hold;

struct service_loop {
    struct service *service;
    unsigned index;
    pthread_t thread;
    struct loop *loop;
    struct journal *journal;

    /* loop thread only, once started */
    struct config *config;    /* what new requests use ... */
    struct config_hold *hold; /* ... and what keeps it */
    struct http_client *http;
    struct checks *checks;       /* of the first loop alone, as the next */
    struct embed_job *embedding; /* the same */
    struct fiber *upkeep;
    struct http_server *server[SERVICE_LISTEN_MAX];
    size_t n_servers;
    char address[SERVICE_LISTEN_MAX][160]; /* with the port that was chosen */
    struct err failed;                     /* why it could not start */
};

/* What a request uses of the configuration, kept until `a` goes. Thread of the loop. */
const struct config *service_config(struct service_loop *l, struct arena *a);

bool service_open(struct service **out, const struct service_options *opt, struct err *e);
bool service_start(struct service *s, struct err *e);
/* On failure nothing has changed. */
bool service_reload(struct service *s, struct err *e);
/* Looks for local servers again, and takes what is found into a new snapshot when it differs. */
void service_discover(struct service *s);
/* Waits until all connections have ended, at most `timeout_ms`. */
void service_drain(struct service *s, int64_t timeout_ms);
void service_close(struct service *s);

/* "unix:DIR/penstock.sock": where commands on this machine find a running service. */
struct str service_socket(struct arena *a, const char *data_dir);
