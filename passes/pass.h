/* Passes: graph -> graph, one file each. passes.def is the list that the driver walks. */
#ifndef LATHE_PASSES_PASS_H
#define LATHE_PASSES_PASS_H

#include "ir/ir.h"

/* For --report: the walk over the passes fills in `passes`, whoever prints it the sizes. */
typedef struct pass_line {
    const char *name;
    bool run;
    size_t before, after;
} pass_line;
/* A product that is not in the precision that one might expect, and why. */
typedef struct pass_float {
    diag_place place;
    const char *why;
} pass_float;
/* An input that an output continues; why: what keeps it from being a state, NULL: it is one. */
typedef struct pass_state {
    const char *input, *output, *why;
    bool grows;
} pass_state;
typedef struct pass_report {
    pass_line passes[32];
    pass_state *states;
    size_t nstates, cap_states;
    pass_float *floats;
    size_t nfloats, cap_floats;
    const char *const *stored; /* by node, what a product's weights are stored as: "w4", "f16";
                                  NULL: as floats */
    const char *precision;     /* that was asked for; NULL: none */
    pass_float *kept;          /* weights that are not in it, and why */
    size_t nkept, cap_kept;
    size_t n, kernels, code_bytes;
    uint64_t weight_bytes;
} pass_report;

struct pass_info;

typedef struct pass_options {
    pass_report *report; /* NULL: none */
    int level;           /* 0 or 2 */
    const char *const *disabled;
    size_t ndisabled;
    const char *states;     /* "auto", "INPUT=OUTPUT,..."; "off" or NULL: none */
    const char *dump_after; /* pass name, "all" or NULL */
    FILE *dump;
    /* Sees the graph behind every pass of pass_run_all. NULL: nobody looks. */
    void (*watch)(void *watch_ctx, ir_graph *, const struct pass_info *, const pass_line *);
    void *watch_ctx;
    bool verify;                                   /* after every pass */
    const struct pass_precision_choice *precision; /* NULL: f32 */
    /* A constant is not read for a while: its pages need not stay in memory. NULL: they stay. */
    void (*forget)(void *ctx, const ir_blob *);
    /* Computes a graph without symbols on this machine: the bytes of each parameter in, of each
     * result out. LATHE_BAD_VALUE without a message: an index was outside. NULL: nobody can. */
    lathe_status (*evaluate)(void *ctx, ir_graph *, const ir_blob *in, void *const *out);
    void *ctx;               /* of both functions */
    const char *activations; /* "i8", "f32" or NULL: as nodes say */
} pass_options;

typedef lathe_status (*pass_run)(ir_graph *, const pass_options *, lathe_diag *);

#define PASS(function, name, level, summary)                                                       \
    lathe_status pass_##function(ir_graph *, const pass_options *, lathe_diag *);
#include "passes/passes.def"
#undef PASS

typedef struct pass_info {
    const char *name, *summary;
    int level; /* runs at this -O level and above */
    pass_run run;
} pass_info;
size_t pass_count(void);
const pass_info *pass_at(size_t);
const pass_info *pass_find(const char *name);
/* Every name in the options is a pass's; a message for each that is not. */
lathe_status pass_check_names(const pass_options *, lathe_diag *);
/* "i8", "f32" or NULL. */
lathe_status pass_check_activations(const char *, lathe_diag *);
/* All passes of the level in their order, less the disabled ones. */
lathe_status pass_run_all(ir_graph *, const pass_options *, lathe_diag *);
void pass_count_nodes(const ir_graph *, size_t *count);
/* Two nests of the final graph that pass a tensor through memory, and why they are not one. */
typedef void pass_unfused(void *ctx, ir_node_id maker, ir_node_id reader, const char *reason);
void pass_each_unfused(ir_graph *, pass_unfused *, void *ctx);
/* What a contract or attention node multiplies in: "i8", "f32", ...; NULL: the node is no product.
 */
const char *pass_precision_of(const ir_graph *, const ir_node *);
/* An error for each product of `floats`; `precision` is what was asked for. */
lathe_status pass_require(const pass_report *, const char *precision, lathe_diag *);
void pass_report_print(ir_graph *, const pass_report *, bool json, FILE *);
/* The comma-separated ones, in the order given. */
lathe_status pass_run_named(ir_graph *, const char *names, const pass_options *, lathe_diag *);

#endif
