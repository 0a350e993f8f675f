/* The snapshot of a vector index: a head, then sections on boundaries of 64 KiB, so that every page
 * size can map them. In the byte order of the machine: another one takes the head for damage.
 *
 *     nodes   [slots][stride]      rows and links; nothing links to a slot that is not used
 *     exact   [slots][dimension]   floats; behind these two a hole up to a whole slab
 *     ids     [slabs]              struct ids
 *     upper   [chunks][SLAB]       struct upper
 *     first   [blocks][SLAB]
 *     marks   [slabs]
 *
 * The file is mapped privately: what is read comes from the page cache, what is written goes to
 * copies of pages, and the file stays as it is. So do slots that are added to the last slab: the
 * hole is their room, with pages of our own laid over it (a full tmpfs would have none).
 *
 * Damage. The head and the marks have their checksums compared at open, and all counts and lengths
 * are compared with each other and with the file's length. The large sections are not read at open;
 * whoever uses a number from them (a link, a level, a document) compares it with its bound first,
 * so damage there gives wrong hits and never a wild read. vector_check compares their checksums. */
#include "base/file.h"
#include "base/hash.h"
#include "index/vector_part.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES, EXACT, IDS, UPPER, FIRST, MARKS, SECTIONS };
enum { ALIGN = 1 << 16, PIECE = 1 << 20, HEAD_SIZE = 1024 };
#define MAGIC UINT64_C(0x3230434556535031) /* "1PSVEC02", the last two the version */

struct section {
    uint64_t at, len, sum;
};

struct head {
    uint64_t magic, sum; /* of what follows, up to HEAD_SIZE */
    uint64_t size;       /* of the file */
    int64_t seq;
    char id[VECTOR_ID_SIZE];
    uint32_t dimension, walked, metric;
    uint32_t n_slots, n_live, n_used, n_upper, n_documents, n_firsts, n_owners;
    uint32_t graph, entry, top;
    float scale;
    struct curve curve;
    struct section section[SECTIONS];
};
_Static_assert(sizeof(struct head) <= HEAD_SIZE, "the head has room");

static uint64_t head_sum(const char head[HEAD_SIZE])
{
    size_t from = offsetof(struct head, size);
    return hash_stable((struct str){head + from, HEAD_SIZE - from});
}

/* A section's sum is made of those of its pieces, so that it can be made and compared in passing.
 */
static uint64_t add_sum(uint64_t sum, const char *p, size_t len)
{
    return sum * UINT64_C(0x9e3779b97f4a7c15) + hash_stable((struct str){p, len});
}

static uint64_t round_up(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static uint32_t parts(uint32_t n)
{
    return n / SLAB + (n % SLAB != 0);
}

/* How long a section is, and up to where the file reaches for it. */
static uint64_t len_of(const struct head *h, const struct shape *s, int section, bool room)
{
    uint64_t slabs = parts(h->n_slots), slots = room ? slabs * SLAB : h->n_slots;
    switch (section) {
    case NODES: return slots * s->stride;
    case EXACT: return slots * s->dimension * sizeof(float);
    case IDS: return slabs * sizeof(struct ids);
    case UPPER: return (uint64_t)parts(h->n_upper) * SLAB * sizeof(struct upper);
    case FIRST: return (uint64_t)h->n_firsts * SLAB * sizeof(uint32_t);
    default: return slabs * sizeof(struct marks);
    }
}

/* ---- Writing ---- */

struct out {
    int fd;
    char *piece; /* [PIECE] */
    size_t n;
    uint64_t at; /* of the piece in the file */
    struct section *section;
    bool good;
    struct err *e;
};

static void flush(struct out *o)
{
    if (o->good && o->n) {
        o->section->sum = add_sum(o->section->sum, o->piece, o->n);
        o->good = file_write_all(o->fd, o->piece, o->n, o->e);
    }
    o->at += o->n;
    o->n = 0;
}

static void put(struct out *o, const void *p, size_t len)
{
    for (const char *from = p; len;) {
        size_t now = size_min(len, PIECE - o->n);
        memcpy(o->piece + o->n, from, now);
        o->n += now;
        from += now;
        len -= now;
        if (o->n == PIECE)
            flush(o);
    }
}

static void begin(struct out *o, struct section *s, uint64_t at)
{
    o->at = round_up(at);
    if (o->good && lseek(o->fd, (off_t)o->at, SEEK_SET) < 0)
        o->good = err_sys(o->e, ERR_IO, "cannot write the vectors");
    *s = (struct section){.at = o->at};
    o->section = s;
}

static void end(struct out *o)
{
    flush(o);
    o->section->len = o->at - o->section->at;
}

/* The links that lead to used slots: the writer may be adding others meanwhile. */
static uint32_t copy_links(const struct view *v, const struct links *l, _Atomic uint32_t *to)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        uint32_t slot = atomic_load_explicit(&l->link[i], memory_order_relaxed);
        if (slot < v->n_slots && is_used(v, slot))
            to[n++] = slot;
    }
    return n;
}

static void put_nodes(struct out *o, const struct view *v)
{
    uint8_t *node = mem_new(v->shape.stride);
    for (uint32_t slot = 0; slot < v->n_slots && o->good; slot++) {
        const struct tail *from = tail_of(v, slot);
        struct tail *to = (struct tail *)(void *)(node + v->shape.padded);
        memset(node, 0, v->shape.stride);
        to->level = from->level;
        to->upper = from->upper;
        struct links l;
        if (is_used(v, slot) && links_of(v, slot, 0, &l)) {
            memcpy(node, row_of(v, slot), v->shape.padded);
            to->extra = from->extra;
            to->n = (uint8_t)copy_links(v, &l, to->link);
        }
        put(o, node, v->shape.stride);
    }
    mem_free(node);
}

static void put_exact(struct out *o, const struct view *v)
{
    size_t size = v->shape.dimension * sizeof(float);
    float *zero = mem_new(size);
    for (uint32_t slot = 0; slot < v->n_slots && o->good; slot++)
        put(o, is_live(v, slot) ? exact_of(v, slot) : zero, size);
    mem_free(zero);
}

static void put_ids(struct out *o, const struct view *v)
{
    struct ids *out = mem_new(sizeof(*out));
    for (uint32_t i = 0; i < v->n_slabs && o->good; i++) {
        memset(out, 0, sizeof(*out));
        for (uint32_t at = 0; at < SLAB; at++) {
            uint32_t slot = i * SLAB + at;
            if (slot >= v->n_slots || !is_live(v, slot))
                continue;
            struct ids *ids = v->slab[i].ids;
            uint32_t next = atomic_load_explicit(&ids->next[at], memory_order_relaxed);
            out->key[at] = ids->key[at];
            out->document[at] = ids->document[at];
            out->next[at] = next < v->n_slots && is_live(v, next) ? next : NO_SLOT;
        }
        put(o, out, sizeof(*out));
    }
    mem_free(out);
}

static void put_upper(struct out *o, const struct view *v)
{
    for (uint32_t at = 0; at < v->n_chunks * SLAB && o->good; at++) {
        struct upper *from = &v->upper[at / SLAB][at % SLAB], to = {0};
        uint32_t n = at < v->n_upper ? atomic_load_explicit(&from->n, memory_order_relaxed) : 0;
        struct links l = {from->link, n < UPPER_LINKS ? n : UPPER_LINKS};
        to.n = copy_links(v, &l, to.link);
        put(o, &to, sizeof(to));
    }
}

static void put_first(struct out *o, const struct view *v)
{
    for (uint32_t d = 0; d < v->n_firsts * SLAB && o->good; d++) {
        uint32_t slot = v->first[d / SLAB] ? v->first[d / SLAB][d % SLAB] : NO_SLOT;
        if (slot >= v->n_slots || !is_live(v, slot))
            slot = NO_SLOT;
        put(o, &slot, sizeof(slot));
    }
}

static bool write_all(int fd, const struct view *v, struct str id, int64_t seq, struct head *out,
                      struct err *e)
{
    char head[HEAD_SIZE] = {0};
    struct head h = {.magic = MAGIC,
                     .seq = seq,
                     .dimension = v->shape.dimension,
                     .walked = v->shape.walked,
                     .metric = v->shape.metric,
                     .n_slots = v->n_slots,
                     .n_live = v->n_live,
                     .n_used = v->n_used,
                     .n_upper = v->n_upper,
                     .n_documents = v->n_documents,
                     .n_firsts = v->n_firsts,
                     .n_owners = v->n_owners,
                     .graph = v->graph,
                     .entry = v->entry,
                     .top = v->top,
                     .scale = v->scale,
                     .curve = v->curve};
    memcpy(h.id, id.p, id.len);
    struct out o = {.fd = fd, .piece = mem_new(PIECE), .good = true, .e = e};
    uint64_t end_of = HEAD_SIZE;
    void (*const part[SECTIONS])(struct out *, const struct view *) = {
        put_nodes, put_exact, put_ids, put_upper, put_first};
    for (int i = 0; i < SECTIONS; i++) {
        begin(&o, &h.section[i], end_of);
        if (part[i])
            part[i](&o, v);
        else
            put(&o, v->marks, v->n_slabs * sizeof(*v->marks));
        end(&o);
        end_of = h.section[i].at + len_of(&h, &v->shape, i, true);
    }
    mem_free(o.piece);
    h.size = round_up(end_of);
    memcpy(head, &h, sizeof(h));
    h.sum = head_sum(head);
    memcpy(head, &h, sizeof(h));
    *out = h;
    if (!o.good)
        return false;
    if (pwrite(fd, head, HEAD_SIZE, 0) != HEAD_SIZE || ftruncate(fd, (off_t)h.size) < 0 ||
        fsync(fd) < 0)
        return err_sys(e, ERR_IO, "cannot write the vectors");
    return true;
}

/* ---- Taking the numbers over into the file ---- */

/* Memory of our own over the holes. */
static bool cover_holes(char *base, const struct head *h, const struct shape *s)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    for (int i = NODES; i <= EXACT; i++) {
        uint64_t from = (h->section[i].at + h->section[i].len + page - 1) / page * page;
        uint64_t to = h->section[i].at + len_of(h, s, i, true);
        if (from < to &&
            mmap(base + from, to - from, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
            return false;
    }
    return true;
}

static struct block *map_file(int fd, const struct head *h, const struct shape *s, struct err *e)
{
    void *p = mmap(NULL, h->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (p == MAP_FAILED || !cover_holes(p, h, s)) {
        err_sys(e, ERR_IO, "cannot map the vectors");
        if (p != MAP_FAILED)
            munmap(p, h->size);
        return NULL;
    }
    madvise((char *)p + h->section[EXACT].at, h->section[EXACT].len, MADV_RANDOM);
    struct block *b = mem_new(sizeof(*b));
    b->refs = 1;
    b->p = p;
    b->size = h->size;
    b->mapped = true;
    return b;
}

static void replace_exact(struct slab *s, struct block *b, float *exact)
{
    vector_view_drop(s->exact_block);
    vector_view_hold(b);
    s->exact_block = b;
    s->exact = exact;
}

/* The file has the numbers of what was live when it was written (`saved`); those that came since
 * are copied behind it, in pages of our own. */
static void adopt(struct vector_index *ix, const struct view *saved, struct block *b, uint64_t at)
{
    size_t each = ix->shape.dimension;
    lock_take(&ix->writing);
    struct view *next = &ix->next, *fresh = vector_view_copy(ix->view);
    for (uint32_t i = 0; i < saved->n_slabs && i < next->n_slabs; i++) {
        if (next->slab[i].exact_block != saved->slab[i].exact_block)
            continue; /* cleared or rebuilt meanwhile */
        float *exact = (float *)(void *)((char *)b->p + at) + (size_t)i * SLAB * each;
        for (uint32_t s = 0; s < SLAB; s++) {
            uint32_t slot = i * SLAB + s;
            if (!is_live(saved, slot) && (is_used(next, slot) || tail_of(next, slot)->staged))
                memcpy(exact + s * each, exact_of(next, slot), each * sizeof(float));
        }
        if (i < fresh->n_slabs && fresh->slab[i].exact_block == next->slab[i].exact_block)
            replace_exact(&fresh->slab[i], b, exact);
        replace_exact(&next->slab[i], b, exact);
    }
    vector_publish(ix, fresh);
    lock_drop(&ix->writing);
}

bool vector_save(struct vector_index *ix, const char *path, struct str id, int64_t seq,
                 struct err *e)
{
    char part[PATH_MAX];
    CHECK(id.len < VECTOR_ID_SIZE);
    if (snprintf(part, sizeof(part), "%s.XXXXXX", path) >= (int)sizeof(part))
        return err_set(e, ERR_INVALID, "path '%.80s...' is too long", path);
    int fd = mkostemp(part, O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot create a file beside '%s'", path);
    struct view *v = vector_take(ix);
    struct head h = {0};
    struct block *b = NULL;
    bool good = write_all(fd, v, id, seq, &h, e);
    if (good && v->n_slots)
        good = (b = map_file(fd, &h, &v->shape, e)) != NULL;
    if (good && rename(part, path) < 0)
        good = err_sys(e, ERR_IO, "cannot rename to '%s'", path);
    if (!good)
        unlink(part);
    close(fd);
    if (good && b)
        adopt(ix, v, b, h.section[EXACT].at);
    vector_view_drop(b);
    vector_drop(ix, v);
    return good && file_sync_folder_of(path, e);
}

/* ---- Opening ---- */

static bool counts_fit(const struct head *h)
{
    bool fits = h->dimension > 0 && h->dimension <= VECTOR_MAX_DIMENSION && h->walked > 0 &&
                h->walked <= h->dimension && h->metric <= VECTOR_L2 && h->n_slots <= VECTOR_MOST &&
                h->n_live <= h->n_used && h->n_used <= h->n_slots && h->n_upper <= VECTOR_MOST &&
                h->n_firsts <= VECTOR_MAX_DOCUMENTS / SLAB &&
                h->n_documents <= h->n_firsts * SLAB && h->n_owners <= h->n_live;
    fits = fits && h->graph <= 1 && h->top <= MAX_LEVEL &&
           (h->entry < h->n_slots || (h->entry == NO_SLOT && (!h->graph || h->n_live == 0)));
    fits = fits && isfinite(h->scale) && h->scale > 0;
    for (int i = 0; i < CURVE && fits && h->curve.measured_at; i++)
        fits = h->curve.recall[i] >= 0 && h->curve.recall[i] < 1 &&
               isfinite(h->curve.compared[i]) && h->curve.compared[i] >= 0 &&
               h->curve.effort[i] <= 1 << 16 &&
               (i == 0 ? h->curve.effort[i] > 0 : h->curve.effort[i] > h->curve.effort[i - 1]);
    return fits && memchr(h->id, 0, sizeof(h->id));
}

static bool sections_fit(const struct head *h, const struct shape *s, uint64_t size)
{
    uint64_t free_from = HEAD_SIZE;
    for (int i = 0; i < SECTIONS; i++) {
        const struct section *t = &h->section[i];
        uint64_t room = len_of(h, s, i, true);
        if (t->at % ALIGN || t->at < free_from || t->len != len_of(h, s, i, false) ||
            t->at > size || room > size - t->at)
            return false;
        free_from = t->at + room;
    }
    return true;
}

static bool read_head(int fd, struct head *h, struct shape *shape, uint64_t size, struct str id,
                      struct err *e)
{
    char head[HEAD_SIZE];
    if (pread(fd, head, HEAD_SIZE, 0) != HEAD_SIZE)
        return err_set(e, ERR_CORRUPT, "the vectors are cut short at %ju bytes", (uintmax_t)size);
    memcpy(h, head, sizeof(*h));
    if (h->magic != MAGIC || h->sum != head_sum(head))
        return err_set(e, ERR_CORRUPT, "the head of the vectors is damaged");
    if (!counts_fit(h))
        return err_set(e, ERR_CORRUPT, "the head of the vectors contradicts itself");
    if (!str_eq(id, (struct str){h->id, strlen(h->id)}))
        return err_set(e, ERR_CORRUPT, "the vectors are those of '%s'", h->id);
    *shape = (struct shape){.dimension = h->dimension, .walked = h->walked, .metric = h->metric};
    vector_view_shape(shape);
    if (h->size != size || !sections_fit(h, shape, size))
        return err_set(e, ERR_CORRUPT, "the vectors are cut short or lie elsewhere");
    return true;
}

static bool marks_fit(const struct view *v)
{
    uint32_t live = 0, used = 0;
    for (uint32_t word = 0; word < v->n_slabs * SLAB_WORDS; word++) {
        uint64_t l = v->marks[word / SLAB_WORDS].live[word % SLAB_WORDS];
        uint64_t u = v->marks[word / SLAB_WORDS].used[word % SLAB_WORDS];
        uint64_t beyond = word * 64 >= v->n_slots        ? ~UINT64_C(0)
                          : word * 64 + 64 <= v->n_slots ? 0
                                                         : ~UINT64_C(0) << v->n_slots % 64;
        if ((l & ~u) || (u & beyond))
            return false;
        live += (uint32_t)__builtin_popcountll(l);
        used += (uint32_t)__builtin_popcountll(u);
    }
    return live == v->n_live && used == v->n_used;
}

static void place_slab(struct view *v, const struct head *h, struct block *b, uint32_t i)
{
    char *base = b->p;
    struct slab *s = &v->slab[i];
    s->node = (uint8_t *)base + h->section[NODES].at + (size_t)i * SLAB * v->shape.stride;
    s->exact =
        (float *)(void *)(base + h->section[EXACT].at) + (size_t)i * SLAB * v->shape.dimension;
    s->ids = (struct ids *)(void *)(base + h->section[IDS].at) + i;
    s->node_block = s->exact_block = s->ids_block = b;
    for (int held = 0; held < 3; held++)
        vector_view_hold(b);
    v->node[i] = s->node;
}

static void place_tables(struct view *v, const struct head *h, struct block *b)
{
    char *base = b->p;
    v->n_chunks = parts(v->n_upper);
    v->slab = mem_array(v->n_slabs, sizeof(*v->slab));
    v->node = mem_array(v->n_slabs, sizeof(*v->node));
    v->marks = mem_copy(base + h->section[MARKS].at, h->section[MARKS].len);
    v->upper = mem_array(v->n_chunks, sizeof(*v->upper));
    v->upper_block = mem_array(v->n_chunks, sizeof(*v->upper_block));
    v->first = mem_array(v->n_firsts, sizeof(*v->first));
    v->first_block = mem_array(v->n_firsts, sizeof(*v->first_block));
    for (uint32_t i = 0; i < v->n_slabs; i++)
        place_slab(v, h, b, i);
    for (uint32_t i = 0; i < v->n_chunks; i++) {
        v->upper[i] = (struct upper *)(void *)(base + h->section[UPPER].at) + (size_t)i * SLAB;
        v->upper_block[i] = b;
        vector_view_hold(b);
    }
    for (uint32_t i = 0; i < v->n_firsts; i++) {
        v->first[i] = (uint32_t *)(void *)(base + h->section[FIRST].at) + (size_t)i * SLAB;
        v->first_block[i] = b;
        vector_view_hold(b);
    }
}

static bool same_sum(int fd, const struct section *s, struct err *e)
{
    char *piece = mem_new(PIECE);
    uint64_t sum = 0;
    for (uint64_t at = 0; at < s->len;) {
        size_t want = size_min(PIECE, s->len - at), got = 0;
        for (ssize_t n; got < want; got += (size_t)n)
            if ((n = pread(fd, piece + got, want - got, (off_t)(s->at + at + got))) <= 0)
                break;
        if (got < want)
            break;
        sum = add_sum(sum, piece, want);
        at += want;
    }
    mem_free(piece);
    return sum == s->sum || err_set(e, ERR_CORRUPT, "the vectors' checksum is wrong");
}

static bool open_file(struct vector_index **out, int fd, struct str id, int64_t *seq, struct err *e)
{
    struct stat st;
    struct head h = {0};
    struct shape shape = {0};
    if (fstat(fd, &st) < 0)
        return err_sys(e, ERR_IO, "cannot stat the vectors");
    if (!read_head(fd, &h, &shape, (uint64_t)st.st_size, id, e) ||
        !same_sum(fd, &h.section[MARKS], e))
        return false;
    struct block *b = map_file(fd, &h, &shape, e);
    if (!b)
        return false;
    struct view v = {.shape = shape,
                     .n_slots = h.n_slots,
                     .n_live = h.n_live,
                     .n_used = h.n_used,
                     .n_slabs = parts(h.n_slots),
                     .n_upper = h.n_upper,
                     .n_documents = h.n_documents,
                     .n_firsts = h.n_firsts,
                     .n_owners = h.n_owners,
                     .scale = h.scale,
                     .graph = h.graph,
                     .entry = h.entry,
                     .top = (uint8_t)h.top,
                     .curve = h.curve};
    place_tables(&v, &h, b);
    vector_view_drop(b);
    if (!marks_fit(&v)) {
        vector_view_fini(&v);
        return err_set(e, ERR_CORRUPT, "the marks of the vectors contradict the head");
    }
    *seq = h.seq;
    *out = vector_make(&v, fd);
    return true;
}

bool vector_open(struct vector_index **out, const char *path, struct str id, int64_t *seq,
                 struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open '%s'", path);
    if (open_file(out, fd, id, seq, e))
        return true;
    close(fd);
    return false;
}

bool vector_check(struct vector_index *ix, struct err *e)
{
    struct head h;
    if (ix->file < 0)
        return true;
    if (pread(ix->file, &h, sizeof(h), 0) != sizeof(h))
        return err_sys(e, ERR_IO, "cannot read the vectors");
    for (int i = 0; i < SECTIONS; i++)
        if (!same_sum(ix->file, &h.section[i], e))
            return false;
    return true;
}
