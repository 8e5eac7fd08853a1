/* Damaged models: whatever the bytes, check, compile and run end with a status and a message.
 *
 *   damage COUNT SEED RUNTIME MODEL...
 *
 * Takes the models in turn and spoils a copy of each in one of several ways, all outside tensor
 * data: bytes changed, the file cut, a length blown up, and well-formed nonsense (names swapped to
 * make cycles and duplicates, operators exchanged, dims negated, types and attributes changed,
 * inputs dropped). Every copy is tried in a forked child under a time limit; a signal, a sanitizer's
 * report, a hang, or a failure without a message is printed and makes the exit code 1. The seed
 * makes a run repeatable; a failing copy is kept beside the working folder's name printed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/library.h"
#include "frontend/onnx.pb-c.h"
#include "lathe.h"

enum { LIMIT_S = 10, MAX_BYTES = 1 << 24, SILENT = 90 };

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t n) { return n ? (size_t)(next() % n) : 0; }

typedef struct bytes {
    uint8_t *at;
    size_t n;
} bytes;

static bytes read_file(const char *path)
{
    bytes b = {malloc(MAX_BYTES), 0};
    FILE *f = fopen(path, "rb");
    if (f && b.at) b.n = fread(b.at, 1, MAX_BYTES - 64, f);
    if (f) fclose(f);
    return b;
}

static int write_file(const char *path, const uint8_t *at, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f) return -1;
    size_t done = fwrite(at, 1, n, f);
    return fclose(f) == 0 && done == n ? 0 : -1;
}

/* ---- damage to bytes ---- */

/* Marks the bytes of raw_data: field 9 of a TensorProto, found as long runs under tag 0x4A. */
static int is_tensor_data(const bytes *b, size_t at)
{
    for (size_t back = at > 4096 ? at - 4096 : 0; back + 6 < at; back++) {
        if (b->at[back] != 0x4A) continue;
        size_t length = 0, i = back + 1;
        for (int shift = 0; i < b->n && shift < 35; shift += 7) {
            length |= (size_t)(b->at[i] & 127) << shift;
            if (b->at[i++] < 128) break;
        }
        if (length >= 64 && i + length <= b->n && at >= i && at < i + length) return 1;
    }
    return 0;
}

static size_t place(const bytes *b)
{
    size_t at = below(b->n);
    for (int turn = 0; turn < 100 && is_tensor_data(b, at); turn++) at = below(b->n);
    return at;
}

static void change_bytes(bytes *b)
{
    for (size_t k = 1 + below(8); k && b->n; k--) b->at[place(b)] = (uint8_t)next();
}

static void flip_bit(bytes *b)
{
    if (b->n) b->at[place(b)] ^= (uint8_t)(1u << below(8));
}

static void truncate_file(bytes *b) { b->n = below(b->n + 1); }

/* A varint that says far more than there is. */
static void blow_up(bytes *b)
{
    size_t at = place(b), n = 1 + below(9);
    for (size_t i = 0; i < n && at + i < b->n; i++) b->at[at + i] = (uint8_t)(0x80 | next());
}

static void insert_bytes(bytes *b)
{
    size_t at = place(b), n = 1 + below(32);
    memmove(b->at + at + n, b->at + at, b->n - at);
    for (size_t i = 0; i < n; i++) b->at[at + i] = (uint8_t)next();
    b->n += n;
}

/* ---- well-formed nonsense ---- */

static Onnx__NodeProto *any_node(Onnx__GraphProto *g) { return g->n_node ? g->node[below(g->n_node)] : NULL; }

/* A name used somewhere in the graph; owned by the message. */
static char **any_name(Onnx__GraphProto *g)
{
    Onnx__NodeProto *n = any_node(g);
    if (!n) return NULL;
    size_t k = below(n->n_input + n->n_output);
    if (n->n_input + n->n_output == 0) return NULL;
    return k < n->n_input ? &n->input[k] : &n->output[k - n->n_input];
}

/* Exchanging pointers keeps every string owned once. */
static void swap_names(Onnx__GraphProto *g)
{
    char **a = any_name(g), **b = any_name(g);
    if (!a || !b) return;
    char *t = *a;
    *a = *b;
    *b = t;
}

static void duplicate_name(Onnx__GraphProto *g)
{
    char **a = any_name(g), **b = any_name(g);
    if (!a || !b || a == b) return;
    free(*a);
    *a = strdup(*b);
}

static void swap_operators(Onnx__GraphProto *g)
{
    Onnx__NodeProto *a = any_node(g), *b = any_node(g);
    if (!a || !b) return;
    char *t = a->op_type;
    a->op_type = b->op_type;
    b->op_type = t;
}

static void swap_attributes(Onnx__GraphProto *g)
{
    Onnx__NodeProto *a = any_node(g), *b = any_node(g);
    if (!a || !b || !a->n_attribute || !b->n_attribute) return;
    size_t i = below(a->n_attribute), j = below(b->n_attribute);
    Onnx__AttributeProto *t = a->attribute[i];
    a->attribute[i] = b->attribute[j];
    b->attribute[j] = t;
}

static int64_t odd_number(void)
{
    static const int64_t odd[] = {0, 1, -1, 2, 7, -2, 63, 64, 65, 1000, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN,
                                  INT64_C(1) << 40};
    return odd[below(sizeof odd / sizeof *odd)];
}

static void change_attribute(Onnx__GraphProto *g)
{
    Onnx__NodeProto *n = any_node(g);
    if (!n || !n->n_attribute) return;
    Onnx__AttributeProto *a = n->attribute[below(n->n_attribute)];
    if (a->n_ints) a->ints[below(a->n_ints)] = odd_number();
    if (a->has_i) a->i = odd_number();
    if (a->has_f) a->f = (float)odd_number();
}

static void change_dims(Onnx__GraphProto *g)
{
    if (g->n_initializer && below(2)) {
        Onnx__TensorProto *t = g->initializer[below(g->n_initializer)];
        if (t->n_dims) t->dims[below(t->n_dims)] = odd_number();
        return;
    }
    if (!g->n_input) return;
    Onnx__ValueInfoProto *v = g->input[below(g->n_input)];
    Onnx__TypeProto__Tensor *t = v->type ? v->type->tensor_type : NULL;
    if (!t || !t->shape || !t->shape->n_dim) return;
    Onnx__TensorShapeProto__Dimension *d = t->shape->dim[below(t->shape->n_dim)];
    d->has_dim_value = 1;
    d->dim_value = odd_number();
}

static void change_type(Onnx__GraphProto *g)
{
    int32_t type = (int32_t)below(30);
    if (g->n_initializer && below(2)) {
        g->initializer[below(g->n_initializer)]->data_type = type;
    } else if (g->n_input) {
        Onnx__ValueInfoProto *v = g->input[below(g->n_input)];
        if (v->type && v->type->tensor_type) v->type->tensor_type->elem_type = type;
    }
}

static void drop_input(Onnx__GraphProto *g)
{
    Onnx__NodeProto *n = any_node(g);
    if (!n || !n->n_input) return;
    free(n->input[--n->n_input]);
}

static void swap_nodes(Onnx__GraphProto *g)
{
    if (!g->n_node) return;
    size_t i = below(g->n_node), j = below(g->n_node);
    Onnx__NodeProto *t = g->node[i];
    g->node[i] = g->node[j];
    g->node[j] = t;
}

static void (*const nonsense[])(Onnx__GraphProto *) = {
    swap_names, duplicate_name, swap_operators, swap_attributes, change_attribute, change_dims,
    change_type, drop_input, swap_nodes,
};

static void talk_nonsense(bytes *b)
{
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, b->n, b->at);
    if (!m || !m->graph) return;
    for (size_t k = 1 + below(3); k; k--) nonsense[below(sizeof nonsense / sizeof *nonsense)](m->graph);
    if (onnx__model_proto__get_packed_size(m) < MAX_BYTES) b->n = onnx__model_proto__pack(m, b->at);
    onnx__model_proto__free_unpacked(m, NULL);
}

static void (*const damages[])(bytes *) = {
    change_bytes, flip_bit, truncate_file, blow_up, insert_bytes, talk_nonsense, talk_nonsense, talk_nonsense,
};

/* ---- one attempt, in a child ---- */

static size_t element_bytes(lathe_elem e)
{
    switch (e) {
    case LATHE_I64: case LATHE_F64: case LATHE_U64: case LATHE_C64: return 8;
    case LATHE_C128: return 16;
    case LATHE_F32: case LATHE_I32: case LATHE_U32: return 4;
    case LATHE_I16: case LATHE_U16: case LATHE_F16: case LATHE_BF16: return 2;
    default: return 1;
    }
}

/* Open sizes get small values, the same for the same name; data is small bytes. */
static void make_input(const lathe_tensor_info *info, lathe_tensor *t)
{
    size_t count = 1;
    *t = (lathe_tensor){.rank = info->rank, .elem = info->elem};
    for (int i = 0; i < info->rank; i++) {
        const char *name = info->dim_names[i];
        t->dims[i] = info->dims[i] >= 0 ? info->dims[i] : name && *name ? 1 + (unsigned char)name[0] % 4 : 2;
        count *= (size_t)t->dims[i];
        if (count > 1 << 20) count = 0;
    }
    t->size = count * element_bytes(info->elem);
    t->data = calloc(t->size + 1, 1);
    for (size_t i = 0; t->data && i < t->size; i += element_bytes(info->elem)) ((uint8_t *)t->data)[i] = (uint8_t)below(3);
}

static int run_library(const char *path)
{
    library lib;
    char message[256] = "";
    lathe_open_options options = {.message = message, .message_size = sizeof message};
    lathe_model *model = NULL;
    lathe_session *session = NULL;
    lathe_tensor in[64], out[64] = {{0}};
    if (library_open(path, &lib, message, sizeof message) != LATHE_OK) return message[0] ? 0 : SILENT;
    int nin = lathe_count(lib.desc, LATHE_INPUTS), nout = lathe_count(lib.desc, LATHE_OUTPUTS);
    if (nin > 64 || nout > 64) return 0;
    if (lathe_model_open(lib.desc, &options, &model) != LATHE_OK) return message[0] ? 0 : SILENT;
    if (lathe_session_new(model, NULL, &session) != LATHE_OK) return 0;
    for (int i = 0; i < nin; i++) {
        lathe_tensor_info info;
        lathe_info(lib.desc, LATHE_INPUTS, i, &info);
        make_input(&info, &in[i]);
    }
    lathe_status s = lathe_run(session, in, out);
    return s == LATHE_OK || lathe_session_message(session)[0] ? 0 : SILENT;
}

/* A failure must come with at least one message. */
static int explained(lathe_status s, const lathe_diag *diag)
{
    return s == LATHE_OK || lathe_diag_errors(diag) > 0;
}

static int attempt(const char *model, const char *library_path, const char *runtime)
{
    lathe_options options = {.model = model, .name = "damaged", .output = library_path, .runtime = runtime,
                             .memory_limit = (size_t)2 << 30};
    lathe_diag *diag = lathe_diag_new();
    lathe_status s = lathe_check(&options, diag);
    if (!explained(s, diag)) return SILENT;
    lathe_diag_free(diag);
    diag = lathe_diag_new();
    s = lathe_compile(&options, diag);
    if (!explained(s, diag)) return SILENT;
    if (s == LATHE_INTERNAL) {
        lathe_message m = lathe_diag_get(diag, 0);
        fprintf(stderr, "internal: %s %s: %s\n", m.node, m.op, m.text);
        return SILENT;
    }
    lathe_diag_free(diag);
    return s == LATHE_OK ? run_library(library_path) : 0;
}

static const char *try_copy(const char *model, const char *so, const char *runtime)
{
    static char verdict[64];
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(LIMIT_S);
        _exit(attempt(model, so, runtime));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (WIFSIGNALED(status)) {
        snprintf(verdict, sizeof verdict, "%s", WTERMSIG(status) == SIGALRM ? "a hang" : strsignal(WTERMSIG(status)));
        return verdict;
    }
    if (WEXITSTATUS(status) == SILENT) return "a failure without a message, or an internal error";
    return WEXITSTATUS(status) ? "a sanitizer's report" : NULL;
}

int main(int argc, char **argv)
{
    char work[] = "/tmp/lathe-damage-XXXXXX", model[64], so[64];
    if (argc < 5 || !mkdtemp(work)) {
        fprintf(stderr, "usage: damage COUNT SEED RUNTIME MODEL...\n");
        return 2;
    }
    long count = atol(argv[1]), bad = 0;
    snprintf(model, sizeof model, "%s/model.onnx", work);
    snprintf(so, sizeof so, "%s/libdamaged.so", work);
    for (long k = 0; k < count; k++) {
        const char *source = argv[4 + k % (argc - 4)];
        state = (uint64_t)atoll(argv[2]) * 1000003u + (uint64_t)k * 2654435761u + 88172645463325252u;
        for (int i = 0; i < 8; i++) next();
        bytes b = read_file(source);
        if (!b.at || !b.n) continue;
        damages[below(sizeof damages / sizeof *damages)](&b);
        const char *what = write_file(model, b.at, b.n) == 0 ? try_copy(model, so, argv[3]) : NULL;
        if (what) {
            char kept[96];
            snprintf(kept, sizeof kept, "%s/bad-%ld.onnx", work, k);
            write_file(kept, b.at, b.n);
            printf("FAIL %s, copy %ld: %s; kept as %s\n", source, k, what, kept);
            bad++;
        }
        free(b.at);
    }
    printf("%ld passed, %ld failed\n", count - bad, bad);
    if (!bad) {
        unlink(model);
        unlink(so);
    }
    return bad != 0;
}
