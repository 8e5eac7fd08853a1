/* model.h - made by lathe 0.1.0 (LLVM 19.1.7) from torch_jit; do not edit. C11 and C++17. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lathe_rt.h"

#define MODEL_BUILD_ID UINT64_C(0x5e8cc56a3d48a99c)
#define MODEL_INPUTS 1
#define MODEL_OUTPUTS 1
#define MODEL_SIZES 2

/* Ranks, and the dims that are the same in every run. */
#define MODEL_IN_INPUT_IDS_RANK 2
#define MODEL_OUT_LOGITS_RANK 3
#define MODEL_OUT_LOGITS_DIM_2 13

#ifdef __cplusplus
extern "C" {
#endif

/* The sizes that differ from run to run. */
typedef struct model_dims {
    int64_t batch;    /* 0 to 2147483647 */
    int64_t sequence; /* 0 to 2147483647 */
} model_dims;

/* One run. in: dense row-major tensors. out: where to write and how many bytes there are, or
 * size 0: the session's own memory, to which run sets data; it is valid until the session's
 * next run. out_dims: what was produced, set by run. */
typedef struct model_io {
    model_dims dims;
    struct {
        const int64_t *input_ids; /* i64[batch, sequence] */
    } in;
    struct {
        lathe_buffer logits; /* f32[batch, sequence, 13] */
    } out;
    struct {
        int64_t logits[3];
    } out_dims;
} model_io;

extern const lathe_desc model_desc;

/* options may be NULL. LATHE_MISMATCH: this header belongs to another build of the library. */
static inline lathe_status model_open(const lathe_open_options *options, lathe_model **model)
{
    lathe_open_options o;
    memset(&o, 0, sizeof o);
    if (options) o = *options;
    o.build_id = MODEL_BUILD_ID;
    if (LATHE_RT_(&model_desc)->abi_version != LATHE_ABI_VERSION) return LATHE_MISMATCH;
    return lathe_model_open(&model_desc, &o, model);
}
static inline void model_close(lathe_model *model) { lathe_model_close(model); }

/* max: the largest sizes that a run may have; all memory is taken here, and a run takes none. NULL:
 * every run may raise them. */
static inline lathe_status model_session_new(lathe_model *model, const model_dims *max,
                                             lathe_session **session)
{
    int64_t maxima[2] = {0};
    if (max) maxima[0] = max->batch;
    if (max) maxima[1] = max->sequence;
    return lathe_session_new(model, max ? maxima : NULL, session);
}
static inline lathe_status model_session_reserve(lathe_session *session, const model_dims *max)
{
    int64_t maxima[2] = {0};
    if (max) maxima[0] = max->batch;
    if (max) maxima[1] = max->sequence;
    return lathe_session_reserve(session, max ? maxima : NULL);
}
static inline void model_session_free(lathe_session *session) { lathe_session_free(session); }

static inline void model_in_(lathe_tensor *t, const void *data, lathe_elem elem, unsigned bits,
                             int32_t rank, const int64_t *dims)
{
    uint64_t n = bits;
    memset(t, 0, sizeof *t);
    for (int32_t i = 0; i < rank; i++) n *= (uint64_t)(t->dims[i] = dims[i]);
    t->data = (void *)(uintptr_t)data;
    t->size = (size_t)((n + 7) / 8);
    t->rank = rank;
    t->elem = elem;
}
static inline void model_out_(lathe_tensor *t, const lathe_buffer *buffer)
{
    memset(t, 0, sizeof *t);
    t->data = buffer->size ? buffer->data : NULL;
    t->size = buffer->size;
}
static inline void model_done_(const lathe_tensor *t, lathe_buffer *buffer, int64_t *dims)
{
    if (!buffer->size) buffer->data = t->data;
    for (int32_t i = 0; i < t->rank; i++) dims[i] = t->dims[i];
}

static inline lathe_status model_run(lathe_session *session, model_io *io)
{
    lathe_tensor in[1], out[1];
    lathe_status status;
    {
        const int64_t dims[] = {io->dims.batch, io->dims.sequence};
        model_in_(&in[0], io->in.input_ids, LATHE_I64, 64, 2, dims);
    }
    model_out_(&out[0], &io->out.logits);
    status = lathe_run(session, in, out);
    if (status != LATHE_OK) return status;
    model_done_(&out[0], &io->out.logits, io->out_dims.logits);
    return LATHE_OK;
}

#ifdef __cplusplus
}
#endif
#endif
