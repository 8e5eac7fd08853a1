/* One program for all targets. FUZZ_TARGET names one: with libFuzzer this drives it, without (in
 * every build) replay.c gives it files. In: bytes. Out: nothing, or the end of the process. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/damage.h"

static const fuzz_target targets[] = {
    {"wire", fuzz_wire, 1},       {"import", fuzz_import, 1},   {"text", fuzz_text, 0},
    {"passes", fuzz_passes, 0},   {"compile", fuzz_compile, 1}, {"tables", fuzz_tables, 0},
    {"tensors", fuzz_tensors, 0}, {"options", fuzz_options, 0},
};
enum { N_TARGETS = sizeof targets / sizeof *targets };

static const fuzz_target *target;
static char folder[] = "/tmp/lathe-fuzz-XXXXXX";

/* ---- files ---- */

static void remove_folder(void)
{
    char command[sizeof folder + 16];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) fprintf(stderr, "%s stays\n", folder);
}

const char *fuzz_path(const char *name)
{
    static char paths[2][sizeof folder + 64];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

const char *fuzz_file(const char *name, const void *bytes, size_t size)
{
    const char *path = fuzz_path(name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size) abort();
    fclose(f);
    return path;
}

/* ---- what libFuzzer calls ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *name = getenv("FUZZ_TARGET");
    for (size_t i = 0; i < N_TARGETS && name; i++)
        if (strcmp(targets[i].name, name) == 0) target = &targets[i];
    if (!target || !mkdtemp(folder)) {
        fprintf(stderr, "FUZZ_TARGET is one of");
        for (size_t i = 0; i < N_TARGETS; i++) fprintf(stderr, " %s", targets[i].name);
        fputc('\n', stderr);
        exit(2);
    }
    atexit(remove_folder);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    target->run(bytes, size);
    return 0;
}

#ifdef LATHE_LIBFUZZER
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned seed);
/* Half of the models are changed as messages, so that they stay well-formed. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned seed)
{
    damage_seed(seed);
    if (!target->takes_models || damage_below(2)) return LLVMFuzzerMutate(bytes, size, most);
    damage_copy c = {.at = malloc(size + DAMAGE_ROOM), .n = size, .room = size + DAMAGE_ROOM};
    if (!c.at) return size;
    memcpy(c.at, bytes, size);
    damage_graph(&c);
    if (c.n <= most) memcpy(bytes, c.at, size = c.n);
    free(c.at);
    return size;
}
#endif
