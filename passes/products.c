/* products: says of every product of matrices and every attention what each axis is.
 *
 * In: any graph, at the end of the pipeline. Out: the same, with the attributes `roles`, `factor`
 * and `weight` where nodes have the form (ir/product.c), and, of products of floats, `precision`
 * where the caller allows a lesser one. Lowering reads them and decides nothing of it again: a
 * product without them is a general sum. */
#include <string.h>

#include "passes/pass.h"
#include "passes/precision.h"

/* What the caller asked for is one that products can be computed in. */
static bool narrows(const pass_options *o)
{
    const char *name = o && o->precision ? o->precision->name : "";
    return strcmp(name, "bf16") == 0 || strcmp(name, "f32x3") == 0;
}

static void allow(ir_graph *g, ir_node_id id, const char *precision)
{
    const ir_node *n = &g->nodes[id];
    if (n->op == IR_OP_ATTENTION || strcmp(ir_attr_str(g, n, IR_KEY_panel), "f32") != 0) return;
    const ir_attr a = ir_a_str(g, IR_KEY_precision, precision);
    ir_replace_attrs(g, id, UINT64_C(1) << IR_KEY_precision, &a, 1);
}

lathe_status pass_products(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)diag;
    for (size_t id = 1; id < g->nnodes; id++) {
        ir_roles_set(g, (ir_node_id)id);
        if (narrows(options)) allow(g, (ir_node_id)id, options->precision->name);
    }
    return LATHE_OK;
}
