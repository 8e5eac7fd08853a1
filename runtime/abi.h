/* The contract between generated objects and the runtime; not installed for apps.
 *
 * An object holds one descriptor: a few pointers and one block of plain tables without
 * relocations, so that it lives in read-only memory and any reader can check it. All table entries
 * are little-endian and are found by (offset, count) in the header; every index is checked by the
 * runtime when the model is opened (rt_check), so later code trusts them.
 *
 * Slots: the run's sizes. slot[k] is computed by op k of the dim program, in order; ops of a
 * segment > 0 are computed when the step LATHE_STEP_SEGMENT of that number is reached. Segments are
 * numbered 0 .. n_segments-1; segment 0 is computed before the first step, from the inputs' dims
 * alone. Operands of an op have smaller numbers than the op and are computed before it.
 * LATHE_NO_SLOT is "none" wherever a slot, symbol, buffer or node is optional.
 * A slot's imm, CONST apart, is the offset in strings of its text ("past + sequence") or 0; text is
 * needed only for dims of inputs and outputs. strings starts and ends with a NUL. */
#ifndef LATHE_RUNTIME_ABI_H
#define LATHE_RUNTIME_ABI_H

#include "lathe_rt.h"

#define LATHE_MAGIC 0x3154414Cu /* "LAT1" */

/* First error of a run. Kernels store node once (compare-exchange from 0) and value. */
typedef struct lathe_fault {
    uint32_t node;        /* 0: none; else 1 + index in nodes[] */
    uint32_t kind;        /* LATHE_FAULT_* */
    int64_t value, limit; /* the index and its bound */
} lathe_fault;
enum { LATHE_FAULT_INDEX = 1, LATHE_FAULT_GUARD = 2 };

typedef struct lathe_args {
    void *const *buf;   /* operands, then the result; each readable for >= 64 bytes
                           if it is empty, at least its size otherwise */
    const int64_t *dim; /* the step's dims, in the kernel's order */
    lathe_fault *fault;
    void *scratch; /* of the worker; its first 8 bytes are zero in the first chunk of a step, then
                      as the worker's last chunk left them */
    uint32_t node; /* for the fault: 1 + index in nodes[] */
} lathe_args;
/* Rows [begin, end) of the kernel's parallel range. */
typedef void (*lathe_kernel)(const lathe_args *, int64_t begin, int64_t end, int worker);

/* What nodes without a seed draw from: a session's seed, and how many times they have drawn. */
typedef struct lathe_random {
    uint64_t seed, draws;
} lathe_random;

/* Memory for what a run makes and cannot plan, the bytes of strings: until the session's next. */
typedef struct lathe_page {
    struct lathe_page *next;
    size_t size, used; /* of what follows */
} lathe_page;
typedef struct lathe_pages {
    const lathe_allocator *allocator;
    lathe_page *first;
} lathe_pages;

/* A plain C operator of the runtime archive. tensors: operands, then results; result data has room
 * for its bound; the function sets results' dims and syms[]. Returns LATHE_OK or sets message. */
typedef struct lathe_call {
    const lathe_tensor *in;
    lathe_tensor *out;
    const int64_t *ints;
    const double *floats;
    int64_t *syms;
    int32_t nin, nout, nints, nfloats, nsyms;
    char *message; /* 256 bytes */
    lathe_random *random;
    lathe_pages *pages;
} lathe_call;
typedef lathe_status (*lathe_func)(lathe_call *);

/* Dim program. b is a slot number, or unused. CONST: imm; SYM: symbol number a. Overflow or a
 * division by zero fails the run with LATHE_BAD_DIMS. CAPACITY: slot a, the rows of a state with
 * the new ones, where the caller passes the state; the rows that there is room for, at least a,
 * where the session owns it. */
enum {
    LATHE_DIM_CONST,
    LATHE_DIM_SYM,
    LATHE_DIM_ADD,
    LATHE_DIM_MUL,
    LATHE_DIM_FLOORDIV,
    LATHE_DIM_MOD,
    LATHE_DIM_MIN,
    LATHE_DIM_MAX,
    LATHE_DIM_EQ,
    LATHE_DIM_LT,
    LATHE_DIM_CAPACITY
};
typedef struct lathe_dim_op {
    uint32_t op, segment;
    uint32_t a, b;
    int64_t imm;
} lathe_dim_op;

/* Symbols: the first n_free are read off the inputs and have maxima; the others are set by steps.
 */
typedef struct lathe_sym {
    uint32_t name;       /* offset in strings */
    uint32_t bound_slot; /* a data symbol's upper bound, or LATHE_NO_SLOT */
    int64_t lo, hi;
} lathe_sym;
#define LATHE_NO_SLOT 0xFFFFFFFFu

/* slot a == slot b, or (or_one) slot b == 1. Checked after the dim program of its segment. */
typedef struct lathe_guard {
    uint32_t a, b, or_one, node, segment, text;
} lathe_guard;

/* dims: index into u32s of `rank` slot numbers. */
typedef struct lathe_io {
    uint32_t name, elem, rank, dims, buffer;
} lathe_io;

/* Where a value lives. bytes: slot of its size. ARENA: alive in steps [first, last]. ALIAS is never
 * here: values that share memory share the buffer's number. */
enum { LATHE_BUF_ARENA, LATHE_BUF_INPUT, LATHE_BUF_OUTPUT, LATHE_BUF_WEIGHT, LATHE_BUF_GROWING };
typedef struct lathe_buf {
    uint32_t kind, index; /* index: of the input or output */
    uint32_t bytes;       /* slot (WEIGHT: unused) */
    uint32_t first, last;
    uint64_t offset, size; /* WEIGHT: place in the weight data */
} lathe_buf;

/* Steps run in order; IF and LOOP hold their bodies as the step ranges that follow them.
 * args: index into u32s. KERNEL: nbufs buffer numbers, then ndims slot numbers; range: slot of the
 * parallel extent (none: the single row [0, 1)); work: slot of the scalar operations a row takes,
 * to choose chunks (none: one chunk holds all rows, so that they run in order on one thread). For
 * profiles only: a: 1 + slot of the step's multiply-adds if it is a product, else 0; b: offset in
 * strings of what a product is computed in; else, operations at a point of the space << 8 | bytes
 * of its widest element, or 0. CALL: a = index of calls; args: nbufs = nin + nout numbers of
 * values, operands first. SEGMENT: a = segment. BIND: buffer args[0] (i64); symbols a .. a+ndims-1
 * := its elements, each of which must be in its symbol's [lo, hi]. SET: symbols a .. a+ndims-1 :=
 * the slots at args. IF: args[0] is the buffer of the bool; a: steps in then, b: steps in else;
 * both follow. LOOP: see lathe_loop, a = its index; b: steps of the body. COPY: args[0], args[1]:
 * buffers src, dst; range: slot of the bytes. GUARD: args[0] is the buffer of a bool; if it is
 * false, the run fails with LATHE_BAD_VALUE and the text at a in strings. PAST: the step that
 * follows, a KERNEL, brings the rows of a state from its input to what holds it, or from there to
 * its output; it is left out where the session owns the state. */
enum {
    LATHE_STEP_KERNEL,
    LATHE_STEP_CALL,
    LATHE_STEP_SEGMENT,
    LATHE_STEP_BIND,
    LATHE_STEP_IF,
    LATHE_STEP_LOOP,
    LATHE_STEP_COPY,
    LATHE_STEP_SET,
    LATHE_STEP_GUARD,
    LATHE_STEP_PAST
};
typedef struct lathe_step {
    uint32_t kind, func; /* func: index of kernels[] or funcs[] */
    uint32_t node;       /* index of nodes[] */
    uint32_t args, nbufs, ndims;
    uint32_t range, work; /* slots */
    uint32_t a, b;
} lathe_step;

/* A value with its dims, for CALL: dims indexes u32s (slots). */
typedef struct lathe_value {
    uint32_t buffer, elem, rank, dims;
} lathe_value;
/* ints, floats: index in i64s, f64s. syms: index in u32s of nsyms symbol numbers, which receive
 * lathe_call.syms. A result's buffer has room for its bytes at the symbols' bounds; a GROWING one
 * is given that room, from the sizes known so far, before the call. custom: offset in strings of
 * the name of a function of the app, which is called instead of the step's func, with the
 * attributes at another offset; 0: none. */
typedef struct lathe_call_info {
    uint32_t nin, nout, ints, nints, floats, nfloats, syms, nsyms;
    uint32_t custom, attributes;
} lathe_call_info;

/* LOOP. trip: i64 buffer, cond: bool buffer (either may be none: unlimited, true). At the start
 * every region symbol gets its initial slot's value and every carried param its init. A turn
 *   1. stores its number and the condition in iter and cond_param (either may be none),
 *   2. computes `segment` (none: nothing), checks its guards, makes room for its buffers,
 *   3. runs the body's steps,
 *   4. takes the next condition from cond_result (none: stays true),
 *   5. appends `bytes` of each scan's body result to its output,
 *   6. copies each carried result to its param, then sets the region symbols from their next slots.
 * After the loop the symbol `turns` (or none) is the number of turns, the region symbols have their
 * last values, and the params hold the final carried values: the loop's results share the params'
 * buffers. A carried result may be its own param (nothing is copied) but not another one's param:
 * the body copies such a value first. Lifetimes span the whole loop for params, scan outputs, and
 * all that the body uses from outside.
 * carried: index in u32s of (init, param, result, slot of init's bytes, slot of result's bytes);
 * init may be the param itself. syms: (symbol, initial slot, next slot). scans: (body result,
 * output, slot of bytes a turn). An output of unknown size is GROWING. */
typedef struct lathe_loop {
    uint32_t trip, cond, iter, cond_param, cond_result, turns;
    uint32_t carried, ncarried, syms, nsyms, scans, nscans;
    uint32_t segment; /* dim segment of the body, computed each turn */
} lathe_loop;

/* A node of the model, for messages and profiles. A step made of several names the one that it is
 * called after, behind which `more` others stand. */
typedef struct lathe_node {
    uint32_t name, op; /* strings */
    uint32_t more;
} lathe_node;

/* Code for processors that have `features`: LATHE_CPU_* bits, all that the code uses beyond its
 * architecture's baseline. Targets stand from the best to the least; the first one that the
 * processor can run is used. All share the tables and the weights. */
typedef struct lathe_target {
    uint32_t name, features;
} lathe_target; /* name: strings */

/* An output that the next run has as its input. axis: the input is the output's first rows along
 * it, dims[axis] of the input is a free symbol, that of the output is read in segment 0 and its
 * buffer has rows of a CAPACITY; none: the output replaces the input and has its dims. batch: the
 * axis that sequences lie along, or none. held, elem: the buffer of the state and its type: the
 * output's, or that of a narrower form, from and to which steps behind PAST bring it. */
typedef struct lathe_state {
    uint32_t input, output, axis, batch, held, elem;
} lathe_state;

typedef struct lathe_span {
    uint32_t offset, count;
} lathe_span; /* bytes into tables, entries */

typedef struct lathe_tables {
    uint32_t magic, abi_version, size, n_free;
    uint64_t build_id, weights_size, weights_hash; /* xxh3-style 64-bit hash by the runtime */
    uint32_t name;                                 /* strings */
    uint32_t n_segments, max_bufs, max_dims;
    uint32_t scratch_slot; /* slot of scratch bytes a worker */
    lathe_span targets, strings;
#define TABLE(type, name) lathe_span name;
#include "runtime/tables.def"
#undef TABLE
} lathe_tables;

typedef struct lathe_rt_states lathe_rt_states;
extern const lathe_rt_states lathe_rt_states_v1;

/* NAME_desc. */
struct lathe_desc {
    const lathe_rt_api *rt;
    const lathe_tables *tables;
    const lathe_kernel *kernels; /* all of the first target, then all of the next ... */
    const lathe_func *funcs;
    const void *weights;           /* embedded weight data (no header), 64-byte aligned, or NULL */
    const lathe_rt_states *states; /* what handles states, linked where a model has some; or NULL */
    uint32_t n_kernels, n_funcs;   /* n_kernels: of all targets together */
};

extern const lathe_rt_api lathe_rt_api_v1;

/* The weight file: this header, padding to 4096, then the data that offsets refer to. */
typedef struct lathe_weights_header {
    uint32_t magic, abi_version;
    uint64_t build_id, size, hash; /* of the data */
} lathe_weights_header;
#define LATHE_WEIGHTS_DATA 4096

#endif
