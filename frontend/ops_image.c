/* Importers of samplers: GridSample, AffineGrid, RoiAlign. In: data and where to look. Out: maps of
 * interpolations (sample.h), for RoiAlign a reduction over each bin's sampling points. */
#include "frontend/sample.h"
#include <math.h>
#include <string.h>

/* ---- GridSample ---- */

typedef struct grid {
    int spatial;
    bool corners;
    fe_side side;
    char mode; /* n, l, c */
} grid;

static lathe_status read_grid(fe_node *n, grid *s)
{
    const char *mode = fe_attr_str(n, "mode");
    const char *padding = fe_attr_str(n, "padding_mode");
    if (!strncmp(mode, "bi", 2)) mode += 2;
    s->mode = mode[0];
    s->corners = fe_attr_int(n, "align_corners") != 0;
    if (strcmp(mode, "nearest") && strcmp(mode, "linear") && strcmp(mode, "cubic"))
        return fe_expect(n, "attribute mode is", mode, "nearest, linear or cubic");
    if (!strcmp(padding, "zeros")) s->side = FE_SIDE_ZERO;
    else if (!strcmp(padding, "border")) s->side = FE_SIDE_EDGE;
    else if (!strcmp(padding, "reflection"))
        s->side = s->corners ? FE_SIDE_MIRROR : FE_SIDE_MIRROR_HALF;
    else return fe_expect(n, "attribute padding_mode is", padding, "zeros, border or reflection");
    return LATHE_OK;
}

/* Mirrors a position about `low` and `high`. */
static ir_expr mirrored(ir_graph *g, ir_expr x, ir_expr low, ir_expr high)
{
    ir_expr span = X2(SUB, high, low), twice = X2(ADD, span, span);
    ir_expr m = X2(MOD, X2(SUB, x, low), twice);
    ir_expr folded = X2(ADD, X2(MIN, m, X2(SUB, twice, m)), low);
    return ir_x_select(g, X2(LT, XN(span, 0), span), folded, XN(span, 0));
}

/* From [-1, 1] to a position on an axis of this size, taken back inside by the padding's rule. */
static ir_expr grid_position(ir_graph *g, const grid *s, ir_expr x, ir_dim size)
{
    ir_elem real = ir_expr_get(g, x)->type;
    ir_expr length = ir_x_cast(g, XD(size), real), last = X2(SUB, length, XN(x, 1)),
            unit = X2(ADD, x, XN(x, 1));
    if (s->corners) x = X2(MUL, X2(MUL, unit, XN(x, 0.5)), last);
    else x = X2(MUL, X2(SUB, X2(MUL, unit, length), XN(x, 1)), XN(x, 0.5));
    if (s->mode == 'n') x = X1(ROUND, x); /* of -1.5 the mirror image is 1, not that of 0.5 */
    ir_expr low = XN(x, -0.5), high = X2(SUB, length, XN(x, 0.5));
    if (s->side == FE_SIDE_MIRROR) return mirrored(g, x, XN(x, 0), last);
    if (s->side == FE_SIDE_MIRROR_HALF) return mirrored(g, x, low, high);
    if (s->side == FE_SIDE_ZERO) return x;
    ir_expr clamped = fe_x_clamp(g, x, XN(x, 0), last),
            near = X2(AND, X2(LE, low, x), X2(LE, x, high));
    return s->corners ? clamped : ir_x_select(g, near, x, clamped);
}

lathe_status fe_import_grid_sample(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    TRY(fe_need_class(n, 1, "FL"));
    ir_graph *g = n->g;
    const ir_type x = *fe_type(n, 0), t = *fe_type(n, 1);
    grid s = {.spatial = x.rank - 2};
    if (s.spatial < 1 || s.spatial > 3)
        return fe_expect_input(n, 0, "has rank", fe_number(n, x.rank), "3 to 5");
    TRY(read_grid(n, &s));
    TRY(fe_need_rank(n, 1, x.rank));
    TRY(fe_need_dim(n, 1, 0, x.dims[0]));
    TRY(fe_need_dim(n, 1, x.rank - 1, ir_dim_const(g, s.spatial)));
    ir_dim dims[IR_MAX_RANK] = {x.dims[0], x.dims[1]};
    for (int i = 0; i < s.spatial; i++) dims[2 + i] = t.dims[1 + i];
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, x.rank, dims, 0);
    ir_expr lead[2] = {ir_x_index(g, 0), ir_x_index(g, 1)}, at[3], idx[IR_MAX_RANK] = {lead[0]};
    for (int i = 0; i < s.spatial; i++) idx[1 + i] = ir_x_index(g, 2 + i);
    for (int i = 0; i < s.spatial; i++) {
        idx[1 + s.spatial] = XI(s.spatial - 1 - i); /* the grid names the last axis first */
        at[i] = grid_position(g, &s, ir_nest_load(&nest, fe_in(n, 1), idx), x.dims[2 + i]);
    }
    fe_sample sample = {&nest, fe_in(n, 0), lead, at, s.spatial, s.side};
    ir_expr value = s.mode == 'n'   ? fe_sample_nearest(&sample)
                    : s.mode == 'l' ? fe_sample_linear(&sample)
                                    : fe_sample_cubic(&sample, -0.75);
    value = ir_x_cast(g, value, ir_elem_arith(x.elem));
    fe_out(n, 0, ir_nest_map(&nest, x.elem, value));
    return LATHE_OK;
}

/* ---- AffineGrid ---- */

/* Centre (or, with corners, border) of element `index` of an axis as a number in [-1, 1]. */
static ir_expr grid_coordinate(ir_graph *g, ir_elem real, ir_expr index, ir_dim size, bool corners)
{
    ir_expr i = ir_x_cast(g, index, real), length = ir_x_cast(g, XD(size), real), one = XN(i, 1);
    ir_expr twice = X2(MUL, i, XN(i, 2));
    if (!corners) return X2(SUB, X2(DIV, X2(ADD, twice, one), length), one);
    ir_expr last = X2(SUB, length, one);
    return X2(SUB, X2(DIV, twice, X2(MAX, last, one)), one);
}

lathe_status fe_import_affine_grid(fe_node *n)
{
    ir_graph *g = n->g;
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_rank(n, 0, 3));
    TRY(fe_need_rank(n, 1, 1));
    const ir_type t = *fe_type(n, 0);
    const ir_dim *size;
    size_t count;
    TRY(fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, IR_NONE, &size, &count));
    if (count != 4 && count != 5)
        return fe_expect_input(n, 1, "has length", fe_number(n, (int64_t)count), "4 or 5");
    int spatial = (int)count - 2;
    TRY(fe_need_dim(n, 0, 0, size[0]));
    TRY(fe_need_dim(n, 0, 1, ir_dim_const(g, spatial)));
    TRY(fe_need_dim(n, 0, 2, ir_dim_const(g, spatial + 1)));
    bool corners = fe_attr_int(n, "align_corners") != 0;
    ir_dim dims[5] = {size[0]};
    for (int i = 0; i < spatial; i++) dims[1 + i] = size[2 + i];
    dims[1 + spatial] = ir_dim_const(g, spatial);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, spatial + 2, dims, 0);
    ir_expr idx[3] = {ir_x_index(g, 0), ir_x_index(g, 1 + spatial), XI(spatial)};
    ir_expr sum = ir_nest_load(&nest, fe_in(n, 0), idx);
    for (int i = 0; i < spatial; i++) {
        idx[2] = XI(spatial - 1 - i); /* x first, the last axis */
        ir_expr at =
            grid_coordinate(g, ir_elem_arith(t.elem), ir_x_index(g, 1 + i), dims[1 + i], corners);
        sum = X2(ADD, sum, X2(MUL, ir_nest_load(&nest, fe_in(n, 0), idx), at));
    }
    fe_out(n, 0, ir_nest_map(&nest, t.elem, sum));
    return LATHE_OK;
}

/* ---- RoiAlign ---- */

typedef struct roi {
    fe_node *n;
    ir_graph *g;
    ir_elem real;
    int64_t out[2], ratio;
    double scale, shift;
    bool max, at_least_one;
} roi;

static lathe_status read_roi(fe_node *n, roi *r)
{
    for (size_t k = 0; k < 2; k++) TRY(fe_need_class(n, k, "FL"));
    TRY(fe_need_class(n, 2, "SU"));
    TRY(fe_need_rank(n, 0, 4));
    TRY(fe_need_rank(n, 1, 2));
    TRY(fe_need_rank(n, 2, 1));
    TRY(fe_need_dim(n, 1, 1, ir_dim_const(n->g, 4)));
    TRY(fe_need_dim(n, 2, 0, fe_type(n, 1)->dims[0]));
    const char *mode = fe_attr_str(n, "mode");
    const char *frame =
        n->version < 16 ? "output_half_pixel" : fe_attr_str(n, "coordinate_transformation_mode");
    bool half = !strcmp(frame, "half_pixel");
    *r = (roi){.n = n, .g = n->g, .real = ir_elem_arith(fe_type(n, 0)->elem)};
    r->max = !strcmp(mode, "max");
    r->out[0] = fe_attr_int(n, "output_height");
    r->out[1] = fe_attr_int(n, "output_width");
    r->ratio = fe_attr_int(n, "sampling_ratio");
    r->scale = fe_attr_float(n, "spatial_scale");
    r->shift = half ? 0.5 : 0;
    r->at_least_one = !half;
    for (int i = 0; i < 2; i++)
        if (r->out[i] < 1)
            return fe_expect(n, i ? "attribute output_width is" : "attribute output_height is",
                             fe_number(n, r->out[i]), "1 or more");
    if (r->ratio < 0)
        return fe_expect(n, "attribute sampling_ratio is", fe_number(n, r->ratio), "0 or more");
    if (!half && strcmp(frame, "output_half_pixel"))
        return fe_expect(n, "attribute coordinate_transformation_mode is", frame,
                         "half_pixel or output_half_pixel");
    if (!r->max && strcmp(mode, "avg"))
        return fe_expect(n, "attribute mode is", mode, "avg or max");
    return LATHE_OK;
}

/* Start and extent along axis i (0: height) of region `k`. */
static void region_extent(const roi *r, ir_nest *nest, ir_expr k, int i, ir_expr *start,
                          ir_expr *extent)
{
    ir_graph *g = r->g;
    ir_expr from[2] = {k, XI(1 - i)}, to[2] = {k, XI(3 - i)};
    ir_expr a = ir_x_cast(g, ir_nest_load(nest, fe_in(r->n, 1), from), r->real);
    ir_expr b = ir_x_cast(g, ir_nest_load(nest, fe_in(r->n, 1), to), r->real);
    ir_expr scale = XN(a, r->scale), shift = XN(a, r->shift);
    *start = X2(SUB, X2(MUL, a, scale), shift);
    *extent = X2(SUB, X2(SUB, X2(MUL, b, scale), shift), *start);
    if (r->at_least_one) *extent = X2(MAX, *extent, XN(a, 1));
}

/* Sampling points a bin along axis i of region k: as given, or one an element that the bin covers.
 */
static ir_expr region_points(const roi *r, ir_nest *nest, ir_expr k, int i)
{
    ir_graph *g = r->g;
    ir_expr start, extent;
    if (r->ratio > 0) return XI(r->ratio);
    region_extent(r, nest, k, i, &start, &extent);
    ir_expr points = X1(CEIL, X2(DIV, extent, XN(extent, (double)r->out[i])));
    return X2(MAX, ir_x_cast(g, points, IR_I64), XI(0));
}

/* The most points of any region, as a size. */
static lathe_status most_points(const roi *r, int i, ir_dim *most)
{
    ir_graph *g = r->g;
    *most = ir_dim_const(g, r->ratio);
    if (r->ratio > 0) return LATHE_OK;
    ir_nest nest;
    ir_nest_begin(&nest, &r->n->b, 1, fe_type(r->n, 1)->dims, 1);
    ir_expr points = region_points(r, &nest, ir_x_index(g, 0), i);
    ir_value v = ir_nest_reduce(&nest, IR_OP_REDUCE, "max", IR_I64, points);
    if (v == IR_NONE) return fe_fail(r->n, LATHE_INTERNAL, "the sampling points cannot be counted");
    ir_nest_begin(&nest, &r->n->b, 0, NULL, 0);
    ir_expr bounded = fe_x_clamp(g, fe_load_scalar(&nest, v), XI(0), XI(1 << 20));
    return fe_size_expr(r->n, &nest, bounded, 0, 1 << 20, IR_NONE, most);
}

/* The sample for kernel indices k[2]; the greatest weighted corner in max mode. */
static ir_expr region_sample(const roi *r, ir_nest *nest, const ir_expr *k, const ir_expr *points)
{
    ir_graph *g = r->g;
    const ir_type x = *fe_type(r->n, 0);
    ir_expr region = ir_x_index(g, 0), at[2], inside = ir_x_int(g, IR_BOOL, 1);
    for (int i = 0; i < 2; i++) {
        ir_expr start, extent;
        region_extent(r, nest, region, i, &start, &extent);
        ir_expr bin = X2(DIV, extent, XN(extent, (double)r->out[i]));
        ir_expr step = X2(DIV, X2(ADD, ir_x_cast(g, k[i], r->real), XN(bin, 0.5)),
                          ir_x_cast(g, points[i], r->real));
        ir_expr place = X2(ADD, ir_x_cast(g, ir_x_index(g, 2 + i), r->real), step);
        at[i] = X2(ADD, start, X2(MUL, place, bin));
        ir_expr size = ir_x_cast(g, XD(x.dims[2 + i]), r->real);
        inside = X2(AND, inside, X2(AND, X2(LE, XN(bin, -1), at[i]), X2(LE, at[i], size)));
        at[i] = fe_x_clamp(g, at[i], XN(bin, 0), X2(SUB, size, XN(bin, 1)));
    }
    ir_expr batch = fe_x_index(g, fe_load_i64(nest, fe_in(r->n, 2), &region), x.dims[0]);
    ir_expr lead[2] = {batch, ir_x_index(g, 1)};
    fe_sample sample = {nest, fe_in(r->n, 0), lead, at, 2, FE_SIDE_EDGE};
    ir_expr value = r->max ? fe_sample_linear_max(&sample) : fe_sample_linear(&sample);
    return ir_x_select(g, inside, value, XN(value, 0));
}

lathe_status fe_import_roi_align(fe_node *n)
{
    ir_graph *g = n->g;
    roi r;
    TRY(read_roi(n, &r));
    const ir_type x = *fe_type(n, 0);
    ir_dim space[6] = {fe_type(n, 1)->dims[0], x.dims[1], ir_dim_const(g, r.out[0]),
                       ir_dim_const(g, r.out[1])};
    for (int i = 0; i < 2; i++) TRY(most_points(&r, i, &space[4 + i]));
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 6, space, 2);
    ir_expr k[2], points[2], used = ir_x_int(g, IR_BOOL, 1);
    for (int i = 0; i < 2; i++) {
        k[i] = ir_x_index(g, 4 + i);
        points[i] = region_points(&r, &nest, ir_x_index(g, 0), i);
        if (r.ratio == 0) used = X2(AND, used, X2(LT, k[i], points[i]));
    }
    ir_expr value = region_sample(&r, &nest, k, points);
    if (!r.max) {
        ir_expr count = X2(MAX, X2(MUL, points[0], points[1]), XI(1));
        value = X2(DIV, value, ir_x_cast(g, count, r.real));
    }
    value = ir_x_select(g, used, value, XN(value, r.max ? -HUGE_VAL : 0));
    fe_out(n, 0, ir_nest_reduce(&nest, IR_OP_REDUCE, r.max ? "max" : "sum", x.elem, value));
    return LATHE_OK;
}
