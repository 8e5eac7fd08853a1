/* Shared by the expr*.c files. */
#ifndef LATHE_IR_EXPR_IMPL_H
#define LATHE_IR_EXPR_IMPL_H

#include "ir/dim_impl.h"

ir_expr ir_x_intern(ir_graph *, const ir_expr_node *);
ir_expr ir_x_const(ir_graph *, ir_elem, ir_scalar_value);
bool ir_x_value(const ir_graph *, ir_expr, ir_scalar_value *); /* of a CONST */
/* A simpler expression equal to this typed node, or IR_NONE to intern it as it is. */
ir_expr ir_x_fold(ir_graph *, const ir_expr_node *);
/* Integer arithmetic over sizes (expr_dim.c): IR_NONE if the operands are not sizes. */
ir_expr ir_x_fold_dims(ir_graph *, const ir_expr_node *);

#endif
