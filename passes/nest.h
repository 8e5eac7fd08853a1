/* Rewriting nodes in nest form. */
#ifndef LATHE_PASSES_NEST_H
#define LATHE_PASSES_NEST_H

#include "ir/ir.h"

/* As ir_nest_load, but always a load, also where the element is known. */
ir_expr pass_plain_load(ir_nest *, ir_value, const ir_expr *idx);
/* Replaces indices into a reshape's result, of `rank` axes, by those into its operand, if every
 * axis of the operand is a product of neighbouring axes of the result (axes of size 1 aside): an
 * index is then a sum, without a division. */
bool pass_through_reshape(ir_graph *, const ir_type *operand, const ir_dim *dims, int rank,
                          ir_expr *idx);
/* The node's attributes with all expressions rewritten; NULL if one cannot be. */
ir_attr *pass_rewrite_attrs(ir_graph *, const ir_node *, const ir_rewrite *, bool *changed);

#endif
