/* The innermost kernel of a product: one tile of sums in registers.
 *
 * In: a form and a number of rows. Out: a function, made once a module. Each step of k loads a row
 * of b and multiplies it with one element of each row of a. The sums, one row of b and one element
 * of a must fit in the vector registers: one more and every step spills. Steps of a that are known
 * at compile time make addresses of one pointer and constants; with run-time steps nothing is
 * unrolled, since the addresses of the copies would take all registers. */
#include "codegen/emit/emit_gemm.h"

enum { UNROLL = 4, LINE = 64, AHEAD = 8192, NEXT_LINES = 4, MOST_ROWS = 16 };

typedef struct form {
    int64_t row_step, k_step;
    cg_fetch fetch;
} form;

typedef struct cg_tiles {
    form form;
    cg_val fn[MOST_ROWS]; /* by rows; NULL: not made yet */
    struct cg_tiles *next;
} tiles;

typedef struct tile {
    cg_unit *u;
    cg_tile_shape shape;
    form form;
    int rows, unroll;
    cg_val arg[CG_TILE_ARGS];
    cg_val row_at[MOST_ROWS]; /* offsets of a's rows */
    LLVMTypeRef vector;
} tile;

/* What the K loop carries: the sums, then these. */
enum { AT_A, AT_B, AT_NEXT, POINTERS };

cg_tile_shape cg_tile_shape_of(const cg_isa *isa)
{
    cg_tile_shape s = {.lanes = isa->vector_bits / 32, .vectors = 2};
    if (isa->vector_registers >= 32 && s.lanes == 4) s.vectors = 4;
    s.rows = (isa->vector_registers - s.vectors - 1) / s.vectors;
    return s;
}

static int unroll_of(int64_t row_step, int64_t k_step) { return row_step && k_step ? UNROLL : 1; }

int64_t cg_tile_reach(int64_t row_step, int64_t k_step)
{
    return row_step && k_step ? NEXT_LINES * LINE / UNROLL : 0;
}

static int sums(const tile *t) { return t->rows * t->shape.vectors; }

static cg_val tile_element(cg_unit *u, cg_val base, cg_val at)
{
    return LLVMBuildGEP2(u->b, u->f32, base, &at, 1, "");
}

static cg_val element_at(cg_unit *u, cg_val base, int64_t at)
{
    return tile_element(u, base, cg_int(u->i64, at));
}

/* Weights may be mapped at any address of the app's choice. */
static cg_val tile_load(tile *t, LLVMTypeRef type, cg_val at)
{
    cg_val v = LLVMBuildLoad2(t->u->b, type, at, "");
    LLVMSetAlignment(v, sizeof(float));
    return v;
}

/* ---- the loop over k ---- */

/* Places of a's elements are affine in row and step. */
static cg_val element_of_a(tile *t, cg_val a, int row, int step)
{
    cg_unit *u = t->u;
    cg_val at = t->row_at[row];
    if (step > 0) at = LLVMBuildAdd(u->b, at, cg_int(u->i64, step * t->form.k_step), "");
    return tile_load(t, u->f32, tile_element(u, a, at));
}

static void tile_multiply(tile *t, cg_val *sum, cg_val a, cg_val b, int step)
{
    cg_val row[8];
    int vectors = t->shape.vectors, lanes = t->shape.lanes;
    for (int j = 0; j < vectors; j++)
        row[j] = tile_load(t, t->vector, element_at(t->u, b, step * CG_PANEL + j * lanes));
    for (int i = 0; i < t->rows; i++) {
        cg_val x = cg_splat(t->u, element_of_a(t, a, i, step), lanes);
        for (int j = 0; j < vectors; j++)
            sum[i * vectors + j] = cg_fma(t->u, x, row[j], sum[i * vectors + j]);
    }
}

static void prefetch_self(tile *t, cg_val b)
{
    int width = t->shape.vectors * t->shape.lanes * (int)sizeof(float);
    for (int step = 0; step < t->unroll; step++)
        for (int at = 0; at < width; at += LINE) {
            int64_t bytes = AHEAD + at + step * CG_PANEL * (int64_t)sizeof(float);
            cg_prefetch(t->u, element_at(t->u, b, bytes / (int64_t)sizeof(float)), 3);
        }
}

static cg_val prefetch_next(tile *t, cg_val next)
{
    for (int line = 0; line < NEXT_LINES; line++) {
        cg_prefetch(t->u, next, 2);
        next = element_at(t->u, next, LINE / (int64_t)sizeof(float));
    }
    return next;
}

/* Steps from `start` to `end`, a multiple of `steps` apart; carried: sums and pointers. */
static void emit_steps(tile *t, cg_val start, cg_val end, int steps, cg_val *carried)
{
    cg_unit *u = t->u;
    int n = sums(t);
    cg_loop l = cg_loop_guard(u, start, end, steps, true);
    cg_loop_enter(u, &l, carried, n + POINTERS);
    cg_val next[CG_MOST_CARRIED], *p = &next[n];
    for (int c = 0; c < n + POINTERS; c++) next[c] = l.carried[c];
    if (t->form.fetch == CG_FETCH_SELF && steps > 1) prefetch_self(t, p[AT_B]);
    if (t->form.fetch == CG_FETCH_NEXT && steps > 1) p[AT_NEXT] = prefetch_next(t, p[AT_NEXT]);
    for (int s = 0; s < steps; s++) tile_multiply(t, next, p[AT_A], p[AT_B], s);
    cg_val k_step = t->form.k_step ? cg_int(u->i64, t->form.k_step) : t->arg[CG_TILE_K_STEP];
    p[AT_A] = tile_element(u, p[AT_A], LLVMBuildMul(u->b, k_step, cg_int(u->i64, steps), ""));
    p[AT_B] = element_at(u, p[AT_B], steps * CG_PANEL);
    cg_loop_end(u, &l, next);
    for (int c = 0; c < n + POINTERS; c++) carried[c] = next[c];
}

/* ---- the tile of c ---- */

static cg_val place_of_c(tile *t, int row, int vector)
{
    cg_unit *u = t->u;
    cg_val at = LLVMBuildMul(u->b, t->arg[CG_TILE_LDC], cg_int(u->i64, row), "");
    return element_at(u, tile_element(u, t->arg[CG_TILE_C], at), vector * t->shape.lanes);
}

/* What the sums start from: zeros, or the tile of c. */
static void begin_sums(tile *t, cg_val *sum)
{
    cg_unit *u = t->u;
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(u->b), add = cg_block(u), start = cg_block(u);
    int n = sums(t), vectors = t->shape.vectors;
    LLVMBuildCondBr(u->b, t->arg[CG_TILE_ADD], add, start);
    LLVMPositionBuilderAtEnd(u->b, add);
    cg_val held[CG_MOST_CARRIED], zero = LLVMConstNull(t->vector);
    for (int i = 0; i < n; i++)
        held[i] = tile_load(t, t->vector, place_of_c(t, i / vectors, i % vectors));
    LLVMBuildBr(u->b, start);
    LLVMPositionBuilderAtEnd(u->b, start);
    for (int i = 0; i < n; i++) {
        sum[i] = LLVMBuildPhi(u->b, t->vector, "");
        LLVMAddIncoming(sum[i], (cg_val[]){zero, held[i]}, (LLVMBasicBlockRef[]){entry, add}, 2);
    }
}

static void tile_emit_body(tile *t)
{
    cg_unit *u = t->u;
    cg_val carried[CG_MOST_CARRIED], zero = cg_int(u->i64, 0), k = t->arg[CG_TILE_K];
    int n = sums(t);
    for (int i = 0; i < t->rows; i++)
        t->row_at[i] = t->form.row_step
                           ? cg_int(u->i64, i * t->form.row_step)
                           : LLVMBuildMul(u->b, t->arg[CG_TILE_ROW_STEP], cg_int(u->i64, i), "");
    begin_sums(t, carried);
    carried[n + AT_A] = t->arg[CG_TILE_A];
    carried[n + AT_B] = t->arg[CG_TILE_B];
    carried[n + AT_NEXT] = t->arg[CG_TILE_NEXT];
    cg_val main = t->unroll > 1 ? LLVMBuildAnd(u->b, k, cg_int(u->i64, -t->unroll), "") : zero;
    if (t->unroll > 1) emit_steps(t, zero, main, t->unroll, carried);
    emit_steps(t, main, k, 1, carried);
    for (int i = 0; i < n; i++) {
        cg_val at = place_of_c(t, i / t->shape.vectors, i % t->shape.vectors);
        LLVMSetAlignment(LLVMBuildStore(u->b, carried[i], at), sizeof(float));
    }
    LLVMBuildRetVoid(u->b);
}

/* ---- the functions ---- */

LLVMTypeRef cg_tile_type(cg_unit *u)
{
    LLVMTypeRef t[CG_TILE_ARGS];
    for (int i = 0; i < CG_TILE_ARGS; i++)
        t[i] = i < CG_TILE_K ? u->ptr : i < CG_TILE_ADD ? u->i64 : u->i1;
    return LLVMFunctionType(u->none, t, CG_TILE_ARGS, false);
}

static cg_val tile_make(cg_unit *u, const form *f, int rows)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    cg_val fn = LLVMAddFunction(u->m, "tile", cg_tile_type(u));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    cg_set_attributes(u, fn);
    tile t = {.u = u,
              .shape = cg_tile_shape_of(u->isa),
              .form = *f,
              .rows = rows,
              .unroll = unroll_of(f->row_step, f->k_step)};
    t.vector = cg_wide(u->f32, t.shape.lanes);
    for (int i = 0; i < CG_TILE_ARGS; i++) t.arg[i] = LLVMGetParam(fn, (unsigned)i);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, fn, ""));
    tile_emit_body(&t);
    if (here) LLVMPositionBuilderAtEnd(u->b, here);
    return fn;
}

static bool same(const form *a, const form *b)
{
    return a->row_step == b->row_step && a->k_step == b->k_step && a->fetch == b->fetch;
}

static cg_val tile_of(cg_unit *u, const form *f, int rows)
{
    tiles *t = u->tiles;
    while (t && !same(&t->form, f)) t = t->next;
    if (!t) {
        t = IR_NEW(&u->arena, tiles);
        *t = (tiles){.form = *f, .next = u->tiles};
        u->tiles = t;
    }
    if (!t->fn[rows]) t->fn[rows] = tile_make(u, f, rows);
    return t->fn[rows];
}

LLVMTypeRef cg_tile_chooser_type(cg_unit *u)
{
    LLVMTypeRef params[1 + CG_TILE_ARGS] = {u->i64};
    LLVMGetParamTypes(cg_tile_type(u), params + 1);
    return LLVMFunctionType(u->none, params, 1 + CG_TILE_ARGS, false);
}

static void add_case(cg_unit *u, cg_val choice, cg_val fn, cg_val to, int number)
{
    cg_val args[CG_TILE_ARGS];
    LLVMBasicBlockRef block = LLVMAppendBasicBlockInContext(u->ctx, fn, "");
    LLVMAddCase(choice, cg_int(u->i64, number), block);
    LLVMPositionBuilderAtEnd(u->b, block);
    for (unsigned i = 0; i < CG_TILE_ARGS; i++) args[i] = LLVMGetParam(fn, i + 1);
    LLVMSetTailCall(LLVMBuildCall2(u->b, cg_tile_type(u), to, args, CG_TILE_ARGS, ""), true);
    LLVMBuildRetVoid(u->b);
}

cg_val cg_tile_chooser(cg_unit *u, int64_t row_step, int64_t k_step,
                       const uint32_t rows[CG_FETCHES])
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    cg_val fn = LLVMAddFunction(u->m, "tiles", cg_tile_chooser_type(u));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    cg_set_attributes(u, fn);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, fn, ""));
    LLVMBasicBlockRef none = cg_block(u);
    cg_val choice = LLVMBuildSwitch(u->b, LLVMGetParam(fn, 0), none, MOST_ROWS);
    for (int fetch = 0; fetch < CG_FETCHES; fetch++)
        for (int n = 1; n < MOST_ROWS; n++) {
            const form f = {row_step, k_step, (cg_fetch)fetch};
            if (rows[fetch] >> n & 1)
                add_case(u, choice, fn, tile_of(u, &f, n), CG_TILE_CHOICE(fetch, n));
        }
    LLVMPositionBuilderAtEnd(u->b, none);
    LLVMBuildRetVoid(u->b);
    if (here) LLVMPositionBuilderAtEnd(u->b, here);
    return fn;
}
