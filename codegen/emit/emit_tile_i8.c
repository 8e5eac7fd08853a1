/* Steps of the tiles of codes: four k of a row of a with four k of each column of a panel.
 *
 * A row's four codes are one i32, which all lanes get. Where the format's signs do not suit the
 * instruction, a's codes are read with the other sign, and the sums start accordingly
 * (emit_tile.c). No sum on the way saturates: products of bytes are added in pairs as i16 times i16
 * to i32, or by instructions that add four of them to an i32. */
#include "codegen/emit/emit_tile.h"

enum { GROUP = 4 };

/* One by one; beyond the last k of a the last one again, which b's zeros meet. */
static cg_val gather(cg_tile *t, cg_val a, int row, int step, cg_val left)
{
    cg_unit *u = t->u;
    cg_val all = cg_int(u->i32, 0);
    for (int i = 0; i < GROUP; i++) {
        cg_val k = cg_int(u->i64, i);
        if (left) {
            cg_val last = LLVMBuildSub(u->b, left, cg_int(u->i64, 1), "");
            k = cg_intrinsic(u, "llvm.smin", (cg_val[]){k, last}, 2);
        }
        k = LLVMBuildAdd(u->b, k, cg_int(u->i64, (int64_t)step * GROUP), "");
        cg_val code = cg_tile_load(t, u->i8, cg_tile_place_of_a(t, a, row, k), 1);
        code = LLVMBuildShl(u->b, LLVMBuildZExt(u->b, code, u->i32, ""), cg_int(u->i32, 8 * i), "");
        all = LLVMBuildOr(u->b, all, code, "");
    }
    return all;
}

/* A group of a row's codes in every lane of a vector of i32. */
static cg_val codes_of(cg_tile *t, cg_val a, int row, int step, cg_val left)
{
    cg_unit *u = t->u;
    cg_val first = cg_int(u->i64, (int64_t)step * GROUP);
    cg_val x = !left && t->use.k_step == 1
                   ? cg_tile_load(t, u->i32, cg_tile_place_of_a(t, a, row, first), 1)
                   : gather(t, a, row, step, left);
    x = cg_splat(u, x, t->shape.lanes);
    return t->flips ? LLVMBuildXor(u->b, x, cg_int_like(x, (int32_t)0x80808080u), "") : x;
}

static cg_val load_b(cg_tile *t, cg_val b, int step, int vector)
{
    return cg_tile_load(t, t->vector, cg_tile_place_of_b(t, b, step, vector), 1);
}

void cg_multiply_vpdpbusd(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    const char *name =
        t->shape.lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
    cg_val row[CG_TILE_MOST_VECTORS];
    int vectors = t->shape.vectors;
    for (int j = 0; j < vectors; j++) row[j] = load_b(t, b, step, j);
    for (int i = 0; i < t->rows; i++) {
        cg_val x = codes_of(t, a, i, step, left);
        for (int j = 0; j < vectors; j++) {
            cg_val *s = &sum[i * vectors + j];
            cg_val args[] = {*s, x, row[j]}; /* the second one has no sign */
            if (t->form->elem == IR_U8) args[1] = row[j], args[2] = x;
            *s = cg_intrinsic_of(t->u, name, NULL, 0, args, 3);
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

void cg_multiply_pmaddwd(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_unit *u = t->u;
    int vectors = t->shape.vectors, lanes = t->shape.lanes;
    const char *name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                       : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                    : "llvm.x86.sse2.pmadd.wd";
    LLVMTypeRef halves = cg_wide(u->i16, 2 * lanes);
    cg_val row[CG_TILE_MOST_VECTORS][2];
    for (int j = 0; j < vectors; j++) {
        cg_val v = LLVMBuildBitCast(u->b, load_b(t, b, step, j), halves, "");
        for (int h = 0; h < 2; h++) row[j][h] = widen(u, v, h, t->form->elem == IR_I8);
    }
    for (int i = 0; i < t->rows; i++) {
        cg_val x = LLVMBuildBitCast(u->b, codes_of(t, a, i, step, left), halves, "");
        for (int h = 0; h < 2; h++) {
            cg_val y = widen(u, x, h, t->use.a == IR_I8);
            for (int j = 0; j < vectors; j++) {
                cg_val pairs = cg_intrinsic_of(u, name, NULL, 0, (cg_val[]){row[j][h], y}, 2);
                sum[i * vectors + j] = LLVMBuildAdd(u->b, sum[i * vectors + j], pairs, "");
            }
        }
    }
}

/* ---- products of i32, for signs that no instruction has ---- */

/* Byte `k` of each lane. */
static cg_val byte_of(cg_unit *u, cg_val v, int k, bool is_signed)
{
    cg_val up = cg_int_like(v, 24 - 8 * k), down = cg_int_like(v, 24);
    v = LLVMBuildShl(u->b, v, up, "");
    return is_signed ? LLVMBuildAShr(u->b, v, down, "") : LLVMBuildLShr(u->b, v, down, "");
}

void cg_multiply_widen(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_unit *u = t->u;
    int vectors = t->shape.vectors;
    for (int k = 0; k < GROUP; k++) {
        cg_val row[CG_TILE_MOST_VECTORS];
        for (int j = 0; j < vectors; j++)
            row[j] = byte_of(u, load_b(t, b, step, j), k, t->form->elem == IR_I8);
        for (int i = 0; i < t->rows; i++) {
            cg_val x = byte_of(u, codes_of(t, a, i, step, left), k, t->use.a == IR_I8);
            for (int j = 0; j < vectors; j++) {
                cg_val *s = &sum[i * vectors + j];
                *s = LLVMBuildAdd(u->b, *s, LLVMBuildMul(u->b, x, row[j], ""), "");
            }
        }
    }
}

/* ---- aarch64 ---- */

static cg_val bytes(cg_unit *u, cg_val v)
{
    return LLVMBuildBitCast(u->b, v, cg_wide(u->i8, 16), "");
}

void cg_multiply_sdot(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_unit *u = t->u;
    LLVMTypeRef types[] = {t->vector, cg_wide(u->i8, 16)};
    cg_val row[CG_TILE_MOST_VECTORS];
    int vectors = t->shape.vectors;
    for (int j = 0; j < vectors; j++) row[j] = bytes(u, load_b(t, b, step, j));
    for (int i = 0; i < t->rows; i++) {
        cg_val x = bytes(u, codes_of(t, a, i, step, left));
        for (int j = 0; j < vectors; j++) {
            cg_val *s = &sum[i * vectors + j];
            *s = cg_intrinsic_of(u, "llvm.aarch64.neon.sdot", types, 2, (cg_val[]){*s, row[j], x},
                                 3);
        }
    }
}

static cg_val half_of(cg_unit *u, cg_val v, int half)
{
    cg_val pick[8];
    for (int i = 0; i < 8; i++) pick[i] = cg_int(u->i32, 8 * half + i);
    return LLVMBuildShuffleVector(u->b, v, LLVMGetUndef(LLVMTypeOf(v)), LLVMConstVector(pick, 8),
                                  "");
}

/* Products of two columns as i16, added in pairs as i32: a pair of -128 * -128 fits. */
static cg_val pairs_of(cg_unit *u, cg_val x, cg_val y, int half)
{
    LLVMTypeRef words = cg_wide(u->i16, 8), pairs[] = {cg_wide(u->i32, 4), words};
    cg_val args[] = {half_of(u, x, half), half_of(u, y, half)};
    cg_val products = cg_intrinsic_of(u, "llvm.aarch64.neon.smull", &words, 1, args, 2);
    return cg_intrinsic_of(u, "llvm.aarch64.neon.saddlp", pairs, 2, &products, 1);
}

void cg_multiply_smull(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_unit *u = t->u;
    cg_val row[CG_TILE_MOST_VECTORS];
    int vectors = t->shape.vectors;
    for (int j = 0; j < vectors; j++) row[j] = bytes(u, load_b(t, b, step, j));
    for (int i = 0; i < t->rows; i++) {
        cg_val x = bytes(u, codes_of(t, a, i, step, left));
        for (int j = 0; j < vectors; j++) {
            cg_val two[] = {pairs_of(u, x, row[j], 0), pairs_of(u, x, row[j], 1)};
            cg_val four = cg_intrinsic_of(u, "llvm.aarch64.neon.addp", &t->vector, 1, two, 2);
            sum[i * vectors + j] = LLVMBuildAdd(u->b, sum[i * vectors + j], four, "");
        }
    }
}
