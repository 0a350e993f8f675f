/* What a request costs in the parser: user time per head of an official client, and per KB of a
 * chunked body. Prints nanoseconds; best of several rounds, as neighbours only add. */
#include "base/clock.h"
#include "net/http.h"

#include <stdio.h>

static const char head[] = "POST /v1/chat/completions HTTP/1.1\r\n"
                           "Host: 127.0.0.1:8080\r\n"
                           "Connection: keep-alive\r\n"
                           "Authorization: Bearer sk-0123456789abcdef0123456789abcdef\r\n"
                           "Content-Type: application/json\r\n"
                           "User-Agent: OpenAI/JS 6.0.0\r\n"
                           "Accept: application/json\r\n"
                           "X-Stainless-Lang: js\r\n"
                           "X-Stainless-Retry-Count: 0\r\n"
                           "Accept-Encoding: gzip, deflate\r\n"
                           "Content-Length: 1024\r\n\r\n";

static const struct http_limits limits = {16384, 65536, 64 << 20};

enum { ROUNDS = 9, RUNS = 200000 };

static double best_ns(void (*fn)(void), int runs)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t from = clock_thread_cpu();
        for (int k = 0; k < runs; k++)
            fn();
        int64_t took = clock_thread_cpu() - from;
        best = took < best ? took : best;
    }
    return (double)best / runs;
}

static void parse_head(void)
{
    static struct http_header space[HTTP_HEADERS_MAX];
    struct http_head h;
    CHECK(http_parse_request(&h, space, (struct str){head, sizeof(head) - 1}, &limits, NULL) > 0);
}

static char body[64 * (256 + 7) + 5];

static void unchunk(void)
{
    struct http_chunked c = {0};
    struct str in = {body, sizeof(body)}, data;
    while (c.state != CHUNK_END)
        in = str_from_at(in, (size_t)http_chunked_next(&c, in, &data, &limits, NULL));
    CHECK(c.total == 64 * 256);
}

int main(void)
{
    for (int i = 0; i < 64; i++)
        memcpy(memset(body + i * 263, 'x', 263), "100\r\n", 5);
    for (int i = 0; i < 64; i++)
        memcpy(body + i * 263 + 261, "\r\n", 2);
    memcpy(body + 64 * 263, "0\r\n\r\n", 5);
    printf("request head, 10 headers, %zu bytes: %.0f ns\n", sizeof(head) - 1,
           best_ns(parse_head, RUNS));
    printf("chunked body in pieces of 256 bytes: %.0f ns per KB\n",
           best_ns(unchunk, RUNS / 16) / 16);
    return 0;
}
