/* The factors of a product of blocks in i8 (CG_NARROW_I8), as tiles take them.
 *
 * In: rows of floats; a panel in codes. Out: two functions. One rounds each block of a row to i8:
 * codes are x * (127 / largest) to the nearest even number, the scale is largest / 127. The other
 * one turns codes, of which a row of a panel has one k of all columns, into groups of four k a
 * column. Where a's codes are stored as u8, 128 more than they are, the sums of a block of b start
 * from -128 times its sums over k.
 *
 * A block of a whose numbers are all so small that 127 / largest is none is zeros. In one with an
 * infinity or a NaN the scale is NaN, and so are all its products. */
#include <float.h>
#include <string.h>

#include "codegen/emit/emit_codes.h"
#include "codegen/emit/emit_dot.h"

enum { GROUP = CG_I8_GROUP, RANGE = 127, SIGN = 128, BITS_OF_INFINITY = 0x7f800000 };

/* ---- rows of a ---- */

typedef struct rows {
    cg_unit *u;
    cg_val fn, inverse, is_finite; /* of the block */
    int lanes;
    bool offset;
} rows;

static cg_val rows_param(const rows *w, int i) { return LLVMGetParam(w->fn, (unsigned)i); }

static cg_val load_x(rows *w, cg_val from, cg_val k, int lanes)
{
    cg_val at = cg_mul(w->u, k, rows_param(w, CG_I8_ROWS_K_STEP));
    cg_val v =
        LLVMBuildLoad2(w->u->b, cg_wide(w->u->f32, lanes), cg_at(w->u, w->u->f32, from, at), "");
    LLVMSetAlignment(v, sizeof(float));
    return v;
}

/* The largest of `so_far` and the numbers of k from `start` to `end`, without signs, as bits: any
 * number that is not finite is larger than those that are. */
static cg_val largest(rows *w, cg_val from, cg_val start, cg_val end, int lanes, cg_val so_far)
{
    cg_unit *u = w->u;
    cg_val most = LLVMConstNull(cg_wide(u->i32, lanes));
    cg_loop l = cg_loop_guard(u, start, end, lanes, true);
    cg_loop_enter(u, &l, &most, 1);
    cg_val bits = cg_bits(u, load_x(w, from, l.i, lanes), u->i32);
    bits = LLVMBuildAnd(u->b, bits, cg_int_like(bits, INT32_MAX), "");
    most = cg_combine_values(u, CG_MAX, IR_U32, l.carried[0], bits);
    cg_loop_end(u, &l, &most);
    if (lanes > 1) most = cg_horizontal(u, CG_MAX, IR_U32, most);
    return cg_combine_values(u, CG_MAX, IR_U32, so_far, most);
}

/* Stores codes of k from `start` to `end`; adds them to a sum. */
static cg_val put_codes(rows *w, cg_val from, cg_val to, cg_val start, cg_val end, int lanes)
{
    cg_unit *u = w->u;
    cg_val sum = LLVMConstNull(cg_wide(u->i32, lanes));
    cg_loop l = cg_loop_guard(u, start, end, lanes, true);
    cg_loop_enter(u, &l, &sum, 1);
    cg_val x = load_x(w, from, l.i, lanes);
    x = cg_select(u, lanes > 1 ? cg_splat(u, w->is_finite, lanes) : w->is_finite, x,
                  LLVMConstNull(LLVMTypeOf(x)));
    x = LLVMBuildFMul(u->b, x, lanes > 1 ? cg_splat(u, w->inverse, lanes) : w->inverse, "");
    cg_val code = LLVMBuildFPToSI(u->b, cg_round(u, IR_X_ROUND, x), cg_as(x, u->i32), "");
    sum = LLVMBuildAdd(u->b, l.carried[0], code, "");
    if (w->offset) code = LLVMBuildXor(u->b, code, cg_int_like(code, SIGN), "");
    code = LLVMBuildTrunc(u->b, code, cg_as(code, u->i8), "");
    LLVMSetAlignment(LLVMBuildStore(u->b, code, cg_at(u, u->i8, to, l.i)), 1);
    cg_loop_end(u, &l, &sum);
    return lanes > 1 ? cg_horizontal(u, CG_SUM, IR_I32, sum) : sum;
}

static void fill_up(rows *w, cg_val to, cg_val start, cg_val end)
{
    cg_unit *u = w->u;
    cg_loop l = cg_loop_guard(u, start, end, 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    LLVMBuildStore(u->b, cg_int(u->i8, w->offset ? SIGN : 0), cg_at(u, u->i8, to, l.i));
    cg_loop_end(u, &l, NULL);
}

/* The scale of a block whose largest number has these bits. */
static cg_val scale_of(rows *w, cg_val bits)
{
    cg_unit *u = w->u;
    cg_val most = cg_bits(u, bits, u->f32), range = cg_real_like(most, RANGE),
           none = cg_real_like(most, 0);
    w->is_finite = LLVMBuildICmp(u->b, LLVMIntULT, bits, cg_int_like(bits, BITS_OF_INFINITY), "");
    cg_val is_large =
        LLVMBuildFCmp(u->b, LLVMRealOGE, most, cg_real_like(most, (double)FLT_MIN * RANGE), "");
    w->inverse = cg_select(u, is_large, LLVMBuildFDiv(u->b, range, most, ""), none);
    cg_val scale = cg_select(u, is_large, LLVMBuildFDiv(u->b, most, range, ""), none);
    cg_val nan = cg_bits(u, cg_int_like(bits, BITS_OF_INFINITY + (1 << 22)), u->f32);
    return cg_select(u, w->is_finite, scale, nan);
}

/* A block of n numbers at `from`. */
static void put_block(rows *w, cg_val from, cg_val to, cg_val n, int64_t length)
{
    cg_unit *u = w->u;
    cg_val none = cg_num(u, 0), codes = cg_at(u, u->i8, to, cg_num(u, CG_I8_FRONT)),
           whole = LLVMBuildAnd(u->b, n, cg_num(u, -(int64_t)w->lanes), "");
    cg_val most = cg_int(u->i32, 0), sum = most;
    if (w->lanes > 1) most = largest(w, from, none, whole, w->lanes, most);
    cg_val start = w->lanes > 1 ? whole : none;
    most = largest(w, from, start, n, 1, most);
    LLVMBuildStore(u->b, scale_of(w, most), to);
    if (w->lanes > 1) sum = put_codes(w, from, codes, none, whole, w->lanes);
    sum = LLVMBuildAdd(u->b, sum, put_codes(w, from, codes, start, n, 1), "");
    LLVMBuildStore(u->b, sum, cg_at(u, u->i32, to, cg_num(u, 1)));
    fill_up(w, codes, n, cg_num(u, length));
}

cg_function cg_make_i8_rows(cg_unit *u, const cg_codes *c, int64_t k, bool offset, bool together)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    cg_function r = cg_codes_function(u, "i8_rows", CG_I8_ROWS_COUNT, CG_I8_ROWS_PARAMS);
    rows w = {.u = u, .fn = r.fn, .offset = offset};
    w.lanes = together ? u->isa->vector_bits / 32 : 1;
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    const int64_t length = cg_i8_length(c, k), blocks = cg_i8_blocks(c, k),
                  step = cg_i8_of_a(length);
    cg_loop row = cg_loop_guard(u, cg_num(u, 0), rows_param(&w, CG_I8_ROWS_COUNT), 1, true);
    cg_loop_enter(u, &row, NULL, 0);
    cg_val from = cg_at(u, u->f32, rows_param(&w, CG_I8_ROWS_FROM),
                        cg_mul(u, row.i, rows_param(&w, CG_I8_ROWS_STEP)));
    cg_val to =
        cg_at(u, u->i8, rows_param(&w, CG_I8_ROWS_TO), cg_mul(u, row.i, cg_num(u, blocks * step)));
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), cg_num(u, blocks), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val start = cg_mul(u, l.i, cg_num(u, c->block));
    cg_val n = cg_lesser(u, cg_num(u, c->block), cg_sub(u, cg_num(u, k), start));
    if (k % c->block == 0) n = cg_num(u, c->block);
    put_block(&w, cg_at(u, u->f32, from, cg_mul(u, start, rows_param(&w, CG_I8_ROWS_K_STEP))),
              cg_at(u, u->i8, to, cg_mul(u, l.i, cg_num(u, step))), n, length);
    cg_loop_end(u, &l, NULL);
    cg_loop_end(u, &row, NULL);
    LLVMBuildRetVoid(u->b);
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}

/* ---- a panel of b ---- */

enum { MOST_COLUMNS = 16, LEAST_LANES = 4 };

typedef struct panel {
    cg_reader r;
    cg_block_head head;
    cg_val zero[2 * CG_MOST_PAIRS]; /* by vector of columns: of each of its bytes, or NULL */
    cg_val rows;                    /* of the block that are there */
    int columns;                    /* whose bytes are read side by side */
    bool offset;
} panel;

static int vectors_of(const panel *w) { return CG_PANEL / w->r.lanes; }

/* The vector of a head that has the columns from `column` on. */
static int place_in_head(const panel *w, int column)
{
    int i = 0;
    while (cg_codes_column(&w->r, 0, i) != column) i++;
    return i;
}

/* Bytes of the columns from `column` on of k and the three behind it, row by row; zeros where the
 * block ends before. */
static cg_val read_rows(panel *w, cg_val codes, cg_val k, int column, bool masked)
{
    cg_unit *u = w->r.u;
    const int n = w->columns;
    const int64_t row = cg_codes_row(w->r.c);
    cg_val all = LLVMGetUndef(cg_wide(u->i8, GROUP * n));
    cg_val from =
        cg_at(u, u->i8, codes, cg_add(u, cg_mul(u, k, cg_num(u, row)), cg_num(u, column)));
    if (!masked && row == n) return cg_codes_load(&w->r, LLVMTypeOf(all), from, 1);
    int into[GROUP * MOST_COLUMNS];
    for (int i = 0; i < GROUP; i++) {
        cg_val at = cg_num(u, i * row), there = NULL;
        if (masked) {
            there = LLVMBuildICmp(u->b, LLVMIntSLT, cg_add(u, k, cg_num(u, i)), w->rows, "");
            at = cg_select(u, there, at, cg_num(u, 0));
        }
        cg_val v = cg_codes_load(&w->r, cg_wide(u->i8, n), cg_at(u, u->i8, from, at), 1);
        if (masked) v = cg_select(u, cg_splat(u, there, n), v, LLVMConstNull(LLVMTypeOf(v)));
        for (int j = 0; j < GROUP * n; j++) into[j] = j < n ? j : 0;
        v = cg_pick(u, v, v, into, GROUP * n);
        for (int j = 0; j < GROUP * n; j++) into[j] = j / n == i ? GROUP * n + j % n : j;
        all = cg_pick(u, all, v, into, GROUP * n);
    }
    return all;
}

/* Rows of bytes to groups of GROUP rows, column by column: cells of four columns are brought
 * together, then turned, each in 16 bytes of its own. */
static cg_val turn(panel *w, cg_val v)
{
    cg_unit *u = w->r.u;
    const int n = w->columns, cells = n / GROUP;
    int lanes[GROUP * MOST_COLUMNS];
    for (int i = 0; i < n; i++) lanes[i] = i % GROUP * cells + i / GROUP;
    v = LLVMBuildBitCast(u->b, v, cg_wide(u->i32, n), "");
    v = LLVMBuildBitCast(u->b, cg_pick(u, v, v, lanes, n), cg_wide(u->i8, GROUP * n), "");
    for (int i = 0; i < GROUP * n; i++) lanes[i] = i / 16 * 16 + i % GROUP * GROUP + i % 16 / GROUP;
    return cg_pick(u, v, v, lanes, GROUP * n);
}

/* Bytes as the numbers that are multiplied; masked: those of rows that are not there stay zero. */
static cg_val numbers_of(panel *w, cg_val v, cg_val k, int column, bool masked)
{
    cg_unit *u = w->r.u;
    const int lanes = w->r.lanes;
    LLVMTypeRef bytes = cg_wide(u->i8, GROUP * lanes);
    const int64_t away = cg_i8_away(w->r.c);
    cg_val zero = w->zero[place_in_head(w, column)];
    v = LLVMBuildBitCast(u->b, v, bytes, "");
    if (away) zero = cg_int(bytes, away);
    if (zero) v = LLVMBuildSub(u->b, v, zero, "");
    v = LLVMBuildBitCast(u->b, v, w->r.numbers, "");
    if (!masked || !zero) return v;
    int32_t bit[] = {0xff, 0xff00, 0xff0000, (int32_t)0xff000000u};
    cg_val keep = cg_int(u->i32, 0);
    for (int i = 0; i < GROUP; i++) {
        cg_val there = LLVMBuildICmp(u->b, LLVMIntSLT, cg_add(u, k, cg_num(u, i)), w->rows, "");
        keep = LLVMBuildOr(u->b, keep,
                           cg_select(u, there, cg_int(u->i32, bit[i]), cg_int(u->i32, 0)), "");
    }
    return LLVMBuildAnd(u->b, v, cg_splat(u, keep, lanes), "");
}

/* The codes of the group from k on, by vector of columns. */
static void read_group(panel *w, cg_val codes, cg_val k, bool masked, cg_val *out)
{
    cg_unit *u = w->r.u;
    const int bits = cg_code_bits(w->r.c->code), lanes = w->r.lanes, n = (int)cg_codes_row(w->r.c);
    int pick[MOST_COLUMNS];
    for (int first = 0; first < n; first += w->columns) {
        cg_val all = turn(w, read_rows(w, codes, k, first, masked));
        for (int part = 0; part * bits < 8; part++) {
            cg_val v = LLVMBuildLShr(u->b, all, cg_int_like(all, part * bits), "");
            if (bits < 8) v = LLVMBuildAnd(u->b, v, cg_int_like(v, (1 << bits) - 1), "");
            v = LLVMBuildBitCast(u->b, v, cg_wide(u->i32, w->columns), "");
            for (int i = 0; i < w->columns; i += lanes) {
                for (int j = 0; j < lanes; j++) pick[j] = i + j;
                out[(part * n + first + i) / lanes] = cg_pick(u, v, v, pick, lanes);
            }
        }
    }
}

/* Stores the group from k on and adds it to the columns' sums. */
static void put_group(panel *w, cg_val codes, cg_val to, cg_val k, bool masked, cg_val *sum)
{
    cg_unit *u = w->r.u;
    cg_val v[CG_PANEL / LEAST_LANES];
    cg_val group = cg_at(u, u->i8, to, cg_mul(u, k, cg_num(u, CG_PANEL)));
    read_group(w, codes, k, masked, v);
    for (int i = 0; i < vectors_of(w); i++) {
        const int column = i * w->r.lanes;
        cg_val x = numbers_of(w, v[i], k, column, masked);
        if (w->offset) sum[i] = cg_add_bytes(u, sum[i], x);
        cg_val at = cg_at(u, u->i8, group, cg_num(u, (int64_t)column * GROUP));
        LLVMSetAlignment(LLVMBuildStore(u->b, x, at), 1);
    }
}

static void fetch_ahead(panel *w, cg_val codes, cg_val k)
{
    cg_unit *u = w->r.u;
    const int64_t row = cg_codes_row(w->r.c);
    for (int64_t line = 0; line < GROUP * row; line += CG_LINE) {
        cg_val at = cg_add(u, cg_mul(u, k, cg_num(u, row)), cg_num(u, CG_CODES_AHEAD + line));
        cg_prefetch(u, cg_at(u, u->i8, codes, at), 3);
    }
}

static void put_groups(panel *w, cg_val codes, cg_val to, cg_val start, cg_val end, bool masked,
                       cg_val *sum)
{
    cg_unit *u = w->r.u;
    const int n = w->offset ? vectors_of(w) : 0;
    cg_loop l = cg_loop_guard(u, start, end, GROUP, true);
    cg_loop_enter(u, &l, sum, n);
    for (int i = 0; i < n; i++) sum[i] = l.carried[i];
    if (!masked) fetch_ahead(w, codes, l.i);
    put_group(w, codes, to, l.i, masked, sum);
    cg_loop_end(u, &l, sum);
}

/* The rows in front of a block. */
static void put_head(panel *w, cg_val to, const cg_val *sum)
{
    cg_unit *u = w->r.u;
    for (int i = 0; i < vectors_of(w); i++) {
        int column = cg_codes_column(&w->r, 0, i);
        cg_val start = LLVMConstNull(w->r.numbers), scale = w->head.scale[i],
               zero = w->head.zero[i];
        if (w->offset) {
            start = sum[column / w->r.lanes];
            start = LLVMBuildMul(u->b, start, cg_int_like(start, -SIGN), "");
        }
        if (!w->r.c->scale) scale = cg_real_like(LLVMConstNull(w->r.vector), 1);
        if (!zero) zero = LLVMConstNull(w->r.numbers);
        zero = LLVMBuildSub(u->b, zero, cg_int_like(zero, cg_i8_away(w->r.c)), "");
        const cg_val heads[] = {start, scale, zero};
        int count = cg_i8_has_zeros(w->r.c) ? CG_I8_ZEROS + 1 : CG_I8_ZEROS;
        for (int row = 0; row < count; row++) {
            cg_val at = cg_num(u, (row * (int64_t)CG_PANEL + column) * CG_CELL);
            LLVMSetAlignment(LLVMBuildStore(u->b, heads[row], cg_at(u, u->i8, to, at)), CG_CELL);
        }
    }
}

/* A block of `rows` k whose head is at `from`. */
static void put_panel(panel *w, cg_val from, cg_val to, int64_t length)
{
    cg_unit *u = w->r.u;
    const cg_codes *c = w->r.c;
    cg_val sum[CG_PANEL / LEAST_LANES];
    cg_val codes = cg_at(u, u->i8, from, cg_num(u, cg_codes_head(c))),
           groups = cg_at(u, u->i8, to, cg_num(u, cg_i8_head(cg_i8_has_zeros(c))));
    cg_codes_head_of(&w->r, from, 0, w->r.pairs, &w->head);
    for (int i = 0; i < vectors_of(w); i++) {
        cg_val z = w->head.zero[i];
        w->zero[i] = NULL;
        sum[i] = LLVMConstNull(w->r.numbers);
        if (!z || !cg_i8_is_whole(c)) continue;
        z = LLVMBuildAnd(u->b, z, cg_int_like(z, 0xff), "");
        z = LLVMBuildMul(u->b, z, cg_int_like(z, 0x01010101), "");
        w->zero[i] = LLVMBuildBitCast(u->b, z, cg_wide(u->i8, GROUP * w->r.lanes), "");
    }
    cg_val whole = LLVMBuildAnd(u->b, w->rows, cg_num(u, -GROUP), "");
    put_groups(w, codes, groups, cg_num(u, 0), whole, false, sum);
    if (LLVMIsAConstantInt(w->rows) && LLVMConstIntGetSExtValue(w->rows) == length) {
        put_head(w, to, sum);
        return;
    }
    put_groups(w, codes, groups, whole, cg_num(u, length), true, sum);
    put_head(w, to, sum);
}

static panel panel_begin(cg_unit *u, const cg_codes *c, bool offset)
{
    const int row = (int)cg_codes_row(c);
    panel w = {.columns = row < MOST_COLUMNS ? row : MOST_COLUMNS, .offset = offset};
    w.r = cg_codes_begin(u, c, w.columns);
    return w;
}

/* Where a block of a panel in codes starts; how many k it has. */
static cg_val begin_block(panel *w, cg_val coded, cg_val block, int64_t k)
{
    cg_unit *u = w->r.u;
    const cg_codes *c = w->r.c;
    cg_val size = cg_num(u, cg_codes_head(c) + c->block * cg_codes_row(c));
    w->rows = cg_num(u, c->block < k ? c->block : k);
    if (k > c->block && k % c->block)
        w->rows =
            cg_lesser(u, w->rows, cg_sub(u, cg_num(u, k), cg_mul(u, block, cg_num(u, c->block))));
    return cg_at(u, u->i8, coded, cg_mul(u, block, size));
}

cg_function cg_make_i8_panel(cg_unit *u, const cg_codes *c, int64_t k, bool offset)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    const int64_t length = cg_i8_length(c, k), step = cg_i8_of_b(length, cg_i8_has_zeros(c));
    panel w = panel_begin(u, c, offset);
    cg_function r = cg_codes_function(u, "i8_panel", CG_I8_PANEL_BLOCK, CG_I8_PANEL_PARAMS);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), LLVMGetParam(r.fn, CG_I8_PANEL_COUNT), 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val from = begin_block(&w, LLVMGetParam(r.fn, CG_I8_PANEL_FROM),
                              cg_add(u, LLVMGetParam(r.fn, CG_I8_PANEL_BLOCK), l.i), k);
    put_panel(&w, from,
              cg_at(u, u->i8, LLVMGetParam(r.fn, CG_I8_PANEL_TO), cg_mul(u, l.i, cg_num(u, step))),
              length);
    cg_loop_end(u, &l, NULL);
    LLVMBuildRetVoid(u->b);
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}

/* ---- a few rows, times codes in registers ---- */

typedef struct few {
    panel p;
    cg_val a, to; /* blocks of the rows; sums, CG_PANEL a row */
    int64_t row_step;
    int rows;
} few;

static bool is_arm(const cg_unit *u)
{
    return strncmp(u->isa->triple, "aarch64", strlen("aarch64")) == 0;
}

/* Codes as the instruction takes them: without a sign, or with one on aarch64. What they are more
 * then is a part of the zero point. */
static int few_flips(const few *f)
{
    const cg_code code = f->p.r.c->code;
    if (cg_code_bits(code) < 8) return 0;
    return is_arm(f->p.r.u) == (code == CG_CODE_S8) ? 0 : code == CG_CODE_S8 ? SIGN : -SIGN;
}

static void few_group(few *f, cg_val codes, cg_val a, cg_val k, bool masked, cg_val *sum)
{
    cg_unit *u = f->p.r.u;
    cg_val v[CG_PANEL / LEAST_LANES];
    const int n = vectors_of(&f->p), lanes = f->p.r.lanes;
    const cg_val sign = cg_int(f->p.r.numbers, (int32_t)0x80808080u);
    read_group(&f->p, codes, k, masked, v);
    for (int i = 0; i < n && few_flips(f); i++) v[i] = LLVMBuildXor(u->b, v[i], sign, "");
    for (int row = 0; row < f->rows; row++) {
        cg_val at = cg_at(u, u->i8, a, cg_add(u, k, cg_num(u, row * f->row_step)));
        cg_val x = cg_splat(u, cg_codes_load(&f->p.r, u->i32, at, CG_CELL), lanes);
        if (f->p.offset) x = LLVMBuildXor(u->b, x, sign, "");
        for (int i = 0; i < n; i++) {
            const cg_words of_b = {v[i], is_arm(u) ? IR_I8 : IR_U8}, of_a = {x, IR_I8};
            cg_val *s = &sum[row * n + i];
            *s = cg_dot_codes(u, *s, of_b, of_a, cg_code_bits(f->p.r.c->code) < 8);
        }
    }
}

static void few_groups(few *f, cg_val codes, cg_val a, cg_val start, cg_val end, int step,
                       bool masked, cg_val *sum)
{
    cg_unit *u = f->p.r.u;
    const int n = f->rows * vectors_of(&f->p);
    cg_loop l = cg_loop_guard(u, start, end, (int64_t)step * GROUP, true);
    cg_loop_enter(u, &l, sum, n);
    for (int i = 0; i < n; i++) sum[i] = l.carried[i];
    for (int s = 0; s < step; s++) {
        cg_val k = cg_add(u, l.i, cg_num(u, (int64_t)s * GROUP));
        if (!masked) fetch_ahead(&f->p, codes, k);
        few_group(f, codes, a, k, masked, sum);
    }
    cg_loop_end(u, &l, sum);
}

/* Adds a block's sums times the scales to those in memory. */
static void few_add(few *f, cg_val a, const cg_val *sum)
{
    cg_unit *u = f->p.r.u;
    const cg_block_head *head = &f->p.head;
    const int n = vectors_of(&f->p), lanes = f->p.r.lanes;
    for (int i = 0; i < f->rows * n; i++) {
        const int row = i / n, column = i % n * lanes, in_head = place_in_head(&f->p, column);
        cg_val at = cg_at(u, u->i8, a, cg_num(u, row * f->row_step)), zero = head->zero[in_head],
               scale = cg_splat(u, cg_codes_load(&f->p.r, u->f32, at, CG_CELL), lanes),
               codes = cg_codes_load(&f->p.r, u->i32, cg_at(u, u->i32, at, cg_num(u, 1)), CG_CELL);
        if (!zero) zero = LLVMConstNull(f->p.r.numbers);
        zero = cg_add(u, zero, cg_int(f->p.r.numbers, few_flips(f)));
        cg_val of_block = cg_sub(u, sum[i], cg_mul(u, cg_splat(u, codes, lanes), zero));
        if (f->p.r.c->scale) scale = LLVMBuildFMul(u->b, head->scale[in_head], scale, "");
        cg_val to = cg_at(u, u->f32, f->to, cg_num(u, (int64_t)row * CG_PANEL + column));
        cg_val all = cg_fma(u, LLVMBuildSIToFP(u->b, of_block, f->p.r.vector, ""), scale,
                            cg_codes_load(&f->p.r, f->p.r.vector, to, CG_CELL));
        LLVMSetAlignment(LLVMBuildStore(u->b, all, to), CG_CELL);
    }
}

static void few_block(few *f, cg_val coded, cg_val a, int64_t length)
{
    enum { UNROLL = 4 };
    cg_unit *u = f->p.r.u;
    const cg_codes *c = f->p.r.c;
    cg_val sum[CG_MOST_CARRIED], codes = cg_at(u, u->i8, coded, cg_num(u, cg_codes_head(c))),
                                 of_a = cg_at(u, u->i8, a, cg_num(u, CG_I8_FRONT));
    for (int i = 0; i < f->rows * vectors_of(&f->p); i++) sum[i] = LLVMConstNull(f->p.r.numbers);
    cg_codes_head_of(&f->p.r, coded, 0, f->p.r.pairs, &f->p.head);
    bool whole = LLVMIsAConstantInt(f->p.rows) && LLVMConstIntGetSExtValue(f->p.rows) == length;
    cg_val groups = LLVMBuildAnd(u->b, f->p.rows, cg_num(u, -GROUP), ""), none = cg_num(u, 0);
    bool unroll = whole && length % (UNROLL * GROUP) == 0;
    few_groups(f, codes, of_a, none, groups, unroll ? UNROLL : 1, false, sum);
    if (!whole) few_groups(f, codes, of_a, groups, f->p.rows, 1, true, sum);
    few_add(f, a, sum);
}

static void few_rows(few *f, cg_val coded, int64_t k)
{
    cg_unit *u = f->p.r.u;
    const cg_codes *c = f->p.r.c;
    const int64_t length = cg_i8_length(c, k);
    for (int i = 0; i < f->rows * vectors_of(&f->p); i++)
        LLVMSetAlignment(
            LLVMBuildStore(u->b, LLVMConstNull(f->p.r.vector),
                           cg_at(u, u->f32, f->to, cg_num(u, (int64_t)i * f->p.r.lanes))),
            CG_CELL);
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), cg_num(u, cg_i8_blocks(c, k)), 1, false);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val block = begin_block(&f->p, coded, l.i, k);
    few_block(f, block, cg_at(u, u->i8, f->a, cg_mul(u, l.i, cg_num(u, cg_i8_of_a(length)))),
              length);
    cg_loop_end(u, &l, NULL);
    LLVMBuildRetVoid(u->b);
}

int cg_i8_few(const cg_isa *isa, const cg_codes *c)
{
    int row = (int)cg_codes_row(c), lanes = isa->vector_bits / 32;
    if (lanes > row) lanes = row;
    if (lanes > MOST_COLUMNS) lanes = MOST_COLUMNS;
    int most = isa->vector_registers / 2 / (CG_PANEL / lanes);
    return most < CG_FEW ? most : CG_FEW;
}

cg_function cg_make_i8_few(cg_unit *u, const cg_codes *c, int64_t k, bool offset, int most_rows)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    few f = {.p = panel_begin(u, c, offset)};
    cg_function r = cg_codes_function(u, "i8_few", CG_I8_FEW_ROWS, CG_I8_FEW_PARAMS);
    f.a = LLVMGetParam(r.fn, CG_I8_FEW_A);
    f.to = LLVMGetParam(r.fn, CG_I8_FEW_TO);
    f.row_step = cg_i8_blocks(c, k) * cg_i8_of_a(cg_i8_length(c, k));
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    LLVMBasicBlockRef one = cg_block(u);
    cg_val choice = LLVMBuildSwitch(u->b, LLVMGetParam(r.fn, CG_I8_FEW_ROWS), one, CG_FEW);
    for (f.rows = 1; f.rows <= most_rows; f.rows++) {
        LLVMBasicBlockRef there = f.rows == 1 ? one : cg_block(u);
        if (f.rows > 1) LLVMAddCase(choice, cg_num(u, f.rows), there);
        LLVMPositionBuilderAtEnd(u->b, there);
        few_rows(&f, LLVMGetParam(r.fn, CG_I8_FEW_PANEL), k);
    }
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}

/* ---- what they are for ---- */

/* Of the tiles that serve, the first one: b as pairs that fit in i16 where it is small. */
cg_tile_use cg_i8_use(const cg_isa *isa, const cg_codes *c, int64_t k)
{
    static const cg_tile_use all[] = {{.a = IR_U8, .format = CG_FORMAT_S8},
                                      {.a = IR_I8, .format = CG_FORMAT_S8},
                                      {.a = IR_U8, .format = CG_FORMAT_PAIRS}};
    const size_t n = cg_i8_is_small(c) ? 3 : 2;
    cg_tile_use best = {.a = IR_ELEM_NONE};
    for (size_t i = 0; i < n; i++) {
        cg_tile_use use = all[i];
        use.block = cg_i8_length(c, k);
        use.zeros = cg_i8_has_zeros(c);
        if (!best.a || cg_tile_rank(isa, &use) < cg_tile_rank(isa, &best)) best = use;
    }
    best.row_step = cg_i8_blocks(c, k) * cg_i8_of_a(best.block);
    best.k_step = 1;
    return best;
}
