/* local.h - commands as clients: of the service that runs on a data directory, or of one started
 * inside this process for as long as the command takes.
 *
 * So each command does its work through the same API that everybody uses, whether the directory is
 * idle or not. Interrupting (Ctrl-C) cancels the command's fiber, and with it the request.
 *
 * Threads: the fiber that local_run starts.
 */
#pragma once

#include "base/json.h"
#include "net/client.h"

struct local;

struct local_options {
    const char *data_dir;
    const char *config_file;
    bool learn; /* a service of our own ends only when its indexes have settled, or at Ctrl-C */
};

/* Runs fn on a fiber of a loop in this thread; returns what it returned, or CLI_FAILED after a
 * message when the service could not be reached or started. */
int local_run(const struct local_options *opt, int (*fn)(struct local *l, void *arg), void *arg);

/* Runs fn on a fiber of a loop in this thread, cancelled by Ctrl-C; returns what it returned. */
int local_fiber(int (*fn)(void *arg), void *arg);
/* Does a service answer at this socket file? */
bool local_running(const char *socket_path);

struct arena *local_arena(struct local *l);
/* Sends a request and reads the head of the answer. body "" = none. An answer with an error status
 * becomes *e, with the message of its error object. */
bool local_start(struct local *l, const char *method, struct str path, struct str body,
                 struct http_exchange **x, struct err *e);
/* The same, and the whole answer as JSON. */
bool local_call(struct local *l, const char *method, struct str path, struct str body,
                struct json *answer, struct err *e);
/* Calls fn for the data of each event of the stream that *x answers with, until "[DONE]" or the
 * end. An event with an error object becomes *e. False from fn ends it. */
bool local_events(struct http_exchange *x,
                  bool (*fn)(void *ctx, const struct json *data, struct err *e), void *ctx,
                  struct err *e);
