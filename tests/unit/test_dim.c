/* Symbolic sizes: canonical form, ranges, guards. */
#include <criterion/criterion.h>

#include "tests/unit/fixture.h"

static ir_dim s, b, p;

static void setup(void)
{
    fixture_begin();
    s = ir_dim_sym(fx.g, ir_sym_new(fx.g, "s", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
    b = ir_dim_sym(fx.g, ir_sym_new(fx.g, "b", IR_SYM_INPUT, 1, 64, IR_NONE));
    p = ir_dim_sym(fx.g, ir_sym_new(fx.g, "p", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
}

TestSuite(dim, .init = setup, .fini = fixture_end);

#define K(v) ir_dim_const(fx.g, v)
#define OP(name, x, y) ir_dim_##name(fx.g, x, y)
#define TEXT(d, text) cr_assert_str_eq(ir_dim_text(fx.g, d), text)

Test(dim, equal_polynomials_are_one_id)
{
    ir_dim x = OP(mul, OP(add, s, p), OP(add, s, p));
    ir_dim y = OP(add, OP(add, OP(mul, s, s), OP(mul, p, p)), OP(mul, K(2), OP(mul, p, s)));
    cr_assert_eq(x, y);
    cr_assert_eq(OP(sub, x, y), K(0));
    TEXT(OP(add, OP(mul, K(2), s), K(-3)), "2*s - 3");
    TEXT(OP(sub, K(0), s), "-s");
}

Test(dim, division_simplifies)
{
    cr_assert_eq(OP(floordiv, OP(mul, K(4), OP(mul, s, K(16))), K(8)), OP(mul, K(8), s));
    cr_assert_eq(OP(floordiv, OP(mul, OP(add, p, s), b), OP(add, p, s)), b);
    cr_assert_eq(OP(floordiv, OP(floordiv, s, K(3)), K(5)), OP(floordiv, s, K(15)));
    cr_assert_eq(OP(floordiv, OP(add, OP(mul, s, K(8)), K(7)), K(8)), s);
    cr_assert_eq(OP(mod, OP(add, OP(mul, s, K(8)), K(3)), K(8)), K(3));
    cr_assert_eq(OP(mod, OP(mul, s, b), s), K(0));
    cr_assert_eq(OP(floordiv, OP(mul, K(32), OP(mul, b, s)), OP(mul, K(256), b)),
                 OP(floordiv, s, K(8)));
    TEXT(OP(ceildiv, s, K(4)), "floordiv(s + 3, 4)");
}

/* -INT64_MIN does not exist; a divisor of that size ended in endless recursion. */
Test(dim, divides_at_the_ends_of_int64)
{
    TEXT(OP(floordiv, s, K(INT64_MIN)), "floordiv(s, -9223372036854775808)");
    cr_expect_neq(OP(floordiv, OP(add, s, K(1)), K(-INT64_MAX)), IR_NONE);
    ir_dim least = OP(mul, s, K(INT64_MIN));
    cr_expect_neq(OP(floordiv, least, OP(mul, p, K(-1))), IR_NONE);
    cr_expect_neq(OP(floordiv, OP(mul, p, K(6)), OP(add, least, p)), IR_NONE);
}

Test(dim, ranges_decide)
{
    cr_assert_eq(OP(min, s, OP(add, s, p)), s);
    cr_assert_eq(OP(max, s, K(-1)), s);
    cr_assert_eq(OP(min, s, K(INT64_MAX)), s);
    cr_assert_eq(OP(eq, s, K(-1)), K(0));
    cr_assert_eq(OP(lt, b, K(65)), K(1));
    cr_assert_eq(OP(lt, b, K(1)), K(0));
    cr_assert_neq(OP(eq, s, K(1)), K(0));
    cr_assert_eq(OP(min, s, p), OP(min, p, s));
    cr_assert_eq(ir_dim_select(fx.g, OP(eq, s, K(-1)), K(7), p), p);
}

Test(dim, require_records_one_guard)
{
    cr_assert(ir_dim_require(fx.g, s, s));
    cr_assert_not(ir_dim_require(fx.g, s, OP(add, s, K(1))));
    cr_assert_eq(fx.g->nguards, 0);
    cr_assert(ir_dim_require(fx.g, s, p));
    cr_assert(ir_dim_require(fx.g, s, p));
    cr_assert_eq(fx.g->nguards, 1);
}

Test(dim, overflow_is_none_and_marked)
{
    ir_dim big = OP(mul, K(INT64_MAX), s);
    cr_assert_neq(big, IR_NONE);
    cr_assert_eq(OP(add, big, big), IR_NONE);
    cr_assert(fx.g->overflow);
    cr_assert_eq(OP(mul, IR_NONE, s), IR_NONE);
}

/* Each size mentions the one before twice: refused before walking it takes exponential time. */
Test(dim, sizes_too_long_to_write_out_overflow)
{
    ir_dim d = s;
    for (int i = 0; i < 60 && d != IR_NONE; i++)
        d = OP(floordiv, OP(mul, d, OP(max, OP(add, d, b), p)), K(7));
    cr_assert_eq(d, IR_NONE);
    cr_assert(fx.g->overflow);
}

Test(dim, evaluation_agrees_with_construction)
{
    ir_dim d = OP(add, OP(floordiv, OP(add, OP(mul, s, s), p), K(7)), OP(mod, OP(sub, p, s), K(5)));
    for (int64_t i = 0; i < 40; i++) {
        int64_t symbols[4] = {0, i, 2, 3 * i + 1}, v, e = (i * i + 3 * i + 1) / 7,
                m = (2 * i + 1) % 5;
        ir_dim map[4] = {IR_NONE, K(i), IR_NONE, K(3 * i + 1)};
        cr_assert(ir_dim_eval(fx.g, d, symbols, &v));
        cr_assert_eq(v, e + m);
        cr_assert(ir_dim_equals(fx.g, ir_dim_subst(fx.g, d, map), v));
    }
}
