/* Importers of operators that make tensors out of little or nothing. In: attributes, sizes,
 * scalars. Out: constants, or maps whose expression is the definition. Small ones keep known
 * contents, which is how the size arithmetic of exporters goes on through them. */
#include "frontend/build.h"
#include "frontend/strings.h"

/* ---- Constant ---- */

static void constant_ints(fe_node *n, int rank, const int64_t *values, size_t count)
{
    int64_t length = (int64_t)count;
    fe_out(n, 0, ir_const_ints(&n->b, IR_I64, rank, &length, values));
}

static void constant_floats(fe_node *n, int rank, const float *values, size_t count)
{
    ir_dim length = ir_dim_const(n->g, (int64_t)count);
    ir_type t = ir_type_make(IR_F32, rank, &length);
    ir_blob blob = {.bytes = ir_copy(n->g->arena, values, count, sizeof(float)),
                    .size = count * sizeof(float)};
    fe_out(n, 0, ir_const(&n->b, &t, &blob));
}

lathe_status fe_import_constant(fe_node *n)
{
    size_t count;
    const Onnx__TensorProto *tensor = fe_attr_tensor(n, "value");
    const int64_t *ints = fe_attr_ints(n, "value_ints", &count);
    if (tensor) {
        ir_value v;
        TRY(fe_tensor(n->im, &n->b, tensor, NULL, &v));
        fe_out(n, 0, v);
        return LATHE_OK;
    }
    if (ints) {
        constant_ints(n, 1, ints, count);
        return LATHE_OK;
    }
    const fe_bytes *strings = fe_attr_bytes(n, "value_string", &count);
    if (!strings) strings = fe_attr_bytes(n, "value_strings", &count);
    const float *floats = strings ? NULL : fe_attr_floats(n, "value_floats", &count);
    if (floats) {
        constant_floats(n, 1, floats, count);
    } else if (fe_has_attr(n, "value_int")) {
        int64_t value = fe_attr_int(n, "value_int");
        constant_ints(n, 0, &value, 1);
    } else if (fe_has_attr(n, "value_float")) {
        float value = (float)fe_attr_float(n, "value_float");
        constant_floats(n, 0, &value, 1);
    } else if (strings) {
        const ir_dim dim = ir_dim_const(n->g, (int64_t)count);
        fe_out(n, 0, fe_strings(&n->b, strings, count, fe_has_attr(n, "value_strings"), &dim));
    } else {
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "no attribute says the value; accepted: value, value_float, value_floats, "
                       "value_int, value_ints, value_string, value_strings");
    }
    return LATHE_OK;
}

/* ---- filled with a formula ---- */

lathe_status fe_import_constant_of_shape(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_dim *dims;
    size_t rank;
    TRY(fe_sizes(n, fe_in(n, 0), 0, INT64_MAX, IR_NONE, &dims, &rank));
    if (rank > IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %zu axes, at most %d are supported", rank,
                       IR_MAX_RANK);
    const Onnx__TensorProto *tensor = fe_attr_tensor(n, "value");
    ir_value value = tensor ? IR_NONE : ir_scalar_const(&n->b, IR_F32, 0);
    if (tensor) TRY(fe_tensor(n->im, &n->b, tensor, NULL, &value));
    if (!ir_dim_equals(n->g, ir_type_count(n->g, ir_type_of(n->g, value)), 1))
        return fe_expect(n, "attribute value is", ir_type_text(n->g, ir_type_of(n->g, value)),
                         "one element");
    ir_elem elem = ir_type_of(n->g, value)->elem;
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, (int)rank, dims, 0);
    fe_out(n, 0, ir_nest_map(&nest, elem, fe_load_scalar(&nest, value)));
    return LATHE_OK;
}

/* How many steps of delta from start stay before limit. */
static ir_expr range_count(ir_graph *g, ir_elem elem, ir_expr start, ir_expr limit, ir_expr delta)
{
    ir_expr span = X2(SUB, limit, start);
    if (ir_elem_is_int(elem)) {
        ir_expr rounding = X2(SUB, delta, X1(SIGN, delta));
        return X2(MAX, X2(FLOORDIV, X2(ADD, span, rounding), delta), XI(0));
    }
    return X2(MAX, ir_x_cast(g, X1(CEIL, X2(DIV, span, delta)), IR_I64), XI(0));
}

/* In which type a range is computed; stash_type says it for low precision. */
static lathe_status range_type(const fe_node *n, ir_elem elem, ir_elem *wide)
{
    int64_t stash = fe_attr_int_or(n, "stash_type", IR_F32);
    *wide = ir_elem_is_int(elem) ? IR_I64 : ir_elem_arith(elem);
    if (ir_elem_is_int(elem) || *wide == elem) return LATHE_OK;
    if (stash != IR_F32 && stash != IR_F64)
        return fe_expect(n, "attribute stash_type is", fe_number(n, stash),
                         "1 (float) or 11 (double)");
    *wide = (ir_elem)stash;
    return LATHE_OK;
}

lathe_status fe_import_range(fe_node *n)
{
    ir_graph *g = n->g;
    for (size_t k = 0; k < 3; k++) {
        TRY(fe_need_class(n, k, "FLSU"));
        TRY(fe_need_same(n, 0, k));
        TRY(fe_need_one(n, k));
    }
    ir_elem elem = fe_type(n, 0)->elem, wide;
    TRY(range_type(n, elem, &wide));
    ir_nest nest;
    ir_expr x[3];
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    for (size_t k = 0; k < 3; k++) x[k] = ir_x_cast(g, fe_load_scalar(&nest, fe_in(n, k)), wide);
    int64_t zero_i;
    double zero_f;
    if (ir_x_is_const(g, x[2], &zero_i, &zero_f) && zero_f == 0)
        return fe_fail_input(n, 2, LATHE_BAD_INPUT, "is a step of 0");
    ir_dim count;
    ir_expr steps = range_count(g, elem, x[0], x[1], x[2]);
    TRY(fe_size_expr(n, &nest, steps, 0, INT64_MAX, IR_NONE, &count));
    ir_nest_begin(&nest, &n->b, 1, &count, 0);
    for (size_t k = 0; k < 3; k++) x[k] = ir_x_cast(g, fe_load_scalar(&nest, fe_in(n, k)), wide);
    ir_expr at = X2(ADD, x[0], X2(MUL, ir_x_cast(g, ir_x_index(g, 0), wide), x[2]));
    fe_out(n, 0, ir_nest_map(&nest, elem, ir_x_cast(g, at, elem)));
    return LATHE_OK;
}

lathe_status fe_import_eye_like(fe_node *n)
{
    TRY(fe_need_rank(n, 0, 2));
    ir_graph *g = n->g;
    ir_elem elem = (ir_elem)fe_attr_int_or(n, "dtype", fe_type(n, 0)->elem),
            arith = ir_elem_arith(elem);
    if (!ir_elem_computes(elem))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "attribute dtype is %d, which is no numeric element type", (int)elem);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 2, fe_type(n, 0)->dims, 0);
    ir_expr column = X2(ADD, ir_x_index(g, 0), XI(fe_attr_int(n, "k")));
    ir_expr hit = X2(EQ, ir_x_index(g, 1), column);
    ir_expr body = ir_x_select(g, hit, ir_x_num(g, arith, 1), ir_x_num(g, arith, 0));
    fe_out(n, 0, ir_nest_map(&nest, elem, body));
    return LATHE_OK;
}

lathe_status fe_import_trilu(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    if (t.rank < 2) return fe_expect_input(n, 0, "has rank", fe_number(n, t.rank), "2 or more");
    if (fe_has(n, 1)) TRY(fe_need_class(n, 1, "S"));
    if (fe_has(n, 1)) TRY(fe_need_one(n, 1));
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr k = fe_has(n, 1) ? fe_load_scalar(&nest, fe_in(n, 1)) : XI(0);
    ir_expr diagonal = X2(ADD, ir_x_index(g, t.rank - 2), k), column = ir_x_index(g, t.rank - 1);
    bool upper = fe_attr_int(n, "upper") != 0;
    ir_expr kept = upper ? X2(LE, diagonal, column) : X2(LE, column, diagonal);
    ir_expr zero = ir_x_num(g, ir_elem_arith(t.elem), 0);
    fe_out(
        n, 0,
        ir_nest_map(&nest, t.elem, ir_x_select(g, kept, ir_nest_read(&nest, fe_in(n, 0)), zero)));
    return LATHE_OK;
}

lathe_status fe_import_one_hot(fe_node *n)
{
    for (size_t k = 0; k < 3; k++) TRY(fe_need_arith(n, k));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    int axis;
    if (t.rank >= IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %d axes, at most %d are supported",
                       t.rank + 1, IR_MAX_RANK);
    TRY(fe_axis(n, fe_attr_int(n, "axis"), t.rank + 1, &axis));
    TRY(fe_need_rank(n, 2, 1));
    ir_nest nest;
    ir_dim depth, dims[IR_MAX_RANK];
    TRY(fe_need_one(n, 1));
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    ir_expr size = X2(MAX, ir_x_cast(g, fe_load_scalar(&nest, fe_in(n, 1)), IR_I64), XI(0));
    TRY(fe_size_expr(n, &nest, size, 0, INT64_MAX, IR_NONE, &depth));
    for (int i = 0; i <= t.rank; i++) dims[i] = i == axis ? depth : t.dims[i < axis ? i : i - 1];
    ir_nest_begin(&nest, &n->b, t.rank + 1, dims, 0);
    ir_expr idx[IR_MAX_RANK], off = XI(0), on = XI(1);
    for (int a = 0; a < t.rank; a++) idx[a] = ir_x_index(g, a < axis ? a : a + 1);
    ir_expr hot = fe_load_i64(&nest, fe_in(n, 0), idx);
    hot = ir_x_select(g, X2(LT, hot, XI(0)), X2(ADD, hot, XD(depth)), hot);
    ir_expr body =
        ir_x_select(g, X2(EQ, hot, ir_x_index(g, axis)), ir_nest_load(&nest, fe_in(n, 2), &on),
                    ir_nest_load(&nest, fe_in(n, 2), &off));
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 2)->elem, body));
    return LATHE_OK;
}
