/* Simplification of one typed node over simplified arguments: constants, sizes, identities.
 * Only what holds for every value is done; for floats that leaves x*1, x/1, x-0, and functions that
 * are others plus 1. */
#include "ir/expr_impl.h"

static bool is_value(const ir_graph *g, ir_expr e, double v)
{
    double f;
    return ir_x_is_const(g, e, NULL, &f) && f == v;
}

static ir_expr fold_constants(ir_graph *g, const ir_expr_node *n)
{
    ir_scalar_value args[3], out;
    if (n->nargs < 1 || n->nargs > 3 || n->op == IR_X_LOAD) return IR_NONE;
    for (int i = 0; i < n->nargs; i++)
        if (!ir_x_value(g, n->args[i], &args[i])) return IR_NONE;
    /* An index out of range must fail when the model runs, not silently become 0. */
    if (n->op == IR_X_CHECK && (args[0].i < -args[1].i || args[0].i >= args[1].i)) return IR_NONE;
    ir_elem from = ir_expr_get(g, n->args[n->op == IR_X_SELECT ? 1 : 0])->type;
    if (!ir_scalar_fold(n->op, n->type, from, n->imm, args, n->nargs, &out)) return IR_NONE;
    return ir_x_const(g, n->type, out);
}

static ir_expr fold_select(const ir_graph *g, const ir_expr_node *n)
{
    int64_t c;
    if (n->op != IR_X_SELECT) return IR_NONE;
    if (n->args[1] == n->args[2]) return n->args[1];
    if (ir_x_is_const(g, n->args[0], &c, NULL)) return n->args[c ? 1 : 2];
    return IR_NONE;
}

static ir_expr fold_cast(ir_graph *g, const ir_expr_node *n)
{
    if (n->op != IR_X_CAST) return IR_NONE;
    const ir_expr_node *arg = ir_expr_get(g, n->args[0]);
    ir_elem to = (ir_elem)n->imm;
    if (arg->type == to) return n->args[0];
    /* Rounding twice to the same type is rounding once. */
    if (arg->op == IR_X_CAST && arg->imm == n->imm && arg->type == n->type) return n->args[0];
    return IR_NONE;
}

static ir_expr fold_unary(const ir_graph *g, const ir_expr_node *n)
{
    const ir_expr_node *arg = ir_expr_get(g, n->args[0]);
    if ((n->op == IR_X_NOT || n->op == IR_X_NEG) && arg->op == n->op) return arg->args[0];
    if (n->op == IR_X_ABS && (arg->op == IR_X_ABS || ir_elem_class(n->type) == 'U'))
        return n->args[0];
    if (!ir_elem_is_float(n->type) && ir_x_op_is(n->op, IR_X_WHOLE)) return n->args[0];
    return IR_NONE;
}

static ir_expr fold_bool(ir_graph *g, const ir_expr_node *n, ir_expr a, ir_expr b)
{
    int64_t v;
    if (n->type != IR_BOOL || ir_expr_get(g, a)->type != IR_BOOL) return IR_NONE;
    if (ir_x_is_const(g, a, NULL, NULL)) {
        ir_expr t = a;
        a = b;
        b = t;
    }
    if (!ir_x_is_const(g, b, &v, NULL))
        return a == b && (n->op == IR_X_AND || n->op == IR_X_OR) ? a : IR_NONE;
    switch (n->op) {
    case IR_X_AND:
        return v ? a : b;
    case IR_X_OR:
        return v ? b : a;
    case IR_X_XOR:
    case IR_X_NE:
        return v ? ir_x_1(g, IR_X_NOT, a) : a;
    case IR_X_EQ:
        return v ? a : ir_x_1(g, IR_X_NOT, a);
    default:
        return IR_NONE;
    }
}

static ir_expr fold_int_identity(ir_graph *g, const ir_expr_node *n, ir_expr a, ir_expr b)
{
    switch (n->op) {
    case IR_X_ADD:
        return is_value(g, b, 0) ? a : is_value(g, a, 0) ? b : IR_NONE;
    case IR_X_MUL:
        if (is_value(g, a, 0)) return a;
        return is_value(g, b, 0) ? b : IR_NONE;
    case IR_X_SUB:
        return a == b ? ir_x_int(g, n->type, 0) : IR_NONE;
    case IR_X_FLOORDIV:
        return is_value(g, b, 1) ? a : IR_NONE;
    case IR_X_MOD:
    case IR_X_REM:
        return is_value(g, b, 1) ? ir_x_int(g, n->type, 0) : IR_NONE;
    case IR_X_MIN:
    case IR_X_MAX:
        return a == b ? a : IR_NONE;
    default:
        return IR_NONE;
    }
}

/* (x + d) + e with sizes d, e: one sum. Offsets of nested slices and pads collapse. */
static ir_expr fold_sum(ir_graph *g, const ir_expr_node *n, ir_expr a, ir_expr b)
{
    ir_dim d, e;
    if (n->type != IR_I64 || (n->op != IR_X_ADD && n->op != IR_X_SUB) || !ir_x_is_dim(g, b, &e))
        return IR_NONE;
    const ir_expr_node arg = *ir_expr_get(g, a);
    if (arg.op != IR_X_ADD || !ir_x_is_dim(g, arg.args[1], &d)) return IR_NONE;
    bool overflow = g->overflow;
    ir_dim sum = n->op == IR_X_ADD ? ir_dim_add(g, d, e) : ir_dim_sub(g, d, e);
    g->overflow = overflow;
    return sum == IR_NONE ? IR_NONE : ir_x_2(g, IR_X_ADD, arg.args[0], ir_x_dim(g, sum));
}

/* y times a power of two, which goes into the constant that y is scaled by. */
static ir_expr rescaled(ir_graph *g, ir_expr y, double by)
{
    const ir_expr_node n = *ir_expr_get(g, y);
    double c;
    if (n.op == IR_X_MUL && ir_x_is_const(g, n.args[1], NULL, &c))
        return ir_x_2(g, IR_X_MUL, n.args[0], ir_x_num(g, n.type, c * by));
    if (n.op == IR_X_DIV && ir_x_is_const(g, n.args[1], NULL, &c) && c != 0)
        return ir_x_2(g, IR_X_MUL, n.args[0], ir_x_num(g, n.type, by / c));
    return ir_x_2(g, IR_X_MUL, y, ir_x_num(g, n.type, by));
}

/* 1 + erf(y) is erfc(-y), and 1 + tanh(y) is 2 * sigmoid(2 * y): what activations mean by them. As
 * one function each is half the work, and nothing is lost where the sum is near 0. */
static ir_expr fold_activation(ir_graph *g, const ir_expr_node *n, ir_expr a, ir_expr b)
{
    const ir_expr_node f = *ir_expr_get(g, a);
    if (!is_value(g, b, 1) || (f.op != IR_X_ERF && f.op != IR_X_TANH)) return IR_NONE;
    if (f.op == IR_X_ERF) return ir_x_1(g, IR_X_ERFC, rescaled(g, f.args[0], -1));
    ir_expr half = ir_x_1(g, IR_X_SIGMOID, rescaled(g, f.args[0], 2));
    return ir_x_2(g, IR_X_MUL, half, ir_x_num(g, n->type, 2));
}

static ir_expr fold_binary(ir_graph *g, const ir_expr_node *n, ir_expr a, ir_expr b)
{
    if (n->op == IR_X_MUL && is_value(g, b, 1)) return a;
    if (n->op == IR_X_MUL && is_value(g, a, 1)) return b;
    if (n->op == IR_X_DIV && is_value(g, b, 1)) return a;
    double zero;
    if (n->op == IR_X_SUB && ir_x_is_const(g, b, NULL, &zero) && zero == 0 &&
        (!ir_elem_is_float(n->type) || !__builtin_signbit(zero)))
        return a;
    if (n->op == IR_X_ADD && ir_elem_is_float(n->type)) {
        ir_expr sum = fold_activation(g, n, a, b);
        return sum != IR_NONE ? sum : fold_activation(g, n, b, a);
    }
    ir_expr r = fold_bool(g, n, a, b);
    if (r != IR_NONE || ir_elem_is_float(ir_expr_get(g, a)->type)) return r;
    if (a == b && (n->op == IR_X_EQ || n->op == IR_X_LE)) return ir_x_int(g, IR_BOOL, 1);
    if (a == b && (n->op == IR_X_NE || n->op == IR_X_LT)) return ir_x_int(g, IR_BOOL, 0);
    if (n->type == IR_BOOL) return IR_NONE;
    r = fold_int_identity(g, n, a, b);
    return r != IR_NONE ? r : fold_sum(g, n, a, b);
}

ir_expr ir_x_fold(ir_graph *g, const ir_expr_node *n)
{
    if (n->op == IR_X_DIM) {
        int64_t v;
        return ir_dim_is_const(g, (ir_dim)n->imm, &v) ? ir_x_int(g, IR_I64, v) : IR_NONE;
    }
    if (n->nargs == 0 || n->op == IR_X_LOAD) return IR_NONE;
    ir_expr r = fold_select(g, n);
    if (r == IR_NONE) r = fold_cast(g, n);
    if (r == IR_NONE) r = fold_constants(g, n);
    if (r == IR_NONE) r = ir_x_fold_dims(g, n);
    if (r != IR_NONE) return r;
    if (n->nargs == 1) return fold_unary(g, n);
    return n->nargs == 2 ? fold_binary(g, n, n->args[0], n->args[1]) : IR_NONE;
}
