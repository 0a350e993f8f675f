#include "reader/sandbox.h"

#include "base/asan.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a parser needs once its libraries are loaded. Those with a condition follow below. */
static const int allowed[] = {
    SCMP_SYS(read),           SCMP_SYS(readv),
    SCMP_SYS(pread64),        SCMP_SYS(write),
    SCMP_SYS(writev),         SCMP_SYS(lseek),
    SCMP_SYS(close),          SCMP_SYS(brk),
    SCMP_SYS(munmap),         SCMP_SYS(mremap),
    SCMP_SYS(madvise),        SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),      SCMP_SYS(sched_yield),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),   SCMP_SYS(restart_syscall),
    SCMP_SYS(getpid),         SCMP_SYS(sigaltstack),
    SCMP_SYS(gettid),         SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static bool add_rules(scmp_filter_ctx ctx)
{
    int bad = 0;
    for (size_t i = 0; i < COUNT(allowed); i++)
        bad |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
    /* memory, but never to run code in */
    const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    bad |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);
    bad |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
    /* abort() signals its own process, nobody else's */
    const struct scmp_arg_cmp self = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
    bad |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, self);
    return bad == 0;
}

static bool load_filter(struct err *e)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!ctx)
        return err_set(e, ERR_INTERNAL, "cannot make the system call filter");
    bool good = add_rules(ctx);
    int rc = good ? seccomp_load(ctx) : -EINVAL;
    seccomp_release(ctx);
    if (rc < 0) {
        errno = -rc;
        return err_sys(e, ERR_INTERNAL, "cannot load the system call filter");
    }
    return true;
}

static bool set_limit(int what, uint64_t most, struct err *e)
{
    struct rlimit had;
    if (getrlimit(what, &had) < 0)
        return err_sys(e, ERR_INTERNAL, "cannot read a resource limit");
    rlim_t want = most < had.rlim_max ? most : had.rlim_max;
    struct rlimit l = {want, want};
    if (setrlimit(what, &l) < 0)
        return err_sys(e, ERR_INTERNAL, "cannot set a resource limit");
    return true;
}

static bool set_limits(const struct sandbox_limits *l, struct err *e)
{
    bool sanitized = ASAN_ON || TSAN_ON;
    if (l->memory && !sanitized && !set_limit(RLIMIT_AS, l->memory, e))
        return false;
    if (l->cpu_ms && !set_limit(RLIMIT_CPU, (uint64_t)(l->cpu_ms + 999) / 1000, e))
        return false;
    return set_limit(RLIMIT_NOFILE, 0, e) && set_limit(RLIMIT_FSIZE, 0, e) &&
           set_limit(RLIMIT_CORE, 0, e) && set_limit(RLIMIT_NPROC, 0, e);
}

/* Everything but standard error and keep[], whatever its number. */
static bool close_others(const int *keep, size_t n, struct err *e)
{
    unsigned from = 0;
    while (from <= INT32_MAX) {
        unsigned next = STDERR_FILENO >= from ? STDERR_FILENO : UINT32_MAX;
        for (size_t i = 0; i < n; i++)
            if ((unsigned)keep[i] >= from && (unsigned)keep[i] < next)
                next = (unsigned)keep[i];
        if (next > from && close_range(from, next - 1, 0) < 0)
            return err_sys(e, ERR_INTERNAL, "cannot close descriptors");
        if (next == UINT32_MAX)
            break;
        from = next + 1;
    }
    return true;
}

bool sandbox_enter(const struct sandbox_limits *limits, const int *keep, size_t n, int parent,
                   struct err *e)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_sys(e, ERR_INTERNAL, "cannot give up privileges");
    if (getppid() != parent)
        return err_set(e, ERR_CANCELLED, "the parent has gone");
    return close_others(keep, n, e) && set_limits(limits, e) && load_filter(e);
}
