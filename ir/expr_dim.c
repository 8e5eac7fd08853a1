/* Arithmetic on sizes inside expressions. In: a typed node whose arguments are closed; out: the
 * same value as one DIM leaf, so that shape arithmetic of any spelling ends as a polynomial.
 *
 * Three kinds of expression stand for sizes: an integer of any type whose range fits it (a DIM
 * leaf, behind a cast for other types than i64); a bool, written as ne(dim, 0) of a dim that is 0
 * or 1; and a float that is a quotient of two sizes, which floor, ceil and a cast back to an
 * integer turn into a floor division. The last is exact while the sizes are below the float's
 * precision (2^24 for f32), as it is in the model's own arithmetic. */
#include "ir/expr_impl.h"

#include <math.h>

static bool expr_dim_fits(ir_elem type, int64_t lo, int64_t hi)
{
    if (type == IR_I64) return true;
    if (!ir_elem_is_int(type)) return false;
    if (type == IR_U64) return lo >= 0;
    return ir_wrap_int(type, lo) == lo && ir_wrap_int(type, hi) == hi;
}

/* The size that an integer expression stands for. */
static bool as_dim(ir_graph *g, ir_expr e, ir_dim *d)
{
    const ir_expr_node *n = ir_expr_get(g, e);
    if (n->op == IR_X_DIM) {
        *d = (ir_dim)n->imm;
        return true;
    }
    if (!ir_elem_is_int(n->type)) return false;
    if (n->op == IR_X_CONST) {
        if (n->type == IR_U64 && n->imm < 0) return false;
        *d = ir_dim_const(g, n->imm);
        return true;
    }
    if (n->op != IR_X_CAST || ir_expr_get(g, n->args[0])->op != IR_X_DIM) return false;
    *d = (ir_dim)ir_expr_get(g, n->args[0])->imm;
    int64_t lo, hi;
    ir_dim_range(g, *d, &lo, &hi);
    return expr_dim_fits((ir_elem)n->imm, lo, hi);
}

static ir_expr from_dim(ir_graph *g, ir_elem type, ir_dim d)
{
    int64_t lo, hi, v;
    if (d == IR_NONE) return IR_NONE;
    if (ir_dim_is_const(g, d, &v))
        return expr_dim_fits(type, v, v) ? ir_x_int(g, type, v) : IR_NONE;
    if (type == IR_I64) return ir_x_dim(g, d);
    ir_dim_range(g, d, &lo, &hi);
    ir_expr leaf = ir_x_dim(g, d);
    return expr_dim_fits(type, lo, hi)
               ? ir_x_intern(g, &(ir_expr_node){IR_X_CAST, type, 1, &leaf, type})
               : IR_NONE;
}

/* ne(d, 0) for a dim that is 0 or 1. */
static ir_expr from_bool(ir_graph *g, ir_dim d01)
{
    int64_t v;
    if (d01 == IR_NONE) return IR_NONE;
    if (ir_dim_is_const(g, d01, &v)) return ir_x_int(g, IR_BOOL, v);
    ir_expr args[2] = {ir_x_dim(g, d01), ir_x_int(g, IR_I64, 0)};
    return ir_x_intern(g, &(ir_expr_node){IR_X_NE, IR_BOOL, 2, args, 0});
}

static bool is_01(const ir_graph *g, ir_dim d)
{
    int64_t lo, hi;
    ir_dim_range(g, d, &lo, &hi);
    return lo >= 0 && hi <= 1;
}

static bool as_bool(ir_graph *g, ir_expr e, ir_dim *d01)
{
    const ir_expr_node *n = ir_expr_get(g, e);
    ir_scalar_value v;
    if (n->type != IR_BOOL) return false;
    if (n->op == IR_X_CONST) {
        *d01 = ir_dim_const(g, n->imm != 0);
        return true;
    }
    if (n->op != IR_X_NE || ir_expr_get(g, n->args[0])->op != IR_X_DIM) return false;
    if (!ir_x_value(g, n->args[1], &v) || v.i != 0) return false;
    *d01 = (ir_dim)ir_expr_get(g, n->args[0])->imm;
    return is_01(g, *d01);
}

static bool nonnegative(const ir_graph *g, ir_dim d)
{
    int64_t lo, hi;
    ir_dim_range(g, d, &lo, &hi);
    return lo >= 0;
}

static bool positive(const ir_graph *g, ir_dim d)
{
    int64_t lo, hi;
    ir_dim_range(g, d, &lo, &hi);
    return lo > 0;
}

static ir_dim not01(ir_graph *g, ir_dim d) { return ir_dim_sub(g, ir_dim_const(g, 1), d); }

static ir_dim power_of(ir_graph *g, ir_dim base, ir_dim exponent)
{
    int64_t n;
    if (!ir_dim_is_const(g, exponent, &n) || n < 0 || n > 4) return IR_NONE;
    ir_dim r = ir_dim_const(g, 1);
    while (n--) r = ir_dim_mul(g, r, base);
    return r;
}

static ir_dim shifted(ir_graph *g, ir_scalar op, ir_dim a, ir_dim by)
{
    int64_t n;
    if (!ir_dim_is_const(g, by, &n) || n < 0 || n > 30 || !nonnegative(g, a)) return IR_NONE;
    ir_dim factor = ir_dim_const(g, INT64_C(1) << n);
    return op == IR_X_SHL ? ir_dim_mul(g, a, factor) : ir_dim_floordiv(g, a, factor);
}

/* Division by a size that may be zero stays a run-time failure of the dim program. */
static ir_dim divided(ir_graph *g, ir_scalar op, ir_dim a, ir_dim b)
{
    if (!nonnegative(g, b) || ir_dim_equals(g, b, 0)) return IR_NONE;
    bool toward_zero = op == IR_X_DIV || op == IR_X_REM;
    if (toward_zero && !nonnegative(g, a)) return IR_NONE;
    return ir_x_op_is(op, IR_X_QUOTIENT) ? ir_dim_floordiv(g, a, b) : ir_dim_mod(g, a, b);
}

static ir_dim binary(ir_graph *g, ir_scalar op, ir_dim a, ir_dim b)
{
    switch (op) {
    case IR_X_ADD:
        return ir_dim_add(g, a, b);
    case IR_X_SUB:
        return ir_dim_sub(g, a, b);
    case IR_X_MUL:
        return ir_dim_mul(g, a, b);
    case IR_X_MIN:
        return ir_dim_min(g, a, b);
    case IR_X_MAX:
        return ir_dim_max(g, a, b);
    case IR_X_DIV:
    case IR_X_REM:
    case IR_X_FLOORDIV:
    case IR_X_MOD:
        return divided(g, op, a, b);
    case IR_X_POW:
        return power_of(g, a, b);
    case IR_X_SHL:
    case IR_X_SHR:
        return shifted(g, op, a, b);
    default:
        return IR_NONE;
    }
}

static ir_dim unary(ir_graph *g, ir_scalar op, ir_dim a)
{
    switch (op) {
    case IR_X_NEG:
        return ir_dim_sub(g, ir_dim_const(g, 0), a);
    case IR_X_ABS:
        return nonnegative(g, a) ? a : IR_NONE;
    case IR_X_SIGN:
        return nonnegative(g, a) ? not01(g, ir_dim_eq(g, a, ir_dim_const(g, 0))) : IR_NONE;
    case IR_X_FLOOR:
    case IR_X_CEIL:
    case IR_X_ROUND:
    case IR_X_TRUNC:
        return a;
    default:
        return IR_NONE;
    }
}

static ir_dim compared(ir_graph *g, ir_scalar op, ir_dim a, ir_dim b)
{
    switch (op) {
    case IR_X_EQ:
        return ir_dim_eq(g, a, b);
    case IR_X_NE:
        return ir_dim_equals(g, b, 0) && is_01(g, a) ? a : not01(g, ir_dim_eq(g, a, b));
    case IR_X_LT:
        return ir_dim_lt(g, a, b);
    case IR_X_LE:
        return not01(g, ir_dim_lt(g, b, a));
    default:
        return IR_NONE;
    }
}

static ir_dim logical(ir_graph *g, ir_scalar op, ir_dim a, ir_dim b)
{
    ir_dim both = ir_dim_mul(g, a, b);
    switch (op) {
    case IR_X_AND:
        return both;
    case IR_X_OR:
        return ir_dim_sub(g, ir_dim_add(g, a, b), both);
    case IR_X_XOR:
    case IR_X_NE:
        return ir_dim_sub(g, ir_dim_add(g, a, b), ir_dim_add(g, both, both));
    case IR_X_EQ:
        return not01(g, logical(g, IR_X_XOR, a, b));
    default:
        return IR_NONE;
    }
}

/* ---- quotients in floating point ---- */

typedef struct ratio {
    ir_dim num, den;
} ratio;

static bool const_ratio(ir_graph *g, double v, ratio *r)
{
    for (int k = 0; k <= 20; k++) {
        double scaled = ldexp(v, k);
        if (fabs(scaled) >= 0x1p53) return false;
        if (scaled != floor(scaled)) continue;
        *r = (ratio){ir_dim_const(g, (int64_t)scaled), ir_dim_const(g, INT64_C(1) << k)};
        return true;
    }
    return false;
}

static bool as_ratio(ir_graph *g, ir_expr e, ratio *r);

static bool combine_ratios(ir_graph *g, ir_scalar op, ratio x, ratio y, ratio *r)
{
    switch (op) {
    case IR_X_MUL:
        *r = (ratio){ir_dim_mul(g, x.num, y.num), ir_dim_mul(g, x.den, y.den)};
        break;
    case IR_X_DIV:
        *r = (ratio){ir_dim_mul(g, x.num, y.den), ir_dim_mul(g, x.den, y.num)};
        break;
    case IR_X_ADD:
    case IR_X_SUB: {
        ir_dim a = ir_dim_mul(g, x.num, y.den), b = ir_dim_mul(g, y.num, x.den);
        *r = (ratio){op == IR_X_ADD ? ir_dim_add(g, a, b) : ir_dim_sub(g, a, b),
                     ir_dim_mul(g, x.den, y.den)};
        break;
    }
    default:
        return false;
    }
    return r->num != IR_NONE && r->den != IR_NONE && positive(g, r->den);
}

static bool as_ratio(ir_graph *g, ir_expr e, ratio *r)
{
    const ir_expr_node n = *ir_expr_get(g, e);
    ir_scalar_value v;
    ratio x, y;
    if (!g->pool->closed[e]) return false;
    if (ir_x_value(g, e, &v)) return ir_elem_is_float(n.type) && const_ratio(g, v.f, r);
    if (n.op == IR_X_CAST && n.imm != IR_F32 && n.imm != IR_F64) return false;
    if (n.op == IR_X_CAST) {
        r->den = ir_dim_const(g, 1);
        return as_dim(g, n.args[0], &r->num) || as_ratio(g, n.args[0], r);
    }
    if (n.nargs != 2 || !ir_elem_is_float(n.type)) return false;
    return as_ratio(g, n.args[0], &x) && as_ratio(g, n.args[1], &y) &&
           combine_ratios(g, n.op, x, y, r);
}

/* floor and ceil of a quotient of sizes, and its cast to an integer. */
static ir_expr fold_rounding(ir_graph *g, const ir_expr_node *n)
{
    bool to_int = n->op == IR_X_CAST && ir_elem_is_int(n->type) &&
                  ir_elem_is_float(ir_expr_get(g, n->args[0])->type);
    ratio r;
    if (n->op != IR_X_FLOOR && n->op != IR_X_CEIL && !to_int) return IR_NONE;
    if (ir_x_is_const(g, n->args[0], NULL, NULL) || !as_ratio(g, n->args[0], &r)) return IR_NONE;
    if (to_int && !nonnegative(g, r.num)) return IR_NONE;
    ir_dim d =
        n->op == IR_X_CEIL ? ir_dim_ceildiv(g, r.num, r.den) : ir_dim_floordiv(g, r.num, r.den);
    if (to_int) return from_dim(g, n->type, d);
    return d == IR_NONE ? IR_NONE : ir_x_cast(g, ir_x_dim(g, d), n->type);
}

/* ---- entry ---- */

static ir_expr fold_check(ir_graph *g, ir_dim i, ir_dim n)
{
    int64_t lo, hi, left, most;
    ir_dim_range(g, i, &lo, &hi);
    if (hi < 0) {
        i = ir_dim_add(g, i, n);
        if (i == IR_NONE) return IR_NONE;
        ir_dim_range(g, i, &lo, &hi);
    }
    ir_dim rest = ir_dim_sub(g, n, i);
    if (rest == IR_NONE) return IR_NONE;
    ir_dim_range(g, rest, &left, &most);
    return lo >= 0 && left > 0 ? from_dim(g, IR_I64, i) : IR_NONE;
}

static ir_expr fold_select(ir_graph *g, const ir_expr_node *n)
{
    ir_dim c, a, b;
    if (!as_bool(g, n->args[0], &c)) return IR_NONE;
    if (n->type == IR_BOOL && as_bool(g, n->args[1], &a) && as_bool(g, n->args[2], &b))
        return from_bool(g, ir_dim_select(g, c, a, b));
    if (as_dim(g, n->args[1], &a) && as_dim(g, n->args[2], &b))
        return from_dim(g, n->type, ir_dim_select(g, c, a, b));
    return IR_NONE;
}

static ir_expr fold_cast(ir_graph *g, const ir_expr_node *n)
{
    ir_dim d;
    ir_elem to = (ir_elem)n->imm;
    if (as_bool(g, n->args[0], &d)) return to == IR_BOOL ? n->args[0] : from_dim(g, to, d);
    if (!as_dim(g, n->args[0], &d)) return IR_NONE;
    if (to == IR_BOOL) return from_bool(g, not01(g, ir_dim_eq(g, d, ir_dim_const(g, 0))));
    return ir_elem_is_int(to) && to == n->type ? from_dim(g, to, d) : IR_NONE;
}

static ir_expr fold_closed(ir_graph *g, const ir_expr_node *n)
{
    ir_dim a, b;
    ir_expr rounded = fold_rounding(g, n);
    if (rounded != IR_NONE) return rounded;
    if (n->op == IR_X_SELECT) return fold_select(g, n);
    if (n->op == IR_X_CAST) return fold_cast(g, n);
    if (n->nargs == 1 && as_dim(g, n->args[0], &a)) return from_dim(g, n->type, unary(g, n->op, a));
    if (n->nargs == 1 && n->op == IR_X_NOT && as_bool(g, n->args[0], &a))
        return from_bool(g, not01(g, a));
    if (n->nargs != 2) return IR_NONE;
    if (as_bool(g, n->args[0], &a) && as_bool(g, n->args[1], &b))
        return from_bool(g, logical(g, n->op, a, b));
    if (!as_dim(g, n->args[0], &a) || !as_dim(g, n->args[1], &b)) return IR_NONE;
    if (n->op == IR_X_CHECK) return fold_check(g, a, b);
    if (n->type == IR_BOOL) return from_bool(g, compared(g, n->op, a, b));
    return from_dim(g, n->type, binary(g, n->op, a, b));
}

ir_expr ir_x_fold_dims(ir_graph *g, const ir_expr_node *n)
{
    for (int i = 0; i < n->nargs; i++)
        if (!g->pool->closed[n->args[i]]) return IR_NONE;
    if (n->nargs == 0 || n->op == IR_X_LOAD) return IR_NONE;
    /* What overflows as a size is no size: the node stays, with its wrapping arithmetic. */
    bool overflow = g->overflow;
    ir_expr r = fold_closed(g, n);
    g->overflow = overflow;
    return r;
}
