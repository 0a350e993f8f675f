/* A snapshot of vectors with damage: the input is a list of changes (place, byte) to a whole file,
 * whose head and marks are then given right checksums half the time. Opened or refused; what was
 * opened is searched, changed, saved and opened again. */
#include "base/hash.h"
#include "base/mem.h"
#include "index/vector.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DIMENSION = 4, N = 4200, K = 10, CHANGES = 64 };
enum { HEAD_SIZE = 1024, SUM_AT = 8, SUMMED_FROM = 16 }; /* as vector_file.c has it */

static struct str id = {"vs_1", 4};
static char *whole;
static size_t size;
static unsigned seed = 3;

static void draw(float v[DIMENSION])
{
    for (int i = 0; i < DIMENSION; i++)
        v[i] = (float)rand_r(&seed) / (float)RAND_MAX - 0.5f;
}

/* The file that is damaged: a graph with removed vectors in it. */
static void make_whole(void)
{
    char path[64];
    struct err e;
    struct vector_index *ix = vector_new(DIMENSION, VECTOR_L2);
    float v[DIMENSION];
    for (uint32_t d = 0; d < N; d++) {
        draw(v);
        vector_add(ix, d / 2, d, v, &e);
    }
    vector_commit(ix);
    for (uint32_t d = 0; d < 50; d++)
        vector_remove(ix, d * 7);
    vector_commit(ix);
    snprintf(path, sizeof(path), "/tmp/fuzz_vector.%d", (int)getpid());
    CHECK(vector_save(ix, path, id, 9, &e));
    vector_free(ix);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size = (size_t)lseek(fd, 0, SEEK_END);
    whole = mem_new(size);
    CHECK(pread(fd, whole, size, 0) == (ssize_t)size);
    close(fd);
    unlink(path);
}

static void search(struct vector_index *ix)
{
    struct docset *some = docset_new(N);
    struct err e;
    for (uint32_t d = 0; d < N; d += 3)
        docset_add(some, d);
    for (int i = 0; i < 6; i++) {
        float v[VECTOR_MAX_DIMENSION] = {0};
        struct hit hit[K];
        size_t n = 0;
        draw(v);
        if (i == 4)
            for (uint32_t d = 90; d < N; d++)
                docset_drop(some, d);
        struct vector_query q = {.v = v,
                                 .allowed = i % 2 ? some : NULL,
                                 .effort = i < 2 ? 0 : 20,
                                 .recall = i == 0 ? 1 : 0};
        if (vector_search(ix, &q, hit, K, &n, &e))
            CHECK(n <= K);
    }
    docset_free(some);
}

static void change(struct vector_index *ix)
{
    float v[VECTOR_MAX_DIMENSION] = {0};
    struct err e;
    for (uint32_t d = 0; d < 300; d++)
        vector_remove(ix, d * 5);
    for (uint32_t d = 0; d < 60; d++) {
        draw(v);
        vector_add(ix, d, d, v, &e);
    }
    vector_commit(ix);
    for (uint32_t d = 300; d < 700; d++)
        vector_remove(ix, d);
    vector_commit(ix);
}

static void use(const char *path)
{
    struct vector_index *ix, *again;
    struct err e;
    int64_t seq;
    if (!vector_open(&ix, path, id, &seq, &e))
        return;
    vector_threads(ix, 1);
    if (vector_dimension(ix) == DIMENSION) {
        vector_check(ix, &e);
        search(ix);
        change(ix);
        search(ix);
        char copy[80];
        snprintf(copy, sizeof(copy), "/tmp/fuzz_vector_again.%d", (int)getpid());
        CHECK(vector_save(ix, copy, id, 10, &e) && vector_open(&again, copy, id, &seq, &e));
        search(again);
        vector_free(again);
        unlink(copy);
    }
    vector_free(ix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!whole)
        make_whole();
    if (len < 1)
        return 0;
    char *file = mem_copy(whole, size);
    for (size_t i = 1; i + 4 <= len && i < CHANGES * 4; i += 4) {
        size_t at = (size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2];
        at = data[0] & 2 ? at % HEAD_SIZE : at % size;
        file[at] = (char)data[i + 3];
    }
    if (data[0] & 1) {
        uint64_t sum = hash_stable((struct str){file + SUMMED_FROM, HEAD_SIZE - SUMMED_FROM});
        memcpy(file + SUM_AT, &sum, sizeof(sum));
    }
    size_t kept = data[0] & 4 && len > 2 ? size * data[1] / 256 : size;
    int fd = memfd_create("vectors", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK(write(fd, file, kept) == (ssize_t)kept);
    use(path);
    close(fd);
    mem_free(file);
    return 0;
}
