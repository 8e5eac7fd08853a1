/* Numeric building blocks shared by importers: checks, broadcasting maps, reductions, contractions.
 *
 * A function on a builder that is given IR_NONE for a value, or dims that do not fit (which it
 * reports), returns IR_NONE, so that a chain of them is checked once, by fe_out at its end. */
#ifndef LATHE_FRONTEND_BUILD_H
#define LATHE_FRONTEND_BUILD_H

#include "frontend/fe.h"
#include "frontend/sizes.h"

/* Expressions; `ir_graph *g` must be in scope. XN: a number of the type of expression x. */
#define X1(OP, a) ir_x_1(g, IR_X_##OP, a)
#define XN(x, v) ir_x_num(g, ir_expr_get(g, x)->type, v)

/* ---- checks of inputs, with messages ---- */
/* Input k is present and its element class is one of these letters (types.def): "FL", "SU", "B". */
lathe_status fe_need_class(const fe_node *, size_t k, const char *classes);
/* Inputs a and b, if both are present, have the same element type. */
lathe_status fe_need_same(const fe_node *, size_t a, size_t b);
/* Axis `axis` of input k has this size (a guard where that is not known yet). */
lathe_status fe_need_dim(const fe_node *, size_t k, int axis, ir_dim);
/* Input k, which is there, has one element, whatever its rank. */
lathe_status fe_need_one(const fe_node *, size_t k);
/* The last axis of input 0 (ta: the one before) is as long as the last but one of input 1 (tb: the
 * last), as a product of matrices needs. */
lathe_status fe_need_product(const fe_node *, bool ta, bool tb);
/* Attribute `name` is an axis (default `otherwise`) of an operand of this rank. */
lathe_status fe_attr_axis(const fe_node *, const char *name, int rank, int *axis);
/* The run fails with this message unless the bool, of rank 0, is true. */
lathe_status fe_guard(fe_node *, ir_value, const char *message);
/* A message about the node under construction; IR_NONE, so that it can be returned. */
ir_value fe_refuse(ir_builder *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- maps ---- */
/* ir_nest_broadcast with a message where the dims do not fit. */
bool fe_broadcast(ir_nest *, ir_builder *, const ir_value *, size_t n);
ir_value fe_unary(ir_builder *, ir_scalar, ir_value);
ir_value fe_binary(ir_builder *, ir_scalar, ir_value a, ir_value b); /* element type of a */
ir_value fe_fill(ir_builder *, ir_elem, int rank, const ir_dim *dims, double);
ir_expr fe_x_gelu(ir_graph *, ir_expr x, bool tanh_form);
ir_expr fe_x_silu(ir_graph *, ir_expr x, double alpha); /* x * sigmoid(alpha * x) */

/* ---- layout ---- */
/* Two axes exchanged; negative ones count from the end. */
ir_value fe_swap(ir_builder *, ir_value, int a, int b);
/* [B, S, H*D] -> [B, H, S, D] and back. */
ir_value fe_split_heads(ir_builder *, ir_value, ir_dim heads);
ir_value fe_merge_heads(ir_builder *, ir_value);
/* v's part [start, start + count) of an axis. */
ir_value fe_part(ir_builder *, ir_value, int axis, ir_dim start, ir_dim count);

/* ---- reductions ---- */
/* Axes as a set of bits. A fold's space is v's other axes in order, then these; x is the element.
 */
typedef struct fe_fold {
    ir_nest nest;
    ir_value v;
    unsigned axes;
    ir_expr x, at[IR_MAX_RANK];
} fe_fold;
bool fe_fold_begin(fe_fold *, ir_builder *, ir_value v, unsigned axes);
/* keep: v's rank, with the reduced axes of size 1. */
ir_value fe_fold_end(fe_fold *, const char *kind, ir_elem out, ir_expr body, bool keep);
ir_value fe_reduce(ir_builder *, const char *kind, ir_value, unsigned axes, ir_elem out, bool keep);
/* Mean in the arithmetic type, with the axes kept. */
ir_value fe_mean(ir_builder *, ir_value, unsigned axes);
ir_value fe_mean_square(ir_builder *, ir_value, unsigned axes);
/* Number of elements that the axes hold. */
ir_dim fe_axes_count(ir_graph *, const ir_type *, unsigned axes);
ir_value fe_softmax(ir_builder *, ir_value, int axis, bool log);

/* Layer norm (or rms) over the axes from `axis` on; scale and bias, or IR_NONE, broadcast to x. */
ir_value fe_norm(ir_builder *, bool rms, ir_value x, ir_value scale, ir_value bias, int axis,
                 double eps);
/* Sets the outputs of these numbers, where they have a name, to mean and 1 / deviation of such
 * rows. */
void fe_norm_statistics(fe_node *, bool rms, ir_value x, int axis, double eps, size_t mean_out,
                        size_t inv_out);

/* ---- contractions ---- */
/* The size of an axis that two operands share, where each may be 1; IR_NONE: they cannot. */
ir_dim fe_meet(ir_graph *, ir_dim, ir_dim);
/* v with these dims, one an axis, where they are not its own: what fe_meet made, whose elements are
 * repeated if a run sets v's to 1. Axes known to be 1 stay. */
ir_value fe_spread(ir_builder *, ir_value v, const ir_dim *dims);
/* One operand of a contract: axes[i] is the axis of the space that its axis i runs along, or -1
 * where it is read at 0 (a broadcast dim of 1). */
typedef struct fe_factor {
    ir_value v;
    int axes[IR_MAX_RANK];
} fe_factor;
/* sum over the last nred axes of the product of the factors. */
ir_value fe_contract(ir_builder *, const fe_factor *, size_t n, int rank, const ir_dim *space,
                     int nred, ir_elem out);
/* NumPy's matmul, operands of rank 1 and batch broadcasting included; ta, tb: the last two axes of
 * a or b are exchanged first. */
ir_value fe_matmul(ir_builder *, ir_value a, ir_value b, bool ta, bool tb, ir_elem out);

#endif
