#include "index/snapshot.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x3330786469747370) /* "pstidx03" */

static const char *const extension[SNAPSHOT_PARTS] = {
    [SNAPSHOT_KEYWORDS] = "keywords", [SNAPSHOT_ATTRIBUTES] = "attributes",
    [SNAPSHOT_EMBEDDER] = "embedder", [SNAPSHOT_VECTORS] = "vectors",
    [SNAPSHOT_OUTSIDE] = "outside",
};

struct manifest {
    uint64_t magic;
    uint64_t checksum; /* of what follows it */
    uint64_t id, generation;
    int64_t seq;
    int64_t space;
    uint32_t numbers, unused;
    struct snapshot_file part[SNAPSHOT_PARTS];
};

static uint64_t checksum_of(const struct manifest *m)
{
    return hash_stable(str_span((const char *)&m->id, (const char *)(m + 1)));
}

void snapshot_part_path(const struct snapshot *s, enum snapshot_part part,
                        char path[SNAPSHOT_PATH_MAX])
{
    snprintf(path, SNAPSHOT_PATH_MAX, "%s.%ju.%s", s->stem, (uintmax_t)s->part[part].generation,
             extension[part]);
}

static void manifest_path(const char *stem, char path[SNAPSHOT_PATH_MAX])
{
    snprintf(path, SNAPSHOT_PATH_MAX, "%s.manifest", stem);
}

/* ---- Writing ---- */

void snapshot_begin(struct snapshot *s, const char *stem, struct str id, const struct snapshot *old)
{
    *s = (struct snapshot){.stem = stem, .id = hash_stable(id), .generation = old->generation + 1};
}

void snapshot_path(const struct snapshot *s, enum snapshot_part part, char path[SNAPSHOT_PATH_MAX])
{
    struct snapshot named = *s;
    named.part[part].generation = s->generation;
    snapshot_part_path(&named, part, path);
}

bool snapshot_put(struct snapshot *s, enum snapshot_part part, struct str content, struct err *e)
{
    char path[SNAPSHOT_PATH_MAX];
    snapshot_path(s, part, path);
    if (!file_replace(path, content, 0600, e))
        return false;
    s->part[part] = (struct snapshot_file){s->generation, content.len, hash_stable(content)};
    return true;
}

void snapshot_keep(struct snapshot *s, enum snapshot_part part, const struct snapshot *old)
{
    s->part[part] = old->part[part];
}

bool snapshot_note(struct snapshot *s, enum snapshot_part part, struct err *e)
{
    char path[SNAPSHOT_PATH_MAX];
    struct stat st;
    snapshot_path(s, part, path);
    if (stat(path, &st) < 0)
        return err_sys(e, ERR_IO, "cannot stat '%s'", path);
    s->part[part] = (struct snapshot_file){s->generation, (uint64_t)st.st_size, 0};
    return true;
}

bool snapshot_finish(struct snapshot *s, int64_t seq, const struct snapshot *old, struct err *e)
{
    char path[SNAPSHOT_PATH_MAX];
    struct manifest m = {.magic = MAGIC,
                         .id = s->id,
                         .generation = s->generation,
                         .numbers = s->numbers,
                         .space = s->space};
    m.seq = s->seq = seq;
    memcpy(m.part, s->part, sizeof(m.part));
    m.checksum = checksum_of(&m);
    manifest_path(s->stem, path);
    if (!file_replace(path, (struct str){(const char *)&m, sizeof(m)}, 0600, e))
        return false;
    for (int i = 0; i < SNAPSHOT_PARTS; i++) {
        if (old->part[i].generation == s->part[i].generation || !old->part[i].generation)
            continue;
        snapshot_part_path(old, (enum snapshot_part)i, path);
        unlink(path);
    }
    return true;
}

static void remove_parts(const struct snapshot *s, bool own)
{
    char path[SNAPSHOT_PATH_MAX];
    for (int i = 0; i < SNAPSHOT_PARTS; i++) {
        if (!s->part[i].generation || (own && s->part[i].generation != s->generation))
            continue;
        snapshot_part_path(s, (enum snapshot_part)i, path);
        unlink(path);
    }
}

void snapshot_abandon(const struct snapshot *s)
{
    remove_parts(s, true);
}

/* ---- Reading ---- */

bool snapshot_decode(struct snapshot *out, struct str manifest, struct str id, struct err *e)
{
    struct manifest m;
    if (manifest.len != sizeof(m))
        return err_set(e, ERR_CORRUPT, "the manifest has %zu bytes", manifest.len);
    memcpy(&m, manifest.p, sizeof(m));
    if (m.magic != MAGIC)
        return err_set(e, ERR_CORRUPT, "this is no snapshot of this version");
    if (m.checksum != checksum_of(&m))
        return err_set(e, ERR_CORRUPT, "the manifest's checksum is wrong");
    if (m.id != hash_stable(id))
        return err_set(e, ERR_CORRUPT, "the snapshot is of another collection");
    if (m.seq < 0 || m.generation == 0)
        return err_set(e, ERR_CORRUPT, "the manifest makes no sense");
    *out = (struct snapshot){.id = m.id,
                             .generation = m.generation,
                             .seq = m.seq,
                             .numbers = m.numbers,
                             .space = m.space};
    memcpy(out->part, m.part, sizeof(m.part));
    return true;
}

bool snapshot_open(struct snapshot *out, const char *stem, struct str id, struct err *e)
{
    char path[SNAPSHOT_PATH_MAX];
    struct arena *a = arena_new();
    struct str manifest;
    manifest_path(stem, path);
    bool good = file_read(&manifest, a, path, 1 << 20, e) && snapshot_decode(out, manifest, id, e);
    out->stem = stem;
    arena_free(a);
    return good;
}

struct mapping {
    void *p;
    size_t len;
};

static void unmap(void *arg)
{
    struct mapping *m = arg;
    munmap(m->p, m->len);
}

static bool map_file(int fd, const char *path, uint64_t size, struct arena *a, struct str *out,
                     struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, ERR_IO, "cannot stat '%s'", path);
    if ((uint64_t)st.st_size != size || size == 0)
        return err_set(e, ERR_CORRUPT, "'%s' has %jd bytes where %ju should be", path,
                       (intmax_t)st.st_size, (uintmax_t)size);
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (p == MAP_FAILED)
        return err_sys(e, ERR_IO, "cannot map '%s'", path);
    struct mapping *m = arena_struct(a, struct mapping);
    *m = (struct mapping){p, size};
    arena_defer(a, unmap, m);
    *out = (struct str){p, size};
    return true;
}

bool snapshot_map(const struct snapshot *s, enum snapshot_part part, struct arena *a,
                  struct str *out, struct err *e)
{
    char path[SNAPSHOT_PATH_MAX];
    snapshot_part_path(s, part, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_CORRUPT, "cannot open '%s'", path);
    bool good = map_file(fd, path, s->part[part].size, a, out, e);
    close(fd);
    if (good && hash_stable(*out) != s->part[part].checksum)
        return err_set(e, ERR_CORRUPT, "the checksum of '%s' is wrong", path);
    return good;
}

/* ---- Removing ---- */

void snapshot_remove(const char *stem, const struct snapshot *s)
{
    char path[SNAPSHOT_PATH_MAX];
    manifest_path(stem, path);
    unlink(path);
    remove_parts(s, false);
}

static void note_name(struct map *names, const char *path)
{
    map_set(names, file_name(str_from(path)), names);
}

static void note_names(struct map *names, const struct snapshot *s)
{
    char path[SNAPSHOT_PATH_MAX];
    if (!s->generation)
        return;
    manifest_path(s->stem, path);
    note_name(names, path);
    for (int i = 0; i < SNAPSHOT_PARTS; i++) {
        snapshot_part_path(s, (enum snapshot_part)i, path);
        if (s->part[i].generation)
            note_name(names, path);
    }
}

void snapshot_sweep(const char *dir, const struct snapshot *const *keep, size_t n)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    struct map names;
    map_init(&names);
    for (size_t i = 0; i < n; i++)
        note_names(&names, keep[i]);
    for (struct dirent *f; (f = readdir(d));)
        if (!map_get(&names, str_from(f->d_name)))
            unlinkat(dirfd(d), f->d_name, 0); /* refuses folders */
    map_fini(&names);
    closedir(d);
}
