/* Importers of Resize and Upsample. In: data and scales or sizes, known or data. Out: for nearest
 * one map; otherwise one map an axis, of the few elements around each position (with antialiasing
 * two reductions, since their number follows the scale). Axes whose size stays are left alone. */
#include "frontend/sample.h"
#include <math.h>
#include <string.h>

typedef enum {
    AT_HALF_PIXEL,
    AT_SYMMETRIC,
    AT_PYTORCH,
    AT_CORNERS,
    AT_ASYMMETRIC,
    AT_HALF_NN,
    AT_CROP
} transform;
typedef enum { MODE_NEAREST, MODE_LINEAR, MODE_CUBIC } interpolation;
typedef enum { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, ROUND_FLOOR, ROUND_CEIL } rounding;
typedef enum { KEEP_STRETCH, KEEP_NOT_LARGER, KEEP_NOT_SMALLER } policy;

typedef struct resize {
    fe_node *n;
    ir_graph *g;
    ir_elem real; /* type of positions and weights */
    transform transform;
    interpolation mode;
    rounding rounding;
    policy policy;
    bool antialias, exclude_outside;
    double cubic_a, extrapolation;
    int naxes, axes[IR_MAX_RANK];
    ir_value scales, roi; /* of `real`; scales IR_NONE: sizes are given */
    const ir_dim *sizes;
    ir_dim in[IR_MAX_RANK], out[IR_MAX_RANK]; /* by axis of the data */
} resize;

/* ---- attributes ---- */

static lathe_status resize_choose(fe_node *n, const char *attr, const char *const *names, int count,
                                  int *chosen)
{
    const char *given = fe_attr_str(n, attr);
    for (*chosen = 0; *chosen < count; ++*chosen)
        if (!strcmp(given, names[*chosen])) return LATHE_OK;
    const char *list = names[0];
    for (int i = 1; i < count; i++) list = ir_format(n->g->arena, "%s, %s", list, names[i]);
    return fe_fail(n, LATHE_BAD_INPUT, "attribute %s is '%s', accepted: %s", attr, given, list);
}

static lathe_status read_modes(fe_node *n, resize *r)
{
    static const char *const transforms[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
        "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil"};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller"};
    bool old = !strcmp(n->op, "Upsample") || n->version < 11;
    int t, m, k, p;
    TRY(resize_choose(n, "mode", modes, 3, &m));
    r->mode = (interpolation)m;
    if (old) {
        r->transform = AT_ASYMMETRIC;
        r->rounding = ROUND_FLOOR;
        r->cubic_a = -0.75;
        return LATHE_OK;
    }
    TRY(resize_choose(n, "coordinate_transformation_mode", transforms, 7, &t));
    TRY(resize_choose(n, "nearest_mode", roundings, 4, &k));
    TRY(resize_choose(n, "keep_aspect_ratio_policy", policies, 3, &p));
    r->transform = (transform)t;
    r->rounding = (rounding)k;
    r->policy = (policy)p;
    r->antialias = fe_attr_int(n, "antialias") && m != MODE_NEAREST;
    r->exclude_outside = fe_attr_int(n, "exclude_outside") != 0;
    r->cubic_a = fe_attr_float(n, "cubic_coeff_a");
    r->extrapolation = fe_attr_float(n, "extrapolation_value");
    return LATHE_OK;
}

static lathe_status read_axes(fe_node *n, resize *r)
{
    size_t count;
    const int64_t *axes = fe_attr_ints(n, "axes", &count);
    int rank = fe_type(n, 0)->rank;
    if (axes && count > (size_t)rank)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute axes has %zu entries, but the input has %d axes", count, rank);
    r->naxes = axes ? (int)count : rank;
    for (int j = 0; j < r->naxes; j++) {
        r->axes[j] = j;
        if (axes) TRY(fe_axis(n, axes[j], rank, &r->axes[j]));
    }
    return LATHE_OK;
}

/* Input k as a list of `count` numbers of the type of positions. */
static lathe_status read_list(fe_node *n, const resize *r, size_t k, int count, ir_value *v)
{
    TRY(fe_need_class(n, k, "FL"));
    TRY(fe_need_rank(n, k, 1));
    TRY(fe_need_dim(n, k, 0, ir_dim_const(n->g, count)));
    *v = ir_cast(&n->b, fe_in(n, k), r->real);
    return LATHE_OK;
}

/* An optional input is left out also by an empty list. */
static bool given(fe_node *n, size_t k)
{
    return fe_has(n, k) && fe_type(n, k)->rank == 1 &&
           !ir_dim_equals(n->g, fe_type(n, k)->dims[0], 0);
}

static lathe_status read_scales(fe_node *n, resize *r)
{
    size_t count, at = !strcmp(n->op, "Upsample") || n->version < 11 ? 1 : 2;
    const float *attr = fe_attr_floats(n, "scales", &count);
    if (attr) {
        ir_dim length = ir_dim_const(n->g, (int64_t)count);
        ir_expr *list = IR_NEW_N(n->g->arena, ir_expr, count + 1);
        if (count != (size_t)r->naxes)
            return fe_fail(n, LATHE_BAD_INPUT, "%zu scales are given for %d axes, expected as many",
                           count, r->naxes);
        for (size_t j = 0; j < count; j++) list[j] = ir_x_num(n->g, r->real, (double)attr[j]);
        r->scales = ir_values(&n->b, r->real, 1, &length, list, count);
        return LATHE_OK;
    }
    if (given(n, at)) return read_list(n, r, at, r->naxes, &r->scales);
    if (!given(n, 3))
        return fe_fail(n, LATHE_BAD_INPUT,
                       "neither input %zu, the scales, nor input 3, the sizes, is given", at);
    TRY(fe_sizes(n, fe_in(n, 3), 0, INT64_MAX, IR_NONE, &r->sizes, &count));
    if (count != (size_t)r->naxes)
        return fe_fail(n, LATHE_BAD_INPUT, "%zu sizes are given for %d axes, expected as many",
                       count, r->naxes);
    return LATHE_OK;
}

/* ---- scales and sizes ---- */

static ir_expr real_of(const resize *r, ir_dim d)
{
    return ir_x_cast(r->g, ir_x_dim(r->g, d), r->real);
}

static ir_expr number(const resize *r, double v) { return ir_x_num(r->g, r->real, v); }

/* The scale of the j-th axis, as an expression of a nest. */
static ir_expr scale_of(const resize *r, ir_nest *nest, int j)
{
    ir_graph *g = r->g;
    ir_expr at = XI(j), scale = IR_NONE;
    if (r->scales) return ir_nest_load(nest, r->scales, &at);
    for (int i = 0; i < r->naxes; i++) {
        if (r->policy == KEEP_STRETCH && i != j) continue;
        ir_expr each = X2(DIV, real_of(r, r->sizes[i]), real_of(r, r->in[r->axes[i]]));
        if (scale == IR_NONE) scale = each;
        else scale = r->policy == KEEP_NOT_LARGER ? X2(MIN, scale, each) : X2(MAX, scale, each);
    }
    return scale;
}

/* floor(size * scale) as a dim, where the scale is a fraction of small numbers. */
static ir_dim scaled_by_fraction(ir_graph *g, ir_dim size, double scale)
{
    for (int64_t q = 1; q <= 64; q++) {
        double p = scale * (double)q, whole = round(p);
        if (whole < 1 || whole > 1 << 20 || fabs(p - whole) > 1e-6 * p) continue;
        return ir_dim_floordiv(g, ir_dim_mul(g, size, ir_dim_const(g, (int64_t)whole)),
                               ir_dim_const(g, q));
    }
    return IR_NONE;
}

static lathe_status result_size(const resize *r, int j, ir_dim *out)
{
    ir_graph *g = r->g;
    ir_dim in = r->in[r->axes[j]];
    if (!r->scales && r->policy == KEEP_STRETCH) {
        *out = r->sizes[j];
        return LATHE_OK;
    }
    ir_nest nest;
    ir_nest_begin(&nest, &r->n->b, 0, NULL, 0);
    ir_expr scale = scale_of(r, &nest, j);
    double known;
    if (r->scales && ir_x_is_const(g, scale, NULL, &known) && !ir_dim_is_const(g, in, NULL)) {
        *out = scaled_by_fraction(g, in, known);
        if (*out != IR_NONE) return LATHE_OK;
    }
    ir_expr size = X2(MUL, real_of(r, in), scale);
    if (!r->scales) size = X2(ADD, size, number(r, 0.5));
    size = X2(MAX, ir_x_cast(g, X1(FLOOR, size), IR_I64), XI(0));
    return fe_size_expr(r->n, &nest, size, 0, INT64_MAX, IR_NONE, out);
}

/* ---- positions ---- */

/* x scaled and centred. */
static ir_expr half_pixel(const resize *r, ir_expr x, ir_expr scale)
{
    ir_graph *g = r->g;
    return X2(SUB, X2(DIV, X2(ADD, x, number(r, 0.5)), scale), number(r, 0.5));
}

static ir_expr crop_position(const resize *r, ir_nest *nest, int j, ir_expr x, ir_expr last,
                             ir_expr resized)
{
    ir_graph *g = r->g;
    ir_expr at = XI(j), to = XI(r->naxes + j), start = number(r, 0), end = number(r, 1);
    if (r->roi) {
        start = ir_nest_load(nest, r->roi, &at);
        end = ir_nest_load(nest, r->roi, &to);
    }
    ir_expr span = X2(MUL, X2(SUB, end, start), last);
    ir_expr several = X2(DIV, X2(MUL, x, span), X2(SUB, resized, number(r, 1)));
    several = X2(ADD, X2(MUL, start, last), several);
    ir_expr single = X2(MUL, X2(MUL, number(r, 0.5), X2(ADD, start, end)), last);
    return ir_x_select(g, X2(LT, number(r, 1), resized), several, single);
}

/* Position in the data of index `index` on the j-th axis. */
static ir_expr position_of(const resize *r, ir_nest *nest, int j, ir_expr index)
{
    ir_graph *g = r->g;
    int a = r->axes[j];
    ir_expr x = ir_x_cast(g, index, r->real), scale = scale_of(r, nest, j),
            size = real_of(r, r->in[a]);
    ir_expr one = number(r, 1), last = X2(SUB, size, one), out = real_of(r, r->out[a]);
    ir_expr resized = r->scales ? X2(MUL, size, scale) : out;
    switch (r->transform) {
    case AT_HALF_PIXEL:
        return half_pixel(r, x, scale);
    case AT_SYMMETRIC: {
        ir_expr centre = X2(DIV, size, number(r, 2));
        ir_expr offset = X2(MUL, centre, X2(SUB, one, X2(DIV, out, resized)));
        return X2(ADD, offset, half_pixel(r, x, scale));
    }
    case AT_PYTORCH:
        return ir_x_select(g, X2(LT, one, out), half_pixel(r, x, scale), number(r, 0));
    case AT_CORNERS:
        return ir_x_select(g, X2(EQ, resized, one), number(r, 0),
                           X2(DIV, X2(MUL, x, last), X2(SUB, resized, one)));
    case AT_ASYMMETRIC:
        return X2(DIV, x, scale);
    case AT_HALF_NN:
        return X2(DIV, X2(ADD, x, number(r, 0.5)), scale);
    case AT_CROP:
        return crop_position(r, nest, j, x, last, resized);
    }
    return IR_NONE;
}

/* Value, or the extrapolation value where a cropping position lies beside the data. */
static ir_expr extrapolated(const resize *r, int j, ir_expr at, ir_expr value)
{
    ir_graph *g = r->g;
    if (r->transform != AT_CROP) return value;
    ir_expr last = X2(SUB, real_of(r, r->in[r->axes[j]]), number(r, 1));
    ir_expr inside = X2(AND, X2(LE, number(r, 0), at), X2(LE, at, last));
    return ir_x_select(g, inside, value, XN(value, r->extrapolation));
}

/* ---- nearest ---- */

static ir_expr rounded(const resize *r, ir_expr x)
{
    ir_graph *g = r->g;
    switch (r->rounding) {
    case ROUND_PREFER_FLOOR:
        return X1(CEIL, X2(SUB, x, number(r, 0.5)));
    case ROUND_PREFER_CEIL:
        return X1(FLOOR, X2(ADD, x, number(r, 0.5)));
    case ROUND_FLOOR:
        return X1(FLOOR, x);
    case ROUND_CEIL:
        return X1(CEIL, x);
    }
    return IR_NONE;
}

static bool stays(const resize *r, int j)
{
    return r->in[r->axes[j]] == r->out[r->axes[j]] && r->transform != AT_CROP;
}

static ir_value nearest(const resize *r)
{
    ir_graph *g = r->g;
    const ir_type t = *fe_type(r->n, 0);
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    ir_nest_begin(&nest, &r->n->b, t.rank, r->out, 0);
    for (int a = 0; a < t.rank; a++) idx[a] = ir_x_index(g, a);
    for (int j = 0; j < r->naxes; j++) {
        int a = r->axes[j];
        if (stays(r, j)) continue;
        at[j] = position_of(r, &nest, j, idx[a]);
        ir_expr last = XD(ir_dim_sub(g, r->in[a], ir_dim_const(g, 1)));
        idx[a] = fe_x_clamp(g, ir_x_cast(g, rounded(r, at[j]), IR_I64), XI(0), last);
    }
    ir_expr value = ir_nest_load(&nest, fe_in(r->n, 0), idx);
    for (int j = 0; j < r->naxes; j++)
        if (!stays(r, j)) value = extrapolated(r, j, at[j], value);
    return ir_nest_map(&nest, t.elem, value);
}

/* ---- linear and cubic, an axis at a time ---- */

/* Element of v at whole position `place` on axis a of the point of the nest. */
static ir_expr tap(const resize *r, ir_nest *nest, ir_value v, int a, ir_expr place)
{
    ir_graph *g = r->g;
    ir_expr idx[IR_MAX_RANK];
    for (int i = 0; i < ir_type_of(g, v)->rank; i++) idx[i] = ir_x_index(g, i);
    idx[a] = fe_x_clamp(g, place, XI(0), XD(ir_dim_sub(g, r->in[a], ir_dim_const(g, 1))));
    return ir_x_cast(g, ir_nest_load(nest, v, idx), r->real);
}

/* w, or 0 where exclude_outside drops what lies beside the data. */
static ir_expr tap_weight(const resize *r, int a, ir_expr place, ir_expr w)
{
    ir_graph *g = r->g;
    if (!r->exclude_outside) return w;
    return ir_x_select(g, fe_x_within(g, place, XI(0), XD(r->in[a])), w, number(r, 0));
}

static ir_value blend_axis(const resize *r, ir_value v, int j)
{
    ir_graph *g = r->g;
    int a = r->axes[j];
    ir_type t = *ir_type_of(g, v);
    t.dims[a] = r->out[a];
    ir_nest nest;
    ir_nest_begin(&nest, &r->n->b, t.rank, t.dims, 0);
    ir_expr at = position_of(r, &nest, j, ir_x_index(g, a));
    ir_expr floor = X1(FLOOR, at), fraction = X2(SUB, at, floor),
            whole = ir_x_cast(g, floor, IR_I64);
    ir_expr weights[4] = {X2(SUB, number(r, 1), fraction), fraction};
    int taps = r->mode == MODE_CUBIC ? 4 : 2;
    if (taps == 4) fe_x_cubic_weights(g, fraction, r->cubic_a, weights);
    ir_expr sum = IR_NONE, total = IR_NONE;
    for (int k = 0; k < taps; k++) {
        ir_expr place = X2(ADD, whole, XI(taps == 4 ? k - 1 : k)),
                w = tap_weight(r, a, place, weights[k]);
        ir_expr x = X2(MUL, tap(r, &nest, v, a, place), w);
        sum = k ? X2(ADD, sum, x) : x;
        total = k ? X2(ADD, total, w) : w;
    }
    if (r->exclude_outside) sum = X2(DIV, sum, total);
    return ir_nest_map(&nest, r->real, extrapolated(r, j, at, sum));
}

/* Weight at distance x of the stretched filter. */
static ir_expr filter(const resize *r, ir_expr x)
{
    ir_graph *g = r->g;
    x = X1(ABS, x);
    if (r->mode == MODE_LINEAR) return X2(MAX, X2(SUB, number(r, 1), x), number(r, 0));
    ir_expr near[4], far[4]; /* the four weights hold both pieces of the kernel */
    fe_x_cubic_weights(g, x, r->cubic_a, near);
    fe_x_cubic_weights(g, X2(SUB, x, number(r, 1)), r->cubic_a, far);
    ir_expr outer = ir_x_select(g, X2(LT, x, number(r, 2)), far[0], number(r, 0));
    return ir_x_select(g, X2(LE, x, number(r, 1)), near[1], outer);
}

/* One of the two reductions over the filter's taps: with v the weighted sum, without the weights.
 */
static ir_value reduce_taps(const resize *r, ir_value v, int j, ir_dim taps, int rank,
                            const ir_dim *dims, int axis)
{
    ir_graph *g = r->g;
    ir_dim space[IR_MAX_RANK + 1];
    ir_nest nest;
    for (int i = 0; i < rank; i++) space[i] = dims[i];
    space[rank] = taps;
    ir_nest_begin(&nest, &r->n->b, rank + 1, space, 1);
    ir_expr at = position_of(r, &nest, j, ir_x_index(g, axis));
    ir_expr scale = X2(MIN, scale_of(r, &nest, j), number(r, 1));
    ir_expr floor = X1(FLOOR, at), fraction = X2(SUB, at, floor);
    /* the taps are numbered 1 - taps/2 .. taps/2 around the position's floor */
    ir_dim first = ir_dim_sub(g, ir_dim_const(g, 1), ir_dim_floordiv(g, taps, ir_dim_const(g, 2)));
    ir_expr k = X2(ADD, ir_x_index(g, rank), XD(first));
    ir_expr w = filter(r, X2(MUL, X2(SUB, ir_x_cast(g, k, r->real), fraction), scale));
    ir_expr place = X2(ADD, ir_x_cast(g, floor, IR_I64), k);
    w = tap_weight(r, r->axes[j], place, w);
    if (v != IR_NONE) w = X2(MUL, w, tap(r, &nest, v, r->axes[j], place));
    return ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", r->real, w);
}

static lathe_status filter_axis(const resize *r, ir_value *v, int j)
{
    ir_graph *g = r->g;
    int a = r->axes[j];
    ir_type t = *ir_type_of(g, *v);
    t.dims[a] = r->out[a];
    ir_nest nest;
    ir_nest_begin(&nest, &r->n->b, 0, NULL, 0);
    ir_expr scale = X2(MIN, scale_of(r, &nest, j), number(r, 1));
    ir_expr reach = X1(FLOOR, X2(DIV, number(r, r->mode == MODE_CUBIC ? -2 : -1), scale));
    ir_expr start = X2(ADD, ir_x_cast(g, reach, IR_I64), XI(1));
    ir_expr count = X2(SUB, XI(2), X2(MUL, start, XI(2)));
    ir_dim taps;
    TRY(fe_size_expr(r->n, &nest, X2(MAX, count, XI(2)), 2, INT32_MAX, IR_NONE, &taps));
    ir_value sum = reduce_taps(r, *v, j, taps, t.rank, t.dims, a);
    ir_value total = reduce_taps(r, IR_NONE, j, taps, 1, &r->out[a], 0);
    ir_nest_begin(&nest, &r->n->b, t.rank, t.dims, 0);
    ir_expr index = ir_x_index(g, a), at = position_of(r, &nest, j, index);
    ir_expr value = X2(DIV, ir_nest_read(&nest, sum), ir_nest_load(&nest, total, &index));
    *v = ir_nest_map(&nest, r->real, extrapolated(r, j, at, value));
    return LATHE_OK;
}

/* ---- the operator ---- */

lathe_status fe_import_resize(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    const ir_type t = *fe_type(n, 0);
    resize r = {.n = n, .g = n->g, .real = t.elem == IR_F64 ? IR_F64 : IR_F32};
    TRY(read_modes(n, &r));
    TRY(read_axes(n, &r));
    for (int a = 0; a < t.rank; a++) r.in[a] = r.out[a] = t.dims[a];
    TRY(read_scales(n, &r));
    if (r.transform == AT_CROP && given(n, 1)) TRY(read_list(n, &r, 1, 2 * r.naxes, &r.roi));
    for (int j = 0; j < r.naxes; j++) TRY(result_size(&r, j, &r.out[r.axes[j]]));
    if (r.mode == MODE_NEAREST) {
        fe_out(n, 0, nearest(&r));
        return LATHE_OK;
    }
    ir_value v = fe_in(n, 0);
    for (int j = 0; j < r.naxes && v != IR_NONE; j++) {
        if (stays(&r, j)) continue;
        if (r.antialias) TRY(filter_axis(&r, &v, j));
        else v = blend_axis(&r, v, j);
    }
    fe_out(n, 0, v == IR_NONE ? IR_NONE : ir_cast(&n->b, v, t.elem));
    return LATHE_OK;
}
