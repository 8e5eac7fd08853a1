/* The operators of nodes and of expressions, and what the tables say of each: code asks for a trait
 * instead of naming operators. */
#ifndef LATHE_IR_OPS_H
#define LATHE_IR_OPS_H

#include <stdbool.h>

/* ---- of expressions ---- */

typedef enum ir_scalar {
    IR_X_NONE = 0,
#define SCALAR(NAME, text, arity, result, traits) IR_X_##NAME,
#include "ir/scalar.def"
#undef SCALAR
    IR_X_COUNT
} ir_scalar;

/* What scalar.def says of an operator. */
enum {
    IR_X_COMPARES = 1 << 0,
    IR_X_DIVIDES = 1 << 1,
    IR_X_QUOTIENT = 1 << 2,
    IR_X_WHOLE = 1 << 3,
    IR_X_FUNCTION = 1 << 4
};
bool ir_x_op_is(ir_scalar, unsigned traits); /* all of them */

/* ---- of nodes ---- */

typedef enum ir_op {
    IR_OP_NONE = 0,
#define OP(NAME, text, omin, omax, results, regions, traits) IR_OP_##NAME,
#include "ir/ops.def"
#undef OP
    IR_OP_COUNT
} ir_op;

/* What ops.def says of an operator. */
enum {
    IR_TRAIT_NEST = 1 << 0,
    IR_TRAIT_POINTWISE = 1 << 1,
    IR_TRAIT_VIEW = 1 << 2,
    IR_TRAIT_KEEPS = 1 << 3,
    IR_TRAIT_SUMS = 1 << 4,
    IR_TRAIT_ROWS = 1 << 5,
    IR_TRAIT_ACCUMULATES = 1 << 6,
    IR_TRAIT_STORES_ONCE = 1 << 7,
    IR_TRAIT_LOOKS_UP = 1 << 8,
    IR_TRAIT_FIXED_MEMORY = 1 << 9,
    IR_TRAIT_GAPS = 1 << 10,
    IR_TRAIT_CALLS = 1 << 11,
    IR_TRAIT_REGIONS = 1 << 12,
    IR_TRAIT_DEFINES = 1 << 13,
    IR_TRAIT_EFFECT = 1 << 14
};

typedef struct ir_op_info {
    const char *name;
    int operands_min, operands_max, results, regions;
    unsigned traits;
} ir_op_info;
const ir_op_info *ir_op_get(ir_op);
bool ir_op_is(ir_op, unsigned traits);     /* all of them */
bool ir_op_is_any(ir_op, unsigned traits); /* one of them */

#endif
