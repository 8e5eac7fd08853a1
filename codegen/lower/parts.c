/* Parts of a concat that are never made by themselves: a nest whose result nobody but the concat
 * reads stores into the concat's memory, at the part's offset along the axis.
 *
 * Invariant: a part is taken only if all sizes of the whole, and what lies before the part, are
 * known where the part is made, as the memory is addressed with them; otherwise part[v] is cleared
 * and the concat copies. */
#include <string.h>

#include "codegen/lower/lower.h"

static bool is_part(cg_lowering *lw, const ir_node *concat, ir_value v)
{
    const ir_graph *g = lw->g;
    const ir_value_info *info = v ? &g->values[v] : NULL;
    if (!info || !info->def || cg_root(lw, v) != v || lw->uses[v] != 1) return false;
    const ir_node *node = &g->nodes[info->def];
    /* Panels that are decoded when they are packed need tiles, which store rows as they are. */
    if (strcmp(ir_attr_str(g, node, IR_KEY_weight), "computed") == 0) return false;
    ir_elem elem = ir_type_of(g, concat->results[0])->elem;
    return node->block == concat->block && ir_op_is(node->op, IR_TRAIT_STORES_ONCE) &&
           info->type.elem == elem && ir_elem_bits(elem) % 8 == 0;
}

void cg_find_parts(cg_lowering *lw)
{
    const ir_graph *g = lw->g;
    for (size_t id = 1; id < g->nnodes; id++) {
        const ir_node *node = &g->nodes[id];
        for (uint32_t i = 0; node->op == IR_OP_CONCAT && i < node->noperands; i++)
            if (is_part(lw, node, node->operands[i])) lw->part[node->operands[i]] = (ir_node_id)id;
    }
}

ir_value cg_store_as_part(cg_lowering *lw, ir_value v, cg_nest *n)
{
    ir_graph *g = lw->g;
    if (!lw->part[v]) return v;
    const ir_node *concat = &g->nodes[lw->part[v]];
    const ir_type *whole = ir_type_of(g, concat->results[0]);
    int axis = (int)ir_attr_int(concat, IR_KEY_axis, 0);
    ir_dim before = ir_dim_const(g, 0);
    for (uint32_t i = 0; concat->operands[i] != v; i++)
        before = ir_dim_add(g, before, ir_type_of(g, concat->operands[i])->dims[axis]);
    bool known = cg_size_known(lw, before);
    for (int a = 0; a < whole->rank; a++) known = known && cg_size_known(lw, whole->dims[a]);
    if (!known) {
        lw->part[v] = IR_NONE;
        return v;
    }
    for (int a = 0; a < whole->rank; a++) n->out.dims[a] = whole->dims[a];
    n->store[axis] = ir_x_2(g, IR_X_ADD, n->store[axis], ir_x_dim(g, before));
    return concat->results[0];
}
