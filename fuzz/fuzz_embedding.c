/* Answers with embeddings, converted to one form and back: the same bytes again or an error. */
#include "gateway/embedding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct json doc;
    struct buf coded, plain, again;
    buf_init(&coded, 1 << 20);
    buf_init(&plain, 1 << 20);
    buf_init(&again, 1 << 20);
    if (json_parse(&doc, a, (struct str){(const char *)data, size}, 0, NULL) &&
        embedding_convert(&coded, &doc, true, NULL)) {
        CHECK(json_parse(&doc, a, buf_str(&coded), 0, NULL));
        if (embedding_convert(&plain, &doc, false, NULL)) {
            CHECK(json_parse(&doc, a, buf_str(&plain), 0, NULL));
            if (embedding_convert(&again, &doc, true, NULL))
                CHECK(embedding_fits(&doc, false));
        }
    }
    buf_fini(&coded);
    buf_fini(&plain);
    buf_fini(&again);
    arena_free(a);
    return 0;
}
