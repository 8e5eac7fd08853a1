/* The innermost kernel of a product: one tile of sums in registers.
 *
 * In: a use and a number of rows. Out: a function, made once a module, by the first row of
 * tiles.def that serves. Each step of k loads a row of b and multiplies it with one group of each
 * row of a. The sums, one row of b and what a step takes aside must fit in the vector registers:
 * one more and every step spills. Steps of a that are known at compile time make addresses of one
 * pointer and constants; with run-time steps nothing is unrolled, since the addresses of the copies
 * would take all registers. The last tile is plain loops over a panel: slow, and clear enough to
 * believe. */
#include <string.h>

#include "codegen/emit/emit_tile.h"

enum { UNROLL = 4, LINE = 64, AHEAD = 8192, NEXT_LINES = 4, PLAIN_ROWS = 4 };

/* A row of tiles.def. */
typedef struct kind {
    const char *name;
    ir_elem a;
    cg_format format;
    uint32_t needs;
    cg_multiply multiply;
    int aside;
    unsigned traits;
} kind;

static const kind kinds[] = {
#define TILE(name, a, format, needs, multiply, aside, traits)                                      \
    {#name, a, format, needs, multiply, aside, traits},
#include "codegen/emit/tiles.def"
#undef TILE
};

/* The functions of a use. */
typedef struct cg_tiles {
    cg_tile_use use;
    cg_fetch fetch;
    cg_val fn[CG_TILE_MOST_ROWS + 1]; /* by rows; NULL: not made yet */
    struct cg_tiles *next;
} tiles;

/* What the K loop carries: the sums, then these. */
enum { AT_A, AT_B, AT_NEXT, POINTERS };

/* ---- which tile ---- */

static int least_rows(const kind *t) { return t->traits & CG_TILE_UNIT ? CG_TILE_UNIT_ROWS : 1; }

static bool serves(const kind *t, const cg_isa *isa, const cg_tile_use *use, int rows)
{
    bool arm = strncmp(isa->triple, "aarch64", strlen("aarch64")) == 0;
    uint32_t has = isa->cpu_bits | isa->defines | (arm ? CG_TILE_ARM : CG_TILE_X86);
    if (use->block && t->traits & CG_TILE_UNIT) return false;
    return (t->a == IR_ELEM_NONE || t->a == use->a) &&
           (t->format == CG_FORMATS || t->format == use->format) && (t->needs & ~has) == 0 &&
           rows >= least_rows(t) && (!isa->tile || strcmp(isa->tile, t->name) == 0);
}

static const kind *kind_of(const cg_isa *isa, const cg_tile_use *use, int rows)
{
    size_t i = 0, last = sizeof kinds / sizeof kinds[0] - 1;
    while (i < last && !serves(&kinds[i], isa, use, rows)) i++;
    return &kinds[i];
}

const char *cg_tile_name(size_t row)
{
    return row < sizeof kinds / sizeof kinds[0] ? kinds[row].name : NULL;
}

const char *cg_tile_name_of(const cg_isa *isa, const cg_tile_use *use)
{
    return kind_of(isa, use, CG_TILE_MOST_ROWS)->name;
}

size_t cg_tile_rank(const cg_isa *isa, const cg_tile_use *use)
{
    return (size_t)(kind_of(isa, use, CG_TILE_MOST_ROWS) - kinds);
}

bool cg_tile_is_unit(const cg_isa *isa, const cg_tile_use *use)
{
    return kind_of(isa, use, CG_TILE_MOST_ROWS)->traits & CG_TILE_UNIT;
}

bool cg_tile_is_made(const cg_isa *isa, const cg_tile_use *use)
{
    return cg_tile_is_unit(isa, use) || kind_of(isa, use, CG_TILE_MOST_ROWS)->multiply;
}

static cg_tile_shape shape_of(const cg_isa *isa, const kind *t)
{
    if (t->traits & CG_TILE_UNIT)
        return (cg_tile_shape){CG_TILE_UNIT_ROWS, CG_PANEL / CG_TILE_UNIT_ROWS, CG_TILE_MOST_ROWS};
    if (!t->multiply) return (cg_tile_shape){CG_PANEL, 1, PLAIN_ROWS};
    cg_tile_shape s = {.lanes = isa->vector_bits / 32, .vectors = 2};
    if (isa->vector_registers >= 32 && s.lanes == 4 && !(t->traits & CG_TILE_BLOCKS)) s.vectors = 4;
    s.rows = (isa->vector_registers - s.vectors - t->aside) / s.vectors;
    return s;
}

cg_tile_shape cg_tile_shape_of(const cg_isa *isa, const cg_tile_use *use)
{
    return shape_of(isa, kind_of(isa, use, CG_TILE_MOST_ROWS));
}

static int unroll_of(const cg_tile_use *use) { return use->row_step && use->k_step ? UNROLL : 1; }

/* Lines are asked for once an unrolled step, whose rows of b have CG_CELL bytes a column. */
int64_t cg_tile_reach(const cg_tile_use *use)
{
    return use->row_step && use->k_step ? NEXT_LINES * LINE / UNROLL / CG_CELL : 0;
}

/* Blocks have two rows, of which the last one may be there twice. */
static int rows_held(const cg_tile *t)
{
    return t->traits & CG_TILE_BLOCKS ? (t->rows + 1) / 2 * 2 : t->rows;
}

int cg_tile_sums(const cg_tile *t) { return rows_held(t) * t->shape.vectors; }
static int row_held(const cg_tile *t, int i) { return i < t->rows ? i : t->rows - 1; }

cg_val cg_tile_at(cg_tile *t, LLVMTypeRef elements, cg_val base, cg_val at)
{
    return LLVMBuildGEP2(t->u->b, elements, base, &at, 1, "");
}

static cg_val element_at(cg_tile *t, LLVMTypeRef elements, cg_val base, int64_t at)
{
    return cg_tile_at(t, elements, base, cg_int(t->u->i64, at));
}

/* Weights may be mapped at any address of the app's choice. */
cg_val cg_tile_load(cg_tile *t, LLVMTypeRef type, cg_val at, unsigned align)
{
    cg_val v = LLVMBuildLoad2(t->u->b, type, at, "");
    LLVMSetAlignment(v, align);
    return v;
}

static cg_val load_sums(cg_tile *t, cg_val at)
{
    return cg_tile_load(t, t->vector, at, (unsigned)ir_elem_bits(t->form->sum) / 8);
}

/* ---- a step of k ---- */

cg_val cg_tile_place_of_b(cg_tile *t, cg_val b, int step, int vector)
{
    int64_t column = (int64_t)step * CG_PANEL + (int64_t)vector * t->shape.lanes;
    return element_at(t, t->b_type, b, column * t->form->group);
}

cg_val cg_tile_place_of_a(cg_tile *t, cg_val a, int row, cg_val k)
{
    cg_unit *u = t->u;
    cg_val at = t->row_at[row], zero = cg_int(u->i64, 0);
    if (k != zero) {
        cg_val step = t->use.k_step ? cg_int(u->i64, t->use.k_step) : t->arg[CG_TILE_K_STEP];
        at = LLVMBuildAdd(u->b, at, LLVMBuildMul(u->b, step, k, ""), "");
    }
    return cg_tile_at(t, t->a_type, a, at);
}

void cg_multiply_f32(cg_tile *t, cg_val *sum, cg_val a, cg_val b, int step, cg_val left)
{
    cg_val row[CG_TILE_MOST_VECTORS];
    int vectors = t->shape.vectors;
    (void)left;
    for (int j = 0; j < vectors; j++)
        row[j] = cg_tile_load(t, t->vector, cg_tile_place_of_b(t, b, step, j), sizeof(float));
    for (int i = 0; i < t->rows; i++) {
        cg_val x = cg_tile_load(t, t->a_type, cg_tile_place_of_a(t, a, i, cg_int(t->u->i64, step)),
                                sizeof(float));
        x = cg_splat(t->u, x, t->shape.lanes);
        for (int j = 0; j < vectors; j++)
            sum[i * vectors + j] = cg_fma(t->u, x, row[j], sum[i * vectors + j]);
    }
}

/* ---- the loop over k ---- */

static void prefetch_self(cg_tile *t, cg_val b)
{
    const int cell = CG_CELL / t->form->group; /* bytes of an element */
    int width = t->shape.vectors * t->shape.lanes * CG_CELL;
    for (int step = 0; step < t->unroll; step++)
        for (int at = 0; at < width; at += LINE) {
            int64_t bytes = AHEAD + at + step * (int64_t)CG_PANEL * CG_CELL;
            cg_prefetch(t->u, element_at(t, t->b_type, b, bytes / cell), 3);
        }
}

static cg_val prefetch_next(cg_tile *t, cg_val next)
{
    for (int line = 0; line < NEXT_LINES; line++) {
        cg_prefetch(t->u, next, 2);
        next = element_at(t, t->b_type, next, LINE / (CG_CELL / t->form->group));
    }
    return next;
}

/* Groups from `start` to `end`, a multiple of `steps` apart; carried: sums and pointers. */
static void emit_steps(cg_tile *t, cg_val start, cg_val end, int steps, cg_val *carried,
                       cg_val left)
{
    cg_unit *u = t->u;
    int n = cg_tile_sums(t), group = t->form->group;
    cg_loop l = cg_loop_guard(u, start, end, steps, true);
    cg_loop_enter(u, &l, carried, n + POINTERS);
    cg_val next[CG_MOST_CARRIED], *p = &next[n];
    for (int c = 0; c < n + POINTERS; c++) next[c] = l.carried[c];
    if (t->fetch == CG_FETCH_SELF && steps > 1) prefetch_self(t, p[AT_B]);
    if (t->fetch == CG_FETCH_NEXT && steps > 1) p[AT_NEXT] = prefetch_next(t, p[AT_NEXT]);
    const kind *tile = kind_of(u->isa, &t->use, t->rows);
    t->span = steps > 1 && tile->traits & CG_TILE_BLOCKS ? 2 : 1;
    for (int s = 0; s < steps; s += t->span) tile->multiply(t, next, p[AT_A], p[AT_B], s, left);
    cg_val k_step = t->use.k_step ? cg_int(u->i64, t->use.k_step) : t->arg[CG_TILE_K_STEP];
    k_step = LLVMBuildMul(u->b, k_step, cg_int(u->i64, (int64_t)steps * group), "");
    p[AT_A] = cg_tile_at(t, t->a_type, p[AT_A], k_step);
    p[AT_B] = element_at(t, t->b_type, p[AT_B], (int64_t)steps * CG_PANEL * group);
    cg_loop_end(u, &l, next);
    for (int c = 0; c < n + POINTERS; c++) carried[c] = next[c];
}

static void emit_groups(cg_tile *t, cg_val *carried)
{
    cg_unit *u = t->u;
    cg_val zero = cg_int(u->i64, 0), end = t->arg[CG_TILE_K], main = zero;
    int group = t->form->group;
    if (group > 1) end = LLVMBuildUDiv(u->b, end, cg_int(u->i64, group), "");
    if (t->unroll > 1) {
        main = LLVMBuildAnd(u->b, end, cg_int(u->i64, -t->unroll), "");
        emit_steps(t, zero, main, t->unroll, carried, NULL);
    }
    emit_steps(t, main, end, 1, carried, NULL);
    if (group == 1) return;
    cg_val left = LLVMBuildURem(u->b, t->arg[CG_TILE_K], cg_int(u->i64, group), "");
    cg_val some = LLVMBuildICmp(u->b, LLVMIntNE, left, zero, "");
    emit_steps(t, zero, LLVMBuildZExt(u->b, some, u->i64, ""), 1, carried, left);
}

/* ---- the tile of c ---- */

cg_val cg_tile_place_of_c(cg_tile *t, int row, int vector)
{
    cg_unit *u = t->u;
    cg_val at = LLVMBuildMul(u->b, t->arg[CG_TILE_LDC], cg_int(u->i64, row), "");
    at = cg_tile_at(t, t->c_type, t->arg[CG_TILE_C], at);
    return element_at(t, t->c_type, at, (int64_t)vector * t->shape.lanes);
}

/* Sums without a part in them: zeros, or what a's codes being 128 away makes of the panel's sums of
 * columns, which stand in front of its first row. */
static void first_sums(cg_tile *t, cg_val *first)
{
    cg_unit *u = t->u;
    for (int j = 0; j < t->shape.vectors; j++) first[j] = LLVMConstNull(t->vector);
    if (!(t->traits & CG_TILE_FLIPS)) return;
    cg_val row = element_at(t, t->b_type, t->arg[CG_TILE_B], -(int64_t)CG_PANEL * t->form->group);
    cg_val away = cg_int_like(first[0], t->use.a == IR_U8 ? 128 : -128);
    for (int j = 0; j < t->shape.vectors; j++)
        first[j] = LLVMBuildMul(u->b, load_sums(t, cg_tile_place_of_b(t, row, 0, j)), away, "");
}

/* What the sums start from: first_sums, or the tile of c. */
static void begin_sums(cg_tile *t, cg_val *sum)
{
    cg_unit *u = t->u;
    cg_val held[CG_MOST_CARRIED], first[CG_TILE_MOST_VECTORS];
    first_sums(t, first);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(u->b), add = cg_block(u), start = cg_block(u);
    int n = cg_tile_sums(t), vectors = t->shape.vectors;
    LLVMBuildCondBr(u->b, t->arg[CG_TILE_ADD], add, start);
    LLVMPositionBuilderAtEnd(u->b, add);
    for (int i = 0; i < n; i++)
        held[i] = load_sums(t, cg_tile_place_of_c(t, row_held(t, i / vectors), i % vectors));
    LLVMBuildBr(u->b, start);
    LLVMPositionBuilderAtEnd(u->b, start);
    for (int i = 0; i < n; i++) {
        sum[i] = LLVMBuildPhi(u->b, t->vector, "");
        LLVMAddIncoming(sum[i], (cg_val[]){first[i % vectors], held[i]},
                        (LLVMBasicBlockRef[]){entry, add}, 2);
    }
}

void cg_tile_add(cg_tile *t, cg_val a, cg_val b, cg_val *carried)
{
    const int n = cg_tile_sums(t);
    bool blocks = t->traits & CG_TILE_BLOCKS;
    if (blocks) cg_tile_to_blocks(t, carried, false);
    carried[n + AT_A] = a;
    carried[n + AT_B] = b;
    carried[n + AT_NEXT] = t->arg[CG_TILE_NEXT];
    emit_groups(t, carried);
    if (blocks) cg_tile_to_blocks(t, carried, true);
}

void cg_tile_find_rows(cg_tile *t)
{
    cg_unit *u = t->u;
    for (int i = 0; i < rows_held(t); i++) {
        int row = row_held(t, i);
        t->row_at[i] = t->use.row_step
                           ? cg_int(u->i64, row * t->use.row_step)
                           : LLVMBuildMul(u->b, t->arg[CG_TILE_ROW_STEP], cg_int(u->i64, row), "");
    }
}

static void emit_vectors(cg_tile *t)
{
    cg_unit *u = t->u;
    cg_val carried[CG_MOST_CARRIED];
    cg_tile_find_rows(t);
    begin_sums(t, carried);
    cg_tile_add(t, t->arg[CG_TILE_A], t->arg[CG_TILE_B], carried);
    for (int i = 0; i < t->rows * t->shape.vectors; i++) {
        cg_val at = cg_tile_place_of_c(t, i / t->shape.vectors, i % t->shape.vectors);
        LLVMSetAlignment(LLVMBuildStore(u->b, carried[i], at),
                         (unsigned)ir_elem_bits(t->form->sum) / 8);
    }
    LLVMBuildRetVoid(u->b);
}

/* ---- plain loops ---- */

/* The element at a place as one of the sums' type. */
static cg_val element_of(cg_tile *t, ir_elem elem, LLVMTypeRef type, cg_val base, cg_val at)
{
    cg_val raw = cg_tile_load(t, type, cg_tile_at(t, type, base, at), 1);
    return cg_cast(t->u, cg_from_storage(t->u, elem, raw), elem, t->form->sum, false);
}

cg_val cg_tile_plain_sum(cg_tile *t, cg_val row, cg_val column, cg_val first)
{
    cg_unit *u = t->u;
    const cg_val group = cg_int(u->i64, t->form->group), panel = cg_int(u->i64, CG_PANEL);
    cg_loop l = cg_loop_guard(u, cg_int(u->i64, 0), t->arg[CG_TILE_K], 1, true);
    cg_loop_enter(u, &l, &first, 1);
    cg_val at = LLVMBuildAdd(u->b, LLVMBuildMul(u->b, row, t->arg[CG_TILE_ROW_STEP], ""),
                             LLVMBuildMul(u->b, l.i, t->arg[CG_TILE_K_STEP], ""), "");
    cg_val a = element_of(t, t->use.a, t->a_type, t->arg[CG_TILE_A], at);
    at = LLVMBuildMul(u->b, LLVMBuildUDiv(u->b, l.i, group, ""), panel, "");
    at = LLVMBuildMul(u->b, LLVMBuildAdd(u->b, at, column, ""), group, "");
    at = LLVMBuildAdd(u->b, at, LLVMBuildURem(u->b, l.i, group, ""), "");
    cg_val b = element_of(t, t->form->elem, t->b_type, t->arg[CG_TILE_B], at);
    cg_val next = t->form->sum == IR_F32
                      ? cg_fma(u, a, b, l.carried[0])
                      : LLVMBuildAdd(u->b, l.carried[0], LLVMBuildMul(u->b, a, b, ""), "");
    cg_loop_end(u, &l, &next);
    return next;
}

static void emit_plain(cg_tile *t)
{
    cg_unit *u = t->u;
    cg_val zero = cg_int(u->i64, 0);
    cg_loop rows = cg_loop_guard(u, zero, cg_int(u->i64, t->rows), 1, false);
    cg_loop_enter(u, &rows, NULL, 0);
    cg_loop columns = cg_loop_guard(u, zero, cg_int(u->i64, CG_PANEL), 1, false);
    cg_loop_enter(u, &columns, NULL, 0);
    cg_val at =
        LLVMBuildAdd(u->b, LLVMBuildMul(u->b, rows.i, t->arg[CG_TILE_LDC], ""), columns.i, "");
    at = cg_tile_at(t, t->c_type, t->arg[CG_TILE_C], at);
    cg_val held = cg_tile_load(t, t->c_type, at, CG_CELL);
    held = cg_select(u, t->arg[CG_TILE_ADD], held, LLVMConstNull(t->c_type));
    cg_val sum =
        (t->use.block ? cg_tile_plain_scaled : cg_tile_plain_sum)(t, rows.i, columns.i, held);
    LLVMBuildStore(u->b, sum, at);
    cg_loop_end(u, &columns, NULL);
    cg_loop_end(u, &rows, NULL);
    LLVMBuildRetVoid(u->b);
}

/* ---- the functions ---- */

static LLVMTypeRef tile_type(cg_unit *u)
{
    LLVMTypeRef t[CG_TILE_ARGS];
    for (int i = 0; i < CG_TILE_ARGS; i++)
        t[i] = i < CG_TILE_K ? u->ptr : i < CG_TILE_ADD ? u->i64 : u->i1;
    return LLVMFunctionType(u->none, t, CG_TILE_ARGS, false);
}

static cg_val tile_of(cg_unit *, const cg_tile_use *, cg_fetch, int rows);

/* More rows than a tile has: one after the other. */
static void emit_halves(cg_tile *t)
{
    cg_unit *u = t->u;
    const int rows[] = {t->rows / 2, t->rows - t->rows / 2};
    cg_val args[CG_TILE_ARGS], first = cg_int(u->i64, rows[0]);
    memcpy(args, t->arg, sizeof args);
    for (int i = 0; i < 2; i++) {
        LLVMBuildCall2(u->b, tile_type(u), tile_of(u, &t->use, t->fetch, rows[i]), args,
                       CG_TILE_ARGS, "");
        cg_val a = LLVMBuildMul(u->b, args[CG_TILE_ROW_STEP], first, ""),
               c = LLVMBuildMul(u->b, args[CG_TILE_LDC], first, "");
        args[CG_TILE_A] = cg_tile_at(t, t->a_type, args[CG_TILE_A], a);
        args[CG_TILE_C] = cg_tile_at(t, t->c_type, args[CG_TILE_C], c);
    }
    LLVMBuildRetVoid(u->b);
}

static void emit_body(cg_tile *t, const kind *which)
{
    if (t->rows > t->shape.rows) emit_halves(t);
    else if (which->traits & CG_TILE_UNIT) cg_emit_tile_unit(t);
    else if (which->multiply && t->use.block) cg_emit_tile_scaled(t);
    else if (which->multiply) emit_vectors(t);
    else emit_plain(t);
}

static cg_val tile_make(cg_unit *u, const cg_tile_use *use, cg_fetch fetch, int rows)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    cg_val fn = LLVMAddFunction(u->m, "tile", tile_type(u));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    cg_set_attributes(u, fn);
    const cg_panel_form *form = cg_panel_form_of(use->format);
    const kind *which = kind_of(u->isa, use, rows);
    cg_tile t = {.u = u,
                 .use = *use,
                 .shape = shape_of(u->isa, which),
                 .form = form,
                 .fetch = fetch,
                 .rows = rows,
                 .unroll = unroll_of(use),
                 .traits = which->traits,
                 .a_type = cg_storage_type(u, use->a),
                 .b_type = cg_storage_type(u, form->elem),
                 .c_type = use->block ? u->f32 : cg_storage_type(u, form->sum)};
    t.vector = cg_wide(cg_storage_type(u, form->sum), t.shape.lanes);
    for (int i = 0; i < CG_TILE_ARGS; i++) t.arg[i] = LLVMGetParam(fn, (unsigned)i);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, fn, ""));
    emit_body(&t, which);
    if (here) LLVMPositionBuilderAtEnd(u->b, here);
    return fn;
}

static bool same(const cg_tile_use *a, const cg_tile_use *b)
{
    return a->a == b->a && a->format == b->format && a->row_step == b->row_step &&
           a->k_step == b->k_step && a->block == b->block && a->zeros == b->zeros;
}

static cg_val tile_of(cg_unit *u, const cg_tile_use *use, cg_fetch fetch, int rows)
{
    tiles *t = u->tiles;
    while (t && !(same(&t->use, use) && t->fetch == fetch)) t = t->next;
    if (!t) {
        t = IR_NEW(&u->arena, tiles);
        *t = (tiles){.use = *use, .fetch = fetch, .next = u->tiles};
        u->tiles = t;
    }
    if (!t->fn[rows]) t->fn[rows] = tile_make(u, use, fetch, rows);
    return t->fn[rows];
}

LLVMTypeRef cg_tile_chooser_type(cg_unit *u)
{
    LLVMTypeRef params[1 + CG_TILE_ARGS] = {u->i64};
    LLVMGetParamTypes(tile_type(u), params + 1);
    return LLVMFunctionType(u->none, params, 1 + CG_TILE_ARGS, false);
}

static void add_case(cg_unit *u, cg_val choice, cg_val fn, cg_val to, int number)
{
    cg_val args[CG_TILE_ARGS];
    LLVMBasicBlockRef block = LLVMAppendBasicBlockInContext(u->ctx, fn, "");
    LLVMAddCase(choice, cg_int(u->i64, number), block);
    LLVMPositionBuilderAtEnd(u->b, block);
    for (unsigned i = 0; i < CG_TILE_ARGS; i++) args[i] = LLVMGetParam(fn, i + 1);
    LLVMSetTailCall(LLVMBuildCall2(u->b, tile_type(u), to, args, CG_TILE_ARGS, ""), true);
    LLVMBuildRetVoid(u->b);
}

/* Whether any of the tiles is a unit's that must be told of a kernel. */
static bool takes_unit(cg_unit *u, const cg_tile_use *use, const uint64_t rows[CG_FETCHES])
{
    uint64_t all = 0;
    for (int i = 0; i < CG_FETCHES; i++) all |= rows[i];
    return all >> CG_TILE_UNIT_ROWS && cg_tile_unit_is_real(u->isa) && cg_tile_is_unit(u->isa, use);
}

void cg_tiles_begin(cg_unit *u, const cg_tile_use *use, const uint64_t rows[CG_FETCHES])
{
    if (takes_unit(u, use, rows)) cg_tile_unit_begin(u);
}

void cg_tiles_end(cg_unit *u, const cg_tile_use *use, const uint64_t rows[CG_FETCHES])
{
    if (takes_unit(u, use, rows)) cg_tile_unit_end(u);
}

cg_val cg_tile_chooser(cg_unit *u, const cg_tile_use *use, const uint64_t rows[CG_FETCHES])
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    cg_val fn = LLVMAddFunction(u->m, "tiles", cg_tile_chooser_type(u));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    cg_set_attributes(u, fn);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, fn, ""));
    LLVMBasicBlockRef none = cg_block(u);
    cg_val choice = LLVMBuildSwitch(u->b, LLVMGetParam(fn, 0), none, CG_TILE_MOST_ROWS);
    for (int fetch = 0; fetch < CG_FETCHES; fetch++)
        for (int n = 1; n <= CG_TILE_MOST_ROWS; n++)
            if (rows[fetch] >> n & 1)
                add_case(u, choice, fn, tile_of(u, use, (cg_fetch)fetch, n),
                         CG_TILE_CHOICE(fetch, n));
    LLVMPositionBuilderAtEnd(u->b, none);
    LLVMBuildRetVoid(u->b);
    if (here) LLVMPositionBuilderAtEnd(u->b, here);
    return fn;
}
