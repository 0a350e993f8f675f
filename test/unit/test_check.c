/* What checks promise: who fails twice is down, who answers once is up, and they end when told. */
#include "base/clock.h"
#include "model/check.h"
#include "model/health.h"

#include "tap.h"
#include "on_loop.h"
#include "peer.h"

static const struct str prov = STR_INIT("prov");
static int ended;

static void note_end(void *arg)
{
    (void)arg;
    ended++;
}

static bool usable(const char *endpoint)
{
    return health_usable(health_get(prov, str_from(endpoint), STR("m")), clock_now());
}

/* Lets the checks run until it is so; a minute at most. */
static bool await_usable(const char *endpoint, bool wanted)
{
    int64_t until = clock_after(clock_now(), 60000);
    while (usable(endpoint) != wanted && clock_now() < until)
        fiber_sleep(NS_PER_MS, NULL);
    return usable(endpoint) == wanted;
}

static struct check_target target(const char *endpoint, uint16_t port, const char *path)
{
    return (struct check_target){
        .provider = prov,
        .endpoint = str_from(endpoint),
        .origin = {.host = STR("127.0.0.1"), .port = port, .host_header = STR("localhost")},
        .path = str_from(path),
        .lines = STR("X-Key: 1\r\n"),
        .interval_ms = 1,
        .timeout_ms = 200,
    };
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define BUSY_HEAD "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
#define BAD_HEAD "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

/* clang-format off */
static const struct act ill_once[] = {
    {ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, OK_HEAD}, {ACT_READ}, {ACT_SEND, BAD_HEAD}, {ACT_CLOSE},
    {ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, OK_HEAD}, {ACT_READ}, {ACT_SEND, BUSY_HEAD},
    {ACT_READ}, {ACT_SEND, BAD_HEAD}, {ACT_CLOSE},        /* one failure, */
    {ACT_ACCEPT}, {ACT_READ}, {ACT_CLOSE},                /* a second one, */
    {ACT_ACCEPT}, {ACT_READ_SOME}, {ACT_AWAIT_EOF},       /* and silence */
    {ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, OK_HEAD}, {ACT_AWAIT_EOF},
    {ACT_END},
};
/* clang-format on */

static void run_checks(struct http_client *http)
{
    struct peer peer;
    peer_start(&peer, ill_once);
    struct check_target t[] = {target("ill", peer.port, "/health"), target("free", 1, "")};
    health_endpoint_up(prov, STR("free"), false, clock_now());
    struct checks *c = check_start(http, t, COUNT(t), note_end, NULL);
    ok(await_usable("ill", false), "two failures in a row: down");
    ok(atomic_load(&peer.accepted) >= 3, "not one");
    ok(usable("free"), "what is not checked is up");
    ok(await_usable("ill", true), "one answer: up again, after a reset and a silence");
    ok(ended == 0, "they run on");
    check_stop(c);
    while (!ended)
        fiber_sleep(NS_PER_MS, NULL);
    ok(ended == 1, "until they are stopped");
    http_client_free(http);
    ok(peer_stop(&peer), "the endpoint has seen what it expected");
}

static void test(void *arg)
{
    (void)arg;
    run_checks(http_client_new(NULL));
}

int main(void)
{
    on_loop(test, NULL);
    return tap_done();
}
