/* Tables can be read as before; once sealed, nothing else can. */
#include "base/mem.h"
#include "reader/encodings.h"

#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* As poppler calls it; the header may have renamed ours. */
FILE *plain_fopen(const char *path, const char *mode) __asm__("fopen");

int main(void)
{
    const char *table = "/usr/share/poppler/cMap/Adobe-GB1/UniGB-UCS2-H";
    char before[4096], after[4096];
    size_t n = 0;
    FILE *f = plain_fopen(table, "r");
    if (f) {
        n = fread(before, 1, sizeof(before), f);
        fclose(f);
    }
    size_t tables = encodings_prepare();
    ok(encodings_prepare() == tables, "prepared once: %zu tables", tables);
    encodings_seal();
    if (n == 0) {
        skip("poppler-data is not installed");
    } else {
        f = plain_fopen(table, "r");
        ok(f && fread(after, 1, sizeof(after), f) == n && memcmp(before, after, n) == 0,
           "a table reads as before");
        if (f)
            fclose(f);
        ok(!plain_fopen(table, "w") && errno == ENOENT, "and cannot be written");
    }
    errno = 0;
    ok(!plain_fopen("/etc/passwd", "r") && errno == ENOENT, "nothing else is there");
    return tap_done();
}
