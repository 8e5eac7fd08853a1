/* The extremes of a tensor, which dynamic quantisation needs, from the kernel that makes the
 * tensor.
 *
 * In: a reduction of all of x to [max(-x), max(x)], in one node, or in one that does it for parts
 * of x and one that does it for those. Out: where x is made by a kernel that can (CG_EXTREMES in
 * kernels.def), that kernel stores the two for parts of its own choice while it has them in
 * registers, and what is left is a reduction of these: x is not read again. A maximum has no
 * rounding, so which parts there are, and which thread makes them, changes no bit.
 *
 * This belongs to lowering, not to a pass: what the parts are follows from the axes that a kernel
 * walks as one, and a node with two results would be news to every pass. */
#include <string.h>

#include "codegen/lower/lower.h"

static bool is_number(const ir_graph *g, ir_expr e, double number)
{
    int64_t i;
    double f = 0;
    return ir_x_is_const(g, e, &i, &f) && f == number;
}

/* The axis whose index is compared: select(index == 0, -1, 1). Less than 0: it is no such sign. */
static int sign_axis(const ir_graph *g, ir_expr e)
{
    const ir_expr_node *x = ir_expr_get(g, e);
    if (x->op != IR_X_SELECT || !is_number(g, x->args[1], -1) || !is_number(g, x->args[2], 1))
        return -1;
    const ir_expr_node *first = ir_expr_get(g, x->args[0]);
    ir_dim zero;
    if (first->op != IR_X_EQ || !ir_x_is_dim(g, first->args[1], &zero) ||
        !ir_dim_equals(g, zero, 0))
        return -1;
    const ir_expr_node *index = ir_expr_get(g, first->args[0]);
    return index->op == IR_X_INDEX ? (int)index->imm : -1;
}

/* Whether the expression reads each element of the operand once as all axes but `but` are walked;
 * the operand's axis that this is the index of, or -1, in *at. */
static bool reads_all(const ir_graph *g, const ir_node *n, ir_expr e, int but, int *at)
{
    const ir_expr_node *x = ir_expr_get(g, e);
    const ir_attr *space = ir_attr_find(n, IR_KEY_space);
    const ir_type *t = ir_type_of(g, n->operands[0]);
    uint32_t seen = 0;
    if (x->op != IR_X_LOAD || x->imm != 0 || x->nargs != t->rank) return false;
    for (int i = 0; i < x->nargs; i++) {
        const ir_expr_node *index = ir_expr_get(g, x->args[i]);
        if (index->op != IR_X_INDEX || index->imm >= (int64_t)space->n || seen >> index->imm & 1 ||
            space->u.dims[index->imm] != t->dims[i])
            return false;
        seen |= UINT32_C(1) << index->imm;
        if (index->imm == but) *at = i;
    }
    return true;
}

static const ir_attr *largest_of(const ir_graph *g, const ir_node *n)
{
    const ir_attr *body = ir_attr_find(n, IR_KEY_body);
    bool is = n->op == IR_OP_REDUCE && n->noperands == 1 && n->operands[0] && body &&
              body->n == 1 && ir_attr_find(n, IR_KEY_space) && !ir_attr_find(n, IR_KEY_epilogue) &&
              strcmp(ir_attr_str(g, n, IR_KEY_kind), "max") == 0 &&
              ir_type_of(g, n->results[0])->elem == IR_F32 &&
              ir_type_of(g, n->operands[0])->elem == IR_F32;
    return is ? body : NULL;
}

/* The axis of the result along which the two stand; less than 0: the node makes something else. */
static int first_axis(const ir_graph *g, const ir_node *n)
{
    const ir_attr *body = largest_of(g, n), *space = ir_attr_find(n, IR_KEY_space);
    const ir_expr_node *x = body ? ir_expr_get(g, body->u.exprs[0]) : NULL;
    int none = -1;
    if (!x || x->op != IR_X_MUL) return -1;
    for (int i = 0; i < 2; i++) {
        int axis = sign_axis(g, x->args[i]);
        if (axis < 0 || axis >= (int)space->n - (int)ir_attr_int(n, IR_KEY_nred, 0)) continue;
        bool whole = (int)space->n == ir_type_of(g, n->operands[0])->rank + 1 &&
                     ir_dim_equals(g, space->u.dims[axis], 2) &&
                     reads_all(g, n, x->args[1 - i], axis, &none) && none < 0;
        return whole ? axis : -1;
    }
    return -1;
}

/* Whether the node reduces all but that axis of its operand. */
static bool is_last(const ir_graph *g, const ir_node *n, int axis)
{
    const ir_attr *body = largest_of(g, n), *space = ir_attr_find(n, IR_KEY_space);
    int at = -1;
    return body && ir_type_of(g, n->results[0])->rank == 1 &&
           (int)space->n == ir_type_of(g, n->operands[0])->rank &&
           reads_all(g, n, body->u.exprs[0], 0, &at) && at == axis;
}

/* The only reader of a value, if it is a node of that block. */
static ir_node_id reader_of(cg_lowering *lw, ir_value v, const ir_node *from)
{
    const ir_block *b = &lw->g->blocks[from->block];
    if (lw->uses[cg_root(lw, v)] != 1) return IR_NONE;
    for (size_t i = 0; i < b->nnodes; i++) {
        const ir_node *n = &lw->g->nodes[b->nodes[i]];
        if (n->op != IR_OP_NONE && n->noperands == 1 && n->operands[0] == v) return b->nodes[i];
    }
    return IR_NONE;
}

static void find(cg_lowering *lw, ir_node_id id)
{
    ir_graph *g = lw->g;
    const ir_node *first = &g->nodes[id];
    int axis = first->op == IR_OP_REDUCE ? first_axis(g, first) : -1;
    if (axis < 0) return;
    ir_value x = cg_root(lw, first->operands[0]);
    ir_node_id maker = g->values[x].def, last = id;
    if (!maker || g->nodes[maker].block != first->block || lw->extremes[x].first) return;
    if (ir_type_of(g, first->results[0])->rank > 1) last = reader_of(lw, first->results[0], first);
    if (!last || (last != id && !is_last(g, &g->nodes[last], axis))) return;
    if (lw->part[g->nodes[last].results[0]]) return;
    lw->extremes[x].first = id;
    lw->extremes_of[id] = lw->extremes_of[last] = x;
}

void cg_find_extremes(cg_lowering *lw)
{
    ir_arena *arena = lw->p->arena;
    lw->extremes = IR_NEW_N(arena, cg_extremes, lw->g->nvalues);
    lw->extremes_of = IR_NEW_N(arena, ir_value, lw->g->nnodes);
    for (ir_node_id id = 1; lw->level > 0 && id < lw->g->nnodes; id++) find(lw, id);
}

void cg_give_extremes(cg_lowering *lw, ir_value result, cg_nest *n, uint32_t *bufs)
{
    ir_graph *g = lw->g;
    cg_extremes *e = &lw->extremes[result];
    if (!e->first || !cg_has(n, CG_EXTREMES) || n->out.elem != IR_F32) return;
    n->extremes = true;
    e->parts = cg_needs_of(g, n, 1).parts;
    ir_type t = {.elem = IR_F32, .rank = 2, .dims = {e->parts, ir_dim_const(g, 2)}};
    e->buffer = 1 + cg_buffer_new(lw, LATHE_BUF_ARENA, 0, cg_slot(lw, cg_bytes(g, &t)));
    bufs[n->noperands + 1] = e->buffer - 1;
}

bool cg_lower_extremes(cg_lowering *lw, const ir_node *node)
{
    ir_graph *g = lw->g;
    const cg_extremes *e = &lw->extremes[lw->extremes_of[lw->node]];
    if (!lw->extremes_of[lw->node] || !e->buffer) return false;
    if (ir_type_of(g, node->results[0])->rank > 1) return true; /* of parts, which exist already */
    const ir_expr at[2] = {ir_x_index(g, 1), ir_x_index(g, 0)};
    cg_operand *parts = IR_NEW(lw->p->arena, cg_operand);
    *parts = (cg_operand){IR_F32, 2, {e->parts, ir_dim_const(g, 2)}};
    cg_nest n = {.kind = CG_NEST_REDUCE,
                 .combine = CG_MAX,
                 .rank = 2,
                 .nred = 1,
                 .space = {ir_dim_const(g, 2), e->parts},
                 .noperands = 1,
                 .operands = parts,
                 .out = cg_operand_of(ir_type_of(g, node->results[0])),
                 .body = ir_x_load(g, IR_F32, 0, at, 2)};
    n.store[0] = ir_x_index(g, 0);
    const uint32_t bufs[2] = {e->buffer - 1, cg_buffer(lw, node->results[0])};
    cg_kernel_step(lw, &n, bufs);
    return true;
}
