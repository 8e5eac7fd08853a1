/* Shared by the dim*.c files. */
#ifndef LATHE_IR_DIM_IMPL_H
#define LATHE_IR_DIM_IMPL_H

#include "ir/pool.h"

ir_dim ir_dim_intern(ir_graph *, const ir_dim_node *);
ir_dim ir_dim_atom(ir_graph *, ir_dim_kind, ir_dim a, ir_dim b);
/* Marks the graph; IR_NONE. */
ir_dim ir_dim_overflow(ir_graph *);
/* The constructor of an atom's kind. */
ir_dim (*ir_dim_function(ir_dim_kind))(ir_graph *, ir_dim, ir_dim);

static inline int64_t ir_floordiv(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

/* What floordiv leaves; never overflows. b != 0. */
static inline int64_t ir_floormod(int64_t a, int64_t b)
{
    int64_t r = b == -1 ? 0 : a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

#endif
