/* A model opened in this process with inputs from files, for run and bench. An ONNX file is
 * compiled into a temporary folder first. */
#include "driver/driver.h"
#include "driver/library.h"
#include "driver/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compile_to(const cli_options *o, const char *path, const char *work, char *so,
                      size_t size)
{
    lathe_options l;
    compile_storage storage;
    int code = EXIT_USAGE;
    snprintf(so, size, "%s/libmodel.so", work);
    if (fill_options(o, path, &l, &storage)) {
        l.output = so;
        if (!l.name) l.name = "model";
        l.all_origins = o->profile || o->trace;
        code = run_action(lathe_compile, &l);
    }
    storage_free(&storage);
    return code;
}

static int open_library(const cli_options *o, const char *path, loaded *m)
{
    char message[512] = "";
    m->lib = calloc(1, sizeof *m->lib);
    if (!m->lib) return fail(LATHE_OUT_OF_MEMORY, "out of memory");
    lathe_status s = library_open(path, m->lib, message, sizeof message);
    if (s != LATHE_OK) return fail_file(s, path, message);
    const lathe_desc *desc = m->lib->desc;
    if (o->threads > 1) s = lathe_threads_new(desc, (int)o->threads, &m->threads);
    if (s != LATHE_OK) return fail(s, "cannot start %ld threads", o->threads);
    if (o->trace && !(m->trace = trace_new(m->threads)))
        return fail(LATHE_OUT_OF_MEMORY, "out of memory");
    lathe_open_options open = {.threads = m->trace ? trace_threads(m->trace) : m->threads,
                               .message = message,
                               .message_size = sizeof message};
    if (!hidden_features(o, &open.hide_features)) return EXIT_USAGE;
    m->nin = lathe_count(desc, LATHE_INPUTS);
    m->nout = lathe_count(desc, LATHE_OUTPUTS);
    s = lathe_model_open(desc, &open, &m->model);
    if (s == LATHE_OK) s = lathe_session_new(m->model, NULL, &m->session);
    return s == LATHE_OK ? EXIT_OK : fail_file(s, path, message);
}

static int find_input(const lathe_desc *desc, int nin, const char *name, size_t length)
{
    lathe_tensor_info info;
    for (int i = 0; i < nin; i++)
        if (lathe_info(desc, LATHE_INPUTS, i, &info) == LATHE_OK && strlen(info.name) == length &&
            strncmp(info.name, name, length) == 0)
            return i;
    return -1;
}

static int unknown_input(const loaded *m, const char *name, size_t length)
{
    enum { SHOWN = 256 };
    const char *names[SHOWN];
    char word[256], text[400];
    size_t n = 0;
    snprintf(word, sizeof word, "%.*s", (int)(length < 255 ? length : 255), name);
    snprintf(text, sizeof text, "the model has no input '%s'", word);
    for (int i = 0; i < m->nin && n < SHOWN; i++) {
        lathe_tensor_info info;
        if (lathe_info(m->lib->desc, LATHE_INPUTS, i, &info) == LATHE_OK) names[n++] = info.name;
    }
    return fail_unknown(LATHE_NOT_FOUND, text, word, names, n);
}

/* The tensors of a sequence go to the inputs NAME[0], NAME[1], ... */
static int read_items(loaded *m, const char *name, size_t length, const char *path)
{
    tensor_message message;
    tensor_list list;
    int code = EXIT_OK;
    lathe_status s = tensor_list_read(path, &list, &message);
    if (s != LATHE_OK) return fail_file(s, path, message.text);
    for (size_t k = 0; k < list.n && code == EXIT_OK; k++) {
        char item[512];
        int size = snprintf(item, sizeof item, "%.*s[%zu]", (int)length, name, k);
        int i = find_input(m->lib->desc, m->nin, item, (size_t)size);
        if (i < 0) {
            code = unknown_input(m, item, (size_t)size);
            continue;
        }
        tensor_free(&m->files[i]);
        m->files[i] = list.items[k];
        list.items[k] = (tensor_file){0};
    }
    tensor_list_free(&list);
    return code;
}

static bool is_sequence(const loaded *m, const char *name, size_t length)
{
    char item[512];
    int size = snprintf(item, sizeof item, "%.*s[0]", (int)length, name);
    return size > 0 && size < (int)sizeof item &&
           find_input(m->lib->desc, m->nin, item, (size_t)size) >= 0;
}

static int read_named(const cli_options *o, loaded *m)
{
    tensor_message message;
    int code = EXIT_OK;
    for (size_t k = 0; k < o->inputs.n && code == EXIT_OK; k++) {
        const char *text = o->inputs.items[k], *equals = strchr(text, '=');
        size_t length = equals ? (size_t)(equals - text) : 0;
        int i = equals ? find_input(m->lib->desc, m->nin, text, length) : -1;
        if (!equals) return usage_error("--input takes NAME=FILE, not '%s'", text);
        if (i < 0) {
            code = is_sequence(m, text, length) ? read_items(m, text, length, equals + 1)
                                                : unknown_input(m, text, length);
            continue;
        }
        tensor_free(&m->files[i]);
        lathe_status s = tensor_read(equals + 1, &m->files[i], &message);
        if (s != LATHE_OK) code = fail_file(s, equals + 1, message.text);
    }
    return code;
}

static int read_case(const cli_options *o, loaded *m)
{
    tensor_message message;
    int n = 0;
    for (int k = 0; o->case_dir && n < m->nin; k++) {
        char path[4096];
        tensor_list list;
        snprintf(path, sizeof path, "%s/input_%d.pb", o->case_dir, k);
        lathe_status s = tensor_list_read(path, &list, &message);
        if (s == LATHE_OK) s = tensor_list_move(&list, m->files, m->nin, &n, &message);
        if (s != LATHE_OK) return fail_file(s, path, message.text);
    }
    return EXIT_OK;
}

int read_inputs(const cli_options *o, loaded *m, bool draw)
{
    m->files = calloc((size_t)m->nin + 1, sizeof *m->files);
    m->in = calloc((size_t)m->nin + 1, sizeof *m->in);
    m->out = calloc((size_t)m->nout + 1, sizeof *m->out);
    if (!m->files || !m->in || !m->out) return fail(LATHE_OUT_OF_MEMORY, "out of memory");
    int code = read_case(o, m);
    if (code == EXIT_OK) code = read_named(o, m);
    for (int i = 0; code == EXIT_OK && i < m->nin; i++) {
        lathe_tensor_info info;
        lathe_info(m->lib->desc, LATHE_INPUTS, i, &info);
        if (!m->files[i].tensor.data && draw) code = random_input(o, &info, i, &m->files[i]);
        if (code != EXIT_OK) return code;
        if (!m->files[i].tensor.data)
            return fail(LATHE_NOT_FOUND, "input '%s' was not given; see --input and --case",
                        info.name);
        m->in[i] = m->files[i].tensor;
    }
    return code;
}

int64_t input_size(const loaded *m, const char *name)
{
    lathe_tensor_info info;
    for (int i = 0; i < m->nin; i++) {
        if (lathe_info(m->lib->desc, LATHE_INPUTS, i, &info) != LATHE_OK) continue;
        for (int d = 0; d < info.rank && d < m->in[i].rank; d++)
            if (info.dims[d] < 0 && strcmp(info.dim_names[d], name) == 0) return m->in[i].dims[d];
    }
    return -1;
}

int open_model(const cli_options *o, const char *path, loaded *m)
{
    char so[4200];
    *m = (loaded){0};
    int code = EXIT_OK;
    if (!has_suffix(path, ".so")) {
        if (!make_work_dir(m->work, sizeof m->work)) return EXIT_RESOURCES;
        code = compile_to(o, path, m->work, so, sizeof so);
        path = so;
    }
    return code == EXIT_OK ? open_library(o, path, m) : code;
}

int load_model(const cli_options *o, const char *path, bool draw, loaded *m)
{
    int code = open_model(o, path, m);
    return code == EXIT_OK ? read_inputs(o, m, draw) : code;
}

void unload_model(loaded *m)
{
    if (m->session) lathe_session_free(m->session);
    if (m->model) lathe_model_close(m->model);
    trace_free(m->trace);
    if (m->threads) lathe_threads_free(m->lib->desc, m->threads);
    for (int i = 0; m->files && i < m->nin; i++) tensor_free(&m->files[i]);
    if (m->lib && m->lib->handle) library_close(m->lib);
    free(m->lib);
    free(m->files);
    free(m->in);
    free(m->out);
    if (m->work[0]) remove_tree(m->work);
}
