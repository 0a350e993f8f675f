/* sandbox.h - a process gives up everything but computing, for good.
 *
 * Afterwards the process can use memory, read and write the descriptors that it holds, and end. Any
 * other system call - opening a file, a socket, starting a program, looking at another process -
 * kills it at once (SIGSYS). It cannot regain anything, cannot be traced, leaves no core dump, and
 * dies with its parent. New memory is never executable.
 *
 * Threads: a process of one thread.
 * Source:  seccomp(2) with an allow-list by libseccomp; setrlimit(2); prctl(2).
 */
#pragma once

#include "base/err.h"

struct sandbox_limits {
    uint64_t
        memory; /* bytes of address space; 0: no limit. Not in sanitizer builds, which map it all */
    int64_t cpu_ms; /* rounded up to seconds; 0: no limit */
};

/* Closes all descriptors but the n in keep[] and standard error, then enters. `parent` is who must
 * be alive: when it is not this process's parent any more, that is an error. */
bool sandbox_enter(const struct sandbox_limits *limits, const int *keep, size_t n, int parent,
                   struct err *e);
