/* conv_contract: convolutions whose windows do not overlap, and those of size 1, are products of
 * matrices. In: conv nodes; out: for patches, a map that lays each window out as a row, then a
 * contract with the weight and the bias, and a view that puts the channels in front again - which
 * cancels against the transpose that follows a patch embedding. Overlapping windows would multiply
 * the operand's bytes and stay conv nodes. */
#include <string.h>

#include "passes/pass.h"
#include "passes/rewrite.h"

typedef struct patches {
    ir_graph *g;
    int n;                      /* spatial axes */
    ir_type x, w;
    const ir_dim *out, *kernel;
    const int64_t *strides;
} patches;

/* Group 1, no padding, no dilation, and a stride of at least the window. */
static bool match(ir_graph *g, const ir_node *node, patches *p)
{
    if (node->op != IR_OP_CONV || *ir_attr_str(g, node, IR_KEY_kind) || ir_attr_int(node, IR_KEY_group, 1) != 1)
        return false;
    *p = (patches){.g = g, .x = *ir_type_of(g, node->operands[0]), .w = *ir_type_of(g, node->operands[1]),
                   .out = ir_attr_find(node, IR_KEY_dims)->u.dims, .kernel = ir_attr_find(node, IR_KEY_kernel)->u.dims,
                   .strides = ir_attr_find(node, IR_KEY_strides)->u.ints};
    p->n = p->x.rank - 2;
    const ir_dim *pads = ir_attr_find(node, IR_KEY_pads)->u.dims;
    for (int i = 0; i < 2 * p->n; i++)
        if (!ir_dim_equals(g, pads[i], 0)) return false;
    for (int i = 0; i < p->n; i++) {
        int64_t size;
        bool dense = ir_attr_find(node, IR_KEY_dilations)->u.ints[i] == 1;
        if (!dense || !ir_dim_is_const(g, p->kernel[i], &size) || size > p->strides[i]) return false;
    }
    return p->x.elem == IR_F32 && 3 + 2 * p->n <= IR_MAX_RANK;
}

/* rows[n, o..., c, k...] = x[n, c, o*stride + k...] */
static ir_value lay_out(ir_builder *b, const patches *p, ir_value x)
{
    ir_dim space[IR_MAX_SPACE] = {p->out[0]};
    memcpy(space + 1, p->out + 2, (size_t)p->n * sizeof *space);
    space[1 + p->n] = p->x.dims[1];
    memcpy(space + 2 + p->n, p->kernel, (size_t)p->n * sizeof *space);
    ir_nest nest;
    ir_nest_begin(&nest, b, 2 + 2 * p->n, space, 0);
    ir_expr idx[IR_MAX_RANK] = {ir_nest_index(&nest, 0), ir_nest_index(&nest, 1 + p->n)};
    for (int i = 0; i < p->n; i++) {
        ir_expr stride = ir_x_int(p->g, IR_I64, p->strides[i]);
        ir_expr start = ir_x_2(p->g, IR_X_MUL, ir_nest_index(&nest, 1 + i), stride);
        ir_expr k = ir_dim_equals(p->g, p->kernel[i], 1) ? ir_x_int(p->g, IR_I64, 0)
                                                         : ir_nest_index(&nest, 2 + p->n + i);
        idx[2 + i] = ir_x_2(p->g, IR_X_ADD, start, k);
    }
    return ir_nest_map(&nest, IR_F32, ir_nest_load(&nest, x, idx));
}

/* sum over c, k... of rows[n, o..., c, k...] * w[m, c, k...], with m innermost. */
static ir_value multiply(ir_builder *b, const patches *p, ir_value rows, ir_value w)
{
    ir_dim space[IR_MAX_SPACE] = {p->out[0]};
    int m = 1 + p->n, c = m + 1;
    memcpy(space + 1, p->out + 2, (size_t)p->n * sizeof *space);
    space[m] = p->out[1];
    space[c] = p->x.dims[1];
    memcpy(space + c + 1, p->kernel, (size_t)p->n * sizeof *space);
    ir_nest nest;
    ir_nest_begin(&nest, b, c + 1 + p->n, space, 1 + p->n);
    ir_expr row_idx[IR_MAX_RANK], w_idx[IR_MAX_RANK] = {ir_nest_index(&nest, m)};
    for (int i = 0; i <= p->n; i++) row_idx[i] = ir_nest_index(&nest, i);
    for (int i = 0; i <= p->n; i++) w_idx[1 + i] = row_idx[1 + p->n + i] = ir_nest_index(&nest, c + i);
    ir_expr product = ir_x_2(p->g, IR_X_MUL, ir_nest_load(&nest, rows, row_idx), ir_nest_load(&nest, w, w_idx));
    return ir_nest_reduce(&nest, IR_OP_CONTRACT, "sum", IR_F32, product);
}

static ir_value add_bias(ir_builder *b, ir_value v, ir_value bias)
{
    ir_nest nest;
    if (v == IR_NONE || bias == IR_NONE) return v;
    const ir_type type = *ir_type_of(b->g, v);
    ir_nest_begin(&nest, b, type.rank, type.dims, 0);
    ir_expr sum = ir_x_2(b->g, IR_X_ADD, ir_nest_read(&nest, v), ir_nest_read(&nest, bias));
    return ir_nest_map(&nest, IR_F32, sum);
}

static ir_value channels_first(ir_builder *b, const patches *p, ir_value v)
{
    int perm[IR_MAX_RANK] = {0, 1 + p->n};
    for (int i = 0; i < p->n; i++) perm[2 + i] = 1 + i;
    return v == IR_NONE ? IR_NONE : ir_permute(b, v, perm);
}

static bool rewrite_conv(pass_sweep *s, ir_node_id id)
{
    const ir_node node = s->g->nodes[id];
    patches p;
    if (!match(s->g, &node, &p)) return false;
    ir_value bias = node.noperands > 2 ? node.operands[2] : IR_NONE;
    ir_value v = multiply(&s->b, &p, lay_out(&s->b, &p, node.operands[0]), node.operands[1]);
    v = channels_first(&s->b, &p, add_bias(&s->b, v, bias));
    if (v == IR_NONE) return false;
    pass_replace(s, node.results[0], v);
    return true;
}

lathe_status pass_conv_contract(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)options;
    (void)diag;
    pass_rewrite(g, rewrite_conv, NULL);
    return LATHE_OK;
}
