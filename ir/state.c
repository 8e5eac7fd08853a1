/* States: outputs of a run that are inputs of the next one (ir_state). */
#include "ir/ir.h"

void ir_state_add(ir_graph *g, ir_state state)
{
    g->states = ir_grow(g->arena, g->states, &g->cap_states, g->nstates + 1, sizeof *g->states);
    g->states[g->nstates++] = state;
}

/* The concat that makes rows of v, or 0. */
static const ir_node *concat_of(const ir_graph *g, ir_value v)
{
    const ir_node *n = &g->nodes[g->values[v].def];
    return n->op == IR_OP_CONCAT && ir_attr_find(n, IR_KEY_capacity) ? n : NULL;
}

ir_value ir_state_held(const ir_graph *g, const ir_state *s)
{
    ir_value out = g->blocks[1].results[s->output];
    const ir_node *n = &g->nodes[g->values[out].def];
    bool wider = s->axis >= 0 && n->op == IR_OP_MAP && n->noperands == 1;
    return wider && concat_of(g, n->operands[0]) ? n->operands[0] : out;
}

bool ir_converts(const ir_graph *g, const ir_node *n)
{
    if (n->op != IR_OP_MAP || n->noperands != 1 || ir_attr_find(n, IR_KEY_body)->n != 1)
        return false;
    const ir_expr_node *x = ir_expr_get(g, ir_attr_find(n, IR_KEY_body)->u.exprs[0]);
    ir_elem to = ir_type_of(g, n->results[0])->elem;
    if (x->op == IR_X_CAST && x->imm == to) x = ir_expr_get(g, x->args[0]);
    if (x->op != IR_X_LOAD || x->nargs != ir_type_of(g, n->results[0])->rank) return false;
    for (int i = 0; i < x->nargs; i++) {
        const ir_expr_node *index = ir_expr_get(g, x->args[i]);
        if (index->op != IR_X_INDEX || index->imm != i) return false;
    }
    return true;
}

bool ir_is_state_conversion(const ir_graph *g, ir_node_id id)
{
    if (g->nodes[id].op != IR_OP_MAP) return false;
    for (size_t i = 0; i < g->nstates; i++) {
        ir_value out = g->blocks[1].results[g->states[i].output],
                 held = ir_state_held(g, &g->states[i]);
        if (held == out) continue;
        ir_value first = g->nodes[g->values[held].def].operands[0];
        if (g->values[out].def == id || g->values[first].def == id) return true;
    }
    return false;
}

/* A size without room: its capacity's bound. */
static ir_dim filled(const ir_graph *g, ir_dim d)
{
    const ir_dim_node *n = d ? ir_dim_get(g, d) : NULL;
    bool room = n && n->kind == IR_DIM_SYM && g->syms[n->sym].kind == IR_SYM_CAPACITY;
    return room ? g->syms[n->sym].bound : d;
}

ir_type ir_output_type(const ir_graph *g, size_t i)
{
    ir_type t = *ir_type_of(g, g->blocks[1].results[i]);
    for (int a = 0; a < t.rank; a++) t.dims[a] = filled(g, t.dims[a]);
    return t;
}
