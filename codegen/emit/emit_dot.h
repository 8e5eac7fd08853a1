/* Instructions that add several products of narrow numbers to a sum; between the tiles and
 * emit_dot.c. */
#ifndef LATHE_CODEGEN_EMIT_DOT_H
#define LATHE_CODEGEN_EMIT_DOT_H

#include "codegen/emit/emit.h"

/* Lanes of i32 that hold four IR_I8, four IR_U8 or two IR_BF16 each. */
typedef struct cg_words {
    cg_val v;
    ir_elem elem;
} cg_words;

/* sum + the products of each lane; both factors are of bf16 or none is. The second factor may be a
 * splat. */
cg_val cg_dot(cg_unit *, cg_val sum, cg_words x, cg_words y);
/* 2 x 2 blocks, four lanes: sum[2i + j] + the products of half i of x and half j of y. */
cg_val cg_dot_blocks(cg_unit *, cg_val sum, cg_words x, cg_words y);
/* sum + the products of each lane: codes, I8 on aarch64, else U8, small: at most 64; and a's, I8.
 */
cg_val cg_dot_codes(cg_unit *, cg_val sum, cg_words codes, cg_words a, bool small);
/* sum + the bytes of each lane, which are i8, on x86. */
cg_val cg_add_bytes(cg_unit *, cg_val sum, cg_val words);
/* What a step of a unit adds to sums: the even and the odd terms of bf16 by themselves. */
void cg_dot_apart(cg_unit *, cg_val apart[2], cg_words x, cg_words y);
/* a + b, denormals being zero. */
cg_val cg_add_flushed(cg_unit *, cg_val a, cg_val b);
/* Bytes of both halves multiplied as i16 and added in pairs as i32: <16 x i8> to <4 x i32>. */
cg_val cg_dot_pairs(cg_unit *, cg_val x, cg_val y, int half);
/* x[0] + x[1], x[2] + x[3], then y's. */
cg_val cg_add_pairs(cg_unit *, cg_val x, cg_val y);
/* Byte `k` of each lane. */
cg_val cg_byte_of(cg_unit *, cg_words, int k);
/* The lanes of x, then those of y, by number. */
cg_val cg_pick(cg_unit *, cg_val x, cg_val y, const int *lanes, int n);

#endif
