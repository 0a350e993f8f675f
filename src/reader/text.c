#include "reader/charset.h"
#include "reader/readers.h"

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.p[i] != ' ' && (line.p[i] < '\t' || line.p[i] > '\r'))
            return false;
    return true;
}

/* Takes a line off the front, whichever way lines end here. */
static bool next_line(struct str *rest, struct str *line)
{
    if (rest->len == 0)
        return false;
    size_t n = 0;
    while (n < rest->len && rest->p[n] != '\n' && rest->p[n] != '\r')
        n++;
    *line = str_head(*rest, n);
    if (n + 1 < rest->len && rest->p[n] == '\r' && rest->p[n + 1] == '\n')
        n++;
    *rest = str_from_at(*rest, n + 1);
    return true;
}

bool text_read(struct blocks *b, struct str bytes, struct err *e)
{
    struct str rest, line;
    if (!charset_decode(&rest, b->a, bytes, STR_NONE))
        return err_set(e, ERR_MEDIA, "unsupported format");
    struct block para = {.kind = WIRE_PARA};
    for (uint32_t at = 1; blocks_ok(b) && next_line(&rest, &line); at++) {
        if (is_blank(line)) {
            blocks_add(b, &para);
            para.text = STR_NONE;
            continue;
        }
        if (para.text.len == 0) {
            para.text.p = line.p;
            para.line_start = at;
        }
        para.text = str_span(para.text.p, line.p + line.len);
        para.line_end = at;
    }
    blocks_add(b, &para);
    return true;
}
