/* The lathe command: picks the subcommand, parses its options, maps statuses to exit codes. */
#include "driver/driver.h"

#include <stdio.h>
#include <string.h>

static const command commands[] = {
    {"compile", "MODEL.onnx", "write a library, its header and its weights", COMPILE, 1,
     command_compile},
    {"check", "MODEL.onnx", "list everything in a model that is not supported", CHECK, 1,
     command_check},
    {"test", "PATH...", "run every ONNX test case at or below the paths", TEST, 1, command_test},
    {"run", "MODEL.{onnx,so}", "run a model on tensors from files", RUN, 1, command_run_model},
    {"compare", "MODEL.onnx [CASE]", "say which value differs first from what is expected", COMPARE,
     1, command_compare},
    {"bench", "MODEL.{onnx,so}|CASE", "time a model", BENCH, 1, command_bench},
    {"opt", "FILE.ir", "run passes on a graph in text form", OPT, 1, command_opt},
    {"ops", "", "list the ONNX operators that are read", OPS, 0, command_ops},
    {"generate", "man|bash|zsh|fish", NULL, GENERATE, 1, command_generate},
};
enum { NCOMMANDS = sizeof commands / sizeof *commands };

const command *command_at(size_t i) { return i < NCOMMANDS ? &commands[i] : NULL; }

int exit_code(lathe_status s)
{
    if (s == LATHE_OK) return EXIT_OK;
    if (s < 20) return EXIT_INPUT;
    if (s < 30) return EXIT_UNSUPPORTED;
    if (s < 40) return EXIT_RESOURCES;
    return s < 50 ? EXIT_TOOLCHAIN : EXIT_DEFECT;
}

static void print_usage(void)
{
    printf("lathe compiles ONNX transformers to native code.\n\nusage: lathe COMMAND [OPTION]... "
           "ARGUMENT...\n\n");
    for (size_t i = 0; i < NCOMMANDS; i++)
        if (commands[i].help)
            printf("  %-8s %-22s %s\n", commands[i].name, commands[i].args, commands[i].help);
    printf("\n'lathe COMMAND --help' shows a command's options; 'lathe --version' the version.\n"
           "exit codes: 0 ok, 1 usage, 2 bad input, 3 unsupported, 4 resources, 5 toolchain, 70 "
           "internal\n");
}

static void print_command_help(const command *c)
{
    printf("usage: lathe %s [OPTION]... %s\n%s\n", c->name, c->args,
           c->help ? c->help : "for the build");
    options_print(c->bit);
}

static int run_command(const command *c, int argc, char **argv)
{
    cli_options o;
    int code = EXIT_USAGE;
    if (options_parse(&o, c->bit, argc, argv)) {
        if (o.help) {
            print_command_help(c);
            code = EXIT_OK;
        } else if (o.version) {
            printf("lathe %s\n", lathe_version());
            code = EXIT_OK;
        } else if (o.paths.n < c->min_paths) {
            code = usage_error("'%s' needs %s; see 'lathe %s --help'", c->name, c->args, c->name);
        } else {
            code = c->run(&o);
        }
    }
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

int main(int argc, char **argv)
{
    diagnose_as(asks_for_json(argc, argv));
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage();
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("lathe %s\n", lathe_version());
        return EXIT_OK;
    }
    for (size_t i = 0; i < NCOMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run_command(&commands[i], argc - 1, argv + 1);
    return unknown_command(argv[1]);
}
