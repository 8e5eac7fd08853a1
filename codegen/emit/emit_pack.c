/* Packs a panel of a matrix that is no weight, at run time.
 *
 * In: a product's nest. Out: a function that copies some k of CG_PANEL columns into a panel. A
 * column beyond the last one repeats it: what it gives is never stored, and nothing outside of b is
 * read. Contiguous columns are copied; where k is contiguous instead, blocks are transposed in
 * registers; of everything else - the windows of a convolution - the runs of contiguous columns are
 * found once a panel, and copied for each k. Codes of a byte are collected four k at a time. */
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

static cg_val pack_param(const packing *p, int i) { return LLVMGetParam(p->k.fn, (unsigned)i); }
static cg_val pack_load(packing *p, cg_val at, int lanes)
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
    cg_unit *u = p->u;
    cg_val sum = cg_num(u, 0);
    for (int a = axes->n - 1; a >= 0; a--) {
        cg_val extent = cg_dim(&p->k, axes->extent[a]), stride = cg_dim(&p->k, axes->stride[a]);
        cg_val index = a > 0 ? cg_modulo(u, i, extent) : i;
        sum = cg_add(u, sum, cg_mul(u, index, stride));
        if (a > 0) i = cg_quotient(u, i, extent);
    }
    return sum;
}

static cg_val column_at(packing *p, cg_val column)
{
    cg_val v = LLVMBuildLoad2(p->u->b, p->u->i64, cg_at(p->u, p->u->i64, p->at, column), "");
    return v;
}

static void find_columns(packing *p, cg_val first)
{
    cg_unit *u = p->u;
    p->at = LLVMBuildAlloca(u->b, LLVMArrayType2(u->i64, CG_PANEL), "");
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), cg_num(u, CG_PANEL), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val last = cg_sub(u, p->n, cg_num(u, 1)), column = cg_add(u, first, l.i);
    column = cg_intrinsic(u, "llvm.smin", (cg_val[]){column, last}, 2);
    LLVMBuildStore(u->b, offset(p, &p->g->n, column), cg_at(u, u->i64, p->at, l.i));
    cg_loop_end(u, &l, NULL);
}

/* ---- the three ways: rows from `start` to `end` of the panel, whose first one is k `first` ----
 */

static cg_val row(packing *p, cg_val k)
{
    return cg_at(p->u, p->u->f32, p->to, cg_mul(p->u, k, cg_num(p->u, CG_PANEL)));
}

/* The first `count` lanes at a place; the others are not read. */
static cg_val load_some(packing *p, cg_val at, cg_val count, int lanes)
{
    cg_unit *u = p->u;
    if (lanes == 1) return pack_load(p, at, 1);
    LLVMTypeRef overload[] = {cg_wide(u->f32, lanes), u->ptr};
    cg_val turn[MOST_LANES];
    for (int i = 0; i < lanes; i++) turn[i] = cg_num(u, i);
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
    LLVMBuildStore(u->b, cg_num(u, 0), count);
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), cg_num(u, CG_PANEL), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val first = LLVMBuildICmp(u->b, LLVMIntEQ, l.i, cg_num(u, 0), ""), at = column_at(p, l.i);
    cg_val before = column_at(p, cg_select(u, first, l.i, cg_add(u, l.i, cg_num(u, -1))));
    cg_val apart = LLVMBuildICmp(u->b, LLVMIntNE, at, cg_add(u, before, cg_num(u, 1)), "");
    cg_val n = LLVMBuildLoad2(u->b, u->i64, count, "");
    LLVMBuildStore(u->b, at, cg_at(u, u->i64, p->run_at, n));
    LLVMBuildStore(u->b, l.i, cg_at(u, u->i64, p->run_to, n));
    cg_val starts = LLVMBuildZExt(u->b, LLVMBuildOr(u->b, first, apart, ""), u->i64, "");
    LLVMBuildStore(u->b, cg_add(u, n, starts), count);
    cg_loop_end(u, &l, NULL);
    p->runs = LLVMBuildLoad2(u->b, u->i64, count, "");
    LLVMBuildStore(u->b, cg_num(u, CG_PANEL), cg_at(u, u->i64, p->run_to, p->runs));
}

static cg_val run_value(packing *p, cg_val list, cg_val run)
{
    return LLVMBuildLoad2(p->u->b, p->u->i64, cg_at(p->u, p->u->i64, list, run), "");
}

/* How far ahead of a column the next panel's is, as far as columns go on in b as they do here. */
static cg_val next_panel(packing *p)
{
    cg_val first = column_at(p, cg_num(p->u, 0)), last = column_at(p, cg_num(p->u, CG_PANEL - 1));
    return cg_add(p->u, cg_sub(p->u, last, first), cg_num(p->u, 1));
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
    cg_val from = cg_at(u, u->f32, p->from, offset(p, &p->g->k, cg_add(u, first, k.i))),
           to = row(p, k.i);
    cg_loop r = cg_loop_guard(u, cg_num(u, 0), p->runs, 1, false);
    cg_loop_enter(u, &r, NULL, 0);
    cg_val begin = run_value(p, p->run_to, r.i),
           last = run_value(p, p->run_to, cg_add(u, r.i, cg_num(u, 1)));
    cg_val shift = cg_sub(u, run_value(p, p->run_at, r.i), begin);
    cg_loop c = cg_loop_guard(u, begin, last, lanes, false);
    cg_loop_enter(u, &c, NULL, 0);
    cg_val left = cg_sub(u, last, c.i), at = cg_at(u, u->f32, from, cg_add(u, shift, c.i));
    cg_prefetch(u, cg_at(u, u->f32, at, ahead), 2);
    store(p, load_some(p, at, left, lanes), cg_at(u, u->f32, to, c.i));
    cg_loop_end(u, &c, NULL);
    cg_loop_end(u, &r, NULL);
    cg_loop_end(u, &k, NULL);
}

static void pack_rows(packing *p, cg_val first, cg_val start, cg_val end)
{
    cg_unit *u = p->u;
    cg_val from = cg_at(u, u->f32, p->from, column_at(p, cg_num(u, 0)));
    cg_loop k = cg_loop_guard(u, start, end, 1, true);
    cg_loop_enter(u, &k, NULL, 0);
    cg_val at = cg_at(u, u->f32, from, offset(p, &p->g->k, cg_add(u, first, k.i))),
           to = row(p, k.i);
    for (int c = 0; c < CG_PANEL; c += LINE)
        cg_prefetch(u, cg_at(u, u->f32, at, cg_num(u, CG_PANEL + c)), 2);
    for (int c = 0; c < CG_PANEL; c += p->lanes)
        store(p, pack_load(p, cg_at(u, u->f32, at, cg_num(u, c)), p->lanes),
              cg_at(u, u->f32, to, cg_num(u, c)));
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
    cg_val from = cg_at(u, u->f32, p->from, offset(p, &p->g->k, cg_add(u, first, k.i))),
           to = row(p, k.i);
    cg_loop c = cg_loop_guard(u, cg_num(u, 0), cg_num(u, CG_PANEL), p->lanes, false);
    cg_loop_enter(u, &c, NULL, 0);
    cg_val v[MOST_LANES];
    for (int i = 0; i < p->lanes; i++)
        v[i] = pack_load(p, cg_at(u, u->f32, from, column_at(p, cg_add(u, c.i, cg_num(u, i)))),
                         p->lanes);
    transpose(p, v);
    for (int i = 0; i < p->lanes; i++)
        store(p, v[i], cg_at(u, u->f32, to, cg_add(u, c.i, cg_num(u, i * CG_PANEL))));
    cg_loop_end(u, &c, NULL);
    cg_loop_end(u, &k, NULL);
}

/* ---- codes of a byte: groups of four k ---- */

enum { GROUP = 4, CHUNK = 4 };

/* A flag for each chunk of columns: they stand side by side in b. */
static cg_val find_chunks(packing *p)
{
    cg_unit *u = p->u;
    cg_val flags = LLVMBuildAlloca(u->b, LLVMArrayType2(u->i8, CG_PANEL), "");
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), cg_num(u, CG_PANEL), CHUNK, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val first = column_at(p, l.i), together = cg_int(u->i1, 1);
    for (int i = 1; i < CHUNK; i++) {
        cg_val at = column_at(p, cg_add(u, l.i, cg_num(u, i)));
        cg_val next = LLVMBuildICmp(u->b, LLVMIntEQ, at, cg_add(u, first, cg_num(u, i)), "");
        together = LLVMBuildAnd(u->b, together, next, "");
    }
    LLVMBuildStore(u->b, LLVMBuildZExt(u->b, together, u->i8, ""), cg_at(u, u->i8, flags, l.i));
    cg_loop_end(u, &l, NULL);
    return flags;
}

static void copy_codes(packing *p, LLVMTypeRef type, cg_val from, cg_val to)
{
    cg_val v = LLVMBuildLoad2(p->u->b, type, from, "");
    LLVMSetAlignment(v, 1);
    LLVMSetAlignment(LLVMBuildStore(p->u->b, v, to), 1);
}

/* The panel's columns at one k, side by side. */
static void pack_columns(packing *p, cg_val flags, cg_val k, cg_val to)
{
    cg_unit *u = p->u;
    cg_val from = cg_at(u, u->i8, p->from, offset(p, &p->g->k, k));
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), cg_num(u, CG_PANEL), CHUNK, false);
    cg_loop_enter(u, &l, NULL, 0);
    LLVMBasicBlockRef whole = cg_block(u), parts = cg_block(u), done = cg_block(u);
    cg_val flag = LLVMBuildLoad2(u->b, u->i8, cg_at(u, u->i8, flags, l.i), "");
    cg_val together = LLVMBuildICmp(u->b, LLVMIntNE, flag, cg_int(u->i8, 0), "");
    LLVMBuildCondBr(u->b, together, whole, parts);
    LLVMPositionBuilderAtEnd(u->b, whole);
    copy_codes(p, u->i32, cg_at(u, u->i8, from, column_at(p, l.i)), cg_at(u, u->i8, to, l.i));
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, parts);
    for (int i = 0; i < CHUNK; i++) {
        cg_val c = cg_add(u, l.i, cg_num(u, i));
        copy_codes(p, u->i8, cg_at(u, u->i8, from, column_at(p, c)), cg_at(u, u->i8, to, c));
    }
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
    cg_loop_end(u, &l, NULL);
}

/* Four rows of columns become a row of groups. */
static void store_groups(packing *p, cg_val rows, cg_val to)
{
    enum { WIDTH = 16 };
    cg_unit *u = p->u;
    for (int c = 0; c < CG_PANEL; c += WIDTH) {
        cg_val row[GROUP], pair[2];
        for (int i = 0; i < GROUP; i++) {
            cg_val at = cg_at(u, u->i8, rows, cg_num(u, (int64_t)i * CG_PANEL + c));
            row[i] = LLVMBuildLoad2(u->b, cg_wide(u->i8, WIDTH), at, "");
            LLVMSetAlignment(row[i], 1);
        }
        for (int i = 0; i < 2; i++)
            pair[i] = LLVMBuildBitCast(u->b, cg_in_turn(u, row[2 * i], row[2 * i + 1]),
                                       cg_wide(u->i16, WIDTH), "");
        cg_val at = cg_at(u, u->i8, to, cg_num(u, (int64_t)c * GROUP));
        LLVMSetAlignment(LLVMBuildStore(u->b, cg_in_turn(u, pair[0], pair[1]), at), 1);
    }
}

/* What is left of the last group is zeros. */
static void pack_codes(packing *p, cg_val first, cg_val count)
{
    cg_unit *u = p->u;
    cg_val flags = find_chunks(p), group = cg_num(u, GROUP);
    cg_val rows = LLVMBuildAlloca(u->b, LLVMArrayType2(u->i8, (uint64_t)GROUP * CG_PANEL), "");
    cg_loop g = cg_loop_guard(u, cg_num(u, 0), count, GROUP, true);
    cg_loop_enter(u, &g, NULL, 0);
    cg_loop i = cg_loop_guard(u, cg_num(u, 0), group, 1, false);
    cg_loop_enter(u, &i, NULL, 0);
    LLVMBasicBlockRef some = cg_block(u), none = cg_block(u), done = cg_block(u);
    cg_val k = cg_add(u, g.i, i.i), to = cg_at(u, u->i8, rows, cg_mul(u, i.i, cg_num(u, CG_PANEL)));
    LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntSLT, k, count, ""), some, none);
    LLVMPositionBuilderAtEnd(u->b, some);
    pack_columns(p, flags, cg_add(u, first, k), to);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, none);
    LLVMSetAlignment(LLVMBuildStore(u->b, LLVMConstNull(cg_wide(u->i8, CG_PANEL)), to), 1);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
    cg_loop_end(u, &i, NULL);
    store_groups(p, rows, cg_at(u, u->i8, p->to, cg_mul(u, g.i, cg_num(u, CG_PANEL))));
    cg_loop_end(u, &g, NULL);
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

static void pack_emit_body(packing *p)
{
    cg_unit *u = p->u;
    cg_val first = pack_param(p, CG_PACK_K), zero = cg_num(u, 0),
           count = pack_param(p, CG_PACK_COUNT);
    cg_val column = pack_param(p, CG_PACK_N);
    find_columns(p, column);
    if (p->g->format != CG_FORMAT_F32) {
        pack_codes(p, first, count);
        LLVMBuildRetVoid(u->b);
        return;
    }
    if (p->g->n.n == 1 && is_unit(p, &p->g->n)) {
        LLVMBasicBlockRef whole = cg_block(u), rest = cg_block(u);
        cg_val fits =
            LLVMBuildICmp(u->b, LLVMIntSLE, cg_add(u, column, cg_num(u, CG_PANEL)), p->n, "");
        LLVMBuildCondBr(u->b, fits, whole, rest);
        LLVMPositionBuilderAtEnd(u->b, whole);
        pack_rows(p, first, zero, count);
        LLVMBuildRetVoid(u->b);
        LLVMPositionBuilderAtEnd(u->b, rest);
    }
    cg_val start = zero;
    if (is_transposed(p)) {
        start = LLVMBuildAnd(u->b, count, cg_num(u, -p->lanes), "");
        pack_transposed(p, first, zero, start);
    }
    pack_runs(p, first, start, count);
    LLVMBuildRetVoid(u->b);
}

cg_function cg_make_pack(cg_unit *u, const cg_nest *n)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    LLVMTypeRef params[CG_PACK_PARAMS + IR_MAX_SPACE];
    cg_function r = {.args = CG_PACK_PARAMS + (n->body ? n->rank - 3 : 0)};
    for (int i = 0; i < r.args; i++) params[i] = i <= CG_PACK_TO ? u->ptr : u->i64;
    r.type = LLVMFunctionType(u->none, params, (unsigned)r.args, false);
    r.fn = LLVMAddFunction(u->m, "pack", r.type);
    LLVMSetLinkage(r.fn, LLVMInternalLinkage);
    cg_set_attributes(u, r.fn);
    packing p = {.k = {.u = u, .n = n, .fn = r.fn, .args = LLVMGetParam(r.fn, CG_PACK_ARGS)},
                 .u = u,
                 .g = n->gemm,
                 .lanes = u->isa->vector_bits / 32};
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    if (n->body) {
        cg_emit_computed(u, n, r.fn);
        LLVMPositionBuilderAtEnd(u->b, here);
        return r;
    }
    cg_kern_arguments(&p.k);
    p.n = p.k.extent[n->rank - 2];
    p.from = pack_param(&p, CG_PACK_FROM);
    p.to = pack_param(&p, CG_PACK_TO);
    pack_emit_body(&p);
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}
