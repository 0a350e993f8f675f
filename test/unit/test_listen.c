/* What listening promises: addresses as people write them, a message that says what to do, and no
 * second program on the same port. */
#include "net/listen.h"

#include "base/mem.h"
#include "tap.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *address;
    enum err_code code; /* ERR_NONE: good */
    const char *says;
} cases[] = {
    {"127.0.0.1:0", ERR_NONE, ""},
    {"localhost:0", ERR_NONE, ""},
    {"[::1]:0", ERR_NONE, ""},
    {"0.0.0.0:0", ERR_NONE, ""},
    {"8080", ERR_INVALID, "HOST:PORT"},
    {"", ERR_INVALID, "HOST:PORT"},
    {"127.0.0.1:", ERR_INVALID, "HOST:PORT"},
    {"127.0.0.1:65536", ERR_INVALID, "HOST:PORT"},
    {"127.0.0.1:-1", ERR_INVALID, "HOST:PORT"},
    {"127.0.0.1:80x", ERR_INVALID, "HOST:PORT"},
    {"::1:80", ERR_INVALID, "IP address"},
    {"example.org:80", ERR_INVALID, "IP address"},
    {":80", ERR_INVALID, "IP address"},
    {"[127.0.0.1]:80", ERR_INVALID, "IP address"},
    {"192.0.2.1:0", ERR_INVALID, "no such address"},
    {"unix:", ERR_INVALID, "path"},
    {"unix:/nowhere/at/all/socket", ERR_IO, "/nowhere/at/all/socket"},
    {"unix:/0123456789012345678901234567890123456789012345678901234567890123456789"
     "0123456789012345678901234567890123456789",
     ERR_INVALID, "107 bytes"},
};

static void test_addresses(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct listener l;
        struct err e = {0};
        bool good = listen_open(&l, cases[i].address, &e);
        bool said = str_find(str_from(e.msg), str_from(cases[i].says)) != STR_NPOS;
        ok(cases[i].code ? !good && e.code == cases[i].code && said : good && l.port > 0,
           "'%s': %s", cases[i].address, e.msg);
        if (good)
            listen_close(&l);
        listen_close(&l);
    }
}

/* In a process of its own, which ends with the code of the error. */
static int open_elsewhere(const char *address)
{
    pid_t pid = fork();
    if (pid == 0) {
        /* what a process that was never a part of this one would see: nothing is bound by it */
        execl("/proc/self/exe", "test_listen", address, (char *)NULL);
        _exit(99);
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_sharing(void)
{
    struct listener a, b;
    struct err e = {0};
    char address[64];
    CHECK(listen_open(&a, "127.0.0.1:0", &e));
    snprintf(address, sizeof(address), "127.0.0.1:%u", a.port);
    ok(listen_open(&b, address, &e) && b.port == a.port, "two loops of one process share a port");
    ok(open_elsewhere(address) == ERR_CONFLICT, "a second program does not");
    listen_close(&a);
    ok(open_elsewhere(address) == ERR_CONFLICT, "not while one of them is open");
    listen_close(&b);
    ok(open_elsewhere(address) == ERR_NONE, "the address is free when both are closed");
}

static void test_unix(void)
{
    struct listener a, b;
    struct err e = {0};
    struct stat st;
    char path[64], address[80];
    snprintf(path, sizeof(path), "/tmp/penstock-test-listen-%d", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    ok(listen_open(&a, address, &e) && stat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
           (st.st_mode & 07777) == 0600,
       "a socket that is ours alone");
    ok(!listen_open(&b, address, &e) && e.code == ERR_CONFLICT && stat(path, &st) == 0,
       "one that is listened on is left alone: %s", e.msg);
    a.path[0] = 0; /* as if the program had died */
    listen_close(&a);
    ok(stat(path, &st) == 0 && listen_open(&a, address, &e), "one left behind is replaced");
    listen_close(&a);
    ok(stat(path, &st) < 0, "closing removes it");
    FILE *f = fopen(path, "w");
    CHECK(f && fclose(f) == 0);
    ok(!listen_open(&a, address, &e) && e.code == ERR_CONFLICT && stat(path, &st) == 0,
       "a file that is no socket is left alone");
    unlink(path);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        struct listener l;
        struct err e = {0};
        if (listen_open(&l, argv[1], &e))
            listen_close(&l);
        return e.code;
    }
    test_addresses();
    test_sharing();
    test_unix();
    return tap_done();
}
