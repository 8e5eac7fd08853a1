/* Loop nests: the function of one kernel.
 *
 * Loops, outermost first: the rows that the caller asks for, the inner axis (the innermost parallel
 * one that is not known to be 1) in pieces of decreasing lane counts, then the reduced or cumulated
 * axes. All loops test at their end and are entered only if they turn at least once, so that what
 * stands in front of a loop may be computed there. Lanes go along the inner axis or, if a reduction
 * reads its operands contiguously along it, along the last reduced axis; partial results of lanes
 * are then combined in a fixed tree. */
#include <stddef.h>

#include "codegen/emit.h"

enum { MOST_TIERS = 5, MOST_LANES = 64 };

/* ---- axes ---- */

static bool is_one(const ir_graph *g, ir_dim d) { return ir_dim_equals(g, d, 1); }

static int parallel_rank(const cg_nest *n)
{
    return n->kind == CG_NEST_REDUCE || n->kind == CG_NEST_ARG ? n->rank - n->nred : n->rank;
}

/* The axis of the innermost parallel loop; -1: there is none. */
static int inner_axis(const ir_graph *g, const cg_nest *n)
{
    if (n->kind == CG_NEST_CUMULATE) return -1;
    for (int a = parallel_rank(n) - 1; a >= 0; a--)
        if (!is_one(g, n->space[a])) return a;
    return -1;
}

static bool is_row_axis(const ir_graph *g, const cg_nest *n, int axis)
{
    if (n->kind == CG_NEST_CUMULATE) return axis != n->axis;
    return axis < parallel_rank(n) && axis != inner_axis(g, n);
}

static bool one_worker(const cg_nest *n) { return n->kind == CG_NEST_SCATTER || ir_elem_bits(n->out.elem) < 8; }

ir_dim cg_nest_rows(ir_graph *g, const cg_nest *n)
{
    ir_dim rows[IR_MAX_SPACE];
    int count = 0;
    if (one_worker(n)) return ir_dim_const(g, 1);
    for (int a = 0; a < n->rank; a++)
        if (is_row_axis(g, n, a)) rows[count++] = n->space[a];
    return ir_dim_product(g, rows, count);
}

static bool may_be_empty(const cg_kern *k, int axis)
{
    int64_t lo, hi;
    ir_dim_range(k->u->g, k->n->space[axis], &lo, &hi);
    return lo < 1;
}

/* ---- one kernel ---- */

/* How the nest is computed; made once for a kernel. */
typedef struct shape {
    cg_kern k;
    int inner;                     /* -1: a single point */
    int tiers[MOST_TIERS], ntiers; /* lane counts along the inner axis, descending to 1 */
    int along;                     /* a reduced axis along which lanes go, or -1 */
    int red_tiers[2], nred_tiers;
    bool contract;                 /* sum of products: roots 0 and 1 are the factors */
    bool empty;                    /* the variant for an empty reduction */
    ir_elem type;                  /* of the body */
    cg_list *list;                 /* roots: the body (or its two factors), then the store's indices
                                      unless those are in `places` */
    cg_list *places;
    int first_index;               /* root of the first store index in `places` */
} shape;

static cg_list *plan(shape *s, cg_list *l)
{
    cg_list_plan(&s->k, l);
    return l;
}

static void set_lanes(shape *s, int lanes, int axis)
{
    s->k.lanes = lanes;
    s->k.vaxis = lanes > 1 ? axis : -1;
}

static int all_depths(const shape *s) { return s->k.n->rank + 2; }

/* ---- reductions ---- */

static cg_val horizontal(shape *s, cg_val v)
{
    cg_unit *u = s->k.u;
    for (int lanes = cg_lanes(v); lanes > 1; lanes /= 2) {
        cg_val halves[2];
        for (int h = 0; h < 2; h++) {
            cg_val pick[MOST_LANES];
            for (int i = 0; i < lanes / 2; i++) pick[i] = cg_int(u->i32, h * lanes / 2 + i);
            cg_val mask = LLVMConstVector(pick, (unsigned)(lanes / 2));
            halves[h] = lanes == 2 ? cg_lane(u, v, h)
                                   : LLVMBuildShuffleVector(u->b, v, LLVMGetPoison(LLVMTypeOf(v)), mask, "");
        }
        v = cg_combine_values(u, s->k.n->combine, s->type, halves[0], halves[1]);
    }
    return v;
}

static void arg_step(shape *s, cg_val *acc)
{
    cg_kern *k = &s->k;
    LLVMBuilderRef b = k->u->b;
    cg_val v = cg_list_root(k, s->list, 0), at = cg_splat(k->u, k->index[k->n->rank - 1], k->lanes), better;
    bool max = k->n->combine == CG_MAX, last = k->n->last;
    if (ir_elem_is_float(s->type)) {
        LLVMRealPredicate p = max ? (last ? LLVMRealOGE : LLVMRealOGT) : (last ? LLVMRealOLE : LLVMRealOLT);
        cg_val nan = LLVMBuildFCmp(b, LLVMRealUNO, v, v, "");
        cg_val had_nan = LLVMBuildFCmp(b, LLVMRealUNO, acc[0], acc[0], "");
        better = LLVMBuildOr(b, LLVMBuildFCmp(b, p, v, acc[0], ""), nan, "");
        if (!last) better = LLVMBuildAnd(b, better, LLVMBuildNot(b, had_nan, ""), "");
    } else {
        bool is_u = ir_elem_class(s->type) == 'U' || s->type == IR_BOOL;
        LLVMIntPredicate up = last ? (is_u ? LLVMIntUGE : LLVMIntSGE) : (is_u ? LLVMIntUGT : LLVMIntSGT);
        LLVMIntPredicate down = last ? (is_u ? LLVMIntULE : LLVMIntSLE) : (is_u ? LLVMIntULT : LLVMIntSLT);
        better = LLVMBuildICmp(b, max ? up : down, v, acc[0], "");
    }
    acc[0] = LLVMBuildSelect(b, better, v, acc[0], "");
    acc[1] = LLVMBuildSelect(b, better, at, acc[1], "");
}

/* One point of the reduced space into acc. */
static void reduce_step(shape *s, cg_val *acc)
{
    cg_kern *k = &s->k;
    cg_list_emit(k, s->list, all_depths(s));
    cg_list_faults(k, s->list);
    if (k->n->kind == CG_NEST_ARG) {
        arg_step(s, acc);
    } else if (s->contract) {
        acc[0] = cg_fma(k->u, cg_list_root(k, s->list, 0), cg_list_root(k, s->list, 1), acc[0]);
    } else {
        acc[0] = cg_combine_values(k->u, k->n->combine, s->type, acc[0], cg_list_root(k, s->list, 0));
    }
}

static int carried_values(const shape *s) { return s->k.n->kind == CG_NEST_ARG || s->along >= 0 ? 2 : 1; }

/* The last reduced axis with lanes along it: acc[0] for lanes, acc[1] for what remains. */
static void reduce_along(shape *s, cg_val *acc)
{
    cg_kern *k = &s->k;
    cg_val start = cg_int(k->u->i64, 0), extent = k->extent[s->along];
    for (int t = 0; t < s->nred_tiers; t++) {
        int lanes = s->red_tiers[t], slot = lanes > 1 ? 0 : 1;
        cg_val end = lanes > 1 ? LLVMBuildAnd(k->u->b, extent, cg_int(k->u->i64, -(int64_t)lanes), "") : extent;
        set_lanes(s, lanes, s->along);
        plan(s, s->list);
        cg_loop l = cg_loop_guard(k->u, start, end, lanes, !LLVMIsConstant(extent));
        cg_list_emit(k, s->list, k->depth_of[s->along] - 1);
        cg_loop_enter(k->u, &l, &acc[slot], 1);
        k->index[s->along] = l.i;
        acc[slot] = l.carried[0];
        reduce_step(s, &acc[slot]);
        cg_loop_end(k->u, &l, &acc[slot]);
        start = end;
    }
    set_lanes(s, 1, -1);
}

/* Reduced axes from `axis` on; none of them is empty here. */
static void reduce_axes(shape *s, int axis, cg_val *acc)
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
    if (is_one(k->u->g, k->n->space[axis])) {
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

static void emit_reduced(shape *s)
{
    cg_kern *k = &s->k;
    cg_unit *u = k->u;
    int lanes = k->lanes;
    cg_val acc[CG_MOST_CARRIED] = {cg_identity(u, k->n->combine, s->type, s->along >= 0 ? s->red_tiers[0] : lanes)};
    if (k->n->kind == CG_NEST_ARG) acc[1] = cg_int(cg_wide(u->i64, lanes), 0);
    if (s->along >= 0) acc[1] = cg_identity(u, k->n->combine, s->type, 1);
    if (!s->empty) reduce_axes(s, k->n->rank - k->n->nred, acc);
    cg_val v = k->n->kind == CG_NEST_ARG ? acc[1] : acc[0];
    if (s->along >= 0) {
        v = horizontal(s, acc[0]);
        if (!s->empty) v = cg_combine_values(u, k->n->combine, s->type, v, acc[1]);
    }
    plan(s, s->places);
    k->acc = &v;
    cg_list_emit(k, s->places, all_depths(s));
    cg_list_faults(k, s->places);
    if (k->n->epilogue) v = cg_list_root(k, s->places, 0);
    cg_store(k, s->places, s->first_index, v);
}

/* ---- the other kinds ---- */

static void emit_map(shape *s)
{
    cg_kern *k = &s->k;
    cg_list_emit(k, s->list, all_depths(s));
    cg_list_faults(k, s->list);
    if (k->n->kind == CG_NEST_SCATTER)
        cg_store_combined(k, s->list, s->first_index, k->n->combine, cg_list_root(k, s->list, 0));
    else
        cg_store(k, s->list, s->first_index, cg_list_root(k, s->list, 0));
}

static void emit_cumulated(shape *s)
{
    cg_kern *k = &s->k;
    cg_unit *u = k->u;
    int axis = k->n->axis;
    cg_val acc = cg_identity(u, k->n->combine, s->type, 1);
    plan(s, s->list);
    cg_loop l = cg_loop_guard(k->u, cg_int(u->i64, 0), k->extent[axis], 1, may_be_empty(k, axis));
    cg_list_emit(k, s->list, k->depth_of[axis] - 1);
    cg_loop_enter(k->u, &l, &acc, 1);
    k->index[axis] = l.i;
    if (k->n->reverse)
        k->index[axis] = LLVMBuildSub(u->b, LLVMBuildSub(u->b, k->extent[axis], cg_int(u->i64, 1), ""), l.i, "");
    cg_list_emit(k, s->list, all_depths(s));
    cg_list_faults(k, s->list);
    cg_val next = cg_combine_values(u, k->n->combine, s->type, l.carried[0], cg_list_root(k, s->list, 0));
    cg_store(k, s->list, s->first_index, k->n->exclusive ? l.carried[0] : next);
    cg_loop_end(k->u, &l, &next);
}

/* ---- the inner axis and the rows ---- */

static bool is_reduction(const shape *s) { return s->k.n->kind == CG_NEST_REDUCE || s->k.n->kind == CG_NEST_ARG; }

static void emit_point(shape *s)
{
    if (is_reduction(s)) emit_reduced(s);
    else emit_map(s);
}

/* What a reduction gives may be stored twice: then the last vector ends where the axis ends and
 * overlaps the one before it. A map must not do that, as its result may lie on an operand. */
static bool may_overlap(const shape *s) { return is_reduction(s); }

static cg_val vector_start(shape *s, cg_val i)
{
    cg_kern *k = &s->k;
    if (k->lanes == 1 || !may_overlap(s)) return i;
    cg_val last = LLVMBuildSub(k->u->b, k->extent[s->inner], cg_int(k->u->i64, k->lanes), "");
    return cg_intrinsic(k->u, "llvm.smin", (cg_val[]){i, last}, 2);
}

/* Where a tier of so many lanes ends. */
static cg_val tier_end(shape *s, int tier)
{
    cg_unit *u = s->k.u;
    int lanes = s->tiers[tier];
    cg_val extent = s->k.extent[s->inner];
    bool last_vector = lanes > 1 && (tier + 1 == s->ntiers || s->tiers[tier + 1] == 1);
    if (lanes == 1) return extent;
    if (!last_vector || !may_overlap(s)) return LLVMBuildAnd(u->b, extent, cg_int(u->i64, -(int64_t)lanes), "");
    cg_val fits = LLVMBuildICmp(u->b, LLVMIntSGE, extent, cg_int(u->i64, lanes), "");
    return cg_select(u, fits, extent, cg_int(u->i64, 0));
}

static void emit_tier(shape *s, int lanes, cg_val start, cg_val end, bool maybe_empty)
{
    cg_kern *k = &s->k;
    set_lanes(s, lanes, s->inner);
    cg_loop l = cg_loop_guard(k->u, start, end, lanes, maybe_empty);
    plan(s, s->list);
    if (!s->empty && s->along < 0) cg_list_emit(k, s->list, k->depth_of[s->inner] - 1);
    cg_loop_enter(k->u, &l, NULL, 0);
    k->index[s->inner] = vector_start(s, l.i);
    emit_point(s);
    cg_loop_end(k->u, &l, NULL);
}

static void emit_inner(shape *s)
{
    cg_kern *k = &s->k;
    if (k->n->kind == CG_NEST_CUMULATE) {
        emit_cumulated(s);
        return;
    }
    if (s->inner < 0) {
        set_lanes(s, 1, -1);
        plan(s, s->list);
        emit_point(s);
        return;
    }
    cg_val start = cg_int(k->u->i64, 0);
    for (int t = 0; t < s->ntiers; t++) {
        cg_val end = tier_end(s, t);
        if (start == end) continue;
        emit_tier(s, s->tiers[t], start, end, !LLVMIsConstant(end));
        start = end;
    }
}

/* index of each row axis from the number of the row */
static void decode_row(shape *s, const int *axes, int n, cg_val row)
{
    cg_kern *k = &s->k;
    for (int i = n - 1; i > 0; i--) {
        k->index[axes[i]] = LLVMBuildURem(k->u->b, row, k->extent[axes[i]], "");
        row = LLVMBuildUDiv(k->u->b, row, k->extent[axes[i]], "");
    }
    if (n > 0) k->index[axes[0]] = row;
}

static void emit_rows(shape *s)
{
    cg_kern *k = &s->k;
    cg_unit *u = k->u;
    int axes[IR_MAX_SPACE], n = 0;
    cg_val begin = k->begin, end = k->end, rows = cg_int(u->i64, 1);
    for (int a = 0; a < k->n->rank; a++) {
        if (!is_row_axis(u->g, k->n, a)) continue;
        k->index[a] = cg_int(u->i64, 0);
        if (is_one(u->g, k->n->space[a])) continue;
        axes[n++] = a;
        rows = LLVMBuildMul(u->b, rows, k->extent[a], "");
    }
    if (one_worker(k->n)) {
        begin = cg_int(u->i64, 0);
        end = rows;
    }
    cg_loop l = cg_loop_guard(k->u, begin, end, 1, true);
    cg_loop_enter(k->u, &l, NULL, 0);
    decode_row(s, axes, n, l.i);
    emit_inner(s);
    cg_loop_end(k->u, &l, NULL);
}

/* ---- choosing lanes ---- */

static int floor_power(int64_t n, int most)
{
    int p = 1;
    while (p * 2 <= most && p * 2 <= n) p *= 2;
    return p;
}

static int64_t known_extent(const shape *s, int axis)
{
    int64_t v;
    return ir_dim_is_const(s->k.u->g, s->k.n->space[axis], &v) ? v : INT64_MAX;
}

/* Lanes along an axis that pay off: 1 where operands would be gathered. */
static int choose_lanes(shape *s, int axis, bool stored, cg_cost *cost)
{
    cg_kern *k = &s->k;
    set_lanes(s, 2, axis);
    *cost = cg_list_cost(k, plan(s, s->list));
    int bits = cost->widest, out_bits = ir_elem_bits(k->n->out.elem);
    if (stored && out_bits > bits) bits = out_bits;
    if (bits < ir_elem_bits(s->type)) bits = ir_elem_bits(s->type);
    int most = k->u->isa->vector_bits / (bits < 8 ? 8 : bits);
    if (cost->slow > 0 && most > 8) most = 8;
    if (most > MOST_LANES) most = MOST_LANES;
    return floor_power(known_extent(s, axis), most);
}

/* What remains of a known extent is a few shorter vectors; of an unknown one, single elements. */
static void add_tail_tiers(shape *s, int lanes)
{
    int64_t extent = s->inner >= 0 ? known_extent(s, s->inner) : 1;
    int64_t rest = extent == INT64_MAX || may_overlap(s) ? 1 : extent % lanes;
    while (rest > 1 && s->ntiers < MOST_TIERS - 1) {
        int shorter = floor_power(rest, lanes);
        s->tiers[s->ntiers++] = shorter;
        rest %= shorter;
    }
    s->tiers[s->ntiers++] = 1;
}

static void choose_tiers(shape *s)
{
    cg_kern *k = &s->k;
    cg_cost cost = {0}, red_cost = {0};
    s->along = -1;
    int lanes = 1, red_lanes = 1, last = k->n->rank - 1;
    bool allowed = k->u->level > 0 && !one_worker(k->n);
    if (allowed && s->inner >= 0) lanes = choose_lanes(s, s->inner, true, &cost);
    if (allowed && k->n->kind == CG_NEST_REDUCE && k->n->nred > 0 && known_extent(s, last) > 1)
        red_lanes = choose_lanes(s, last, false, &red_cost);
    if (red_lanes > 1 && red_cost.gathers == 0 && (cost.gathers > 0 || red_lanes > lanes)) {
        s->along = last;
        bool many = red_cost.items <= 6 && red_cost.slow == 0 && red_lanes < MOST_LANES / 4;
        if (many && known_extent(s, last) >= 4 * red_lanes) red_lanes *= 4;
        s->red_tiers[s->nred_tiers++] = red_lanes;
        if (known_extent(s, last) % red_lanes != 0) s->red_tiers[s->nred_tiers++] = 1;
        lanes = 1;
    }
    bool many = k->n->kind == CG_NEST_REDUCE && cost.items <= 6 && cost.slow + cost.gathers == 0;
    if (lanes > 1 && many && lanes <= MOST_LANES / 4 && known_extent(s, s->inner) >= 4 * lanes)
        s->tiers[s->ntiers++] = 4 * lanes;
    if (lanes > 1) s->tiers[s->ntiers++] = lanes;
    add_tail_tiers(s, lanes);
}

/* ---- the function ---- */

cg_val cg_field(cg_unit *u, cg_val base, size_t at, LLVMTypeRef type)
{
    cg_val n = cg_int(u->i64, (int64_t)at);
    return LLVMBuildLoad2(u->b, type, LLVMBuildInBoundsGEP2(u->b, u->i8, base, &n, 1, ""), "");
}

static void make_strides(cg_kern *k, cg_place *p)
{
    cg_unit *u = k->u;
    cg_val stride = cg_int(u->i64, 1);
    int64_t step = 1, size;
    for (int a = p->o->rank - 1; a >= 0; a--) {
        p->stride[a] = stride;
        p->step[a] = step;
        p->dim[a] = cg_dim(k, p->o->dims[a]);
        if (!ir_dim_is_const(u->g, p->o->dims[a], &size) || __builtin_mul_overflow(step, size, &step)) step = 0;
        stride = LLVMBuildMul(u->b, stride, p->dim[a], "");
    }
    p->count = stride;
}

void cg_kern_arguments(cg_kern *k)
{
    cg_unit *u = k->u;
    const cg_nest *n = k->n;
    k->params = IR_NEW_N(&u->arena, cg_val, n->nparams + 1);
    k->places = IR_NEW_N(&u->arena, cg_place, n->noperands + 1);
    cg_val dims = cg_field(u, k->args, offsetof(lathe_args, dim), u->ptr);
    cg_val bufs = cg_field(u, k->args, offsetof(lathe_args, buf), u->ptr);
    for (size_t i = 0; i < n->nparams; i++) k->params[i] = cg_field(u, dims, i * 8, u->i64);
    for (size_t i = 0; i <= n->noperands; i++) {
        k->places[i].o = i < n->noperands ? &n->operands[i] : &n->out;
        k->places[i].base = cg_field(u, bufs, i * 8, u->ptr);
        make_strides(k, &k->places[i]);
    }
    for (int a = 0; a < n->rank; a++) k->extent[a] = cg_dim(k, n->space[a]);
}

/* Depths: rows 1, the inner axis 2, what is inside of it one more each. */
static void set_depths(shape *s)
{
    cg_kern *k = &s->k;
    int next = 3;
    for (int a = 0; a < k->n->rank; a++) {
        if (is_row_axis(k->u->g, k->n, a)) k->depth_of[a] = 1;
        else k->depth_of[a] = a == s->inner || k->n->kind == CG_NEST_CUMULATE ? 2 : next++;
    }
}

static void make_lists(shape *s)
{
    cg_unit *u = s->k.u;
    const cg_nest *n = s->k.n;
    ir_expr roots[2 + IR_MAX_RANK];
    int count = 0;
    const ir_expr_node *x = ir_expr_get(u->g, n->body);
    s->type = x->type;
    s->contract = n->kind == CG_NEST_REDUCE && n->combine == CG_SUM && x->op == IR_X_MUL && ir_elem_is_float(x->type);
    if (s->contract) {
        roots[count++] = x->args[0];
        roots[count++] = x->args[1];
    } else {
        roots[count++] = n->body;
    }
    if (is_reduction(s)) {
        s->list = cg_list_new(u, roots, count);
        count = 0;
        if (n->epilogue) roots[count++] = n->epilogue;
    }
    s->first_index = count;
    for (int i = 0; i < n->out.rank; i++) roots[count++] = n->store[i];
    s->places = cg_list_new(u, roots, count);
    if (!is_reduction(s)) s->list = s->places;
}

static cg_val any_reduced_empty(shape *s)
{
    cg_kern *k = &s->k;
    cg_val any = NULL;
    if (!is_reduction(s)) return NULL;
    for (int a = k->n->rank - k->n->nred; a < k->n->rank; a++) {
        if (!may_be_empty(k, a)) continue;
        cg_val is = LLVMBuildICmp(k->u->b, LLVMIntSLE, k->extent[a], cg_int(k->u->i64, 0), "");
        any = any ? LLVMBuildOr(k->u->b, any, is, "") : is;
    }
    return any;
}

static void emit_body(shape *s)
{
    cg_kern *k = &s->k;
    LLVMBuilderRef b = k->u->b;
    cg_val empty = any_reduced_empty(s);
    if (empty) {
        LLVMBasicBlockRef none = cg_block(k->u), some = cg_block(k->u);
        LLVMBuildCondBr(b, empty, none, some);
        LLVMPositionBuilderAtEnd(b, none);
        s->empty = true;
        emit_rows(s);
        LLVMBuildRetVoid(b);
        s->empty = false;
        LLVMPositionBuilderAtEnd(b, some);
    }
    emit_rows(s);
    LLVMBuildRetVoid(b);
}

static bool well_formed(cg_unit *u, const cg_nest *n)
{
    const ir_expr_node *x = ir_expr_get(u->g, n->epilogue ? n->epilogue : n->body);
    bool is_arg = n->kind == CG_NEST_ARG;
    bool ok = n->body != IR_NONE && n->rank <= IR_MAX_SPACE && n->nred <= n->rank && (!is_arg || n->nred == 1) &&
              (is_arg ? n->out.elem == IR_I64 : ir_elem_arith(n->out.elem) == x->type) && x->type != IR_ELEM_NONE;
    if (!ok) cg_defect(u, "a nest whose body does not fit its result");
    return ok;
}

cg_val cg_emit_nest(cg_unit *u, const cg_kernel *kernel)
{
    LLVMTypeRef params[] = {u->ptr, u->i64, u->i64, u->i32};
    cg_val fn = LLVMAddFunction(u->m, kernel->name, LLVMFunctionType(u->none, params, 4, false));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    shape s = {.k = {.u = u, .n = &kernel->nest, .fn = fn, .args = LLVMGetParam(fn, 0),
                     .begin = LLVMGetParam(fn, 1), .end = LLVMGetParam(fn, 2), .vaxis = -1, .lanes = 1}};
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, fn, ""));
    if (!well_formed(u, s.k.n)) {
        LLVMBuildRetVoid(u->b);
        return fn;
    }
    s.inner = inner_axis(u->g, s.k.n);
    cg_kern_arguments(&s.k);
    set_depths(&s);
    make_lists(&s);
    choose_tiers(&s);
    emit_body(&s);
    return fn;
}
