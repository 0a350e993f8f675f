#include "store/journal_old.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/ledger.h"

#include <fcntl.h>
#include <unistd.h>

/* As they lay in the file. Texts are filled up with NUL. */
struct head {
    char magic[8];
    uint32_t version, slot_size, slots;
    _Alignas(64) uint64_t moved; /* positions below are in SQL */
};

struct row {
    int64_t id, at_ms;
    char request[32], key[32], tenant[32], model[48], provider[32], upstream_model[48];
    int32_t attempt, status;
    char error[16];
    int64_t input_tokens, output_tokens, cached_tokens, reasoning_tokens;
    int64_t cost_microusd, latency_us, first_token_us;
    uint8_t counted, streamed;
    int64_t cache_write_tokens; /* version 1 had none: zeros that the checksum did not cover */
};

struct slot {
    _Alignas(64) uint64_t seq;
    uint64_t check; /* of seq and row */
    struct row row;
};
_Static_assert(sizeof(struct slot) == 384, "as it lay in the file");

enum {
    SLOTS = 8192,
    HEAD_SIZE = 4096,
    FILE_SIZE = HEAD_SIZE + SLOTS * sizeof(struct slot),
};
static const char magic[8] = "PNSTKJL";

bool journal_old_is(const char *path)
{
    struct head h;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool old = fd >= 0 && read(fd, &h, sizeof(h)) == (ssize_t)sizeof(h) &&
               memcmp(h.magic, magic, sizeof(magic)) == 0 && h.version >= 1 && h.version <= 2;
    if (fd >= 0)
        close(fd);
    return old;
}

#define FIELD(array) ((struct str){array, strnlen(array, sizeof(array))})

static bool insert(struct db_tx *tx, const struct row *r, struct err *e)
{
    const struct usage_row label = {
        .key = FIELD(r->key),
        .tenant = FIELD(r->tenant),
        .model = FIELD(r->model),
        .provider = FIELD(r->provider),
        .upstream_model = FIELD(r->upstream_model),
        .error = FIELD(r->error),
        .attempt = r->attempt,
        .status = r->status,
        .counted = r->counted,
        .streamed = r->streamed,
    };
    int64_t number;
    return ledger_label(tx, &label, &number, e) &&
           db_exec(tx, e,
                   "insert into usage_rows (id, at_ms, label, request, input_tokens,"
                   " output_tokens, cached_tokens, reasoning_tokens, cost_microusd, latency_us,"
                   " first_token_us, cache_write_tokens)"
                   " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
                   " on conflict (id) do nothing",
                   DB_INT(r->id), DB_INT(r->at_ms), DB_INT(number), DB_TEXT(FIELD(r->request)),
                   DB_INT(r->input_tokens), DB_INT(r->output_tokens), DB_INT(r->cached_tokens),
                   DB_INT(r->reasoning_tokens), DB_INT(r->cost_microusd), DB_INT(r->latency_us),
                   DB_INT(r->first_token_us), DB_INT(r->cache_write_tokens));
}

static bool is_whole(const struct slot *slot, uint32_t version)
{
    size_t size = version == 1 ? offsetof(struct row, cache_write_tokens) : sizeof(struct row);
    return slot->check == (hash_stable((struct str){(const char *)&slot->row, size}) ^ slot->seq);
}

static bool move_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const char *at = arg;
    struct head h;
    memcpy(&h, at, sizeof(h));
    at += HEAD_SIZE;
    for (uint64_t i = 0; i < SLOTS; i++, at += sizeof(struct slot)) {
        struct slot slot;
        memcpy(&slot, at, sizeof(slot));
        if (slot.seq > h.moved && (slot.seq - 1) % SLOTS == i && is_whole(&slot, h.version) &&
            !insert(tx, &slot.row, e))
            return false;
    }
    return true;
}

bool journal_old_move(struct db *d, const char *path, struct err *e)
{
    struct arena *a = arena_new();
    struct str file;
    bool good = file_read(&file, a, path, FILE_SIZE, e);
    if (good && file.len != FILE_SIZE)
        good = err_set(e, ERR_CORRUPT,
                       "'%s' has a wrong size: move it away to start without the usage rows in it",
                       path);
    good = good && db_write(d, move_tx, (void *)(uintptr_t)file.p, e);
    if (good)
        log_info("journal", kv("state", "moved the rows of an earlier version"), kv("file", path));
    arena_free(a);
    return good;
}
