/* Tiles of products of blocks in i8 (CG_NARROW_I8).
 *
 * In: a tile whose use has blocks. Out: its function. The steps of k are those of the tile's row in
 * tiles.def; they sum one block, from what stands in front of it in b. The sums are then floats,
 * scaled, and added to others that are kept in memory: half of the registers would not hold both.
 */
#include "codegen/emit/emit_tile.h"

static cg_val element_at(cg_tile *t, LLVMTypeRef elements, cg_val base, int64_t at)
{
    return cg_tile_at(t, elements, base, cg_int(t->u->i64, at));
}

/* A block's place in a and b; of elements, which are bytes. */
typedef struct place {
    cg_val a, b;
} place;

static place block_at(cg_tile *t, cg_val a, cg_val b, cg_val i)
{
    cg_unit *u = t->u;
    const cg_val of_a = cg_int(u->i64, cg_i8_of_a(t->use.block)),
                 of_b = cg_int(u->i64, cg_i8_of_b(t->use.block, t->use.zeros));
    return (place){cg_tile_at(t, u->i8, a, LLVMBuildMul(u->b, i, of_a, "")),
                   cg_tile_at(t, u->i8, b, LLVMBuildMul(u->b, i, of_b, ""))};
}

/* A row in front of a block of b, from a column on: so many numbers. */
static cg_val head_of(cg_tile *t, const place *p, int row, cg_val column, LLVMTypeRef type)
{
    cg_val at = cg_int(t->u->i64, (int64_t)row * CG_PANEL);
    at = cg_tile_at(t, t->u->i32, p->b, LLVMBuildAdd(t->u->b, at, column, ""));
    return cg_tile_load(t, type, at, CG_CELL);
}

/* sum + the block's sum times both scales. a: where the block of the row starts. */
static cg_val add_scaled(cg_tile *t, const place *p, cg_val a, cg_val column, cg_val of_block,
                         cg_val sum)
{
    cg_unit *u = t->u;
    const int lanes = cg_lanes(of_block);
    cg_val scale = cg_tile_load(t, u->f32, a, CG_CELL);
    if (t->use.zeros) {
        cg_val codes = cg_tile_load(t, u->i32, element_at(t, u->i32, a, 1), CG_CELL),
               zeros = head_of(t, p, CG_I8_ZEROS, column, LLVMTypeOf(of_block));
        if (lanes > 1) codes = cg_splat(u, codes, lanes);
        of_block = LLVMBuildSub(u->b, of_block, LLVMBuildMul(u->b, codes, zeros, ""), "");
    }
    if (lanes > 1) scale = cg_splat(u, scale, lanes);
    cg_val other = head_of(t, p, CG_I8_SCALES, column, LLVMTypeOf(sum));
    return cg_fma(u, LLVMBuildSIToFP(u->b, of_block, LLVMTypeOf(sum), ""),
                  LLVMBuildFMul(u->b, other, scale, ""), sum);
}

/* The sums of floats are kept in memory of their own, side by side: rows of c may all fall into few
 * sets of the first-level cache. Stored there or copied back from there to c. */
static void move_sums(cg_tile *t, cg_val kept, bool back)
{
    cg_unit *u = t->u;
    LLVMTypeRef floats = cg_wide(u->f32, t->shape.lanes);
    for (int i = 0; i < t->rows * t->shape.vectors; i++) {
        cg_val c = cg_tile_place_of_c(t, i / t->shape.vectors, i % t->shape.vectors),
               own = element_at(t, floats, kept, i);
        cg_val v = cg_tile_load(t, floats, back ? own : c, CG_CELL);
        LLVMSetAlignment(LLVMBuildStore(u->b, v, back ? c : own), CG_CELL);
    }
}

static cg_val keep_sums(cg_tile *t)
{
    cg_unit *u = t->u;
    LLVMTypeRef floats = cg_wide(u->f32, t->shape.lanes);
    int n = t->rows * t->shape.vectors;
    cg_val kept = LLVMBuildAlloca(u->b, LLVMArrayType2(floats, (uint64_t)n), "");
    LLVMBasicBlockRef held = cg_block(u), none = cg_block(u), start = cg_block(u);
    LLVMBuildCondBr(u->b, t->arg[CG_TILE_ADD], held, none);
    LLVMPositionBuilderAtEnd(u->b, held);
    move_sums(t, kept, false);
    LLVMBuildBr(u->b, start);
    LLVMPositionBuilderAtEnd(u->b, none);
    for (int i = 0; i < n; i++)
        LLVMSetAlignment(
            LLVMBuildStore(u->b, LLVMConstNull(floats), element_at(t, floats, kept, i)), CG_CELL);
    LLVMBuildBr(u->b, start);
    LLVMPositionBuilderAtEnd(u->b, start);
    return kept;
}

/* The sums of a block to those that are kept. */
static void add_block(cg_tile *t, const place *p, cg_val kept)
{
    cg_unit *u = t->u;
    const int vectors = t->shape.vectors, n = cg_tile_sums(t);
    LLVMTypeRef floats = cg_wide(u->f32, t->shape.lanes);
    cg_val carried[CG_MOST_CARRIED];
    for (int i = 0; i < n; i++)
        carried[i] = head_of(t, p, CG_I8_STARTS,
                             cg_int(u->i64, (int64_t)(i % vectors) * t->shape.lanes), t->vector);
    cg_tile_add(t, element_at(t, u->i8, p->a, CG_I8_FRONT),
                element_at(t, u->i8, p->b, cg_i8_head(t->use.zeros)), carried);
    for (int i = 0; i < t->rows * vectors; i++) {
        cg_val own = element_at(t, floats, kept, i),
               a = cg_tile_at(t, u->i8, p->a, t->row_at[i / vectors]);
        cg_val sum = add_scaled(t, p, a, cg_int(u->i64, (int64_t)(i % vectors) * t->shape.lanes),
                                carried[i], cg_tile_load(t, floats, own, CG_CELL));
        LLVMSetAlignment(LLVMBuildStore(u->b, sum, own), CG_CELL);
    }
}

static cg_val blocks_of_part(cg_tile *t)
{
    return LLVMBuildUDiv(t->u->b, t->arg[CG_TILE_K], cg_int(t->u->i64, t->use.block), "");
}

void cg_emit_tile_scaled(cg_tile *t)
{
    cg_unit *u = t->u;
    cg_val count = blocks_of_part(t);
    cg_tile_find_rows(t);
    cg_val kept = keep_sums(t);
    t->arg[CG_TILE_K] = cg_int(u->i64, t->use.block);
    cg_loop l = cg_loop_guard(u, cg_int(u->i64, 0), count, 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    place p = block_at(t, t->arg[CG_TILE_A], t->arg[CG_TILE_B], l.i);
    add_block(t, &p, kept);
    cg_loop_end(u, &l, NULL);
    move_sums(t, kept, true);
    LLVMBuildRetVoid(u->b);
}

/* The same in plain loops, of one element. */
cg_val cg_tile_plain_scaled(cg_tile *t, cg_val row, cg_val column, cg_val held)
{
    cg_unit *u = t->u;
    cg_tile of_block = *t;
    cg_loop l = cg_loop_guard(u, cg_int(u->i64, 0), blocks_of_part(t), 1, true);
    cg_loop_enter(u, &l, &held, 1);
    place p = block_at(t, t->arg[CG_TILE_A], t->arg[CG_TILE_B], l.i);
    of_block.arg[CG_TILE_K] = cg_int(u->i64, t->use.block);
    of_block.arg[CG_TILE_A] = element_at(t, u->i8, p.a, CG_I8_FRONT);
    of_block.arg[CG_TILE_B] = element_at(t, u->i8, p.b, cg_i8_head(t->use.zeros));
    cg_val first = head_of(t, &p, CG_I8_STARTS, column, cg_storage_type(u, t->form->sum)),
           sum = cg_tile_plain_sum(&of_block, row, column, first);
    cg_val at = LLVMBuildMul(u->b, row, t->arg[CG_TILE_ROW_STEP], "");
    sum = add_scaled(t, &p, cg_tile_at(t, u->i8, p.a, at), column, sum, l.carried[0]);
    cg_loop_end(u, &l, &sum);
    return sum;
}
