/* The function of attention.
 *
 * A call works through units: chunks of rows within batches. Keys and values of a batch are packed
 * into panels once, and again only where the next unit has others. Then, block by block of rows:
 * the scores, a tile a panel of keys; the rows of scores to weights, in place; the weighted sums,
 * a tile a panel of values, with all keys at once. The scores of a block are whole rows, so the
 * softmax is the same as without fusion. They stay in the second-level cache, as the panels do.
 *
 * For a few rows, as a decoder's step has, packing would be most of the work: keys and values whose
 * rows are contiguous are read where they lie (emit_unpacked.c). */
#include <stddef.h>

#include "codegen/emit/emit_gemm.h"

enum { MOST_COLUMNS = 1024 }; /* of a tile for a few rows */

typedef struct attention {
    cg_kern k;
    cg_unit *u;
    const cg_attention *a;
    int nbatch;
    cg_tile_shape shape;
    cg_function pack[CG_FACTORS], weigh, finish;
    cg_val extremes;                   /* memory for finish */
    cg_val score_tiles, value_tiles;   /* choosers */
    cg_val panels[CG_FACTORS], scores; /* in the worker's scratch */
    cg_val held[CG_FACTORS];           /* where it stands what the panels were packed from */
    cg_val tile;                       /* of results that do not go to c directly */
    cg_val step;                       /* between rows of scores */
    bool few;                          /* emitting what reads keys and values where they lie */
    cg_function dots, weighted;        /* for that; fn NULL: their rows are not contiguous */
    cg_list *bases;
    /* of the unit: */
    cg_val from[CG_FACTORS];
    cg_blocks rows;
} attention;

static cg_val panels_of(attention *w, cg_val columns)
{
    return cg_ceiling(w->u, columns, CG_PANEL);
}

/* ---- sizes: rows, keys, terms of a score, columns of the values ---- */

static cg_val size_of(attention *w, const cg_nest *n, int inner)
{
    return cg_dim(&w->k, n->space[w->nbatch + inner]);
}

static cg_val row_count(attention *w) { return size_of(w, w->k.n, 0); }
static cg_val key_count(attention *w) { return size_of(w, w->k.n, 2); }
static cg_val term_count(attention *w) { return size_of(w, &w->a->scores, 2); }
static cg_val column_count(attention *w) { return size_of(w, w->k.n, 1); }

static cg_val stride(attention *w, const ir_affine *of, int inner)
{
    return cg_dim(&w->k, of->coef[w->nbatch + inner]);
}

/* ---- packing ---- */

/* Panels of keys have the terms of a score, those of values all keys. */
static void pack_panels(attention *w, int which)
{
    cg_unit *u = w->u;
    cg_val columns = which == CG_KEY ? key_count(w) : column_count(w),
           k = which == CG_KEY ? term_count(w) : key_count(w);
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), panels_of(w, columns), 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val column = cg_mul(u, l.i, cg_num(u, CG_PANEL));
    cg_val args[CG_PACK_PARAMS] = {w->k.args,
                                   w->from[which],
                                   cg_at(u, u->f32, w->panels[which], cg_mul(u, column, k)),
                                   cg_num(u, 0),
                                   k,
                                   column};
    LLVMBuildCall2(u->b, w->pack[which].type, w->pack[which].fn, args, CG_PACK_PARAMS, "");
    cg_loop_end(u, &l, NULL);
}

static void pack_if_new(attention *w, int which)
{
    cg_unit *u = w->u;
    LLVMBasicBlockRef pack = cg_block(u), done = cg_block(u);
    cg_val held = LLVMBuildLoad2(u->b, u->ptr, w->held[which], "");
    LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntEQ, held, w->from[which], ""), done, pack);
    LLVMPositionBuilderAtEnd(u->b, pack);
    pack_panels(w, which);
    LLVMBuildStore(u->b, w->from[which], w->held[which]);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
}

/* ---- a block of rows ---- */

/* The product of rows of a with one panel, to c. */
static void emit_tiles(attention *w, cg_val tiles, cg_val *arg)
{
    cg_unit *u = w->u;
    int columns = w->shape.lanes * w->shape.vectors;
    cg_val b = arg[1 + CG_TILE_B], c = arg[1 + CG_TILE_C];
    for (int column = 0; column < CG_PANEL; column += columns) {
        arg[1 + CG_TILE_B] = arg[1 + CG_TILE_NEXT] = cg_at(u, u->f32, b, cg_num(u, column));
        arg[1 + CG_TILE_C] = cg_at(u, u->f32, c, cg_num(u, column));
        LLVMBuildCall2(u->b, cg_tile_chooser_type(u), tiles, arg, CG_TILE_ARGS + 1, "");
    }
}

/* What the tiles do, without panels and with all columns of c. */
static void emit_unpacked(attention *w, int which, const cg_val *tile, cg_val rows)
{
    const cg_gemm *g = which == CG_KEY ? w->a->scores.gemm : w->k.n->gemm;
    const cg_axes *b_rows = which == CG_KEY ? &g->n : &g->k;
    cg_val args[CG_UNPACKED_PARAMS] = {
        [CG_UNPACKED_A] = tile[CG_TILE_A],
        [CG_UNPACKED_B] = w->from[which],
        [CG_UNPACKED_C] = tile[CG_TILE_C],
        [CG_UNPACKED_ROWS] = rows,
        [CG_UNPACKED_A_STEP] = tile[CG_TILE_ROW_STEP],
        [CG_UNPACKED_B_STEP] = cg_dim(&w->k, b_rows->stride[0]),
        [CG_UNPACKED_C_STEP] = tile[CG_TILE_LDC],
        [CG_UNPACKED_COUNT] = key_count(w),
    };
    const cg_function *f = which == CG_KEY ? &w->dots : &w->weighted;
    LLVMBuildCall2(w->u->b, f->type, f->fn, args, CG_UNPACKED_PARAMS, "");
}

static cg_val choice_of(attention *w, cg_val rows)
{
    return cg_add(w->u, rows, cg_num(w->u, CG_TILE_CHOICE(CG_FETCH_NOTHING, 0)));
}

static void emit_scores(attention *w, cg_val block, cg_val rows)
{
    cg_unit *u = w->u;
    const ir_affine *q = &w->a->scores.gemm->a;
    cg_val row = cg_add(u, w->rows.first, cg_block_start(u, &w->rows, block)),
           row_step = stride(w, q, 0);
    cg_val args[CG_TILE_ARGS + 1] = {choice_of(w, rows)}, *arg = args + 1;
    arg[CG_TILE_A] = cg_at(u, u->f32, w->from[CG_Q], cg_mul(u, row, row_step));
    arg[CG_TILE_K] = term_count(w);
    arg[CG_TILE_LDC] = w->step;
    arg[CG_TILE_ROW_STEP] = row_step;
    arg[CG_TILE_K_STEP] = stride(w, q, 2);
    arg[CG_TILE_ADD] = cg_int(u->i1, 0);
    arg[CG_TILE_C] = w->scores;
    if (w->few) {
        emit_unpacked(w, CG_KEY, arg, rows);
        return;
    }
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), panels_of(w, key_count(w)), 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val column = cg_mul(u, l.i, cg_num(u, CG_PANEL));
    arg[CG_TILE_B] = cg_at(u, u->f32, w->panels[CG_KEY], cg_mul(u, column, term_count(w)));
    arg[CG_TILE_C] = cg_at(u, u->f32, w->scores, column);
    emit_tiles(w, w->score_tiles, args);
    cg_loop_end(u, &l, NULL);
}

static void call_rows(attention *w, const cg_function *f, cg_val *args, int nargs)
{
    for (int i = 0; i < w->nbatch; i++) args[nargs + i] = w->k.index[i];
    LLVMBuildCall2(w->u->b, f->type, f->fn, args, (unsigned)f->args, "");
}

static void emit_weights(attention *w, cg_val block, cg_val rows)
{
    cg_val row = cg_add(w->u, w->rows.first, cg_block_start(w->u, &w->rows, block));
    cg_val args[CG_WEIGH_BATCH + IR_MAX_SPACE] = {w->k.args, w->scores, w->step, row, rows};
    call_rows(w, &w->weigh, args, CG_WEIGH_BATCH);
}

static void call_finish(attention *w, cg_val row, cg_val rows, cg_val tile, cg_val ld,
                        cg_val column)
{
    cg_val left = cg_sub(w->u, column_count(w), column);
    cg_val args[CG_FINISH_BATCH + IR_MAX_SPACE] = {w->k.args, tile, w->extremes, ld, row, rows};
    args[CG_FINISH_N] = column;
    args[CG_FINISH_COLUMNS] =
        cg_intrinsic(w->u, "llvm.smin", (cg_val[]){left, cg_num(w->u, CG_PANEL)}, 2);
    call_rows(w, &w->finish, args, CG_FINISH_BATCH);
}

/* Where the block's rows of the result begin. */
static cg_val result_of(attention *w, cg_val row)
{
    cg_unit *u = w->u;
    const ir_affine *c = &w->k.n->gemm->c;
    cg_val place = cg_add(u, cg_mul(u, row, stride(w, c, 0)), cg_dim(&w->k, c->konst));
    for (int i = 0; i < w->nbatch; i++)
        place = cg_add(u, place, cg_mul(u, w->k.index[i], cg_dim(&w->k, c->coef[i])));
    return cg_at(u, u->f32, w->k.places[w->k.n->noperands].base, place);
}

/* Panels [start, end) of the values: straight to the result, or through a tile in memory. A few
 * rows have all columns at once, in a tile so wide. */
static void emit_values(attention *w, cg_val block, cg_val rows, cg_val start, cg_val end,
                        bool direct)
{
    cg_unit *u = w->u;
    cg_val row = cg_add(u, w->rows.first, cg_block_start(u, &w->rows, block)), none = cg_num(u, 0),
           place = direct ? result_of(w, row) : w->tile,
           tile_ld = w->few ? column_count(w) : cg_num(u, CG_PANEL),
           ld = direct ? stride(w, &w->k.n->gemm->c, 0) : tile_ld;
    cg_val args[CG_TILE_ARGS + 1] = {choice_of(w, rows)}, *arg = args + 1;
    arg[CG_TILE_A] = w->scores;
    arg[CG_TILE_C] = place;
    arg[CG_TILE_K] = key_count(w);
    arg[CG_TILE_LDC] = ld;
    arg[CG_TILE_ROW_STEP] = w->step;
    arg[CG_TILE_K_STEP] = cg_num(u, 1);
    arg[CG_TILE_ADD] = cg_int(u->i1, 0);
    bool finished = w->k.n->epilogue || w->k.n->extremes;
    if (w->few) emit_unpacked(w, CG_VALUE, arg, rows);
    if (w->few && direct && !finished) return;
    cg_loop l = cg_loop_guard(u, start, end, 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val column = cg_mul(u, l.i, cg_num(u, CG_PANEL)),
           to = cg_at(u, u->f32, place, direct || w->few ? column : none);
    arg[CG_TILE_B] = cg_at(u, u->f32, w->panels[CG_VALUE], cg_mul(u, column, key_count(w)));
    arg[CG_TILE_C] = to;
    if (!w->few) emit_tiles(w, w->value_tiles, args);
    if (!direct || finished) call_finish(w, row, rows, to, ld, column);
    cg_loop_end(u, &l, NULL);
}

static void emit_blocks(attention *w)
{
    cg_unit *u = w->u;
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), w->rows.count, 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    bool direct = w->k.n->out.elem == IR_F32;
    cg_val rows = cg_block_rows(u, &w->rows, l.i), none = cg_num(u, 0),
           all = panels_of(w, column_count(w)),
           full = direct ? cg_quotient(u, column_count(w), cg_num(u, CG_PANEL)) : none;
    emit_scores(w, l.i, rows);
    emit_weights(w, l.i, rows);
    if (w->few) {
        emit_values(w, l.i, rows, none, all, direct);
    } else {
        emit_values(w, l.i, rows, none, full, true);
        emit_values(w, l.i, rows, full, all, false);
    }
    cg_loop_end(u, &l, NULL);
}

/* ---- units ---- */

static void find_factors(attention *w)
{
    cg_list_plan(&w->k, w->bases);
    cg_list_emit(&w->k, w->bases, w->k.n->rank + 2);
    for (int i = 0; i < CG_FACTORS; i++)
        w->from[i] = cg_at(w->u, w->u->f32, w->k.places[w->a->operand[i]].base,
                           cg_list_root(&w->k, w->bases, i));
}

static void emit_packed(attention *w)
{
    pack_if_new(w, CG_KEY);
    pack_if_new(w, CG_VALUE);
    emit_blocks(w);
}

static void emit_few_or_many(attention *w)
{
    cg_unit *u = w->u;
    LLVMBasicBlockRef few = cg_block(u), many = cg_block(u), done = cg_block(u);
    cg_val is_few = LLVMBuildICmp(u->b, LLVMIntSLE, row_count(w), cg_num(u, CG_FEW), "");
    LLVMBuildCondBr(u->b, is_few, few, many);
    LLVMPositionBuilderAtEnd(u->b, few);
    w->few = true;
    emit_blocks(w);
    w->few = false;
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, many);
    emit_packed(w);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
}

static void emit_units(attention *w)
{
    cg_unit *u = w->u;
    cg_val chunks = cg_chunks_of(u, row_count(w));
    cg_loop l = cg_loop_guard(u, w->k.begin, w->k.end, 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val batch = cg_quotient(u, l.i, chunks);
    for (int i = w->nbatch - 1; i >= 0; i--) {
        w->k.index[i] = cg_modulo(u, batch, w->k.extent[i]);
        batch = cg_quotient(u, batch, w->k.extent[i]);
    }
    find_factors(w);
    cg_extremes_begin(&w->k);
    w->rows = cg_blocks_of(u, cg_modulo(u, l.i, chunks), row_count(w), w->shape.rows);
    if (w->dots.fn) emit_few_or_many(w);
    else emit_packed(w);
    cg_extremes_end(&w->k, l.i);
    cg_loop_end(u, &l, NULL);
}

/* ---- the function ---- */

static int64_t attention_known(const attention *w, ir_dim d)
{
    int64_t v;
    return ir_dim_is_const(w->u->g, d, &v) ? v : 0;
}

/* Rows of scores have a known distance unless they are long; see score_step in attention.c. */
static void make_tiles(attention *w)
{
    cg_unit *u = w->u;
    const ir_affine *q = &w->a->scores.gemm->a;
    uint64_t one, several, rows[CG_FETCHES] = {0};
    int64_t least, most;
    const cg_tile_use scores = {.a = IR_F32,
                                .format = w->a->scores.gemm->format,
                                .row_step = attention_known(w, q->coef[w->nbatch]),
                                .k_step = attention_known(w, q->coef[w->nbatch + 2])};
    cg_tile_use values = {.a = IR_F32, .format = w->k.n->gemm->format, .k_step = 1};
    cg_block_sizes(u->g, w->k.n->space[w->nbatch], w->shape.rows, &one, &several);
    rows[CG_FETCH_NOTHING] = one | several;
    w->score_tiles = cg_tile_chooser(u, &scores, rows);
    ir_dim_range(u->g, w->a->step, &least, &most);
    values.row_step = least;
    w->value_tiles = cg_tile_chooser(u, &values, rows);
    if (least == most) return;
    values.row_step = 0;
    cg_val is_least = LLVMBuildICmp(u->b, LLVMIntEQ, w->step, cg_num(u, least), "");
    w->value_tiles = cg_select(u, is_least, w->value_tiles, cg_tile_chooser(u, &values, rows));
}

/* The most lanes that a known size is a multiple of; 0: fewer than four. */
static int lanes_of(const attention *w, ir_dim size)
{
    int64_t n = attention_known(w, size);
    int lanes = w->u->isa->vector_bits / 32;
    while (lanes >= 4 && (n < 1 || n % lanes)) lanes /= 2;
    return lanes >= 4 ? lanes : 0;
}

/* Where rows of keys, values and queries are contiguous and a run may have a few queries. */
static void make_unpacked(attention *w)
{
    cg_unit *u = w->u;
    const cg_nest *scores = &w->a->scores;
    int64_t least, most, terms = attention_known(w, scores->space[w->nbatch + 2]),
                         columns = attention_known(w, w->k.n->space[w->nbatch + 1]);
    int dots = lanes_of(w, scores->space[w->nbatch + 2]),
        weighted = lanes_of(w, w->k.n->space[w->nbatch + 1]);
    ir_dim_range(u->g, w->k.n->space[w->nbatch], &least, &most);
    bool contiguous = ir_dim_equals(u->g, scores->gemm->k.stride[0], 1) &&
                      ir_dim_equals(u->g, scores->gemm->a.coef[w->nbatch + 2], 1) &&
                      ir_dim_equals(u->g, w->k.n->gemm->n.stride[0], 1);
    bool fits = columns <= MOST_COLUMNS || w->k.n->out.elem == IR_F32;
    if (!contiguous || !dots || !weighted || !fits || least > CG_FEW) return;
    w->dots = cg_make_dots(u, terms, dots);
    w->weighted = cg_make_weighted(u, columns, weighted);
}

static void place_scratch(attention *w)
{
    cg_unit *u = w->u;
    cg_val panel = cg_num(u, CG_PANEL);
    cg_val keys = cg_mul(u, cg_mul(u, panels_of(w, key_count(w)), panel), term_count(w)),
           values = cg_mul(u, cg_mul(u, panels_of(w, column_count(w)), panel), key_count(w));
    w->panels[CG_KEY] = cg_field(u, w->k.args, offsetof(lathe_args, scratch), u->ptr);
    w->panels[CG_VALUE] = cg_at(u, u->f32, w->panels[CG_KEY], cg_add(u, keys, panel));
    w->scores = cg_at(u, u->f32, w->panels[CG_VALUE], values);
    for (int i = CG_KEY; i <= CG_VALUE; i++) {
        w->held[i] = LLVMBuildAlloca(u->b, u->ptr, "");
        LLVMBuildStore(u->b, LLVMConstNull(u->ptr), w->held[i]);
    }
    uint64_t tile = (uint64_t)w->shape.rows * CG_PANEL,
             few = CG_FEW * (uint64_t)attention_known(w, w->k.n->space[w->nbatch + 1]);
    if (w->dots.fn && w->k.n->out.elem != IR_F32 && few > tile) tile = few;
    w->tile = LLVMBuildAlloca(u->b, LLVMArrayType2(u->f32, tile), "");
    LLVMSetAlignment(w->tile, 64);
}

/* A nest of the kernel, with the kernel's params. */
static const cg_nest *attention_part_of(attention *w, const cg_nest *part)
{
    cg_nest *n = IR_NEW(&w->u->arena, cg_nest);
    *n = *part;
    n->nparams = w->k.n->nparams;
    n->params = w->k.n->params;
    return n;
}

cg_val cg_emit_attention(cg_unit *u, const cg_kernel *kernel)
{
    const cg_tile_use use = {.a = IR_F32, .format = kernel->nest.gemm->format};
    attention w = {.k = cg_kern_begin(u, kernel),
                   .u = u,
                   .a = kernel->nest.attention,
                   .nbatch = kernel->nest.rank - 3,
                   .shape = cg_tile_shape_of(u->isa, &use)};
    cg_kern_arguments(&w.k);
    w.extremes = cg_extremes_memory(&w.k);
    w.pack[CG_KEY] = cg_make_pack(u, attention_part_of(&w, &w.a->scores));
    w.pack[CG_VALUE] = cg_make_pack(u, w.k.n);
    w.weigh = cg_make_weigh(u, attention_part_of(&w, &w.a->row));
    w.finish = cg_make_finish(u, w.k.n);
    w.bases = cg_list_new(u, w.a->base, CG_FACTORS);
    w.step = cg_dim(&w.k, w.a->step);
    make_tiles(&w);
    make_unpacked(&w);
    place_scratch(&w);
    emit_units(&w);
    LLVMBuildRetVoid(u->b);
    return w.k.fn;
}
