#include "index/snapshot.h"
#include "base/file.h"
#include "base/hash.h"

#define MAGIC UINT64_C(0x3130786469747370) /* "pstidx01" */

enum { ID_MAX = 256 };
static const size_t limit = (size_t)16 << 30;

struct head {
    uint64_t magic;
    uint64_t checksum; /* of what follows it */
    int64_t seq;
    uint64_t id_len; /* the id follows, zeros up to a multiple of 8, then the index */
};

static struct str behind_checksum(struct str content)
{
    return str_from_at(content, offsetof(struct head, seq));
}

static const char zeros[8];

static size_t padding(size_t len)
{
    return (8 - len % 8) % 8;
}

bool snapshot_write(const char *path, struct str id, int64_t seq, const struct bm25_view *v,
                    struct err *e)
{
    CHECK(id.len <= ID_MAX);
    struct buf out;
    struct head head = {.magic = MAGIC, .seq = seq, .id_len = id.len};
    buf_init(&out, limit);
    buf_add(&out, (struct str){(const char *)&head, sizeof(head)});
    buf_add(&out, id);
    buf_add(&out, (struct str){zeros, padding(id.len)});
    bool good = bm25_save(v, &out);
    if (good) {
        head.checksum = hash_stable(behind_checksum(buf_str(&out)));
        memcpy(out.p, &head, sizeof(head));
        good = file_replace(path, buf_str(&out), 0600, e);
    } else {
        err_set(e, ERR_LIMIT, "an index is larger than a snapshot may be");
    }
    buf_fini(&out);
    return good;
}

static bool head_fits(struct head *head, struct str content, struct str id, struct err *e)
{
    if (content.len < sizeof(*head))
        return err_set(e, ERR_CORRUPT, "the snapshot is cut short at %zu bytes", content.len);
    memcpy(head, content.p, sizeof(*head));
    if (head->magic != MAGIC)
        return err_set(e, ERR_CORRUPT, "this is no snapshot of this version");
    if (head->checksum != hash_stable(behind_checksum(content)))
        return err_set(e, ERR_CORRUPT, "the snapshot's checksum is wrong");
    struct str rest = str_from_at(content, sizeof(*head));
    if (head->id_len > rest.len || !str_eq(str_head(rest, head->id_len), id))
        return err_set(e, ERR_CORRUPT, "the snapshot is of another collection");
    if (head->seq < 0)
        return err_set(e, ERR_CORRUPT, "the snapshot's sequence is negative");
    return true;
}

bool snapshot_decode(struct bm25 *ix, int64_t *seq, struct str content, struct str id,
                     struct arena *holder, struct err *e)
{
    struct head head = {0};
    if (!head_fits(&head, content, id, e)) {
        arena_free(holder);
        return false;
    }
    struct str index = str_from_at(content, sizeof(head) + id.len + padding(id.len));
    if (!bm25_load(ix, index, holder, e))
        return false;
    *seq = head.seq;
    return true;
}

bool snapshot_read(struct bm25 *ix, int64_t *seq, const char *path, struct str id, struct err *e)
{
    struct arena *a = arena_new();
    struct str content;
    if (file_read(&content, a, path, limit, e))
        return snapshot_decode(ix, seq, content, id, a, e);
    arena_free(a);
    return false;
}
