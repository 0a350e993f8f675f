#include "model/splice.h"

void splice_init(struct splice *s, const struct json *doc)
{
    s->doc = doc;
    s->n = 0;
}

/* Edits are kept by rising place; those at one place stay in the order in which they were made. */
static void add(struct splice *s, struct splice_edit edit)
{
    CHECK(s->n < SPLICE_EDITS);
    size_t i = s->n++;
    for (; i > 0 && s->edit[i - 1].at > edit.at; i--)
        s->edit[i] = s->edit[i - 1];
    CHECK(i == 0 || s->edit[i - 1].end <= edit.at);
    CHECK(i + 1 == s->n || edit.end <= s->edit[i + 1].at);
    s->edit[i] = edit;
}

/* What shall become of the member whose name is entry `i`? Names compare decoded, and the first of
 * equal ones is meant, as in json_get: what was checked is what is replaced. */
static const struct splice_member *find(const struct splice_member *m, size_t n, bool *found,
                                        const struct json *doc, uint32_t i)
{
    struct json_value name = {doc, i};
    for (size_t k = 0; k < n; k++) {
        if (!found[k] && json_text_is(name, m[k].name)) {
            found[k] = true;
            return &m[k];
        }
    }
    return NULL;
}

/* A member that goes takes the comma in front of it along when one stays before it, else the comma
 * behind it; so any selection leaves the right commas and no two cuts overlap. */
void splice_object(struct splice *s, struct json_value object, const struct splice_member *m,
                   size_t n)
{
    CHECK(object.doc == s->doc && json_is(object, JSON_OBJECT) && n <= SPLICE_EDITS);
    const struct json_node *node = s->doc->node;
    uint32_t stop = node[object.i].next, last_end = node[object.i].at + 1;
    bool stays = false, found[SPLICE_EDITS] = {false};

    for (uint32_t i = object.i + 1; i < stop; i = node[i + 1].next) {
        const struct json_node *key = &node[i], *value = &node[i + 1];
        const struct splice_member *new = find(m, n, found, s->doc, i);
        if (!new || new->json.p) {
            if (new)
                add(s, (struct splice_edit){value->at, value->end, "", STR_NONE, new->json});
            stays = true;
        } else if (stays) {
            add(s, (struct splice_edit){.at = last_end, .end = value->end, .comma = ""});
        } else {
            uint32_t end = value->next < stop ? node[value->next].at : value->end;
            add(s, (struct splice_edit){.at = key->at, .end = end, .comma = ""});
        }
        last_end = value->end;
    }
    for (size_t i = 0; i < n; i++) {
        if (found[i] || !m[i].json.p)
            continue;
        add(s, (struct splice_edit){last_end, last_end, stays ? "," : "", str_from(m[i].name),
                                    m[i].json});
        stays = true;
    }
}

static size_t put(struct str *part, size_t n, struct str s)
{
    if (s.len > 0)
        part[n++] = s;
    return n;
}

size_t splice_parts(const struct splice *s, struct str part[SPLICE_PARTS])
{
    size_t n = 0;
    uint32_t from = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct splice_edit *edit = &s->edit[i];
        n = put(part, n, (struct str){s->doc->text.p + from, edit->at - from});
        if (edit->name.len > 0) {
            n = put(part, n, edit->comma[0] ? STR(",\"") : STR("\""));
            n = put(part, n, edit->name);
            n = put(part, n, STR("\":"));
        }
        n = put(part, n, edit->json);
        from = edit->end;
    }
    return put(part, n, str_from_at(s->doc->text, from));
}

struct str splice_text(const struct splice *s, struct arena *a)
{
    if (s->n == 0)
        return s->doc->text;
    struct str part[SPLICE_PARTS];
    size_t n = splice_parts(s, part), len = 0;
    for (size_t i = 0; i < n; i++)
        len += part[i].len;
    char *p = arena_bytes(a, len), *to = p;
    for (size_t i = 0; i < n; i++) {
        memcpy(to, part[i].p, part[i].len);
        to += part[i].len;
    }
    return (struct str){p, len};
}
