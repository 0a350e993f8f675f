#include "ingest/load.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/hash.h"
#include "index/rights.h"
#include "store/doc.h"
#include "text/lang.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct loading {
    const struct load *load;
    struct arena *a;
    int fd;
    struct doc_document doc; /* to be stored */
    struct doc_document had; /* as stored; id 0: nothing yet */
    struct load_result *r;
};

/* ---- Before reading ---- */

/* Sets r->end when that is all there is to do. */
static bool open_file(struct loading *g, struct err *e)
{
    g->fd = open(g->load->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (g->fd < 0 && errno == ENOENT) {
        g->r->end = LOAD_GONE;
        return false;
    }
    struct stat st;
    if (g->fd < 0 || fstat(g->fd, &st) < 0)
        return err_sys(e, ERR_IO, "cannot open the file");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "not a regular file");
    g->doc.bytes = st.st_size;
    g->doc.mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    g->r->bytes = (uint64_t)st.st_size;
    if (g->r->bytes > g->load->max_bytes)
        return err_set(e, ERR_TOO_LARGE, "larger than %ju KB",
                       (uintmax_t)(g->load->max_bytes >> 10));
    return true;
}

static bool hash_file(struct loading *g, struct err *e)
{
    enum { PIECE = 1 << 18 };
    struct digest_stream *h = digest_stream_new();
    char *piece = mem_new(PIECE);
    ssize_t n;
    while ((n = read(g->fd, piece, PIECE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        digest_stream_add(h, (struct str){piece, (size_t)n});
    }
    bool good = n == 0 || err_sys(e, ERR_IO, "cannot read the file");
    uint8_t hash[SHA256_SIZE];
    digest_stream_end(h, hash);
    mem_free(piece);
    char *hex = arena_bytes(g->a, 2 * SHA256_SIZE + 1);
    digest_to_hex(hex, hash, SHA256_SIZE);
    g->doc.content_hash = str_from(hex);
    return good;
}

/* ---- Behind reading ---- */

/* Days since 1970 of a date of the Gregorian calendar, by counting from the first of March. */
static int64_t days_from_date(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era_years = y - y / 400 * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return y / 400 * 146097 + era_years * 365 + era_years / 4 - era_years / 100 + day_of_year -
           719468;
}

/* "2026-11-21" and what begins like it; 0 when it is no date. */
static int64_t date_to_s(struct str s)
{
    uint64_t y, m, d;
    if (s.len < 10 || s.p[4] != '-' || s.p[7] != '-' || !str_to_u64(str_head(s, 4), &y) ||
        !str_to_u64((struct str){s.p + 5, 2}, &m) || !str_to_u64((struct str){s.p + 8, 2}, &d) ||
        m < 1 || m > 12 || d < 1 || d > 31 || y < 1)
        return 0;
    return days_from_date((int64_t)y, (int64_t)m, (int64_t)d) * 86400;
}

enum { TITLE_MAX = 300 };

/* What the document says, else its first heading when that stands near the start. */
static struct str title_of(const struct extract_document *x)
{
    if (x->title.len)
        return x->title;
    for (size_t i = 0; i < x->n && i < 3; i++) {
        const struct extract_block *b = &x->block[i];
        if (b->kind == WIRE_HEADING && b->end - b->start <= TITLE_MAX)
            return (struct str){x->text.p + b->start, b->end - b->start};
    }
    return STR_NONE;
}

static struct str language_of(const struct extract_document *x)
{
    return str_from(lang_code(lang_unless(lang_from_code(x->language), x->text)));
}

/* Front matter has `access: user:alice, group:hr`, or the same as a list. It does not undo what was
 * said when the file was uploaded. A list that cannot be read must not let everyone in: the
 * document fails. */
static bool access_of(struct loading *g, const struct extract_document *x, struct str *access,
                      struct err *e)
{
    struct json meta;
    *access = g->load->access;
    if (access->len || (g->load->file_id.len && g->had.access.len) ||
        !json_parse(&meta, g->a, x->meta, 0, NULL))
        return true;
    struct json_value said = json_get(json_root(&meta), "access");
    struct str words = str_trim(json_text(said, g->a));
    if (str_starts(words, STR("[")) && str_ends(words, STR("]")))
        words = (struct str){words.p + 1, words.len - 2};
    return !json_exists(said) || rights_parse_words(words, g->a, access, e);
}

static bool put(struct loading *g, const struct extract_document *x, struct str access,
                struct err *e)
{
    size_t n;
    const struct chunk *c = chunk_document(x, &g->load->limits, g->a, &n);
    struct doc_chunk *chunk = arena_array(g->a, struct doc_chunk, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct str text = {x->text.p + c[i].start, c[i].end - c[i].start};
        chunk[i] = (struct doc_chunk){
            .text = text,
            .section = c[i].section,
            .page = c[i].page,
            .line_start = c[i].line_start,
            .line_end = c[i].line_end,
            .char_start = c[i].start,
            .char_end = c[i].end,
            .tokens = c[i].tokens,
            .hash = hash_stable(text),
        };
    }
    g->doc.title = title_of(x);
    g->doc.author = x->author;
    g->doc.language = language_of(x);
    g->doc.doc_type = x->format;
    g->doc.last_updated_s = date_to_s(x->date);
    g->doc.attributes = g->load->attributes.len ? g->load->attributes : x->meta;
    g->doc.access = access;
    g->r->chunks = (uint32_t)n;
    g->r->end = LOAD_STORED;
    return doc_put(g->load->db, &g->doc, chunk, n, e);
}

/* Whether an error is about the document. The others stop the whole run. */
static bool is_about_document(const struct err *e)
{
    return e->code != ERR_UNAVAILABLE && e->code != ERR_CANCELLED && e->code != ERR_INTERNAL;
}

struct str load_error_code(enum err_code code)
{
    switch (code) {
    case ERR_MEDIA: return STR("unsupported_file");
    case ERR_INVALID:
    case ERR_TOO_LARGE:
    case ERR_TIMEOUT:
    case ERR_LIMIT:
    case ERR_SYNTAX:
    case ERR_CONTENT: return STR("invalid_file");
    default: return STR("server_error");
    }
}

/* Notes why; the same failure of the same bytes as before is noted already. */
static bool fail(struct loading *g, struct err *e)
{
    g->r->end = LOAD_FAILED;
    if (g->had.id && g->had.status == DOC_FAILED &&
        str_eq(g->had.content_hash, g->doc.content_hash) &&
        str_eq(g->had.error, str_from(g->r->why.msg)))
        return true;
    g->doc.attributes = g->load->attributes;
    g->doc.error_code = load_error_code(g->r->why.code);
    return doc_fail(g->load->db, &g->doc, str_from(g->r->why.msg), e);
}

static bool is_unchanged(const struct loading *g)
{
    return g->had.id && g->had.status == DOC_COMPLETED &&
           str_eq(g->had.content_hash, g->doc.content_hash);
}

static bool run(struct loading *g, struct err *e)
{
    const struct load *l = g->load;
    if (!doc_find(l->db, g->a, l->collection, l->uri, &g->had, e)) {
        if (e->code != ERR_NOT_FOUND)
            return false;
        g->had = (struct doc_document){0};
    }
    struct extract_document x;
    struct err why;
    if (!open_file(g, &why) || !hash_file(g, &why)) {
        g->r->why = why;
        return g->r->end == LOAD_GONE || fail(g, e);
    }
    if (is_unchanged(g)) {
        g->r->end = LOAD_UNCHANGED;
        g->r->chunks = g->had.chunks;
        bool same_readers = !l->access.len || str_eq(l->access, g->had.access);
        return (same_readers || doc_set_access(l->db, g->had.id, l->access, e)) &&
               (!l->attributes.len || doc_set_attributes(l->db, g->had.id, l->attributes, e));
    }
    struct str access;
    if (extract_run(l->reader, g->fd, file_extension(l->name), g->a, &x, &why) &&
        access_of(g, &x, &access, &why))
        return put(g, &x, access, e);
    if (!is_about_document(&why)) {
        if (e)
            *e = why;
        return false;
    }
    g->r->why = why;
    return fail(g, e);
}

bool load_file(const struct load *l, struct load_result *r, struct err *e)
{
    *r = (struct load_result){.end = LOAD_STORED};
    struct loading g = {.load = l, .a = arena_new(), .fd = -1, .r = r};
    g.doc = (struct doc_document){
        .collection = l->collection, .uri = l->uri, .name = l->name, .file_id = l->file_id};
    bool good = run(&g, e);
    if (g.fd >= 0)
        close(g.fd);
    arena_free(g.a);
    return good;
}
