/* Most of this is a translation between nghttp2's names and ours. HTTP messaging checks of nghttp2
 * are off, because they reset a stream where a client should be told in words what is wrong, and in
 * those of the HTTP/1.1 parser. Automatic window updates are off for bodies, so that a reader that
 * waits slows its sender down. RFC 7540 priorities are off: streams take turns. */
#include "net/http2.h"

#include "base/clock.h"

#include <nghttp2/nghttp2.h>

enum {
    CONNECTION_WINDOW = 1 << 20,
    CREDIT_MAX = 10000, /* frames that carry nothing */
    CREDIT_PER_S = 1000,
    CREDIT_PER_DATA = 2, /* a window update for the stream and one for the connection */
};

struct http2 {
    nghttp2_session *session;
    const struct http2_events *events;
    void *ctx;
    int64_t credit, credited_ns, now_ns;
    int32_t head; /* the stream whose head is under way, 0 = none */
    bool broken;
};

static const uint8_t drain_ping[8] = "draining";

static void spend(struct http2 *h)
{
    int64_t earned = (h->now_ns - h->credited_ns) / (NS_PER_S / CREDIT_PER_S);
    if (earned > 0) {
        h->credit = h->credit + earned < CREDIT_MAX ? h->credit + earned : CREDIT_MAX;
        h->credited_ns = h->now_ns;
    }
    if (--h->credit < 0)
        nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void *stream_of(struct http2 *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->session, id);
}

/* ---- What nghttp2 tells ---- */

static bool request_head(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;
    int32_t id = frame->hd.stream_id;
    h->head = id;
    if (!request_head(frame))
        return 0;
    void *stream = h->events->open(h->ctx, id);
    if (!stream) {
        spend(h);
        http2_reset(h, id, HTTP2_REFUSED);
        return 0;
    }
    static const nghttp2_extpri in_turn = {NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
    nghttp2_session_set_stream_user_data(session, id, stream);
    nghttp2_session_change_extpri_stream_priority(session, id, &in_turn, 1);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void)session, (void)flags;
    struct http2 *h = arg;
    void *stream = request_head(frame) ? stream_of(h, frame->hd.stream_id) : NULL;
    if (stream)
        h->events->field(stream, (struct str){(const char *)name, name_len},
                         (struct str){(const char *)value, value_len});
    return 0;
}

static void got_headers(struct http2 *h, const nghttp2_frame *frame, void *stream, bool end)
{
    h->head = 0;
    if (!stream)
        return;
    if (request_head(frame))
        h->events->head(stream, end);
    else if (end) /* behind trailers */
        h->events->end(stream);
    else
        http2_reset(h, frame->hd.stream_id, HTTP2_PROTOCOL);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct http2 *h = arg;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    void *stream = frame->hd.stream_id ? stream_of(h, frame->hd.stream_id) : NULL;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: got_headers(h, frame, stream, end); break;
    case NGHTTP2_DATA:
        if (end && stream)
            h->events->end(stream);
        else if (!end && frame->hd.length == 0)
            spend(h);
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) &&
            memcmp(frame->ping.opaque_data, drain_ping, sizeof(drain_ping)) == 0)
            http2_goodbye(h);
        spend(h);
        break;
    default: spend(h); break;
    }
    return 0;
}

static int on_bad_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *arg)
{
    (void)session, (void)frame, (void)code;
    spend(arg);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *arg)
{
    (void)flags;
    struct http2 *h = arg;
    void *stream = stream_of(h, id);
    if (stream)
        h->events->data(stream, (struct str){(const char *)data, len});
    return nghttp2_session_consume_connection(session, len);
}

static int on_closed(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    (void)session, (void)code;
    struct http2 *h = arg;
    void *stream = stream_of(h, id);
    if (h->head == id)
        h->head = 0;
    if (stream)
        h->events->closed(stream);
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct http2 *h = arg;
    if (frame->hd.type == NGHTTP2_DATA && h->credit < CREDIT_MAX)
        h->credit += CREDIT_PER_DATA;
    return 0;
}

static ssize_t fill(nghttp2_session *session, int32_t id, uint8_t *to, size_t n, uint32_t *flags,
                    nghttp2_data_source *source, void *arg)
{
    (void)session, (void)source;
    struct http2 *h = arg;
    void *stream = stream_of(h, id);
    bool last = false;
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t got = h->events->fill(stream, (char *)to, n, &last);
    if (last)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return got || last ? (ssize_t)got : NGHTTP2_ERR_DEFERRED;
}

/* ---- A session ---- */

static nghttp2_session *session_new(struct http2 *h)
{
    nghttp2_session *session;
    nghttp2_session_callbacks *cb;
    nghttp2_option *opt;
    CHECK(nghttp2_session_callbacks_new(&cb) == 0 && nghttp2_option_new(&opt) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_bad_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_option_set_no_http_messaging(opt, 1);
    nghttp2_option_set_no_auto_window_update(opt, 1);
    nghttp2_option_set_no_closed_streams(opt, 1);
    CHECK(nghttp2_session_server_new2(&session, cb, h, opt) == 0);
    nghttp2_option_del(opt);
    nghttp2_session_callbacks_del(cb);
    return session;
}

struct http2 *http2_new(const struct http2_events *events, void *ctx, uint32_t max_head)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, max_head},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    struct http2 *h = mem_new(sizeof(*h));
    h->events = events;
    h->ctx = ctx;
    h->credit = CREDIT_MAX;
    h->session = session_new(h);
    CHECK(nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, COUNT(settings)) == 0);
    CHECK(nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                                CONNECTION_WINDOW) == 0);
    return h;
}

void http2_free(struct http2 *h)
{
    if (!h)
        return;
    nghttp2_session_del(h->session);
    mem_free(h);
}

bool http2_read(struct http2 *h, struct str in, int64_t now_ns)
{
    h->now_ns = now_ns;
    if (h->credited_ns == 0)
        h->credited_ns = now_ns;
    h->broken |= nghttp2_session_mem_recv(h->session, (const uint8_t *)in.p, in.len) < 0;
    return !h->broken;
}

struct str http2_write(struct http2 *h)
{
    const uint8_t *p;
    ssize_t n = nghttp2_session_mem_send(h->session, &p);
    h->broken |= n < 0;
    return n > 0 ? (struct str){(const char *)p, (size_t)n} : STR_NONE;
}

int32_t http2_in_head(const struct http2 *h)
{
    return h->head;
}

bool http2_over(const struct http2 *h)
{
    return h->broken ||
           (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session));
}

/* ---- Streams ---- */

/* nghttp2 refuses what is about a stream that it has closed, which is no fault of anybody's; what
 * is left is a lack of memory. */
static void submitted(int code)
{
    CHECK(code != NGHTTP2_ERR_NOMEM);
}

static nghttp2_nv nv_of(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.len, value.len,
                        NGHTTP2_NV_FLAG_NONE};
}

void http2_reply(struct http2 *h, int32_t id, int status, const struct http_header *headers,
                 size_t n, bool body)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    nghttp2_nv *nv = arena_array(tmp, nghttp2_nv, n + 1);
    nghttp2_data_provider answer = {.read_callback = fill};
    nv[0] = nv_of(STR(":status"), arena_printf(tmp, "%d", status));
    for (size_t i = 0; i < n; i++)
        nv[i + 1] = nv_of(headers[i].name, headers[i].value);
    submitted(nghttp2_submit_response(h->session, id, nv, n + 1, body ? &answer : NULL));
    arena_rewind(tmp, mark);
}

void http2_continue(struct http2 *h, int32_t id)
{
    const nghttp2_nv nv = nv_of(STR(":status"), STR("100"));
    submitted(nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, id, NULL, &nv, 1, NULL));
}

void http2_more(struct http2 *h, int32_t id)
{
    submitted(nghttp2_session_resume_data(h->session, id));
}

void http2_consumed(struct http2 *h, int32_t id, size_t n)
{
    submitted(nghttp2_session_consume_stream(h->session, id, n));
}

void http2_widen(struct http2 *h, int32_t id)
{
    submitted(nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, id,
                                                    HTTP2_WINDOW_WIDE));
}

void http2_reset(struct http2 *h, int32_t id, enum http2_error why)
{
    submitted(nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, (uint32_t)why));
}

void http2_forget(struct http2 *h, int32_t id)
{
    nghttp2_session_set_stream_user_data(h->session, id, NULL);
}

void http2_drain(struct http2 *h)
{
    submitted(nghttp2_submit_shutdown_notice(h->session));
    submitted(nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, drain_ping));
}

void http2_goodbye(struct http2 *h)
{
    submitted(nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(h->session),
                                    NGHTTP2_NO_ERROR, NULL, 0));
}
