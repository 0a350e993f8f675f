/* The cite stage. A marker may come in pieces and its name may be wrong, so text is held from the
 * first blank in front of a bracket until it is clear what the bracket is. What is held is bounded:
 * a bracket that is not "[Source:" is let go at the first byte that differs. */
#include "answer/answer.h"
#include "answer/marker.h"
#include "answer/place.h"
#include "base/utf8.h"
#include "run/work.h"

enum {
    BLANKS_HELD = 64,      /* in front of a bracket, at most */
    NAMES_MOST = 8,        /* in one marker */
    STATEMENT_MOST = 2048, /* of the text in front of a marker */
};

struct cite {
    struct chat_sink sink;
    struct call *c;
    struct chat_sink *next;
    struct buf held;      /* not yet decided on */
    struct buf out;       /* decided, not yet sent */
    struct buf statement; /* what the next marker speaks for: text since the last one */
    bool cited;           /* `statement` is what a marker has spoken for */
    bool line_empty;      /* nothing has gone out on this line */
    bool drop_blanks;     /* a marker at the start of a line was taken out */
    size_t sent;          /* bytes of the answer's text */
    size_t characters;    /* ... and characters */
    size_t begun;         /* characters in front of what came last */
};

/* ---- Finding passages ---- */

static const struct passage *passage_named(const struct cite *k, struct str name)
{
    const struct chat_request *r = &k->c->req;
    for (size_t i = 0; i < r->n_passages; i++)
        if (str_eq(r->passage[i].name, name))
            return &r->passage[i];
    for (size_t i = 0; i < r->n_passages; i++)
        if (str_ieq(r->passage[i].name, name))
            return &r->passage[i];
    return NULL;
}

/* The passages that a marker names: one name, or several behind ; or , as models like to write. */
static size_t passages_named(const struct cite *k, struct str names,
                             const struct passage *found[NAMES_MOST])
{
    size_t n = 0;
    found[0] = passage_named(k, str_trim(names));
    if (found[0])
        return 1;
    char separator = str_find_char(names, ';') != STR_NPOS ? ';' : ',';
    for (struct str part; n < NAMES_MOST && str_split(&names, separator, &part);) {
        part = str_trim(part);
        if (str_istarts(part, STR("source:")))
            part = str_trim(str_from_at(part, 7));
        const struct passage *p = passage_named(k, part);
        if (p)
            found[n++] = p;
    }
    return n;
}

/* ---- Passing on ---- */

static void put(struct cite *k, struct str text)
{
    if (text.len == 0)
        return;
    buf_add(&k->out, text);
    k->drop_blanks = false;
    size_t line = str_rfind_char(text, '\n');
    struct str tail = line == STR_NPOS ? text : str_from_at(text, line + 1);
    k->line_empty = (line != STR_NPOS || k->line_empty) && marker_skip_blanks(tail, 0) == tail.len;
}

/* Text of the answer: also what the next marker speaks for. */
static void put_text(struct cite *k, struct str text)
{
    if (k->drop_blanks)
        text = str_from_at(text, marker_skip_blanks(text, 0));
    if (text.len == 0)
        return;
    put(k, text);
    if (k->cited && str_trim(text).len > 0) {
        buf_reset(&k->statement);
        k->cited = false;
    }
    if (k->cited)
        return;
    text = str_from_at(text, text.len - size_min(text.len, STATEMENT_MOST));
    if (k->statement.len + text.len > STATEMENT_MOST)
        buf_consume(&k->statement, k->statement.len + text.len - STATEMENT_MOST);
    buf_add(&k->statement, text);
}

static bool send_text(struct cite *k, struct err *e)
{
    struct chat_event ev = {.kind = CHAT_TEXT, .text = buf_str(&k->out)};
    k->sent += k->out.len;
    k->characters += utf8_count(ev.text);
    bool good = k->out.len == 0 || k->next->event(k->next, &ev, e);
    buf_reset(&k->out);
    return good;
}

struct resolving {
    const struct chat_request *r;
    struct str name, statement;
    struct citation *citation;
    struct arena *a;
};

static void resolve(void *arg)
{
    const struct resolving *v = arg;
    place_find(v->r, v->name, v->statement, v->citation, v->a);
}

static bool resolve_marker(struct cite *k, const struct passage *p, struct err *e)
{
    struct citation *c = arena_struct(k->c->arena, struct citation);
    struct resolving *v = arena_struct(k->c->arena, struct resolving);
    *v = (struct resolving){&k->c->req, p->name, buf_str(&k->statement), c, k->c->arena};
    put(k, STR("[Source: "));
    put(k, p->name);
    put(k, STR("]"));
    work_run(resolve, v);
    k->cited = true;
    c->at = k->sent + k->out.len;
    return send_text(k, e) &&
           k->next->event(k->next, &(struct chat_event){CHAT_CITATION, .citation = c}, e);
}

/* An answer may have any number of markers; each gives back what it needed. */
static bool put_marker(struct cite *k, const struct passage *p, struct err *e)
{
    struct arena_mark mark = arena_mark(k->c->arena);
    bool good = resolve_marker(k, p, e);
    arena_rewind(k->c->arena, mark);
    return good;
}

static bool take_marker(struct cite *k, struct str blanks, struct str names, struct err *e)
{
    const struct passage *found[NAMES_MOST];
    size_t n = passages_named(k, names, found);
    if (n == 0) {
        k->drop_blanks = k->line_empty;
        return true;
    }
    put_text(k, blanks);
    for (size_t i = 0; i < n; i++)
        if (!put_marker(k, found[i], e))
            return false;
    return true;
}

/* Back over the blanks in front of s.p[at], which go with a marker that is taken out. */
static size_t before_blanks(struct str s, size_t from, size_t at)
{
    size_t blanks = at;
    while (blanks > from && at - blanks < BLANKS_HELD && marker_is_blank(s.p[blanks - 1]))
        blanks--;
    return blanks;
}

/* Decides on as much of what is held as can be decided. `end`: nothing more will come, so a marker
 * that is still open is taken out, and the beginning of what could have been one is text. */
static bool decide(struct cite *k, bool end, struct err *e)
{
    struct str s = buf_str(&k->held), names;
    size_t from = 0, at = 0, length = 0; /* s[from, at) is text, but for its last blanks */
    bool good = true, certain = false;
    if (s.len == 0)
        return true;
    while (good && at < s.len && length != STR_NPOS) {
        size_t bracket = str_find_char(str_from_at(s, at), '[');
        at = bracket == STR_NPOS ? s.len : at + bracket;
        length = at < s.len ? marker_length(str_from_at(s, at), &names, &certain) : 0;
        if (length == 0) {
            at += at < s.len;
        } else if (length != STR_NPOS) {
            size_t blanks = before_blanks(s, from, at);
            put_text(k, str_span(s.p + from, s.p + blanks));
            good = take_marker(k, str_span(s.p + blanks, s.p + at), names, e);
            from = at += length;
        }
    }
    bool open = length == STR_NPOS;
    size_t sure = end && !(open && certain) ? s.len : before_blanks(s, from, at);
    put_text(k, str_span(s.p + from, s.p + sure));
    buf_consume(&k->held, end ? s.len : sure);
    return good && send_text(k, e);
}

/* The sentence was the whole of the last text, but for white space in front: where it stands now
 * that its citations have been looked at. */
static bool pass_unsupported(struct cite *k, const struct unsupported *u, struct err *e)
{
    struct unsupported here = *u;
    here.start = k->begun + u->start;
    here.end = k->characters;
    return k->next->event(k->next, &(struct chat_event){CHAT_UNSUPPORTED, .unsupported = &here}, e);
}

static bool cite_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct cite *k = CONTAINER_OF(sink, struct cite, sink);
    if (ev->kind == CHAT_TEXT) {
        k->begun = k->characters + k->held.len; /* blanks or a bracket, if anything */
        if (!buf_add(&k->held, ev->text))
            return err_set(e, ERR_UPSTREAM, "the answer is too long");
        return decide(k, false, e);
    }
    if (ev->kind == CHAT_UNSUPPORTED)
        return pass_unsupported(k, ev->unsupported, e);
    /* The end, or a call: nothing that is held can go on behind it. */
    return decide(k, true, e) && k->next->event(k->next, ev, e);
}

static void cite_fini(void *arg)
{
    struct cite *k = arg;
    buf_fini(&k->held);
    buf_fini(&k->out);
    buf_fini(&k->statement);
}

struct chat_sink *answer_cite(struct call *c, struct chat_sink *next)
{
    struct cite *k = arena_struct(c->arena, struct cite);
    *k = (struct cite){.sink = {cite_event}, .c = c, .next = next, .line_empty = true};
    buf_init(&k->held, JSON_TEXT_MAX);
    buf_init(&k->out, JSON_TEXT_MAX);
    buf_init(&k->statement, STATEMENT_MOST);
    arena_defer(c->arena, cite_fini, k);
    return &k->sink;
}
