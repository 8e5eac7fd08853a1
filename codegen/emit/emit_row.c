/* Rows: reductions along a row, one after another, and then its elements.
 *
 * The row stays in the first-level cache, so that every stage but the first finds it there. A stage
 * goes along the innermost axis of the row in vectors; the last vector ends where the row ends and
 * overlaps the one before, and counts with the lanes only that are still missing. Partial results
 * of lanes are combined in a fixed tree: results do not depend on how rows are given to threads.
 * Rows shorter than a vector take narrower ones, down to single elements. */
#include "codegen/emit/emit_nest.h"

enum { MOST_WIDTHS = 3, SHORT = 4, WIDE = 4 };

typedef struct row {
    cg_shape *s;
    cg_kern *k;
    int vaxis; /* along which lanes go; -1: the row is one element */
    cg_val results[IR_MAX_STAGES];
    /* of the stage being emitted */
    const cg_stage *stage; /* NULL: the elements that are stored in the end */
    cg_list *list;         /* roots: the body, what is stored if it is another value, and where */
    ir_elem type;
    int stored, first_index; /* roots; stored < 0: nothing is */
    int held;                /* what is carried for the extremes of what is stored */
    bool cheap;              /* some vectors at a time, for more than one chain of additions */
    int widths[MOST_WIDTHS], nwidths;
} row;

enum { MAIN, WIDER, ACCS }; /* accumulators of a stage */

/* ---- a turn ---- */

static cg_val keep_lanes(row *r, cg_val mask, cg_val v)
{
    if (!mask) return v;
    return cg_select(r->k->u, mask, v,
                     cg_identity(r->k->u, r->stage->combine, r->type, r->k->lanes));
}

/* mask: the lanes that count, NULL: all. */
static void emit_turn(row *r, cg_val mask, cg_val *acc)
{
    cg_kern *k = r->k;
    cg_list_emit(k, r->list, cg_all_depths(r->s));
    cg_list_faults(k, r->list);
    if (r->stage) {
        cg_val v = keep_lanes(r, mask, cg_list_root(k, r->list, 0));
        *acc = cg_combine_values(k->u, r->stage->combine, r->type, *acc, v);
    }
    if (r->stored >= 0)
        cg_store_lanes(k, r->list, r->first_index, cg_list_root(k, r->list, r->stored), mask);
    if (r->held) cg_extremes_count(k->u, cg_list_root(k, r->list, r->stored), acc);
}

/* Turns from `start` to `end`; overlap: one turn, for what is behind `start`, that ends at `end`.
 */
static void emit_turns(row *r, int lanes, cg_val start, cg_val end, bool overlap, cg_val *acc)
{
    cg_kern *k = r->k;
    cg_unit *u = k->u;
    cg_val mask = NULL;
    cg_shape_lanes(r->s, lanes, r->vaxis);
    cg_list_plan(k, r->list);
    cg_val held[CG_EXTREMES_HELD] = {*acc};
    if (r->held) cg_extremes_load(k, 0, lanes, held);
    cg_loop l = cg_loop_guard(u, start, end, lanes, !LLVMIsConstant(start) || !LLVMIsConstant(end));
    cg_list_emit(k, r->list, k->depth_of[r->vaxis] - 1);
    cg_loop_enter(u, &l, held, r->stage ? 1 : r->held);
    k->index[r->vaxis] = l.i;
    if (overlap) {
        k->index[r->vaxis] = LLVMBuildSub(u->b, end, cg_int(u->i64, lanes), "");
        cg_val at = cg_splat(u, k->index[r->vaxis], lanes);
        at = LLVMBuildAdd(u->b, at, cg_iota(u->i64, lanes), "");
        mask = LLVMBuildICmp(u->b, LLVMIntSGE, at, cg_splat(u, l.i, lanes), "");
    }
    for (int i = 0; i < l.ncarried; i++) held[i] = l.carried[i];
    emit_turn(r, mask, held);
    cg_loop_end(u, &l, held);
    if (r->stage) *acc = held[0];
    if (r->held) cg_extremes_store(k, 0, held);
}

/* ---- a width ---- */

static cg_val whole_vectors(row *r, int lanes)
{
    cg_unit *u = r->k->u;
    return LLVMBuildAnd(u->b, r->k->extent[r->vaxis], cg_int(u->i64, -(int64_t)lanes), "");
}

/* The innermost axis, which has at least so many elements. */
static void emit_line(row *r, int lanes, cg_val *acc)
{
    cg_val start = cg_int(r->k->u->i64, 0), end, extent = r->k->extent[r->vaxis];
    if (r->cheap && lanes > 1) {
        end = whole_vectors(r, WIDE * lanes);
        if (start != end) emit_turns(r, WIDE * lanes, start, end, false, &acc[WIDER]);
        start = end;
    }
    end = whole_vectors(r, lanes);
    if (start != end) emit_turns(r, lanes, start, end, false, &acc[MAIN]);
    if (lanes > 1 && end != extent) emit_turns(r, lanes, end, extent, true, &acc[MAIN]);
}

static void emit_single(row *r, cg_val *acc)
{
    cg_val held[CG_EXTREMES_HELD];
    cg_shape_lanes(r->s, 1, -1);
    cg_list_plan(r->k, r->list);
    if (r->held) cg_extremes_load(r->k, 0, 1, held);
    emit_turn(r, NULL, r->held ? held : &acc[MAIN]);
    if (r->held) cg_extremes_store(r->k, 0, held);
}

/* Axes of the row from `axis` on. */
static void emit_axes(row *r, int axis, int lanes, cg_val *acc)
{
    cg_kern *k = r->k;
    cg_unit *u = k->u;
    if (axis == k->n->rank) {
        emit_single(r, acc);
    } else if (cg_is_one(u->g, k->n->space[axis])) {
        k->index[axis] = cg_int(u->i64, 0);
        emit_axes(r, axis + 1, lanes, acc);
    } else if (axis == r->vaxis) {
        for (int a = axis + 1; a < k->n->rank; a++) k->index[a] = cg_int(u->i64, 0);
        emit_line(r, lanes, acc);
    } else {
        cg_loop l =
            cg_loop_guard(u, cg_int(u->i64, 0), k->extent[axis], 1, cg_may_be_empty(k, axis));
        cg_loop_enter(u, &l, acc, r->stage ? ACCS : 0);
        k->index[axis] = l.i;
        cg_val next[ACCS];
        for (int i = 0; i < l.ncarried; i++) next[i] = l.carried[i];
        emit_axes(r, axis + 1, lanes, next);
        cg_loop_end(u, &l, next);
        for (int i = 0; i < l.ncarried; i++) acc[i] = next[i];
    }
}

/* The stage in vectors of so many lanes; its result if it reduces. */
static cg_val emit_width(row *r, int lanes)
{
    cg_unit *u = r->k->u;
    cg_val acc[ACCS] = {NULL};
    int wider = r->cheap ? WIDE * lanes : lanes;
    if (r->stage) {
        acc[MAIN] = cg_identity(u, r->stage->combine, r->type, lanes);
        acc[WIDER] = cg_identity(u, r->stage->combine, r->type, wider);
    }
    emit_axes(r, r->k->n->rank - r->k->n->nred, lanes, acc);
    if (!r->stage) return NULL;
    cg_val v = cg_horizontal(u, r->stage->combine, r->type, acc[MAIN]);
    if (!r->cheap || lanes == 1) return v;
    cg_val w = cg_horizontal(u, r->stage->combine, r->type, acc[WIDER]);
    return cg_combine_values(u, r->stage->combine, r->type, w, v);
}

/* The widest vectors that the row is long enough for, from the i-th width on. */
static cg_val emit_widths(row *r, int i)
{
    cg_unit *u = r->k->u;
    LLVMBuilderRef b = u->b;
    int lanes = r->widths[i];
    int64_t lo, hi;
    if (i + 1 == r->nwidths) return emit_width(r, lanes);
    ir_dim_range(u->g, r->k->n->space[r->vaxis], &lo, &hi);
    if (lo >= lanes) return emit_width(r, lanes);
    if (hi < lanes) return emit_widths(r, i + 1);
    LLVMBasicBlockRef yes = cg_block(u), no = cg_block(u), after = cg_block(u), from[2];
    cg_val fits = LLVMBuildICmp(b, LLVMIntSGE, r->k->extent[r->vaxis], cg_int(u->i64, lanes), ""),
           v[2];
    LLVMBuildCondBr(b, fits, yes, no);
    for (int side = 0; side < 2; side++) {
        LLVMPositionBuilderAtEnd(b, side ? no : yes);
        v[side] = side ? emit_widths(r, i + 1) : emit_width(r, lanes);
        from[side] = LLVMGetInsertBlock(b);
        LLVMBuildBr(b, after);
    }
    LLVMPositionBuilderAtEnd(b, after);
    if (!r->stage) return NULL;
    cg_val phi = LLVMBuildPhi(b, LLVMTypeOf(v[0]), "");
    LLVMAddIncoming(phi, v, from, 2);
    return phi;
}

/* ---- a stage ---- */

static void make_list(row *r, ir_expr body, ir_expr stored)
{
    const cg_nest *n = r->k->n;
    ir_expr roots[2 + IR_MAX_RANK];
    int count = 0;
    roots[count++] = body;
    if (stored && stored != body) roots[count++] = stored;
    r->stored = stored ? count - 1 : -1;
    r->first_index = count;
    for (int i = 0; i < n->out.rank && stored; i++) roots[count++] = n->store[i];
    r->list = cg_list_new(r->k->u, roots, count);
    r->type = ir_expr_get(r->k->u->g, body)->type;
}

static void choose_widths(row *r)
{
    cg_kern *k = r->k;
    r->nwidths = 0;
    r->cheap = false;
    if (k->u->level > 0 && r->vaxis >= 0 && !cg_one_worker(k->n)) {
        cg_shape_lanes(r->s, 2, r->vaxis);
        cg_list_plan(k, r->list);
        cg_cost c = cg_list_cost(k, r->list);
        int bits = c.widest > ir_elem_bits(r->type) ? c.widest : ir_elem_bits(r->type);
        if (r->stored >= 0 && bits < ir_elem_bits(k->n->out.elem))
            bits = ir_elem_bits(k->n->out.elem);
        int lanes = k->u->isa->vector_bits / (bits < 8 ? 8 : bits);
        if (c.slow > 0 && lanes > 8) lanes = 8;
        if (lanes > CG_MOST_LANES) lanes = CG_MOST_LANES;
        r->cheap = r->stage && lanes > 1 && WIDE * lanes <= CG_MOST_LANES && c.items <= 8 &&
                   c.slow + c.gathers == 0;
        if (lanes > 1) r->widths[r->nwidths++] = lanes;
        if (lanes > SHORT) r->widths[r->nwidths++] = SHORT;
    }
    r->widths[r->nwidths++] = 1;
}

static int innermost(const cg_kern *k)
{
    for (int a = k->n->rank - 1; a >= k->n->rank - k->n->nred; a--)
        if (!cg_is_one(k->u->g, k->n->space[a])) return a;
    return -1;
}

void cg_emit_row(cg_shape *s)
{
    const cg_nest *n = s->k.n;
    row r = {.s = s, .k = &s->k, .vaxis = innermost(&s->k)};
    s->k.acc = r.results;
    for (size_t i = 0; i <= n->nstages; i++) {
        r.stage = i < n->nstages ? &n->stages[i] : NULL;
        if (r.stage) make_list(&r, r.stage->body, r.stage->keep);
        else make_list(&r, n->body, n->body);
        choose_widths(&r);
        r.held = !r.stage && s->k.extremes ? CG_EXTREMES_HELD : 0;
        cg_val v = emit_widths(&r, 0);
        if (r.stage) r.results[i] = v;
    }
    s->k.acc = NULL;
}
