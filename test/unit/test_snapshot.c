/* A snapshot is read back whole or refused, whatever was done to the file. */
#include "bm25_model.h"
#include "base/file.h"
#include "index/snapshot.h"
#include "tempdir.h"

static struct model m;
static char path[TEMPDIR_SIZE + 16];
static struct err e;

static void write_bytes(const char *bytes, size_t n)
{
    ok(file_replace(path, (struct str){bytes, n}, 0600, &e), "wrote %zu bytes", n);
}

static void test_round_trip(struct bm25 *ix)
{
    struct bm25 *again = bm25_new(BM25_DEFAULT);
    struct bm25_view *v = bm25_view(ix), *w;
    int64_t seq = 0;
    ok(!snapshot_read(again, &seq, path, STR("vs_1"), &e) && e.code == ERR_NOT_FOUND,
       "no file yet");
    ok(snapshot_write(path, STR("vs_1"), 4711, v, &e), "written");
    ok(snapshot_read(again, &seq, path, STR("vs_1"), &e) && seq == 4711, "read, with its sequence");
    w = bm25_view(again);
    ok(bm25_stats(w).passages == m.n && bm25_stats(w).length == bm25_stats(v).length,
       "all passages are there");
    bm25_view_free(w);
    ok(!snapshot_read(again, &seq, path, STR("vs_2"), &e) && e.code == ERR_CORRUPT,
       "another collection's: %s", e.msg);
    bm25_view_free(v);
    bm25_free(again);
}

static void test_damage(void)
{
    struct arena *a = arena_new();
    struct str content;
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    int64_t seq = -5;
    ok(file_read(&content, a, path, 1 << 30, &e), "%zu bytes", content.len);
    bool refused = true;
    for (size_t len = 0; len < content.len; len += 1 + len / 64) {
        char *cut = mem_copy(content.p, len);
        refused = refused &&
                  !snapshot_decode(ix, &seq, (struct str){cut, len}, STR("vs_1"), NULL, &e) &&
                  e.code == ERR_CORRUPT;
        mem_free(cut);
    }
    ok(refused, "truncations are refused");
    refused = true;
    char *copy = mem_copy(content.p, content.len);
    for (size_t at = 0; at < content.len; at += 1 + at / 64) {
        copy[at] ^= 0x10;
        refused =
            refused &&
            !snapshot_decode(ix, &seq, (struct str){copy, content.len}, STR("vs_1"), NULL, &e) &&
            e.code == ERR_CORRUPT;
        copy[at] ^= 0x10;
    }
    ok(refused, "changed bytes are refused");
    struct bm25_view *v = bm25_view(ix);
    ok(seq == -5 && bm25_stats(v).passages == 0, "and leave everything as it was");
    bm25_view_free(v);
    mem_free(copy);
    write_bytes(content.p, content.len / 2);
    ok(!snapshot_read(ix, &seq, path, STR("vs_1"), &e) && e.code == ERR_CORRUPT, "a torn file: %s",
       e.msg);
    write_bytes("", 0);
    ok(!snapshot_read(ix, &seq, path, STR("vs_1"), &e) && e.code == ERR_CORRUPT, "an empty file");
    bm25_free(ix);
    arena_free(a);
}

int main(void)
{
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    snprintf(path, sizeof(path), "%s/x.bm25", dir);
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    m.seed = 3;
    for (int64_t document = 0; document < 200; document++)
        model_add(&m, ix, document, 2, 50);
    bm25_commit(ix);
    test_round_trip(ix);
    test_damage();
    bm25_free(ix);
    tempdir_remove(dir);
    return tap_done();
}
