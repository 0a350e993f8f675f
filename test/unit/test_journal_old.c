/* Files that a killed process of version 1 or 2 left: their rows come into SQL, once. */
#include "base/hash.h"

#include "ledger_rig.h"

#include <stddef.h>

struct old_row {
    int64_t id, at_ms;
    char request[32], key[32], tenant[32], model[48], provider[32], upstream_model[48];
    int32_t attempt, status;
    char error[16];
    int64_t input_tokens, output_tokens, cached_tokens, reasoning_tokens;
    int64_t cost_microusd, latency_us, first_token_us;
    uint8_t counted, streamed;
    int64_t cache_write_tokens;
};
struct old_slot {
    _Alignas(64) uint64_t seq;
    uint64_t check;
    struct old_row row;
};
enum { OLD_SLOTS = 8192, OLD_SIZE = 4096 + OLD_SLOTS * sizeof(struct old_slot) };

/* Rows 0 .. rows-1, of which the first ten were moved. In version 1 the last field was not there:
 * zeros that the checksum did not cover. */
static void spill_old(unsigned loop, uint32_t version, int rows)
{
    char path[TEMPDIR_SIZE + 32], *p = mem_new(OLD_SIZE);
    const uint32_t head[] = {version, sizeof(struct old_slot), OLD_SLOTS};
    const uint64_t moved = 10;
    memcpy(p, "PNSTKJL", 8);
    memcpy(p + 8, head, sizeof(head));
    memcpy(p + 64, &moved, sizeof(moved));
    for (int i = 0; i < rows; i++) {
        struct old_slot slot = {.seq = (uint64_t)i + 1};
        slot.row = (struct old_row){
            .id = (int64_t)1700000000000 << 20 | (int64_t)loop << 14 | i,
            .request = "5",
            .tenant = "default",
            .status = 200,
            .input_tokens = i - (int)moved,
            .cost_microusd = INT64_MAX,
            .streamed = 1,
            .cache_write_tokens = version == 1 ? 0 : 1,
        };
        memset(slot.row.upstream_model, 'u', sizeof(slot.row.upstream_model));
        size_t size =
            version == 1 ? offsetof(struct old_row, cache_write_tokens) : sizeof(struct old_row);
        slot.check = slot.seq ^ hash_stable((struct str){(const char *)&slot.row, size});
        memcpy(p + 4096 + (size_t)i * sizeof(slot), &slot, sizeof(slot));
    }
    path_of(path, loop);
    spill(path, p, OLD_SIZE);
    mem_free(p);
}

static void test_older(void)
{
    bool good = false;
    spill_old(0, 1, 60);
    ok(open_both(1) && exactly(50) && cache_write() == 0, "rows of version 1: %s", e.msg);
    ok(db_read(d, fields_tx, &good, &e) && good, "with their fields");
    ok(add(0, 50) && journal_flush(s, &e) && exactly(51) && cache_write() == 1, "and newer ones");
    close_both();
    spill_old(0, 1, 60);
    ok(open_both(1) && exactly(51), "killed before the file was removed: nothing twice");
    close_both();
    ok(open_both(1) && exactly(51), "it is of this version now");
    close_both();
}

static void test_old_and_fewer(void)
{
    char path[TEMPDIR_SIZE + 32];
    path_of(path, 3);
    spill_old(3, 2, 60);
    ok(open_both(1) && exactly(50) && cache_write() == 50, "version 2, of a loop that is no more");
    ok(access(path, F_OK) != 0, "its file is gone");
    close_both();
}

int main(void)
{
    in_new_dir(test_older);
    in_new_dir(test_old_and_fewer);
    return tap_done();
}
