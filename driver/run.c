/* run: one model on tensors from files, outputs to files; bench: the same, timed. */
#include "driver/driver.h"
#include "driver/library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int write_outputs(const cli_options *o, loaded *m, bool npy)
{
    tensor_message message;
    const char *dir = o->output_dir ? o->output_dir : ".";
    if (!make_folders(dir)) return fail_file(LATHE_IO, dir, strerror(errno));
    if (!o->quiet) printf("target: %s\n", lathe_model_target(m->model));
    for (int i = 0; i < m->nout; i++) {
        char path[4096];
        lathe_tensor_info info;
        lathe_info(m->lib->desc, LATHE_OUTPUTS, i, &info);
        snprintf(path, sizeof path, "%s/output_%d.%s", dir, i, npy ? "npy" : "pb");
        lathe_status s = npy ? tensor_write_npy(path, &m->out[i], &message)
                             : tensor_write_pb(path, info.name, &m->out[i], &message);
        if (s != LATHE_OK) return fail_file(s, path, message.text);
        if (o->quiet) continue;
        printf("%s: %s %s[", path, info.name, tensor_elem_name(m->out[i].elem));
        for (int d = 0; d < m->out[i].rank; d++)
            printf("%s%lld", d ? ", " : "", (long long)m->out[i].dims[d]);
        printf("]\n");
    }
    return EXIT_OK;
}

int command_run_model(const cli_options *o)
{
    bool npy = !o->output_format || strcmp(o->output_format, "npy") == 0;
    loaded m;
    int code = load_model(o, o->paths.items[0], &m);
    if (code == EXIT_OK) {
        lathe_status s = lathe_run(m.session, m.in, m.out);
        code = s == LATHE_OK ? write_outputs(o, &m, npy)
                             : fail_run(s, o->paths.items[0], lathe_session_message(m.session));
    }
    unload_model(&m);
    return code;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Runs for the given time, at least three times; the first run is not counted. */
static lathe_status measure(loaded *m, double seconds, double **times, size_t *n)
{
    size_t cap = 0;
    double end = 0;
    *times = NULL;
    *n = 0;
    for (size_t turn = 0; turn < 4 || now() < end; turn++) {
        double start = now();
        for (int i = 0; i < m->nout; i++) m->out[i] = (lathe_tensor){0};
        lathe_status s = lathe_run(m->session, m->in, m->out);
        if (s != LATHE_OK) return s;
        double took = (now() - start) * 1e3;
        if (turn == 0) {
            end = now() + seconds;
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

static void report(const cli_options *o, const loaded *m, const double *t, size_t n)
{
    lathe_memory memory = {0};
    lathe_session_memory(m->session, &memory);
    if (o->json) {
        printf("{\"median_ms\": %.6g, \"min_ms\": %.6g, \"p90_ms\": %.6g, \"runs\": %zu, "
               "\"threads\": %ld, "
               "\"target\": \"%s\", \"weights\": %llu, \"arena\": %llu, \"scratch\": %llu, "
               "\"lower_bound\": %llu}\n",
               t[n / 2], t[0], t[n * 9 / 10], n, o->threads, lathe_model_target(m->model),
               (unsigned long long)memory.weights, (unsigned long long)memory.arena,
               (unsigned long long)memory.scratch, (unsigned long long)memory.lower_bound);
        return;
    }
    printf("median %.4g ms, min %.4g ms, p90 %.4g ms over %zu runs, %ld thread%s, %s\n", t[n / 2],
           t[0], t[n * 9 / 10], n, o->threads, o->threads == 1 ? "" : "s",
           lathe_model_target(m->model));
    printf("weights %llu bytes (%.3g GB/s), arena %llu and scratch %llu bytes (lower bound %llu)\n",
           (unsigned long long)memory.weights, (double)memory.weights / (t[n / 2] * 1e6),
           (unsigned long long)memory.arena, (unsigned long long)memory.scratch,
           (unsigned long long)memory.lower_bound);
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
        if (!o->case_dir) with_case.case_dir = data;
    }
    loaded m;
    double *times = NULL;
    size_t n = 0;
    int code = load_model(&with_case, path, &m);
    if (code == EXIT_OK) {
        lathe_status s = measure(&m, o->seconds, &times, &n);
        if (s != LATHE_OK) code = fail_run(s, path, lathe_session_message(m.session));
        else report(o, &m, times, n);
    }
    free(times);
    unload_model(&m);
    return code;
}
