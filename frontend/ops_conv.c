/* Importers of convolutions. In: data [n, channels, spatial...] and a weight. Out: `conv` nodes
 * with all geometry resolved; the integer forms subtract their zero points first and convolve in
 * i32. */
#include "frontend/window.h"
#include <string.h>

typedef struct conv {
    fe_window w;
    int64_t group;
    ir_dim dims[2 + FE_MAX_SPATIAL];
    bool transposed;
} conv;

static ir_value conv_node(fe_node *n, const conv *c, ir_value x, ir_value weight, ir_value bias)
{
    ir_value operands[3] = {x, weight, bias};
    ir_attr attrs[FE_WINDOW_ATTRS + 2];
    size_t nattrs = FE_WINDOW_ATTRS;
    fe_window_attrs(n->g, &c->w, c->dims, attrs);
    attrs[nattrs++] = ir_a_int(IR_KEY_group, c->group);
    if (c->transposed) attrs[nattrs++] = ir_a_str(n->g, IR_KEY_kind, "transposed");
    ir_node_id id = ir_node_new(&n->b, IR_OP_CONV, operands, 3, attrs, nattrs, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : n->g->nodes[id].results[0];
}

/* Ranks and channels of data input 0 and weight input k agree; the kernel is the weight's. */
static lathe_status read_conv(fe_node *n, size_t k, conv *c)
{
    ir_graph *g = n->g;
    TRY(fe_need_arith(n, 0));
    TRY(fe_need_rank(n, k, fe_type(n, 0)->rank));
    const ir_type x = *fe_type(n, 0), w = *fe_type(n, k);
    c->group = fe_attr_int(n, "group");
    if (c->group < 1 || c->group > INT32_MAX)
        return fe_expect(n, "attribute group is", fe_number(n, c->group), "1 or more");
    for (int i = 0; i < x.rank - 2 && i < FE_MAX_SPATIAL; i++) c->w.kernel[i] = w.dims[2 + i];
    TRY(fe_window_read(n, x.rank - 2, &c->w));
    ir_dim group = ir_dim_const(g, c->group);
    ir_dim expected = c->transposed ? x.dims[1] : ir_dim_floordiv(g, x.dims[1], group);
    TRY(fe_need_dim(n, k, c->transposed ? 0 : 1, expected));
    if (!ir_dim_require(g, ir_dim_mod(g, x.dims[1], group), ir_dim_const(g, 0)) ||
        !ir_dim_require(g, ir_dim_mod(g, w.dims[0], group), ir_dim_const(g, 0)))
        return fe_fail(n, LATHE_BAD_INPUT,
                       "the channels of the operands, %s and %s, do not divide into %lld groups",
                       ir_dim_text(g, x.dims[1]), ir_dim_text(g, w.dims[0]), (long long)c->group);
    c->dims[0] = x.dims[0];
    c->dims[1] = c->transposed ? ir_dim_mul(g, w.dims[1], group) : w.dims[0];
    return LATHE_OK;
}

/* Bias input k, if there is one, is of this type and has an element a result channel. */
static lathe_status need_bias(fe_node *n, size_t k, ir_elem elem, const conv *c)
{
    if (!fe_has(n, k)) return LATHE_OK;
    TRY(fe_need_rank(n, k, 1));
    if (fe_type(n, k)->elem != elem)
        return fe_expect_input(n, k, "has element type", ir_elem_name(fe_type(n, k)->elem),
                               ir_elem_name(elem));
    return fe_need_dim(n, k, 0, c->dims[1]);
}

lathe_status fe_import_conv(fe_node *n)
{
    conv c = {0};
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_same(n, 0, 1));
    TRY(read_conv(n, 1, &c));
    TRY(need_bias(n, 2, fe_type(n, 0)->elem, &c));
    TRY(fe_window_slide(n, &c.w, fe_type(n, 0)->dims + 2, false, c.dims + 2));
    fe_out(n, 0, conv_node(n, &c, fe_in(n, 0), fe_in(n, 1), fe_in(n, 2)));
    return LATHE_OK;
}

/* ---- ConvTranspose ---- */

/* What must be cut off the full result so that it has this size. */
static void cut_to(ir_graph *g, conv *c, int i, ir_dim full, ir_dim want, bool upper)
{
    ir_dim total = ir_dim_max(g, ir_dim_sub(g, full, want), ir_dim_const(g, 0));
    ir_dim half = ir_dim_floordiv(g, total, ir_dim_const(g, 2)), rest = ir_dim_sub(g, total, half);
    c->w.begin[i] = upper ? half : rest;
    c->w.end[i] = upper ? rest : half;
    c->dims[2 + i] = want;
}

/* The result's dims, and pads where the attributes ask for a size. */
static lathe_status size_transposed(fe_node *n, conv *c)
{
    ir_graph *g = n->g;
    size_t nshape, nextra;
    const int64_t *shape = fe_attr_ints(n, "output_shape", &nshape);
    const int64_t *extra = fe_attr_ints(n, "output_padding", &nextra);
    const char *mode = fe_attr_str_or(n, "auto_pad", "NOTSET");
    int spatial = c->w.n;
    if ((extra && nextra != (size_t)spatial) || (shape && nshape < (size_t)spatial))
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute output_padding or output_shape has too few entries, expected one "
                       "a spatial axis, %d",
                       spatial);
    for (int i = 0; i < spatial; i++) {
        ir_dim size = fe_type(n, 0)->dims[2 + i], stride = ir_dim_const(g, c->w.strides[i]);
        ir_dim full = ir_dim_mul(g, ir_dim_sub(g, size, ir_dim_const(g, 1)), stride);
        full = ir_dim_add(g, full, fe_window_extent(g, &c->w, i));
        if (extra) full = ir_dim_add(g, full, ir_dim_const(g, extra[i]));
        bool upper = !strcmp(mode, "SAME_UPPER");
        if (shape)
            cut_to(g, c, i, full, ir_dim_const(g, shape[nshape - (size_t)(spatial - i)]), upper);
        else if (!strncmp(mode, "SAME_", 5))
            cut_to(g, c, i, full, ir_dim_mul(g, size, stride), upper);
        else c->dims[2 + i] = ir_dim_sub(g, ir_dim_sub(g, full, c->w.begin[i]), c->w.end[i]);
    }
    return LATHE_OK;
}

lathe_status fe_import_conv_transpose(fe_node *n)
{
    conv c = {.transposed = true};
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_same(n, 0, 1));
    TRY(read_conv(n, 1, &c));
    TRY(need_bias(n, 2, fe_type(n, 0)->elem, &c));
    TRY(fe_window_pads(n, &c.w));
    TRY(size_transposed(n, &c));
    fe_out(n, 0, conv_node(n, &c, fe_in(n, 0), fe_in(n, 1), fe_in(n, 2)));
    return LATHE_OK;
}

/* ConvTransposeWithDynamicPads, of com.microsoft: pads are input 2, the bias is input 3. */
lathe_status fe_import_conv_transpose_pads(fe_node *n)
{
    conv c = {.transposed = true};
    const ir_dim *pads;
    size_t count;
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_same(n, 0, 1));
    TRY(read_conv(n, 1, &c));
    TRY(need_bias(n, 3, fe_type(n, 0)->elem, &c));
    TRY(fe_need_class(n, 2, "S"));
    TRY(fe_sizes(n, fe_in(n, 2), 0, INT32_MAX, IR_NONE, &pads, &count));
    size_t spatial = (size_t)c.w.n;
    if (count != 2 * spatial)
        return fe_expect_input(n, 2, "has length", fe_number(n, (int64_t)count),
                               fe_number(n, 2 * c.w.n));
    for (size_t i = 0; i < spatial; i++) {
        c.w.begin[i] = pads[i];
        c.w.end[i] = pads[spatial + i];
    }
    TRY(size_transposed(n, &c));
    fe_out(n, 0, conv_node(n, &c, fe_in(n, 0), fe_in(n, 1), fe_in(n, 3)));
    return LATHE_OK;
}

/* ---- integers ---- */

/* One element for all, or one a slice along `axis` of the point of the nest. */
static ir_expr load_per_slice(ir_nest *nest, ir_value v, int axis)
{
    ir_graph *g = nest->b->g;
    const ir_type *t = ir_type_of(g, v);
    if (t->rank == 0 || ir_dim_equals(g, t->dims[0], 1)) return fe_load_scalar(nest, v);
    ir_expr at = ir_nest_index(nest, axis);
    return ir_nest_load(nest, v, &at);
}

/* Input k as i32, less its zero point (input z; one an axis-0 slice if it is a list). */
static ir_value centred(fe_node *n, size_t k, size_t z)
{
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, k);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr x = ir_x_cast(g, ir_nest_read(&nest, fe_in(n, k)), IR_I32);
    if (fe_has(n, z)) x = X2(SUB, x, ir_x_cast(g, load_per_slice(&nest, fe_in(n, z), 0), IR_I32));
    return ir_nest_map(&nest, IR_I32, x);
}

/* Input k, if there, is a scalar or a list of one element or (dim not IR_NONE) of dim elements. */
static lathe_status need_per_slice(fe_node *n, size_t k, const char *classes, ir_dim dim)
{
    if (!fe_has(n, k)) return LATHE_OK;
    TRY(fe_need_class(n, k, classes));
    const ir_type *t = fe_type(n, k);
    if (t->rank == 0 || (t->rank == 1 && ir_dim_equals(n->g, t->dims[0], 1))) return LATHE_OK;
    if (t->rank != 1 || dim == IR_NONE)
        return fe_expect_input(n, k, "is", ir_type_text(n->g, t), "a scalar");
    return fe_need_dim(n, k, 0, dim);
}

lathe_status fe_import_conv_integer(fe_node *n)
{
    conv c = {0};
    TRY(fe_need_class(n, 0, "SU"));
    TRY(fe_need_class(n, 1, "SU"));
    TRY(read_conv(n, 1, &c));
    TRY(need_per_slice(n, 2, "SU", IR_NONE));
    TRY(need_per_slice(n, 3, "SU", c.dims[1]));
    TRY(fe_window_slide(n, &c.w, fe_type(n, 0)->dims + 2, false, c.dims + 2));
    fe_out(n, 0, conv_node(n, &c, centred(n, 0, 2), centred(n, 1, 3), IR_NONE));
    return LATHE_OK;
}

/* round(acc * (sx * sw / sy)) + zero point, saturated to the result's type. */
static ir_value requantize(fe_node *n, ir_value acc)
{
    ir_graph *g = n->g;
    const ir_type t = *ir_type_of(g, acc);
    ir_elem out = fe_type(n, 7)->elem;
    int bits = ir_elem_bits(out);
    bool is_signed = ir_elem_class(out) == 'S';
    double low = is_signed ? -(double)(1 << (bits - 1)) : 0, high = low + (double)((1 << bits) - 1);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr scale = ir_x_cast(g, fe_load_scalar(&nest, fe_in(n, 1)), IR_F32);
    scale = X2(MUL, scale, ir_x_cast(g, load_per_slice(&nest, fe_in(n, 4), 1), IR_F32));
    scale = X2(DIV, scale, ir_x_cast(g, fe_load_scalar(&nest, fe_in(n, 6)), IR_F32));
    ir_expr x = X2(MUL, ir_x_cast(g, ir_nest_read(&nest, acc), IR_F32), scale);
    x = X2(ADD, X1(ROUND, x), ir_x_cast(g, fe_load_scalar(&nest, fe_in(n, 7)), IR_F32));
    return ir_nest_map(&nest, out, ir_x_cast(g, X2(MAX, X2(MIN, x, XN(x, high)), XN(x, low)), out));
}

lathe_status fe_import_qlinear_conv(fe_node *n)
{
    conv c = {0};
    TRY(fe_need_class(n, 0, "SU"));
    TRY(fe_need_class(n, 3, "SU"));
    TRY(fe_need_class(n, 7, "SU"));
    if (ir_elem_bits(fe_type(n, 7)->elem) > 16)
        return fe_expect_input(n, 7, "has element type", ir_elem_name(fe_type(n, 7)->elem),
                               "integers of at most 16 bits");
    TRY(read_conv(n, 3, &c));
    TRY(need_bias(n, 8, IR_I32, &c));
    static const char *const classes[] = {
        [1] = "FL", [2] = "SU", [4] = "FL", [5] = "SU", [6] = "FL", [7] = "SU"};
    for (size_t k = 1; k < 8; k++)
        if (classes[k])
            TRY(need_per_slice(n, k, classes[k], k == 4 || k == 5 ? c.dims[1] : IR_NONE));
    for (size_t k = 1; k < 8; k++) TRY(fe_need_rank(n, k, -1));
    TRY(fe_window_slide(n, &c.w, fe_type(n, 0)->dims + 2, false, c.dims + 2));
    ir_value acc = conv_node(n, &c, centred(n, 0, 2), centred(n, 3, 5), fe_in(n, 8));
    if (acc != IR_NONE) acc = requantize(n, acc);
    fe_out(n, 0, acc);
    return LATHE_OK;
}
