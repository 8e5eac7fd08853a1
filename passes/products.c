/* products: says of every product of matrices and every attention what each axis is.
 *
 * In: any graph, at the end of the pipeline. Out: the same, with the attributes `roles`, `factor`
 * and `weight` where nodes have the form (ir/product.c), and, of products of floats, `precision`
 * where the caller allows a lesser one. Lowering reads them and decides nothing of it again: a
 * product without them is a general sum. */
#include <string.h>

#include "passes/pass.h"
#include "passes/precision.h"

static const char I8[] = "i8";

/* What the caller asked for is one that products can be computed in. */
static bool narrows(const pass_options *o)
{
    const char *name = o && o->precision ? o->precision->name : "";
    return strcmp(name, "bf16") == 0 || strcmp(name, "f32x3") == 0;
}

/* precision "": none but f32. */
static void allow(ir_graph *g, ir_node_id id, const char *precision)
{
    const ir_node *n = &g->nodes[id];
    if (n->op == IR_OP_ATTENTION || strcmp(ir_attr_str(g, n, IR_KEY_panel), "f32") != 0) return;
    const ir_attr a = ir_a_str(g, IR_KEY_precision, precision);
    ir_replace_attrs(g, id, UINT64_C(1) << IR_KEY_precision, &a, *precision != 0);
}

/* What a product may be in: i8, where its weight is computed and the caller says it or, if he does
 * not, the node; else what the caller allows. */
static void choose(ir_graph *g, ir_node_id id, const pass_options *o)
{
    const ir_node *n = &g->nodes[id];
    const char *activations = o && o->activations ? o->activations : "";
    bool says = strcmp(ir_attr_str(g, n, IR_KEY_precision), I8) == 0;
    bool computed = strcmp(ir_attr_str(g, n, IR_KEY_weight), "computed") == 0;
    if (computed && strcmp(activations, I8) == 0) {
        allow(g, id, I8);
    } else if (says && (*activations || !computed)) {
        allow(g, id, "");
    }
    if (narrows(o) && !*ir_attr_str(g, &g->nodes[id], IR_KEY_precision))
        allow(g, id, o->precision->name);
}

lathe_status pass_check_activations(const char *name, lathe_diag *diag)
{
    if (!name || strcmp(name, I8) == 0 || strcmp(name, "f32") == 0) return LATHE_OK;
    return diag_add(diag, LATHE_BAD_INPUT, NULL, "activations are i8 or f32, not '%s'", name);
}

lathe_status pass_products(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)diag;
    for (size_t id = 1; id < g->nnodes; id++) {
        ir_roles_set(g, (ir_node_id)id);
        choose(g, (ir_node_id)id, options);
    }
    return LATHE_OK;
}
