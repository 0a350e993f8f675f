/* Every twin of the scanner gives the same verdict, and for a good text the same nodes. Of a good
 * text, what is read through base/json.h and written again reads the same. */
#include "base/json_scan.h"
#include "base/mem.h"

static enum json_fault scan(json_scan_fn *fn, struct json_scan *s, struct arena *a, struct str text)
{
    *s = (struct json_scan){.text = text.p, .end = text.p + text.len, .arena = a, .cap = 1};
    s->node = (struct json_node *)arena_bytes(a, sizeof(*s->node));
    return fn(s);
}

static void compare(json_scan_fn *fn, const struct json_scan *want, enum json_fault fault,
                    struct arena *a, struct str text)
{
    struct json_scan s;
    CHECK(scan(fn, &s, a, text) == fault);
    if (fault)
        CHECK(s.at == want->at);
    else
        CHECK(s.n == want->n && memcmp(s.node, want->node, s.n * sizeof(*s.node)) == 0);
}

static void write_again(struct json_writer *w, struct json_value v, struct arena *a)
{
    int64_t n;
    double d;
    bool b, whole;
    switch (json_type(v)) {
    case JSON_OBJECT: {
        json_object(w);
        uint32_t i = v.i + 1; /* names by the node, to have them decoded */
        json_each(it, v)
        {
            CHECK(json_is(json_get(v, arena_text(a, it.name)), json_type(it.value)) ||
                  json_count(v) > 1 || v.doc->node[i].escaped || memchr(it.name.p, 0, it.name.len));
            json_key_str(w, json_text((struct json_value){v.doc, i}, a));
            write_again(w, it.value, a);
            i = it.i;
        }
        json_end(w);
        break;
    }
    case JSON_ARRAY:
        json_array(w);
        json_each(it, v) write_again(w, it.value, a);
        json_end(w);
        break;
    case JSON_STRING:
        CHECK(json_text_is_str(v, json_text(v, a)));
        json_put_str(w, json_text(v, a));
        break;
    case JSON_NUMBER:
        whole = json_int(v, &n);
        if (str_to_i64(json_raw(v), &n) && !(n == 0 && str_starts(json_raw(v), STR("-")))) {
            CHECK(whole);
            json_put_int(w, n);
        } else if (json_double(v, &d)) {
            json_put_real(w, d);
        } else {
            json_put_raw(w, json_raw(v));
        }
        break;
    default:
        if (json_bool(v, &b))
            json_put_bool(w, b);
        else
            json_put_null(w);
    }
}

/* Written twice, the second from what the first wrote: from then on nothing changes. */
static void round_trip(const struct json *doc, struct arena *a)
{
    struct buf once, twice;
    struct json_writer w;
    struct json again;
    struct err e;
    buf_init(&once, SIZE_MAX / 4);
    buf_init(&twice, SIZE_MAX / 4);
    json_begin(&w, &once);
    write_again(&w, json_root(doc), a);
    CHECK(json_parse(&again, a, buf_str(&once), 0, &e) && again.n == doc->n);
    json_begin(&w, &twice);
    write_again(&w, json_root(&again), a);
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
    buf_fini(&once);
    buf_fini(&twice);
}

/* How many containers hold one another. */
static unsigned depth(struct json_value v)
{
    unsigned most = 0;
    json_each(it, v)
    {
        unsigned inner = depth(it.value);
        most = inner > most ? inner : most;
    }
    return json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT) ? most + 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1 << 16)
        return 0;
    struct str text = {(const char *)data, size};
    struct arena *a = arena_new();
    struct json_scan plain;
    enum json_fault fault = scan(json_scan_plain, &plain, a, text);
    compare(json_scan, &plain, fault, a, text);
#ifdef __x86_64__
    compare(json_scan_sse2, &plain, fault, a, text);
#endif
    struct json doc;
    struct err e;
    CHECK(json_parse(&doc, a, text, 0, &e) == !fault);
    bool unique = json_parse(&doc, a, text, JSON_UNIQUE, &e);
    CHECK(unique ? !fault : (e.code == ERR_INVALID) == !fault);
    if (!fault && depth(json_root(&doc)) <= JSON_WRITER_DEPTH)
        round_trip(&doc, a);
    arena_free(a);
    return 0;
}
