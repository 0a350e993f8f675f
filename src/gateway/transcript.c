#include "gateway/transcript.h"
#include "net/sse.h"

enum { EVENT_MOST = 1 << 20 }; /* longer events are not looked into */

struct transcript {
    struct chat_sink sink, *next;
    struct call *call;
};

void transcript_question(struct call *c)
{
    static const char *const roles[] = {
        [CHAT_SYSTEM] = "system",       [CHAT_DEVELOPER] = "developer", [CHAT_USER] = "user",
        [CHAT_ASSISTANT] = "assistant", [CHAT_TOOL] = "tool",
    };
    trace_asked(c->trace, json_root(&c->req.body));
    for (size_t i = 0; trace_content(c->trace) && i < c->req.n_messages; i++)
        trace_message(c->trace, roles[c->req.message[i].role], c->req.message[i].text);
}

/* Where the protocols have text: in whole answers, and in events. */
static void note_json(struct trace *t, struct str text, struct arena *tmp)
{
    static const char *const paths[] = {
        "choices.0.message.content", "choices.0.delta.content", /* OpenAI's chat */
        "choices.0.text",                                       /* its completions */
        "delta.text",                                           /* Anthropic's events */
    };
    struct json doc;
    if (!json_parse(&doc, tmp, text, 0, NULL))
        return;
    for (size_t i = 0; i < COUNT(paths); i++)
        trace_said(t, json_text(json_path(json_root(&doc), paths[i]), tmp));
    json_each(it, json_get(json_root(&doc), "content")) /* Anthropic's whole answers */
        trace_said(t, json_text(json_get(it.value, "text"), tmp));
}

static void note_events(struct trace *t, struct str raw, struct arena *tmp)
{
    struct sse_reader reader;
    struct sse_event ev;
    struct err e;
    sse_init(&reader, EVENT_MOST);
    sse_feed(&reader, raw);
    while (sse_next(&reader, &ev, &e) > 0)
        note_json(t, ev.data, tmp);
    sse_fini(&reader);
}

/* Apart from the sink's function, whose frame lies below a stream that waits. */
__attribute__((noinline)) static void note(struct call *c, const struct chat_event *ev)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    if (ev->kind == CHAT_TEXT || ev->kind == CHAT_REFUSAL)
        trace_said(c->trace, ev->text);
    else if (ev->kind == CHAT_RAW && c->req.stream)
        note_events(c->trace, ev->raw, tmp);
    else if (ev->kind == CHAT_RAW)
        note_json(c->trace, ev->raw, tmp);
    arena_rewind(tmp, mark);
}

static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct transcript *t = CONTAINER_OF(sink, struct transcript, sink);
    note(t->call, ev);
    return t->next->event(t->next, ev, e);
}

struct chat_sink *transcript_answer(struct call *c, struct chat_sink *next)
{
    struct transcript *t = arena_struct(c->arena, struct transcript);
    *t = (struct transcript){.sink.event = on_event, .next = next, .call = c};
    return &t->sink;
}
