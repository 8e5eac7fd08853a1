/* Geometry of sliding windows. In: kernel_shape, strides, dilations, pads, auto_pad. Out: pads and
 * result dims as formulas over dims, so that padding to the same size works for symbolic ones. */
#include "frontend/window.h"
#include <string.h>

static lathe_status read_steps(fe_node *n, const char *name, int count, int64_t *out)
{
    size_t given;
    const int64_t *values = fe_attr_ints(n, name, &given);
    if (values && given != (size_t)count)
        return fe_expect(n, ir_format(n->g->arena, "attribute %s has length", name),
                         fe_number(n, (int64_t)given), fe_number(n, count));
    for (int i = 0; i < count; i++) {
        out[i] = values ? values[i] : 1;
        if (out[i] < 1 || out[i] > INT32_MAX)
            return fe_fail(n, LATHE_BAD_INPUT,
                           "attribute %s has an entry of %lld, expected 1 or more", name,
                           (long long)out[i]);
    }
    return LATHE_OK;
}

static lathe_status read_kernel(fe_node *n, int count, fe_window *w)
{
    size_t given;
    const int64_t *shape = fe_attr_ints(n, "kernel_shape", &given);
    if (w->kernel[0] != IR_NONE) {
        for (int i = 0; shape && i < count && given == (size_t)count; i++)
            if (!ir_dim_require(n->g, w->kernel[i], ir_dim_const(n->g, shape[i])))
                return fe_fail(n, LATHE_BAD_INPUT,
                               "attribute kernel_shape says %lld along axis %d, the weight %s",
                               (long long)shape[i], i + 2, ir_dim_text(n->g, w->kernel[i]));
        return LATHE_OK;
    }
    if (!shape || given != (size_t)count)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute kernel_shape must have %d entries", count);
    for (int i = 0; i < count; i++) {
        if (shape[i] < 1 || shape[i] > INT32_MAX)
            return fe_fail(n, LATHE_BAD_INPUT,
                           "attribute kernel_shape has an entry of %lld, expected 1 or more",
                           (long long)shape[i]);
        w->kernel[i] = ir_dim_const(n->g, shape[i]);
    }
    return LATHE_OK;
}

lathe_status fe_window_read(fe_node *n, int spatial, fe_window *w)
{
    if (spatial < 1 || spatial > FE_MAX_SPATIAL)
        return fe_fail(n, LATHE_UNSUPPORTED, "a window over %d axes, 1 to %d are supported",
                       spatial, FE_MAX_SPATIAL);
    w->n = spatial;
    TRY(read_kernel(n, spatial, w));
    TRY(read_steps(n, "strides", spatial, w->strides));
    return read_steps(n, "dilations", spatial, w->dilations);
}

lathe_status fe_window_pads(fe_node *n, fe_window *w)
{
    size_t given;
    const int64_t *pads = fe_attr_ints(n, "pads", &given);
    if (pads && given != 2 * (size_t)w->n)
        return fe_expect(n, "attribute pads has length", fe_number(n, (int64_t)given),
                         fe_number(n, 2 * w->n));
    for (int i = 0; i < w->n; i++) {
        w->begin[i] = ir_dim_const(n->g, pads ? pads[i] : 0);
        w->end[i] = ir_dim_const(n->g, pads ? pads[w->n + i] : 0);
    }
    return LATHE_OK;
}

ir_dim fe_window_extent(ir_graph *g, const fe_window *w, int i)
{
    ir_dim one = ir_dim_const(g, 1), gaps = ir_dim_sub(g, w->kernel[i], one);
    return ir_dim_add(g, ir_dim_mul(g, gaps, ir_dim_const(g, w->dilations[i])), one);
}

/* Pads that make the result ceil(size / stride), the odd one at the end or (lower) at the begin. */
static ir_dim pad_same(ir_graph *g, fe_window *w, int i, ir_dim size, bool lower)
{
    ir_dim one = ir_dim_const(g, 1), two = ir_dim_const(g, 2),
           stride = ir_dim_const(g, w->strides[i]);
    ir_dim out = ir_dim_ceildiv(g, size, stride);
    ir_dim need =
        ir_dim_add(g, ir_dim_mul(g, ir_dim_sub(g, out, one), stride), fe_window_extent(g, w, i));
    ir_dim total = ir_dim_max(g, ir_dim_sub(g, need, size), ir_dim_const(g, 0));
    ir_dim half = ir_dim_floordiv(g, total, two), rest = ir_dim_sub(g, total, half);
    w->begin[i] = lower ? rest : half;
    w->end[i] = lower ? half : rest;
    return out;
}

/* Rounding up may add a window, but none that starts in the padding at the end. */
static ir_dim slide_axis(ir_graph *g, const fe_window *w, int i, ir_dim size, bool ceil_mode)
{
    ir_dim one = ir_dim_const(g, 1), stride = ir_dim_const(g, w->strides[i]);
    ir_dim lead = ir_dim_add(g, size, w->begin[i]);
    ir_dim room = ir_dim_sub(g, ir_dim_add(g, lead, w->end[i]), fe_window_extent(g, w, i));
    if (!ceil_mode) return ir_dim_add(g, ir_dim_floordiv(g, room, stride), one);
    ir_dim last = ir_dim_ceildiv(g, room, stride);
    ir_dim beyond = ir_dim_lt(g, ir_dim_sub(g, lead, one), ir_dim_mul(g, last, stride));
    return ir_dim_sub(g, ir_dim_add(g, last, one), beyond);
}

lathe_status fe_window_slide(fe_node *n, fe_window *w, const ir_dim *in, bool ceil_mode,
                             ir_dim *out)
{
    const char *mode = fe_attr_str_or(n, "auto_pad", "NOTSET");
    bool same = !strncmp(mode, "SAME_", 5), valid = !strcmp(mode, "VALID");
    if (!same && !valid && strcmp(mode, "NOTSET"))
        return fe_fail(
            n, LATHE_BAD_INPUT,
            "attribute auto_pad is '%s', expected NOTSET, SAME_UPPER, SAME_LOWER or VALID", mode);
    if (same || valid)
        for (int i = 0; i < w->n; i++) w->begin[i] = w->end[i] = ir_dim_const(n->g, 0);
    else TRY(fe_window_pads(n, w));
    for (int i = 0; i < w->n; i++) {
        int64_t size;
        if (same) out[i] = pad_same(n->g, w, i, in[i], !strcmp(mode, "SAME_LOWER"));
        else out[i] = slide_axis(n->g, w, i, in[i], ceil_mode);
        if (ir_dim_is_const(n->g, out[i], &size) && size < 0)
            return fe_fail(n, LATHE_BAD_INPUT,
                           "axis %d has size %s, which with its pads is less than the window",
                           i + 2, ir_dim_text(n->g, in[i]));
    }
    return LATHE_OK;
}

ir_expr fe_window_position(ir_graph *g, const fe_window *w, int i, ir_expr at, ir_expr k)
{
    ir_expr start = X2(SUB, X2(MUL, at, XI(w->strides[i])), XD(w->begin[i]));
    return X2(ADD, start, X2(MUL, k, XI(w->dilations[i])));
}

void fe_window_unflatten(ir_graph *g, const fe_window *w, ir_expr number, ir_expr *k)
{
    ir_dim inner = ir_dim_const(g, 1);
    for (int i = w->n - 1; i >= 0; i--) {
        k[i] = X2(FLOORDIV, number, XD(inner));
        if (i > 0) k[i] = X2(MOD, k[i], XD(w->kernel[i]));
        inner = ir_dim_mul(g, inner, w->kernel[i]);
    }
}

ir_expr fe_window_load(ir_nest *nest, ir_value v, const ir_expr *lead, const ir_expr *at, int n,
                       ir_expr outside)
{
    ir_graph *g = nest->b->g;
    const ir_dim *dims = ir_type_of(g, v)->dims + 2;
    ir_expr idx[2 + FE_MAX_SPATIAL] = {lead[0], lead[1]}, inside = ir_x_int(g, IR_BOOL, 1);
    for (int i = 0; i < n; i++) {
        inside = X2(AND, inside, fe_x_within(g, at[i], XI(0), XD(dims[i])));
        idx[2 + i] = fe_x_clamp(g, at[i], XI(0), XD(ir_dim_sub(g, dims[i], ir_dim_const(g, 1))));
    }
    ir_expr x = ir_nest_load(nest, v, idx);
    return outside == IR_NONE ? x : ir_x_select(g, inside, x, outside);
}

void fe_window_attrs(ir_graph *g, const fe_window *w, const ir_dim *dims, ir_attr *attrs)
{
    ir_dim pads[2 * FE_MAX_SPATIAL];
    size_t n = (size_t)w->n;
    for (size_t i = 0; i < n; i++) {
        pads[i] = w->begin[i];
        pads[n + i] = w->end[i];
    }
    attrs[0] = ir_a_dims(g, IR_KEY_dims, dims, n + 2);
    attrs[1] = ir_a_dims(g, IR_KEY_kernel, w->kernel, n);
    attrs[2] = ir_a_ints(g, IR_KEY_strides, w->strides, n);
    attrs[3] = ir_a_dims(g, IR_KEY_pads, pads, 2 * n);
    attrs[4] = ir_a_ints(g, IR_KEY_dilations, w->dilations, n);
}
