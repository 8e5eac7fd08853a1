/* Counted loops of the function being emitted.
 *
 * A loop tests at its end and is entered only if it turns at least once, so that what stands in
 * front of it, between cg_loop_guard and cg_loop_enter, is computed only if it is needed. */
#include "codegen/emit/emit.h"

LLVMBasicBlockRef cg_block(cg_unit *u)
{
    cg_val fn = LLVMGetBasicBlockParent(LLVMGetInsertBlock(u->b));
    return LLVMAppendBasicBlockInContext(u->ctx, fn, "");
}

cg_loop cg_loop_guard(cg_unit *u, cg_val start, cg_val end, int64_t step, bool may_be_empty)
{
    LLVMBuilderRef b = u->b;
    cg_loop l = {.start = start, .end = end, .step = cg_int(u->i64, step)};
    l.after = cg_block(u);
    if (!may_be_empty) return l;
    LLVMBasicBlockRef before = cg_block(u);
    l.guard = LLVMGetInsertBlock(b);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, start, end, ""), before, l.after);
    LLVMPositionBuilderAtEnd(b, before);
    return l;
}

void cg_loop_enter(cg_unit *u, cg_loop *l, const cg_val *initial, int n)
{
    LLVMBuilderRef b = u->b;
    LLVMBasicBlockRef from = LLVMGetInsertBlock(b);
    l->body = cg_block(u);
    LLVMBuildBr(b, l->body);
    LLVMPositionBuilderAtEnd(b, l->body);
    l->i = LLVMBuildPhi(b, u->i64, "");
    LLVMAddIncoming(l->i, &l->start, &from, 1);
    l->ncarried = n;
    for (int c = 0; c < n; c++) {
        l->initial[c] = initial[c];
        l->carried[c] = LLVMBuildPhi(b, LLVMTypeOf(initial[c]), "");
        LLVMAddIncoming(l->carried[c], &l->initial[c], &from, 1);
    }
}

void cg_loop_end(cg_unit *u, cg_loop *l, cg_val *next)
{
    LLVMBuilderRef b = u->b;
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
    cg_val i = LLVMBuildNSWAdd(b, l->i, l->step, "");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, i, l->end, ""), l->body, l->after);
    LLVMAddIncoming(l->i, &i, &latch, 1);
    LLVMPositionBuilderAtEnd(b, l->after);
    for (int c = 0; c < l->ncarried; c++) {
        LLVMAddIncoming(l->carried[c], &next[c], &latch, 1);
        if (!l->guard) continue;
        cg_val out = LLVMBuildPhi(b, LLVMTypeOf(next[c]), "");
        LLVMAddIncoming(out, (cg_val[]){l->initial[c], next[c]},
                        (LLVMBasicBlockRef[]){l->guard, latch}, 2);
        next[c] = out;
    }
}
