/* Poppler gives the characters of a page in reading order, each with its rectangle and font. From
 * them come lines, from lines paragraphs: a line belongs to the one before when it stands as close
 * below as lines of one paragraph do, in the same size, and does not begin like a new one. Lines in
 * a larger font than most of the document's text are headings; what repeats at the top or bottom of
 * most pages is left out. */
#include "reader/readers.h"

#include "base/utf8.h"

#include <glib.h>
#include <poppler.h>

struct line {
    struct str text;
    float x0, y0, x1, y1; /* points from the page's top left */
    float size;           /* of the font, points */
    bool bold, dropped;
    uint32_t page;
};

struct pdf {
    struct arena *a;
    struct line *line;
    size_t n, cap;
    uint32_t pages;
    float body;       /* size that most of the text has */
    float heading[4]; /* larger sizes of short lines, falling */
};

/* ---- Characters to lines ---- */

static void add_line(struct pdf *d, const struct line *l)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 256;
        struct line *more = arena_array(d->a, struct line, cap);
        if (d->n)
            memcpy(more, d->line, d->n * sizeof(*more));
        d->line = more;
        d->cap = cap;
    }
    d->line[d->n++] = *l;
}

static bool is_bold(const char *font)
{
    return font && (strstr(font, "Bold") || strstr(font, "bold") || strstr(font, "Black") ||
                    strstr(font, "CMBX"));
}

static void grow(struct line *l, const PopplerRectangle *r, bool first)
{
    float x0 = (float)r->x1, y0 = (float)r->y1, x1 = (float)r->x2, y1 = (float)r->y2;
    l->x0 = first || x0 < l->x0 ? x0 : l->x0;
    l->y0 = first || y0 < l->y0 ? y0 : l->y0;
    l->x1 = first || x1 > l->x1 ? x1 : l->x1;
    l->y1 = first || y1 > l->y1 ? y1 : l->y1;
}

/* A gap that is wider than between words, but not written as a space: columns of a table. */
static bool is_gap(const struct line *l, const PopplerRectangle *r)
{
    return r->x1 - l->x1 > 0.2 * (r->y2 - r->y1) && l->text.len > 0 &&
           l->text.p[l->text.len - 1] != ' ';
}

static void end_line(struct pdf *d, struct line *l)
{
    const char *end = l->text.p + l->text.len;
    l->text = str_trim(l->text);
    if (l->text.len > 0)
        add_line(d, l);
    *l = (struct line){.page = l->page, .text = {end, 0}};
}

/* `text` has one rectangle per character, fonts for stretches of characters. */
static void read_lines(struct pdf *d, uint32_t page, struct str text, const PopplerRectangle *rect,
                       guint n_rects, GList *fonts)
{
    char *p = arena_bytes(d->a, text.len * 2 + 1);
    struct line l = {.page = page, .text = {p, 0}};
    size_t at = 0;
    for (guint i = 0; at < text.len; i++) {
        size_t before = at;
        uint32_t c = utf8_next(text, &at);
        if (c == '\n') {
            end_line(d, &l);
            continue;
        }
        while (fonts && ((PopplerTextAttributes *)fonts->data)->end_index < (gint)i && fonts->next)
            fonts = fonts->next;
        if (i < n_rects && c > ' ') {
            const PopplerTextAttributes *font = fonts ? fonts->data : NULL;
            bool first = l.x1 <= l.x0;
            if (!first && is_gap(&l, &rect[i]))
                *p++ = ' ';
            grow(&l, &rect[i], first);
            if (first && font) {
                l.size = (float)font->font_size;
                l.bold = is_bold(font->font_name);
            }
        }
        memcpy(p, text.p + before, at - before);
        p += at - before;
        l.text.len = (size_t)(p - l.text.p);
    }
    end_line(d, &l);
}

/* Whether `l` stands to the right of `prev`, on the same line of the page. */
static bool same_row(const struct line *prev, const struct line *l)
{
    float middle = (l->y0 + l->y1) / 2;
    return l->page == prev->page && middle > prev->y0 && middle < prev->y1 && l->x0 >= prev->x1;
}

/* What was filled in: the text of a field stands behind the line that it continues. */
static void add_field(struct pdf *d, size_t first, uint32_t number, double height,
                      const PopplerFormFieldMapping *m)
{
    if (poppler_form_field_get_field_type(m->field) != POPPLER_FORM_FIELD_TEXT)
        return;
    char *value = poppler_form_field_text_get_text(m->field);
    struct str text = str_trim(str_from(value));
    /* its rectangle counts from the page's bottom */
    struct line field = {.text = text,
                         .page = number,
                         .x0 = (float)m->area.x1,
                         .x1 = (float)m->area.x2,
                         .y0 = (float)(height - m->area.y2),
                         .y1 = (float)(height - m->area.y1)};
    struct line *label = NULL;
    for (size_t i = first; i < d->n; i++)
        if (same_row(&d->line[i], &field) && (!label || d->line[i].x1 > label->x1))
            label = &d->line[i];
    field.text = arena_copy(d->a, text);
    if (text.len > 0 && label)
        label->text = arena_printf(d->a, "%.*s %.*s", STR_FMT(label->text), STR_FMT(text));
    else if (text.len > 0)
        add_line(d, &field);
    g_free(value);
}

static void read_fields(struct pdf *d, size_t first, uint32_t number, PopplerPage *page)
{
    double width, height;
    poppler_page_get_size(page, &width, &height);
    GList *fields = poppler_page_get_form_field_mapping(page);
    for (const GList *f = fields; f; f = f->next)
        add_field(d, first, number, height, f->data);
    poppler_page_free_form_field_mapping(fields);
}

static void read_page(struct pdf *d, PopplerDocument *doc, uint32_t number)
{
    PopplerPage *page = poppler_document_get_page(doc, (int)number - 1);
    if (!page)
        return;
    size_t first = d->n;
    char *text = poppler_page_get_text(page);
    PopplerRectangle *rect = NULL;
    guint n = 0;
    GList *fonts = NULL;
    if (text && text[0] && poppler_page_get_text_layout(page, &rect, &n)) {
        fonts = poppler_page_get_text_attributes(page);
        read_lines(d, number, str_from(text), rect, n, fonts);
    }
    read_fields(d, first, number, page);
    poppler_page_free_text_attributes(fonts);
    g_free(rect);
    g_free(text);
    g_object_unref(page);
}

/* ---- What repeats on every page ---- */

/* The line without digits and white space: "Page 3 of 9" is the same everywhere. */
static struct str repeat_key(struct arena *a, struct str s)
{
    char *p = arena_bytes(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] > ' ' || (unsigned char)s.p[i] >= 0x80)
            if (s.p[i] < '0' || s.p[i] > '9')
                p[n++] = s.p[i];
    return (struct str){p, n};
}

struct edge {
    struct str key;
    struct line *line;
};

static int by_key(const void *x, const void *y)
{
    return str_cmp(((const struct edge *)x)->key, ((const struct edge *)y)->key);
}

/* Of each page its `depth` highest or lowest lines. */
static size_t edges_of_page(struct line *line, size_t n, bool top, struct edge *out)
{
    enum { DEPTH = 3 };
    struct line *best[DEPTH];
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = m;
        while (at > 0 && (top ? line[i].y0 < best[at - 1]->y0 : line[i].y1 > best[at - 1]->y1))
            at--;
        if (at == DEPTH)
            continue;
        m += m < DEPTH;
        memmove(&best[at + 1], &best[at], (m - 1 - at) * sizeof(best[0]));
        best[at] = &line[i];
    }
    for (size_t i = 0; i < m; i++)
        out[i].line = best[i];
    return m;
}

static void drop_repeated(struct pdf *d)
{
    if (d->pages < 3)
        return;
    struct edge *edge = arena_array(d->a, struct edge, 6 * (size_t)d->pages + 6);
    for (int top = 0; top < 2; top++) {
        size_t n = 0;
        for (size_t i = 0, j; i < d->n; i = j) {
            for (j = i; j < d->n && d->line[j].page == d->line[i].page; j++)
                ;
            n += edges_of_page(d->line + i, j - i, top, edge + n);
        }
        for (size_t i = 0; i < n; i++)
            edge[i].key = repeat_key(d->a, edge[i].line->text);
        qsort(edge, n, sizeof(*edge), by_key);
        for (size_t i = 0, j; i < n; i = j) {
            for (j = i; j < n && str_eq(edge[j].key, edge[i].key); j++)
                ;
            if ((j - i) * 2 > d->pages)
                for (size_t k = i; k < j; k++)
                    edge[k].line->dropped = true;
        }
    }
}

/* ---- Sizes ---- */

static void find_sizes(struct pdf *d)
{
    enum { SIZES = 400 }; /* quarter points up to 100 */
    size_t *chars = arena_array(d->a, size_t, SIZES);
    for (size_t i = 0; i < d->n; i++) {
        float q = d->line[i].size * 4 + 0.5f;
        if (q >= 1 && q < SIZES)
            chars[(int)q] += d->line[i].text.len;
    }
    size_t body = 0;
    for (size_t q = 1; q < SIZES; q++)
        if (chars[q] > chars[body])
            body = q;
    d->body = (float)body / 4;
    size_t rank = 0;
    for (size_t q = SIZES - 1; q > body && rank < COUNT(d->heading); q--)
        if (chars[q] > 0 && (float)q / 4 > d->body * 1.12f)
            d->heading[rank++] = (float)q / 4;
}

enum { HEADING_MAX = 200 }; /* bytes */

static unsigned heading_level(const struct pdf *d, const struct line *l)
{
    if (l->text.len > HEADING_MAX || d->body <= 0)
        return 0;
    unsigned known = 0;
    for (; known < COUNT(d->heading) && d->heading[known] > 0; known++)
        if (l->size > d->heading[known] - 0.2f)
            return known + 1;
    if (l->size > d->body * 1.12f)
        return known;
    return 0;
}

/* ---- Lines to paragraphs ---- */

static bool starts_item(struct str s)
{
    static const struct str bullet[] = {
        {"\xE2\x80\xA2", 3}, {"\xE2\x97\xA6", 3}, {"\xE2\x96\xAA", 3}, {"\xE2\x80\x93 ", 4},
        {"- ", 2},           {"* ", 2},           {"\xEF\x82\xB7", 3},
    };
    for (size_t i = 0; i < COUNT(bullet); i++)
        if (str_starts(s, bullet[i]))
            return true;
    size_t n = 0;
    while (n < s.len && n < 3 && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n > 0 && n + 1 < s.len && (s.p[n] == '.' || s.p[n] == ')') && s.p[n + 1] == ' ';
}

static bool ends_sentence(struct str s)
{
    return s.len > 0 && strchr(".!?:;", s.p[s.len - 1]) != NULL;
}

/* Whether `l` goes on with what `prev` ended in. */
static bool continues(const struct line *prev, const struct line *l)
{
    float height = prev->y1 - prev->y0;
    if (same_row(prev, l))
        return true;
    bool same_size = l->size < prev->size * 1.08f && l->size > prev->size * 0.92f;
    if (!same_size || starts_item(l->text))
        return false;
    bool lower = l->text.p[0] >= 'a' && l->text.p[0] <= 'z';
    if (l->page != prev->page || l->y0 < prev->y0 - height) /* the next page or column */
        return lower || (!ends_sentence(prev->text) && !l->bold && !prev->bold);
    if (prev->bold != l->bold && !lower && prev->x1 - prev->x0 < 0.8f * (l->x1 - l->x0))
        return false;
    if (l->y0 - prev->y1 > 0.7f * height)
        return false;
    bool indented = l->x0 > prev->x0 + height && ends_sentence(prev->text);
    return !indented;
}

static bool is_lower_start(struct str s)
{
    return s.len > 0 && ((s.p[0] >= 'a' && s.p[0] <= 'z') || (unsigned char)s.p[0] >= 0xC3);
}

static bool was_wrapped(const struct line *l, float widest)
{
    enum { SHORT = 25 }; /* bytes; narrower columns are lists and tables */
    return l->text.len >= SHORT && l->x1 - l->x0 > 0.8f * widest;
}

/* Joins a line to a paragraph. A word that was cut at the line's end grows together; a line that
 * filled its column was wrapped, so a space follows it, and a shorter one keeps its end. */
static void join(struct buf *text, const struct line *prev, const struct line *l, float widest)
{
    struct str so_far = buf_str(text);
    if (str_ends(so_far, STR("\xC2\xAD")))
        text->len -= 2;
    else if (so_far.len >= 2 && so_far.p[so_far.len - 1] == '-' &&
             is_lower_start(str_from_at(so_far, so_far.len - 2)) && is_lower_start(l->text))
        text->len--;
    else if (prev && so_far.len > 0)
        buf_char(text, same_row(prev, l) || was_wrapped(prev, widest) ? ' ' : '\n');
    buf_add(text, l->text);
}

enum { LONG = 2000 }; /* bytes; a paragraph of this length ends with its page, so that pages show */

static void emit(struct pdf *d, struct blocks *b)
{
    struct buf text;
    buf_init(&text, b->out.limit);
    struct block blk = {0};
    const struct line *prev = NULL;
    float widest = 0;
    for (size_t i = 0; i < d->n; i++) {
        const struct line *l = &d->line[i];
        if (l->dropped)
            continue;
        unsigned level = heading_level(d, l);
        bool ended = !prev || level != blk.level || !continues(prev, l) ||
                     (text.len > LONG && l->page != blk.page);
        if (ended) {
            blk.text = buf_str(&text);
            blocks_add(b, &blk);
            buf_reset(&text);
            blk = (struct block){.level = level, .page = l->page};
            blk.kind = level ? WIRE_HEADING : starts_item(l->text) ? WIRE_LIST : WIRE_PARA;
            widest = 0;
        }
        widest = l->x1 - l->x0 > widest ? l->x1 - l->x0 : widest;
        join(&text, prev, l, widest);
        prev = l;
    }
    blk.text = buf_str(&text);
    blocks_add(b, &blk);
    buf_fini(&text);
}

/* ---- The whole ---- */

/* "(anonymous)": what a program writes when nobody told it. */
static bool is_placeholder(struct str s)
{
    return s.len > 2 && s.p[0] == '(' && s.p[s.len - 1] == ')';
}

static void add_facts(PopplerDocument *doc, struct blocks *b)
{
    char *title = poppler_document_get_title(doc), *author = poppler_document_get_author(doc);
    char *subject = poppler_document_get_subject(doc);
    char *keywords = poppler_document_get_keywords(doc);
    struct str t = str_from(title);
    if (str_starts(t, STR("Microsoft Word - ")))
        t = str_from_at(t, 17);
    if (!str_istarts(t, STR("untitled")) && !is_placeholder(t))
        blocks_title(b, t);
    if (!is_placeholder(str_from(author)))
        blocks_author(b, str_from(author));
    if (!is_placeholder(str_from(subject)))
        blocks_meta(b, STR("subject"), str_from(subject));
    blocks_meta(b, STR("keywords"), str_from(keywords));
    GDateTime *date = poppler_document_get_creation_date_time(doc);
    if (date) {
        char *day = g_date_time_format(date, "%Y-%m-%d");
        blocks_meta(b, STR("date"), str_from(day));
        g_free(day);
        g_date_time_unref(date);
    }
    g_free(title);
    g_free(author);
    g_free(subject);
    g_free(keywords);
}

static bool open_error(GError *error, struct err *e)
{
    bool locked = error && error->domain == POPPLER_ERROR && error->code == POPPLER_ERROR_ENCRYPTED;
    if (locked)
        err_set(e, ERR_INVALID, "the PDF is encrypted and needs a password");
    else
        err_set(e, ERR_INVALID, "the PDF is damaged: %s", error ? error->message : "unknown error");
    g_clear_error(&error);
    return false;
}

bool pdf_read(struct blocks *b, struct str bytes, struct err *e)
{
    GBytes *data = g_bytes_new_static(bytes.p, bytes.len);
    GError *error = NULL;
    PopplerDocument *doc = poppler_document_new_from_bytes(data, NULL, &error);
    g_bytes_unref(data);
    if (!doc)
        return open_error(error, e);
    struct pdf d = {.a = b->a};
    int pages = poppler_document_get_n_pages(doc);
    d.pages = pages > 0 ? (uint32_t)pages : 0;
    b->pages = d.pages;
    for (uint32_t page = 1; page <= d.pages; page++)
        read_page(&d, doc, page);
    add_facts(doc, b);
    g_object_unref(doc);
    if (d.pages == 0)
        return err_set(e, ERR_INVALID, "the PDF is damaged: it has no pages");
    if (d.n == 0)
        return err_set(e, ERR_INVALID, "the PDF has no text layer");
    drop_repeated(&d);
    find_sizes(&d);
    emit(&d, b);
    return true;
}

/* A page with a word on it, and all that add_facts asks for. */
static const char warm_up[] =
    "%PDF-1.4\n"
    "1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 "
    "R>>>>>>endobj\n"
    "4 0 obj<</Length 31>>stream\nBT /F 9 Tf 9 9 Td (word) Tj ET \nendstream endobj\n"
    "5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
    "6 0 obj<</Title(word)/Author(word)/CreationDate(D:20260101000000Z)>>endobj\n"
    "trailer<</Root 1 0 R/Info 6 0 R>>\n%%EOF\n";

static void ignore_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer arg)
{
    (void)domain, (void)level, (void)text, (void)arg;
}

void pdf_prepare(void)
{
    static PopplerDocument *kept; /* poppler's tables live as long as some document is open */
    if (kept)
        return;
    g_log_set_default_handler(ignore_log, NULL); /* complaints about broken documents */
    GBytes *data = g_bytes_new_static(warm_up, sizeof(warm_up) - 1);
    kept = poppler_document_new_from_bytes(data, NULL, NULL);
    g_bytes_unref(data);
    /* what is set up, and read from files, on first use */
    struct arena *a = arena_new();
    struct blocks b;
    struct err e;
    blocks_init(&b, a, 1 << 16);
    pdf_read(&b, (struct str){warm_up, sizeof(warm_up) - 1}, &e);
    blocks_fini(&b);
    arena_free(a);
}
