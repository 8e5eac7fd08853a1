/* Inside of the runtime: what its files share. Public: include/lathe_rt.h; objects: runtime/abi.h.
 *
 * Life of a run: io.c reads the symbols off the inputs, plan.c has placed every buffer for the
 * session's maxima, dims.c computes the slots, run.c walks the steps, loop.c turns its loops. */
#ifndef LATHE_RUNTIME_RT_H
#define LATHE_RUNTIME_RT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/abi.h"

#define RT_ALIGN 64u
/* A size above this counts as unbounded: the buffer grows with the run instead of being planned. */
#define RT_MAX_BYTES ((int64_t)1 << 46)
#define RT_MAX_DEPTH 64 /* nesting of if and loop steps */

/* ---- messages (text.c) ---- */
typedef struct rt_text {
    char s[512];
} rt_text;
lathe_status rt_fail(rt_text *, lathe_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Tells the app's log, if there is one, of a failure; the status. */
lathe_status rt_tell(const lathe_log *, lathe_status, const rt_text *);

/* ---- tables (check.c) ---- */
/* The descriptor's tables, typed. */
typedef struct rt_view {
    const lathe_desc *desc;
    const lathe_tables *t;
    const lathe_kernel *kernels; /* of the target in use, from rt_target_choose on */
    const lathe_target *targets;
    const char *strings;
#define TABLE(type, name) const type *name;
#include "runtime/tables.def"
#undef TABLE
    uint32_t ndims, nsyms, nguards, ninputs, noutputs, nbufs, nsteps;
} rt_view;

/* Places the tables; they lie inside the block, but their entries are not checked yet. */
lathe_status rt_view_make(const lathe_desc *, rt_view *, rt_text *);
/* Checks every entry: afterwards no index of the tables needs a check. */
lathe_status rt_check(const rt_view *, rt_text *);
/* String at an offset; "" if it is outside. */
const char *rt_string(const rt_view *, uint32_t offset);
/* "sequence", "past + sequence" or "". */
const char *rt_slot_text(const rt_view *, uint32_t slot);

static inline bool rt_some(uint32_t number) { return number != LATHE_NO_SLOT; }

/* ---- element types (text.c) ---- */
const char *rt_elem_name(uint32_t elem);
unsigned rt_elem_bits(uint32_t elem); /* 0: unknown */
unsigned rt_elem_align(uint32_t elem);

/* ---- the processor (cpu.c, target.c) ---- */
uint32_t rt_cpu_features(void);
/* Readies what the features need (AMX state); false: the system refuses. */
bool rt_cpu_enable(uint32_t features);
const char *rt_cpu_name(uint32_t lowest_bit);
/* Takes the kernels of the first target that runs on a processor with these features. */
lathe_status rt_target_choose(rt_view *, uint32_t features, const lathe_target **, rt_text *);

/* ---- models (model.c, weights.c) ---- */
/* Numbers of a table's entries, sorted by segment: those of s are item[start[s]] .. start[s+1]. */
typedef struct rt_group {
    uint32_t *start, *item;
} rt_group;

struct lathe_model {
    const lathe_rt_api *rt;
    rt_view v;
    const lathe_target *target;
    lathe_allocator allocator;
    lathe_threads threads;
    lathe_log log;
    unsigned flags;
    rt_group dims, guards, bufs;
    const lathe_custom **custom; /* of each call; NULL where it calls the runtime */
    void *block;                 /* of custom and the groups */
    size_t block_size;
    const char *weights;
    void *mapping;
    size_t mapping_size;
};

lathe_status rt_model_open(const lathe_desc *, const lathe_open_options *, lathe_model **);
void rt_model_close(lathe_model *);
const char *rt_model_target(const lathe_model *);
lathe_status rt_weights_open(lathe_model *, const lathe_open_options *, rt_text *);
void rt_weights_close(lathe_model *);
void *rt_alloc(const lathe_model *, size_t size);
bool rt_default_memory(const lathe_model *); /* the app has given no allocator */
void rt_free(const lathe_model *, void *, size_t size);

/* ---- sizes (dims.c) ---- */
typedef struct rt_range {
    int64_t lo, hi;
} rt_range;
/* One op; false on overflow or a division by zero. */
bool rt_dim_apply(uint32_t op, int64_t a, int64_t b, int64_t *result);
/* All slots' intervals, from those of the symbols; data symbols are narrowed by their bound. */
void rt_ranges(const rt_view *, rt_range *syms, rt_range *slots);

/* ---- sessions ---- */
/* Memory of a buffer: data is what the run uses, home what the session owns for it. */
typedef struct rt_store {
    char *data, *home;
    uint64_t capacity, home_capacity;
    uint64_t used; /* bytes appended to a scan output */
    bool growing;  /* home has an allocation of its own */
} rt_store;

/* A state's memory (state.h): what a run reads, and what it leaves if that is another one. */
typedef struct rt_block {
    char *data;
    uint64_t size;
    bool mapped; /* a file that forks share, not the allocator's (state_share.c) */
} rt_block;
typedef struct rt_shared rt_shared;
typedef struct rt_state {
    rt_block now, next; /* of a state that grows: parts of the session's rows and next_rows */
    int64_t dims[LATHE_MAX_RANK]; /* as it lies in memory, with its room */
    int64_t next_dims[LATHE_MAX_RANK];
} rt_state;

struct lathe_session {
    const lathe_rt_api *rt;
    lathe_model *model;
    const rt_view *v;
    bool grows; /* made without maxima: a run may raise them */
    bool planned;
    bool in_block;         /* session and arena lie in the app's memory */
    int64_t *maxima;       /* of the free symbols */
    int64_t *syms, *slots; /* of the run */
    bool *known;           /* symbols that this run has set */
    rt_range *sym_range, *slot_range, *corner_range;
    int64_t *corner_most;
    rt_store *stores; /* one a buffer, then one an output without its own buffer */
    char *arena;
    size_t arena_size;      /* planned buffers, then scratch */
    uint64_t scratch_pitch; /* of a worker */
    lathe_memory memory;
    void **args_buf; /* of the step */
    int64_t *args_dim;
    lathe_tensor *call_tensors;
    int64_t *call_syms;
    size_t size;         /* of the session with its arrays */
    atomic_uint notices; /* RT_CANCELLED, RT_WATCHED: what a run looks at between its steps */
    lathe_fault fault;
    lathe_random random;
    lathe_pages pages;
    bool owns;                                      /* in this run the states are the session's */
    bool started;                                   /* a run has left states */
    int64_t length, capacity, reserved, rows_after; /* rows: filled, room, asked for, of this run */
    rt_state *states;
    rt_block rows, next_rows; /* of all states that grow */
    rt_shared *shared;        /* where forks find the first shared_rows rows, or NULL */
    int64_t shared_rows;
    uint32_t *input_state, *output_state; /* which state it is, or none */
    const char **state_data;              /* work space, one a state */
    int64_t (*state_dims)[LATHE_MAX_RANK];
    lathe_watch watch; /* begin NULL: nobody is told of steps */
    rt_text text;
};

/* memory: the app's, or NULL. */
lathe_status rt_session_new(lathe_model *, const int64_t *maxima, lathe_buffer *memory,
                            lathe_session **);
void rt_session_free(lathe_session *);
lathe_status rt_session_reserve(lathe_session *, const int64_t *maxima);
lathe_status rt_session_memory(const lathe_session *, lathe_memory *);
const char *rt_session_message(const lathe_session *);
void rt_session_cancel(lathe_session *);
void rt_session_drop_pages(lathe_session *);
lathe_status rt_session_seed(lathe_session *, uint64_t seed);
lathe_status rt_run(lathe_session *, const lathe_tensor *inputs, lathe_tensor *outputs);

/* bounds.c: largest values in slot_range[].hi. Of any run within the maxima: */
void rt_bounds(lathe_session *);
/* Of this run, by the symbols known so far. */
void rt_bounds_now(lathe_session *);

/* place.c */
typedef struct rt_item {
    uint64_t size, offset;       /* size: a multiple of RT_ALIGN */
    uint64_t best, pressure;     /* of the best placement so far; most bytes alive with it */
    uint32_t first, last, store; /* alive in steps [first, last], last <= nsteps */
} rt_item;
/* Gives n items their offsets, in another order of the array; the size of the block. at: room for n
 * pointers; live: nsteps + 2 zeros. lower_bound: what no placement can go below. */
uint64_t rt_place(rt_item *, size_t n, rt_item **at, uint64_t *live, uint32_t nsteps,
                  uint64_t *lower_bound);

/* plan.c */
extern const char rt_pad[RT_ALIGN]; /* what buffers of no bytes point to */
/* Places all buffers for s->maxima and allocates; on failure the session has no plan. */
lathe_status rt_plan(lathe_session *);
void rt_unplan(lathe_session *);
/* Makes room for `bytes` in a buffer; what it holds is kept. */
lathe_status rt_room(lathe_session *, uint32_t buffer, int64_t bytes);
/* Room for a growing buffer whose size is not known yet: its bound by the symbols known so far. */
lathe_status rt_room_bound(lathe_session *, uint32_t buffer);

/* io.c */
lathe_status rt_bind(lathe_session *, const lathe_tensor *inputs, lathe_tensor *outputs);
lathe_status rt_finish(lathe_session *, lathe_tensor *outputs);

/* segment.c */
/* Computes a segment's slots, checks its guards and makes room for its buffers. */
lathe_status rt_segment(lathe_session *, uint32_t segment);
lathe_status rt_set_symbol(lathe_session *, uint32_t symbol, int64_t value, uint32_t node);

/* run.c, loop.c */
lathe_status rt_steps(lathe_session *, uint32_t begin, uint32_t end);
lathe_status rt_loop(lathe_session *, const lathe_step *, uint32_t body);

/* watch.c */
lathe_status rt_session_watch(lathe_session *, const lathe_watch *);
lathe_status rt_step_origin(const lathe_session *, uint32_t step, uint32_t index, const char **node,
                            const char **op);
/* Bits of a session's notices, in one word, so that a step costs one comparison for all of them. */
enum { RT_CANCELLED = 1, RT_WATCHED = 2 };
lathe_status rt_cancelled(lathe_session *); /* LATHE_CANCELLED if the run is */
void rt_watch_begin(lathe_session *, const lathe_step *);

/* fault.c: "node 'x' (Gather): " and the rest of the message. */
lathe_status rt_fail_node(lathe_session *, lathe_status, uint32_t node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
lathe_status rt_fail_fault(lathe_session *);

/* ---- threads (pool.c) ---- */
lathe_status rt_threads_new(int workers, lathe_threads **);
void rt_threads_free(lathe_threads *);

#endif
