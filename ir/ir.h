/* The intermediate representation: a graph of tensor operators with symbolic sizes.
 *
 * Everything is an id into an array of the graph (0 is "none"), allocated in the graph's arena.
 * Dims and scalar expressions are interned: equal ids mean equal values; unequal ids mean unknown.
 * A graph has blocks: block 1 is the body, others are regions of if and loop nodes; a region may
 * use values of the blocks around it. Nodes of a block stand in an order in which every operand is
 * defined before its use (SSA). See docs/ir.md for the operators and the text form. */
#ifndef LATHE_IR_IR_H
#define LATHE_IR_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/arena.h"
#include "ir/diag.h"
#include "ir/ops.h"

typedef uint32_t ir_value, ir_node_id, ir_block_id, ir_dim, ir_expr, ir_sym, ir_str;
#define IR_NONE 0u
#define IR_MAX_RANK 12  /* of a tensor */
#define IR_MAX_SPACE 20 /* axes of an iteration space */
#define IR_MAX_STAGES 8 /* reductions of a row */

/* ---- types ------------------------------------------------------------------------------- */

typedef enum ir_elem {
    IR_ELEM_NONE = 0,
#define ELEM(NAME, text, onnx, bits, class) IR_##NAME = onnx,
#include "ir/types.def"
#undef ELEM
    IR_ELEM_COUNT
} ir_elem;

typedef struct ir_type {
    ir_elem elem;
    int rank;
    ir_dim dims[IR_MAX_RANK];
} ir_type;

const char *ir_elem_name(ir_elem); /* "f32"; "?" for an unknown number */
ir_elem ir_elem_parse(const char *, size_t length);
int ir_elem_bits(ir_elem);
char ir_elem_class(ir_elem);    /* 'F' 'L' 'S' 'U' 'B' 'C' 'T', 0 if unknown */
bool ir_elem_is_float(ir_elem); /* F or L */
bool ir_elem_is_int(ir_elem);   /* S or U */
/* The type in which an expression computes with values of this element type: f32 for low-precision
 * floats, the i8/u8 for sub-byte integers, itself otherwise. IR_ELEM_NONE for complex. Strings can
 * be loaded, selected and stored, nothing else. */
ir_elem ir_elem_arith(ir_elem);
bool ir_elem_computes(ir_elem); /* expressions can compute with it: a number or a bool */
/* ceil(count * bits / 8); false on overflow or a type without a size. */
bool ir_elem_bytes(ir_elem, int64_t count, int64_t *bytes);

/* ---- constants ----------------------------------------------------------------------------- */

/* Bytes of a constant: a view into a mapped file or an owned block; never copied into the arena's
 * text or LLVM's IR. Little-endian, ONNX raw_data layout (bool one byte, sub-byte packed). */
typedef struct ir_blob {
    const void *bytes;
    size_t size;
    ir_str file; /* where they come from, for printing; IR_NONE: made by lathe */
    uint64_t offset;
} ir_blob;

/* ---- expressions ----------------------------------------------------------------------------- */

typedef struct ir_expr_node {
    ir_scalar op;
    ir_elem type; /* arithmetic type of the result */
    int nargs;
    const ir_expr *args;
    int64_t imm; /* see scalar.def; floats keep the bits of a double */
} ir_expr_node;

/* ---- nodes ----------------------------------------------------------------------------------- */

typedef enum ir_key {
    IR_KEY_NONE = 0,
#define KEY(name, kind) IR_KEY_##name,
#include "ir/keys.def"
#undef KEY
    IR_KEY_COUNT
} ir_key;

typedef enum {
    IR_ATTR_INT,
    IR_ATTR_FLOAT,
    IR_ATTR_STR,
    IR_ATTR_INTS,
    IR_ATTR_FLOATS,
    IR_ATTR_DIMS,
    IR_ATTR_EXPRS,
    IR_ATTR_SYMS,
    IR_ATTR_BLOB
} ir_attr_kind;
ir_attr_kind ir_key_kind(ir_key);
const char *ir_key_name(ir_key);

typedef struct ir_attr {
    ir_key key;
    size_t n; /* elements of the list kinds */
    union {
        int64_t i;
        double f;
        ir_str s;
        const int64_t *ints;
        const double *floats;
        const ir_dim *dims;
        const ir_expr *exprs;
        const ir_sym *syms;
        ir_blob blob;
    } u;
} ir_attr;

typedef struct ir_node {
    ir_op op; /* IR_OP_NONE: deleted */
    ir_block_id block;
    uint32_t noperands, nresults, nregions, nattrs;
    ir_value *operands; /* entries may be IR_NONE for an absent optional operand */
    ir_value *results;
    ir_block_id *regions;
    ir_attr *attrs;      /* ascending keys, so that equal nodes are equal bytewise */
    ir_str name, origin; /* the model's node name and operator, for messages */
    uint32_t origins;    /* all nodes that it stands for (origins.c); 0: the one of that name */
} ir_node;

typedef struct ir_value_info {
    ir_type type;
    ir_node_id def;         /* IR_NONE: a block parameter or graph input */
    uint32_t index;         /* result or parameter number */
    ir_block_id block;      /* of the parameter, or of def */
    ir_str name;            /* the model's tensor name or IR_NONE */
    const ir_expr *content; /* known elements, row-major closed expressions; NULL: unknown */
    uint32_t ncontent;
} ir_value_info;

typedef struct ir_block {
    ir_node_id parent; /* IR_NONE for block 1 */
    ir_value *params, *results;
    ir_node_id *nodes;
    size_t nparams, nresults, nnodes, cap_params, cap_results, cap_nodes;
} ir_block;

/* ---- symbols and guards ------------------------------------------------------------------------
 */

typedef enum { IR_SYM_INPUT, IR_SYM_DATA, IR_SYM_REGION, IR_SYM_CAPACITY } ir_sym_kind;

/* A size known at run time only. INPUT: read off an input's dims. DATA: set by a node that has it
 * in `syms`; hi may be an expression bound. REGION: a carried dim, fresh per turn of a loop.
 * CAPACITY: the rows that a state has room for: `bound`, a size of the inputs, where the caller
 * passes the state on; at least that where the session owns it. */
typedef struct ir_symbol {
    ir_str name;
    ir_sym_kind kind;
    int64_t lo, hi; /* inclusive; sizes: lo >= 0; hi INT64_MAX: unbounded */
    ir_dim bound;   /* DATA: upper bound over other symbols, or IR_NONE; CAPACITY: the least */
} ir_symbol;

/* a == b must hold in every run; or_one: b == 1 is allowed as well (b broadcasts to a). */
typedef struct ir_guard {
    ir_dim a, b;
    bool or_one;
    ir_node_id node; /* that needs it, for the message; may be IR_NONE */
} ir_guard;

/* An output of the body that is the next run's input. axis >= 0: a concat with a `capacity` of the
 * input and new rows, or a wider form of one of the narrowed input; -1: it replaces the input. */
typedef struct ir_state {
    uint32_t input, output; /* numbers of a parameter and a result of block 1 */
    int axis;
} ir_state;

/* A set of the model's nodes: one, or the join of two others (left and right not 0). */
typedef struct ir_origin {
    ir_str name, op;
    uint32_t left, right;
} ir_origin;

typedef struct ir_graph {
    ir_arena *arena;
    lathe_diag *diag;
    ir_str name, file;
    ir_value_info *values; /* [1, nvalues) */
    ir_node *nodes;        /* [1, nnodes) */
    ir_block *blocks;      /* [1, nblocks); block 1: params are the inputs, results the outputs */
    ir_symbol *syms;       /* [1, nsyms) */
    ir_guard *guards;      /* [0, nguards) */
    ir_str *output_names;  /* one a result of block 1 */
    ir_state *states;      /* [0, nstates) */
    ir_origin *origins;    /* [1, norigins) */
    size_t nvalues, nnodes, nblocks, nsyms, nguards, nstates, norigins;
    size_t guards_owned; /* of guards, the first: not waiting for the node being built */
    size_t cap_values, cap_nodes, cap_blocks, cap_syms, cap_guards, cap_states, cap_origins;
    struct ir_pool *pool; /* interned strings, dims, expressions */
    bool overflow;        /* a size computation overflowed (ir_dim_overflow) */
} ir_graph;

ir_graph *ir_graph_new(ir_arena *, lathe_diag *, const char *name, const char *file);

ir_str ir_intern(ir_graph *, const char *);
ir_str ir_intern_n(ir_graph *, const char *, size_t);
const char *ir_text(const ir_graph *, ir_str); /* "" for IR_NONE */

/* ---- dims (dim.c) ---- */
/* Canonical form: a polynomial with integer coefficients over atoms; an atom is a symbol or
 * floordiv, mod, min, max, eq, lt of two dims. eq and lt are 0 or 1, so select(c, x, y) is
 * c*x + (1-c)*y. IR_NONE in gives IR_NONE out; overflow gives IR_NONE and sets g->overflow. */

typedef enum {
    IR_DIM_CONST,
    IR_DIM_SYM,
    IR_DIM_SUM,
    IR_DIM_FLOORDIV,
    IR_DIM_MOD,
    IR_DIM_MIN,
    IR_DIM_MAX,
    IR_DIM_EQ,
    IR_DIM_LT
} ir_dim_kind;

/* One product of a sum: coef * atoms[0] * ... ; no atoms: the constant. */
typedef struct ir_term {
    int64_t coef;
    int natoms;
    const ir_dim *atoms; /* in structural order, repeated for powers */
} ir_term;

typedef struct ir_dim_node {
    ir_dim_kind kind; /* SUM: terms; SYM: sym; CONST: value; others: a, b */
    int64_t value;
    ir_sym sym;
    ir_dim a, b;
    int nterms;
    const ir_term *terms;
    uint32_t weight; /* symbols and operators when written out */
} ir_dim_node;

const ir_dim_node *ir_dim_get(const ir_graph *, ir_dim);
ir_dim ir_dim_const(ir_graph *, int64_t);
ir_dim ir_dim_sym(ir_graph *, ir_sym);
ir_sym ir_sym_new(ir_graph *, const char *name, ir_sym_kind, int64_t lo, int64_t hi, ir_dim bound);
ir_sym ir_sym_find(const ir_graph *, const char *name);
void ir_state_add(ir_graph *, ir_state);
/* The value that holds the state: the output, or the concat that it is a wider form of. */
ir_value ir_state_held(const ir_graph *, const ir_state *);
/* Whether a node is a map of one operand to another type, and no more. */
bool ir_converts(const ir_graph *, const ir_node *);
/* Whether it is such a map from a state's type to the held one, or back. */
bool ir_is_state_conversion(const ir_graph *, ir_node_id);
ir_dim ir_dim_add(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_sub(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_mul(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_floordiv(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_ceildiv(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_mod(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_min(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_max(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_eq(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_lt(ir_graph *, ir_dim, ir_dim);
ir_dim ir_dim_select(ir_graph *, ir_dim cond01, ir_dim a, ir_dim b);
bool ir_dim_is_const(const ir_graph *, ir_dim, int64_t *value);
bool ir_dim_equals(const ir_graph *, ir_dim, int64_t value); /* known to be this constant */
/* Interval of all values the dim can take (saturated). */
void ir_dim_range(const ir_graph *, ir_dim, int64_t *lo, int64_t *hi);
/* Product of n dims. */
ir_dim ir_dim_product(ir_graph *, const ir_dim *, int n);
/* Replaces symbols: map[sym] is the new dim or IR_NONE to keep it. */
ir_dim ir_dim_subst(ir_graph *, ir_dim, const ir_dim *map);
/* Value under an assignment of the symbols; false on overflow or a division by zero. */
bool ir_dim_eval(const ir_graph *, ir_dim, const int64_t *symbols, int64_t *value);
/* Records the guard a == b (or b == 1), once. */
void ir_guard_add(ir_graph *, ir_dim a, ir_dim b, bool or_one, ir_node_id);
/* Asserts a == b: true if known, records a guard if unknown, false if known to differ. */
bool ir_dim_require(ir_graph *, ir_dim a, ir_dim b);
/* Text as printed ("2*batch + floordiv(s, 2)"), in the arena. */
const char *ir_dim_text(const ir_graph *, ir_dim);

/* ---- expressions (expr.c) ---- */
/* Constructors fold constants, identities and i64 arithmetic over dims (a DIM leaf holds the
 * polynomial); x + 0, x * 1, select on a constant and the like never build a node. */

const ir_expr_node *ir_expr_get(const ir_graph *, ir_expr);
ir_expr ir_x_int(ir_graph *, ir_elem type, int64_t);
ir_expr ir_x_float(ir_graph *, ir_elem type, double);
ir_expr ir_x_num(ir_graph *, ir_elem type, double); /* int or float by the type */
ir_expr ir_x_dim(ir_graph *, ir_dim);
ir_expr ir_x_index(ir_graph *, int axis);
ir_expr ir_x_acc(ir_graph *, ir_elem type, int reduction);
ir_expr ir_x_load(ir_graph *, ir_elem arith, int operand, const ir_expr *idx, int n);
ir_expr ir_x_1(ir_graph *, ir_scalar, ir_expr);
ir_expr ir_x_2(ir_graph *, ir_scalar, ir_expr, ir_expr);
ir_expr ir_x_select(ir_graph *, ir_expr cond, ir_expr a, ir_expr b);
/* To an element type; the result's type is ir_elem_arith(to). */
ir_expr ir_x_cast(ir_graph *, ir_expr, ir_elem to);
/* Any node, through the same folding; for parsers and substitution. */
ir_expr ir_x_make(ir_graph *, ir_scalar, ir_elem type, int64_t imm, const ir_expr *args, int n);
bool ir_x_is_const(const ir_graph *, ir_expr, int64_t *i, double *f);
bool ir_x_is_dim(const ir_graph *, ir_expr, ir_dim *); /* i64 constant or DIM leaf */
bool ir_x_is_closed(const ir_graph *, ir_expr);        /* no INDEX, no LOAD, no ACC */

/* Rewrites leaves bottom-up. Hooks may be NULL or return IR_NONE to keep the leaf; a LOAD hook sees
 * the load with its indices already rewritten. `node` is asked first, with any node as it was; what
 * it returns is not looked into. `at`, one an axis, takes the place of INDEX leaves where it is
 * given: the expression at another point. */
typedef struct ir_rewrite {
    void *ctx;
    const ir_expr *at;
    ir_expr (*node)(void *ctx, ir_expr);
    ir_expr (*index)(void *ctx, int axis);
    ir_expr (*load)(void *ctx, const ir_expr_node *load);
    ir_dim (*dim)(void *ctx, ir_dim);
} ir_rewrite;
ir_expr ir_x_rewrite(ir_graph *, ir_expr, const ir_rewrite *);
/* An element of a pointwise node's result, in loads of its operands, which go through the load hook
 * (element.c). IR_NONE: there is no such expression. */
ir_expr ir_element(ir_graph *, const ir_node *, const ir_expr *idx, const ir_rewrite *);
/* Replaces indices into a reshape's result, of these dims, by those into its operand; false: the
 * sizes do not tell how, or not without division where that is not wanted. */
bool ir_reshape_indices(ir_graph *, const ir_type *operand, const ir_dim *dims, int rank,
                        bool divides, ir_expr *idx);
/* Of all nodes below the expressions, each once (expr_cost.c). work: an addition is 1. */
typedef struct ir_x_cost {
    int nodes, loads, work;
    bool checks;
} ir_x_cost;
ir_x_cost ir_x_measure(ir_graph *, const ir_expr *, size_t n);
/* A bit for each axis whose index is below the expression. */
uint32_t ir_x_axes(ir_graph *, ir_expr);
/* Whether an index along axis `first` or a later one is below the expression. */
bool ir_x_uses_axes(ir_graph *, ir_expr, int first);
/* Closed numeric evaluation with given indices; loads by callback. Integers as int64, floats as
 * double bits. false: not evaluable. Used by fold and tests; the arithmetic is scalar.def's. */
typedef union ir_scalar_value {
    int64_t i;
    double f;
} ir_scalar_value;
typedef struct ir_x_env {
    void *ctx;
    const int64_t *index, *symbols;
    bool (*load)(void *ctx, int operand, const int64_t *idx, int n, ir_scalar_value *);
} ir_x_env;
bool ir_x_eval(const ir_graph *, ir_expr, const ir_x_env *, ir_scalar_value *);

/* ---- elements of constants (blob.c) ---- */

/* Element i as a value of the arithmetic type; false: past the end, a string or complex. */
bool ir_blob_get(ir_elem, const ir_blob *, int64_t i, ir_scalar_value *);
/* Writes element i: integers wrap, floats round. false: types narrower than f16 that are floats,
 * strings, complex. */
bool ir_blob_put(ir_elem, void *bytes, int64_t i, ir_scalar_value);
/* The bits of element i of width `bits`, as they are. */
uint64_t ir_bits_get(const void *bytes, int bits, int64_t i);
void ir_bits_set(void *bytes, int bits, int64_t i, uint64_t);

/* ---- places (affine.c) ---- */

/* konst + the sum of coef[axis] * index of the axis. */
typedef struct ir_affine {
    ir_dim konst, coef[IR_MAX_SPACE];
} ir_affine;
/* The same along some axes only: base, an expression, has the others. */
typedef struct ir_walk {
    int operand; /* whose place it is, where that matters */
    ir_expr base;
    ir_dim coef[IR_MAX_SPACE];
} ir_walk;
/* The place of the element of a row-major tensor at these indices; false: it has no such form.
 * axes: a bit for each that gets a coefficient. */
bool ir_affine_place(ir_graph *, const ir_dim *dims, const ir_expr *idx, int rank, ir_affine *);
bool ir_walk_place(ir_graph *, const ir_dim *dims, const ir_expr *idx, int rank, uint32_t axes,
                   ir_walk *);
/* Whether the places are those of a tensor of this type, element by element. */
bool ir_affine_is_dense(ir_graph *, const ir_affine *, const ir_type *);
/* Whether element i of a view, counted row-major, is element i of its operand. */
bool ir_view_is_dense(ir_graph *, const ir_node *);
/* Whether the elements of a node's result stand where its operand's do. */
bool ir_is_alias(ir_graph *, const ir_node *);

/* ---- products and attention (product.c, attention.c) ---- */

/* A sum of products as a product of matrices: c[batch, m, n] = sum over k of a * b. One letter an
 * axis of the space: 'b' batch, 'm' rows, 'n' columns, 'k' what is summed, '1' of size 1. b is the
 * factor that moves along the result's innermost axis. */
typedef struct ir_product {
    int b; /* the argument of the body that it is */
    char roles[IR_MAX_SPACE + 1];
    ir_affine walk[2]; /* of a, of b */
} ir_product;
/* Loads of an epilogue that a product has at most; columns that it has at least to be done in
 * tiles, as fewer waste most of a panel. */
enum { IR_PRODUCT_LOADS = 21, IR_PRODUCT_COLUMNS = 8 };
/* The number of columns. */
ir_dim ir_product_columns(ir_graph *, const ir_node *, const ir_product *);
/* NULL: a contract, or a sum, that has the form; else why not. */
const char *ir_product_form(ir_graph *, const ir_node *, ir_product *);
/* The load that a factor is, behind the cast of a code to i32, which *x passes too. */
const ir_expr_node *ir_product_load(const ir_graph *, ir_expr *x);
/* What a factor is: "constant", "computed" from constants alone, or "" if the run makes it. */
const char *ir_product_weight(ir_graph *, ir_value);
/* The panels (panels.def) of a b of these elements; NULL: there are none. */
const char *ir_panel_of(ir_elem, bool is_constant);

/* What the axes of an attention node's space are. All parallel axes but m and d are batch. Places
 * of the three factors are affine in m, d, n and k, and without loads in the batch's axes. */
typedef struct ir_attention {
    int rank, m, d, n, k; /* rows of q, columns of v, keys, terms of a score */
    const char *panel;    /* of keys and values */
    ir_walk q, key, v;
} ir_attention;
/* NULL: well formed; else why not. The node's attributes must be there, in the right numbers. */
const char *ir_attention_form(ir_graph *, const ir_node *, ir_attention *);
/* The same of a verified node, which may say what its axes are. */
const char *ir_attention_read(ir_graph *, const ir_node *, ir_attention *);

/* What a contract, sum or attention node says of its own form in `roles`, `panel`, `factor` and
 * `weight`, as the pass `products` writes them: NULL if it is so, or nothing is said. */
const char *ir_roles_check(ir_graph *, const ir_node *);
/* Says it: sets or drops the attributes. */
void ir_roles_set(ir_graph *, ir_node_id);

/* ---- building (build.c) ---- */
/* A builder appends to the end of one block. Node constructors infer the result's type, evaluate
 * content where operands' contents are known, and return the (first) result. A constructor given
 * IR_NONE where a value is needed returns IR_NONE, so an importer may check once at its end. */

typedef struct ir_builder {
    ir_graph *g;
    ir_block_id block;
    ir_str name, origin; /* stamped on every node made */
    int version;         /* of the operator set of `origin`, for messages; 0: none */
    uint32_t origins;    /* stamped too */
} ir_builder;

/* A message about the node under construction and, unless it is IR_NONE, a tensor. */
lathe_status ir_fail(const ir_builder *, lathe_status, ir_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* LATHE_BAD_INPUT, as diag_mismatch. */
lathe_status ir_mismatch(const ir_builder *, ir_value, const char *what, const char *found,
                         const char *expected);
/* Where such messages point. */
diag_place ir_place(const ir_builder *, ir_value);

ir_block_id ir_block_new(ir_graph *, ir_node_id parent);
ir_value ir_param(ir_graph *, ir_block_id, const ir_type *, const char *name);
void ir_result(ir_graph *, ir_block_id, ir_value);
void ir_output(ir_graph *, ir_value, const char *name); /* result of block 1 with its name */

/* The general constructor; attrs need not be sorted. Results get the inferred types; for operators
 * whose types inference cannot know (call, if, loop) types[] gives them. */
ir_node_id ir_node_new(ir_builder *, ir_op, const ir_value *operands, size_t n,
                       const ir_attr *attrs, size_t nattrs, const ir_type *types, size_t nresults,
                       const ir_block_id *regions, size_t nregions);
const ir_attr *ir_attr_find(const ir_node *, ir_key);
int64_t ir_attr_int(const ir_node *, ir_key, int64_t otherwise);
const char *ir_attr_str(const ir_graph *, const ir_node *, ir_key); /* "" if absent */
ir_attr ir_a_int(ir_key, int64_t);
ir_attr ir_a_float(ir_key, double);
ir_attr ir_a_str(ir_graph *, ir_key, const char *);
ir_attr ir_a_ints(ir_graph *, ir_key, const int64_t *, size_t); /* lists are copied */
ir_attr ir_a_floats(ir_graph *, ir_key, const double *, size_t);
ir_attr ir_a_dims(ir_graph *, ir_key, const ir_dim *, size_t);
ir_attr ir_a_exprs(ir_graph *, ir_key, const ir_expr *, size_t);
ir_attr ir_a_syms(ir_graph *, ir_key, const ir_sym *, size_t);

static inline const ir_type *ir_type_of(const ir_graph *g, ir_value v)
{
    return &g->values[v].type;
}
ir_type ir_type_make(ir_elem, int rank, const ir_dim *dims);
bool ir_type_equal(const ir_type *, const ir_type *);
const char *ir_type_text(const ir_graph *, const ir_type *); /* "f32[batch, 4]" */
const char *ir_dims_text(const ir_graph *, const ir_type *); /* "[batch, 4]" */
ir_dim ir_type_count(ir_graph *, const ir_type *);           /* number of elements */
/* The type that output i has for the caller: without the room behind a state's rows. */
ir_type ir_output_type(const ir_graph *, size_t i);

ir_value ir_const(ir_builder *, const ir_type *, const ir_blob *);
ir_value ir_const_ints(ir_builder *, ir_elem, int rank, const int64_t *dims, const int64_t *values);
ir_value ir_values(ir_builder *, ir_elem, int rank, const ir_dim *dims, const ir_expr *, size_t n);
ir_value ir_scalar_const(ir_builder *, ir_elem, double); /* rank 0 */
ir_value ir_reshape(ir_builder *, ir_value, int rank, const ir_dim *dims);
ir_value ir_concat(ir_builder *, const ir_value *, size_t n, int axis);

/* A nest under construction: one map, reduce, ... node. Operands are added on first read. */
typedef struct ir_nest {
    ir_builder *b;
    int rank, nred; /* axes of the space, of which the last nred are reduced */
    ir_dim space[IR_MAX_SPACE];
    ir_value *args;
    size_t nargs, cap;
    ir_elem elem; /* of the value read last: what a view of it holds */
    bool failed;  /* more axes than a space has, or a read that does not fit: reported */
} ir_nest;

void ir_nest_begin(ir_nest *, ir_builder *, int rank, const ir_dim *space, int nred);
/* The space of an elementwise operator over these values (NumPy broadcasting, guards recorded).
 * false: dims that cannot match; *bad_axis, counted from the end (1: the last), says where. */
bool ir_nest_broadcast(ir_nest *, ir_builder *, const ir_value *, size_t n, int *bad_axis);
/* Broadcasts n dims into the right-aligned dims of *rank axes; 0, or the axis from the end that
 * cannot match. dims has room for IR_MAX_RANK. */
int ir_dims_broadcast(ir_graph *, ir_dim *dims, int *rank, const ir_dim *other, int n);
/* What two sizes broadcast to that a run decides, either of which may be 1. */
ir_dim ir_dims_meet(ir_graph *, ir_dim, ir_dim);
bool ir_dims_met(const ir_graph *, ir_dim, ir_dim *a, ir_dim *b); /* the two that it was made of */
ir_expr ir_nest_index(ir_nest *, int axis);
/* Element of v at this point, v's axes right-aligned with the parallel axes, dims of 1 repeated. */
ir_expr ir_nest_read(ir_nest *, ir_value v);
/* Element of v at given i64 indices (one an axis, each in range). Known content is used directly.
 */
ir_expr ir_nest_load(ir_nest *, ir_value v, const ir_expr *idx);
ir_value ir_nest_map(ir_nest *, ir_elem out, ir_expr body);
ir_value ir_nest_view(ir_nest *, ir_expr load);
ir_value ir_nest_reduce(ir_nest *, ir_op reduce_or_contract, const char *kind, ir_elem out,
                        ir_expr body);
ir_value ir_nest_arg(ir_nest *, const char *kind, bool last, ir_expr body);
ir_value ir_nest_cumulate(ir_nest *, const char *kind, int axis, bool exclusive, bool reverse,
                          ir_elem out, ir_expr body);
/* data must not be read through the nest. idx: one i64 an axis of data, each in range. */
ir_value ir_nest_scatter(ir_nest *, const char *kind, ir_value data, ir_expr value,
                         const ir_expr *idx);

/* Views as affine loads. perm[i]: the operand's axis that becomes axis i. */
ir_value ir_permute(ir_builder *, ir_value, const int *perm);
/* out[i] = in[start[a] + i*step[a]] with `dims` the result's dims. */
ir_value ir_slice(ir_builder *, ir_value, const ir_dim *starts, const int64_t *steps,
                  const ir_dim *dims);
ir_value ir_expand(ir_builder *, ir_value, int rank,
                   const ir_dim *dims); /* NumPy broadcast to dims */
ir_value ir_unsqueeze(ir_builder *, ir_value, int axis);
ir_value ir_squeeze(ir_builder *, ir_value, int axis);
ir_value ir_cast(ir_builder *, ir_value, ir_elem);

/* ---- whole-graph functions ---- */

/* infer.c: result types of a node from its operands and attributes. */
lathe_status ir_infer_node(ir_graph *, ir_node_id);
/* eval.c: content of the results, where it is known (at most IR_MAX_CONTENT elements). */
#define IR_MAX_CONTENT 64
void ir_eval_node(ir_graph *, ir_node_id);
/* Known elements of v, reading small integer, bool and float constants as well; NULL if unknown. */
const ir_expr *ir_content(ir_graph *, ir_value, size_t *n);
/* Known element of v at these n indices: they are constants, or v has one element and no index may
 * fault (is a CHECK that remained). IR_NONE: unknown. */
ir_expr ir_content_at(ir_graph *, ir_value, const ir_expr *idx, int n);
/* Content as constants / as dims (i64); false if not known as such. */
bool ir_content_ints(ir_graph *, ir_value, int64_t *out, size_t cap, size_t *n);
bool ir_content_dims(ir_graph *, ir_value, ir_dim *out, size_t cap, size_t *n);

/* verify.c: every invariant of docs/ir.md; LATHE_INTERNAL and one message a violation. */
lathe_status ir_verify(ir_graph *);
/* print.c / parse.c: a dump is valid input; parsing a print gives the same print. */
lathe_status ir_print(const ir_graph *, FILE *);
/* "[add($0[i0], 1.0), i1]" */
void ir_print_exprs(FILE *, const ir_graph *, const ir_expr *, size_t n);
lathe_status ir_print_text(const ir_graph *, char **text, size_t *size); /* malloc'ed */
void ir_print_attrs(FILE *, const ir_graph *, const ir_node *);          /* as in its line */
ir_graph *ir_parse(ir_arena *, lathe_diag *, const char *file, const char *text, size_t size);

/* edit.c: rewriting; uses are replaced everywhere, in results of blocks too. */
void ir_replace_uses(ir_graph *, ir_value from, ir_value to);
void ir_delete_node(ir_graph *, ir_node_id); /* unlinks; results must be unused */
/* Replaces attributes; n of these keys are given, the others of the set of keys are dropped. */
void ir_replace_attrs(ir_graph *, ir_node_id, uint64_t keys, const ir_attr *, size_t n);
/* uses[v]: how often v is an operand or a block result; array of nvalues in the arena. */
uint32_t *ir_count_uses(ir_graph *);
/* Drops deleted nodes from the blocks' lists. */
void ir_compact(ir_graph *);
/* ---- origins (origins.c): sets of the model's nodes, by number ---- */
uint32_t ir_origins_of(ir_graph *, ir_node_id);
uint32_t ir_origins_join(ir_graph *, uint32_t, uint32_t);
/* Each node of the set once, in the order in which they were joined; the number of them. */
size_t ir_origins_list(const ir_graph *, uint32_t set, ir_arena *, ir_origin **list);
/* An empty graph that shares the pool, so that dims and expressions are good in both; it has the
 * symbols of g as they are now. */
ir_graph *ir_graph_part(const ir_graph *);

#endif
