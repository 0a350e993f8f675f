#include "cmd/cli.h"
#include "gateway/config.h"

#include <stdio.h>

static int check(const char *file)
{
    struct config *c;
    struct err e;
    if (!config_load(&c, file, &e))
        return cli_fail(&e);
    printf("%s is good: %zu providers, %zu models\n", file, c->n_providers, c->n_models);
    config_unref(c);
    return CLI_OK;
}

static int reference(void)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    config_reference(&b);
    fwrite(b.p, 1, b.len, stdout);
    buf_fini(&b);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    int code = cli_parse(&cmd_config, NULL, 0, &argc, argv);
    if (code >= 0)
        return code;
    if (argc == 2 && strcmp(argv[0], "check") == 0)
        return check(argv[1]);
    if (argc == 1 && strcmp(argv[0], "reference") == 0)
        return reference();
    return cli_usage_error(&cmd_config, "check FILE, or reference?");
}

const struct command cmd_config = {"config", "config check FILE | reference",
                                   "Check a configuration, or print the reference of all keys.\n\n"
                                   "'check' reads the file as 'serve' would and changes nothing.",
                                   run};
