/* request.h - one HTTP request inside the gateway, and the ways to answer it.
 *
 * Memory:  lives in the request's arena.
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/service.h"
#include "model/call.h"
#include "store/doc.h"

struct request;

/* A protocol in front of the stages: from its body to the canonical call and back. */
struct codec {
    const char *name;
    /* Reads and checks the body; fills call.req. */
    bool (*read)(struct request *r, struct err *e);
    /* Answers, through the sink, otherwise than by one call; NULL = by stages_invoke. */
    bool (*invoke)(struct request *r, struct err *e);
    /* The last sink of the chain: turns events into the protocol's answer. */
    struct chat_sink *(*sink)(struct request *r);
    /* The answer is whole: what is still held goes out, and the reply ends. */
    bool (*end)(struct request *r, struct err *e);
    /* Tells the client of a failure behind the answer's head; NULL = reply_broken. */
    void (*broken)(struct request *r, const struct err *why);
};

struct route {
    const char *method, *path; /* "{}" stands for one segment */
    bool (*handle)(struct request *r, struct err *e);
    enum key_role role; /* at least; ignored when open */
    bool open;          /* no key is asked for */
};

enum { REQUEST_PARAMS = 3 };

struct request {
    struct http_request *http;
    struct service_loop *loop;
    struct service *service;
    const struct config *config; /* the snapshot that this request keeps */
    const struct route *route;
    struct str param[REQUEST_PARAMS]; /* the segments that stand for {} */
    const char *client_id; /* the x-request-id that the client sent, NULL = none: for the log */
    struct call call;
    const struct rights *rights; /* whose documents it may read; NULL: a caller without name */
    struct limit_slot *limit;    /* taken at the door, NULL = none */
    int64_t stage_ns;            /* when its last stage began or ended */
    int64_t invoke_ns;           /* when that began which asks a provider */
    int64_t poll_after_ms;       /* when to ask again for work in progress, 0 = not said */

    /* Model calls. */
    const struct codec *codec;
    void *codec_state;        /* what the codec remembers of the request */
    struct chat_sink *answer; /* the codec's, the last that an event reaches */
    struct chat_sink *sink;   /* the first, where the provider sends events */
    const struct model *model;
    struct str *collection; /* ids; the answer is grounded when there are any */
    size_t n_collections;
    struct retrieve_query *retrieve; /* how to look there; NULL = as configured */
    size_t passages;                 /* at most; 0 = as configured */
    struct retrieval *retrieval;     /* what was found and why, when the client asked; NULL: not */
    size_t n_attached, attached;     /* files that it names (gateway/attach.h), and their bytes */
};

struct str request_tenant(const struct request *r);
/* For every search: whose documents the caller may read (gateway/caller.h). */
static inline const struct rights *request_rights(const struct request *r)
{
    return r->rights;
}
/* Does a client of Anthropic's read the answer? It does on /v1/messages and below; on /v1/models,
 * which both ask, its anthropic-version tells. Known until the head is released. */
bool request_is_anthropic(const struct request *r);

/* Answers. All of them carry x-request-id; those of a model also who answered, after how many
 * attempts (x-penstock-*), and Server-Timing. */
enum { REPLY_HEADERS = 10 };
size_t reply_headers(const struct request *r, const char *content_type,
                     struct http_header h[REPLY_HEADERS]);
bool reply_json(struct request *r, int status, struct buf *body, struct err *e); /* frees body */
bool reply_text(struct request *r, int status, const char *content_type, struct str body,
                struct err *e);
void reply_error(struct request *r, const struct err *why);
/* The same for a model's answer that broke off behind its head: a last event on which clients
 * raise, and the end without what a whole stream ends with. */
void reply_broken(struct request *r, const struct err *why);
/* An error as the client hears it: nothing of what went wrong inside. */
struct err reply_shown(const struct err *why);
/* The error itself, and {"error":{...}} as it stands in an answer or an event. */
void reply_error_object(struct json_writer *w, const struct err *why);
void reply_error_json(struct json_writer *w, const struct err *why);
/* A page of a list: begin, the items, end. */
void reply_list_begin(struct json_writer *w);
void reply_list_end(struct json_writer *w, struct str first_id, struct str last_id, bool more);
/* {"id":..., "object":..., "deleted":true} */
bool reply_deleted(struct request *r, struct str id, const char *object, struct err *e);
/* The headers of an event stream; pieces then go through http_reply_write. */
bool reply_events(struct request *r, struct err *e);
/* Bytes of an answer that is an event stream, which begins with the first of them. With them what
 * led to the answer goes, once nothing needs it any more (call_may_release), and when others that
 * are ready have sent theirs. The last ones wait for the end, to go out with it. */
bool reply_piece(struct request *r, struct str bytes, bool last, struct err *e);

/* The request's body as one JSON object with no member named twice. */
bool request_json(struct request *r, struct json *doc, struct err *e);
/* A member that must be a text; ERR_MISSING or ERR_INVALID name it. */
bool request_need_text(struct json_value object, const char *name, struct arena *a, struct str *out,
                       struct err *e);
/* An optional member: true and *out untouched when it is not there or null. */
bool request_take_text(struct json_value object, const char *name, struct arena *a, struct str *out,
                       struct err *e);
bool request_take_int(struct json_value object, const char *name, int64_t least, int64_t most,
                      int64_t *out, struct err *e);
/* limit, order, after, before of the query. */
bool request_page(struct request *r, struct doc_page *page, struct err *e);
