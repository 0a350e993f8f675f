#include "reader/page.h"

/* ---- Words of class and id ---- */

/* clang-format off */
/* Around an article, hardly ever in it. */
static const char *const outside[] = {
    "ad", "ads", "advert", "advertisement", "advertising", "adsense", "adslot", "breadcrumb", "breadcrumbs", "byline",
    "consent", "cookie", "cookies", "copyright", "donate", "footer", "footnav", "gdpr",
    "login", "masthead", "menu", "modal", "nav", "navbar", "navigation", "newsletter", "noprint",
    "outbrain", "pager", "pagination", "paywall", "popular", "popup", "promo", "promoted", "promotion", "recirc",
    "recommend", "recommendation", "recommendations", "recommended", "related", "share", "sharebar", "sharedaddy",
    "sharing", "shares", "sidebar", "signup", "skip", "social", "sponsor", "sponsored", "subscribe", "subscription",
    "taboola", "tags", "taglist", "teaser", "teasers", "toolbar", "tooltip", "trending", "widget", "hidden", "metadata",
    "bio", "rail", "disclaimer", "jp", "addtoany", "addthis", "infobox", "navbox", "toc", "printonly", "credit", "credits",
    "sitemap", "topbar", "search", "offscreen", "sr",
};
/* The same, and may be longer than what they comment on. */
static const char *const comments[] = {
    "comment", "comments", "commentlist", "disqus", "livefyre", "respond", "discussion", "replies",
};
/* Names for the content. */
static const char *const inside[] = {
    "article", "articlebody", "body", "content", "entry", "hentry", "main", "page", "post", "story", "storybody", "text", "blog",
    "entrycontent", "postcontent", "articlecontent", "maincontent", "prose", "markdown",
};
/* clang-format on */

static bool listed(const char *const *list, size_t n, struct str word)
{
    for (size_t i = 0; i < n; i++)
        if (str_ieq(str_from(list[i]), word))
            return true;
    return false;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* Takes the next word off "relatedPosts nav-bar_2": related, Posts, nav, bar. */
static bool next_word(struct str *s, struct str *word)
{
    size_t i = 0;
    if (s->len == 0)
        return false;
    while (i < s->len && !is_alpha(s->p[i]))
        i++;
    size_t start = i;
    while (i < s->len && is_alpha(s->p[i]) &&
           !(i > start && is_upper(s->p[i]) && !is_upper(s->p[i - 1])))
        i++;
    *word = (struct str){s->p + start, i - start};
    *s = str_from_at(*s, i);
    return word->len > 0;
}

struct names {
    bool outside, comments, inside;
};

static void look_at_names(struct names *out, struct str s)
{
    for (struct str word; next_word(&s, &word);) {
        out->outside |= listed(outside, COUNT(outside), word);
        out->comments |= listed(comments, COUNT(comments), word);
        out->inside |= listed(inside, COUNT(inside), word);
    }
}

static struct names names_of(const struct dom_node *n)
{
    struct names names = {0};
    look_at_names(&names, dom_attr(n, "class"));
    look_at_names(&names, dom_attr(n, "id"));
    return names;
}

/* ---- What is hidden or never content ---- */

static bool is_hidden(const struct dom_node *n)
{
    for (const struct dom_attr *a = n->attr; a; a = a->next) {
        if (str_eq(a->name, STR("hidden")))
            return true;
        if (str_eq(a->name, STR("aria-hidden")) && str_ieq(a->value, STR("true")))
            return true;
        if (str_eq(a->name, STR("style")) && (str_find(a->value, STR("display:none")) != STR_NPOS ||
                                              str_find(a->value, STR("display: none")) != STR_NPOS))
            return true;
    }
    return false;
}

static bool is_frame(enum dom_tag tag)
{
    return tag == DOM_NAV || tag == DOM_MENU || tag == DOM_HEAD;
}

/* Usually not content; a page of which that would take most means something else by it. */
static bool is_beside(const struct dom_node *n)
{
    static const char *const roles[] = {
        "navigation", "banner", "contentinfo", "complementary", "search",  "dialog",
        "alert",      "menu",   "menubar",     "toolbar",       "tooltip", "alertdialog",
    };
    return n->tag == DOM_ASIDE || n->tag == DOM_FOOTER || n->tag == DOM_FORM ||
           listed(roles, COUNT(roles), dom_attr(n, "role"));
}

bool page_is_link(const struct dom_node *n)
{
    return n->tag == DOM_A && !str_starts(dom_attr(n, "href"), STR("#"));
}

/* ---- Sums ---- */

static void count_text(struct page_stat *st, struct str s)
{
    bool space = true;
    for (size_t i = 0; i < s.len; i++) {
        bool white = s.p[i] == ' ' || (s.p[i] >= '\t' && s.p[i] <= '\r');
        st->text += !white || !space;
        space = white;
        st->commas += s.p[i] == ',';
        /* the Chinese, Japanese and Arabic ones */
        if (i + 2 < s.len &&
            (memcmp(s.p + i, "\xEF\xBC\x8C", 3) == 0 || memcmp(s.p + i, "\xE3\x80\x81", 3) == 0))
            st->commas++;
        if (i + 1 < s.len && memcmp(s.p + i, "\xD8\x8C", 2) == 0)
            st->commas++;
    }
}

static void add_up(struct page_stat *st, const struct page_stat *child)
{
    st->text += child->text;
    st->link += child->link;
    st->commas += child->commas;
    st->prose |= child->prose;
}

/* Sums of all elements; what can never be content counts nothing. */
static void measure(struct dom_node *n, struct arena *a)
{
    n->stat = arena_struct(a, struct page_stat);
    if (n->tag == DOM_TEXT) {
        count_text(n->stat, n->text);
        return;
    }
    if (dom_flow(n->tag) == DOM_NONE || is_hidden(n) || is_frame(n->tag)) {
        n->stat->drop = true;
        for (struct dom_node *c = n->first; c; c = c->next)
            measure(c, a);
        return;
    }
    for (struct dom_node *c = n->first; c; c = c->next) {
        measure(c, a);
        if (!c->stat->drop)
            add_up(n->stat, c->stat);
    }
    if (page_is_link(n))
        n->stat->link = n->stat->text;
}

/* Drops by name, from the outside in, and mends the sums on the way back. What holds most of the
 * text of the page is not dropped, whatever its name. `strict`: also by words that may be meant
 * otherwise. */
static void prune(struct dom_node *n, uint32_t all, bool strict)
{
    struct page_stat sum = {0};
    for (struct dom_node *c = n->first; c; c = c->next) {
        struct page_stat *st = c->stat;
        if (st->drop)
            continue;
        if (c->tag != DOM_TEXT) {
            struct names names = names_of(c);
            st->drop = (names.comments && st->text < all / 10 * 9) ||
                       (strict && (names.outside || is_beside(c)) && st->text < all / 10 * 4);
            if (st->drop)
                continue;
            prune(c, all, strict);
        }
        add_up(&sum, st);
    }
    n->stat->text = sum.text;
    n->stat->link = page_is_link(n) ? sum.text : sum.link;
    n->stat->commas = sum.commas;
}

/* ---- Points ---- */

static bool has_block_child(const struct dom_node *n)
{
    for (const struct dom_node *c = n->first; c; c = c->next)
        if (c->tag != DOM_TEXT && !c->stat->drop &&
            (dom_flow(c->tag) == DOM_BLOCK || has_block_child(c)))
            return true;
    return false;
}

static float points_by_name(const struct dom_node *n, bool strict)
{
    struct names names = names_of(n);
    float points = names.inside ? 25 : 0;
    if (names.comments || (names.outside && strict))
        points -= 25;
    if (n->tag == DOM_ARTICLE || n->tag == DOM_MAIN)
        points += 25;
    if (str_ieq(dom_attr(n, "itemprop"), STR("articleBody")))
        points += 50;
    return points;
}

/* A leaf of text gives points to what is around it: all to the parent, half to the next, a third to
 * the one after. */
static void give_points(struct dom_node *n)
{
    struct page_stat *st = n->stat;
    float length = (float)st->text / 100;
    float points = 1 + (float)st->commas + (length < 5 ? length : 5);
    points *= 1 - page_link_density(st);
    int level = 1;
    for (struct dom_node *up = n->parent; up && level <= 4; up = up->parent, level++)
        up->stat->score += points / (float)level;
}

static void score(struct dom_node *n)
{
    struct page_stat *st = n->stat;
    if (st->drop)
        return;
    bool leaf = true;
    for (struct dom_node *c = n->first; c; c = c->next) {
        if (c->tag == DOM_TEXT || c->stat->drop)
            continue;
        score(c);
        st->prose |= c->stat->prose;
    }
    leaf = dom_flow(n->tag) == DOM_BLOCK && st->text >= 25 && !has_block_child(n);
    if (!leaf || (n->tag >= DOM_H1 && n->tag <= DOM_H6))
        return;
    give_points(n);
    st->prose |= st->text >= 80 && page_link_density(st) < 0.3f;
}

static void find_best(struct dom_node *n, bool strict, struct dom_node **best, float *most)
{
    if (n->stat->drop || n->tag == DOM_TEXT)
        return;
    if (dom_flow(n->tag) == DOM_BLOCK && n->stat->score > 0) {
        float points =
            (n->stat->score + points_by_name(n, strict)) * (1 - page_link_density(n->stat));
        n->stat->score = points;
        if (points > *most) {
            *most = points;
            *best = n;
        }
    }
    for (struct dom_node *c = n->first; c; c = c->next)
        find_best(c, strict, best, most);
}

/* Pages put together from boxes have their paragraphs far apart: up to the element around them, as
 * long as it adds a third or more of running text with hardly a link. */
static struct dom_node *climb(struct dom_node *n, const struct dom_node *top)
{
    const struct dom_node *below = n;
    for (struct dom_node *up = n->parent; up && up != top; below = up, up = up->parent) {
        uint32_t more = up->stat->text - n->stat->text, links = up->stat->link - n->stat->link;
        bool prose = false;
        for (const struct dom_node *c = up->first; c; c = c->next)
            prose |= c != below && !c->stat->drop && c->stat->prose;
        if (more > 0 && (links * 20 > more || more * 3 < n->stat->text))
            break;
        if (prose)
            n = up;
    }
    return n;
}

/* ---- The whole ---- */

bool page_belongs(const struct page *p, const struct dom_node *n)
{
    if (n == p->root)
        return true;
    const struct page_stat *st = n->stat;
    if (!p->article || n->tag == DOM_TEXT || st->drop)
        return false;
    float enough = p->root->stat->score * 0.2f;
    if (st->score >= (enough > 10 ? enough : 10))
        return true;
    return n->tag == DOM_P && st->text > 80 && page_link_density(st) < 0.25f;
}

static struct page judge(struct dom_node *top, struct arena *a, bool strict)
{
    struct dom_node *body = dom_find(top, DOM_BODY);
    struct page p = {.root = body ? body : top};
    measure(top, a);
    p.root->stat->drop = false;
    prune(p.root, p.root->stat->text, strict);
    score(p.root);
    struct dom_node *best = NULL;
    float most = 0;
    find_best(p.root, strict, &best, &most);
    /* An article holds a fair part of what is there. */
    if (best && best != p.root && best->stat->text >= 250 && most >= 8 &&
        best->stat->text >= p.root->stat->text / 4) {
        p.root = climb(best, p.root);
        p.article = true;
    }
    return p;
}

/* A page of which strict rules leave no article is judged again without them. */
struct page page_judge(struct dom_node *top, struct arena *a)
{
    struct page strict = judge(top, a, true);
    if (strict.article)
        return strict;
    uint32_t text = strict.root->stat->text;
    struct page lenient = judge(top, a, false);
    if (lenient.article && lenient.root->stat->text > text / 2)
        return lenient;
    return judge(top, a, true);
}
