/* Importers of the elementwise operators of ai.onnx.ml, and what its importers share. In: numbers
 * and lists of numbers as attributes. Out: maps. Results are f32 where ai.onnx.ml says so, whatever
 * the input is. */
#include "frontend/ml.h"

#include <string.h>

#include "frontend/import.h"

/* ---- attributes ---- */

static lathe_status read_tensor(const fe_node *n, const Onnx__TensorProto *t, const char *name,
                                fe_numbers *out)
{
    ir_type type;
    ir_blob blob;
    diag_place place = ir_place(&n->b, IR_NONE);
    place.tensor = name;
    TRY(fe_tensor_data(n->im, &place, t, &type, &blob));
    if (type.rank > 1 || (!ir_elem_is_float(type.elem) && type.elem != IR_U8))
        return fe_expect(n, ir_format(n->g->arena, "attribute %s is", name),
                         ir_type_text(n->g, &type), "a list of numbers");
    int64_t count = 1;
    if (type.rank) ir_dim_is_const(n->g, type.dims[0], &count);
    double *values = IR_NEW_N(n->g->arena, double, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++) {
        ir_scalar_value v = {0};
        ir_blob_get(type.elem, &blob, i, &v);
        values[i] = type.elem == IR_U8 ? (double)v.i : v.f;
    }
    *out = (fe_numbers){values, (size_t)count, type.elem};
    return LATHE_OK;
}

lathe_status fe_attr_numbers(const fe_node *n, const char *list, const char *tensor,
                             fe_numbers *out)
{
    size_t count;
    *out = (fe_numbers){0};
    const Onnx__TensorProto *t = tensor ? fe_attr_tensor(n, tensor) : NULL;
    const float *floats = list ? fe_attr_floats(n, list, &count) : NULL;
    if (t && floats)
        return fe_fail(n, LATHE_BAD_INPUT, "attributes %s and %s are both there", list, tensor);
    if (t) return read_tensor(n, t, tensor, out);
    if (!floats) return LATHE_OK;
    double *values = IR_NEW_N(n->g->arena, double, count + 1);
    for (size_t i = 0; i < count; i++) values[i] = (double)floats[i];
    *out = (fe_numbers){values, count, IR_F32};
    return LATHE_OK;
}

ir_value fe_const_i64(fe_node *n, const int64_t *values, size_t count)
{
    int64_t length = (int64_t)count;
    return ir_const_ints(&n->b, IR_I64, 1, &length, values);
}

ir_value fe_const_f64(fe_node *n, const double *values, size_t count)
{
    ir_dim length = ir_dim_const(n->g, (int64_t)count);
    ir_type t = ir_type_make(IR_F64, 1, &length);
    ir_blob blob = {.bytes = ir_copy(n->g->arena, values, count, sizeof *values),
                    .size = count * sizeof *values};
    return ir_const(&n->b, &t, &blob);
}

/* ---- elementwise ---- */

lathe_status fe_import_array_feature_extractor(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    TRY(fe_need_class(n, 1, "SU"));
    ir_graph *g = n->g;
    ir_dim count = ir_type_count(g, fe_type(n, 1));
    ir_value x = fe_in(n, 0), indices = ir_reshape(&n->b, fe_in(n, 1), 1, &count);
    if (fe_type(n, 0)->rank == 0) return fe_expect_input(n, 0, "has rank", "0", "1 or more");
    if (fe_type(n, 0)->rank == 1) x = ir_unsqueeze(&n->b, x, 0);
    fe_out(n, 0, fe_gather(n, x, indices, ir_type_of(g, x)->rank - 1));
    return LATHE_OK;
}

lathe_status fe_import_binarizer(fe_node *n)
{
    TRY(fe_need_class(n, 0, "FLSU"));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr x = ir_x_cast(g, ir_nest_read(&nest, fe_in(n, 0)), IR_F64);
    ir_expr above = X2(LT, ir_x_num(g, IR_F64, fe_attr_float(n, "threshold")), x);
    fe_out(n, 0, ir_nest_map(&nest, t.elem, ir_x_cast(g, above, t.elem)));
    return LATHE_OK;
}

/* Rows of features: rank 2, or rank 1 as a row. */
static lathe_status need_rows(const fe_node *n)
{
    TRY(fe_need_class(n, 0, "FLSU"));
    int rank = fe_type(n, 0)->rank;
    if (rank == 1 || rank == 2) return LATHE_OK;
    return fe_fail_input(n, 0, LATHE_UNSUPPORTED, "has rank %d; 1 and 2 are supported", rank);
}

/* The attribute's number for a feature; `otherwise` if it is absent. */
static lathe_status of_feature(fe_node *n, ir_nest *nest, const char *name, double otherwise,
                               ir_expr *out)
{
    fe_numbers list;
    const ir_type *t = fe_type(n, 0);
    *out = ir_x_num(n->g, IR_F32, otherwise);
    TRY(fe_attr_numbers(n, name, NULL, &list));
    if (list.n == 1) *out = ir_x_num(n->g, IR_F32, list.values[0]);
    if (list.n <= 1) return LATHE_OK;
    ir_dim length = ir_dim_const(n->g, (int64_t)list.n);
    TRY(fe_need_dim(n, 0, t->rank - 1, length));
    ir_value numbers = ir_cast(&n->b, fe_const_f64(n, list.values, list.n), IR_F32);
    ir_expr at = ir_nest_index(nest, t->rank - 1);
    *out = ir_nest_load(nest, numbers, &at);
    return LATHE_OK;
}

lathe_status fe_import_scaler(fe_node *n)
{
    TRY(need_rows(n));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    ir_expr offset, scale;
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr x = ir_x_cast(g, ir_nest_read(&nest, fe_in(n, 0)), IR_F32);
    TRY(of_feature(n, &nest, "offset", 0, &offset));
    TRY(of_feature(n, &nest, "scale", 1, &scale));
    fe_out(n, 0, ir_nest_map(&nest, IR_F32, X2(MUL, X2(SUB, x, offset), scale)));
    return LATHE_OK;
}

lathe_status fe_import_normalizer(fe_node *n)
{
    static const char *const norms[] = {"MAX", "L1", "L2"};
    TRY(need_rows(n));
    ir_graph *g = n->g;
    const char *norm = fe_attr_str(n, "norm");
    int which = 0;
    while (which < 3 && strcmp(norms[which], norm) != 0) which++;
    if (which == 3) return fe_expect(n, "attribute norm is", norm, "MAX, L1 or L2");
    ir_value x = ir_cast(&n->b, fe_in(n, 0), IR_F32);
    const ir_type t = *ir_type_of(g, x);
    fe_fold fold;
    if (!fe_fold_begin(&fold, &n->b, x, 1u << (t.rank - 1))) return LATHE_BAD_INPUT;
    ir_expr part = which == 0 ? fold.x : which == 1 ? X1(ABS, fold.x) : X2(MUL, fold.x, fold.x);
    ir_value by = fe_fold_end(&fold, which == 0 ? "max" : "sum", IR_F32, part, true);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr v = ir_nest_read(&nest, x), divisor = ir_nest_read(&nest, by);
    if (which == 2) divisor = X1(SQRT, divisor);
    ir_expr zero = X2(EQ, divisor, XN(divisor, 0));
    divisor = ir_x_select(g, zero, XN(divisor, 1), divisor);
    fe_out(n, 0, ir_nest_map(&nest, IR_F32, X2(DIV, v, divisor)));
    return LATHE_OK;
}

/* ---- scores ---- */

ir_value fe_add_columns(fe_node *n, ir_value v, const double *numbers, size_t count)
{
    ir_graph *g = n->g;
    if (!count || v == IR_NONE) return v;
    ir_value added = fe_const_f64(n, numbers, count);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 2, ir_type_of(g, v)->dims, 0);
    ir_expr at = ir_nest_index(&nest, 1);
    return ir_nest_map(&nest, IR_F64,
                       X2(ADD, ir_nest_read(&nest, v), ir_nest_load(&nest, added, &at)));
}

/* sqrt(2) * erf^-1(2x - 1) by Winitzki's formula, as ONNX's and others' implementations have it. */
static ir_expr probit(ir_graph *g, ir_expr x)
{
    const double a = 0.147, pi = 3.14159265358979323846;
    ir_expr y = X2(SUB, X2(MUL, x, XN(x, 2)), XN(x, 1)), one = XN(x, 1);
    ir_expr log = X1(LOG, X2(MUL, X2(SUB, one, y), X2(ADD, one, y)));
    ir_expr v = X2(ADD, XN(x, 2 / (pi * a)), X2(MUL, log, XN(x, 0.5)));
    ir_expr w = X2(SUB, X2(MUL, v, v), X2(DIV, log, XN(x, a)));
    ir_expr size = X1(SQRT, X2(SUB, X1(SQRT, w), v));
    size = ir_x_select(g, X2(LT, y, XN(y, 0)), X1(NEG, size), size);
    return X2(MUL, size, XN(x, 1.41421356237309504880));
}

/* Softmax of the scores that are not 0; those that are stay 0. */
static ir_value softmax_zero(fe_node *n, ir_value v)
{
    ir_graph *g = n->g;
    const ir_type t = *ir_type_of(g, v);
    ir_value top = fe_reduce(&n->b, "max", v, 1u << 1, IR_F64, true);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 2, t.dims, 0);
    ir_expr x = ir_nest_read(&nest, v), zero = XN(x, 0);
    ir_expr e = X1(EXP, X2(SUB, x, ir_nest_read(&nest, top)));
    ir_value part = ir_nest_map(&nest, IR_F64, ir_x_select(g, X2(EQ, x, zero), zero, e));
    ir_value sum = fe_reduce(&n->b, "sum", part, 1u << 1, IR_F64, true);
    ir_nest_begin(&nest, &n->b, 2, t.dims, 0);
    ir_expr total = ir_nest_read(&nest, sum);
    total = ir_x_select(g, X2(EQ, total, zero), XN(total, 1), total);
    return ir_nest_map(&nest, IR_F64, X2(DIV, ir_nest_read(&nest, part), total));
}

lathe_status fe_post_transform(fe_node *n, const char *how, ir_value v, ir_value *result)
{
    ir_graph *g = n->g;
    *result = v;
    if (v == IR_NONE || !strcmp(how, "NONE")) return LATHE_OK;
    if (!strcmp(how, "SOFTMAX")) {
        *result = fe_softmax(&n->b, v, 1, false);
    } else if (!strcmp(how, "SOFTMAX_ZERO")) {
        *result = softmax_zero(n, v);
    } else if (!strcmp(how, "LOGISTIC") || !strcmp(how, "PROBIT")) {
        ir_nest nest;
        ir_nest_begin(&nest, &n->b, 2, ir_type_of(g, v)->dims, 0);
        ir_expr x = ir_nest_read(&nest, v);
        *result = ir_nest_map(&nest, IR_F64, how[0] == 'L' ? X1(SIGMOID, x) : probit(g, x));
    } else {
        return fe_expect(n, "attribute post_transform is", how,
                         "NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT");
    }
    return LATHE_OK;
}
