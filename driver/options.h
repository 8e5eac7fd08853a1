/* Command-line options: parsed from options.def into one struct. */
#ifndef LATHE_DRIVER_OPTIONS_H
#define LATHE_DRIVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { COMPILE = 1, CHECK = 2, TEST = 4, RUN = 8, BENCH = 16, OPT = 32, OPS = 64, ALL = 127 };

typedef struct option_list {
    const char **items;
    size_t n;
} option_list;

typedef struct cli_options {
    option_list paths;              /* what is not an option */
    const char *name, *output, *emit, *target, *cpu, *weights, *dump_after, *passes, *runner, *case_dir;
    const char *output_dir, *output_format, *depfile;
    option_list dims, custom, disabled, inputs;
    long level, jobs, timeout, threads;
    double seconds;
    bool allow_symlinks, guard, json, quiet, help, version;
} cli_options;

/* argv[0] is the command's name. Pointers refer to argv. false: a message was printed. */
bool options_parse(cli_options *, unsigned command, int argc, char **argv);
void options_free(cli_options *);
/* Rows of the option table for a command, as --help shows them. */
void options_print(unsigned command);

#endif
