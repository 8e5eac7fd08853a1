/* lathe-runner: runs one compiled model on test data, in a process of its own.
 *
 *   lathe-runner [--guard] [--threads N] [--hide-features BITS] LIBRARY --case INDIR OUTDIR...
 *
 * For each case reads INDIR/input_K.pb, runs, writes OUTDIR/output_K.pb and prints `ok` or
 * `error STATUS MESSAGE`. Exit code: 0 if every case was ok, 1 if one was not, 2 if nothing ran.
 * All cases use one session, so that they see the memory that others left behind.
 * --guard: inputs, outputs and the weight file end at a page that cannot be touched, working memory
 * is filled with NaN bytes before each run, and outputs with a pattern. Where outputs end is known
 * after a first run with the session's own memory; the second run is the one that counts. */
#include "driver/library.h"
#include "driver/tensor_file.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_THREADS = 256 };

typedef struct runner {
    bool guard;
    uint32_t hidden;
    int threads, nin, nout;
    library lib;
    lathe_model *model;
    lathe_session *session;
    lathe_threads *pool;
    tensor_file *files;
    lathe_tensor *in, *out;
    tensor_message message;
} runner;

static lathe_status runner_fail(runner *r, lathe_status status, const char *text)
{
    snprintf(r->message.text, sizeof r->message.text, "%s", text);
    return status;
}

/* ---- guarded memory: kept until the process ends ---- */

/* size bytes whose end is, up to alignment, the end of the last page that can be touched. */
static void *guarded(size_t size, size_t align)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > SIZE_MAX / 4) return NULL;
    size_t used = (size + align - 1) / align * align, pages = (used + page - 1) / page * page;
    char *base =
        mmap(NULL, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + pages, page, PROT_NONE) != 0) return NULL;
    return base + pages - used;
}

static size_t alignment(lathe_elem elem)
{
    int bits = tensor_elem_bits(elem);
    if (elem == LATHE_C64 || elem == LATHE_C128) bits /= 2;
    return bits < 8 ? 1 : (size_t)bits / 8;
}

/* The weight file beside the library, in guarded memory; none is no error: they may be embedded. */
static lathe_status guard_weights(runner *r, const char *path, lathe_open_options *o)
{
    char weights[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = snprintf(weights, sizeof weights, "%.*s%s.weights", slash ? (int)(slash - path + 1) : 0,
                     path, r->lib.name);
    FILE *file = n < (int)sizeof weights ? fopen(weights, "rb") : NULL;
    if (!file) return LATHE_OK;
    struct stat st;
    lathe_status s = LATHE_IO;
    if (fstat(fileno(file), &st) == 0) {
        o->weights_size = (size_t)st.st_size;
        void *bytes = guarded(o->weights_size, 64);
        if (bytes && fread(bytes, 1, o->weights_size, file) == o->weights_size) s = LATHE_OK;
        o->weights = bytes;
    }
    fclose(file);
    return s == LATHE_OK ? s : runner_fail(r, s, "the weights cannot be read");
}

/* ---- the model ---- */

static lathe_status runner_open_model(runner *r, const char *path)
{
    char *text = r->message.text;
    lathe_open_options o = {
        .message = text, .message_size = sizeof r->message.text, .hide_features = r->hidden};
    lathe_status s = library_open(path, &r->lib, text, sizeof r->message.text);
    if (s == LATHE_OK && r->guard) {
        o.flags = LATHE_OPEN_POISON;
        s = guard_weights(r, path, &o);
    }
    if (s != LATHE_OK) return s;
    if (r->threads > 1) {
        s = lathe_threads_new(r->lib.desc, r->threads, &r->pool);
        if (s != LATHE_OK) return runner_fail(r, s, "no threads");
        o.threads = r->pool;
    }
    s = lathe_model_open(r->lib.desc, &o, &r->model);
    if (s != LATHE_OK) return s;
    s = lathe_session_new(r->model, NULL, &r->session);
    if (s != LATHE_OK) return runner_fail(r, s, "no session");
    r->nin = lathe_count(r->lib.desc, LATHE_INPUTS);
    r->nout = lathe_count(r->lib.desc, LATHE_OUTPUTS);
    r->files = calloc((size_t)r->nin + 1, sizeof *r->files);
    r->in = calloc((size_t)r->nin + 1, sizeof *r->in);
    r->out = calloc((size_t)r->nout + 1, sizeof *r->out);
    return r->files && r->in && r->out ? LATHE_OK
                                       : runner_fail(r, LATHE_OUT_OF_MEMORY, "out of memory");
}

static void close_model(runner *r)
{
    free(r->files);
    free(r->in);
    free(r->out);
    if (r->session) lathe_session_free(r->session);
    if (r->model) lathe_model_close(r->model);
    if (r->pool) lathe_threads_free(r->lib.desc, r->pool);
    library_close(&r->lib);
}

/* ---- one case ---- */

/* Input files hold a tensor each, or those of a sequence or an optional. */
static lathe_status read_files(runner *r, const char *dir)
{
    lathe_status s = LATHE_OK;
    int n = 0;
    for (int k = 0; n < r->nin && s == LATHE_OK; k++) {
        char path[PATH_MAX];
        tensor_list list;
        if (snprintf(path, sizeof path, "%s/input_%d.pb", dir, k) >= (int)sizeof path)
            return runner_fail(r, LATHE_NOT_FOUND, "the path is too long");
        s = tensor_list_read(path, &list, &r->message);
        if (s == LATHE_OK) s = tensor_list_move(&list, r->files, r->nin, &n, &r->message);
    }
    return s;
}

static lathe_status place_input(runner *r, int k)
{
    r->in[k] = r->files[k].tensor;
    if (!r->guard) return LATHE_OK;
    r->in[k].data = guarded(r->in[k].size, alignment(r->in[k].elem));
    if (!r->in[k].data) return runner_fail(r, LATHE_OUT_OF_MEMORY, "no guarded memory");
    memcpy(r->in[k].data, r->files[k].tensor.data, r->in[k].size);
    return LATHE_OK;
}

static lathe_status run_once(runner *r)
{
    lathe_status s = lathe_run(r->session, r->in, r->out);
    return s == LATHE_OK ? s : runner_fail(r, s, lathe_session_message(r->session));
}

static lathe_status run_guarded(runner *r)
{
    lathe_status s = run_once(r);
    for (int k = 0; k < r->nout && s == LATHE_OK; k++) {
        lathe_tensor *t = &r->out[k];
        t->data = guarded(t->size, alignment(t->elem));
        if (!t->data) return runner_fail(r, LATHE_OUT_OF_MEMORY, "no guarded memory");
        memset(t->data, 0xA5, t->size);
    }
    return s == LATHE_OK ? run_once(r) : s;
}

static lathe_status write_output(runner *r, const char *dir, int k)
{
    char path[PATH_MAX];
    lathe_tensor_info info;
    lathe_status s = lathe_info(r->lib.desc, LATHE_OUTPUTS, k, &info);
    if (s != LATHE_OK) return runner_fail(r, s, "the model does not describe its outputs");
    if (snprintf(path, sizeof path, "%s/output_%d.pb", dir, k) >= (int)sizeof path)
        return runner_fail(r, LATHE_NOT_FOUND, "the path is too long");
    return tensor_write_pb(path, info.name, &r->out[k], &r->message);
}

static lathe_status run_case(runner *r, const char *in_dir, const char *out_dir)
{
    memset(r->out, 0, (size_t)r->nout * sizeof *r->out);
    lathe_status s = read_files(r, in_dir);
    for (int k = 0; k < r->nin && s == LATHE_OK; k++) s = place_input(r, k);
    if (s == LATHE_OK) s = r->guard ? run_guarded(r) : run_once(r);
    for (int k = 0; k < r->nout && s == LATHE_OK; k++) s = write_output(r, out_dir, k);
    for (int k = 0; k < r->nin; k++) tensor_free(&r->files[k]);
    return s;
}

/* ---- the command line ---- */

static int usage(void)
{
    fputs("usage: lathe-runner [--guard] [--threads N] [--hide-features BITS] LIBRARY --case INDIR "
          "OUTDIR...\n",
          stderr);
    return 2;
}

static int runner_report(const runner *r, lathe_status s)
{
    if (s == LATHE_OK) puts("ok");
    else printf("error %d %s\n", (int)s, r->message.text);
    fflush(stdout); /* the next case may end the process */
    return s != LATHE_OK;
}

/* Reads the options; the index of the library, or 0. */
static int parse(int argc, char **argv, runner *r)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        char *end;
        if (strcmp(argv[i], "--guard") == 0) {
            r->guard = true;
            continue;
        }
        bool hide = strcmp(argv[i], "--hide-features") == 0;
        if ((!hide && strcmp(argv[i], "--threads") != 0) || i + 1 == argc) return 0;
        long n = strtol(argv[++i], &end, 0);
        if (*end || n < !hide || n > (hide ? UINT32_MAX : MAX_THREADS)) return 0;
        if (hide) r->hidden = (uint32_t)n;
        else r->threads = (int)n;
    }
    if (i >= argc || (argc - i - 1) % 3 || argc == i + 1) return 0;
    for (int c = i + 1; c < argc; c += 3)
        if (strcmp(argv[c], "--case") != 0) return 0;
    return i;
}

int main(int argc, char **argv)
{
    runner r = {.threads = 1};
    int at = parse(argc, argv, &r), failed = 0;
    if (!at) return usage();
    lathe_status s = runner_open_model(&r, argv[at]);
    if (s != LATHE_OK) {
        runner_report(&r, s);
        close_model(&r);
        return 2;
    }
    for (int c = at + 1; c < argc; c += 3)
        failed |= runner_report(&r, run_case(&r, argv[c + 1], argv[c + 2]));
    close_model(&r);
    return failed;
}
