#include "reader/charset.h"
#include "reader/page.h"
#include "reader/readers.h"

/* ---- Text of a paragraph as it gathers ---- */

struct found { /* a block, not yet decided on */
    enum wire_kind kind;
    unsigned level;
    struct str text;
    bool linked; /* most of it is links */
    bool dropped;
};

struct html {
    struct arena *a;
    struct buf text; /* of the paragraph that is open */
    size_t link;     /* bytes of it inside links */
    unsigned in_link, in_quote;
    struct found *found;
    size_t n, cap;
    bool article;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void add_text(struct html *h, struct str s)
{
    size_t before = h->text.len;
    for (size_t i = 0; i < s.len; i++) {
        bool nbsp = i + 1 < s.len && s.p[i] == '\xC2' && s.p[i + 1] == '\xA0';
        if (nbsp)
            i++;
        if (!nbsp && !is_space(s.p[i]))
            buf_char(&h->text, s.p[i]);
        else if (h->text.len > 0 && !is_space(h->text.p[h->text.len - 1]))
            buf_char(&h->text, ' ');
    }
    if (h->in_link)
        h->link += h->text.len - before;
}

static void add_found(struct html *h, enum wire_kind kind, unsigned level, struct str text,
                      bool linked)
{
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 64;
        struct found *more = arena_array(h->a, struct found, cap);
        if (h->n)
            memcpy(more, h->found, h->n * sizeof(*more));
        h->found = more;
        h->cap = cap;
    }
    h->found[h->n++] = (struct found){kind, level, text, linked, false};
}

/* Ends the paragraph that is open. */
static void flush(struct html *h, enum wire_kind kind, unsigned level)
{
    struct str text = str_trim(buf_str(&h->text));
    if (text.len > 0) {
        if (kind == WIRE_PARA && h->in_quote)
            kind = WIRE_QUOTE;
        add_found(h, kind, level, arena_copy(h->a, text), h->link * 10 > text.len * 7);
    }
    buf_reset(&h->text);
    h->link = 0;
}

/* A line break; a second one ends the paragraph. */
static void add_break(struct html *h)
{
    while (h->text.len > 0 && h->text.p[h->text.len - 1] == ' ')
        h->text.len--;
    if (h->text.len > 0 && h->text.p[h->text.len - 1] == '\n')
        flush(h, WIRE_PARA, 0);
    else if (h->text.len > 0)
        buf_char(&h->text, '\n');
}

/* ---- Elements ---- */

static void walk(struct html *h, const struct dom_node *n);

static void walk_children(struct html *h, const struct dom_node *n)
{
    for (const struct dom_node *c = n->first; c; c = c->next)
        walk(h, c);
}

/* Whether something inside needs a block of its own. */
static bool holds(const struct dom_node *n, bool (*what)(enum dom_tag))
{
    for (const struct dom_node *c = n->first; c; c = c->next)
        if (!c->stat->drop && (what(c->tag) || holds(c, what)))
            return true;
    return false;
}

static bool is_big(enum dom_tag tag)
{
    return (tag >= DOM_H1 && tag <= DOM_H6) || tag == DOM_TABLE || tag == DOM_PRE ||
           tag == DOM_ARTICLE || tag == DOM_SECTION || tag == DOM_BLOCKQUOTE;
}

/* The text of an item or a cell on one line. */
static void add_inline(struct html *h, const struct dom_node *n)
{
    if (n->stat->drop)
        return;
    if (n->tag == DOM_TEXT)
        add_text(h, n->text);
    bool space = dom_flow(n->tag) == DOM_BLOCK || n->tag == DOM_BR;
    if (space)
        add_text(h, STR(" "));
    h->in_link += page_is_link(n);
    for (const struct dom_node *c = n->first; c; c = c->next)
        add_inline(h, c);
    h->in_link -= page_is_link(n);
    if (space)
        add_text(h, STR(" "));
}

static bool is_list(enum dom_tag tag)
{
    return tag == DOM_UL || tag == DOM_OL || tag == DOM_DL || tag == DOM_DIR;
}

static void end_line(struct html *h)
{
    while (h->text.len > 0 && h->text.p[h->text.len - 1] == ' ')
        h->text.len--;
    if (h->text.len > 0 && h->text.p[h->text.len - 1] != '\n')
        buf_char(&h->text, '\n');
}

static void add_items(struct html *h, const struct dom_node *list, unsigned depth)
{
    uint64_t number = 1;
    str_to_u64(dom_attr(list, "start"), &number);
    for (const struct dom_node *item = list->first; item; item = item->next) {
        if (item->stat->drop || item->stat->text == 0)
            continue;
        if (is_list(item->tag)) { /* a list as the child of a list */
            add_items(h, item, depth + 1);
            continue;
        }
        end_line(h);
        for (unsigned i = 0; i < depth && i < 8; i++)
            buf_add(&h->text, STR("  "));
        if (item->tag == DOM_LI && list->tag == DOM_OL)
            buf_printf(&h->text, "%llu. ", (unsigned long long)number++);
        else if (item->tag != DOM_DT)
            buf_add(&h->text, STR("- "));
        for (const struct dom_node *c = item->first; c; c = c->next)
            if (is_list(c->tag) && !c->stat->drop)
                add_items(h, c, depth + 1);
            else
                add_inline(h, c);
        if (item->tag == DOM_TEXT)
            add_inline(h, item);
    }
    end_line(h);
}

static void walk_list(struct html *h, const struct dom_node *n)
{
    if (holds(n, is_big)) { /* a list for layout */
        walk_children(h, n);
        return;
    }
    add_items(h, n, 0);
    flush(h, WIRE_LIST, 0);
}

static bool is_row_group(enum dom_tag tag)
{
    return tag == DOM_THEAD || tag == DOM_TBODY || tag == DOM_TFOOT;
}

static bool is_table(enum dom_tag tag)
{
    return tag == DOM_TABLE;
}

struct shape {
    size_t rows, columns; /* columns of the widest row */
    uint32_t longest;     /* text of a cell */
};

static void measure_rows(const struct dom_node *n, struct shape *s)
{
    for (const struct dom_node *c = n->first; c; c = c->next) {
        if (is_row_group(c->tag))
            measure_rows(c, s);
        if (c->tag != DOM_TR || c->stat->drop)
            continue;
        size_t cells = 0;
        for (const struct dom_node *cell = c->first; cell; cell = cell->next)
            if (cell->tag == DOM_TD || cell->tag == DOM_TH) {
                cells++;
                if (cell->stat->text > s->longest)
                    s->longest = cell->stat->text;
            }
        s->rows += cells > 0;
        s->columns = size_max(s->columns, cells);
    }
}

static void add_rows(struct html *h, const struct dom_node *n)
{
    for (const struct dom_node *c = n->first; c; c = c->next) {
        if (is_row_group(c->tag))
            add_rows(h, c);
        if (c->tag != DOM_TR || c->stat->drop || c->stat->text == 0)
            continue;
        end_line(h);
        buf_char(&h->text, '|');
        for (const struct dom_node *cell = c->first; cell; cell = cell->next)
            if (cell->tag == DOM_TD || cell->tag == DOM_TH) {
                add_text(h, STR(" "));
                add_inline(h, cell);
                add_text(h, STR(" "));
                buf_char(&h->text, '|');
            }
    }
}

static void walk_table(struct html *h, const struct dom_node *n)
{
    struct shape s = {0};
    measure_rows(n, &s);
    bool layout = s.columns < 2 || s.rows < 2 || s.longest > 1000 || holds(n, is_table);
    if (layout) {
        walk_children(h, n);
        return;
    }
    for (const struct dom_node *c = n->first; c; c = c->next)
        if (c->tag == DOM_CAPTION)
            walk(h, c);
    add_rows(h, n);
    flush(h, WIRE_TABLE, 0);
}

static void walk_pre(struct html *h, const struct dom_node *n)
{
    struct str code = dom_text(n, h->a);
    if (str_trim(code).len > 0)
        add_found(h, WIRE_CODE, 0, code, false);
}

static void walk_block(struct html *h, const struct dom_node *n)
{
    flush(h, WIRE_PARA, 0);
    switch (n->tag) {
    case DOM_H1:
    case DOM_H2:
    case DOM_H3:
    case DOM_H4:
    case DOM_H5:
    case DOM_H6:
        add_inline(h, n);
        flush(h, WIRE_HEADING, (unsigned)(n->tag - DOM_H1) + 1);
        break;
    case DOM_UL:
    case DOM_OL:
    case DOM_DL:
    case DOM_DIR: walk_list(h, n); break;
    case DOM_TABLE: walk_table(h, n); break;
    case DOM_PRE: walk_pre(h, n); break;
    case DOM_BLOCKQUOTE:
        h->in_quote++;
        walk_children(h, n);
        flush(h, WIRE_PARA, 0);
        h->in_quote--;
        break;
    default: walk_children(h, n); break;
    }
    flush(h, WIRE_PARA, 0);
}

static void walk(struct html *h, const struct dom_node *n)
{
    if (n->stat->drop)
        return;
    if (h->article && n->tag == DOM_FIGCAPTION)
        return;
    if (n->tag == DOM_TEXT)
        add_text(h, n->text);
    else if (n->tag == DOM_BR)
        add_break(h);
    else if (dom_flow(n->tag) == DOM_BLOCK)
        walk_block(h, n);
    else {
        h->in_link += page_is_link(n);
        walk_children(h, n);
        h->in_link -= page_is_link(n);
    }
}

/* ---- What does not belong, seen among its neighbours ---- */

static bool ends_sentence(struct str s)
{
    static const struct str end[] = {{".", 1},
                                     {"!", 1},
                                     {"?", 1},
                                     {"\"", 1},
                                     {":", 1},
                                     {")", 1},
                                     {";", 1},
                                     {"\xE2\x80\x9D", 3},
                                     {"\xE2\x80\xA6", 3},
                                     {"\xE3\x80\x82", 3}};
    for (size_t i = 0; i < COUNT(end); i++)
        if (str_ends(s, end[i]))
            return true;
    return false;
}

/* In an article: lists and lines of links, what is short and no sentence before the first or behind
 * the last paragraph, headings with nothing under them. */
static void sift(struct html *h)
{
    struct found *f = h->found;
    size_t first = h->n, last = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (f[i].linked && f[i].text.len < 400)
            f[i].dropped = true;
        bool solid = f[i].kind == WIRE_TABLE || f[i].kind == WIRE_CODE ||
                     (f[i].text.len >= 80 && f[i].kind != WIRE_HEADING) ||
                     (f[i].kind == WIRE_PARA && f[i].text.len >= 25 && ends_sentence(f[i].text));
        if (!f[i].dropped && solid) {
            first = first < i ? first : i;
            last = i;
        }
    }
    for (size_t i = 0; i < h->n; i++)
        if ((i < first || i > last) && f[i].kind != WIRE_HEADING)
            f[i].dropped = true;
    unsigned under = 0; /* level of the heading that comes next; 0: text comes next */
    bool end = true;
    for (size_t i = h->n; i-- > 0;) {
        if (f[i].dropped)
            continue;
        if (f[i].kind != WIRE_HEADING) {
            under = 0;
            end = false;
        } else if (end || (under && under <= f[i].level && f[i].level > 1)) {
            f[i].dropped = true;
        } else {
            under = f[i].level;
        }
    }
}

/* ---- Facts of the page ---- */

static void read_meta(struct blocks *b, const struct dom_node *n)
{
    struct str name = dom_attr(n, "property"), value = dom_attr(n, "content");
    if (name.len == 0)
        name = dom_attr(n, "name");
    if (name.len == 0)
        name = dom_attr(n, "itemprop");
    static const struct {
        const char *name, *meta; /* meta: NULL for the title, "" for the author */
    } known[] = {
        {"og:title", NULL},
        {"twitter:title", NULL},
        {"dc.title", NULL},
        {"author", ""},
        {"article:author", ""},
        {"dc.creator", ""},
        {"article:published_time", "date"},
        {"date", "date"},
        {"dc.date", "date"},
        {"datepublished", "date"},
        {"article:modified_time", "modified"},
        {"description", "description"},
        {"og:description", "description"},
        {"og:site_name", "site"},
        {"keywords", "keywords"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        if (!str_ieq(str_from(known[i].name), name))
            continue;
        if (!known[i].meta)
            blocks_title(b, value);
        else if (known[i].meta[0])
            blocks_meta(b, str_from(known[i].meta), value);
        else if (!str_istarts(value, STR("http")))
            blocks_author(b, value);
    }
}

/* A name, an object with one, or a list of them: the first. */
static struct str linked_name(struct json_value v, struct arena *a)
{
    if (json_is(v, JSON_ARRAY))
        v = json_at(v, 0);
    return json_text(json_is(v, JSON_OBJECT) ? json_get(v, "name") : v, a);
}

static void read_thing(struct blocks *b, struct json_value v)
{
    struct json_value headline = json_get(v, "headline");
    if (!json_exists(headline))
        return;
    blocks_title(b, json_text(headline, b->a));
    blocks_author(b, linked_name(json_get(v, "author"), b->a));
    blocks_meta(b, STR("date"), json_text(json_get(v, "datePublished"), b->a));
    blocks_meta(b, STR("modified"), json_text(json_get(v, "dateModified"), b->a));
}

/* What a page says of its article to search engines (JSON-LD, schema.org): a thing, or a list. */
static void read_script(struct blocks *b, const struct dom_node *n)
{
    struct json doc;
    struct err e;
    if (!json_parse(&doc, b->a, str_trim(dom_text(n, b->a)), 0, &e))
        return; /* what search engines cannot read either */
    struct json_value root = json_root(&doc), list = json_get(root, "@graph");
    if (!json_exists(list))
        list = root;
    read_thing(b, root);
    if (json_is(list, JSON_ARRAY))
        json_each(it, list) read_thing(b, it.value);
}

static void read_facts(struct blocks *b, const struct dom_node *n)
{
    if (n->tag == DOM_SCRIPT)
        read_script(b, n);
    if (n->tag == DOM_META)
        read_meta(b, n);
    if (n->tag == DOM_TIME && dom_attr(n, "datetime").len > 0)
        blocks_meta(b, STR("date"), dom_attr(n, "datetime"));
    if (n->tag == DOM_HTML)
        blocks_language(b, dom_attr(n, "lang"));
    for (const struct dom_node *c = n->first; c; c = c->next)
        read_facts(b, c);
}

/* The encoding that a <meta> in the first part of the page names; "" when none does. */
static struct str declared_charset(struct str bytes)
{
    struct str head = str_head(bytes, 4096);
    for (size_t i = 0; i + 8 < head.len; i++) {
        struct str s = str_from_at(head, i);
        if (!str_istarts(s, STR("charset")))
            continue;
        s = str_trim(str_from_at(s, 7));
        if (s.len == 0 || s.p[0] != '=')
            continue;
        s = str_trim(str_from_at(s, 1));
        size_t start = s.len && (s.p[0] == '"' || s.p[0] == '\''), n = start;
        while (n < s.len && n < 40 && !is_space(s.p[n]) && !strchr("\"'/>;", s.p[n]))
            n++;
        return (struct str){s.p + start, n - start};
    }
    return STR_NONE;
}

/* ---- The whole ---- */

void html_prepare(void)
{
    dom_prepare();
}

static void walk_page(struct html *h, const struct page *p)
{
    h->article = p->article;
    if (p->article && p->root->parent) {
        for (const struct dom_node *c = p->root->parent->first; c; c = c->next)
            if (page_belongs(p, c))
                walk_block(h, c);
    } else {
        walk_block(h, p->root);
    }
    if (p->article)
        sift(h);
}

bool html_read(struct blocks *b, struct str bytes, struct err *e)
{
    struct str text;
    if (!charset_decode(&text, b->a, bytes, declared_charset(bytes)))
        return err_set(e, ERR_MEDIA, "unsupported format");
    struct dom_node *top = dom_parse(b->a, text);
    read_facts(b, top);
    struct dom_node *title = dom_find(top, DOM_TITLE);
    if (title)
        blocks_title(b, dom_text(title, b->a));

    struct html h = {.a = b->a};
    buf_init(&h.text, b->out.limit);
    struct page p = page_judge(top, b->a);
    walk_page(&h, &p);
    buf_fini(&h.text);
    for (size_t i = 0; i < h.n && blocks_ok(b); i++)
        if (!h.found[i].dropped)
            blocks_add(b, &(struct block){.kind = h.found[i].kind,
                                          .level = h.found[i].level,
                                          .text = h.found[i].text});
    return true;
}

struct str html_text(struct arena *a, struct str fragment)
{
    struct dom_node *top = dom_parse(a, fragment);
    struct html h = {.a = a};
    buf_init(&h.text, fragment.len * 2 + 16);
    struct page p = page_judge(top, a);
    add_inline(&h, p.root);
    struct str text = arena_copy(a, str_trim(buf_str(&h.text)));
    buf_fini(&h.text);
    return text;
}
