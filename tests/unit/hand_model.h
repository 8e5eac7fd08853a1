/* Descriptors made by hand: tables are filled entry by entry, then packed into one block. */
#ifndef LATHE_TESTS_HAND_MODEL_H
#define LATHE_TESTS_HAND_MODEL_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/abi.h"

#define NONE LATHE_NO_SLOT
#define HAND_TABLES(T)                                                                             \
    T(lathe_target, targets, 4)                                                                    \
    T(char, strings, 512)                                                                          \
    T(lathe_dim_op, dims, 64)                                                                      \
    T(lathe_sym, syms, 8)                                                                          \
    T(lathe_guard, guards, 8)                                                                      \
    T(lathe_io, inputs, 8)                                                                         \
    T(lathe_io, outputs, 8)                                                                        \
    T(lathe_buf, bufs, 32)                                                                         \
    T(lathe_step, steps, 128)                                                                      \
    T(lathe_value, values, 8)                                                                      \
    T(lathe_call_info, calls, 4)                                                                   \
    T(lathe_loop, loops, 4)                                                                        \
    T(lathe_state, states, 4)                                                                      \
    T(lathe_node, nodes, 8)                                                                        \
    T(uint32_t, u32s, 256)                                                                         \
    T(int64_t, i64s, 8)                                                                            \
    T(double, f64s, 8)

/* Zero-initialise (a static one is). */
typedef struct hand_model {
    lathe_tables head;
#define TABLE(type, name, cap)                                                                     \
    type name[cap];                                                                                \
    uint32_t n##name;
    HAND_TABLES(TABLE)
#undef TABLE
    lathe_kernel kernels[8];
    lathe_func funcs[4];
    uint32_t n_kernels, n_funcs;
    lathe_desc desc;
    char *block;
} hand_model;

#define PUSH(h, table, ...) ((h)->table[(h)->n##table] = (__VA_ARGS__), (h)->n##table++)

static inline uint32_t hand_string(hand_model *h, const char *text)
{
    uint32_t at = h->nstrings;
    strcpy(h->strings + at, text);
    h->nstrings += (uint32_t)strlen(text) + 1;
    return at;
}

static inline void hand_begin(hand_model *h)
{
    free(h->block);
    memset(h, 0, sizeof *h);
    h->nstrings = 1;
    h->head = (lathe_tables){.magic = LATHE_MAGIC,
                             .abi_version = LATHE_ABI_VERSION,
                             .n_segments = 1,
                             .max_bufs = 16,
                             .max_dims = 16,
                             .scratch_slot = NONE};
    h->head.name = hand_string(h, "hand");
    PUSH(h, targets, (lathe_target){hand_string(h, "x86-64-v9"), 0});
    PUSH(h, nodes, (lathe_node){hand_string(h, "layer.0"), hand_string(h, "Gather"), 0});
}

static inline uint32_t hand_const(hand_model *h, int64_t value)
{
    return PUSH(h, dims, (lathe_dim_op){.op = LATHE_DIM_CONST, .imm = value});
}

static inline uint32_t hand_op(hand_model *h, uint32_t op, uint32_t a, uint32_t b, uint32_t segment)
{
    return PUSH(h, dims, (lathe_dim_op){.op = op, .a = a, .b = b, .segment = segment});
}

/* A free symbol and the slot that reads it. */
static inline uint32_t hand_free(hand_model *h, const char *name, int64_t lo, int64_t hi)
{
    uint32_t sym = PUSH(h, syms, (lathe_sym){hand_string(h, name), NONE, lo, hi});
    h->head.n_free = h->nsyms;
    return hand_op(h, LATHE_DIM_SYM, sym, 0, 0);
}

/* n numbers into u32s. */
static inline uint32_t hand_list(hand_model *h, uint32_t n, const uint32_t *numbers)
{
    uint32_t at = h->nu32s;
    for (uint32_t i = 0; i < n; i++) PUSH(h, u32s, numbers[i]);
    return at;
}
#define LIST(h, ...)                                                                               \
    hand_list(h, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (uint32_t[]){__VA_ARGS__})

static inline uint32_t hand_buf(hand_model *h, uint32_t kind, uint32_t index, uint32_t bytes,
                                uint32_t first, uint32_t last)
{
    return PUSH(
        h, bufs,
        (lathe_buf){.kind = kind, .index = index, .bytes = bytes, .first = first, .last = last});
}

/* A vector input or output of f32 or i64 with its own buffer; the buffer's number. */
static inline uint32_t hand_io(hand_model *h, bool output, const char *name, uint32_t elem,
                               uint32_t dim, uint32_t bytes)
{
    uint32_t index = output ? h->noutputs : h->ninputs;
    uint32_t buffer = hand_buf(h, output ? LATHE_BUF_OUTPUT : LATHE_BUF_INPUT, index, bytes, 0, 0);
    lathe_io io = {hand_string(h, name), elem, 1, LIST(h, dim), buffer};
    if (output) PUSH(h, outputs, io);
    else PUSH(h, inputs, io);
    return buffer;
}

static inline uint32_t hand_kernel(hand_model *h, lathe_kernel kernel)
{
    h->kernels[h->n_kernels] = kernel;
    return h->n_kernels++;
}

/* A step of one kernel: operands then result, then the dims. */
static inline uint32_t hand_step(hand_model *h, uint32_t kernel, uint32_t nbufs, uint32_t ndims,
                                 uint32_t args, uint32_t range, uint32_t work)
{
    return PUSH(h, steps,
                (lathe_step){.kind = LATHE_STEP_KERNEL,
                             .func = kernel,
                             .nbufs = nbufs,
                             .ndims = ndims,
                             .args = args,
                             .range = range,
                             .work = work});
}

/* Packs the tables; may be called again after a change. */
static inline const lathe_desc *hand_finish(hand_model *h)
{
    size_t size = sizeof h->head;
#define TABLE(type, name, cap)                                                                     \
    h->head.name = (lathe_span){(uint32_t)size, h->n##name};                                       \
    size = (size + h->n##name * sizeof(type) + 7) / 8 * 8;
    HAND_TABLES(TABLE)
#undef TABLE
    h->head.size = (uint32_t)size;
    free(h->block);
    h->block = calloc(1, size);
    memcpy(h->block, &h->head, sizeof h->head);
#define TABLE(type, name, cap)                                                                     \
    memcpy(h->block + h->head.name.offset, h->name, h->n##name * sizeof(type));
    HAND_TABLES(TABLE)
#undef TABLE
    h->desc = (lathe_desc){.rt = &lathe_rt_api_v1,
                           .tables = (const lathe_tables *)h->block,
                           .kernels = h->kernels,
                           .funcs = h->funcs,
                           .weights = h->desc.weights,
                           .states = h->nstates ? &lathe_rt_states_v1 : NULL,
                           .n_kernels = h->n_kernels,
                           .n_funcs = h->n_funcs};
    return &h->desc;
}

/* ---- running ---- */

static inline lathe_tensor hand_tensor(lathe_elem elem, void *data, int64_t n)
{
    size_t width = elem == LATHE_I64 ? 8 : elem == LATHE_F32 ? 4 : 1;
    return (lathe_tensor){
        .data = data, .size = (size_t)n * width, .dims = {n}, .rank = 1, .elem = elem};
}

/* ---- kernels in C: one row is one element ---- */

static inline void kernel_add_one(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    const float *x = a->buf[0];
    float *y = a->buf[1];
    (void)worker;
    for (int64_t i = begin; i < end; i++) y[i] = x[i] + 1;
}

static inline void kernel_add(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    const float *x = a->buf[0], *z = a->buf[1];
    float *y = a->buf[2];
    (void)worker;
    for (int64_t i = begin; i < end; i++) y[i] = x[i] + z[i];
}

#endif
