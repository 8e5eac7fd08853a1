/* A tile's function under construction; between emit_tile.c and the tiles that it knows. */
#ifndef LATHE_CODEGEN_EMIT_TILE_H
#define LATHE_CODEGEN_EMIT_TILE_H

#include "codegen/emit/emit_gemm.h"

/* Needs of a tile besides LATHE_CPU_*: the family. */
enum { CG_TILE_X86 = 1 << 30, CG_TILE_ARM = 1 << 29 };
/* What sets a tile apart: it reads a's codes with the other sign, 128 away; its sums are blocks of
 * two rows by two columns; or of two columns by two rows. */
enum { CG_TILE_FLIPS = 1 << 0, CG_TILE_BLOCKS = 1 << 1, CG_TILE_TURNED = 1 << 2 };
enum { CG_TILE_MOST_ROWS = 16, CG_TILE_MOST_VECTORS = 8 };

typedef struct cg_tile {
    cg_unit *u;
    cg_tile_use use;
    cg_tile_shape shape;
    const cg_panel_form *form;
    cg_fetch fetch;
    int rows, unroll;
    int span;        /* groups that a step of k takes */
    unsigned traits; /* CG_TILE_FLIPS, ... */
    cg_val arg[CG_TILE_ARGS];
    cg_val row_at[CG_TILE_MOST_ROWS];   /* offsets of a's rows */
    LLVMTypeRef a_type, b_type, c_type; /* of elements; c's are sums */
    LLVMTypeRef vector;                 /* of sums */
} cg_tile;

/* Adds the products of a group of k, `step` groups behind a and b, to sums: row by row, vectors
 * side by side. left: how many k the group has, at run time; NULL: all. */
typedef void (*cg_multiply)(cg_tile *, cg_val *sum, cg_val a, cg_val b, int step, cg_val left);
#define CG_MULTIPLY(name)                                                                          \
    void cg_multiply_##name(cg_tile *, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
CG_MULTIPLY(f32);
CG_MULTIPLY(dot); /* emit_tile_i8.c */
CG_MULTIPLY(pmaddwd);
CG_MULTIPLY(smull);
CG_MULTIPLY(widen);
CG_MULTIPLY(blocks); /* emit_tile_mm.c */

cg_val cg_tile_at(cg_tile *, LLVMTypeRef elements, cg_val base, cg_val at);
cg_val cg_tile_load(cg_tile *, LLVMTypeRef, cg_val at, unsigned align);
cg_val cg_tile_place_of_a(cg_tile *, cg_val a, int row, cg_val k);
/* Four bytes of a row of a: a group of k. */
cg_val cg_tile_group(cg_tile *, cg_val a, int row, int step, cg_val left);
/* Sums, row by row, to blocks or back. */
void cg_tile_to_blocks(cg_tile *, cg_val *sum, bool back);
cg_val cg_tile_place_of_b(cg_tile *, cg_val b, int step, int vector);

#endif
