/* Damaged models: whatever the bytes, check, compile and run end with a status and a message.
 *
 *   damage COUNT SEED RUNTIME MODEL...
 *
 * Takes the models in turn and spoils a copy of each in one of several ways: bytes changed, the
 * file cut, a length blown up, all outside tensor data (damage_bytes.c), and well-formed nonsense
 * (damage_graph.c). Every copy is tried in a child under a time limit, together with its external
 * data; a signal, a sanitizer's report, a leak, a hang, an internal error or a failure without a
 * message is printed and makes the exit code 1. The seed makes a run repeatable: copy N of a seed
 * is the same whatever COUNT is. A failing copy is kept. */
#include "tests/tools/damage.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/tensor_util.h"
#include "lathe.h"
#include "tests/tools/trial.h"

enum { LIMIT_S = 10, MAX_BYTES = 1 << 24, LEAKS_EVERY = 8 };

/* ---- files ---- */

static bool read_file(const char *path, damage_copy *c)
{
    FILE *f = fopen(path, "rb");
    c->at = malloc(MAX_BYTES);
    c->n = f && c->at ? fread(c->at, 1, MAX_BYTES - DAMAGE_ROOM, f) : 0;
    c->room = MAX_BYTES;
    if (f) fclose(f);
    return c->n > 0;
}

static bool write_file(const char *path, const uint8_t *at, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f) return false;
    size_t done = fwrite(at, 1, n, f);
    return fclose(f) == 0 && done == n;
}

/* ---- one attempt, in a child ---- */

typedef struct copy_paths {
    char model[PATH_MAX], library[PATH_MAX];
    const char *runtime;
    bool leaks;
} copy_paths;

/* A failure must come with at least one message, and must not be the compiler's own. */
static int judge(const char *what, lathe_status s, const lathe_diag *diag)
{
    if (s == LATHE_OK) return TRIAL_FINE;
    if (lathe_diag_errors(diag) == 0) {
        trial_note("%s: status %d", what, (int)s);
        return TRIAL_SILENT;
    }
    lathe_message m = lathe_diag_get(diag, 0);
    trial_note("%s: node '%s' (%s): status %d: %s", what, m.node, m.op, (int)s, m.text);
    return m.text[0] ? s == LATHE_INTERNAL || s == LATHE_TOOLCHAIN ? TRIAL_INTERNAL : TRIAL_FINE
                     : TRIAL_SILENT;
}

/* Zeros, small numbers, or anything. */
static void fill(lathe_tensor *t)
{
    size_t bits = (size_t)tensor_elem_bits(t->elem), step = bits < 8 ? 1 : bits / 8,
           how = damage_below(3);
    if (t->elem == LATHE_STRING || how == 0) return;
    for (size_t i = 0; i < t->size; i += how == 1 ? step : 1)
        ((uint8_t *)t->data)[i] = (uint8_t)(how == 1 ? damage_below(4) : damage_next());
}

static int run_library(const char *path)
{
    trial_model m;
    trial_note("open");
    trial_reached(TRIAL_AT_OPEN);
    int verdict = trial_open(&m, path);
    if (verdict == TRIAL_FINE && m.session) {
        trial_note("run");
        trial_reached(TRIAL_AT_SIZE);
        verdict = trial_inputs(&m);
        for (int i = 0; i < m.nin && verdict == TRIAL_FINE; i++) fill(&m.in[i]);
        if (verdict == TRIAL_FINE) verdict = trial_run(&m);
        else if (verdict == TRIAL_OTHER) verdict = TRIAL_FINE;
    }
    trial_close(&m);
    return verdict;
}

static int attempt(void *ctx)
{
    const copy_paths *p = ctx;
    static lathe_status (*const stages[])(const lathe_options *, lathe_diag *) = {lathe_check,
                                                                                  lathe_compile};
    static const char *const names[] = {"check", "compile"};
    lathe_options options = {.model = p->model,
                             .name = "damaged",
                             .output = p->library,
                             .runtime = p->runtime,
                             .memory_limit = (size_t)2 << 30,
                             .level = 2};
    lathe_status said[2] = {LATHE_OK, LATHE_OK};
    int verdict = TRIAL_FINE;
    for (int i = 0; i < 2 && verdict == TRIAL_FINE; i++) {
        lathe_diag *diag = lathe_diag_new();
        trial_note("%s", names[i]);
        if (i == 0 || said[0] == LATHE_OK) trial_reached(TRIAL_AT_CHECK + (trial_stage)i);
        said[i] = stages[i](&options, diag);
        verdict = judge(names[i], said[i], diag);
        lathe_diag_free(diag);
    }
    if (verdict == TRIAL_FINE && said[0] != LATHE_OK && said[1] == LATHE_OK) {
        trial_note("compiled although check refused it with status %d", (int)said[0]);
        verdict = TRIAL_OTHER;
    }
    if (verdict == TRIAL_FINE && said[1] == LATHE_OK) verdict = run_library(p->library);
    return verdict == TRIAL_FINE && p->leaks ? trial_leaks() : verdict;
}

/* ---- copies ---- */

typedef struct tally {
    long fine, bad;
} tally;

static void keep(const char *source, const char *folder, long k, const damage_copy *c,
                 const char *what)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/bad-%ld.onnx", folder, k) >= (int)sizeof path) return;
    write_file(path, c->at, c->n);
    printf("FAIL %s, copy %ld, %s: %s; kept as %s\n", source, k, c->how, what, path);
    fflush(stdout);
}

static void try_copy(const char *source, const char *folder, copy_paths *p, long k, tally *t)
{
    damage_copy c = {0};
    const char *what = "cannot be read or written";
    if (read_file(source, &c)) {
        if (damage_below(2)) damage_graph(&c);
        else damage_bytes(&c);
        p->leaks = k % LEAKS_EVERY == 0;
        if (write_file(p->model, c.at, c.n)) what = trial_in_child(attempt, p, LIMIT_S);
    }
    if (what) keep(source, folder, k, &c, what);
    *(what ? &t->bad : &t->fine) += 1;
    free(c.at);
}

/* A file that is already bad is tried as it is: damage 1 0 RUNTIME bad-7.onnx. */
static void try_kept(const char *source, copy_paths *p, tally *t)
{
    snprintf(p->model, sizeof p->model, "%s", source);
    p->leaks = true;
    const char *what = trial_in_child(attempt, p, LIMIT_S);
    if (what) printf("FAIL %s: %s\n", source, what);
    *(what ? &t->bad : &t->fine) += 1;
}

static void remove_folder(const char *folder)
{
    char path[PATH_MAX];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' &&
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path)
            unlink(path);
    if (d) closedir(d);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/lathe-damage-XXXXXX";
    if (argc < 5 || !mkdtemp(folder)) {
        fprintf(stderr, "usage: damage COUNT SEED RUNTIME MODEL...\n");
        return 2;
    }
    copy_paths p = {.runtime = argv[3]};
    tally t = {0};
    long count = atol(argv[1]), first = 0;
    long long number = atoll(argv[2]);
    snprintf(p.model, sizeof p.model, "%s/model.onnx", folder);
    snprintf(p.library, sizeof p.library, "%s/libdamaged.so", folder);
    for (long k = first; k < first + count; k++) {
        const char *source = argv[4 + k % (argc - 4)];
        damage_seed((uint64_t)number * 1000003u + (uint64_t)k);
        if (number) try_copy(source, folder, &p, k, &t);
        else try_kept(source, &p, &t);
    }
    printf("refused by check %ld, by compile %ld, by open %ld; inputs too large to try %ld; "
           "refused by run %ld, ran %ld\n",
           trial_counted(TRIAL_AT_CHECK), trial_counted(TRIAL_AT_COMPILE),
           trial_counted(TRIAL_AT_OPEN), trial_counted(TRIAL_AT_SIZE), trial_counted(TRIAL_AT_RUN),
           trial_counted(TRIAL_AT_END));
    printf("%ld passed, %ld failed\n", t.fine, t.bad);
    if (!t.bad) remove_folder(folder);
    return t.bad != 0;
}
