/* Conversions between memory and values, and the casts that follow from them.
 *
 * Low-precision floats are coded and decoded by integer arithmetic from one table of formats, for
 * any number of lanes; f16 uses the target's instruction where there is one (LLVM would call a
 * library otherwise). Coding rounds to nearest even. No step can trap or depend on the rounding of
 * denormals: tiny magnitudes are scaled before they are rounded. */
#include <math.h>

#include "codegen/emit/emit.h"

/* value = (-1)^sign * 2^(exponent - bias) * 1.mantissa; codes are without the sign. */
typedef struct format {
    int bits, mantissa, bias;
    uint32_t max, over, nan; /* largest finite code; code of what is beyond it, and of NaN */
    bool inf;                /* `over` is an infinity; codes above it are NaN */
    bool unsigned_zero;      /* the code of -0 is NaN */
    bool clamp;              /* there is nothing beyond max: always saturates */
} format;

static const format formats[IR_ELEM_COUNT] = {
    [IR_F16] = {16, 10, 15, 0x7BFF, 0x7C00, 0x7E00, true, false, false},
    [IR_BF16] = {16, 7, 127, 0x7F7F, 0x7F80, 0x7FC0, true, false, false},
    [IR_F8E4M3FN] = {8, 3, 7, 0x7E, 0x7F, 0x7F, false, false, false},
    [IR_F8E4M3FNUZ] = {8, 3, 8, 0x7F, 0x80, 0x80, false, true, false},
    [IR_F8E5M2] = {8, 2, 15, 0x7B, 0x7C, 0x7E, true, false, false},
    [IR_F8E5M2FNUZ] = {8, 2, 16, 0x7F, 0x80, 0x80, false, true, false},
    [IR_F4E2M1] = {4, 1, 1, 0x7, 0x7, 0x8, false, false, true},
};

static cg_val eq(cg_unit *u, cg_val a, int64_t c)
{
    return LLVMBuildICmp(u->b, LLVMIntEQ, a, cg_int_like(a, c), "");
}
static cg_val above(cg_unit *u, cg_val a, int64_t c)
{
    return LLVMBuildICmp(u->b, LLVMIntUGT, a, cg_int_like(a, c), "");
}
static cg_val and_bits(cg_unit *u, cg_val a, int64_t c)
{
    return LLVMBuildAnd(u->b, a, cg_int_like(a, c), "");
}
static cg_val plus(cg_unit *u, cg_val a, int64_t c)
{
    return LLVMBuildAdd(u->b, a, cg_int_like(a, c), "");
}
static cg_val left(cg_unit *u, cg_val a, int n)
{
    return LLVMBuildShl(u->b, a, cg_int_like(a, n), "");
}
static cg_val right(cg_unit *u, cg_val a, int n)
{
    return LLVMBuildLShr(u->b, a, cg_int_like(a, n), "");
}
static cg_val sign_of(cg_unit *u, cg_val bits, int width)
{
    return left(u, right(u, bits, width - 1), 31);
}

/* Code (i32 lanes, sign included) to f32. */
static cg_val decode(cg_unit *u, const format *f, cg_val code)
{
    int shift = 23 - f->mantissa;
    if (f->bias == 127) return cg_bits(u, left(u, code, 16), u->f32);
    int64_t sign_bit = INT64_C(1) << (f->bits - 1);
    cg_val a = and_bits(u, code, sign_bit - 1);
    cg_val bits = plus(u, left(u, a, shift), (int64_t)(127 - f->bias) << 23);
    cg_val small = LLVMBuildUIToFP(u->b, a, cg_as(a, u->f32), "");
    small =
        LLVMBuildFMul(u->b, small, cg_real_like(small, ldexp(1, 1 - f->bias - f->mantissa)), "");
    cg_val is_small = LLVMBuildICmp(u->b, LLVMIntULT, a, cg_int_like(a, 1 << f->mantissa), "");
    bits = cg_select(u, is_small, cg_bits(u, small, u->i32), bits);
    bits = LLVMBuildOr(u->b, bits, sign_of(u, and_bits(u, code, sign_bit), f->bits), "");
    if (f->inf) {
        cg_val special = LLVMBuildOr(u->b, sign_of(u, and_bits(u, code, sign_bit), f->bits),
                                     cg_int_like(a, 0x7F800000), "");
        special =
            LLVMBuildOr(u->b, special, left(u, and_bits(u, a, (1 << f->mantissa) - 1), shift), "");
        bits = cg_select(u, above(u, a, f->max), special, bits);
    } else if (!f->clamp) {
        bits = cg_select(u, eq(u, f->unsigned_zero ? code : a, f->nan), cg_int_like(a, 0x7FC00000),
                         bits);
    }
    return cg_bits(u, bits, u->f32);
}

/* f32 to code (i32 lanes). Normal results: add half a unit to the bits, which carries into the
 * exponent as it must. Smaller ones: adding 2^k leaves the code in the low bits of the sum. */
static cg_val encode(cg_unit *u, const format *f, cg_val v, bool saturate)
{
    int shift = 23 - f->mantissa;
    cg_val bits = cg_bits(u, v, u->i32), sign = right(u, bits, 31);
    cg_val a = and_bits(u, bits, 0x7FFFFFFF);
    cg_val half = plus(u, and_bits(u, right(u, a, shift), 1), (1 << (shift - 1)) - 1);
    cg_val code = right(u, LLVMBuildAdd(u->b, a, half, ""), shift);
    code = plus(u, code, -((int64_t)(127 - f->bias) << f->mantissa));
    if (f->bias != 127) {
        float magic = ldexpf(1, 24 - f->bias - f->mantissa);
        union {
            float f;
            int32_t i;
        } magic_bits = {magic};
        cg_val sum = cg_bits(u, a, u->f32);
        sum = cg_bits(u, LLVMBuildFAdd(u->b, sum, cg_real_like(sum, magic), ""), u->i32);
        cg_val is_small =
            LLVMBuildICmp(u->b, LLVMIntULT, a, cg_int_like(a, (int64_t)(128 - f->bias) << 23), "");
        code = cg_select(u, is_small, plus(u, sum, -(int64_t)magic_bits.i), code);
    }
    /* Signed: an exponent below the format's range was replaced above, so only large ones remain.
     */
    cg_val over = LLVMBuildOr(u->b, above(u, code, f->max), above(u, a, 0x7F7FFFFF), "");
    code = cg_select(u, over, cg_int_like(a, saturate || f->clamp ? f->max : f->over), code);
    cg_val is_nan = above(u, a, 0x7F800000);
    if (!f->unsigned_zero) {
        code = LLVMBuildOr(u->b, code, left(u, sign, f->bits - 1), "");
        cg_val nan =
            f->clamp ? cg_int_like(a, f->nan)
                     : LLVMBuildOr(u->b, left(u, sign, f->bits - 1), cg_int_like(a, f->nan), "");
        return cg_select(u, is_nan, nan, code);
    }
    cg_val no_sign = LLVMBuildOr(u->b, eq(u, code, 0), eq(u, code, f->nan), "");
    code = cg_select(u, no_sign, code, LLVMBuildOr(u->b, code, left(u, sign, f->bits - 1), ""));
    return cg_select(u, is_nan, cg_int_like(a, f->nan), code);
}

/* Powers of two: 255 is NaN, 0 is 2^-127, a denormal of f32. */
static cg_val decode_e8m0(cg_unit *u, cg_val code)
{
    cg_val bits = cg_select(u, eq(u, code, 0), cg_int_like(code, 0x400000), left(u, code, 23));
    return cg_bits(u, cg_select(u, eq(u, code, 255), cg_int_like(code, 0x7FC00000), bits), u->f32);
}

/* Rounds up to the next power of two; negative numbers have no code. */
static cg_val encode_e8m0(cg_unit *u, cg_val v, bool saturate)
{
    cg_val bits = cg_bits(u, v, u->i32), a = and_bits(u, bits, 0x7FFFFFFF);
    cg_val code = right(u, plus(u, a, 0x7FFFFF), 23);
    code = cg_select(u, above(u, a, 0x400000), code, cg_int_like(a, 0));
    code = cg_select(u, above(u, code, 254), cg_int_like(a, saturate ? 254 : 255), code);
    cg_val none = LLVMBuildOr(u->b, above(u, a, 0x7F800000), above(u, bits, 0x80000000), "");
    return cg_select(u, none, cg_int_like(a, 255), code);
}

LLVMTypeRef cg_storage_type(cg_unit *u, ir_elem elem)
{
    if (elem == IR_F32) return u->f32;
    if (elem == IR_F64) return u->f64;
    int bits = ir_elem_bits(elem);
    return LLVMIntTypeInContext(u->ctx, (unsigned)(bits < 8 ? 8 : bits));
}

static cg_val zext(cg_unit *u, cg_val v, LLVMTypeRef to)
{
    return LLVMBuildZExtOrBitCast(u->b, v, cg_as(v, to), "");
}
static cg_val trunc_to(cg_unit *u, cg_val v, LLVMTypeRef to)
{
    return LLVMBuildTruncOrBitCast(u->b, v, cg_as(v, to), "");
}

/* The low `bits` of a byte as a number. */
static cg_val narrow_int(cg_unit *u, ir_elem elem, cg_val byte)
{
    int spare = 8 - ir_elem_bits(elem);
    cg_val high = left(u, byte, spare), n = cg_int_like(byte, spare);
    return ir_elem_class(elem) == 'S' ? LLVMBuildAShr(u->b, high, n, "")
                                      : LLVMBuildLShr(u->b, high, n, "");
}

cg_val cg_from_storage(cg_unit *u, ir_elem elem, cg_val raw)
{
    if (elem == IR_BOOL) return LLVMBuildICmp(u->b, LLVMIntNE, raw, cg_int_like(raw, 0), "");
    if (ir_elem_is_int(elem) && ir_elem_bits(elem) < 8) return narrow_int(u, elem, raw);
    if (ir_elem_class(elem) != 'L') return raw;
    if (elem == IR_F16 && u->isa->has_f16)
        return LLVMBuildFPExt(u->b, cg_bits(u, raw, u->f16), cg_as(raw, u->f32), "");
    cg_val code = zext(u, raw, u->i32);
    if (elem == IR_F8E8M0) return decode_e8m0(u, code);
    return decode(u, &formats[elem], elem == IR_F4E2M1 ? and_bits(u, code, 15) : code);
}

cg_val cg_to_storage(cg_unit *u, ir_elem elem, cg_val v, bool saturate)
{
    LLVMTypeRef t = cg_storage_type(u, elem);
    if (elem == IR_BOOL) return zext(u, v, t);
    if (ir_elem_is_int(elem) && ir_elem_bits(elem) < 8)
        return and_bits(u, v, (1 << ir_elem_bits(elem)) - 1);
    if (ir_elem_class(elem) != 'L') return v;
    if (elem == IR_F16 && u->isa->has_f16)
        return cg_bits(u, LLVMBuildFPTrunc(u->b, v, cg_as(v, u->f16), ""), u->i16);
    cg_val code =
        elem == IR_F8E8M0 ? encode_e8m0(u, v, saturate) : encode(u, &formats[elem], v, saturate);
    return trunc_to(u, code, t);
}

/* ---- casts ---- */

/* i32 lanes within a type's range as that type; a truncation that could not saturate is dearer. One
 * step halves the width, as NEON's instructions do; x86 has the same packs for both. */
static cg_val pack(cg_unit *u, cg_val v, bool is_signed, int bits)
{
    for (int width = 16; width >= bits; width /= 2) {
        int64_t low = is_signed || width > bits ? -(INT64_C(1) << (width - 1)) : 0,
                high = low + (INT64_C(1) << width) - 1;
        cg_val range[2][2] = {{v, cg_int_like(v, low)}, {v, cg_int_like(v, high)}};
        range[1][0] = cg_intrinsic(u, "llvm.smax", range[0], 2);
        v = cg_intrinsic(u, "llvm.smin", range[1], 2);
        v = LLVMBuildTrunc(u->b, v, cg_as(v, LLVMIntTypeInContext(u->ctx, (unsigned)width)), "");
    }
    return v;
}

/* To at most 32 bits by the vector instruction, which has no range: NaN becomes 0, what is outside
 * an end of the range. An end that is no f32 is stepped over by a selection. */
static cg_val convert_within(cg_unit *u, cg_val v, ir_elem to, bool is_f32)
{
    int bits = ir_elem_bits(to), byte = bits < 8 ? 8 : bits;
    bool is_signed = ir_elem_class(to) == 'S';
    double low = is_signed ? -ldexp(1, bits - 1) : 0, beyond = low + ldexp(1, bits),
           high = is_f32 && bits == 32 ? (double)nextafterf((float)beyond, 0) : beyond - 1;
    cg_val over = LLVMBuildFCmp(u->b, LLVMRealOGE, v, cg_real_like(v, beyond), ""), x = v;
    if (is_signed)
        x = cg_select(u, LLVMBuildFCmp(u->b, LLVMRealORD, v, v, ""), v, cg_real_like(v, 0));
    cg_val above = LLVMBuildFCmp(u->b, LLVMRealOGT, x, cg_real_like(v, low), "");
    x = cg_select(u, above, x, cg_real_like(v, low));
    cg_val below = LLVMBuildFCmp(u->b, LLVMRealOLT, x, cg_real_like(v, high), "");
    x = cg_select(u, below, x, cg_real_like(v, high));
    LLVMTypeRef t = cg_as(v, u->i32);
    if (bits < 32) return pack(u, LLVMBuildFPToSI(u->b, x, t, ""), is_signed, byte);
    x = is_signed ? LLVMBuildFPToSI(u->b, x, t, "") : LLVMBuildFPToUI(u->b, x, t, "");
    return is_f32 ? cg_select(u, over, cg_int_like(x, is_signed ? INT32_MAX : -1), x) : x;
}

static cg_val float_to_int(cg_unit *u, cg_val v, ir_elem from, ir_elem to)
{
    int bits = ir_elem_bits(to);
    bool is_signed = ir_elem_class(to) == 'S';
    if (bits <= 32 && cg_lanes(v) > 1 && !u->isa->has_saturation)
        return convert_within(u, v, to, from != IR_F64);
    LLVMTypeRef t[2] = {cg_as(v, LLVMIntTypeInContext(u->ctx, (unsigned)bits)), LLVMTypeOf(v)};
    cg_val r = cg_intrinsic_of(u, is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat", t, 2, &v, 1);
    if (bits >= 8) return r;
    LLVMTypeRef byte = cg_as(v, u->i8);
    return is_signed ? LLVMBuildSExt(u->b, r, byte, "") : LLVMBuildZExt(u->b, r, byte, "");
}

static cg_val int_to_int(cg_unit *u, cg_val v, ir_elem from, ir_elem to)
{
    int have = ir_elem_bits(from), want = ir_elem_bits(to) < 8 ? 8 : ir_elem_bits(to);
    LLVMTypeRef t = cg_arith_type(u, ir_elem_arith(to), cg_lanes(v));
    if (want < have) v = LLVMBuildTrunc(u->b, v, t, "");
    else if (want > have || from == IR_BOOL)
        v = ir_elem_class(from) == 'S' ? LLVMBuildSExt(u->b, v, t, "")
                                       : LLVMBuildZExt(u->b, v, t, "");
    return ir_elem_bits(to) < 8 ? narrow_int(u, to, v) : v;
}

/* Rounds to odd: what is cut off stays visible in the last bit, so that rounding the f32 again to
 * fewer bits gives what rounding the f64 at once would. */
static cg_val to_f32_odd(cg_unit *u, cg_val v)
{
    cg_val r = LLVMBuildFPTrunc(u->b, v, cg_as(v, u->f32), "");
    cg_val back = LLVMBuildFPExt(u->b, r, LLVMTypeOf(v), ""), bits = cg_bits(u, r, u->i32);
    cg_val size = cg_intrinsic(u, "llvm.fabs", &v, 1),
           back_size = cg_intrinsic(u, "llvm.fabs", &back, 1);
    cg_val larger = LLVMBuildFCmp(u->b, LLVMRealOGT, back_size, size, "");
    cg_val cut = LLVMBuildSub(u->b, bits, LLVMBuildZExt(u->b, larger, LLVMTypeOf(bits), ""), "");
    cg_val inexact = LLVMBuildFCmp(u->b, LLVMRealONE, back, v, "");
    cut = cg_select(u, inexact, LLVMBuildOr(u->b, cut, cg_int_like(cut, 1), ""), bits);
    return cg_bits(u, cut, u->f32);
}

static cg_val to_float(cg_unit *u, cg_val v, ir_elem from, ir_elem to)
{
    LLVMTypeRef t = cg_arith_type(u, ir_elem_arith(to), cg_lanes(v));
    if (!ir_elem_is_float(from)) {
        bool is_signed = ir_elem_class(from) == 'S';
        return is_signed ? LLVMBuildSIToFP(u->b, v, t, "") : LLVMBuildUIToFP(u->b, v, t, "");
    }
    if (from == IR_F64 && to == IR_F32) return LLVMBuildFPTrunc(u->b, v, t, "");
    if (from == IR_F64 && to != IR_F64) return to_f32_odd(u, v);
    return to == IR_F64 && from != IR_F64 ? LLVMBuildFPExt(u->b, v, t, "") : v;
}

cg_val cg_cast(cg_unit *u, cg_val v, ir_elem from, ir_elem to, bool saturate)
{
    bool from_float = ir_elem_is_float(from);
    if (to == IR_BOOL && from_float)
        return LLVMBuildFCmp(u->b, LLVMRealUNE, v, cg_real_like(v, 0), "");
    if (to == IR_BOOL) return LLVMBuildICmp(u->b, LLVMIntNE, v, cg_int_like(v, 0), "");
    if (!ir_elem_is_float(to))
        return from_float ? float_to_int(u, v, from, to) : int_to_int(u, v, from, to);
    v = to_float(u, v, from, to);
    return ir_elem_class(to) == 'L' ? cg_from_storage(u, to, cg_to_storage(u, to, v, saturate)) : v;
}
