/* Instructions that add several products of narrow numbers to a sum.
 *
 * Each is one intrinsic of its processor, or its definition in plain arithmetic: where no
 * instruction has the signs, and where a test asks for it (cg_isa.defines), so that a tile made for
 * any processor runs on every machine. */
#include <string.h>

#include "codegen/emit/emit_dot.h"

#define DOTS (LATHE_CPU_AVX_VNNI | LATHE_CPU_AVX512_VNNI | LATHE_CPU_ARM_DOTPROD)

static bool is_defined(const cg_unit *u, uint32_t features) { return u->isa->defines & features; }

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

cg_val cg_byte_of(cg_unit *u, cg_bytes x, int k)
{
    cg_val up = cg_int_like(x.v, 24 - 8 * k), down = cg_int_like(x.v, 24);
    cg_val v = LLVMBuildShl(u->b, x.v, up, "");
    return x.is_signed ? LLVMBuildAShr(u->b, v, down, "") : LLVMBuildLShr(u->b, v, down, "");
}

/* ---- four products a lane ---- */

static cg_val define_dot(cg_unit *u, cg_val sum, cg_bytes x, cg_bytes y)
{
    for (int k = 0; k < 4; k++)
        sum = LLVMBuildAdd(u->b, sum,
                           LLVMBuildMul(u->b, cg_byte_of(u, x, k), cg_byte_of(u, y, k), ""), "");
    return sum;
}

cg_val cg_dot(cg_unit *u, cg_val sum, cg_bytes x, cg_bytes y)
{
    if (!is_defined(u, DOTS) && !is_arm(u) && x.is_signed != y.is_signed) {
        const char *name =
            cg_lanes(sum) == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
        cg_val args[] = {sum, x.is_signed ? y.v : x.v, x.is_signed ? x.v : y.v};
        return cg_intrinsic_of(u, name, NULL, 0, args, 3);
    }
    if (!is_defined(u, DOTS) && is_arm(u) && x.is_signed && y.is_signed) {
        LLVMTypeRef types[] = {LLVMTypeOf(sum), cg_wide(u->i8, 4 * cg_lanes(sum))};
        cg_val args[] = {sum, bytes(u, x.v), bytes(u, y.v)}; /* a splat must be the last one */
        return cg_intrinsic_of(u, "llvm.aarch64.neon.sdot", types, 2, args, 3);
    }
    return define_dot(u, sum, x, y);
}

/* ---- blocks ---- */

static cg_val define_blocks(cg_unit *u, cg_val sum, cg_bytes x, cg_bytes y)
{
    for (int part = 0; part < 2; part++) {
        const int of_x[] = {part, part, 2 + part, 2 + part},
                  of_y[] = {part, 2 + part, part, 2 + part};
        cg_bytes a = {cg_pick(u, x.v, x.v, of_x, 4), x.is_signed},
                 b = {cg_pick(u, y.v, y.v, of_y, 4), y.is_signed};
        sum = define_dot(u, sum, a, b);
    }
    return sum;
}

cg_val cg_dot_blocks(cg_unit *u, cg_val sum, cg_bytes x, cg_bytes y)
{
    const bool has = !x.is_signed || y.is_signed;
    if (is_defined(u, LATHE_CPU_ARM_I8MM) || !has) return define_blocks(u, sum, x, y);
    LLVMTypeRef types[] = {LLVMTypeOf(sum), cg_wide(u->i8, 16)};
    const char *name = x.is_signed   ? "llvm.aarch64.neon.smmla"
                       : y.is_signed ? "llvm.aarch64.neon.usmmla"
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
