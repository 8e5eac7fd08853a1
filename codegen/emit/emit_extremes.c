/* The extremes of parts of a kernel's result, beside the result.
 *
 * While a part is made, the largest x, the least x and a NaN, if there was one, of each lane are in
 * memory of the kernel, which is in the first-level cache: they live through calls and through all
 * the loops that make a part; an inner loop may hold them in registers. A NaN has a place of its
 * own since instructions for extremes do not keep one. A lane that is counted twice does no harm.
 */
#include <stddef.h>

#include "codegen/emit/emit_nest.h"

enum { LARGEST, LEAST, NO_NUMBER };

static cg_val place_of(cg_kern *k, int which, int lane)
{
    return cg_at(k->u, k->u->f32, k->extremes, cg_int(k->u->i64, which * CG_MOST_LANES + lane));
}

static cg_val read_floats(cg_unit *u, cg_val at, int lanes)
{
    cg_val v = LLVMBuildLoad2(u->b, cg_arith_type(u, IR_F32, lanes), at, "");
    LLVMSetAlignment(v, sizeof(float));
    return v;
}

static void write_floats(cg_unit *u, cg_val v, cg_val at)
{
    LLVMSetAlignment(LLVMBuildStore(u->b, v, at), sizeof(float));
}

cg_val cg_extremes_memory(cg_kern *k)
{
    cg_unit *u = k->u;
    if (!k->n->extremes) return LLVMConstNull(u->ptr);
    k->extremes = LLVMBuildAlloca(
        u->b, LLVMArrayType2(u->f32, (uint64_t)CG_EXTREMES_HELD * CG_MOST_LANES), "");
    LLVMSetAlignment(k->extremes, 64);
    return k->extremes;
}

void cg_extremes_begin(cg_kern *k)
{
    static const cg_combine identities[] = {
        [LARGEST] = CG_MAX, [LEAST] = CG_MIN, [NO_NUMBER] = CG_SUM};
    for (int i = 0; i < CG_EXTREMES_HELD && k->extremes; i++)
        write_floats(k->u, cg_identity(k->u, identities[i], IR_F32, CG_MOST_LANES),
                     place_of(k, i, 0));
}

void cg_extremes_load(cg_kern *k, int lane, int lanes, cg_val held[CG_EXTREMES_HELD])
{
    for (int i = 0; i < CG_EXTREMES_HELD; i++)
        held[i] = read_floats(k->u, place_of(k, i, lane), lanes);
}

void cg_extremes_store(cg_kern *k, int lane, const cg_val held[CG_EXTREMES_HELD])
{
    for (int i = 0; i < CG_EXTREMES_HELD; i++) write_floats(k->u, held[i], place_of(k, i, lane));
}

/* Comparisons with a NaN are false: then v is taken, and the next one again. */
void cg_extremes_count(cg_unit *u, cg_val v, cg_val held[CG_EXTREMES_HELD])
{
    static const LLVMRealPredicate keep[] = {[LARGEST] = LLVMRealOGT, [LEAST] = LLVMRealOLT};
    for (int i = LARGEST; i <= LEAST; i++)
        held[i] = cg_select(u, LLVMBuildFCmp(u->b, keep[i], held[i], v, ""), held[i], v);
    cg_val none = LLVMBuildFCmp(u->b, LLVMRealUNO, v, v, "");
    held[NO_NUMBER] = cg_select(u, none, v, held[NO_NUMBER]);
}

void cg_extremes_add(cg_kern *k, int lane, cg_val v)
{
    cg_val held[CG_EXTREMES_HELD];
    if (!k->extremes) return;
    cg_extremes_load(k, lane, k->lanes, held);
    cg_extremes_count(k->u, v, held);
    cg_extremes_store(k, lane, held);
}

/* [max(-x), max(x)] of a part. */
static void write_part(cg_kern *k, cg_val part, const cg_val values[2])
{
    cg_unit *u = k->u;
    cg_val bufs = cg_field(u, k->args, offsetof(lathe_args, buf), u->ptr);
    cg_val out = cg_field(u, bufs, (k->n->noperands + 1) * sizeof(void *), u->ptr);
    cg_val first = cg_at(u, u->f32, out, cg_mul(u, part, cg_int(u->i64, 2)));
    for (int i = 0; i < 2; i++)
        write_floats(u, values[i], cg_at(u, u->f32, first, cg_int(u->i64, i)));
}

void cg_extremes_end(cg_kern *k, cg_val part)
{
    cg_unit *u = k->u;
    cg_val held[CG_EXTREMES_HELD], values[2];
    if (!k->extremes) return;
    cg_extremes_load(k, 0, CG_MOST_LANES, held);
    cg_val none = LLVMBuildFCmp(u->b, LLVMRealUNO, held[NO_NUMBER], held[NO_NUMBER], "");
    values[0] = LLVMBuildFNeg(u->b, held[LEAST], "");
    values[1] = held[LARGEST];
    for (int i = 0; i < 2; i++)
        values[i] =
            cg_horizontal(u, CG_MAX, IR_F32, cg_select(u, none, held[NO_NUMBER], values[i]));
    write_part(k, part, values);
}

void cg_extremes_of_rows(cg_kern *k)
{
    cg_unit *u = k->u;
    if (!k->extremes) return;
    const cg_val nothing = cg_identity(u, CG_MAX, IR_F32, 1), none[2] = {nothing, nothing};
    cg_loop l = cg_loop_guard(u, k->begin, k->end, 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    write_part(k, l.i, none);
    cg_loop_end(u, &l, NULL);
    LLVMBasicBlockRef some = cg_block(u), done = cg_block(u);
    LLVMBuildCondBr(u->b, cg_less(u, k->begin, k->end), some, done);
    LLVMPositionBuilderAtEnd(u->b, some);
    cg_extremes_end(k, k->begin);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
}
