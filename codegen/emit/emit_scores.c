/* From scores in memory to weights, a few rows at a time.
 *
 * In: a ROW nest over batch..., rows and keys whose result is the scores' own memory. Out: a
 * function that works on the rows of a block where they are. The nest's result is a matrix of all
 * rows; here it starts so far in front of the block that the block's rows are where they should be.
 */
#include "codegen/emit/emit_gemm.h"
#include "codegen/emit/emit_nest.h"

static cg_val scores_param(const cg_shape *s, int i) { return LLVMGetParam(s->k.fn, (unsigned)i); }

/* The result's place: rows `step` apart, of which the block's first one is at `scores`. */
static void place_scores(cg_shape *s)
{
    cg_unit *u = s->k.u;
    cg_place *p = &s->k.places[s->k.n->noperands];
    cg_val step = scores_param(s, CG_WEIGH_STEP);
    cg_val before = LLVMBuildNeg(u->b, cg_mul(u, scores_param(s, CG_WEIGH_M), step), "");
    p->base = cg_at(u, u->f32, scores_param(s, CG_WEIGH_SCORES), before);
    p->stride[0] = step;
    p->step[0] = 0;
}

static void scores_emit_rows(cg_shape *s)
{
    cg_kern *k = &s->k;
    cg_unit *u = k->u;
    int m = k->n->rank - 2;
    for (int a = 0; a < k->n->rank; a++) k->depth_of[a] = a <= m ? 1 : 2;
    for (int a = 0; a < m; a++) k->index[a] = scores_param(s, CG_WEIGH_BATCH + a);
    cg_loop l = cg_loop_guard(u, cg_int(u->i64, 0), scores_param(s, CG_WEIGH_ROWS), 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    k->index[m] = cg_add(u, scores_param(s, CG_WEIGH_M), l.i);
    cg_emit_row(s);
    cg_loop_end(u, &l, NULL);
    LLVMBuildRetVoid(u->b);
}

cg_function cg_make_weigh(cg_unit *u, const cg_nest *n)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    LLVMTypeRef params[CG_WEIGH_BATCH + IR_MAX_SPACE];
    cg_function r = {.args = CG_WEIGH_BATCH + n->rank - 2};
    for (int i = 0; i < r.args; i++) params[i] = i <= CG_WEIGH_SCORES ? u->ptr : u->i64;
    r.type = LLVMFunctionType(u->none, params, (unsigned)r.args, false);
    r.fn = LLVMAddFunction(u->m, "weigh", r.type);
    LLVMSetLinkage(r.fn, LLVMInternalLinkage);
    cg_set_attributes(u, r.fn);
    cg_shape s = {.k = {.u = u, .n = n, .fn = r.fn, .vaxis = -1, .lanes = 1}, .inner = -1};
    s.k.args = scores_param(&s, CG_WEIGH_ARGS);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    cg_kern_arguments(&s.k);
    place_scores(&s);
    scores_emit_rows(&s);
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}
