/* One sweep over a graph in order, in which a rule may replace nodes. */
#ifndef LATHE_PASSES_REWRITE_H
#define LATHE_PASSES_REWRITE_H

#include "ir/ir.h"

/* `b` appends where the node being looked at stands; it carries the node's name and origin. */
typedef struct pass_sweep {
    ir_graph *g;
    ir_builder b;
    ir_value *to; /* replacements, by value; IR_NONE: itself */
    size_t cap;
    void *ctx;
    size_t changes;
} pass_sweep;

/* The node's operands are up to date. Returns true if every result has been given a replacement
 * (pass_replace): the node is dropped then. A rule may replace some results only. */
typedef bool (*pass_rule)(pass_sweep *, ir_node_id);

/* Number of nodes dropped. Nodes made by the rule are not looked at again in this sweep. */
size_t pass_rewrite(ir_graph *, pass_rule, void *ctx);
/* `with` must be visible wherever `old` is; it gets the old value's name if it has none. */
void pass_replace(pass_sweep *, ir_value old, ir_value with);

#endif
