/* What an app does with a session's states between runs. Whatever fails leaves them as they were.
 */
#include "runtime/state.h"

#include <string.h>

#include "runtime/hash.h"

static lathe_status forget(lathe_session *s)
{
    s->length = s->shared_rows = 0;
    s->started = false;
    return LATHE_OK;
}

static lathe_status state_rewind(lathe_session *s, int64_t rows)
{
    if (rows < 0 || rows > s->length)
        return rt_fail(&s->text, LATHE_BAD_DIMS, "%lld rows are taken back, the state has %lld",
                       (long long)rows, (long long)s->length);
    for (uint32_t i = 0; rows && i < rt_state_count(s); i++)
        if (!rt_state_grows(s, i))
            return rt_fail(&s->text, LATHE_UNSUPPORTED,
                           "state '%.200s' is replaced by each run and cannot be rewound",
                           rt_string(s->v, rt_state_input(s, i)->name));
    s->length -= rows;
    if (s->shared_rows > s->length) s->shared_rows = s->length;
    return LATHE_OK;
}

/* ---- copies ---- */

static lathe_status state_fork(lathe_session *from, lathe_session *to)
{
    bool done;
    if (from->v->t->build_id != to->v->t->build_id)
        return rt_fail(&to->text, LATHE_MISMATCH, "the sessions are of different models");
    if (from == to) return LATHE_OK;
    if (!rt_state_held(from)) return forget(to);
    lathe_status status = rt_state_map(to, from, &done);
    if (!status && done) to->started = from->started;
    if (status || done) return status;
    rt_state_self(from, to->state_data, to->state_dims);
    const rt_source source = {.data = to->state_data,
                              .dims = (const int64_t(*)[LATHE_MAX_RANK])to->state_dims};
    int64_t capacity = from->capacity > to->capacity ? from->capacity : to->capacity;
    status = rt_state_fill(to, &source, from->length, capacity);
    if (!status) to->started = from->started;
    return status;
}

static lathe_status check_order(lathe_session *s, const int64_t *from, int64_t n)
{
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        uint32_t batch = s->v->states[i].batch;
        if (!rt_some(batch))
            return rt_fail(&s->text, LATHE_UNSUPPORTED,
                           "state '%.200s' has no axis that is known to hold sequences",
                           rt_string(s->v, rt_state_input(s, i)->name));
        for (int64_t k = 0; k < n; k++)
            if (from[k] < 0 || from[k] >= s->states[i].dims[batch])
                return rt_fail(&s->text, LATHE_BAD_VALUE,
                               "sequence %lld is %lld of the old ones, there are %lld",
                               (long long)k, (long long)from[k],
                               (long long)s->states[i].dims[batch]);
    }
    return LATHE_OK;
}

static lathe_status state_reorder(lathe_session *s, const int64_t *from, int64_t n)
{
    if (n < 1 || !from) return rt_fail(&s->text, LATHE_BAD_INPUT, "no order is given");
    if (!rt_state_held(s))
        return rt_fail(&s->text, LATHE_BAD_INPUT, "the state holds nothing that has an order");
    lathe_status status = check_order(s, from, n);
    if (status) return status;
    rt_state_self(s, s->state_data, s->state_dims);
    const rt_source source = {.data = s->state_data,
                              .dims = (const int64_t(*)[LATHE_MAX_RANK])s->state_dims,
                              .order = from,
                              .n_order = n};
    return rt_state_fill(s, &source, s->length, s->capacity);
}

/* ---- files ---- */

/* In front of the states' dims, which stand in front of their rows, without room. */
typedef struct saved {
    uint32_t magic, abi_version;
    uint64_t build_id, hash; /* of everything, with a hash of 0 */
    int64_t length;
    uint32_t states, started;
} saved;
#define SAVED_MAGIC 0x5354414Cu /* "LATS" */

static uint64_t hash_of(saved head, const char *data, size_t size)
{
    rt_hash_state h;
    head.hash = 0;
    rt_hash_begin(&h);
    rt_hash_add(&h, &head, sizeof head);
    rt_hash_add(&h, data + sizeof head, size - sizeof head);
    return rt_hash_end(&h);
}

/* A state's dims as they are saved, and its bytes. */
static bool saved_dims(const lathe_session *s, uint32_t i, int64_t *dims, uint64_t *bytes)
{
    memcpy(dims, s->states[i].dims, sizeof s->states[i].dims);
    if (rt_state_grows(s, i)) dims[s->v->states[i].axis] = s->length;
    return rt_state_bytes(s, i, dims, bytes);
}

static lathe_status saved_size(lathe_session *s, uint64_t *size)
{
    int64_t dims[LATHE_MAX_RANK];
    uint64_t bytes;
    *size = sizeof(saved) + (uint64_t)rt_state_count(s) * sizeof s->states->dims;
    for (uint32_t i = 0; i < rt_state_count(s) && rt_state_held(s); i++)
        if (!saved_dims(s, i, dims, &bytes) || __builtin_add_overflow(*size, bytes, size))
            return rt_fail(&s->text, LATHE_LIMIT, "the state is too large");
    return *size > SIZE_MAX ? rt_fail(&s->text, LATHE_LIMIT, "the state is too large") : LATHE_OK;
}

static lathe_status state_save(lathe_session *s, lathe_buffer *buffer)
{
    uint64_t size = 0, bytes;
    lathe_status status = saved_size(s, &size);
    if (status) return status;
    size_t given = buffer->size;
    buffer->size = (size_t)size;
    if (!buffer->data) return LATHE_OK;
    if (given < size)
        return rt_fail(&s->text, LATHE_BUFFER_TOO_SMALL, "%zu bytes, %llu are needed", given,
                       (unsigned long long)size);
    saved head = {.magic = SAVED_MAGIC,
                  .abi_version = LATHE_ABI_VERSION,
                  .build_id = s->v->t->build_id,
                  .length = s->length,
                  .states = rt_state_count(s),
                  .started = rt_state_held(s)};
    char *at = (char *)buffer->data + sizeof head,
         *rows = at + head.states * sizeof s->states->dims;
    memset(at, 0, (size_t)(rows - at));
    for (uint32_t i = 0; i < head.states && head.started; i++, at += sizeof s->states->dims) {
        int64_t dims[LATHE_MAX_RANK];
        saved_dims(s, i, dims, &bytes);
        memcpy(at, dims, sizeof dims);
        const rt_moved m = {.to = rows,
                            .from = s->states[i].now.data,
                            .to_dims = dims,
                            .from_dims = s->states[i].dims,
                            .rows = s->length};
        rt_state_move(s, i, &m);
        rows += bytes;
    }
    head.hash = hash_of(head, buffer->data, (size_t)size);
    memcpy(buffer->data, &head, sizeof head);
    return LATHE_OK;
}

/* Whether dims can be those of state i. */
static bool dims_fit(const lathe_session *s, uint32_t i, const int64_t *dims, int64_t length)
{
    const lathe_io *io = rt_state_input(s, i);
    for (uint32_t a = 0; a < io->rank; a++) {
        const lathe_dim_op *op = &s->v->dims[s->v->u32s[io->dims + a]];
        bool ok = a == s->v->states[i].axis ? dims[a] == length
                                            : op->op != LATHE_DIM_CONST || dims[a] == op->imm;
        if (!ok) return false;
    }
    return true;
}

/* Reads the dims and finds the rows of all states in what was saved. */
static lathe_status read_saved(lathe_session *s, const saved *head, const char *data, size_t size)
{
    size_t dims_size = sizeof s->states->dims, at = sizeof *head + head->states * dims_size;
    for (uint32_t i = 0; i < head->states; i++) {
        uint64_t bytes;
        memcpy(s->state_dims[i], data + sizeof *head + i * dims_size, dims_size);
        if (!dims_fit(s, i, s->state_dims[i], head->length) ||
            !rt_state_bytes(s, i, s->state_dims[i], &bytes) || bytes > size - at)
            return rt_fail(&s->text, LATHE_BAD_INPUT, "the saved state %u '%.200s' is damaged",
                           (unsigned)i, rt_string(s->v, rt_state_input(s, i)->name));
        s->state_data[i] = data + at;
        at += (size_t)bytes;
    }
    return at == size ? LATHE_OK
                      : rt_fail(&s->text, LATHE_BAD_INPUT,
                                "the saved state has %zu bytes, %zu are "
                                "expected",
                                size, at);
}

static lathe_status check_head(lathe_session *s, const saved *head, const char *data, size_t size)
{
    if (head->magic != SAVED_MAGIC)
        return rt_fail(&s->text, LATHE_BAD_INPUT, "this is no saved state");
    if (head->abi_version != LATHE_ABI_VERSION || head->build_id != s->v->t->build_id ||
        head->states != rt_state_count(s))
        return rt_fail(&s->text, LATHE_MISMATCH,
                       "the saved state is of another build of the model");
    if (head->length < 0 || hash_of(*head, data, size) != head->hash ||
        (size - sizeof *head) / sizeof s->states->dims < head->states)
        return rt_fail(&s->text, LATHE_BAD_INPUT, "the saved state is damaged or cut off");
    return LATHE_OK;
}

static lathe_status state_load(lathe_session *s, const void *saved_state, size_t size)
{
    const char *data = saved_state;
    saved head;
    if (!data || size < sizeof head)
        return rt_fail(&s->text, LATHE_BAD_INPUT, "this is no saved state");
    memcpy(&head, data, sizeof head);
    lathe_status status = check_head(s, &head, data, size);
    if (!status && !head.started) return forget(s);
    if (!status) status = read_saved(s, &head, data, size);
    if (status) return status;
    const rt_source source = {.data = s->state_data,
                              .dims = (const int64_t(*)[LATHE_MAX_RANK])s->state_dims};
    int64_t capacity = s->capacity > head.length ? s->capacity : head.length;
    status = rt_state_fill(s, &source, head.length, capacity);
    if (!status) s->started = true;
    return status;
}

const lathe_rt_states lathe_rt_states_v1 = {
    .bind = rt_state_bind,
    .point = rt_state_point,
    .room = rt_state_room,
    .commit = rt_state_commit,
    .free = rt_state_free,
    .reserve = rt_state_reserve,
    .rewind = state_rewind,
    .fork = state_fork,
    .reorder = state_reorder,
    .save = state_save,
    .load = state_load,
};
