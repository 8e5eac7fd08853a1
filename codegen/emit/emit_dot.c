/* Instructions that add several products of narrow numbers to a sum.
 *
 * Each is one intrinsic of its processor, or its definition in plain arithmetic: where no
 * instruction has the signs, and where a test asks for it (cg_isa.defines), so that a tile made for
 * any processor runs on every machine. */
#include <float.h>
#include <string.h>

#include "codegen/emit/emit_dot.h"

#define DOTS (LATHE_CPU_AVX_VNNI | LATHE_CPU_AVX512_VNNI | LATHE_CPU_ARM_DOTPROD)

static bool is_defined(const cg_unit *u, uint32_t features) { return u->isa->defines & features; }

static bool is_signed(cg_words x) { return x.elem == IR_I8; }

static bool is_arm(const cg_unit *u)
{
    return strncmp(u->isa->triple, "aarch64", strlen("aarch64")) == 0;
}

cg_val cg_pick(cg_unit *u, cg_val x, cg_val y, const int *lanes, int n)
{
    enum { MOST = 64 };
    cg_val pick[MOST];
    for (int i = 0; i < n; i++) pick[i] = cg_int(u->i32, lanes[i]);
    return LLVMBuildShuffleVector(u->b, x, y, LLVMConstVector(pick, (unsigned)n), "");
}

static cg_val bytes(cg_unit *u, cg_val v)
{
    return LLVMBuildBitCast(u->b, v, cg_wide(u->i8, 4 * cg_lanes(v)), "");
}

cg_val cg_byte_of(cg_unit *u, cg_words x, int k)
{
    cg_val up = cg_int_like(x.v, 24 - 8 * k), down = cg_int_like(x.v, 24);
    cg_val v = LLVMBuildShl(u->b, x.v, up, "");
    return is_signed(x) ? LLVMBuildAShr(u->b, v, down, "") : LLVMBuildLShr(u->b, v, down, "");
}

/* ---- two products of bf16 a lane ---- */

/* Factors and sums that are denormal are zero. */
static cg_val flush(cg_unit *u, cg_val v)
{
    cg_val size = cg_intrinsic(u, "llvm.fabs", &v, 1);
    cg_val small = LLVMBuildFCmp(u->b, LLVMRealOLT, size, cg_real_like(v, FLT_MIN), "");
    cg_val zero =
        LLVMBuildAnd(u->b, cg_bits(u, v, u->i32), cg_int(cg_as(v, u->i32), INT32_MIN), "");
    return cg_select(u, small, cg_bits(u, zero, u->f32), v);
}

/* The first or the second one of each lane. */
static cg_val half_as_float(cg_unit *u, cg_val v, int second)
{
    v = second ? LLVMBuildAnd(u->b, v, cg_int_like(v, (int32_t)0xffff0000u), "")
               : LLVMBuildShl(u->b, v, cg_int_like(v, 16), "");
    return flush(u, cg_bits(u, v, u->f32));
}

/* Products of bf16 are exact but for those that are nearly denormal. */
static cg_val add_product(cg_unit *u, cg_val sum, cg_words x, cg_words y, int second)
{
    cg_val a = half_as_float(u, x.v, second), b = half_as_float(u, y.v, second);
    return flush(u, cg_fma(u, a, b, sum));
}

cg_val cg_add_flushed(cg_unit *u, cg_val a, cg_val b)
{
    return flush(u, LLVMBuildFAdd(u->b, a, b, ""));
}

void cg_dot_apart(cg_unit *u, cg_val apart[2], cg_words x, cg_words y)
{
    for (int i = 0; i < 2; i++) apart[i] = add_product(u, apart[i], x, y, i);
}

static cg_val halves(cg_unit *u, cg_val v)
{
    LLVMTypeRef type = cg_wide(LLVMBFloatTypeInContext(u->ctx), 2 * cg_lanes(v));
    return LLVMBuildBitCast(u->b, v, type, "");
}

static cg_val dot_bf16(cg_unit *u, cg_val sum, cg_words x, cg_words y)
{
    if (is_defined(u, LATHE_CPU_AVX512_BF16) || is_arm(u))
        return add_product(u, add_product(u, flush(u, sum), x, y, 1), x, y, 0);
    cg_val args[] = {sum, halves(u, x.v), halves(u, y.v)};
    return cg_intrinsic_of(u, "llvm.x86.avx512bf16.dpbf16ps.512", NULL, 0, args, 3);
}

/* ---- four products a lane ---- */

static cg_val define_dot(cg_unit *u, cg_val sum, cg_words x, cg_words y)
{
    for (int k = 0; k < 4; k++)
        sum = LLVMBuildAdd(u->b, sum,
                           LLVMBuildMul(u->b, cg_byte_of(u, x, k), cg_byte_of(u, y, k), ""), "");
    return sum;
}

cg_val cg_dot(cg_unit *u, cg_val sum, cg_words x, cg_words y)
{
    if (x.elem == IR_BF16) return dot_bf16(u, sum, x, y);
    if (!is_defined(u, DOTS) && !is_arm(u) && x.elem != y.elem) {
        const char *name =
            cg_lanes(sum) == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
        cg_val args[] = {sum, is_signed(x) ? y.v : x.v, is_signed(x) ? x.v : y.v};
        return cg_intrinsic_of(u, name, NULL, 0, args, 3);
    }
    if (!is_defined(u, DOTS) && is_arm(u) && x.elem == IR_I8 && y.elem == IR_I8) {
        LLVMTypeRef types[] = {LLVMTypeOf(sum), cg_wide(u->i8, 4 * cg_lanes(sum))};
        cg_val args[] = {sum, bytes(u, x.v), bytes(u, y.v)}; /* a splat must be the last one */
        return cg_intrinsic_of(u, "llvm.aarch64.neon.sdot", types, 2, args, 3);
    }
    return define_dot(u, sum, x, y);
}

/* ---- blocks ---- */

static cg_val define(cg_unit *u, cg_val sum, cg_words x, cg_words y)
{
    return x.elem == IR_BF16 ? dot_bf16(u, sum, x, y) : define_dot(u, sum, x, y);
}

static cg_val define_blocks(cg_unit *u, cg_val sum, cg_words x, cg_words y)
{
    for (int part = 0; part < 2; part++) {
        const int of_x[] = {part, part, 2 + part, 2 + part},
                  of_y[] = {part, 2 + part, part, 2 + part};
        cg_words a = {cg_pick(u, x.v, x.v, of_x, 4), x.elem},
                 b = {cg_pick(u, y.v, y.v, of_y, 4), y.elem};
        sum = define(u, sum, a, b);
    }
    return sum;
}

cg_val cg_dot_blocks(cg_unit *u, cg_val sum, cg_words x, cg_words y)
{
    const bool has = !is_signed(x) || is_signed(y);
    if (x.elem == IR_BF16 && !is_defined(u, LATHE_CPU_ARM_BF16)) {
        cg_val args[] = {sum, halves(u, x.v), halves(u, y.v)};
        return cg_intrinsic_of(u, "llvm.aarch64.neon.bfmmla", NULL, 0, args, 3);
    }
    if (x.elem == IR_BF16 || is_defined(u, LATHE_CPU_ARM_I8MM) || !has)
        return define_blocks(u, sum, x, y);
    LLVMTypeRef types[] = {LLVMTypeOf(sum), cg_wide(u->i8, 16)};
    const char *name = is_signed(x)   ? "llvm.aarch64.neon.smmla"
                       : is_signed(y) ? "llvm.aarch64.neon.usmmla"
                                      : "llvm.aarch64.neon.ummla";
    return cg_intrinsic_of(u, name, types, 2, (cg_val[]){sum, bytes(u, x.v), bytes(u, y.v)}, 3);
}

/* ---- pairs ---- */

static cg_val half_of(cg_unit *u, cg_val v, int half)
{
    int lanes[8];
    for (int i = 0; i < 8; i++) lanes[i] = 8 * half + i;
    return cg_pick(u, v, v, lanes, 8);
}

cg_val cg_add_pairs(cg_unit *u, cg_val x, cg_val y)
{
    static const int even[] = {0, 2, 4, 6}, odd[] = {1, 3, 5, 7};
    LLVMTypeRef type = LLVMTypeOf(x);
    if (!is_defined(u, CG_TILE_ARM))
        return cg_intrinsic_of(u, "llvm.aarch64.neon.addp", &type, 1, (cg_val[]){x, y}, 2);
    return LLVMBuildAdd(u->b, cg_pick(u, x, y, even, 4), cg_pick(u, x, y, odd, 4), "");
}

cg_val cg_dot_pairs(cg_unit *u, cg_val x, cg_val y, int half)
{
    LLVMTypeRef words = cg_wide(u->i16, 8), sums = cg_wide(u->i32, 4), types[] = {sums, words};
    cg_val args[] = {half_of(u, bytes(u, x), half), half_of(u, bytes(u, y), half)};
    if (!is_defined(u, CG_TILE_ARM)) {
        cg_val products = cg_intrinsic_of(u, "llvm.aarch64.neon.smull", &words, 1, args, 2);
        return cg_intrinsic_of(u, "llvm.aarch64.neon.saddlp", types, 2, &products, 1);
    }
    static const int even[] = {0, 2, 4, 6}, odd[] = {1, 3, 5, 7};
    for (int i = 0; i < 2; i++) args[i] = LLVMBuildSExt(u->b, args[i], words, "");
    cg_val products = LLVMBuildMul(u->b, args[0], args[1], "");
    cg_val first = cg_pick(u, products, products, even, 4),
           second = cg_pick(u, products, products, odd, 4);
    return LLVMBuildAdd(u->b, LLVMBuildSExt(u->b, first, sums, ""),
                        LLVMBuildSExt(u->b, second, sums, ""), "");
}
