/* Formats by content first, then by extension. */
#include "base/mem.h"
#include "reader/format.h"

#include "tap.h"

static const struct {
    const char *bytes, *extension;
    enum format format;
} cases[] = {
    {"%PDF-1.7\n", "txt", FORMAT_PDF},
    {"junk in front\n%PDF-1.4", "", FORMAT_PDF},
    {"PK\3\4....", "md", FORMAT_UNSUPPORTED},
    {"\x89PNG\r\n", "html", FORMAT_UNSUPPORTED},
    {"\x7F"
     "ELF",
     "", FORMAT_UNSUPPORTED},
    {"{\\rtf1 x}", "txt", FORMAT_UNSUPPORTED},
    {"From: a@b\n\nx", "eml", FORMAT_UNSUPPORTED},
    {"# A", "md", FORMAT_MARKDOWN},
    {"# A", "MARKDOWN", FORMAT_MARKDOWN},
    {"<p>x", "htm", FORMAT_HTML},
    {"  <!-- c --><!DOCTYPE HTML><p>", "", FORMAT_HTML},
    {"<?xml version='1.0'?>\n<html xmlns='x'>", "xml", FORMAT_HTML},
    {"<?xml version='1.0'?>\n<feed>", "xml", FORMAT_TEXT},
    {"<html><body>", "md", FORMAT_MARKDOWN},
    {"plain", "", FORMAT_TEXT},
    {"int main(void);", "c", FORMAT_TEXT},
    {"", "", FORMAT_TEXT},
};

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++)
        ok(format_detect(str_from(cases[i].bytes), str_from(cases[i].extension)) == cases[i].format,
           "case %zu as .%s", i, cases[i].extension);
    return tap_done();
}
