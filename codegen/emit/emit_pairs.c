/* What the pairs of a panel have too much (CG_FORMAT_PAIRS), added to its sums.
 *
 * In: the element of a. Out: a function that goes through a panel's list: an entry names a k, a
 * column and how much is missing, which times a's element at k is added to the column's sum in each
 * row. Lists are short: one entry in a thousand pairs of weights that are spread as they usually
 * are. */
#include "codegen/emit/emit_gemm.h"

typedef struct listed {
    cg_unit *u;
    ir_elem a;
    cg_val fn;
} listed;

static cg_val param(const listed *w, int i) { return LLVMGetParam(w->fn, (unsigned)i); }

static cg_val product(listed *w, cg_val x, cg_val y) { return LLVMBuildMul(w->u->b, x, y, ""); }

static cg_val place(listed *w, LLVMTypeRef elements, cg_val base, cg_val at)
{
    return LLVMBuildGEP2(w->u->b, elements, base, &at, 1, "");
}

static cg_val word(listed *w, cg_val at)
{
    cg_val v = LLVMBuildLoad2(w->u->b, w->u->i32, at, "");
    LLVMSetAlignment(v, 4);
    return v;
}

/* See CG_LISTED. */
static void add_entry(listed *w, cg_val entry)
{
    cg_unit *u = w->u;
    cg_val k = LLVMBuildZExt(u->b, LLVMBuildLShr(u->b, entry, cg_int(u->i32, 13), ""), u->i64, "");
    cg_val column = LLVMBuildAnd(u->b, LLVMBuildLShr(u->b, entry, cg_int(u->i32, 8), ""),
                                 cg_int(u->i32, CG_PANEL - 1), "");
    cg_val excess = LLVMBuildSExt(u->b, LLVMBuildTrunc(u->b, entry, u->i8, ""), u->i32, "");
    cg_val a = place(w, u->i8, param(w, CG_LISTED_A), product(w, k, param(w, CG_LISTED_K_STEP))),
           c = place(w, u->i32, param(w, CG_LISTED_C), LLVMBuildZExt(u->b, column, u->i64, ""));
    cg_loop rows = cg_loop_guard(u, cg_int(u->i64, 0), param(w, CG_LISTED_ROWS), 1, true);
    cg_loop_enter(u, &rows, (cg_val[]){a, c}, 2);
    cg_val x = LLVMBuildLoad2(u->b, u->i8, rows.carried[0], "");
    x = w->a == IR_I8 ? LLVMBuildSExt(u->b, x, u->i32, "") : LLVMBuildZExt(u->b, x, u->i32, "");
    cg_val sum = LLVMBuildAdd(u->b, word(w, rows.carried[1]), product(w, x, excess), "");
    LLVMSetAlignment(LLVMBuildStore(u->b, sum, rows.carried[1]), 4);
    cg_val next[] = {place(w, u->i8, rows.carried[0], param(w, CG_LISTED_ROW_STEP)),
                     place(w, u->i32, rows.carried[1], param(w, CG_LISTED_LDC))};
    cg_loop_end(u, &rows, next);
}

cg_function cg_make_listed(cg_unit *u, ir_elem a)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    LLVMTypeRef types[CG_LISTED_PARAMS];
    cg_function r = {.args = CG_LISTED_PARAMS};
    for (int i = 0; i < r.args; i++) types[i] = i < CG_LISTED_ROWS ? u->ptr : u->i64;
    r.type = LLVMFunctionType(u->none, types, CG_LISTED_PARAMS, false);
    r.fn = LLVMAddFunction(u->m, "listed", r.type);
    LLVMSetLinkage(r.fn, LLVMInternalLinkage);
    cg_set_attributes(u, r.fn);
    LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->ctx, r.fn, ""));
    listed w = {.u = u, .a = a, .fn = r.fn};
    cg_val list = param(&w, CG_LISTED_LIST), one = cg_int(u->i64, 1);
    cg_val count = LLVMBuildZExt(u->b, word(&w, list), u->i64, "");
    cg_loop l = cg_loop_guard(u, one, LLVMBuildAdd(u->b, count, one, ""), 1, true);
    cg_loop_enter(u, &l, NULL, 0);
    add_entry(&w, word(&w, place(&w, u->i32, list, l.i)));
    cg_loop_end(u, &l, NULL);
    LLVMBuildRetVoid(u->b);
    if (here) LLVMPositionBuilderAtEnd(u->b, here);
    return r;
}
