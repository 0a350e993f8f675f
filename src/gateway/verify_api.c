/* verify_api.c - POST /admin/verify: are the citations of an answer still true? The body is what
 * was saved: an answer or a list of annotations. Answered is a list with an entry for each
 * citation, in order, with what is wrong in `reason`. */
#include "answer/verify.h"
#include "gateway/routes.h"

enum { ANSWER_MAX = 16 << 20 };

static bool put_result(struct request *r, struct json_writer *w, const struct verify_claim *c,
                       struct err *e)
{
    struct arena *a = r->call.arena;
    struct str why;
    if (!verify_in_store(r->service->db, request_tenant(r), c, a, &why, e))
        return false;
    json_object(w);
    json_kv_str(w, "filename", c->filename);
    json_kv_bool(w, "valid", why.len == 0);
    if (why.len > 0)
        json_kv_str(w, "reason", why);
    json_end(w);
    return true;
}

bool admin_verify(struct request *r, struct err *e)
{
    struct json body;
    struct buf b;
    struct json_writer w;
    struct verify_claim *claim;
    size_t n;
    bool good = true;
    if (!request_json(r, &body, e))
        return false;
    verify_find(&body, r->call.arena, &claim, &n);
    buf_init(&b, ANSWER_MAX);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "object", "list");
    json_key(&w, "data");
    json_array(&w);
    for (size_t i = 0; good && i < n; i++)
        good = put_result(r, &w, &claim[i], e);
    json_end(&w);
    json_end(&w);
    if (good)
        return reply_json(r, 200, &b, e);
    buf_fini(&b);
    return false;
}
