/* Reading a producer at indices: an element of a node's result as an expression over elements of
 * its operands, for whoever fuses, folds, or stores what constants decide.
 *
 * In: a node of trait P and one index an axis of its result. Out: its body with those indices in
 * place of its own, rounded as the result is stored; behind a reshape, the operand at indices that
 * count the same element; behind a concat, the part that the index falls into. */
#include "ir/ir.h"

#include <string.h>

/* ---- through reshapes ---- */

/* The axes of a shape that are not 1, which alone tell elements apart. */
typedef struct axes {
    int n, axis[IR_MAX_SPACE];
    ir_dim dim[IR_MAX_SPACE];
} axes;

static axes axes_of(ir_graph *g, const ir_dim *dims, int rank)
{
    axes a = {0};
    for (int i = 0; i < rank; i++) {
        if (ir_dim_equals(g, dims[i], 1)) continue;
        a.axis[a.n] = i;
        a.dim[a.n++] = dims[i];
    }
    return a;
}

/* The fewest axes from `at` on whose sizes multiply to `size`: where they end; -1: none do. */
static int end_of_size(ir_graph *g, const axes *a, int at, ir_dim size)
{
    ir_dim product = ir_dim_const(g, 1);
    for (int i = at; i < a->n && product != IR_NONE; i++) {
        product = ir_dim_mul(g, product, a->dim[i]);
        if (product == size) return i + 1;
    }
    return -1;
}

/* The smallest group of axes from *i on, of `most` at the most, that holds the elements of a group
 * of the other shape from *k on: *i and *k become their ends. */
static bool next_group(ir_graph *g, const axes *a, int *i, int most, const axes *b, int *k)
{
    ir_dim size = ir_dim_const(g, 1);
    for (int n = 0; n < most && *i + n < a->n; n++) {
        size = ir_dim_mul(g, size, a->dim[*i + n]);
        int end = size == IR_NONE ? -1 : end_of_size(g, b, *k, size);
        if (end < 0) continue;
        *i += n + 1;
        *k = end;
        return true;
    }
    return false;
}

/* The axes [at, end) counted as one. */
static ir_expr merged(ir_graph *g, const axes *a, int at, int end, const ir_expr *idx)
{
    ir_expr flat = idx[a->axis[at]];
    for (int i = at + 1; i < end; i++)
        flat =
            ir_x_2(g, IR_X_ADD, ir_x_2(g, IR_X_MUL, flat, ir_x_dim(g, a->dim[i])), idx[a->axis[i]]);
    return flat;
}

/* One index as those of the axes [at, end) that it counts through. */
static void take_apart(ir_graph *g, ir_expr flat, const axes *a, int at, int end, ir_expr *idx)
{
    for (int i = end - 1; i > at; i--) {
        ir_expr size = ir_x_dim(g, a->dim[i]);
        idx[a->axis[i]] = ir_x_2(g, IR_X_MOD, flat, size);
        flat = ir_x_2(g, IR_X_FLOORDIV, flat, size);
    }
    idx[a->axis[at]] = flat;
}

bool ir_reshape_indices(ir_graph *g, const ir_type *operand, const ir_dim *dims, int rank,
                        bool divides, ir_expr *idx)
{
    const axes from = axes_of(g, operand->dims, operand->rank), to = axes_of(g, dims, rank);
    ir_expr inner[IR_MAX_RANK];
    int i = 0, k = 0;
    for (int axis = 0; axis < operand->rank; axis++) inner[axis] = ir_x_int(g, IR_I64, 0);
    while (i < from.n && k < to.n) {
        int first_i = i, first_k = k;
        if (!next_group(g, &from, &i, divides ? from.n : 1, &to, &k)) return false;
        ir_expr flat = merged(g, &to, first_k, k, idx);
        if (flat == IR_NONE) return false;
        take_apart(g, flat, &from, first_i, i, inner);
    }
    if (i < from.n || k < to.n) return false;
    memcpy(idx, inner, (size_t)operand->rank * sizeof *idx);
    return true;
}

/* ---- elements ---- */

/* Operand k at some indices, as the hook wants it. */
static ir_expr load_of(ir_graph *g, const ir_node *n, uint32_t k, const ir_expr *idx,
                       const ir_rewrite *hooks)
{
    const ir_type *t = ir_type_of(g, n->operands[k]);
    const ir_expr_node load = {
        .op = IR_X_LOAD, .type = ir_elem_arith(t->elem), .nargs = t->rank, .args = idx, .imm = k};
    ir_expr x = hooks->load ? hooks->load(hooks->ctx, &load) : IR_NONE;
    return x != IR_NONE ? x : ir_x_load(g, load.type, (int)k, idx, t->rank);
}

static ir_expr element_of_body(ir_graph *g, const ir_node *n, const ir_expr *idx,
                               const ir_rewrite *hooks)
{
    ir_rewrite at = *hooks;
    ir_elem elem = ir_type_of(g, n->results[0])->elem;
    at.at = idx;
    ir_expr x = ir_x_rewrite(g, ir_attr_find(n, IR_KEY_body)->u.exprs[0], &at);
    return x == IR_NONE || ir_op_is(n->op, IR_TRAIT_KEEPS) ? x : ir_x_cast(g, x, elem);
}

static ir_expr element_of_reshape(ir_graph *g, const ir_node *n, const ir_expr *idx,
                                  const ir_rewrite *hooks)
{
    ir_expr at[IR_MAX_SPACE];
    const ir_type *t = ir_type_of(g, n->results[0]);
    memcpy(at, idx, (size_t)t->rank * sizeof *at);
    return ir_reshape_indices(g, ir_type_of(g, n->operands[0]), t->dims, t->rank, true, at)
               ? load_of(g, n, 0, at, hooks)
               : IR_NONE;
}

/* All parts are read, so each at an index that it has: those that are not meant, somewhere. */
static ir_expr element_of_concat(ir_graph *g, const ir_node *n, const ir_expr *idx,
                                 const ir_rewrite *hooks)
{
    int axis = (int)ir_attr_int(n, IR_KEY_axis, 0), rank = ir_type_of(g, n->results[0])->rank;
    ir_expr result = IR_NONE, at[IR_MAX_RANK], zero = ir_x_int(g, IR_I64, 0);
    int64_t end = 0, size;
    memcpy(at, idx, (size_t)rank * sizeof *at);
    for (uint32_t i = 0; i < n->noperands; i++) {
        if (!ir_dim_is_const(g, ir_type_of(g, n->operands[i])->dims[axis], &size) || size < 1)
            return IR_NONE;
        ir_expr first = ir_x_int(g, IR_I64, end), last = ir_x_int(g, IR_I64, size - 1);
        at[axis] = ir_x_2(g, IR_X_MAX, ir_x_2(g, IR_X_SUB, idx[axis], first), zero);
        at[axis] = size == 1 ? zero : ir_x_2(g, IR_X_MIN, at[axis], last);
        ir_expr x = load_of(g, n, i, at, hooks);
        if (x == IR_NONE) return IR_NONE;
        result = i ? ir_x_select(g, ir_x_2(g, IR_X_LT, idx[axis], first), result, x) : x;
        if (__builtin_add_overflow(end, size, &end)) return IR_NONE;
    }
    return result;
}

ir_expr ir_element(ir_graph *g, const ir_node *n, const ir_expr *idx, const ir_rewrite *hooks)
{
    if (!ir_op_is(n->op, IR_TRAIT_POINTWISE)) return IR_NONE;
    if (n->op == IR_OP_RESHAPE) return element_of_reshape(g, n, idx, hooks);
    if (n->op == IR_OP_CONCAT) return element_of_concat(g, n, idx, hooks);
    return element_of_body(g, n, idx, hooks);
}
