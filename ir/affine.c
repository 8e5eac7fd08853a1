/* Affine places: where a load stands in memory, as a sum over axes of the iteration space.
 *
 * In: i64 indices, one a dim of a row-major tensor. Out: a coefficient for each axis asked for, and
 * the rest, an expression without these axes. Dims are canonical, so that steps which are equal for
 * all sizes are equal ids. Whatever is no sum of multiples of the axes has no such form. */
#include "ir/ir.h"

#include <string.h>

/* Nodes looked at before an index counts as too complicated to be affine. */
enum { BUDGET = 512 };

typedef struct affine {
    ir_graph *g;
    uint32_t axes;
    int budget;
} affine;

/* ---- one index ---- */

static void affine_begin(ir_graph *g, ir_walk *w, ir_expr base)
{
    w->base = base;
    for (int i = 0; i < IR_MAX_SPACE; i++) w->coef[i] = ir_dim_const(g, 0);
}

static void affine_scale(ir_graph *g, ir_walk *w, ir_dim by)
{
    w->base = ir_x_2(g, IR_X_MUL, w->base, ir_x_dim(g, by));
    for (int i = 0; i < IR_MAX_SPACE; i++) w->coef[i] = ir_dim_mul(g, w->coef[i], by);
}

static void affine_add(ir_graph *g, ir_walk *w, const ir_walk *other)
{
    w->base = ir_x_2(g, IR_X_ADD, w->base, other->base);
    for (int i = 0; i < IR_MAX_SPACE; i++) w->coef[i] = ir_dim_add(g, w->coef[i], other->coef[i]);
}

static bool affine_split(affine *s, ir_expr e, ir_walk *out)
{
    ir_graph *g = s->g;
    const ir_expr_node x = *ir_expr_get(g, e);
    ir_walk other;
    ir_dim by;
    affine_begin(g, out, e);
    if (--s->budget < 0) return false;
    if (ir_x_is_dim(g, e, &by) || !(ir_x_axes(g, e) & s->axes)) return true;
    out->base = ir_x_int(g, IR_I64, 0);
    if (x.op == IR_X_INDEX) {
        out->coef[x.imm] = ir_dim_const(g, 1);
        return true;
    }
    if (x.op == IR_X_MUL) {
        int side = ir_x_is_dim(g, x.args[0], &by) ? 1 : 0;
        if (!side && !ir_x_is_dim(g, x.args[1], &by)) return false;
        if (!affine_split(s, x.args[side], out)) return false;
        affine_scale(g, out, by);
        return true;
    }
    if (x.op != IR_X_ADD && x.op != IR_X_SUB) return false;
    if (!affine_split(s, x.args[0], out) || !affine_split(s, x.args[1], &other)) return false;
    if (x.op == IR_X_SUB) affine_scale(g, &other, ir_dim_const(g, -1));
    affine_add(g, out, &other);
    return true;
}

/* ---- places ---- */

bool ir_walk_place(ir_graph *g, const ir_dim *dims, const ir_expr *idx, int rank, uint32_t axes,
                   ir_walk *out)
{
    affine s = {.g = g, .axes = axes, .budget = BUDGET};
    ir_dim stride = ir_dim_const(g, 1);
    ir_walk one;
    affine_begin(g, out, ir_x_int(g, IR_I64, 0));
    for (int i = rank - 1; i >= 0; i--) {
        if (!affine_split(&s, idx[i], &one)) return false;
        affine_scale(g, &one, stride);
        affine_add(g, out, &one);
        stride = ir_dim_mul(g, stride, dims[i]);
    }
    return true;
}

bool ir_affine_place(ir_graph *g, const ir_dim *dims, const ir_expr *idx, int rank, ir_affine *out)
{
    ir_walk w;
    if (!ir_walk_place(g, dims, idx, rank, UINT32_MAX, &w) || !ir_x_is_dim(g, w.base, &out->konst))
        return false;
    memcpy(out->coef, w.coef, sizeof out->coef);
    return true;
}

bool ir_affine_is_dense(ir_graph *g, const ir_affine *a, const ir_type *t)
{
    ir_dim stride = ir_dim_const(g, 1);
    if (!ir_dim_equals(g, a->konst, 0)) return false;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (a->coef[i] != stride && !ir_dim_equals(g, t->dims[i], 1)) return false;
        stride = ir_dim_mul(g, stride, t->dims[i]);
    }
    return true;
}

bool ir_view_is_dense(ir_graph *g, const ir_node *view)
{
    const ir_type *from = ir_type_of(g, view->operands[0]), *to = ir_type_of(g, view->results[0]);
    const ir_expr_node *load = ir_expr_get(g, ir_attr_find(view, IR_KEY_body)->u.exprs[0]);
    ir_affine all;
    return load->op == IR_X_LOAD && load->nargs == from->rank && from->elem == to->elem &&
           ir_affine_place(g, from->dims, load->args, from->rank, &all) &&
           ir_affine_is_dense(g, &all, to);
}

bool ir_is_alias(ir_graph *g, const ir_node *n)
{
    return ir_op_is(n->op, IR_TRAIT_VIEW) &&
           (!ir_op_is(n->op, IR_TRAIT_NEST) || ir_view_is_dense(g, n));
}
