#include "gateway/doubt.h"

void doubt_put(struct json_writer *w, const struct unsupported *u)
{
    json_object(w);
    json_kv_int(w, "start_index", (int64_t)u->start);
    json_kv_int(w, "end_index", (int64_t)u->end);
    json_kv_str(w, "text", u->sentence);
    json_kv_text(w, "reason", u->reason);
    if (u->what.len > 0)
        json_kv_str(w, "what", u->what);
    json_kv_real(w, "score", (double)u->score);
    json_end(w);
}
