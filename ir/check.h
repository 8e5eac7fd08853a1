/* Invariants, one node at a time and of a whole graph; shared by parser and verifier. */
#ifndef LATHE_IR_CHECK_H
#define LATHE_IR_CHECK_H

#include "ir/ir.h"

/* Operator, operand and region counts, attributes, and the typing of its expressions; operands must
 * be values of the graph. NULL: well formed; else what is wrong, in the graph's arena. */
const char *ir_check_node(ir_graph *, const ir_node *);
/* The operator must have this attribute. */
bool ir_check_needs(ir_op, ir_key);
/* Affine in the indices: sums and closed multiples of them. */
bool ir_check_affine(const ir_graph *, ir_expr);

/* Receives a violation; node may be IR_NONE. */
typedef void (*ir_violation)(void *ctx, ir_node_id node, const char *text);
/* Number of violations. */
size_t ir_check_graph(ir_graph *, ir_violation, void *ctx);

#endif
