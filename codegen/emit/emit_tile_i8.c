/* Steps of the tiles of narrow numbers: a group of k of a row of a, four codes or two of bf16, with
 * the same k of each column of a panel.
 *
 * A row's group is one i32, which all lanes get. Where the format's signs do not suit the
 * instruction, a's codes are read with the other sign, and the sums start accordingly
 * (emit_tile.c). No sum on the way saturates: products of bytes are added in pairs as i16 times i16
 * to i32, by instructions that add four of them to an i32, or in pairs that fit in i16. */
#include "codegen/emit/emit_dot.h"
#include "codegen/emit/emit_tile.h"

enum { GROUP = 4 };

/* One by one; zeros beyond the last k of a. */
static cg_val gather(cg_tile *t, cg_val a, int row, int step, cg_val left)
{
    cg_unit *u = t->u;
    const int group = t->form->group, bits = 32 / group;
    cg_val all = cg_int(u->i32, 0), none = all;
    for (int i = 0; i < group; i++) {
        cg_val k = cg_int(u->i64, i), there = cg_int(u->i1, 1);
        if (left) {
            there = LLVMBuildICmp(u->b, LLVMIntSLT, k, left, "");
            k = cg_select(u, there, k, cg_int(u->i64, 0));
        }
        k = LLVMBuildAdd(u->b, k, cg_int(u->i64, (int64_t)step * group), "");
        cg_val code = cg_tile_load(t, t->a_type, cg_tile_place_of_a(t, a, row, k), 1);
        code = cg_select(u, there, LLVMBuildZExt(u->b, code, u->i32, ""), none);
        all = LLVMBuildOr(u->b, all, LLVMBuildShl(u->b, code, cg_int(u->i32, bits * i), ""), "");
    }
    return all;
}

cg_val cg_tile_group(cg_tile *t, cg_val a, int row, int step, cg_val left)
{
    cg_val first = cg_int(t->u->i64, (int64_t)step * t->form->group);
    return !left && t->use.k_step == 1
               ? cg_tile_load(t, t->u->i32, cg_tile_place_of_a(t, a, row, first), 1)
               : gather(t, a, row, step, left);
}

/* A group of a row's codes in every lane of a vector of i32. */
static cg_words codes_of(cg_tile *t, cg_val a, int row, int step, cg_val left)
{
    bool flips = t->traits & CG_TILE_FLIPS;
    cg_val x = cg_splat(t->u, cg_tile_group(t, a, row, step, left), t->shape.lanes);
    if (flips) x = LLVMBuildXor(t->u->b, x, cg_int_like(x, (int32_t)0x80808080u), "");
    return (cg_words){x, !flips ? t->use.a : t->use.a == IR_I8 ? IR_U8 : IR_I8};
}

static cg_words load_b(cg_tile *t, cg_val b, int step, int vector)
{
    LLVMTypeRef words = cg_wide(t->u->i32, t->shape.lanes);
    return (cg_words){cg_tile_load(t, words, cg_tile_place_of_b(t, b, step, vector), 1),
                      t->form->elem};
}

void cg_multiply_dot(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_words row[CG_TILE_MOST_VECTORS];
    int vectors = t->shape.vectors;
    for (int j = 0; j < vectors; j++) row[j] = load_b(t, b, step, j);
    for (int i = 0; i < t->rows; i++) {
        cg_words x = codes_of(t, a, i, step, left);
        for (int j = 0; j < vectors; j++) {
            cg_val *s = &sum[i * vectors + j];
            *s = cg_dot(t->u, *s, row[j], x);
        }
    }
}

/* ---- products of i16 ---- */

/* Every second byte as an i16, from the first or the second one on. */
static cg_val widen(cg_unit *u, cg_val v, int second, bool is_signed)
{
    cg_val eight = cg_int_like(v, 8);
    if (!second && !is_signed) return LLVMBuildAnd(u->b, v, cg_int_like(v, 0xff), "");
    if (!second) v = LLVMBuildShl(u->b, v, eight, "");
    return is_signed ? LLVMBuildAShr(u->b, v, eight, "") : LLVMBuildLShr(u->b, v, eight, "");
}

static const char *pmaddwd_of(int lanes)
{
    return lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
           : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                        : "llvm.x86.sse2.pmadd.wd";
}

void cg_multiply_pmaddwd(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_unit *u = t->u;
    int vectors = t->shape.vectors, lanes = t->shape.lanes;
    const char *name = pmaddwd_of(lanes);
    LLVMTypeRef halves = cg_wide(u->i16, 2 * lanes);
    cg_val row[CG_TILE_MOST_VECTORS][2];
    for (int j = 0; j < vectors; j++) {
        cg_val v = LLVMBuildBitCast(u->b, load_b(t, b, step, j).v, halves, "");
        for (int h = 0; h < 2; h++) row[j][h] = widen(u, v, h, t->form->elem == IR_I8);
    }
    for (int i = 0; i < t->rows; i++) {
        cg_val x = LLVMBuildBitCast(u->b, codes_of(t, a, i, step, left).v, halves, "");
        for (int h = 0; h < 2; h++) {
            cg_val y = widen(u, x, h, t->use.a == IR_I8);
            for (int j = 0; j < vectors; j++) {
                cg_val pairs = cg_intrinsic_of(u, name, NULL, 0, (cg_val[]){row[j][h], y}, 2);
                sum[i * vectors + j] = LLVMBuildAdd(u->b, sum[i * vectors + j], pairs, "");
            }
        }
    }
}

/* The same of one vector. */
static cg_val dot_wide(cg_unit *u, cg_val sum, cg_words x, cg_words y)
{
    const int lanes = cg_lanes(sum);
    LLVMTypeRef halves = cg_wide(u->i16, 2 * lanes);
    for (int h = 0; h < 2; h++) {
        cg_val args[] = {widen(u, LLVMBuildBitCast(u->b, x.v, halves, ""), h, x.elem == IR_I8),
                         widen(u, LLVMBuildBitCast(u->b, y.v, halves, ""), h, y.elem == IR_I8)};
        sum = LLVMBuildAdd(u->b, sum, cg_intrinsic_of(u, pmaddwd_of(lanes), NULL, 0, args, 2), "");
    }
    return sum;
}

/* ---- products of bytes in pairs, which the panel keeps from saturating ---- */

/* Two products of each lane, added as i16 that saturates. */
static cg_val pair_of(cg_unit *u, cg_words x, cg_words y, int k)
{
    cg_val sum = cg_int_like(x.v, 0);
    for (int i = k; i < k + 2; i++)
        sum = LLVMBuildAdd(u->b, sum,
                           LLVMBuildMul(u->b, cg_byte_of(u, x, i), cg_byte_of(u, y, i), ""), "");
    sum = cg_intrinsic(u, "llvm.smin", (cg_val[]){sum, cg_int_like(sum, INT16_MAX)}, 2);
    return cg_intrinsic(u, "llvm.smax", (cg_val[]){sum, cg_int_like(sum, INT16_MIN)}, 2);
}

/* The sum of both pairs: x without a sign, y with one. */
static cg_val pairs_of(cg_unit *u, cg_words x, cg_words y, int lanes)
{
    if (u->isa->defines & LATHE_CPU_AVX2)
        return LLVMBuildAdd(u->b, pair_of(u, x, y, 0), pair_of(u, x, y, 2), "");
    bool wide = lanes == 16;
    LLVMTypeRef bytes = cg_wide(u->i8, 4 * lanes);
    cg_val args[] = {LLVMBuildBitCast(u->b, x.v, bytes, ""),
                     LLVMBuildBitCast(u->b, y.v, bytes, "")};
    args[0] = cg_intrinsic_of(
        u, wide ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw", NULL, 0, args, 2);
    args[1] = cg_int(cg_wide(u->i16, 2 * lanes), 1);
    return cg_intrinsic_of(u, wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd",
                           NULL, 0, args, 2);
}

cg_val cg_add_bytes(cg_unit *u, cg_val sum, cg_val words)
{
    const uint32_t has = u->isa->cpu_bits | u->isa->defines;
    const cg_words x = {words, IR_I8}, ones = {cg_int_like(words, 0x01010101), IR_U8};
    if (has & (LATHE_CPU_AVX_VNNI | LATHE_CPU_AVX512_VNNI)) return cg_dot(u, sum, x, ones);
    if (has & LATHE_CPU_AVX2)
        return LLVMBuildAdd(u->b, sum, pairs_of(u, ones, x, cg_lanes(words)), "");
    for (int k = 0; k < GROUP; k++) sum = LLVMBuildAdd(u->b, sum, cg_byte_of(u, x, k), "");
    return sum;
}

void cg_multiply_pmaddubsw(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_unit *u = t->u;
    int vectors = t->shape.vectors;
    cg_words row[CG_TILE_MOST_VECTORS];
    for (int j = 0; j < vectors; j++) row[j] = load_b(t, b, step, j);
    for (int i = 0; i < t->rows; i++) {
        cg_words x = codes_of(t, a, i, step, left);
        for (int j = 0; j < vectors; j++) {
            cg_val *s = &sum[i * vectors + j];
            *s = LLVMBuildAdd(u->b, *s, pairs_of(u, x, row[j], t->shape.lanes), "");
        }
    }
}

/* ---- products of i32, for signs that no instruction has ---- */

void cg_multiply_widen(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_unit *u = t->u;
    int vectors = t->shape.vectors;
    for (int k = 0; k < GROUP; k++) {
        cg_val row[CG_TILE_MOST_VECTORS];
        for (int j = 0; j < vectors; j++) row[j] = cg_byte_of(u, load_b(t, b, step, j), k);
        for (int i = 0; i < t->rows; i++) {
            cg_val x = cg_byte_of(u, codes_of(t, a, i, step, left), k);
            for (int j = 0; j < vectors; j++) {
                cg_val *s = &sum[i * vectors + j];
                *s = LLVMBuildAdd(u->b, *s, LLVMBuildMul(u->b, x, row[j], ""), "");
            }
        }
    }
}

/* ---- aarch64: a pair of -128 * -128 fits i16 times i16 ---- */

void cg_multiply_smull(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_unit *u = t->u;
    cg_val row[CG_TILE_MOST_VECTORS];
    int vectors = t->shape.vectors;
    for (int j = 0; j < vectors; j++) row[j] = load_b(t, b, step, j).v;
    for (int i = 0; i < t->rows; i++) {
        cg_val x = codes_of(t, a, i, step, left).v;
        for (int j = 0; j < vectors; j++) {
            cg_val four =
                cg_add_pairs(u, cg_dot_pairs(u, x, row[j], 0), cg_dot_pairs(u, x, row[j], 1));
            sum[i * vectors + j] = LLVMBuildAdd(u->b, sum[i * vectors + j], four, "");
        }
    }
}

cg_val cg_dot_codes(cg_unit *u, cg_val sum, cg_words codes, cg_words a, bool small)
{
    const uint32_t has = u->isa->cpu_bits | u->isa->defines,
                   dots = LATHE_CPU_AVX_VNNI | LATHE_CPU_AVX512_VNNI | LATHE_CPU_ARM_DOTPROD;
    if (has & dots) return cg_dot(u, sum, codes, a);
    if (codes.elem == IR_I8) {
        cg_val first = cg_dot_pairs(u, codes.v, a.v, 0), second = cg_dot_pairs(u, codes.v, a.v, 1);
        return LLVMBuildAdd(u->b, sum, cg_add_pairs(u, first, second), "");
    }
    if (small && has & LATHE_CPU_AVX2)
        return LLVMBuildAdd(u->b, sum, pairs_of(u, codes, a, cg_lanes(sum)), "");
    return dot_wide(u, sum, codes, a);
}
