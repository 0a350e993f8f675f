/* What mem promises: zeros, copies, and an end with a message where nobody could go on. */
#include "base/asan.h"
#include "base/mem.h"

#include "tap.h"

#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void break_promise(void)
{
    int cats = 3;
    CHECK(cats == 4);
}

static void overflow(void)
{
    mem_array(SIZE_MAX / 2, 3);
}

/* How a child that calls fn ends, and what it says. */
static bool aborts_with(void (*fn)(void), const char *text)
{
    int end[2];
    char said[512] = "";
    if (pipe(end) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(end[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(end[1]);
    ssize_t n = 0;
    for (size_t len = 0; (n = read(end[0], said + len, sizeof(said) - 1 - len)) > 0;)
        len += (size_t)n;
    close(end[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    bool ended = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    return strstr(said, text) && (ended || ASAN_ON || TSAN_ON); /* they turn it into an exit */
}

int main(void)
{
    char *p = mem_new(1000);
    int set = 0;
    for (int i = 0; i < 1000; i++)
        set += p[i] != 0;
    ok(set == 0, "new memory is zeros");
    memset(p, 7, 1000);
    p = mem_resize(p, 200, 10);
    ok(p[0] == 7 && p[999] == 7, "resizing keeps what was there");
    mem_free(p);
    char *text = mem_text("abc"), *copy = mem_copy("xyz", 2);
    ok(strcmp(text, "abc") == 0 && memcmp(copy, "xy", 2) == 0, "copies");
    mem_free(text);
    mem_free(copy);
    mem_free(NULL);
    p = mem_new(0);
    ok(p != NULL, "nothing is memory too");
    mem_free(p);
    ok(aborts_with(break_promise, "internal error: cats == 4 is false at "), "a broken invariant");
    ok(aborts_with(overflow, "internal error: "), "a size that overflows");
    ok(size_min(2, 3) == 2 && size_max(2, 3) == 3, "the smaller and the larger");
    return tap_done();
}
