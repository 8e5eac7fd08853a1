/* test: every case is compiled, run in the runner's own process and compared.
 *
 * Each case is worked on in a forked child, so that a crash or a hang of anything is one failed
 * line. The compiler is given the path of model.onnx only. The child writes one line, the verdict,
 * to a pipe; the parent prints failures in the cases' order and counts. */
#include "driver/cases.h"
#include "driver/driver.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SETS = 64, MAX_WORDS = 16, MAX_FILES = 1024 };
typedef enum { RUNNING, PASSED, FAILED, SKIPPED } verdict;

/* One case in flight; its line is what the child said. */
typedef struct job {
    pid_t pid;
    size_t index;
    int pipe;
    time_t deadline;
    bool killed;
} job;

typedef struct outcome {
    verdict verdict;
    char reason[600];
} outcome;

typedef struct suite {
    const cli_options *o;
    uint32_t hidden; /* features of the processor, by --cpu */
    case_list cases;
    outcome *outcomes;
    job *jobs;
    size_t njobs, started;
    char work[4096];
} suite;

/* ---- in the child ---- */

typedef struct test_case {
    const cli_options *o;
    const char *dir;
    char work[4096], library[4200];
    uint32_t hidden; /* features of the processor */
    int nsets;
    option_list dims; /* names that stand for several sizes */
    outcome *out;
} test_case;

static bool fail_case(test_case *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail_case(test_case *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->out->reason, sizeof c->out->reason, format, args);
    va_end(args);
    c->out->verdict = FAILED;
    return false;
}

static int count_sets(const char *dir)
{
    int n = 0;
    for (; n < MAX_SETS; n++) {
        char path[4200];
        struct stat st;
        snprintf(path, sizeof path, "%s/test_data_set_%d", dir, n);
        if (stat(path, &st) != 0) break;
    }
    return n;
}

/* --items for the sequences and optionals of the first data set. */
static bool case_items(test_case *c, cli_options *o)
{
    o->items.items = calloc(MAX_FILES + 1, sizeof *o->items.items);
    o->items.n = 0;
    for (int k = 0; o->items.items && k < MAX_FILES; k++) {
        char path[4300], *text;
        tensor_list list;
        tensor_message message;
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%d.pb", c->dir, k);
        if (access(path, F_OK) != 0) break;
        if (tensor_list_read(path, &list, &message) != LATHE_OK)
            return fail_case(c, "%s", message.text);
        if (list.is_list) {
            int n = list.n
                        ? asprintf(&text, "%s=%zu:%d", list.name, list.n, list.items[0].tensor.rank)
                        : asprintf(&text, "%s=0", list.name);
            if (n < 0) return fail_case(c, "out of memory");
            o->items.items[o->items.n++] = text;
        }
        tensor_list_free(&list);
    }
    return o->items.items || fail_case(c, "out of memory");
}

static bool compile_case(test_case *c)
{
    char model[4200];
    lathe_options l;
    compile_storage storage;
    cli_options with_items = *c->o;
    if (!case_items(c, &with_items)) return false;
    with_items.dims = c->dims;
    snprintf(model, sizeof model, "%s/model.onnx", c->dir);
    snprintf(c->library, sizeof c->library, "%s/libmodel.so", c->work);
    lathe_diag *diag = lathe_diag_new();
    if (!diag || !fill_options(&with_items, model, &l, &storage))
        return fail_case(c, "out of memory");
    l.name = "model";
    l.output = c->library;
    lathe_status s = lathe_compile(&l, diag);
    size_t errors = lathe_diag_errors(diag);
    for (size_t i = 0; s != LATHE_OK && i < lathe_diag_count(diag); i++) {
        lathe_message m = lathe_diag_get(diag, i);
        char text[512];
        if (m.severity != LATHE_ERROR) continue;
        m.file = "";
        lathe_diag_format(&m, text, sizeof text);
        if (errors > 1) fail_case(c, "compile: %s (and %zu more)", text, errors - 1);
        else fail_case(c, "compile: %s", text);
        break;
    }
    if (s != LATHE_OK && c->out->verdict != FAILED) fail_case(c, "compile: status %d", (int)s);
    storage_free(&storage);
    lathe_diag_free(diag);
    return s == LATHE_OK;
}

/* In a folder of its own: the first library is loaded, and the runs have left files. */
static bool compile_again(test_case *c)
{
    size_t n = strlen(c->work);
    snprintf(c->work + n, sizeof c->work - n, "/again");
    c->out->verdict = RUNNING;
    if (mkdir(c->work, 0777) != 0) return fail_case(c, "cannot make a folder: %s", strerror(errno));
    return compile_case(c);
}

/* The runner's words: those of --runner, the program, its options, and one --case a data set. */
static bool run_case(test_case *c)
{
    const char *argv[MAX_WORDS + 10 + 3 * MAX_SETS];
    static char words[1024], runner[4096], threads[16], hidden[16], dirs[MAX_SETS][2][4200];
    size_t n = 0;
    if (!find_runner(c->o->target, runner, sizeof runner))
        return fail_case(c, "lathe-runner is not installed");
    snprintf(words, sizeof words, "%s", c->o->runner ? c->o->runner : "");
    for (char *w = strtok(words, " "); w && n < MAX_WORDS; w = strtok(NULL, " ")) argv[n++] = w;
    argv[n++] = runner;
    if (c->o->guard) argv[n++] = "--guard";
    snprintf(threads, sizeof threads, "%ld", c->o->threads);
    argv[n++] = "--threads";
    argv[n++] = threads;
    snprintf(hidden, sizeof hidden, "%#x", c->hidden);
    argv[n++] = "--hide-features";
    argv[n++] = hidden;
    argv[n++] = c->library;
    for (int k = 0; k < c->nsets; k++) {
        snprintf(dirs[k][0], sizeof dirs[k][0], "%s/test_data_set_%d", c->dir, k);
        snprintf(dirs[k][1], sizeof dirs[k][1], "%s/out_%d", c->work, k);
        if (mkdir(dirs[k][1], 0777) != 0)
            return fail_case(c, "cannot make a folder: %s", strerror(errno));
        argv[n++] = "--case";
        argv[n++] = dirs[k][0];
        argv[n++] = dirs[k][1];
    }
    argv[n] = NULL;
    process_result r;
    if (!process_run(argv, c->o->timeout, &r)) return fail_case(c, "run: cannot start %s", argv[0]);
    if (r.timed_out) return fail_case(c, "run: more than %ld s", c->o->timeout);
    if (r.signal)
        return fail_case(c, "run: ended by signal %d (%s)", r.signal, strsignal(r.signal));
    if (r.code == 0) return true;
    char *error = strstr(r.output, "error");
    if (error) error[strcspn(error, "\n")] = '\0';
    return fail_case(c, "run: %s", error ? error : "the runner failed");
}

/* The expected files, spread to tensors, are the model's outputs. */
static bool compare_output(test_case *c, int set, int k, const tensor_file *want, double atol,
                           double rtol)
{
    char path[4300];
    tensor_file got = {0};
    tensor_message message = {""};
    snprintf(path, sizeof path, "%s/out_%d/output_%d.pb", c->work, set, k);
    if (access(path, F_OK) != 0) return fail_case(c, "data set %d: output %d is missing", set, k);
    bool ok = tensor_read_pb(path, &got, &message) == LATHE_OK &&
              tensor_compare(&got.tensor, &want->tensor, atol, rtol, &message);
    if (!ok) fail_case(c, "data set %d: output %d '%.100s': %s", set, k, want->name, message.text);
    tensor_free(&got);
    return ok;
}

/* *n: outputs so far. */
static bool compare_file(test_case *c, int set, const char *path, int *n, double atol, double rtol)
{
    tensor_list want;
    tensor_message message = {""};
    if (tensor_list_read(path, &want, &message) != LATHE_OK)
        return fail_case(c, "data set %d: %s", set, message.text);
    bool ok = true;
    for (size_t i = 0; i < want.n && ok; i++)
        ok = compare_output(c, set, (*n)++, &want.items[i], atol, rtol);
    tensor_list_free(&want);
    return ok;
}

static bool compare_set(test_case *c, int set, double atol, double rtol)
{
    char path[4300];
    int files = 0, n = 0;
    for (;; files++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d/output_%d.pb", c->dir, set, files);
        if (access(path, F_OK) != 0) break;
        if (!compare_file(c, set, path, &n, atol, rtol)) return false;
    }
    if (!files) return fail_case(c, "data set %d: there are no expected outputs", set);
    snprintf(path, sizeof path, "%s/out_%d/output_%d.pb", c->work, set, n);
    return access(path, F_OK) != 0 ||
           fail_case(c, "data set %d: output %d was not expected", set, n);
}

static bool compare_case(test_case *c)
{
    double atol, rtol;
    case_tolerance(c->dir, &atol, &rtol);
    for (int set = 0; set < c->nsets; set++)
        if (!compare_set(c, set, atol, rtol)) return false;
    return true;
}

static void test_one(const suite *s, const char *dir, const char *work, outcome *out)
{
    test_case c = {.o = s->o, .hidden = s->hidden, .dir = dir, .out = out};
    char model[4200];
    snprintf(c.work, sizeof c.work, "%s", work);
    snprintf(model, sizeof model, "%s/model.onnx", dir);
    c.nsets = count_sets(dir);
    if (access(model, R_OK) != 0 || c.nsets == 0) {
        out->verdict = SKIPPED;
        snprintf(out->reason, sizeof out->reason, c.nsets == 0 ? "no data" : "no model");
        return;
    }
    if (!compile_case(&c)) return;
    bool ran = run_case(&c);
    if (!ran && !c.o->runner && case_dims(c.library, dir, c.nsets, &c.dims))
        ran = compile_again(&c) && run_case(&c);
    if (ran && compare_case(&c)) out->verdict = PASSED;
}

/* ---- in the parent ---- */

static void case_work(const suite *s, size_t index, char *path, size_t size)
{
    snprintf(path, size, "%s/%zu", s->work, index);
}

static bool start_job(suite *s, job *j)
{
    int ends[2];
    char work[4200];
    size_t index = s->started++;
    case_work(s, index, work, sizeof work);
    if (mkdir(work, 0777) != 0 || pipe(ends) != 0) return false;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        outcome out = {0};
        setpgid(0, 0);
        close(ends[0]);
        test_one(s, s->cases.dirs[index], work, &out);
        bool sent = write(ends[1], &out, sizeof out) == (ssize_t)sizeof out;
        _exit(sent ? 0 : 1);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    *j = (job){pid, index, ends[0], time(NULL) + 2 * s->o->timeout, false};
    return true;
}

static void finish_job(suite *s, job *j, int status)
{
    outcome *out = &s->outcomes[j->index];
    char work[4200];
    if (read(j->pipe, out, sizeof *out) != (ssize_t)sizeof *out || out->verdict == RUNNING) {
        *out = (outcome){.verdict = FAILED};
        if (j->killed)
            snprintf(out->reason, sizeof out->reason, "compile: more than %ld s",
                     2 * s->o->timeout);
        else
            snprintf(out->reason, sizeof out->reason, "compile: ended by signal %d",
                     WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
    close(j->pipe);
    case_work(s, j->index, work, sizeof work);
    remove_tree(work);
    j->pid = 0;
}

static void kill_late(suite *s)
{
    for (size_t i = 0; i < s->njobs; i++) {
        if (!s->jobs[i].pid || time(NULL) < s->jobs[i].deadline) continue;
        s->jobs[i].killed = true;
        kill(-s->jobs[i].pid, SIGKILL);
    }
}

/* Waits for one child, looking at the clock now and then. */
static void wait_one(suite *s)
{
    int status;
    pid_t pid;
    struct timespec nap = {0, 1000000};
    while ((pid = waitpid(-1, &status, WNOHANG)) == 0) {
        nanosleep(&nap, NULL);
        kill_late(s);
    }
    for (size_t i = 0; i < s->njobs; i++)
        if (s->jobs[i].pid == pid) finish_job(s, &s->jobs[i], status);
}

static size_t running(const suite *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->njobs; i++) n += s->jobs[i].pid != 0;
    return n;
}

static void run_suite(suite *s)
{
    while (s->started < s->cases.n || running(s)) {
        size_t free_job = 0;
        while (free_job < s->njobs && s->jobs[free_job].pid) free_job++;
        if (free_job == s->njobs || s->started == s->cases.n) {
            wait_one(s);
        } else if (!start_job(s, &s->jobs[free_job])) {
            size_t index = s->started - 1;
            s->outcomes[index].verdict = FAILED;
            snprintf(s->outcomes[index].reason, sizeof s->outcomes[index].reason,
                     "cannot start: %s", strerror(errno));
        }
    }
}

static void tell_json(const char *dir, const outcome *out)
{
    static const char *const words[] = {
        [PASSED] = "passed", [FAILED] = "failed", [SKIPPED] = "skipped"};
    printf("{\"case\": ");
    lathe_json_string(stdout, dir);
    printf(", \"verdict\": \"%s\", \"reason\": ", words[out->verdict]);
    if (*out->reason) lathe_json_string(stdout, out->reason);
    else printf("null");
    printf("}\n");
}

static int test_report(const suite *s)
{
    size_t counts[4] = {0};
    for (size_t i = 0; i < s->cases.n; i++) {
        const outcome *out = &s->outcomes[i];
        const char *dir = s->cases.dirs[i];
        counts[out->verdict]++;
        if (s->o->json) tell_json(dir, out);
        else if (out->verdict == FAILED) printf("FAIL %s: %s\n", dir, out->reason);
        else if (out->verdict == SKIPPED) printf("skip %s: %s\n", dir, out->reason);
    }
    printf(s->o->json ? "{\"passed\": %zu, \"failed\": %zu, \"skipped\": %zu}\n"
                      : "%zu passed, %zu failed, %zu skipped\n",
           counts[PASSED], counts[FAILED], counts[SKIPPED]);
    return counts[FAILED] || !counts[PASSED] ? EXIT_INPUT : EXIT_OK;
}

/* Those that all cases are compiled with, so that a wrong one is not told of once a case. */
static int check_options(const cli_options *o)
{
    lathe_options l;
    compile_storage storage;
    int code = fill_options(o, "model.onnx", &l, &storage) ? run_action(lathe_options_check, &l)
                                                           : EXIT_USAGE;
    storage_free(&storage);
    return code;
}

int command_test(const cli_options *o)
{
    suite s = {.o = o};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    s.njobs = (size_t)(o->jobs > 0 ? o->jobs : cpus > 0 ? cpus : 1);
    int code = hidden_features(o, &s.hidden) ? check_options(o) : EXIT_USAGE;
    for (size_t i = 0; i < o->paths.n && code == EXIT_OK; i++)
        if (!cases_find(o->paths.items[i], &s.cases))
            code = fail_file(LATHE_NOT_FOUND, o->paths.items[i], "cannot be read");
    s.outcomes = calloc(s.cases.n + 1, sizeof *s.outcomes);
    s.jobs = calloc(s.njobs, sizeof *s.jobs);
    if (!s.outcomes || !s.jobs) code = fail(LATHE_OUT_OF_MEMORY, "out of memory");
    if (code == EXIT_OK && !make_work_dir(s.work, sizeof s.work)) code = EXIT_RESOURCES;
    if (code == EXIT_OK) {
        run_suite(&s);
        code = test_report(&s);
        remove_tree(s.work);
    }
    free(s.outcomes);
    free(s.jobs);
    cases_free(&s.cases);
    return code;
}
