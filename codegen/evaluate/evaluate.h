/* Graphs that are compiled for this machine and run inside of the compiler. */
#ifndef LATHE_CODEGEN_EVALUATE_H
#define LATHE_CODEGEN_EVALUATE_H

#include "ir/ir.h"

typedef struct cg_evaluator cg_evaluator;

/* The graph, ready to be lowered, as code in memory for the host's baseline instruction set and
 * without contraction, so that results are the same on every host of an architecture. maxima: of
 * its free symbols, NULL if it has none; runs within them cannot fail for lack of memory. Owned by
 * the caller; what it needs of the graph's arena is done when this returns. */
lathe_status cg_evaluator_new(ir_graph *, const int64_t *maxima, lathe_diag *, cg_evaluator **);
/* A constant as an input of the graph, for its parameter v, whose sizes are known. */
lathe_tensor cg_evaluator_input(const ir_graph *, ir_value v, const ir_blob *);
/* Dense tensors in the graph's order, aligned to their elements; data and size of the outputs are
 * the caller's. LATHE_BAD_VALUE, without a message: an index was outside. */
lathe_status cg_evaluator_run(cg_evaluator *, const lathe_tensor *in, lathe_tensor *out,
                              lathe_diag *);
void cg_evaluator_free(cg_evaluator *);
/* Once: in are the bytes of the parameters, out of the results, all of known sizes. */
lathe_status cg_evaluate(ir_graph *, const ir_blob *in, void *const *out, lathe_diag *);

#endif
