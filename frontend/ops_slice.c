/* Importers of operators that cut or extend along axes. In: starts, ends, steps and pads, known or
 * data, for some axes in any order. Out: a view where all is affine, else a map. Everything is a
 * formula over dims (fe_axis_pick), so that known sizes fold and data ones stay exact. */
#include "frontend/build.h"
#include <string.h>

/* ---- Slice ---- */

/* What is asked for: one entry an axis named. */
typedef struct range {
    const ir_dim *axes, *starts, *ends, *steps;
    size_t n;
} range;

/* The slice of one axis, all of it dims. */
typedef struct cut {
    ir_dim start, step, size;
} cut;

#define FAR_STEP ((int64_t)1 << 40) /* longer than any axis */

/* NumPy's rule: negative positions count from the end, then both are clamped to the axis. Steps
 * that lead out of it at once do so whatever their length, and are kept where sums cannot overflow.
 */
static cut cut_axis(ir_graph *g, ir_dim size, ir_dim start, ir_dim end, ir_dim step)
{
    step = fe_dim_clamp(g, step, ir_dim_const(g, -FAR_STEP), ir_dim_const(g, FAR_STEP));
    ir_dim zero = ir_dim_const(g, 0), one = ir_dim_const(g, 1);
    ir_dim back = ir_dim_lt(g, step, zero); /* 1 if the step is negative */
    ir_dim low = ir_dim_sub(g, zero, back), high = ir_dim_sub(g, size, back);
    start = ir_dim_add(g, start, ir_dim_mul(g, ir_dim_lt(g, start, zero), size));
    end = ir_dim_add(g, end, ir_dim_mul(g, ir_dim_lt(g, end, zero), size));
    start = fe_dim_clamp(g, start, zero, high);
    end = fe_dim_clamp(g, end, low, high);
    ir_dim sign = ir_dim_sub(g, one, ir_dim_add(g, back, back));
    ir_dim span = ir_dim_add(g, ir_dim_sub(g, end, start), ir_dim_sub(g, step, sign));
    ir_dim count = ir_dim_max(g, ir_dim_floordiv(g, span, step), zero);
    return (cut){start, step, count};
}

static lathe_status apply(fe_node *n, const range *r)
{
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    ir_dim starts[IR_MAX_RANK], dims[IR_MAX_RANK], one = ir_dim_const(g, 1);
    ir_expr idx[IR_MAX_RANK];
    bool affine = true;
    for (int a = 0; a < t.rank; a++) {
        cut c = {ir_dim_const(g, 0), one, t.dims[a]};
        ir_dim named = fe_axis_among(g, r->axes, r->n, a);
        if (!ir_dim_equals(g, named, 0))
            c = cut_axis(g, t.dims[a],
                         fe_axis_pick(g, r->axes, r->n, a, r->starts, ir_dim_const(g, 0)),
                         fe_axis_pick(g, r->axes, r->n, a, r->ends, t.dims[a]),
                         fe_axis_pick(g, r->axes, r->n, a, r->steps, one));
        if (ir_dim_equals(g, c.step, 0))
            return fe_fail(n, LATHE_BAD_INPUT, "a step is 0, expected another number");
        affine = affine && ir_dim_is_const(g, c.step, NULL);
        starts[a] = c.start;
        dims[a] = c.size;
        idx[a] = X2(ADD, X2(MUL, ir_x_index(g, a), XD(c.step)), XD(starts[a]));
    }
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, dims, 0);
    ir_expr load = ir_nest_load(&nest, fe_in(n, 0), idx);
    fe_out(n, 0, fe_nest_move(&nest, affine, t.elem, load));
    return LATHE_OK;
}

static lathe_status range_attrs(fe_node *n, range *r)
{
    size_t nstarts, nends, naxes;
    const int64_t *starts = fe_attr_ints(n, "starts", &nstarts),
                  *ends = fe_attr_ints(n, "ends", &nends);
    if (!starts || !ends || nstarts != nends)
        return fe_fail(n, LATHE_BAD_INPUT, "starts and ends must be lists of one length");
    r->starts = fe_const_dims(n->g, starts, nstarts);
    r->ends = fe_const_dims(n->g, ends, nends);
    r->n = nstarts;
    TRY(fe_axes(n, "axes", n->nin, fe_type(n, 0)->rank, &r->axes, &naxes));
    if (r->axes && naxes != r->n)
        return fe_fail(n, LATHE_BAD_INPUT, "%zu axes are named for %zu starts, expected as many",
                       naxes, r->n);
    return LATHE_OK;
}

static lathe_status range_inputs(fe_node *n, range *r)
{
    size_t nends, naxes, nsteps;
    TRY(fe_need_rank(n, 1, -1));
    TRY(fe_need_rank(n, 2, -1));
    TRY(fe_sizes(n, fe_in(n, 1), INT64_MIN, INT64_MAX, IR_NONE, &r->starts, &r->n));
    TRY(fe_sizes(n, fe_in(n, 2), INT64_MIN, INT64_MAX, IR_NONE, &r->ends, &nends));
    TRY(fe_axes(n, "axes", 3, fe_type(n, 0)->rank, &r->axes, &naxes));
    if (nends != r->n || (r->axes && naxes != r->n))
        return fe_fail(n, LATHE_BAD_INPUT,
                       "starts, ends and axes differ in length, expected as many of each");
    if (!fe_has(n, 4)) return LATHE_OK;
    TRY(fe_sizes(n, fe_in(n, 4), INT64_MIN, INT64_MAX, IR_NONE, &r->steps, &nsteps));
    if (nsteps != r->n)
        return fe_expect_input(n, 4, "has length", fe_number(n, (int64_t)nsteps),
                               fe_number(n, (int64_t)r->n));
    return LATHE_OK;
}

lathe_status fe_import_slice(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    range r = {0};
    int64_t defaults[IR_MAX_RANK], ones[IR_MAX_RANK];
    TRY(n->version < 10 ? range_attrs(n, &r) : range_inputs(n, &r));
    if (r.n > (size_t)fe_type(n, 0)->rank)
        return fe_fail(n, LATHE_BAD_INPUT, "%zu starts are given, but the input has %d axes", r.n,
                       fe_type(n, 0)->rank);
    for (size_t j = 0; j < r.n; j++) {
        defaults[j] = (int64_t)j;
        ones[j] = 1;
    }
    if (!r.axes) r.axes = fe_const_dims(n->g, defaults, r.n);
    if (!r.steps) r.steps = fe_const_dims(n->g, ones, r.n);
    return apply(n, &r);
}

/* ---- Pad ---- */

typedef enum { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT, PAD_WRAP } pad_mode;

static lathe_status pad_mode_of(fe_node *n, pad_mode *mode)
{
    static const char *const names[] = {"constant", "edge", "reflect", "wrap"};
    const char *given = fe_attr_str(n, "mode");
    for (int i = 0; i < 4; i++) {
        *mode = (pad_mode)i;
        if (!strcmp(given, names[i])) return LATHE_OK;
    }
    return fe_expect(n, "attribute mode is", given, "constant, reflect, edge or wrap");
}

/* Position x relative to an axis of this size, taken back into it. */
static ir_expr pad_index(ir_graph *g, pad_mode mode, ir_expr x, ir_dim size)
{
    ir_dim one = ir_dim_const(g, 1), last = ir_dim_sub(g, size, one);
    if (mode == PAD_WRAP) return X2(MOD, x, XD(size));
    if (mode != PAD_REFLECT) return fe_x_clamp(g, x, XI(0), XD(last));
    ir_expr period = XD(ir_dim_add(g, last, last)), m = X2(MOD, x, period);
    return X2(MAX, X2(MIN, m, X2(SUB, period, m)), XI(0));
}

/* Pads as dims, begins then ends, one pair an axis that is named. */
static lathe_status pads_of(fe_node *n, const ir_dim **pads, const ir_dim **axes, size_t *naxes)
{
    int rank = fe_type(n, 0)->rank;
    size_t count = 0;
    const int64_t *attr = fe_attr_ints(n, n->version < 2 ? "paddings" : "pads", &count);
    *naxes = (size_t)rank;
    *axes = NULL;
    if (attr) {
        *pads = fe_const_dims(n->g, attr, count);
    } else {
        TRY(fe_need_rank(n, 1, -1));
        TRY(fe_sizes(n, fe_in(n, 1), INT32_MIN, INT32_MAX, IR_NONE, pads, &count));
        TRY(fe_axes(n, "axes", 3, rank, axes, naxes));
        if (!*axes) *naxes = (size_t)rank;
    }
    if (count != 2 * *naxes)
        return fe_fail(n, LATHE_BAD_INPUT, "%zu pads are given for %zu axes, expected two an axis",
                       count, *naxes);
    return LATHE_OK;
}

static ir_expr pad_value(fe_node *n, ir_nest *nest)
{
    if (fe_has(n, 2)) return fe_load_scalar(nest, fe_in(n, 2));
    return ir_x_num(n->g, ir_elem_arith(fe_type(n, 0)->elem), fe_attr_float_or(n, "value", 0));
}

lathe_status fe_import_pad(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    pad_mode mode;
    const ir_dim *pads, *axes;
    size_t naxes;
    TRY(pad_mode_of(n, &mode));
    TRY(pads_of(n, &pads, &axes, &naxes));
    ir_dim dims[IR_MAX_RANK], begin[IR_MAX_RANK], zero = ir_dim_const(g, 0);
    for (int a = 0; a < t.rank; a++) {
        begin[a] = axes ? fe_axis_pick(g, axes, naxes, a, pads, zero) : pads[a];
        ir_dim end = axes ? fe_axis_pick(g, axes, naxes, a, pads + naxes, zero) : pads[t.rank + a];
        dims[a] = ir_dim_add(g, ir_dim_add(g, t.dims[a], begin[a]), end);
        dims[a] = ir_dim_max(g, dims[a], zero);
    }
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, dims, 0);
    ir_expr idx[IR_MAX_RANK], inside = ir_x_int(g, IR_BOOL, 1);
    for (int a = 0; a < t.rank; a++) {
        idx[a] = ir_x_index(g, a);
        if (dims[a] == t.dims[a] && ir_dim_equals(g, begin[a], 0)) continue;
        ir_expr x = X2(SUB, idx[a], XD(begin[a]));
        if (mode == PAD_CONSTANT) inside = X2(AND, inside, fe_x_within(g, x, XI(0), XD(t.dims[a])));
        idx[a] = pad_index(g, mode, x, t.dims[a]);
    }
    ir_expr load = ir_nest_load(&nest, fe_in(n, 0), idx);
    if (mode == PAD_CONSTANT) load = ir_x_select(g, inside, load, pad_value(n, &nest));
    fe_out(n, 0, ir_nest_map(&nest, t.elem, load));
    return LATHE_OK;
}

/* ---- CenterCropPad ---- */

lathe_status fe_import_center_crop_pad(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    TRY(fe_need_rank(n, 1, -1));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    const ir_dim *axes, *want;
    size_t naxes, nwant;
    TRY(fe_axes(n, "axes", n->nin, t.rank, &axes, &naxes));
    TRY(fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, IR_NONE, &want, &nwant));
    if (nwant != (axes ? naxes : (size_t)t.rank))
        return fe_expect_input(n, 1, "has length", fe_number(n, (int64_t)nwant),
                               fe_number(n, axes ? (int64_t)naxes : t.rank));
    ir_dim dims[IR_MAX_RANK], two = ir_dim_const(g, 2), zero = ir_dim_const(g, 0);
    for (int a = 0; a < t.rank; a++)
        dims[a] = axes ? fe_axis_pick(g, axes, naxes, a, want, t.dims[a]) : want[a];
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, dims, 0);
    ir_expr idx[IR_MAX_RANK], inside = ir_x_int(g, IR_BOOL, 1);
    for (int a = 0; a < t.rank; a++) {
        ir_dim cropped =
            ir_dim_floordiv(g, ir_dim_max(g, ir_dim_sub(g, t.dims[a], dims[a]), zero), two);
        ir_dim padded =
            ir_dim_floordiv(g, ir_dim_max(g, ir_dim_sub(g, dims[a], t.dims[a]), zero), two);
        idx[a] = ir_x_index(g, a);
        if (dims[a] == t.dims[a]) continue;
        ir_expr x = X2(ADD, idx[a], XD(ir_dim_sub(g, cropped, padded)));
        inside = X2(AND, inside, fe_x_within(g, x, XI(0), XD(t.dims[a])));
        idx[a] = pad_index(g, PAD_EDGE, x, t.dims[a]);
    }
    ir_expr load = ir_nest_load(&nest, fe_in(n, 0), idx);
    ir_expr none = ir_x_num(g, ir_elem_arith(t.elem), 0);
    fe_out(n, 0, ir_nest_map(&nest, t.elem, ir_x_select(g, inside, load, none)));
    return LATHE_OK;
}
