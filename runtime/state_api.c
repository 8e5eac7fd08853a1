/* What apps call on states: the checks of every call. Models without states have nothing behind it.
 */
#include "runtime/state.h"

#include <string.h>

lathe_status rt_api_state_info(const lathe_desc *desc, int index, lathe_state_place *place)
{
    rt_view v;
    rt_text text;
    if (!place) return LATHE_BAD_INPUT;
    lathe_status s = rt_view_make(desc, &v, &text);
    if (s != LATHE_OK) return s;
    if (index < 0 || (uint32_t)index >= v.t->states.count) return LATHE_NOT_FOUND;
    const lathe_state *state = &v.states[index];
    *place = (lathe_state_place){.input = (int32_t)state->input,
                                 .output = (int32_t)state->output,
                                 .axis = rt_some(state->axis) ? (int32_t)state->axis : -1,
                                 .batch = rt_some(state->batch) ? (int32_t)state->batch : -1};
    return LATHE_OK;
}

static lathe_status api_begin(lathe_session *s)
{
    if (!s) return LATHE_BAD_INPUT;
    s->text.s[0] = 0;
    if (rt_state_count(s)) return LATHE_OK;
    return rt_tell(&s->model->log, rt_fail(&s->text, LATHE_UNSUPPORTED, "the model has no state"),
                   &s->text);
}

static lathe_status api_end(lathe_session *s, lathe_status status)
{
    return rt_tell(&s->model->log, status, &s->text);
}

int64_t rt_api_state_length(const lathe_session *s) { return s ? s->length : 0; }

lathe_status rt_api_state_reset(lathe_session *s)
{
    lathe_status status = api_begin(s);
    if (status) return status;
    s->length = s->shared_rows = 0;
    s->started = false;
    return LATHE_OK;
}

lathe_status rt_api_state_reserve(lathe_session *s, int64_t capacity)
{
    lathe_status status = api_begin(s);
    return status ? status : api_end(s, rt_states(s)->reserve(s, capacity));
}

lathe_status rt_api_state_rewind(lathe_session *s, int64_t rows)
{
    lathe_status status = api_begin(s);
    return status ? status : api_end(s, rt_states(s)->rewind(s, rows));
}

lathe_status rt_api_state_fork(lathe_session *from, lathe_session *to)
{
    lathe_status status = from ? api_begin(to) : LATHE_BAD_INPUT;
    return status ? status : api_end(to, rt_states(to)->fork(from, to));
}

lathe_status rt_api_state_reorder(lathe_session *s, const int64_t *from, int64_t n)
{
    lathe_status status = api_begin(s);
    return status ? status : api_end(s, rt_states(s)->reorder(s, from, n));
}

lathe_status rt_api_state_save(lathe_session *s, lathe_buffer *buffer)
{
    lathe_status status = buffer ? api_begin(s) : LATHE_BAD_INPUT;
    return status ? status : api_end(s, rt_states(s)->save(s, buffer));
}

lathe_status rt_api_state_load(lathe_session *s, const void *data, size_t size)
{
    lathe_status status = api_begin(s);
    return status ? status : api_end(s, rt_states(s)->load(s, data, size));
}
