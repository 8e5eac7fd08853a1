/* Inside the frontend's core: the state of one import. Importers of operators see fe.h only. */
#ifndef LATHE_FRONTEND_IMPORT_H
#define LATHE_FRONTEND_IMPORT_H

#include "frontend/fe.h"
#include "frontend/file.h"

#define FE_MAX_DEPTH 48            /* graphs and function bodies inside each other */
#define FE_MAX_SPLITS 3            /* nodes with the rest of their graph in two branches */
#define FE_MAX_IMPORTED (1u << 20) /* nodes, counted each time a function is inlined */
#define FE_MAX_ATTRS 1024          /* of a node */
#define FE_MAX_OPSETS 1024         /* of a model */
#define FE_MAX_NAME 512            /* of a node with the calls that it is in; cut short */
#define FE_IR_OLDEST 3
#define FE_IR_NEWEST 13
#define FE_OPSET_NEWEST 28 /* of ai.onnx */

/* What a function call, or the main graph, puts in force for the nodes in it. */
typedef struct fe_frame {
    const Onnx__FunctionProto *function; /* NULL: the main graph */
    const struct fe_frame *caller;
    const char *prefix; /* of node names in messages: "call/" or "" */
    Onnx__OperatorSetIdProto *const *opsets;
    size_t nopsets;
    Onnx__AttributeProto *const *attrs; /* of the call, and defaults; none is a reference */
    size_t nattrs;
} fe_frame;

/* Interned strings to numbers; 0: not there. */
typedef struct fe_map {
    struct {
        ir_str key;
        uint32_t value;
    } * slots;
    size_t n, mask;
} fe_map;
uint32_t fe_map_get(const fe_map *, ir_str);
/* Adds a key that is not there yet. */
void fe_map_put(ir_arena *, fe_map *, ir_str, uint32_t value);

struct fe_import {
    ir_arena *arena;
    lathe_diag *diag;
    fe_files *files;
    const fe_options *options;
    const char *path, *folder; /* of the model */
    const fe_file *file;
    const Onnx__ModelProto *model;
    ir_graph *g;
    fe_frame frame;     /* of the main graph */
    fe_map functions;   /* 1 + index in model->functions */
    fe_map dims, words; /* dim_param to symbol; names of symbols */
    bool *dim_used;     /* one for each of options->dims */
    bool *custom_used;  /* one for each of options->custom */
    bool *items_used;   /* one for each of options->items */
    bool *set_used;     /* one for each of options->set */
    int depth;
    int splits;                 /* nodes around this one that have the rest of a graph in them */
    uint32_t imported, skipped; /* nodes */
    fe_memo *memos;             /* of loops (memo.c) */
    unsigned search, searches;  /* the outermost search for a loop's types; how many are open */
    uint32_t unrolled;          /* nodes of unrolled turns and of trials for them */
    bool assumed;               /* that contrib operators are of version 1; it was said */
    lathe_status status;        /* of the first refusal */
};

/* Remembers the first refusal; returns `status`. */
lathe_status fe_note(fe_import *, lathe_status);
/* A message about a tensor or the model (tensor NULL), noted. */
lathe_status fe_error(fe_import *, lathe_status, const char *tensor, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "" for a string that the file does not have. */
static inline const char *fe_text(const char *s) { return s ? s : ""; }
/* "ai.onnx" is another way to write "". */
const char *fe_domain(const char *);

/* ---- tensor.c, sparse.c ---- */
/* A tensor's type and bytes, checked against each other. */
lathe_status fe_tensor_data(fe_import *, const diag_place *, const Onnx__TensorProto *, ir_type *,
                            ir_blob *);
lathe_status fe_sparse_tensor(fe_import *, ir_builder *, const Onnx__SparseTensorProto *,
                              const char *name, ir_value *);

/* ---- scope.c ---- */
typedef struct fe_entry {
    fe_value value; /* once `ready` */
    bool ready;
    const Onnx__TensorProto *tensor; /* the initializer that it will be made from */
    const Onnx__SparseTensorProto *sparse;
} fe_entry;

/* The nodes of a scope that are still to be imported. */
typedef struct fe_rest {
    struct fe_nodes {
        Onnx__NodeProto *const *list;
        size_t n;
        const char *const *outputs; /* names of what the graph returns */
        size_t noutputs;
    } nodes;
    const uint32_t *order;
    size_t next;
    bool taken; /* they are in the branches of the node before: the outputs are in the scope */
} fe_rest;

struct fe_scope {
    fe_import *im;
    fe_scope *parent; /* NULL: the main graph or a function's body */
    const fe_frame *frame;
    ir_block_id block; /* where constants of this scope go */
    fe_entry *entries; /* [1, n] */
    size_t n, cap;
    fe_map names;
    fe_rest rest;
    fe_node
        *around; /* this graph's outputs are that node's, in order, and nothing else reads them */
};

fe_scope *fe_scope_new(fe_import *, fe_scope *parent, const fe_frame *, ir_block_id);
/* A new name, ready with this value; refused if this scope has it. "" is no name. */
lathe_status fe_scope_add(fe_scope *, const char *name, fe_value);
lathe_status fe_scope_add_initializers(fe_scope *, const Onnx__GraphProto *);
bool fe_scope_is_initializer(const fe_scope *, const char *name);
/* The value of a name in this scope or one around it; false: unknown. An initializer becomes a
 * constant when it is first asked for, in the block of its own scope. "" is ABSENT. */
bool fe_scope_get(fe_scope *, const char *name, fe_value *);
/* What a graph or function output stands for; unknown names are reported and POISON. */
fe_value fe_scope_output(fe_scope *, const char *name);

/* ---- order.c ---- */
typedef struct fe_nodes fe_nodes;
/* An order in which producers come first, otherwise as listed. A cycle is reported. */
lathe_status fe_order(fe_import *, fe_nodes, const uint32_t **order);

/* ---- graph.c ---- */
/* Imports nodes at the end of a block. The status says whether going on makes sense; nodes that
 * were refused have poisoned their outputs. */
lathe_status fe_import_nodes(fe_scope *, fe_nodes, ir_block_id);
/* Goes on where scope->rest says. */
lathe_status fe_import_rest(fe_scope *, ir_block_id);
/* The nodes and the outputs of a graph. */
fe_nodes fe_graph_nodes(fe_import *, const Onnx__GraphProto *);

/* ---- function.c ---- */
lathe_status fe_functions_index(fe_import *);
/* The model's own function that this node calls, or NULL. */
const Onnx__FunctionProto *fe_function_find(fe_import *, const Onnx__NodeProto *);
lathe_status fe_function_call(fe_node *, const Onnx__FunctionProto *);
/* The node with references to attributes of the function around it replaced by their values. */
lathe_status fe_resolve_attrs(fe_import *, const fe_frame *, const Onnx__NodeProto *,
                              const Onnx__NodeProto **);

/* ---- inputs.c ---- */
/* Inputs of the main graph become parameters of block 1. */
void fe_read_inputs(fe_scope *, const Onnx__GraphProto *);
/* Results of block 1, with the declared element types checked. */
lathe_status fe_read_outputs(fe_scope *, const Onnx__GraphProto *);
/* Makes the values of options->keep outputs too, behind the graph's own. */
void fe_keep_values(fe_scope *, const Onnx__GraphProto *);
/* --dim, --items and --set options that no input has taken. */
void fe_check_dims(fe_import *);
/* The size that inputs call by this name, or an option fixes; IR_NONE if there is none. */
ir_dim fe_known_dim(fe_import *, const char *name);

/* ---- custom.c ---- */
/* The option that names the node's operator, or NULL. */
const lathe_custom_option *fe_custom_find(fe_import *, const Onnx__NodeProto *);
lathe_status fe_custom_call(fe_node *, const lathe_custom_option *);
/* Refuses options that no node has used. */
void fe_check_custom(fe_import *);

#endif
