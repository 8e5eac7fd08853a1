/* Reading of panels in codes; between those who decode them. */
#ifndef LATHE_CODEGEN_EMIT_CODES_H
#define LATHE_CODEGEN_EMIT_CODES_H

#include "codegen/emit/emit_gemm.h"

enum { CG_HALF_PANEL = CG_PANEL / 2, CG_MOST_PAIRS = 8, CG_CODES_AHEAD = 4096, CG_LINE = 64 };

typedef struct cg_reader {
    cg_unit *u;
    const cg_codes *c;
    int lanes, pairs;            /* of a whole row */
    LLVMTypeRef vector, numbers; /* of f32, of i32 */
    cg_val book, part[2];        /* where the codebook is; a small one in vectors, or NULL */
} cg_reader;

/* What goes with a block, for some pairs of vectors. */
typedef struct cg_block_head {
    cg_val scale[2 * CG_MOST_PAIRS];
    cg_val zero[2 * CG_MOST_PAIRS]; /* NULL where nothing is subtracted */
} cg_block_head;

/* Vectors have no more than so many lanes. */
cg_reader cg_codes_begin(cg_unit *, const cg_codes *, int most_lanes);
cg_val cg_codes_load(cg_reader *, LLVMTypeRef, cg_val at, unsigned align);
/* The first column of vector i of the pairs from `pair` on: the first half, then the second. */
int cg_codes_column(const cg_reader *, int pair, int i);
/* What stands in front of a block, n pairs from `pair` on. */
void cg_codes_head_of(cg_reader *, cg_val at, int pair, int n, cg_block_head *);
/* An internal function of pointers, then i64. */
cg_function cg_codes_function(cg_unit *, const char *name, int pointers, int params);

#endif
