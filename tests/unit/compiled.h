/* A model compiled for a test, loaded into this process, with inputs of any sizes: the first data
 * set's elements are repeated, so that ids stay ids and masks stay masks. */
#ifndef LATHE_TESTS_COMPILED_H
#define LATHE_TESTS_COMPILED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/library.h"
#include "driver/tensor_file.h"
#include "lathe.h"
#include "runtime/rt.h"

enum { COMPILED_MOST = 128 };

typedef struct compiled {
    char folder[64];
    library lib;
    rt_view v;
    int nin, nout, nsyms;
    tensor_file files[COMPILED_MOST];
    lathe_tensor in[COMPILED_MOST], out[COMPILED_MOST];
    size_t room[COMPILED_MOST];   /* bytes allocated for in[].data */
    int64_t given[COMPILED_MOST]; /* free symbols, as the data set has them */
} compiled;

static inline bool compiled_fail(const char *model, const char *what)
{
    fprintf(stderr, "%s: %s\n", model, what);
    return false;
}

static inline bool compiled_build(compiled *c, const char *model)
{
    char path[512], output[128], message[512];
    snprintf(c->folder, sizeof c->folder, "/tmp/lathe-compiled-XXXXXX");
    if (!mkdtemp(c->folder)) return compiled_fail(model, "no folder");
    snprintf(path, sizeof path, "%s/model.onnx", model);
    snprintf(output, sizeof output, "%s/libm.so", c->folder);
    lathe_diag *diag = lathe_diag_new();
    const lathe_options o = {
        .model = path, .name = "m", .output = output, .level = 2, .runtime = LATHE_RUNTIME_ARCHIVE};
    lathe_status s = diag ? lathe_compile(&o, diag) : LATHE_OUT_OF_MEMORY;
    if (s && diag && lathe_diag_count(diag)) compiled_fail(model, lathe_diag_get(diag, 0).text);
    lathe_diag_free(diag);
    if (s) return compiled_fail(model, "does not compile");
    s = library_open(output, &c->lib, message, sizeof message);
    return s ? compiled_fail(model, message) : true;
}

/* The free symbols' values, from the dims of the data set's inputs. */
static inline void compiled_read_sizes(compiled *c)
{
    for (int i = 0; i < c->nin; i++)
        for (uint32_t a = 0; a < c->v.inputs[i].rank; a++) {
            const lathe_dim_op *op = &c->v.dims[c->v.u32s[c->v.inputs[i].dims + a]];
            if (op->op == LATHE_DIM_SYM && (int)op->a < c->nsyms)
                c->given[op->a] = c->files[i].tensor.dims[a];
        }
}

/* Inputs for these values of the free symbols; false: sizes that the model cannot have. */
static inline bool compiled_resize(compiled *c, const int64_t *sizes)
{
    const rt_view *v = &c->v;
    int64_t *slots = calloc(v->ndims + 1, sizeof *slots);
    for (uint32_t k = 0; k < v->ndims; k++) {
        const lathe_dim_op *op = &v->dims[k];
        if (op->op == LATHE_DIM_CONST) slots[k] = op->imm;
        else if (op->op == LATHE_DIM_SYM) slots[k] = (int)op->a < c->nsyms ? sizes[op->a] : 0;
        else if (!rt_dim_apply(op->op, slots[op->a], slots[op->b], &slots[k])) slots[k] = 0;
    }
    bool ok = true;
    for (int i = 0; i < c->nin; i++) {
        lathe_tensor *t = &c->in[i];
        const lathe_tensor *from = &c->files[i].tensor;
        void *data = t->data;
        *t = *from;
        t->data = data;
        for (uint32_t a = 0; a < v->inputs[i].rank; a++)
            t->dims[a] = slots[v->u32s[v->inputs[i].dims + a]];
        ok = ok && tensor_bytes(t, &t->size);
        if (!ok) break;
        if (t->size > c->room[i]) t->data = realloc(t->data, c->room[i] = t->size);
        for (size_t k = 0; k < t->size; k++)
            ((char *)t->data)[k] = from->size ? ((const char *)from->data)[k % from->size] : 0;
    }
    free(slots);
    return ok;
}

static inline void compiled_free(compiled *c)
{
    static const char *const names[] = {"libm.so", "m.h", "m.weights"};
    char path[128];
    for (int i = 0; i < c->nin; i++) tensor_free(&c->files[i]);
    for (int i = 0; i < c->nin; i++) free(c->in[i].data);
    if (c->lib.handle) library_close(&c->lib);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", c->folder, names[i]);
        unlink(path);
    }
    if (*c->folder) rmdir(c->folder);
}

/* model: a folder with model.onnx and test_data_set_0. */
static inline bool compiled_make(compiled *c, const char *model)
{
    rt_text text;
    tensor_message message;
    memset(c, 0, sizeof *c);
    if (!compiled_build(c, model)) return false;
    if (rt_view_make(c->lib.desc, &c->v, &text)) return compiled_fail(model, text.s);
    c->nsyms = (int)c->v.t->n_free;
    c->nout = (int)c->v.noutputs;
    if (c->v.ninputs > COMPILED_MOST || c->nout > COMPILED_MOST || c->nsyms > COMPILED_MOST)
        return compiled_fail(model, "too many inputs or outputs");
    for (; c->nin < (int)c->v.ninputs; c->nin++) {
        char path[512];
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%d.pb", model, c->nin);
        if (tensor_read_pb(path, &c->files[c->nin], &message))
            return compiled_fail(path, message.text);
    }
    compiled_read_sizes(c);
    return compiled_resize(c, c->given) || compiled_fail(model, "sizes overflow");
}

/* The folder of a model: of examples/, or of the models beside the project, which may be absent. */
static inline bool compiled_find(const char *name, char *path, size_t size)
{
    static const char *const places[] = {"examples", "../shared/models"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, size, "%s/%s/%s/model.onnx", LATHE_SOURCE_DIR, places[i], name);
        bool there = access(path, R_OK) == 0;
        snprintf(path, size, "%s/%s/%s", LATHE_SOURCE_DIR, places[i], name);
        if (there) return true;
    }
    return false;
}

/* Runs with the session's own outputs. */
static inline lathe_status compiled_run(compiled *c, lathe_session *s)
{
    memset(c->out, 0, (size_t)c->nout * sizeof *c->out);
    return lathe_run(s, c->in, c->out);
}

#endif
