/* A vocabulary of any bytes is refused with a message, or counts: between one token a text and one
 * a byte (three times that for NFC, which may take characters apart). */
#include "base/mem.h"
#include "text/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str sample = STR_INIT("It's 1234 HelloWorld\n\n  ab abc \xc3\xa9\xff ");
    struct vocab *v = NULL;
    struct err e = {0};
    if (!vocab_parse(&v, (struct str){(const char *)data, size}, &e)) {
        CHECK(e.code != ERR_NONE && e.msg[0]);
        return 0;
    }
    size_t n = vocab_count(v, sample);
    CHECK(n >= 1 && n <= 3 * sample.len);
    n = vocab_count(v, (struct str){(const char *)data, size_min(size, 4096)});
    CHECK(n >= 1 && n <= 3 * size + 1);
    vocab_unref(v);
    return 0;
}
