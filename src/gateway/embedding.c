#include "gateway/embedding.h"
#include "base/base64.h"

#include <math.h>
#include <stdlib.h>

enum { FLOAT = 4, NUMBER_MOST = 32 /* bytes, comma included */ };

static struct json_value vector_of(struct json_value item)
{
    return json_get(item, "embedding");
}

bool embedding_fits(const struct json *answer, bool base64)
{
    enum json_type want = base64 ? JSON_STRING : JSON_ARRAY;
    json_each(it, json_get(json_root(answer), "data"))
    {
        if (!json_is(vector_of(it.value), want))
            return false;
    }
    return true;
}

/* The bytes do not depend on the machine's order. */
static void put_float(uint8_t to[FLOAT], float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    for (int i = 0; i < FLOAT; i++)
        to[i] = (uint8_t)(bits >> 8 * i);
}

static float get_float(const uint8_t from[FLOAT])
{
    uint32_t bits = 0;
    float f;
    for (int i = 0; i < FLOAT; i++)
        bits |= (uint32_t)from[i] << 8 * i;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static bool to_base64(struct buf *out, struct json_value numbers, struct buf *bytes)
{
    json_each(it, numbers)
    {
        /* by way of a double some numbers would be rounded twice; what follows ends the number */
        float f = json_is(it.value, JSON_NUMBER) ? strtof(json_raw(it.value).p, NULL) : INFINITY;
        uint8_t *to = (uint8_t *)buf_reserve(bytes, FLOAT);
        if (!to || !isfinite(f))
            return false;
        put_float(to, f);
        bytes->len += FLOAT;
    }
    buf_char(out, '"');
    base64_encode(out, bytes->p, bytes->len);
    return buf_char(out, '"');
}

static bool to_numbers(struct buf *out, struct str text, struct buf *bytes)
{
    struct json_writer w;
    if (!base64_decode(bytes, text) || bytes->len % FLOAT != 0)
        return false;
    json_begin(&w, out);
    json_array(&w);
    for (size_t i = 0; i < bytes->len; i += FLOAT) {
        float f = get_float((const uint8_t *)bytes->p + i);
        if (!isfinite(f))
            return false;
        json_put_real(&w, (double)f);
    }
    json_end(&w);
    return true;
}

/* No escape stands in base64 but "\/", which some write. */
static bool convert(struct buf *out, struct json_value v, bool base64, struct buf *bytes)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    buf_reset(bytes);
    bool good = base64 ? to_base64(out, v, bytes) : to_numbers(out, json_text(v, tmp), bytes);
    arena_rewind(tmp, mark);
    return good;
}

bool embedding_convert(struct buf *out, const struct json *answer, bool base64, struct err *e)
{
    enum json_type want = base64 ? JSON_STRING : JSON_ARRAY;
    struct str text = json_raw(json_root(answer));
    const char *at = text.p;
    struct buf bytes;
    bool good = true;
    buf_init(&bytes, 64 << 20);
    json_each(it, json_get(json_root(answer), "data"))
    {
        struct json_value v = vector_of(it.value);
        if (json_is(v, want))
            continue;
        struct str raw = json_raw(v);
        buf_add(out, str_span(at, raw.p));
        good = convert(out, v, base64, &bytes);
        if (!good)
            break;
        at = raw.p + raw.len;
    }
    buf_add(out, str_span(at, text.p + text.len));
    buf_fini(&bytes);
    return (good && buf_ok(out)) ||
           err_set(e, ERR_UPSTREAM, "the provider's embeddings are no vectors of 32-bit floats");
}
