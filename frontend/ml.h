/* Shared by importers of ai.onnx.ml: constants made from attributes. */
#ifndef LATHE_FRONTEND_ML_H
#define LATHE_FRONTEND_ML_H

#include "frontend/build.h"

/* Numbers of an attribute, from a list of floats or, under the second name, a tensor of floats. */
typedef struct fe_numbers {
    const double *values; /* NULL: absent */
    size_t n;
    ir_elem elem; /* of the tensor; F32 for a list */
} fe_numbers;
lathe_status fe_attr_numbers(const fe_node *, const char *list, const char *tensor, fe_numbers *);

/* Constants of rank 1. */
ir_value fe_const_i64(fe_node *, const int64_t *, size_t n);
ir_value fe_const_f64(fe_node *, const double *, size_t n);
/* f64[rows, columns] plus one number a column; post_transform applied. */
ir_value fe_add_columns(fe_node *, ir_value, const double *, size_t n);
lathe_status fe_post_transform(fe_node *, const char *how, ir_value, ir_value *result);

#endif
