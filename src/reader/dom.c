#include "reader/dom.h"

#include "base/buf.h"

#include <libxml/HTMLparser.h>

static const struct {
    const char *name;
    enum dom_flow flow;
} tags[] = {{"", DOM_INLINE},
            {"", DOM_INLINE},
#define X(name, text, flow) {text, DOM_##flow},
            DOM_TAGS(X)
#undef X
};

/* By halving: DOM_TAGS is sorted. */
static enum dom_tag tag_of(const char *name)
{
    size_t low = DOM_OTHER + 1, high = DOM_TAG_COUNT;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int cmp = strcmp(name, tags[mid].name);
        if (cmp == 0)
            return (enum dom_tag)mid;
        if (cmp < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return DOM_OTHER;
}

enum dom_flow dom_flow(enum dom_tag tag)
{
    return tags[tag].flow;
}

/* ---- Building ---- */

struct build {
    struct arena *a;
    struct dom_node *at; /* the element that is open */
    unsigned depth;      /* of open elements, those without a node included */
    unsigned skip;       /* depth of the script or style that is open; 0: none */
};

static struct dom_node *append(struct build *b, enum dom_tag tag)
{
    struct dom_node *n = arena_struct(b->a, struct dom_node), *parent = b->at;
    n->tag = tag;
    n->parent = parent;
    if (parent->last)
        parent->last->next = n;
    else
        parent->first = n;
    parent->last = n;
    return n;
}

static bool keeps_attr(const char *name)
{
    static const char *const kept[] = {"class",    "id",       "role",        "style",    "hidden",
                                       "lang",     "name",     "aria-hidden", "property", "content",
                                       "itemprop", "datetime", "type",        "href",     "start"};
    for (size_t i = 0; i < COUNT(kept); i++)
        if (strcmp(kept[i], name) == 0)
            return true;
    return false;
}

static void add_attrs(struct build *b, struct dom_node *n, const xmlChar **attr)
{
    for (; attr && attr[0]; attr += 2) {
        const char *name = (const char *)attr[0], *value = (const char *)attr[1];
        if (!keeps_attr(name))
            continue;
        struct dom_attr *a = arena_struct(b->a, struct dom_attr);
        a->name = arena_copy(b->a, str_from(name));
        a->value = arena_copy(b->a, str_from(value));
        a->next = n->attr;
        n->attr = a;
    }
}

static void start_element(void *ctx, const xmlChar *name, const xmlChar **attr)
{
    struct build *b = ctx;
    b->depth++;
    if (b->skip || b->depth >= DOM_DEPTH)
        return;
    enum dom_tag tag = tag_of((const char *)name);
    struct dom_node *n = append(b, tag);
    add_attrs(b, n, attr);
    b->at = n;
    bool data = tag == DOM_SCRIPT && str_eq(dom_attr(n, "type"), STR("application/ld+json"));
    if ((tag == DOM_SCRIPT && !data) || strcmp((const char *)name, "style") == 0)
        b->skip = b->depth;
}

static void end_element(void *ctx, const xmlChar *name)
{
    struct build *b = ctx;
    (void)name;
    if (b->skip == b->depth)
        b->skip = 0;
    if (b->depth < DOM_DEPTH && !b->skip && b->at->parent)
        b->at = b->at->parent;
    b->depth--;
}

static void add_text(void *ctx, const xmlChar *text, int len)
{
    struct build *b = ctx;
    if (b->skip || len <= 0)
        return;
    struct dom_node *n = append(b, DOM_TEXT);
    n->text = arena_copy(b->a, (struct str){(const char *)text, (size_t)len});
}

/* What a browser that runs scripts does not read. The parser would, and one <noscript> with an
 * element left open swallows the page. */
static struct str without_noscript(struct arena *a, struct str text)
{
    static const struct str open = {"<noscript", 9}, close = {"</noscript", 10};
    char *p = NULL;
    size_t n = 0, from = 0;
    for (size_t at = 0; at < text.len; at++) {
        const char *lt = memchr(text.p + at, '<', text.len - at);
        if (!lt)
            break;
        at = (size_t)(lt - text.p);
        if (!str_istarts(str_from_at(text, at), open))
            continue;
        size_t end = at;
        while (end < text.len && !str_istarts(str_from_at(text, end), close))
            end++;
        if (end == text.len) /* never closed: text like any other */
            break;
        p = p ? p : arena_bytes(a, text.len);
        memcpy(p + n, text.p + from, at - from);
        n += at - from;
        while (end < text.len && text.p[end] != '>')
            end++;
        from = at = size_min(end + 1, text.len);
        at--;
    }
    if (!p)
        return text;
    memcpy(p + n, text.p + from, text.len - from);
    return (struct str){p, n + text.len - from};
}

struct dom_node *dom_parse(struct arena *a, struct str text)
{
    text = without_noscript(a, text);
    struct build b = {.a = a, .at = arena_struct(a, struct dom_node)};
    struct dom_node *top = b.at;
    top->tag = DOM_OTHER;
    htmlSAXHandler sax = {.startElement = start_element,
                          .endElement = end_element,
                          .characters = add_text,
                          .cdataBlock = add_text,
                          .ignorableWhitespace = add_text};
    htmlParserCtxt *ctx = htmlCreatePushParserCtxt(&sax, &b, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
    htmlCtxtUseOptions(ctx, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
    if (str_starts(str_trim(text), STR("</"))) /* with this in front the parser sees nothing */
        htmlParseChunk(ctx, "<html>", 6, 0);
    /* in pieces, because the parser counts in int */
    enum { PIECE = 1 << 20 };
    while (text.len > PIECE) {
        htmlParseChunk(ctx, text.p, PIECE, 0);
        text = str_from_at(text, PIECE);
    }
    htmlParseChunk(ctx, text.p ? text.p : "", (int)text.len, 1);
    if (ctx->myDoc)
        xmlFreeDoc(ctx->myDoc);
    htmlFreeParserCtxt(ctx);
    return top;
}

void dom_prepare(void)
{
    xmlInitParser();
}

/* ---- Looking ---- */

struct str dom_attr(const struct dom_node *n, const char *name)
{
    for (const struct dom_attr *a = n->attr; a; a = a->next)
        if (str_eq(a->name, str_from(name)))
            return a->value;
    return STR_NONE;
}

struct dom_node *dom_find(struct dom_node *n, enum dom_tag tag)
{
    if (n->tag == tag)
        return n;
    for (struct dom_node *c = n->first; c; c = c->next) {
        struct dom_node *found = dom_find(c, tag);
        if (found)
            return found;
    }
    return NULL;
}

static void gather_text(const struct dom_node *n, struct buf *out)
{
    if (n->tag == DOM_TEXT)
        buf_add(out, n->text);
    for (const struct dom_node *c = n->first; c; c = c->next)
        gather_text(c, out);
}

struct str dom_text(const struct dom_node *n, struct arena *a)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    gather_text(n, &text);
    struct str s = arena_copy(a, buf_str(&text));
    buf_fini(&text);
    return s;
}
