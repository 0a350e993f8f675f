#include "ingest/extract.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GRACE_MS = 5000 }; /* for the reader to notice that time is up, before we give it up */

struct extract {
    struct extract_options opt;
    char *path;
    pid_t pid; /* 0: not running */
    int sock;
    bool proven;   /* it has answered, so it is what we think it is */
    int cancel[2]; /* a pipe: what is written to it wakes the one who waits */
    atomic_bool cancelled;
};

/* ---- The process ---- */

void extract_options_defaults(struct extract_options *opt)
{
    if (!opt->memory)
        opt->memory = UINT64_C(1) << 30;
    if (!opt->max_result)
        opt->max_result = UINT64_C(256) << 20;
    if (!opt->timeout_ms)
        opt->timeout_ms = 60000;
}

/* Beside the running program when it is there, else where it was installed. */
static char *find_reader(const char *given)
{
    if (given)
        return mem_text(given);
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 32);
    if (n > 0) {
        self[n] = 0;
        char *slash = strrchr(self, '/');
        snprintf(slash + 1, 32, "penstock-reader");
        if (access(self, X_OK) == 0)
            return mem_text(self);
    }
    return mem_text(READER_PATH);
}

struct extract *extract_open(const struct extract_options *opt)
{
    struct extract *x = mem_new(sizeof(*x));
    x->opt = *opt;
    extract_options_defaults(&x->opt);
    x->path = find_reader(opt->reader_path);
    x->sock = -1;
    CHECK(pipe2(x->cancel, O_CLOEXEC | O_NONBLOCK) == 0);
    return x;
}

static void stop_reader(struct extract *x)
{
    if (x->sock >= 0)
        close(x->sock);
    x->sock = -1;
    if (x->pid > 0) {
        kill(-x->pid, SIGKILL); /* its group: the reader and the child that it watches */
        while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    x->pid = 0;
}

void extract_close(struct extract *x)
{
    if (!x)
        return;
    stop_reader(x);
    close(x->cancel[0]);
    close(x->cancel[1]);
    mem_free(x->path);
    mem_free(x);
}

void extract_cancel(struct extract *x)
{
    atomic_store(&x->cancelled, true);
    ssize_t n = write(x->cancel[1], "", 1); /* a full pipe wakes as well */
    (void)n;
}

static int spawn_reader(struct extract *x, int sock)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&files, sock, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0); /* an interrupt from the terminal is not for it */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    char *argv[] = {x->path, NULL};
    /* of the environment it gets the language of times and nothing else */
    char lang[] = "LC_ALL=C.UTF-8", *envp[] = {lang, NULL};
    int rc = posix_spawn(&x->pid, x->path, &files, &attr, argv, envp);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

static bool start_reader(struct extract *x, struct err *e)
{
    if (x->pid > 0)
        return true;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, ERR_UNAVAILABLE, "cannot make a socket for the reader");
    int rc = spawn_reader(x, pair[1]);
    close(pair[1]);
    x->sock = pair[0];
    if (rc != 0) {
        x->pid = 0;
        stop_reader(x);
        errno = rc;
        return err_sys(e, ERR_UNAVAILABLE, "cannot start '%s'", x->path);
    }
    return true;
}

/* ---- One document ---- */

static bool send_request(struct extract *x, int doc, int out, struct str extension, struct err *e)
{
    struct wire_request req = {.magic = WIRE_MAGIC,
                               .memory = x->opt.memory,
                               .max_result = x->opt.max_result,
                               .timeout_ms = x->opt.timeout_ms};
    if (extension.len < sizeof(req.extension))
        memcpy(req.extension, extension.p ? extension.p : "", extension.len);
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec iov = {&req, sizeof(req)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    control.head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), (int[]){doc, out}, 2 * sizeof(int));
    ssize_t n;
    do
        n = sendmsg(x->sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n != sizeof(req))
        return err_sys(e, ERR_UNAVAILABLE, "cannot hand the document to the reader");
    return true;
}

/* Waits until `fd` has something or has ended. */
static bool wait_for(struct extract *x, int fd, int64_t until, struct err *e)
{
    for (;;) {
        struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = x->cancel[0], .events = POLLIN}};
        int64_t left = (until - clock_now()) / NS_PER_MS;
        if (left <= 0)
            return err_set(e, ERR_TIMEOUT, "the reader does not answer");
        if (poll(p, COUNT(p), left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR)
            return err_sys(e, ERR_INTERNAL, "cannot wait for the reader");
        if (p[1].revents)
            return err_set(e, ERR_CANCELLED, "cancelled");
        if (p[0].revents)
            return true;
    }
}

static bool read_result(struct extract *x, int fd, int64_t until, struct buf *out, struct err *e)
{
    for (;;) {
        if (!wait_for(x, fd, until, e))
            return false;
        size_t room = size_min(1 << 18, out->limit - out->len);
        if (room == 0)
            return err_set(e, ERR_TOO_LARGE, "the reader sent more than it may");
        ssize_t n = read(fd, buf_reserve(out, room), room);
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_sys(e, ERR_IO, "cannot read from the reader");
        if (n > 0)
            out->len += (size_t)n;
    }
}

static const char *const end_text[] = {
#define X(name, text) text,
    WIRE_ENDS(X)
#undef X
};

static const enum err_code end_code[] = {
    [WIRE_DONE] = ERR_NONE,           [WIRE_TIME] = ERR_TIMEOUT,     [WIRE_MEMORY] = ERR_LIMIT,
    [WIRE_FORBIDDEN] = ERR_CONTENT,   [WIRE_CHANGED] = ERR_CONFLICT, [WIRE_CRASHED] = ERR_INVALID,
    [WIRE_REFUSED] = ERR_UNAVAILABLE,
};

static bool read_reply(struct extract *x, int64_t until, struct wire_reply *reply, struct err *e)
{
    if (!wait_for(x, x->sock, until, e))
        return false;
    ssize_t n = recv(x->sock, reply, sizeof(*reply), 0);
    if (n != sizeof(*reply) || reply->end < 0 || reply->end >= WIRE_END_COUNT)
        return x->proven ? err_set(e, ERR_IO, "the reader has gone")
                         : err_set(e, ERR_UNAVAILABLE, "'%s' does not answer as a reader", x->path);
    x->proven = true;
    if (reply->end == WIRE_CRASHED && reply->signal)
        return err_set(e, ERR_INVALID, "%s (signal %d)", end_text[reply->end], reply->signal);
    if (reply->end != WIRE_DONE)
        return err_set(e, end_code[reply->end], "%s", end_text[reply->end]);
    return true;
}

/* ---- The result ---- */

static bool kind_of(struct json_value v, enum wire_kind *out)
{
    static const char *const names[] = {
#define X(name, text) text,
        WIRE_KINDS(X)
#undef X
    };
    for (size_t i = 0; i < COUNT(names); i++)
        if (json_text_is(v, names[i])) {
            *out = (enum wire_kind)i;
            return true;
        }
    return false;
}

/* A whole number from 0, 0 when it is not there. */
static uint32_t number_at(struct json_value object, const char *name)
{
    int64_t n = 0;
    json_int(json_get(object, name), &n);
    return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static bool read_blocks(struct json_value blocks, struct arena *a, struct buf *text,
                        struct extract_document *out)
{
    out->block = arena_array(a, struct extract_block, json_count(blocks) + 1);
    struct arena *tmp = arena_scratch();
    json_each(it, blocks)
    {
        struct extract_block *b = &out->block[out->n++];
        if (!kind_of(json_get(it.value, "kind"), &b->kind))
            return false;
        b->level = number_at(it.value, "level");
        b->page = number_at(it.value, "page");
        b->line_start = number_at(it.value, "line_start");
        b->line_end = number_at(it.value, "line_end");
        if (text->len > 0)
            buf_add(text, STR("\n\n"));
        b->start = text->len;
        struct arena_mark mark = arena_mark(tmp);
        buf_add(text, json_text(json_get(it.value, "text"), tmp));
        arena_rewind(tmp, mark);
        b->end = text->len;
    }
    return buf_ok(text);
}

static struct str fact(struct json_value root, const char *path, struct arena *a)
{
    return arena_copy(a, json_text(json_path(root, path), a));
}

/* The reader is not trusted either: a child that a document has taken over can write anything. */
static bool parse_result(struct str json, struct arena *a, struct extract_document *out,
                         struct err *e)
{
    *out = (struct extract_document){0};
    struct arena *parsed = arena_new();
    struct buf text;
    buf_init(&text, json.len + 2);
    struct json doc;
    bool good = json_parse(&doc, parsed, json, 0, e);
    struct json_value root = good ? json_root(&doc) : (struct json_value){0};
    struct json_value error = json_get(root, "error");
    if (good && json_exists(error)) {
        struct str msg = json_text(error, parsed);
        bool media = str_eq(msg, STR("unsupported format"));
        good = err_set(e, media ? ERR_MEDIA : ERR_INVALID, "%.*s", STR_FMT(msg));
    } else if (good && !read_blocks(json_get(root, "blocks"), a, &text, out)) {
        good = err_set(e, ERR_INVALID, "the reader sent what is no document");
    } else if (!good) {
        err_prefix(e, "the reader sent what is no JSON");
    }
    if (good) {
        out->text = arena_copy(a, buf_str(&text));
        out->format = fact(root, "format", a);
        out->title = fact(root, "title", a);
        out->author = fact(root, "author", a);
        out->language = fact(root, "language", a);
        out->date = fact(root, "meta.date", a);
        struct str meta = json_raw(json_get(root, "meta"));
        out->meta = arena_copy(a, meta.len ? meta : STR("{}"));
        out->pages = number_at(root, "pages");
    }
    buf_fini(&text);
    arena_free(parsed);
    return good;
}

bool extract_run(struct extract *x, int fd, struct str extension, struct arena *a,
                 struct extract_document *out, struct err *e)
{
    if (atomic_load(&x->cancelled))
        return err_set(e, ERR_CANCELLED, "cancelled");
    int result[2];
    if (!start_reader(x, e))
        return false;
    if (pipe2(result, O_CLOEXEC) < 0)
        return err_sys(e, ERR_INTERNAL, "cannot make a pipe for the reader");
    fcntl(result[0], F_SETPIPE_SZ, 1 << 20); /* fewer turns; a smaller pipe does as well */
    int64_t until = clock_after(clock_now(), x->opt.timeout_ms + GRACE_MS);
    struct buf json;
    buf_init(&json, x->opt.max_result + 1);
    struct wire_reply reply = {0};
    bool good = send_request(x, fd, result[1], extension, e);
    close(result[1]);
    good = good && read_result(x, result[0], until, &json, e) && read_reply(x, until, &reply, e);
    close(result[0]);
    if (!good && reply.end == WIRE_DONE)
        stop_reader(x); /* it is at odds with us; the next document gets a new one */
    good = good && parse_result(buf_str(&json), a, out, e);
    out->cpu_us = reply.cpu_us;
    buf_fini(&json);
    return good;
}
