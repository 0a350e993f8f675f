/* What bytes are to a model. */
#include "gateway/attach.h"

#include "tap.h"

static const struct {
    const char *name;
    struct str bytes, type;
} cases[] = {
    {"png", STR("\x89PNG\r\n\x1a\n...."), STR("image/png")},
    {"half of png's mark", STR("\x89PNG\r\n"), STR("")},
    {"jpeg", STR("\xff\xd8\xff\xe0"), STR("image/jpeg")},
    {"gif, old", STR("GIF87a"), STR("image/gif")},
    {"gif", STR("GIF89a.."), STR("image/gif")},
    {"webp", STR("RIFF\x10\x00\x00\x00WEBPVP8 "), STR("image/webp")},
    {"sound in the same frame", STR("RIFF\x10\x00\x00\x00WAVEfmt "), STR("")},
    {"a frame that is cut", STR("RIFF"), STR("")},
    {"pdf", STR("%PDF-1.4"), STR("")},
    {"text", STR("GIF is a format"), STR("")},
    {"nothing", STR(""), STR("")},
};

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++)
        ok(str_eq(attach_image_type(cases[i].bytes), cases[i].type), "%s", cases[i].name);
    return tap_done();
}
