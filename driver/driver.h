/* Shared by the commands of the driver. */
#ifndef LATHE_DRIVER_DRIVER_H
#define LATHE_DRIVER_DRIVER_H

#include "driver/diagnose.h"
#include "driver/options.h"
#include "driver/tensor_file.h"
#include "lathe_experimental.h"

/* Exit codes, as --help documents them. */
enum {
    EXIT_OK = 0,
    EXIT_USAGE = 1,
    EXIT_INPUT = 2,
    EXIT_UNSUPPORTED = 3,
    EXIT_RESOURCES = 4,
    EXIT_TOOLCHAIN = 5,
    EXIT_DEFECT = 70
};
int exit_code(lathe_status);
typedef int (*command_run)(const cli_options *);
int command_compile(const cli_options *);
int command_check(const cli_options *);
int command_test(const cli_options *);
int command_run_model(const cli_options *);
int command_bench(const cli_options *);
int command_opt(const cli_options *);
int command_ops(const cli_options *);
int command_compare(const cli_options *);
int command_info(const cli_options *);
int command_inspect(const cli_options *);
int command_generate(const cli_options *);

typedef struct command {
    const char *name, *args, *help; /* help NULL: not shown to users */
    unsigned bit;
    size_t min_paths, max_paths;
    command_run run;
} command;
const command *command_at(size_t); /* NULL past the end */

/* ---- paths.c ---- */
/* Files that belong to lathe, found from the place of the running program: in a build folder
 * beside it, installed under ../lib/lathe/ARCH-linux-gnu. target: NULL or an instruction set's
 * name. false: not there. */
bool find_runtime(const char *target, char *path, size_t size);
bool find_runner(const char *target, char *path, size_t size);
/* A new empty folder; false with a message printed. */
bool make_work_dir(char *path, size_t size);
void remove_tree(const char *path);
/* The folder and those above it, where they are not there yet; false: errno says why. */
bool make_folders(const char *path);
bool has_suffix(const char *text, const char *suffix);
/* The file that `writer` fills is there whole or not at all; "-" is standard output. false: it or
 * the writer failed. */
bool write_file(const char *path, bool (*writer)(void *ctx, FILE *), void *ctx);

/* ---- compiling for the commands that run a model ---- */
/* Options of the library as the command line gave them. dims and custom are owned by `storage`,
 * which the caller frees. false: a message was printed. */
typedef struct compile_storage {
    lathe_dim_option *dims;
    char *dim_names;
    lathe_custom_option *custom;
    char **custom_texts;
    lathe_items_option *items;
    char **item_names;
    size_t nitems;
    lathe_set_option *set;
    char **set_names;
    size_t nset;
    size_t ncustom;
    char runtime[4096];
} compile_storage;
bool fill_options(const cli_options *, const char *model, lathe_options *, compile_storage *);
void storage_free(compile_storage *);
/* Runs it and prints what it says; an exit code, EXIT_USAGE if an option has a value that there is
 * not. */
int run_action(lathe_status (*action)(const lathe_options *, lathe_diag *), const lathe_options *);

/* --cpu: the LATHE_CPU_* that a processor of that target lacks. false: a message was printed. */
bool hidden_features(const cli_options *, uint32_t *);

/* ---- custom.c ---- */
bool custom_split(const cli_options *, compile_storage *);
void custom_free(compile_storage *);

/* ---- items.c ---- */
bool items_split(const cli_options *, compile_storage *);
void items_free(compile_storage *);
bool set_split(const cli_options *, compile_storage *);
void set_free(compile_storage *);

/* ---- process.c ---- */
typedef struct process_result {
    int code;   /* exit status, or -1 */
    int signal; /* that ended it, or 0 */
    bool timed_out;
    char output[1024]; /* the start of what it wrote to stdout */
} process_result;
/* Runs argv (argv[0] looked up in PATH) and waits; false: could not be started. */
bool process_run(const char *const *argv, long timeout_s, process_result *);

/* ---- session.c: a compiled model with its inputs, in this process ---- */
typedef struct loaded {
    struct library *lib;
    lathe_model *model;
    lathe_session *session;
    lathe_threads *threads;
    struct trace *trace; /* --trace: in front of the threads; else NULL */
    int nin, nout;
    tensor_file *files; /* as read */
    lathe_tensor *in, *out;
    char work[4096]; /* folder to remove, or "" */
} loaded;
/* Opens path: a library, or a model that is compiled first. 0 or an exit code, with a message
 * printed. */
int open_model(const cli_options *, const char *path, loaded *);
/* The same, and reads the inputs. `inputs`: NAME=FILE; case_dir: input_K.pb; draw: what neither
 * gives is random. */
int load_model(const cli_options *, const char *path, bool draw, loaded *);
int read_inputs(const cli_options *, loaded *, bool draw);
void unload_model(loaded *);

/* Free sizes as the inputs that were read have them; -1: no input has it. */
int64_t input_size(const loaded *, const char *name);

/* ---- bench.c ---- */
/* Runs for about so long, step by step. LATHE_OUT_OF_MEMORY: the profile is void. */
struct profile;
lathe_status measure_steps(loaded *, double seconds, struct profile *);

/* ---- test_dims.c ---- */
/* Dims whose name stands for several sizes in one of a case's data sets, as --dim takes them;
 * false: there is none. */
bool case_dims(const char *library, const char *dir, int nsets, option_list *dims);

/* ---- accuracy.c ---- */
/* compare --against f32. */
int compare_precisions(const cli_options *);

/* ---- random.c ---- */
/* Input number `at` with the same values every time: numbers in (-1, 1), integers and bools 0 or 1,
 * which are valid as indices and masks of most models. Free sizes come from --dim. */
int random_input(const cli_options *, const lathe_tensor_info *, int at, tensor_file *);

#endif
