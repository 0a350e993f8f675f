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

bool readers_run(struct blocks *b, struct str bytes, struct str extension, struct err *e)
{
    bool good = false;
    switch (format_detect(bytes, extension)) {
    case FORMAT_UNSUPPORTED: return err_set(e, ERR_MEDIA, "unsupported format");
    case FORMAT_TEXT: good = text_read(b, bytes, e); break;
    case FORMAT_MARKDOWN: good = markdown_read(b, bytes, e); break;
    case FORMAT_HTML: good = html_read(b, bytes, e); break;
    case FORMAT_PDF: good = pdf_read(b, bytes, e); break;
    }
    if (good && blocks_ok(b) && b->n == 0)
        return err_set(e, ERR_INVALID, "no text in it");
    return good;
}
