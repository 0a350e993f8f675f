/* work.h - the worker threads: what blocks (SQL, files, names) or computes for more than 200 us.
 *
 * A fiber that calls work_run sleeps while a worker does the job; the loop goes on. The job uses
 * the fiber's stack frame, so the wait cannot be abandoned: it ignores cancellation, and a job that
 * may take long must look at a deadline of its own.
 *
 * Memory:  borrowed until work_run returns.
 * Threads: work_run: a fiber, or any thread that is not a loop (then fn runs at once, in place).
 */
#pragma once

#include "base/err.h"

typedef void work_fn(void *arg);

/* Starts n threads (0: one per core, at least 2), shared by all loops of the process. */
bool work_start(unsigned n, struct err *e);
void work_stop(void); /* all jobs have ended */
void work_run(work_fn *fn, void *arg);
/* Runs fn(arg) on a worker, and nobody waits: for background upkeep that owns what it touches. */
void work_post(work_fn *fn, void *arg);
size_t work_queued(void);
