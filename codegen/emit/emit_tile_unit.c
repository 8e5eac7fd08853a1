/* The tile of a unit that multiplies whole tiles of 16 rows of 64 bytes (AMX).
 *
 * Sums are one or two tiles of rows by two of columns. A tile of a is 16 rows as they stand, 16
 * groups of k each; one of b is 16 rows of the panel. The shapes never change, so a kernel
 * configures the unit once: of 17 to 31 rows the second tile ends at the last one and overlaps the
 * first, which makes the same sums twice and nothing else; fewer than 16 take another tile. What is
 * left of k, and an a whose k do not stand side by side, goes through memory, with zeros behind
 * it. Registers are named by number, so none is ever moved to memory.
 *
 * For tests the unit is emulated: its registers are memory of the tile's function, and each
 * instruction is loops over it. */
#include "codegen/emit/emit_dot.h"
#include "codegen/emit/emit_tile.h"

enum { SIDE = CG_TILE_UNIT_ROWS, BYTES = 64, REGISTERS = 8, COLUMNS = CG_PANEL / SIDE };
enum { SUMS = 0, OF_A = 4, OF_B = 6 }; /* the first register of each */
enum { ROW_OF_PANEL = CG_PANEL * CG_CELL, AHEAD = 8192, LINE = 64 };
#define UNIT (LATHE_CPU_AMX_TILE | LATHE_CPU_AMX_INT8 | LATHE_CPU_AMX_BF16)

typedef struct unit {
    cg_tile *t;
    cg_unit *u;
    bool emulated;
    LLVMTypeRef words;         /* a row of a register as i32 */
    cg_val at[REGISTERS];      /* emulated: their memory */
    int tiles;                 /* of rows */
    int first[2];              /* rows of those */
    cg_val memory_a, memory_b; /* tiles with zeros in them */
} unit;

static cg_val at_byte(unit *w, cg_val base, cg_val at) { return cg_at(w->u, w->u->i8, base, at); }

/* ---- the unit's instructions ---- */

static cg_val reg(unit *w, int n) { return cg_int(w->u->i8, n); }

static void call(unit *w, const char *name, const cg_val *args, int n)
{
    cg_intrinsic_of(w->u, name, NULL, 0, args, n);
}

/* Rows from one place to another, each so many bytes apart. */
static void copy_rows(unit *w, cg_val to, cg_val to_step, cg_val from, cg_val from_step)
{
    cg_loop l = cg_loop_guard(w->u, cg_num(w->u, 0), cg_num(w->u, SIDE), 1, false);
    cg_loop_enter(w->u, &l, NULL, 0);
    cg_val v = cg_tile_load(w->t, w->words, at_byte(w, from, cg_mul(w->u, l.i, from_step)), 1);
    LLVMSetAlignment(LLVMBuildStore(w->u->b, v, at_byte(w, to, cg_mul(w->u, l.i, to_step))), 1);
    cg_loop_end(w->u, &l, NULL);
}

static void load(unit *w, int n, cg_val from, cg_val step)
{
    if (w->emulated) copy_rows(w, w->at[n], cg_num(w->u, BYTES), from, step);
    else call(w, "llvm.x86.tileloadd64", (cg_val[]){reg(w, n), from, step}, 3);
}

static void store(unit *w, int n, cg_val to, cg_val step)
{
    if (w->emulated) copy_rows(w, to, step, w->at[n], cg_num(w->u, BYTES));
    else call(w, "llvm.x86.tilestored64", (cg_val[]){reg(w, n), to, step}, 3);
}

static void zero(unit *w, int n)
{
    cg_val none = LLVMConstNull(w->words);
    if (!w->emulated) {
        call(w, "llvm.x86.tilezero", (cg_val[]){reg(w, n)}, 1);
        return;
    }
    for (int i = 0; i < SIDE; i++)
        LLVMBuildStore(w->u->b, none, at_byte(w, w->at[n], cg_num(w->u, (int64_t)i * BYTES)));
}

/* A group of k of a row of a with those of all columns; of bf16, even and odd terms have sums of
 * their own, which are added at the end. */
static void emulate_group(unit *w, cg_val sum[2], cg_val a, cg_val b)
{
    cg_unit *u = w->u;
    cg_val x = LLVMBuildLoad2(u->b, u->i32, a, "");
    cg_words row = {cg_splat(u, x, SIDE), w->t->use.a},
             columns = {LLVMBuildLoad2(u->b, w->words, b, ""), w->t->form->elem};
    if (row.elem == IR_BF16) cg_dot_apart(u, sum, columns, row);
    else sum[0] = cg_dot(u, sum[0], columns, row);
}

static void emulate_dot(unit *w, int sums, int a, int b)
{
    cg_unit *u = w->u;
    bool apart = w->t->use.a == IR_BF16;
    cg_loop rows = cg_loop_guard(u, cg_num(w->u, 0), cg_num(w->u, SIDE), 1, false);
    cg_loop_enter(u, &rows, NULL, 0);
    cg_val row = cg_mul(w->u, rows.i, cg_num(w->u, BYTES)), place = at_byte(w, w->at[sums], row);
    cg_val old = LLVMBuildLoad2(u->b, w->t->vector, place, ""), none = LLVMConstNull(w->t->vector);
    cg_val sum[] = {apart ? none : old, none};
    cg_loop groups = cg_loop_guard(u, cg_num(w->u, 0), cg_num(w->u, SIDE), 1, false);
    cg_loop_enter(u, &groups, sum, 2);
    sum[0] = groups.carried[0], sum[1] = groups.carried[1];
    cg_val at = LLVMBuildAdd(u->b, row, cg_mul(w->u, groups.i, cg_num(w->u, CG_CELL)), "");
    emulate_group(w, sum, at_byte(w, w->at[a], at),
                  at_byte(w, w->at[b], cg_mul(w->u, groups.i, cg_num(w->u, BYTES))));
    cg_loop_end(u, &groups, sum);
    if (apart) sum[0] = cg_add_flushed(u, old, cg_add_flushed(u, sum[0], sum[1]));
    LLVMBuildStore(u->b, sum[0], place);
    cg_loop_end(u, &rows, NULL);
}

static void dot(unit *w, int sums, int a, int b)
{
    static const char *const names[2][2] = {{"llvm.x86.tdpbuud", "llvm.x86.tdpbusd"},
                                            {"llvm.x86.tdpbsud", "llvm.x86.tdpbssd"}};
    const char *name = w->t->use.a == IR_BF16
                           ? "llvm.x86.tdpbf16ps"
                           : names[w->t->use.a == IR_I8][w->t->form->elem == IR_I8];
    if (w->emulated) emulate_dot(w, sums, a, b);
    else call(w, name, (cg_val[]){reg(w, sums), reg(w, a), reg(w, b)}, 3);
}

/* ---- what a kernel does once ---- */

bool cg_tile_unit_is_real(const cg_isa *isa) { return !(isa->defines & UNIT); }

void cg_tile_unit_begin(cg_unit *u)
{
    enum { SIZE = 64, ROWS_AT = 48, BYTES_AT = 16 }; /* palette 1; each register's bytes and rows */
    cg_val byte[SIZE];
    for (int i = 0; i < SIZE; i++) byte[i] = cg_int(u->i8, i == 0);
    for (int i = 0; i < REGISTERS; i++) {
        byte[BYTES_AT + 2 * i] = cg_int(u->i8, BYTES);
        byte[ROWS_AT + i] = cg_int(u->i8, SIDE);
    }
    cg_val shapes = LLVMAddGlobal(u->m, LLVMArrayType2(u->i8, SIZE), "shapes");
    LLVMSetInitializer(shapes, LLVMConstArray2(u->i8, byte, SIZE));
    LLVMSetGlobalConstant(shapes, true);
    LLVMSetLinkage(shapes, LLVMInternalLinkage);
    LLVMSetAlignment(shapes, SIZE);
    cg_intrinsic_of(u, "llvm.x86.ldtilecfg", NULL, 0, &shapes, 1);
}

void cg_tile_unit_end(cg_unit *u) { cg_intrinsic_of(u, "llvm.x86.tilerelease", NULL, 0, NULL, 0); }

/* ---- a ---- */

static int size_of_a(const unit *w) { return ir_elem_bits(w->t->use.a) / 8; }
static int terms(const unit *w) { return SIDE * w->t->form->group; } /* of a step */

/* Bytes from a's start to the first row of a tile. */
static cg_val row_at(unit *w, cg_val row)
{
    cg_val step =
        w->t->use.row_step ? cg_num(w->u, w->t->use.row_step) : w->t->arg[CG_TILE_ROW_STEP];
    return cg_mul(w->u, cg_mul(w->u, row, step), cg_num(w->u, size_of_a(w)));
}

static cg_val k_at(unit *w, cg_val k)
{
    cg_val step = w->t->use.k_step ? cg_num(w->u, w->t->use.k_step) : w->t->arg[CG_TILE_K_STEP];
    return cg_mul(w->u, cg_mul(w->u, k, step), cg_num(w->u, size_of_a(w)));
}

/* The first `count` k at a place, zeros behind them; nothing else is read. */
static cg_val load_some(unit *w, cg_val at, cg_val count)
{
    cg_unit *u = w->u;
    int lanes = terms(w);
    LLVMTypeRef type = cg_wide(w->t->a_type, lanes), overload[] = {type, u->ptr};
    LLVMTypeRef one = LLVMIntTypeInContext(u->ctx, 8 * (unsigned)size_of_a(w));
    cg_val all = cg_splat(u, LLVMBuildTrunc(u->b, count, one, ""), lanes);
    cg_val mask = LLVMBuildICmp(u->b, LLVMIntULT, cg_iota(one, lanes), all, "");
    cg_val args[] = {at, cg_int(u->i32, 1), mask, LLVMConstNull(type)};
    return cg_intrinsic_of(u, "llvm.masked.load", overload, 2, args, 4);
}

/* The same, one by one. */
static void gather(unit *w, cg_val from, cg_val to, cg_val count)
{
    cg_unit *u = w->u;
    cg_loop l = cg_loop_guard(u, cg_num(w->u, 0), count, 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val v = cg_tile_load(w->t, w->t->a_type, at_byte(w, from, k_at(w, l.i)), 1);
    LLVMBuildStore(u->b, v, cg_tile_at(w->t, w->t->a_type, to, l.i));
    cg_loop_end(u, &l, NULL);
}

/* `count` k of the rows from `first` on, into memory. */
static void copy_a(unit *w, cg_val a, int first, cg_val count)
{
    cg_unit *u = w->u;
    cg_loop l = cg_loop_guard(u, cg_num(w->u, 0), cg_num(w->u, SIDE), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val row = LLVMBuildAdd(u->b, l.i, cg_num(w->u, first), "");
    cg_val from = at_byte(w, a, row_at(w, row)),
           to = at_byte(w, w->memory_a, cg_mul(w->u, l.i, cg_num(w->u, BYTES)));
    bool together = w->t->use.k_step == 1;
    cg_val v = together ? load_some(w, from, count) : LLVMConstNull(w->words);
    LLVMSetAlignment(LLVMBuildStore(u->b, v, to), 1);
    if (!together) gather(w, from, to, count);
    cg_loop_end(u, &l, NULL);
}

/* ---- b ---- */

/* The panel's rows that hold `count` k, and zeros, into memory. */
static void copy_b(unit *w, cg_val b, cg_val count)
{
    cg_unit *u = w->u;
    int group = w->t->form->group;
    LLVMTypeRef type = cg_wide(u->i32, CG_PANEL);
    cg_val rows = LLVMBuildAdd(u->b, count, cg_num(w->u, group - 1), "");
    rows = LLVMBuildUDiv(u->b, rows, cg_num(w->u, group), "");
    cg_loop l = cg_loop_guard(u, cg_num(w->u, 0), cg_num(w->u, SIDE), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val is_row = LLVMBuildICmp(u->b, LLVMIntSLT, l.i, rows, "");
    cg_val from = cg_select(u, is_row, l.i, cg_num(w->u, 0));
    cg_val v =
        cg_tile_load(w->t, type, at_byte(w, b, cg_mul(w->u, from, cg_num(w->u, ROW_OF_PANEL))), 1);
    v = cg_select(u, is_row, v, LLVMConstNull(type));
    cg_val to = at_byte(w, w->memory_b, cg_mul(w->u, l.i, cg_num(w->u, ROW_OF_PANEL)));
    LLVMSetAlignment(LLVMBuildStore(u->b, v, to), 1);
    cg_loop_end(u, &l, NULL);
}

/* ---- steps ---- */

static void prefetch(unit *w, cg_val b, cg_val next)
{
    for (int at = 0; w->t->fetch == CG_FETCH_SELF && at < SIDE * ROW_OF_PANEL; at += LINE)
        cg_prefetch(w->u, at_byte(w, b, cg_num(w->u, AHEAD + at)), 3);
    for (int i = 0; w->t->fetch == CG_FETCH_NEXT && i < SIDE; i++)
        cg_prefetch(w->u, at_byte(w, next, cg_num(w->u, (int64_t)i * LINE)), 2);
}

/* `count` k, at most a step's; whole: it is all of a step's, and may be read where it stands. */
static void emit_step(unit *w, cg_val a, cg_val b, cg_val count, bool whole)
{
    bool in_place = whole && w->t->use.k_step == 1;
    if (!whole) {
        copy_b(w, b, count);
        b = w->memory_b;
    }
    for (int c = 0; c < COLUMNS; c++)
        load(w, OF_B + c, at_byte(w, b, cg_num(w->u, (int64_t)c * BYTES)),
             cg_num(w->u, ROW_OF_PANEL));
    for (int r = 0; r < w->tiles; r++) {
        if (!in_place) copy_a(w, a, w->first[r], count);
        if (in_place)
            load(w, OF_A + r, at_byte(w, a, row_at(w, cg_num(w->u, w->first[r]))),
                 row_at(w, cg_num(w->u, 1)));
        else load(w, OF_A + r, w->memory_a, cg_num(w->u, BYTES));
        for (int c = 0; c < COLUMNS; c++) dot(w, SUMS + COLUMNS * r + c, OF_A + r, OF_B + c);
    }
}

static void emit_steps(unit *w)
{
    cg_unit *u = w->u;
    cg_tile *t = w->t;
    cg_val step = cg_num(w->u, terms(w)), whole = LLVMBuildUDiv(u->b, t->arg[CG_TILE_K], step, ""),
           left = LLVMBuildURem(u->b, t->arg[CG_TILE_K], step, "");
    cg_val carried[] = {t->arg[CG_TILE_A], t->arg[CG_TILE_B], t->arg[CG_TILE_NEXT]};
    cg_loop l = cg_loop_guard(u, cg_num(w->u, 0), whole, 1, true);
    cg_loop_enter(u, &l, carried, 3);
    prefetch(w, l.carried[1], l.carried[2]);
    emit_step(w, l.carried[0], l.carried[1], step, true);
    carried[0] = at_byte(w, l.carried[0], k_at(w, step));
    carried[1] = at_byte(w, l.carried[1], cg_num(w->u, SIDE * ROW_OF_PANEL));
    carried[2] = at_byte(w, l.carried[2], cg_num(w->u, SIDE * LINE));
    cg_loop_end(u, &l, carried);
    LLVMBasicBlockRef some = cg_block(u), done = cg_block(u);
    LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntEQ, left, cg_num(w->u, 0), ""), done, some);
    LLVMPositionBuilderAtEnd(u->b, some);
    emit_step(w, carried[0], carried[1], left, false);
    LLVMBuildBr(u->b, done);
    LLVMPositionBuilderAtEnd(u->b, done);
}

/* ---- the function ---- */

static cg_val place_of_c(unit *w, int sums, cg_val step)
{
    int row = w->first[sums / COLUMNS], column = sums % COLUMNS * SIDE;
    cg_val at = LLVMBuildAdd(w->u->b, cg_mul(w->u, step, cg_num(w->u, row)),
                             cg_num(w->u, (int64_t)column * CG_CELL), "");
    return at_byte(w, w->t->arg[CG_TILE_C], at);
}

static void begin_sums(unit *w, cg_val step)
{
    cg_unit *u = w->u;
    LLVMBasicBlockRef add = cg_block(u), fresh = cg_block(u), start = cg_block(u);
    LLVMBuildCondBr(u->b, w->t->arg[CG_TILE_ADD], add, fresh);
    for (int i = 0; i < 2; i++) {
        LLVMPositionBuilderAtEnd(u->b, i ? add : fresh);
        for (int s = 0; s < COLUMNS * w->tiles; s++) {
            if (i) load(w, SUMS + s, place_of_c(w, s, step), step);
            else zero(w, SUMS + s);
        }
        LLVMBuildBr(u->b, start);
    }
    LLVMPositionBuilderAtEnd(u->b, start);
}

static cg_val memory(unit *w, int bytes)
{
    cg_val v = LLVMBuildAlloca(w->u->b, LLVMArrayType2(w->u->i8, (uint64_t)bytes), "");
    LLVMSetAlignment(v, BYTES);
    return v;
}

void cg_emit_tile_unit(cg_tile *t)
{
    unit w = {.t = t,
              .u = t->u,
              .emulated = !cg_tile_unit_is_real(t->u->isa),
              .tiles = t->rows > SIDE ? 2 : 1};
    w.words = cg_wide(w.u->i32, SIDE);
    w.first[1] = t->rows - SIDE;
    w.memory_a = memory(&w, SIDE * BYTES);
    w.memory_b = memory(&w, SIDE * ROW_OF_PANEL);
    for (int i = 0; w.emulated && i < REGISTERS; i++) w.at[i] = memory(&w, SIDE * BYTES);
    cg_val step = cg_mul(w.u, t->arg[CG_TILE_LDC], cg_num(w.u, CG_CELL));
    begin_sums(&w, step);
    emit_steps(&w);
    for (int s = 0; s < COLUMNS * w.tiles; s++) store(&w, SUMS + s, place_of_c(&w, s, step), step);
    LLVMBuildRetVoid(w.u->b);
}
