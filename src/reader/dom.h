/* dom.h - a web page as a tree of our own: elements we know by number, text, few attributes.
 *
 * Parsed by libxml2's HTML parser, which mends what is broken. Nesting ends at DOM_DEPTH: what is
 * deeper hangs at that depth, so that whoever walks the tree may recurse. Scripts, styles and
 * comments are not in the tree; a script of type application/ld+json is.
 *
 * Memory:  all in the arena; names and text are copied.
 * Threads: a process of one thread.
 */
#pragma once

#include "base/arena.h"

enum { DOM_DEPTH = 200 };

/* What elements do to the text around them. */
enum dom_flow {
    DOM_INLINE, /* part of a line */
    DOM_BLOCK,  /* begins and ends a paragraph */
    DOM_NONE,   /* never content: controls, frames, drawings */
};

/* clang-format off */
#define DOM_TAGS(X) \
    X(A, "a", INLINE) X(ABBR, "abbr", INLINE) X(ADDRESS, "address", BLOCK) X(APPLET, "applet", NONE) \
    X(ARTICLE, "article", BLOCK) X(ASIDE, "aside", BLOCK) X(AUDIO, "audio", NONE) X(B, "b", INLINE) \
    X(BLOCKQUOTE, "blockquote", BLOCK) X(BODY, "body", BLOCK) X(BR, "br", INLINE) \
    X(BUTTON, "button", NONE) X(CANVAS, "canvas", NONE) X(CAPTION, "caption", BLOCK) \
    X(CENTER, "center", BLOCK) X(CODE, "code", INLINE) X(DATALIST, "datalist", NONE) \
    X(DD, "dd", BLOCK) X(DETAILS, "details", BLOCK) X(DIALOG, "dialog", NONE) X(DIR, "dir", BLOCK) \
    X(DIV, "div", BLOCK) X(DL, "dl", BLOCK) X(DT, "dt", BLOCK) X(EM, "em", INLINE) \
    X(EMBED, "embed", NONE) X(FIELDSET, "fieldset", BLOCK) X(FIGCAPTION, "figcaption", BLOCK) \
    X(FIGURE, "figure", BLOCK) X(FOOTER, "footer", BLOCK) X(FORM, "form", BLOCK) \
    X(FRAMESET, "frameset", BLOCK) X(H1, "h1", BLOCK) X(H2, "h2", BLOCK) X(H3, "h3", BLOCK) \
    X(H4, "h4", BLOCK) X(H5, "h5", BLOCK) X(H6, "h6", BLOCK) X(HEAD, "head", BLOCK) \
    X(HEADER, "header", BLOCK) X(HGROUP, "hgroup", BLOCK) X(HR, "hr", BLOCK) X(HTML, "html", BLOCK) \
    X(I, "i", INLINE) X(IFRAME, "iframe", NONE) X(IMG, "img", INLINE) X(INPUT, "input", NONE) \
    X(LABEL, "label", INLINE) X(LEGEND, "legend", BLOCK) X(LI, "li", BLOCK) X(LINK, "link", NONE) \
    X(MAIN, "main", BLOCK) X(MAP, "map", NONE) X(MENU, "menu", BLOCK) X(META, "meta", NONE) \
    X(NAV, "nav", BLOCK) X(NOFRAMES, "noframes", BLOCK) X(NOSCRIPT, "noscript", NONE) \
    X(OBJECT, "object", NONE) X(OL, "ol", BLOCK) X(OPTION, "option", NONE) X(P, "p", BLOCK) \
    X(PRE, "pre", BLOCK) X(PROGRESS, "progress", NONE) X(RT, "rt", NONE) X(SCRIPT, "script", NONE) \
    X(SECTION, "section", BLOCK) X(SELECT, "select", NONE) X(SMALL, "small", INLINE) \
    X(SPAN, "span", INLINE) X(STRONG, "strong", INLINE) X(SUMMARY, "summary", BLOCK) \
    X(SVG, "svg", NONE) X(TABLE, "table", BLOCK) X(TBODY, "tbody", BLOCK) X(TD, "td", BLOCK) \
    X(TEMPLATE, "template", NONE) X(TEXTAREA, "textarea", NONE) X(TFOOT, "tfoot", BLOCK) \
    X(TH, "th", BLOCK) X(THEAD, "thead", BLOCK) X(TIME, "time", INLINE) X(TITLE, "title", NONE) \
    X(TR, "tr", BLOCK) X(UL, "ul", BLOCK) X(VIDEO, "video", NONE)
/* clang-format on */

#define X(name, text, flow) DOM_##name,
enum dom_tag { DOM_TEXT, DOM_OTHER, DOM_TAGS(X) DOM_TAG_COUNT };
#undef X

struct dom_attr {
    struct dom_attr *next;
    struct str name, value;
};

struct dom_node {
    struct dom_node *parent, *first, *last, *next;
    enum dom_tag tag;
    struct str text;        /* of a DOM_TEXT, and of a script that is kept */
    struct dom_attr *attr;  /* of an element; only the names in dom.c are kept */
    struct page_stat *stat; /* page.h */
};

/* `text` is UTF-8. The result is an element without a tag that holds what the page holds. */
struct dom_node *dom_parse(struct arena *a, struct str text);
/* The parser's tables, set up before the sandbox closes. */
void dom_prepare(void);

enum dom_flow dom_flow(enum dom_tag tag);
struct str dom_attr(const struct dom_node *n, const char *name); /* "" when not there */
/* The first element with the tag in document order, n itself included; NULL when there is none. */
struct dom_node *dom_find(struct dom_node *n, enum dom_tag tag);
/* All text inside, white space as it was. */
struct str dom_text(const struct dom_node *n, struct arena *a);
