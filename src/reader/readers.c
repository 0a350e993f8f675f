#include "reader/readers.h"

#include "reader/charset.h"
#include "reader/format.h"

void readers_prepare(void)
{
    charset_prepare();
    markdown_prepare();
    html_prepare();
    pdf_prepare();
}

static const struct {
    const char *name;
    bool (*read)(struct blocks *b, struct str bytes, struct err *e);
} readers[] = {
    [FORMAT_TEXT] = {"text", text_read},
    [FORMAT_MARKDOWN] = {"markdown", markdown_read},
    [FORMAT_HTML] = {"html", html_read},
    [FORMAT_PDF] = {"pdf", pdf_read},
};

bool readers_run(struct blocks *b, struct str bytes, struct str extension, struct err *e)
{
    enum format format = format_detect(bytes, extension);
    if (format == FORMAT_UNSUPPORTED)
        return err_set(e, ERR_MEDIA, "unsupported format");
    b->format = readers[format].name;
    if (!readers[format].read(b, bytes, e))
        return false;
    if (blocks_ok(b) && b->n == 0)
        return err_set(e, ERR_INVALID, "no text in it");
    return true;
}
