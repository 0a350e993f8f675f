/* What the PDF reader promises: paragraphs and headings from where words stand on the page. The
 * documents are written here, as text. */
#include "read.h"
#include "tap.h"

/* ---- A document of some pages, each with lines at places ---- */

struct place {
    int page, x, y, size; /* points from the top left */
    const char *font, *text;
};

static struct str make(struct arena *a, const struct place *p, size_t n, int pages)
{
    struct buf b, content;
    buf_init(&b, 1 << 20);
    buf_init(&content, 1 << 20);
    buf_add(&b, STR("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
                    "3 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
                    "4 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>endobj\n"
                    "2 0 obj<</Type/Pages/Kids["));
    for (int i = 0; i < pages; i++)
        buf_printf(&b, "%d 0 R ", 10 + 2 * i);
    buf_printf(&b, "]/Count %d>>endobj\n", pages);
    for (int i = 0; i < pages; i++) {
        buf_reset(&content);
        for (size_t k = 0; k < n; k++)
            if (p[k].page == i + 1 || p[k].page == 0)
                buf_printf(&content, "BT /%s %d Tf %d %d Td (%s) Tj ET\n", p[k].font, p[k].size,
                           p[k].x, 800 - p[k].y, p[k].text);
        buf_printf(&b,
                   "%d 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R"
                   "/Resources<</Font<</R 3 0 R/B 4 0 R>>>>>>endobj\n"
                   "%d 0 obj<</Length %zu>>stream\n%.*s\nendstream endobj\n",
                   10 + 2 * i, 11 + 2 * i, 11 + 2 * i, content.len, STR_FMT(buf_str(&content)));
    }
    buf_add(&b, STR("trailer<</Root 1 0 R>>\n%%EOF\n"));
    struct str s = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    buf_fini(&content);
    return s;
}

static const struct place paragraphs[] = {
    {1, 50, 100, 24, "B", "The heading"},
    {1, 50, 140, 12, "R", "A first line that goes on for quite a while and is wrap-"},
    {1, 50, 154, 12, "R", "ped behind a hyphen, then goes on to the line after it"},
    {1, 50, 168, 12, "R", "and ends."},
    {1, 50, 210, 12, "R", "Another paragraph stands further down."},
    {1, 50, 250, 16, "B", "A smaller heading"},
    {1, 50, 280, 12, "R", "- an item"},
    {1, 50, 294, 12, "R", "- another item"},
};

static const struct place columns[] = {
    {1, 50, 100, 12, "R", "Name"}, {1, 200, 100, 12, "R", "Price"}, {1, 50, 114, 12, "R", "Apple"},
    {1, 200, 114, 12, "R", "12"},  {1, 50, 128, 12, "R", "Pear"},   {1, 200, 128, 12, "R", "7"},
};

static const struct place repeated[] = {
    {0, 50, 30, 9, "R", "Annual report"},
    {1, 50, 780, 9, "R", "Page 1"},
    {2, 50, 780, 9, "R", "Page 2"},
    {3, 50, 780, 9, "R", "Page 3"},
    {1, 50, 400, 12, "R", "What stands on the first page goes on"},
    {2, 50, 400, 12, "R", "over the second, where it ends."},
    {3, 50, 400, 12, "R", "The third has its own."},
};

static const struct {
    const char *name;
    const struct place *place;
    size_t n;
    int pages;
    const char *out;
} cases[] = {
    {"paragraphs and headings", paragraphs, COUNT(paragraphs), 1,
     "heading1 p1 \"The heading\"\n"
     "para p1 \"A first line that goes on for quite a while and is wrapped behind a hyphen, then "
     "goes "
     "on to the line after it and ends.\"\n"
     "para p1 \"Another paragraph stands further down.\"\n"
     "heading2 p1 \"A smaller heading\"\n"
     "list p1 \"- an item\"\n"
     "list p1 \"- another item\"\n"},
    {"short lines keep their ends", columns, COUNT(columns), 1,
     "para p1 \"Name\nApple\nPear\nPrice\n12\n7\"\n"},
    {"what repeats on every page goes", repeated, COUNT(repeated), 3,
     "para p1 \"What stands on the first page goes on over the second, where it ends.\"\n"
     "para p3 \"The third has its own.\"\n"},
    {"a page without text", NULL, 0, 1, "error: the PDF has no text layer"},
    {"no page", NULL, 0, 0, "error: the PDF is damaged: it has no pages"},
};

static const struct {
    const char *name, *bytes, *error;
} broken[] = {
    {"nothing but a head", "%PDF-1.7\n", "error: the PDF is damaged"},
    {"a page tree that bites its tail",
     "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[2 0 R]/Count "
     "1>>endobj\ntrailer<</Root 1 0 R>>",
     "error: the PDF"},
    {"an object that is itself", "%PDF-1.4\n1 0 obj 1 0 R endobj\ntrailer<</Root 1 0 R>>",
     "error: the PDF"},
    {"a huge count of pages",
     "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count "
     "99999999>>endobj\ntrailer<</Root 1 0 R>>",
     "error: the PDF"},
};

int main(void)
{
    pdf_prepare();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct str pdf = make(a, cases[i].place, cases[i].n, cases[i].pages);
        struct str out = read_show(a, pdf_read, pdf, NULL);
        if (!ok(str_eq(out, str_from(cases[i].out)), "%s", cases[i].name))
            printf("# got %.*s\n", STR_FMT(out));
        arena_free(a);
    }
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct arena *a = arena_new();
        struct str out = read_show(a, pdf_read, str_from(broken[i].bytes), NULL);
        if (!ok(str_starts(out, str_from(broken[i].error)), "%s", broken[i].name))
            printf("# got %.*s\n", STR_FMT(out));
        arena_free(a);
    }
    return tap_done();
}
