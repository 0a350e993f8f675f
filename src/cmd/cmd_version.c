#include "cmd/cli.h"

#include <build_info.h>
#include <stdio.h>

static int run(int argc, char **argv)
{
    int code = cli_parse(&cmd_version, NULL, 0, &argc, argv);
    if (code >= 0)
        return code;
    if (argc > 0)
        return cli_usage_error(&cmd_version, "'%s' is one too many", argv[0]);
    printf("penstock %s (%s, %s)\n%s\n", BUILD_VERSION, BUILD_MACHINE, BUILD_COMPILER,
           BUILD_LIBRARIES);
    return CLI_OK;
}

const struct command cmd_version = {"version", "version",
                                    "Print the version and the libraries in use.", run};
