/* conv_contract: convolutions as products of matrices, of which the emitter packs the operand panel
 * by panel. In: conv nodes of f32 or i32, not transposed. Out, one of two forms:
 *
 * Patches - windows that do not overlap, no groups: a map lays each window out as a row, a contract
 * with the weight follows, and a view puts the channels in front again, which cancels against the
 * transpose that follows a patch embedding. The weight is what is packed, once.
 *
 * Windows - all else: a contract reads x at o*stride + k*dilation, which is affine once x has its
 * padding; the map that pads is left out where all windows lie inside. Here x is what is packed, at
 * run time, so that its elements are never laid out in memory once per window. */
#include <string.h>

#include "passes/pass.h"
#include "passes/rewrite.h"

typedef struct conv {
    ir_graph *g;
    int n; /* spatial axes */
    ir_type x, w;
    const ir_dim *out, *kernel, *pads;
    const int64_t *strides, *dilations;
    int64_t groups;
} conv;

static const ir_dim *dims_of(const ir_node *node, ir_key key)
{
    return ir_attr_find(node, key)->u.dims;
}
static const int64_t *ints_of(const ir_node *node, ir_key key)
{
    return ir_attr_find(node, key)->u.ints;
}
static ir_dim conv_contract_num(const conv *p, int64_t v) { return ir_dim_const(p->g, v); }

static bool conv_contract_describe(ir_graph *g, const ir_node *node, conv *p)
{
    if (node->op != IR_OP_CONV || *ir_attr_str(g, node, IR_KEY_kind)) return false;
    *p = (conv){.g = g,
                .x = *ir_type_of(g, node->operands[0]),
                .w = *ir_type_of(g, node->operands[1]),
                .out = dims_of(node, IR_KEY_dims),
                .kernel = dims_of(node, IR_KEY_kernel),
                .pads = dims_of(node, IR_KEY_pads),
                .strides = ints_of(node, IR_KEY_strides),
                .dilations = ints_of(node, IR_KEY_dilations),
                .groups = ir_attr_int(node, IR_KEY_group, 1)};
    p->n = p->x.rank - 2;
    return (p->x.elem == IR_F32 || p->x.elem == IR_I32) && 3 + 2 * p->n <= IR_MAX_RANK &&
           p->w.rank == p->x.rank;
}

static ir_value add_bias(ir_builder *b, ir_value v, ir_value bias, int channel_axis)
{
    ir_nest nest;
    if (v == IR_NONE || bias == IR_NONE) return v;
    const ir_type type = *ir_type_of(b->g, v);
    ir_nest_begin(&nest, b, type.rank, type.dims, 0);
    ir_expr channel = ir_nest_index(&nest, channel_axis);
    ir_expr sum =
        ir_x_2(b->g, IR_X_ADD, ir_nest_read(&nest, v), ir_nest_load(&nest, bias, &channel));
    return ir_nest_map(&nest, type.elem, sum);
}

/* ---- patches ---- */

/* No groups, no padding, no dilation, and a stride of at least the window, which is more than a
 * point. */
static bool is_patches(const conv *p)
{
    bool is_point = true;
    for (int i = 0; i < 2 * p->n; i++)
        if (!ir_dim_equals(p->g, p->pads[i], 0)) return false;
    for (int i = 0; i < p->n; i++) {
        int64_t size;
        if (p->dilations[i] != 1 || !ir_dim_is_const(p->g, p->kernel[i], &size) ||
            size > p->strides[i])
            return false;
        is_point &= size == 1;
    }
    return p->groups == 1 && !is_point;
}

/* rows[n, o..., c, k...] = x[n, c, o*stride + k...] */
static ir_value lay_out(ir_builder *b, const conv *p, ir_value x)
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
    return ir_nest_map(&nest, p->x.elem, ir_nest_load(&nest, x, idx));
}

/* sum over c, k... of rows[n, o..., c, k...] * w[m, c, k...], with m innermost. */
static ir_value conv_contract_multiply(ir_builder *b, const conv *p, ir_value rows, ir_value w)
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
    for (int i = 0; i <= p->n; i++)
        w_idx[1 + i] = row_idx[1 + p->n + i] = ir_nest_index(&nest, c + i);
    ir_expr product =
        ir_x_2(p->g, IR_X_MUL, ir_nest_load(&nest, rows, row_idx), ir_nest_load(&nest, w, w_idx));
    return ir_nest_reduce(&nest, IR_OP_CONTRACT, "sum", p->x.elem, product);
}

static ir_value channels_first(ir_builder *b, const conv *p, ir_value v)
{
    int perm[IR_MAX_RANK] = {0, 1 + p->n};
    for (int i = 0; i < p->n; i++) perm[2 + i] = 1 + i;
    return v == IR_NONE ? IR_NONE : ir_permute(b, v, perm);
}

static ir_value patches(ir_builder *b, const conv *p, const ir_node *node, ir_value bias)
{
    ir_value v = conv_contract_multiply(b, p, lay_out(b, p, node->operands[0]), node->operands[1]);
    return channels_first(b, p, add_bias(b, v, bias, 1 + p->n));
}

/* ---- windows ---- */

/* How far the windows of an axis reach: (out - 1)*stride + (kernel - 1)*dilation + 1. */
static ir_dim reach(const conv *p, int i)
{
    ir_graph *g = p->g;
    ir_dim last = ir_dim_mul(g, ir_dim_sub(g, p->out[2 + i], conv_contract_num(p, 1)),
                             conv_contract_num(p, p->strides[i]));
    ir_dim size = ir_dim_mul(g, ir_dim_sub(g, p->kernel[i], conv_contract_num(p, 1)),
                             conv_contract_num(p, p->dilations[i]));
    return ir_dim_max(g, ir_dim_add(g, ir_dim_add(g, last, size), conv_contract_num(p, 1)),
                      conv_contract_num(p, 0));
}

static bool is_padded(const conv *p, int i)
{
    int64_t least, most;
    ir_dim_range(p->g, ir_dim_sub(p->g, p->x.dims[2 + i], reach(p, i)), &least, &most);
    return least < 0 || !ir_dim_equals(p->g, p->pads[i], 0);
}

/* x with all that its windows reach around it as zeros; x itself if they reach nothing else. */
static ir_value pad(ir_builder *b, const conv *p, ir_value x)
{
    ir_graph *g = p->g;
    ir_dim space[IR_MAX_SPACE] = {p->x.dims[0], p->x.dims[1]};
    ir_expr idx[IR_MAX_RANK], inside = ir_x_int(g, IR_BOOL, 1), zero = ir_x_int(g, IR_I64, 0);
    bool any = false;
    for (int i = 0; i < p->n; i++) {
        any |= is_padded(p, i);
        space[2 + i] = is_padded(p, i) ? reach(p, i) : p->x.dims[2 + i];
    }
    if (!any) return x;
    ir_nest nest;
    ir_nest_begin(&nest, b, 2 + p->n, space, 0);
    for (int i = 0; i < 2 + p->n; i++) {
        idx[i] = ir_nest_index(&nest, i);
        if (i < 2 || !is_padded(p, i - 2)) continue;
        ir_expr size = ir_x_dim(g, p->x.dims[i]),
                last = ir_x_dim(g, ir_dim_sub(g, p->x.dims[i], conv_contract_num(p, 1)));
        ir_expr at = ir_x_2(g, IR_X_SUB, idx[i], ir_x_dim(g, p->pads[i - 2]));
        inside =
            ir_x_2(g, IR_X_AND, inside,
                   ir_x_2(g, IR_X_AND, ir_x_2(g, IR_X_LE, zero, at), ir_x_2(g, IR_X_LT, at, size)));
        idx[i] = ir_x_2(g, IR_X_MAX, ir_x_2(g, IR_X_MIN, at, last), zero);
    }
    ir_expr body = ir_x_select(g, inside, ir_nest_load(&nest, x, idx), ir_x_num(g, p->x.elem, 0));
    return ir_nest_map(&nest, p->x.elem, body);
}

/* Enough rows for tiles: with fewer, x would be packed for nothing. */
static bool is_windows(const conv *p, int64_t *per_group)
{
    enum { LEAST_ROWS = 4 };
    return ir_dim_is_const(p->g, p->out[1], per_group) && p->groups > 0 &&
           (*per_group /= p->groups) >= LEAST_ROWS && 4 + 2 * p->n <= IR_MAX_SPACE;
}

/* sum over c, k... of w[g*M + m, c, k...] * x[n, g*C + c, o*stride + k*dilation...] at [n, g, m,
 * o...] */
static ir_value slide(ir_builder *b, const conv *p, ir_value x, ir_value w, int64_t per_group)
{
    enum { G = 1, M = 2, O = 3 };
    int c = O + p->n;
    ir_graph *g = p->g;
    ir_dim channels = ir_dim_floordiv(g, p->x.dims[1], conv_contract_num(p, p->groups));
    ir_dim space[IR_MAX_SPACE] = {p->out[0], conv_contract_num(p, p->groups),
                                  conv_contract_num(p, per_group)};
    memcpy(space + O, p->out + 2, (size_t)p->n * sizeof *space);
    space[c] = channels;
    memcpy(space + c + 1, p->kernel, (size_t)p->n * sizeof *space);
    ir_nest nest;
    ir_nest_begin(&nest, b, c + 1 + p->n, space, 1 + p->n);
    ir_expr group = ir_nest_index(&nest, G),
            of_x = ir_x_2(g, IR_X_MUL, group, ir_x_dim(g, channels));
    ir_expr of_w = ir_x_2(g, IR_X_MUL, group, ir_x_int(g, IR_I64, per_group));
    ir_expr x_idx[IR_MAX_RANK] = {ir_nest_index(&nest, 0),
                                  ir_x_2(g, IR_X_ADD, of_x, ir_nest_index(&nest, c))};
    ir_expr w_idx[IR_MAX_RANK] = {ir_x_2(g, IR_X_ADD, of_w, ir_nest_index(&nest, M)),
                                  ir_nest_index(&nest, c)};
    for (int i = 0; i < p->n; i++) {
        w_idx[2 + i] = ir_nest_index(&nest, c + 1 + i);
        ir_expr start =
            ir_x_2(g, IR_X_MUL, ir_nest_index(&nest, O + i), ir_x_int(g, IR_I64, p->strides[i]));
        ir_expr tap = ir_x_2(g, IR_X_MUL, w_idx[2 + i], ir_x_int(g, IR_I64, p->dilations[i]));
        x_idx[2 + i] = ir_x_2(g, IR_X_ADD, start, tap);
    }
    ir_expr product =
        ir_x_2(g, IR_X_MUL, ir_nest_load(&nest, w, w_idx), ir_nest_load(&nest, x, x_idx));
    ir_value v = ir_nest_reduce(&nest, IR_OP_CONTRACT, "sum", p->x.elem, product);
    return v == IR_NONE ? IR_NONE : ir_reshape(b, v, 2 + p->n, p->out);
}

static bool rewrite_conv(pass_sweep *s, ir_node_id id)
{
    const ir_node node = s->g->nodes[id];
    conv p;
    int64_t per_group;
    ir_value v;
    if (!conv_contract_describe(s->g, &node, &p)) return false;
    ir_value bias = node.noperands > 2 ? node.operands[2] : IR_NONE;
    if (is_patches(&p)) {
        v = patches(&s->b, &p, &node, bias);
    } else if (is_windows(&p, &per_group)) {
        v = slide(&s->b, &p, pad(&s->b, &p, node.operands[0]), node.operands[1], per_group);
        v = add_bias(&s->b, v, bias, 1);
    } else {
        return false;
    }
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
