/* Activations that other operators apply to their results: recurrent layers, fused products and
 * fused convolutions. One table, of which each of them accepts a part. */
#ifndef LATHE_FRONTEND_ACTIVATION_H
#define LATHE_FRONTEND_ACTIVATION_H

#include "frontend/build.h"

/* Who writes an activation's name; a set of bits. */
enum { FE_IN_LAYER = 1, FE_IN_PRODUCT = 2, FE_IN_CONV = 4 };

typedef struct fe_activation {
    const char *name;
    ir_expr (*make)(ir_graph *, ir_expr x, ir_expr alpha, ir_expr beta);
    unsigned users;
    int parameters; /* 0; 1: alpha; 2: alpha and beta */
    double alpha, beta;
} fe_activation;

/* The activation of this name that all of these users accept, or NULL. any_case: letters of either
 * case are the same. */
const fe_activation *fe_activation_find(const char *name, unsigned users, bool any_case);
/* Their names, with commas. */
const char *fe_activation_names(ir_graph *, unsigned users);
ir_expr fe_activate(ir_graph *, const fe_activation *, ir_expr x);

#endif
