/* The HTML reader, as the sandbox runs it, minus the sandbox. */
#include "reader/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    html_prepare();
    struct arena *a = arena_new();
    struct blocks b;
    struct str json;
    struct err e;
    blocks_init(&b, a, 64 << 20);
    if (html_read(&b, (struct str){(const char *)data, size}, &e) && blocks_end(&b, &json, &e)) {
        struct json doc; /* what we write must be JSON, whatever came in */
        CHECK(json_parse(&doc, a, json, JSON_UNIQUE, &e));
    }
    blocks_fini(&b);
    arena_free(a);
    return 0;
}
