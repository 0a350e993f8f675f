/* fuzz_questions - what chat models say when they are asked to take a question apart, or to judge
 * passages; and questions themselves. Results are in their bounds, whatever comes. */
#include "answer/judge.h"
#include "answer/near.h"
#include "answer/questions.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { PASSAGES = 5 };
    struct arena *a = arena_new();
    struct str text = {(const char *)data, size}, part[QUESTIONS_PARTS];
    struct questions_said said;
    struct near near;
    double score[PASSAGES];
    struct err e;
    size_t n = questions_split(text, part, a);
    CHECK(n <= QUESTIONS_PARTS);
    for (size_t i = 0; i < n; i++)
        CHECK(part[i].p >= text.p && part[i].p + part[i].len <= text.p + text.len);
    if (questions_read(&said, text, a, &e)) {
        CHECK(said.n_parts <= QUESTIONS_PARTS && said.n_reworded <= QUESTIONS_PARTS);
        for (size_t i = 0; i < said.n_reworded; i++)
            CHECK(said.reworded[i].len <= QUESTIONS_BYTES);
    }
    if (judge_read(text, score, PASSAGES, a, &e))
        for (size_t i = 0; i < PASSAGES; i++)
            CHECK(score[i] >= 0 && score[i] <= 1);
    questions_feedback(STR("what is it"), part, n, n > 1 ? n / 2 : n, a);
    near_sketch(&near, text);
    CHECK(near_same(&near, &near) && near_likeness(&near, &near) == 1);
    arena_free(a);
    return 0;
}
