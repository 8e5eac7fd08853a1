/* A tile's function under construction; between emit_tile.c and the tiles that it knows. */
#ifndef LATHE_CODEGEN_EMIT_TILE_H
#define LATHE_CODEGEN_EMIT_TILE_H

#include "codegen/emit/emit_gemm.h"

/* What sets a tile apart: it reads a's codes with the other sign, 128 away; its sums are blocks of
 * two rows by two columns; or of two columns by two rows; it is a unit's, emit_tile_unit.c, and has
 * no step of its own. */
enum {
    CG_TILE_FLIPS = 1 << 0,
    CG_TILE_BLOCKS = 1 << 1,
    CG_TILE_TURNED = 1 << 2,
    CG_TILE_UNIT = 1 << 3
};
enum {
    CG_TILE_UNIT_ROWS = 16,
    CG_TILE_MOST_ROWS = 2 * CG_TILE_UNIT_ROWS,
    CG_TILE_MOST_VECTORS = 8
};

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
    cg_val row_at[CG_TILE_MOST_ROWS + 1]; /* offsets of a's rows */
    LLVMTypeRef a_type, b_type, c_type;   /* of elements; c's are sums */
    LLVMTypeRef vector;                   /* of sums */
} cg_tile;

/* Adds the products of a group of k, `step` groups behind a and b, to sums: row by row, vectors
 * side by side. left: how many k the group has, at run time; NULL: all. */
typedef void (*cg_multiply)(cg_tile *, cg_val *sum, cg_val a, cg_val b, int step, cg_val left);
#define CG_MULTIPLY(name)                                                                          \
    void cg_multiply_##name(cg_tile *, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
CG_MULTIPLY(f32);
CG_MULTIPLY(dot); /* emit_tile_i8.c */
CG_MULTIPLY(pmaddwd);
CG_MULTIPLY(pmaddubsw);
CG_MULTIPLY(smull);
CG_MULTIPLY(widen);
CG_MULTIPLY(blocks); /* emit_tile_mm.c */

int cg_tile_sums(const cg_tile *); /* vectors of them, the last row of blocks twice */
void cg_tile_find_rows(cg_tile *);
/* Adds the products of CG_TILE_K terms to sums; room for what the loops carry besides. */
void cg_tile_add(cg_tile *, cg_val a, cg_val b, cg_val *sum);
cg_val cg_tile_place_of_c(cg_tile *, int row, int vector);
/* Of an element in plain loops: `first` and the products of CG_TILE_K terms. */
cg_val cg_tile_plain_sum(cg_tile *, cg_val row, cg_val column, cg_val first);
/* emit_tile_scaled.c: a tile's function; `held` and the products of an element. */
void cg_emit_tile_scaled(cg_tile *);
cg_val cg_tile_plain_scaled(cg_tile *, cg_val row, cg_val column, cg_val held);
cg_val cg_tile_at(cg_tile *, LLVMTypeRef elements, cg_val base, cg_val at);
cg_val cg_tile_load(cg_tile *, LLVMTypeRef, cg_val at, unsigned align);
cg_val cg_tile_place_of_a(cg_tile *, cg_val a, int row, cg_val k);
/* emit_tile_unit.c: the whole function; around all calls of a kernel. */
void cg_emit_tile_unit(cg_tile *);
bool cg_tile_unit_is_real(const cg_isa *);
void cg_tile_unit_begin(cg_unit *);
void cg_tile_unit_end(cg_unit *);

/* Four bytes of a row of a: a group of k. */
cg_val cg_tile_group(cg_tile *, cg_val a, int row, int step, cg_val left);
/* Sums, row by row, to blocks or back. */
void cg_tile_to_blocks(cg_tile *, cg_val *sum, bool back);
cg_val cg_tile_place_of_b(cg_tile *, cg_val b, int step, int vector);

#endif
