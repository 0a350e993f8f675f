/* The cite stage must give the same text and citations however an answer is cut into events; every
 * citation stands behind a marker of a known name and quotes its passage; and no other marker is
 * left. The first byte of an input says how it is cut. */
#include "answer/answer.h"

#include <stdint.h>

static const struct passage passages[] = {
    {.name = STR("a.md"),
     .text = STR("One is here. Two is there.\nThree is a [Source: b] of its own.")},
    {.name = STR("b, c"),
     .text = STR("Four is last."),
     .char_start = 7,
     .line_start = 1,
     .line_end = 1},
};

struct gather {
    struct chat_sink sink;
    struct buf text, places;
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    (void)e;
    if (ev->kind == CHAT_TEXT)
        buf_add(&g->text, ev->text);
    if (ev->kind == CHAT_CITATION) {
        const struct citation *c = ev->citation;
        struct str marker = {g->text.p, g->text.len};
        CHECK(c->at == g->text.len && str_ends(marker, STR("]")));
        marker.len--;
        CHECK(str_ends(marker, c->passage->name));
        CHECK(c->quote.p == c->passage->text.p + (c->char_start - c->passage->char_start));
        CHECK(c->char_end - c->char_start == c->quote.len);
        buf_printf(&g->places, "%zu %zu %zu\n", c->at, (size_t)c->char_start, (size_t)c->char_end);
    }
    return true;
}

static void run(struct gather *g, struct str in, size_t most)
{
    struct arena *a = arena_new();
    struct call c = {.arena = a, .req = {.passage = passages, .n_passages = COUNT(passages)}};
    struct err e;
    *g = (struct gather){.sink = {take}};
    buf_init(&g->text, 1 << 22);
    buf_init(&g->places, 1 << 22);
    struct chat_sink *sink = answer_cite(&c, &g->sink);
    for (size_t size = 1; in.len; size = size % most + 1) {
        struct str part = most == SIZE_MAX ? in : str_head(in, size);
        char *piece = mem_copy(part.p, part.len);
        in = str_from_at(in, part.len);
        CHECK(sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = {piece, part.len}}, &e));
        mem_free(piece);
    }
    CHECK(sink->event(sink, &(struct chat_event){CHAT_FINISH, .finish = CHAT_FINISH_STOP}, &e));
    arena_free(a);
}

static void done(struct gather *g)
{
    buf_fini(&g->text);
    buf_fini(&g->places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    struct gather whole, cut;
    struct str in = {(const char *)data + 1, size - 1};
    run(&whole, in, SIZE_MAX);
    run(&cut, in, data[0] % 32 + 1);
    CHECK(str_eq(buf_str(&whole.text), buf_str(&cut.text)));
    CHECK(str_eq(buf_str(&whole.places), buf_str(&cut.places)));
    done(&whole);
    done(&cut);
    return 0;
}
