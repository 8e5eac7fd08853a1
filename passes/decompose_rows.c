/* softmax and norm as reductions along rows and maps over them. Sums are made in the arithmetic
 * type; only the result is rounded to a low-precision element type. */
#include "passes/decompose.h"

#include <string.h>

/* Rows: x's axes in `row` (a set of bits), reduced; the others in order. at[a]: index of x's axis a
 * in a reduction's space, where the row axes come last. */
typedef struct rows {
    ir_graph *g;
    ir_builder *b;
    ir_value x;
    ir_type type;
    ir_elem arith;
    unsigned row;
    int nrow;
    int at[IR_MAX_RANK];
    ir_dim space[IR_MAX_RANK];
} rows;

static void rows_begin(rows *r, ir_builder *b, ir_value x, unsigned row)
{
    *r = (rows){.g = b->g, .b = b, .x = x, .type = *ir_type_of(b->g, x), .row = row};
    r->arith = ir_elem_arith(r->type.elem);
    int n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int a = 0; a < r->type.rank; a++) {
            if (((row >> a) & 1) != (unsigned)pass) continue;
            r->at[a] = n;
            r->space[n++] = r->type.dims[a];
            r->nrow += pass;
        }
    }
}

/* The element of v, a tensor of x's dims, at a point of a reduction's space. */
static ir_expr row_element(const rows *r, ir_nest *nest, ir_value v)
{
    ir_expr idx[IR_MAX_RANK];
    for (int a = 0; a < r->type.rank; a++) idx[a] = ir_nest_index(nest, r->at[a]);
    return ir_nest_load(nest, v, idx);
}

/* A row's value, at a point of x's own space. */
static ir_expr row_value(const rows *r, ir_nest *nest, ir_value v)
{
    ir_expr idx[IR_MAX_RANK];
    int n = 0;
    for (int a = 0; a < r->type.rank; a++)
        if (!((r->row >> a) & 1)) idx[n++] = ir_nest_index(nest, a);
    return ir_nest_load(nest, v, idx);
}

static void begin_reduce(const rows *r, ir_nest *nest)
{
    ir_nest_begin(nest, r->b, r->type.rank, r->space, r->nrow);
}

static ir_value reduce_rows(const rows *r, const char *kind, ir_value v)
{
    ir_nest nest;
    begin_reduce(r, &nest);
    ir_expr e = row_element(r, &nest, v);
    return ir_nest_reduce(&nest, IR_OP_REDUCE, kind, r->arith, e);
}

static void begin_map(const rows *r, ir_nest *nest)
{
    ir_nest_begin(nest, r->b, r->type.rank, r->type.dims, 0);
}

/* x - v with v a row's value. */
static ir_value subtract(const rows *r, ir_value v, ir_scalar then)
{
    ir_nest nest;
    begin_map(r, &nest);
    ir_expr e = ir_x_2(r->g, IR_X_SUB, ir_nest_read(&nest, r->x), row_value(r, &nest, v));
    if (then != IR_X_NONE) e = ir_x_1(r->g, then, e);
    return ir_nest_map(&nest, r->arith, e);
}

ir_value decompose_softmax(ir_builder *b, const ir_node *node)
{
    ir_value x = node->operands[0];
    rows r;
    rows_begin(&r, b, x, 1u << ir_attr_int(node, IR_KEY_axis, 0));
    bool log = ir_attr_int(node, IR_KEY_log, 0) != 0;
    ir_value exps = subtract(&r, reduce_rows(&r, "max", x), log ? IR_X_NONE : IR_X_EXP), sum;
    if (log) {
        ir_nest nest;
        begin_reduce(&r, &nest);
        ir_expr e = ir_x_1(r.g, IR_X_EXP, row_element(&r, &nest, exps));
        sum = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", r.arith, e);
    } else {
        sum = reduce_rows(&r, "sum", exps);
    }
    ir_nest nest;
    begin_map(&r, &nest);
    ir_expr e = ir_nest_read(&nest, exps), s = row_value(&r, &nest, sum);
    e = log ? ir_x_2(r.g, IR_X_SUB, e, ir_x_1(r.g, IR_X_LOG, s)) : ir_x_2(r.g, IR_X_DIV, e, s);
    return ir_nest_map(&nest, r.type.elem, e);
}

/* The mean over the row of v, or of its square. */
static ir_value mean_rows(const rows *r, ir_value v, bool squared)
{
    ir_nest nest;
    begin_reduce(r, &nest);
    ir_expr e = row_element(r, &nest, v);
    if (squared) e = ir_x_2(r->g, IR_X_MUL, e, e);
    ir_value sum = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", r->arith, e);
    if (sum == IR_NONE) return IR_NONE;
    const ir_type type = *ir_type_of(r->g, sum);
    ir_dim count = ir_dim_product(r->g, r->space + r->type.rank - r->nrow, r->nrow);
    ir_nest_begin(&nest, r->b, type.rank, type.dims, 0);
    ir_expr n = ir_x_cast(r->g, ir_x_dim(r->g, count), r->arith);
    return ir_nest_map(&nest, r->arith, ir_x_2(r->g, IR_X_DIV, ir_nest_read(&nest, sum), n));
}

ir_value decompose_norm(ir_builder *b, const ir_node *node)
{
    const ir_attr *eps = ir_attr_find(node, IR_KEY_eps);
    ir_value x = node->operands[0];
    rows r;
    unsigned all = (1u << ir_type_of(b->g, x)->rank) - 1,
             outer = (1u << ir_attr_int(node, IR_KEY_axis, 0)) - 1;
    rows_begin(&r, b, x, all & ~outer);
    bool layer = strcmp(ir_attr_str(b->g, node, IR_KEY_kind), "layer") == 0;
    ir_value centred = layer ? subtract(&r, mean_rows(&r, x, false), IR_X_NONE) : x;
    ir_value variance = mean_rows(&r, centred, true);
    if (centred == IR_NONE || variance == IR_NONE) return IR_NONE;
    ir_nest nest;
    begin_map(&r, &nest);
    ir_expr v = ir_x_2(r.g, IR_X_ADD, row_value(&r, &nest, variance),
                       ir_x_float(r.g, r.arith, eps ? eps->u.f : 1e-5));
    ir_expr e = ir_x_2(r.g, IR_X_DIV, ir_nest_read(&nest, centred), ir_x_1(r.g, IR_X_SQRT, v));
    for (uint32_t k = 1; k < node->noperands; k++) {
        if (node->operands[k] == IR_NONE) continue;
        ir_expr p = ir_nest_read(&nest, node->operands[k]);
        if (ir_expr_get(r.g, p)->type != r.arith) p = ir_x_cast(r.g, p, r.arith);
        e = ir_x_2(r.g, k == 1 ? IR_X_MUL : IR_X_ADD, e, p);
    }
    return ir_nest_map(&nest, r.type.elem, e);
}
