/* The sweep that canonicalize, fold and cse share. A block's nodes are taken off and put back one
 * by one, new ones in place of those they replace, so definitions stay before uses. Uses come
 * later in the sweep than definitions: replacing is one table, and no use is searched for. A guard
 * of a node that is replaced belongs to the node that now makes its value. */
#include "passes/rewrite.h"

static ir_value current(const pass_sweep *s, ir_value v)
{
    return v < s->cap && s->to[v] != IR_NONE ? s->to[v] : v;
}

static void update(const pass_sweep *s, ir_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) values[i] = current(s, values[i]);
}

void pass_replace(pass_sweep *s, ir_value old, ir_value with)
{
    ir_graph *g = s->g;
    s->to = ir_grow(g->arena, s->to, &s->cap, g->nvalues, sizeof *s->to);
    s->to[old] = with;
    if (g->values[with].name == IR_NONE) g->values[with].name = g->values[old].name;
}

static void rewrite_append(ir_graph *g, ir_block_id block, ir_node_id id)
{
    ir_block *b = &g->blocks[block];
    b->nodes = ir_grow(g->arena, b->nodes, &b->cap_nodes, b->nnodes + 1, sizeof *b->nodes);
    b->nodes[b->nnodes++] = id;
}

static void move_guards(pass_sweep *s)
{
    ir_graph *g = s->g;
    for (size_t i = 0; i < g->nguards; i++) {
        const ir_node *n = &g->nodes[g->guards[i].node];
        if (g->guards[i].node == IR_NONE || n->op != IR_OP_NONE || !n->nresults) continue;
        g->guards[i].node = g->values[current(s, n->results[0])].def;
    }
}

static void sweep_block(pass_sweep *s, pass_rule rule, ir_block_id block)
{
    ir_graph *g = s->g;
    size_t n = g->blocks[block].nnodes;
    const ir_node_id *nodes = ir_copy(g->arena, g->blocks[block].nodes, n, sizeof *nodes);
    g->blocks[block].nnodes = 0;
    for (size_t i = 0; i < n; i++) {
        const ir_node node = g->nodes[nodes[i]]; /* by value: building moves the array */
        if (node.op == IR_OP_NONE) continue;
        update(s, node.operands, node.noperands);
        s->b = (ir_builder){.g = g, .block = block, .name = node.name, .origin = node.origin};
        if (rule(s, nodes[i])) {
            ir_delete_node(g, nodes[i]);
            s->changes++;
            continue;
        }
        rewrite_append(g, block, nodes[i]);
        for (uint32_t r = 0; r < node.nregions; r++) sweep_block(s, rule, node.regions[r]);
    }
    update(s, g->blocks[block].results, g->blocks[block].nresults);
}

size_t pass_rewrite(ir_graph *g, pass_rule rule, void *ctx)
{
    pass_sweep s = {.g = g, .ctx = ctx};
    sweep_block(&s, rule, 1);
    move_guards(&s);
    return s.changes;
}
