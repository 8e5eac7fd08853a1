/* Instructions that add several products of narrow numbers to a sum; between the tiles and
 * emit_dot.c. */
#ifndef LATHE_CODEGEN_EMIT_DOT_H
#define LATHE_CODEGEN_EMIT_DOT_H

#include "codegen/emit/emit.h"

/* Four bytes in each lane of a vector of i32, with a sign or without. */
typedef struct cg_bytes {
    cg_val v;
    bool is_signed;
} cg_bytes;

/* sum + the four products of each lane. */
cg_val cg_dot(cg_unit *, cg_val sum, cg_bytes x, cg_bytes y);
/* 2 x 2 blocks, <4 x i32>: sum[2i + j] + the eight products of half i of x and half j of y. */
cg_val cg_dot_blocks(cg_unit *, cg_val sum, cg_bytes x, cg_bytes y);
/* Bytes of both halves multiplied as i16 and added in pairs as i32: <16 x i8> to <4 x i32>. */
cg_val cg_dot_pairs(cg_unit *, cg_val x, cg_val y, int half);
/* x[0] + x[1], x[2] + x[3], then y's. */
cg_val cg_add_pairs(cg_unit *, cg_val x, cg_val y);
/* Byte `k` of each lane. */
cg_val cg_byte_of(cg_unit *, cg_bytes, int k);
/* The lanes of x, then those of y, by number. */
cg_val cg_pick(cg_unit *, cg_val x, cg_val y, const int *lanes, int n);

#endif
