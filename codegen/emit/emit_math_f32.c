/* Elementary functions of f32 in f32, for any number of lanes.
 *
 * No step depends on the lane count, traps or needs a table; NaN goes through. Errors are the
 * largest over dense samples of the domain in units of the last place, with and without fused
 * multiply-add, as tests/unit/test_emit_math.c measures them. Coefficients are minimax fits of the
 * functions named beside them. */
#include "codegen/emit/emit_math.h"

#define LN2_HI 0x1.62e4p-1 /* 15 bits: times any exponent exact */
#define LN2_LO 0x1.7f7d1cp-20
#define LOG2_E 1.4426950408889634

/* (e^r - 1 - r) / r^2 on |r| <= ln(2)/2; relative error of e^r 3.1e-9 */
static const double exp_q[] = {0x1.fffffcp-2, 0x1.55549p-3, 0x1.5558f4p-5, 0x1.123a6cp-7,
                               0x1.6a2352p-10};
/* (log(1+f) - f + f^2/2) / f^3 on sqrt(1/2) <= 1+f <= sqrt(2); 7.6e-10 */
static const double log_r[] = {0x1.555548p-2,  -0x1.000006p-2, 0x1.99a4cap-3,
                               -0x1.555c5cp-3, 0x1.2335bp-3,   -0x1.fc1d46p-4,
                               0x1.e70716p-4,  -0x1.de660ap-4, 0x1.145732p-4};
/* (tanh(x)/x - 1) / x^2 in x^2, |x| <= 0.65; 2.5e-10 */
static const double tanh_p[] = {-0x1.555552p-2, 0x1.111026p-3,  -0x1.b9e19p-5,
                                0x1.62fb3ep-6,  -0x1.09285ap-7, 0x1.0e9eaap-9};
/* erf(x)/x - 1 in x^2, |x| <= 1; 1.2e-9 */
static const double erf_p[] = {0x1.06eba8p-3, -0x1.81273ep-2, 0x1.ce2cf8p-4, -0x1.b7f90ep-6,
                               0x1.5405b2p-8, -0x1.a3f7p-11,  0x1.496a3p-14};
/* log(1 - erf(x)) on 0.98 <= x <= 4; error of erf 1.2e-9 */
static const double log_erfc[] = {-0x1.3b0824p-12, -0x1.20938cp+0, -0x1.46989ep-1, -0x1.a73a84p-4,
                                  0x1.6778b4p-6,   -0x1.859a56p-9, 0x1.8bfd72p-13};
/* log2(erfc(x)) / x on 0 <= x; error of erfc 5.1e-9, at 9.498 the power is -127 */
static const double log2_erfc[] = {-0x1.a0be8cp+0, -0x1.d63d74p-1, -0x1.2fcdfp-3,  0x1.c7e01ap-6,
                                   -0x1.1983p-14,  -0x1.1a0c22p-9, 0x1.a36484p-11, -0x1.37398cp-13,
                                   0x1.d2f97ep-17, -0x1.11c41ap-21};
/* (2^r - 1) / r on |r| <= 1/2; relative error of 2^r 2e-9 */
static const double exp2_q[] = {0x1.62e43p-1,  0x1.ebfbdcp-3,  0x1.c6aee8p-5,
                                0x1.3b2d4cp-7, 0x1.5f3e5ap-10, 0x1.41fbccp-13};

/* x = n*ln2 + r, |r| <= ln2/2. n as an integer and, in *q, (e^r - 1). |x| must be below 2^15; a
 * NaN gives some n and a NaN in q. */
static cg_val reduce_exp(cg_unit *u, cg_val x, cg_val *q)
{
    const double magic = 0x1.8p23;
    cg_val t = cg_fma(u, x, cg_real_like(x, LOG2_E), cg_real_like(x, magic));
    cg_val n = LLVMBuildSub(u->b, cg_bits(u, t, u->i32), cg_int(cg_as(x, u->i32), 0x4B400000), "");
    cg_val turns = m_addf(u, t, -magic);
    cg_val r = cg_fma(u, turns, cg_real_like(x, -LN2_HI), x);
    r = cg_fma(u, turns, cg_real_like(x, -LN2_LO), r);
    *q = cg_fma(u, m_mul(u, r, r), POLY(u, r, exp_q), r);
    return n;
}

/* 2^n for -126 <= n <= 127 */
static cg_val power_of_two(cg_unit *u, cg_val n)
{
    cg_val biased = LLVMBuildAdd(u->b, n, cg_int_like(n, 127), "");
    return cg_bits(u, LLVMBuildShl(u->b, biased, cg_int_like(n, 23), ""), u->f32);
}

/* 1.0 ulp. Scaled in two steps, so that overflow and denormals come out right. */
static cg_val emit_exp(cg_unit *u, cg_val x)
{
    cg_val q, n = reduce_exp(u, m_clamp(u, x, -104, 89), &q);
    cg_val half = LLVMBuildAShr(u->b, n, cg_int_like(n, 1), "");
    cg_val rest = LLVMBuildSub(u->b, n, half, "");
    return m_mul(u, m_mul(u, m_addf(u, q, 1), power_of_two(u, half)), power_of_two(u, rest));
}

/* e^x for -87 <= x <= 87, in one step */
static cg_val bounded_exp(cg_unit *u, cg_val x)
{
    cg_val q, n = reduce_exp(u, x, &q), scale = power_of_two(u, n);
    return cg_fma(u, q, scale, scale);
}

/* 1.5 ulp. */
static cg_val emit_expm1(cg_unit *u, cg_val x)
{
    cg_val q, n = reduce_exp(u, m_clamp(u, x, -18, 89), &q);
    cg_val half = power_of_two(u, LLVMBuildSub(u->b, n, cg_int_like(n, 1), ""));
    return m_mulf(u, cg_fma(u, q, half, m_addf(u, half, -0.5)), 2);
}

/* log of a positive finite number that is not denormal */
static cg_val log_normal(cg_unit *u, cg_val x, cg_val exponent_bias)
{
    cg_val bits = cg_bits(u, x, u->i32);
    cg_val over = LLVMBuildSub(u->b, bits, cg_int_like(bits, 0x3F3504F3), "");
    cg_val e = LLVMBuildAShr(u->b, over, cg_int_like(bits, 23), "");
    cg_val m = LLVMBuildSub(u->b, bits, LLVMBuildShl(u->b, e, cg_int_like(bits, 23), ""), "");
    cg_val f = m_addf(u, cg_bits(u, m, u->f32), -1), f2 = m_mul(u, f, f);
    cg_val n = LLVMBuildSIToFP(u->b, LLVMBuildAdd(u->b, e, exponent_bias, ""), LLVMTypeOf(x), "");
    cg_val low = m_mul(u, m_mul(u, f2, f), POLY(u, f, log_r));
    low = cg_fma(u, n, cg_real_like(x, LN2_LO), low);
    low = cg_fma(u, f2, cg_real_like(x, -0.5), low);
    return cg_fma(u, n, cg_real_like(x, LN2_HI), m_add(u, f, low));
}

/* 0.8 ulp. */
static cg_val emit_log(cg_unit *u, cg_val x)
{
    cg_val denormal = m_less(u, x, 0x1p-126), none = cg_int(cg_as(x, u->i32), 0);
    cg_val scaled = cg_select(u, denormal, m_mulf(u, x, 0x1p23), x);
    cg_val r = log_normal(u, scaled, cg_select(u, denormal, cg_int_like(none, -23), none));
    r = cg_select(u, m_less(u, x, __builtin_inf()), r, x); /* inf and NaN stay */
    r = cg_select(u, m_less(u, x, 0), cg_real_like(x, __builtin_nan("")), r);
    return cg_select(u, m_equal(u, x, 0), cg_real_like(x, -__builtin_inf()), r);
}

/* 1.5 ulp. What 1 + x rounds off comes back as a first-order term. */
static cg_val emit_log1p(cg_unit *u, cg_val x)
{
    cg_val sum = m_addf(u, x, 1), lost = m_sub(u, x, m_addf(u, sum, -1));
    cg_val r = m_add(u, emit_log(u, sum), m_div(u, lost, sum));
    cg_val large = m_more(u, x, 0x1p60);
    r = cg_select(u, large, emit_log(u, x), r);
    r = cg_select(u, m_equal(u, x, -1), cg_real_like(x, -__builtin_inf()), r);
    return cg_select(u, m_less(u, m_abs(u, x), 0x1p-25), x, r);
}

/* 1.5 ulp. */
static cg_val emit_tanh(cg_unit *u, cg_val x)
{
    cg_val a = m_abs(u, x), z = m_mul(u, x, x), one = cg_real_like(x, 1);
    cg_val small = cg_fma(u, m_mul(u, x, z), POLY(u, z, tanh_p), x);
    cg_val e = bounded_exp(u, m_clamp(u, m_mulf(u, a, 2), 0, 20));
    cg_val large = m_sub(u, one, m_div(u, cg_real_like(x, 2), m_add(u, e, one)));
    return cg_select(u, m_less(u, a, 0.625), small, m_sign(u, large, x));
}

/* 1.2 ulp. */
static cg_val emit_erf(cg_unit *u, cg_val x)
{
    cg_val a = m_abs(u, x);
    cg_val small = cg_fma(u, x, POLY(u, m_mul(u, x, x), erf_p), x);
    cg_val e = bounded_exp(u, POLY(u, m_clamp(u, a, 0, 4), log_erfc));
    cg_val large = m_sign(u, m_sub(u, cg_real_like(x, 1), e), x);
    return cg_select(u, m_less(u, a, 1), small, large);
}

/* 1.2 ulps of 1, for all x: no more than computing 1 - erf(x) costs. One polynomial and one
 * power serve all x. The least power's exponent is that of 0, which it gives. */
static cg_val emit_erfc(cg_unit *u, cg_val x)
{
    const double magic = 0x1.8p23 + 127;
    cg_val a = m_abs(u, x);
    a = cg_select(u, m_more(u, a, 9.498), cg_real_like(x, 9.498), a);
    cg_val power = m_mul(u, a, ESTRIN(u, a, log2_erfc));
    cg_val t = m_addf(u, power, magic), r = m_sub(u, power, m_addf(u, t, -magic));
    cg_val bits = cg_bits(u, t, u->i32);
    cg_val scale = cg_bits(u, LLVMBuildShl(u->b, bits, cg_int_like(bits, 23), ""), u->f32);
    cg_val e = m_mul(u, cg_fma(u, r, ESTRIN(u, r, exp2_q), cg_real_like(x, 1)), scale);
    return cg_select(u, m_less(u, x, 0), m_sub(u, cg_real_like(x, 2), e), e);
}

/* 2.5 ulp. The exponential of the negative magnitude cannot overflow. */
static cg_val emit_sigmoid(cg_unit *u, cg_val x)
{
    cg_val e = emit_exp(u, LLVMBuildFNeg(u->b, m_abs(u, x), ""));
    cg_val one = cg_real_like(x, 1);
    return m_div(u, cg_select(u, m_less(u, x, 0), e, one), m_add(u, one, e));
}

cg_val cg_math_f32(cg_unit *u, ir_scalar op, const cg_val *a)
{
    switch (op) {
    case IR_X_EXP:
        return emit_exp(u, a[0]);
    case IR_X_EXPM1:
        return emit_expm1(u, a[0]);
    case IR_X_LOG:
        return emit_log(u, a[0]);
    case IR_X_LOG1P:
        return emit_log1p(u, a[0]);
    case IR_X_TANH:
        return emit_tanh(u, a[0]);
    case IR_X_ERF:
        return emit_erf(u, a[0]);
    case IR_X_ERFC:
        return emit_erfc(u, a[0]);
    case IR_X_SIGMOID:
        return emit_sigmoid(u, a[0]);
    case IR_X_SIN:
    case IR_X_COS:
    case IR_X_TAN:
        return cg_math_circular(u, op, a[0]);
    case IR_X_POW:
        return cg_math_pow(u, a[0], a[1]);
    default:
        return NULL;
    }
}
