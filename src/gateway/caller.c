#include "gateway/caller.h"
#include "base/utf8.h"

static const char user_header[] = "x-penstock-user", groups_header[] = "x-penstock-groups";

static bool is_name(struct str s)
{
    return s.len <= RIGHTS_NAME_MAX && utf8_valid(s);
}

static bool bad(struct err *e, const char *header)
{
    return err_set(e, ERR_INVALID, "the header '%s' has a name that is no text of at most %d bytes",
                   header, RIGHTS_NAME_MAX);
}

static bool take_groups(struct rights *rights, struct str list, struct arena *a, struct err *e)
{
    struct str *group = arena_array(a, struct str, CALLER_GROUPS), name;
    rights->group = group;
    while (str_split(&list, ',', &name)) {
        name = str_trim(name);
        if (!name.len)
            continue;
        if (!is_name(name))
            return bad(e, groups_header);
        if (rights->n_groups == CALLER_GROUPS)
            return err_set(e, ERR_LIMIT, "the header '%s' has more than %d groups", groups_header,
                           CALLER_GROUPS);
        group[rights->n_groups++] = name;
    }
    return true;
}

/* Headers may go before the answer is made, so names are copied. */
static bool named_by_headers(struct request *r, bool has_user, struct str user, bool has_groups,
                             struct str groups, struct err *e)
{
    struct arena *a = r->call.arena;
    struct rights *rights = arena_struct(a, struct rights);
    r->rights = rights;
    if (!r->call.key->acts_for_users)
        return err_set(e, ERR_FORBIDDEN,
                       "this key may not ask for others: '%s' and '%s' need a key that was made "
                       "with --acts-for-users",
                       user_header, groups_header);
    if (has_user)
        rights->user = arena_copy(a, str_trim(user));
    return is_name(rights->user) ? !has_groups || take_groups(rights, arena_copy(a, groups), a, e)
                                 : bad(e, user_header);
}

bool caller_identify(struct request *r, struct err *e)
{
    const struct http_headers *h = &r->http->head.headers;
    const struct key_info *k = r->call.key;
    struct str user = STR_NONE, groups = STR_NONE;
    bool has_user = http_header_get(h, str_from(user_header), &user);
    bool has_groups = http_header_get(h, str_from(groups_header), &groups);
    if (has_user || has_groups)
        return named_by_headers(r, has_user, user, has_groups, groups, e);
    if (k->role >= KEY_OPERATOR) {
        r->rights = &rights_all;
    } else if (k->user[0] || k->n_groups) {
        struct rights *rights = arena_struct(r->call.arena, struct rights);
        *rights =
            (struct rights){.user = str_from(k->user), .group = k->group, .n_groups = k->n_groups};
        r->rights = rights;
    }
    return true;
}

static bool may_read(const void *who, struct str access)
{
    return rights_allow(who, access);
}

const struct doc_reader *caller_reader(const struct request *r)
{
    if (r->rights && r->rights->everything)
        return NULL;
    struct doc_reader *reader = arena_struct(r->call.arena, struct doc_reader);
    *reader = (struct doc_reader){may_read, r->rights};
    return reader;
}

static void take_out(uint64_t from[DOC_STATUS_COUNT], const struct doc_hidden *hidden)
{
    for (int s = 0; s < DOC_STATUS_COUNT; s++)
        from[s] -= hidden->documents[s] < from[s] ? hidden->documents[s] : from[s];
}

bool caller_hide(const struct request *r, struct doc_collection *c, struct err *e)
{
    struct doc_hidden hidden;
    if (!doc_hidden(r->service->db, caller_reader(r), c->id, STR_NONE, &hidden, e))
        return false;
    take_out(c->documents, &hidden);
    c->bytes -= hidden.bytes < c->bytes ? hidden.bytes : c->bytes;
    c->chunks -= hidden.chunks < c->chunks ? hidden.chunks : c->chunks;
    return true;
}

bool caller_hide_in_batch(const struct request *r, struct doc_batch *b, struct err *e)
{
    struct doc_hidden hidden;
    if (!doc_hidden(r->service->db, caller_reader(r), b->collection, b->id, &hidden, e))
        return false;
    take_out(b->documents, &hidden);
    return true;
}

bool caller_may_read_file(const struct request *r, const struct doc_file *f, struct err *e)
{
    bool may;
    return doc_file_readable(r->service->db, caller_reader(r), f->id, &may, e) &&
           (may ||
            err_set(e, ERR_NOT_FOUND, "there is no file '%.*s'", STR_FMT(str_head(f->id, 64))));
}

bool caller_may_read(const struct request *r, const struct doc_document *d, struct err *e)
{
    return rights_allow(r->rights, d->access) ||
           err_set(e, ERR_NOT_FOUND, "there is no document '%.*s'",
                   STR_FMT(str_head(d->file_id.len ? d->file_id : d->uri, 200)));
}
