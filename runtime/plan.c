/* The memory of a session: every buffer's place, computed once for the session's maxima.
 *
 * bounds.c gives the largest size of each slot. Buffers of bounded size are placed in one block
 * (place.c); smaller runs use the same places, so a run plans nothing. An output is alive from the
 * step that writes it to the session's next run. A buffer without a bound, or one whose bound a run
 * exceeds, owns a block that grows. Behind the planned buffers lies the workers' scratch.
 */
#include <string.h>

#include "runtime/rt.h"

const char rt_pad[RT_ALIGN] __attribute__((aligned(RT_ALIGN)));

typedef struct layout {
    rt_item *items;
    rt_item **placed;
    uint64_t *live; /* by step */
    size_t nitems;
    uint64_t end;
} layout;

static uint64_t aligned(uint64_t size) { return (size + RT_ALIGN - 1) / RT_ALIGN * RT_ALIGN; }

/* ---- what is to be placed ---- */

/* The session's own memory serves an output whose data the caller leaves NULL. An output that has
 * no buffer of its own (it is an input, a weight or another output) gets an extra store. */
static uint32_t output_store(const rt_view *v, uint32_t output)
{
    const lathe_buf *b = &v->bufs[v->outputs[output].buffer];
    bool own = b->kind == LATHE_BUF_OUTPUT && b->index == output;
    return own ? v->outputs[output].buffer : v->nbufs + output;
}

static bool is_planned(const lathe_buf *b)
{
    return b->kind == LATHE_BUF_OUTPUT || b->kind == LATHE_BUF_ARENA ||
           b->kind == LATHE_BUF_GROWING;
}

static uint32_t clip(uint32_t step, uint32_t nsteps) { return step < nsteps ? step : nsteps; }

static void add_store(lathe_session *s, layout *l, uint32_t store, int64_t bytes, uint32_t first,
                      uint32_t last)
{
    rt_store *st = &s->stores[store];
    bool was_growing = st->growing;
    st->growing = bytes > RT_MAX_BYTES;
    if (was_growing && !st->growing) rt_free(s->model, st->home, (size_t)st->home_capacity);
    if (was_growing != st->growing) *st = (rt_store){.growing = st->growing};
    if (st->growing) {
        s->memory.kind = LATHE_MEMORY_UNBOUNDED;
        return;
    }
    st->home_capacity = bytes > 0 ? (uint64_t)bytes : 0;
    if (!st->home_capacity) return;
    l->items[l->nitems++] =
        (rt_item){.size = aligned(st->home_capacity), .first = first, .last = last, .store = store};
}

static void plan_collect(lathe_session *s, layout *l)
{
    const rt_view *v = s->v;
    s->memory.kind = LATHE_MEMORY_EXACT;
    for (uint32_t i = 0; i < v->nbufs; i++) {
        const lathe_buf *b = &v->bufs[i];
        if (!is_planned(b)) continue;
        bool arena = b->kind == LATHE_BUF_ARENA;
        if (v->dims[b->bytes].segment && s->memory.kind == LATHE_MEMORY_EXACT)
            s->memory.kind = LATHE_MEMORY_BOUND;
        int64_t bytes = b->kind == LATHE_BUF_GROWING ? INT64_MAX : s->slot_range[b->bytes].hi;
        add_store(s, l, i, bytes, clip(b->first, v->nsteps),
                  arena ? clip(b->last, v->nsteps) : v->nsteps);
    }
    for (uint32_t i = 0; i < v->noutputs; i++) {
        const lathe_buf *b = &v->bufs[v->outputs[i].buffer];
        if (output_store(v, i) < v->nbufs) continue;
        int64_t bytes = b->kind == LATHE_BUF_WEIGHT    ? (int64_t)b->size
                        : b->kind == LATHE_BUF_GROWING ? INT64_MAX
                                                       : s->slot_range[b->bytes].hi;
        add_store(s, l, v->nbufs + i, bytes, 0, v->nsteps);
    }
}
/* ---- the session's memory ---- */

static lathe_status plan_scratch(lathe_session *s)
{
    uint32_t slot = s->v->t->scratch_slot;
    int64_t bytes = rt_some(slot) ? s->slot_range[slot].hi : 0;
    if (bytes > RT_MAX_BYTES) return rt_fail(&s->text, LATHE_LIMIT, "scratch memory has no bound");
    s->scratch_pitch = bytes > 0 ? aligned((uint64_t)bytes) : 0;
    return LATHE_OK;
}

static lathe_status allocate(lathe_session *s, const layout *l)
{
    uint64_t scratch = 0, total = 0;
    if (__builtin_mul_overflow(s->scratch_pitch, (uint64_t)s->model->threads.workers, &scratch) ||
        __builtin_add_overflow(l->end, scratch, &total) || total > SIZE_MAX / 2)
        return rt_fail(&s->text, LATHE_LIMIT, "the memory plan is larger than the address space");
    s->memory.arena = l->end;
    s->memory.scratch = scratch;
    s->memory.lower_bound += scratch;
    if (s->in_block && total > s->arena_size)
        return rt_fail(&s->text, LATHE_BUFFER_TOO_SMALL,
                       "the plan needs %llu bytes, the session's memory has %zu left for it",
                       (unsigned long long)total, s->arena_size);
    if (total > s->arena_size) {
        rt_free(s->model, s->arena, s->arena_size);
        s->arena_size = 0;
        s->arena = rt_alloc(s->model, (size_t)total);
        if (!s->arena)
            return rt_fail(&s->text, LATHE_OUT_OF_MEMORY, "no memory for a plan of %llu bytes",
                           (unsigned long long)total);
        s->arena_size = (size_t)total;
    }
    for (size_t i = 0; i < l->nitems; i++)
        s->stores[l->items[i].store].home = s->arena + l->items[i].offset;
    return LATHE_OK;
}

static void point_home(lathe_session *s)
{
    const rt_view *v = s->v;
    for (uint32_t i = 0; i < v->nbufs + v->noutputs; i++) {
        rt_store *st = &s->stores[i];
        if (i < v->nbufs && v->bufs[i].kind == LATHE_BUF_WEIGHT) {
            st->home =
                v->bufs[i].size ? (char *)(uintptr_t)s->model->weights + v->bufs[i].offset : NULL;
            st->home_capacity = v->bufs[i].size;
        }
        if (!st->home_capacity) st->home = (char *)(uintptr_t)rt_pad;
        st->data = st->home;
        st->capacity = st->home_capacity;
    }
}

lathe_status rt_plan(lathe_session *s)
{
    const rt_view *v = s->v;
    size_t most = (size_t)v->nbufs + v->noutputs, steps = (size_t)v->nsteps + 2;
    size_t size = most * (sizeof(rt_item) + sizeof(rt_item *)) + steps * sizeof(uint64_t);
    char *block = rt_alloc(s->model, size);
    s->planned = false;
    if (!block) return rt_fail(&s->text, LATHE_OUT_OF_MEMORY, "no memory for planning");
    layout l = {.live = memset(block, 0, steps * sizeof(uint64_t))};
    l.items = (rt_item *)(l.live + steps);
    l.placed = (rt_item **)(l.items + most);
    rt_bounds(s);
    plan_collect(s, &l);
    l.end = rt_place(l.items, l.nitems, l.placed, l.live, v->nsteps, &s->memory.lower_bound);
    lathe_status status = plan_scratch(s);
    if (status == LATHE_OK) status = allocate(s, &l);
    if (status == LATHE_OK) point_home(s);
    rt_free(s->model, block, size);
    s->planned = status == LATHE_OK;
    return status;
}

void rt_unplan(lathe_session *s)
{
    for (uint32_t i = 0; i < s->v->nbufs + s->v->noutputs; i++)
        if (s->stores[i].growing && s->stores[i].home_capacity)
            rt_free(s->model, s->stores[i].home, (size_t)s->stores[i].home_capacity);
    if (!s->in_block) rt_free(s->model, s->arena, s->arena_size);
    s->arena = NULL;
    s->arena_size = 0;
    s->planned = false;
}

/* ---- growing ---- */

static lathe_status grow(lathe_session *s, rt_store *st, uint64_t bytes)
{
    uint64_t more = st->home_capacity + st->home_capacity / 2, size = bytes > more ? bytes : more;
    char *home = size <= SIZE_MAX / 2 ? rt_alloc(s->model, (size_t)size) : NULL;
    if (!home)
        return rt_fail(&s->text, LATHE_OUT_OF_MEMORY, "no memory to grow a buffer to %llu bytes",
                       (unsigned long long)bytes);
    if (s->model->flags & LATHE_OPEN_POISON) memset(home, 0xFF, (size_t)size);
    if (st->home_capacity) memcpy(home, st->home, (size_t)st->home_capacity);
    if (st->growing && st->home_capacity) rt_free(s->model, st->home, (size_t)st->home_capacity);
    *st = (rt_store){.data = home,
                     .home = home,
                     .capacity = size,
                     .home_capacity = size,
                     .used = st->used,
                     .growing = true};
    return LATHE_OK;
}

lathe_status rt_room(lathe_session *s, uint32_t buffer, int64_t bytes)
{
    rt_store *st = &s->stores[buffer];
    if (bytes < 0)
        return rt_fail(&s->text, LATHE_BAD_DIMS, "a size is negative (%lld)", (long long)bytes);
    if ((uint64_t)bytes <= st->capacity) return LATHE_OK;
    const lathe_buf *b = buffer < s->v->nbufs ? &s->v->bufs[buffer] : NULL;
    if (!b || (is_planned(b) && st->data == st->home)) return grow(s, st, (uint64_t)bytes);
    if (b->kind == LATHE_BUF_OUTPUT)
        return rt_fail(&s->text, LATHE_BUFFER_TOO_SMALL,
                       "output %u '%s' has %llu bytes, %lld are needed", (unsigned)b->index,
                       rt_string(s->v, s->v->outputs[b->index].name),
                       (unsigned long long)st->capacity, (long long)bytes);
    return rt_fail(&s->text, LATHE_LIMIT, "a buffer needs %lld bytes, %llu are planned",
                   (long long)bytes, (unsigned long long)st->capacity);
}

lathe_status rt_room_bound(lathe_session *s, uint32_t buffer)
{
    if (!s->stores[buffer].growing) return LATHE_OK;
    rt_bounds_now(s);
    int64_t bytes = s->slot_range[s->v->bufs[buffer].bytes].hi;
    if (bytes > RT_MAX_BYTES) return rt_fail(&s->text, LATHE_LIMIT, "a result's size has no bound");
    return rt_room(s, buffer, bytes);
}
