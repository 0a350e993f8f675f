/* traceparent of any bytes: what is taken has the exact form, and reads back from what is written.
 */
#include "base/mem.h"
#include "obs/traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = {(const char *)data, size};
    struct traceparent t, again;
    char text[TRACEPARENT_SIZE];
    traceparent_state_ok(s);
    if (!traceparent_parse(&t, s))
        return 0;
    CHECK(size >= TRACEPARENT_SIZE && (t.trace[0] | t.trace[1]) != 0 && t.span != 0);
    traceparent_format(&t, text);
    CHECK(memcmp(text + 3, s.p + 3, 50) == 0); /* trace and span as they came */
    CHECK(traceparent_parse(&again, (struct str){text, sizeof(text)}));
    CHECK(again.trace[0] == t.trace[0] && again.trace[1] == t.trace[1] && again.span == t.span &&
          again.flags == t.flags);
    return 0;
}
