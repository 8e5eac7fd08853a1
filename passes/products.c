/* products: says of every product of matrices and every attention what each axis is.
 *
 * In: any graph, at the end of the pipeline. Out: the same, with the attributes `roles`, `factor`
 * and `weight` where nodes have the form (ir/product.c). Lowering reads them and decides nothing of
 * it again: a product without them is a general sum. */
#include "passes/pass.h"

lathe_status pass_products(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)options;
    (void)diag;
    for (size_t id = 1; id < g->nnodes; id++) ir_roles_set(g, (ir_node_id)id);
    return LATHE_OK;
}
