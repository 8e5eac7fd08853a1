/* Functions of f32 whose arguments need more digits than f32 has: sin, cos, tan, pow.
 *
 * They compute in f64, where plain series are far more exact than the result needs to be, and
 * round once. Results are within 0.51 ulp. */
#include "codegen/emit/emit_math.h"

static cg_val widen(cg_unit *u, cg_val v) { return LLVMBuildFPExt(u->b, v, cg_as(v, u->f64), ""); }
static cg_val narrow(cg_unit *u, cg_val v)
{
    return LLVMBuildFPTrunc(u->b, v, cg_as(v, u->f32), "");
}

/* The nearest integer, as a double; its low bits as an integer in *bits. |v| < 2^51. */
static cg_val nearest(cg_unit *u, cg_val v, cg_val *bits)
{
    cg_val t = m_addf(u, v, 0x1.8p52);
    *bits = cg_bits(u, t, u->i64);
    return m_addf(u, t, -0x1.8p52);
}

static cg_val is_odd(cg_unit *u, cg_val bits)
{
    cg_val one = cg_int_like(bits, 1);
    return LLVMBuildICmp(u->b, LLVMIntEQ, LLVMBuildAnd(u->b, bits, one, ""), one, "");
}

/* ---- circular functions ---- */

/* sin(r) = r + r*z*S(z), cos(r) = 1 + z*C(z), z = r^2, |r| <= pi/4: Taylor, error below 2e-11 */
static const double sin_s[] = {-1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800};
static const double cos_c[] = {-1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800};
/* pi/2 in three parts; the first two have 33 bits, so that multiples below 2^20 are exact */
static const double half_pi[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69};
#define REDUCIBLE 0x1p20

static cg_val circular_reduced(cg_unit *u, ir_scalar op, cg_val x)
{
    cg_val w = widen(u, x), quarter;
    cg_val n = nearest(u, m_mulf(u, w, 0.63661977236758134), &quarter), r = w;
    for (int i = 0; i < 3; i++) r = cg_fma(u, n, cg_real_like(n, -half_pi[i]), r);
    cg_val z = m_mul(u, r, r);
    cg_val sine = cg_fma(u, m_mul(u, r, z), POLY(u, z, sin_s), r);
    cg_val cosine = cg_fma(u, z, POLY(u, z, cos_c), cg_real_like(z, 1));
    cg_val swap = is_odd(u, quarter);
    if (op == IR_X_TAN) {
        cg_val over = cg_select(u, swap, LLVMBuildFNeg(u->b, cosine, ""), sine);
        return narrow(u, m_div(u, over, cg_select(u, swap, sine, cosine)));
    }
    if (op == IR_X_COS) quarter = LLVMBuildAdd(u->b, quarter, cg_int_like(quarter, 1), "");
    swap = is_odd(u, quarter);
    cg_val v = cg_select(u, swap, cosine, sine);
    cg_val negative = is_odd(u, LLVMBuildLShr(u->b, quarter, cg_int_like(quarter, 1), ""));
    return narrow(u, cg_select(u, negative, LLVMBuildFNeg(u->b, v, ""), v));
}

/* Arguments too large for the reduction are rare: then all lanes go through the runtime. */
cg_val cg_math_circular(cg_unit *u, ir_scalar op, cg_val x)
{
    cg_val fn = LLVMGetBasicBlockParent(LLVMGetInsertBlock(u->b));
    LLVMBasicBlockRef slow = LLVMAppendBasicBlockInContext(u->ctx, fn, "");
    LLVMBasicBlockRef next = LLVMAppendBasicBlockInContext(u->ctx, fn, "");
    cg_val quick = circular_reduced(u, op, x);
    LLVMBasicBlockRef from[] = {LLVMGetInsertBlock(u->b), slow};
    LLVMBuildCondBr(u->b, cg_any(u, m_more(u, m_abs(u, x), REDUCIBLE)), slow, next);
    LLVMPositionBuilderAtEnd(u->b, slow);
    const char *name = op == IR_X_SIN   ? "lathe_rt_sin"
                       : op == IR_X_COS ? "lathe_rt_cos"
                                        : "lathe_rt_tan";
    cg_val values[] = {quick, cg_call_lanes(u, name, &x, 1)};
    LLVMBuildBr(u->b, next);
    LLVMPositionBuilderAtEnd(u->b, next);
    cg_val r = LLVMBuildPhi(u->b, LLVMTypeOf(quick), "");
    LLVMAddIncoming(r, values, from, 2);
    return r;
}

/* ---- powers ---- */

/* log(m) = 2*s*L(s^2), s = (m-1)/(m+1), |s| <= 0.172: error below 2e-12; 2^f on |f| <= 1/2: 1e-11
 */
static const double log_l[] = {1, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13};
static const double exp_e[] = {1,         1,         1.0 / 2,    1.0 / 6,     1.0 / 24,
                               1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880};

/* log2 of a magnitude; 0 and inf give -inf and inf */
static cg_val log2_of(cg_unit *u, cg_val a)
{
    cg_val bits = cg_bits(u, a, u->i64), shift = cg_int_like(bits, 52);
    cg_val over = LLVMBuildSub(u->b, bits, cg_int_like(bits, 0x3FE6A09E667F3BCD), "");
    cg_val e = LLVMBuildAShr(u->b, over, shift, "");
    cg_val m = cg_bits(u, LLVMBuildSub(u->b, bits, LLVMBuildShl(u->b, e, shift, ""), ""), u->f64);
    cg_val s = m_div(u, m_addf(u, m, -1), m_addf(u, m, 1));
    cg_val log_m = m_mul(u, m_mulf(u, s, 2 * 1.4426950408889634), POLY(u, m_mul(u, s, s), log_l));
    /* |e| < 2^11, so an i32 holds it, which every target converts in vectors */
    cg_val narrow_e = LLVMBuildTrunc(u->b, e, cg_as(e, u->i32), "");
    cg_val r = m_add(u, LLVMBuildSIToFP(u->b, narrow_e, LLVMTypeOf(a), ""), log_m);
    r = cg_select(u, m_equal(u, a, 0), cg_real_like(a, -__builtin_inf()), r);
    return cg_select(u, m_less(u, a, __builtin_inf()), r, a);
}

static cg_val exp2_of(cg_unit *u, cg_val z)
{
    cg_val bits, c = m_clamp(u, z, -200, 200), n = nearest(u, c, &bits);
    cg_val p = POLY(u, m_mulf(u, m_sub(u, c, n), 0.69314718055994531), exp_e);
    cg_val biased = LLVMBuildAdd(u->b, bits, cg_int_like(bits, 1023), "");
    return m_mul(u, p, cg_bits(u, LLVMBuildShl(u->b, biased, cg_int_like(bits, 52), ""), u->f64));
}

/* x^y with the special cases of C's pow. The clamp is beyond f32's range on both sides. */
cg_val cg_math_pow(cg_unit *u, cg_val x32, cg_val y32)
{
    cg_val x = widen(u, x32), y = widen(u, y32), a = m_abs(u, x), one = cg_real_like(x, 1);
    cg_val r = cg_select(u, m_equal(u, a, 1), one, exp2_of(u, m_mul(u, y, log2_of(u, a))));
    cg_val half = m_mulf(u, y, 0.5);
    cg_val whole = LLVMBuildFCmp(u->b, LLVMRealOEQ, cg_round_by_adding(u, y), y, "");
    cg_val odd = LLVMBuildAnd(
        u->b, whole, LLVMBuildFCmp(u->b, LLVMRealUNE, cg_round_by_adding(u, half), half, ""), "");
    cg_val bad = LLVMBuildAnd(u->b, LLVMBuildNot(u->b, whole, ""), m_less(u, x, 0), "");
    bad = LLVMBuildAnd(u->b, bad, m_more(u, a, 0), "");
    bad = LLVMBuildAnd(u->b, bad, m_less(u, a, __builtin_inf()), "");
    r = cg_select(u, odd, m_sign(u, r, x), r);
    r = cg_select(u, bad, cg_real_like(x, __builtin_nan("")), r);
    r = cg_select(u, LLVMBuildFCmp(u->b, LLVMRealUNO, x, y, ""), m_add(u, x, y), r);
    cg_val is_one = LLVMBuildOr(u->b, m_equal(u, y, 0), m_equal(u, x, 1), "");
    return narrow(u, cg_select(u, is_one, one, r));
}
