/* Rewriting nodes in nest form. */
#ifndef LATHE_PASSES_NEST_H
#define LATHE_PASSES_NEST_H

#include "ir/ir.h"

/* As ir_nest_load, but always a load, also where the element is known. */
ir_expr pass_plain_load(ir_nest *, ir_value, const ir_expr *idx);
/* The node's attributes with all expressions rewritten; NULL if one cannot be. */
ir_attr *pass_rewrite_attrs(ir_graph *, const ir_node *, const ir_rewrite *, bool *changed);

#endif
