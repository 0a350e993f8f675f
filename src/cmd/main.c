/* main.c - penstock: which subcommand, and the overview of them. */
#include "cmd/cli.h"

#include <stdio.h>

static const struct command *const commands[] = {&cmd_serve,  &cmd_ingest, &cmd_ask,    &cmd_search,
                                                 &cmd_keys,   &cmd_config, &cmd_doctor, &cmd_top,
                                                 &cmd_verify, &cmd_train,  &cmd_version};

static void overview(FILE *to)
{
    fprintf(to, "penstock - every model, document and answer behind one address\n\n"
                "Usage: penstock COMMAND [options]\n\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        fprintf(to, "  %-10s %.*s\n", commands[i]->name, (int)strcspn(commands[i]->doc, "\n"),
                commands[i]->doc);
    fprintf(to, "\n'penstock COMMAND --help' says more. The manual is penstock(1).\n");
}

static int unknown(const char *name)
{
    const char *nearest = NULL;
    size_t best = 4;
    for (size_t i = 0; i < COUNT(commands); i++) {
        size_t d = str_distance(str_from(name), str_from(commands[i]->name), best);
        if (d < best) {
            best = d;
            nearest = commands[i]->name;
        }
    }
    fprintf(stderr, "penstock: there is no command '%s'%s%s%s\n", name,
            nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        overview(stderr);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        overview(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i]->run(argc - 2, argv + 2);
    return unknown(name);
}
