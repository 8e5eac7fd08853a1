/* Sessions: the state of one caller. Everything but planned memory is one allocation, made here, or
 * the front of a block that the app gives, behind which the planned memory then lies. */
#include <string.h>

#include "runtime/state.h"

/* Takes n elements off a block at *at; with a NULL base only the size is counted. */
static void *carve(char *base, size_t *at, size_t n, size_t size)
{
    size_t begin = *at;
    *at = (begin + n * size + 15) / 16 * 16;
    return base ? base + begin : NULL;
}

static uint32_t most_call_syms(const rt_view *v)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < v->t->calls.count; i++)
        if (v->calls[i].nsyms > most) most = v->calls[i].nsyms;
    return most;
}

static size_t lay_out(lathe_session *s, const rt_view *v, char *base)
{
    size_t at = 0, stores = (size_t)v->nbufs + v->noutputs;
    carve(base, &at, 1, sizeof *s);
    s->maxima = carve(base, &at, v->t->n_free, sizeof *s->maxima);
    s->syms = carve(base, &at, v->nsyms, sizeof *s->syms);
    s->slots = carve(base, &at, v->ndims, sizeof *s->slots);
    s->known = carve(base, &at, v->nsyms, sizeof *s->known);
    s->sym_range = carve(base, &at, v->nsyms, sizeof *s->sym_range);
    s->slot_range = carve(base, &at, v->ndims, sizeof *s->slot_range);
    s->corner_range = carve(base, &at, v->ndims, sizeof *s->corner_range);
    s->corner_most = carve(base, &at, v->ndims, sizeof *s->corner_most);
    s->stores = carve(base, &at, stores, sizeof *s->stores);
    s->args_buf = carve(base, &at, v->t->max_bufs, sizeof *s->args_buf);
    s->args_dim = carve(base, &at, v->t->max_dims, sizeof *s->args_dim);
    s->call_tensors = carve(base, &at, v->t->max_bufs, sizeof *s->call_tensors);
    s->call_syms = carve(base, &at, most_call_syms(v), sizeof *s->call_syms);
    s->states = carve(base, &at, v->t->states.count, sizeof *s->states);
    s->state_data = carve(base, &at, v->t->states.count, sizeof *s->state_data);
    s->state_dims = carve(base, &at, v->t->states.count, sizeof *s->state_dims);
    s->input_state = carve(base, &at, v->ninputs, sizeof *s->input_state);
    s->output_state = carve(base, &at, v->noutputs, sizeof *s->output_state);
    return at;
}

static lathe_status set_maxima(lathe_session *s, const int64_t *maxima, bool raise)
{
    const rt_view *v = s->v;
    for (uint32_t i = 0; i < v->t->n_free; i++)
        if (maxima[i] < v->syms[i].lo)
            return rt_fail(
                &s->text, LATHE_BAD_DIMS, "maximum of '%.200s' is %lld, expected at least %lld",
                rt_string(v, v->syms[i].name), (long long)maxima[i], (long long)v->syms[i].lo);
    for (uint32_t i = 0; i < v->t->n_free; i++) {
        int64_t max = maxima[i] < v->syms[i].hi ? maxima[i] : v->syms[i].hi;
        if (!raise || max > s->maxima[i]) s->maxima[i] = max;
    }
    return LATHE_OK;
}

static size_t session_size(const lathe_model *m)
{
    lathe_session sizes;
    return (lay_out(&sizes, &m->v, NULL) + RT_ALIGN - 1) / RT_ALIGN * RT_ALIGN;
}

static void number_states(lathe_session *s)
{
    const rt_view *v = s->v;
    for (uint32_t i = 0; i < v->ninputs; i++) s->input_state[i] = LATHE_NO_SLOT;
    for (uint32_t i = 0; i < v->noutputs; i++) s->output_state[i] = LATHE_NO_SLOT;
    for (uint32_t i = 0; i < v->t->states.count; i++) {
        s->input_state[v->states[i].input] = i;
        s->output_state[v->states[i].output] = i;
    }
}

static lathe_session *session_make(lathe_model *m, void *block, size_t size)
{
    lathe_session *s = memset(block, 0, size);
    lay_out(s, &m->v, (char *)s);
    s->rt = m->rt;
    s->model = m;
    s->v = &m->v;
    number_states(s);
    s->pages.allocator = &m->allocator;
    s->size = size;
    return s;
}

static lathe_status plan(lathe_session *s, const int64_t *maxima)
{
    lathe_status status = maxima ? set_maxima(s, maxima, false) : LATHE_OK;
    return status == LATHE_OK && !s->grows ? rt_plan(s) : status;
}

/* A session in memory of the allocator. */
static lathe_status allocate(lathe_model *m, const int64_t *maxima, lathe_session **session,
                             rt_text *text)
{
    size_t size = session_size(m);
    void *block = rt_alloc(m, size);
    if (!block) return rt_fail(text, LATHE_OUT_OF_MEMORY, "no memory for the session");
    lathe_session *s = session_make(m, block, size);
    s->grows = !maxima && m->v.t->n_free;
    lathe_status status = plan(s, maxima);
    *text = s->text;
    if (status != LATHE_OK) rt_session_free(s);
    else *session = s;
    return status;
}

/* What a session takes: a plan without memory fails after it has been made. */
static lathe_status measure(lathe_model *m, const int64_t *maxima, size_t *needed, rt_text *text)
{
    size_t size = session_size(m);
    void *block = rt_alloc(m, size);
    if (!block) return rt_fail(text, LATHE_OUT_OF_MEMORY, "no memory for planning");
    lathe_session *s = session_make(m, block, size);
    s->in_block = true;
    lathe_status status = plan(s, maxima);
    *text = s->text;
    *needed = size + (size_t)(s->memory.arena + s->memory.scratch);
    rt_unplan(s);
    rt_free(m, block, size);
    return status == LATHE_BUFFER_TOO_SMALL ? LATHE_OK : status;
}

/* A session in the app's memory, or its size. */
static lathe_status session_place(lathe_model *m, const int64_t *maxima, lathe_buffer *memory,
                                  lathe_session **session, rt_text *text)
{
    size_t needed = 0, size = session_size(m), given = memory->size;
    if (!maxima && m->v.t->n_free) return rt_fail(text, LATHE_BAD_INPUT, "maxima is NULL");
    if ((uintptr_t)memory->data % RT_ALIGN)
        return rt_fail(text, LATHE_BAD_INPUT, "the session's memory is not aligned to %u bytes",
                       RT_ALIGN);
    lathe_status status = measure(m, maxima, &needed, text);
    if (status == LATHE_OK) memory->size = needed;
    if (status != LATHE_OK || !memory->data) return status;
    if (given < needed)
        return rt_fail(text, LATHE_BUFFER_TOO_SMALL, "the session needs %zu bytes, %zu are given",
                       needed, given);
    lathe_session *s = session_make(m, memory->data, size);
    s->in_block = true;
    s->arena = (char *)memory->data + size;
    s->arena_size = given - size;
    status = plan(s, maxima);
    *text = s->text;
    if (status == LATHE_OK) *session = s;
    return status;
}

lathe_status rt_session_new(lathe_model *m, const int64_t *maxima, lathe_buffer *memory,
                            lathe_session **session)
{
    if (session) *session = NULL;
    if (!m || !session) return LATHE_BAD_INPUT;
    rt_text text = {{0}};
    lathe_status status = memory ? session_place(m, maxima, memory, session, &text)
                                 : allocate(m, maxima, session, &text);
    return rt_tell(&m->log, status, &text);
}

void rt_session_drop_pages(lathe_session *s)
{
    for (lathe_page *page = s->pages.first, *next; page; page = next) {
        next = page->next;
        rt_free(s->model, page, sizeof *page + page->size);
    }
    s->pages.first = NULL;
}

void rt_session_free(lathe_session *s)
{
    if (!s) return;
    bool allocated = !s->in_block;
    rt_session_drop_pages(s);
    if (rt_states(s)) rt_states(s)->free(s);
    rt_unplan(s);
    if (allocated) rt_free(s->model, s, s->size);
}

/* A plan that cannot be had leaves the old maxima in force. */
static lathe_status session_reserve(lathe_session *s, const int64_t *maxima)
{
    s->text.s[0] = 0;
    if (!maxima && s->v->t->n_free) return rt_fail(&s->text, LATHE_BAD_INPUT, "maxima is NULL");
    int64_t *old = s->syms; /* free until the next run */
    memcpy(old, s->maxima, s->v->t->n_free * sizeof *old);
    lathe_status status = set_maxima(s, maxima, true);
    if (status != LATHE_OK) return status;
    bool was_planned = s->planned;
    status = rt_plan(s);
    if (status == LATHE_OK) return status;
    rt_text reason = s->text;
    memcpy(s->maxima, old, s->v->t->n_free * sizeof *old);
    if (was_planned) rt_plan(s);
    s->text = reason;
    return status;
}

lathe_status rt_session_reserve(lathe_session *s, const int64_t *maxima)
{
    return s ? rt_tell(&s->model->log, session_reserve(s, maxima), &s->text) : LATHE_BAD_INPUT;
}

lathe_status rt_session_memory(const lathe_session *s, lathe_memory *memory)
{
    if (!s || !memory) return LATHE_BAD_INPUT;
    *memory = s->memory;
    memory->weights = s->v->t->weights_size;
    for (uint32_t i = 0; i < s->v->nbufs + s->v->noutputs; i++)
        if (s->stores[i].growing) memory->arena += s->stores[i].home_capacity;
    memory->states = s->rows.size + s->next_rows.size;
    for (uint32_t i = 0; i < s->v->t->states.count; i++)
        if (!rt_some(s->v->states[i].axis))
            memory->states += s->states[i].now.size + s->states[i].next.size;
    return LATHE_OK;
}

const char *rt_session_message(const lathe_session *s) { return s ? s->text.s : "no session"; }

void rt_session_cancel(lathe_session *s)
{
    if (s) atomic_fetch_or_explicit(&s->notices, RT_CANCELLED, memory_order_relaxed);
}

lathe_status rt_session_seed(lathe_session *s, uint64_t seed)
{
    if (!s) return LATHE_BAD_INPUT;
    s->random = (lathe_random){.seed = seed};
    return LATHE_OK;
}
