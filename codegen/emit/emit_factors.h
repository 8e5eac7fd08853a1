/* A tiled product under construction; between emit_gemm.c, which knows in what order tiles are
 * called, and emit_factors.c, which knows where they find their factors. */
#ifndef LATHE_CODEGEN_EMIT_FACTORS_H
#define LATHE_CODEGEN_EMIT_FACTORS_H

#include "codegen/emit/emit_gemm.h"

typedef struct cg_product {
    cg_kern k;
    cg_unit *u;
    const cg_gemm *g;
    const cg_panel_form *form;
    LLVMTypeRef a_type, b_type, c_type; /* of elements; c's are sums */
    int64_t front;                      /* rows in front of a panel's groups */
    cg_tile_use use;
    int64_t row_step, k_step; /* of a, in elements; 0: run-time */
    int narrow;               /* that factors are narrowed to; 0: they are not */
    bool i8;                  /* blocks in i8 */
    cg_tile_shape shape;
    uint64_t sizes[CG_FETCHES]; /* numbers of rows of the tiles, a bit each */
    cg_function finish;
    cg_function pack, decode;       /* of a b that is no weight; of codes */
    cg_function listed;             /* of panels with lists */
    cg_function few;                /* codes times a few rows */
    cg_function narrow_a, narrow_b; /* or blocks in i8 */
    cg_val tiles;                   /* the chooser */
    cg_val memory, scratch;         /* a tile, and a panel's part that is packed or decoded */
    cg_val extremes;                /* memory for finish */
    cg_val held;                    /* where the number of the part in scratch stands */
    cg_val panels, full;            /* of b, and those without padding; 0 if c takes no tiles */
    cg_val parts;                   /* of k */
    int64_t part;                   /* its length */
    cg_val reach;                   /* what a tile's call prefetches, in elements for each k */
    /* of the segment: */
    cg_val segment; /* its number */
    cg_val a, b, c; /* at its first row */
    cg_blocks rows;
    cg_val fetch, first_part; /* of the result */
} cg_product;

enum { CG_M = 0, CG_N = 1, CG_K = 2 }; /* axes, after the batch's */
int cg_product_axis(const cg_product *, int which);
cg_val cg_product_extent(const cg_product *, int which);
int64_t cg_product_known(const cg_product *, ir_dim); /* 0: known to the run only */
int64_t cg_product_k(const cg_product *);
cg_val cg_product_stride(cg_product *, const ir_affine *, int which);
cg_val cg_product_panel_rows(cg_product *);
bool cg_product_is_coded(const cg_product *);
/* Whether parts of panels are found in scratch. */
bool cg_product_is_made(const cg_product *);
cg_val cg_product_coded(cg_product *, cg_val panel); /* where it starts */
/* In front of the tiles of a chunk of rows, and of those of a panel. */
void cg_product_begin_rows(cg_product *);
cg_val cg_product_i8(cg_product *); /* blocks in i8 of the first row of the chunk */
void cg_product_begin_panel(cg_product *);
/* Sums of a block of rows and a panel over a part of k, into c with rows `ldc` apart. */
void cg_product_tiles(cg_product *, cg_val block, cg_val panel, cg_val part, cg_val c, cg_val ldc);

#endif
