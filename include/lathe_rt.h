/* lathe_rt.h - the runtime interface: all that an app which runs a compiled model ever sees.
 *
 * A compiled model is one symbol, NAME_desc. The functions below reach the runtime through it, so
 * that a program which loads or links a model's shared library needs nothing else. NAME.h, written
 * by the compiler, wraps them with the model's own names, element types and dims.
 *
 * Threads: a model is immutable and may be shared; a session serves one caller at a time.
 * Errors: every function returns a status; the text is in lathe_session_message or, before there
 * is a session, in the buffer given to lathe_model_open. Nothing here exits, aborts or prints.
 * C11 and C++17. */
#ifndef LATHE_RT_H
#define LATHE_RT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LATHE_MAX_RANK 12
#define LATHE_ABI_VERSION 1

/* Numbers are pinned: they never change meaning. */
typedef enum lathe_status {
    LATHE_OK = 0,
    LATHE_BAD_INPUT = 10, /* a file or tensor that is not what it must be */
    LATHE_BAD_DIMS = 11,  /* dims that contradict the model or exceed the session's maxima */
    LATHE_BAD_VALUE = 12, /* a value that an operator cannot take: an index out of range */
    LATHE_BUFFER_TOO_SMALL = 13,
    LATHE_MISMATCH = 14,    /* header, library, weights or ABI do not belong together */
    LATHE_NOT_FOUND = 15,   /* no such file or name */
    LATHE_UNSUPPORTED = 20, /* valid, but beyond what lathe does */
    LATHE_UNSUPPORTED_CPU = 21,
    LATHE_OUT_OF_MEMORY = 30,
    LATHE_IO = 31,    /* the system refused a file operation */
    LATHE_LIMIT = 32, /* a documented limit was reached */
    LATHE_CANCELLED = 33,
    LATHE_TOOLCHAIN = 40, /* the linker or LLVM failed */
    LATHE_INTERNAL = 50   /* a defect of lathe */
} lathe_status;

/* Element types carry ONNX's numbers. */
typedef enum lathe_elem {
    LATHE_F32 = 1,
    LATHE_U8,
    LATHE_I8,
    LATHE_U16,
    LATHE_I16,
    LATHE_I32,
    LATHE_I64,
    LATHE_STRING, /* elements are lathe_string */
    LATHE_BOOL,
    LATHE_F16,
    LATHE_F64,
    LATHE_U32,
    LATHE_U64,
    LATHE_C64,
    LATHE_C128,
    LATHE_BF16,
    LATHE_F8E4M3FN,
    LATHE_F8E4M3FNUZ,
    LATHE_F8E5M2,
    LATHE_F8E5M2FNUZ,
    LATHE_U4,
    LATHE_I4,
    LATHE_F4E2M1,
    LATHE_F8E8M0,
    LATHE_U2,
    LATHE_I2
} lathe_elem;

typedef struct lathe_desc lathe_desc;
typedef struct lathe_model lathe_model;
typedef struct lathe_session lathe_session;

/* An element of a string tensor: bytes, usually of UTF-8, with any values. The bytes of an input
 * must stay until the run has ended; those of an output lie in an input, in the model, or in the
 * session's memory until its next run. data may be NULL if size is 0. */
typedef struct lathe_string {
    const char *data;
    size_t size;
} lathe_string;

/* A dense row-major tensor. As an input, data is read and size is its bytes. As an output, data is
 * where to write (NULL: the session's own memory, valid until its next run) and size the capacity;
 * run sets data, size, rank, dims and elem to what was produced. */
typedef struct lathe_tensor {
    void *data;
    size_t size;
    int64_t dims[LATHE_MAX_RANK];
    int32_t rank;
    lathe_elem elem;
} lathe_tensor;

typedef struct lathe_buffer {
    void *data;
    size_t size; /* bytes */
} lathe_buffer;

/* An input or output as declared. dims[i] >= 0: fixed; -1: known at run time, see dim_names[i],
 * the symbol or expression as text. Strings live as long as the model's library. */
typedef struct lathe_tensor_info {
    const char *name;
    lathe_elem elem;
    int32_t rank;
    int64_t dims[LATHE_MAX_RANK];
    const char *dim_names[LATHE_MAX_RANK];
} lathe_tensor_info;

/* The app's own threads. parallel_for calls task(arg, chunk, worker) once for each chunk in
 * [0, chunks), worker in [0, workers) and no worker number twice at a time, and returns when all
 * are done. */
typedef void (*lathe_task)(void *arg, int64_t chunk, int worker);
typedef struct lathe_threads {
    void (*parallel_for)(void *ctx, lathe_task task, void *arg, int64_t chunks);
    void *ctx;
    int workers;
} lathe_threads;

typedef struct lathe_allocator {
    void *(*alloc)(void *ctx, size_t size, size_t align); /* NULL on failure */
    void (*free)(void *ctx, void *ptr, size_t size);
    void *ctx;
} lathe_allocator;

/* An operator that the compiler left to the app (lathe compile --custom DOMAIN:OP=NAME). func is
 * called in lathe_run, on its thread, and fills the data of each output; sizes, dims and element
 * types of all tensors are set. It must depend on its inputs and attributes alone, as equal calls
 * may be made once, and bear several callers if several sessions run at a time. A status other than
 * LATHE_OK ends the run with it, and with what the function writes to message. */
typedef struct lathe_custom_call {
    const lathe_tensor *in, *out;
    int32_t nin, nout;
    const char *attributes; /* the node's: a line "name=value" each, see lathe_attribute */
    char *message;
    size_t message_size;
    void *ctx;
} lathe_custom_call;
typedef struct lathe_custom {
    const char *name;
    lathe_status (*func)(const lathe_custom_call *);
    void *ctx;
} lathe_custom;

/* The value of an attribute, which ends at the next newline; NULL if the node does not have it. A
 * list is written with spaces. strtod and strtoll read numbers off it. */
static inline const char *lathe_attribute(const lathe_custom_call *c, const char *name)
{
    for (const char *line = c->attributes; *line;) {
        const char *n = name;
        while (*n && *line == *n) line++, n++;
        if (!*n && *line == '=') return line + 1;
        while (*line && *line++ != '\n') {
        }
    }
    return NULL;
}

/* Receives each failure's text once, from the thread of the call that fails and before that call
 * returns; also of calls that have no place for a message, such as lathe_session_new. */
typedef struct lathe_log {
    void (*write)(void *ctx, lathe_status, const char *text);
    void *ctx;
} lathe_log;

enum {
    LATHE_OPEN_VERIFY = 1,  /* hash all weights while opening */
    LATHE_OPEN_POISON = 2,  /* for tests: fill working memory with 0xFF before each run */
    LATHE_OPEN_PREFAULT = 4 /* bring all weights into memory while opening */
};

/* Features of processors beyond the baseline of their architecture (SSE2, NEON). A feature that the
 * system does not let programs use counts as missing. */
enum {
    LATHE_CPU_SSE42 = 1 << 0, /* with SSE3, SSSE3, SSE4.1, POPCNT */
    LATHE_CPU_AVX2 = 1 << 1,  /* with AVX, BMI1, BMI2, LZCNT, MOVBE */
    LATHE_CPU_FMA = 1 << 2,
    LATHE_CPU_F16C = 1 << 3,
    LATHE_CPU_AVX512 = 1 << 4, /* F, BW, CD, DQ, VL */
    LATHE_CPU_AVX512_VNNI = 1 << 5,
    LATHE_CPU_AVX512_BF16 = 1 << 6,
    LATHE_CPU_AVX512_FP16 = 1 << 7,
    LATHE_CPU_AMX_TILE = 1 << 8,
    LATHE_CPU_AMX_BF16 = 1 << 9,
    LATHE_CPU_AMX_INT8 = 1 << 10,
    LATHE_CPU_AVX_VNNI = 1 << 11,
    LATHE_CPU_ARM_DOTPROD = 1 << 16,
    LATHE_CPU_ARM_FP16 = 1 << 17,
    LATHE_CPU_ARM_I8MM = 1 << 18,
    LATHE_CPU_ARM_BF16 = 1 << 19,
    LATHE_CPU_ARM_SVE = 1 << 20
};

/* Zero-initialise; every field is optional. Pointers inside must outlive the model. */
typedef struct lathe_open_options {
    const char *weights_path; /* default: NAME.weights beside the library or the program */
    const void *weights;      /* or the file's bytes in memory, 64-byte aligned */
    size_t weights_size;
    const lathe_threads *threads; /* default: the caller's thread alone */
    const lathe_allocator *allocator;
    unsigned flags;
    uint64_t build_id; /* that the model must have, as NAME.h knows it; 0: any */
    char *message;     /* receives the text of a failure, NUL-terminated */
    size_t message_size;
    const lathe_log *log;
    uint32_t hide_features;     /* LATHE_CPU_* that are taken as missing: a lesser target is used */
    const lathe_custom *custom; /* the functions of custom operators */
    size_t ncustom;
} lathe_open_options;

typedef enum { LATHE_MEMORY_EXACT, LATHE_MEMORY_BOUND, LATHE_MEMORY_UNBOUNDED } lathe_memory_kind;
typedef struct lathe_memory {
    uint64_t weights, arena, scratch, lower_bound; /* bytes */
    lathe_memory_kind kind;
    uint64_t states; /* what the session owns from run to run */
} lathe_memory;

/* A state: the numbers of its input and output, the axis along which it grows and the one that
 * sequences lie along; -1: each run replaces it, not known. */
typedef struct lathe_state_place {
    int32_t input, output, axis, batch;
} lathe_state_place;

/* A step of a run, as lathe_session_watch tells of it. Strings live as long as the library. */
typedef struct lathe_step_info {
    const char *kind;      /* "kernel", "call", "copy", "sizes", "guard", "if" or "loop" */
    const char *node, *op; /* what it comes from in the ONNX model; "" if it is from no node */
    uint32_t step, kernel; /* numbers; steps that share a kernel share code; UINT32_MAX: none */
    int64_t multiply_adds; /* of a product; 0: it is none */
    uint64_t bytes;        /* of operands and results, each once, at most; 0: not known */
    const char *precision; /* what a product multiplies in, "f32" or "i8"; "": it is none */
} lathe_step_info;

/* Both functions are called on the thread of lathe_run; steps of a branch or a loop's body lie
 * between begin and end of it. end comes also if the step fails. */
typedef struct lathe_watch {
    void (*begin)(void *ctx, const lathe_step_info *);
    void (*end)(void *ctx);
    void *ctx;
} lathe_watch;

/* The runtime's functions; one table a copy of the runtime. Use the wrappers below. */
typedef struct lathe_rt_api {
    uint32_t abi_version, size;
    const char *version;
    lathe_status (*model_open)(const lathe_desc *, const lathe_open_options *, lathe_model **);
    void (*model_close)(lathe_model *);
    int (*count)(const lathe_desc *, int what);
    lathe_status (*info)(const lathe_desc *, int what, int index, lathe_tensor_info *);
    const char *(*symbol)(const lathe_desc *, int index);
    lathe_status (*session_new)(lathe_model *, const int64_t *maxima, lathe_buffer *,
                                lathe_session **);
    void (*session_free)(lathe_session *);
    lathe_status (*session_reserve)(lathe_session *, const int64_t *maxima);
    lathe_status (*run)(lathe_session *, const lathe_tensor *inputs, lathe_tensor *outputs);
    const char *(*message)(const lathe_session *);
    void (*cancel)(lathe_session *);
    lathe_status (*memory)(const lathe_session *, lathe_memory *);
    lathe_status (*threads_new)(int workers, lathe_threads **);
    void (*threads_free)(lathe_threads *);
    const char *(*model_target)(const lathe_model *);
    lathe_status (*session_watch)(lathe_session *, const lathe_watch *);
    lathe_status (*session_seed)(lathe_session *, uint64_t seed);
    lathe_status (*step_origin)(const lathe_session *, uint32_t step, uint32_t index,
                                const char **node, const char **op);
    lathe_status (*state_info)(const lathe_desc *, int index, lathe_state_place *);
    lathe_status (*state_run)(lathe_session *, const lathe_tensor *inputs, lathe_tensor *outputs);
    int64_t (*state_length)(const lathe_session *);
    lathe_status (*state_reserve)(lathe_session *, int64_t capacity);
    lathe_status (*state_reset)(lathe_session *);
    lathe_status (*state_rewind)(lathe_session *, int64_t rows);
    lathe_status (*state_fork)(lathe_session *from, lathe_session *to);
    lathe_status (*state_reorder)(lathe_session *, const int64_t *from, int64_t n);
    lathe_status (*state_save)(lathe_session *, lathe_buffer *);
    lathe_status (*state_load)(lathe_session *, const void *data, size_t size);
} lathe_rt_api;

/* The first members of every descriptor, model and session. */
struct lathe_handle {
    const lathe_rt_api *rt;
};
#define LATHE_RT_(handle) (((const struct lathe_handle *)(const void *)(handle))->rt)

/* options may be NULL. The model needs desc, and its mapped weights, until it is closed. */
static inline lathe_status lathe_model_open(const lathe_desc *desc,
                                            const lathe_open_options *options, lathe_model **model)
{
    if (LATHE_RT_(desc)->abi_version != LATHE_ABI_VERSION) return LATHE_MISMATCH;
    return LATHE_RT_(desc)->model_open(desc, options, model);
}
static inline void lathe_model_close(lathe_model *m)
{
    if (m) LATHE_RT_(m)->model_close(m);
}
/* The target whose code this model runs, "x86-64-v3": the best of those that it was compiled for
 * and that the processor has. Lives as long as the model's library. */
static inline const char *lathe_model_target(const lathe_model *m)
{
    return LATHE_RT_(m)->model_target(m);
}

enum { LATHE_INPUTS = 0, LATHE_OUTPUTS = 1, LATHE_SYMBOLS = 2, LATHE_STATES = 3 };
static inline int lathe_count(const lathe_desc *d, int what)
{
    return LATHE_RT_(d)->count(d, what);
}
static inline lathe_status lathe_info(const lathe_desc *d, int what, int index,
                                      lathe_tensor_info *info)
{
    return LATHE_RT_(d)->info(d, what, index, info);
}
/* Name of a free size; NULL past the end. */
static inline const char *lathe_symbol(const lathe_desc *d, int index)
{
    return LATHE_RT_(d)->symbol(d, index);
}

/* maxima: one value a symbol, the largest that a run may have; all memory is planned for them
 * here, and a run allocates nothing. NULL maxima: every run may raise them (and so allocate). */
static inline lathe_status lathe_session_new(lathe_model *m, const int64_t *maxima,
                                             lathe_session **s)
{
    return LATHE_RT_(m)->session_new(m, maxima, NULL, s);
}
/* The same in the app's own memory, 64-byte aligned, which must outlive the session and is not
 * written to after lathe_session_free. memory->data NULL asks: memory->size becomes what is needed
 * and *s NULL. Too small a block is LATHE_BUFFER_TOO_SMALL, with memory->size as if asked. The
 * allocator is then used while planning, for nothing that stays, and for buffers whose size has no
 * bound (LATHE_MEMORY_UNBOUNDED). maxima may be NULL only if the model has no free sizes. */
static inline lathe_status lathe_session_new_in(lathe_model *m, const int64_t *maxima,
                                                lathe_buffer *memory, lathe_session **s)
{
    return memory ? LATHE_RT_(m)->session_new(m, maxima, memory, s) : LATHE_BAD_INPUT;
}
static inline void lathe_session_free(lathe_session *s)
{
    if (s) LATHE_RT_(s)->session_free(s);
}
static inline lathe_status lathe_session_reserve(lathe_session *s, const int64_t *maxima)
{
    return LATHE_RT_(s)->session_reserve(s, maxima);
}
/* inputs and outputs in the model's order. Outputs may not overlap inputs, and no input may lie in
 * the session's own memory (a cache that is passed back needs memory of the app): both are refused.
 * An output that an earlier run left pointing to the session's memory counts as NULL. After an
 * error the outputs' contents are unspecified and the session stays usable. */
static inline lathe_status lathe_run(lathe_session *s, const lathe_tensor *inputs,
                                     lathe_tensor *outputs)
{
    return LATHE_RT_(s)->run(s, inputs, outputs);
}
/* Text of the last failure of this session; "" if there was none. Valid until its next call. */
static inline const char *lathe_session_message(const lathe_session *s)
{
    return LATHE_RT_(s)->message(s);
}
/* From any thread: the run in progress ends with LATHE_CANCELLED as soon as the chunks that its
 * threads work on are done, each a 64th of a step at most if the step is long. Nothing is left over
 * for the next run. */
static inline void lathe_session_cancel(lathe_session *s) { LATHE_RT_(s)->cancel(s); }
static inline lathe_status lathe_session_memory(const lathe_session *s, lathe_memory *m)
{
    return LATHE_RT_(s)->memory(s, m);
}
/* Experimental. Runs from now on tell of each step; NULL: no longer, which costs nothing. */
static inline lathe_status lathe_session_watch(lathe_session *s, const lathe_watch *watch)
{
    const lathe_rt_api *rt = LATHE_RT_(s);
    if (rt->size <= offsetof(lathe_rt_api, session_watch)) return LATHE_UNSUPPORTED;
    return rt->session_watch(s, watch);
}
/* Random operators whose node has no seed continue one stream a session, from run to run; this
 * starts it. A new session's seed is 0, so that a program gives the same numbers whenever it runs.
 * A node with a seed of its own gives the same numbers every time. */
static inline lathe_status lathe_session_seed(lathe_session *s, uint64_t seed)
{
    const lathe_rt_api *rt = LATHE_RT_(s);
    if (rt->size <= offsetof(lathe_rt_api, session_seed)) return LATHE_UNSUPPORTED;
    return rt->session_seed(s, seed);
}
/* Experimental. Further nodes of the model that a step comes from, from index 0 on; NOT_FOUND: no
 * more. Only models compiled with --origins know more than the one of lathe_step_info. */
static inline lathe_status lathe_step_origin(const lathe_session *s, uint32_t step, uint32_t index,
                                             const char **node, const char **op)
{
    const lathe_rt_api *rt = LATHE_RT_(s);
    if (rt->size <= offsetof(lathe_rt_api, step_origin)) return LATHE_UNSUPPORTED;
    return rt->step_origin(s, step, index, node, op);
}
/* ---- states ----
 * A decoder's caches, or a recurrence's hidden values: outputs that the next run takes as inputs.
 * A model whose compiler found them (lathe compile --report) can be run in either of two ways on
 * the same session: lathe_run, where the caller passes them in and out, and lathe_state_run, where
 * the session owns them, writes new rows in place and copies nothing. Whatever fails leaves the
 * states as they were. */

/* lathe_count(desc, LATHE_STATES) says how many there are. */
static inline lathe_status lathe_state_info(const lathe_desc *d, int index, lathe_state_place *p)
{
    return LATHE_RT_(d)->state_info(d, index, p);
}
/* As lathe_run. The entries of inputs and outputs that are states are not looked at. The states
 * start empty, or as zeros where each run replaces them. The first run takes memory for all rows
 * that the session's maxima allow, or as many as lathe_state_reserve said; without maxima it grows.
 */
static inline lathe_status lathe_state_run(lathe_session *s, const lathe_tensor *inputs,
                                           lathe_tensor *outputs)
{
    return LATHE_RT_(s)->state_run(s, inputs, outputs);
}
/* Rows of the states that grow: tokens seen. 0: none, or no state grows. */
static inline int64_t lathe_state_length(const lathe_session *s)
{
    return LATHE_RT_(s)->state_length(s);
}
/* Room for this many rows, now if the session has maxima or holds states, else when the first run
 * tells how many sequences there are. Within it no run takes memory. */
static inline lathe_status lathe_state_reserve(lathe_session *s, int64_t capacity)
{
    return LATHE_RT_(s)->state_reserve(s, capacity);
}
/* As in a new session; the memory stays. */
static inline lathe_status lathe_state_reset(lathe_session *s)
{
    return LATHE_RT_(s)->state_reset(s);
}
/* Forgets the last rows. LATHE_UNSUPPORTED where a state is replaced: there is no way back. */
static inline lathe_status lathe_state_rewind(lathe_session *s, int64_t rows)
{
    return LATHE_RT_(s)->state_rewind(s, rows);
}
/* `to`, another session of the same model, gets the states that `from` has: a prompt that several
 * share. They share its memory, too, which is copied page by page as one of them writes, where the
 * system can do so and the app has given no allocator. Neither session may be in a run, and `from`
 * in no other fork. */
static inline lathe_status lathe_state_fork(lathe_session *from, lathe_session *to)
{
    return LATHE_RT_(to)->state_fork(from, to);
}
/* Sequence i of n becomes what sequence from[i] was: beam search. n may differ from the number of
 * sequences before, and is the batch of the next run. */
static inline lathe_status lathe_state_reorder(lathe_session *s, const int64_t *from, int64_t n)
{
    return LATHE_RT_(s)->state_reorder(s, from, n);
}
/* The states as bytes, for this build of the model only. buffer->data NULL asks: buffer->size
 * becomes what is needed. */
static inline lathe_status lathe_state_save(lathe_session *s, lathe_buffer *buffer)
{
    return LATHE_RT_(s)->state_save(s, buffer);
}
/* LATHE_MISMATCH: of another build. Damaged or cut off: LATHE_BAD_INPUT. */
static inline lathe_status lathe_state_load(lathe_session *s, const void *data, size_t size)
{
    return LATHE_RT_(s)->state_load(s, data, size);
}
/* A pool of `workers` threads, the caller's among them (1: none is created). d: any model's
 * descriptor; the pool serves every model of the process and must outlive them. */
static inline lathe_status lathe_threads_new(const lathe_desc *d, int workers, lathe_threads **t)
{
    return LATHE_RT_(d)->threads_new(workers, t);
}
static inline void lathe_threads_free(const lathe_desc *d, lathe_threads *t)
{
    LATHE_RT_(d)->threads_free(t);
}

#ifdef __cplusplus
}
#endif
#endif
