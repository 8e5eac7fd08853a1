/* Sizes, axes and index arithmetic shared by importers of operators that move data.
 *
 * A size is a dim: closed where contents are known, a symbol bound at run time where it is data.
 * Formulas are written once over dims; with known axes and sizes they fold to constants. */
#ifndef LATHE_FRONTEND_SIZES_H
#define LATHE_FRONTEND_SIZES_H

#include "frontend/fe.h"

/* Expressions; `ir_graph *g` must be in scope. */
#define X2(OP, a, b) ir_x_2(g, IR_X_##OP, a, b)
#define XI(v) ir_x_int(g, IR_I64, v)
#define XD(d) ir_x_dim(g, d)

ir_dim fe_dim_clamp(ir_graph *, ir_dim, ir_dim lo, ir_dim hi);
ir_expr fe_x_clamp(ir_graph *, ir_expr, ir_expr lo, ir_expr hi);
/* lo <= x < hi, as a bool. */
ir_expr fe_x_within(ir_graph *, ir_expr x, ir_expr lo, ir_expr hi);
/* An index into an axis of size d: negative ones wrap, others outside fault at run time. */
ir_expr fe_x_index(ir_graph *, ir_expr, ir_dim d);
/* Element of v cast to i64. */
ir_expr fe_load_i64(ir_nest *, ir_value v, const ir_expr *idx);
/* The element of a tensor of one element, of any rank. */
ir_expr fe_load_scalar(ir_nest *, ir_value v);
/* v with one element as rank 0 of this type. */
ir_value fe_as_scalar(fe_node *, ir_value, ir_elem);
/* A view where every index of the load is affine (affine says so), else a map. */
ir_value fe_nest_move(ir_nest *, bool affine, ir_elem, ir_expr load);

/* Input k has an element type that expressions can compute with; a message otherwise. */
lathe_status fe_need_arith(const fe_node *, size_t k);
/* ... or that expressions can at least load and store: strings too. */
lathe_status fe_need_movable(const fe_node *, size_t k);
/* Input k is present and of this rank (-1: any). */
lathe_status fe_need_rank(const fe_node *, size_t k, int rank);

/* A fresh symbol for a size that is data. */
ir_sym fe_data_symbol(fe_node *, int64_t lo, int64_t hi, ir_dim bound);
/* Elements of v (integers, rank 0 or 1) as dims, or as data symbols within [lo, hi]. */
lathe_status fe_sizes(fe_node *, ir_value v, int64_t lo, int64_t hi, ir_dim bound,
                      const ir_dim **dims, size_t *n);
/* Those that are known, also where others beside them are data; IR_NONE for the rest. */
void fe_known_sizes(ir_graph *, ir_value v, ir_dim *dims, size_t n);
/* A scalar i64 expression of an (otherwise unused) nest without axes as a dim, bound if needed. */
lathe_status fe_size_expr(fe_node *, ir_nest *, ir_expr, int64_t lo, int64_t hi, ir_dim bound,
                          ir_dim *);
/* ints as constant dims, in the arena. */
const ir_dim *fe_const_dims(ir_graph *, const int64_t *, size_t n);

/* Axes as dims in [0, rank): of attribute `name` if it is there, else of input k, else NULL. */
lathe_status fe_axes(fe_node *, const char *name, size_t k, int rank, const ir_dim **axes,
                     size_t *n);
/* 1 if axis a is among the axes, else 0. */
ir_dim fe_axis_among(ir_graph *, const ir_dim *axes, size_t n, int a);
/* values[j] where axes[j] is a, `otherwise` if none is. */
ir_dim fe_axis_pick(ir_graph *, const ir_dim *axes, size_t n, int a, const ir_dim *values,
                    ir_dim otherwise);

/* data indexed along an axis: the axis is replaced by those of `indices` (ops_index.c). */
ir_value fe_gather(fe_node *, ir_value data, ir_value indices, int axis);

/* A runtime function: results of `types`, with syms those that it defines. IR_NONE-free results. */
lathe_status fe_call(fe_node *, const char *func, const ir_value *operands, size_t n,
                     const ir_attr *more, size_t nmore, const ir_type *types, size_t nresults,
                     ir_value *results);

#endif
