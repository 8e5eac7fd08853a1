/* Panels in codes: decoded into memory for many rows, in registers for a few.
 *
 * In: how the panels are stored (cg_codes). Out: two functions. Numbers are exact up to
 * code - zero, which is f32 then. What multiplies a whole block, its scales, is applied when the
 * block's sums are complete, so that a step of k is a load, a conversion and a product a vector.
 *
 * Vectors come in pairs: columns from i * lanes on of the first and of the second half of a panel,
 * the two that bytes of 4-bit codes have side by side. The widest vectors have half a panel. */
#include "codegen/emit/emit_codes.h"

enum { UNROLL = 4 };

cg_val cg_codes_load(cg_reader *w, LLVMTypeRef type, cg_val at, unsigned align)
{
    cg_val v = LLVMBuildLoad2(w->u->b, type, at, "");
    LLVMSetAlignment(v, align);
    return v;
}

int cg_codes_column(const cg_reader *w, int pair, int i)
{
    return (pair + i / 2) * w->lanes + i % 2 * CG_HALF_PANEL;
}

/* ---- rows ---- */

/* Numbers of 2 bits from a column on: bytes have a column of each quarter of the panel, and a
 * vector as long as half of it has lanes of two. */
static cg_val read_quarters(cg_reader *w, cg_val row, int column)
{
    enum { BYTES = CG_PANEL / 4 };
    cg_unit *u = w->u;
    int n = w->lanes < BYTES ? w->lanes : BYTES;
    cg_val bytes = cg_codes_load(w, cg_wide(u->i8, n),
                                 cg_at(u, u->i8, row, cg_num(u, column % BYTES)), 1),
           lane[CG_HALF_PANEL], shift[CG_HALF_PANEL];
    for (int i = 0; i < w->lanes; i++) {
        lane[i] = cg_int(u->i32, i % BYTES);
        shift[i] = cg_int(u->i32, (column + i) / BYTES * 2);
    }
    if (w->lanes > n)
        bytes = LLVMBuildShuffleVector(u->b, bytes, bytes,
                                       LLVMConstVector(lane, (unsigned)w->lanes), "");
    cg_val v = LLVMBuildZExt(u->b, bytes, w->numbers, "");
    v = LLVMBuildLShr(u->b, v, LLVMConstVector(shift, (unsigned)w->lanes), "");
    return LLVMBuildAnd(u->b, v, cg_int(w->numbers, 3), "");
}

/* Numbers of a row, as i32. */
static void read_numbers(cg_reader *w, cg_val row, int pair, int n, cg_val *out)
{
    cg_unit *u = w->u;
    bool halves = cg_code_bits(w->c->code) == 4, is_signed = w->c->code == CG_CODE_S8;
    LLVMTypeRef bytes = cg_wide(u->i8, w->lanes);
    if (cg_code_bits(w->c->code) == 2) {
        for (int i = 0; i < 2 * n; i++) out[i] = read_quarters(w, row, cg_codes_column(w, pair, i));
        return;
    }
    for (int i = 0; i < 2 * n; i += halves ? 2 : 1) {
        cg_val at = cg_at(u, u->i8, row, cg_num(u, cg_codes_column(w, pair, i)));
        cg_val v = cg_codes_load(w, bytes, at, 1);
        v = is_signed ? LLVMBuildSExt(u->b, v, w->numbers, "")
                      : LLVMBuildZExt(u->b, v, w->numbers, "");
        out[i] = v;
        if (!halves) continue;
        out[i] = LLVMBuildAnd(u->b, v, cg_int(w->numbers, 15), "");
        out[i + 1] = LLVMBuildLShr(u->b, v, cg_int(w->numbers, 4), "");
    }
}

/* Elements that are stored one by one. */
static cg_val read_elements(cg_reader *w, ir_elem elem, cg_val row, int column)
{
    cg_unit *u = w->u;
    int size = ir_elem_bits(elem) / 8;
    cg_val at = cg_at(u, u->i8, row, cg_num(u, (int64_t)column * size));
    cg_val raw = cg_codes_load(w, cg_wide(cg_storage_type(u, elem), w->lanes), at, 1);
    return cg_from_storage(u, elem, raw);
}

/* Entries of the codebook: by permutations of a small one in two vectors, or one by one. */
static cg_val read_book(cg_reader *w, cg_val code)
{
    cg_unit *u = w->u;
    cg_val v = LLVMGetUndef(w->vector);
    if (w->part[0]) {
        const char *permute =
            w->lanes == CG_HALF_PANEL ? "llvm.x86.avx512.permvar.sf.512" : "llvm.x86.avx2.permps";
        cg_val first[] = {w->part[0], code}, second[] = {w->part[1], code};
        v = cg_intrinsic_of(u, permute, NULL, 0, first, 2);
        if (w->lanes == CG_HALF_PANEL) return v;
        cg_val in_second = LLVMBuildICmp(u->b, LLVMIntUGE, code, cg_int(w->numbers, w->lanes), "");
        return cg_select(u, in_second, cg_intrinsic_of(u, permute, NULL, 0, second, 2), v);
    }
    for (int i = 0; i < w->lanes; i++) {
        cg_val at = LLVMBuildZExt(u->b, cg_lane(u, code, i), u->i64, "");
        cg_val entry = cg_codes_load(w, u->f32, cg_at(u, u->f32, w->book, at), sizeof(float));
        v = LLVMBuildInsertElement(u->b, v, entry, cg_int(u->i32, i), "");
    }
    return v;
}

/* A row of codes as f32, less the zero points. */
static void read_row(cg_reader *w, const cg_block_head *b, cg_val row, int pair, int n, cg_val *out)
{
    cg_unit *u = w->u;
    const ir_elem elem = cg_code_elem(w->c->code);
    if (elem != IR_ELEM_NONE) {
        for (int i = 0; i < 2 * n; i++)
            out[i] = read_elements(w, elem, row, cg_codes_column(w, pair, i));
        return;
    }
    read_numbers(w, row, pair, n, out);
    for (int i = 0; i < 2 * n; i++) {
        if (w->c->book) {
            out[i] = read_book(w, out[i]);
            continue;
        }
        if (b->zero[i]) out[i] = cg_sub(u, out[i], b->zero[i]);
        out[i] = LLVMBuildSIToFP(u->b, out[i], w->vector, "");
    }
}

void cg_codes_head_of(cg_reader *w, cg_val at, int pair, int n, cg_block_head *b)
{
    cg_unit *u = w->u;
    cg_val zeros[2 * CG_MOST_PAIRS], offset = cg_int(w->numbers, w->c->offset);
    if (w->c->zeros)
        read_numbers(w, cg_at(u, u->i8, at, cg_num(u, cg_codes_scales(w->c))), pair, n, zeros);
    for (int i = 0; i < 2 * n; i++) {
        b->zero[i] = w->c->offset ? offset : NULL;
        if (w->c->zeros) b->zero[i] = b->zero[i] ? cg_add(u, zeros[i], offset) : zeros[i];
        if (w->c->scale)
            b->scale[i] = read_elements(w, w->c->scale, at, cg_codes_column(w, pair, i));
    }
}

/* ---- functions ---- */

cg_reader cg_codes_begin(cg_unit *u, const cg_codes *c, int most_lanes)
{
    cg_reader w = {.u = u, .c = c, .lanes = u->isa->vector_bits / 32};
    if (w.lanes > most_lanes) w.lanes = most_lanes;
    w.pairs = CG_HALF_PANEL / w.lanes;
    w.vector = cg_wide(u->f32, w.lanes);
    w.numbers = cg_wide(u->i32, w.lanes);
    return w;
}

/* At the start of the function. Permutations are there from AVX2 on. */
static void begin_book(cg_reader *w, cg_val book)
{
    enum { LEAST_BITS = 256 };
    w->book = book;
    if (w->c->book != CG_SMALL_BOOK || w->u->isa->vector_bits < LEAST_BITS) return;
    for (int i = 0; i * w->lanes < CG_SMALL_BOOK; i++)
        w->part[i] = cg_codes_load(
            w, w->vector, cg_at(w->u, w->u->f32, book, cg_num(w->u, (int64_t)i * w->lanes)),
            sizeof(float));
}

cg_function cg_codes_function(cg_unit *u, const char *name, int pointers, int params)
{
    LLVMTypeRef types[CG_FEW_PARAMS];
    cg_function r = {.args = params};
    for (int i = 0; i < params; i++) types[i] = i < pointers ? u->ptr : u->i64;
    r.type = LLVMFunctionType(u->none, types, (unsigned)params, false);
    r.fn = LLVMAddFunction(u->m, name, r.type);
    LLVMSetLinkage(r.fn, LLVMInternalLinkage);
    cg_set_attributes(u, r.fn);
    return r;
}

/* ---- many rows ---- */

/* The k from `from` to `end` of a block of which the codes start at `row`, to the panel's part. */
static void decode_block(cg_reader *w, cg_val at, cg_val row, cg_val to, cg_val count)
{
    cg_unit *u = w->u;
    cg_val v[2 * CG_MOST_PAIRS];
    cg_block_head b;
    cg_codes_head_of(w, at, 0, w->pairs, &b);
    cg_loop k = cg_loop_guard(u, cg_num(u, 0), count, 1, true);
    cg_loop_enter(u, &k, NULL, 0);
    read_row(w, &b, cg_at(u, u->i8, row, cg_mul(u, k.i, cg_num(u, cg_codes_row(w->c)))), 0,
             w->pairs, v);
    cg_val out = cg_at(u, u->f32, to, cg_mul(u, k.i, cg_num(u, CG_PANEL)));
    for (int i = 0; i < 2 * w->pairs; i++) {
        if (w->c->scale) v[i] = LLVMBuildFMul(u->b, v[i], b.scale[i], "");
        LLVMSetAlignment(
            LLVMBuildStore(u->b, v[i], cg_at(u, u->f32, out, cg_num(u, cg_codes_column(w, 0, i)))),
            sizeof(float));
    }
    cg_loop_end(u, &k, NULL);
}

cg_function cg_make_decode(cg_unit *u, const cg_codes *c)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    cg_reader w = cg_codes_begin(u, c, CG_HALF_PANEL);
    cg_function r = cg_codes_function(u, "decode", CG_DECODE_K, CG_DECODE_PARAMS);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    begin_book(&w, LLVMGetParam(r.fn, CG_DECODE_BOOK));
    cg_val from = LLVMGetParam(r.fn, CG_DECODE_FROM), to = LLVMGetParam(r.fn, CG_DECODE_TO),
           k = LLVMGetParam(r.fn, CG_DECODE_K),
           end = cg_add(u, k, LLVMGetParam(r.fn, CG_DECODE_COUNT));
    cg_val size = cg_num(u, c->block), last = cg_add(u, end, cg_num(u, c->block - 1));
    cg_loop l = cg_loop_guard(u, cg_quotient(u, k, size), cg_quotient(u, last, size), 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val start = cg_mul(u, l.i, cg_num(u, c->block)), after = cg_add(u, start, size);
    cg_val first = cg_intrinsic(u, "llvm.smax", (cg_val[]){start, k}, 2),
           stop = cg_intrinsic(u, "llvm.smin", (cg_val[]){after, end}, 2);
    int64_t head = cg_codes_head(c), row = cg_codes_row(c);
    cg_val at = cg_at(u, u->i8, from, cg_mul(u, l.i, cg_num(u, head + c->block * row)));
    cg_val skipped = cg_mul(u, cg_sub(u, first, start), cg_num(u, row));
    decode_block(&w, at, cg_at(u, u->i8, at, cg_add(u, skipped, cg_num(u, head))),
                 cg_at(u, u->f32, to, cg_mul(u, cg_sub(u, first, k), cg_num(u, CG_PANEL))),
                 cg_sub(u, stop, first));
    cg_loop_end(u, &l, NULL);
    LLVMBuildRetVoid(u->b);
    if (here) LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}

/* ---- a few rows ---- */

typedef struct few {
    cg_reader w;
    cg_val fn, row_step, k_step;
    int64_t k;
    int rows, pair, pairs; /* of a and, of the panel, the pairs that are summed at a time */
} few;

static cg_val few_param(const few *f, int i) { return LLVMGetParam(f->fn, (unsigned)i); }
static int few_sums(const few *f) { return f->rows * 2 * f->pairs; }

/* Adds the products of one k. */
static void few_step(few *f, const cg_block_head *b, cg_val codes_row, cg_val a, cg_val *sum)
{
    cg_reader *w = &f->w;
    cg_unit *u = w->u;
    cg_val v[2 * CG_MOST_PAIRS];
    read_row(w, b, codes_row, f->pair, f->pairs, v);
    for (int r = 0; r < f->rows; r++) {
        cg_val at = cg_mul(u, f->row_step, cg_num(u, r));
        cg_val x =
            cg_splat(u, cg_codes_load(w, u->f32, cg_at(u, u->f32, a, at), sizeof(float)), w->lanes);
        for (int i = 0; i < 2 * f->pairs; i++)
            sum[r * 2 * f->pairs + i] = cg_fma(u, x, v[i], sum[r * 2 * f->pairs + i]);
    }
}

/* Sums over the k of a block. Several sets of sums, where there are registers for them, as a sum is
 * longer under way than a step takes. */
static void sum_block(few *f, const cg_block_head *b, cg_val row, cg_val a, int64_t count,
                      cg_val *sum)
{
    cg_reader *w = &f->w;
    cg_unit *u = w->u;
    int n = few_sums(f), step = count % UNROLL == 0 ? UNROLL : 1,
        sets = step > 1 && 2 * n <= u->isa->vector_registers / 2 ? 2 : 1;
    for (int i = 0; i < sets * n; i++) sum[i] = LLVMConstNull(w->vector);
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), cg_num(u, count), step, false);
    cg_loop_enter(u, &l, sum, sets * n);
    cg_val next[CG_MOST_CARRIED];
    for (int i = 0; i < sets * n; i++) next[i] = l.carried[i];
    cg_val at = cg_at(u, u->i8, row, cg_mul(u, l.i, cg_num(u, cg_codes_row(w->c))));
    for (int64_t line = 0; line < step * cg_codes_row(w->c) && f->pair == 0; line += CG_LINE)
        cg_prefetch(u, cg_at(u, u->i8, at, cg_num(u, CG_CODES_AHEAD + line)), 3);
    for (int s = 0; s < step; s++) {
        cg_val k = cg_mul(u, cg_add(u, l.i, cg_num(u, s)), f->k_step);
        few_step(f, b, cg_at(u, u->i8, at, cg_num(u, s * cg_codes_row(w->c))),
                 cg_at(u, u->f32, a, k), next + s % sets * n);
    }
    cg_loop_end(u, &l, next);
    for (int i = 0; i < n; i++)
        sum[i] = sets == 1 ? next[i] : LLVMBuildFAdd(u->b, next[i], next[n + i], "");
}

/* Adds a block's part to the sums in memory, or sets them. */
static void few_block(few *f, cg_val at, cg_val a, int64_t count, bool first)
{
    cg_reader *w = &f->w;
    cg_unit *u = w->u;
    cg_val sum[CG_MOST_CARRIED];
    cg_block_head b;
    cg_codes_head_of(w, at, f->pair, f->pairs, &b);
    sum_block(f, &b, cg_at(u, u->i8, at, cg_num(u, cg_codes_head(w->c))), a, count, sum);
    for (int i = 0; i < few_sums(f); i++) {
        int v = i % (2 * f->pairs), r = i / (2 * f->pairs);
        cg_val place = cg_at(u, u->f32, few_param(f, CG_FEW_TO),
                             cg_num(u, r * CG_PANEL + cg_codes_column(w, f->pair, v)));
        cg_val all = first ? NULL : cg_codes_load(w, w->vector, place, sizeof(float));
        if (w->c->scale)
            sum[i] = all ? cg_fma(u, sum[i], b.scale[v], all)
                         : LLVMBuildFMul(u->b, sum[i], b.scale[v], "");
        else if (all) sum[i] = LLVMBuildFAdd(u->b, sum[i], all, "");
        LLVMSetAlignment(LLVMBuildStore(u->b, sum[i], place), sizeof(float));
    }
}

/* The sums of some pairs of vectors. */
static void few_pairs(few *f)
{
    cg_reader *w = &f->w;
    cg_unit *u = w->u;
    const cg_codes *c = w->c;
    int64_t whole = f->k / c->block, rest = f->k % c->block;
    cg_val panel = few_param(f, CG_FEW_PANEL), a = few_param(f, CG_FEW_A);
    int64_t size = cg_codes_head(c) + c->block * cg_codes_row(c);
    few_block(f, panel, a, whole ? c->block : rest, true);
    if (!whole) return;
    cg_val step = cg_mul(u, f->k_step, cg_num(u, c->block));
    cg_loop l = cg_loop_guard(u, cg_num(u, 1), cg_num(u, whole), 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    few_block(f, cg_at(u, u->i8, panel, cg_mul(u, l.i, cg_num(u, size))),
              cg_at(u, u->f32, a, cg_mul(u, step, l.i)), c->block, false);
    cg_loop_end(u, &l, NULL);
    if (rest)
        few_block(f, cg_at(u, u->i8, panel, cg_num(u, whole * size)),
                  cg_at(u, u->f32, a, cg_mul(u, step, cg_num(u, whole))), rest, false);
}

/* Half of the registers may hold sums. */
static void few_rows(few *f, int rows)
{
    int most = f->w.u->isa->vector_registers / 2;
    f->rows = rows;
    f->pairs = f->w.pairs;
    while (f->pairs > 1 && few_sums(f) > most) f->pairs /= 2;
    for (f->pair = 0; f->pair < f->w.pairs; f->pair += f->pairs) few_pairs(f);
    LLVMBuildRetVoid(f->w.u->b);
}

cg_function cg_make_few(cg_unit *u, const cg_codes *c, const cg_few *shape)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    few f = {.w = cg_codes_begin(u, c, CG_HALF_PANEL), .k = shape->k};
    cg_function r = cg_codes_function(u, "few", CG_FEW_ROWS, CG_FEW_PARAMS);
    f.fn = r.fn;
    f.row_step = shape->row_step ? cg_num(u, shape->row_step) : few_param(&f, CG_FEW_ROW_STEP);
    f.k_step = shape->k_step ? cg_num(u, shape->k_step) : few_param(&f, CG_FEW_K_STEP);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    begin_book(&f.w, few_param(&f, CG_FEW_BOOK));
    LLVMBasicBlockRef one = cg_block(u);
    cg_val choice = LLVMBuildSwitch(u->b, few_param(&f, CG_FEW_ROWS), one, CG_FEW);
    for (int rows = 1; rows <= shape->most_rows; rows++) {
        LLVMBasicBlockRef there = rows == 1 ? one : cg_block(u);
        if (rows > 1) LLVMAddCase(choice, cg_num(u, rows), there);
        LLVMPositionBuilderAtEnd(u->b, there);
        few_rows(&f, rows);
    }
    if (here) LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}
