/* The factors of a tiled product: a where it lies or as rows that were made of it, panels of b
 * where they lie or as they are made, part by part, in the worker's scratch. */
#include "codegen/emit/emit_factors.h"

int cg_product_axis(const cg_product *w, int which) { return w->k.n->rank - 3 + which; }
cg_val cg_product_extent(const cg_product *w, int which)
{
    return w->k.extent[cg_product_axis(w, which)];
}

/* Where the row of a panel stands that k is in, in rows. */
static cg_val row_of(cg_product *w, cg_val k)
{
    if (w->form->group > 1) k = cg_quotient(w->u, k, cg_num(w->u, w->form->group));
    return w->front ? cg_add(w->u, k, cg_num(w->u, w->front)) : k;
}

cg_val cg_product_panel_rows(cg_product *w)
{
    cg_val k = cg_product_extent(w, CG_K);
    return row_of(w, w->form->group > 1 ? cg_add(w->u, k, cg_num(w->u, w->form->group - 1)) : k);
}

bool cg_product_is_coded(const cg_product *w) { return w->g->codes.code != CG_CODE_NONE; }

bool cg_product_is_made(const cg_product *w)
{
    return !w->g->packed || cg_product_is_coded(w) || w->narrow;
}

int64_t cg_product_known(const cg_product *w, ir_dim d)
{
    int64_t v;
    return ir_dim_is_const(w->u->g, d, &v) ? v : 0;
}

int64_t cg_product_k(const cg_product *w)
{
    return cg_product_known(w, w->k.n->space[cg_product_axis(w, CG_K)]);
}

cg_val cg_product_coded(cg_product *w, cg_val panel)
{
    cg_val at = cg_mul(w->u, panel, cg_num(w->u, cg_codes_panel(&w->g->codes, cg_product_k(w))));
    return cg_at(w->u, w->u->i8, w->b, at);
}

/* ---- a tile ---- */

cg_val cg_product_stride(cg_product *w, const ir_affine *of, int which)
{
    return cg_dim(&w->k, of->coef[cg_product_axis(w, which)]);
}

static cg_val length_of(cg_product *w, cg_val part)
{
    return cg_lesser(
        w->u, cg_num(w->u, w->part),
        cg_sub(w->u, cg_product_extent(w, CG_K), cg_mul(w->u, part, cg_num(w->u, w->part))));
}

/* ---- narrowed factors, in scratch ---- */

static cg_val narrowed_b(cg_product *w, int part)
{
    int64_t k = cg_product_k(w);
    return cg_at(w->u, w->u->i8, w->scratch,
                 cg_num(w->u, cg_narrow_offset(k) + part * cg_narrow_part(k)));
}

static cg_val padded(cg_product *w, cg_val k)
{
    return LLVMBuildAnd(w->u->b, cg_add(w->u, k, cg_num(w->u, CG_NARROW_STEP - 1)),
                        cg_num(w->u, -CG_NARROW_STEP), "");
}

/* Elements of a part of a, for any number of rows of a chunk. */
static cg_val narrowed_size(cg_product *w)
{
    cg_val most = cg_lesser(w->u, cg_product_extent(w, CG_M), cg_num(w->u, CG_ROWS));
    return cg_mul(w->u, most, padded(w, cg_product_extent(w, CG_K)));
}

static cg_val narrowed_a(cg_product *w, int part)
{
    return cg_at(w->u, w->u->i16, narrowed_b(w, w->narrow),
                 cg_mul(w->u, narrowed_size(w), cg_num(w->u, part)));
}

static void narrow_part(cg_product *w, cg_val elements, cg_val length)
{
    cg_val args[CG_NARROW_B_PARAMS] = {elements, narrowed_b(w, 0), length,
                                       cg_num(w->u, cg_narrow_part(cg_product_k(w)) / 2)};
    LLVMBuildCall2(w->u->b, w->narrow_b.type, w->narrow_b.fn, args, CG_NARROW_B_PARAMS, "");
}

static void narrow_rows(cg_product *w, cg_val rows)
{
    cg_val args[CG_NARROW_A_PARAMS] = {w->a, narrowed_a(w, 0), rows};
    args[CG_NARROW_ROW_STEP] = cg_product_stride(w, &w->g->a, CG_M);
    args[CG_NARROW_K_STEP] = cg_product_stride(w, &w->g->a, CG_K);
    args[CG_NARROW_K] = cg_product_extent(w, CG_K);
    args[CG_NARROW_PART] = narrowed_size(w);
    LLVMBuildCall2(w->u->b, w->narrow_a.type, w->narrow_a.fn, args, CG_NARROW_A_PARAMS, "");
}

/* ---- blocks in i8, in scratch ---- */

cg_val cg_product_i8(cg_product *w)
{
    return cg_at(w->u, w->u->i8, w->scratch,
                 cg_num(w->u, cg_i8_offset(&w->g->codes, cg_product_k(w))));
}

static cg_val i8_b(cg_product *w)
{
    return cg_at(w->u, w->u->i8, w->scratch, cg_num(w->u, CG_I8_HELD));
}

static cg_val blocks_to(cg_product *w, cg_val part)
{
    return cg_mul(w->u, part, cg_num(w->u, cg_i8_blocks(&w->g->codes, w->part)));
}

static cg_val blocks_of(cg_product *w, cg_val part)
{
    const int64_t all = cg_i8_blocks(&w->g->codes, cg_product_k(w)),
                  most = cg_i8_blocks(&w->g->codes, w->part);
    cg_val left = cg_sub(w->u, cg_num(w->u, all), blocks_to(w, part));
    return cg_lesser(w->u, cg_num(w->u, most), left);
}

/* Unless the worker has rounded them for other panels. */
static void i8_rows(cg_product *w, cg_val rows)
{
    cg_unit *u = w->u;
    cg_val args[CG_I8_ROWS_PARAMS] = {w->a, cg_product_i8(w), rows};
    args[CG_I8_ROWS_STEP] = cg_product_stride(w, &w->g->a, CG_M);
    args[CG_I8_ROWS_K_STEP] = cg_product_stride(w, &w->g->a, CG_K);
    LLVMBasicBlockRef make = cg_block(u), done = cg_block(u);
    cg_val number = cg_add(u, w->segment, cg_num(u, 1)),
           held = LLVMBuildLoad2(u->b, u->i64, w->scratch, "");
    LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntEQ, held, number, ""), done, make);
    LLVMPositionBuilderAtEnd(u->b, make);
    LLVMBuildCall2(u->b, w->narrow_a.type, w->narrow_a.fn, args, CG_I8_ROWS_PARAMS, "");
    LLVMBuildStore(u->b, number, w->scratch);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
}

static void i8_panel(cg_product *w, cg_val panel, cg_val part)
{
    cg_val args[CG_I8_PANEL_PARAMS] = {cg_product_coded(w, panel), i8_b(w), blocks_to(w, part),
                                       blocks_of(w, part)};
    LLVMBuildCall2(w->u->b, w->narrow_b.type, w->narrow_b.fn, args, CG_I8_PANEL_PARAMS, "");
}

/* ---- panels of b ---- */

void cg_product_begin_rows(cg_product *w)
{
    cg_val rows = cg_add(w->u, cg_mul(w->u, w->rows.count, w->rows.least), w->rows.more);
    if (w->i8) i8_rows(w, rows);
    if (w->narrow) narrow_rows(w, rows);
}

/* A part of a panel of elements, or made now. */
static cg_val elements_of_panel(cg_product *w, cg_val panel, cg_val part)
{
    cg_unit *u = w->u;
    cg_val k = cg_mul(u, part, cg_num(u, w->part)), columns = cg_num(u, CG_PANEL),
           length = length_of(w, part);
    if (cg_product_is_coded(w)) {
        cg_val args[CG_DECODE_PARAMS] = {cg_product_coded(w, panel), w->scratch,
                                         w->k.places[1].base, k, length};
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
    cg_val row = cg_add(u, cg_mul(u, panel, cg_product_panel_rows(w)), row_of(w, k));
    return cg_at(u, w->b_type, w->b, cg_mul(u, row, cg_num(u, (int64_t)CG_PANEL * w->form->group)));
}

/* A part of a panel as tiles take it; what is made stays until another one is. */
static cg_val part_of_panel(cg_product *w, cg_val panel, cg_val part)
{
    cg_unit *u = w->u;
    if (!cg_product_is_made(w)) return elements_of_panel(w, panel, part);
    LLVMBasicBlockRef make = cg_block(u), done = cg_block(u);
    cg_val held = LLVMBuildLoad2(u->b, u->i64, w->held, "");
    LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntEQ, held, part, ""), done, make);
    LLVMPositionBuilderAtEnd(u->b, make);
    cg_val elements = w->scratch;
    if (w->i8) i8_panel(w, panel, part);
    else elements = elements_of_panel(w, panel, part);
    if (w->narrow) narrow_part(w, elements, length_of(w, part));
    LLVMBuildStore(u->b, part, w->held);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
    return w->narrow ? narrowed_b(w, 0) : w->scratch;
}

void cg_product_begin_panel(cg_product *w)
{
    if (cg_product_is_made(w)) LLVMBuildStore(w->u->b, cg_num(w->u, -1), w->held);
}

/* Calls of tiles for all columns of a panel. Where a tile is narrower than a panel, these are
 * several. */
static void call_tiles(cg_product *w, cg_val *args, cg_val b, cg_val c, cg_val next, cg_val share)
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
static void call_narrow(cg_product *w, cg_val *args, cg_val row, cg_val k, cg_val c)
{
    static const int first[][2] = {{0, 0}}, both[][2] = {{1, 0}, {0, 1}, {0, 0}};
    const int(*of)[2] = w->narrow == 1 ? first : both;
    cg_unit *u = w->u;
    cg_val *arg = args + 1, width = padded(w, cg_product_extent(w, CG_K)), none = cg_num(u, 0);
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

static void call_i8(cg_product *w, cg_val *args, cg_val row, cg_val part, cg_val c)
{
    cg_unit *u = w->u;
    cg_val *arg = args + 1, none = cg_num(u, 0);
    arg[CG_TILE_K] = cg_mul(u, blocks_of(w, part), cg_num(u, w->use.block));
    arg[CG_TILE_ROW_STEP] = cg_num(u, w->use.row_step);
    arg[CG_TILE_K_STEP] = cg_num(u, 1);
    cg_val at = cg_mul(u, blocks_to(w, part), cg_num(u, cg_i8_of_a(w->use.block)));
    at = cg_add(u, cg_mul(u, row, arg[CG_TILE_ROW_STEP]), at);
    arg[CG_TILE_A] = cg_at(u, u->i8, cg_product_i8(w), at);
    call_tiles(w, args, i8_b(w), c, none, none);
}

/* What comes next is the same part of the next panel, of which each tile fetches its share. */
void cg_product_tiles(cg_product *w, cg_val block, cg_val panel, cg_val part, cg_val c, cg_val ldc)
{
    cg_unit *u = w->u;
    int columns = w->shape.lanes * w->shape.vectors, group = w->form->group;
    cg_val k = cg_mul(u, part, cg_num(u, w->part)), row_step = cg_product_stride(w, &w->g->a, CG_M),
           k_step = cg_product_stride(w, &w->g->a, CG_K);
    cg_val length = length_of(w, part), b = part_of_panel(w, panel, part);
    cg_val rows = cg_block_rows(u, &w->rows, block), row = cg_block_start(u, &w->rows, block);
    cg_val args[CG_TILE_ARGS + 1] = {cg_add(u, rows, w->fetch)}, *arg = args + 1;
    arg[CG_TILE_K] = length;
    arg[CG_TILE_LDC] = ldc;
    arg[CG_TILE_ADD] = LLVMBuildICmp(u->b, LLVMIntNE, part, cg_num(u, 0), "");
    if (w->narrow || w->i8) {
        if (w->i8) call_i8(w, args, row, part, c);
        else call_narrow(w, args, row, k, c);
        return;
    }
    cg_val share = cg_lesser(u, cg_mul(u, length, w->reach),
                             cg_quotient(u, cg_mul(u, length, cg_num(u, columns)), w->rows.count));
    cg_val next =
        cg_add(u, cg_mul(u, cg_product_panel_rows(w), cg_num(u, (int64_t)CG_PANEL * group)),
               cg_mul(u, block, cg_mul(u, share, cg_num(u, CG_PANEL / columns))));
    cg_val at = cg_add(u, cg_mul(u, row, row_step), cg_mul(u, k, k_step));
    arg[CG_TILE_A] = cg_at(u, w->a_type, w->a, at);
    arg[CG_TILE_ROW_STEP] = row_step;
    arg[CG_TILE_K_STEP] = k_step;
    call_tiles(w, args, b, c, next, share);
}
