/* Expressions: folding of constants, sizes and identities; rewriting; evaluation. */
#include <criterion/criterion.h>

#include "tests/unit/fixture.h"

static ir_dim s;

static void setup(void)
{
    fixture_begin();
    s = ir_dim_sym(fx.g, ir_sym_new(fx.g, "s", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
}

TestSuite(expr, .init = setup, .fini = fixture_end);

#define I(v) ir_x_int(fx.g, IR_I64, v)
#define S ir_x_dim(fx.g, s)
#define OP(op, x, y) ir_x_2(fx.g, IR_X_##op, x, y)
#define CAST(x, to) ir_x_cast(fx.g, x, to)

static ir_dim as_dim(ir_expr e)
{
    ir_dim d = IR_NONE;
    return ir_x_is_dim(fx.g, e, &d) ? d : IR_NONE;
}

Test(expr, sizes_stay_polynomials)
{
    ir_expr e = OP(FLOORDIV, OP(MUL, S, I(12)), I(4));
    cr_assert_eq(as_dim(e), ir_dim_mul(fx.g, s, ir_dim_const(fx.g, 3)));
    cr_assert_eq(
        as_dim(OP(DIV, OP(ADD, S, I(7)), I(2))),
        ir_dim_floordiv(fx.g, ir_dim_add(fx.g, s, ir_dim_const(fx.g, 7)), ir_dim_const(fx.g, 2)));
    cr_assert_eq(OP(SUB, OP(ADD, S, I(3)), I(3)), S);
}

Test(expr, sizes_survive_other_integer_types)
{
    ir_expr narrow = CAST(S, IR_I32);
    ir_expr sum = OP(MUL, narrow, ir_x_int(fx.g, IR_I32, 1));
    cr_assert_eq(CAST(sum, IR_I64), S);
    cr_assert_neq(CAST(CAST(S, IR_I8), IR_I64), S, "i8 cannot hold every size");
}

Test(expr, comparisons_of_sizes)
{
    ir_expr is_minus_one = OP(EQ, S, I(-1));
    cr_assert_eq(is_minus_one, ir_x_int(fx.g, IR_BOOL, 0));
    ir_expr is_one = OP(EQ, S, I(1));
    ir_expr chosen = ir_x_select(fx.g, is_one, I(5), S);
    cr_assert_neq(as_dim(chosen), IR_NONE, "an undecided choice between sizes is a size");
    cr_assert_eq(ir_x_1(fx.g, IR_X_NOT, ir_x_1(fx.g, IR_X_NOT, is_one)), is_one);
    cr_assert_eq(OP(AND, is_one, ir_x_int(fx.g, IR_BOOL, 1)), is_one);
}

Test(expr, rounding_of_quotients)
{
    ir_expr half = OP(MUL, CAST(S, IR_F32), ir_x_float(fx.g, IR_F32, 0.5));
    ir_dim d = ir_dim_floordiv(fx.g, s, ir_dim_const(fx.g, 2));
    cr_assert_eq(as_dim(CAST(ir_x_1(fx.g, IR_X_FLOOR, half), IR_I64)), d);
    cr_assert_eq(as_dim(CAST(half, IR_I64)), d);
    ir_expr third = OP(DIV, CAST(S, IR_F32), ir_x_float(fx.g, IR_F32, 3));
    cr_assert_eq(as_dim(CAST(ir_x_1(fx.g, IR_X_CEIL, third), IR_I64)),
                 ir_dim_ceildiv(fx.g, s, ir_dim_const(fx.g, 3)));
}

Test(expr, float_identities_keep_the_sign_of_zero)
{
    ir_expr x = ir_x_load(fx.g, IR_F32, 0, NULL, 0), zero = ir_x_float(fx.g, IR_F32, 0);
    cr_assert_neq(OP(ADD, x, zero), x);
    cr_assert_eq(OP(SUB, x, zero), x);
    cr_assert_eq(OP(MUL, x, ir_x_float(fx.g, IR_F32, 1)), x);
    cr_assert_neq(OP(MUL, x, zero), zero);
}

/* 1 + erf and 1 + tanh, as activations have them, whatever order and scale they are written in. */
Test(expr, activations_become_one_function)
{
    ir_expr x = OP(ADD, CAST(S, IR_F32), ir_x_float(fx.g, IR_F32, 0.25));
    ir_expr one = ir_x_float(fx.g, IR_F32, 1), c = ir_x_float(fx.g, IR_F32, 0.5);
    ir_expr scaled = OP(MUL, x, c), minus = OP(MUL, x, ir_x_float(fx.g, IR_F32, -0.5));
    ir_expr want = ir_x_1(fx.g, IR_X_ERFC, minus);
    cr_assert_eq(OP(ADD, ir_x_1(fx.g, IR_X_ERF, scaled), one), want);
    cr_assert_eq(OP(ADD, one, ir_x_1(fx.g, IR_X_ERF, scaled)), want);
    ir_expr quotient = OP(DIV, x, ir_x_float(fx.g, IR_F32, 2));
    cr_assert_eq(OP(ADD, ir_x_1(fx.g, IR_X_ERF, quotient), one), want);
    ir_expr half = ir_x_1(fx.g, IR_X_SIGMOID, x), two = ir_x_float(fx.g, IR_F32, 2);
    cr_assert_eq(OP(ADD, ir_x_1(fx.g, IR_X_TANH, scaled), one), OP(MUL, half, two));
    cr_assert_eq(ir_expr_get(fx.g, OP(ADD, ir_x_1(fx.g, IR_X_ERF, x), two))->op, IR_X_ADD);
}

Test(expr, checks_fold_only_when_inside)
{
    cr_assert_eq(OP(CHECK, I(-1), I(4)), I(3));
    cr_assert_neq(OP(CHECK, I(4), I(4)), I(0), "out of range fails at run time, not silently");
    cr_assert_eq(OP(CHECK, I(-1), OP(ADD, S, I(1))), S);
}

Test(expr, ill_typed_is_none)
{
    cr_assert_eq(OP(ADD, I(1), ir_x_float(fx.g, IR_F32, 1)), IR_NONE);
    cr_assert_eq(ir_x_select(fx.g, I(1), I(1), I(2)), IR_NONE);
    cr_assert_eq(OP(ADD, IR_NONE, I(1)), IR_NONE);
}

static ir_expr shift_index(void *ctx, int axis)
{
    (void)ctx;
    return ir_x_2(fx.g, IR_X_ADD, ir_x_index(fx.g, axis + 1), ir_x_int(fx.g, IR_I64, 2));
}

Test(expr, rewriting_leaves)
{
    ir_expr i0 = ir_x_index(fx.g, 0), i1 = ir_x_index(fx.g, 1);
    ir_expr e = OP(ADD, OP(MUL, i0, I(3)), i0);
    ir_expr want_index = OP(ADD, i1, I(2));
    ir_rewrite hooks = {.index = shift_index};
    cr_assert_eq(ir_x_rewrite(fx.g, e, &hooks), OP(ADD, OP(MUL, want_index, I(3)), want_index));
}

Test(expr, evaluation_of_shared_nodes_is_linear)
{
    ir_expr e = ir_x_index(fx.g, 0);
    for (int i = 0; i < 60; i++) e = OP(ADD, e, OP(MUL, e, I(i)));
    int64_t index[1] = {1};
    ir_x_env env = {.index = index};
    ir_scalar_value v;
    cr_assert(ir_x_eval(fx.g, e, &env, &v));
}

Test(expr, integer_arithmetic_is_total)
{
    ir_expr lo = I(INT64_MIN);
    cr_assert_eq(OP(DIV, lo, I(-1)), lo);
    cr_assert_eq(OP(DIV, I(5), I(0)), I(0));
    cr_assert_eq(OP(MOD, I(-5), I(3)), I(1));
    cr_assert_eq(OP(REM, I(-5), I(3)), I(-2));
    cr_assert_eq(OP(SHL, I(1), I(64)), I(0));
    cr_assert_eq(CAST(ir_x_float(fx.g, IR_F32, 1e30), IR_I32), ir_x_int(fx.g, IR_I32, INT32_MAX));
}
