/* States: outputs of a run that are inputs of the next one (ir_state). */
#include "ir/ir.h"

void ir_state_add(ir_graph *g, ir_state state)
{
    g->states = ir_grow(g->arena, g->states, &g->cap_states, g->nstates + 1, sizeof *g->states);
    g->states[g->nstates++] = state;
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
