/* States in memory of the session: what a run does with them, and their room. */
#include "runtime/state.h"

#include <string.h>

static const lathe_state *entry_of(const lathe_session *s, uint32_t i) { return &s->v->states[i]; }
static const lathe_io *output_of(const lathe_session *s, uint32_t i)
{
    return &s->v->outputs[entry_of(s, i)->output];
}

bool rt_state_bytes(const lathe_session *s, uint32_t i, const int64_t *dims, uint64_t *bytes)
{
    const lathe_io *io = rt_state_input(s, i);
    uint64_t n = rt_elem_bits(entry_of(s, i)->elem) / 8;
    for (uint32_t a = 0; a < io->rank; a++)
        if (dims[a] < 0 || __builtin_mul_overflow(n, (uint64_t)dims[a], &n) ||
            n > (uint64_t)RT_MAX_BYTES)
            return false;
    *bytes = n;
    return true;
}

/* ---- copying ---- */

static void strides_of(const lathe_session *s, uint32_t i, const int64_t *dims, uint64_t *stride)
{
    const lathe_io *io = rt_state_input(s, i);
    uint64_t n = rt_elem_bits(entry_of(s, i)->elem) / 8;
    for (uint32_t a = io->rank; a-- > 0; n *= (uint64_t)dims[a]) stride[a] = n;
}

/* Pieces are as long as both layouts hold them together: below the axes that differ. */
void rt_state_move(const lathe_session *s, uint32_t i, const rt_moved *m)
{
    const lathe_state *st = entry_of(s, i);
    uint32_t rank = rt_state_input(s, i)->rank, depth = 0;
    uint64_t to[LATHE_MAX_RANK], from[LATHE_MAX_RANK], piece;
    int64_t at[LATHE_MAX_RANK] = {0}, count[LATHE_MAX_RANK];
    uint64_t to_first = 0, from_first = 0;
    strides_of(s, i, m->to_dims, to);
    strides_of(s, i, m->from_dims, from);
    rt_state_bytes(s, i, m->to_dims, &piece);
    if (rt_some(st->axis)) {
        to_first = to[st->axis] * (uint64_t)m->first;
        from_first = from[st->axis] * (uint64_t)m->first;
    }
    for (uint32_t a = 0; a < rank; a++) {
        count[a] = a == st->axis ? m->rows - m->first : m->to_dims[a];
        if (!count[a]) return;
        if (a == st->axis || (m->order && a == st->batch)) depth = a + 1;
    }
    if (depth) piece = to[depth - 1];
    if (depth && depth - 1 == st->axis) piece *= (uint64_t)count[--depth];
    for (uint32_t a = 1; a > 0;) {
        uint64_t x = to_first, y = from_first;
        for (a = 0; a < depth; a++) {
            bool ordered = m->order && a == st->batch;
            x += to[a] * (uint64_t)at[a];
            y += from[a] * (uint64_t)(ordered ? m->order[at[a]] : at[a]);
        }
        memcpy(m->to + x, m->from + y, (size_t)piece);
        for (a = depth; a > 0 && ++at[a - 1] == count[a - 1]; a--) at[a - 1] = 0;
    }
}

/* ---- memory ---- */

static lathe_status no_memory(lathe_session *s)
{
    return rt_fail(&s->text, LATHE_OUT_OF_MEMORY, "no memory for the state");
}

static void state_drop(lathe_session *s, rt_block *b)
{
    if (b->mapped) rt_share_unmap(b);
    else rt_free(s->model, b->data, (size_t)b->size);
    *b = (rt_block){0};
}

/* Memory of this size at least; what it held is lost if it must be larger. */
static bool state_room(lathe_session *s, rt_block *b, uint64_t size)
{
    if (b->data && b->size >= size) return true;
    state_drop(s, b);
    if (!size) size = 1;
    b->data = rt_alloc(s->model, (size_t)size);
    if (b->data) b->size = size;
    return b->data != NULL;
}

static void swap_blocks(rt_block *a, rt_block *b)
{
    rt_block old = *a;
    *a = *b;
    *b = old;
}

void rt_state_free(lathe_session *s)
{
    rt_share_drop(s);
    state_drop(s, &s->rows);
    state_drop(s, &s->next_rows);
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        if (rt_state_grows(s, i)) continue;
        state_drop(s, &s->states[i].now);
        state_drop(s, &s->states[i].next);
    }
}

static uint64_t state_aligned(uint64_t bytes)
{
    return (bytes + RT_ALIGN - 1) / RT_ALIGN * RT_ALIGN;
}

/* Room for states that are replaced, and what those that grow need in one block, which large pages
 * fit better than many. next: besides what the states are in now. */
static bool room_for_others(lathe_session *s, bool next, uint64_t *rows)
{
    *rows = 0;
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        rt_state *st = &s->states[i];
        rt_block *b = next ? &st->next : &st->now;
        uint64_t bytes;
        if (!rt_state_bytes(s, i, next ? st->next_dims : st->dims, &bytes)) return false;
        if (!rt_state_grows(s, i)) {
            if (!state_room(s, b, bytes)) return false;
            continue;
        }
        b->size = bytes;
        *rows += state_aligned(bytes);
        if (*rows > (uint64_t)RT_MAX_BYTES) return false;
    }
    return true;
}

static void place_rows(lathe_session *s, bool next)
{
    char *at = next ? s->next_rows.data : s->rows.data;
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        rt_block *b = next ? &s->states[i].next : &s->states[i].now;
        if (!rt_state_grows(s, i)) continue;
        b->data = at;
        at += state_aligned(b->size);
    }
}

static bool room_for_all(lathe_session *s, bool next)
{
    uint64_t rows;
    bool ok =
        room_for_others(s, next, &rows) && state_room(s, next ? &s->next_rows : &s->rows, rows);
    if (ok) place_rows(s, next);
    return ok;
}

/* The dims that a state of the source gets here. */
static void dims_here(const lathe_session *s, uint32_t i, const rt_source *from, int64_t capacity,
                      int64_t *dims)
{
    memcpy(dims, from->dims[i], sizeof s->states[i].dims);
    if (rt_state_grows(s, i)) dims[entry_of(s, i)->axis] = capacity;
    if (from->order) dims[entry_of(s, i)->batch] = from->n_order;
}

static void move_here(lathe_session *s, uint32_t i, const rt_source *from, int64_t rows)
{
    const rt_moved m = {.to = s->states[i].next.data,
                        .from = from->data[i],
                        .to_dims = s->states[i].next_dims,
                        .from_dims = from->dims[i],
                        .order = from->order,
                        .rows = rows};
    rt_state_move(s, i, &m);
}

static void become_next(lathe_session *s, int64_t rows, int64_t capacity)
{
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        rt_state *st = &s->states[i];
        memcpy(st->dims, st->next_dims, sizeof st->dims);
        swap_blocks(&st->now, &st->next);
    }
    swap_blocks(&s->rows, &s->next_rows);
    s->capacity = capacity;
    s->length = rows;
}

lathe_status rt_state_fill(lathe_session *s, const rt_source *from, int64_t rows, int64_t capacity)
{
    for (uint32_t i = 0; i < rt_state_count(s); i++)
        dims_here(s, i, from, capacity, s->states[i].next_dims);
    if (!room_for_all(s, true)) return no_memory(s);
    for (uint32_t i = 0; i < rt_state_count(s); i++) move_here(s, i, from, rows);
    become_next(s, rows, capacity);
    rt_share_drop(s);
    return LATHE_OK;
}

lathe_status rt_state_map(lathe_session *s, lathe_session *from, bool *done)
{
    rt_block block;
    uint64_t bytes;
    *done = rt_share(from, s, &block);
    if (!*done) return LATHE_OK;
    state_drop(s, &s->next_rows);
    s->next_rows = block;
    rt_state_self(from, s->state_data, s->state_dims);
    const rt_source source = {.data = s->state_data,
                              .dims = (const int64_t(*)[LATHE_MAX_RANK])s->state_dims};
    for (uint32_t i = 0; i < rt_state_count(s); i++)
        dims_here(s, i, &source, from->capacity, s->states[i].next_dims);
    if (!room_for_others(s, true, &bytes)) {
        state_drop(s, &s->next_rows);
        return no_memory(s);
    }
    place_rows(s, true);
    for (uint32_t i = 0; i < rt_state_count(s); i++)
        if (!rt_state_grows(s, i)) move_here(s, i, &source, from->length);
    become_next(s, from->length, from->capacity);
    state_drop(s, &s->next_rows);
    rt_share_join(s, from);
    return LATHE_OK;
}

void rt_state_self(const lathe_session *s, const char **data, int64_t (*dims)[LATHE_MAX_RANK])
{
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        data[i] = s->states[i].now.data;
        memcpy(dims[i], s->states[i].dims, sizeof *dims);
    }
}

/* ---- room ---- */

static uint32_t rows_slot(const lathe_session *s, uint32_t i)
{
    return s->v->u32s[output_of(s, i)->dims + entry_of(s, i)->axis];
}

/* What the run's sizes say of a state, or what they can be at most. */
static void dims_of(const lathe_session *s, uint32_t i, bool at_most, int64_t *dims)
{
    const lathe_io *io = rt_state_input(s, i);
    memset(dims, 0, sizeof s->states[i].dims);
    for (uint32_t a = 0; a < io->rank; a++) {
        uint32_t slot = s->v->u32s[io->dims + a];
        dims[a] = at_most ? s->slot_range[slot].hi : s->slots[slot];
    }
}

/* Room for what replaces a state; what it is has been filled from elsewhere, perhaps. */
static bool room_for_next(lathe_session *s)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < rt_state_count(s); i++) {
        uint64_t bytes;
        if (!rt_state_grows(s, i))
            ok = rt_state_bytes(s, i, s->states[i].dims, &bytes) &&
                 state_room(s, &s->states[i].next, bytes);
    }
    return ok;
}

/* Room for states that hold nothing yet. Those that are replaced start as zeros. */
static lathe_status state_start(lathe_session *s, int64_t capacity, bool at_most)
{
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        dims_of(s, i, at_most, s->states[i].dims);
        if (rt_state_grows(s, i)) s->states[i].dims[entry_of(s, i)->axis] = capacity;
    }
    rt_share_drop(s);
    if (!room_for_all(s, false) || !room_for_next(s)) return no_memory(s);
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        rt_block *now = &s->states[i].now;
        if (!rt_state_grows(s, i)) memset(now->data, 0, (size_t)now->size);
    }
    s->capacity = capacity;
    return LATHE_OK;
}

static lathe_status state_grow(lathe_session *s, int64_t capacity)
{
    const char **data = s->state_data;
    rt_state_self(s, data, s->state_dims);
    const rt_source self = {.data = data, .dims = (const int64_t(*)[LATHE_MAX_RANK])s->state_dims};
    lathe_status status = rt_state_fill(s, &self, s->length, capacity);
    state_drop(s, &s->next_rows);
    return status;
}

/* Rows to have room for: all that the session's maxima allow; without maxima twice what there is.
 */
static int64_t wanted(lathe_session *s, int64_t rows)
{
    enum { LEAST = 64 };
    int64_t most = 2 * s->capacity > LEAST ? 2 * s->capacity : LEAST;
    if (!s->grows) {
        rt_bounds(s);
        most = rows;
        for (uint32_t i = 0; i < rt_state_count(s); i++)
            if (rt_state_grows(s, i)) most = s->slot_range[rows_slot(s, i)].hi;
    }
    if (most < s->reserved) most = s->reserved;
    return most > rows ? most : rows;
}

/* Rows that all growing states have after the run. */
static lathe_status rows_after(lathe_session *s, int64_t *rows)
{
    *rows = -1;
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        if (!rt_state_grows(s, i)) continue;
        int64_t n = s->slots[rows_slot(s, i)];
        if (*rows >= 0 && n != *rows)
            return rt_fail(
                &s->text, LATHE_BAD_DIMS, "state '%.200s' would have %lld rows, another one %lld",
                rt_string(s->v, rt_state_input(s, i)->name), (long long)n, (long long)*rows);
        *rows = n;
    }
    if (*rows < 0) *rows = 0;
    if (*rows >= s->length) return LATHE_OK;
    return rt_fail(&s->text, LATHE_BAD_DIMS, "the state's %lld rows would become %lld",
                   (long long)s->length, (long long)*rows);
}

static lathe_status check_sizes(lathe_session *s, uint32_t i)
{
    int64_t dims[LATHE_MAX_RANK];
    const lathe_io *io = rt_state_input(s, i);
    dims_of(s, i, false, dims);
    for (uint32_t a = 0; a < io->rank; a++)
        if (a != entry_of(s, i)->axis && dims[a] != s->states[i].dims[a])
            return rt_fail(&s->text, LATHE_BAD_DIMS,
                           "state '%.200s': dim %u is %lld, the state holds %lld",
                           rt_string(s->v, io->name), (unsigned)a, (long long)dims[a],
                           (long long)s->states[i].dims[a]);
    return LATHE_OK;
}

lathe_status rt_state_room(lathe_session *s, bool *again)
{
    lathe_status status = rows_after(s, &s->rows_after);
    int64_t before = s->capacity, rows = s->rows_after;
    bool held = rt_state_held(s);
    for (uint32_t i = 0; held && !status && i < rt_state_count(s); i++) status = check_sizes(s, i);
    if (status) return status;
    if (held && !room_for_next(s)) return no_memory(s);
    if (!held) status = state_start(s, before >= rows && before ? before : wanted(s, rows), false);
    else if (rows > before) status = state_grow(s, wanted(s, rows));
    *again = s->capacity != before;
    return status;
}

/* ---- a run ---- */

lathe_status rt_state_bind(lathe_session *s)
{
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        if (!rt_state_grows(s, i)) continue;
        uint32_t slot = s->v->u32s[rt_state_input(s, i)->dims + entry_of(s, i)->axis];
        uint32_t symbol = s->v->dims[slot].a;
        const char *name = rt_string(s->v, s->v->syms[symbol].name);
        if (!s->grows && s->length > s->maxima[symbol])
            return rt_fail(&s->text, LATHE_BAD_DIMS,
                           "the state has %lld rows, above the session's maximum %lld (%.200s)",
                           (long long)s->length, (long long)s->maxima[symbol], name);
        s->syms[symbol] = s->length;
        s->known[symbol] = true;
    }
    return LATHE_OK;
}

static void state_point(rt_store *store, const rt_block *b, bool sized)
{
    store->data = b->data ? b->data : (char *)(uintptr_t)rt_pad;
    store->capacity = sized ? b->size : UINT64_MAX;
}

void rt_state_point(lathe_session *s, bool sized)
{
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        const rt_state *st = &s->states[i];
        uint32_t in = rt_state_input(s, i)->buffer;
        if (rt_some(in)) state_point(&s->stores[in], &st->now, sized);
        state_point(&s->stores[entry_of(s, i)->held], rt_state_grows(s, i) ? &st->now : &st->next,
                    sized);
    }
}

void rt_state_commit(lathe_session *s)
{
    for (uint32_t i = 0; i < rt_state_count(s); i++)
        if (!rt_state_grows(s, i)) swap_blocks(&s->states[i].now, &s->states[i].next);
    s->length = s->rows_after;
    s->started = true;
}

lathe_status rt_state_reserve(lathe_session *s, int64_t capacity)
{
    if (capacity < 0 || capacity > INT32_MAX)
        return rt_fail(&s->text, LATHE_BAD_DIMS, "room for %lld rows", (long long)capacity);
    if (capacity > s->reserved) s->reserved = capacity;
    if (capacity <= s->capacity) return LATHE_OK;
    if (rt_state_held(s)) return state_grow(s, capacity);
    if (s->grows) return LATHE_OK;
    rt_bounds(s);
    return state_start(s, capacity, true);
}
