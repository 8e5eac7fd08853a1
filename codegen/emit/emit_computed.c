/* Packs a panel of a matrix that is computed from codes as it is packed, at run time.
 *
 * In: a product's nest whose body is an element of b, over its axes. Out: what cg_make_pack gives.
 * The body is evaluated along the columns where it reads side by side along them, else along k, of
 * which a vector goes into as many rows of the panel. A column beyond the last one repeats it. */
#include "codegen/emit/emit_gemm.h"

enum { MOST_LANES = 16 };

typedef struct computing {
    cg_kern k;
    cg_unit *u;
    cg_list *list;
    int n, terms; /* axes: columns, and what is summed */
    int lanes;
} computing;

static cg_val computed_param(const computing *p, int i)
{
    return LLVMGetParam(p->k.fn, (unsigned)i);
}

static void set_lanes(computing *p, int axis, int lanes)
{
    p->k.lanes = lanes;
    p->k.vaxis = lanes > 1 ? axis : -1;
    cg_list_plan(&p->k, p->list);
}

/* The element, or a vector of them, at the indices. */
static cg_val element(computing *p)
{
    cg_list_emit(&p->k, p->list, p->k.n->rank + 1);
    return cg_list_root(&p->k, p->list, 0);
}

static void put(computing *p, cg_val v, cg_val k, cg_val column)
{
    cg_unit *u = p->u;
    cg_val at = cg_add(p->u, cg_mul(u, k, cg_num(u, CG_PANEL)), column),
           to = cg_at(u, u->f32, computed_param(p, CG_PACK_TO), at);
    LLVMSetAlignment(LLVMBuildStore(u->b, v, to), sizeof(float));
}

/* The k from `start` to `end` of a column, so many at a time. */
static void compute_terms(computing *p, cg_val column, cg_val start, cg_val end, int lanes)
{
    cg_kern *k = &p->k;
    cg_loop l = cg_loop_guard(p->u, start, end, lanes, true);
    set_lanes(p, p->terms, lanes);
    cg_list_emit(k, p->list, k->depth_of[p->terms] - 1);
    cg_loop_enter(p->u, &l, NULL, 0);
    k->index[p->terms] = cg_add(p->u, computed_param(p, CG_PACK_K), l.i);
    cg_val v = element(p);
    for (int i = 0; i < lanes; i++)
        put(p, cg_lane(p->u, v, i), cg_add(p->u, l.i, cg_num(p->u, i)), column);
    cg_loop_end(p->u, &l, NULL);
}

static void compute_by_terms(computing *p, int lanes)
{
    cg_kern *k = &p->k;
    cg_unit *u = p->u;
    cg_val count = computed_param(p, CG_PACK_COUNT),
           whole = LLVMBuildAnd(u->b, count, cg_num(p->u, -(int64_t)lanes), "");
    k->depth_of[p->n] = 2;
    k->depth_of[p->terms] = 3;
    cg_loop c = cg_loop_guard(u, cg_num(p->u, 0), cg_num(p->u, CG_PANEL), 1, false);
    cg_loop_enter(u, &c, NULL, 0);
    cg_val at[] = {cg_add(p->u, computed_param(p, CG_PACK_N), c.i),
                   cg_add(p->u, k->extent[p->n], cg_num(p->u, -1))};
    k->index[p->n] = cg_intrinsic(u, "llvm.smin", at, 2);
    if (lanes > 1) compute_terms(p, c.i, cg_num(p->u, 0), whole, lanes);
    compute_terms(p, c.i, lanes > 1 ? whole : cg_num(p->u, 0), count, 1);
    cg_loop_end(u, &c, NULL);
}

/* Of a panel that is full. */
static void compute_by_columns(computing *p)
{
    cg_kern *k = &p->k;
    cg_unit *u = p->u;
    k->depth_of[p->terms] = 2;
    k->depth_of[p->n] = 3;
    cg_loop t = cg_loop_guard(u, cg_num(p->u, 0), computed_param(p, CG_PACK_COUNT), 1, true);
    cg_loop_enter(u, &t, NULL, 0);
    k->index[p->terms] = cg_add(p->u, computed_param(p, CG_PACK_K), t.i);
    cg_loop c = cg_loop_guard(u, cg_num(p->u, 0), cg_num(p->u, CG_PANEL), p->lanes, false);
    set_lanes(p, p->n, p->lanes);
    cg_list_emit(k, p->list, k->depth_of[p->n] - 1);
    cg_loop_enter(u, &c, NULL, 0);
    k->index[p->n] = cg_add(p->u, computed_param(p, CG_PACK_N), c.i);
    put(p, element(p), t.i, c.i);
    cg_loop_end(u, &c, NULL);
    cg_loop_end(u, &t, NULL);
}

static int gathers_along(computing *p, int axis)
{
    set_lanes(p, axis, p->lanes);
    return cg_list_cost(&p->k, p->list).gathers;
}

static void compute(computing *p)
{
    cg_unit *u = p->u;
    if (gathers_along(p, p->n) > gathers_along(p, p->terms)) {
        compute_by_terms(p, p->lanes);
        LLVMBuildRetVoid(u->b);
        return;
    }
    LLVMBasicBlockRef whole = cg_block(u), rest = cg_block(u);
    cg_val end = cg_add(p->u, computed_param(p, CG_PACK_N), cg_num(p->u, CG_PANEL));
    LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntSLE, end, p->k.extent[p->n], ""), whole, rest);
    LLVMPositionBuilderAtEnd(u->b, whole);
    compute_by_columns(p);
    LLVMBuildRetVoid(u->b);
    LLVMPositionBuilderAtEnd(u->b, rest);
    compute_by_terms(p, 1);
    LLVMBuildRetVoid(u->b);
}

void cg_emit_computed(cg_unit *u, const cg_nest *n, cg_val fn)
{
    computing p = {.k = {.u = u, .n = n, .fn = fn},
                   .u = u,
                   .n = n->rank - 2,
                   .terms = n->rank - 1,
                   .lanes = u->isa->vector_bits / 32};
    if (p.lanes > MOST_LANES) p.lanes = MOST_LANES;
    p.k.args = computed_param(&p, CG_PACK_ARGS);
    cg_kern_arguments(&p.k);
    for (int a = 0; a < n->rank; a++) p.k.depth_of[a] = 1;
    for (int a = 0; a < n->rank - 3; a++) p.k.index[a] = computed_param(&p, CG_PACK_PARAMS + a);
    p.list = cg_list_new(u, &n->body, 1);
    compute(&p);
}
