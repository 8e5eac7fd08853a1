/* Frontend: ONNX bytes -> graph IR. The only place that knows ONNX and protobuf.
 *
 * Importing is abstract interpretation: nodes are imported in order, every importer builds core
 * operators whose types, and whose small integer contents as expressions over dims, are known at
 * once (ir_content). So a Reshape reads its target dims where an exporter wrote ten nodes, and
 * sequences and optionals, whose structure is static, exist only here, as lists of values. */
#ifndef LATHE_FRONTEND_FE_H
#define LATHE_FRONTEND_FE_H

#include "frontend/onnx.pb-c.h"
#include "ir/ir.h"

typedef enum { FE_ABSENT, FE_TENSOR, FE_SEQUENCE, FE_OPTIONAL_NONE, FE_POISON } fe_kind;

/* What an ONNX name stands for. POISON: its node was refused (and reported); whoever reads it is
 * skipped without a further message. An optional that holds a value is the value itself. */
typedef struct fe_value {
    fe_kind kind;
    ir_value tensor; /* TENSOR; SEQUENCE of a length that is known at run time only
                        (sequence.h): its items stacked along a new first axis, or */
    ir_value lens;   /* one behind the other along `axis`, moved to the front; their
                        sizes there */
    int axis;
    const struct fe_value *items; /* SEQUENCE without a tensor */
    size_t nitems;
    struct fe_learn *open; /* SEQUENCE in a trial import of a loop's body: the items follow unknown
                              ones, and whatever is done to it is noted here */
    ir_elem elem;          /* SEQUENCE: of its tensors, for an empty one */
} fe_value;

typedef struct fe_scope fe_scope;   /* names visible in a graph, and its parents' */
typedef struct fe_import fe_import; /* the whole import: model, options, diag */

/* One ONNX node being imported. Inputs are resolved and none is POISON; absent optional inputs
 * are FE_ABSENT. The importer sets every output that the node names. */
typedef struct fe_node {
    fe_import *im;
    ir_graph *g;
    ir_builder b; /* appends to the current block, stamps the node's name */
    const Onnx__NodeProto *proto;
    const char *op;
    const struct fe_op *row; /* of the operator; NULL for calls */
    int version;             /* opset version in force for its domain */
    const fe_value *in;
    size_t nin;
    fe_value *out;
    size_t nout;         /* named outputs are those with fe_wants */
    fe_scope *scope;     /* for subgraphs */
    lathe_status *fault; /* set where an attribute of the wrong type was asked for */
} fe_node;

typedef lathe_status (*fe_importer)(fe_node *);

/* A row of onnx_ops.def, which explains the columns. */
typedef struct fe_op {
    const char *domain, *name;
    int since, until;
    fe_importer import;
    const char *types, *limits;
    const char *signature;
} fe_op;
const fe_op *fe_op_find(const char *domain, const char *name, int version);
size_t fe_op_count(void);
const fe_op *fe_op_at(size_t index);

/* ---- for importers (node.c) ---- */
/* Tensor input k; IR_NONE if absent or past the end. */
ir_value fe_in(const fe_node *, size_t k);
const ir_type *fe_type(const fe_node *, size_t k); /* of tensor input k, which must be present */
bool fe_has(const fe_node *, size_t k);
bool fe_wants(const fe_node *, size_t k);   /* output k has a name */
void fe_out(fe_node *, size_t k, ir_value); /* IR_NONE marks the node as failed */
void fe_out_value(fe_node *, size_t k, fe_value);

bool fe_has_attr(const fe_node *, const char *name);
/* The default stands in the operator's row; with _or follows one for rows that have none, as it
 * depends on the node or another operator that the importer reads lacks the attribute. */
int64_t fe_attr_int(const fe_node *, const char *name);
int64_t fe_attr_int_or(const fe_node *, const char *name, int64_t otherwise);
double fe_attr_float(const fe_node *, const char *name);
double fe_attr_float_or(const fe_node *, const char *name, double otherwise);
const char *fe_attr_str(const fe_node *, const char *name);
const char *fe_attr_str_or(const fe_node *, const char *name, const char *otherwise);
const int64_t *fe_attr_ints(const fe_node *, const char *name, size_t *n); /* NULL: none */
const float *fe_attr_floats(const fe_node *, const char *name, size_t *n);
const char *const *fe_attr_strs(const fe_node *, const char *name, size_t *n);
/* A string, or the strings of a list, with any bytes. */
const ProtobufCBinaryData *fe_attr_bytes(const fe_node *, const char *name, size_t *n);
const Onnx__TensorProto *fe_attr_tensor(const fe_node *, const char *name);
const Onnx__GraphProto *fe_attr_graph(const fe_node *, const char *name);

/* Messages: "node 'x' (MatMul): input 1 ('w') ..."; both return the status. */
lathe_status fe_fail(const fe_node *, lathe_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
lathe_status fe_fail_input(const fe_node *, size_t k, lathe_status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* LATHE_BAD_INPUT, as diag_mismatch; the second about input k: "input 1 has rank 2, expected 3". */
lathe_status fe_expect(const fe_node *, const char *what, const char *found, const char *expected);
lathe_status fe_expect_input(const fe_node *, size_t k, const char *what, const char *found,
                             const char *expected);
const char *fe_number(const fe_node *, int64_t);     /* as text, for these */
const char *fe_kind_name(const fe_node *, size_t k); /* what input k is, for these */
/* Needs input k's content now; "input k must be known while compiling" otherwise. In the arena. */
lathe_status fe_need_ints(const fe_node *, size_t k, const int64_t **values, size_t *n);
/* Content of an i64/i32 input of n known elements as dims, or, where it is data, fresh DATA symbols
 * bound by a `bind` node, each within [lo, hi]. */
lathe_status fe_dims_or_data(fe_node *, size_t k, int64_t lo, int64_t hi, const ir_dim **dims,
                             size_t *n);
/* axis in [-rank, rank) -> [0, rank); fails with a message otherwise. */
lathe_status fe_axis(const fe_node *, int64_t axis, int rank, int *out);

/* A TensorProto as a constant (tensor.c): raw data as a view of the model file or of an external
 * file, typed fields converted to an owned block. */
lathe_status fe_tensor(fe_import *, ir_builder *, const Onnx__TensorProto *, const char *name,
                       ir_value *);

/* Imports a subgraph's nodes into block b's current position with `args` bound to its inputs;
 * outs (proto->n_output of them) receive its outputs. Used for If decided by sizes, functions,
 * and, with a fresh block, for regions. */
lathe_status fe_subgraph(fe_node *, const Onnx__GraphProto *, ir_block_id block,
                         const fe_value *args, size_t nargs, fe_value *outs);
/* Imports a graph whose outputs are the node's, in the node's place. */
lathe_status fe_inline(fe_node *, const Onnx__GraphProto *);

/* ---- what stands behind a node in its graph (rest.c) ---- */
/* Imports it into block b, with the node's outputs standing for `outs`; *results receives the
 * *count outputs of the graph then, ABSENT where it had one before. What does not import leaves no
 * message: *why has the first one. */
lathe_status fe_rest_import(fe_node *, const fe_value *outs, ir_block_id b, fe_value **results,
                            size_t *count, const char **why);
/* The node whose outputs are those of the node's graph, if that was imported in its place, or NULL.
 * Results that fe_rest_import left out are filled in. */
fe_node *fe_rest_around(fe_node *, fe_value *results);
/* The graph returns these results, and the node is its last. `inner` is it, or a node in a graph
 * that was imported in its place, or in that of a node there: it is the last of its graph, too. */
lathe_status fe_rest_replace(fe_node *, fe_node *inner, const fe_value *results);

/* ---- entry (import.c) ---- */
typedef struct fe_options {
    const lathe_dim_option *dims;
    size_t ndims;
    const lathe_custom_option *custom;
    size_t ncustom;
    const lathe_items_option *items;
    size_t nitems;
    const lathe_set_option *set;
    size_t nset;
    const char *const *keep; /* values of the main graph that become outputs */
    size_t nkeep;
    bool allow_symlinks;
    bool check_only; /* visit every node, report all that is unsupported */
} fe_options;

typedef struct fe_memo fe_memo;

/* Mapped files that constants view; must outlive the graph. */
typedef struct fe_files fe_files;
fe_files *fe_files_new(void); /* NULL: out of memory */
void fe_files_free(fe_files *);
/* These bytes are not read for a while: what of them is a file's need not stay in memory. */
void fe_files_forget(const fe_files *, const void *bytes, size_t size);
/* Bytes of all of them. */
size_t fe_files_size(const fe_files *);
/* Calls visit with the path of each. */
void fe_files_each(const fe_files *, void (*visit)(void *ctx, const char *path), void *ctx);
/* LATHE_IO if one of the files was changed meanwhile; to be asked before artefacts are kept. */
lathe_status fe_files_check(const fe_files *, lathe_diag *);
/* Reads the model at `path` into a new graph in the arena. NULL with messages in diag on failure.
 */
lathe_status fe_read(ir_arena *, lathe_diag *, fe_files *, const char *path, const fe_options *,
                     ir_graph **);

#endif
