/* Affine forms of index expressions, with sizes of the graph as coefficients.
 *
 * In: an i64 expression, or the indices of a load and its operand's dims. Out: a constant and one
 * coefficient an axis of the iteration space. Dims are canonical, so that strides which are equal
 * for all sizes are equal ids. */
#include "codegen/lower/lower.h"

/* Nodes looked at before an expression counts as too complicated to be affine. */
enum { AFFINE_BUDGET = 256 };

static void clear(ir_graph *g, cg_affine *a)
{
    a->konst = ir_dim_const(g, 0);
    for (int i = 0; i < IR_MAX_SPACE; i++) a->coef[i] = a->konst;
}

static void scale(ir_graph *g, cg_affine *a, ir_dim by)
{
    a->konst = ir_dim_mul(g, a->konst, by);
    for (int i = 0; i < IR_MAX_SPACE; i++) a->coef[i] = ir_dim_mul(g, a->coef[i], by);
}

static void affine_add(ir_graph *g, cg_affine *a, const cg_affine *b)
{
    a->konst = ir_dim_add(g, a->konst, b->konst);
    for (int i = 0; i < IR_MAX_SPACE; i++) a->coef[i] = ir_dim_add(g, a->coef[i], b->coef[i]);
}

static bool read(ir_graph *g, ir_expr x, cg_affine *out, int *budget)
{
    const ir_expr_node *n = ir_expr_get(g, x);
    cg_affine b;
    ir_dim k;
    clear(g, out);
    if (ir_x_is_dim(g, x, &k)) {
        out->konst = k;
        return true;
    }
    if (n->op == IR_X_INDEX) {
        out->coef[n->imm] = ir_dim_const(g, 1);
        return true;
    }
    if (--*budget < 0 || (n->op != IR_X_ADD && n->op != IR_X_SUB && n->op != IR_X_MUL))
        return false;
    if (n->op == IR_X_MUL) {
        int side = ir_x_is_dim(g, n->args[0], &k) ? 1 : 0;
        if (!side && !ir_x_is_dim(g, n->args[1], &k)) return false;
        if (!read(g, n->args[side], out, budget)) return false;
        scale(g, out, k);
        return true;
    }
    if (!read(g, n->args[0], out, budget) || !read(g, n->args[1], &b, budget)) return false;
    if (n->op == IR_X_SUB) scale(g, &b, ir_dim_const(g, -1));
    affine_add(g, out, &b);
    return true;
}

bool cg_affine_place(ir_graph *g, const ir_dim *dims, const ir_expr *idx, int rank, cg_affine *out)
{
    ir_dim stride = ir_dim_const(g, 1);
    int budget = AFFINE_BUDGET;
    cg_affine one;
    clear(g, out);
    for (int i = rank - 1; i >= 0; i--) {
        if (!read(g, idx[i], &one, &budget)) return false;
        scale(g, &one, stride);
        affine_add(g, out, &one);
        stride = ir_dim_mul(g, stride, dims[i]);
    }
    return true;
}
