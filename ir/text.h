/* What printer and parser of the text form share; private to ir/. */
#ifndef LATHE_IR_TEXT_H
#define LATHE_IR_TEXT_H

#include "ir/ir.h"

/* Constants of at most this many elements are written element by element. */
#define IR_TEXT_ELEMENTS 64
/* Nesting of an expression in text; the printer names what is deeper. */
#define IR_TEXT_DEPTH 32

void ir_print_dims(FILE *, const ir_graph *, const ir_dim *, size_t n);
/* Shortest decimal that reads back as the same value; is_f32: after rounding to f32. */
void ir_print_float(FILE *, double, bool is_f32);
/* Bytes of a constant of this type. */
void ir_print_blob(FILE *, const ir_graph *, const ir_type *, const ir_blob *);

/* Identity of a constant's bytes in dumps. */
uint64_t ir_blob_hash(const void *bytes, size_t size);
/* Number of elements if all dims are constants. */
bool ir_type_static_count(const ir_graph *, const ir_type *, int64_t *count);

#endif
