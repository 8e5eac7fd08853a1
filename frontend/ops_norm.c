/* Normalizations. In: ONNX nodes; out: a norm node where the normalized axes are the last ones, and
 * maps for scales that run along other axes. Statistics are in the arithmetic type. Batch
 * normalization is a map over channels, with reductions for its statistics when it trains. */
#include "frontend/build.h"

#include <string.h>

/* v as an operand of a norm: exactly `dims`. IR_NONE: it runs along other axes as well. */
static ir_value to_normalized(ir_builder *b, ir_value v, int rank, const ir_dim *dims)
{
    ir_type t = *ir_type_of(b->g, v);
    while (t.rank > rank && ir_dim_equals(b->g, t.dims[0], 1)) {
        memmove(t.dims, t.dims + 1, (size_t)(t.rank - 1) * sizeof *t.dims);
        t.rank--;
    }
    if (t.rank > rank) return IR_NONE;
    return ir_expand(b, ir_reshape(b, v, t.rank, t.dims), rank, dims);
}

static ir_value norm_node(ir_builder *b, bool rms, ir_value x, ir_value scale, ir_value bias,
                          int axis, double eps)
{
    ir_value operands[] = {x, scale, bias};
    ir_attr attrs[] = {ir_a_str(b->g, IR_KEY_kind, rms ? "rms" : "layer"),
                       ir_a_int(IR_KEY_axis, axis), ir_a_float(IR_KEY_eps, eps)};
    ir_node_id id = ir_node_new(b, IR_OP_NORM, operands, 3, attrs, 3, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : b->g->nodes[id].results[0];
}

ir_value fe_norm(ir_builder *b, bool rms, ir_value x, ir_value scale, ir_value bias, int axis,
                 double eps)
{
    if (x == IR_NONE) return IR_NONE;
    const ir_type t = *ir_type_of(b->g, x);
    ir_value operands[2] = {scale, bias};
    bool inside = true;
    for (int i = 0; i < 2; i++) {
        if (operands[i] == IR_NONE) continue;
        operands[i] = to_normalized(b, operands[i], t.rank - axis, t.dims + axis);
        inside = inside && operands[i] != IR_NONE;
    }
    if (inside) return norm_node(b, rms, x, operands[0], operands[1], axis, eps);
    ir_value r = norm_node(b, rms, x, IR_NONE, IR_NONE, axis, eps);
    if (scale != IR_NONE) r = fe_binary(b, IR_X_MUL, r, scale);
    return bias == IR_NONE ? r : fe_binary(b, IR_X_ADD, r, bias);
}

/* x - mean over the axes, in the arithmetic type; *mean keeps the axes. */
static ir_value centre(ir_builder *b, ir_value x, unsigned axes, ir_value *mean)
{
    ir_nest nest;
    *mean = fe_mean(b, x, axes);
    if (!fe_broadcast(&nest, b, (ir_value[]){x, *mean}, 2)) return IR_NONE;
    ir_expr d = ir_x_2(b->g, IR_X_SUB, ir_nest_read(&nest, x), ir_nest_read(&nest, *mean));
    return ir_nest_map(&nest, ir_type_of(b->g, *mean)->elem, d);
}

void fe_norm_statistics(fe_node *n, bool rms, ir_value x, int axis, double eps, size_t mean_out,
                        size_t inv_out)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_nest nest;
    if (!fe_wants(n, mean_out) && !fe_wants(n, inv_out)) return;
    ir_elem elem = (ir_elem)fe_attr_int_or(n, "stash_type", IR_F32);
    if (!ir_elem_is_float(elem)) elem = IR_F32;
    unsigned axes = ~0u << axis;
    ir_value mean = IR_NONE, var = fe_mean_square(b, rms ? x : centre(b, x, axes, &mean), axes);
    if (fe_wants(n, mean_out)) fe_out(n, mean_out, ir_cast(b, mean, elem));
    if (!fe_wants(n, inv_out) || !fe_broadcast(&nest, b, &var, 1)) return;
    ir_expr v = ir_nest_read(&nest, var);
    v = X2(DIV, XN(v, 1), X1(SQRT, X2(ADD, v, XN(v, eps))));
    fe_out(n, inv_out, ir_nest_map(&nest, elem, ir_x_cast(g, v, ir_elem_arith(elem))));
}

/* LayerNormalization, RMSNormalization, SimplifiedLayerNormalization. */
lathe_status fe_import_norm(fe_node *n)
{
    int axis;
    bool rms = strcmp(n->op, "LayerNormalization") != 0;
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_class(n, 1, "FL"));
    if (fe_has(n, 2)) TRY(fe_need_class(n, 2, "FL"));
    TRY(fe_attr_axis(n, "axis", fe_type(n, 0)->rank, &axis));
    double eps = fe_attr_float(n, "epsilon");
    fe_out(n, 0,
           fe_norm(&n->b, rms, fe_in(n, 0), fe_in(n, 1), rms ? IR_NONE : fe_in(n, 2), axis, eps));
    fe_norm_statistics(n, rms, fe_in(n, 0), axis, eps, rms ? SIZE_MAX : 1, rms ? 1 : 2);
    return LATHE_OK;
}

/* ---- channels ---- */

/* Element of v, of one axis, for the channel (axis 1) of this point; share: channels per element.
 */
static ir_expr channel(ir_nest *nest, ir_value v, ir_dim share)
{
    ir_graph *g = nest->b->g;
    ir_expr c = X2(FLOORDIV, ir_nest_index(nest, 1), XD(share));
    return ir_nest_load(nest, v, &c);
}

/* x * scale + bias along the channels. */
static ir_value scale_channels(ir_builder *b, ir_value x, ir_value scale, ir_value bias,
                               ir_dim share)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (!fe_broadcast(&nest, b, &x, 1)) return IR_NONE;
    ir_expr y = X2(MUL, ir_nest_read(&nest, x), channel(&nest, scale, share));
    return ir_nest_map(&nest, ir_type_of(g, x)->elem, X2(ADD, y, channel(&nest, bias, share)));
}

/* Inputs [from, to) are floats of one axis of this size. */
static lathe_status need_vectors(const fe_node *n, size_t from, size_t to, ir_dim size)
{
    for (size_t k = from; k < to; k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 1));
        TRY(fe_need_dim(n, k, 0, size));
    }
    return LATHE_OK;
}

static lathe_status need_channels(const fe_node *n)
{
    TRY(fe_need_class(n, 0, "FL"));
    if (fe_type(n, 0)->rank < 2)
        return fe_expect_input(n, 0, "has rank", fe_number(n, fe_type(n, 0)->rank), "2 or more");
    return LATHE_OK;
}

/* The groups' elements as one axis: [N, groups, ...]. */
static ir_value normalize_groups(ir_builder *b, ir_value x, ir_dim groups, double eps)
{
    ir_graph *g = b->g;
    const ir_type t = *ir_type_of(g, x);
    ir_dim rest = ir_dim_floordiv(g, t.dims[1], groups);
    ir_dim dims[] = {t.dims[0], groups,
                     ir_dim_mul(g, rest, ir_dim_product(g, t.dims + 2, t.rank - 2))};
    ir_value r = norm_node(b, false, ir_reshape(b, x, 3, dims), IR_NONE, IR_NONE, 2, eps);
    return r == IR_NONE ? IR_NONE : ir_reshape(b, r, t.rank, t.dims);
}

lathe_status fe_import_instancenorm(fe_node *n)
{
    TRY(need_channels(n));
    ir_dim channels = fe_type(n, 0)->dims[1];
    TRY(need_vectors(n, 1, 3, channels));
    ir_elem elem = fe_type(n, 0)->elem;
    ir_value v[3]; /* wide: what is left when the bias takes most of it away is rounded once */
    for (size_t k = 0; k < 3; k++) v[k] = ir_cast(&n->b, fe_in(n, k), ir_elem_arith(elem));
    ir_value r = normalize_groups(&n->b, v[0], channels, fe_attr_float(n, "epsilon"));
    r = scale_channels(&n->b, r, v[1], v[2], ir_dim_const(n->g, 1));
    fe_out(n, 0, r == IR_NONE ? IR_NONE : ir_cast(&n->b, r, elem));
    return LATHE_OK;
}

/* Opset 18 scales by group, 21 by channel. */
lathe_status fe_import_groupnorm(fe_node *n)
{
    ir_graph *g = n->g;
    int64_t count = fe_attr_int(n, "num_groups");
    TRY(need_channels(n));
    if (count <= 0)
        return fe_expect(n, "attribute num_groups is", fe_number(n, count), "1 or more");
    ir_dim channels = fe_type(n, 0)->dims[1], groups = ir_dim_const(g, count);
    if (!ir_dim_require(g, ir_dim_mod(g, channels, groups), ir_dim_const(g, 0)))
        return fe_fail(n, LATHE_BAD_INPUT, "%s channels do not divide into %lld groups",
                       ir_dim_text(g, channels), (long long)count);
    bool by_group = n->version < 21;
    TRY(need_vectors(n, 1, 3, by_group ? groups : channels));
    ir_value r = normalize_groups(&n->b, fe_in(n, 0), groups, fe_attr_float(n, "epsilon"));
    ir_dim share = by_group ? ir_dim_floordiv(g, channels, groups) : ir_dim_const(g, 1);
    fe_out(n, 0, scale_channels(&n->b, r, fe_in(n, 1), fe_in(n, 2), share));
    return LATHE_OK;
}

/* ---- BatchNormalization ---- */

/* scale / sqrt(var + eps), one a channel. */
static ir_value batch_factor(ir_builder *b, ir_value scale, ir_value var, double eps)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (!fe_broadcast(&nest, b, (ir_value[]){scale, var}, 2)) return IR_NONE;
    ir_expr v = ir_nest_read(&nest, var), s = ir_nest_read(&nest, scale);
    ir_elem type = ir_expr_get(g, v)->type;
    v = X1(SQRT, X2(ADD, v, XN(v, eps)));
    return ir_nest_map(&nest, type, X2(DIV, ir_x_cast(g, s, type), v));
}

/* (x - mean) * factor + bias along the channels; statistics may be of another float type. */
static ir_value batch_apply(ir_builder *b, ir_value x, ir_value mean, ir_value factor,
                            ir_value bias)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_dim one = ir_dim_const(g, 1);
    if (mean == IR_NONE || factor == IR_NONE || !fe_broadcast(&nest, b, &x, 1)) return IR_NONE;
    ir_elem elem = ir_type_of(g, x)->elem, type = ir_elem_arith(elem);
    ir_expr d = X2(SUB, ir_nest_read(&nest, x), ir_x_cast(g, channel(&nest, mean, one), type));
    d = X2(MUL, d, ir_x_cast(g, channel(&nest, factor, one), type));
    return ir_nest_map(&nest, elem, X2(ADD, d, ir_x_cast(g, channel(&nest, bias, one), type)));
}

/* old * momentum + now * (1 - momentum) */
static ir_value running(ir_builder *b, ir_value old, ir_value now, double momentum)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (!fe_broadcast(&nest, b, (ir_value[]){old, now}, 2)) return IR_NONE;
    ir_expr was = ir_nest_read(&nest, old),
            is = ir_x_cast(g, ir_nest_read(&nest, now), ir_expr_get(g, was)->type);
    was = X2(ADD, X2(MUL, was, XN(was, momentum)), X2(MUL, is, XN(is, 1 - momentum)));
    return ir_nest_map(&nest, ir_type_of(g, old)->elem, was);
}

lathe_status fe_import_batchnorm(fe_node *n)
{
    ir_builder *b = &n->b;
    TRY(need_channels(n));
    ir_dim channels = fe_type(n, 0)->dims[1];
    TRY(need_vectors(n, 1, 5, channels));
    if (n->version < 9 && !fe_attr_int(n, "spatial"))
        return fe_fail(n, LATHE_UNSUPPORTED, "attribute spatial is 0, only 1 is supported");
    bool train = n->version < 14 ? fe_wants(n, 1) : fe_attr_int(n, "training_mode") != 0;
    if (train && n->version < 14)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "outputs of training are asked for, which are supported since opset 14");
    ir_value x = fe_in(n, 0), mean = fe_in(n, 3), var = fe_in(n, 4);
    if (train) {
        unsigned axes = ~2u;
        var = fe_mean_square(b, centre(b, x, axes, &mean), axes);
        mean = mean == IR_NONE ? IR_NONE : ir_reshape(b, mean, 1, &channels);
        var = var == IR_NONE ? IR_NONE : ir_reshape(b, var, 1, &channels);
        double momentum = fe_attr_float(n, "momentum");
        if (fe_wants(n, 1)) fe_out(n, 1, running(b, fe_in(n, 3), mean, momentum));
        if (fe_wants(n, 2)) fe_out(n, 2, running(b, fe_in(n, 4), var, momentum));
    }
    ir_value factor = batch_factor(b, fe_in(n, 1), var, fe_attr_float(n, "epsilon"));
    fe_out(n, 0, batch_apply(b, x, mean, factor, fe_in(n, 2)));
    return LATHE_OK;
}

/* ---- MeanVarianceNormalization, LRN ---- */

lathe_status fe_import_mvn(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_nest nest;
    size_t count;
    unsigned axes = 0;
    TRY(fe_need_class(n, 0, "FL"));
    if (n->version < 9) {
        TRY(fe_need_rank(n, 0, 4));
        axes = fe_attr_int(n, "across_channels") != 0 ? 15 : 13;
    }
    const int64_t *list = n->version < 9 ? NULL : fe_attr_ints(n, "axes", &count);
    for (size_t i = 0; list && i < count; i++) {
        int axis;
        TRY(fe_axis(n, list[i], fe_type(n, 0)->rank, &axis));
        axes |= 1u << axis;
    }
    ir_value mean, d = centre(b, fe_in(n, 0), axes, &mean);
    if (n->version < 9 && fe_attr_int(n, "normalize_variance") == 0) {
        fe_out(n, 0, d == IR_NONE ? IR_NONE : ir_cast(b, d, fe_type(n, 0)->elem));
        return LATHE_OK;
    }
    ir_value var = fe_mean_square(b, d, axes);
    if (!fe_broadcast(&nest, b, (ir_value[]){d, var}, 2)) return LATHE_BAD_INPUT;
    ir_expr deviation = X1(SQRT, ir_nest_read(&nest, var));
    ir_expr y = X2(DIV, ir_nest_read(&nest, d), X2(ADD, deviation, XN(deviation, 1e-9)));
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 0)->elem, y));
    return LATHE_OK;
}

/* Sum of squares over a window of channels; those outside count as 0. */
static ir_value window_squares(ir_builder *b, ir_value x, int64_t size)
{
    ir_graph *g = b->g;
    ir_nest nest;
    const ir_type t = *ir_type_of(g, x);
    ir_dim space[IR_MAX_SPACE];
    ir_expr at[IR_MAX_RANK];
    for (int i = 0; i < t.rank; i++) space[i] = t.dims[i];
    space[t.rank] = ir_dim_const(g, size);
    ir_nest_begin(&nest, b, t.rank + 1, space, 1);
    for (int i = 0; i < t.rank; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr c = X2(SUB, X2(ADD, at[1], ir_nest_index(&nest, t.rank)), XI((size - 1) / 2));
    ir_expr last = X2(SUB, XD(t.dims[1]), XI(1));
    at[1] = fe_x_clamp(g, c, XI(0), last);
    ir_expr v = ir_nest_load(&nest, x, at);
    v = ir_x_select(g, fe_x_within(g, c, XI(0), XD(t.dims[1])), X2(MUL, v, v), XN(v, 0));
    return ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", ir_elem_arith(t.elem), v);
}

lathe_status fe_import_lrn(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    int64_t size = fe_attr_int(n, "size");
    TRY(need_channels(n));
    if (size < 1 || size > INT32_MAX)
        return fe_expect(n, "attribute size is", fe_number(n, size), "1 or more");
    ir_value x = fe_in(n, 0), sum = window_squares(&n->b, x, size);
    if (!fe_broadcast(&nest, &n->b, (ir_value[]){x, sum}, 2)) return LATHE_BAD_INPUT;
    ir_expr s = ir_nest_read(&nest, sum);
    s = X2(MUL, s, XN(s, fe_attr_float(n, "alpha") / (double)size));
    s = X2(ADD, s, XN(s, fe_attr_float(n, "bias")));
    ir_expr y = X2(DIV, ir_nest_read(&nest, x), X2(POW, s, XN(s, fe_attr_float(n, "beta"))));
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 0)->elem, y));
    return LATHE_OK;
}
