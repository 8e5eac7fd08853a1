/* Scalar operators: from argument values to the result, for any number of lanes.
 *
 * Operators that are one LLVM instruction are rows of a table; the rest are small functions. Every
 * operator is total as scalar.def says: what LLVM leaves undefined (division by zero and of the
 * least integer by -1, wide shifts, large casts) is decided here, and folds away on constants. */
#include "codegen/emit/emit.h"

static bool is_unsigned(ir_elem t) { return ir_elem_class(t) == 'U' || t == IR_BOOL; }

static const struct {
    LLVMOpcode on_float, on_int; /* 0: by a function below */
} binary[IR_X_COUNT] = {
    [IR_X_ADD] = {LLVMFAdd, LLVMAdd}, [IR_X_SUB] = {LLVMFSub, LLVMSub},
    [IR_X_MUL] = {LLVMFMul, LLVMMul}, [IR_X_DIV] = {LLVMFDiv, 0},
    [IR_X_AND] = {0, LLVMAnd},        [IR_X_OR] = {0, LLVMOr},
    [IR_X_XOR] = {0, LLVMXor},
};

static const struct {
    LLVMRealPredicate on_float;
    LLVMIntPredicate on_signed, on_unsigned;
} compare[IR_X_COUNT] = {
    [IR_X_EQ] = {LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ},
    [IR_X_NE] = {LLVMRealUNE, LLVMIntNE, LLVMIntNE},
    [IR_X_LT] = {LLVMRealOLT, LLVMIntSLT, LLVMIntULT},
    [IR_X_LE] = {LLVMRealOLE, LLVMIntSLE, LLVMIntULE},
};

/* ---- integers ---- */

/* Quotient and remainder by a divisor that cannot trap; the result is put right afterwards. */
static cg_val divide_signed(cg_unit *u, ir_scalar op, cg_val a, cg_val b)
{
    cg_val zero = cg_int_like(a, 0), one = cg_int_like(a, 1);
    cg_val none = LLVMBuildICmp(u->b, LLVMIntEQ, b, zero, "");
    cg_val minus = LLVMBuildICmp(u->b, LLVMIntEQ, b, cg_int_like(a, -1), "");
    cg_val safe = cg_select(u, LLVMBuildOr(u->b, none, minus, ""), one, b);
    cg_val r = LLVMBuildSRem(u->b, a, safe, "");
    if (op == IR_X_REM) return r;
    cg_val down =
        LLVMBuildAnd(u->b, LLVMBuildICmp(u->b, LLVMIntNE, r, zero, ""),
                     LLVMBuildICmp(u->b, LLVMIntSLT, LLVMBuildXor(u->b, r, b, ""), zero, ""), "");
    if (op == IR_X_MOD) return cg_select(u, down, LLVMBuildAdd(u->b, r, b, ""), r);
    cg_val q = LLVMBuildSDiv(u->b, a, safe, "");
    if (op == IR_X_FLOORDIV)
        q = LLVMBuildAdd(u->b, q, LLVMBuildSExt(u->b, down, LLVMTypeOf(q), ""), "");
    q = cg_select(u, minus, LLVMBuildNeg(u->b, a, ""), q);
    return cg_select(u, none, zero, q);
}

static cg_val divide_unsigned(cg_unit *u, ir_scalar op, cg_val a, cg_val b)
{
    cg_val zero = cg_int_like(a, 0);
    cg_val none = LLVMBuildICmp(u->b, LLVMIntEQ, b, zero, "");
    cg_val safe = cg_select(u, none, cg_int_like(a, 1), b);
    if (!ir_x_op_is(op, IR_X_QUOTIENT)) return LLVMBuildURem(u->b, a, safe, "");
    return cg_select(u, none, zero, LLVMBuildUDiv(u->b, a, safe, ""));
}

static cg_val shift(cg_unit *u, ir_scalar op, ir_elem t, cg_val a, cg_val n)
{
    int bits = ir_elem_bits(t);
    cg_val fits = LLVMBuildICmp(u->b, LLVMIntULT, n, cg_int_like(n, bits), "");
    cg_val most = cg_select(u, fits, n, cg_int_like(n, bits - 1));
    if (op == IR_X_SHR && !is_unsigned(t)) return LLVMBuildAShr(u->b, a, most, "");
    cg_val r = op == IR_X_SHL ? LLVMBuildShl(u->b, a, most, "") : LLVMBuildLShr(u->b, a, most, "");
    return cg_select(u, fits, r, cg_int_like(a, 0));
}

static cg_val int_extremum(cg_unit *u, bool max, ir_elem t, cg_val a, cg_val b)
{
    LLVMIntPredicate less = is_unsigned(t) ? LLVMIntULT : LLVMIntSLT;
    cg_val a_less = LLVMBuildICmp(u->b, less, a, b, "");
    return max ? cg_select(u, a_less, b, a) : cg_select(u, a_less, a, b);
}

static cg_val int_power(cg_unit *u, ir_elem t, const cg_val *a)
{
    bool is_u = is_unsigned(t);
    cg_val wide[2];
    for (int i = 0; i < 2; i++) {
        LLVMTypeRef to = cg_as(a[i], u->i64);
        wide[i] = is_u ? LLVMBuildZExt(u->b, a[i], to, "") : LLVMBuildSExt(u->b, a[i], to, "");
    }
    cg_val r = cg_call_lanes(u, is_u ? "lathe_rt_power_u64" : "lathe_rt_power_i64", wide, 2);
    return LLVMBuildTrunc(u->b, r, LLVMTypeOf(a[0]), "");
}

static cg_val int_sign(cg_unit *u, ir_elem t, cg_val a)
{
    cg_val zero = cg_int_like(a, 0);
    cg_val positive =
        LLVMBuildZExt(u->b, LLVMBuildICmp(u->b, LLVMIntNE, a, zero, ""), LLVMTypeOf(a), "");
    if (is_unsigned(t)) return positive;
    return cg_select(u, LLVMBuildICmp(u->b, LLVMIntSLT, a, zero, ""), cg_int_like(a, -1), positive);
}

static cg_val int_abs(cg_unit *u, ir_elem t, cg_val a)
{
    if (is_unsigned(t)) return a;
    return cg_select(u, LLVMBuildICmp(u->b, LLVMIntSLT, a, cg_int_like(a, 0), ""),
                     LLVMBuildNeg(u->b, a, ""), a);
}

static cg_val on_int(cg_unit *u, ir_scalar op, ir_elem t, const cg_val *a)
{
    switch (op) {
    case IR_X_DIV:
    case IR_X_FLOORDIV:
    case IR_X_MOD:
    case IR_X_REM:
        return is_unsigned(t) ? divide_unsigned(u, op, a[0], a[1])
                              : divide_signed(u, op, a[0], a[1]);
    case IR_X_MIN:
    case IR_X_MAX:
        return int_extremum(u, op == IR_X_MAX, t, a[0], a[1]);
    case IR_X_POW:
        return int_power(u, t, a);
    case IR_X_SHL:
    case IR_X_SHR:
        return shift(u, op, t, a[0], a[1]);
    case IR_X_NEG:
        return LLVMBuildNeg(u->b, a[0], "");
    case IR_X_NOT:
        return LLVMBuildNot(u->b, a[0], "");
    case IR_X_ABS:
        return int_abs(u, t, a[0]);
    case IR_X_SIGN:
        return int_sign(u, t, a[0]);
    case IR_X_FLOOR:
    case IR_X_CEIL:
    case IR_X_ROUND:
    case IR_X_TRUNC:
        return a[0];
    case IR_X_ISNAN:
    case IR_X_ISINF:
        return cg_int(cg_as(a[0], u->i1), 0);
    default:
        break;
    }
    cg_defect(u, "operator without an integer form");
    return a[0];
}

/* ---- floats ---- */

static cg_val is_nan(cg_unit *u, cg_val a) { return LLVMBuildFCmp(u->b, LLVMRealUNO, a, a, ""); }

/* NaN wins; of zeros of different sign either may be returned. Without order a stays, as x86's
 * instruction has it, so that only a NaN in b is asked for. */
static cg_val float_extremum(cg_unit *u, bool max, cg_val a, cg_val b)
{
    cg_val b_wins = LLVMBuildFCmp(u->b, max ? LLVMRealOGT : LLVMRealOLT, b, a, "");
    return cg_select(u, is_nan(u, b), b, cg_select(u, b_wins, b, a));
}

static cg_val float_mod(cg_unit *u, const cg_val *a)
{
    cg_val r = cg_call_lanes(u, "lathe_rt_fmod", a, 2), zero = cg_real_like(r, 0);
    cg_val differ = LLVMBuildXor(u->b, LLVMBuildFCmp(u->b, LLVMRealOLT, r, zero, ""),
                                 LLVMBuildFCmp(u->b, LLVMRealOLT, a[1], zero, ""), "");
    cg_val adjust = LLVMBuildAnd(u->b, LLVMBuildFCmp(u->b, LLVMRealONE, r, zero, ""), differ, "");
    return cg_select(u, adjust, LLVMBuildFAdd(u->b, r, a[1], ""), r);
}

static cg_val float_sign(cg_unit *u, cg_val a)
{
    cg_val zero = cg_real_like(a, 0);
    cg_val r =
        cg_select(u, LLVMBuildFCmp(u->b, LLVMRealOGT, a, zero, ""), cg_real_like(a, 1), zero);
    r = cg_select(u, LLVMBuildFCmp(u->b, LLVMRealOLT, a, zero, ""), cg_real_like(a, -1), r);
    return cg_select(u, is_nan(u, a), a, r);
}

static cg_val is_inf(cg_unit *u, cg_val a)
{
    cg_val magnitude = cg_intrinsic(u, "llvm.fabs", &a, 1);
    return LLVMBuildFCmp(u->b, LLVMRealOEQ, magnitude, cg_real_like(a, __builtin_inf()), "");
}

static cg_val on_float(cg_unit *u, ir_scalar op, ir_elem t, const cg_val *a)
{
    switch (op) {
    case IR_X_MIN:
    case IR_X_MAX:
        return float_extremum(u, op == IR_X_MAX, a[0], a[1]);
    case IR_X_FLOORDIV:
        return cg_round(u, IR_X_FLOOR, LLVMBuildFDiv(u->b, a[0], a[1], ""));
    case IR_X_MOD:
        return float_mod(u, a);
    case IR_X_REM:
        return cg_call_lanes(u, "lathe_rt_fmod", a, 2);
    case IR_X_NEG:
        return LLVMBuildFNeg(u->b, a[0], "");
    case IR_X_ABS:
        return cg_intrinsic(u, "llvm.fabs", a, 1);
    case IR_X_SQRT:
        return cg_intrinsic(u, "llvm.sqrt", a, 1);
    case IR_X_SIGN:
        return float_sign(u, a[0]);
    case IR_X_ISNAN:
        return is_nan(u, a[0]);
    case IR_X_ISINF:
        return is_inf(u, a[0]);
    case IR_X_FLOOR:
    case IR_X_CEIL:
    case IR_X_ROUND:
    case IR_X_TRUNC:
        return cg_round(u, op, a[0]);
    default:
        break;
    }
    cg_val r = cg_math(u, op, t, a);
    if (r) return r;
    cg_defect(u, "operator without a float form");
    return a[0];
}

cg_val cg_scalar(cg_unit *u, const ir_expr_node *x, ir_elem from, const cg_val *a)
{
    bool is_float = ir_elem_is_float(from);
    switch (x->op) {
    case IR_X_SELECT:
        return cg_select(u, a[0], a[1], a[2]);
    case IR_X_CAST:
        return cg_cast(u, a[0], from, (ir_elem)x->imm, false);
    case IR_X_CASTSAT:
        return cg_cast(u, a[0], from, (ir_elem)x->imm, true);
    case IR_X_BITCAST: {
        cg_val raw = cg_to_storage(u, (ir_elem)(x->imm & 0xFF), a[0], false);
        ir_elem to = (ir_elem)(x->imm >> 8 & 0xFF);
        LLVMTypeRef t = cg_as(raw, cg_storage_type(u, to));
        return cg_from_storage(u, to, LLVMBuildBitCast(u->b, raw, t, ""));
    }
    case IR_X_EQ:
    case IR_X_NE:
    case IR_X_LT:
    case IR_X_LE:
        if (is_float) return LLVMBuildFCmp(u->b, compare[x->op].on_float, a[0], a[1], "");
        return LLVMBuildICmp(
            u->b, is_unsigned(from) ? compare[x->op].on_unsigned : compare[x->op].on_signed, a[0],
            a[1], "");
    default:
        break;
    }
    LLVMOpcode opcode = is_float ? binary[x->op].on_float : binary[x->op].on_int;
    if (opcode) return LLVMBuildBinOp(u->b, opcode, a[0], a[1], "");
    return is_float ? on_float(u, x->op, from, a) : on_int(u, x->op, from, a);
}

/* ---- reductions ---- */

cg_val cg_combine_values(cg_unit *u, cg_combine c, ir_elem t, cg_val acc, cg_val v)
{
    static const ir_scalar ops[] = {
        [CG_SUM] = IR_X_ADD, [CG_PROD] = IR_X_MUL, [CG_MAX] = IR_X_MAX,
        [CG_MIN] = IR_X_MIN, [CG_AND] = IR_X_AND,  [CG_OR] = IR_X_OR,
    };
    if (c == CG_SET) return v;
    ir_expr_node node = {.op = ops[c], .type = t, .nargs = 2};
    if (t == IR_BOOL) node.op = c == CG_SUM || c == CG_MAX || c == CG_OR ? IR_X_OR : IR_X_AND;
    return cg_scalar(u, &node, t, (cg_val[]){acc, v});
}

/* The value that leaves the other unchanged; for an extremum the least value of the type. */
cg_val cg_identity(cg_unit *u, cg_combine c, ir_elem t, int lanes)
{
    LLVMTypeRef type = cg_arith_type(u, t, lanes);
    bool low = c == CG_MAX;
    if (ir_elem_is_float(t)) {
        double inf = __builtin_inf();
        return cg_real(type, c == CG_PROD ? 1 : c == CG_MAX ? -inf : c == CG_MIN ? inf : 0);
    }
    if (t == IR_BOOL) return cg_int(type, c == CG_PROD || c == CG_MIN || c == CG_AND);
    if (c == CG_PROD) return cg_int(type, 1);
    if (c == CG_AND) return cg_int(type, -1);
    if (c != CG_MAX && c != CG_MIN) return cg_int(type, 0);
    if (is_unsigned(t)) return cg_int(type, low ? 0 : -1);
    int64_t least = (int64_t)(~UINT64_C(0) << (ir_elem_bits(t) - 1));
    return cg_int(type, low ? least : ~least);
}
