/* Reads and attributes of nests under construction, for the passes that rebuild nodes. */
#include "passes/nest.h"

ir_expr pass_plain_load(ir_nest *nest, ir_value v, const ir_expr *idx)
{
    ir_graph *g = nest->b->g;
    const ir_type *t = ir_type_of(g, v);
    size_t k = 0;
    while (k < nest->nargs && nest->args[k] != v) k++;
    if (k == nest->nargs) {
        nest->args = ir_grow(g->arena, nest->args, &nest->cap, k + 1, sizeof v);
        nest->args[nest->nargs++] = v;
    }
    return ir_x_load(g, ir_elem_arith(t->elem), (int)k, idx, t->rank);
}

ir_attr *pass_rewrite_attrs(ir_graph *g, const ir_node *n, const ir_rewrite *hooks, bool *changed)
{
    ir_attr *attrs = ir_copy(g->arena, n->attrs, n->nattrs, sizeof *attrs);
    for (uint32_t i = 0; i < n->nattrs; i++) {
        const ir_attr *old = &n->attrs[i];
        if (ir_key_kind(old->key) != IR_ATTR_EXPRS) continue;
        ir_expr *exprs = IR_NEW_N(g->arena, ir_expr, old->n);
        for (size_t k = 0; k < old->n; k++) {
            exprs[k] = ir_x_rewrite(g, old->u.exprs[k], hooks);
            if (exprs[k] == IR_NONE) return NULL;
            *changed |= exprs[k] != old->u.exprs[k];
        }
        attrs[i].u.exprs = exprs;
    }
    return attrs;
}
