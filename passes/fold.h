/* Shared by fold.c and fold_batch.c. */
#ifndef LATHE_PASSES_FOLD_H
#define LATHE_PASSES_FOLD_H

#include "passes/pass.h"

/* Whether all n dims are known; their sizes (may be NULL) and the product. */
bool fold_static_count(const ir_graph *, const ir_dim *dims, int n, int64_t *sizes, int64_t *count);
/* Bytes of a constant, or NULL if v is none. */
const ir_blob *fold_blob_of(const ir_graph *, ir_value v);
/* Replaces what constants alone decide by constants, through options->evaluate. */
lathe_status fold_batch(ir_graph *, const pass_options *, lathe_diag *);

#endif
