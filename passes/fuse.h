/* Shared by the passes that put several nests into one. */
#ifndef LATHE_PASSES_FUSE_H
#define LATHE_PASSES_FUSE_H

#include "passes/rewrite.h"

/* Limits of a node that fusion makes: expression nodes, and distinct tensors read. */
enum { FUSE_MOST_NODES = 96, FUSE_MOST_OPERANDS = 12 };

/* How values are used, before the sweep; a replacement is used as what it replaces was. */
typedef struct fuse_uses {
    uint32_t *count; /* by nodes and by blocks that have the value as a result */
    bool *result;    /* of some block */
    size_t cap_count, cap_result;
} fuse_uses;

void fuse_count(ir_graph *, fuse_uses *);
void fuse_replace(pass_sweep *, fuse_uses *, ir_value old, ir_value with);

/* What becomes of the loads of one node while its expressions are rewritten. */
typedef struct fuse_merge {
    ir_graph *g;
    const ir_node *n;
    ir_nest nest;   /* collects the operands of the new node */
    bool plain;     /* known elements stay loads */
    uint64_t taken; /* bit k: operand k is a map that is computed where it is read */
    bool failed;
} fuse_merge;

/* Hook: the load as a load of the new node, or the expression of the map behind it. */
ir_expr fuse_read(void *merge, const ir_expr_node *load);

/* Calls visit for every different load below the expressions. */
void fuse_each_load(ir_graph *, const ir_expr *, size_t n, void *ctx,
                    void (*visit)(void *ctx, const ir_expr_node *));

/* The only expression, the list's length being checked by the verifier. */
static inline ir_expr fuse_body(const ir_node *n)
{
    return ir_attr_find(n, IR_KEY_body)->u.exprs[0];
}

/* The value's node if it is of this operator and in this block, else NULL. */
const ir_node *fuse_def(const ir_graph *, ir_value, ir_op, ir_block_id);

#endif
