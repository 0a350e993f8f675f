#include "cmd/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct cli_option help_option = {"--help", NULL, NULL, "Show this."};

static void print_option(const struct cli_option *o)
{
    char left[48];
    snprintf(left, sizeof(left), "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    printf("  %-22s %s\n", left, o->doc);
}

static void print_help(const struct command *c, const struct cli_option *option, size_t n)
{
    printf("Usage: penstock %s\n\n%s\n\nOptions:\n", c->usage, c->doc);
    for (size_t i = 0; i < n; i++)
        print_option(&option[i]);
    print_option(&help_option);
}

int cli_usage_error(const struct command *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "penstock %s: ", c->name);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\nTry 'penstock %s --help'.\n", c->name);
    va_end(args);
    return CLI_USAGE;
}

/* The option that `arg` names, "--data=DIR" included; *value is then set. */
static const struct cli_option *find(const struct cli_option *option, size_t n, const char *arg,
                                     const char **value)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(option[i].name);
        if (strncmp(arg, option[i].name, len) != 0)
            continue;
        if (arg[len] == 0 || (arg[len] == '=' && option[i].value)) {
            *value = arg[len] ? arg + len + 1 : NULL;
            return &option[i];
        }
    }
    return NULL;
}

int cli_parse(const struct command *c, const struct cli_option *option, size_t n, int *argc,
              char **argv)
{
    int kept = 0;
    bool options_over = false;
    for (int i = 0; i < *argc; i++) {
        if (options_over || argv[i][0] != '-' || argv[i][1] == 0) {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            options_over = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(c, option, n);
            return CLI_OK;
        }
        const char *value = NULL;
        const struct cli_option *o = find(option, n, argv[i], &value);
        if (!o)
            return cli_usage_error(c, "there is no option '%s'", argv[i]);
        if (!o->value) {
            *(bool *)o->to = true;
        } else {
            if (!value && i + 1 >= *argc)
                return cli_usage_error(c, "'%s' needs %s behind it", o->name, o->value);
            *(const char **)o->to = value ? value : argv[++i];
        }
    }
    *argc = kept;
    return -1;
}

int cli_fail(const struct err *e)
{
    if (e->code == ERR_CANCELLED) {
        fprintf(stderr, "penstock: interrupted\n");
        return CLI_INTERRUPTED;
    }
    fprintf(stderr, "penstock: %s\n", e->msg);
    return CLI_FAILED;
}

bool cli_terminal(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

static const char *style(const char *sequence)
{
    const char *off = getenv("NO_COLOR");
    return cli_terminal(STDOUT_FILENO) && !(off && *off) ? sequence : "";
}

const char *cli_bold(void)
{
    return style("\033[1m");
}

const char *cli_dim(void)
{
    return style("\033[2m");
}

const char *cli_plain(void)
{
    return style("\033[0m");
}

bool cli_data_dir(const char *given, struct arena *a, const char **out, struct err *e)
{
    const char *own = getenv("PENSTOCK_DATA"), *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (given && *given)
        *out = given;
    else if (own && *own)
        *out = own;
    else if (state && *state)
        *out = arena_printf(a, "%s/penstock", state).p;
    else if (home && *home)
        *out = arena_printf(a, "%s/.local/state/penstock", home).p;
    else
        return err_set(e, ERR_INVALID,
                       "there is no home directory to keep data in; name one with --data DIR");
    /* Commands and the service must mean the same place wherever they start. */
    if ((*out)[0] != '/') {
        char *here = getcwd(NULL, 0);
        if (!here)
            return err_sys(e, ERR_IO, "cannot tell the current directory");
        *out = arena_printf(a, "%s/%s", here, *out).p;
        free(here);
    }
    return true;
}
