/* One run: the steps in order.
 *
 * A kernel's rows are cut into chunks whose boundaries depend on sizes only, never on the number of
 * threads, so that results have the same bits for any pool. Nothing here allocates unless a size
 * has no bound. The first fault that a kernel reports ends the run after that kernel. */
#include <string.h>

#include "runtime/state.h"

/* ---- kernels ---- */

typedef struct region {
    lathe_kernel kernel;
    const lathe_args *args;
    int64_t rows, chunk_rows;
    char *scratch;
    uint64_t scratch_pitch;
    const atomic_uint *notices;
} region;

static void run_chunk(void *arg, int64_t chunk, int worker)
{
    const region *r = arg;
    if (atomic_load_explicit(r->notices, memory_order_relaxed) & RT_CANCELLED) return;
    lathe_args args = *r->args;
    args.scratch = r->scratch + r->scratch_pitch * (uint64_t)worker;
    int64_t begin = chunk * r->chunk_rows;
    int64_t end = r->rows - begin < r->chunk_rows ? r->rows : begin + r->chunk_rows;
    r->kernel(&args, begin, end, worker);
}

/* Rows of a chunk: enough work to pay for handing it out, and few enough chunks to balance well -
 * unless they took so long that a run could not be cancelled. */
static int64_t chunk_rows(const lathe_session *s, const lathe_step *st, int64_t rows)
{
    enum { GRAIN = 1 << 16, MOST = 64, LONG_BITS = 32 };
    int64_t work = rt_some(st->work) ? s->slots[st->work] : 0, total;
    if (work <= 0) return rows;
    if (__builtin_mul_overflow(work, rows, &total)) total = INT64_MAX;
    int64_t chunks = total / GRAIN;
    if (chunks > MOST) chunks = total >> LONG_BITS > MOST ? total >> LONG_BITS : MOST;
    if (chunks > rows) chunks = rows;
    return chunks > 1 ? (rows - 1) / chunks + 1 : rows;
}

/* Planned scratch is an estimate where its size is not monotone (bounds.c). */
static bool scratch_suffices(const lathe_session *s)
{
    uint32_t slot = s->v->t->scratch_slot;
    return !rt_some(slot) || s->slots[slot] <= (int64_t)s->scratch_pitch;
}

/* What a worker left behind for the next chunk of its kernel, see lathe_args, is of no other one.
 */
static void begin_scratch(const region *r, int workers)
{
    static const uint64_t nothing = 0;
    if (r->scratch_pitch < sizeof nothing) return;
    for (int i = 0; i < workers; i++)
        memcpy(r->scratch + r->scratch_pitch * (uint64_t)i, &nothing, sizeof nothing);
}

static lathe_status run_kernel(lathe_session *s, const lathe_step *st)
{
    const uint32_t *numbers = s->v->u32s + st->args;
    int64_t rows = rt_some(st->range) ? s->slots[st->range] : 1;
    if (rows <= 0) return LATHE_OK;
    if (!scratch_suffices(s))
        return rt_fail_node(s, LATHE_LIMIT, st->node, "too little scratch memory");
    for (uint32_t i = 0; i < st->nbufs; i++) s->args_buf[i] = s->stores[numbers[i]].data;
    for (uint32_t i = 0; i < st->ndims; i++) s->args_dim[i] = s->slots[numbers[st->nbufs + i]];
    lathe_args args = {.buf = s->args_buf,
                       .dim = s->args_dim,
                       .fault = &s->fault,
                       .node = rt_some(st->node) ? st->node + 1 : UINT32_MAX};
    region r = {.kernel = s->v->kernels[st->func],
                .args = &args,
                .rows = rows,
                .chunk_rows = chunk_rows(s, st, rows),
                .scratch = s->arena + s->memory.arena,
                .scratch_pitch = s->scratch_pitch,
                .notices = &s->notices};
    int64_t chunks = (rows - 1) / r.chunk_rows + 1;
    const lathe_threads *threads = &s->model->threads;
    bool many = threads->workers > 1 && chunks > 1;
    begin_scratch(&r, many ? threads->workers : 1);
    if (many) threads->parallel_for(threads->ctx, run_chunk, &r, chunks);
    else
        for (int64_t i = 0; i < chunks; i++) run_chunk(&r, i, 0);
    return s->fault.node ? rt_fail_fault(s) : LATHE_OK;
}

/* ---- calls ---- */

static void run_describe(lathe_session *s, const lathe_value *value, lathe_tensor *t)
{
    const rt_store *st = &s->stores[value->buffer];
    *t = (lathe_tensor){.data = st->data,
                        .size = (size_t)st->capacity,
                        .rank = (int32_t)value->rank,
                        .elem = (lathe_elem)value->elem};
    for (uint32_t i = 0; i < value->rank; i++) t->dims[i] = s->slots[s->v->u32s[value->dims + i]];
}

/* What the app's function sees has exact sizes, not capacities. */
static void trim(lathe_tensor *t)
{
    size_t count = 1;
    for (int32_t i = 0; i < t->rank; i++) count *= (size_t)t->dims[i];
    t->size = (count * rt_elem_bits(t->elem) + 7) / 8;
}

static lathe_status call_custom(lathe_session *s, const lathe_step *st, const lathe_call *call)
{
    const lathe_custom *custom = s->model->custom[st->a];
    for (uint32_t i = 0; i < st->nbufs; i++) trim(&s->call_tensors[i]);
    const lathe_custom_call c = {.in = call->in,
                                 .out = call->out,
                                 .nin = call->nin,
                                 .nout = call->nout,
                                 .attributes = rt_string(s->v, s->v->calls[st->a].attributes),
                                 .message = call->message,
                                 .message_size = 256,
                                 .ctx = custom->ctx};
    return custom->func(&c);
}

static lathe_status run_call(lathe_session *s, const lathe_step *st)
{
    const rt_view *v = s->v;
    const lathe_call_info *info = &v->calls[st->a];
    const uint32_t *numbers = v->u32s + st->args;
    lathe_status status = LATHE_OK;
    for (uint32_t i = 0; i < info->nsyms; i++) s->known[v->u32s[info->syms + i]] = false;
    for (uint32_t i = info->nin; i < st->nbufs && !status; i++)
        status = rt_room_bound(s, v->values[numbers[i]].buffer);
    if (status) return status;
    for (uint32_t i = 0; i < st->nbufs; i++)
        run_describe(s, &v->values[numbers[i]], &s->call_tensors[i]);
    char message[256] = "";
    lathe_call call = {.in = s->call_tensors,
                       .out = s->call_tensors + info->nin,
                       .ints = v->i64s + info->ints,
                       .floats = v->f64s + info->floats,
                       .syms = s->call_syms,
                       .nin = (int32_t)info->nin,
                       .nout = (int32_t)info->nout,
                       .nints = (int32_t)info->nints,
                       .nfloats = (int32_t)info->nfloats,
                       .nsyms = (int32_t)info->nsyms,
                       .message = message,
                       .random = &s->random,
                       .pages = &s->pages};
    memset(s->call_syms, 0, info->nsyms * sizeof *s->call_syms);
    status = info->custom ? call_custom(s, st, &call) : v->desc->funcs[st->func](&call);
    if (status) return rt_fail_node(s, status, st->node, "%.255s", message);
    for (uint32_t i = 0; i < info->nsyms && !status; i++)
        status = rt_set_symbol(s, v->u32s[info->syms + i], s->call_syms[i], st->node);
    return status;
}

/* ---- the other steps ---- */

static lathe_status run_bind(lathe_session *s, const lathe_step *st)
{
    const rt_store *from = &s->stores[s->v->u32s[st->args]];
    if (from->capacity / sizeof(int64_t) < st->ndims)
        return rt_fail_node(s, LATHE_INTERNAL, st->node, "%u sizes are read from %llu bytes",
                            (unsigned)st->ndims, (unsigned long long)from->capacity);
    lathe_status status = LATHE_OK;
    for (uint32_t i = 0; i < st->ndims && !status; i++) {
        int64_t value;
        memcpy(&value, from->data + i * sizeof value, sizeof value);
        status = rt_set_symbol(s, st->a + i, value, st->node);
    }
    return status;
}

static lathe_status run_set(lathe_session *s, const lathe_step *st)
{
    lathe_status status = LATHE_OK;
    for (uint32_t i = 0; i < st->ndims && !status; i++)
        status = rt_set_symbol(s, st->a + i, s->slots[s->v->u32s[st->args + i]], st->node);
    return status;
}

static lathe_status run_copy(lathe_session *s, const lathe_step *st)
{
    uint32_t from = s->v->u32s[st->args], to = s->v->u32s[st->args + 1];
    int64_t bytes = s->slots[st->range];
    lathe_status status = rt_room(s, to, bytes);
    if (!status && (uint64_t)bytes > s->stores[from].capacity)
        status = rt_fail_node(s, LATHE_INTERNAL, st->node, "copies more than there is");
    if (!status && bytes) memmove(s->stores[to].data, s->stores[from].data, (size_t)bytes);
    return status;
}

static lathe_status run_if(lathe_session *s, const lathe_step *st, uint32_t body)
{
    bool taken = *s->stores[s->v->u32s[st->args]].data != 0;
    return taken ? rt_steps(s, body, body + st->a)
                 : rt_steps(s, body + st->a, body + st->a + st->b);
}

static lathe_status run_guard(lathe_session *s, const lathe_step *st)
{
    if (*s->stores[s->v->u32s[st->args]].data) return LATHE_OK;
    return rt_fail_node(s, LATHE_BAD_VALUE, st->node, "%s", rt_string(s->v, st->a));
}

static lathe_status run_step(lathe_session *s, const lathe_step *st, uint32_t body)
{
    switch (st->kind) {
    case LATHE_STEP_KERNEL:
        return run_kernel(s, st);
    case LATHE_STEP_CALL:
        return run_call(s, st);
    case LATHE_STEP_SEGMENT:
        return rt_segment(s, st->a);
    case LATHE_STEP_BIND:
        return run_bind(s, st);
    case LATHE_STEP_SET:
        return run_set(s, st);
    case LATHE_STEP_COPY:
        return run_copy(s, st);
    case LATHE_STEP_IF:
        return run_if(s, st, body);
    case LATHE_STEP_GUARD:
        return run_guard(s, st);
    case LATHE_STEP_PAST:
        return LATHE_OK;
    default:
        return rt_loop(s, st, body);
    }
}

lathe_status rt_cancelled(lathe_session *s)
{
    return atomic_load_explicit(&s->notices, memory_order_relaxed) & RT_CANCELLED
               ? rt_fail(&s->text, LATHE_CANCELLED, "the run was cancelled")
               : LATHE_OK;
}

/* A step before which there is something to look at. */
static lathe_status noticed_step(lathe_session *s, const lathe_step *st, uint32_t body)
{
    lathe_status status = rt_cancelled(s);
    if (status) return status;
    rt_watch_begin(s, st);
    status = run_step(s, st, body);
    s->watch.end(s->watch.ctx);
    return status;
}

lathe_status rt_steps(lathe_session *s, uint32_t begin, uint32_t end)
{
    for (uint32_t at = begin; at < end;) {
        const lathe_step *st = &s->v->steps[at++];
        lathe_status status = atomic_load_explicit(&s->notices, memory_order_relaxed)
                                  ? noticed_step(s, st, at)
                                  : run_step(s, st, at);
        if (status) return status;
        if (st->kind == LATHE_STEP_PAST && s->owns) at++;
        if (st->kind == LATHE_STEP_IF) at += st->a + st->b;
        if (st->kind == LATHE_STEP_LOOP) at += st->b;
    }
    return rt_cancelled(s);
}

static void poison(lathe_session *s)
{
    if (!(s->model->flags & LATHE_OPEN_POISON)) return;
    if (s->arena_size) memset(s->arena, 0xFF, s->arena_size);
    for (uint32_t i = 0; i < s->v->nbufs + s->v->noutputs; i++)
        if (s->stores[i].growing && s->stores[i].home_capacity)
            memset(s->stores[i].home, 0xFF, (size_t)s->stores[i].home_capacity);
}

static lathe_status run_with(lathe_session *s, const lathe_tensor *inputs, lathe_tensor *outputs,
                             bool owns)
{
    s->owns = owns;
    s->text.s[0] = 0;
    s->fault = (lathe_fault){0};
    rt_session_drop_pages(s);
    atomic_store_explicit(&s->notices, s->watch.begin ? RT_WATCHED : 0, memory_order_relaxed);
    lathe_status status = rt_bind(s, inputs, outputs);
    if (status) return status;
    poison(s);
    status = rt_steps(s, 0, s->v->nsteps);
    return status ? status : rt_finish(s, outputs);
}

lathe_status rt_run(lathe_session *s, const lathe_tensor *inputs, lathe_tensor *outputs)
{
    if (!s) return LATHE_BAD_INPUT;
    return rt_tell(&s->model->log, run_with(s, inputs, outputs, false), &s->text);
}

lathe_status rt_api_state_run(lathe_session *s, const lathe_tensor *inputs, lathe_tensor *outputs)
{
    if (!s) return LATHE_BAD_INPUT;
    lathe_status status = rt_state_count(s)
                              ? run_with(s, inputs, outputs, true)
                              : rt_fail(&s->text, LATHE_UNSUPPORTED, "the model has no state");
    return rt_tell(&s->model->log, status, &s->text);
}
