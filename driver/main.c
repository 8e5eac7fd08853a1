/* The lathe command: picks the subcommand, parses its options, maps statuses to exit codes. */
#include "driver/driver.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ANY_NUMBER = INT32_MAX }; /* of paths */

static const command commands[] = {
    {"compile", "MODEL.onnx", "write a library, its header and its weights", COMPILE, 1, 1,
     command_compile},
    {"check", "MODEL.onnx", "list everything in a model that is not supported", CHECK, 1, 1,
     command_check},
    {"test", "PATH...", "run every ONNX test case at or below the paths", TEST, 1, ANY_NUMBER,
     command_test},
    {"run", "MODEL.{onnx,so}", "run a model on tensors from files", RUN, 1, 1, command_run_model},
    {"compare", "MODEL.onnx [CASE]", "say which value differs first from what is expected", COMPARE,
     1, 2, command_compare},
    {"bench", "MODEL.{onnx,so}|CASE", "time a model", BENCH, 1, 1, command_bench},
    {"info", "MODEL.{onnx,so,weights}", "say what a model takes, gives and needs", INFO, 1, 1,
     command_info},
    {"inspect", "MODEL.{onnx,so}", "show what became of a model, as a page", INSPECT, 1, 1,
     command_inspect},
    {"opt", "FILE.ir", "run passes on a graph in text form", OPT, 0, 1, command_opt},
    {"ops", "", "list the ONNX operators that are read", OPS, 0, 0, command_ops},
    {"generate", "man|bash|zsh|fish", NULL, GENERATE, 1, 1, command_generate},
};
enum { NCOMMANDS = sizeof commands / sizeof *commands };

static const command *find_command(const char *name)
{
    for (size_t i = 0; i < NCOMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

const command *command_at(size_t i) { return i < NCOMMANDS ? &commands[i] : NULL; }

static int print_usage(void)
{
    printf("lathe compiles ONNX transformers to native code.\n\nusage: lathe COMMAND [OPTION]... "
           "ARGUMENT...\n\n");
    for (size_t i = 0; i < NCOMMANDS; i++)
        if (commands[i].help)
            printf("  %-8s %-24s%s\n", commands[i].name, commands[i].args, commands[i].help);
    printf("\n'lathe help COMMAND' shows a command's options; 'lathe --version' the version.\n"
           "exit codes: 0 ok, 1 usage, 2 bad input, 3 unsupported, 4 resources, 5 toolchain, 70 "
           "internal\n");
    return EXIT_OK;
}

static int print_version(void)
{
    printf("lathe %s\n", lathe_version());
    return EXIT_OK;
}

static int print_command_help(const command *c)
{
    printf("usage: lathe %s [OPTION]... %s\n%s\n", c->name, c->args,
           c->help ? c->help : "for the build");
    options_print(c->bit);
    return EXIT_OK;
}

static int run_parsed(const command *c, const cli_options *o)
{
    if (o->help) return print_command_help(c);
    if (o->version) return print_version();
    if (o->paths.n < c->min_paths)
        return usage_error("'%s' needs %s; see 'lathe %s --help'", c->name, c->args, c->name);
    if (o->paths.n > c->max_paths)
        return usage_error("'%s' takes %s: '%s' is too many; see 'lathe %s --help'", c->name,
                           *c->args ? c->args : "options alone", o->paths.items[c->max_paths],
                           c->name);
    return c->run(o);
}

static int run_command(const command *c, int argc, char **argv)
{
    cli_options o;
    int code = options_parse(&o, c->bit, argc, argv) ? run_parsed(c, &o) : EXIT_USAGE;
    options_free(&o);
    return code;
}

static int unknown_command(const char *word)
{
    const char *names[NCOMMANDS];
    char text[300];
    size_t n = 0;
    for (size_t i = 0; i < NCOMMANDS; i++)
        if (commands[i].help) names[n++] = commands[i].name;
    snprintf(text, sizeof text, "unknown command '%.200s'; see 'lathe --help'", word);
    fail_unknown(LATHE_NOT_FOUND, text, word, names, n);
    return EXIT_USAGE;
}

/* Looked for before the options are read, because reading them may give messages. */
static bool asks_for_json(int argc, char **argv)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) return true;
    return false;
}

static bool is_word(const char *text, const char *word, const char *letter)
{
    return strcmp(text, word) == 0 || strcmp(text, letter) == 0;
}

/* "help" and "help COMMAND" are "--help" and "COMMAND --help". */
static int help(const char *word)
{
    const command *c = word ? find_command(word) : NULL;
    if (!word) return print_usage();
    return c ? print_command_help(c) : unknown_command(word);
}

int main(int argc, char **argv)
{
    diagnose_as(asks_for_json(argc, argv));
    if (argc < 2) return print_usage(), EXIT_USAGE;
    if (is_word(argv[1], "--help", "-h")) return print_usage();
    if (is_word(argv[1], "--version", "-V")) return print_version();
    if (strcmp(argv[1], "help") == 0) return help(argv[2]);
    const command *c = find_command(argv[1]);
    return c ? run_command(c, argc - 1, argv + 1) : unknown_command(argv[1]);
}
