/* Command-line options: parsed from options.def into one struct. */
#ifndef LATHE_DRIVER_OPTIONS_H
#define LATHE_DRIVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    COMPILE = 1,
    CHECK = 2,
    TEST = 4,
    RUN = 8,
    BENCH = 16,
    OPT = 32,
    OPS = 64,
    COMPARE = 128,
    INFO = 256,
    INSPECT = 512,
    ALL = 1023,
    GENERATE = 1024
};

typedef struct option_list {
    const char **items;
    size_t n;
} option_list;

typedef struct cli_options {
    option_list paths; /* what is not an option */
    const char *name, *output, *emit, *target, *cpu, *weights, *dump_after, *passes, *runner,
        *case_dir;
    const char *output_dir, *output_format, *depfile, *report, *against, *require, *trace, *state;
    const char *precision, *activations;
    option_list dims, at, items, set, custom, disabled, inputs, kept;
    long level, jobs, timeout, threads;
    double seconds, limit_time, limit_memory;
    bool allow_symlinks, guard, profile, origins, list_passes, json, quiet, help, version;
} cli_options;

/* MAYBE: a string that only an '=' gives, "" without. */
typedef enum { FLAG, STR, INT, NUM, LIST, MAYBE } option_kind;

typedef struct option_row {
    const char *name;
    char letter;     /* 0: none */
    const char *arg; /* as --help shows it; NULL for a FLAG */
    option_kind kind;
    size_t offset; /* of the field in cli_options */
    unsigned commands;
    const char *help;
} option_row;
extern const option_row option_rows[];
extern const size_t option_count;
/* The words that its value may be, NULL-terminated; NULL: any. */
const char *const *option_choices(const option_row *);

/* argv[0] is the command's name. Pointers refer to argv. false: a message was printed. */
bool options_parse(cli_options *, unsigned command, int argc, char **argv);
void options_free(cli_options *);
/* Rows of the option table for a command, as --help shows them. */
void options_print(unsigned command);

#endif
