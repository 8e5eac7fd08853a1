/* Sampling between elements: positions along spatial axes are real numbers. */
#ifndef LATHE_FRONTEND_SAMPLE_H
#define LATHE_FRONTEND_SAMPLE_H

#include "frontend/window.h"

/* What stands beside the data: zero, its edge, or its mirror image (about the outer elements'
 * centres, or about their outer sides). */
typedef enum { FE_SIDE_ZERO, FE_SIDE_EDGE, FE_SIDE_MIRROR, FE_SIDE_MIRROR_HALF } fe_side;

/* Interpolates v, whose axes are lead[0], lead[1] and `spatial` others, at real positions. */
typedef struct fe_sample {
    ir_nest *nest;
    ir_value v;
    const ir_expr *lead, *at;
    int spatial;
    fe_side side;
} fe_sample;
ir_expr fe_sample_nearest(const fe_sample *); /* halves to even */
ir_expr fe_sample_linear(const fe_sample *);
ir_expr fe_sample_linear_max(const fe_sample *); /* the greatest weighted element, not the sum */
ir_expr fe_sample_cubic(const fe_sample *, double a);

/* Keys' kernel with parameter a: weights of the four elements around a fraction in [0, 1). */
void fe_x_cubic_weights(ir_graph *, ir_expr fraction, double a, ir_expr weights[4]);

#endif
