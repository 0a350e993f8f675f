#include "index/rights.h"
#include "index/attribute.h"

const struct rights rights_all = {.everything = true};

static const struct rights nobody;

struct list {
    struct json_value users, groups;
    bool readable;
};

static struct list read_list(struct json *j, struct str access, struct arena *a)
{
    struct list l = {0};
    l.readable =
        !access.len || (json_parse(j, a, access, 0, NULL) && json_is(json_root(j), JSON_OBJECT));
    if (access.len && l.readable) {
        l.users = json_get(json_root(j), "users");
        l.groups = json_get(json_root(j), "groups");
    }
    return l;
}

bool rights_is_open(struct str access)
{
    if (!access.len)
        return true;
    struct arena *a = arena_new();
    struct json j;
    struct list l = read_list(&j, access, a);
    bool open = l.readable && json_count(l.users) == 0 && json_count(l.groups) == 0;
    arena_free(a);
    return open;
}

static bool in_groups(const struct rights *r, struct json_value name)
{
    for (size_t i = 0; i < r->n_groups; i++)
        if (json_text_is_str(name, r->group[i]))
            return true;
    return false;
}

bool rights_allow(const struct rights *r, struct str access)
{
    r = r ? r : &nobody;
    if (r->everything || rights_is_open(access))
        return true;
    struct arena *a = arena_new();
    struct json j;
    struct list l = read_list(&j, access, a);
    bool may = false;
    json_each(it, l.users) may |= r->user.len && json_text_is_str(it.value, r->user);
    json_each(it, l.groups) may |= in_groups(r, it.value);
    arena_free(a);
    return may;
}

void rights_each(struct str access, struct arena *a, void (*fn)(void *ctx, struct str who),
                 void *ctx)
{
    struct json j;
    struct list l = read_list(&j, access, a);
    json_each(it, l.users) fn(ctx, arena_printf(a, "u:%.*s", STR_FMT(json_text(it.value, a))));
    json_each(it, l.groups) fn(ctx, arena_printf(a, "g:%.*s", STR_FMT(json_text(it.value, a))));
    if (!l.readable)
        fn(ctx, STR_NONE);
}

static void may_read(const struct attribute_column *c, struct str who, uint64_t *may)
{
    bool there;
    uint32_t place = attribute_place(c, who, &there);
    for (uint32_t i = 0; there && i < c->n; i++)
        if (c->text[i] == place)
            may[c->row[i] / 64] |= UINT64_C(1) << c->row[i] % 64;
}

/* Documents with a list stay only when it names the caller. */
static void apply_block(const struct attribute_block *b, const struct str *who, size_t n,
                        uint64_t *bits)
{
    struct attribute_column c;
    uint64_t may[ATTRIBUTE_WORDS] = {0};
    if (attribute_column(b, STR_NONE, ATTRIBUTE_ACCESS, &c))
        for (size_t i = 0; i < n; i++)
            may_read(&c, who[i], may);
    for (uint32_t i = 0; i < ATTRIBUTE_WORDS; i++)
        bits[i] &= ~attribute_restricted(b)[i] | may[i];
}

void rights_apply(const struct rights *r, const struct attributes *v, struct docset *set)
{
    r = r ? r : &nobody;
    if (r->everything || attributes_restricted(v) == 0)
        return;
    CHECK(set->room == attributes_room(v));
    struct arena *a = arena_new();
    struct str *who = arena_array(a, struct str, r->n_groups + 1);
    size_t n = 0;
    if (r->user.len)
        who[n++] = arena_printf(a, "u:%.*s", STR_FMT(r->user));
    for (size_t i = 0; i < r->n_groups; i++)
        who[n++] = arena_printf(a, "g:%.*s", STR_FMT(r->group[i]));
    for (uint32_t i = 0; i < attributes_blocks(v); i++)
        apply_block(attributes_block(v, i), who, n, set->bits + (size_t)i * ATTRIBUTE_WORDS);
    arena_free(a);
}

/* ---- Reading what clients say ---- */

static bool good_name(struct str name)
{
    bool good = name.len > 0 && name.len <= RIGHTS_NAME_MAX;
    for (size_t i = 0; good && i < name.len; i++)
        good = (unsigned char)name.p[i] >= 0x20 && name.p[i] != ',' && name.p[i] != 0x7f;
    return good;
}

static bool bad_name(struct err *e)
{
    return err_param(e, ERR_INVALID, "access",
                     "a user or group is a text of 1 to %d bytes without commas", RIGHTS_NAME_MAX);
}

static bool put_names(struct json_writer *w, const char *key, struct json_value list,
                      struct arena *a, struct err *e)
{
    if (!json_exists(list) || json_is(list, JSON_NULL))
        return true;
    if (!json_is(list, JSON_ARRAY) || json_count(list) > RIGHTS_MAX)
        return err_param(e, ERR_INVALID, "access", "'%s' must be a list of at most %d names", key,
                         RIGHTS_MAX);
    if (!json_count(list))
        return true;
    json_key(w, key);
    json_array(w);
    json_each(it, list)
    {
        struct str name = json_text(it.value, a);
        if (!good_name(name))
            return bad_name(e);
        json_put_str(w, name);
    }
    json_end(w);
    return true;
}

bool rights_parse(struct json_value v, struct arena *a, struct str *out, struct err *e)
{
    *out = STR_NONE;
    if (!json_exists(v) || json_is(v, JSON_NULL))
        return true;
    bool known = json_is(v, JSON_OBJECT);
    json_each(it, v) known =
        known && (str_eq(it.name, STR("users")) || str_eq(it.name, STR("groups")));
    if (!known)
        return err_param(e, ERR_INVALID, "access",
                         "'access' must be an object with the lists 'users' and 'groups'");
    struct json_writer w;
    struct buf b;
    buf_init(&b, 1 << 20);
    json_begin(&w, &b);
    json_object(&w);
    bool good = put_names(&w, "users", json_get(v, "users"), a, e) &&
                put_names(&w, "groups", json_get(v, "groups"), a, e);
    if (good) {
        json_end(&w);
        *out = arena_copy(a, buf_str(&b));
    }
    buf_fini(&b);
    return good;
}

static void put_words(struct json_writer *w, const char *key, struct str words, struct str prefix)
{
    struct str word;
    json_key(w, key);
    json_array(w);
    while (str_split(&words, ',', &word))
        if (str_starts(str_trim(word), prefix))
            json_put_str(w, str_from_at(str_trim(word), prefix.len));
    json_end(w);
}

bool rights_parse_words(struct str words, struct arena *a, struct str *out, struct err *e)
{
    struct str rest = words, word;
    if (str_eq(str_trim(words), STR("everyone"))) {
        *out = STR("{}");
        return true;
    }
    while (str_split(&rest, ',', &word)) {
        word = str_trim(word);
        if (!str_starts(word, STR("user:")) && !str_starts(word, STR("group:")))
            return err_param(e, ERR_INVALID, "access",
                             "'%.*s' is neither user:NAME nor group:NAME nor everyone",
                             STR_FMT(str_head(word, 80)));
    }
    struct json_writer w;
    struct buf b;
    struct json j;
    buf_init(&b, 1 << 20);
    json_begin(&w, &b);
    json_object(&w);
    put_words(&w, "users", words, STR("user:"));
    put_words(&w, "groups", words, STR("group:"));
    json_end(&w);
    bool good = json_parse(&j, a, arena_copy(a, buf_str(&b)), 0, e) &&
                rights_parse(json_root(&j), a, out, e);
    buf_fini(&b);
    return good;
}

void rights_key(const struct rights *r, struct buf *out)
{
    r = r ? r : &nobody;
    if (r->everything) {
        buf_char(out, '*');
        return;
    }
    buf_printf(out, "%zu:%.*s", r->user.len, STR_FMT(r->user));
    for (size_t i = 0; i < r->n_groups; i++)
        buf_printf(out, ",%zu:%.*s", r->group[i].len, STR_FMT(r->group[i]));
}
