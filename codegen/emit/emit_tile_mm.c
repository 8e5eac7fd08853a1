/* Steps of the tiles whose instruction multiplies blocks of two rows with blocks of two columns.
 *
 * A block of a is two rows' k side by side, 8 bytes each, so a step takes two groups of k: a
 * column's k of both come together by taking the lanes of two rows of the panel in turn. What is
 * left at the end is a group with zeros behind it. Sums of two rows and four columns are two blocks
 * (emit_tile.c). */
#include "codegen/emit/emit_dot.h"
#include "codegen/emit/emit_tile.h"

/* A vector of columns of the panel's rows as two blocks of two columns. */
static void load_blocks(cg_tile *t, cg_val b, int step, int vector, cg_val out[2])
{
    static const int first[] = {0, 4, 1, 5}, second[] = {2, 6, 3, 7};
    LLVMTypeRef words = cg_wide(t->u->i32, 4);
    cg_val row = cg_tile_load(t, words, cg_tile_place_of_b(t, b, step, vector), 1);
    cg_val next = t->span > 1
                      ? cg_tile_load(t, words, cg_tile_place_of_b(t, b, step + 1, vector), 1)
                      : LLVMConstNull(words);
    out[0] = cg_pick(t->u, row, next, first, 4);
    out[1] = cg_pick(t->u, row, next, second, 4);
}

/* 8 bytes of a row of a. */
static cg_val row_of(cg_tile *t, cg_val a, int row, int step, cg_val left)
{
    cg_unit *u = t->u;
    cg_val k = cg_int(u->i64, (int64_t)step * t->form->group);
    if (t->span > 1 && t->use.k_step == 1)
        return cg_tile_load(t, u->i64, cg_tile_place_of_a(t, a, row, k), 1);
    cg_val v = LLVMBuildZExt(u->b, cg_tile_group(t, a, row, step, left), u->i64, "");
    if (t->span == 1) return v;
    cg_val next = LLVMBuildZExt(u->b, cg_tile_group(t, a, row, step + 1, left), u->i64, "");
    return LLVMBuildOr(u->b, v, LLVMBuildShl(u->b, next, cg_int(u->i64, 32), ""), "");
}

static cg_val load_rows(cg_tile *t, cg_val a, int row, int step, cg_val left)
{
    cg_unit *u = t->u;
    cg_val both = LLVMGetPoison(cg_wide(u->i64, 2));
    for (int i = 0; i < 2; i++)
        both = LLVMBuildInsertElement(u->b, both, row_of(t, a, row + i, step, left),
                                      cg_int(u->i32, i), "");
    return LLVMBuildBitCast(u->b, both, cg_wide(u->i32, 4), "");
}

void cg_multiply_blocks(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_val block[2 * CG_TILE_MOST_VECTORS];
    int vectors = t->shape.vectors;
    for (int j = 0; j < vectors; j++) load_blocks(t, b, step, j, &block[2 * j]);
    for (int i = 0; i < t->rows; i += 2) {
        cg_words x = {load_rows(t, a, i, step, left), t->use.a};
        for (int j = 0; j < 2 * vectors; j++) {
            cg_words y = {block[j], t->form->elem};
            cg_val *s = &sum[(i + j % 2) * vectors + j / 2];
            *s = t->traits & CG_TILE_TURNED ? cg_dot_blocks(t->u, *s, y, x)
                                            : cg_dot_blocks(t->u, *s, x, y);
        }
    }
}

void cg_tile_to_blocks(cg_tile *t, cg_val *sum, bool back)
{
    static const int together[2][4] = {{0, 1, 4, 5}, {2, 3, 6, 7}},
                     zip[2][4] = {{0, 4, 1, 5}, {2, 6, 3, 7}},
                     unzip[2][4] = {{0, 2, 4, 6}, {1, 3, 5, 7}};
    const int(*lanes)[4] = !(t->traits & CG_TILE_TURNED) ? together : back ? unzip : zip;
    int vectors = t->shape.vectors;
    for (int i = 0; i < t->rows; i += 2)
        for (int j = 0; j < vectors; j++) {
            cg_val *x = &sum[i * vectors + j], *y = x + vectors, two[2];
            for (int k = 0; k < 2; k++) two[k] = cg_pick(t->u, *x, *y, lanes[k], 4);
            *x = two[0], *y = two[1];
        }
}
