/* Small helpers on values: types, constants, lanes, calls.
 *
 * They hide the difference between a scalar and a vector, so that every operator above is written
 * once for any number of lanes. Constants fold as they are built, since no pass does it later. */
#include <string.h>

#include "codegen/emit/emit.h"

void cg_defect(cg_unit *u, const char *text)
{
    if (u->status != LATHE_OK) return;
    u->status = LATHE_INTERNAL;
    u->defect = text;
}

static LLVMTypeRef scalar_of(LLVMTypeRef t)
{
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
}

static int type_lanes(LLVMTypeRef t)
{
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;
}

int cg_lanes(cg_val v) { return type_lanes(LLVMTypeOf(v)); }

LLVMTypeRef cg_wide(LLVMTypeRef scalar, int lanes)
{
    return lanes > 1 ? LLVMVectorType(scalar, (unsigned)lanes) : scalar;
}

LLVMTypeRef cg_as(cg_val like, LLVMTypeRef scalar) { return cg_wide(scalar, cg_lanes(like)); }

LLVMTypeRef cg_arith_type(cg_unit *u, ir_elem elem, int lanes)
{
    if (elem == IR_F32) return cg_wide(u->f32, lanes);
    if (elem == IR_F64) return cg_wide(u->f64, lanes);
    if (elem == IR_BOOL) return cg_wide(u->i1, lanes);
    return cg_wide(LLVMIntTypeInContext(u->ctx, (unsigned)ir_elem_bits(elem)), lanes);
}

static cg_val value_constant(LLVMTypeRef t, cg_val scalar)
{
    enum { MOST = 256 };
    cg_val all[MOST];
    int lanes = type_lanes(t);
    if (lanes == 1) return scalar;
    for (int i = 0; i < lanes && i < MOST; i++) all[i] = scalar;
    return LLVMConstVector(all, (unsigned)lanes);
}

cg_val cg_int(LLVMTypeRef t, int64_t v)
{
    return value_constant(t, LLVMConstInt(scalar_of(t), (unsigned long long)v, true));
}

cg_val cg_real(LLVMTypeRef t, double v)
{
    return value_constant(t, LLVMConstReal(scalar_of(t), v));
}
cg_val cg_int_like(cg_val like, int64_t v) { return cg_int(LLVMTypeOf(like), v); }
cg_val cg_real_like(cg_val like, double v) { return cg_real(LLVMTypeOf(like), v); }

cg_val cg_splat(cg_unit *u, cg_val scalar, int lanes)
{
    if (lanes == 1) return scalar;
    LLVMTypeRef t = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes);
    if (LLVMIsAConstantInt(scalar) || LLVMIsAConstantFP(scalar)) return value_constant(t, scalar);
    cg_val one =
        LLVMBuildInsertElement(u->b, LLVMGetPoison(t), scalar, LLVMConstInt(u->i32, 0, false), "");
    return LLVMBuildShuffleVector(u->b, one, LLVMGetPoison(t),
                                  LLVMConstNull(cg_wide(u->i32, lanes)), "");
}

cg_val cg_iota(LLVMTypeRef scalar, int lanes)
{
    cg_val all[256];
    if (lanes == 1) return LLVMConstNull(scalar);
    for (int i = 0; i < lanes; i++) all[i] = LLVMConstInt(scalar, (unsigned long long)i, false);
    return LLVMConstVector(all, (unsigned)lanes);
}

cg_val cg_lane(cg_unit *u, cg_val v, int lane)
{
    if (cg_lanes(v) == 1) return v;
    return LLVMBuildExtractElement(u->b, v, LLVMConstInt(u->i32, (unsigned)lane, false), "");
}

cg_val cg_in_turn(cg_unit *u, cg_val x, cg_val y)
{
    cg_val pick[2 * CG_PANEL];
    int n = cg_lanes(x);
    for (int i = 0; i < 2 * n; i++) pick[i] = cg_int(u->i32, i / 2 + i % 2 * n);
    return LLVMBuildShuffleVector(u->b, x, y, LLVMConstVector(pick, (unsigned)(2 * n)), "");
}

cg_val cg_bits(cg_unit *u, cg_val v, LLVMTypeRef scalar)
{
    return LLVMBuildBitCast(u->b, v, cg_as(v, scalar), "");
}

cg_val cg_select(cg_unit *u, cg_val cond, cg_val a, cg_val b)
{
    if (a == b) return a;
    if (LLVMIsConstant(cond)) {
        if (LLVMIsNull(cond)) return b;
        if (cond == LLVMConstAllOnes(LLVMTypeOf(cond))) return a;
    }
    return LLVMBuildSelect(u->b, cond, a, b, "");
}

cg_val cg_intrinsic_of(cg_unit *u, const char *name, LLVMTypeRef *overload, int noverload,
                       const cg_val *args, int n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    if (id == 0) {
        cg_defect(u, name);
        return args[0];
    }
    cg_val f = LLVMGetIntrinsicDeclaration(u->m, id, overload, (size_t)noverload);
    LLVMTypeRef t = LLVMIntrinsicGetType(u->ctx, id, overload, (size_t)noverload);
    return LLVMBuildCall2(u->b, t, f, (cg_val *)args, (unsigned)n, "");
}

cg_val cg_intrinsic(cg_unit *u, const char *name, const cg_val *args, int n)
{
    LLVMTypeRef t = LLVMTypeOf(args[0]);
    return cg_intrinsic_of(u, name, &t, 1, args, n);
}

void cg_prefetch(cg_unit *u, cg_val at, int locality)
{
    cg_val args[] = {at, cg_int(u->i32, 0), cg_int(u->i32, locality), cg_int(u->i32, 1)};
    cg_intrinsic(u, "llvm.prefetch", args, 4);
}

static void add_attribute(cg_unit *u, cg_val f, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(u->ctx, kind, value));
}

/* Functions of the runtime read and write no memory that kernels see. */
static cg_val runtime_function(cg_unit *u, const char *name, LLVMTypeRef type)
{
    cg_val f = LLVMGetNamedFunction(u->m, name);
    if (f) return f;
    f = LLVMAddFunction(u->m, name, type);
    add_attribute(u, f, "nounwind", 0);
    add_attribute(u, f, "willreturn", 0);
    add_attribute(u, f, "memory", 0);
    return f;
}

/* The arguments' class decides the function's type: double for floats, i64 for integers. */
cg_val cg_call_lanes(cg_unit *u, const char *name, const cg_val *args, int n)
{
    LLVMTypeRef scalar = scalar_of(LLVMTypeOf(args[0]));
    bool is_float = scalar == u->f32 || scalar == u->f64;
    LLVMTypeRef wide = is_float ? u->f64 : u->i64, params[2] = {wide, wide};
    LLVMTypeRef type = LLVMFunctionType(wide, params, (unsigned)n, false);
    cg_val f = runtime_function(u, name, type);
    cg_val result = LLVMGetPoison(LLVMTypeOf(args[0]));
    int lanes = cg_lanes(args[0]);
    for (int i = 0; i < lanes; i++) {
        cg_val lane[2];
        for (int a = 0; a < n; a++) {
            lane[a] = cg_lane(u, args[a], i);
            if (scalar == u->f32) lane[a] = LLVMBuildFPExt(u->b, lane[a], u->f64, "");
        }
        cg_val r = LLVMBuildCall2(u->b, type, f, lane, (unsigned)n, "");
        if (scalar == u->f32) r = LLVMBuildFPTrunc(u->b, r, u->f32, "");
        if (lanes == 1) return r;
        result =
            LLVMBuildInsertElement(u->b, result, r, LLVMConstInt(u->i32, (unsigned)i, false), "");
    }
    return result;
}

cg_val cg_any(cg_unit *u, cg_val mask)
{
    int lanes = cg_lanes(mask);
    if (lanes == 1) return mask;
    LLVMTypeRef t = LLVMIntTypeInContext(u->ctx, (unsigned)lanes);
    return LLVMBuildICmp(u->b, LLVMIntNE, LLVMBuildBitCast(u->b, mask, t, ""), LLVMConstNull(t),
                         "");
}

cg_val cg_fma(cg_unit *u, cg_val a, cg_val b, cg_val c)
{
    if (u->isa->has_fma) return cg_intrinsic(u, "llvm.fma", (cg_val[]){a, b, c}, 3);
    return LLVMBuildFAdd(u->b, LLVMBuildFMul(u->b, a, b, ""), c, "");
}
