/* penstock-reader - reads documents that nobody trusts, for penstock.
 *
 *     penstock --(socket: request, 2 descriptors)--> reader --fork--> child: sandbox, read, write
 *              <-(socket: how it ended)-------------                        |
 *              <-(pipe: the document as JSON)-------------------------------+
 *
 * Loading poppler and libxml2 takes twenty times as long as reading a page of Markdown, so the
 * reader loads them once and forks a child per document. It never looks at a document itself.
 * It watches the child's wall time and its own socket: when that closes, both end.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "reader/encodings.h"
#include "reader/readers.h"
#include "reader/sandbox.h"

#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child ends with when it is not killed. */
enum { CHILD_DONE = 0, CHILD_MEMORY = 70, CHILD_REFUSED = 71, CHILD_CRASHED = 72 };

struct job {
    struct wire_request req;
    int doc, out; /* descriptors: what came with the request */
};

/* ---- The child ---- */

static size_t address_space;

/* Libraries end the process by abort() when memory is out. Whether it is: a sixteenth of what was
 * allowed cannot be had any more, or the last call that failed said so. */
static void on_crash(int sig)
{
    bool no_memory = errno == ENOMEM;
    if (!no_memory && address_space) {
        void *probe = mmap(NULL, address_space / 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        no_memory = probe == MAP_FAILED;
    }
    (void)sig;
    _exit(no_memory ? CHILD_MEMORY : CHILD_CRASHED);
}

static void catch_crashes(void)
{
    struct sigaction act = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND};
    sigaction(SIGABRT, &act, NULL);
    sigaction(SIGTRAP, &act, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a last word that standard error, a file, may not take */
}

static bool write_result(int fd, struct str s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.p, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = str_from_at(s, (size_t)n);
    }
    return true;
}

static bool map_document(int fd, struct str *bytes, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, ERR_IO, "cannot look at the document");
    *bytes = STR("");
    if (st.st_size == 0)
        return true;
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return err_sys(e, ERR_TOO_LARGE, "cannot map the document");
    *bytes = (struct str){at, (size_t)st.st_size};
    return true;
}

static _Noreturn void child(const struct job *job, int parent)
{
    struct err e;
    struct arena *a = arena_new();
    struct blocks b;
    blocks_init(&b, a, job->req.max_result);
    struct str bytes = STR_NONE, json;
    bool good = map_document(job->doc, &bytes, &e);

    catch_crashes();
    encodings_seal();
    struct sandbox_limits limits = {.memory = job->req.memory, .cpu_ms = job->req.timeout_ms};
    address_space = job->req.memory;
    const int keep[] = {job->doc, job->out};
    struct err refused;
    if (!sandbox_enter(&limits, keep, COUNT(keep), parent, &refused)) {
        fprintf(stderr, "penstock-reader: %s\n", refused.msg);
        _exit(CHILD_REFUSED);
    }
    good = good && readers_run(&b, bytes, str_from(job->req.extension), &e) &&
           blocks_end(&b, &json, &e);
    if (!good)
        json = blocks_error(&b, e.msg);
    _exit(write_result(job->out, json) ? CHILD_DONE : CHILD_CRASHED);
}

/* ---- The parent of it ---- */

static enum wire_end how_it_ended(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED) {
        switch (info->si_status) {
        case CHILD_DONE: return WIRE_DONE;
        case CHILD_MEMORY: return WIRE_MEMORY;
        case CHILD_REFUSED: return WIRE_REFUSED;
        default: return WIRE_CRASHED;
        }
    }
    switch (info->si_status) {
    case SIGSYS: return WIRE_FORBIDDEN;
    case SIGXCPU:
    case SIGKILL: /* by us when time is up, by the kernel on RLIMIT_CPU */ return WIRE_TIME;
    case SIGBUS: return WIRE_CHANGED;
    default: return WIRE_CRASHED;
    }
}

/* Waits for the child, at most for its wall time. False: penstock has gone, and so has the child.
 */
static bool watch(pid_t pid, int64_t timeout_ms)
{
    int fd = pidfd_open(pid, 0);
    CHECK(fd >= 0);
    struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLRDHUP}};
    int64_t until = clock_after(clock_now(), timeout_ms);
    bool here = true;
    while (!p[0].revents && here) {
        int64_t left =
            until == CLOCK_NEVER ? -1 : (until - clock_now() + NS_PER_MS - 1) / NS_PER_MS;
        if (until != CLOCK_NEVER && left <= 0)
            break;
        poll(p, COUNT(p), left > INT32_MAX ? INT32_MAX : (int)left);
        here = !(p[1].revents & (POLLRDHUP | POLLHUP | POLLERR));
    }
    if (!p[0].revents)
        kill(pid, SIGKILL);
    close(fd);
    return here;
}

static bool serve(struct job *job)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        child(job, parent);
    close(job->doc);
    close(job->out);
    struct wire_reply reply = {.end = WIRE_REFUSED};
    bool here = true;
    if (pid > 0) {
        here = watch(pid, job->req.timeout_ms);
        siginfo_t info = {0};
        struct rusage used = {0};
        int status;
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
        wait4(pid, &status, 0, &used);
        reply.end = how_it_ended(&info);
        reply.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
        reply.cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * INT64_C(1000000) +
                       used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    }
    return here && send(STDIN_FILENO, &reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply);
}

/* False at the end: penstock has closed the socket, or speaks another version. */
static bool receive(struct job *job)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec iov = {&job->req, sizeof(job->req)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;
    do
        n = recvmsg(STDIN_FILENO, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (n != sizeof(job->req) || job->req.magic != WIRE_MAGIC || !c ||
        c->cmsg_len != CMSG_LEN(2 * sizeof(int))) {
        fprintf(stderr, "penstock-reader: not started by a penstock of the same version\n");
        return false;
    }
    int fd[2];
    memcpy(fd, CMSG_DATA(c), sizeof(fd));
    job->doc = fd[0], job->out = fd[1];
    job->req.extension[sizeof(job->req.extension) - 1] = 0;
    return true;
}

int main(void)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "penstock-reader reads documents for penstock, which starts it\n");
        return 2;
    }
    close_range(STDERR_FILENO + 1, ~0u, 0);
    signal(SIGPIPE, SIG_IGN);
    encodings_prepare();
    readers_prepare();
    struct job job;
    while (receive(&job))
        if (!serve(&job))
            break;
    return 0;
}
