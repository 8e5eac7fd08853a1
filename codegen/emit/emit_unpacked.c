/* Products of a few rows with a matrix that the run makes, read where it lies: packing would cost
 * more than the product. Two functions, for attention:
 *
 *   dots       c[row, i] = sum over k of a[row, k] * b[i, k], rows of b contiguous
 *   weighted   c[row, j] = sum over i of a[row, i] * b[i, j], rows of b contiguous
 *
 * Both go along b once, at the speed of memory: a few of its rows at a time, which stay in the
 * first-level cache for all rows of a. Each number is one sum over k or i, in order. */
#include "codegen/emit/emit_gemm.h"

enum {
    MOST_HELD = 8,
    MOST_SUMS = 16, /* vectors of a, or of sums, that stay in registers */
    BLOCK = 64
}; /* rows of b */

typedef struct unpacked {
    cg_unit *u;
    cg_val fn;
    int lanes;
} unpacked;

static cg_val param(const unpacked *p, int i) { return LLVMGetParam(p->fn, (unsigned)i); }

static cg_val read(const unpacked *p, cg_val base, cg_val at, int64_t more)
{
    cg_val from = cg_at(p->u, p->u->f32, cg_at(p->u, p->u->f32, base, at), cg_num(p->u, more));
    cg_val v = LLVMBuildLoad2(p->u->b, cg_wide(p->u->f32, p->lanes), from, "");
    LLVMSetAlignment(v, sizeof(float));
    return v;
}

static void write(const unpacked *p, cg_val v, cg_val at)
{
    LLVMSetAlignment(LLVMBuildStore(p->u->b, v, at), sizeof(float));
}

static cg_function begin(unpacked *p, const char *name)
{
    cg_unit *u = p->u;
    LLVMTypeRef params[CG_UNPACKED_PARAMS];
    for (int i = 0; i < CG_UNPACKED_PARAMS; i++) params[i] = i <= CG_UNPACKED_C ? u->ptr : u->i64;
    cg_function f = {.args = CG_UNPACKED_PARAMS,
                     .type = LLVMFunctionType(u->none, params, CG_UNPACKED_PARAMS, false)};
    f.fn = p->fn = LLVMAddFunction(u->m, name, f.type);
    LLVMSetLinkage(f.fn, LLVMInternalLinkage);
    cg_set_attributes(u, f.fn);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, f.fn, ""));
    return f;
}

/* Inside of the loops over blocks of rows of b, one of none if it has no rows, and over rows of a.
 */
typedef struct place {
    cg_loop blocks, rows;
    cg_val a, c;       /* the row's */
    cg_val first, end; /* the block's */
} place;

static place enter(const unpacked *p)
{
    cg_unit *u = p->u;
    place at;
    cg_val all = param(p, CG_UNPACKED_COUNT), none = cg_num(u, 0);
    at.blocks = cg_loop_guard(u, none, cg_greater(u, all, cg_num(u, 1)), BLOCK, false);
    cg_loop_enter(u, &at.blocks, NULL, 0);
    at.first = at.blocks.i;
    at.end = cg_lesser(u, cg_add(u, at.first, cg_num(u, BLOCK)), all);
    at.rows = cg_loop_guard(u, none, param(p, CG_UNPACKED_ROWS), 1, false);
    cg_loop_enter(u, &at.rows, NULL, 0);
    at.a = cg_at(u, u->f32, param(p, CG_UNPACKED_A),
                 cg_mul(u, at.rows.i, param(p, CG_UNPACKED_A_STEP)));
    at.c = cg_at(u, u->f32, param(p, CG_UNPACKED_C),
                 cg_mul(u, at.rows.i, param(p, CG_UNPACKED_C_STEP)));
    return at;
}

static void leave(const unpacked *p, place *at)
{
    cg_loop_end(p->u, &at->rows, NULL);
    cg_loop_end(p->u, &at->blocks, NULL);
    LLVMBuildRetVoid(p->u->b);
}

/* ---- dots ---- */

static cg_val dot(const unpacked *p, cg_val a, const cg_val *held, cg_val b, int64_t k)
{
    cg_unit *u = p->u;
    cg_val sum = cg_splat(u, cg_real(u->f32, 0), p->lanes), none = cg_num(u, 0);
    for (int64_t i = 0; i < k / p->lanes; i++) {
        cg_val x = held ? held[i] : read(p, a, none, i * p->lanes);
        sum = cg_fma(u, x, read(p, b, none, i * p->lanes), sum);
    }
    return cg_horizontal(u, CG_SUM, IR_F32, sum);
}

cg_function cg_make_dots(cg_unit *u, int64_t k, int lanes)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    unpacked p = {.u = u, .lanes = lanes};
    cg_function f = begin(&p, "dots");
    place at = enter(&p);
    cg_val held[MOST_HELD];
    bool holds = k / lanes <= MOST_HELD;
    for (int64_t i = 0; holds && i < k / lanes; i++)
        held[i] = read(&p, at.a, cg_num(u, 0), i * lanes);
    cg_loop n = cg_loop_guard(u, at.first, at.end, 1, true);
    cg_loop_enter(u, &n, NULL, 0);
    cg_val b =
        cg_at(u, u->f32, param(&p, CG_UNPACKED_B), cg_mul(u, n.i, param(&p, CG_UNPACKED_B_STEP)));
    write(&p, dot(&p, at.a, holds ? held : NULL, b, k), cg_at(u, u->f32, at.c, n.i));
    cg_loop_end(u, &n, NULL);
    leave(&p, &at);
    LLVMPositionBuilderAtEnd(u->b, here);
    return f;
}

/* ---- weighted ---- */

/* Adds to `vectors` of columns from `first` on, which the first block of rows sets. */
static void sum_columns(const unpacked *p, const place *at, cg_val first, int vectors)
{
    cg_unit *u = p->u;
    cg_val sums[MOST_SUMS], c = cg_at(u, u->f32, at->c, first),
                            zero = cg_splat(u, cg_real(u->f32, 0), p->lanes),
                            begins = LLVMBuildICmp(u->b, LLVMIntEQ, at->first, cg_num(u, 0), "");
    for (int v = 0; v < vectors; v++)
        sums[v] = cg_select(u, begins, zero, read(p, c, cg_num(u, 0), v * p->lanes));
    cg_loop n = cg_loop_guard(u, at->first, at->end, 1, true);
    cg_loop_enter(u, &n, sums, vectors);
    cg_val row = cg_add(u, first, cg_mul(u, n.i, param(p, CG_UNPACKED_B_STEP)));
    cg_val weight = LLVMBuildLoad2(u->b, u->f32, cg_at(u, u->f32, at->a, n.i), "");
    for (int v = 0; v < vectors; v++)
        sums[v] = cg_fma(u, cg_splat(u, weight, p->lanes),
                         read(p, param(p, CG_UNPACKED_B), row, v * p->lanes), n.carried[v]);
    cg_loop_end(u, &n, sums);
    for (int v = 0; v < vectors; v++)
        write(p, sums[v], cg_at(u, u->f32, c, cg_num(u, v * p->lanes)));
}

/* As many columns at once as registers hold sums of: a row of b that is read in pieces comes from
 * memory with the first one, and the time of the others is added to that. */
cg_function cg_make_weighted(cg_unit *u, int64_t columns, int lanes)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    unpacked p = {.u = u, .lanes = lanes};
    cg_function f = begin(&p, "weighted");
    int64_t most = u->isa->vector_registers / 2, all = columns / lanes;
    if (most > MOST_SUMS) most = MOST_SUMS;
    int64_t whole = all / most * most * lanes;
    place at = enter(&p);
    if (whole) {
        cg_loop l = cg_loop_guard(u, cg_num(u, 0), cg_num(u, whole), most * lanes, false);
        cg_loop_enter(u, &l, NULL, 0);
        sum_columns(&p, &at, l.i, (int)most);
        cg_loop_end(u, &l, NULL);
    }
    if (all % most) sum_columns(&p, &at, cg_num(u, whole), (int)(all % most));
    leave(&p, &at);
    LLVMPositionBuilderAtEnd(u->b, here);
    return f;
}
