/* Elementary functions: which are computed in place and which are calls, and rounding.
 *
 * f32 has own polynomials for what models spend time in (emit_math_f32.c); everything else calls
 * one scalar function of doubles in the runtime for each lane, so that nothing needs libm here. */
#include "codegen/emit/emit_math.h"

static const char *const runtime_names[IR_X_COUNT] = {
#define SCALAR(NAME, text, arity, result, traits) [IR_X_##NAME] = "lathe_rt_" text,
#include "ir/scalar.def"
#undef SCALAR
};

cg_val cg_poly(cg_unit *u, cg_val x, const double *c, int n)
{
    cg_val r = cg_real_like(x, c[n - 1]);
    for (int i = n - 2; i >= 0; i--) r = cg_fma(u, r, x, cg_real_like(x, c[i]));
    return r;
}

cg_val cg_poly_estrin(cg_unit *u, cg_val x, const double *c, int n)
{
    enum { MOST = 16 };
    cg_val part[MOST];
    for (int i = 0; i < n; i++) part[i] = cg_real_like(x, c[i]);
    for (; n > 1; n = (n + 1) / 2, x = LLVMBuildFMul(u->b, x, x, ""))
        for (int i = 0; i < n; i += 2)
            part[i / 2] = i + 1 < n ? cg_fma(u, part[i + 1], x, part[i]) : part[i];
    return part[0];
}

/* Adding and taking away 2^23 (2^52) rounds a magnitude below it to an integer. */
cg_val cg_round_by_adding(cg_unit *u, cg_val v)
{
    cg_val limit = cg_real_like(v, cg_as(v, u->f32) == LLVMTypeOf(v) ? 0x1p23 : 0x1p52);
    cg_val size = cg_intrinsic(u, "llvm.fabs", &v, 1);
    cg_val r = LLVMBuildFSub(u->b, LLVMBuildFAdd(u->b, size, limit, ""), limit, "");
    r = cg_intrinsic(u, "llvm.copysign", (cg_val[]){r, v}, 2);
    return cg_select(u, LLVMBuildFCmp(u->b, LLVMRealOLT, size, limit, ""), r, v);
}

static cg_val round_by_hand(cg_unit *u, ir_scalar op, cg_val v)
{
    cg_val of = op == IR_X_TRUNC ? cg_intrinsic(u, "llvm.fabs", &v, 1) : v;
    cg_val r = cg_round_by_adding(u, of);
    if (op == IR_X_ROUND) return r;
    bool up = op == IR_X_CEIL;
    cg_val off = LLVMBuildFCmp(u->b, up ? LLVMRealOLT : LLVMRealOGT, r, of, "");
    cg_val moved = LLVMBuildFAdd(u->b, r, cg_real_like(v, up ? 1 : -1), "");
    return cg_intrinsic(u, "llvm.copysign", (cg_val[]){cg_select(u, off, moved, r), v}, 2);
}

cg_val cg_round(cg_unit *u, ir_scalar op, cg_val v)
{
    if (!u->isa->has_round) return round_by_hand(u, op, v);
    const char *name = op == IR_X_FLOOR   ? "llvm.floor"
                       : op == IR_X_CEIL  ? "llvm.ceil"
                       : op == IR_X_TRUNC ? "llvm.trunc"
                                          : "llvm.roundeven";
    return cg_intrinsic(u, name, &v, 1);
}

cg_val cg_math(cg_unit *u, ir_scalar op, ir_elem type, const cg_val *a)
{
    bool two = op == IR_X_POW || op == IR_X_ATAN2;
    if (!ir_x_op_is(op, IR_X_FUNCTION)) return NULL;
    cg_val r = type == IR_F32 ? cg_math_f32(u, op, a) : NULL;
    return r ? r : cg_call_lanes(u, runtime_names[op], a, two ? 2 : 1);
}
