/* Rewriting a finished graph: who uses a value, instead of what, and nodes that go away.
 *
 * A deleted node keeps its name and origin, which guards and messages may still ask for, but has no
 * operator, operands or regions; its place in the block's list is dropped by ir_compact. Ids never
 * change. */
#include "ir/ir.h"

static void replace(ir_value *list, size_t n, ir_value from, ir_value to)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == from) list[i] = to;
}

void ir_replace_uses(ir_graph *g, ir_value from, ir_value to)
{
    for (size_t i = 1; i < g->nnodes; i++)
        replace(g->nodes[i].operands, g->nodes[i].noperands, from, to);
    for (size_t i = 1; i < g->nblocks; i++)
        replace(g->blocks[i].results, g->blocks[i].nresults, from, to);
}

void ir_delete_node(ir_graph *g, ir_node_id id)
{
    ir_node *n = &g->nodes[id];
    for (uint32_t i = 0; i < n->nregions; i++) {
        ir_block *b = &g->blocks[n->regions[i]];
        for (size_t k = 0; k < b->nnodes; k++) ir_delete_node(g, b->nodes[k]);
        b->nnodes = b->nresults = 0;
    }
    n->op = IR_OP_NONE;
    n->noperands = n->nregions = n->nattrs = 0;
}

/* Attributes stay in the order of their keys. */
void ir_replace_attrs(ir_graph *g, ir_node_id id, uint64_t keys, const ir_attr *with, size_t n)
{
    ir_node *node = &g->nodes[id];
    ir_attr *attrs = IR_NEW_N(g->arena, ir_attr, node->nattrs + n + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->nattrs; i++)
        if (!(keys >> node->attrs[i].key & 1)) attrs[count++] = node->attrs[i];
    for (size_t i = 0; i < n; i++) {
        uint32_t at = count++;
        for (; at > 0 && attrs[at - 1].key > with[i].key; at--) attrs[at] = attrs[at - 1];
        attrs[at] = with[i];
    }
    node->attrs = attrs;
    node->nattrs = count;
}

ir_graph *ir_graph_part(const ir_graph *g)
{
    ir_graph *part = IR_NEW(g->arena, ir_graph);
    *part = (ir_graph){.arena = g->arena,
                       .diag = g->diag,
                       .name = g->name,
                       .file = g->file,
                       .nvalues = 1,
                       .nnodes = 1,
                       .nblocks = 1,
                       .nsyms = g->nsyms,
                       .cap_syms = g->nsyms,
                       .pool = g->pool};
    part->values = ir_grow(g->arena, NULL, &part->cap_values, 8, sizeof *part->values);
    part->nodes = ir_grow(g->arena, NULL, &part->cap_nodes, 8, sizeof *part->nodes);
    part->syms = ir_copy(g->arena, g->syms, g->nsyms, sizeof *g->syms);
    ir_block_new(part, IR_NONE);
    return part;
}

static void count(uint32_t *uses, const ir_value *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] != IR_NONE) uses[list[i]]++;
}

uint32_t *ir_count_uses(ir_graph *g)
{
    uint32_t *uses = IR_NEW_N(g->arena, uint32_t, g->nvalues);
    for (size_t i = 1; i < g->nnodes; i++) count(uses, g->nodes[i].operands, g->nodes[i].noperands);
    for (size_t i = 1; i < g->nblocks; i++)
        count(uses, g->blocks[i].results, g->blocks[i].nresults);
    return uses;
}

void ir_compact(ir_graph *g)
{
    for (size_t i = 1; i < g->nblocks; i++) {
        ir_block *b = &g->blocks[i];
        size_t kept = 0;
        for (size_t k = 0; k < b->nnodes; k++)
            if (g->nodes[b->nodes[k]].op != IR_OP_NONE) b->nodes[kept++] = b->nodes[k];
        b->nnodes = kept;
    }
}
