/* Experimental operators of ai.onnx that ONNX removed and that ONNX Runtime still runs, in models
 * of an opset below 10: ImageScaler, Crop, DynamicSlice (the activations among them are in
 * ops_activation.c). In: images [N, C, H, W], data. Out: maps and views, or what took their place.
 */
#include "frontend/build.h"
#include "frontend/registry.h"

/* All elements times one factor, and a summand a channel. */
lathe_status fe_import_image_scaler(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    size_t count;
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_rank(n, 0, 4));
    const ir_type t = *fe_type(n, 0);
    const float *bias = fe_attr_floats(n, "bias", &count);
    TRY(fe_need_dim(n, 0, 1, ir_dim_const(g, (int64_t)count)));
    ir_dim dims[] = {ir_dim_const(g, (int64_t)count), ir_dim_const(g, 1), ir_dim_const(g, 1)};
    const ir_type list = ir_type_make(IR_F32, 3, dims);
    ir_value biases = ir_const(
                 &n->b, &list,
                 &(ir_blob){.bytes = ir_copy(g->arena, bias, count, 4), .size = 4 * count}),
             both[] = {fe_in(n, 0), biases};
    if (!fe_broadcast(&nest, &n->b, both, 2)) return LATHE_BAD_INPUT;
    ir_expr x = ir_nest_read(&nest, both[0]);
    x = X2(MUL, x, XN(x, fe_attr_float(n, "scale")));
    ir_expr b = ir_x_cast(g, ir_nest_read(&nest, both[1]), ir_expr_get(g, x)->type);
    fe_out(n, 0, ir_nest_map(&nest, t.elem, X2(ADD, x, b)));
    return LATHE_OK;
}

/* What lies inside a border (left, top, right, bottom), or from left and top on in this size. */
lathe_status fe_import_crop(fe_node *n)
{
    ir_graph *g = n->g;
    size_t nborder, nsize;
    TRY(fe_need_movable(n, 0));
    TRY(fe_need_rank(n, 0, 4));
    ir_type t = *fe_type(n, 0);
    const int64_t *border = fe_attr_ints(n, "border", &nborder),
                  *size = fe_attr_ints(n, "scale", &nsize), ones[] = {1, 1, 1, 1};
    if (nborder != 4 || (size && nsize != 2))
        return fe_fail(n, LATHE_BAD_INPUT,
                       "border has %zu and scale %zu entries, expected 4 and 0 or 2", nborder,
                       nsize);
    ir_dim zero = ir_dim_const(g, 0), starts[] = {zero, zero, zero, zero};
    for (int i = 0; i < 2; i++) {
        int64_t first = border[1 - i], last = border[3 - i], room;
        ir_dim *dim = &t.dims[2 + i], rest = ir_dim_sub(g, *dim, ir_dim_const(g, first));
        ir_dim inside = ir_dim_sub(g, rest, ir_dim_const(g, last));
        if (first < 0 || last < 0 || (size && size[i] < 0) ||
            (ir_dim_is_const(g, rest, &room) && room < (size ? size[i] : last)))
            return fe_fail(n, LATHE_BAD_INPUT, "border and scale do not fit axis %d of size %s",
                           2 + i, ir_dim_text(g, *dim));
        *dim = size ? ir_dim_const(g, size[i]) : inside;
        starts[2 + i] = ir_dim_const(g, first);
    }
    fe_out(n, 0, ir_slice(&n->b, fe_in(n, 0), starts, ones, t.dims));
    return LATHE_OK;
}

/* Slice, whose bounds were inputs before they were ones of Slice. */
lathe_status fe_import_dynamic_slice(fe_node *n)
{
    n->version = 10;
    return fe_import_slice(n);
}
