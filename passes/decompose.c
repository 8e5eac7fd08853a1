/* decompose: operators that no kernel takes whole become maps and reductions. In: a graph that may
 * hold softmax, norm, conv, pool and attention; out: the same values from nests, which the general
 * emitter knows. The plain formulas are kept, so a row that is masked entirely gives what they
 * give. */
#include "passes/decompose.h"
#include "passes/pass.h"

typedef ir_value (*decompose_rule)(ir_builder *, const ir_node *);

/* Attention has a kernel of its own, but not at level 0; elsewhere fuse_attention makes it again.
 */
static decompose_rule find_rule(ir_op op)
{
    switch (op) {
    case IR_OP_ATTENTION:
        return decompose_attention;
    case IR_OP_SOFTMAX:
        return decompose_softmax;
    case IR_OP_NORM:
        return decompose_norm;
    case IR_OP_CONV:
        return decompose_conv;
    case IR_OP_POOL:
        return decompose_pool;
    default:
        return NULL;
    }
}

static lathe_status decompose_node(ir_builder *b, ir_node_id id, decompose_rule rule,
                                   lathe_diag *diag)
{
    const ir_node node = b->g->nodes[id]; /* by value: building moves the array */
    b->name = node.name;
    b->origin = node.origin;
    b->origins = node.origins;
    ir_value v = rule(b, &node);
    if (v == IR_NONE) {
        diag_place at = {.node = ir_text(b->g, node.name), .op = ir_op_get(node.op)->name};
        return diag_add(diag, LATHE_INTERNAL, &at, "cannot be decomposed");
    }
    ir_replace_uses(b->g, node.results[0], v);
    ir_delete_node(b->g, id);
    return LATHE_OK;
}

/* The block's nodes are appended again one by one, each rule's nodes in place of its own. */
static lathe_status decompose_block(ir_graph *g, ir_block_id block, lathe_diag *diag)
{
    size_t n = g->blocks[block].nnodes;
    const ir_node_id *nodes = ir_copy(g->arena, g->blocks[block].nodes, n, sizeof *nodes);
    ir_builder b = {.g = g, .block = block};
    g->blocks[block].nnodes = 0;
    for (size_t i = 0; i < n; i++) {
        decompose_rule rule = find_rule(g->nodes[nodes[i]].op);
        if (rule) {
            TRY(decompose_node(&b, nodes[i], rule, diag));
        } else {
            ir_block *at = &g->blocks[block];
            at->nodes =
                ir_grow(g->arena, at->nodes, &at->cap_nodes, at->nnodes + 1, sizeof *at->nodes);
            at->nodes[at->nnodes++] = nodes[i];
        }
    }
    return LATHE_OK;
}

lathe_status pass_decompose(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)options;
    for (size_t block = 1; block < g->nblocks; block++)
        TRY(decompose_block(g, (ir_block_id)block, diag));
    ir_compact(g);
    return LATHE_OK;
}
