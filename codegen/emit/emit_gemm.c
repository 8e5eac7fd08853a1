/* The function of a tiled product: which tiles there are, and in which order.
 *
 * A call works through segments: the groups of panels that it was given of one chunk of rows. In a
 * segment: blocks of k (only if k is long: a block of a then stays in the second-level cache),
 * panels, blocks of rows. Tiles go to c directly; what is narrower than a panel, and results of
 * another type, go through a tile in memory. The epilogue follows a tile's last block of k, while
 * it is in the first-level cache. The sums of an element are never split over calls. */
#include <stddef.h>

#include "codegen/emit/emit_gemm.h"

/* How long a part is at most, of a k longer than CG_LONGEST_K. */
enum { BLOCK_K = 768 };

typedef struct gemm {
    cg_kern k;
    cg_unit *u;
    const cg_gemm *g;
    const cg_panel_form *form;
    LLVMTypeRef a_type, b_type, c_type; /* of elements; c's are sums */
    int64_t front;                      /* rows in front of a panel's groups */
    cg_tile_use use;
    int64_t row_step, k_step; /* of a, in elements; 0: run-time */
    int narrow;               /* that factors are narrowed to; 0: they are not */
    cg_tile_shape shape;
    uint64_t sizes[CG_FETCHES]; /* numbers of rows of the tiles, a bit each */
    cg_function finish;
    cg_function pack, decode; /* of a b that is no weight; of codes */
    cg_function listed;       /* of panels with lists */
    cg_function few;          /* codes times a few rows */
    cg_function narrow_a, narrow_b;
    cg_val tiles;           /* the chooser */
    cg_val memory, scratch; /* a tile, and a panel's part that is packed or decoded */
    cg_val extremes;        /* memory for finish */
    cg_val held;            /* where the number of the part in scratch stands */
    cg_val panels, full;    /* of b, and those without padding; 0 if c takes no tiles */
    cg_val parts;           /* of k */
    int64_t part;           /* its length */
    cg_val reach;           /* what a tile's call prefetches, in elements for each k */
    /* of the segment: */
    cg_val a, b, c; /* at its first row */
    cg_blocks rows;
    cg_val fetch, first_part; /* of the result */
} gemm;

enum { M = 0, N = 1, K = 2 }; /* axes, after the batch's */

static int axis(const gemm *w, int which) { return w->k.n->rank - 3 + which; }
static cg_val extent(const gemm *w, int which) { return w->k.extent[axis(w, which)]; }

/* Where the row of a panel stands that k is in, in rows. */
static cg_val row_of(gemm *w, cg_val k)
{
    if (w->form->group > 1) k = cg_quotient(w->u, k, cg_num(w->u, w->form->group));
    return w->front ? cg_add(w->u, k, cg_num(w->u, w->front)) : k;
}

static cg_val rows_of_panel(gemm *w)
{
    cg_val k = extent(w, K);
    return row_of(w, w->form->group > 1 ? cg_add(w->u, k, cg_num(w->u, w->form->group - 1)) : k);
}

static bool is_coded(const gemm *w) { return w->g->codes.code != CG_CODE_NONE; }

/* Whether parts of panels are found in scratch. */
static bool is_made(const gemm *w) { return !w->g->packed || is_coded(w) || w->narrow; }

/* 0: known to the run only. */
static int64_t gemm_known(const gemm *w, ir_dim d)
{
    int64_t v;
    return ir_dim_is_const(w->u->g, d, &v) ? v : 0;
}

static int64_t known_k(const gemm *w) { return gemm_known(w, w->k.n->space[axis(w, K)]); }

static cg_val coded_panel(gemm *w, cg_val panel)
{
    cg_val at = cg_mul(w->u, panel, cg_num(w->u, cg_codes_panel(&w->g->codes, known_k(w))));
    return cg_at(w->u, w->u->i8, w->b, at);
}

/* ---- a tile ---- */

static cg_val stride(gemm *w, const ir_affine *of, int which)
{
    return cg_dim(&w->k, of->coef[axis(w, which)]);
}

static cg_val length_of(gemm *w, cg_val part)
{
    return cg_lesser(w->u, cg_num(w->u, w->part),
                     cg_sub(w->u, extent(w, K), cg_mul(w->u, part, cg_num(w->u, w->part))));
}

/* ---- narrowed factors, in scratch ---- */

static cg_val narrowed_b(gemm *w, int part)
{
    int64_t k = known_k(w);
    return cg_at(w->u, w->u->i8, w->scratch,
                 cg_num(w->u, cg_narrow_offset(k) + part * cg_narrow_part(k)));
}

static cg_val padded(gemm *w, cg_val k)
{
    return LLVMBuildAnd(w->u->b, cg_add(w->u, k, cg_num(w->u, CG_NARROW_STEP - 1)),
                        cg_num(w->u, -CG_NARROW_STEP), "");
}

/* Elements of a part of a, for any number of rows of a chunk. */
static cg_val narrowed_size(gemm *w)
{
    cg_val most = cg_lesser(w->u, extent(w, M), cg_num(w->u, CG_ROWS));
    return cg_mul(w->u, most, padded(w, extent(w, K)));
}

static cg_val narrowed_a(gemm *w, int part)
{
    return cg_at(w->u, w->u->i16, narrowed_b(w, w->narrow),
                 cg_mul(w->u, narrowed_size(w), cg_num(w->u, part)));
}

static void narrow_part(gemm *w, cg_val elements, cg_val length)
{
    cg_val args[CG_NARROW_B_PARAMS] = {elements, narrowed_b(w, 0), length,
                                       cg_num(w->u, cg_narrow_part(known_k(w)) / 2)};
    LLVMBuildCall2(w->u->b, w->narrow_b.type, w->narrow_b.fn, args, CG_NARROW_B_PARAMS, "");
}

/* The rows of the segment's chunk. */
static void narrow_rows(gemm *w)
{
    cg_val rows = cg_add(w->u, cg_mul(w->u, w->rows.count, w->rows.least), w->rows.more);
    cg_val args[CG_NARROW_A_PARAMS] = {w->a, narrowed_a(w, 0), rows};
    args[CG_NARROW_ROW_STEP] = stride(w, &w->g->a, M);
    args[CG_NARROW_K_STEP] = stride(w, &w->g->a, K);
    args[CG_NARROW_K] = extent(w, K);
    args[CG_NARROW_PART] = narrowed_size(w);
    LLVMBuildCall2(w->u->b, w->narrow_a.type, w->narrow_a.fn, args, CG_NARROW_A_PARAMS, "");
}

/* ---- panels of b ---- */

/* A part of a panel of elements, or made now. */
static cg_val elements_of_panel(gemm *w, cg_val panel, cg_val part)
{
    cg_unit *u = w->u;
    cg_val k = cg_mul(u, part, cg_num(u, w->part)), columns = cg_num(u, CG_PANEL),
           length = length_of(w, part);
    if (is_coded(w)) {
        cg_val args[CG_DECODE_PARAMS] = {coded_panel(w, panel), w->scratch, w->k.places[1].base, k,
                                         length};
        LLVMBuildCall2(u->b, w->decode.type, w->decode.fn, args, CG_DECODE_PARAMS, "");
        return w->scratch;
    }
    if (!w->g->packed) {
        cg_val args[CG_PACK_PARAMS + IR_MAX_SPACE] = {w->k.args, w->b,   w->scratch,
                                                      k,         length, cg_mul(u, panel, columns)};
        for (int i = CG_PACK_PARAMS; i < w->pack.args; i++)
            args[i] = w->k.index[i - CG_PACK_PARAMS];
        LLVMBuildCall2(u->b, w->pack.type, w->pack.fn, args, (unsigned)w->pack.args, "");
        return w->scratch;
    }
    cg_val row = cg_add(u, cg_mul(u, panel, rows_of_panel(w)), row_of(w, k));
    return cg_at(u, w->b_type, w->b, cg_mul(u, row, cg_num(u, (int64_t)CG_PANEL * w->form->group)));
}

/* A part of a panel as tiles take it; what is made stays until another one is. */
static cg_val part_of_panel(gemm *w, cg_val panel, cg_val part)
{
    cg_unit *u = w->u;
    if (!is_made(w)) return elements_of_panel(w, panel, part);
    LLVMBasicBlockRef make = cg_block(u), done = cg_block(u);
    cg_val held = LLVMBuildLoad2(u->b, u->i64, w->held, "");
    LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntEQ, held, part, ""), done, make);
    LLVMPositionBuilderAtEnd(u->b, make);
    cg_val elements = elements_of_panel(w, panel, part);
    if (w->narrow) narrow_part(w, elements, length_of(w, part));
    LLVMBuildStore(u->b, part, w->held);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
    return w->narrow ? narrowed_b(w, 0) : w->scratch;
}

static void begin_panel(gemm *w)
{
    if (is_made(w)) LLVMBuildStore(w->u->b, cg_num(w->u, -1), w->held);
}

/* Calls of tiles for all columns of a panel. Where a tile is narrower than a panel, these are
 * several. */
static void call_tiles(gemm *w, cg_val *args, cg_val b, cg_val c, cg_val next, cg_val share)
{
    cg_unit *u = w->u;
    int columns = w->shape.lanes * w->shape.vectors, group = cg_panel_form_of(w->use.format)->group;
    LLVMTypeRef type = cg_storage_type(u, cg_panel_form_of(w->use.format)->elem);
    cg_val *arg = args + 1;
    for (int column = 0; column < CG_PANEL; column += columns) {
        arg[CG_TILE_B] = cg_at(u, type, b, cg_num(u, (int64_t)column * group));
        arg[CG_TILE_C] = cg_at(u, w->c_type, c, cg_num(u, column));
        arg[CG_TILE_NEXT] = cg_at(u, type, b, next);
        LLVMBuildCall2(u->b, cg_tile_chooser_type(u), w->tiles, args, CG_TILE_ARGS + 1, "");
        next = cg_add(u, next, share);
    }
}

/* The same of narrowed factors: of two parts the products that are not smaller than what is rounded
 * away anyhow, the small ones first. */
static void call_narrow(gemm *w, cg_val *args, cg_val row, cg_val k, cg_val c)
{
    static const int first[][2] = {{0, 0}}, both[][2] = {{1, 0}, {0, 1}, {0, 0}};
    const int(*of)[2] = w->narrow == 1 ? first : both;
    cg_unit *u = w->u;
    cg_val *arg = args + 1, width = padded(w, extent(w, K)), none = cg_num(u, 0);
    arg[CG_TILE_K] = padded(w, arg[CG_TILE_K]);
    arg[CG_TILE_ROW_STEP] = width;
    arg[CG_TILE_K_STEP] = cg_num(u, 1);
    cg_val at = cg_add(u, cg_mul(u, row, width), k);
    for (int i = 0; i < 2 * w->narrow - 1; i++) {
        arg[CG_TILE_A] = cg_at(u, u->i16, narrowed_a(w, of[i][0]), at);
        if (i) arg[CG_TILE_ADD] = cg_int(u->i1, 1);
        call_tiles(w, args, narrowed_b(w, of[i][1]), c, none, none);
    }
}

/* Sums of a block of rows and a panel over a part of k, into c with rows `ldc` apart. What comes
 * next is the same part of the next panel, of which each tile fetches its share. */
static void emit_tiles(gemm *w, cg_val block, cg_val panel, cg_val part, cg_val c, cg_val ldc)
{
    cg_unit *u = w->u;
    int columns = w->shape.lanes * w->shape.vectors, group = w->form->group;
    cg_val k = cg_mul(u, part, cg_num(u, w->part)), row_step = stride(w, &w->g->a, M),
           k_step = stride(w, &w->g->a, K);
    cg_val length = length_of(w, part), b = part_of_panel(w, panel, part);
    cg_val rows = cg_block_rows(u, &w->rows, block), row = cg_block_start(u, &w->rows, block);
    cg_val args[CG_TILE_ARGS + 1] = {cg_add(u, rows, w->fetch)}, *arg = args + 1;
    arg[CG_TILE_K] = length;
    arg[CG_TILE_LDC] = ldc;
    arg[CG_TILE_ADD] = LLVMBuildICmp(u->b, LLVMIntNE, part, cg_num(u, 0), "");
    if (w->narrow) {
        call_narrow(w, args, row, k, c);
        return;
    }
    cg_val share = cg_lesser(u, cg_mul(u, length, w->reach),
                             cg_quotient(u, cg_mul(u, length, cg_num(u, columns)), w->rows.count));
    cg_val next = cg_add(u, cg_mul(u, rows_of_panel(w), cg_num(u, (int64_t)CG_PANEL * group)),
                         cg_mul(u, block, cg_mul(u, share, cg_num(u, CG_PANEL / columns))));
    cg_val at = cg_add(u, cg_mul(u, row, row_step), cg_mul(u, k, k_step));
    arg[CG_TILE_A] = cg_at(u, w->a_type, w->a, at);
    arg[CG_TILE_ROW_STEP] = row_step;
    arg[CG_TILE_K_STEP] = k_step;
    call_tiles(w, args, b, c, next, share);
}

/* Adds what a panel's list holds to complete sums. */
static void add_listed(gemm *w, cg_val block, cg_val panel, cg_val c, cg_val ldc)
{
    cg_unit *u = w->u;
    if (!w->form->listed) return;
    cg_val args[CG_LISTED_PARAMS], row_step = stride(w, &w->g->a, M);
    cg_val list = cg_mul(u, panel, rows_of_panel(w));
    list = cg_mul(u, list, cg_num(u, (int64_t)CG_PANEL * w->form->group));
    args[CG_LISTED_LIST] = cg_at(u, w->b_type, w->b, list);
    args[CG_LISTED_A] =
        cg_at(u, w->a_type, w->a, cg_mul(u, cg_block_start(u, &w->rows, block), row_step));
    args[CG_LISTED_C] = c;
    args[CG_LISTED_ROWS] = cg_block_rows(u, &w->rows, block);
    args[CG_LISTED_LDC] = ldc;
    args[CG_LISTED_ROW_STEP] = row_step;
    args[CG_LISTED_K_STEP] = stride(w, &w->g->a, K);
    LLVMBuildCall2(u->b, w->listed.type, w->listed.fn, args, CG_LISTED_PARAMS, "");
}

static void call_finish(gemm *w, cg_val block, cg_val tile, cg_val ld, cg_val column)
{
    cg_unit *u = w->u;
    cg_val row = cg_add(u, w->rows.first, cg_block_start(u, &w->rows, block));
    cg_val rows = cg_block_rows(u, &w->rows, block);
    cg_val args[CG_FINISH_BATCH + IR_MAX_SPACE] = {w->k.args, tile, w->extremes, ld, row, rows};
    args[CG_FINISH_N] = column;
    args[CG_FINISH_COLUMNS] = cg_lesser(u, cg_num(u, CG_PANEL), cg_sub(u, extent(w, N), column));
    for (int i = 0; i < axis(w, M); i++) args[CG_FINISH_BATCH + i] = w->k.index[i];
    LLVMBuildCall2(u->b, w->finish.type, w->finish.fn, args, (unsigned)w->finish.args, "");
}

/* ---- panels ---- */

/* A chunk's rows of a panel are a part of the result. */
static void end_panel(gemm *w, cg_val panel)
{
    cg_extremes_end(&w->k, cg_add(w->u, w->first_part, panel));
}

/* One part of k in all blocks of rows of a panel that goes to c directly. */
static void emit_direct(gemm *w, cg_val panel, cg_val part)
{
    cg_unit *u = w->u;
    cg_val column = cg_mul(u, panel, cg_num(u, CG_PANEL)), ldc = stride(w, &w->g->c, M);
    cg_extremes_begin(&w->k);
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), w->rows.count, 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val c = cg_at(u, w->c_type, w->c,
                     cg_add(u, cg_mul(u, cg_block_start(u, &w->rows, l.i), ldc), column));
    emit_tiles(w, l.i, panel, part, c, ldc);
    bool finished = w->k.n->epilogue || w->k.n->extremes;
    if (finished || w->form->listed) {
        LLVMBasicBlockRef last = cg_block(u), next = cg_block(u);
        LLVMBuildCondBr(u->b,
                        LLVMBuildICmp(u->b, LLVMIntEQ, cg_add(u, part, cg_num(u, 1)), w->parts, ""),
                        last, next);
        LLVMPositionBuilderAtEnd(u->b, last);
        add_listed(w, l.i, panel, c, ldc);
        if (finished) call_finish(w, l.i, c, ldc, column);
        LLVMBuildBr(u->b, next);
        LLVMPositionBuilderAtEnd(u->b, next);
    }
    cg_loop_end(u, &l, NULL);
    end_panel(w, panel);
}

/* A panel whose tiles go through memory, with all parts of k. */
static void emit_indirect(gemm *w, cg_val panel)
{
    cg_unit *u = w->u;
    cg_val column = cg_mul(u, panel, cg_num(u, CG_PANEL)), ld = cg_num(u, CG_PANEL);
    begin_panel(w);
    cg_extremes_begin(&w->k);
    cg_loop rows = cg_loop_guard(u, cg_num(u, 0), w->rows.count, 1, false);
    cg_loop_enter(u, &rows, NULL, 0);
    cg_loop parts = cg_loop_guard(u, cg_num(u, 0), w->parts, 1, false);
    cg_loop_enter(u, &parts, NULL, 0);
    emit_tiles(w, rows.i, panel, parts.i, w->memory, ld);
    cg_loop_end(u, &parts, NULL);
    add_listed(w, rows.i, panel, w->memory, ld);
    call_finish(w, rows.i, w->memory, ld, column);
    cg_loop_end(u, &rows, NULL);
    end_panel(w, panel);
}

/* Panels that tiles go to directly: of a weight, each part of k for all panels, so that the part of
 * a stays in the cache; else all parts of each panel, which is made part by part. */
static void emit_whole(gemm *w, cg_val from, cg_val to)
{
    cg_unit *u = w->u;
    bool parts_first = !is_made(w);
    cg_loop parts, panels;
    for (int i = 0; i < 2; i++) {
        if ((i == 0) == parts_first) {
            parts = cg_loop_guard(u, cg_num(u, 0), w->parts, 1, false);
            cg_loop_enter(u, &parts, NULL, 0);
        } else {
            panels = cg_loop_guard(u, from, to, 1, true);
            cg_loop_enter(u, &panels, NULL, 0);
            begin_panel(w);
        }
    }
    emit_direct(w, panels.i, parts.i);
    cg_loop_end(u, parts_first ? &panels : &parts, NULL);
    cg_loop_end(u, parts_first ? &parts : &panels, NULL);
}

static void emit_panels(gemm *w, cg_val from, cg_val to)
{
    cg_unit *u = w->u;
    if (w->narrow) narrow_rows(w);
    emit_whole(w, from, cg_lesser(u, to, w->full));
    cg_loop rest = cg_loop_guard(u, cg_greater(u, from, w->full), to, 1, true);
    cg_loop_enter(u, &rest, NULL, 0);
    emit_indirect(w, rest.i);
    cg_loop_end(u, &rest, NULL);
}

/* ---- a few rows ---- */

static int64_t most_rows(const gemm *w)
{
    int64_t lo, hi;
    ir_dim_range(w->u->g, w->k.n->space[axis(w, M)], &lo, &hi);
    return hi;
}

static int most_few(const gemm *w)
{
    return !is_coded(w) ? 0 : most_rows(w) < CG_FEW ? (int)most_rows(w) : CG_FEW;
}

static bool may_be_many(const gemm *w) { return !is_coded(w) || most_rows(w) > CG_FEW; }

/* Codes of panels times the only block of rows. */
static void emit_few(gemm *w, cg_val from, cg_val to)
{
    cg_unit *u = w->u;
    cg_val first = cg_num(u, 0), rows = cg_block_rows(u, &w->rows, first);
    cg_loop panels = cg_loop_guard(u, from, to, 1, true);
    cg_loop_enter(u, &panels, NULL, 0);
    cg_extremes_begin(&w->k);
    cg_val args[CG_FEW_PARAMS] = {coded_panel(w, panels.i), w->a, w->memory, w->k.places[1].base,
                                  rows};
    args[CG_FEW_ROW_STEP] = stride(w, &w->g->a, M);
    args[CG_FEW_K_STEP] = stride(w, &w->g->a, K);
    LLVMBuildCall2(u->b, w->few.type, w->few.fn, args, CG_FEW_PARAMS, "");
    cg_val ld = cg_num(u, CG_PANEL);
    call_finish(w, first, w->memory, ld, cg_mul(u, panels.i, ld));
    end_panel(w, panels.i);
    cg_loop_end(u, &panels, NULL);
}

static void emit_any_rows(gemm *w, cg_val from, cg_val to)
{
    cg_unit *u = w->u;
    if (!most_few(w)) {
        emit_panels(w, from, to);
        return;
    }
    LLVMBasicBlockRef few = cg_block(u), many = cg_block(u), done = cg_block(u);
    cg_val rows = cg_add(u, cg_mul(u, w->rows.count, w->rows.least), w->rows.more);
    LLVMBuildCondBr(u->b, cg_less(u, cg_num(u, CG_FEW), rows), may_be_many(w) ? many : done, few);
    LLVMPositionBuilderAtEnd(u->b, few);
    emit_few(w, from, to);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, many);
    if (may_be_many(w)) emit_panels(w, from, to);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
}

/* ---- segments ---- */

/* What pays off with so many blocks of rows. */
static cg_fetch fetch_of(const gemm *w, int64_t blocks)
{
    if (is_made(w)) return CG_FETCH_NOTHING;
    return blocks == 1 ? CG_FETCH_SELF : CG_FETCH_NEXT;
}

/* Numbers of rows that tiles can have, for any size or for the one that is known. */
static void find_tiles(gemm *w, uint64_t rows[CG_FETCHES])
{
    uint64_t one, several;
    cg_block_sizes(w->u->g, w->k.n->space[axis(w, M)], w->shape.rows, &one, &several);
    rows[fetch_of(w, 1)] |= one;
    rows[fetch_of(w, 2)] |= several;
}

/* The place of an operand's element at the batch's indices. */
static cg_val place_in_batch(gemm *w, const ir_affine *of)
{
    cg_val at = cg_dim(&w->k, of->konst);
    for (int i = 0; i < axis(w, M); i++)
        at = cg_add(w->u, at, cg_mul(w->u, w->k.index[i], cg_dim(&w->k, of->coef[i])));
    return at;
}

static cg_val operand_at(gemm *w, LLVMTypeRef elements, size_t operand, cg_val at)
{
    return cg_at(w->u, elements, w->k.places[operand].base, at);
}

/* Chunk `i` of the rows. */
static void begin_rows(gemm *w, cg_val i)
{
    cg_unit *u = w->u;
    w->rows = cg_blocks_of(u, i, extent(w, M), w->shape.rows);
    cg_val one = LLVMBuildICmp(u->b, LLVMIntEQ, w->rows.count, cg_num(u, 1), "");
    w->fetch = cg_select(u, one, cg_num(u, CG_TILE_CHOICE(fetch_of(w, 1), 0)),
                         cg_num(u, CG_TILE_CHOICE(fetch_of(w, 2), 0)));
}

/* Groups [from, to) of segment `segment`, which counts chunks of rows within batches. */
static void emit_segment(gemm *w, cg_val segment, cg_val from, cg_val to)
{
    cg_val chunks = cg_chunks_of(w->u, extent(w, M)), batch = cg_quotient(w->u, segment, chunks);
    for (int i = axis(w, M) - 1; i >= 0; i--) {
        w->k.index[i] = cg_modulo(w->u, batch, w->k.extent[i]);
        batch = cg_quotient(w->u, batch, w->k.extent[i]);
    }
    w->first_part = cg_mul(w->u, segment, w->panels);
    begin_rows(w, cg_modulo(w->u, segment, chunks));
    const cg_gemm *g = w->g;
    w->a = operand_at(
        w, w->a_type, 0,
        cg_add(w->u, place_in_batch(w, &g->a), cg_mul(w->u, w->rows.first, stride(w, &g->a, M))));
    w->b = operand_at(w, is_coded(w) ? w->u->i8 : w->b_type, 1, place_in_batch(w, &g->b));
    w->c = operand_at(
        w, w->c_type, w->k.n->noperands,
        cg_add(w->u, place_in_batch(w, &g->c), cg_mul(w->u, w->rows.first, stride(w, &g->c, M))));
    cg_val group = cg_num(w->u, g->group);
    emit_any_rows(w, cg_mul(w->u, from, group),
                  cg_lesser(w->u, cg_mul(w->u, to, group), w->panels));
}

static void emit_segments(gemm *w)
{
    cg_unit *u = w->u;
    cg_val groups = cg_ceiling(u, w->panels, w->g->group), begin = w->k.begin, end = w->k.end;
    cg_val last = cg_quotient(u, cg_add(u, end, cg_sub(u, groups, cg_num(u, 1))), groups);
    cg_loop l = cg_loop_guard(u, cg_quotient(u, begin, groups), last, 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val start = cg_mul(u, l.i, groups);
    emit_segment(w, l.i, cg_greater(u, cg_sub(u, begin, start), cg_num(u, 0)),
                 cg_lesser(u, cg_sub(u, end, start), groups));
    cg_loop_end(u, &l, NULL);
}

/* ---- the function ---- */

static void cut_k(gemm *w)
{
    const int align = w->narrow ? CG_NARROW_STEP : 16; /* see is_transposed in emit_pack.c */
    int64_t k = known_k(w);
    w->part = CG_LONGEST_K;
    if (k > CG_LONGEST_K) {
        int64_t parts = (k + BLOCK_K - 1) / BLOCK_K;
        w->part = ((k + parts - 1) / parts + align - 1) / align * align;
    }
    w->parts = cg_greater(w->u, cg_ceiling(w->u, extent(w, K), w->part), cg_num(w->u, 1));
}

static void make_codes(gemm *w)
{
    const cg_few few = {known_k(w), w->row_step, w->k_step, most_few(w)};
    if (may_be_many(w)) w->decode = cg_make_decode(w->u, &w->g->codes);
    if (few.most_rows) w->few = cg_make_few(w->u, &w->g->codes, &few);
}

/* Sums are stored in c itself where they are as wide as its elements, and finished in place. */
static bool goes_direct(const gemm *w)
{
    ir_elem out = w->k.n->out.elem;
    return out == w->form->sum || (out == IR_F32 && ir_elem_bits(w->form->sum) == 32);
}

cg_tile_use cg_product_use(const cg_isa *isa, const cg_nest *n)
{
    if (cg_narrow_parts(isa, n->gemm)) return (cg_tile_use){.a = IR_BF16, .format = CG_FORMAT_BF16};
    return (cg_tile_use){.a = n->operands[0].elem, .format = n->gemm->format};
}

static void choose_tile(gemm *w)
{
    cg_unit *u = w->u;
    int64_t k = known_k(w);
    w->row_step = gemm_known(w, w->g->a.coef[axis(w, M)]);
    w->k_step = gemm_known(w, w->g->a.coef[axis(w, K)]);
    w->use = cg_product_use(u->isa, w->k.n);
    w->use.row_step = !w->narrow ? w->row_step : cg_narrow_padded(k);
    w->use.k_step = w->narrow ? 1 : w->k_step;
    w->form = cg_panel_form_of(w->g->format);
    w->front = cg_panel_front(w->form, k);
    w->a_type = cg_storage_type(u, w->k.n->operands[0].elem);
    w->b_type = cg_storage_type(u, w->form->elem);
    w->c_type = cg_storage_type(u, w->form->sum);
    w->shape = cg_tile_shape_of(u->isa, &w->use);
    find_tiles(w, w->sizes);
    w->tiles = cg_tile_chooser(u, &w->use, w->sizes);
    w->reach = cg_num(u, cg_tile_reach(&w->use));
}

static void make_narrow(gemm *w)
{
    w->narrow_a = cg_make_narrow_a(w->u, w->narrow, w->k_step == 1);
    w->narrow_b = cg_make_narrow_b(w->u, w->narrow);
}

static void prepare(gemm *w)
{
    cg_unit *u = w->u;
    w->narrow = cg_narrow_parts(u->isa, w->g);
    cut_k(w);
    choose_tile(w);
    w->extremes = cg_extremes_memory(&w->k);
    w->finish = cg_make_finish(u, w->k.n);
    if (!w->g->packed) w->pack = cg_make_pack(u, w->k.n);
    if (is_coded(w)) make_codes(w);
    if (w->narrow) make_narrow(w);
    if (w->form->listed) w->listed = cg_make_listed(u, w->use.a);
    if (is_made(w)) {
        w->held = LLVMBuildAlloca(u->b, u->i64, "");
        w->scratch = cg_field(u, w->k.args, offsetof(lathe_args, scratch), u->ptr);
    }
    w->memory =
        LLVMBuildAlloca(u->b, LLVMArrayType2(w->c_type, (uint64_t)w->shape.rows * CG_PANEL), "");
    LLVMSetAlignment(w->memory, 64);
    w->panels = cg_ceiling(u, extent(w, N), CG_PANEL);
    w->full = goes_direct(w) ? cg_quotient(u, extent(w, N), cg_num(u, CG_PANEL)) : cg_num(u, 0);
}

cg_val cg_emit_gemm(cg_unit *u, const cg_kernel *kernel)
{
    gemm w = {.k = cg_kern_begin(u, kernel), .u = u, .g = kernel->nest.gemm};
    cg_kern_arguments(&w.k);
    prepare(&w);
    cg_tiles_begin(u, &w.use, w.sizes);
    emit_segments(&w);
    cg_tiles_end(u, &w.use, w.sizes);
    LLVMBuildRetVoid(u->b);
    return w.k.fn;
}
