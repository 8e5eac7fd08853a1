/* What computing an expression at one point costs, roughly: an addition is 1. Shared nodes count
 * once, as code generation computes them once. Leaves are free, so are additions of indices. And
 * along which axes it changes. */
#include "ir/pool.h"

typedef struct cost_walk {
    ir_graph *g;
    ir_memo seen;
    ir_x_cost cost;
} cost_walk;

static int work_of(const ir_expr_node *n)
{
    bool is_float = ir_elem_is_float(n->type);
    switch (n->op) {
    case IR_X_ADD:
    case IR_X_SUB:
    case IR_X_MUL:
        return n->type == IR_I64 ? 0 : 1;
    case IR_X_DIV:
    case IR_X_FLOORDIV:
    case IR_X_MOD:
        return is_float ? 4 : 16;
    case IR_X_SQRT:
        return 4;
    case IR_X_REM:
    case IR_X_POW:
    case IR_X_ATAN2:
        return 32;
    case IR_X_CAST:
    case IR_X_CASTSAT:
        return (ir_elem)n->imm == n->type ? 1 : 2;
    default:
        return ir_x_op_is(n->op, IR_X_FUNCTION) ? 16 : 1;
    }
}

static void walk(cost_walk *w, ir_expr e)
{
    if (ir_memo_get(w->g->pool, &w->seen, e)) return;
    ir_memo_put(w->g->pool, &w->seen, e, 1);
    const ir_expr_node *n = ir_expr_get(w->g, e);
    w->cost.nodes++;
    if (n->op == IR_X_LOAD) w->cost.loads++;
    else if (n->nargs) w->cost.work += work_of(n);
    w->cost.checks |= n->op == IR_X_CHECK;
    for (int i = 0; i < n->nargs; i++) walk(w, n->args[i]);
}

ir_x_cost ir_x_measure(ir_graph *g, const ir_expr *exprs, size_t n)
{
    cost_walk w = {.g = g};
    ir_memo_begin(g->pool, &w.seen);
    for (size_t i = 0; i < n; i++) walk(&w, exprs[i]);
    ir_memo_end(g->pool, &w.seen);
    return w.cost;
}

static uint32_t axes_below(ir_graph *g, ir_memo *seen, ir_expr e)
{
    if (ir_memo_get(g->pool, seen, e)) return 0;
    ir_memo_put(g->pool, seen, e, 1);
    const ir_expr_node *n = ir_expr_get(g, e);
    uint32_t axes = n->op == IR_X_INDEX ? 1u << n->imm : 0;
    for (int i = 0; i < n->nargs; i++) axes |= axes_below(g, seen, n->args[i]);
    return axes;
}

uint32_t ir_x_axes(ir_graph *g, ir_expr e)
{
    ir_memo seen;
    ir_memo_begin(g->pool, &seen);
    uint32_t axes = axes_below(g, &seen, e);
    ir_memo_end(g->pool, &seen);
    return axes;
}

static bool uses_axes(ir_graph *g, ir_memo *seen, ir_expr e, int first)
{
    if (ir_memo_get(g->pool, seen, e)) return false;
    ir_memo_put(g->pool, seen, e, 1);
    const ir_expr_node *n = ir_expr_get(g, e);
    if (n->op == IR_X_INDEX) return n->imm >= first;
    for (int i = 0; i < n->nargs; i++)
        if (uses_axes(g, seen, n->args[i], first)) return true;
    return false;
}

bool ir_x_uses_axes(ir_graph *g, ir_expr e, int first)
{
    ir_memo seen;
    ir_memo_begin(g->pool, &seen);
    bool r = uses_axes(g, &seen, e, first);
    ir_memo_end(g->pool, &seen);
    return r;
}
