/* Whether a lowered program keeps its promises; a failure is a defect of lowering.
 *
 * In three rounds, each of which trusts the one before: numbers are in range; entries fit each
 * other (kernels and their steps, buffers and their weights); and in the order of the steps, a
 * buffer is alive and has been written when it is read, and a slot is computed before it is used.
 * The runtime checks numbers again when a model is opened, as it trusts no file. */
#include <inttypes.h>

#include "codegen/program_uses.h"

typedef struct verifier {
    const cg_program *p;
    lathe_diag *diag;
    uint32_t step;   /* being looked at */
    uint32_t *until; /* by segment: it is computed for steps before this one */
    bool *written;   /* by buffer */
    lathe_status status;
} verifier;

static lathe_status wrong(verifier *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static lathe_status wrong(verifier *v, const char *format, ...)
{
    diag_place place = {.file = ir_text(v->p->g, v->p->g->file)};
    if (v->step < v->p->nsteps && v->p->steps[v->step].node < v->p->nnodes) {
        const lathe_node *n = &v->p->nodes[v->p->steps[v->step].node];
        place.node = v->p->strings + n->name;
        place.op = v->p->strings + n->op;
    }
    va_list args;
    va_start(args, format);
    const char *text = ir_vformat(v->p->arena, format, args);
    va_end(args);
    if (v->status == LATHE_OK)
        v->status = diag_add(v->diag, LATHE_INTERNAL, &place, "lowered program: %s", text);
    return v->status;
}

static bool among(uint32_t number, size_t n) { return number < n; }

static bool optional(uint32_t number, size_t n) { return number == LATHE_NO_SLOT || number < n; }

static bool node_ok(const cg_program *p, uint32_t node)
{
    return node == LATHE_NO_SLOT || (node < p->nnodes && p->nodes[node].more < p->nnodes - node);
}

/* A list of u32s, each number of which is below the limit. */
static bool list_ok(const cg_program *p, uint64_t begin, uint64_t n, size_t limit)
{
    if (begin + n > p->nu32s) return n == 0;
    for (uint64_t i = 0; i < n; i++)
        if (p->u32s[begin + i] >= limit) return false;
    return true;
}

/* ---- sizes ---- */

static lathe_status check_slots(verifier *v)
{
    const cg_program *p = v->p;
    for (uint32_t i = 0; i < p->ndims; i++) {
        const lathe_dim_op *op = &p->dims[i];
        if (!cg_dim_op_name(op->op) || op->segment >= p->n_segments)
            return wrong(v, "slot %" PRIu32 " has no operator or segment", i);
        if (op->op == LATHE_DIM_SYM && !among(op->a, p->nsyms))
            return wrong(v, "slot %" PRIu32 " reads symbol %" PRIu32, i, op->a);
        if (op->op <= LATHE_DIM_SYM) continue;
        if (op->a >= i || op->b >= i)
            return wrong(v, "slot %" PRIu32 " is computed from later ones", i);
        if (p->dims[op->a].segment > op->segment || p->dims[op->b].segment > op->segment)
            return wrong(v, "slot %" PRIu32 " is computed before its operands", i);
    }
    for (uint32_t i = 0; i < p->nsyms; i++)
        if (!optional(p->syms[i].bound_slot, p->ndims) || p->syms[i].lo > p->syms[i].hi)
            return wrong(v, "symbol %" PRIu32 " has no values", i);
    for (uint32_t i = 0; i < p->nguards; i++) {
        const lathe_guard *g = &p->guards[i];
        if (!among(g->a, p->ndims) || !among(g->b, p->ndims) || !optional(g->node, p->nnodes))
            return wrong(v, "guard %" PRIu32 " names what is not there", i);
        if (g->segment >= p->n_segments) return wrong(v, "guard %" PRIu32 " is in no segment", i);
    }
    return v->status;
}

static lathe_status check_io(verifier *v, const char *what, uint32_t kind, const lathe_io *io,
                             size_t n)
{
    const cg_program *p = v->p;
    for (uint32_t i = 0; i < n; i++) {
        if (!list_ok(p, io[i].dims, io[i].rank, p->ndims))
            return wrong(v, "%s %" PRIu32 " has dims without slots", what, i);
        const lathe_buf *b = io[i].buffer < p->nbufs ? &p->bufs[io[i].buffer] : NULL;
        if (!b || b->kind != kind || b->index != i)
            return wrong(v, "%s %" PRIu32 " has not the buffer of its own", what, i);
    }
    return v->status;
}

/* ---- memory ---- */

static lathe_status check_weight(verifier *v, uint32_t i)
{
    const lathe_buf *b = &v->p->bufs[i];
    if (!among(b->index, v->p->nweights))
        return wrong(v, "buffer %" PRIu32 " holds weight %" PRIu32, i, b->index);
    const cg_weight *w = &v->p->weights[b->index];
    uint64_t size = w->panels ? cg_panels_size(w->panels) : w->blob.size;
    if (w->size != size) return wrong(v, "weight %" PRIu32 " is not of its size", b->index);
    if (w->offset != b->offset || b->size < w->size || b->offset % 64 ||
        b->offset + b->size > v->p->weights_size)
        return wrong(v, "weight %" PRIu32 " is not at its buffer's place", b->index);
    return v->status;
}

static lathe_status check_buffers(verifier *v)
{
    const cg_program *p = v->p;
    for (uint32_t i = 0; i < p->nbufs; i++) {
        const lathe_buf *b = &p->bufs[i];
        if (!cg_buffer_kind_name(b->kind) || !among(b->bytes, p->ndims))
            return wrong(v, "buffer %" PRIu32 " has no kind or size", i);
        if (b->first > b->last || (b->last && b->last >= p->nsteps))
            return wrong(v, "buffer %" PRIu32 " ends before it starts, or after the last step", i);
        if (b->kind == LATHE_BUF_WEIGHT) TRY(check_weight(v, i));
    }
    for (uint32_t i = 0; i < p->nvalues; i++)
        if (!among(p->values[i].buffer, p->nbufs) ||
            !list_ok(p, p->values[i].dims, p->values[i].rank, p->ndims))
            return wrong(v, "value %" PRIu32 " names what is not there", i);
    return v->status;
}

/* ---- steps ---- */

static bool constant_bytes(const cg_program *p, const cg_operand *o, int64_t *bytes)
{
    int64_t count = 1, d;
    for (int i = 0; i < o->rank; i++)
        if (!ir_dim_is_const(p->g, o->dims[i], &d) || __builtin_mul_overflow(count, d, &count))
            return false;
    return ir_elem_bytes(o->elem, count, bytes);
}

/* What the kernel takes a buffer for must not be more than there is. */
static lathe_status check_room(verifier *v, const cg_operand *o, uint32_t buffer, size_t number)
{
    const lathe_dim_op *size = &v->p->dims[v->p->bufs[buffer].bytes];
    int64_t bytes;
    if (size->op != LATHE_DIM_CONST || !constant_bytes(v->p, o, &bytes) || bytes <= size->imm)
        return v->status;
    return wrong(v,
                 "step %" PRIu32 " takes %" PRId64 " bytes of buffer %" PRIu32 " of %" PRId64
                 " for operand %zu",
                 v->step, bytes, buffer, size->imm, number);
}

static lathe_status check_kernel(verifier *v, const lathe_step *s)
{
    const cg_program *p = v->p;
    if (!among(s->func, p->nkernels) || !list_ok(p, s->args, s->nbufs, p->nbufs) ||
        !list_ok(p, (uint64_t)s->args + s->nbufs, s->ndims, p->ndims) ||
        !optional(s->range, p->ndims) || !optional(s->work, p->ndims))
        return wrong(v, "step %" PRIu32 " names what is not there", v->step);
    const cg_nest *n = &p->kernels[s->func].nest;
    if (s->nbufs != cg_nest_buffers(n) || s->ndims != n->nparams)
        return wrong(v,
                     "step %" PRIu32 " passes %" PRIu32 " buffers and %" PRIu32
                     " dims to kernel %s of %zu and %zu",
                     v->step, s->nbufs, s->ndims, p->kernels[s->func].name, cg_nest_buffers(n),
                     n->nparams);
    for (size_t i = 0; i < n->noperands; i++)
        TRY(check_room(v, &n->operands[i], p->u32s[s->args + i], i));
    return check_room(v, &n->out, p->u32s[s->args + n->noperands], n->noperands);
}

static bool triples_ok(const cg_program *p, uint32_t begin, uint32_t n, size_t a, size_t b)
{
    for (uint32_t i = 0; i < n; i++)
        if (!list_ok(p, begin + 3 * i, 1, a) || !list_ok(p, begin + 3 * i + 1, 1, b) ||
            !list_ok(p, begin + 3 * i + 2, 1, p->ndims))
            return false;
    return true;
}

static bool loop_ok(const cg_program *p, const lathe_loop *l)
{
    for (uint32_t i = 0; i < l->ncarried; i++)
        if (!list_ok(p, l->carried + 5 * i, 3, p->nbufs) ||
            !list_ok(p, l->carried + 5 * i + 3, 2, p->ndims))
            return false;
    return optional(l->trip, p->nbufs) && optional(l->cond, p->nbufs) &&
           optional(l->iter, p->nbufs) && optional(l->cond_param, p->nbufs) &&
           optional(l->cond_result, p->nbufs) && optional(l->turns, p->nsyms) &&
           optional(l->segment, p->n_segments) &&
           triples_ok(p, l->syms, l->nsyms, p->nsyms, p->ndims) &&
           triples_ok(p, l->scans, l->nscans, p->nbufs, p->nbufs);
}

static bool call_ok(const cg_program *p, const lathe_step *s)
{
    if (!among(s->a, p->ncalls)) return false;
    const lathe_call_info *c = &p->calls[s->a];
    return (c->custom || s->func < p->nfuncs) && c->nin + c->nout == s->nbufs &&
           list_ok(p, s->args, s->nbufs, p->nvalues) && list_ok(p, c->syms, c->nsyms, p->nsyms);
}

static bool numbers_ok(const cg_program *p, const lathe_step *s)
{
    switch (s->kind) {
    case LATHE_STEP_CALL:
        return call_ok(p, s);
    case LATHE_STEP_SEGMENT:
        return s->a < p->n_segments;
    case LATHE_STEP_BIND:
        return list_ok(p, s->args, 1, p->nbufs) && (uint64_t)s->a + s->ndims <= p->nsyms;
    case LATHE_STEP_SET:
        return list_ok(p, s->args, s->ndims, p->ndims) && (uint64_t)s->a + s->ndims <= p->nsyms;
    case LATHE_STEP_LOOP:
        return among(s->a, p->nloops) && loop_ok(p, &p->loops[s->a]);
    case LATHE_STEP_COPY:
        return list_ok(p, s->args, 2, p->nbufs) && among(s->range, p->ndims);
    case LATHE_STEP_IF:
    case LATHE_STEP_GUARD:
        return list_ok(p, s->args, 1, p->nbufs);
    case LATHE_STEP_PAST:
        return s + 1 < p->steps + p->nsteps && s[1].kind == LATHE_STEP_KERNEL;
    default:
        return s->kind == LATHE_STEP_KERNEL;
    }
}

/* ---- in the order of the steps ---- */

static void check_use(void *ctx, uint32_t buffer, cg_use use)
{
    verifier *v = ctx;
    const lathe_buf *b = &v->p->bufs[buffer];
    const lathe_dim_op *size = &v->p->dims[b->bytes];
    bool empty = size->op == LATHE_DIM_CONST && size->imm == 0;
    uint32_t at = v->step + (use == CG_READS_AT_END ? v->p->steps[v->step].b : 0);
    if (b->kind != LATHE_BUF_WEIGHT && (at < b->first || at > b->last))
        wrong(v,
              "step %" PRIu32 " uses buffer %" PRIu32 ", which is alive in %" PRIu32 "..%" PRIu32,
              at, buffer, b->first, b->last);
    bool given = b->kind == LATHE_BUF_WEIGHT || b->kind == LATHE_BUF_INPUT;
    if (use == CG_WRITES && given)
        wrong(v, "step %" PRIu32 " writes buffer %" PRIu32 ", which is %s", v->step, buffer,
              b->kind == LATHE_BUF_INPUT ? "an input" : "a weight");
    if (use == CG_WRITES) v->written[buffer] = true;
    if (use == CG_READS && !given && !empty && !v->written[buffer])
        wrong(v, "step %" PRIu32 " reads buffer %" PRIu32 ", which nothing has written", v->step,
              buffer);
}

static void check_slot(verifier *v, uint32_t slot)
{
    if (slot == LATHE_NO_SLOT || v->until[v->p->dims[slot].segment] > v->step) return;
    wrong(v,
          "step %" PRIu32 " uses slot %" PRIu32 " of segment %" PRIu32
          ", which is not computed there",
          v->step, slot, v->p->dims[slot].segment);
}

static void check_step_slots(verifier *v, const lathe_step *s)
{
    bool kernel = s->kind == LATHE_STEP_KERNEL;
    if (kernel || s->kind == LATHE_STEP_COPY) check_slot(v, s->range);
    if (kernel) check_slot(v, s->work);
    uint32_t from = s->args + (kernel ? s->nbufs : 0);
    for (uint32_t i = 0; i < s->ndims && (kernel || s->kind == LATHE_STEP_SET); i++)
        check_slot(v, v->p->u32s[from + i]);
}

/* ends[] are those of the bodies that are open. */
static lathe_status check_order(verifier *v)
{
    enum { MOST_BODIES = 128 };
    const cg_program *p = v->p;
    uint32_t ends[MOST_BODIES + 2] = {(uint32_t)p->nsteps}, depth = 0;
    v->until[0] = (uint32_t)p->nsteps;
    for (v->step = 0; v->step < p->nsteps; v->step++) {
        const lathe_step *s = &p->steps[v->step];
        while (depth && ends[depth] == v->step) depth--;
        check_step_slots(v, s);
        cg_step_uses(p, s, check_use, v);
        if (s->kind == LATHE_STEP_SEGMENT) v->until[s->a] = ends[depth];
        if (s->kind != LATHE_STEP_IF && s->kind != LATHE_STEP_LOOP) continue;
        uint64_t first = s->kind == LATHE_STEP_IF ? s->a : 0, end = v->step + 1 + first + s->b;
        if (end > ends[depth] || depth >= MOST_BODIES)
            return wrong(v, "step %" PRIu32 " has a body that ends outside of the one around it",
                         v->step);
        if (s->b) ends[++depth] = (uint32_t)end;
        if (first) ends[++depth] = v->step + 1 + (uint32_t)first;
        if (s->kind == LATHE_STEP_LOOP && p->loops[s->a].segment != LATHE_NO_SLOT)
            v->until[p->loops[s->a].segment] = (uint32_t)end;
    }
    return v->status;
}

/* ---- the whole ---- */

/* Input and output of a state, whose buffers become one where it grows. */
static lathe_status check_states(verifier *v)
{
    const cg_program *p = v->p;
    for (size_t i = 0; i < p->nstates; i++) {
        const lathe_state *s = &p->states[i];
        bool ok = among(s->input, p->ninputs) && among(s->output, p->noutputs);
        const lathe_io *in = ok ? &p->inputs[s->input] : NULL;
        const lathe_io *out = ok ? &p->outputs[s->output] : NULL;
        ok = ok && in->rank == out->rank && in->elem == out->elem && among(s->held, p->nbufs) &&
             p->bufs[out->buffer].kind == LATHE_BUF_OUTPUT && optional(s->axis, in->rank) &&
             optional(s->batch, in->rank);
        if (!ok) return wrong(v, "state %zu names what is not there", i);
    }
    return v->status;
}

static lathe_status check_steps(verifier *v)
{
    const cg_program *p = v->p;
    for (v->step = 0; v->step < p->nsteps; v->step++) {
        const lathe_step *s = &p->steps[v->step];
        if (!numbers_ok(p, s) || !node_ok(p, s->node))
            return wrong(v, "step %" PRIu32 " names what is not there", v->step);
        if (s->kind == LATHE_STEP_KERNEL) TRY(check_kernel(v, s));
        if (s->nbufs > p->max_bufs || (s->kind != LATHE_STEP_BIND && s->ndims > p->max_dims))
            return wrong(v, "step %" PRIu32 " has more arguments than the most there are", v->step);
    }
    v->step = LATHE_NO_SLOT;
    return v->status;
}

lathe_status cg_program_verify(const cg_program *p, lathe_diag *diag)
{
    verifier v = {.p = p, .diag = diag, .step = LATHE_NO_SLOT};
    v.until = IR_NEW_N(p->arena, uint32_t, p->n_segments + 1);
    v.written = IR_NEW_N(p->arena, bool, p->nbufs + 1);
    TRY(check_slots(&v));
    TRY(check_buffers(&v));
    TRY(check_io(&v, "input", LATHE_BUF_INPUT, p->inputs, p->ninputs));
    TRY(check_io(&v, "output", LATHE_BUF_OUTPUT, p->outputs, p->noutputs));
    TRY(check_states(&v));
    if (!optional(p->scratch_slot, p->ndims)) return wrong(&v, "the scratch has no size");
    TRY(check_steps(&v));
    return check_order(&v);
}
