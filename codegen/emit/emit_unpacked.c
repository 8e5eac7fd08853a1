/* Products of a few rows with a matrix that the run makes, read where it lies: packing would cost
 * more than the product. Two functions, for attention:
 *
 *   dots       c[row, i] = sum over k of a[row, k] * b[i, k], rows of b contiguous
 *   weighted   c[row, j] = sum over i of a[row, i] * b[i, j], rows of b contiguous
 *
 * Both go along b once a row, in its order: at the speed of memory for one row, of the caches for a
 * few. */
#include "codegen/emit/emit_gemm.h"

enum { MOST_HELD = 8 }; /* vectors of a that stay in registers */

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

/* Enters the loop over rows; the row's a and c. */
static cg_loop each_row(const unpacked *p, cg_val *a, cg_val *c)
{
    cg_unit *u = p->u;
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), param(p, CG_UNPACKED_ROWS), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    *a = cg_at(u, u->f32, param(p, CG_UNPACKED_A), cg_mul(u, l.i, param(p, CG_UNPACKED_A_STEP)));
    *c = cg_at(u, u->f32, param(p, CG_UNPACKED_C), cg_mul(u, l.i, param(p, CG_UNPACKED_C_STEP)));
    return l;
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
    cg_val a, c, held[MOST_HELD];
    bool holds = k / lanes <= MOST_HELD;
    cg_loop rows = each_row(&p, &a, &c);
    for (int64_t i = 0; holds && i < k / lanes; i++) held[i] = read(&p, a, cg_num(u, 0), i * lanes);
    cg_loop n = cg_loop_guard(u, cg_num(u, 0), param(&p, CG_UNPACKED_COLUMNS), 1, false);
    cg_loop_enter(u, &n, NULL, 0);
    cg_val b =
        cg_at(u, u->f32, param(&p, CG_UNPACKED_B), cg_mul(u, n.i, param(&p, CG_UNPACKED_B_STEP)));
    write(&p, dot(&p, a, holds ? held : NULL, b, k), cg_at(u, u->f32, c, n.i));
    cg_loop_end(u, &n, NULL);
    cg_loop_end(u, &rows, NULL);
    LLVMBuildRetVoid(u->b);
    LLVMPositionBuilderAtEnd(u->b, here);
    return f;
}

/* ---- weighted ---- */

/* `vectors` of columns from `first` on, summed over all rows of b. */
static void sum_columns(const unpacked *p, cg_val a, cg_val c, cg_val first, int vectors)
{
    cg_unit *u = p->u;
    cg_val sums[CG_PANEL];
    for (int v = 0; v < vectors; v++) sums[v] = cg_splat(u, cg_real(u->f32, 0), p->lanes);
    cg_loop n = cg_loop_guard(u, cg_num(u, 0), param(p, CG_UNPACKED_COUNT), 1, true);
    cg_loop_enter(u, &n, sums, vectors);
    cg_val at = cg_add(u, first, cg_mul(u, n.i, param(p, CG_UNPACKED_B_STEP)));
    cg_val weight = LLVMBuildLoad2(u->b, u->f32, cg_at(u, u->f32, a, n.i), "");
    for (int v = 0; v < vectors; v++)
        sums[v] = cg_fma(u, cg_splat(u, weight, p->lanes),
                         read(p, param(p, CG_UNPACKED_B), at, v * p->lanes), n.carried[v]);
    cg_loop_end(u, &n, sums);
    for (int v = 0; v < vectors; v++)
        write(p, sums[v], cg_at(u, u->f32, cg_at(u, u->f32, c, first), cg_num(u, v * p->lanes)));
}

/* A whole panel goes along b once, what is left of one a vector at a time. */
cg_function cg_make_weighted(cg_unit *u, int lanes)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    unpacked p = {.u = u, .lanes = lanes};
    cg_function f = begin(&p, "weighted");
    LLVMBasicBlockRef whole = cg_block(u), part = cg_block(u), done = cg_block(u);
    cg_val a, c, columns = param(&p, CG_UNPACKED_COLUMNS);
    cg_loop rows = each_row(&p, &a, &c);
    cg_val full = LLVMBuildICmp(u->b, LLVMIntEQ, columns, cg_num(u, CG_PANEL), "");
    LLVMBuildCondBr(u->b, full, whole, part);
    LLVMPositionBuilderAtEnd(u->b, whole);
    sum_columns(&p, a, c, cg_num(u, 0), CG_PANEL / lanes);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, part);
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), columns, lanes, true);
    cg_loop_enter(u, &l, NULL, 0);
    sum_columns(&p, a, c, l.i, 1);
    cg_loop_end(u, &l, NULL);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
    cg_loop_end(u, &rows, NULL);
    LLVMBuildRetVoid(u->b);
    LLVMPositionBuilderAtEnd(u->b, here);
    return f;
}
