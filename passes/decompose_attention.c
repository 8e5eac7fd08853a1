/* attention as its three nests: the scores, the rows of weights over them, the weighted sum of the
 * values. In: an attention node, whose form is checked; out: the same numbers through memory. */
#include "passes/decompose.h"
#include "passes/nest.h"

#include <string.h>

typedef struct parts {
    ir_graph *g;
    ir_builder *b;
    const ir_node *n;
    const ir_dim *space;
    ir_attention form;
    int to[IR_MAX_SPACE]; /* axis of the scores and of their rows; the node's own for values */
    ir_nest nest;
    ir_value scores;
    ir_expr score_at[IR_MAX_RANK];
} parts;

static ir_expr index_of(void *ctx, int axis)
{
    const parts *p = ctx;
    return ir_x_index(p->g, p->to[axis]);
}

static ir_expr load_of(void *ctx, const ir_expr_node *load)
{
    parts *p = ctx;
    return pass_plain_load(&p->nest, p->n->operands[load->imm], load->args);
}

/* In a row, acc0 is the score and the others count from 1. */
static ir_expr acc_of(void *ctx, ir_expr e)
{
    parts *p = ctx;
    const ir_expr_node x = *ir_expr_get(p->g, e);
    if (x.op != IR_X_ACC) return IR_NONE;
    if (x.imm > 0) return ir_x_acc(p->g, x.type, (int)x.imm - 1);
    return pass_plain_load(&p->nest, p->scores, p->score_at);
}

static ir_expr decompose_attention_place(parts *p, ir_expr e, bool row)
{
    return ir_x_rewrite(
        p->g, e,
        &(ir_rewrite){.ctx = p, .node = row ? acc_of : NULL, .index = index_of, .load = load_of});
}

static const ir_attr *decompose_attention_body_of(const parts *p)
{
    return ir_attr_find(p->n, IR_KEY_body);
}

/* The parallel axes but the columns, then the keys, then, for the scores, the terms. */
static void decompose_attention_begin(parts *p, bool terms)
{
    ir_dim space[IR_MAX_SPACE];
    int rank = 0;
    for (int i = 0; i < p->form.rank - !terms; i++) {
        if (i == p->form.d) continue;
        p->to[i] = rank;
        space[rank++] = p->space[i];
    }
    ir_nest_begin(&p->nest, p->b, rank, space, 1);
}

static void make_scores(parts *p)
{
    decompose_attention_begin(p, true);
    ir_expr product =
        decompose_attention_place(p, decompose_attention_body_of(p)->u.exprs[0], false);
    p->scores = ir_nest_reduce(&p->nest, IR_OP_CONTRACT, "sum", IR_F32, product);
}

static ir_value make_node(parts *p, ir_op op, const ir_attr *attrs, size_t n)
{
    ir_node_id id = ir_node_new(p->b, op, p->nest.args, p->nest.nargs, attrs, n, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : p->g->nodes[id].results[0];
}

static ir_value make_weights(parts *p)
{
    const ir_attr *body = decompose_attention_body_of(p);
    ir_expr e[IR_MAX_STAGES + 1];
    size_t n = body->n - 2;
    decompose_attention_begin(p, false);
    for (int i = 0; i < p->nest.rank; i++) p->score_at[i] = ir_x_index(p->g, i);
    for (size_t i = 0; i < n; i++) e[i] = decompose_attention_place(p, body->u.exprs[i + 1], true);
    const ir_attr attrs[] = {ir_a_dims(p->g, IR_KEY_space, p->nest.space, (size_t)p->nest.rank),
                             ir_a_int(IR_KEY_nred, 1), ir_a_exprs(p->g, IR_KEY_body, e, n),
                             *ir_attr_find(p->n, IR_KEY_kind),
                             ir_a_str(p->g, IR_KEY_elem, ir_elem_name(IR_F32))};
    return make_node(p, IR_OP_ROW, attrs, sizeof attrs / sizeof *attrs);
}

static ir_value make_sums(parts *p, ir_value weights)
{
    const ir_attr *body = decompose_attention_body_of(p),
                  *end = ir_attr_find(p->n, IR_KEY_epilogue);
    ir_expr idx[IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i <= p->form.n; i++)
        if (i != p->form.d) idx[rank++] = ir_x_index(p->g, i);
    for (int i = 0; i < p->form.rank; i++) p->to[i] = i;
    ir_nest_begin(&p->nest, p->b, p->form.rank - 1, p->space, 1);
    ir_expr weight = pass_plain_load(&p->nest, weights, idx);
    ir_expr value = decompose_attention_place(p, body->u.exprs[body->n - 1], false);
    ir_expr product = ir_x_2(p->g, IR_X_MUL, weight, value), last = IR_NONE;
    ir_attr attrs[5] = {ir_a_dims(p->g, IR_KEY_space, p->space, (size_t)p->nest.rank),
                        ir_a_int(IR_KEY_nred, 1), ir_a_exprs(p->g, IR_KEY_body, &product, 1),
                        *ir_attr_find(p->n, IR_KEY_elem)};
    if (end) {
        last = decompose_attention_place(p, end->u.exprs[0], false);
        attrs[4] = ir_a_exprs(p->g, IR_KEY_epilogue, &last, 1);
    }
    return make_node(p, IR_OP_CONTRACT, attrs, end ? 5 : 4);
}

ir_value decompose_attention(ir_builder *b, const ir_node *n)
{
    parts *p = IR_NEW(b->g->arena, parts);
    *p = (parts){.g = b->g, .b = b, .n = n, .space = ir_attr_find(n, IR_KEY_space)->u.dims};
    if (ir_attention_form(b->g, n, &p->form)) return IR_NONE;
    make_scores(p);
    ir_value weights = p->scores == IR_NONE ? IR_NONE : make_weights(p);
    return weights == IR_NONE ? IR_NONE : make_sums(p, weights);
}
