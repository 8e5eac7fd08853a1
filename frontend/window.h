/* Sliding windows: the geometry that convolutions and pools share. */
#ifndef LATHE_FRONTEND_WINDOW_H
#define LATHE_FRONTEND_WINDOW_H

#include "frontend/build.h"

#define FE_MAX_SPATIAL 5

/* Window of `n` spatial axes over axes 2.. of a tensor. */
typedef struct fe_window {
    int n;
    ir_dim kernel[FE_MAX_SPATIAL], begin[FE_MAX_SPATIAL], end[FE_MAX_SPATIAL];
    int64_t strides[FE_MAX_SPATIAL], dilations[FE_MAX_SPATIAL];
} fe_window;

/* Strides and dilations of the attributes; kernel from kernel_shape if w->kernel[0] is IR_NONE. */
lathe_status fe_window_read(fe_node *, int spatial, fe_window *);
/* The attribute `pads` (n begins, n ends); zeros without it. */
lathe_status fe_window_pads(fe_node *, fe_window *);
/* Size of the dilated kernel. */
ir_dim fe_window_extent(ir_graph *, const fe_window *, int axis);
/* Pads and the result's dims for an input of these spatial dims. */
lathe_status fe_window_slide(fe_node *, fe_window *, const ir_dim *in, bool ceil_mode, ir_dim *out);
/* Input position on spatial axis i of result index `at` and kernel index `k`. */
ir_expr fe_window_position(ir_graph *, const fe_window *, int i, ir_expr at, ir_expr k);
/* Kernel indices from one running number over the whole (row-major) kernel. */
void fe_window_unflatten(ir_graph *, const fe_window *, ir_expr number, ir_expr *k);
/* Element of v (axes: n, c, spatial) at positions; where they lie beside it, `outside`, or without
 * that the nearest element. */
ir_expr fe_window_load(ir_nest *, ir_value v, const ir_expr *lead, const ir_expr *at, int n,
                       ir_expr outside);
/* dims, kernel, strides, pads, dilations as attributes of a conv or pool node. */
#define FE_WINDOW_ATTRS 5
void fe_window_attrs(ir_graph *, const fe_window *, const ir_dim *dims, ir_attr *attrs);

#endif
