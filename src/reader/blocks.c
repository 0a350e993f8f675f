#include "reader/blocks.h"

struct blocks_meta {
    struct blocks_meta *next;
    struct str name, value;
};

static const char *const kind_name[] = {
#define X(name, text) text,
    WIRE_KINDS(X)
#undef X
};

void blocks_init(struct blocks *b, struct arena *a, size_t max_result)
{
    *b = (struct blocks){.a = a};
    b->meta_end = &b->meta;
    buf_init(&b->out, max_result);
    json_begin(&b->w, &b->out);
    json_object(&b->w);
    json_key(&b->w, "blocks");
    json_array(&b->w);
}

void blocks_fini(struct blocks *b)
{
    buf_fini(&b->out);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_control(s.p[i]))
            return true;
    return false;
}

/* Line ends become "\n", other control characters a space. */
static struct str without_controls(struct arena *a, struct str s)
{
    char *p = arena_bytes(a, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '\r') {
            if (i + 1 < s.len && s.p[i + 1] == '\n')
                continue;
            c = '\n';
        } else if (is_control(c)) {
            c = ' ';
        }
        p[n++] = c;
    }
    return (struct str){p, n};
}

/* Blank lines in front and white space behind; the indentation of the first line stays in code. */
static struct str trim_block(struct str s, bool keep_indent)
{
    size_t start = 0;
    for (size_t i = 0; i < s.len && is_space(s.p[i]); i++)
        if (s.p[i] == '\n' || !keep_indent)
            start = i + 1;
    while (s.len > start && is_space(s.p[s.len - 1]))
        s.len--;
    return str_from_at(s, start);
}

void blocks_add(struct blocks *b, const struct block *blk)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct str text = blk->text;
    if (has_control(text))
        text = without_controls(tmp, text);
    text = trim_block(text, blk->kind == WIRE_CODE);
    if (text.len > 0) {
        json_object(&b->w);
        json_kv_text(&b->w, "kind", kind_name[blk->kind]);
        if (blk->level)
            json_kv_int(&b->w, "level", blk->level);
        if (blk->page)
            json_kv_int(&b->w, "page", blk->page);
        if (blk->line_start) {
            json_kv_int(&b->w, "line_start", blk->line_start);
            json_kv_int(&b->w, "line_end", blk->line_end);
        }
        json_kv_str(&b->w, "text", text);
        json_end(&b->w);
        b->n++;
    }
    arena_rewind(tmp, mark);
}

struct str blocks_fold(struct arena *a, struct str s)
{
    char *p = arena_bytes(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool nbsp = i + 1 < s.len && s.p[i] == '\xC2' && s.p[i + 1] == '\xA0';
        if (nbsp)
            i++;
        if (nbsp || is_space(s.p[i]) || is_control(s.p[i])) {
            if (n > 0 && p[n - 1] != ' ')
                p[n++] = ' ';
        } else {
            p[n++] = s.p[i];
        }
    }
    if (n > 0 && p[n - 1] == ' ')
        n--;
    return (struct str){p, n};
}

enum { FACT_MAX = 1000 }; /* bytes; a longer title is none */

static void set_once(struct blocks *b, struct str *fact, struct str value)
{
    if (fact->len == 0 && value.len <= FACT_MAX)
        *fact = blocks_fold(b->a, value);
}

void blocks_title(struct blocks *b, struct str title)
{
    set_once(b, &b->title, title);
}

void blocks_author(struct blocks *b, struct str author)
{
    set_once(b, &b->author, author);
}

void blocks_language(struct blocks *b, struct str tag)
{
    set_once(b, &b->language, tag);
}

void blocks_meta(struct blocks *b, struct str name, struct str value)
{
    value = blocks_fold(b->a, str_head(value, FACT_MAX));
    if (name.len == 0 || name.len > 64 || value.len == 0)
        return;
    size_t n = 0;
    for (struct blocks_meta *m = b->meta; m; m = m->next, n++)
        if (str_eq(m->name, name))
            return;
    if (n >= 64)
        return;
    struct blocks_meta *m = arena_struct(b->a, struct blocks_meta);
    *m = (struct blocks_meta){.name = arena_copy(b->a, name), .value = value};
    *b->meta_end = m;
    b->meta_end = &m->next;
}

static void put_fact(struct json_writer *w, const char *name, struct str value)
{
    if (value.len > 0)
        json_kv_str(w, name, value);
}

bool blocks_end(struct blocks *b, struct str *json, struct err *e)
{
    json_end(&b->w);
    put_fact(&b->w, "format", str_from(b->format));
    put_fact(&b->w, "title", b->title);
    put_fact(&b->w, "author", b->author);
    put_fact(&b->w, "language", b->language);
    if (b->pages)
        json_kv_int(&b->w, "pages", b->pages);
    json_key(&b->w, "meta");
    json_object(&b->w);
    for (struct blocks_meta *m = b->meta; m; m = m->next) {
        json_key_str(&b->w, m->name);
        json_put_str(&b->w, m->value);
    }
    json_end(&b->w);
    json_end(&b->w);
    if (!blocks_ok(b))
        return err_set(e, ERR_TOO_LARGE, "more than %zu KB of text", b->out.limit >> 10);
    *json = buf_str(&b->out);
    return true;
}

struct str blocks_error(struct blocks *b, const char *message)
{
    buf_reset(&b->out);
    json_begin(&b->w, &b->out);
    json_object(&b->w);
    json_kv_text(&b->w, "error", message);
    json_end(&b->w);
    return buf_str(&b->out);
}
