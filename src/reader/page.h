/* page.h - which part of a web page is its content.
 *
 * What is never content (menus, forms, hidden things) goes by element, role and the words of class
 * and id. What is left is scored: running text gives points to the elements around it, links take
 * them away, and the element that gathers most is the content, together with those of its siblings
 * that are like it. A page that is no article (an overview, a reference) has no such element; of it
 * everything stays that is not plainly navigation.
 *
 * Source: points that flow to parents come from Arc90's Readability, densities of text and links
 *         from Kohlschuetter et al., "Boilerplate Detection using Shallow Text Features", 2010.
 *         The rules and weights are our own.
 * Threads: a process of one thread.
 */
#pragma once

#include "reader/dom.h"

/* Sums over an element and all inside it that is not dropped. */
struct page_stat {
    uint32_t text;   /* bytes, runs of white space counted as one */
    uint32_t link;   /* of these inside links */
    uint32_t commas; /* and the like, of any script */
    float score;
    bool drop;
    bool prose; /* holds a paragraph of running text */
};

struct page {
    struct dom_node *root; /* of the content */
    bool article;          /* false: no element stands out; root is all of the page */
};

/* Gives every element a stat, in `a`, and finds the content. */
struct page page_judge(struct dom_node *top, struct arena *a);

/* Whether a sibling of the root belongs to the content too. */
bool page_belongs(const struct page *p, const struct dom_node *sibling);

/* A link to somewhere else; not one to a place on the page itself. */
bool page_is_link(const struct dom_node *n);

static inline float page_link_density(const struct page_stat *s)
{
    return s->text ? (float)s->link / (float)s->text : 0;
}
