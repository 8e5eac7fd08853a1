/* Reductions: one point of the parallel space, or one vector of such points.
 *
 * Accumulators are carried through the loops over the reduced axes, none of which is empty here.
 * With lanes along the last reduced axis there are two: one with a partial result a lane, one for
 * the elements after the last vector; at the end they are combined in a fixed tree, so that the
 * result does not depend on how rows are given to threads. */
#include "codegen/emit/emit_nest.h"

cg_val cg_horizontal(cg_unit *u, cg_combine combine, ir_elem type, cg_val v)
{
    for (int lanes = cg_lanes(v); lanes > 1; lanes /= 2) {
        cg_val halves[2];
        for (int h = 0; h < 2; h++) {
            cg_val pick[CG_MOST_LANES];
            for (int i = 0; i < lanes / 2; i++) pick[i] = cg_int(u->i32, h * lanes / 2 + i);
            cg_val mask = LLVMConstVector(pick, (unsigned)(lanes / 2));
            halves[h] = lanes == 2 ? cg_lane(u, v, h)
                                   : LLVMBuildShuffleVector(u->b, v, LLVMGetPoison(LLVMTypeOf(v)),
                                                            mask, "");
        }
        v = cg_combine_values(u, combine, type, halves[0], halves[1]);
    }
    return v;
}

static void arg_step(cg_shape *s, cg_val *acc)
{
    cg_kern *k = &s->k;
    LLVMBuilderRef b = k->u->b;
    cg_val v = cg_list_root(k, s->list, 0), at = cg_splat(k->u, k->index[k->n->rank - 1], k->lanes),
           better;
    bool max = k->n->combine == CG_MAX, last = k->n->last;
    if (ir_elem_is_float(s->type)) {
        LLVMRealPredicate p =
            max ? (last ? LLVMRealOGE : LLVMRealOGT) : (last ? LLVMRealOLE : LLVMRealOLT);
        cg_val nan = LLVMBuildFCmp(b, LLVMRealUNO, v, v, "");
        cg_val had_nan = LLVMBuildFCmp(b, LLVMRealUNO, acc[0], acc[0], "");
        better = LLVMBuildOr(b, LLVMBuildFCmp(b, p, v, acc[0], ""), nan, "");
        if (!last) better = LLVMBuildAnd(b, better, LLVMBuildNot(b, had_nan, ""), "");
    } else {
        bool is_u = ir_elem_class(s->type) == 'U' || s->type == IR_BOOL;
        LLVMIntPredicate up =
            last ? (is_u ? LLVMIntUGE : LLVMIntSGE) : (is_u ? LLVMIntUGT : LLVMIntSGT);
        LLVMIntPredicate down =
            last ? (is_u ? LLVMIntULE : LLVMIntSLE) : (is_u ? LLVMIntULT : LLVMIntSLT);
        better = LLVMBuildICmp(b, max ? up : down, v, acc[0], "");
    }
    acc[0] = LLVMBuildSelect(b, better, v, acc[0], "");
    acc[1] = LLVMBuildSelect(b, better, at, acc[1], "");
}

/* One point of the reduced space into acc. */
static void reduce_step(cg_shape *s, cg_val *acc)
{
    cg_kern *k = &s->k;
    cg_list_emit(k, s->list, cg_all_depths(s));
    cg_list_faults(k, s->list);
    if (cg_has(k->n, CG_FINDS)) {
        arg_step(s, acc);
    } else if (s->contract) {
        acc[0] = cg_fma(k->u, cg_list_root(k, s->list, 0), cg_list_root(k, s->list, 1), acc[0]);
    } else {
        acc[0] =
            cg_combine_values(k->u, k->n->combine, s->type, acc[0], cg_list_root(k, s->list, 0));
    }
}

static int carried_values(const cg_shape *s)
{
    return cg_has(s->k.n, CG_FINDS) || s->along >= 0 ? 2 : 1;
}

/* The last reduced axis with lanes along it: acc[0] for lanes, acc[1] for what remains. */
static void reduce_along(cg_shape *s, cg_val *acc)
{
    cg_kern *k = &s->k;
    cg_val start = cg_int(k->u->i64, 0), extent = k->extent[s->along];
    for (int t = 0; t < s->nred_tiers; t++) {
        int lanes = s->red_tiers[t], slot = lanes > 1 ? 0 : 1;
        cg_val end = lanes > 1
                         ? LLVMBuildAnd(k->u->b, extent, cg_int(k->u->i64, -(int64_t)lanes), "")
                         : extent;
        cg_shape_lanes(s, lanes, s->along);
        cg_shape_plan(s, s->list);
        cg_loop l = cg_loop_guard(k->u, start, end, lanes, !LLVMIsConstant(extent));
        cg_list_emit(k, s->list, k->depth_of[s->along] - 1);
        cg_loop_enter(k->u, &l, &acc[slot], 1);
        k->index[s->along] = l.i;
        acc[slot] = l.carried[0];
        reduce_step(s, &acc[slot]);
        cg_loop_end(k->u, &l, &acc[slot]);
        start = end;
    }
    cg_shape_lanes(s, 1, -1);
}

/* Reduced axes from `axis` on; none of them is empty here. */
static void reduce_axes(cg_shape *s, int axis, cg_val *acc)
{
    cg_kern *k = &s->k;
    if (axis == k->n->rank) {
        reduce_step(s, acc);
        return;
    }
    if (axis == s->along) {
        reduce_along(s, acc);
        return;
    }
    if (cg_is_one(k->u->g, k->n->space[axis])) {
        k->index[axis] = cg_int(k->u->i64, 0);
        reduce_axes(s, axis + 1, acc);
        return;
    }
    if (s->along < 0) cg_list_emit(k, s->list, k->depth_of[axis] - 1);
    cg_loop l = cg_loop_guard(k->u, cg_int(k->u->i64, 0), k->extent[axis], 1, false);
    cg_loop_enter(k->u, &l, acc, carried_values(s));
    k->index[axis] = l.i;
    cg_val next[CG_MOST_CARRIED];
    for (int c = 0; c < l.ncarried; c++) next[c] = l.carried[c];
    reduce_axes(s, axis + 1, next);
    cg_loop_end(k->u, &l, next);
    for (int c = 0; c < l.ncarried; c++) acc[c] = next[c];
}

void cg_emit_reduced(cg_shape *s)
{
    cg_kern *k = &s->k;
    cg_unit *u = k->u;
    int lanes = k->lanes;
    cg_val acc[CG_MOST_CARRIED] = {
        cg_identity(u, k->n->combine, s->type, s->along >= 0 ? s->red_tiers[0] : lanes)};
    if (cg_has(k->n, CG_FINDS)) acc[1] = cg_int(cg_wide(u->i64, lanes), 0);
    if (s->along >= 0) acc[1] = cg_identity(u, k->n->combine, s->type, 1);
    if (!s->empty) reduce_axes(s, k->n->rank - k->n->nred, acc);
    cg_val v = cg_has(k->n, CG_FINDS) ? acc[1] : acc[0];
    if (s->along >= 0) {
        v = cg_horizontal(u, k->n->combine, s->type, acc[0]);
        if (!s->empty) v = cg_combine_values(u, k->n->combine, s->type, v, acc[1]);
    }
    cg_shape_plan(s, s->places);
    k->acc = &v;
    cg_list_emit(k, s->places, cg_all_depths(s));
    cg_list_faults(k, s->places);
    if (k->n->epilogue) v = cg_list_root(k, s->places, 0);
    cg_store(k, s->places, s->first_index, v);
}
