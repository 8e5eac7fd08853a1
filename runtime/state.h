/* States: tensors of the session that a run reads and leaves for the next one (lathe_state).
 *
 * A state that grows has room for `capacity` rows along its axis, of which the first `length` are
 * filled; a run writes the new ones behind them, so that a run that fails leaves the state as it
 * was. A state that is replaced has two buffers, which change places when a run has succeeded. */
#ifndef LATHE_RUNTIME_STATE_H
#define LATHE_RUNTIME_STATE_H

#include "runtime/rt.h"

/* The functions that a model without states does not bring along (lathe_desc.states). */
struct lathe_rt_states {
    /* Before the inputs of a run are bound: sets the length's symbol. */
    lathe_status (*bind)(lathe_session *);
    /* Points the states' buffers to their memory. sized: known to be large enough. */
    void (*point)(lathe_session *, bool sized);
    /* Behind segment 0: room for the new rows. *again: segment 0 must be computed once more. */
    lathe_status (*room)(lathe_session *, bool *again);
    void (*commit)(lathe_session *); /* behind a run that succeeded */
    void (*free)(lathe_session *);
    /* As in lathe_rt.h; the message is cleared and told by the caller. */
    lathe_status (*reserve)(lathe_session *, int64_t capacity);
    lathe_status (*rewind)(lathe_session *, int64_t rows);
    lathe_status (*fork)(lathe_session *from, lathe_session *to);
    lathe_status (*reorder)(lathe_session *, const int64_t *from, int64_t n);
    lathe_status (*save)(lathe_session *, lathe_buffer *);
    lathe_status (*load)(lathe_session *, const void *data, size_t size);
};

static inline const lathe_rt_states *rt_states(const lathe_session *s)
{
    return s->v->desc->states;
}
static inline bool rt_owns_input(const lathe_session *s, uint32_t input)
{
    return s->owns && rt_some(s->input_state[input]);
}
static inline bool rt_owns_output(const lathe_session *s, uint32_t output)
{
    return s->owns && rt_some(s->output_state[output]);
}

/* ---- state.c: for state_change.c ---- */
static inline uint32_t rt_state_count(const lathe_session *s) { return s->v->t->states.count; }
static inline const lathe_io *rt_state_input(const lathe_session *s, uint32_t i)
{
    return &s->v->inputs[s->v->states[i].input];
}
static inline bool rt_state_grows(const lathe_session *s, uint32_t i)
{
    return rt_some(s->v->states[i].axis);
}
static inline bool rt_state_held(const lathe_session *s) { return s->started || s->length; }

/* All states of somebody, their dims with the room along the axis. order: for each of n_order
 * sequences of the result, which one of the source it is; or NULL. */
typedef struct rt_source {
    const char *const *data;
    const int64_t (*dims)[LATHE_MAX_RANK];
    const int64_t *order;
    int64_t n_order;
} rt_source;
/* Fills all states anew with the source's first rows, or none if there is too little memory. */
lathe_status rt_state_fill(lathe_session *, const rt_source *, int64_t rows, int64_t capacity);
/* The session's own states as a source; data and dims have room for all. */
void rt_state_self(const lathe_session *, const char **data, int64_t (*dims)[LATHE_MAX_RANK]);
/* As rt_state_fill, of all that the other session has, where it can share memory: *done. */
lathe_status rt_state_map(lathe_session *, lathe_session *from, bool *done);
/* Copies rows [first, rows) of state i, laid out by from_dims, to memory laid out by to_dims. */
typedef struct rt_moved {
    char *to;
    const char *from;
    const int64_t *to_dims, *from_dims, *order;
    int64_t first, rows;
} rt_moved;
void rt_state_move(const lathe_session *, uint32_t i, const rt_moved *);
/* Bytes of state i with these dims; false: too many. */
bool rt_state_bytes(const lathe_session *, uint32_t i, const int64_t *dims, uint64_t *bytes);

/* ---- state_share.c ---- */
/* A block with the rows of `from`, shared as far as they are; false: it must be copied. */
bool rt_share(lathe_session *from, lathe_session *to, rt_block *);
void rt_share_join(lathe_session *, const lathe_session *from); /* whose rows it now has */
void rt_share_drop(lathe_session *);
void rt_share_unmap(rt_block *);

/* ---- state.c: of lathe_rt_states ---- */
lathe_status rt_state_bind(lathe_session *);
void rt_state_point(lathe_session *, bool sized);
lathe_status rt_state_room(lathe_session *, bool *again);
void rt_state_commit(lathe_session *);
void rt_state_free(lathe_session *);
lathe_status rt_state_reserve(lathe_session *, int64_t capacity);

/* ---- state_api.c, run.c: what apps call ---- */
lathe_status rt_api_state_info(const lathe_desc *, int index, lathe_state_place *);
lathe_status rt_api_state_run(lathe_session *, const lathe_tensor *inputs, lathe_tensor *outputs);
int64_t rt_api_state_length(const lathe_session *);
lathe_status rt_api_state_reserve(lathe_session *, int64_t capacity);
lathe_status rt_api_state_reset(lathe_session *);
lathe_status rt_api_state_rewind(lathe_session *, int64_t rows);
lathe_status rt_api_state_fork(lathe_session *from, lathe_session *to);
lathe_status rt_api_state_reorder(lathe_session *, const int64_t *from, int64_t n);
lathe_status rt_api_state_save(lathe_session *, lathe_buffer *);
lathe_status rt_api_state_load(lathe_session *, const void *data, size_t size);

#endif
