#include "reader/format.h"

#include "base/mem.h"

/* What binary formats begin with. */
static const struct str binary_magic[] = {
    {"PK\3\4", 4},
    {"PK\5\6", 4},
    {"\xD0\xCF\x11\xE0", 4}, /* OLE: .doc, .xls, .msg */
    {"\x1F\x8B", 2},
    {"BZh", 3},
    {"\xFD"
     "7zXZ",
     5},
    {"7z\xBC\xAF", 4},
    {"\x28\xB5\x2F\xFD", 4},
    {"\x89PNG", 4},
    {"\xFF\xD8\xFF", 3},
    {"GIF8", 4},
    {"RIFF", 4},
    {"\x7F"
     "ELF",
     4},
    {"SQLite format 3", 15},
    {"OggS", 4},
    {"ID3", 3},
    {"wOF2", 4},
    {"ITSF", 4},
    {"{\\rtf", 5},
    {"%!PS", 4},
    {"\xE4\x52\x5C\x7B", 4},
};

/* Text on the surface whose content needs a reader of its own. */
static const char *const not_plain[] = {
    "rtf", "eml", "mbox", "msg", "svg", "ps", "eps", "pem", "der", "mht", "mhtml", "fodt", "ipynb",
};

static const char *const markdown_names[] = {"md",   "markdown", "mdown", "mkd",
                                             "mkdn", "mdx",      "qmd"};
static const char *const html_names[] = {"html", "htm", "xhtml", "shtml"};
static const char *const html_starts[] = {
    "<!doctype html", "<html",   "<head",    "<body",    "<title", "<meta", "<div", "<p>", "<h1",
    "<table",         "<script", "<article", "<section",
};

static bool one_of(const char *const *name, size_t n, struct str extension)
{
    for (size_t i = 0; i < n; i++)
        if (str_ieq(str_from(name[i]), extension))
            return true;
    return false;
}

/* Behind white space, a byte order mark, comments and an XML declaration. */
static struct str skip_prologue(struct str s)
{
    if (str_starts(s, STR("\xEF\xBB\xBF")))
        s = str_from_at(s, 3);
    for (;;) {
        s = str_trim(s);
        struct str end = STR_NONE;
        if (str_starts(s, STR("<!--")))
            end = STR("-->");
        else if (str_starts(s, STR("<?xml")))
            end = STR("?>");
        size_t at = end.len ? str_find(s, end) : STR_NPOS;
        if (at == STR_NPOS)
            return s;
        s = str_from_at(s, at + end.len);
    }
}

static bool starts_as_html(struct str s)
{
    s = skip_prologue(str_head(s, 8192));
    for (size_t i = 0; i < COUNT(html_starts); i++)
        if (str_istarts(s, str_from(html_starts[i])))
            return true;
    return false;
}

enum format format_detect(struct str bytes, struct str extension)
{
    if (str_find(str_head(bytes, 1024), STR("%PDF-")) != STR_NPOS)
        return FORMAT_PDF;
    for (size_t i = 0; i < COUNT(binary_magic); i++)
        if (str_starts(bytes, binary_magic[i]))
            return FORMAT_UNSUPPORTED;
    if (one_of(not_plain, COUNT(not_plain), extension))
        return FORMAT_UNSUPPORTED;
    if (one_of(markdown_names, COUNT(markdown_names), extension))
        return FORMAT_MARKDOWN;
    if (one_of(html_names, COUNT(html_names), extension) || starts_as_html(bytes))
        return FORMAT_HTML;
    return FORMAT_TEXT;
}
