#include "run/work_json.h"
#include "run/work.h"

struct job {
    struct json *out;
    struct arena *a;
    struct str text;
    unsigned flags;
    struct err *e;
    bool good;
};

static void parse(void *arg)
{
    struct job *j = arg;
    j->good = json_parse(j->out, j->a, j->text, j->flags, j->e);
}

bool work_json_parse(struct json *out, struct arena *a, struct str text, unsigned flags,
                     struct err *e)
{
    struct job j = {out, a, text, flags, e, false};
    if (text.len < WORK_JSON_LONG)
        return json_parse(out, a, text, flags, e);
    work_run(parse, &j);
    return j.good;
}
