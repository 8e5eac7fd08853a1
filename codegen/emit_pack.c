/* Packs a panel of a matrix that is no weight, at run time.
 *
 * In: a product's nest. Out: a function that copies some k of CG_PANEL columns into a panel. A
 * column beyond the last one repeats it: what it gives is never stored, and nothing outside of b is
 * read. Contiguous columns are copied; where k is contiguous instead, blocks are transposed in
 * registers; everything else goes element by element. */
#include "codegen/emit_gemm.h"

enum { MOST_LANES = 16 };

typedef struct packing {
    cg_kern k;
    cg_unit *u;
    const cg_gemm *g;
    cg_val n;            /* columns of b */
    cg_val from, to, at; /* b, the panel, and where the columns start in b, by column */
    int lanes;
} packing;

static cg_val num(packing *p, int64_t v) { return cg_int(p->u->i64, v); }
static cg_val param(const packing *p, int i) { return LLVMGetParam(p->k.fn, (unsigned)i); }
static cg_val add(packing *p, cg_val a, cg_val b) { return LLVMBuildAdd(p->u->b, a, b, ""); }
static cg_val mul(packing *p, cg_val a, cg_val b) { return LLVMBuildMul(p->u->b, a, b, ""); }

static cg_val place(packing *p, LLVMTypeRef type, cg_val base, cg_val at)
{
    return LLVMBuildGEP2(p->u->b, type, base, &at, 1, "");
}

static cg_val load(packing *p, cg_val at, int lanes)
{
    cg_val v = LLVMBuildLoad2(p->u->b, cg_wide(p->u->f32, lanes), at, "");
    LLVMSetAlignment(v, sizeof(float));
    return v;
}

static void store(packing *p, cg_val v, cg_val at)
{
    LLVMSetAlignment(LLVMBuildStore(p->u->b, v, at), sizeof(float));
}

/* Offset in b of point i, counted row-major, of some axes. */
static cg_val offset(packing *p, const cg_axes *axes, cg_val i)
{
    LLVMBuilderRef b = p->u->b;
    cg_val sum = num(p, 0);
    for (int a = axes->n - 1; a >= 0; a--) {
        cg_val extent = cg_dim(&p->k, axes->extent[a]), stride = cg_dim(&p->k, axes->stride[a]);
        cg_val index = a > 0 ? LLVMBuildURem(b, i, extent, "") : i;
        sum = add(p, sum, mul(p, index, stride));
        if (a > 0) i = LLVMBuildUDiv(b, i, extent, "");
    }
    return sum;
}

static cg_val column_at(packing *p, cg_val column)
{
    cg_val v = LLVMBuildLoad2(p->u->b, p->u->i64, place(p, p->u->i64, p->at, column), "");
    return v;
}

static void find_columns(packing *p, cg_val first)
{
    cg_unit *u = p->u;
    p->at = LLVMBuildAlloca(u->b, LLVMArrayType2(u->i64, CG_PANEL), "");
    cg_loop l = cg_loop_guard(u, num(p, 0), num(p, CG_PANEL), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val last = LLVMBuildSub(u->b, p->n, num(p, 1), ""), column = add(p, first, l.i);
    column = cg_intrinsic(u, "llvm.smin", (cg_val[]){column, last}, 2);
    LLVMBuildStore(u->b, offset(p, &p->g->n, column), place(p, u->i64, p->at, l.i));
    cg_loop_end(u, &l, NULL);
}

/* ---- the three ways: rows from `start` to `end` of the panel, whose first one is k `first` ----
 */

static cg_val row(packing *p, cg_val k)
{
    return place(p, p->u->f32, p->to, mul(p, k, num(p, CG_PANEL)));
}

static void pack_elements(packing *p, cg_val first, cg_val start, cg_val end)
{
    cg_unit *u = p->u;
    cg_loop k = cg_loop_guard(u, start, end, 1, true);
    cg_loop_enter(u, &k, NULL, 0);
    cg_val from = place(p, u->f32, p->from, offset(p, &p->g->k, add(p, first, k.i))),
           to = row(p, k.i);
    cg_loop c = cg_loop_guard(u, num(p, 0), num(p, CG_PANEL), 1, false);
    cg_loop_enter(u, &c, NULL, 0);
    store(p, load(p, place(p, u->f32, from, column_at(p, c.i)), 1), place(p, u->f32, to, c.i));
    cg_loop_end(u, &c, NULL);
    cg_loop_end(u, &k, NULL);
}

static void pack_rows(packing *p, cg_val first, cg_val start, cg_val end)
{
    cg_unit *u = p->u;
    cg_val from = place(p, u->f32, p->from, column_at(p, num(p, 0)));
    cg_loop k = cg_loop_guard(u, start, end, 1, true);
    cg_loop_enter(u, &k, NULL, 0);
    cg_val at = place(p, u->f32, from, offset(p, &p->g->k, add(p, first, k.i))), to = row(p, k.i);
    for (int c = 0; c < CG_PANEL; c += p->lanes)
        store(p, load(p, place(p, u->f32, at, num(p, c)), p->lanes),
              place(p, u->f32, to, num(p, c)));
    cg_loop_end(u, &k, NULL);
}

/* Half `half` of a and b with their elements taken in turn. */
static cg_val interleave(packing *p, cg_val a, cg_val b, int half)
{
    cg_val pick[MOST_LANES];
    for (int i = 0; i < p->lanes; i++)
        pick[i] = cg_int(p->u->i32, half * p->lanes / 2 + i / 2 + i % 2 * p->lanes);
    return LLVMBuildShuffleVector(p->u->b, a, b, LLVMConstVector(pick, (unsigned)p->lanes), "");
}

static void transpose(packing *p, cg_val *v)
{
    cg_val next[MOST_LANES];
    for (int turns = p->lanes; turns > 1; turns /= 2) {
        for (int i = 0; i < p->lanes; i++)
            next[i] = interleave(p, v[i / 2], v[i / 2 + p->lanes / 2], i % 2);
        for (int i = 0; i < p->lanes; i++) v[i] = next[i];
    }
}

/* Blocks of lanes x lanes; the rows must be a multiple of lanes. */
static void pack_transposed(packing *p, cg_val first, cg_val start, cg_val end)
{
    cg_unit *u = p->u;
    cg_loop k = cg_loop_guard(u, start, end, p->lanes, true);
    cg_loop_enter(u, &k, NULL, 0);
    cg_val from = place(p, u->f32, p->from, offset(p, &p->g->k, add(p, first, k.i))),
           to = row(p, k.i);
    cg_loop c = cg_loop_guard(u, num(p, 0), num(p, CG_PANEL), p->lanes, false);
    cg_loop_enter(u, &c, NULL, 0);
    cg_val v[MOST_LANES];
    for (int i = 0; i < p->lanes; i++)
        v[i] = load(p, place(p, u->f32, from, column_at(p, add(p, c.i, num(p, i)))), p->lanes);
    transpose(p, v);
    for (int i = 0; i < p->lanes; i++)
        store(p, v[i], place(p, u->f32, to, add(p, c.i, num(p, i * CG_PANEL))));
    cg_loop_end(u, &c, NULL);
    cg_loop_end(u, &k, NULL);
}

/* ---- the choice ---- */

static bool is_unit(const packing *p, const cg_axes *axes)
{
    return axes->n > 0 && ir_dim_equals(p->u->g, axes->stride[axes->n - 1], 1);
}

/* Whether runs of `lanes` k, from a multiple of lanes on, are contiguous. */
static bool is_transposed(const packing *p)
{
    const cg_axes *k = &p->g->k;
    int64_t extent;
    if (!is_unit(p, k)) return false;
    return k->n == 1 ||
           (ir_dim_is_const(p->u->g, k->extent[k->n - 1], &extent) && extent % p->lanes == 0);
}

static void emit_body(packing *p)
{
    cg_unit *u = p->u;
    cg_val first = param(p, CG_PACK_K), zero = num(p, 0), count = param(p, CG_PACK_COUNT);
    cg_val column = param(p, CG_PACK_N);
    find_columns(p, column);
    if (p->g->n.n == 1 && is_unit(p, &p->g->n)) {
        LLVMBasicBlockRef whole = cg_block(u), rest = cg_block(u);
        cg_val fits = LLVMBuildICmp(u->b, LLVMIntSLE, add(p, column, num(p, CG_PANEL)), p->n, "");
        LLVMBuildCondBr(u->b, fits, whole, rest);
        LLVMPositionBuilderAtEnd(u->b, whole);
        pack_rows(p, first, zero, count);
        LLVMBuildRetVoid(u->b);
        LLVMPositionBuilderAtEnd(u->b, rest);
    }
    cg_val start = zero;
    if (is_transposed(p)) {
        start = LLVMBuildAnd(u->b, count, num(p, -p->lanes), "");
        pack_transposed(p, first, zero, start);
    }
    pack_elements(p, first, start, count);
    LLVMBuildRetVoid(u->b);
}

cg_function cg_make_pack(cg_unit *u, const cg_nest *n)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    LLVMTypeRef params[CG_PACK_PARAMS];
    cg_function r = {.args = CG_PACK_PARAMS};
    for (int i = 0; i < CG_PACK_PARAMS; i++) params[i] = i <= CG_PACK_TO ? u->ptr : u->i64;
    r.type = LLVMFunctionType(u->none, params, CG_PACK_PARAMS, false);
    r.fn = LLVMAddFunction(u->m, "pack", r.type);
    LLVMSetLinkage(r.fn, LLVMInternalLinkage);
    cg_set_attributes(u, r.fn);
    packing p = {.k = {.u = u, .n = n, .fn = r.fn, .args = LLVMGetParam(r.fn, CG_PACK_ARGS)},
                 .u = u,
                 .g = n->gemm,
                 .lanes = u->isa->vector_bits / 32};
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    cg_kern_arguments(&p.k);
    p.n = p.k.extent[n->rank - 2];
    p.from = param(&p, CG_PACK_FROM);
    p.to = param(&p, CG_PACK_TO);
    emit_body(&p);
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}
