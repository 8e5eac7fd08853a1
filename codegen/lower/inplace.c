/* Results in their operand's memory: a map or row that reads the operand only where it writes, and
 * a scatter, may take over the buffer of a value that nobody reads afterwards.
 *
 * Invariant: uses[root] counts the reads that are still to be lowered, by operands of nodes and by
 * results of blocks; the latter are never taken back, so that what leaves a block stays intact.
 * Only memory of the session is taken over, and only within the loop that it was made in: what
 * comes from outside is read again by the next turn. */
#include "codegen/lower/lower.h"

/* Operands of aliases do not read; whoever reads the alias does. */
static bool is_alias(cg_lowering *lw, const ir_node *node)
{
    return node->nresults == 1 && cg_root(lw, node->results[0]) != node->results[0];
}

static void count_node(cg_lowering *lw, const ir_node *node, uint32_t by)
{
    if (node->op == IR_OP_NONE || is_alias(lw, node)) return;
    for (uint32_t i = 0; i < node->noperands; i++)
        if (node->operands[i]) lw->uses[cg_root(lw, node->operands[i])] += by;
}

void cg_count_uses(cg_lowering *lw)
{
    const ir_graph *g = lw->g;
    for (size_t id = 1; id < g->nnodes; id++) count_node(lw, &g->nodes[id], 1);
    for (size_t b = 1; b < g->nblocks; b++)
        for (size_t i = 0; i < g->blocks[b].nresults; i++)
            lw->uses[cg_root(lw, g->blocks[b].results[i])]++;
}

void cg_uses_done(cg_lowering *lw, const ir_node *node) { count_node(lw, node, (uint32_t)-1); }

/* How many of the node's operands are the root's memory. */
static uint32_t count_operands(cg_lowering *lw, const ir_node *node, ir_value root)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->noperands; i++)
        n += node->operands[i] && cg_root(lw, node->operands[i]) == root;
    return n;
}

/* Whether the memory of the root is free from this node on, and of the result's size. */
static bool is_free(cg_lowering *lw, const ir_node *node, ir_value root)
{
    ir_graph *g = lw->g;
    ir_node_id def = g->values[root].def;
    const ir_type *from = ir_type_of(g, root), *to = ir_type_of(g, node->results[0]);
    if (!def || ir_op_is(g->nodes[def].op, IR_TRAIT_FIXED_MEMORY) || !lw->buffer[root])
        return false;
    uint32_t buffer = lw->buffer[root] - 1;
    return lw->p->bufs[buffer].kind == LATHE_BUF_ARENA &&
           lw->uses[root] == count_operands(lw, node, root) &&
           lw->depth[buffer] == (lw->frame ? lw->frame->depth : 0) &&
           ir_elem_bits(from->elem) == ir_elem_bits(to->elem) &&
           cg_bytes(g, from) == cg_bytes(g, to);
}

static bool has_home(cg_lowering *lw, ir_value v) { return lw->home[v] || lw->buffer[v]; }

static bool take(cg_lowering *lw, const ir_node *node, ir_value root)
{
    lw->buffer[node->results[0]] = lw->buffer[root];
    return true;
}

/* ---- maps ---- */

/* Whether a load with these indices reads the element at the place of the point that is stored. */
static bool reads_own_place(ir_graph *g, const ir_type *t, const ir_expr_node *load,
                            const ir_type *out)
{
    ir_affine a;
    return ir_affine_place(g, t->dims, load->args, load->nargs, &a) &&
           ir_affine_is_dense(g, &a, out);
}

/* Clears the bit of each of the first 64 operands that the expression reads anywhere else; at all,
 * if it is computed when results have been stored already. */
static uint64_t read_in_place(cg_lowering *lw, const ir_node *node, ir_expr root, bool late,
                              uint64_t own)
{
    ir_graph *g = lw->g;
    ir_expr *stack = NULL;
    size_t n = 0, cap = 0;
    cg_map_clear(&lw->locals);
    for (ir_expr x = root;; x = stack[--n]) {
        const ir_expr_node *e = ir_expr_get(g, x);
        if (!cg_map_get(&lw->locals, x, 0)) {
            cg_map_put(lw->p->arena, &lw->locals, x, 1);
            if (e->op == IR_X_LOAD && e->imm < node->noperands && own >> e->imm & 1 &&
                (late || !reads_own_place(g, ir_type_of(g, node->operands[e->imm]), e,
                                          ir_type_of(g, node->results[0]))))
                own &= ~((uint64_t)1 << e->imm);
            stack = ir_grow(lw->p->arena, stack, &cap, n + (size_t)e->nargs + 1, sizeof *stack);
            for (int i = 0; i < e->nargs; i++) stack[n++] = e->args[i];
        }
        if (!n) return own;
    }
}

/* Operands whose memory is free from this node on, as bits. */
static uint64_t free_operands(cg_lowering *lw, const ir_node *node)
{
    uint64_t free = 0;
    if (has_home(lw, node->results[0]) || node->noperands > 64 ||
        ir_elem_bits(ir_type_of(lw->g, node->results[0])->elem) < 8)
        return 0;
    for (uint32_t i = 0; i < node->noperands; i++)
        if (is_free(lw, node, cg_root(lw, node->operands[i]))) free |= (uint64_t)1 << i;
    return free;
}

static void take_first(cg_lowering *lw, const ir_node *node, uint64_t free)
{
    for (uint32_t i = 0; i < node->noperands && free; i++) {
        ir_value root = cg_root(lw, node->operands[i]);
        bool all = true;
        for (uint32_t k = 0; k < node->noperands; k++)
            all = all && (cg_root(lw, node->operands[k]) != root || free >> k & 1);
        if (all && take(lw, node, root)) return;
    }
}

void cg_map_in_place(cg_lowering *lw, const ir_node *node)
{
    uint64_t free = free_operands(lw, node);
    ir_expr body = ir_attr_find(node, IR_KEY_body)->u.exprs[0];
    if (free) take_first(lw, node, read_in_place(lw, node, body, false, free));
}

void cg_row_in_place(cg_lowering *lw, const ir_node *node, const cg_nest *n)
{
    uint64_t free = free_operands(lw, node);
    bool late = false;
    for (size_t i = 0; i <= n->nstages && free; i++) {
        ir_expr body = i < n->nstages ? n->stages[i].body : n->body;
        /* The last vector of a row may compute from elements that are results by now, and drop it.
         */
        if (ir_x_measure(lw->g, &body, 1).checks) return;
        free = read_in_place(lw, node, body, late, free);
        late = late || (i < n->nstages && n->stages[i].keep);
    }
    take_first(lw, node, free);
}

bool cg_scatter_in_place(cg_lowering *lw, const ir_node *node)
{
    ir_value root = cg_root(lw, node->operands[0]);
    if (has_home(lw, node->results[0]) || count_operands(lw, node, root) != 1 ||
        !is_free(lw, node, root))
        return false;
    return take(lw, node, root);
}
