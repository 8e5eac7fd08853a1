/* Factors of f32 as bf16, for tiles of those.
 *
 * In: rows of a, or a part of a panel of b, in floats. Out: functions that store them rounded to
 * nearest even, k padded with zeros to whole steps of any tile. In two parts, the second one is
 * what the first one lost, rounded in turn; nothing of what is no finite number, so that infinity
 * times one stays infinity. */
#include <string.h>

#include "codegen/emit/emit_gemm.h"

typedef struct narrow {
    cg_unit *u;
    cg_val fn;
    int parts, lanes;
} narrow;

static cg_val param(narrow *w, int i) { return LLVMGetParam(w->fn, (unsigned)i); }
static cg_val load(narrow *w, cg_val at, int lanes)
{
    cg_val v = LLVMBuildLoad2(w->u->b, cg_wide(w->u->f32, lanes), at, "");
    LLVMSetAlignment(v, sizeof(float));
    return v;
}

static cg_val padded(narrow *w, cg_val k)
{
    return LLVMBuildAnd(w->u->b, cg_add(w->u, k, cg_num(w->u, CG_NARROW_STEP - 1)),
                        cg_num(w->u, -CG_NARROW_STEP), "");
}

static void split(narrow *w, cg_val x, cg_val *out)
{
    cg_unit *u = w->u;
    out[0] = cg_to_storage(u, IR_BF16, x, false);
    if (w->parts == 1) return;
    cg_val first = cg_from_storage(u, IR_BF16, out[0]);
    cg_val none = LLVMBuildFSub(u->b, first, first, ""); /* no number where first is not finite */
    cg_val finite = LLVMBuildFCmp(u->b, LLVMRealOEQ, none, cg_real_like(x, 0), "");
    cg_val lost = LLVMBuildFSub(u->b, x, first, "");
    out[1] = cg_to_storage(u, IR_BF16, cg_select(u, finite, lost, cg_real_like(x, 0)), false);
}

static cg_function begin(narrow *w, const char *name, int params)
{
    cg_unit *u = w->u;
    LLVMTypeRef types[CG_NARROW_A_PARAMS];
    cg_function r = {.args = params};
    for (int i = 0; i < params; i++) types[i] = i <= CG_NARROW_TO ? u->ptr : u->i64;
    r.type = LLVMFunctionType(u->none, types, (unsigned)params, false);
    r.fn = w->fn = LLVMAddFunction(u->m, name, r.type);
    LLVMSetLinkage(r.fn, LLVMInternalLinkage);
    cg_set_attributes(u, r.fn);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    return r;
}

/* ---- a ---- */

static void store(narrow *w, cg_val x, cg_val at)
{
    cg_val out[CG_NARROW_PARTS];
    split(w, x, out);
    for (int i = 0; i < w->parts; i++) {
        cg_val part = cg_add(w->u, at, cg_mul(w->u, param(w, CG_NARROW_PART), cg_num(w->u, i)));
        cg_val to = cg_at(w->u, w->u->i16, param(w, CG_NARROW_TO), part);
        LLVMSetAlignment(LLVMBuildStore(w->u->b, out[i], to), 2);
    }
}

/* The k from `start` to `end` of a row, whose elements start at `from` and go to `at`. */
static void narrow_row(narrow *w, cg_val from, cg_val at, cg_val start, cg_val end, int lanes)
{
    cg_unit *u = w->u;
    cg_val k = param(w, CG_NARROW_K), last = cg_add(w->u, k, cg_num(w->u, -1));
    cg_loop l = cg_loop_guard(u, start, end, lanes, true);
    cg_loop_enter(u, &l, NULL, 0);
    cg_val there = LLVMBuildICmp(u->b, LLVMIntSLT, l.i, k, "");
    cg_val i = lanes > 1 ? l.i : cg_select(u, there, l.i, last);
    cg_val x =
        load(w, cg_at(w->u, u->f32, from, cg_mul(w->u, i, param(w, CG_NARROW_K_STEP))), lanes);
    if (lanes == 1) x = cg_select(u, there, x, cg_real_like(x, 0));
    store(w, x, cg_add(w->u, at, l.i));
    cg_loop_end(u, &l, NULL);
}

cg_function cg_make_narrow_a(cg_unit *u, int parts, bool together)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    narrow w = {.u = u, .parts = parts, .lanes = u->isa->vector_bits / 32};
    cg_function r = begin(&w, "narrow_a", CG_NARROW_A_PARAMS);
    cg_val k = param(&w, CG_NARROW_K), width = padded(&w, k), whole = cg_num(u, 0);
    cg_loop rows = cg_loop_guard(u, cg_num(u, 0), param(&w, CG_NARROW_ROWS), 1, true);
    cg_loop_enter(u, &rows, NULL, 0);
    cg_val from = cg_at(u, u->f32, param(&w, CG_NARROW_FROM),
                        cg_mul(u, rows.i, param(&w, CG_NARROW_ROW_STEP)));
    cg_val at = cg_mul(u, rows.i, width);
    if (together) {
        whole = LLVMBuildAnd(u->b, k, cg_num(u, -w.lanes), "");
        narrow_row(&w, from, at, cg_num(u, 0), whole, w.lanes);
    }
    LLVMBasicBlockRef some = cg_block(u), none = cg_block(u);
    LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntSLT, cg_num(u, 0), k, ""), some, none);
    LLVMPositionBuilderAtEnd(u->b, some);
    narrow_row(&w, from, at, whole, width, 1);
    LLVMBuildBr(u->b, none);
    LLVMPositionBuilderAtEnd(u->b, none);
    cg_loop_end(u, &rows, NULL);
    LLVMBuildRetVoid(u->b);
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}

/* ---- b ---- */

/* Columns from `column` on of a row of the panel, zeros if there is no such k. */
static cg_val row_of(narrow *w, cg_val k, int column)
{
    cg_val there = LLVMBuildICmp(w->u->b, LLVMIntSLT, k, param(w, CG_NARROW_B_K), "");
    cg_val at = cg_mul(w->u, cg_select(w->u, there, k, cg_num(w->u, 0)), cg_num(w->u, CG_PANEL));
    at = cg_at(w->u, w->u->f32, param(w, CG_NARROW_FROM), cg_add(w->u, at, cg_num(w->u, column)));
    cg_val v = load(w, at, w->lanes);
    return cg_select(w->u, there, v, cg_real_like(v, 0));
}

cg_function cg_make_narrow_b(cg_unit *u, int parts)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    narrow w = {.u = u, .parts = parts, .lanes = u->isa->vector_bits / 32};
    cg_function r = begin(&w, "narrow_b", CG_NARROW_B_PARAMS);
    cg_loop l = cg_loop_guard(u, cg_num(u, 0), padded(&w, param(&w, CG_NARROW_B_K)), 2, true);
    cg_loop_enter(u, &l, NULL, 0);
    for (int column = 0; column < CG_PANEL; column += w.lanes) {
        cg_val two[2][CG_NARROW_PARTS];
        for (int i = 0; i < 2; i++)
            split(&w, row_of(&w, cg_add(u, l.i, cg_num(u, i)), column), two[i]);
        for (int i = 0; i < parts; i++) {
            cg_val at = cg_add(u, cg_mul(u, l.i, cg_num(u, CG_PANEL)), cg_num(u, 2 * column));
            at = cg_add(u, at, cg_mul(u, param(&w, CG_NARROW_B_PART), cg_num(u, i)));
            cg_val to = cg_at(u, u->i16, param(&w, CG_NARROW_TO), at);
            LLVMSetAlignment(LLVMBuildStore(u->b, cg_in_turn(u, two[0][i], two[1][i]), to), 2);
        }
    }
    cg_loop_end(u, &l, NULL);
    LLVMBuildRetVoid(u->b);
    LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}

/* Three products cost more than one of floats, but for a unit. */
int cg_narrow_parts(const cg_isa *isa, const cg_gemm *g)
{
    const cg_tile_use use = {.a = IR_BF16, .format = CG_FORMAT_BF16};
    int parts = cg_narrow_count(g->narrow);
    if (!g->narrow || g->narrow == CG_NARROW_I8 || !cg_tile_is_made(isa, &use)) return 0;
    return parts > 1 && !cg_tile_is_unit(isa, &use) ? 0 : parts;
}

/* ---- what profiles say ---- */

static uint32_t add_string(cg_program *p, const char *text)
{
    size_t n = strlen(text) + 1, at = p->nstrings;
    p->strings = ir_grow(p->arena, p->strings, &p->cap_strings, at + n, 1);
    memcpy(p->strings + at, text, n);
    p->nstrings += n;
    return (uint32_t)at;
}

/* Both factors of bf16 are told from weights that are only stored so. */
static const char *computed_in(const cg_isa *isa, const cg_gemm *g, const char *otherwise)
{
    if (!cg_narrow_parts(isa, g)) return otherwise;
    return g->narrow == CG_NARROW_BF16 ? "bf16*bf16" : cg_narrow_name(g->narrow);
}

void cg_name_narrowed(cg_program *p, const cg_targets *targets)
{
    for (size_t i = 0; i < p->nsteps; i++) {
        lathe_step *s = &p->steps[i];
        if (s->kind != LATHE_STEP_KERNEL || !s->a) continue;
        const cg_gemm *g = p->kernels[s->func].nest.gemm;
        if (!g || !g->narrow) continue;
        const char *stored = ir_format(p->arena, "%s", p->strings + s->b), *last = "", *all = "";
        for (size_t t = 0; t < targets->n; t++) {
            const char *name = computed_in(targets->isa[t], g, stored);
            if (strcmp(name, last) != 0)
                all = ir_format(p->arena, "%s%s%s", all, *all ? "|" : "", name);
            last = name;
        }
        if (strcmp(all, stored) != 0) s->b = add_string(p, all);
    }
}
