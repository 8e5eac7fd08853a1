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

/* ---- origins ---- */

/* Nodes that a rule made: those from `first` on. */
typedef struct heritage {
    ir_graph *g;
    ir_node_id first;
    uint32_t origins;
    int budget; /* nodes that are still looked at: a rule that drops operands must not cost much */
} heritage;

enum { MOST_BETWEEN = 128 };

static bool is_read(const heritage *h, ir_value v)
{
    for (size_t i = h->first; i < h->g->nnodes; i++)
        for (uint32_t k = 0; k < h->g->nodes[i].noperands; k++)
            if (h->g->nodes[i].operands[k] == v) return true;
    return false;
}

/* Whether v is, or is computed from, what the made nodes read; nodes in between are origins. */
static bool reaches(heritage *h, ir_value v)
{
    if (v == IR_NONE) return false;
    if (is_read(h, v)) return true;
    ir_node_id id = h->g->values[v].def;
    const ir_node *n = &h->g->nodes[id];
    if (id == IR_NONE || n->op == IR_OP_CONST || h->budget-- <= 0) return false;
    bool any = false;
    for (uint32_t k = 0; k < n->noperands; k++) any |= reaches(h, n->operands[k]);
    if (any) h->origins = ir_origins_join(h->g, h->origins, ir_origins_of(h->g, id));
    return any;
}

/* What lies between a node and the operands of the nodes that replace it became part of these. */
static void inherit(pass_sweep *s, ir_node_id id, const ir_node *old, ir_node_id first)
{
    ir_graph *g = s->g;
    heritage h = {.g = g, .first = first, .budget = MOST_BETWEEN};
    for (uint32_t k = 0; first < g->nnodes && k < old->noperands; k++)
        reaches(&h, old->operands[k]);
    h.origins = ir_origins_join(g, h.origins, ir_origins_of(g, id));
    for (size_t i = first; i < g->nnodes; i++) g->nodes[i].origins = h.origins;
    for (uint32_t r = 0; first == g->nnodes && r < old->nresults; r++) {
        ir_node_id with = g->values[current(s, old->results[r])].def;
        if (with == IR_NONE || g->nodes[with].op == IR_OP_CONST) continue;
        g->nodes[with].origins = ir_origins_join(g, ir_origins_of(g, with), h.origins);
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
        ir_node_id first = (ir_node_id)g->nnodes;
        if (rule(s, nodes[i])) {
            inherit(s, nodes[i], &node, first);
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
