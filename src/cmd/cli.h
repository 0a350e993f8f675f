/* cli.h - what the subcommands share: options, messages, the terminal, exit codes.
 *
 * Results go to standard output, messages and progress to standard error. Exit codes: 0 done, 1 it
 * failed, 2 the command line was wrong, 130 interrupted. Colour and progress bars only on a
 * terminal; NO_COLOR turns colour off.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

struct cli_option {
    const char *name;  /* "--data" */
    const char *value; /* "DIR" in the help; NULL: a flag */
    void *to;          /* const char ** or, for a flag, bool * */
    const char *doc;
};

struct command {
    const char *name;
    const char *usage; /* "ask QUESTION [options]" */
    const char *doc;   /* what it does, some lines */
    int (*run)(int argc, char **argv);
};

extern const struct command cmd_serve, cmd_ingest, cmd_ask, cmd_search, cmd_keys, cmd_config,
    cmd_doctor, cmd_top, cmd_train, cmd_verify, cmd_version;

/* Takes the options out of argv; what is left are the operands, argv[0 .. *argc). `--` ends
 * options. Returns -1 to go on, else the exit code (after printing help or what is wrong). */
int cli_parse(const struct command *c, const struct cli_option *option, size_t n, int *argc,
              char **argv);
/* "penstock ask: ..." on standard error; returns CLI_USAGE. */
int cli_usage_error(const struct command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints e->msg; returns CLI_FAILED, or CLI_INTERRUPTED for ERR_CANCELLED. */
int cli_fail(const struct err *e);

bool cli_terminal(int fd);  /* is it a terminal? */
const char *cli_bold(void); /* escape sequences for standard output, or "" */
const char *cli_dim(void);
const char *cli_plain(void);

/* The data directory: `given`, $PENSTOCK_DATA, $XDG_STATE_HOME/penstock, ~/.local/state/penstock.
 * False: none of them is known. */
bool cli_data_dir(const char *given, struct arena *a, const char **out, struct err *e);
