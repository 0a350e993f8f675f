#include "gateway/knowledge.h"

static const char header[] = "x-penstock-vector-stores";

bool knowledge_add(struct request *r, struct str id, const char *where, struct err *e)
{
    struct doc_collection c;
    if (r->n_collections == KNOWLEDGE_MOST)
        return err_param(e, ERR_INVALID, where, "'%s' names more than %d vector stores", where,
                         KNOWLEDGE_MOST);
    if (!doc_collection_find(r->service->db, r->call.arena, request_tenant(r), id, &c, e))
        return e->code == ERR_NOT_FOUND &&
               err_param(e, ERR_NOT_FOUND, where, "there is no vector store '%.*s'",
                         STR_FMT(str_head(id, 64)));
    if (c.expired)
        return err_param(e, ERR_INVALID, where, "the vector store '%.*s' has expired",
                         STR_FMT(str_head(c.id, 64)));
    if (r->n_collections == 0)
        r->collection = arena_array(r->call.arena, struct str, KNOWLEDGE_MOST);
    r->collection[r->n_collections++] = c.id;
    return true;
}

bool knowledge_header(struct request *r, struct err *e)
{
    struct str list;
    if (!http_header_get(&r->http->head.headers, str_from(header), &list))
        return true;
    for (struct str id; str_split(&list, ',', &id);) {
        id = str_trim(id);
        if (id.len > 0 && !knowledge_add(r, id, header, e))
            return false;
    }
    return true;
}
