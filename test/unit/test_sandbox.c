/* What the sandbox promises: computing and two descriptors, and death for everything else. */
#include "base/asan.h"
#include "base/mem.h"
#include "reader/sandbox.h"

#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int sink;

static void try_open(void)
{
    sink = open("/etc/passwd", O_RDONLY);
}
static void try_create(void)
{
    sink = open("/tmp/penstock-sandbox-test", O_WRONLY | O_CREAT, 0600);
}
static void try_stat(void)
{
    struct stat st;
    sink = stat("/etc/passwd", &st);
}
static void try_socket(void)
{
    sink = socket(AF_INET, SOCK_STREAM, 0);
}
static void try_unix_socket(void)
{
    sink = socket(AF_UNIX, SOCK_STREAM, 0);
}
static void try_exec(void)
{
    char *argv[] = {NULL};
    sink = execve("/bin/true", argv, argv);
}
static void try_fork(void)
{
    if (fork() == 0)
        _exit(0);
}
static void try_kill(void)
{
    sink = kill(getppid(), 0);
}
static void try_ptrace(void)
{
    sink = (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static void try_exec_memory(void)
{
    sink = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != NULL;
}
static void try_mprotect(void)
{
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sink = mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static void try_32_bit(void) /* the old entry has other numbers */
{
#ifdef __x86_64__
    int n = 20; /* getpid there; whatever it is, it is not allowed */
    __asm__ volatile("int $0x80" : "+a"(n) : : "memory");
    sink = n;
#else
    try_open();
#endif
}
static void try_unlink(void)
{
    sink = unlink("/tmp/penstock-sandbox-test");
}
static void try_ioctl(void)
{
    sink = (int)syscall(SYS_ioctl, 2, 0x5412 /* TIOCSTI */, "x");
}

static void use_memory(void)
{
    for (size_t i = 1; i < 100; i++)
        mem_free(mem_new(i << 14));
}
static void spin(void)
{
    for (unsigned n = 0;; n++) /* unsigned: it is meant to wrap around */
        sink = (int)(n & 1);
}
static void eat_memory(void)
{
    for (size_t i = 0; i < 64; i++) {
        char *p = malloc(16 << 20);
        if (!p)
            _exit(9);
        sink += *(volatile char *)p;
    }
}
static void look_for_descriptors(void)
{
    char c;
    sink = read(0, &c, 1) >= 0 || read(100, &c, 1) >= 0;
    _exit(sink ? 1 : 0);
}

static const struct {
    const char *name;
    void (*fn)(void);
    int signal, exit; /* how it must end */
} cases[] = {
    {"opening a file", try_open, SIGSYS, 0},
    {"creating a file", try_create, SIGSYS, 0},
    {"asking for a file", try_stat, SIGSYS, 0},
    {"a network socket", try_socket, SIGSYS, 0},
    {"a local socket", try_unix_socket, SIGSYS, 0},
    {"another program", try_exec, SIGSYS, 0},
    {"a child", try_fork, SIGSYS, 0},
    {"a signal to others", try_kill, SIGSYS, 0},
    {"tracing", try_ptrace, SIGSYS, 0},
    {"memory to run code in", try_exec_memory, SIGSYS, 0},
    {"making memory executable", try_mprotect, SIGSYS, 0},
    {"32-bit system calls", try_32_bit, SIGSYS, 0},
    {"deleting a file", try_unlink, SIGSYS, 0},
    {"typing into the terminal", try_ioctl, SIGSYS, 0},
    {"using memory", use_memory, 0, 0},
    {"time without end", spin, SIGKILL, 0},
    {"other descriptors are closed", look_for_descriptors, 0, 0},
};

static int run(void (*fn)(void), uint64_t memory)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        struct err e;
        struct sandbox_limits limits = {.memory = memory, .cpu_ms = 1000};
        int pipe_fd[2] = {-1, -1};
        if (pipe(pipe_fd) < 0 || dup2(pipe_fd[0], 100) < 0 ||
            !sandbox_enter(&limits, &pipe_fd[1], 1, parent, &e))
            _exit(77);
        fn();
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
}

int main(void)
{
    if (TSAN_ON) {
        skip("the thread sanitizer's own thread does not live in the sandbox");
        return tap_done();
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        int status = run(cases[i].fn, 1 << 30);
        bool good = cases[i].signal ? WIFSIGNALED(status) && WTERMSIG(status) == cases[i].signal
                                    : WIFEXITED(status) && WEXITSTATUS(status) == cases[i].exit;
        if (!ok(good, "%s", cases[i].name))
            printf("# status %x\n", (unsigned)status);
    }
    if (ASAN_ON || TSAN_ON)
        skip("sanitizers map all of the address space");
    else
        ok(WEXITSTATUS(run(eat_memory, 256 << 20)) == 9, "memory ends at its limit");

    struct err e = {0};
    pid_t pid = fork();
    if (pid == 0) /* init is the parent of nobody here */
        _exit(sandbox_enter(&(struct sandbox_limits){0}, NULL, 0, 1, &e) ? 1 : 0);
    int status;
    waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a parent that has gone is an error");
    return tap_done();
}
