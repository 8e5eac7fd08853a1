/* The caller's tensors: inputs checked against the model, outputs given a place, results described.
 *
 * Symbols are read off the inputs' dims first; then segment 0 is computed and every dim is compared
 * with its slot, so that a repeated symbol and a derived dim are checked by the same rule. An
 * output is written in place if the caller's memory is large enough for all that the run might
 * produce; otherwise the session's memory takes it, and it is copied at the end.
 *
 * Tensors of an earlier run point into the session's own memory, which this run overwrites or even
 * frees: that is looked at before anything is planned. As an output such a tensor means what it
 * meant then, the session's memory; as an input it is refused. */
#include <stdio.h>
#include <string.h>

#include "runtime/state.h"

static lathe_status fail_input(lathe_session *s, uint32_t i, lathe_status status, const char *what)
{
    char reason[160];
    snprintf(reason, sizeof reason, "%s", what);
    return rt_fail(&s->text, status, "input %u '%.200s': %s", (unsigned)i,
                   rt_string(s->v, s->v->inputs[i].name), reason);
}

static lathe_status fail_dim(lathe_session *s, uint32_t i, uint32_t axis, int64_t is,
                             const char *relation, int64_t expected)
{
    const lathe_io *io = &s->v->inputs[i];
    const char *text = rt_slot_text(s->v, s->v->u32s[io->dims + axis]);
    return rt_fail(&s->text, LATHE_BAD_DIMS, "input %u '%.200s': dim %u is %lld, %s %lld%s%.120s%s",
                   (unsigned)i, rt_string(s->v, io->name), (unsigned)axis, (long long)is, relation,
                   (long long)expected, *text ? " (" : "", text, *text ? ")" : "");
}

static lathe_status fail_output(lathe_session *s, uint32_t i, lathe_status status, const char *what)
{
    return rt_fail(&s->text, status, "output %u '%.200s': %s", (unsigned)i,
                   rt_string(s->v, s->v->outputs[i].name), what);
}

/* ---- whose memory ---- */

static bool has_own_buffer(const rt_view *v, uint32_t output)
{
    const lathe_buf *b = &v->bufs[v->outputs[output].buffer];
    return b->kind == LATHE_BUF_OUTPUT && b->index == output;
}

static rt_store *output_store(const lathe_session *s, uint32_t i)
{
    return &s->stores[has_own_buffer(s->v, i) ? s->v->outputs[i].buffer : s->v->nbufs + i];
}

/* Without sums that could wrap: sizes are what the caller says. */
static bool overlap(const void *a, size_t na, const void *b, size_t nb)
{
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return na && nb && (x < y ? y - x < na : x - y < nb);
}

static bool is_own(const lathe_session *s, const void *data, size_t n)
{
    if (overlap(data, n, s, s->size) || overlap(data, n, s->arena, s->arena_size)) return true;
    if (overlap(data, n, s->rows.data, (size_t)s->rows.size) ||
        overlap(data, n, s->next_rows.data, (size_t)s->next_rows.size))
        return true;
    for (uint32_t i = 0; i < rt_state_count(s); i++)
        if (!rt_state_grows(s, i) &&
            (overlap(data, n, s->states[i].now.data, (size_t)s->states[i].now.size) ||
             overlap(data, n, s->states[i].next.data, (size_t)s->states[i].next.size)))
            return true;
    for (uint32_t i = 0; i < s->v->nbufs + s->v->noutputs; i++) {
        const rt_store *st = &s->stores[i];
        if (st->growing && overlap(data, n, st->home, (size_t)st->home_capacity)) return true;
    }
    return false;
}

static lathe_status fail_own_output(lathe_session *s, uint32_t i)
{
    return fail_output(s, i, LATHE_BAD_INPUT,
                       "lies in the session's own memory: NULL asks for that");
}

/* An output of no bytes was left pointing to rt_pad. */
static lathe_status release_outputs(lathe_session *s, lathe_tensor *outputs)
{
    for (uint32_t i = 0; i < s->v->noutputs; i++) {
        lathe_tensor *out = &outputs[i];
        const rt_store *st = output_store(s, i);
        if (rt_owns_output(s, i)) continue;
        if (out->data != rt_pad && !is_own(s, out->data, 1)) continue;
        if (out->data != rt_pad && out->data != st->home && out->data != st->data)
            return fail_own_output(s, i);
        out->data = NULL;
        out->size = 0;
    }
    return LATHE_OK;
}

/* ---- symbols ---- */

static lathe_status bind_dim(lathe_session *s, uint32_t i, uint32_t axis, int64_t is)
{
    const rt_view *v = s->v;
    const lathe_dim_op *op = &v->dims[v->u32s[v->inputs[i].dims + axis]];
    if (is < 0) return fail_dim(s, i, axis, is, "expected at least", 0);
    if (op->op != LATHE_DIM_SYM || op->a >= v->t->n_free || s->known[op->a]) return LATHE_OK;
    const lathe_sym *sym = &v->syms[op->a];
    if (is < sym->lo) return fail_dim(s, i, axis, is, "expected at least", sym->lo);
    if (is > sym->hi) return fail_dim(s, i, axis, is, "expected at most", sym->hi);
    if (!s->grows && is > s->maxima[op->a])
        return fail_dim(s, i, axis, is, "above the session's maximum", s->maxima[op->a]);
    s->syms[op->a] = is;
    s->known[op->a] = true;
    return LATHE_OK;
}

static lathe_status bind_input(lathe_session *s, uint32_t i, const lathe_tensor *in)
{
    const lathe_io *io = &s->v->inputs[i];
    char what[128];
    if ((uint32_t)in->elem != io->elem) {
        snprintf(what, sizeof what, "element type is %s, expected %s",
                 rt_elem_name((uint32_t)in->elem), rt_elem_name(io->elem));
        return fail_input(s, i, LATHE_BAD_INPUT, what);
    }
    if (in->rank < 0 || (uint32_t)in->rank != io->rank) {
        snprintf(what, sizeof what, "rank is %d, expected %u", (int)in->rank, (unsigned)io->rank);
        return fail_input(s, i, LATHE_BAD_DIMS, what);
    }
    for (uint32_t axis = 0; axis < io->rank; axis++) {
        lathe_status status = bind_dim(s, i, axis, in->dims[axis]);
        if (status != LATHE_OK) return status;
    }
    return LATHE_OK;
}

/* By a quarter at least, so that a size which grows by one a run is not planned every time. */
static lathe_status raise_maxima(lathe_session *s)
{
    uint32_t n_free = s->v->t->n_free;
    bool raised = !s->planned;
    for (uint32_t i = 0; i < n_free; i++) {
        int64_t *max = &s->maxima[i], more;
        if (s->syms[i] <= *max) continue;
        if (__builtin_add_overflow(*max, *max / 4, &more) || more > s->v->syms[i].hi)
            more = s->v->syms[i].hi;
        *max = *max && more > s->syms[i] ? more : s->syms[i];
        raised = true;
    }
    lathe_status status = raised ? rt_plan(s) : LATHE_OK;
    /* Sizes that memory cannot hold must not burden the runs to come. */
    if (status && s->grows) memset(s->maxima, 0, n_free * sizeof *s->maxima);
    return status;
}

/* ---- inputs ---- */

static bool io_bytes_of(const lathe_io *io, const int64_t *dims, int64_t *bytes)
{
    int64_t bits = (int64_t)rt_elem_bits(io->elem);
    bool empty = false;
    for (uint32_t i = 0; i < io->rank; i++) empty |= dims[i] == 0;
    for (uint32_t i = 0; i < io->rank && !empty; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(bits, dims[i], &bits)) return false;
    *bytes = empty ? 0 : bits / 8 + (bits % 8 != 0);
    return true;
}

static lathe_status check_input(lathe_session *s, uint32_t i, const lathe_tensor *in)
{
    const lathe_io *io = &s->v->inputs[i];
    for (uint32_t axis = 0; axis < io->rank; axis++) {
        int64_t expected = s->slots[s->v->u32s[io->dims + axis]];
        if (in->dims[axis] != expected)
            return fail_dim(s, i, axis, in->dims[axis], "expected", expected);
    }
    int64_t bytes;
    char what[128];
    if (!io_bytes_of(io, in->dims, &bytes))
        return fail_input(s, i, LATHE_BAD_DIMS, "too many elements");
    if (in->size < (uint64_t)bytes) {
        snprintf(what, sizeof what, "%zu bytes, expected %lld", in->size, (long long)bytes);
        return fail_input(s, i, LATHE_BUFFER_TOO_SMALL, what);
    }
    if (bytes && !in->data) return fail_input(s, i, LATHE_BAD_INPUT, "data is NULL");
    if ((uintptr_t)in->data % rt_elem_align(io->elem))
        return fail_input(s, i, LATHE_BAD_INPUT, "data is not aligned to its elements");
    return LATHE_OK;
}

/* Before anything is planned; what is wrong with the size otherwise, check_input says. */
static lathe_status check_foreign(lathe_session *s, uint32_t i, const lathe_tensor *in)
{
    int64_t bytes;
    if (!io_bytes_of(&s->v->inputs[i], in->dims, &bytes) || (uint64_t)bytes > in->size ||
        !is_own(s, in->data, (size_t)bytes))
        return LATHE_OK;
    return fail_input(s, i, LATHE_BAD_INPUT,
                      "lies in the session's own memory, which a run overwrites: copy it, or give "
                      "the output that it was memory of the app");
}

/* Capacities are checked when the dims are known: until then an input counts as large enough. */
static void point_inputs(lathe_session *s, const lathe_tensor *inputs, bool sizes_known)
{
    const rt_view *v = s->v;
    for (uint32_t i = 0; i < v->nbufs; i++) {
        if (v->bufs[i].kind != LATHE_BUF_INPUT || rt_owns_input(s, v->bufs[i].index)) continue;
        const lathe_tensor *in = &inputs[v->bufs[i].index];
        s->stores[i].data = in->data && in->size ? in->data : (char *)(uintptr_t)rt_pad;
        s->stores[i].capacity = sizes_known ? in->size : UINT64_MAX;
    }
}

/* The sizes of the run say how much room its states need, and that room is a size of the run. */
static lathe_status bind_states(lathe_session *s)
{
    bool again = false;
    rt_states(s)->point(s, false);
    lathe_status status = rt_segment(s, 0);
    if (!status) status = rt_states(s)->room(s, &again);
    if (!status && again) status = rt_segment(s, 0);
    rt_states(s)->point(s, true);
    return status;
}

static lathe_status bind_inputs(lathe_session *s, const lathe_tensor *inputs)
{
    lathe_status status = LATHE_OK;
    memset(s->known, 0, s->v->nsyms * sizeof *s->known);
    memset(s->slots, 0, s->v->ndims * sizeof *s->slots);
    if (s->owns) status = rt_states(s)->bind(s);
    for (uint32_t i = 0; i < s->v->ninputs && !status; i++) {
        if (rt_owns_input(s, i)) continue;
        status = bind_input(s, i, &inputs[i]);
        if (!status) status = check_foreign(s, i, &inputs[i]);
    }
    if (!status && (s->grows || !s->planned)) status = raise_maxima(s);
    if (status) return status;
    for (uint32_t i = 0; i < s->v->nbufs + s->v->noutputs; i++) {
        s->stores[i].data = s->stores[i].home;
        s->stores[i].capacity = s->stores[i].home_capacity;
    }
    point_inputs(s, inputs, false);
    status = s->owns ? bind_states(s) : rt_segment(s, 0);
    for (uint32_t i = 0; i < s->v->ninputs && !status; i++)
        if (!rt_owns_input(s, i)) status = check_input(s, i, &inputs[i]);
    point_inputs(s, inputs, true);
    return status;
}

/* ---- outputs ---- */

static lathe_status fail_small(lathe_session *s, uint32_t i, size_t has, int64_t needs)
{
    char what[96];
    snprintf(what, sizeof what, "%zu bytes, %lld are needed", has, (long long)needs);
    return fail_output(s, i, LATHE_BUFFER_TOO_SMALL, what);
}

/* Bytes that the run may write to the caller's memory. */
static size_t extent(const lathe_session *s, uint32_t i, const lathe_tensor *out)
{
    const rt_store *st = output_store(s, i);
    return st->growing || out->size < st->home_capacity ? out->size : (size_t)st->home_capacity;
}

static lathe_status check_overlap(lathe_session *s, uint32_t i, const lathe_tensor *inputs,
                                  const lathe_tensor *outputs)
{
    size_t n = extent(s, i, &outputs[i]);
    char what[64];
    if (is_own(s, outputs[i].data, n)) return fail_own_output(s, i);
    for (uint32_t k = 0; k < s->v->ninputs; k++) {
        int64_t bytes = 0;
        if (rt_owns_input(s, k)) continue;
        io_bytes_of(&s->v->inputs[k], inputs[k].dims, &bytes);
        if (!overlap(outputs[i].data, n, inputs[k].data, (size_t)bytes)) continue;
        snprintf(what, sizeof what, "overlaps input %u", (unsigned)k);
        return fail_output(s, i, LATHE_BAD_INPUT, what);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (!outputs[k].data || rt_owns_output(s, k) ||
            !overlap(outputs[i].data, n, outputs[k].data, extent(s, k, &outputs[k])))
            continue;
        snprintf(what, sizeof what, "overlaps output %u", (unsigned)k);
        return fail_output(s, i, LATHE_BAD_INPUT, what);
    }
    return LATHE_OK;
}

static lathe_status bind_output(lathe_session *s, uint32_t i, const lathe_tensor *out)
{
    const rt_view *v = s->v;
    if ((uintptr_t)out->data % rt_elem_align(v->outputs[i].elem))
        return fail_output(s, i, LATHE_BAD_INPUT, "data is not aligned to its elements");
    if (!has_own_buffer(v, i)) return LATHE_OK;
    uint32_t buffer = v->outputs[i].buffer, bytes = v->bufs[buffer].bytes;
    rt_store *st = &s->stores[buffer];
    bool exact = v->dims[bytes].segment == 0;
    uint64_t needs = exact         ? (uint64_t)s->slots[bytes]
                     : st->growing ? UINT64_MAX
                                   : st->home_capacity;
    if (exact && out->size < needs) return fail_small(s, i, out->size, s->slots[bytes]);
    if (out->size < needs || !out->size) return LATHE_OK;
    st->data = out->data;
    st->capacity = out->size;
    return LATHE_OK;
}

lathe_status rt_bind(lathe_session *s, const lathe_tensor *inputs, lathe_tensor *outputs)
{
    if ((!inputs && s->v->ninputs) || (!outputs && s->v->noutputs))
        return rt_fail(&s->text, LATHE_BAD_INPUT, "inputs or outputs is NULL");
    lathe_status status = release_outputs(s, outputs);
    if (!status) status = bind_inputs(s, inputs);
    for (uint32_t i = 0; i < s->v->noutputs && !status; i++) {
        if (!outputs[i].data || rt_owns_output(s, i)) continue;
        status = check_overlap(s, i, inputs, outputs);
        if (!status) status = bind_output(s, i, &outputs[i]);
    }
    return status;
}

/* ---- results ---- */

static lathe_status io_finish(lathe_session *s, uint32_t i, lathe_tensor *out)
{
    const rt_view *v = s->v;
    const lathe_io *io = &v->outputs[i];
    int64_t bytes;
    out->rank = (int32_t)io->rank;
    out->elem = (lathe_elem)io->elem;
    for (uint32_t axis = 0; axis < io->rank; axis++)
        out->dims[axis] = s->slots[v->u32s[io->dims + axis]];
    if (!io_bytes_of(io, out->dims, &bytes))
        return fail_output(s, i, LATHE_BAD_DIMS, "a dim is negative");
    const rt_store *from = &s->stores[io->buffer];
    if ((uint64_t)bytes > from->capacity)
        return fail_output(s, i, LATHE_INTERNAL, "its dims contradict its memory");
    if (out->data && out->size < (uint64_t)bytes) return fail_small(s, i, out->size, bytes);
    if (!out->data) {
        rt_store *store = output_store(s, i);
        lathe_status status = rt_room(s, (uint32_t)(store - s->stores), bytes);
        if (status) return status;
        out->data = store->data;
    }
    if (out->data != from->data && bytes) memcpy(out->data, from->data, (size_t)bytes);
    out->size = (size_t)bytes;
    return LATHE_OK;
}

lathe_status rt_finish(lathe_session *s, lathe_tensor *outputs)
{
    lathe_status status = LATHE_OK;
    for (uint32_t i = 0; i < s->v->noutputs && !status; i++)
        if (!rt_owns_output(s, i)) status = io_finish(s, i, &outputs[i]);
    if (!status && s->owns) rt_states(s)->commit(s);
    return status;
}
