/* conv and pool as reductions over their windows. A tap outside of the operand reads the element
 * at the nearest edge, so that every load is in range, and its value is replaced. */
#include "passes/decompose.h"

#include <math.h>
#include <string.h>

/* The windows of one node: out axes 0, 1 are batch and channel, then `n` spatial ones. */
typedef struct windows {
    ir_graph *g;
    int n;
    ir_value x;
    ir_type in;
    const ir_dim *out, *kernel, *pads;
    const int64_t *strides, *dilations;
    bool transposed, padded;
} windows;

static const ir_dim *dims_of(const ir_node *node, ir_key key)
{
    return ir_attr_find(node, key)->u.dims;
}
static const int64_t *ints_of(const ir_node *node, ir_key key)
{
    return ir_attr_find(node, key)->u.ints;
}

static void windows_begin(windows *w, ir_graph *g, const ir_node *node)
{
    ir_value x = node->operands[0];
    *w = (windows){.g = g,
                   .x = x,
                   .in = *ir_type_of(g, x),
                   .out = dims_of(node, IR_KEY_dims),
                   .kernel = dims_of(node, IR_KEY_kernel),
                   .pads = dims_of(node, IR_KEY_pads),
                   .strides = ints_of(node, IR_KEY_strides),
                   .dilations = ints_of(node, IR_KEY_dilations)};
    w->n = w->in.rank - 2;
    w->transposed = strcmp(ir_attr_str(g, node, IR_KEY_kind), "transposed") == 0;
    w->padded = w->transposed;
    for (int i = 0; i < 2 * w->n; i++) w->padded |= !ir_dim_equals(g, w->pads[i], 0);
    /* A result rounded up may reach beyond the operand without any padding. */
    for (int i = 0; i < w->n && !w->padded; i++) {
        ir_dim last = ir_dim_mul(g, ir_dim_sub(g, w->out[2 + i], ir_dim_const(g, 1)),
                                 ir_dim_const(g, w->strides[i]));
        ir_dim reach = ir_dim_mul(g, ir_dim_sub(g, w->kernel[i], ir_dim_const(g, 1)),
                                  ir_dim_const(g, w->dilations[i]));
        int64_t lo, hi;
        ir_dim_range(g, ir_dim_sub(g, w->in.dims[2 + i], ir_dim_add(g, last, reach)), &lo, &hi);
        w->padded = lo < 1;
    }
}

static ir_expr decompose_conv_num(const windows *w, int64_t v) { return ir_x_int(w->g, IR_I64, v); }
static ir_expr op2(const windows *w, ir_scalar op, ir_expr a, ir_expr b)
{
    return ir_x_2(w->g, op, a, b);
}

/* Index along spatial axis i of the tap `k` for result place `o`; inside gets the condition. */
static ir_expr tap(const windows *w, int i, ir_expr o, ir_expr k, ir_expr *inside)
{
    ir_graph *g = w->g;
    ir_expr reach = op2(w, IR_X_MUL, k, decompose_conv_num(w, w->dilations[i])),
            pad = ir_x_dim(g, w->pads[i]), at;
    ir_expr size = ir_x_dim(g, w->in.dims[2 + i]);
    *inside = ir_x_int(g, IR_BOOL, 1);
    if (w->transposed) {
        ir_expr stride = decompose_conv_num(w, w->strides[i]);
        ir_expr place = op2(w, IR_X_SUB, op2(w, IR_X_ADD, o, pad), reach);
        *inside = op2(w, IR_X_EQ, op2(w, IR_X_MOD, place, stride), decompose_conv_num(w, 0));
        at = op2(w, IR_X_FLOORDIV, place, stride);
    } else {
        at = op2(w, IR_X_SUB,
                 op2(w, IR_X_ADD, op2(w, IR_X_MUL, o, decompose_conv_num(w, w->strides[i])), reach),
                 pad);
    }
    if (!w->padded) return at;
    ir_expr low = op2(w, IR_X_LE, decompose_conv_num(w, 0), at), high = op2(w, IR_X_LT, at, size);
    *inside = op2(w, IR_X_AND, *inside, op2(w, IR_X_AND, low, high));
    return op2(w, IR_X_MAX, op2(w, IR_X_MIN, at, op2(w, IR_X_SUB, size, decompose_conv_num(w, 1))),
               decompose_conv_num(w, 0));
}

/* x at the taps of this point; idx[0..1] are set, kernel axes start at `first` of the space. */
static ir_expr read_tap(const windows *w, ir_nest *nest, ir_expr *idx, int first, ir_expr outside)
{
    ir_expr inside = ir_x_int(w->g, IR_BOOL, 1);
    for (int i = 0; i < w->n; i++) {
        ir_expr in;
        idx[2 + i] = tap(w, i, ir_nest_index(nest, 2 + i), ir_nest_index(nest, first + i), &in);
        inside = op2(w, IR_X_AND, inside, in);
    }
    return ir_x_select(w->g, inside, ir_nest_load(nest, w->x, idx), outside);
}

ir_value decompose_conv(ir_builder *b, const ir_node *node)
{
    ir_graph *g = b->g;
    windows w;
    windows_begin(&w, g, node);
    const ir_type weight = *ir_type_of(g, node->operands[1]);
    ir_dim groups = ir_dim_const(g, ir_attr_int(node, IR_KEY_group, 1));
    ir_dim per_group = ir_dim_floordiv(g, w.out[1], groups),
           channels = ir_dim_floordiv(g, w.in.dims[1], groups);
    int rank = 2 + w.n, total = rank + 1 + w.n;
    if (total > IR_MAX_SPACE || groups == IR_NONE || per_group == IR_NONE) return IR_NONE;
    ir_dim space[IR_MAX_SPACE];
    memcpy(space, w.out, (size_t)rank * sizeof *space);
    space[rank] = channels;
    memcpy(space + rank + 1, w.kernel, (size_t)w.n * sizeof *space);
    ir_nest nest;
    ir_nest_begin(&nest, b, total, space, 1 + w.n);
    ir_expr m = ir_nest_index(&nest, 1), c = ir_nest_index(&nest, rank), x_idx[IR_MAX_RANK],
            w_idx[IR_MAX_RANK];
    bool one = ir_dim_equals(g, groups, 1);
    ir_expr group = op2(&w, IR_X_FLOORDIV, m, ir_x_dim(g, per_group)), channel = c;
    if (!one) channel = op2(&w, IR_X_ADD, op2(&w, IR_X_MUL, group, ir_x_dim(g, channels)), c);
    x_idx[0] = ir_nest_index(&nest, 0);
    x_idx[1] = channel;
    w_idx[0] = w.transposed ? channel : m;
    w_idx[1] = w.transposed ? (one ? m : op2(&w, IR_X_MOD, m, ir_x_dim(g, per_group))) : c;
    for (int i = 0; i < w.n; i++) w_idx[2 + i] = ir_nest_index(&nest, rank + 1 + i);
    ir_elem arith = ir_elem_arith(w.in.elem);
    ir_expr x = read_tap(&w, &nest, x_idx, rank + 1, ir_x_num(g, arith, 0));
    ir_expr product = op2(&w, IR_X_MUL, x, ir_nest_load(&nest, node->operands[1], w_idx));
    bool bias = node->noperands > 2 && node->operands[2] != IR_NONE;
    ir_value sum = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", bias ? arith : w.in.elem, product);
    if (!bias || sum == IR_NONE || weight.rank != rank) return weight.rank == rank ? sum : IR_NONE;
    ir_nest_begin(&nest, b, rank, w.out, 0);
    ir_expr channel_index = ir_nest_index(&nest, 1);
    ir_expr added = op2(&w, IR_X_ADD, ir_nest_read(&nest, sum),
                        ir_nest_load(&nest, node->operands[2], &channel_index));
    return ir_nest_map(&nest, w.in.elem, added);
}

/* ---- pool ---- */

static ir_expr clamp(const windows *w, ir_expr v, ir_expr hi)
{
    return op2(w, IR_X_MAX, op2(w, IR_X_MIN, v, hi), decompose_conv_num(w, 0));
}

/* How many of the taps of place o lie in [lo, hi). */
static ir_expr count_taps(const windows *w, int i, ir_expr o, ir_expr lo, ir_expr hi)
{
    ir_expr start = op2(w, IR_X_SUB, op2(w, IR_X_MUL, o, decompose_conv_num(w, w->strides[i])),
                        ir_x_dim(w->g, w->pads[i]));
    ir_expr d = decompose_conv_num(w, w->dilations[i]),
            up = decompose_conv_num(w, w->dilations[i] - 1), k = ir_x_dim(w->g, w->kernel[i]);
    ir_expr below_hi = op2(w, IR_X_FLOORDIV, op2(w, IR_X_ADD, op2(w, IR_X_SUB, hi, start), up), d);
    ir_expr below_lo = op2(w, IR_X_FLOORDIV, op2(w, IR_X_ADD, op2(w, IR_X_SUB, lo, start), up), d);
    return op2(w, IR_X_SUB, clamp(w, below_hi, k), clamp(w, below_lo, k));
}

static ir_expr window_count(const windows *w, ir_nest *nest, bool include_pad)
{
    ir_expr count = decompose_conv_num(w, 1);
    for (int i = 0; i < w->n; i++) {
        ir_expr lo = decompose_conv_num(w, 0), hi = ir_x_dim(w->g, w->in.dims[2 + i]);
        if (include_pad) {
            lo = ir_x_1(w->g, IR_X_NEG, ir_x_dim(w->g, w->pads[i]));
            hi = op2(w, IR_X_ADD, hi, ir_x_dim(w->g, w->pads[w->n + i]));
        }
        count = op2(w, IR_X_MUL, count, count_taps(w, i, ir_nest_index(nest, 2 + i), lo, hi));
    }
    return count;
}

/* The least value of a type: what max ignores. */
static ir_expr lowest(ir_graph *g, ir_elem arith)
{
    if (ir_elem_is_float(arith)) return ir_x_float(g, arith, -INFINITY);
    bool is_signed = ir_elem_class(arith) == 'S';
    return ir_x_int(g, arith, is_signed ? (int64_t)(UINT64_MAX << (ir_elem_bits(arith) - 1)) : 0);
}

static ir_value average(const windows *w, ir_builder *b, ir_value sum, bool include_pad)
{
    ir_nest nest;
    ir_elem arith = ir_elem_arith(w->in.elem);
    if (sum == IR_NONE) return IR_NONE;
    ir_nest_begin(&nest, b, w->in.rank, w->out, 0);
    ir_expr count = ir_x_cast(w->g, window_count(w, &nest, include_pad), arith);
    return ir_nest_map(&nest, w->in.elem, op2(w, IR_X_DIV, ir_nest_read(&nest, sum), count));
}

ir_value decompose_pool(ir_builder *b, const ir_node *node)
{
    windows w;
    windows_begin(&w, b->g, node);
    bool max = strcmp(ir_attr_str(b->g, node, IR_KEY_kind), "max") == 0;
    int rank = 2 + w.n;
    if (rank + w.n > IR_MAX_SPACE) return IR_NONE;
    ir_dim space[IR_MAX_SPACE];
    memcpy(space, w.out, (size_t)rank * sizeof *space);
    memcpy(space + rank, w.kernel, (size_t)w.n * sizeof *space);
    ir_nest nest;
    ir_nest_begin(&nest, b, rank + w.n, space, w.n);
    ir_expr idx[IR_MAX_RANK] = {ir_nest_index(&nest, 0), ir_nest_index(&nest, 1)};
    ir_elem arith = ir_elem_arith(w.in.elem);
    ir_expr x =
        read_tap(&w, &nest, idx, rank, max ? lowest(b->g, arith) : ir_x_num(b->g, arith, 0));
    ir_value v =
        ir_nest_reduce(&nest, IR_OP_REDUCE, max ? "max" : "sum", max ? w.in.elem : arith, x);
    return max ? v : average(&w, b, v, ir_attr_int(node, IR_KEY_include_pad, 0) != 0);
}
