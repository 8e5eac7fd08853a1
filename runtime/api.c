/* The table of functions that a descriptor points to, and queries of a descriptor.
 *
 * Queries work before a model is opened, on tables that nobody has checked: they look at every
 * number they use. */
#include <string.h>

#include "runtime/state.h"

static int api_count(const lathe_desc *desc, int what)
{
    rt_view v;
    rt_text text;
    if (rt_view_make(desc, &v, &text) != LATHE_OK) return 0;
    switch (what) {
    case LATHE_INPUTS:
        return (int)v.ninputs;
    case LATHE_OUTPUTS:
        return (int)v.noutputs;
    case LATHE_STATES:
        return (int)v.t->states.count;
    case LATHE_SYMBOLS:
        return v.t->n_free <= v.nsyms ? (int)v.t->n_free : 0;
    default:
        return 0;
    }
}

static lathe_status api_describe(const rt_view *v, const lathe_io *io, lathe_tensor_info *info)
{
    if (io->rank > LATHE_MAX_RANK || io->dims > v->t->u32s.count ||
        io->rank > v->t->u32s.count - io->dims)
        return LATHE_MISMATCH;
    *info = (lathe_tensor_info){
        .name = rt_string(v, io->name), .elem = (lathe_elem)io->elem, .rank = (int32_t)io->rank};
    for (uint32_t i = 0; i < io->rank; i++) {
        uint32_t slot = v->u32s[io->dims + i];
        if (slot >= v->ndims) return LATHE_MISMATCH;
        bool fixed = v->dims[slot].op == LATHE_DIM_CONST;
        info->dims[i] = fixed ? v->dims[slot].imm : -1;
        info->dim_names[i] = rt_slot_text(v, slot);
    }
    return LATHE_OK;
}

static lathe_status api_info(const lathe_desc *desc, int what, int index, lathe_tensor_info *info)
{
    rt_view v;
    rt_text text;
    if (!info) return LATHE_BAD_INPUT;
    memset(info, 0, sizeof *info);
    lathe_status s = rt_view_make(desc, &v, &text);
    if (s != LATHE_OK) return s;
    if (what != LATHE_INPUTS && what != LATHE_OUTPUTS) return LATHE_BAD_INPUT;
    if (index < 0 || (uint32_t)index >= (what == LATHE_INPUTS ? v.ninputs : v.noutputs))
        return LATHE_NOT_FOUND;
    return api_describe(&v, what == LATHE_INPUTS ? &v.inputs[index] : &v.outputs[index], info);
}

static const char *api_symbol(const lathe_desc *desc, int index)
{
    rt_view v;
    rt_text text;
    if (rt_view_make(desc, &v, &text) != LATHE_OK || index < 0) return NULL;
    if ((uint32_t)index >= v.t->n_free || (uint32_t)index >= v.nsyms) return NULL;
    return rt_string(&v, v.syms[index].name);
}

const lathe_rt_api lathe_rt_api_v1 = {
    .abi_version = LATHE_ABI_VERSION,
    .size = sizeof(lathe_rt_api),
    .version = "0.1.0",
    .model_open = rt_model_open,
    .model_close = rt_model_close,
    .count = api_count,
    .info = api_info,
    .symbol = api_symbol,
    .session_new = rt_session_new,
    .session_free = rt_session_free,
    .session_reserve = rt_session_reserve,
    .run = rt_run,
    .message = rt_session_message,
    .cancel = rt_session_cancel,
    .memory = rt_session_memory,
    .threads_new = rt_threads_new,
    .threads_free = rt_threads_free,
    .model_target = rt_model_target,
    .session_watch = rt_session_watch,
    .session_seed = rt_session_seed,
    .step_origin = rt_step_origin,
    .state_info = rt_api_state_info,
    .state_run = rt_api_state_run,
    .state_length = rt_api_state_length,
    .state_reserve = rt_api_state_reserve,
    .state_reset = rt_api_state_reset,
    .state_rewind = rt_api_state_rewind,
    .state_fork = rt_api_state_fork,
    .state_reorder = rt_api_state_reorder,
    .state_save = rt_api_state_save,
    .state_load = rt_api_state_load,
};
