/* Importers of operators that take windows apart or put them together: Col2Im, MaxUnpool,
 * DeformConv. In: patches, places or offsets. Out: a reduction that gathers, a scatter into zeros,
 * a sampling map and a contraction. */
#include "frontend/sample.h"

/* ---- Col2Im ---- */

/* Number of windows along axis i of an image of this size. */
static ir_dim window_count(ir_graph *g, const fe_window *w, int i, ir_dim size)
{
    ir_dim room = ir_dim_add(g, ir_dim_add(g, size, w->begin[i]), w->end[i]);
    room = ir_dim_sub(g, room, fe_window_extent(g, w, i));
    return ir_dim_add(g, ir_dim_floordiv(g, room, ir_dim_const(g, w->strides[i])),
                      ir_dim_const(g, 1));
}

/* The sum over kernel places of the patches that cover a pixel there. */
static ir_value gather_patches(fe_node *n, const fe_window *w, const ir_dim *image)
{
    ir_graph *g = n->g;
    const ir_type x = *fe_type(n, 0);
    int rank = 2 + w->n;
    ir_dim space[2 + 2 * FE_MAX_SPATIAL], kernel = ir_dim_product(g, w->kernel, w->n);
    space[0] = x.dims[0];
    space[1] = ir_dim_floordiv(g, x.dims[1], kernel);
    for (int i = 0; i < w->n; i++) {
        space[2 + i] = image[i];
        space[rank + i] = w->kernel[i];
    }
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, rank + w->n, space, w->n);
    ir_expr inside = ir_x_int(g, IR_BOOL, 1), column = XI(0), place = XI(0);
    for (int i = 0; i < w->n; i++) {
        ir_expr k = ir_x_index(g, rank + i), stride = XI(w->strides[i]);
        ir_expr at = X2(ADD, ir_x_index(g, 2 + i), XD(w->begin[i]));
        at = X2(SUB, at, X2(MUL, k, XI(w->dilations[i])));
        ir_dim count = window_count(g, w, i, image[i]);
        ir_expr window = X2(FLOORDIV, at, stride);
        inside = X2(AND, inside, X2(EQ, X2(MOD, at, stride), XI(0)));
        inside = X2(AND, inside, fe_x_within(g, window, XI(0), XD(count)));
        window = fe_x_clamp(g, window, XI(0), XD(ir_dim_sub(g, count, ir_dim_const(g, 1))));
        column = X2(ADD, X2(MUL, column, XD(count)), window);
        place = X2(ADD, X2(MUL, place, XD(w->kernel[i])), k);
    }
    ir_expr idx[3] = {ir_x_index(g, 0), X2(ADD, X2(MUL, ir_x_index(g, 1), XD(kernel)), place),
                      column};
    ir_expr zero = ir_x_num(g, ir_elem_arith(x.elem), 0);
    ir_expr body = ir_x_select(g, inside, ir_nest_load(&nest, fe_in(n, 0), idx), zero);
    return ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", x.elem, body);
}

lathe_status fe_import_col2im(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    TRY(fe_need_rank(n, 0, 3));
    TRY(fe_need_rank(n, 1, -1));
    TRY(fe_need_rank(n, 2, -1));
    const ir_dim *image, *block;
    size_t nimage, nblock;
    TRY(fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, IR_NONE, &image, &nimage));
    TRY(fe_sizes(n, fe_in(n, 2), 1, INT64_MAX, IR_NONE, &block, &nblock));
    if (nimage != nblock || nimage < 1 || nimage > FE_MAX_SPATIAL)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "the image has %zu axes and blocks have %zu, expected as many, 1 to %d",
                       nimage, nblock, FE_MAX_SPATIAL);
    fe_window w = {0};
    ir_dim windows = ir_dim_const(n->g, 1);
    for (size_t i = 0; i < nblock; i++) w.kernel[i] = block[i];
    TRY(fe_window_read(n, (int)nblock, &w));
    TRY(fe_window_pads(n, &w));
    for (int i = 0; i < w.n; i++)
        windows = ir_dim_mul(n->g, windows, window_count(n->g, &w, i, image[i]));
    TRY(fe_need_dim(n, 0, 2, windows));
    fe_out(n, 0, gather_patches(n, &w, image));
    return LATHE_OK;
}

/* ---- MaxUnpool ---- */

/* Dims of the tensor that was pooled; places count in it. */
static void pooled_dims(ir_graph *g, const fe_window *w, const ir_type *x, ir_dim *dims)
{
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (int i = 0; i < w->n; i++) {
        ir_dim steps = ir_dim_sub(g, x->dims[2 + i], ir_dim_const(g, 1));
        ir_dim size = ir_dim_mul(g, steps, ir_dim_const(g, w->strides[i]));
        size = ir_dim_add(g, size, fe_window_extent(g, w, i));
        dims[2 + i] = ir_dim_sub(g, ir_dim_sub(g, size, w->begin[i]), w->end[i]);
    }
}

lathe_status fe_import_max_unpool(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    TRY(fe_need_class(n, 1, "S"));
    ir_graph *g = n->g;
    const ir_type x = *fe_type(n, 0);
    TRY(fe_need_rank(n, 1, x.rank));
    for (int a = 0; a < x.rank; a++) TRY(fe_need_dim(n, 1, a, x.dims[a]));
    fe_window w = {0};
    ir_dim pooled[IR_MAX_RANK];
    const ir_dim *dims = pooled;
    size_t count;
    TRY(fe_window_read(n, x.rank - 2, &w));
    TRY(fe_window_pads(n, &w));
    pooled_dims(g, &w, &x, pooled);
    if (fe_has(n, 2)) {
        TRY(fe_sizes(n, fe_in(n, 2), 0, INT64_MAX, IR_NONE, &dims, &count));
        if (count != (size_t)x.rank)
            return fe_expect_input(n, 2, "has length", fe_number(n, (int64_t)count),
                                   fe_number(n, x.rank));
    }
    ir_value zeros = fe_fill(&n->b, x.elem, x.rank, dims, 0);
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    ir_nest_begin(&nest, &n->b, x.rank, x.dims, 0);
    for (int a = 0; a < x.rank; a++) at[a] = ir_x_index(g, a);
    ir_expr flat =
        fe_x_index(g, fe_load_i64(&nest, fe_in(n, 1), at), ir_dim_product(g, pooled, x.rank));
    for (int a = x.rank - 1; a >= 0; a--) {
        ir_expr coordinate = a > 0 ? X2(MOD, flat, XD(pooled[a])) : flat;
        idx[a] = pooled[a] == dims[a] ? coordinate : fe_x_index(g, coordinate, dims[a]);
        flat = X2(FLOORDIV, flat, XD(pooled[a]));
    }
    ir_expr value = ir_nest_load(&nest, fe_in(n, 0), at);
    fe_out(n, 0, ir_nest_scatter(&nest, "set", zeros, value, idx));
    return LATHE_OK;
}

/* ---- DeformConv ---- */

typedef struct deform {
    fe_window w;
    ir_type x, weight;
    ir_dim out[2], places; /* result's height and width; places of the kernel */
    int64_t group, offsets;
} deform;

static lathe_status read_deform(fe_node *n, deform *d)
{
    ir_graph *g = n->g;
    for (size_t k = 0; k < 3; k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 4));
    }
    d->x = *fe_type(n, 0);
    d->weight = *fe_type(n, 1);
    d->group = fe_attr_int(n, "group");
    d->offsets = fe_attr_int(n, "offset_group");
    if (d->group < 1 || d->offsets < 1)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attributes group and offset_group are %lld and %lld, expected 1 or more",
                       (long long)d->group, (long long)d->offsets);
    for (int i = 0; i < 2; i++) d->w.kernel[i] = d->weight.dims[2 + i];
    TRY(fe_window_read(n, 2, &d->w));
    TRY(fe_window_slide(n, &d->w, d->x.dims + 2, false, d->out));
    d->places = ir_dim_mul(g, d->w.kernel[0], d->w.kernel[1]);
    TRY(fe_need_dim(n, 1, 1, ir_dim_floordiv(g, d->x.dims[1], ir_dim_const(g, d->group))));
    ir_dim masks = ir_dim_mul(g, d->places, ir_dim_const(g, d->offsets));
    size_t inputs[2] = {2, 4};
    for (int j = 0; j < 2; j++) {
        if (!fe_has(n, inputs[j])) continue;
        TRY(fe_need_rank(n, inputs[j], 4));
        TRY(fe_need_dim(n, inputs[j], 0, d->x.dims[0]));
        TRY(fe_need_dim(n, inputs[j], 1, j ? masks : ir_dim_add(g, masks, masks)));
        for (int i = 0; i < 2; i++) TRY(fe_need_dim(n, inputs[j], 2 + i, d->out[i]));
    }
    return LATHE_OK;
}

/* [n, c, places, height, width]: the input where each window's kernel places were moved to. */
static ir_value deformed(fe_node *n, const deform *d)
{
    ir_graph *g = n->g;
    ir_dim space[5] = {d->x.dims[0], d->x.dims[1], d->places, d->out[0], d->out[1]};
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 5, space, 0);
    ir_expr lead[2] = {ir_x_index(g, 0), ir_x_index(g, 1)}, k[2], at[2];
    ir_dim each = ir_dim_floordiv(g, d->x.dims[1], ir_dim_const(g, d->offsets));
    ir_expr group = X2(FLOORDIV, lead[1], XD(each));
    ir_expr place = X2(ADD, X2(MUL, group, XD(d->places)), ir_x_index(g, 2));
    fe_window_unflatten(g, &d->w, ir_x_index(g, 2), k);
    for (int i = 0; i < 2; i++) {
        ir_expr idx[4] = {lead[0], X2(ADD, X2(MUL, place, XI(2)), XI(i)), ir_x_index(g, 3),
                          ir_x_index(g, 4)};
        ir_expr moved = ir_nest_load(&nest, fe_in(n, 2), idx);
        ir_expr start = fe_window_position(g, &d->w, i, ir_x_index(g, 3 + i), k[i]);
        at[i] = X2(ADD, ir_x_cast(g, start, ir_expr_get(g, moved)->type), moved);
    }
    ir_expr x = fe_sample_linear(&(fe_sample){&nest, fe_in(n, 0), lead, at, 2, FE_SIDE_ZERO});
    if (fe_has(n, 4)) {
        ir_expr idx[4] = {lead[0], place, ir_x_index(g, 3), ir_x_index(g, 4)};
        x = X2(MUL, x, ir_nest_load(&nest, fe_in(n, 4), idx));
    }
    return ir_nest_map(&nest, ir_elem_arith(d->x.elem), x);
}

lathe_status fe_import_deform_conv(fe_node *n)
{
    deform d = {0};
    TRY(read_deform(n, &d));
    ir_graph *g = n->g;
    ir_dim group = ir_dim_const(g, d.group), inner = d.weight.dims[1];
    ir_dim each = ir_dim_floordiv(g, d.weight.dims[0], group);
    ir_dim xs[6] = {d.x.dims[0], group, inner, d.places, d.out[0], d.out[1]};
    ir_dim ws[4] = {group, each, inner, d.places};
    ir_value x = ir_reshape(&n->b, deformed(n, &d), 6, xs);
    ir_value w = ir_reshape(&n->b, ir_cast(&n->b, fe_in(n, 1), ir_elem_arith(d.x.elem)), 4, ws);
    /* n, group, channel, height, width | input channel, place */
    ir_dim space[7] = {xs[0], group, each, d.out[0], d.out[1], inner, d.places};
    fe_factor factors[2] = {{x, {0, 1, 5, 6, 3, 4}}, {w, {1, 2, 5, 6}}};
    ir_dim dims[4] = {xs[0], d.weight.dims[0], d.out[0], d.out[1]};
    ir_value y = fe_contract(&n->b, factors, 2, 7, space, 2, ir_elem_arith(d.x.elem));
    y = ir_reshape(&n->b, y, 4, dims);
    if (fe_has(n, 3)) {
        TRY(fe_need_rank(n, 3, 1));
        TRY(fe_need_dim(n, 3, 0, dims[1]));
        ir_dim column[3] = {dims[1], ir_dim_const(g, 1), ir_dim_const(g, 1)};
        y = fe_binary(&n->b, IR_X_ADD, y, ir_reshape(&n->b, fe_in(n, 3), 3, column));
    }
    fe_out(n, 0, y == IR_NONE ? IR_NONE : ir_cast(&n->b, y, d.x.elem));
    return LATHE_OK;
}
