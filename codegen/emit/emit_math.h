/* Shared by the emit_math*.c files. */
#ifndef LATHE_CODEGEN_EMIT_MATH_H
#define LATHE_CODEGEN_EMIT_MATH_H

#include "codegen/emit/emit.h"

/* c[0] + c[1]*x + ... + c[n-1]*x^(n-1) */
cg_val cg_poly(cg_unit *, cg_val x, const double *c, int n);
/* The same by halves and quarters, whose chains are shorter: what is computed in few registers. */
cg_val cg_poly_estrin(cg_unit *, cg_val x, const double *c, int n);
cg_val cg_round_by_adding(cg_unit *, cg_val);
/* NULL: no own form. */
cg_val cg_math_f32(cg_unit *, ir_scalar op, const cg_val *args);
/* Functions of f32 that compute in f64 (emit_math_wide.c). */
cg_val cg_math_circular(cg_unit *, ir_scalar op, cg_val x);
cg_val cg_math_pow(cg_unit *, cg_val x, cg_val y);

#define POLY(u, x, table) cg_poly(u, x, table, (int)(sizeof(table) / sizeof *(table)))
#define ESTRIN(u, x, table) cg_poly_estrin(u, x, table, (int)(sizeof(table) / sizeof *(table)))

/* Shorthands: f for a constant operand. */
static inline cg_val m_add(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildFAdd(u->b, a, b, ""); }
static inline cg_val m_sub(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildFSub(u->b, a, b, ""); }
static inline cg_val m_mul(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildFMul(u->b, a, b, ""); }
static inline cg_val m_div(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildFDiv(u->b, a, b, ""); }
static inline cg_val m_addf(cg_unit *u, cg_val a, double b)
{
    return m_add(u, a, cg_real_like(a, b));
}
static inline cg_val m_mulf(cg_unit *u, cg_val a, double b)
{
    return m_mul(u, a, cg_real_like(a, b));
}
static inline cg_val m_abs(cg_unit *u, cg_val a) { return cg_intrinsic(u, "llvm.fabs", &a, 1); }
static inline cg_val m_sign(cg_unit *u, cg_val of, cg_val from)
{
    return cg_intrinsic(u, "llvm.copysign", (cg_val[]){of, from}, 2);
}
/* Ordered comparisons with a constant: false for NaN. */
static inline cg_val m_less(cg_unit *u, cg_val a, double b)
{
    return LLVMBuildFCmp(u->b, LLVMRealOLT, a, cg_real_like(a, b), "");
}
static inline cg_val m_more(cg_unit *u, cg_val a, double b)
{
    return LLVMBuildFCmp(u->b, LLVMRealOGT, a, cg_real_like(a, b), "");
}
static inline cg_val m_equal(cg_unit *u, cg_val a, double b)
{
    return LLVMBuildFCmp(u->b, LLVMRealOEQ, a, cg_real_like(a, b), "");
}
static inline cg_val m_clamp(cg_unit *u, cg_val a, double lo, double hi)
{
    a = cg_select(u, m_less(u, a, lo), cg_real_like(a, lo), a);
    return cg_select(u, m_more(u, a, hi), cg_real_like(a, hi), a);
}

#endif
