/* Codes and floats: what importers of quantised operators share. A code less its zero point is
 * exact in i32; a product of codes is an i32 contract of two such maps, with the scales in a map
 * behind it, so that passes recognise one form. */
#ifndef LATHE_FRONTEND_QUANT_H
#define LATHE_FRONTEND_QUANT_H

#include "frontend/build.h"

#define FE_NUMBERS "FLSU"

/* One element, with or without an axis. */
bool fe_is_single(ir_graph *, const ir_type *);
/* Input k, if it is there, is of these classes and one element. */
lathe_status fe_need_single(const fe_node *, size_t k, const char *classes);
/* v of one element becomes rank 0, so that it adds no axis to what it is broadcast with. */
ir_value fe_single_as_scalar(ir_builder *, ir_value v);

/* code - zero (or IR_NONE): exact in i32 for integers, in f32 for float8. */
ir_expr fe_x_centred(ir_graph *, ir_expr code, ir_expr zero);
/* x, already divided by the scale, as a code. Float types take no rounding to integers. */
ir_value fe_store_code(ir_nest *, ir_expr x, ir_expr zero, ir_elem out, bool saturate);

/* Operand v of a product of matrices less its zero point (or IR_NONE), which is one element or one
 * a row (left) or a column of v. The rank is v's. */
ir_value fe_shifted(ir_builder *, ir_value v, ir_value zero, bool left);
/* A parameter of the rows of a product: a list becomes a column. */
ir_value fe_row_parameter(ir_builder *, ir_value v);
/* sum * (scale a * scale b), + bias if it is not IR_NONE, as floats. */
ir_value fe_scaled_sum(ir_builder *, ir_value sum, ir_value a, ir_value b, ir_value bias,
                       ir_elem out);

/* Code number `at` of the last axis of packed bytes, low bits first, as u8; lead: the indices of
 * the other axes. bits: 2, 4 or 8. */
ir_expr fe_x_packed_code(ir_nest *, ir_value v, const ir_expr *lead, int nlead, ir_expr at,
                         int64_t bits);
/* Attributes of such codes. */
lathe_status fe_need_code_bits(const fe_node *, const char *name, int64_t bits);
lathe_status fe_need_block(const fe_node *, int64_t block);

typedef struct fe_codes {
    ir_value codes, scale, zero;
} fe_codes;
/* DynamicQuantizeLinear: x (f32) as u8 codes over its own range, 0 included. */
bool fe_dynamic_codes(ir_builder *, ir_value x, fe_codes *);

#endif
