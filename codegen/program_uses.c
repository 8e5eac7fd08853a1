/* Which buffers each step of a lowered program reads and writes, from its tables alone; and names
 * for what the tables hold as numbers. The printer and the verifier both read programs here. */
#include "codegen/program_uses.h"

static const char *const dim_ops[] = {
    [LATHE_DIM_CONST] = "const", [LATHE_DIM_SYM] = "sym",           [LATHE_DIM_ADD] = "add",
    [LATHE_DIM_MUL] = "mul",     [LATHE_DIM_FLOORDIV] = "floordiv", [LATHE_DIM_MOD] = "mod",
    [LATHE_DIM_MIN] = "min",     [LATHE_DIM_MAX] = "max",           [LATHE_DIM_EQ] = "eq",
    [LATHE_DIM_LT] = "lt",       [LATHE_DIM_CAPACITY] = "capacity",
};
static const char *const buffer_kinds[] = {
    [LATHE_BUF_ARENA] = "arena",   [LATHE_BUF_INPUT] = "input",     [LATHE_BUF_OUTPUT] = "output",
    [LATHE_BUF_WEIGHT] = "weight", [LATHE_BUF_GROWING] = "growing",
};
static const char *const step_kinds[] = {
    [LATHE_STEP_KERNEL] = "kernel", [LATHE_STEP_CALL] = "call", [LATHE_STEP_SEGMENT] = "segment",
    [LATHE_STEP_BIND] = "bind",     [LATHE_STEP_IF] = "if",     [LATHE_STEP_LOOP] = "loop",
    [LATHE_STEP_COPY] = "copy",     [LATHE_STEP_SET] = "set",   [LATHE_STEP_GUARD] = "guard",
    [LATHE_STEP_PAST] = "past",
};

#define NAME_OF(names, i) ((i) < sizeof(names) / sizeof *(names) ? (names)[i] : NULL)
const char *cg_dim_op_name(uint32_t op) { return NAME_OF(dim_ops, op); }
const char *cg_buffer_kind_name(uint32_t kind) { return NAME_OF(buffer_kinds, kind); }
const char *cg_step_kind_name(uint32_t kind) { return NAME_OF(step_kinds, kind); }

/* ---- uses ---- */

typedef struct walk {
    cg_visit *visit;
    void *ctx;
} walk;

static void visit(const walk *w, uint32_t buffer, cg_use use)
{
    if (buffer != LATHE_NO_SLOT) w->visit(w->ctx, buffer, use);
}

static void visit_loop(const cg_program *p, const lathe_loop *l, const walk *w)
{
    visit(w, l->trip, CG_READS);
    visit(w, l->cond, CG_READS);
    for (uint32_t i = 0; i < l->ncarried; i++) visit(w, p->u32s[l->carried + 5 * i], CG_READS);
    visit(w, l->iter, CG_WRITES);
    visit(w, l->cond_param, CG_WRITES);
    for (uint32_t i = 0; i < l->ncarried; i++) visit(w, p->u32s[l->carried + 5 * i + 1], CG_WRITES);
    for (uint32_t i = 0; i < l->nscans; i++) visit(w, p->u32s[l->scans + 3 * i + 1], CG_WRITES);
    visit(w, l->cond_result, CG_READS_AT_END);
    for (uint32_t i = 0; i < l->ncarried; i++)
        visit(w, p->u32s[l->carried + 5 * i + 2], CG_READS_AT_END);
    for (uint32_t i = 0; i < l->nscans; i++) visit(w, p->u32s[l->scans + 3 * i], CG_READS_AT_END);
}

static void visit_call(const cg_program *p, const lathe_step *s, const walk *w)
{
    for (uint32_t i = 0; i < s->nbufs; i++)
        visit(w, p->values[p->u32s[s->args + i]].buffer,
              i < p->calls[s->a].nin ? CG_READS : CG_WRITES);
}

static void visit_kernel(const cg_program *p, const lathe_step *s, const walk *w)
{
    const uint32_t *args = p->u32s + s->args;
    bool extremes = s->func < p->nkernels && p->kernels[s->func].nest.extremes;
    uint32_t written = extremes ? 2 : 1;
    for (uint32_t i = 0; i < s->nbufs; i++)
        visit(w, args[i], i + written < s->nbufs ? CG_READS : CG_WRITES);
}

void cg_step_uses(const cg_program *p, const lathe_step *s, cg_visit *each, void *ctx)
{
    const walk w = {each, ctx};
    const uint32_t *args = p->u32s + s->args;
    switch (s->kind) {
    case LATHE_STEP_KERNEL:
        visit_kernel(p, s, &w);
        return;
    case LATHE_STEP_COPY:
        visit(&w, args[0], CG_READS);
        visit(&w, args[1], CG_WRITES);
        return;
    case LATHE_STEP_BIND:
    case LATHE_STEP_IF:
    case LATHE_STEP_GUARD:
        visit(&w, args[0], CG_READS);
        return;
    case LATHE_STEP_CALL:
        visit_call(p, s, &w);
        return;
    case LATHE_STEP_LOOP:
        visit_loop(p, &p->loops[s->a], &w);
        return;
    default:
        return;
    }
}
