/* bench: one model, timed; with --profile once more, step by step.
 *
 * The time that is reported is that of runs that nobody watches; --trace watches one more. */
#include "driver/driver.h"
#include "driver/library.h"
#include "driver/profile.h"
#include "driver/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static lathe_status run_once(loaded *m, double *ms)
{
    for (int i = 0; i < m->nout; i++) m->out[i] = (lathe_tensor){0};
    double start = seconds_now();
    lathe_status s = lathe_run(m->session, m->in, m->out);
    *ms = (seconds_now() - start) * 1e3;
    return s;
}

/* Runs for the given time, at least three times; the first run is not counted. */
static lathe_status measure(loaded *m, double seconds, double **times, size_t *n)
{
    size_t cap = 0;
    double end = 0;
    *times = NULL;
    *n = 0;
    for (size_t turn = 0; turn < 4 || seconds_now() < end; turn++) {
        double took;
        lathe_status s = run_once(m, &took);
        if (s != LATHE_OK) return s;
        if (turn == 0) {
            end = seconds_now() + seconds;
            continue;
        }
        if (*n == cap) {
            cap = cap ? 2 * cap : 256;
            double *grown = realloc(*times, cap * sizeof *grown);
            if (!grown) return LATHE_OUT_OF_MEMORY;
            *times = grown;
        }
        (*times)[(*n)++] = took;
    }
    qsort(*times, *n, sizeof **times, by_value);
    return LATHE_OK;
}

lathe_status measure_steps(loaded *m, double seconds, struct profile *p)
{
    size_t runs = 0;
    double total = 0, end = seconds_now() + seconds;
    lathe_status s = profile_begin(p, m->session);
    if (s != LATHE_OK) return s;
    for (; s == LATHE_OK && (runs < 3 || seconds_now() < end); runs++) {
        double took;
        s = run_once(m, &took);
        total += took * 1e-3;
    }
    bool complete = profile_end(p, m->session, total, runs);
    return s == LATHE_OK && !complete ? LATHE_OUT_OF_MEMORY : s;
}

static bool put_trace(void *ctx, FILE *f)
{
    const loaded *m = ctx;
    trace_write(m->trace, m->session, f);
    return true;
}

static lathe_status trace_run(loaded *m)
{
    double took;
    lathe_status s = trace_begin(m->trace, m->session);
    if (s != LATHE_OK) return s;
    s = run_once(m, &took);
    bool complete = trace_end(m->trace, m->session);
    return s == LATHE_OK && !complete ? LATHE_OUT_OF_MEMORY : s;
}

typedef struct figures {
    double *times; /* ms, ascending */
    size_t n;
    profile *profile; /* or NULL */
    machine machine;
} figures;

static void report_json(const cli_options *o, const loaded *m, const figures *r,
                        const lathe_memory *memory)
{
    const double *t = r->times;
    printf("{\"median_ms\": %.6g, \"min_ms\": %.6g, \"p90_ms\": %.6g, \"runs\": %zu, "
           "\"threads\": %ld, "
           "\"target\": \"%s\", \"weights\": %llu, \"arena\": %llu, \"scratch\": %llu, "
           "\"lower_bound\": %llu",
           t[r->n / 2], t[0], t[r->n * 9 / 10], r->n, o->threads, lathe_model_target(m->model),
           (unsigned long long)memory->weights, (unsigned long long)memory->arena,
           (unsigned long long)memory->scratch, (unsigned long long)memory->lower_bound);
    if (r->profile) {
        printf(", ");
        profile_json(r->profile, r->machine, stdout);
    }
    printf("}\n");
}

static void bench_report(const cli_options *o, const loaded *m, const figures *r)
{
    lathe_memory memory = {0};
    const double *t = r->times;
    lathe_session_memory(m->session, &memory);
    if (o->json) {
        report_json(o, m, r, &memory);
        return;
    }
    printf("median %.4g ms, min %.4g ms, p90 %.4g ms over %zu runs, %ld thread%s, %s\n",
           t[r->n / 2], t[0], t[r->n * 9 / 10], r->n, o->threads, o->threads == 1 ? "" : "s",
           lathe_model_target(m->model));
    printf("weights %llu bytes (%.3g GB/s), arena %llu and scratch %llu bytes (lower bound %llu)\n",
           (unsigned long long)memory.weights, (double)memory.weights / (t[r->n / 2] * 1e6),
           (unsigned long long)memory.arena, (unsigned long long)memory.scratch,
           (unsigned long long)memory.lower_bound);
    if (r->profile) profile_text(r->profile, r->machine, stdout);
}

static int bench(const cli_options *o, const char *path, loaded *m)
{
    figures r = {0};
    if (o->profile && !(r.profile = profile_new()))
        return fail(LATHE_OUT_OF_MEMORY, "out of memory");
    lathe_status s = measure(m, o->seconds, &r.times, &r.n);
    if (s == LATHE_OK && r.profile) s = measure_steps(m, o->seconds, r.profile);
    if (s == LATHE_OK && m->trace) s = trace_run(m);
    int code = EXIT_OK;
    if (s == LATHE_OUT_OF_MEMORY) code = fail(s, "out of memory");
    else if (s == LATHE_UNSUPPORTED)
        code = fail_file(s, path, "its runtime is older than profiles; compile the model again");
    else if (s != LATHE_OK) code = fail_run(s, path, lathe_session_message(m->session));
    else {
        if (r.profile) r.machine = machine_measure(m->threads);
        bench_report(o, m, &r);
        if (m->trace && !write_file(o->trace, put_trace, m))
            code = fail_file(LATHE_IO, o->trace, "cannot be written");
    }
    free(r.times);
    profile_free(r.profile);
    return code;
}

int command_bench(const cli_options *o)
{
    /* A case folder stands for its model and first data set. */
    cli_options with_case = *o;
    char model[4096], data[4200];
    const char *path = o->paths.items[0];
    snprintf(model, sizeof model, "%s/model.onnx", path);
    snprintf(data, sizeof data, "%s/test_data_set_0", path);
    if (access(model, R_OK) == 0) {
        path = model;
        if (!o->case_dir && access(data, R_OK) == 0) with_case.case_dir = data;
    }
    loaded m;
    int code = load_model(&with_case, path, true, &m);
    if (code == EXIT_OK) code = bench(&with_case, path, &m);
    unload_model(&m);
    return code;
}
