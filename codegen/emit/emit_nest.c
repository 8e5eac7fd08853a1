/* Loop nests: the function of one kernel.
 *
 * Loops, outermost first: the rows that the caller asks for, the inner axis (the innermost parallel
 * one that is not known to be 1) in pieces of decreasing lane counts, then the reduced or cumulated
 * axes. All loops test at their end and are entered only if they turn at least once, so that what
 * stands in front of a loop may be computed there. Lanes go along the inner axis or, if a reduction
 * reads its operands contiguously along it, along the last reduced axis; partial results of lanes
 * are then combined in a fixed tree. */
#include <stddef.h>

#include "codegen/emit/emit_nest.h"

/* ---- the other kinds ---- */

static void emit_map(cg_shape *s)
{
    cg_kern *k = &s->k;
    cg_list_emit(k, s->list, cg_all_depths(s));
    cg_list_faults(k, s->list);
    if (cg_has(k->n, CG_ORDERED))
        cg_store_combined(k, s->list, s->first_index, k->n->combine, cg_list_root(k, s->list, 0));
    else cg_store(k, s->list, s->first_index, cg_list_root(k, s->list, 0));
}

static void emit_cumulated(cg_shape *s)
{
    cg_kern *k = &s->k;
    cg_unit *u = k->u;
    int axis = k->n->axis;
    cg_val acc = cg_identity(u, k->n->combine, s->type, 1);
    cg_shape_plan(s, s->list);
    cg_loop l =
        cg_loop_guard(k->u, cg_int(u->i64, 0), k->extent[axis], 1, cg_may_be_empty(k, axis));
    cg_list_emit(k, s->list, k->depth_of[axis] - 1);
    cg_loop_enter(k->u, &l, &acc, 1);
    k->index[axis] = l.i;
    if (k->n->reverse)
        k->index[axis] =
            LLVMBuildSub(u->b, LLVMBuildSub(u->b, k->extent[axis], cg_int(u->i64, 1), ""), l.i, "");
    cg_list_emit(k, s->list, cg_all_depths(s));
    cg_list_faults(k, s->list);
    cg_val next =
        cg_combine_values(u, k->n->combine, s->type, l.carried[0], cg_list_root(k, s->list, 0));
    cg_store(k, s->list, s->first_index, k->n->exclusive ? l.carried[0] : next);
    cg_loop_end(k->u, &l, &next);
}

/* ---- the inner axis and the rows ---- */

static void emit_point(cg_shape *s)
{
    if (cg_is_reduction(s)) cg_emit_reduced(s);
    else emit_map(s);
}

static cg_val vector_start(cg_shape *s, cg_val i)
{
    cg_kern *k = &s->k;
    if (k->lanes == 1 || !cg_may_overlap(s)) return i;
    cg_val last = LLVMBuildSub(k->u->b, k->extent[s->inner], cg_int(k->u->i64, k->lanes), "");
    return cg_intrinsic(k->u, "llvm.smin", (cg_val[]){i, last}, 2);
}

/* Where a tier of so many lanes ends. */
static cg_val tier_end(cg_shape *s, int tier)
{
    cg_unit *u = s->k.u;
    int lanes = s->tiers[tier];
    cg_val extent = s->k.extent[s->inner];
    bool last_vector = lanes > 1 && (tier + 1 == s->ntiers || s->tiers[tier + 1] == 1);
    if (lanes == 1) return extent;
    if (!last_vector || !cg_may_overlap(s))
        return LLVMBuildAnd(u->b, extent, cg_int(u->i64, -(int64_t)lanes), "");
    cg_val fits = LLVMBuildICmp(u->b, LLVMIntSGE, extent, cg_int(u->i64, lanes), "");
    return cg_select(u, fits, extent, cg_int(u->i64, 0));
}

static void emit_tier(cg_shape *s, int lanes, cg_val start, cg_val end, bool maybe_empty)
{
    cg_kern *k = &s->k;
    cg_shape_lanes(s, lanes, s->inner);
    cg_loop l = cg_loop_guard(k->u, start, end, lanes, maybe_empty);
    cg_shape_plan(s, s->list);
    if (!s->empty && s->along < 0) cg_list_emit(k, s->list, k->depth_of[s->inner] - 1);
    cg_loop_enter(k->u, &l, NULL, 0);
    k->index[s->inner] = vector_start(s, l.i);
    emit_point(s);
    cg_loop_end(k->u, &l, NULL);
}

static void emit_points(cg_shape *s)
{
    cg_kern *k = &s->k;
    if (s->inner < 0) {
        cg_shape_lanes(s, 1, -1);
        cg_shape_plan(s, s->list);
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

static void emit_nothing(cg_shape *s) { cg_defect(s->k.u, "a nest of another emitter"); }

static void emit_inside(cg_shape *s)
{
    static void (*const inside[])(cg_shape *) = {
        [CG_INSIDE_points] = emit_points,
        [CG_INSIDE_cumulated] = emit_cumulated,
        [CG_INSIDE_stages] = cg_emit_row,
        [CG_INSIDE_nothing] = emit_nothing,
    };
    inside[cg_family_of(s->k.n)->inside](s);
}

/* index of each row axis from the number of the row */
static void decode_row(cg_shape *s, const int *axes, int n, cg_val row)
{
    cg_kern *k = &s->k;
    for (int i = n - 1; i > 0; i--) {
        k->index[axes[i]] = LLVMBuildURem(k->u->b, row, k->extent[axes[i]], "");
        row = LLVMBuildUDiv(k->u->b, row, k->extent[axes[i]], "");
    }
    if (n > 0) k->index[axes[0]] = row;
}

/* Whether some axis that a reduction reduces, or else some axis inside of a row, has no points;
 * NULL: there is no such axis. */
static cg_val any_empty(cg_shape *s, bool reduced)
{
    cg_kern *k = &s->k;
    cg_val any = NULL;
    for (int a = 0; a < k->n->rank; a++) {
        bool is_reduced = cg_is_reduction(s) && a >= k->n->rank - k->n->nred;
        if (is_reduced != reduced || cg_is_row_axis(k->u->g, k->n, a) || !cg_may_be_empty(k, a))
            continue;
        cg_val is = LLVMBuildICmp(k->u->b, LLVMIntSLE, k->extent[a], cg_int(k->u->i64, 0), "");
        any = any ? LLVMBuildOr(k->u->b, any, is, "") : is;
    }
    return any;
}

/* Rows without points are not walked: there may be 2^62 of them. */
static void nest_emit_rows(cg_shape *s)
{
    cg_kern *k = &s->k;
    cg_unit *u = k->u;
    int axes[IR_MAX_SPACE], n = 0;
    cg_val begin = k->begin, end = k->end, rows = cg_int(u->i64, 1);
    for (int a = 0; a < k->n->rank; a++) {
        if (!cg_is_row_axis(u->g, k->n, a)) continue;
        k->index[a] = cg_int(u->i64, 0);
        if (cg_is_one(u->g, k->n->space[a])) continue;
        axes[n++] = a;
        rows = LLVMBuildMul(u->b, rows, k->extent[a], "");
    }
    if (cg_one_worker(k->n)) {
        begin = cg_int(u->i64, 0);
        end = rows;
    }
    cg_val empty = any_empty(s, false);
    if (empty) end = cg_select(u, empty, begin, end);
    cg_extremes_begin(k);
    cg_loop l = cg_loop_guard(k->u, begin, end, 1, true);
    cg_loop_enter(k->u, &l, NULL, 0);
    decode_row(s, axes, n, l.i);
    emit_inside(s);
    cg_loop_end(k->u, &l, NULL);
    cg_extremes_of_rows(k);
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
        if (!ir_dim_is_const(u->g, p->o->dims[a], &size) ||
            __builtin_mul_overflow(step, size, &step))
            step = 0;
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
static void set_depths(cg_shape *s)
{
    cg_kern *k = &s->k;
    bool along = cg_family_of(k->n)->rows == CG_ROWS_ALL_BUT;
    int next = 3;
    for (int a = 0; a < k->n->rank; a++) {
        if (cg_is_row_axis(k->u->g, k->n, a)) k->depth_of[a] = 1;
        else k->depth_of[a] = a == s->inner || along ? 2 : next++;
    }
}

static void make_lists(cg_shape *s)
{
    cg_unit *u = s->k.u;
    const cg_nest *n = s->k.n;
    ir_expr roots[2 + IR_MAX_RANK];
    int count = 0;
    const ir_expr_node *x = ir_expr_get(u->g, n->body);
    s->type = x->type;
    s->contract = cg_is_reduction(s) && n->combine == CG_SUM && x->op == IR_X_MUL &&
                  ir_elem_is_float(x->type);
    if (s->contract) {
        roots[count++] = x->args[0];
        roots[count++] = x->args[1];
    } else {
        roots[count++] = n->body;
    }
    if (cg_is_reduction(s)) {
        s->list = cg_list_new(u, roots, count);
        count = 0;
        if (n->epilogue) roots[count++] = n->epilogue;
    }
    s->first_index = count;
    for (int i = 0; i < n->out.rank; i++) roots[count++] = n->store[i];
    s->places = cg_list_new(u, roots, count);
    if (!cg_is_reduction(s)) s->list = s->places;
}

static void nest_emit_body(cg_shape *s)
{
    cg_kern *k = &s->k;
    LLVMBuilderRef b = k->u->b;
    cg_val empty = any_empty(s, true);
    if (empty) {
        LLVMBasicBlockRef none = cg_block(k->u), some = cg_block(k->u);
        LLVMBuildCondBr(b, empty, none, some);
        LLVMPositionBuilderAtEnd(b, none);
        s->empty = true;
        nest_emit_rows(s);
        LLVMBuildRetVoid(b);
        s->empty = false;
        LLVMPositionBuilderAtEnd(b, some);
    }
    nest_emit_rows(s);
    LLVMBuildRetVoid(b);
}

static bool well_formed(cg_unit *u, const cg_nest *n)
{
    const ir_expr_node *x = ir_expr_get(u->g, n->epilogue ? n->epilogue : n->body);
    bool is_arg = cg_has(n, CG_FINDS);
    bool ok = n->body != IR_NONE && n->rank <= IR_MAX_SPACE && n->nred <= n->rank &&
              (!is_arg || n->nred == 1) &&
              (is_arg ? n->out.elem == IR_I64 : ir_elem_arith(n->out.elem) == x->type) &&
              x->type != IR_ELEM_NONE;
    if (!ok) cg_defect(u, "a nest whose body does not fit its result");
    return ok;
}

cg_kern cg_kern_begin(cg_unit *u, const cg_kernel *kernel)
{
    LLVMTypeRef params[] = {u->ptr, u->i64, u->i64, u->i32};
    cg_val fn = LLVMAddFunction(u->m, kernel->name, LLVMFunctionType(u->none, params, 4, false));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, fn, ""));
    return (cg_kern){.u = u,
                     .n = &kernel->nest,
                     .fn = fn,
                     .args = LLVMGetParam(fn, 0),
                     .begin = LLVMGetParam(fn, 1),
                     .end = LLVMGetParam(fn, 2),
                     .vaxis = -1,
                     .lanes = 1};
}

cg_val cg_emit_nest(cg_unit *u, const cg_kernel *kernel)
{
    cg_shape s = {.k = cg_kern_begin(u, kernel)};
    if (!well_formed(u, s.k.n)) {
        LLVMBuildRetVoid(u->b);
        return s.k.fn;
    }
    s.inner = cg_inner_axis(u->g, s.k.n);
    cg_kern_arguments(&s.k);
    cg_extremes_memory(&s.k);
    set_depths(&s);
    make_lists(&s);
    cg_choose_tiers(&s);
    nest_emit_body(&s);
    return s.k.fn;
}
