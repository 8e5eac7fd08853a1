/* Rules of the decompose pass: each builds the node's value from nests; IR_NONE: not possible. */
#ifndef LATHE_PASSES_DECOMPOSE_H
#define LATHE_PASSES_DECOMPOSE_H

#include "ir/ir.h"

ir_value decompose_softmax(ir_builder *, const ir_node *);
ir_value decompose_attention(ir_builder *, const ir_node *);
ir_value decompose_norm(ir_builder *, const ir_node *);
ir_value decompose_conv(ir_builder *, const ir_node *);
ir_value decompose_pool(ir_builder *, const ir_node *);

#endif
