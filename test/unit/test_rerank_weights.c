/* Files of weights: what was written is read; what is none is refused with the reason. */
#include "model/rerank_weights.h"
#include "base/file.h"

#include "tap.h"
#include "tempdir.h"

#define HEAD "{\"penstock\":\"rerank weights\",\"version\":1,"

static const char *const refused[] = {
    "",
    "[]",
    "{}",
    "{\"penstock\":\"rerank weights\",\"version\":2,\"bias\":0,\"weights\":{}}",
    HEAD "\"weights\":{}}",
    HEAD "\"bias\":0,\"weights\":[]}",
    HEAD "\"bias\":0,\"weights\":{\"nonsense\":1}}",
    HEAD "\"bias\":0,\"weights\":{\"bm25\":\"1\"}}",
    HEAD "\"bias\":0,\"weights\":{\"bm25\":1,\"bm25\":2}}",
};

int main(void)
{
    char dir[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 16];
    struct rerank_weights w = *rerank_weights_built_in(), got;
    struct err e;
    tempdir_make(dir);
    snprintf(path, sizeof(path), "%s/weights", dir);
    w.weight[RERANK_TITLE] = 1.0 / 3;
    ok(rerank_weights_write(&w, path, STR("a test"), &e) && rerank_weights_read(&got, path, &e) &&
           memcmp(&w, &got, sizeof(w)) == 0,
       "written and read, exactly");
    for (size_t i = 0; i < COUNT(refused); i++)
        ok(file_replace(path, str_from(refused[i]), 0600, &e) &&
               !rerank_weights_read(&got, path, &e) && strstr(e.msg, "weights"),
           "refused: %s", e.msg);
    ok(!rerank_weights_read(&got, "/nonexistent/w", &e) && e.code == ERR_NOT_FOUND, "%s", e.msg);
    tempdir_remove(dir);
    return tap_done();
}
