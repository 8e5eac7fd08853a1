/* Shared by those who emit products: tiles and what is around them. Private to codegen/.
 *
 * A tile is a few rows by some vectors of columns whose sums stay in registers over a run of k. Its
 * function takes a from row-major memory, b from a panel, and adds to or sets a tile of c. */
#ifndef LATHE_CODEGEN_EMIT_GEMM_H
#define LATHE_CODEGEN_EMIT_GEMM_H

#include "codegen/emit/emit.h"

/* What a tile is needed for; tiles.def says which one serves. */
typedef struct cg_tile_use {
    ir_elem a;
    cg_format format;
    int64_t row_step, k_step; /* between a's rows and between its k, in elements; 0: run-time */
    /* A block's k, whose sums are scaled and added to floats (CG_NARROW_I8), 0: there are none;
     * whether b's blocks have zero points. Steps are known then. */
    int64_t block;
    bool zeros;
} cg_tile_use;

/* The largest tile that the registers of a target hold. */
typedef struct cg_tile_shape {
    int lanes, vectors, rows;
} cg_tile_shape;
cg_tile_shape cg_tile_shape_of(const cg_isa *, const cg_tile_use *);
const char *cg_tile_name(size_t row); /* of tiles.def; NULL: past the end */
const char *cg_tile_name_of(const cg_isa *, const cg_tile_use *);
size_t cg_tile_rank(const cg_isa *, const cg_tile_use *); /* its row of tiles.def */
/* Whether instructions serve, not plain loops; a unit's. */
bool cg_tile_is_made(const cg_isa *, const cg_tile_use *);
bool cg_tile_is_unit(const cg_isa *, const cg_tile_use *);

/* What a tile's function prefetches, every few k: a line from NEXT on, the panel that it reads, or
 * nothing. */
typedef enum { CG_FETCH_NEXT, CG_FETCH_SELF, CG_FETCH_NOTHING, CG_FETCHES } cg_fetch;
enum {
    CG_TILE_A,
    CG_TILE_B,
    CG_TILE_C,
    CG_TILE_NEXT, /* pointers */
    CG_TILE_K,
    CG_TILE_LDC,
    CG_TILE_ROW_STEP,
    CG_TILE_K_STEP,
    CG_TILE_ADD, /* i1: c already holds a part of the sums */
    CG_TILE_ARGS
};
/* A function whose first argument chooses the tile: CG_TILE_CHOICE of its rows and what it
 * prefetches. rows: by cg_fetch, the numbers of rows that it must know, a bit each. */
#define CG_TILE_CHOICE(fetch, rows) (64 * (int)(fetch) + (rows))
cg_val cg_tile_chooser(cg_unit *, const cg_tile_use *, const uint64_t rows[CG_FETCHES]);
LLVMTypeRef cg_tile_chooser_type(cg_unit *);
/* What a kernel emits before and after all calls of tiles with such rows. */
void cg_tiles_begin(cg_unit *, const cg_tile_use *, const uint64_t rows[CG_FETCHES]);
void cg_tiles_end(cg_unit *, const cg_tile_use *, const uint64_t rows[CG_FETCHES]);
/* Elements of b from NEXT on that a call prefetches for each k. */
int64_t cg_tile_reach(const cg_tile_use *);

typedef struct cg_function {
    cg_val fn;
    LLVMTypeRef type;
    int args;
} cg_function;

/* emit_finish.c: turns a tile of sums in memory into results, through the epilogue. */
enum {
    CG_FINISH_ARGS,
    CG_FINISH_TILE,
    CG_FINISH_EXTREMES, /* pointers */
    CG_FINISH_LD,
    CG_FINISH_M,
    CG_FINISH_ROWS,
    CG_FINISH_N,
    CG_FINISH_COLUMNS,
    CG_FINISH_BATCH
}; /* then the batch's indices */
cg_function cg_make_finish(cg_unit *, const cg_nest *);

/* emit_scores.c: makes weights of rows of scores in memory, STEP apart, M being the first one. */
enum {
    CG_WEIGH_ARGS,
    CG_WEIGH_SCORES, /* pointers */
    CG_WEIGH_STEP,
    CG_WEIGH_M,
    CG_WEIGH_ROWS,
    CG_WEIGH_BATCH
}; /* then the batch's indices */
cg_function cg_make_weigh(cg_unit *, const cg_nest *row);

/* emit_rows.c: rows of a product in chunks of at most CG_ROWS, and those in blocks, the rows of a
 * tile, that differ by one row at most. */
typedef struct cg_blocks {
    cg_val first;              /* row of the chunk */
    cg_val count, least, more; /* blocks have `least` rows, the first `more` one more */
} cg_blocks;
cg_val cg_chunks_of(cg_unit *, cg_val rows);
cg_blocks cg_blocks_of(cg_unit *, cg_val chunk, cg_val rows, int most);
cg_val cg_block_start(cg_unit *, const cg_blocks *, cg_val block); /* in the chunk */
cg_val cg_block_rows(cg_unit *, const cg_blocks *, cg_val block);
/* Sets of the numbers of rows that a block can have, a bit each: of chunks of one block and of
 * several, for any size or for the one that is known. */
void cg_block_sizes(const ir_graph *, ir_dim rows, int most, uint64_t *one, uint64_t *several);

/* emit_pack.c: copies COUNT k from K on of the panel that starts at column N, or computes them if
 * the nest has a body. */
enum {
    CG_PACK_ARGS,
    CG_PACK_FROM,
    CG_PACK_TO, /* pointers; FROM: b at the batch's indices */
    CG_PACK_K,
    CG_PACK_COUNT,
    CG_PACK_N,
    CG_PACK_PARAMS
}; /* then the batch's indices, if the nest has a body */
cg_function cg_make_pack(cg_unit *, const cg_nest *);
/* emit_computed.c: the body of that function, positioned at its start, where the nest has one. */
void cg_emit_computed(cg_unit *, const cg_nest *, cg_val fn);

/* emit_unpacked.c: a few rows, A_STEP apart, by a matrix that is read where it lies, its rows
 * B_STEP apart; to rows of c, C_STEP apart. All pointers and steps are of floats. COUNT rows of b
 * are read. dots: each gives a sum over k, a multiple of lanes. weighted: sums over them of so many
 * columns, a multiple of lanes, too. */
enum {
    CG_UNPACKED_A,
    CG_UNPACKED_B,
    CG_UNPACKED_C, /* pointers */
    CG_UNPACKED_ROWS,
    CG_UNPACKED_A_STEP,
    CG_UNPACKED_B_STEP,
    CG_UNPACKED_C_STEP,
    CG_UNPACKED_COUNT,
    CG_UNPACKED_PARAMS
};
cg_function cg_make_dots(cg_unit *, int64_t k, int lanes);
cg_function cg_make_weighted(cg_unit *, int64_t columns, int lanes);

/* emit_narrow.c: ROWS of a and K of a panel of b, floats, as bf16, k padded with zeros to a
 * multiple of CG_NARROW_STEP; several parts stand PART elements apart. Rows of a are so long then,
 * b becomes a panel of bf16. together: a's k stand side by side. */
enum { CG_NARROW_FROM, CG_NARROW_TO /* pointers */ };
enum {
    CG_NARROW_ROWS = CG_NARROW_TO + 1,
    CG_NARROW_ROW_STEP,
    CG_NARROW_K_STEP,
    CG_NARROW_K,
    CG_NARROW_PART,
    CG_NARROW_A_PARAMS
};
enum { CG_NARROW_B_K = CG_NARROW_TO + 1, CG_NARROW_B_PART, CG_NARROW_B_PARAMS };
cg_function cg_make_narrow_a(cg_unit *, int parts, bool together);
cg_function cg_make_narrow_b(cg_unit *, int parts);
/* What the tiles of a product are needed for; without steps. */
cg_tile_use cg_product_use(const cg_isa *, const ir_graph *, const cg_nest *);
/* The parts that a product's factors are narrowed to on a target; 0: none of its tiles serves. */
int cg_narrow_parts(const cg_isa *, const cg_gemm *);

/* emit_i8.c: COUNT rows of floats, STEP apart, and COUNT blocks from BLOCK on of a panel in codes
 * as blocks in i8. offset: a's codes are u8; together: its k stand side by side. */
enum {
    CG_I8_ROWS_FROM,
    CG_I8_ROWS_TO, /* pointers */
    CG_I8_ROWS_COUNT,
    CG_I8_ROWS_STEP,
    CG_I8_ROWS_K_STEP,
    CG_I8_ROWS_PARAMS
};
enum {
    CG_I8_PANEL_FROM,
    CG_I8_PANEL_TO, /* pointers */
    CG_I8_PANEL_BLOCK,
    CG_I8_PANEL_COUNT,
    CG_I8_PANEL_PARAMS
};
cg_function cg_make_i8_rows(cg_unit *, const cg_codes *, int64_t k, bool offset, bool together);
cg_function cg_make_i8_panel(cg_unit *, const cg_codes *, int64_t k, bool offset);
/* Sums of a few blocks in i8 of rows and a panel in codes: CG_PANEL floats a row, in TO. */
enum {
    CG_I8_FEW_PANEL,
    CG_I8_FEW_A,
    CG_I8_FEW_TO, /* pointers */
    CG_I8_FEW_ROWS,
    CG_I8_FEW_PARAMS
};
int cg_i8_few(const cg_isa *, const cg_codes *); /* the most rows, at most CG_FEW */
cg_function cg_make_i8_few(cg_unit *, const cg_codes *, int64_t k, bool offset, int most_rows);
cg_tile_use cg_i8_use(const cg_isa *, const cg_codes *, int64_t k);

/* emit_pairs.c: adds what a panel's list holds to sums, ROWS of them LDC apart. */
enum {
    CG_LISTED_LIST,
    CG_LISTED_A,
    CG_LISTED_C, /* pointers; A: at the first row */
    CG_LISTED_ROWS,
    CG_LISTED_LDC,
    CG_LISTED_ROW_STEP,
    CG_LISTED_K_STEP,
    CG_LISTED_PARAMS
};
cg_function cg_make_listed(cg_unit *, ir_elem a);

/* emit_codes.c: decodes COUNT k from K on of the panel in codes FROM. */
enum {
    CG_DECODE_FROM,
    CG_DECODE_TO,
    CG_DECODE_BOOK, /* pointers; BOOK: the codebook, if there is one */
    CG_DECODE_K,
    CG_DECODE_COUNT,
    CG_DECODE_PARAMS
};
cg_function cg_make_decode(cg_unit *, const cg_codes *);
/* Sums of ROWS of a, 1 to CG_FEW, and a panel in codes, over all k: CG_PANEL floats a row, in TO.
 * Codes become numbers in registers. */
enum { CG_FEW = 4 };
enum {
    CG_FEW_PANEL,
    CG_FEW_A,
    CG_FEW_TO,
    CG_FEW_BOOK, /* pointers */
    CG_FEW_ROWS,
    CG_FEW_ROW_STEP,
    CG_FEW_K_STEP,
    CG_FEW_PARAMS
};
typedef struct cg_few {
    int64_t k, row_step, k_step; /* the steps of a, in elements; 0: run-time */
    int most_rows;
} cg_few;
cg_function cg_make_few(cg_unit *, const cg_codes *, const cg_few *);

#endif
