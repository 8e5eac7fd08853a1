/* From a tile of sums in memory to results.
 *
 * In: a product's nest. Out: a function over some rows and columns of a tile, which applies the
 * epilogue to whole vectors and stores. It is a nest of its own whose inner axis is n, so that the
 * expression emitter does the rest; the sums are the value of ACC. */
#include "codegen/emit/emit_gemm.h"

typedef struct finish {
    cg_kern k;
    cg_list *list; /* of the epilogue, or NULL */
    const cg_gemm *g;
    int m, n;        /* axes */
    cg_val sums, ld; /* the tile */
    cg_val first_row, first_column;
    int wide;                      /* lanes of whole panels */
    cg_val held[CG_EXTREMES_HELD]; /* of so many lanes, if the nest stores extremes */
} finish;

static cg_val finish_param(const finish *f, int i) { return LLVMGetParam(f->k.fn, (unsigned)i); }

static cg_val scaled(finish *f, cg_val sum, int axis)
{
    cg_unit *u = f->k.u;
    return cg_add(u, sum, cg_mul(u, f->k.index[axis], cg_dim(&f->k, f->g->c.coef[axis])));
}

static void store(finish *f, cg_val value)
{
    cg_unit *u = f->k.u;
    const cg_place *p = &f->k.places[f->k.n->noperands];
    cg_val at = cg_dim(&f->k, f->g->c.konst);
    for (int axis = 0; axis <= f->n; axis++) at = scaled(f, at, axis);
    cg_val raw = cg_to_storage(u, p->o->elem, value, false);
    cg_val place = cg_at(u, cg_storage_type(u, p->o->elem), p->base, at);
    LLVMSetAlignment(LLVMBuildStore(u->b, raw, place), (unsigned)ir_elem_bits(p->o->elem) / 8);
}

/* The sums at a row and column of the tile. */
static cg_val load_sums(finish *f, cg_val row, cg_val column)
{
    cg_unit *u = f->k.u;
    cg_val at = cg_add(u, cg_mul(u, row, f->ld), column);
    const ir_elem sum = cg_panel_form_of(f->g->format)->sum;
    at = cg_at(u, cg_storage_type(u, sum), f->sums, at);
    cg_val v = LLVMBuildLoad2(u->b, cg_arith_type(u, sum, f->k.lanes), at, "");
    LLVMSetAlignment(v, (unsigned)ir_elem_bits(sum) / 8);
    return v;
}

/* Columns from `start` to `end`, so many at a time. */
static void emit_columns(finish *f, cg_val row, cg_val start, cg_val end, int lanes)
{
    cg_kern *k = &f->k;
    cg_unit *u = k->u;
    k->lanes = lanes;
    k->vaxis = lanes > 1 ? f->n : -1;
    cg_loop l = cg_loop_guard(u, start, end, lanes, true);
    if (f->list) {
        cg_list_plan(k, f->list);
        cg_list_emit(k, f->list, k->depth_of[f->n] - 1);
    }
    int held = k->extremes && lanes == f->wide ? CG_EXTREMES_HELD : 0;
    cg_loop_enter(u, &l, f->held, held);
    for (int i = 0; i < held; i++) f->held[i] = l.carried[i];
    k->index[f->n] = cg_add(u, f->first_column, l.i);
    cg_val value = load_sums(f, row, l.i);
    if (f->list) {
        k->acc = &value;
        cg_list_emit(k, f->list, k->n->rank + 1);
        cg_list_faults(k, f->list);
        value = cg_list_root(k, f->list, 0);
    }
    store(f, value);
    if (held) cg_extremes_count(u, value, f->held);
    else cg_extremes_add(k, CG_PANEL, value); /* the lanes that are not held */
    cg_loop_end(u, &l, f->held);
}

/* All of a whole panel, two vectors at a time; the rest in fours and then one by one. */
static void emit_row(finish *f, cg_val row)
{
    cg_unit *u = f->k.u;
    const int lanes[] = {f->wide, 4, 1};
    cg_val start = cg_int(u->i64, 0), columns = finish_param(f, CG_FINISH_COLUMNS);
    int64_t n;
    bool whole = ir_dim_is_const(u->g, f->k.n->space[f->n], &n) && n % f->wide == 0;
    for (int i = 0; i < (whole ? 1 : 3); i++) {
        cg_val end = LLVMBuildAnd(u->b, columns, cg_int(u->i64, -(int64_t)lanes[i]), "");
        emit_columns(f, row, start, end, lanes[i]);
        start = end;
    }
}

static void finish_emit_rows(finish *f)
{
    cg_kern *k = &f->k;
    cg_unit *u = k->u;
    int held = k->extremes ? CG_EXTREMES_HELD : 0;
    if (held) cg_extremes_load(k, 0, f->wide, f->held);
    cg_loop l = cg_loop_guard(u, cg_int(u->i64, 0), finish_param(f, CG_FINISH_ROWS), 1, true);
    cg_loop_enter(u, &l, f->held, held);
    for (int i = 0; i < held; i++) f->held[i] = l.carried[i];
    k->index[f->m] = cg_add(u, f->first_row, l.i);
    emit_row(f, l.i);
    cg_loop_end(u, &l, f->held);
    if (held) cg_extremes_store(k, 0, f->held);
    LLVMBuildRetVoid(u->b);
}

static void finish_begin(finish *f)
{
    cg_kern *k = &f->k;
    cg_unit *u = k->u;
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, k->fn, ""));
    k->args = finish_param(f, CG_FINISH_ARGS);
    cg_kern_arguments(k);
    for (int a = 0; a < k->n->rank; a++) k->depth_of[a] = a < f->n ? 1 : a == f->n ? 2 : 3;
    for (int a = 0; a < f->m; a++) k->index[a] = finish_param(f, CG_FINISH_BATCH + a);
    f->sums = finish_param(f, CG_FINISH_TILE);
    if (k->n->extremes) k->extremes = finish_param(f, CG_FINISH_EXTREMES);
    int wide = k->u->isa->vector_bits / 32 * 2;
    f->wide = wide < CG_PANEL ? wide : CG_PANEL;
    f->ld = finish_param(f, CG_FINISH_LD);
    f->first_row = finish_param(f, CG_FINISH_M);
    f->first_column = finish_param(f, CG_FINISH_N);
    if (k->n->epilogue) f->list = cg_list_new(u, &k->n->epilogue, 1);
}

cg_function cg_make_finish(cg_unit *u, const cg_nest *n)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    LLVMTypeRef params[CG_FINISH_BATCH + IR_MAX_SPACE];
    cg_function r = {.args = CG_FINISH_BATCH + n->rank - 3};
    for (int i = 0; i < r.args; i++) params[i] = i < CG_FINISH_LD ? u->ptr : u->i64;
    r.type = LLVMFunctionType(u->none, params, (unsigned)r.args, false);
    r.fn = LLVMAddFunction(u->m, "finish", r.type);
    LLVMSetLinkage(r.fn, LLVMInternalLinkage);
    cg_set_attributes(u, r.fn);
    finish f = {
        .k = {.u = u, .n = n, .fn = r.fn}, .g = n->gemm, .m = n->rank - 3, .n = n->rank - 2};
    finish_begin(&f);
    finish_emit_rows(&f);
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}
