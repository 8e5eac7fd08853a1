/* Packs a panel of a matrix that is no weight, at run time.
 *
 * In: a product's nest. Out: a function that copies some k of CG_PANEL columns into a panel. A
 * column beyond the last one repeats it: what it gives is never stored, and nothing outside of b is
 * read. Contiguous columns are copied; where k is contiguous instead, blocks are transposed in
 * registers; of everything else - the windows of a convolution - the runs of contiguous columns are
 * found once a panel, and copied for each k. */
#include "codegen/emit/emit_gemm.h"

enum { MOST_LANES = 16, LINE = 16 /* elements of a cache line */ };

typedef struct packing {
    cg_kern k;
    cg_unit *u;
    const cg_gemm *g;
    cg_val n;            /* columns of b */
    cg_val from, to, at; /* b, the panel, and where the columns start in b, by column */
    int lanes;
    cg_val runs, run_at, run_to; /* how many; where each starts in b, and its first column */
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

/* The first `count` lanes at a place; the others are not read. */
static cg_val load_some(packing *p, cg_val at, cg_val count, int lanes)
{
    cg_unit *u = p->u;
    if (lanes == 1) return load(p, at, 1);
    LLVMTypeRef overload[] = {cg_wide(u->f32, lanes), u->ptr};
    cg_val turn[MOST_LANES];
    for (int i = 0; i < lanes; i++) turn[i] = num(p, i);
    cg_val all = LLVMConstVector(turn, (unsigned)lanes);
    cg_val mask = LLVMBuildICmp(u->b, LLVMIntSLT, all, cg_splat(u, count, lanes), "");
    cg_val args[] = {at, cg_int(u->i32, sizeof(float)), mask, LLVMConstNull(overload[0])};
    return cg_intrinsic_of(u, "llvm.masked.load", overload, 2, args, 4);
}

/* Every column is written behind the runs found so far, and counts as one if it does not go on
 * where the last column was. */
static void find_runs(packing *p)
{
    cg_unit *u = p->u;
    cg_val count = LLVMBuildAlloca(u->b, u->i64, "");
    p->run_at = LLVMBuildAlloca(u->b, LLVMArrayType2(u->i64, CG_PANEL), "");
    p->run_to = LLVMBuildAlloca(u->b, LLVMArrayType2(u->i64, CG_PANEL + 1), "");
    LLVMBuildStore(u->b, num(p, 0), count);
    cg_loop l = cg_loop_guard(u, num(p, 0), num(p, CG_PANEL), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val first = LLVMBuildICmp(u->b, LLVMIntEQ, l.i, num(p, 0), ""), at = column_at(p, l.i);
    cg_val before = column_at(p, cg_select(u, first, l.i, add(p, l.i, num(p, -1))));
    cg_val apart = LLVMBuildICmp(u->b, LLVMIntNE, at, add(p, before, num(p, 1)), "");
    cg_val n = LLVMBuildLoad2(u->b, u->i64, count, "");
    LLVMBuildStore(u->b, at, place(p, u->i64, p->run_at, n));
    LLVMBuildStore(u->b, l.i, place(p, u->i64, p->run_to, n));
    cg_val starts = LLVMBuildZExt(u->b, LLVMBuildOr(u->b, first, apart, ""), u->i64, "");
    LLVMBuildStore(u->b, add(p, n, starts), count);
    cg_loop_end(u, &l, NULL);
    p->runs = LLVMBuildLoad2(u->b, u->i64, count, "");
    LLVMBuildStore(u->b, num(p, CG_PANEL), place(p, u->i64, p->run_to, p->runs));
}

static cg_val run_value(packing *p, cg_val list, cg_val run)
{
    return LLVMBuildLoad2(p->u->b, p->u->i64, place(p, p->u->i64, list, run), "");
}

/* How far ahead of a column the next panel's is, as far as columns go on in b as they do here. */
static cg_val next_panel(packing *p)
{
    cg_val first = column_at(p, num(p, 0)), last = column_at(p, num(p, CG_PANEL - 1));
    return add(p, LLVMBuildSub(p->u->b, last, first, ""), num(p, 1));
}

/* Rows of the panel come from all over b, where no processor foresees the next place: the next
 * panel's are asked for. Whole vectors are written, where vectors can be read in part: what goes
 * beyond a run's end is written again, by the next run or the next row, or lies in what is reserved
 * behind the panel. */
static void pack_runs(packing *p, cg_val first, cg_val start, cg_val end)
{
    cg_unit *u = p->u;
    int lanes = u->isa->vector_bits >= 256 ? p->lanes : 1;
    find_runs(p);
    cg_val ahead = next_panel(p);
    cg_loop k = cg_loop_guard(u, start, end, 1, true);
    cg_loop_enter(u, &k, NULL, 0);
    cg_val from = place(p, u->f32, p->from, offset(p, &p->g->k, add(p, first, k.i))),
           to = row(p, k.i);
    cg_loop r = cg_loop_guard(u, num(p, 0), p->runs, 1, false);
    cg_loop_enter(u, &r, NULL, 0);
    cg_val begin = run_value(p, p->run_to, r.i),
           last = run_value(p, p->run_to, add(p, r.i, num(p, 1)));
    cg_val shift = LLVMBuildSub(u->b, run_value(p, p->run_at, r.i), begin, "");
    cg_loop c = cg_loop_guard(u, begin, last, lanes, false);
    cg_loop_enter(u, &c, NULL, 0);
    cg_val left = LLVMBuildSub(u->b, last, c.i, ""),
           at = place(p, u->f32, from, add(p, shift, c.i));
    cg_prefetch(u, place(p, u->f32, at, ahead), 2);
    store(p, load_some(p, at, left, lanes), place(p, u->f32, to, c.i));
    cg_loop_end(u, &c, NULL);
    cg_loop_end(u, &r, NULL);
    cg_loop_end(u, &k, NULL);
}

static void pack_rows(packing *p, cg_val first, cg_val start, cg_val end)
{
    cg_unit *u = p->u;
    cg_val from = place(p, u->f32, p->from, column_at(p, num(p, 0)));
    cg_loop k = cg_loop_guard(u, start, end, 1, true);
    cg_loop_enter(u, &k, NULL, 0);
    cg_val at = place(p, u->f32, from, offset(p, &p->g->k, add(p, first, k.i))), to = row(p, k.i);
    for (int c = 0; c < CG_PANEL; c += LINE)
        cg_prefetch(u, place(p, u->f32, at, num(p, CG_PANEL + c)), 2);
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
    pack_runs(p, first, start, count);
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
