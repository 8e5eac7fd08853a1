/* Numbers that stand for codes: scale * (code - zero), read off expressions however a quantiser
 * spelled them. */
#ifndef LATHE_PASSES_CODES_H
#define LATHE_PASSES_CODES_H

#include "ir/ir.h"

/* `code` is a load of codes of at most 8 bits. zero: of i32, IR_NONE: 0. scale: of f32, IR_NONE: 1.
 */
typedef struct codes_form {
    ir_expr code, zero, scale;
} codes_form;

/* One reading. The loads of what is found are numbered as `loads` collects them; codes that are in
 * memory nowhere (padded, clipped) become a map that its builder appends. */
typedef struct codes_reader {
    ir_graph *g;
    ir_nest loads;
    int depth;
} codes_reader;

void codes_begin(codes_reader *, ir_builder *);
/* An expression of a node's body as the reader numbers its loads. */
ir_expr codes_of(codes_reader *, ir_expr, const ir_value *operands);
/* False: e, from codes_of, is no such number. An integer has no scale. */
bool codes_read(codes_reader *, ir_expr e, codes_form *);
/* What was found, as a part of a node under construction; known: known elements are no loads. */
ir_expr codes_load(codes_reader *, ir_expr e, ir_nest *, bool known);
/* The largest magnitude of code - zero. */
int64_t codes_reach(const codes_reader *, const codes_form *);

#endif
