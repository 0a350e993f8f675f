#include "reader/charset.h"
#include "reader/readers.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>

/* ---- Front matter ---- */

/* "value" or 'value' without its quotes; a trailing comment stays, since '#' may be text. */
static struct str unquote(struct str s)
{
    s = str_trim(s);
    if (s.len >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.len - 1] == s.p[0])
        s = (struct str){s.p + 1, s.len - 2};
    return s;
}

/* [a, "b"] as "a, b". */
static struct str flow_list(struct arena *a, struct str s)
{
    if (s.len < 2 || s.p[0] != '[' || s.p[s.len - 1] != ']')
        return unquote(s);
    struct str rest = {s.p + 1, s.len - 2}, item, out = STR_NONE;
    while (str_split(&rest, ',', &item))
        out = out.len ? arena_printf(a, "%.*s, %.*s", STR_FMT(out), STR_FMT(unquote(item)))
                      : unquote(item);
    return out;
}

static void add_fact(struct blocks *b, struct str key, struct str value)
{
    if (value.len == 0)
        return;
    if (str_ieq(key, STR("title")))
        blocks_title(b, value);
    else if (str_ieq(key, STR("author")) || str_ieq(key, STR("authors")))
        blocks_author(b, value);
    else if (str_ieq(key, STR("lang")) || str_ieq(key, STR("language")))
        blocks_language(b, value);
    else
        blocks_meta(b, key, value);
}

enum { FACTS_MAX = 8192 }; /* bytes: front matter is a card, not a document */

/* Top-level "key: value" (or "key = value") lines; "- item" lines under a key become a list. What
 * is nested deeper is left out. */
static void read_facts(struct blocks *b, struct str card, char sep)
{
    struct str line, key = STR_NONE, value = STR_NONE;
    while (str_split(&card, '\n', &line)) {
        struct str text = str_trim(line);
        if (str_starts(text, STR("- "))) {
            struct str item = unquote(str_from_at(text, 2));
            if (value.len < FACTS_MAX)
                value = value.len ? arena_printf(b->a, "%.*s, %.*s", STR_FMT(value), STR_FMT(item))
                                  : item;
            continue;
        }
        size_t at = str_find_char(line, sep);
        if (text.len == 0 || text.p[0] == '#' || line.p[0] == ' ' || line.p[0] == '\t' ||
            at == STR_NPOS)
            continue;
        add_fact(b, key, value);
        key = str_trim(str_head(line, at));
        value = flow_list(b->a, str_trim(str_from_at(line, at + 1)));
    }
    add_fact(b, key, value);
}

/* Takes the card between two fences off the front; returns how many lines that were. */
static uint32_t take_front_matter(struct blocks *b, struct str *text)
{
    bool toml = str_starts(*text, STR("+++"));
    struct str fence = toml ? STR("+++") : STR("---"), rest = *text, line;
    if (!str_split(&rest, '\n', &line) || !str_eq(str_trim(line), fence))
        return 0;
    const char *start = rest.p;
    for (uint32_t n = 2; str_split(&rest, '\n', &line); n++) {
        bool end = str_eq(str_trim(line), fence) || (!toml && str_eq(str_trim(line), STR("...")));
        if (!end && (size_t)(line.p - start) < FACTS_MAX)
            continue;
        if (!end)
            return 0;
        read_facts(b, str_span(start, line.p), toml ? '=' : ':');
        *text = rest.p ? rest : STR("");
        return n;
    }
    return 0;
}

/* ---- Inline text ---- */

/* Obsidian's [[target|label]], [[target#heading]] and ![[embedded]] become what a reader sees;
 * %%comments%% go. */
static void add_obsidian(struct buf *out, struct str s)
{
    while (s.len > 0) {
        size_t link = str_find(s, STR("[[")), note = str_find(s, STR("%%"));
        size_t at = link < note ? link : note;
        struct str open = str_from_at(s, at == STR_NPOS ? s.len : at + 2);
        size_t end = str_find(open, at == link ? STR("]]") : STR("%%"));
        if (at == STR_NPOS || end == STR_NPOS)
            break;
        size_t before = at == link && at > 0 && s.p[at - 1] == '!' ? at - 1 : at;
        buf_add(out, str_head(s, before));
        if (at == link) {
            struct str inside = str_head(open, end);
            size_t bar = str_rfind_char(inside, '|');
            buf_add(out, bar == STR_NPOS ? inside : str_from_at(inside, bar + 1));
        }
        s = str_from_at(open, end + 2);
    }
    buf_add(out, s);
}

static void add_inline(struct buf *out, cmark_node *node)
{
    struct str literal = str_from(cmark_node_get_literal(node));
    switch (cmark_node_get_type(node)) {
    case CMARK_NODE_TEXT: add_obsidian(out, literal); break;
    case CMARK_NODE_CODE: buf_add(out, literal); break;
    case CMARK_NODE_HTML_INLINE: /* a single tag */
        if (str_istarts(literal, STR("<br")))
            buf_char(out, '\n');
        break;
    case CMARK_NODE_SOFTBREAK:
    case CMARK_NODE_LINEBREAK: buf_char(out, '\n'); break;
    default: break;
    }
}

/* ---- Blocks ---- */

enum { DEEP = 16 }; /* lists nested deeper are shown at this depth, with bullets */

struct walk {
    struct blocks *b;
    struct buf text; /* of the block that is open */
    struct block blk;
    uint32_t lines_before;  /* front matter */
    unsigned lists, quotes; /* how many are open around */
    int number[DEEP];       /* of the next item, per open list; 0 in bullet lists */
};

static void open_block(struct walk *w, cmark_node *node, enum wire_kind kind)
{
    buf_reset(&w->text);
    w->blk = (struct block){
        .kind = kind,
        .line_start = (uint32_t)cmark_node_get_start_line(node) + w->lines_before,
        .line_end = (uint32_t)cmark_node_get_end_line(node) + w->lines_before,
    };
    if (w->blk.line_end < w->blk.line_start) /* a document that ends inside the block */
        w->blk.line_end = w->blk.line_start;
}

static void close_block(struct walk *w)
{
    w->blk.text = buf_str(&w->text);
    blocks_add(w->b, &w->blk);
}

static bool is_container(const struct walk *w)
{
    return w->lists > 0 || w->quotes > 0;
}

static void start_item(struct walk *w)
{
    if (w->text.len > 0 && w->text.p[w->text.len - 1] != '\n')
        buf_char(&w->text, '\n');
    for (unsigned i = 1; i < w->lists && i < DEEP; i++)
        buf_add(&w->text, STR("  "));
    int *number = w->lists <= DEEP ? &w->number[w->lists - 1] : NULL;
    if (number && *number > 0)
        buf_printf(&w->text, "%d. ", (*number)++);
    else
        buf_add(&w->text, STR("- "));
}

/* Tables, their rows and cells are types of an extension, known by name. */
static bool walk_table(struct walk *w, cmark_node *node, bool enter)
{
    const char *type = cmark_node_get_type_string(node);
    if (strcmp(type, "table") == 0) {
        if (!is_container(w) && enter)
            open_block(w, node, WIRE_TABLE);
        else if (!is_container(w))
            close_block(w);
    } else if (strcmp(type, "table_row") == 0 || strcmp(type, "table_header") == 0) {
        if (enter)
            buf_add(&w->text, w->text.len > 0 ? STR("\n|") : STR("|"));
    } else if (strcmp(type, "table_cell") == 0) {
        buf_add(&w->text, enter ? STR(" ") : STR(" |"));
    } else {
        return false;
    }
    return true;
}

/* A leaf stands alone, or adds its text to the list or quote that is open around it. */
static void walk_leaf(struct walk *w, cmark_node *node, bool enter, enum wire_kind kind)
{
    if (is_container(w)) {
        bool item_start = w->text.len > 0 && w->text.p[w->text.len - 1] == ' ';
        if (enter && w->text.len > 0 && !item_start)
            buf_char(&w->text, '\n');
    } else if (enter) {
        open_block(w, node, kind);
        if (kind == WIRE_HEADING)
            w->blk.level = (unsigned)cmark_node_get_heading_level(node);
    } else {
        close_block(w);
    }
}

static void walk_container(struct walk *w, cmark_node *node, bool enter, enum wire_kind kind)
{
    unsigned *open = kind == WIRE_LIST ? &w->lists : &w->quotes;
    if (enter && !is_container(w))
        open_block(w, node, kind);
    *open += enter ? 1u : -1u;
    if (enter && kind == WIRE_LIST && w->lists <= DEEP)
        w->number[w->lists - 1] = cmark_node_get_list_start(node);
    if (!enter && !is_container(w))
        close_block(w);
}

static void walk_literal(struct walk *w, cmark_node *node, enum wire_kind kind)
{
    struct str text = str_from(cmark_node_get_literal(node));
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    if (kind != WIRE_CODE)
        text = html_text(tmp, text);
    walk_leaf(w, node, true, kind);
    buf_add(&w->text, text);
    if (!is_container(w))
        close_block(w);
    arena_rewind(tmp, mark);
}

static void walk_node(struct walk *w, cmark_node *node, cmark_event_type ev)
{
    bool enter = ev == CMARK_EVENT_ENTER;
    switch (cmark_node_get_type(node)) {
    case CMARK_NODE_HEADING: walk_leaf(w, node, enter, WIRE_HEADING); break;
    case CMARK_NODE_PARAGRAPH: walk_leaf(w, node, enter, WIRE_PARA); break;
    case CMARK_NODE_CODE_BLOCK: walk_literal(w, node, WIRE_CODE); break;
    case CMARK_NODE_HTML_BLOCK: walk_literal(w, node, WIRE_PARA); break;
    case CMARK_NODE_LIST: walk_container(w, node, enter, WIRE_LIST); break;
    case CMARK_NODE_BLOCK_QUOTE: walk_container(w, node, enter, WIRE_QUOTE); break;
    case CMARK_NODE_ITEM:
        if (enter)
            start_item(w);
        break;
    default:
        if (!walk_table(w, node, enter) && enter)
            add_inline(&w->text, node);
    }
}

/* ---- The whole ---- */

static const char *const extension_names[] = {"table", "strikethrough", "autolink", "tasklist"};

void markdown_prepare(void)
{
    cmark_gfm_core_extensions_ensure_registered();
}

bool markdown_read(struct blocks *b, struct str bytes, struct err *e)
{
    struct str text;
    if (!charset_decode(&text, b->a, bytes, STR_NONE))
        return err_set(e, ERR_MEDIA, "unsupported format");
    struct walk w = {.b = b};
    w.lines_before = take_front_matter(b, &text);

    cmark_parser *parser = cmark_parser_new(CMARK_OPT_FOOTNOTES);
    for (size_t i = 0; i < COUNT(extension_names); i++) {
        cmark_syntax_extension *ext = cmark_find_syntax_extension(extension_names[i]);
        if (ext)
            cmark_parser_attach_syntax_extension(parser, ext);
    }
    cmark_parser_feed(parser, text.p ? text.p : "", text.len);
    cmark_node *root = cmark_parser_finish(parser);
    cmark_consolidate_text_nodes(root);

    buf_init(&w.text, b->out.limit);
    cmark_iter *it = cmark_iter_new(root);
    for (cmark_event_type ev; blocks_ok(b) && (ev = cmark_iter_next(it)) != CMARK_EVENT_DONE;)
        walk_node(&w, cmark_iter_get_node(it), ev);
    cmark_iter_free(it);
    buf_fini(&w.text);
    cmark_node_free(root);
    cmark_parser_free(parser);
    return true;
}
