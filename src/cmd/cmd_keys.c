#include "base/clock.h"
#include "cmd/cli.h"
#include "cmd/local.h"

#include <stdio.h>

struct keys {
    const struct verb *verb;
    const char *operand, *role, *tenant, *user, *groups;
    bool acts_for_users, json;
};

static struct str json_field(struct json_value v, const char *name, struct arena *a)
{
    return json_text(json_get(v, name), a);
}

static bool create(struct local *l, const struct keys *k, struct err *e)
{
    struct arena *a = local_arena(l);
    struct json answer;
    struct json_writer w;
    struct buf b;
    buf_init(&b, 1 << 20);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "name", k->operand);
    json_kv_text(&w, "role", k->role);
    if (k->tenant)
        json_kv_text(&w, "tenant", k->tenant);
    if (k->user)
        json_kv_text(&w, "user", k->user);
    if (k->groups)
        json_kv_text(&w, "groups", k->groups);
    if (k->acts_for_users)
        json_kv_bool(&w, "acts_for_users", true);
    json_end(&w);
    bool good = local_call(l, "POST", STR("/admin/keys"), buf_str(&b), &answer, e);
    buf_fini(&b);
    if (!good)
        return false;
    struct json_value root = json_root(&answer);
    if (k->json)
        printf("%.*s\n", STR_FMT(answer.text));
    else
        printf("%.*s\n", STR_FMT(json_field(root, "key", a)));
    if (!k->json)
        fprintf(stderr, "penstock: this is shown only now; its id is %.*s\n",
                STR_FMT(json_field(root, "id", a)));
    return true;
}

/* "alice (hr, eng)", "any user", "-" */
static struct str holder_of(struct json_value key, struct arena *a)
{
    struct str user = json_field(key, "user", a), groups = STR_NONE;
    bool any = false;
    json_bool(json_get(key, "acts_for_users"), &any);
    json_each(it, json_get(key, "groups")) groups = arena_printf(
        a, "%.*s%s%.*s", STR_FMT(groups), groups.len ? ", " : "", STR_FMT(json_text(it.value, a)));
    if (any)
        return STR("any user");
    if (groups.len)
        return arena_printf(a, "%.*s (%.*s)", STR_FMT(user), STR_FMT(groups));
    return user.len ? user : STR("-");
}

static bool list(struct local *l, const struct keys *k, struct err *e)
{
    struct arena *a = local_arena(l);
    struct json answer;
    if (!local_call(l, "GET", STR("/admin/keys"), STR_NONE, &answer, e))
        return false;
    if (k->json) {
        printf("%.*s\n", STR_FMT(answer.text));
        return true;
    }
    printf("%s%-30s %-10s %-12s %-8s %-25s %-20s %s%s\n", cli_bold(), "ID", "ROLE", "TENANT",
           "ENDS IN", "CREATED", "ASKS AS", "NAME", cli_plain());
    json_each(it, json_get(json_root(&answer), "data"))
    {
        char at[CLOCK_RFC3339_SIZE];
        int64_t created = 0, revoked = 0;
        json_int(json_get(it.value, "created_at"), &created);
        bool gone = json_int(json_get(it.value, "revoked_at"), &revoked);
        clock_rfc3339(at, created * 1000);
        printf("%-30.*s %-10.*s %-12.*s %-8.*s %-25s %-20.*s %.*s%s\n",
               STR_FMT(json_field(it.value, "id", a)), STR_FMT(json_field(it.value, "role", a)),
               STR_FMT(json_field(it.value, "tenant", a)), STR_FMT(json_field(it.value, "hint", a)),
               at, STR_FMT(holder_of(it.value, a)), STR_FMT(json_field(it.value, "name", a)),
               gone ? " (revoked)" : "");
    }
    return true;
}

static bool revoke(struct local *l, const struct keys *k, struct err *e)
{
    struct json answer;
    struct str path = arena_printf(local_arena(l), "/admin/keys/%s", k->operand);
    if (!local_call(l, "DELETE", path, STR_NONE, &answer, e))
        return false;
    if (k->json)
        printf("%.*s\n", STR_FMT(answer.text));
    else
        printf("revoked %s\n", k->operand);
    return true;
}

static const struct verb {
    const char *name, *operand;
    bool (*run)(struct local *l, const struct keys *k, struct err *e);
} verbs[] = {{"create", "a name", create}, {"list", NULL, list}, {"revoke", "an id", revoke}};

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < COUNT(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int keys_fiber(struct local *l, void *arg)
{
    const struct keys *k = arg;
    struct err e;
    return k->verb->run(l, k, &e) ? CLI_OK : cli_fail(&e);
}

static int check(struct keys *k, int argc, char **argv)
{
    const struct verb *v = argc ? find(argv[0]) : NULL;
    if (!v)
        return cli_usage_error(&cmd_keys, "create, list or revoke?");
    if (argc != (v->operand ? 2 : 1))
        return cli_usage_error(&cmd_keys, "'%s' takes %s behind it", v->name,
                               v->operand ? v->operand : "nothing");
    k->verb = v;
    k->operand = v->operand ? argv[1] : NULL;
    return -1;
}

static int run(int argc, char **argv)
{
    const char *data = NULL;
    struct local_options opt = {0};
    struct keys k = {.role = "user"};
    const struct cli_option options[] = {
        {"--role", "ROLE", &k.role, "read-only, user, developer, operator or admin; default user."},
        {"--tenant", "NAME", &k.tenant, "Whose key it is; default is the first tenant."},
        {"--user", "NAME", &k.user, "In whose name it asks: reads what that user may."},
        {"--groups", "NAME,...", &k.groups, "Groups of the user."},
        {"--acts-for-users", NULL, &k.acts_for_users,
         "May name a user and groups with each request, in x-penstock-user and -groups."},
        {"--data", "DIR", &data, "Data directory of the service."},
        {"--json", NULL, &k.json, "The answer as it comes over the API."},
    };
    struct arena *a = arena_new();
    struct err e;
    int code = cli_parse(&cmd_keys, options, COUNT(options), &argc, argv);
    if (code < 0)
        code = check(&k, argc, argv);
    if (code < 0)
        code = cli_data_dir(data, a, &opt.data_dir, &e) ? local_run(&opt, keys_fiber, &k)
                                                        : cli_fail(&e);
    arena_free(a);
    return code;
}

const struct command cmd_keys = {"keys", "keys create NAME | list | revoke ID [options]",
                                 "Make, list and revoke API keys.\n\n"
                                 "A key is shown once, when it is made; only a keyed hash of it is "
                                 "stored.",
                                 run};
