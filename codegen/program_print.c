/* A lowered program as text, for people and for diffs; a pure function of the program.
 *
 * Slots, buffers and weights are s, b and w with their numbers in the tables, kernels and symbols
 * have names. A slot that is a constant is written as its value. A body of an if or a loop is
 * indented. Nothing here has a meaning of its own: runtime/abi.h says what each entry is. */
#include <inttypes.h>

#include "codegen/program_uses.h"

typedef struct printer {
    FILE *f;
    const cg_program *p;
    uint32_t *first, *users; /* steps that use buffer b: users[first[b]] to users[first[b + 1]] */
} printer;

static const char *text_at(const printer *w, uint32_t at) { return w->p->strings + at; }

static void put_slot(const printer *w, uint32_t slot)
{
    if (slot == LATHE_NO_SLOT) fputc('-', w->f);
    else if (w->p->dims[slot].op == LATHE_DIM_CONST)
        fprintf(w->f, "%" PRId64, w->p->dims[slot].imm);
    else fprintf(w->f, "s%" PRIu32, slot);
}

static void put_slots(const printer *w, uint32_t list, uint32_t n)
{
    fputc('[', w->f);
    for (uint32_t i = 0; i < n; i++) {
        if (i) fputs(", ", w->f);
        put_slot(w, w->p->u32s[list + i]);
    }
    fputc(']', w->f);
}

static void put_sym(const printer *w, uint32_t sym)
{
    fprintf(w->f, "y%" PRIu32 " \"%s\"", sym, text_at(w, w->p->syms[sym].name));
}

static void put_buffer(const printer *w, uint32_t buffer)
{
    if (buffer == LATHE_NO_SLOT) fputc('-', w->f);
    else if (w->p->bufs[buffer].kind == LATHE_BUF_WEIGHT)
        fprintf(w->f, "w%" PRIu32, w->p->bufs[buffer].index);
    else fprintf(w->f, "b%" PRIu32, buffer);
}

static void put_node(const printer *w, uint32_t node)
{
    if (node == LATHE_NO_SLOT) return;
    for (uint32_t i = 0; i <= w->p->nodes[node].more; i++) {
        const lathe_node *n = &w->p->nodes[node + i];
        fputs(i ? " + " : "  ", w->f);
        if (*text_at(w, n->name)) fprintf(w->f, "@\"%s\"  ", text_at(w, n->name));
        fputs(text_at(w, n->op), w->f);
    }
}

/* ---- sizes ---- */

static void put_bound(FILE *f, int64_t v)
{
    if (v == INT64_MAX) fputs("inf", f);
    else fprintf(f, "%" PRId64, v);
}

static void put_syms(const printer *w)
{
    for (uint32_t i = 0; i < w->p->nsyms; i++) {
        const lathe_sym *s = &w->p->syms[i];
        fputs("symbol ", w->f);
        put_sym(w, i);
        fprintf(w->f, ": %s [%" PRId64 ", ", i < w->p->n_free ? "free" : "set", s->lo);
        put_bound(w->f, s->hi);
        fputc(']', w->f);
        if (s->bound_slot != LATHE_NO_SLOT) {
            fputs(" at most ", w->f);
            put_slot(w, s->bound_slot);
        }
        fputc('\n', w->f);
    }
}

static void put_dim_op(const printer *w, uint32_t slot)
{
    const lathe_dim_op *op = &w->p->dims[slot];
    if (op->op == LATHE_DIM_CONST) return;
    fprintf(w->f, "slot s%" PRIu32 " = ", slot);
    if (op->op == LATHE_DIM_SYM) {
        put_sym(w, op->a);
    } else {
        fprintf(w->f, "%s(", cg_dim_op_name(op->op));
        put_slot(w, op->a);
        fputs(", ", w->f);
        put_slot(w, op->b);
        fputc(')', w->f);
    }
    if (op->segment) fprintf(w->f, "  segment %" PRIu32, op->segment);
    if (op->op > LATHE_DIM_SYM && op->imm) fprintf(w->f, "  \"%s\"", text_at(w, (uint32_t)op->imm));
    fputc('\n', w->f);
}

static void put_guard(const printer *w, const lathe_guard *g)
{
    fputs("guard ", w->f);
    put_slot(w, g->a);
    fputs(" == ", w->f);
    put_slot(w, g->b);
    fprintf(w->f, "%s  segment %" PRIu32 "  \"%s\"", g->or_one ? " or 1" : "", g->segment,
            text_at(w, g->text));
    put_node(w, g->node);
    fputc('\n', w->f);
}

static void put_io(const printer *w, const char *what, const lathe_io *io)
{
    fprintf(w->f, "%s \"%s\": %s", what, text_at(w, io->name), ir_elem_name((ir_elem)io->elem));
    put_slots(w, io->dims, io->rank);
    fputs(" in ", w->f);
    put_buffer(w, io->buffer);
    fputc('\n', w->f);
}

/* ---- memory ---- */

typedef struct counting {
    uint32_t *first, *users; /* users NULL: only counted */
    uint32_t step;
} counting;

static void count_use(void *ctx, uint32_t buffer, cg_use use)
{
    counting *c = ctx;
    (void)use;
    if (c->users) c->users[c->first[buffer]] = c->step;
    c->first[buffer + (c->users ? 0 : 2)]++;
}

/* Two walks: the first counts, the second fills and moves each first[b] to where b + 1 starts. */
static void find_users(printer *w)
{
    const cg_program *p = w->p;
    counting c = {.first = IR_NEW_N(p->arena, uint32_t, p->nbufs + 3)};
    for (c.step = 0; c.step < p->nsteps; c.step++)
        cg_step_uses(p, &p->steps[c.step], count_use, &c);
    for (size_t i = 2; i < p->nbufs + 2; i++) c.first[i] += c.first[i - 1];
    c.users = IR_NEW_N(p->arena, uint32_t, c.first[p->nbufs + 1] + 1);
    c.first++;
    for (c.step = 0; c.step < p->nsteps; c.step++)
        cg_step_uses(p, &p->steps[c.step], count_use, &c);
    w->first = c.first - 1;
    w->users = c.users;
}

static void put_users(const printer *w, uint32_t buffer)
{
    fputs("  steps", w->f);
    for (uint32_t i = w->first[buffer]; i < w->first[buffer + 1]; i++)
        if (i == w->first[buffer] || w->users[i] != w->users[i - 1])
            fprintf(w->f, " %" PRIu32, w->users[i]);
    if (w->first[buffer] == w->first[buffer + 1]) fputs(" none", w->f);
}

static void put_sizes(FILE *f, const char *name, const cg_panels *w, int from, int n)
{
    fprintf(f, " %s=", name);
    for (int i = from; i < from + n; i++)
        fprintf(f, "%s%" PRId64 ":%" PRId64, i > from ? "," : "", w->size[i], w->stride[i]);
}

static void put_weight(const printer *w, uint32_t buffer)
{
    const lathe_buf *b = &w->p->bufs[buffer];
    const cg_weight *x = &w->p->weights[b->index];
    fprintf(w->f, "weight w%" PRIu32 ": %" PRIu64 " bytes at %" PRIu64, b->index, x->size,
            x->offset);
    if (!x->panels) {
        fputs(", as stored", w->f);
    } else {
        fputs(", ", w->f);
        if (x->panels->codes.code) cg_print_codes(w->f, &x->panels->codes);
        else fputs(ir_elem_name(cg_panel_form_of(x->panels->format)->elem), w->f);
        fprintf(w->f, "%s panels of %d columns%s, size:stride", x->panels->codes.code ? " in" : "",
                CG_PANEL, x->encoded ? " computed from constants" : "");
        if (x->panels->nbatch) put_sizes(w->f, "batch", x->panels, 0, x->panels->nbatch);
        put_sizes(w->f, "k", x->panels, x->panels->nbatch, x->panels->nk);
        put_sizes(w->f, "n", x->panels, x->panels->nbatch + x->panels->nk, x->panels->nn);
        if (x->panels->base) fprintf(w->f, " from %" PRId64, x->panels->base);
    }
    put_users(w, buffer);
    fputc('\n', w->f);
}

static void put_memory(const printer *w)
{
    for (uint32_t i = 0; i < w->p->nbufs; i++)
        if (w->p->bufs[i].kind == LATHE_BUF_WEIGHT) put_weight(w, i);
    for (uint32_t i = 0; i < w->p->nbufs; i++) {
        const lathe_buf *b = &w->p->bufs[i];
        if (b->kind == LATHE_BUF_WEIGHT) continue;
        fprintf(w->f, "buffer b%" PRIu32 ": %s", i, cg_buffer_kind_name(b->kind));
        if (b->kind == LATHE_BUF_INPUT || b->kind == LATHE_BUF_OUTPUT)
            fprintf(w->f, " %" PRIu32, b->index);
        fputs(", ", w->f);
        put_slot(w, b->bytes);
        fprintf(w->f, " bytes, alive %" PRIu32 "..%" PRIu32 "\n", b->first, b->last);
    }
}

/* ---- kernels ---- */

static void put_kernels(const printer *w)
{
    const cg_program *p = w->p;
    uint32_t *uses = IR_NEW_N(p->arena, uint32_t, p->nkernels + 1);
    for (size_t i = 0; i < p->nsteps; i++)
        if (p->steps[i].kind == LATHE_STEP_KERNEL) uses[p->steps[i].func]++;
    for (size_t i = 0; i < p->nkernels; i++) {
        fprintf(w->f, "kernel %s, steps: %" PRIu32 "\n", p->kernels[i].name, uses[i]);
        cg_print_nest(w->f, p->g, &p->kernels[i].nest);
    }
}

/* ---- steps ---- */

static void put_buffers(const printer *w, const uint32_t *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i) fputs(", ", w->f);
        put_buffer(w, list[i]);
    }
}

static void put_kernel_step(const printer *w, const lathe_step *s)
{
    const uint32_t *args = w->p->u32s + s->args;
    fprintf(w->f, "%s(", w->p->kernels[s->func].name);
    uint32_t written = w->p->kernels[s->func].nest.extremes ? 2 : 1;
    put_buffers(w, args, s->nbufs - written);
    fputs(") -> ", w->f);
    put_buffers(w, args + s->nbufs - written, written);
    fputs(" dims ", w->f);
    put_slots(w, s->args + s->nbufs, s->ndims);
    fputs(" range ", w->f);
    put_slot(w, s->range);
    fputs(" work ", w->f);
    put_slot(w, s->work);
}

static void put_values(const printer *w, uint32_t list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const lathe_value *v = &w->p->values[w->p->u32s[list + i]];
        if (i) fputs(", ", w->f);
        put_buffer(w, v->buffer);
        fprintf(w->f, " %s", ir_elem_name((ir_elem)v->elem));
        put_slots(w, v->dims, v->rank);
    }
}

static void put_call_step(const printer *w, const lathe_step *s)
{
    const cg_program *p = w->p;
    const lathe_call_info *c = &p->calls[s->a];
    fprintf(w->f, "call %s(", c->custom ? text_at(w, c->custom) : p->funcs[s->func]);
    put_values(w, s->args, c->nin);
    fputs(") -> ", w->f);
    put_values(w, s->args + c->nin, c->nout);
    if (c->nints) fputs(" ints", w->f);
    for (uint32_t i = 0; i < c->nints; i++) fprintf(w->f, " %" PRId64, p->i64s[c->ints + i]);
    if (c->nfloats) fputs(" floats", w->f);
    for (uint32_t i = 0; i < c->nfloats; i++) fprintf(w->f, " %.17g", p->f64s[c->floats + i]);
    for (uint32_t i = 0; i < c->nsyms; i++) {
        fputs(i ? ", " : " sets ", w->f);
        put_sym(w, p->u32s[c->syms + i]);
    }
}

static void put_loop_step(const printer *w, const lathe_loop *l)
{
    const uint32_t *u = w->p->u32s;
    const struct {
        const char *name;
        uint32_t buffer;
    } parts[] = {{"trip", l->trip},
                 {" cond", l->cond},
                 {" iter", l->iter},
                 {" cond_param", l->cond_param},
                 {" cond_result", l->cond_result}};
    fputs("loop ", w->f);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        fprintf(w->f, "%s ", parts[i].name);
        put_buffer(w, parts[i].buffer);
    }
    for (uint32_t i = 0; i < l->ncarried; i++) {
        fputs(" carried(", w->f);
        put_buffers(w, u + l->carried + 5 * i, 3);
        fputs(" bytes ", w->f);
        put_slots(w, l->carried + 5 * i + 3, 2);
        fputc(')', w->f);
    }
    for (uint32_t i = 0; i < l->nscans; i++) {
        fputs(" scan(", w->f);
        put_buffers(w, u + l->scans + 3 * i, 2);
        fputs(" bytes ", w->f);
        put_slots(w, l->scans + 3 * i + 2, 1);
        fputc(')', w->f);
    }
    for (uint32_t i = 0; i < l->nsyms; i++) {
        fputs(" sets ", w->f);
        put_sym(w, u[l->syms + 3 * i]);
        fputs(" first, next ", w->f);
        put_slots(w, l->syms + 3 * i + 1, 2);
    }
    if (l->turns != LATHE_NO_SLOT) {
        fputs(" turns ", w->f);
        put_sym(w, l->turns);
    }
    if (l->segment != LATHE_NO_SLOT) fprintf(w->f, " segment %" PRIu32, l->segment);
}

static void put_set_step(const printer *w, const lathe_step *s)
{
    bool bind = s->kind == LATHE_STEP_BIND;
    fprintf(w->f, "%s ", cg_step_kind_name(s->kind));
    for (uint32_t i = 0; i < s->ndims; i++) {
        if (i) fputs(", ", w->f);
        put_sym(w, s->a + i);
    }
    fputs(" = ", w->f);
    if (bind) put_buffer(w, w->p->u32s[s->args]);
    else put_slots(w, s->args, s->ndims);
}

static void put_copy_step(const printer *w, const lathe_step *s)
{
    fputs("copy ", w->f);
    put_buffer(w, w->p->u32s[s->args]);
    fputs(" -> ", w->f);
    put_buffer(w, w->p->u32s[s->args + 1]);
    fputs(" bytes ", w->f);
    put_slot(w, s->range);
}

static void put_step(const printer *w, const lathe_step *s)
{
    switch (s->kind) {
    case LATHE_STEP_KERNEL:
        put_kernel_step(w, s);
        break;
    case LATHE_STEP_CALL:
        put_call_step(w, s);
        break;
    case LATHE_STEP_SEGMENT:
        fprintf(w->f, "segment %" PRIu32, s->a);
        break;
    case LATHE_STEP_BIND:
    case LATHE_STEP_SET:
        put_set_step(w, s);
        break;
    case LATHE_STEP_IF:
        fputs("if ", w->f);
        put_buffer(w, w->p->u32s[s->args]);
        fprintf(w->f, " then %" PRIu32 " else %" PRIu32 " steps", s->a, s->b);
        break;
    case LATHE_STEP_LOOP:
        put_loop_step(w, &w->p->loops[s->a]);
        fprintf(w->f, " body %" PRIu32 " steps", s->b);
        break;
    case LATHE_STEP_COPY:
        put_copy_step(w, s);
        break;
    case LATHE_STEP_PAST:
        fputs("past", w->f);
        break;
    default:
        fputs("guard ", w->f);
        put_buffer(w, w->p->u32s[s->args]);
        fprintf(w->f, " \"%s\"", text_at(w, s->a));
    }
    put_node(w, s->node);
    fputc('\n', w->f);
}

/* closing[i]: bodies that end before step i. */
static void put_steps(const printer *w)
{
    const cg_program *p = w->p;
    uint32_t *closing = IR_NEW_N(p->arena, uint32_t, p->nsteps + 2), depth = 0;
    for (uint32_t i = 0; i < p->nsteps; i++) {
        const lathe_step *s = &p->steps[i];
        depth -= closing[i];
        fprintf(w->f, "%" PRIu32 ": %*s", i, (int)(2 * depth), "");
        put_step(w, s);
        if (s->kind != LATHE_STEP_IF && s->kind != LATHE_STEP_LOOP) continue;
        closing[i + 1 + (s->kind == LATHE_STEP_IF ? s->a : 0) + s->b]++;
        depth++;
    }
}

static void put_state(const printer *w, const lathe_state *s)
{
    const cg_program *p = w->p;
    fprintf(w->f, "state \"%s\" = \"%s\"", text_at(w, p->inputs[s->input].name),
            text_at(w, p->outputs[s->output].name));
    if (s->axis != LATHE_NO_SLOT) fprintf(w->f, " grows along axis %" PRIu32, s->axis);
    if (s->elem != p->inputs[s->input].elem)
        fprintf(w->f, " as %s in buffer %" PRIu32, ir_elem_name((ir_elem)s->elem), s->held);
    if (s->batch != LATHE_NO_SLOT) fprintf(w->f, ", sequences along axis %" PRIu32, s->batch);
    fputc('\n', w->f);
}

lathe_status cg_program_print(const cg_program *p, FILE *f)
{
    printer w = {.f = f, .p = p};
    find_users(&w);
    fprintf(f,
            "program \"%s\": %zu steps, %zu kernels, %zu buffers, %" PRIu64 " bytes of weights\n",
            p->name, p->nsteps, p->nkernels, p->nbufs, p->weights_size);
    put_syms(&w);
    for (uint32_t i = 0; i < p->ndims; i++) put_dim_op(&w, i);
    if (p->scratch_slot != LATHE_NO_SLOT) {
        fputs("scratch ", f);
        put_slot(&w, p->scratch_slot);
        fputs(" bytes a worker\n", f);
    }
    for (size_t i = 0; i < p->nguards; i++) put_guard(&w, &p->guards[i]);
    for (size_t i = 0; i < p->ninputs; i++) put_io(&w, "input", &p->inputs[i]);
    for (size_t i = 0; i < p->noutputs; i++) put_io(&w, "output", &p->outputs[i]);
    for (size_t i = 0; i < p->nstates; i++) put_state(&w, &p->states[i]);
    put_memory(&w);
    put_kernels(&w);
    put_steps(&w);
    return ferror(f) ? diag_add(p->g->diag, LATHE_IO, NULL, "the program cannot be written")
                     : LATHE_OK;
}
