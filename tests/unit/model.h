/* Builds small ONNX models in memory, writes them to a folder of their own and imports them. */
#ifndef LATHE_TESTS_MODEL_H
#define LATHE_TESTS_MODEL_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/import.h"

typedef Onnx__ModelProto *model;

static void *make(const ProtobufCMessageDescriptor *type)
{
    void *message = malloc(type->sizeof_message);
    protobuf_c_message_init(type, message);
    return message;
}
#define MAKE(type) make(&onnx__##type##__descriptor)

/* Appends to a repeated field; the arrays of one test are leaked on purpose, the process ends. */
#define PUSH(owner, field, value)                                                                  \
    do {                                                                                           \
        (owner)->field =                                                                           \
            realloc((owner)->field, ((owner)->n_##field + 1) * sizeof *(owner)->field);            \
        (owner)->field[(owner)->n_##field++] = (value);                                            \
    } while (0)

static inline model model_new(int ir_version, int opset)
{
    model m = MAKE(model_proto);
    Onnx__OperatorSetIdProto *set = MAKE(operator_set_id_proto);
    m->has_ir_version = set->has_version = true;
    m->ir_version = ir_version;
    set->version = opset;
    PUSH(m, opset_import, set);
    m->graph = MAKE(graph_proto);
    m->graph->name = "test";
    return m;
}

/* A tensor f32[dim]; dim "" has no name, a number is a size. */
static inline Onnx__ValueInfoProto *value_new(char *name, int elem, char *dim)
{
    Onnx__ValueInfoProto *v = MAKE(value_info_proto);
    v->name = name;
    v->type = MAKE(type_proto);
    v->type->tensor_type = MAKE(type_proto__tensor);
    v->type->tensor_type->has_elem_type = true;
    v->type->tensor_type->elem_type = elem;
    v->type->tensor_type->shape = MAKE(tensor_shape_proto);
    Onnx__TensorShapeProto__Dimension *d = MAKE(tensor_shape_proto__dimension);
    d->has_dim_value = *dim == '-' || (*dim >= '0' && *dim <= '9');
    if (d->has_dim_value) d->dim_value = atoi(dim);
    else d->dim_param = dim;
    PUSH(v->type->tensor_type->shape, dim, d);
    return v;
}

static inline Onnx__NodeProto *node_new(char *op, char *in, char *out)
{
    Onnx__NodeProto *n = MAKE(node_proto);
    n->op_type = op;
    n->name = op;
    if (in) PUSH(n, input, in);
    if (out) PUSH(n, output, out);
    return n;
}

static inline Onnx__TensorProto *tensor_new(char *name, int elem, size_t ndims, const int64_t *dims)
{
    Onnx__TensorProto *t = MAKE(tensor_proto);
    t->name = name;
    t->has_data_type = true;
    t->data_type = elem;
    for (size_t i = 0; i < ndims; i++) PUSH(t, dims, dims[i]);
    return t;
}

static inline void tensor_raw(Onnx__TensorProto *t, const void *bytes, size_t size)
{
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){size, (uint8_t *)bytes};
}

static inline void tensor_external(Onnx__TensorProto *t, char *key, char *value)
{
    Onnx__StringStringEntryProto *e = MAKE(string_string_entry_proto);
    e->key = key;
    e->value = value;
    PUSH(t, external_data, e);
    t->has_data_location = true;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

/* ---- a folder and an import ---- */

static struct trial {
    char folder[64], path[96];
    ir_arena arena;
    jmp_buf jmp;
    lathe_diag *diag;
    fe_files *files;
    ir_graph *g;
    fe_options options;
    lathe_status status;
} trial;

static inline void trial_begin(void)
{
    memset(&trial, 0, sizeof trial);
    strcpy(trial.folder, "/tmp/lathe-model-XXXXXX");
    if (!mkdtemp(trial.folder)) abort();
    snprintf(trial.path, sizeof trial.path, "%s/model.onnx", trial.folder);
    trial.diag = lathe_diag_new();
    trial.files = fe_files_new();
    ir_arena_init(&trial.arena, &trial.jmp);
}

static inline const char *trial_file(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", trial.folder, name);
    return path;
}

static inline void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *f = fopen(trial_file(name), "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f)) abort();
}

static inline void remove_folder(void)
{
    static const char *const names[] = {"model.onnx", "data",    "link", "hard", "sub/data",
                                        "sub",        "linkdir", "out",  "page", "empty"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(trial_file(names[i]));
    rmdir(trial.folder);
}

static inline void trial_end(void)
{
    ir_arena_destroy(&trial.arena);
    fe_files_free(trial.files);
    lathe_diag_free(trial.diag);
    remove_folder();
}

/* May be called again in one test; the graph before is gone with its files. */
static inline lathe_status read_bytes(const void *bytes, size_t size)
{
    fe_files_free(trial.files);
    trial.files = fe_files_new();
    trial.g = NULL;
    write_file("model.onnx", bytes, size);
    trial.status = LATHE_OUT_OF_MEMORY;
    if (setjmp(trial.jmp)) return trial.status;
    trial.status =
        fe_read(&trial.arena, trial.diag, trial.files, trial.path, &trial.options, &trial.g);
    return trial.status;
}

static inline lathe_status read_model(model m)
{
    size_t size = onnx__model_proto__get_packed_size(m);
    uint8_t *bytes = malloc(size + 1);
    onnx__model_proto__pack(m, bytes);
    lathe_status status = read_bytes(bytes, size);
    free(bytes);
    return status;
}

/* All messages as one text. */
static inline const char *messages(void)
{
    static char text[8192];
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < lathe_diag_count(trial.diag) && used + 600 < sizeof text; i++) {
        lathe_message m = lathe_diag_get(trial.diag, i);
        used += lathe_diag_format(&m, text + used, 500);
        text[used++] = '\n';
        text[used] = 0;
    }
    return text;
}

#define SAYS(part) cr_assert(strstr(messages(), part), "expected '%s' in:\n%s", part, messages())

#endif
