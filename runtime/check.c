/* A descriptor in, the guarantee out that every offset and number of its tables is in range.
 *
 * Two layers: rt_view_make places the tables inside the block, and is cheap enough for every query
 * of a model; rt_check looks at every entry, once, when a model is opened. What it promises: the
 * rest of the runtime indexes with numbers from the tables without another look. It does not
 * promise that the program is sensible; sizes are still compared where memory is touched. */
#include <string.h>

#include "runtime/rt.h"

static lathe_status bad(rt_text *text, const char *what, uint32_t index)
{
    return rt_fail(text, LATHE_MISMATCH, "the model's %s %u is damaged", what, (unsigned)index);
}

const char *rt_string(const rt_view *v, uint32_t offset)
{
    return offset < v->t->strings.count ? v->strings + offset : "";
}

const char *rt_slot_text(const rt_view *v, uint32_t slot)
{
    if (slot >= v->ndims) return "";
    const lathe_dim_op *op = &v->dims[slot];
    if (op->op == LATHE_DIM_SYM) return op->a < v->nsyms ? rt_string(v, v->syms[op->a].name) : "";
    if (op->op == LATHE_DIM_CONST) return "";
    return op->imm >= 0 && op->imm <= UINT32_MAX ? rt_string(v, (uint32_t)op->imm) : "";
}

/* ---- placing ---- */

static bool check_place(const lathe_tables *t, const lathe_span *span, size_t size,
                        const void **table)
{
    *table = (const char *)t + span->offset;
    if (!span->count) return true;
    size_t align = size > 8 || !size ? 8 : size; /* entries hold nothing wider than 8 bytes */
    if (size % 8 && size > 4) align = 4;
    return span->offset % align == 0 && span->offset <= t->size &&
           span->count <= (t->size - span->offset) / size;
}

static bool place_all(rt_view *v)
{
    const lathe_tables *t = v->t;
    const struct {
        const lathe_span *span;
        size_t size;
        const void **table;
    } all[] = {
#define TABLE(type, name) {&t->name, sizeof(type), (const void **)&v->name},
        TABLE(lathe_target, targets) TABLE(char, strings)
#include "runtime/tables.def"
#undef TABLE
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!check_place(t, all[i].span, all[i].size, all[i].table)) return false;
    return true;
}

lathe_status rt_view_make(const lathe_desc *desc, rt_view *v, rt_text *text)
{
    if (!desc || !desc->tables || desc->tables->magic != LATHE_MAGIC)
        return rt_fail(text, LATHE_MISMATCH, "this is no descriptor of a compiled model");
    const lathe_tables *t = desc->tables;
    if (t->abi_version != LATHE_ABI_VERSION)
        return rt_fail(text, LATHE_MISMATCH, "the model has ABI version %u, the runtime %u",
                       (unsigned)t->abi_version, LATHE_ABI_VERSION);
    *v = (rt_view){.desc = desc, .t = t};
    if (t->size < sizeof *t || !place_all(v) || !t->strings.count ||
        v->strings[t->strings.count - 1])
        return rt_fail(text, LATHE_MISMATCH, "the model's tables are damaged");
    v->ndims = t->dims.count;
    v->nsyms = t->syms.count;
    v->nguards = t->guards.count;
    v->ninputs = t->inputs.count;
    v->noutputs = t->outputs.count;
    v->nbufs = t->bufs.count;
    v->nsteps = t->steps.count;
    return LATHE_OK;
}

/* ---- entries ---- */

static bool slot_ok(const rt_view *v, uint32_t slot) { return slot < v->ndims; }
static bool slot_or_none(const rt_view *v, uint32_t slot)
{
    return !rt_some(slot) || slot_ok(v, slot);
}
static bool buf_ok(const rt_view *v, uint32_t buf) { return buf < v->nbufs; }
static bool buf_or_none(const rt_view *v, uint32_t buf) { return !rt_some(buf) || buf_ok(v, buf); }

static bool span_ok(uint32_t begin, uint64_t n, uint32_t size)
{
    return !n || (begin <= size && n <= size - begin);
}

/* n numbers from u32s, each below the limit. */
static bool list_ok(const rt_view *v, uint32_t begin, uint64_t n, uint32_t limit)
{
    if (!span_ok(begin, n, v->t->u32s.count)) return false;
    for (uint64_t i = 0; i < n; i++)
        if (v->u32s[begin + i] >= limit) return false;
    return true;
}

static bool node_ok(const rt_view *v, uint32_t node)
{
    uint32_t n = v->t->nodes.count;
    return !rt_some(node) || (node < n && v->nodes[node].more < n - node);
}

static lathe_status check_dims(const rt_view *v, rt_text *text)
{
    for (uint32_t i = 0; i < v->ndims; i++) {
        const lathe_dim_op *op = &v->dims[i];
        bool ok = op->op <= LATHE_DIM_CAPACITY && op->segment < v->t->n_segments;
        if (op->op == LATHE_DIM_SYM) ok = ok && op->a < v->nsyms;
        if (op->op > LATHE_DIM_SYM) ok = ok && op->a < i && op->b < i;
        if (!ok) return bad(text, "size", i);
    }
    return LATHE_OK;
}

static bool read_off_input(const rt_view *v, uint32_t sym)
{
    for (uint32_t i = 0; i < v->ninputs; i++)
        for (uint32_t d = 0; d < v->inputs[i].rank; d++) {
            const lathe_dim_op *op = &v->dims[v->u32s[v->inputs[i].dims + d]];
            if (op->op == LATHE_DIM_SYM && op->a == sym) return true;
        }
    return false;
}

static lathe_status check_syms(const rt_view *v, rt_text *text)
{
    if (v->t->n_free > v->nsyms) return bad(text, "symbol", v->t->n_free);
    for (uint32_t i = 0; i < v->nsyms; i++) {
        if (!slot_or_none(v, v->syms[i].bound_slot) || v->syms[i].lo > v->syms[i].hi)
            return bad(text, "symbol", i);
        if (i < v->t->n_free && !read_off_input(v, i)) return bad(text, "free symbol", i);
    }
    return LATHE_OK;
}

static lathe_status check_guards(const rt_view *v, rt_text *text)
{
    for (uint32_t i = 0; i < v->nguards; i++) {
        const lathe_guard *g = &v->guards[i];
        if (!slot_ok(v, g->a) || !slot_ok(v, g->b) || !node_ok(v, g->node) ||
            g->segment >= v->t->n_segments)
            return bad(text, "guard", i);
    }
    return LATHE_OK;
}

static bool shape_ok(const rt_view *v, uint32_t elem, uint32_t rank, uint32_t dims)
{
    return rank <= LATHE_MAX_RANK && rt_elem_bits(elem) && list_ok(v, dims, rank, v->ndims);
}

/* An input that nothing reads may have no buffer. */
static lathe_status check_io(const rt_view *v, rt_text *text)
{
    for (uint32_t i = 0; i < v->ninputs; i++) {
        const lathe_io *io = &v->inputs[i];
        if (!buf_or_none(v, io->buffer) || !shape_ok(v, io->elem, io->rank, io->dims))
            return bad(text, "input", i);
    }
    for (uint32_t i = 0; i < v->noutputs; i++) {
        const lathe_io *io = &v->outputs[i];
        if (!buf_ok(v, io->buffer) || !shape_ok(v, io->elem, io->rank, io->dims))
            return bad(text, "output", i);
    }
    return LATHE_OK;
}

static bool buffer_ok(const rt_view *v, uint32_t i)
{
    const lathe_buf *b = &v->bufs[i];
    switch (b->kind) {
    case LATHE_BUF_WEIGHT:
        return b->offset <= v->t->weights_size && b->size <= v->t->weights_size - b->offset;
    case LATHE_BUF_INPUT:
        return slot_ok(v, b->bytes) && b->index < v->ninputs;
    case LATHE_BUF_OUTPUT:
        return slot_ok(v, b->bytes) && b->index < v->noutputs && v->outputs[b->index].buffer == i;
    case LATHE_BUF_ARENA:
        return slot_ok(v, b->bytes) && b->first <= b->last;
    case LATHE_BUF_GROWING:
        return slot_ok(v, b->bytes);
    default:
        return false;
    }
}

static bool is_free_symbol(const rt_view *v, uint32_t slot)
{
    return v->dims[slot].op == LATHE_DIM_SYM && v->dims[slot].a < v->t->n_free;
}

/* Each input and output is of one state at most: they are numbered by it. */
static bool state_ok(const rt_view *v, uint32_t i)
{
    const lathe_state *s = &v->states[i];
    if (s->input >= v->ninputs || s->output >= v->noutputs) return false;
    const lathe_io *in = &v->inputs[s->input], *out = &v->outputs[s->output];
    const lathe_buf *b = &v->bufs[out->buffer];
    if (s->held >= v->nbufs) return false;
    bool own = s->held != out->buffer && v->bufs[s->held].kind == LATHE_BUF_ARENA &&
               !v->dims[v->bufs[s->held].bytes].segment;
    bool ok = in->elem == out->elem && in->rank == out->rank && rt_elem_bits(s->elem) &&
              !(rt_elem_bits(s->elem) % 8) && b->kind == LATHE_BUF_OUTPUT &&
              b->index == s->output &&
              (own ? rt_some(s->axis) : s->held == out->buffer && s->elem == in->elem) &&
              (!rt_some(s->axis) || s->axis < in->rank) &&
              (!rt_some(s->batch) || (s->batch < in->rank && s->batch != s->axis));
    for (uint32_t a = 0; ok && a < in->rank; a++) {
        uint32_t from = v->u32s[in->dims + a], to = v->u32s[out->dims + a];
        ok = !v->dims[from].segment && !v->dims[to].segment &&
             (a == s->axis ? is_free_symbol(v, from) : from == to);
    }
    for (uint32_t k = 0; ok && k < i; k++)
        ok = v->states[k].input != s->input && v->states[k].output != s->output;
    return ok;
}

static lathe_status check_states(const rt_view *v, rt_text *text)
{
    for (uint32_t i = 0; i < v->t->states.count; i++)
        if (!v->desc->states || !state_ok(v, i)) return bad(text, "state", i);
    return LATHE_OK;
}

static lathe_status check_bufs(const rt_view *v, rt_text *text)
{
    for (uint32_t i = 0; i < v->nbufs; i++)
        if (!buffer_ok(v, i)) return bad(text, "buffer", i);
    for (uint32_t i = 0; i < v->t->values.count; i++) {
        const lathe_value *value = &v->values[i];
        if (!buf_ok(v, value->buffer) || !shape_ok(v, value->elem, value->rank, value->dims))
            return bad(text, "value", i);
    }
    return LATHE_OK;
}

/* ---- steps ---- */

static bool writable(const rt_view *v, uint32_t buf)
{
    return v->bufs[buf].kind != LATHE_BUF_INPUT && v->bufs[buf].kind != LATHE_BUF_WEIGHT;
}

static bool results_writable(const rt_view *v, const lathe_step *st, uint32_t nin)
{
    for (uint32_t i = nin; i < st->nbufs; i++)
        if (!writable(v, v->values[v->u32s[st->args + i]].buffer)) return false;
    return true;
}

static bool call_ok(const rt_view *v, const lathe_step *st)
{
    if (st->a >= v->t->calls.count) return false;
    const lathe_call_info *c = &v->calls[st->a];
    return (c->custom || st->func < v->desc->n_funcs) && (uint64_t)c->nin + c->nout == st->nbufs &&
           st->nbufs <= v->t->max_bufs && list_ok(v, st->args, st->nbufs, v->t->values.count) &&
           results_writable(v, st, c->nin) && span_ok(c->ints, c->nints, v->t->i64s.count) &&
           span_ok(c->floats, c->nfloats, v->t->f64s.count) &&
           list_ok(v, c->syms, c->nsyms, v->nsyms);
}

static bool carried_ok(const rt_view *v, const lathe_loop *l)
{
    if (!span_ok(l->carried, 5ull * l->ncarried, v->t->u32s.count)) return false;
    const uint32_t *c = v->u32s + l->carried;
    for (uint32_t i = 0; i < l->ncarried; i++) {
        const uint32_t *e = c + 5 * (size_t)i;
        for (int k = 0; k < 5; k++)
            if (e[k] >= (k < 3 ? v->nbufs : v->ndims)) return false;
        if (!writable(v, e[1])) return false;
        for (uint32_t j = 0; j < l->ncarried; j++)
            if (j != i && e[2] == c[5 * (size_t)j + 1]) return false;
    }
    return true;
}

static bool triples_ok(const rt_view *v, uint32_t begin, uint32_t n, const uint32_t limits[3])
{
    if (!span_ok(begin, 3ull * n, v->t->u32s.count)) return false;
    for (size_t i = 0; i < 3 * (size_t)n; i++)
        if (v->u32s[begin + i] >= limits[i % 3]) return false;
    return true;
}

static bool loop_ok(const rt_view *v, const lathe_step *st)
{
    if (st->a >= v->t->loops.count) return false;
    const lathe_loop *l = &v->loops[st->a];
    const uint32_t sym_limits[3] = {v->nsyms, v->ndims, v->ndims};
    const uint32_t scan_limits[3] = {v->nbufs, v->nbufs, v->ndims};
    bool ok = buf_or_none(v, l->trip) && buf_or_none(v, l->cond) && buf_or_none(v, l->iter) &&
              buf_or_none(v, l->cond_param) && buf_or_none(v, l->cond_result) &&
              (!rt_some(l->iter) || writable(v, l->iter)) &&
              (!rt_some(l->cond_param) || writable(v, l->cond_param)) &&
              (!rt_some(l->turns) || l->turns < v->nsyms) &&
              (!rt_some(l->segment) || l->segment < v->t->n_segments) && carried_ok(v, l) &&
              triples_ok(v, l->syms, l->nsyms, sym_limits) &&
              triples_ok(v, l->scans, l->nscans, scan_limits);
    for (size_t i = 0; ok && i < l->nscans; i++) ok = writable(v, v->u32s[l->scans + 3 * i + 1]);
    return ok;
}

static bool step_ok(const rt_view *v, const lathe_step *st)
{
    if (!node_ok(v, st->node)) return false;
    switch (st->kind) {
    case LATHE_STEP_KERNEL:
        return st->func < v->desc->n_kernels / v->t->targets.count && st->nbufs <= v->t->max_bufs &&
               st->ndims <= v->t->max_dims && slot_or_none(v, st->range) &&
               slot_or_none(v, st->work) && (!st->a || slot_ok(v, st->a - 1)) &&
               list_ok(v, st->args, st->nbufs, v->nbufs) &&
               list_ok(v, st->args + st->nbufs, st->ndims, v->ndims);
    case LATHE_STEP_CALL:
        return call_ok(v, st);
    case LATHE_STEP_SEGMENT:
        return st->a < v->t->n_segments;
    case LATHE_STEP_BIND:
        return list_ok(v, st->args, 1, v->nbufs) && span_ok(st->a, st->ndims, v->nsyms);
    case LATHE_STEP_SET:
        return list_ok(v, st->args, st->ndims, v->ndims) && span_ok(st->a, st->ndims, v->nsyms);
    case LATHE_STEP_IF:
    case LATHE_STEP_GUARD:
        return list_ok(v, st->args, 1, v->nbufs);
    case LATHE_STEP_LOOP:
        return loop_ok(v, st);
    case LATHE_STEP_PAST:
        return st + 1 < v->steps + v->nsteps && st[1].kind == LATHE_STEP_KERNEL;
    case LATHE_STEP_COPY:
        return list_ok(v, st->args, 2, v->nbufs) && slot_ok(v, st->range) &&
               writable(v, v->u32s[st->args + 1]);
    default:
        return false;
    }
}

/* Bodies must end inside of the body that holds them: ends[] are those of the open bodies. */
static lathe_status check_steps(const rt_view *v, rt_text *text)
{
    uint32_t ends[RT_MAX_DEPTH], depth = 0;
    ends[0] = v->nsteps;
    for (uint32_t i = 0; i < v->nsteps; i++) {
        const lathe_step *st = &v->steps[i];
        if (!step_ok(v, st)) return bad(text, "step", i);
        while (depth && ends[depth] == i) depth--;
        if (st->kind != LATHE_STEP_IF && st->kind != LATHE_STEP_LOOP) continue;
        uint64_t first = st->kind == LATHE_STEP_IF ? st->a : 0, second = st->b;
        uint64_t end = i + 1 + first + second;
        if (end > ends[depth]) return bad(text, "step", i);
        uint64_t opened[2] = {end, i + 1 + first};
        for (int k = 0; k < 2; k++) {
            if (opened[k] == i + 1 || (k && opened[1] == end)) continue;
            if (++depth == RT_MAX_DEPTH)
                return rt_fail(text, LATHE_LIMIT, "the model nests more than %d bodies",
                               RT_MAX_DEPTH);
            ends[depth] = (uint32_t)opened[k];
        }
    }
    return LATHE_OK;
}

static lathe_status check_head(const rt_view *v, rt_text *text)
{
    enum { MAX_SEGMENTS = 1 << 20, MAX_ARGS = 1 << 24 };
    const lathe_tables *t = v->t;
    const lathe_desc *d = v->desc;
    if (!t->targets.count || d->n_kernels % t->targets.count || !t->n_segments ||
        t->n_segments > MAX_SEGMENTS || t->max_bufs > MAX_ARGS || t->max_dims > MAX_ARGS ||
        !slot_or_none(v, t->scratch_slot) || (d->n_kernels && !d->kernels) ||
        (d->n_funcs && !d->funcs))
        return rt_fail(text, LATHE_MISMATCH, "the model's header is damaged");
    for (uint32_t i = 0; i < d->n_kernels; i++)
        if (!d->kernels[i]) return bad(text, "kernel", i);
    for (uint32_t i = 0; i < d->n_funcs; i++)
        if (!d->funcs[i]) return bad(text, "function", i);
    return LATHE_OK;
}

lathe_status rt_check(const rt_view *v, rt_text *text)
{
    lathe_status s = check_head(v, text);
    if (s == LATHE_OK) s = check_dims(v, text);
    if (s == LATHE_OK) s = check_bufs(v, text);
    if (s == LATHE_OK) s = check_io(v, text);
    if (s == LATHE_OK) s = check_states(v, text);
    if (s == LATHE_OK) s = check_syms(v, text);
    if (s == LATHE_OK) s = check_guards(v, text);
    if (s == LATHE_OK) s = check_steps(v, text);
    return s;
}
