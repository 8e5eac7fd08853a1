/* The function of a tiled product: which tiles there are, and in which order.
 *
 * A call works through segments: the groups of panels that it was given of one chunk of rows. In a
 * segment: blocks of k (only if k is long: a block of a then stays in the second-level cache),
 * panels, blocks of rows. Tiles go to c directly; what is narrower than a panel, and results of
 * another type, go through a tile in memory. The epilogue follows a tile's last block of k, while
 * it is in the first-level cache. The sums of an element are never split over calls. */
#include <stddef.h>

#include "codegen/emit/emit_factors.h"

/* How long a part is at most, of a k longer than CG_LONGEST_K. */
enum { BLOCK_K = 768 };

/* Adds what a panel's list holds to complete sums. */
static void add_listed(cg_product *w, cg_val block, cg_val panel, cg_val c, cg_val ldc)
{
    cg_unit *u = w->u;
    if (!w->form->listed) return;
    cg_val args[CG_LISTED_PARAMS], row_step = cg_product_stride(w, &w->g->a, CG_M);
    cg_val list = cg_mul(u, panel, cg_product_panel_rows(w));
    list = cg_mul(u, list, cg_num(u, (int64_t)CG_PANEL * w->form->group));
    args[CG_LISTED_LIST] = cg_at(u, w->b_type, w->b, list);
    args[CG_LISTED_A] =
        cg_at(u, w->a_type, w->a, cg_mul(u, cg_block_start(u, &w->rows, block), row_step));
    args[CG_LISTED_C] = c;
    args[CG_LISTED_ROWS] = cg_block_rows(u, &w->rows, block);
    args[CG_LISTED_LDC] = ldc;
    args[CG_LISTED_ROW_STEP] = row_step;
    args[CG_LISTED_K_STEP] = cg_product_stride(w, &w->g->a, CG_K);
    LLVMBuildCall2(u->b, w->listed.type, w->listed.fn, args, CG_LISTED_PARAMS, "");
}

static void call_finish(cg_product *w, cg_val block, cg_val tile, cg_val ld, cg_val column)
{
    cg_unit *u = w->u;
    cg_val row = cg_add(u, w->rows.first, cg_block_start(u, &w->rows, block));
    cg_val rows = cg_block_rows(u, &w->rows, block);
    cg_val args[CG_FINISH_BATCH + IR_MAX_SPACE] = {w->k.args, tile, w->extremes, ld, row, rows};
    args[CG_FINISH_N] = column;
    args[CG_FINISH_COLUMNS] =
        cg_lesser(u, cg_num(u, CG_PANEL), cg_sub(u, cg_product_extent(w, CG_N), column));
    for (int i = 0; i < cg_product_axis(w, CG_M); i++) args[CG_FINISH_BATCH + i] = w->k.index[i];
    LLVMBuildCall2(u->b, w->finish.type, w->finish.fn, args, (unsigned)w->finish.args, "");
}

/* ---- panels ---- */

/* A chunk's rows of a panel are a part of the result. */
static void end_panel(cg_product *w, cg_val panel)
{
    cg_extremes_end(&w->k, cg_add(w->u, w->first_part, panel));
}

/* One part of k in all blocks of rows of a panel that goes to c directly. */
static void emit_direct(cg_product *w, cg_val panel, cg_val part)
{
    cg_unit *u = w->u;
    cg_val column = cg_mul(u, panel, cg_num(u, CG_PANEL)),
           ldc = cg_product_stride(w, &w->g->c, CG_M);
    cg_extremes_begin(&w->k);
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), w->rows.count, 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val c = cg_at(u, w->c_type, w->c,
                     cg_add(u, cg_mul(u, cg_block_start(u, &w->rows, l.i), ldc), column));
    cg_product_tiles(w, l.i, panel, part, c, ldc);
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
static void emit_indirect(cg_product *w, cg_val panel)
{
    cg_unit *u = w->u;
    cg_val column = cg_mul(u, panel, cg_num(u, CG_PANEL)), ld = cg_num(u, CG_PANEL);
    cg_product_begin_panel(w);
    cg_extremes_begin(&w->k);
    cg_loop rows = cg_loop_guard(u, cg_num(u, 0), w->rows.count, 1, false);
    cg_loop_enter(u, &rows, NULL, 0);
    cg_loop parts = cg_loop_guard(u, cg_num(u, 0), w->parts, 1, false);
    cg_loop_enter(u, &parts, NULL, 0);
    cg_product_tiles(w, rows.i, panel, parts.i, w->memory, ld);
    cg_loop_end(u, &parts, NULL);
    add_listed(w, rows.i, panel, w->memory, ld);
    call_finish(w, rows.i, w->memory, ld, column);
    cg_loop_end(u, &rows, NULL);
    end_panel(w, panel);
}

/* Panels that tiles go to directly: of a weight, each part of k for all panels, so that the part of
 * a stays in the cache; else all parts of each panel, which is made part by part. */
static void emit_whole(cg_product *w, cg_val from, cg_val to)
{
    cg_unit *u = w->u;
    bool parts_first = !cg_product_is_made(w);
    cg_loop parts, panels;
    for (int i = 0; i < 2; i++) {
        if ((i == 0) == parts_first) {
            parts = cg_loop_guard(u, cg_num(u, 0), w->parts, 1, false);
            cg_loop_enter(u, &parts, NULL, 0);
        } else {
            panels = cg_loop_guard(u, from, to, 1, true);
            cg_loop_enter(u, &panels, NULL, 0);
            cg_product_begin_panel(w);
        }
    }
    emit_direct(w, panels.i, parts.i);
    cg_loop_end(u, parts_first ? &panels : &parts, NULL);
    cg_loop_end(u, parts_first ? &parts : &panels, NULL);
}

static void emit_panels(cg_product *w, cg_val from, cg_val to)
{
    cg_unit *u = w->u;
    cg_product_begin_rows(w);
    emit_whole(w, from, cg_lesser(u, to, w->full));
    cg_loop rest = cg_loop_guard(u, cg_greater(u, from, w->full), to, 1, true);
    cg_loop_enter(u, &rest, NULL, 0);
    emit_indirect(w, rest.i);
    cg_loop_end(u, &rest, NULL);
}

/* ---- a few rows ---- */

static int64_t most_rows(const cg_product *w)
{
    int64_t lo, hi;
    ir_dim_range(w->u->g, w->k.n->space[cg_product_axis(w, CG_M)], &lo, &hi);
    return hi;
}

static int most_few(const cg_product *w)
{
    const int most = w->i8 ? cg_i8_few(w->u->isa, &w->g->codes) : CG_FEW;
    if (!cg_product_is_coded(w)) return 0;
    return most_rows(w) < most ? (int)most_rows(w) : most;
}

static bool may_be_many(const cg_product *w) { return most_rows(w) > most_few(w); }

static void call_few(cg_product *w, cg_val panel, cg_val rows)
{
    cg_unit *u = w->u;
    if (w->i8) {
        cg_val args[CG_I8_FEW_PARAMS] = {cg_product_coded(w, panel), cg_product_i8(w), w->memory,
                                         rows};
        LLVMBuildCall2(u->b, w->few.type, w->few.fn, args, CG_I8_FEW_PARAMS, "");
        return;
    }
    cg_val args[CG_FEW_PARAMS] = {cg_product_coded(w, panel), w->a, w->memory, w->k.places[1].base,
                                  rows};
    args[CG_FEW_ROW_STEP] = cg_product_stride(w, &w->g->a, CG_M);
    args[CG_FEW_K_STEP] = cg_product_stride(w, &w->g->a, CG_K);
    LLVMBuildCall2(u->b, w->few.type, w->few.fn, args, CG_FEW_PARAMS, "");
}

/* Codes of panels times the only block of rows. */
static void emit_few(cg_product *w, cg_val from, cg_val to)
{
    cg_unit *u = w->u;
    cg_val first = cg_num(u, 0), rows = cg_block_rows(u, &w->rows, first), ld = cg_num(u, CG_PANEL);
    if (w->i8) cg_product_begin_rows(w);
    cg_loop panels = cg_loop_guard(u, from, to, 1, true);
    cg_loop_enter(u, &panels, NULL, 0);
    cg_extremes_begin(&w->k);
    call_few(w, panels.i, rows);
    call_finish(w, first, w->memory, ld, cg_mul(u, panels.i, ld));
    end_panel(w, panels.i);
    cg_loop_end(u, &panels, NULL);
}

static void emit_any_rows(cg_product *w, cg_val from, cg_val to)
{
    cg_unit *u = w->u;
    if (!most_few(w)) {
        emit_panels(w, from, to);
        return;
    }
    LLVMBasicBlockRef few = cg_block(u), many = cg_block(u), done = cg_block(u);
    cg_val rows = cg_add(u, cg_mul(u, w->rows.count, w->rows.least), w->rows.more);
    cg_val are_many = cg_less(u, cg_num(u, most_few(w)), rows);
    LLVMBuildCondBr(u->b, are_many, may_be_many(w) ? many : done, few);
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
static cg_fetch fetch_of(const cg_product *w, int64_t blocks)
{
    if (cg_product_is_made(w)) return CG_FETCH_NOTHING;
    return blocks == 1 ? CG_FETCH_SELF : CG_FETCH_NEXT;
}

/* Numbers of rows that tiles can have, for any size or for the one that is known. */
static void find_tiles(cg_product *w, uint64_t rows[CG_FETCHES])
{
    uint64_t one, several;
    cg_block_sizes(w->u->g, w->k.n->space[cg_product_axis(w, CG_M)], w->shape.rows, &one, &several);
    rows[fetch_of(w, 1)] |= one;
    rows[fetch_of(w, 2)] |= several;
}

/* The place of an operand's element at the batch's indices. */
static cg_val place_in_batch(cg_product *w, const ir_affine *of)
{
    cg_val at = cg_dim(&w->k, of->konst);
    for (int i = 0; i < cg_product_axis(w, CG_M); i++)
        at = cg_add(w->u, at, cg_mul(w->u, w->k.index[i], cg_dim(&w->k, of->coef[i])));
    return at;
}

static cg_val operand_at(cg_product *w, LLVMTypeRef elements, size_t operand, cg_val at)
{
    return cg_at(w->u, elements, w->k.places[operand].base, at);
}

/* Chunk `i` of the rows. */
static void begin_rows(cg_product *w, cg_val i)
{
    cg_unit *u = w->u;
    w->rows = cg_blocks_of(u, i, cg_product_extent(w, CG_M), w->shape.rows);
    cg_val one = LLVMBuildICmp(u->b, LLVMIntEQ, w->rows.count, cg_num(u, 1), "");
    w->fetch = cg_select(u, one, cg_num(u, CG_TILE_CHOICE(fetch_of(w, 1), 0)),
                         cg_num(u, CG_TILE_CHOICE(fetch_of(w, 2), 0)));
}

/* Groups [from, to) of segment `segment`, which counts chunks of rows within batches. */
static void emit_segment(cg_product *w, cg_val segment, cg_val from, cg_val to)
{
    cg_val chunks = cg_chunks_of(w->u, cg_product_extent(w, CG_M)),
           batch = cg_quotient(w->u, segment, chunks);
    for (int i = cg_product_axis(w, CG_M) - 1; i >= 0; i--) {
        w->k.index[i] = cg_modulo(w->u, batch, w->k.extent[i]);
        batch = cg_quotient(w->u, batch, w->k.extent[i]);
    }
    w->segment = segment;
    w->first_part = cg_mul(w->u, segment, w->panels);
    begin_rows(w, cg_modulo(w->u, segment, chunks));
    const cg_gemm *g = w->g;
    w->a = operand_at(w, w->a_type, 0,
                      cg_add(w->u, place_in_batch(w, &g->a),
                             cg_mul(w->u, w->rows.first, cg_product_stride(w, &g->a, CG_M))));
    w->b =
        operand_at(w, cg_product_is_coded(w) ? w->u->i8 : w->b_type, 1, place_in_batch(w, &g->b));
    w->c = operand_at(w, w->c_type, w->k.n->noperands,
                      cg_add(w->u, place_in_batch(w, &g->c),
                             cg_mul(w->u, w->rows.first, cg_product_stride(w, &g->c, CG_M))));
    cg_val group = cg_num(w->u, g->group);
    emit_any_rows(w, cg_mul(w->u, from, group),
                  cg_lesser(w->u, cg_mul(w->u, to, group), w->panels));
}

static void emit_segments(cg_product *w)
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

static void cut_k(cg_product *w)
{
    const int align = w->narrow ? CG_NARROW_STEP : 16; /* see is_transposed in emit_pack.c */
    int64_t k = cg_product_k(w);
    w->part = w->i8 ? cg_i8_part(&w->g->codes, cg_product_k(w)) : CG_LONGEST_K;
    if (k > CG_LONGEST_K && !w->i8) {
        int64_t parts = (k + BLOCK_K - 1) / BLOCK_K;
        w->part = ((k + parts - 1) / parts + align - 1) / align * align;
    }
    w->parts =
        cg_greater(w->u, cg_ceiling(w->u, cg_product_extent(w, CG_K), w->part), cg_num(w->u, 1));
}

static void make_codes(cg_product *w)
{
    const cg_few few = {cg_product_k(w), w->row_step, w->k_step, most_few(w)};
    if (may_be_many(w)) w->decode = cg_make_decode(w->u, &w->g->codes);
    if (few.most_rows) w->few = cg_make_few(w->u, &w->g->codes, &few);
}

/* Sums are stored in c itself where they are as wide as its elements, and finished in place. */
static bool goes_direct(const cg_product *w)
{
    ir_elem out = w->k.n->out.elem;
    return out == w->form->sum || (out == IR_F32 && ir_elem_bits(w->form->sum) == 32);
}

cg_tile_use cg_product_use(const cg_isa *isa, const ir_graph *g, const cg_nest *n)
{
    int64_t k = 0;
    if (n->gemm->narrow == CG_NARROW_I8) {
        ir_dim_is_const(g, n->space[n->rank - 1], &k);
        return cg_i8_use(isa, &n->gemm->codes, k);
    }
    if (cg_narrow_parts(isa, n->gemm)) return (cg_tile_use){.a = IR_BF16, .format = CG_FORMAT_BF16};
    return (cg_tile_use){.a = n->operands[0].elem, .format = n->gemm->format};
}

static void choose_tile(cg_product *w)
{
    cg_unit *u = w->u;
    int64_t k = cg_product_k(w);
    w->row_step = cg_product_known(w, w->g->a.coef[cg_product_axis(w, CG_M)]);
    w->k_step = cg_product_known(w, w->g->a.coef[cg_product_axis(w, CG_K)]);
    w->use = cg_product_use(u->isa, u->g, w->k.n);
    if (!w->i8) {
        w->use.row_step = !w->narrow ? w->row_step : cg_narrow_padded(k);
        w->use.k_step = w->narrow ? 1 : w->k_step;
    }
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

static void make_i8(cg_product *w)
{
    const int64_t k = cg_product_k(w);
    const bool offset = w->use.a == IR_U8;
    const int few = most_few(w);
    w->narrow_a = cg_make_i8_rows(w->u, &w->g->codes, k, offset, w->k_step == 1);
    if (may_be_many(w)) w->narrow_b = cg_make_i8_panel(w->u, &w->g->codes, k, offset);
    if (few) w->few = cg_make_i8_few(w->u, &w->g->codes, k, offset, few);
}

static void make_narrow(cg_product *w)
{
    w->narrow_a = cg_make_narrow_a(w->u, w->narrow, w->k_step == 1);
    w->narrow_b = cg_make_narrow_b(w->u, w->narrow);
}

static void prepare(cg_product *w)
{
    cg_unit *u = w->u;
    w->narrow = cg_narrow_parts(u->isa, w->g);
    w->i8 = w->g->narrow == CG_NARROW_I8;
    cut_k(w);
    choose_tile(w);
    w->extremes = cg_extremes_memory(&w->k);
    w->finish = cg_make_finish(u, w->k.n);
    if (!w->g->packed) w->pack = cg_make_pack(u, w->k.n);
    if (w->i8) make_i8(w);
    else if (cg_product_is_coded(w)) make_codes(w);
    if (w->narrow) make_narrow(w);
    if (w->form->listed) w->listed = cg_make_listed(u, w->use.a);
    if (cg_product_is_made(w)) {
        w->held = LLVMBuildAlloca(u->b, u->i64, "");
        w->scratch = cg_field(u, w->k.args, offsetof(lathe_args, scratch), u->ptr);
    }
    w->memory =
        LLVMBuildAlloca(u->b, LLVMArrayType2(w->c_type, (uint64_t)w->shape.rows * CG_PANEL), "");
    LLVMSetAlignment(w->memory, 64);
    w->panels = cg_ceiling(u, cg_product_extent(w, CG_N), CG_PANEL);
    w->full = goes_direct(w) ? cg_quotient(u, cg_product_extent(w, CG_N), cg_num(u, CG_PANEL))
                             : cg_num(u, 0);
}

cg_val cg_emit_gemm(cg_unit *u, const cg_kernel *kernel)
{
    cg_product w = {.k = cg_kern_begin(u, kernel), .u = u, .g = kernel->nest.gemm};
    cg_kern_arguments(&w.k);
    prepare(&w);
    cg_tiles_begin(u, &w.use, w.sizes);
    emit_segments(&w);
    cg_tiles_end(u, &w.use, w.sizes);
    LLVMBuildRetVoid(u->b);
    return w.k.fn;
}
