/* Nodes that set sizes at run time: bind and call.
 *
 * The symbols that a node sets get a segment of the dim program of their own, which is computed
 * right after it; so every later step finds the sizes that depend on them in their slots. */
#include "codegen/lower/lower.h"

#include <string.h>

void cg_segment_step(cg_lowering *lw, uint32_t segment)
{
    cg_step(lw, (lathe_step){.kind = LATHE_STEP_SEGMENT, .a = segment}, NULL, 0, NULL, 0);
}

/* Numbers the symbols one after the other, as the step needs them. */
static lathe_status number_in_order(cg_lowering *lw, const ir_attr *syms, uint32_t *first)
{
    for (size_t i = 0; i < syms->n; i++) {
        uint32_t number = cg_symbol(lw, syms->u.syms[i]);
        if (i == 0) *first = number;
        if (number != *first + i)
            return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "symbol '%s' is defined twice",
                             ir_text(lw->g, lw->g->syms[syms->u.syms[i]].name));
    }
    return lw->status;
}

lathe_status cg_lower_bind(cg_lowering *lw, const ir_node *node)
{
    const ir_attr *syms = ir_attr_find(node, IR_KEY_syms);
    if (!syms || !syms->n) return LATHE_OK;
    uint32_t segment = cg_segment(lw, syms->u.syms, syms->n), first = 0;
    TRY(number_in_order(lw, syms, &first));
    uint32_t from = cg_buffer(lw, node->operands[0]);
    uint32_t step =
        cg_step(lw, (lathe_step){.kind = LATHE_STEP_BIND, .a = first}, &from, 1, NULL, 0);
    lw->p->steps[step].ndims = (uint32_t)syms->n;
    cg_segment_step(lw, segment);
    return lw->status;
}

/* ---- calls ---- */

static uint32_t function_of(cg_lowering *lw, const char *func)
{
    cg_program *p = lw->p;
    for (uint32_t i = 0; i < p->nfuncs; i++)
        if (strcmp(p->funcs[i], func) == 0) return i;
    return CG_PUSH(p, funcs, func);
}

static uint32_t push_value(cg_lowering *lw, ir_value v)
{
    const ir_type *t = ir_type_of(lw->g, v);
    uint32_t buffer = cg_buffer(lw, v), dims = cg_slot_list(lw, t->dims, t->rank, false);
    return CG_PUSH(lw->p, values,
                   (lathe_value){buffer, (uint32_t)t->elem, (uint32_t)t->rank, dims});
}

/* Integer, float and symbol parameters of the call, each in its table. */
static lathe_call_info read_parameters(cg_lowering *lw, const ir_node *node)
{
    cg_program *p = lw->p;
    const ir_attr *ints = ir_attr_find(node, IR_KEY_ints),
                  *floats = ir_attr_find(node, IR_KEY_floats);
    const ir_attr *syms = ir_attr_find(node, IR_KEY_syms);
    lathe_call_info c = {.nin = node->noperands,
                         .nout = node->nresults,
                         .nints = ints ? (uint32_t)ints->n : 0,
                         .nfloats = floats ? (uint32_t)floats->n : 0,
                         .nsyms = syms ? (uint32_t)syms->n : 0};
    c.ints = (uint32_t)p->ni64s;
    for (uint32_t i = 0; i < c.nints; i++) CG_PUSH(p, i64s, ints->u.ints[i]);
    c.floats = (uint32_t)p->nf64s;
    for (uint32_t i = 0; i < c.nfloats; i++) CG_PUSH(p, f64s, floats->u.floats[i]);
    c.syms = (uint32_t)p->nu32s;
    for (uint32_t i = 0; i < c.nsyms; i++) {
        uint32_t number = cg_symbol(lw, syms->u.syms[i]);
        CG_PUSH(p, u32s, number);
    }
    return c;
}

lathe_status cg_lower_call(cg_lowering *lw, const ir_node *node)
{
    cg_program *p = lw->p;
    const ir_attr *syms = ir_attr_find(node, IR_KEY_syms);
    uint32_t segment = syms ? cg_segment(lw, syms->u.syms, syms->n) : 0;
    uint32_t n = node->noperands + node->nresults;
    uint32_t *values = IR_NEW_N(p->arena, uint32_t, n + 1),
             *bufs = IR_NEW_N(p->arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < node->noperands; i++)
        if (!node->operands[i])
            return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "operand %u is absent", i);
    for (uint32_t i = 0; i < n; i++) {
        ir_value v = i < node->noperands ? node->operands[i] : node->results[i - node->noperands];
        values[i] = push_value(lw, v);
        bufs[i] = p->values[values[i]].buffer;
    }
    lathe_call_info info = read_parameters(lw, node);
    const char *name = ir_attr_str(lw->g, node, IR_KEY_func);
    uint32_t func = 0;
    if (ir_attr_find(node, IR_KEY_custom)) {
        info.custom = cg_string(lw, name);
        info.attributes = cg_string(lw, ir_attr_str(lw->g, node, IR_KEY_custom));
    } else {
        func = function_of(lw, name);
    }
    uint32_t call = CG_PUSH(p, calls, info);
    /* The step's list holds values; their buffers are what lives. */
    uint32_t step = cg_step(lw, (lathe_step){.kind = LATHE_STEP_CALL, .func = func, .a = call},
                            values, n, NULL, 0);
    for (uint32_t i = 0; i < n; i++) cg_touch(lw, bufs[i], step);
    if (syms) cg_segment_step(lw, segment);
    return lw->status;
}
