/* What body.h promises: members that may be left out, but if given must be right, and the path of
 * the one at fault. */
#include "gateway/body.h"

#include "tap.h"

static const struct body_rule rules[] = {
    {STR_INIT("t"), BODY_NUMBER, 0, 2, "a number between 0 and 2"},
    {STR_INIT("n"), BODY_WHOLE, 1, 128, "a whole number between 1 and 128"},
    {STR_INIT("stream"), BODY_FLAG, 0, 0, "true or false"},
    {STR_INIT("suffix"), BODY_TEXT, 0, 0, "a string"},
};

static const struct {
    const char *body, *param; /* NULL = passes */
} cases[] = {
    {"{}", NULL},
    {"{\"t\":null,\"n\":null,\"stream\":null,\"suffix\":null}", NULL},
    {"{\"t\":0.5,\"n\":128,\"stream\":true,\"suffix\":\" \",\"other\":[]}", NULL},
    {"{\"t\":2.1}", "t"},
    {"{\"t\":\"1\"}", "t"},
    {"{\"n\":0}", "n"},
    {"{\"n\":1.5}", "n"},
    {"{\"stream\":1}", "stream"},
    {"{\"suffix\":1}", "suffix"},
    {"{\"stop\":\"a\"}", NULL},
    {"{\"stop\":[\"a\",\"b\",\"c\",\"d\"]}", NULL},
    {"{\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", "stop"},
    {"{\"stop\":[1]}", "stop"},
    {"{\"stream_options\":{}}", "stream_options"},
    {"{\"stream\":true,\"stream_options\":1}", "stream_options"},
    {"{\"stream\":true,\"stream_options\":{\"include_usage\":1}}", "stream_options.include_usage"},
    {"{\"stream\":true,\"stream_options\":{\"include_usage\":true}}", NULL},
};

int main(void)
{
    struct arena *a = arena_new();
    struct json doc;
    struct err e;
    struct str model;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chat_request req = {0};
        e.param[0] = 0;
        CHECK(json_parse(&doc, a, str_from(cases[i].body), 0, &e));
        struct json_value root = json_root(&doc), v[COUNT(rules)];
        for (size_t k = 0; k < COUNT(rules); k++)
            v[k] = json_member(root, rules[k].name);
        struct err other = {0};
        ok(body_check(root, rules, COUNT(rules), &e) ==
                   body_check_found(v, rules, COUNT(rules), &other) &&
               (!other.code || strcmp(e.param, other.param) == 0),
           "the same when they are found: %s", cases[i].body);
        bool good =
            body_check(root, rules, COUNT(rules), &e) && body_stop(json_get(root, "stop"), &e) &&
            body_stream(&req, json_get(root, "stream"), json_get(root, "stream_options"), &e);
        ok(good ? !cases[i].param : cases[i].param && strcmp(e.param, cases[i].param) == 0, "%s",
           cases[i].body);
        ok(!good || req.include_usage == (strstr(cases[i].body, "\"include_usage\":true") != NULL),
           "usage: %s", cases[i].body);
    }
    CHECK(json_parse(&doc, a, STR("{\"model\":\"m\"}"), 0, &e));
    ok(body_model(json_get(json_root(&doc), "model"), a, &model, &e) && str_eq(model, STR("m")),
       "a model");
    CHECK(json_parse(&doc, a, STR("{\"model\":\"\"}"), 0, &e));
    ok(!body_model(json_get(json_root(&doc), "model"), a, &model, &e) && e.code == ERR_INVALID,
       "no name");
    CHECK(json_parse(&doc, a, STR("{}"), 0, &e));
    ok(!body_model(json_get(json_root(&doc), "model"), a, &model, &e) && e.code == ERR_MISSING,
       "no model");
    ok(str_eq(str_from(body_path("input[%d]", 3).text), STR("input[3]")), "a path");
    arena_free(a);
    return tap_done();
}
